/*
 * mutex_test.c - a lock that is handed on in order and knows its holder
 */
#include "tests/sync/waits.h"

#include <stdio.h>

#include "base/clock.h"
#include "core/observe.h"

struct locker {
    weir_mutex *mutex;
    int *order;
    int position;
    int rc;
    bool leaves_it_locked;
};

static int lock_and_unlock(void *arg)
{
    struct locker *locker = arg;
    locker->rc = weir_mutex_lock(locker->mutex);
    if (locker->rc < 0 && locker->rc != -EOWNERDEAD)
        return locker->rc;
    locker->position = ++*locker->order;
    EXPECT_RC(0, weir_yield());
    if (locker->leaves_it_locked)
        return 0;
    EXPECT(weir_mutex_is_mine(locker->mutex));
    EXPECT_RC(0, weir_mutex_unlock(locker->mutex));
    return 0;
}

static int finding_count;
static char finding_text[200];

static void count_findings(const struct weir__finding *finding)
{
    finding_count++;
    snprintf(finding_text, sizeof finding_text, "%s", finding->what);
}

TASK_TEST(a_free_mutex_is_locked_at_once)
{
    weir_mutex mutex = {0};
    EXPECT(!weir_mutex_is_mine(&mutex));
    EXPECT_RC(0, weir_mutex_lock(&mutex));
    EXPECT(weir_mutex_is_mine(&mutex));
    EXPECT_RC(0, weir_mutex_unlock(&mutex));
    EXPECT_RC(0, weir_mutex_try_lock(&mutex));
    EXPECT_RC(0, weir_mutex_unlock(&mutex));
}

TASK_TEST(locking_what_one_holds_is_a_deadlock_and_is_told)
{
    weir_mutex mutex = {0};
    EXPECT_RC(0, weir_mutex_lock(&mutex));
    EXPECT_RC(-EDEADLK, weir_mutex_lock(&mutex)); // case 174
    EXPECT_RC(-EDEADLK, weir_mutex_try_lock(&mutex));
    EXPECT_RC(0, weir_mutex_unlock(&mutex));
}

static int unlock_for_another(void *arg)
{
    EXPECT_RC(-EPERM, weir_mutex_unlock(arg));
    EXPECT_RC(-EAGAIN, weir_mutex_try_lock(arg));
    return 0;
}

TASK_TEST(unlocking_what_another_task_holds_changes_nothing_and_is_reported)
{
    weir__core_observe(count_findings);
    weir_mutex mutex = {0};
    EXPECT_RC(0, weir_mutex_lock(&mutex));
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, unlock_for_another, &mutex);
    EXPECT_RC(0, weir_group_close(group, 0)); // case 174
    EXPECT_EQ(1, finding_count);
    EXPECT(weir_mutex_is_mine(&mutex));
    EXPECT_RC(0, weir_mutex_unlock(&mutex));
    EXPECT_RC(-EPERM, weir_mutex_unlock(&mutex));
    EXPECT_EQ(2, finding_count);
}

TASK_TEST(the_lock_goes_from_hand_to_hand_in_order_without_the_cancelled_one)
{
    weir_mutex mutex = {0};
    int order = 0;
    struct locker lockers[3];
    weir_task_id ids[3];
    EXPECT_RC(0, weir_mutex_lock(&mutex));
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    for (int i = 0; i < 3; i++) {
        lockers[i] = (struct locker){.mutex = &mutex, .order = &order};
        ids[i] = spawn(group, lock_and_unlock, &lockers[i]);
    }
    settle();
    EXPECT_RC(0, weir_task_cancel(ids[1], "test"));
    EXPECT_RC(0, weir_mutex_unlock(&mutex));
    EXPECT_RC(-EAGAIN, weir_mutex_try_lock(&mutex)); // no newcomer gets between (I10)
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ECANCELED, lockers[1].rc); // case 169
    EXPECT_EQ(1, lockers[0].position);
    EXPECT_EQ(2, lockers[2].position);
    EXPECT_RC(0, weir_mutex_try_lock(&mutex));
    EXPECT_RC(0, weir_mutex_unlock(&mutex));
}

static int lock_and_be_cancelled(void *arg)
{
    struct locker *locker = arg;
    locker->rc = weir_mutex_lock(locker->mutex);
    EXPECT_RC(0, locker->rc); // case 170, O4
    EXPECT(weir_mutex_is_mine(locker->mutex));
    EXPECT(weir_cancelled());
    EXPECT_RC(0, weir_mutex_unlock(locker->mutex)); // case 173, O8
    return weir_yield();
}

TASK_TEST(a_lock_that_was_granted_before_the_cancel_is_held)
{
    weir_mutex mutex = {0};
    struct locker locker = {.mutex = &mutex};
    EXPECT_RC(0, weir_mutex_lock(&mutex));
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id id = spawn(group, lock_and_be_cancelled, &locker);
    settle();
    EXPECT_RC(0, weir_mutex_unlock(&mutex));
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, weir_mutex_try_lock(&mutex));
    EXPECT_RC(0, weir_mutex_unlock(&mutex));
}

TASK_TEST(a_lock_in_a_cancelled_scope_is_refused_and_the_mutex_stays_free)
{
    weir_mutex mutex = {0};
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "test");
    EXPECT_RC(-ECANCELED, weir_mutex_lock(&mutex)); // case 172
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    EXPECT_RC(0, weir_mutex_try_lock(&mutex));
    EXPECT_RC(0, weir_mutex_unlock(&mutex));
}

TASK_TEST(a_holder_that_ends_leaves_the_lock_to_the_next_in_line)
{
    weir__core_observe(count_findings);
    weir_mutex mutex = {0};
    int order = 0;
    struct locker dead = {.mutex = &mutex, .order = &order, .leaves_it_locked = true};
    struct locker next = {.mutex = &mutex, .order = &order};
    struct locker last = {.mutex = &mutex, .order = &order};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, lock_and_unlock, &dead);
    spawn(group, lock_and_unlock, &next);
    spawn(group, lock_and_unlock, &last);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-EOWNERDEAD, next.rc); // cases 175, 270
    EXPECT_RC(0, last.rc);           // the one after it is told nothing: the state was looked after
    EXPECT_EQ(3, order);
    EXPECT_EQ(1, finding_count);
    EXPECT_CONTAINS("held a mutex", finding_text);
}

TASK_TEST(a_newcomer_hears_that_the_holder_has_gone)
{
    weir__core_observe(count_findings);
    weir_mutex mutex = {0};
    int order = 0;
    struct locker dead = {.mutex = &mutex, .order = &order, .leaves_it_locked = true};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, lock_and_unlock, &dead);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(1, finding_count); // told although nobody waited
    EXPECT_RC(-EOWNERDEAD, weir_mutex_lock(&mutex));
    EXPECT(weir_mutex_is_mine(&mutex));
    EXPECT_RC(0, weir_mutex_unlock(&mutex));
    EXPECT_RC(0, weir_mutex_lock(&mutex));
    EXPECT_RC(0, weir_mutex_unlock(&mutex));
}

static int lock_many_on_the_stack(void *arg)
{
    (void)arg;
    weir_mutex gone[3] = {0};
    for (int i = 0; i < 3; i++)
        EXPECT_RC(0, weir_mutex_lock(&gone[i]));
    return 0; // their memory goes with us: nobody may look at them afterwards
}

TASK_TEST(locks_that_go_with_the_stack_of_their_holder_are_not_touched_again)
{
    weir__core_observe(count_findings);
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, lock_many_on_the_stack, NULL);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(1, finding_count);
}

TASK_TEST(more_locks_than_are_counted_can_be_held)
{
    enum { LOCKS = 300 };
    static weir_mutex locks[LOCKS];
    for (int i = 0; i < LOCKS; i++)
        EXPECT_RC(0, weir_mutex_lock(&locks[i]));
    for (int i = 0; i < LOCKS; i++)
        EXPECT_RC(0, weir_mutex_unlock(&locks[i]));
}

/* --- exclusion and order under random cancels ------------------------------------------------- */

enum { RIVALS = 10, ROUNDS = 20 };

struct contest {
    weir_mutex mutex;
    uint64_t random;
    int inside;
};

static int compete(void *arg)
{
    struct contest *contest = arg;
    for (int i = 0; i < ROUNDS; i++) {
        int rc = weir_mutex_lock(&contest->mutex);
        if (rc < 0)
            return rc;
        EXPECT_EQ(1, ++contest->inside);
        rc = weir_sleep((int64_t)(weir__base_random_next(&contest->random) % 3) * WEIR_MS);
        contest->inside--;
        EXPECT_RC(0, weir_mutex_unlock(&contest->mutex));
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int hold_contest(void *arg)
{
    struct contest contest = {.random = *(uint64_t *)arg};
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
    EXPECT_RC(0, weir_mutex_try_lock(&contest.mutex)); // nobody took it along
    EXPECT_RC(0, weir_mutex_unlock(&contest.mutex));
    return 0;
}

TEST(one_task_is_inside_whatever_is_cancelled_when)
{
    for (uint64_t seed = 1; seed <= SEEDS && !test_failed(); seed++)
        run_shuffled(seed, hold_contest, &seed);
}
