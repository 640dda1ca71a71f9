/*
 * program.c - see program.h
 */
#include "tests/debug/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/test.h"

void run_program_prepared(void (*prepare)(void), weir_task_fn *fn, struct said *out)
{
    memset(out, 0, sizeof *out);
    int pipe_fds[2];
    REQUIRE(pipe(pipe_fds) == 0);
    fflush(NULL);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        dup2(pipe_fds[1], 2);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        if (prepare != NULL)
            prepare();
        exit(weir_run(fn, NULL));
    }
    close(pipe_fds[1]);
    ssize_t n;
    while (out->size < sizeof out->text - 1 &&
           (n = read(pipe_fds[0], out->text + out->size, sizeof out->text - 1 - out->size)) > 0)
        out->size += (size_t)n;
    close(pipe_fds[0]);
    waitpid(child, &out->status, 0);
}

void run_program(weir_task_fn *fn, struct said *out)
{
    run_program_prepared(NULL, fn, out);
}

size_t count_of(const char *part, const char *text)
{
    size_t count = 0;
    while ((text = strstr(text, part)) != NULL) {
        text += strlen(part);
        count++;
    }
    return count;
}
