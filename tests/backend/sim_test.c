/*
 * sim_test.c - virtual time: it jumps, it stands still while threads work, and it never runs by
 * itself
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/thread.h"
#include "tests/backend/rig.h"

static void open_sim(void)
{
    REQUIRE_RC(0, weir__sim_open(&backend));
}

TEST(time_starts_at_one_second_and_jumps_by_the_timeout)
{
    open_sim();
    int64_t *now_ns = weir__sim_clock(backend);
    EXPECT_EQ(WEIR_SEC, *now_ns);
    weir__backend_turn(backend, WEIR_HOUR);
    EXPECT_EQ(WEIR_SEC + WEIR_HOUR, *now_ns);
    weir__backend_turn(backend, 0);
    weir__backend_turn(backend, -WEIR_SEC);
    EXPECT_EQ(WEIR_SEC + WEIR_HOUR, *now_ns);
    weir__backend_turn(backend, WEIR_NEVER - 1); // far, but a number: it ends at the end of time
    EXPECT_EQ(WEIR_NEVER, *now_ns);
    weir__backend_close(backend);
}

TEST(the_clock_can_be_installed_for_a_thread)
{
    open_sim();
    weir__base_clock_install(weir__sim_clock(backend));
    int64_t before_ns = weir_now();
    weir__backend_turn(backend, 5 * WEIR_SEC);
    EXPECT_EQ(5 * WEIR_SEC, weir_now() - before_ns);
    weir__base_clock_install(NULL);
    weir__backend_close(backend);
}

TEST(a_wait_without_end_and_without_hope_returns_and_says_so)
{
    open_sim();
    weir__backend_turn(backend, WEIR_FOREVER);
    EXPECT(backend->idle_forever);
    EXPECT_EQ(WEIR_SEC, *weir__sim_clock(backend));
    weir__backend_turn(backend, 1);
    EXPECT(!backend->idle_forever);
    weir__backend_close(backend);
}

TEST(a_wake_keeps_time_from_moving_once)
{
    open_sim();
    weir__backend_wake(backend);
    weir__backend_wake(backend);
    weir__backend_turn(backend, WEIR_SEC);
    EXPECT_EQ(WEIR_SEC, *weir__sim_clock(backend));
    weir__backend_turn(backend, WEIR_FOREVER);
    EXPECT(backend->idle_forever);
    weir__backend_close(backend);
}

static int worked; /* atomic */

static void *work_and_wake(void *arg)
{
    for (int i = 0; i < 1000; i++) {
        while (__atomic_load_n(&worked, __ATOMIC_ACQUIRE) != 2 * i)
            __asm__ volatile("" ::: "memory");
        __atomic_store_n(&worked, 2 * i + 1, __ATOMIC_RELEASE);
        weir__backend_wake(arg);
    }
    return NULL;
}

TEST(time_stands_still_while_another_thread_works)
{
    open_sim();
    backend->wakes_expected = 1;
    struct weir__thread thread;
    REQUIRE_RC(0, weir__base_thread_start(&thread, "worker", work_and_wake, backend));
    for (int i = 0; i < 1000; i++) {
        while (__atomic_load_n(&worked, __ATOMIC_ACQUIRE) != 2 * i + 1) {
            weir__backend_turn(backend, i % 2 == 0 ? WEIR_SEC : WEIR_FOREVER);
            EXPECT(!backend->idle_forever);
        }
        __atomic_store_n(&worked, 2 * i + 2, __ATOMIC_RELEASE);
    }
    weir__base_thread_join(&thread);
    EXPECT_EQ(WEIR_SEC, *weir__sim_clock(backend));
    backend->wakes_expected = 0;
    weir__backend_close(backend);
}

TEST(there_are_no_descriptors_here)
{
    open_sim();
    for (int kind = 0; kind < WEIR__OP_KIND_COUNT; kind++) {
        struct weir__op op = {.kind = (enum weir__op_kind)kind};
        EXPECT_RC(-EOPNOTSUPP, weir__backend_submit(backend, &op));
        EXPECT(!op.submitted);
    }
    struct weir__rx rx = {.fd = 0};
    EXPECT_RC(-EOPNOTSUPP, weir__backend_rx_arm(backend, &rx));
    weir__backend_forget_fd(backend, 0);
    EXPECT(!weir__backend_pending(backend));
    weir__backend_close(backend);
}

TEST(a_fault_completes_an_operation_without_moving_time)
{
    open_sim();
    struct job job;
    weir__base_fault_arm(WEIR__FAULT_RING, 1, -ECONNRESET, false);
    job_start(&job, recv_op(0, NULL, 0));
    weir__base_fault_disarm();
    EXPECT(weir__backend_pending(backend));
    weir__backend_cancel(backend, &job.op);
    weir__backend_turn(backend, WEIR_SEC);
    EXPECT_EQ(1, job.done_count);
    EXPECT_RC(-ECONNRESET, job.result);
    EXPECT_EQ(WEIR_SEC, *weir__sim_clock(backend));
    weir__backend_close(backend);
}
