/*
 * limiter_test.c - so many in a period, exactly, and in order
 */
#include "tests/sync/waits.h"

#include "base/clock.h"

static weir_limiter make_limiter(size_t tokens, int64_t period_ns, size_t burst)
{
    weir_limiter limiter;
    EXPECT_RC(0, weir_limiter_init(&limiter, &(weir_limiter_options){.tokens = tokens,
                                                                     .period_ns = period_ns,
                                                                     .burst = burst}));
    return limiter;
}

TASK_TEST(a_full_bucket_lets_a_burst_through_and_then_the_rate)
{
    weir_limiter limiter = make_limiter(10, WEIR_SEC, 5);
    int64_t begin_ns = weir_now();
    for (int i = 0; i < 5; i++)
        EXPECT_RC(0, weir_limiter_acquire(&limiter, 1));
    EXPECT_EQ(0, weir_now() - begin_ns);
    EXPECT_RC(-EAGAIN, weir_limiter_try_acquire(&limiter, 1));
    EXPECT_EQ(100 * WEIR_MS, weir_limiter_delay_ns(&limiter, 1));
    EXPECT_EQ(200 * WEIR_MS, weir_limiter_delay_ns(&limiter, 2));
    for (int i = 1; i <= 20; i++) {
        EXPECT_RC(0, weir_limiter_acquire(&limiter, 1));
        EXPECT_EQ(i * 100 * WEIR_MS, weir_now() - begin_ns);
    }
    EXPECT_RC(0, weir_sleep(10 * WEIR_SEC)); // saved up: no more than the burst
    EXPECT_EQ(0, weir_limiter_delay_ns(&limiter, 5));
    EXPECT_RC(0, weir_limiter_try_acquire(&limiter, 5));
    EXPECT_RC(-EAGAIN, weir_limiter_try_acquire(&limiter, 1));
}

TASK_TEST(what_cannot_be_is_refused)
{
    weir_limiter limiter = {0};
    EXPECT_RC(-EINVAL, weir_limiter_acquire(&limiter, 1)); // never begun
    EXPECT_RC(-EINVAL, weir_limiter_init(&limiter, &(weir_limiter_options){.tokens = 0}));
    EXPECT_RC(-EINVAL,
              weir_limiter_init(&limiter, &(weir_limiter_options){.tokens = 1, .period_ns = -1}));
    EXPECT_RC(-EINVAL, weir_limiter_init(&limiter, &(weir_limiter_options){.tokens = SIZE_MAX}));
    EXPECT_RC(-EINVAL, weir_limiter_init(
                           &limiter, &(weir_limiter_options){.tokens = 1, .burst = SIZE_MAX / 2}));
    limiter = make_limiter(3, 0, 0); // three a second, three at once
    EXPECT_RC(-EINVAL, weir_limiter_acquire(&limiter, 4));
    EXPECT_RC(-EINVAL, weir_limiter_try_acquire(&limiter, SIZE_MAX));
    EXPECT_EQ(WEIR_FOREVER, weir_limiter_delay_ns(&limiter, 4));
    EXPECT_RC(0, weir_limiter_acquire(&limiter, 3));
}

TASK_TEST(a_rate_that_does_not_divide_evenly_loses_nothing)
{
    weir_limiter limiter = make_limiter(7, WEIR_SEC, 1);
    EXPECT_RC(0, weir_limiter_acquire(&limiter, 1));
    EXPECT_EQ(142857143, weir_limiter_delay_ns(&limiter, 1)); // up: a caller that comes then, goes
    int64_t begin_ns = weir_now();
    enum { COUNT = 7 * 600 };
    for (int i = 0; i < COUNT; i++)
        EXPECT_RC(0, weir_limiter_acquire(&limiter, 1));
    EXPECT_EQ(600 * WEIR_SEC, weir_now() - begin_ns); // to the millisecond
}

struct comer {
    weir_limiter *limiter;
    size_t tokens;
    int64_t at_ns;
    int rc;
};

static int come(void *arg)
{
    struct comer *comer = arg;
    comer->rc = weir_limiter_acquire(comer->limiter, comer->tokens);
    comer->at_ns = weir_now();
    return comer->rc;
}

TASK_TEST(a_high_rate_with_a_small_bucket_is_kept) // several in each tick of the timers
{
    enum { COMERS = 2000 };
    static struct comer comers[COMERS];
    weir_limiter limiter = make_limiter(10000, WEIR_SEC, 1);
    weir_group *group = open_group(WEIR_FAIL_FAST);
    int64_t begin_ns = weir_now();
    for (int i = 0; i < COMERS; i++) {
        comers[i] = (struct comer){.limiter = &limiter, .tokens = 1};
        spawn(group, come, &comers[i]);
    }
    EXPECT_RC(0, weir_group_close(group, 0));
    int64_t took_ns = weir_now() - begin_ns;
    EXPECT(took_ns >= 199 * WEIR_MS);
    EXPECT(took_ns <= 202 * WEIR_MS);
    for (int i = 0; i < COMERS; i++) // nobody before its time, nor out of order
        EXPECT(comers[i].at_ns - begin_ns >= i * 100 * WEIR_US &&
               (i == 0 || comers[i].at_ns >= comers[i - 1].at_ns));
}

TASK_TEST(a_loop_that_was_held_up_does_not_let_all_through_at_once)
{
    enum { COMERS = 100 };
    static struct comer comers[COMERS];
    weir_limiter limiter = make_limiter(1000, WEIR_SEC, 1);
    weir_group *group = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < COMERS; i++) {
        comers[i] = (struct comer){.limiter = &limiter, .tokens = 1};
        spawn(group, come, &comers[i]);
    }
    EXPECT_RC(0, weir_yield());
    EXPECT_EQ(0, comers[0].rc);
    limiter.weir__filled_at_ns -= WEIR_SEC; // as if nothing had run for a second
    EXPECT_RC(0, weir_sleep(1 * WEIR_MS));
    int through = 0;
    for (int i = 0; i < COMERS; i++)
        through += comers[i].at_ns != 0;
    EXPECT(through >= 2);
    EXPECT(through <= 5); // burst, and two milliseconds
    EXPECT_RC(0, weir_group_close(group, 0));
}

TASK_TEST(nobody_overtakes_one_who_needs_more)
{
    weir_limiter limiter = make_limiter(10, WEIR_SEC, 10);
    EXPECT_RC(0, weir_limiter_acquire(&limiter, 10));
    int64_t begin_ns = weir_now();
    struct comer big = {.limiter = &limiter, .tokens = 5};
    struct comer small = {.limiter = &limiter, .tokens = 1};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, come, &big);
    spawn(group, come, &small);
    EXPECT_RC(0, weir_sleep(200 * WEIR_MS)); // two are there
    EXPECT_RC(-EAGAIN, weir_limiter_try_acquire(&limiter, 1));
    EXPECT_EQ(500 * WEIR_MS, weir_limiter_delay_ns(&limiter, 1)); // behind both
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(500 * WEIR_MS, big.at_ns - begin_ns);
    EXPECT_EQ(600 * WEIR_MS, small.at_ns - begin_ns);
}

TASK_TEST(a_cancelled_waiter_takes_nothing_and_lets_those_behind_it_pass) // I10
{
    weir_limiter limiter = make_limiter(10, WEIR_SEC, 10);
    EXPECT_RC(0, weir_limiter_acquire(&limiter, 10));
    int64_t begin_ns = weir_now();
    struct comer big = {.limiter = &limiter, .tokens = 9};
    struct comer small = {.limiter = &limiter, .tokens = 2};
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id id = spawn(group, come, &big);
    spawn(group, come, &small);
    EXPECT_RC(0, weir_sleep(300 * WEIR_MS));
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ECANCELED, big.rc);
    EXPECT_EQ(300 * WEIR_MS, small.at_ns - begin_ns); // at once: its two were there
    EXPECT_EQ(0, weir_limiter_delay_ns(&limiter, 1)); // and one is left
    EXPECT_RC(-EAGAIN, weir_limiter_try_acquire(&limiter, 2));
}

TASK_TEST(tokens_granted_before_the_cancel_are_the_waiters) // O4
{
    weir_limiter limiter = make_limiter(1, 10 * WEIR_MS, 1);
    EXPECT_RC(0, weir_limiter_acquire(&limiter, 1));
    struct comer first = {.limiter = &limiter, .tokens = 1};
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    int rc = 0;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS) // at the same instant: the result wins (O10)
    {
        rc = come(&first);
    }
    EXPECT_RC(0, rc);
    EXPECT_RC(0, weir_group_close(group, 0));
    weir_scope scope = {0};
    EXPECT_RC(0, weir_sleep(10 * WEIR_MS));
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "test");
    EXPECT_RC(-ECANCELED, weir_limiter_acquire(&limiter, 1)); // O1
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    EXPECT_RC(0, weir_limiter_try_acquire(&limiter, 1));
}

/* --- the account under random cancels (I10) --------------------------------------------------- */

enum { COMERS = 40 };

struct account {
    weir_limiter limiter;
    uint64_t random;
    int64_t begin_ns;
    size_t granted;
};

static int come_and_count(void *arg)
{
    struct account *account = arg;
    size_t tokens = 1 + weir__base_random_next(&account->random) % 3;
    int rc = weir_sleep((int64_t)(weir__base_random_next(&account->random) % 40) * WEIR_MS);
    if (rc == 0)
        rc = weir_limiter_acquire(&account->limiter, tokens);
    if (rc < 0)
        return rc;
    account->granted += tokens;
    /* Never more than the burst and what came since. */
    int64_t passed_ns = weir_now() - account->begin_ns;
    EXPECT((int64_t)account->granted <= 3 + passed_ns / (2 * WEIR_MS));
    return 0;
}

static int run_account(void *arg)
{
    struct account account = {.random = *(uint64_t *)arg, .begin_ns = weir_now()};
    account.limiter = make_limiter(1, 2 * WEIR_MS, 3);
    weir_task_id ids[COMERS];
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    for (int i = 0; i < COMERS; i++)
        ids[i] = spawn(group, come_and_count, &account);
    for (int i = 0; i < COMERS / 2; i++) {
        EXPECT_RC(0, weir_sleep((int64_t)(weir__base_random_next(&account.random) % 4) * WEIR_MS));
        int rc = weir_task_cancel(ids[weir__base_random_next(&account.random) % COMERS], "test");
        EXPECT(rc == 0 || rc == -ESTALE);
    }
    EXPECT_RC(0, weir_group_close(group, 0)); // nobody is forgotten, or this would be a deadlock
    EXPECT_EQ(0, weir__core_loop()->sleeps.armed_count);
    return 0;
}

TEST(nobody_is_forgotten_and_nothing_granted_twice_whatever_is_cancelled_when)
{
    for (uint64_t seed = 1; seed <= SEEDS && !test_failed(); seed++)
        run_shuffled(seed, run_account, &seed);
}

IO_TEST(tokens_that_come_while_the_caller_gets_in_line_are_its_own) // I3
{
    weir_limiter limiter = make_limiter(100000, WEIR_SEC, 1);
    for (int i = 0; i < 300; i++) {
        weir_ignore(weir_limiter_try_acquire(&limiter, 1), "the bucket is empty, in any case");
        while (weir_limiter_delay_ns(&limiter, 1) > 10 * (i % 100)) {
        }
        EXPECT_RC(0, weir_limiter_acquire(&limiter, 1));
    }
}
