/*
 * next_test.c - the outcomes of a group's members, one after another: rule G13
 */
#include "core/handle.h"
#include "tests/core/bodies.h"

static const weir_group_options keeping = {.keeps_outcomes = true};
static const weir_group_options collecting = {.policy = WEIR_COLLECT_ALL, .keeps_outcomes = true};

static weir_group *open_group(const weir_group_options *options)
{
    weir_group *group = NULL;
    EXPECT_RC(0, weir_group_open(&group, options));
    return group;
}

static int destroyed;

static void destroy(void *value)
{
    destroyed++;
    *(int *)value = -1;
}

struct produce {
    int64_t after_ms;
    int rc;
    int *value;
};
static int produce(struct produce *a)
{
    int rc = a->after_ms == 0 ? 0 : weir_sleep(a->after_ms * WEIR_MS);
    if (rc == 0 && a->value != NULL)
        rc = weir_task_set_result(a->value, destroy);
    return rc < 0 ? rc : a->rc;
}

static int run_produce(void *arg)
{
    return produce(arg);
}

TASK_TEST(outcomes_come_in_the_order_of_completion_each_once) /* G13, case 23 */
{
    ms();
    static const int after_ms[] = {30, 10, 20};
    weir_group *group = open_group(&keeping);
    for (int i = 0; i < 3; i++)
        EXPECT_RC(0, WEIR_SPAWN(group, produce, .after_ms = after_ms[i], .rc = after_ms[i]));
    weir_outcome outcome;
    for (int at_ms = 10; at_ms <= 30; at_ms += 10) {
        REQUIRE_RC(0, weir_group_next(group, &outcome));
        EXPECT_EQ(at_ms, outcome.rc);
        EXPECT_EQ(at_ms, ms());
        EXPECT_EQ(WEIR_OUTCOME_OK, outcome.kind);
        EXPECT(outcome.task != 0);
    }
    EXPECT_RC(-ENOENT, weir_group_next(group, &outcome));
    EXPECT_RC(-ENOENT, weir_group_next(group, &outcome));
    EXPECT_RC(0, WEIR_SPAWN(group, produce, .rc = 7)); /* it is still open */
    EXPECT_RC(0, weir_group_next(group, &outcome));
    EXPECT_EQ(7, outcome.rc);
    EXPECT_RC(-ENOENT, weir_group_next(group, &outcome));
    EXPECT_RC(0, weir_group_close(group, 0));
}

TASK_TEST(a_group_without_members_has_no_next) /* G13 */
{
    weir_group *group = open_group(&keeping);
    EXPECT_RC(-ENOENT, weir_group_next(group, &(weir_outcome){0}));
    EXPECT_RC(0, weir_group_close(group, 0));
}

TASK_TEST(a_cancelled_next_consumes_nothing) /* G13, O4, case 24 */
{
    int values[2] = {1, 1};
    weir_group *group = open_group(&keeping);
    for (int i = 0; i < 2; i++)
        EXPECT_RC(0, WEIR_SPAWN(group, produce, .after_ms = 20, .value = &values[i]));
    weir_outcome outcome = {.rc = 99};
    int rc = 0;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        rc = weir_group_next(group, &outcome);
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_EQ(99, outcome.rc);
    EXPECT_RC(0, weir_group_next(group, &outcome));
    EXPECT_RC(0, outcome.rc);
    void *value;
    EXPECT_RC(0, weir_task_take(outcome.task, &value));
    EXPECT(value == &values[0]);
    EXPECT_RC(0, weir_group_close(group, 0)); /* and what is left is not lost */
    EXPECT_EQ(1, destroyed);
    EXPECT_EQ(-1, values[1]);
}

TASK_TEST(an_outcome_that_is_there_in_the_turn_of_the_cancel_is_not_lost) /* G13, O4, case 24 */
{
    weir_group *group = open_group(&keeping);
    EXPECT_RC(0, WEIR_SPAWN(group, produce, .after_ms = 10, .rc = 5));
    weir_outcome outcome = {.rc = 99};
    int rc = 0, next_rc = 1;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        next_rc = rc = weir_group_next(group, &outcome);
    }
    if (next_rc < 0) /* cut first: then it is still there */
        EXPECT_RC(0, weir_group_next(group, &outcome));
    EXPECT_EQ(5, outcome.rc);
    EXPECT_RC(-ENOENT, weir_group_next(group, &outcome));
    EXPECT_RC(0, weir_group_close(group, 0));
}

TASK_TEST(a_record_that_was_given_out_stays_until_the_next_call) /* G13, R2 */
{
    int values[3] = {1, 1, 1};
    weir_group *group = open_group(&keeping);
    weir_task_id kept;
    struct produce arg = {1, 0, &values[0]};
    EXPECT_RC(
        0, weir_spawn_with(group, &(weir_spawn_options){.keep = true}, run_produce, &arg, &kept));
    for (int i = 1; i < 3; i++)
        EXPECT_RC(0, WEIR_SPAWN(group, produce, .after_ms = i + 1, .value = &values[i]));
    weir_outcome outcome;
    EXPECT_RC(0, weir_group_next(group, &outcome));
    EXPECT_EQ(kept, outcome.task);
    EXPECT_RC(0, weir_group_next(group, &outcome));
    weir_task_id first = outcome.task;
    EXPECT_EQ(0, weir_task_cancel_requested(first)); /* known */
    EXPECT_EQ(0, destroyed);
    EXPECT_RC(0, weir_group_next(group, &outcome));
    EXPECT_EQ(1, destroyed);
    EXPECT_EQ(-1, values[1]);
    EXPECT_RC(-ESTALE, weir_task_forget(first));
    EXPECT_RC(-ENOENT, weir_group_next(group, &outcome));
    EXPECT_EQ(2, destroyed);
    EXPECT_RC(0, weir_task_wait(kept, &outcome)); /* it was asked for by name */
    EXPECT_EQ(1, values[0]);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(3, destroyed);
}

TASK_TEST(a_group_that_is_drained_does_not_grow) /* G13, R2, case 19 */
{
    weir_group *group = open_group(&keeping);
    weir_outcome outcome;
    size_t used = 0;
    for (int i = 0; i < MANY(1000); i++) {
        EXPECT_RC(0, weir_spawn(group, just_return, JUST(i)));
        EXPECT_RC(0, weir_group_next(group, &outcome));
        EXPECT_EQ(i, outcome.rc);
        if (i == 10)
            used = weir__core_loop()->used_count;
    }
    EXPECT_EQ(used, weir__core_loop()->used_count);
    EXPECT_RC(0, weir_group_close(group, 0));
}

struct note_step {
    int *order;
    int number;
};
static int note_step(struct note_step *a)
{
    EXPECT_EQ(a->number, ++*a->order);
    return weir_yield();
}

TASK_TEST(waiting_for_the_next_hands_over_to_members_in_the_order_they_were_spawned) /* T1, G13 */
{
    int order = 0;
    weir_group *group = open_group(&keeping);
    for (int i = 1; i <= 10; i++)
        EXPECT_RC(0, WEIR_SPAWN(group, note_step, .order = &order, .number = i));
    weir_outcome outcome;
    for (int i = 1; i <= 10; i++)
        EXPECT_RC(0, weir_group_next(group, &outcome));
    EXPECT_EQ(10, order);
    EXPECT_RC(-ENOENT, weir_group_next(group, &outcome));
    EXPECT_RC(0, weir_group_close(group, 0));
}

TASK_TEST(a_failure_ends_the_draining_of_a_group_that_fails_fast) /* P1, G13 */
{
    weir_group *group = open_group(&keeping);
    EXPECT_RC(0, WEIR_SPAWN(group, produce, .after_ms = 10, .rc = -EIO));
    EXPECT_RC(0, WEIR_SPAWN(group, produce, .after_ms = 20));
    weir_outcome outcome = {0};
    int rc = weir_group_next(group, &outcome);
    if (rc == 0) {
        EXPECT_RC(-EIO, outcome.rc);
        rc = weir_group_next(group, &outcome);
    }
    EXPECT_RC(-ECANCELED, rc);
    EXPECT_RC(-EIO, weir_group_close(group, rc));
}

TASK_TEST(a_group_that_collects_gives_out_failures_and_cuts_too) /* P2, G13 */
{
    count_findings();
    weir_group *group = open_group(&collecting);
    weir_task_id id;
    struct produce arg = {0, 3, NULL};
    EXPECT_RC(0, WEIR_SPAWN(group, produce, .after_ms = 10, .rc = -EIO));
    EXPECT_RC(0, WEIR_SPAWN(group, produce, .after_ms = 20, .rc = -ENOSPC));
    EXPECT_RC(0, weir_spawn_with(group, NULL, run_produce, &arg, &id));
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    arg.after_ms = 1;
    weir_outcome outcome;
    EXPECT_RC(0, weir_group_next(group, &outcome));
    EXPECT_EQ(WEIR_OUTCOME_CANCELLED, outcome.kind);
    EXPECT_EQ(id, outcome.task);
    EXPECT_RC(0, weir_group_next(group, &outcome));
    EXPECT_RC(-EIO, outcome.rc);
    EXPECT_RC(0, weir_group_next(group, &outcome));
    EXPECT_RC(-ENOSPC, outcome.rc);
    EXPECT_EQ(WEIR_OUTCOME_FAILED, outcome.kind);
    EXPECT_RC(-ENOENT, weir_group_next(group, &outcome));
    EXPECT_RC(-EIO, weir_group_close(group, 0)); /* the first failure is the group's all the same */
    EXPECT_EQ(0, findings[WEIR__FINDING_FAILURES]);
    EXPECT_EQ(1, weir__core_loop()->failures_handled); /* and the second was given out */
}

TASK_TEST(a_failure_that_was_not_given_out_is_told_at_the_close) /* F6, G13 */
{
    count_findings();
    weir_group *outer = open_group(NULL);
    weir_group *group = open_group(&collecting);
    for (int i = 1; i <= 3; i++)
        EXPECT_RC(0, WEIR_SPAWN(group, produce, .after_ms = i, .rc = -EIO));
    weir_outcome outcome;
    for (int i = 1; i <= 2; i++)
        EXPECT_RC(0, weir_group_next(group, &outcome));
    EXPECT_RC(-EIO, weir_group_close(group, 0));
    EXPECT_RC(0, weir_group_close(outer, 0)); /* nobody asked for the set until here */
    EXPECT_EQ(1, findings[WEIR__FINDING_FAILURES]);
    EXPECT_EQ(1, weir__core_loop()->failures_handled);
    EXPECT_EQ(1, weir__core_loop()->failures_reported);
}

TASK_TEST(what_was_forgotten_is_not_given_out) /* G13 */
{
    weir_group *group = open_group(&keeping);
    weir_task_id ids[2];
    struct produce arg[2] = {{10, 0, NULL}, {20, 0, NULL}};
    for (int i = 0; i < 2; i++)
        EXPECT_RC(0, weir_spawn_with(group, NULL, run_produce, &arg[i], &ids[i]));
    EXPECT_RC(0, weir_sleep(15 * WEIR_MS));
    EXPECT_RC(0, weir_task_forget(ids[0])); /* has ended */
    EXPECT_RC(0, weir_task_forget(ids[1])); /* is alive, and ends while the owner waits */
    weir_outcome outcome = {.rc = 99};
    EXPECT_RC(-ENOENT, weir_group_next(group, &outcome));
    EXPECT_EQ(99, outcome.rc);
    EXPECT_RC(0, weir_group_close(group, 0));
}

struct wait_and_forget {
    weir_task_id id;
};
static int wait_and_forget(struct wait_and_forget *a)
{
    weir_ignore(weir_task_wait(a->id, NULL), "it may have gone");
    weir_ignore(weir_task_forget(a->id), "likewise");
    return 0;
}

TASK_TEST(what_is_forgotten_between_wake_and_step_is_not_missed) /* G13, Q4 */
{
    int given = 0;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        weir__core_loop()->shuffle_state = seed;
        weir_group *outer = open_group(NULL);
        weir_group *group = open_group(&keeping);
        weir_task_id id;
        struct produce arg = {10, 0, NULL};
        EXPECT_RC(0, weir_spawn_with(group, NULL, run_produce, &arg, &id));
        EXPECT_RC(0, WEIR_SPAWN(outer, wait_and_forget, .id = id));
        weir_outcome outcome;
        int rc = weir_group_next(group, &outcome);
        EXPECT(rc == 0 || rc == -ENOENT);
        given += rc == 0;
        EXPECT_RC(0, weir_group_close(group, 0));
        EXPECT_RC(0, weir_group_close(outer, 0));
    }
    EXPECT(given > 0);
}

static int call_next(void *arg)
{
    return weir_group_next(arg, &(weir_outcome){0});
}

TASK_TEST(only_the_owner_drains_its_group) /* G4, G13 */
{
    weir_group *outer = open_group(&collecting);
    weir_group *group = open_group(&collecting);
    weir_task_id stranger, member;
    EXPECT_RC(0, weir_spawn_with(outer, NULL, call_next, group, &stranger));
    EXPECT_RC(0, weir_spawn_with(group, NULL, call_next, group, &member));
    weir_outcome outcome;
    EXPECT_RC(0, weir_task_wait(stranger, &outcome));
    EXPECT_RC(-EPERM, outcome.rc);
    EXPECT_RC(0, weir_task_wait(member, &outcome));
    EXPECT_RC(-EDEADLK, outcome.rc);
    EXPECT_RC(-EDEADLK, weir_group_close(group, 0));
    EXPECT_RC(-ESTALE, weir_group_next(group, &outcome));
    EXPECT_RC(-EPERM, weir_group_close(outer, 0));
    weir_group *plain = open_group(NULL);
    EXPECT_RC(-EINVAL, weir_group_next(plain, &outcome));
    EXPECT_RC(0, weir_group_close(plain, 0));
    EXPECT_RC(-EINVAL, weir_group_next(NULL, &outcome));
}

struct spawner {
    weir_group *group;
};
static int spawner(struct spawner *a)
{
    int rc = 0;
    for (int i = 1; i < 5 && rc == 0; i++) /* waits for a place, one after another */
        rc = WEIR_SPAWN(a->group, produce, .after_ms = 10, .rc = i);
    return rc;
}

TASK_TEST(the_next_is_waited_for_while_somebody_is_on_the_way_in) /* G10, G13 */
{
    weir_group *outer = open_group(NULL);
    weir_group *group = open_group(&(weir_group_options){.keeps_outcomes = true, .running_max = 1});
    EXPECT_RC(0, WEIR_SPAWN(group, produce, .after_ms = 10));
    EXPECT_RC(0, WEIR_SPAWN(outer, spawner, .group = group));
    EXPECT_RC(0, weir_yield());
    weir_outcome outcome;
    for (int i = 0; i < 5; i++) {
        EXPECT_RC(0, weir_group_next(group, &outcome));
        EXPECT_EQ(i, outcome.rc);
    }
    EXPECT_RC(-ENOENT, weir_group_next(group, &outcome));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, weir_group_close(outer, 0));
}

TASK_TEST(a_shuffled_order_gives_each_outcome_once) /* G13, Q4 */
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        weir__core_loop()->shuffle_state = seed;
        weir_group *group = open_group(&keeping);
        for (int i = 0; i < 20; i++)
            EXPECT_RC(0, WEIR_SPAWN(group, produce, .after_ms = i % 3, .rc = i));
        unsigned seen = 0;
        weir_outcome outcome;
        int rc;
        while ((rc = weir_group_next(group, &outcome)) == 0)
            seen ^= 1u << outcome.rc;
        EXPECT_RC(-ENOENT, rc);
        EXPECT_EQ((1u << 20) - 1, seen);
        EXPECT_RC(0, weir_group_close(group, 0));
    }
}

static int serve(void *arg)
{
    int rc = op();
    ++*(int *)arg;
    return rc;
}

TASK_TEST(a_service_is_not_waited_for_as_the_next) /* G9, G13 */
{
    int served = 0;
    weir_group *group = open_group(&keeping);
    EXPECT_RC(0,
              weir_spawn_with(group, &(weir_spawn_options){.service = true}, serve, &served, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, produce, .after_ms = 10, .rc = 3));
    weir_outcome outcome;
    EXPECT_RC(0, weir_group_next(group, &outcome));
    EXPECT_EQ(3, outcome.rc);
    EXPECT_RC(-ENOENT, weir_group_next(group, &outcome));
    EXPECT_EQ(0, served); /* it was not stopped by that */
    EXPECT_RC(0, weir_spawn(group, just_return, JUST(0)));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(1, served);
}
