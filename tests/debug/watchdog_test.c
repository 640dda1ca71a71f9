/*
 * watchdog_test.c - the reporting thread comes and goes with the runs, and reports survive without
 * it
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weir/debug.h>
#include <weir/weir.h>

#include "base/fault.h"
#include "base/thread.h"
#include "tests/support/test.h"

static int return_zero(void *arg)
{
    (void)arg;
    return 0;
}

static void *run_again_and_again(void *arg)
{
    weir_run_options options = {.backend = "sim"};
    for (int i = 0; i < 100; i++)
        *(int *)arg += weir_run_with(&options, return_zero, NULL) != 0;
    return NULL;
}

TEST(runs_that_begin_and_end_on_several_threads_share_one_watchdog)
{
    enum { THREADS = 3 };
    struct weir__thread threads[THREADS];
    int failed[THREADS] = {0};
    for (int i = 0; i < THREADS; i++)
        REQUIRE_RC(0,
                   weir__base_thread_start(&threads[i], "runner", run_again_and_again, &failed[i]));
    for (int i = 0; i < THREADS; i++) {
        weir__base_thread_join(&threads[i]);
        EXPECT_EQ(0, failed[i]);
    }
}

static int return_from_block(void *arg)
{
    (void)arg;
    int rc = 0;
    WEIR_TIMEOUT(rc, WEIR_SEC)
    {
        return 0;
    }
    return rc;
}

TEST(a_finding_is_told_when_there_is_no_thread_to_tell_it)
{
    int pipe_fds[2];
    REQUIRE(pipe(pipe_fds) == 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        dup2(pipe_fds[1], 2);
        setenv("WEIR_BACKEND", "sim", 1);
        weir__base_fault_arm(WEIR__FAULT_THREAD, 1, -EAGAIN, true);
        exit(weir_run(return_from_block, NULL));
    }
    close(pipe_fds[1]);
    static char said[16384];
    size_t size = 0;
    ssize_t n;
    while (size < sizeof said - 1 &&
           (n = read(pipe_fds[0], said + size, sizeof said - 1 - size)) > 0)
        size += (size_t)n;
    close(pipe_fds[0]);
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_CONTAINS("no watchdog", said);
    EXPECT_CONTAINS("W311", said);
    EXPECT_CONTAINS("0x", said);
    EXPECT(memchr(said, 1, size) == NULL); /* no mark is left in it */
}
