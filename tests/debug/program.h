/*
 * program.h - running a body as a program of its own, and reading what it said
 */
#ifndef WEIR_TESTS_DEBUG_PROGRAM_H
#define WEIR_TESTS_DEBUG_PROGRAM_H

#include <stddef.h>
#include <weir/task.h>

struct said {
    char text[32768]; /* on standard error */
    size_t size;
    int status; /* as waitpid() gives it */
};

/* Runs fn with weir_run() in a child; `prepare` (or NULL) is called there before. */
void run_program_prepared(void (*prepare)(void), weir_task_fn *fn, struct said *out);
void run_program(weir_task_fn *fn, struct said *out);
/* How often a part stands in a text. */
size_t count_of(const char *part, const char *text);

#endif
