/*
 * semaphore_test.c - permits, in order, and none lost
 */
#include "tests/sync/waits.h"

#include "base/clock.h"

struct taker {
    weir_semaphore *semaphore;
    size_t permits;
    int rc;
    int position; // in the order of those who got theirs; 0: not yet
    int *served_count;
};

static int take(void *arg)
{
    struct taker *taker = arg;
    taker->rc = weir_semaphore_acquire(taker->semaphore, taker->permits);
    if (taker->rc == 0)
        taker->position = ++*taker->served_count;
    return taker->rc;
}

TASK_TEST(free_permits_are_taken_at_once_and_given_back)
{
    weir_semaphore semaphore;
    weir_semaphore_init(&semaphore, 3);
    EXPECT_RC(0, weir_semaphore_acquire(&semaphore, 2));
    EXPECT_EQ(1, weir_semaphore_available(&semaphore));
    EXPECT_RC(-EAGAIN, weir_semaphore_try_acquire(&semaphore, 2));
    EXPECT_RC(0, weir_semaphore_try_acquire(&semaphore, 1));
    EXPECT_RC(0, weir_semaphore_acquire(&semaphore, 0));
    weir_semaphore_release(&semaphore, 3);
    EXPECT_EQ(3, weir_semaphore_available(&semaphore));
    weir_semaphore_release(&semaphore, SIZE_MAX);
    EXPECT_EQ(-1, (intmax_t)weir_semaphore_available(&semaphore)); // SIZE_MAX, and no wrap
}

TASK_TEST(permits_are_handed_out_in_the_order_of_asking)
{
    enum { TAKERS = 20 };
    weir_semaphore semaphore = {0};
    struct taker takers[TAKERS];
    int served_count = 0;
    weir_group *group = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < TAKERS; i++) {
        takers[i] =
            (struct taker){.semaphore = &semaphore, .permits = 1, .served_count = &served_count};
        spawn(group, take, &takers[i]);
    }
    settle();
    for (int i = 0; i < TAKERS; i++)
        weir_semaphore_release(&semaphore, 1);
    EXPECT_RC(0, weir_group_close(group, 0));
    for (int i = 0; i < TAKERS; i++)
        EXPECT_EQ(i + 1, takers[i].position);
    EXPECT_EQ(0, weir_semaphore_available(&semaphore));
}

TASK_TEST(a_newcomer_does_not_overtake_a_waiter)
{
    weir_semaphore semaphore = {0};
    int served_count = 0;
    struct taker waiter = {.semaphore = &semaphore, .permits = 2, .served_count = &served_count};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, take, &waiter);
    settle();
    weir_semaphore_release(&semaphore, 1);
    EXPECT_RC(-EAGAIN,
              weir_semaphore_try_acquire(&semaphore, 1)); // case 177: one is free, but not for us
    weir_semaphore_release(&semaphore, 1);
    EXPECT_RC(-EAGAIN,
              weir_semaphore_try_acquire(&semaphore, 1)); // it belongs to the waiter already
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(1, waiter.position);
}

TASK_TEST(a_release_followed_by_a_cancel_in_one_turn_conserves_the_permits)
{
    weir_semaphore semaphore = {0};
    int served_count = 0;
    struct taker first = {.semaphore = &semaphore, .permits = 1, .served_count = &served_count};
    struct taker second = first;
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id id = spawn(group, take, &first);
    spawn(group, take, &second);
    settle();
    weir_semaphore_release(&semaphore, 1);
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    settle();
    EXPECT_RC(0, first.rc); // case 176, O4: it was granted before
    EXPECT_EQ(0, weir_semaphore_available(&semaphore));
    EXPECT_EQ(0, second.position);
    weir_semaphore_release(&semaphore, 1); // what the first one holds
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(2, second.position);
}

TASK_TEST(a_cancelled_acquire_holds_nothing_and_lets_those_behind_it_pass)
{
    weir_semaphore semaphore;
    weir_semaphore_init(&semaphore, 2);
    int served_count = 0;
    struct taker big = {.semaphore = &semaphore, .permits = 3, .served_count = &served_count};
    struct taker small = {.semaphore = &semaphore, .permits = 1, .served_count = &served_count};
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id id = spawn(group, take, &big);
    spawn(group, take, &small);
    settle();
    EXPECT_EQ(2, weir_semaphore_available(&semaphore)); // case 178: nothing is held before all is
                                                        // there
    EXPECT_EQ(0, served_count);
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ECANCELED, big.rc);
    EXPECT_EQ(1, small.position);
    EXPECT_EQ(1, weir_semaphore_available(&semaphore));
}

TASK_TEST(an_acquire_in_a_cancelled_scope_takes_nothing)
{
    weir_semaphore semaphore;
    weir_semaphore_init(&semaphore, 1);
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "test");
    EXPECT_RC(-ECANCELED, weir_semaphore_acquire(&semaphore, 1));
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    EXPECT_EQ(1, weir_semaphore_available(&semaphore));
}

/* --- no permit is lost, whatever is cancelled when (I10) -------------------------------------- */

enum { PERMITS = 3, RIVALS = 12, ROUNDS = 20 };

struct contest {
    weir_semaphore semaphore;
    uint64_t random;
    size_t held;
};

static int compete(void *arg)
{
    struct contest *contest = arg;
    for (int i = 0; i < ROUNDS; i++) {
        size_t permits = 1 + weir__base_random_next(&contest->random) % PERMITS;
        int rc = weir_semaphore_acquire(&contest->semaphore, permits);
        if (rc < 0)
            return rc;
        contest->held += permits;
        EXPECT(contest->held <= PERMITS);
        rc = weir_sleep((int64_t)(weir__base_random_next(&contest->random) % 3) * WEIR_MS);
        contest->held -= permits;
        weir_semaphore_release(&contest->semaphore, permits);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int hold_contest(void *arg)
{
    struct contest contest = {.random = *(uint64_t *)arg};
    weir_semaphore_init(&contest.semaphore, PERMITS);
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id ids[RIVALS];
    for (int i = 0; i < RIVALS; i++)
        ids[i] = spawn(group, compete, &contest);
    for (int i = 0; i < RIVALS; i++) {
        EXPECT_RC(0, weir_sleep((int64_t)(weir__base_random_next(&contest.random) % 4) * WEIR_MS));
        int rc = weir_task_cancel(ids[weir__base_random_next(&contest.random) % RIVALS], "test");
        EXPECT(rc == 0 || rc == -ESTALE);
    }
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(PERMITS, weir_semaphore_available(&contest.semaphore));
    return 0;
}

TEST(no_permit_is_lost_under_random_cancels)
{
    for (uint64_t seed = 1; seed <= SEEDS && !test_failed(); seed++)
        run_shuffled(seed, hold_contest, &seed);
}
