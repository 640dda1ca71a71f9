/*
 * policy_test.c - groups with a goal, and what the end of a member means in each: rules P3, P4, P5,
 * G3, G5, G6, F6
 */
#include "tests/core/bodies.h"

static weir_group *open_group(weir_policy policy, size_t quorum)
{
    weir_group *group = NULL;
    EXPECT_RC(0,
              weir_group_open(&group, &(weir_group_options){.policy = policy, .quorum = quorum}));
    return group;
}

/* A member that ends after so many milliseconds with this code; 0: never. */
static void spawn_ending(weir_group *group, int64_t after_ms, int then)
{
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = after_ms, .then = then));
}

static int keep_cause(void *arg)
{
    int rc = op();
    EXPECT(weir_cancelled_because(arg));
    return rc;
}

static void expect_nothing_told(void)
{
    EXPECT_RC(0, weir_group_close(open_group(WEIR_FAIL_FAST, 0), 0)); /* settles the set before */
    EXPECT_EQ(0, findings[WEIR__FINDING_FAILURES]);
    EXPECT_EQ(0, findings[WEIR__FINDING_STRAY]);
}

/* --- the first success ------------------------------------------------------------------------ */

TASK_TEST(the_first_success_is_enough_and_the_rest_is_cut) /* P3, G5, F6, case 229 */
{
    count_findings();
    ms();
    weir_group *group = open_group(WEIR_FIRST_SUCCESS, 0);
    weir_cancel_cause cause = {0};
    int got = 1;
    spawn_ending(group, 5, -EIO);
    spawn_ending(group, 10, 7);
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 20, .got = &got));
    EXPECT_RC(0, weir_spawn(group, keep_cause, &cause));
    EXPECT_RC(3, weir_group_close(group, 3)); /* G5 (c): the body's code */
    EXPECT_EQ(10, ms());
    EXPECT_RC(-ECANCELED, got);
    EXPECT_EQ(WEIR_CANCEL_JOIN_POLICY, cause.kind);
    EXPECT(cause.source != 0);
    expect_nothing_told();
    EXPECT_EQ(1, weir__core_loop()->failures_handled);
    EXPECT_RC(0, weir_yield());
}

TASK_TEST(when_nobody_succeeds_the_first_failure_counts) /* P3, F3, case 230 */
{
    ms();
    weir_group *group = open_group(WEIR_FIRST_SUCCESS, 0);
    spawn_ending(group, 30, -EIO);
    spawn_ending(group, 10, -ENOENT);
    spawn_ending(group, 20, -EPIPE);
    weir_failures *failures;
    EXPECT_RC(-ENOENT, weir_group_close_failures(group, 0, &failures));
    EXPECT_EQ(30, ms());
    REQUIRE(weir_failures_count(failures) == 3);
    EXPECT_RC(-ENOENT, weir_failures_at(failures, 0)->code);
    EXPECT_RC(-EPIPE, weir_failures_at(failures, 1)->code);
    EXPECT_RC(-EIO, weir_failures_at(failures, 2)->code);
    weir_failures_free(failures);
}

TASK_TEST(a_goal_without_anybody_to_reach_it_is_an_impossible_argument) /* P3-P5, case 231 */
{
    EXPECT_RC(-EINVAL, weir_group_close(open_group(WEIR_FIRST_SUCCESS, 0), 0));
    EXPECT_CONTAINS("fewer tasks", weir_failure_message(-EINVAL));
    EXPECT_RC(-EINVAL, weir_group_close(open_group(WEIR_FIRST_DONE, 0), 0));
    EXPECT_RC(-EINVAL, weir_group_close(open_group(WEIR_QUORUM, 1), 0));
    weir_group *group = NULL;
    weir_group_options options = {.policy = WEIR_QUORUM};
    EXPECT_RC(-EINVAL, weir_group_open(&group, &options));
    options.quorum = SIZE_MAX;
    EXPECT_RC(-EINVAL, weir_group_open(&group, &options));
    options.policy = (weir_policy)99;
    EXPECT_RC(-EINVAL, weir_group_open(&group, &options));
    EXPECT(group == NULL);
}

static int loser_that_lasts(void *arg)
{
    *(int *)arg = hard(100, 0);
    return weir_check();
}

TASK_TEST(a_won_group_waits_for_its_slowest_loser) /* P3, G2, case 233 */
{
    ms();
    int got = 1;
    weir_group *group = open_group(WEIR_FIRST_SUCCESS, 0);
    EXPECT_RC(0, weir_spawn(group, loser_that_lasts, &got));
    spawn_ending(group, 10, 0);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(100, ms());
    EXPECT_RC(0, got);
}

TASK_TEST(a_winner_beats_the_deadline_of_the_same_turn) /* O4, O10, P3, G5, case 234 */
{
    weir_scope scope = {0};
    EXPECT_RC(0, weir_timeout_enter(&scope, 10 * WEIR_MS));
    weir_group *group = open_group(WEIR_FIRST_SUCCESS, 0);
    int cut = 0;
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .got = &cut)); /* runs first, and is cut */
    spawn_ending(group, 10, 0);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ECANCELED, cut);
    EXPECT_RC(-ETIME, weir_scope_leave(&scope, weir_yield()));
}

TASK_TEST(a_race_that_is_cut_from_outside_says_so) /* G5, C7, P3 */
{
    weir_scope scope = {0};
    EXPECT_RC(0, weir_timeout_enter(&scope, 10 * WEIR_MS));
    weir_group *group = open_group(WEIR_FIRST_SUCCESS, 0);
    spawn_ending(group, 0, 0);
    EXPECT_RC(-ECANCELED, weir_group_close(group, 0));
    group = open_group(WEIR_FIRST_SUCCESS, 0); /* and one that is cut before it has anybody */
    EXPECT_RC(-ECANCELED, weir_group_close(group, -ECANCELED));
    EXPECT_RC(-ETIME, weir_scope_leave(&scope, -ECANCELED));

    group = open_group(WEIR_QUORUM, 2);
    spawn_ending(group, 0, 0);
    spawn_ending(group, 0, 0);
    EXPECT_RC(0, weir_yield());
    weir_group_cancel(group, "enough");
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, 0));

    weir_group_options options = {.policy = WEIR_FIRST_DONE, .timeout_ns = 10 * WEIR_MS};
    EXPECT_RC(0, weir_group_open(&group, &options));
    spawn_ending(group, 0, 0);
    EXPECT_RC(-ETIME, weir_group_close(group, 0));
}

TASK_TEST(a_success_after_the_group_was_cancelled_is_a_success) /* T6, O4, P3 */
{
    static const weir_policy policies[] = {WEIR_FIRST_SUCCESS, WEIR_FIRST_DONE};
    for (int i = 0; i < 2; i++) {
        weir_group *group = open_group(policies[i], 0);
        EXPECT_RC(0, WEIR_SPAWN(group, op_for)); /* to be cut is not to have been done */
        EXPECT_RC(0, WEIR_SPAWN(group, op_for, .when_cut = 5));
        EXPECT_RC(0, weir_yield());
        weir_group_cancel(group, "enough");
        EXPECT_RC(0, weir_group_close(group, 0));
    }
}

TASK_TEST(members_cancelled_alone_leave_a_hole_that_is_named) /* P3, G5, G7 */
{
    weir_group *group = open_group(WEIR_FIRST_SUCCESS, 0);
    weir_task_id ids[2];
    weir_cancel_cause causes[2];
    for (int i = 0; i < 2; i++)
        EXPECT_RC(0, weir_spawn_with(group, NULL, keep_cause, &causes[i], &ids[i]));
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, weir_task_cancel(ids[0], "not this one"));
    EXPECT_RC(0, weir_yield());
    EXPECT_EQ(1, weir_group_count(group)); /* that decided nothing */
    EXPECT_RC(0, weir_task_cancel(ids[1], "nor that"));
    EXPECT_RC(-ECHILD, weir_group_close(group, 0));
    EXPECT_EQ(WEIR_CANCEL_EXPLICIT, causes[0].kind);
    EXPECT_CONTAINS("cancelled", weir_failure_message(-ECHILD));
}

/* --- losers ----------------------------------------------------------------------------------- */

TASK_TEST(failures_of_losers_are_absorbed_and_stay_readable) /* F6, F7, P3 */
{
    count_findings();
    weir_group *group = open_group(WEIR_FIRST_SUCCESS, 0);
    spawn_ending(group, 5, -ENOENT);
    spawn_ending(group, 10, 0);
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .when_cut = -ENOSPC));
    weir_failures *failures;
    EXPECT_RC(0, weir_group_close_failures(group, 0, &failures));
    REQUIRE(weir_failures_count(failures) == 2);
    EXPECT_RC(-ENOENT, weir_failures_at(failures, 0)->code);
    EXPECT_RC(-ENOSPC, weir_failures_at(failures, 1)->code);
    weir_failures_free(failures);
    expect_nothing_told();
    EXPECT_EQ(2, weir__core_loop()->failures_handled);
    EXPECT_EQ(0, weir__core_loop()->failures_delivered);
}

static int race_then_fail(void *arg)
{
    (void)arg;
    weir_group *group = open_group(WEIR_FIRST_SUCCESS, 0);
    spawn_ending(group, 5, -EIO);
    spawn_ending(group, 10, 0);
    int rc = weir_group_close(group, 0);
    return rc < 0 ? rc : -EIO; /* the same code by chance */
}

TASK_TEST(what_was_absorbed_is_no_cause_of_a_later_failure) /* F4, F6, P3 */
{
    weir_group *group = open_group(WEIR_FAIL_FAST, 0);
    EXPECT_RC(0, weir_spawn(group, race_then_fail, NULL));
    weir_failures *failures;
    EXPECT_RC(-EIO, weir_group_close_failures(group, 0, &failures));
    REQUIRE(weir_failures_count(failures) == 1);
    EXPECT(weir_failures_at(failures, 0)->causes == NULL);
    weir_failures_free(failures);
}

static int sleep_with_a_cleanup_that_fails(void *arg)
{
    int rc = weir_defer(just_return, JUST(-ENOSPC));
    return rc < 0 ? rc : weir_sleep(*(int64_t *)arg);
}

TASK_TEST(a_winner_whose_cleanup_fails_has_not_won_and_a_losers_is_absorbed) /* P3, L2, F6 */
{
    count_findings();
    ms();
    weir_group *group = open_group(WEIR_FIRST_SUCCESS, 0);
    int64_t first = 10 * WEIR_MS, last = 100 * WEIR_MS;
    EXPECT_RC(0, weir_spawn(group, sleep_with_a_cleanup_that_fails, &first));
    EXPECT_RC(0, weir_spawn(group, sleep_with_a_cleanup_that_fails, &last));
    spawn_ending(group, 20, 0);
    weir_failures *failures;
    EXPECT_RC(0, weir_group_close_failures(group, 0, &failures));
    EXPECT_EQ(20, ms());
    EXPECT_EQ(2, weir_failures_count(failures));
    weir_failures_free(failures);
    expect_nothing_told();
    EXPECT_EQ(2, weir__core_loop()->failures_handled);
}

/* --- the body --------------------------------------------------------------------------------- */

TASK_TEST(a_body_that_the_winner_cut_has_reached_its_goal) /* P3, G5 */
{
    ms();
    weir_group *group = open_group(WEIR_FIRST_SUCCESS, 0);
    spawn_ending(group, 10, 0);
    int rc = op();
    EXPECT_RC(-ECANCELED, rc);
    EXPECT_RC(0, weir_group_close(group, rc));
    EXPECT_EQ(10, ms());
    EXPECT_RC(0, weir_yield());
}

TASK_TEST(a_body_that_its_decided_group_refuses_is_cut_and_has_not_failed) /* G3, G6, case 48 */
{
    count_findings();
    weir_group *group = open_group(WEIR_FIRST_SUCCESS, 0);
    EXPECT_RC(0, weir_spawn(group, just_return, NULL));
    EXPECT_RC(0, weir_yield()); /* it wins meanwhile */
    int rc = weir_spawn(group, just_return, NULL);
    EXPECT_RC(-ESHUTDOWN, rc);
    EXPECT_RC(0, weir_group_close(group, rc));

    group = open_group(WEIR_FAIL_FAST, 0);
    EXPECT_RC(0, weir_spawn(group, just_return, JUST(-EIO)));
    EXPECT_RC(0, weir_yield());
    rc = weir_spawn(group, just_return, NULL);
    EXPECT_RC(-ESHUTDOWN, rc);
    weir_failures *failures;
    EXPECT_RC(-EIO, weir_group_close_failures(group, rc, &failures));
    EXPECT_EQ(1, weir_failures_count(failures)); /* the refusal is no news */
    weir_failures_free(failures);

    group = open_group(WEIR_FAIL_FAST, 0);
    weir_group_cancel(group, "enough");
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, weir_spawn(group, just_return, NULL)));
    expect_nothing_told();
}

TASK_TEST(an_eshutdown_of_something_else_is_a_failure_like_any_other) /* G6 */
{
    weir_group *group = open_group(WEIR_FAIL_FAST, 0);
    weir_group_cancel(group, NULL);
    EXPECT_RC(-ESHUTDOWN, weir_group_close(group, -ESHUTDOWN)); /* it never asked this group */
}

TASK_TEST(a_body_that_fails_decides_before_a_winner_and_after_one) /* G5, G6, P3 */
{
    weir_group *group = open_group(WEIR_FIRST_SUCCESS, 0);
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .when_cut = 5)); /* would win */
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(-EINVAL, weir_group_close(group, -EINVAL));

    count_findings();
    group = open_group(WEIR_FIRST_SUCCESS, 0);
    spawn_ending(group, 5, -EIO);
    spawn_ending(group, 10, 0);
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .when_cut = -ENOSPC)); /* behind the winner */
    EXPECT_RC(-ECANCELED, op());
    weir_failures *failures;
    EXPECT_RC(-EINVAL, weir_group_close_failures(group, -EINVAL, &failures));
    REQUIRE(weir_failures_count(failures) == 2); /* what came before the winner explains nothing */
    EXPECT_RC(-EINVAL, weir_failures_at(failures, 0)->code);
    EXPECT_EQ(WEIR_FAILURE_BODY, weir_failures_at(failures, 0)->origin);
    weir_failures_free(failures);
    expect_nothing_told();
    EXPECT_EQ(2, weir__core_loop()->failures_delivered);
    EXPECT_EQ(2, weir__core_loop()->failures_handled);
}

/* --- the first end ---------------------------------------------------------------------------- */

TASK_TEST(the_first_end_decides_for_better_or_worse) /* P4, case 237 */
{
    ms();
    weir_group *group = open_group(WEIR_FIRST_DONE, 0);
    spawn_ending(group, 5, -EIO);
    spawn_ending(group, 10, 0);
    EXPECT_RC(-EIO, weir_group_close(group, 0));
    EXPECT_EQ(5, ms());

    group = open_group(WEIR_FIRST_DONE, 0);
    spawn_ending(group, 5, 0);
    spawn_ending(group, 10, -EIO);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(10, ms());

    group = open_group(WEIR_FIRST_DONE, 0);
    weir_task_id id;
    weir_cancel_cause cause;
    EXPECT_RC(0, weir_spawn_with(group, NULL, keep_cause, &cause, &id));
    spawn_ending(group, 10, 0);
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, weir_task_cancel(id, "this one"));
    EXPECT_RC(-ECHILD, weir_group_close(group, 0)); /* it was the first to end */
    EXPECT_EQ(10, ms());
}

TASK_TEST(a_rollback_that_fails_behind_a_first_end_that_failed_is_told) /* P4, F7 */
{
    count_findings();
    weir_group *group = open_group(WEIR_FIRST_DONE, 0);
    spawn_ending(group, 5, -EIO);
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .when_cut = -ENOSPC));
    EXPECT_RC(-EIO, weir_group_close(group, 0));
    EXPECT_RC(0, weir_group_close(open_group(WEIR_FAIL_FAST, 0), 0));
    EXPECT_EQ(1, findings[WEIR__FINDING_FAILURES]);
}

/* --- quorums ---------------------------------------------------------------------------------- */

TASK_TEST(a_quorum_is_reached_or_given_up_as_early_as_can_be) /* P5, case 238 */
{
    ms();
    weir_group *group = open_group(WEIR_QUORUM, 2);
    spawn_ending(group, 10, 0);
    spawn_ending(group, 20, -EIO);
    spawn_ending(group, 30, 0);
    spawn_ending(group, 40, 0);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(30, ms());

    int got = 1;
    group = open_group(WEIR_QUORUM, 2);
    spawn_ending(group, 10, -EIO);
    spawn_ending(group, 20, -ENOENT);
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 30, .got = &got));
    EXPECT_RC(-EIO, weir_group_close(group, 0));
    EXPECT_EQ(50, ms());
    EXPECT_RC(-ECANCELED, got);
}

TASK_TEST(a_quorum_of_more_than_there_are_is_refused_when_the_body_is_done) /* P5, case 239 */
{
    ms();
    int64_t ended_at[3] = {0};
    weir_group *group = open_group(WEIR_QUORUM, 4);
    for (int i = 0; i < 3; i++)
        EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 10, .ended_at_ms = &ended_at[i]));
    EXPECT_RC(0, weir_sleep(5 * WEIR_MS)); /* the fourth might come yet */
    EXPECT_RC(-EINVAL, weir_group_close(group, 0));
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(5, ended_at[i]);
}

struct one_more {
    weir_group *group;
    int *rc;
};
static int one_more(struct one_more *a)
{
    *a->rc = weir_spawn(a->group, just_return, NULL);
    return 0;
}

TASK_TEST(a_quorum_counts_on_whoever_is_in_line_for_a_place) /* P5, G10 */
{
    weir_group *group = NULL;
    weir_group_options options = {.policy = WEIR_QUORUM, .quorum = 2, .running_max = 1};
    weir_group *strangers = open_group(WEIR_FAIL_FAST, 0);
    EXPECT_RC(0, weir_group_open(&group, &options));
    int rc[2] = {1, 1};
    spawn_ending(group, 5, 0);
    for (int i = 0; i < 2; i++)
        EXPECT_RC(0, WEIR_SPAWN(strangers, one_more, .group = group, .rc = &rc[i]));
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, weir_group_close(group, 0)); /* one lives, two are in line */
    EXPECT_RC(0, rc[0]);
    EXPECT_RC(-ESHUTDOWN, rc[1]); /* the second was enough */
    EXPECT_RC(0, weir_group_close(strangers, 0));
}

TASK_TEST(a_quorum_counts_on_whoever_has_been_given_a_place) /* P5, G10 */
{
    weir_group *group = NULL;
    weir_group_options options = {.policy = WEIR_QUORUM, .quorum = 2, .running_max = 2};
    weir_group *strangers = open_group(WEIR_FAIL_FAST, 0);
    EXPECT_RC(0, weir_group_open(&group, &options));
    int rc = 1;
    spawn_ending(group, 5, 0);
    spawn_ending(group, 5, -EIO); /* ends when its neighbour's place is on its way to the
                                     stranger */
    EXPECT_RC(0, WEIR_SPAWN(strangers, one_more, .group = group, .rc = &rc));
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, rc);
    EXPECT_RC(0, weir_group_close(strangers, 0));
}

/* --- groups that are cancelled ---------------------------------------------------------------- */

struct hydra {
    weir_group *group;
    int *refused;
};
static int hydra(struct hydra *a)
{
    int rc = op();
    for (int i = 0; i < 2; i++)
        *a->refused +=
            WEIR_SPAWN(a->group, hydra, .group = a->group, .refused = a->refused) == -ESHUTDOWN;
    return rc;
}

TASK_TEST(members_that_answer_a_cancellation_with_new_ones_are_refused) /* G3, case 47 */
{
    ms();
    int refused = 0;
    weir_group *group = open_group(WEIR_FAIL_FAST, 0);
    for (int i = 0; i < 5; i++)
        EXPECT_RC(0, WEIR_SPAWN(group, hydra, .group = group, .refused = &refused));
    EXPECT_RC(0, weir_sleep(10 * WEIR_MS));
    weir_group_cancel(group, "the end");
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, 0));
    EXPECT_EQ(10, refused);
    EXPECT_EQ(10, ms());
}

/* --- somebody in line does not come ----------------------------------------------------------- */

static int come_late(void *arg)
{
    int rc = WEIR_SPAWN(*(weir_group **)arg, op_for, .duration_ms = 1);
    EXPECT_RC(-ECANCELED, rc);
    return rc;
}

static int cancel_at_10(void *arg)
{
    int rc = weir_sleep(10 * WEIR_MS);
    return rc < 0 ? rc : weir_task_cancel(*(weir_task_id *)arg, "not needed");
}

/* The member lived on to its end, for a goal that could not be reached any more. */
TASK_TEST(a_goal_is_given_up_when_who_stood_in_line_is_cancelled) /* P5, G10 */
{
    ms();
    weir_group *around, *group = NULL;
    weir_task_id id;
    int got = 1;
    REQUIRE_RC(0, weir_group_open(&around, &(weir_group_options){.policy = WEIR_COLLECT_ALL}));
    REQUIRE_RC(0,
               weir_group_open(&group, &(weir_group_options){
                                           .policy = WEIR_QUORUM, .quorum = 2, .running_max = 1}));
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 100, .got = &got));
    EXPECT_RC(0, weir_spawn_with(around, NULL, come_late, &group, &id));
    EXPECT_RC(0, weir_spawn(around, cancel_at_10, &id));
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(-EINVAL, weir_group_close(group, 0));
    EXPECT_EQ(10, ms());
    EXPECT_RC(-ECANCELED, got);
    EXPECT_RC(0, weir_group_close(around, 0));
}

/* --- the body fails although the goal was reached --------------------------------------------- */

static int fails_late(void *arg)
{
    (void)arg;
    return -ENOENT;
}

TASK_TEST(the_body_s_failure_stays_first_when_the_cleanup_fails_too) /* F6, L2 */
{
    weir_group *group = open_group(WEIR_FIRST_SUCCESS, 0);
    EXPECT_RC(0, weir_spawn(group, just_return, JUST(0)));
    EXPECT_RC(0, weir_defer(fails_late, NULL));
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(-EIO, weir_group_close(group, -EIO));
    weir_failures *failures = weir_failures_take();
    REQUIRE(weir_failures_count(failures) == 2);
    EXPECT_RC(-EIO, weir_failures_at(failures, 0)->code);
    EXPECT_RC(-ENOENT, weir_failures_at(failures, 1)->code);
    weir_failures_free(failures);
}
