/*
 * watchdog_test.c - the reporting thread comes and goes with the runs, and reports survive without
 * it
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/debug.h>
#include <weir/weir.h>

#include "base/clock.h"
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

static int block_for_30_ms(void *arg)
{
    (void)arg;
    int64_t until_ns = weir__base_cpu_now() + 30 * WEIR_MS;
    while (weir__base_cpu_now() < until_ns)
        ;
    return 0;
}

static int hold_the_loop(void *arg)
{
    weir_debug_stats before, after;
    weir_debug_stats_get(&before);
    for (int i = 0; i < 100; i++) { /* the watching thread must get the CPU meanwhile */
        int rc = block_for_30_ms(arg);
        if (rc == 0)
            rc = weir_sleep(WEIR_MS);
        weir_debug_stats_get(&after);
        if (rc < 0 || after.longest_stall_ns > before.longest_stall_ns) /* known at its end */
            break;
    }
    fprintf(stderr, "stalls %d longest %d findings %d\n", after.stalls > before.stalls,
            after.longest_stall_ns > before.longest_stall_ns, after.findings > before.findings);
    return 0;
}

static void take_steps_of_10_ms(void)
{
    weir_debug_set_step_limit(10 * WEIR_MS);
}

TEST(a_step_beyond_a_limit_of_ones_own_is_told_and_counted) /* Q6 */
{
    static struct said said;
    run_program_prepared(take_steps_of_10_ms, hold_the_loop, &said);
    EXPECT_CONTAINS("stalls 1 longest 1 findings 1", said.text);
    EXPECT_CONTAINS("W104", said.text);
}

static int hold_the_loop_once(void *arg)
{
    for (int i = 0; i < 8; i++)
        block_for_30_ms(arg);
    return 0;
}

static void take_any_step(void)
{
    weir_debug_set_step_limit(WEIR_FOREVER);
}

TEST(without_a_limit_of_steps_nothing_is_told)
{
    static struct said said;
    run_program_prepared(take_any_step, hold_the_loop_once, &said);
    EXPECT_EQ(0, said.size);
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
