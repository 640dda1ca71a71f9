/*
 * rwlock_test.c - many readers or one writer, in one line
 */
#include "tests/sync/waits.h"

#include <stdio.h>

#include "base/clock.h"
#include "core/observe.h"

struct user {
    weir_rwlock *lock;
    bool writes;
    bool leaves_it_locked;
    int64_t holds_ns;
    int *order;
    int position;
    int rc;
    bool inside;
};

static int use_lock(void *arg)
{
    struct user *user = arg;
    user->rc =
        user->writes ? weir_rwlock_write_lock(user->lock) : weir_rwlock_read_lock(user->lock);
    if (user->rc < 0 && user->rc != -EOWNERDEAD)
        return user->rc;
    user->inside = true;
    if (user->order != NULL)
        user->position = ++*user->order;
    int rc = weir_sleep(user->holds_ns);
    user->inside = false;
    if (!user->leaves_it_locked)
        EXPECT_RC(0, weir_rwlock_unlock(user->lock));
    return rc;
}

static int finding_count;
static char finding_text[200];
static const void *finding_address;

static void count_findings(const struct weir__finding *finding)
{
    EXPECT_EQ(WEIR__FINDING_LOCK, finding->kind);
    finding_count++;
    finding_address = finding->address;
    snprintf(finding_text, sizeof finding_text, "%s", finding->what);
}

TASK_TEST(readers_share_and_a_writer_is_alone)
{
    weir_rwlock lock = {0};
    struct user readers[3];
    struct user writer = {.lock = &lock, .writes = true, .holds_ns = 5 * WEIR_MS};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < 3; i++) {
        readers[i] = (struct user){.lock = &lock, .holds_ns = 5 * WEIR_MS};
        spawn(group, use_lock, &readers[i]);
    }
    spawn(group, use_lock, &writer);
    settle();
    for (int i = 0; i < 3; i++)
        EXPECT(readers[i].inside);
    EXPECT(!writer.inside);
    EXPECT_RC(-EAGAIN, weir_rwlock_try_write_lock(&lock));
    EXPECT_RC(-EAGAIN, weir_rwlock_try_read_lock(&lock)); // behind the writer, though others read
    EXPECT_RC(0, weir_sleep(5 * WEIR_MS));
    EXPECT(writer.inside);
    EXPECT_RC(-EAGAIN, weir_rwlock_try_read_lock(&lock));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, weir_rwlock_try_read_lock(&lock));
    EXPECT_RC(0, weir_rwlock_unlock(&lock));
    EXPECT_RC(0, weir_rwlock_try_write_lock(&lock));
    EXPECT_RC(0, weir_rwlock_unlock(&lock));
}

TASK_TEST(readers_and_writers_are_served_in_the_order_in_which_they_came)
{
    enum { USERS = 6 };
    static const bool writes[USERS] = {true, false, false, true, false, true};
    static const int positions[USERS] = {1, 2, 3, 4, 5, 6};
    weir_rwlock lock = {0};
    struct user users[USERS];
    int order = 0;
    EXPECT_RC(0, weir_rwlock_write_lock(&lock));
    weir_group *group = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < USERS; i++) {
        users[i] = (struct user){
            .lock = &lock, .writes = writes[i], .order = &order, .holds_ns = 2 * WEIR_MS};
        spawn(group, use_lock, &users[i]);
    }
    settle();
    EXPECT_RC(0, weir_rwlock_unlock(&lock));
    EXPECT_RC(0, weir_sleep(3 * WEIR_MS)); // the writer has gone, the two readers are in together
    EXPECT(users[1].inside && users[2].inside && !users[3].inside);
    EXPECT_RC(0, weir_group_close(group, 0));
    for (int i = 0; i < USERS; i++)
        EXPECT_EQ(positions[i], users[i].position);
}

TASK_TEST(a_cancelled_writer_is_not_in_the_way_of_readers_behind_it) // I10
{
    weir_rwlock lock = {0};
    struct user writer = {.lock = &lock, .writes = true};
    struct user readers[2] = {{.lock = &lock}, {.lock = &lock}};
    EXPECT_RC(0, weir_rwlock_read_lock(&lock));
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id id = spawn(group, use_lock, &writer);
    spawn(group, use_lock, &readers[0]);
    spawn(group, use_lock, &readers[1]);
    settle();
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    EXPECT_RC(0, weir_group_close(group, 0)); // we still read
    EXPECT_RC(-ECANCELED, writer.rc);
    EXPECT_RC(0, readers[0].rc);
    EXPECT_RC(0, readers[1].rc);
    EXPECT_RC(0, weir_rwlock_unlock(&lock));
    EXPECT_RC(0, weir_rwlock_try_write_lock(&lock));
    EXPECT_RC(0, weir_rwlock_unlock(&lock));
}

TASK_TEST(a_lock_that_was_granted_before_the_cancel_is_held_also_by_readers) // O4
{
    for (int writes = 0; writes < 2; writes++) {
        weir_rwlock lock = {0};
        struct user user = {.lock = &lock, .writes = writes == 1};
        EXPECT_RC(0, weir_rwlock_write_lock(&lock));
        weir_group *group = open_group(WEIR_COLLECT_ALL);
        weir_task_id id = spawn(group, use_lock, &user);
        settle();
        EXPECT_RC(0, weir_rwlock_unlock(&lock));
        EXPECT_RC(0, weir_task_cancel(id, "test"));
        EXPECT_RC(0, weir_group_close(group, 0));
        EXPECT_RC(0, user.rc);
        EXPECT_RC(0, weir_rwlock_try_write_lock(&lock));
        EXPECT_RC(0, weir_rwlock_unlock(&lock));
    }
}

TASK_TEST(locks_in_a_cancelled_scope_are_refused_and_unlocks_work) // O1, O8
{
    weir_rwlock lock = {0};
    weir_scope scope = {0};
    EXPECT_RC(0, weir_rwlock_read_lock(&lock));
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "test");
    EXPECT_RC(0, weir_rwlock_unlock(&lock));
    EXPECT_RC(-ECANCELED, weir_rwlock_read_lock(&lock));
    EXPECT_RC(-ECANCELED, weir_rwlock_write_lock(&lock));
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    EXPECT_RC(0, weir_rwlock_try_write_lock(&lock));
    EXPECT_RC(0, weir_rwlock_unlock(&lock));
}

static int unlock_for_another(void *arg)
{
    return weir_rwlock_unlock(arg) == -EPERM ? 0 : -EIO;
}

TASK_TEST(locking_twice_and_unlocking_for_another_are_refused)
{
    weir__core_observe(count_findings);
    weir_rwlock lock = {0};
    for (int writes = 0; writes < 2; writes++) {
        EXPECT_RC(0, writes ? weir_rwlock_write_lock(&lock) : weir_rwlock_read_lock(&lock));
        EXPECT_RC(-EDEADLK, weir_rwlock_read_lock(&lock));
        EXPECT_RC(-EDEADLK, weir_rwlock_write_lock(&lock));
        weir_group *group = open_group(WEIR_FAIL_FAST);
        spawn(group, unlock_for_another, &lock);
        EXPECT_RC(0, weir_group_close(group, 0));
        EXPECT_EQ(writes + 1, finding_count);
        EXPECT_RC(0, weir_rwlock_unlock(&lock));
    }
    EXPECT_RC(-EPERM, weir_rwlock_unlock(&lock));
    EXPECT_EQ(3, finding_count);
}

TASK_TEST(after_a_writer_that_ended_with_it_all_are_told_until_one_has_written)
{
    weir__core_observe(count_findings);
    weir_rwlock lock = {0};
    struct user dead = {
        .lock = &lock, .writes = true, .leaves_it_locked = true, .holds_ns = 2 * WEIR_MS};
    struct user reader = {.lock = &lock};
    struct user writer = {.lock = &lock, .writes = true};
    struct user last = {.lock = &lock};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, use_lock, &dead);
    spawn(group, use_lock, &reader);
    spawn(group, use_lock, &writer);
    spawn(group, use_lock, &last);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-EOWNERDEAD, reader.rc); // cases 175, 270
    EXPECT_RC(-EOWNERDEAD, writer.rc);
    EXPECT_RC(0, last.rc);
    EXPECT_EQ(1, finding_count);
    EXPECT_CONTAINS("ended while it held", finding_text);
    EXPECT(finding_address != NULL);
}

TASK_TEST(a_reader_that_ended_with_it_keeps_no_writer_out)
{
    weir__core_observe(count_findings);
    weir_rwlock lock = {0};
    struct user dead = {.lock = &lock, .leaves_it_locked = true, .holds_ns = 2 * WEIR_MS};
    struct user writer = {.lock = &lock, .writes = true};
    for (int waits = 0; waits < 2; waits++) { // a newcomer, and one in the line
        weir_group *group = open_group(WEIR_FAIL_FAST);
        spawn(group, use_lock, &dead);
        if (waits)
            spawn(group, use_lock, &writer);
        EXPECT_RC(0, weir_group_close(group, 0));
        EXPECT_EQ(waits + 1, finding_count);
        EXPECT_RC(0, weir_rwlock_write_lock(&lock)); // it has changed nothing: nobody is told
        EXPECT_RC(0, weir_rwlock_unlock(&lock));
    }
    EXPECT_RC(0, writer.rc);
}

TASK_TEST(more_readers_than_are_known_by_name_can_read)
{
    enum { READERS = 20 };
    weir_rwlock lock = {0};
    struct user readers[READERS];
    struct user writer = {.lock = &lock, .writes = true};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < READERS; i++) {
        readers[i] = (struct user){.lock = &lock, .holds_ns = (2 + i % 7) * WEIR_MS};
        spawn(group, use_lock, &readers[i]);
    }
    spawn(group, use_lock, &writer);
    settle();
    for (int i = 0; i < READERS; i++)
        EXPECT(readers[i].inside);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, writer.rc);
    EXPECT_RC(0, weir_rwlock_try_write_lock(&lock));
    EXPECT_RC(0, weir_rwlock_unlock(&lock));
}

/* --- exclusion under random cancels (I10) ----------------------------------------------------- */

enum { RIVALS = 12, ROUNDS = 12 };

struct contest {
    weir_rwlock lock;
    uint64_t random;
    int readers, writers;
};

static int64_t short_time(struct contest *contest)
{
    return (int64_t)(weir__base_random_next(&contest->random) % 3) * WEIR_MS;
}

static int compete(void *arg)
{
    struct contest *contest = arg;
    for (int i = 0; i < ROUNDS; i++) {
        bool writes = weir__base_random_next(&contest->random) % 3 == 0;
        int rc =
            writes ? weir_rwlock_write_lock(&contest->lock) : weir_rwlock_read_lock(&contest->lock);
        if (rc < 0)
            return rc;
        *(writes ? &contest->writers : &contest->readers) += 1;
        EXPECT(contest->writers == 0 || (contest->writers == 1 && contest->readers == 0));
        rc = weir_sleep(short_time(contest));
        *(writes ? &contest->writers : &contest->readers) -= 1;
        EXPECT_RC(0, weir_rwlock_unlock(&contest->lock));
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
        EXPECT_RC(0, weir_sleep(short_time(&contest)));
        int rc = weir_task_cancel(ids[weir__base_random_next(&contest.random) % RIVALS], "test");
        EXPECT(rc == 0 || rc == -ESTALE);
    }
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, weir_rwlock_try_write_lock(&contest.lock)); // nobody took it along
    EXPECT_RC(0, weir_rwlock_unlock(&contest.lock));
    return 0;
}

TEST(a_writer_is_alone_whatever_is_cancelled_when)
{
    for (uint64_t seed = 1; seed <= SEEDS && !test_failed(); seed++)
        run_shuffled(seed, hold_contest, &seed);
}
