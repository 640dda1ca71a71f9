/*
 * wake_test.c - waiting, not waiting, and being woken by other threads
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/thread.h"
#include "tests/backend/rig.h"

ON_BOTH(a_turn_waits_as_long_as_it_was_told)
{
    weir__backend_turn(backend, 0);
    int64_t begin_ns = weir_now();
    weir__backend_turn(backend, 20 * WEIR_MS);
    EXPECT(weir_now() - begin_ns >= 20 * WEIR_MS);
    begin_ns = weir_now();
    weir__backend_turn(backend, 300 * WEIR_US); // not rounded down to nothing
    EXPECT(weir_now() - begin_ns >= 300 * WEIR_US);
}

ON_BOTH(a_turn_without_a_timeout_or_with_a_past_one_does_not_wait)
{
    int64_t begin_ns = weir_now();
    for (int i = 0; i < 100; i++) {
        weir__backend_turn(backend, 0);
        weir__backend_turn(backend, -1 * WEIR_SEC);
    }
    EXPECT(weir_now() - begin_ns < 5 * WEIR_SEC);
}

ON_URING(a_turn_with_nothing_to_do_makes_no_system_call)
{
    weir__backend_turn(backend, 0);
    weir__backend_turn(backend, 0);
    uint64_t calls = call_count();
    for (int i = 0; i < 100; i++)
        weir__backend_turn(backend, 0);
    EXPECT_EQ(calls, call_count());
}

ON_BOTH(a_wake_before_the_turn_keeps_it_from_waiting)
{
    weir__backend_wake(backend);
    weir__backend_turn(backend, WEIR_FOREVER);
    // Its bell may be heard once more; after that the loop rests again.
    weir__backend_turn(backend, 10 * WEIR_MS);
    int64_t begin_ns = weir_now();
    weir__backend_turn(backend, 10 * WEIR_MS);
    EXPECT(weir_now() - begin_ns >= 10 * WEIR_MS);
}

ON_BOTH(ten_thousand_wakes_ring_once)
{
    weir__backend_turn(backend, 0);
    uint64_t calls = call_count();
    for (int i = 0; i < 10000; i++)
        weir__backend_wake(backend);
    EXPECT_EQ(calls + 1, call_count());
    weir__backend_turn(backend, WEIR_FOREVER);
}

ON_BOTH(a_wake_gets_through_when_system_calls_fail)
{
    weir__backend_turn(backend, 0);
    weir__base_fault_arm(WEIR__FAULT_SYSCALL, 1, -EIO, true);
    weir__backend_wake(backend);
    weir__base_fault_disarm();
    backend->wake_requested = 0; // so that only the bell can end the wait
    weir__backend_turn(backend, WEIR_FOREVER);
}

/* A loop's inbox as core has it: push, then wake. */
struct mailbox {
    struct weir__backend *backend;
    int pushed; /* atomic */
    int count;
};

static void *push_and_wake(void *arg)
{
    struct mailbox *mailbox = arg;
    uint64_t random = (uint64_t)(uintptr_t)&random;
    for (int i = 0; i < mailbox->count; i++) {
        __atomic_fetch_add(&mailbox->pushed, 1, __ATOMIC_RELEASE);
        weir__backend_wake(mailbox->backend);
        if (weir__base_random_next(&random) % 8 == 0) {
            for (uint64_t spin = weir__base_random_next(&random) % 20000; spin > 0; spin--)
                __asm__ volatile("" ::: "memory");
        }
    }
    return NULL;
}

/*
 * Every push is seen without any timeout's help: a lost wake would leave the turn waiting for good.
 */
ON_BOTH(no_wake_of_two_threads_is_lost)
{
    enum { COUNT = 10000 };
    struct mailbox mailbox = {.backend = backend, .count = COUNT};
    struct weir__thread threads[2];
    for (int i = 0; i < 2; i++)
        REQUIRE_RC(0, weir__base_thread_start(&threads[i], "waker", push_and_wake, &mailbox));
    int seen = 0;
    while (seen < 2 * COUNT) {
        weir__backend_turn(backend, WEIR_FOREVER);
        seen = __atomic_load_n(&mailbox.pushed, __ATOMIC_ACQUIRE);
    }
    for (int i = 0; i < 2; i++)
        weir__base_thread_join(&threads[i]);
    EXPECT_EQ(2 * COUNT, seen);
}

/* One at a time, so that each finds the loop asleep or about to be. */
struct ping {
    struct weir__backend *backend;
    int round;    /* atomic: the loop wants this one */
    int answered; /* atomic */
    int count;
};

static void *answer_pings(void *arg)
{
    struct ping *ping = arg;
    for (int i = 1; i <= ping->count; i++) {
        while (__atomic_load_n(&ping->round, __ATOMIC_ACQUIRE) < i)
            __asm__ volatile("" ::: "memory");
        __atomic_store_n(&ping->answered, i, __ATOMIC_RELEASE);
        weir__backend_wake(ping->backend);
    }
    return NULL;
}

ON_BOTH(a_sleeping_loop_is_woken_every_time)
{
    enum { COUNT = 3000 };
    struct ping ping = {.backend = backend, .count = COUNT};
    struct weir__thread thread;
    REQUIRE_RC(0, weir__base_thread_start(&thread, "waker", answer_pings, &ping));
    for (int i = 1; i <= COUNT; i++) {
        __atomic_store_n(&ping.round, i, __ATOMIC_RELEASE);
        while (__atomic_load_n(&ping.answered, __ATOMIC_ACQUIRE) < i)
            weir__backend_turn(backend, WEIR_FOREVER);
    }
    weir__base_thread_join(&thread);
}
