/*
 * fault_test.c - a plan strikes where it says, and nowhere else
 */
#include "base/fault.h"

#include "base/alloc.h"
#include "base/thread.h"
#include "tests/support/test.h"

enum { THREADS = 4, HITS = 10000 };

TEST(without_a_plan_nothing_fails)
{
    EXPECT_RC(0, weir__base_fault(WEIR__FAULT_ALLOC));
    EXPECT_RC(0, weir__base_fault(WEIR__FAULT_SYSCALL));
    EXPECT(!weir__base_fault_delivered());
    EXPECT_EQ(0, weir__base_fault_disarm());
}

TEST(the_nth_hit_of_a_point_fails_once)
{
    weir__base_fault_arm(WEIR__FAULT_SYSCALL, 3, -EIO, false);
    EXPECT_RC(0, weir__base_fault(WEIR__FAULT_SYSCALL));
    EXPECT_RC(0, weir__base_fault(WEIR__FAULT_ALLOC)); // another point: not counted
    EXPECT_RC(0, weir__base_fault(WEIR__FAULT_SYSCALL));
    EXPECT(!weir__base_fault_delivered());
    EXPECT_RC(-EIO, weir__base_fault(WEIR__FAULT_SYSCALL));
    EXPECT(weir__base_fault_delivered());
    EXPECT_RC(0, weir__base_fault(WEIR__FAULT_SYSCALL));
    EXPECT_EQ(4, weir__base_fault_disarm());
    EXPECT_RC(0, weir__base_fault(WEIR__FAULT_SYSCALL));
}

TEST(a_repeated_fault_does_not_end)
{
    weir__base_fault_arm(WEIR__FAULT_RING, 2, -ENOBUFS, true);
    EXPECT_RC(0, weir__base_fault(WEIR__FAULT_RING));
    for (int i = 0; i < 5; i++)
        EXPECT_RC(-ENOBUFS, weir__base_fault(WEIR__FAULT_RING));
    EXPECT_EQ(6, weir__base_fault_disarm());
}

TEST(the_zeroth_hit_only_counts)
{
    weir__base_fault_arm(WEIR__FAULT_ALLOC, 0, -ENOMEM, true);
    for (int i = 0; i < 5; i++)
        EXPECT_RC(0, weir__base_fault(WEIR__FAULT_ALLOC));
    EXPECT(!weir__base_fault_delivered());
    EXPECT_EQ(5, weir__base_fault_disarm());
}

TEST(a_new_plan_starts_from_nothing)
{
    weir__base_fault_arm(WEIR__FAULT_ALLOC, 1, -ENOMEM, false);
    EXPECT_RC(-ENOMEM, weir__base_fault(WEIR__FAULT_ALLOC));
    weir__base_fault_arm(WEIR__FAULT_ALLOC, 2, -ENOMEM, false);
    EXPECT(!weir__base_fault_delivered());
    EXPECT_RC(0, weir__base_fault(WEIR__FAULT_ALLOC));
    EXPECT_RC(-ENOMEM, weir__base_fault(WEIR__FAULT_ALLOC));
    EXPECT_EQ(2, weir__base_fault_disarm());
}

TEST(an_exempt_thread_neither_counts_nor_fails)
{
    weir__base_fault_arm(WEIR__FAULT_ALLOC, 1, -ENOMEM, true);
    EXPECT(!weir__base_fault_exempt(true));
    EXPECT_RC(0, weir__base_fault(WEIR__FAULT_ALLOC));
    EXPECT(weir__base_fault_exempt(false));
    EXPECT_RC(-ENOMEM, weir__base_fault(WEIR__FAULT_ALLOC));
    EXPECT_EQ(1, weir__base_fault_disarm());
}

static void *hit_often(void *arg)
{
    uint64_t *failed_count = arg;
    for (int i = 0; i < HITS; i++)
        *failed_count += weir__base_fault(WEIR__FAULT_ALLOC) != 0;
    return NULL;
}

TEST(exactly_one_of_many_threads_gets_the_fault)
{
    struct weir__thread threads[THREADS];
    uint64_t failed_count[THREADS] = {0};
    weir__base_fault_arm(WEIR__FAULT_ALLOC, HITS + 1, -ENOMEM, false);
    for (int i = 0; i < THREADS; i++)
        REQUIRE_RC(0, weir__base_thread_start(&threads[i], "hits", hit_often, &failed_count[i]));
    uint64_t sum = 0;
    for (int i = 0; i < THREADS; i++) {
        weir__base_thread_join(&threads[i]);
        sum += failed_count[i];
    }
    EXPECT_EQ(1, sum);
    EXPECT_EQ(THREADS * HITS, weir__base_fault_disarm());
}

TEST(disarming_under_other_threads_is_no_race)
{
    struct weir__thread threads[THREADS];
    uint64_t failed_count[THREADS] = {0};
    for (int i = 0; i < THREADS; i++)
        REQUIRE_RC(0, weir__base_thread_start(&threads[i], "hits", hit_often, &failed_count[i]));
    for (int i = 0; i < 100; i++) {
        weir__base_fault_arm(WEIR__FAULT_ALLOC, 1, -ENOMEM, true);
        weir__base_fault_disarm();
    }
    for (int i = 0; i < THREADS; i++)
        weir__base_thread_join(&threads[i]);
    EXPECT_RC(0, weir__base_fault(WEIR__FAULT_ALLOC));
}
