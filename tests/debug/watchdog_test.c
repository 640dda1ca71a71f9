/*
 * watchdog_test.c - the reporting thread comes and goes with the runs, and reports survive without
 * it
 */
#include <stdlib.h>
#include <string.h>
#include <weir/debug.h>
#include <weir/weir.h>

#include "base/fault.h"
#include "base/thread.h"
#include "tests/debug/program.h"
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

static void refuse_threads(void)
{
    setenv("WEIR_BACKEND", "sim", 1);
    weir__base_fault_arm(WEIR__FAULT_THREAD, 1, -EAGAIN, true);
}

TEST(a_finding_is_told_when_there_is_no_thread_to_tell_it)
{
    static struct said said;
    run_program_prepared(refuse_threads, return_from_block, &said);
    EXPECT_CONTAINS("no watchdog", said.text);
    EXPECT_CONTAINS("W311", said.text);
    EXPECT_CONTAINS("0x", said.text);
    EXPECT(memchr(said.text, 1, said.size) == NULL); /* no mark is left in it */
    EXPECT(memchr(said.text, 2, said.size) == NULL);
}
