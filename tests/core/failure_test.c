/*
 * failure_test.c - what becomes of failures: rules G5-G7, T6, F1-F7, P1, P2, P9
 */
#include <string.h>

#include "tests/core/bodies.h"

static weir_group *open_group(weir_policy policy)
{
    weir_group *group = NULL;
    EXPECT_RC(0, weir_group_open(&group, &(weir_group_options){.policy = policy, .name = "work"}));
    return group;
}

static int fail_with_cause(void *arg)
{
    weir_cancel_cause *cause = arg;
    int rc = op();
    EXPECT(weir_cancelled_because(cause));
    return rc;
}

TASK_TEST(the_first_failure_cancels_the_siblings_and_is_returned) /* P1, C6, G5, case 25 */
{
    ms();
    weir_group *group = open_group(WEIR_FAIL_FAST);
    weir_cancel_cause cause = {0};
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 10, .then = -EIO));
    EXPECT_RC(0, weir_spawn(group, fail_with_cause, &cause));
    EXPECT_RC(-EIO, weir_group_close(group, 0));
    EXPECT_EQ(10, ms());
    EXPECT_EQ(WEIR_CANCEL_SIBLING_FAILED, cause.kind);
    EXPECT(cause.source != 0);
}

TASK_TEST(the_body_is_cut_by_a_childs_failure_and_close_returns_that) /* P1, G5, case 26 */
{
    weir_group *group = open_group(WEIR_FAIL_FAST);
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 10, .then = -EIO));
    int rc = op();
    EXPECT_RC(-ECANCELED, rc);
    EXPECT_RC(-EIO, weir_group_close(group, rc));
    EXPECT_RC(0, weir_yield());
}

TASK_TEST(a_failing_body_cancels_the_children) /* G6, case 27 */
{
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_cancel_cause cause = {0};
    EXPECT_RC(0, weir_spawn(group, fail_with_cause, &cause));
    EXPECT_RC(0, weir_yield());
    weir_failures *failures;
    EXPECT_RC(-EINVAL, weir_group_close_failures(group, -EINVAL, &failures));
    EXPECT_EQ(WEIR_CANCEL_BODY_FAILED, cause.kind);
    REQUIRE(weir_failures_count(failures) == 1);
    EXPECT_EQ(WEIR_FAILURE_BODY, weir_failures_at(failures, 0)->origin);
    weir_failures_free(failures);
}

TASK_TEST(a_cleanup_that_fails_is_recorded_behind_the_first_failure) /* F3, F7, case 28 */
{
    weir_group *group = open_group(WEIR_FAIL_FAST);
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .when_cut = -ENOSPC));
    EXPECT_RC(0, weir_yield());
    weir_failures *failures;
    EXPECT_RC(-EINVAL, weir_group_close_failures(group, -EINVAL, &failures));
    REQUIRE(weir_failures_count(failures) == 2);
    EXPECT_RC(-EINVAL, weir_failures_at(failures, 0)->code);
    EXPECT_RC(-ENOSPC, weir_failures_at(failures, 1)->code);
    EXPECT(weir_failures_match(failures, -ENOSPC) == weir_failures_at(failures, 1));
    EXPECT(weir_failures_match(failures, -EIO) == NULL);
    EXPECT(weir_failures_at(failures, 2) == NULL);
    weir_failures_free(failures);
}

TASK_TEST(failures_are_ordered_by_completion) /* F3, P2, case 30 */
{
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 30, .then = -EIO));
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 10, .then = -ENOENT));
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 20, .then = -EPIPE));
    weir_failures *failures;
    EXPECT_RC(-ENOENT, weir_group_close_failures(group, 0, &failures));
    REQUIRE(weir_failures_count(failures) == 3);
    EXPECT_RC(-ENOENT, weir_failures_at(failures, 0)->code);
    EXPECT_RC(-EPIPE, weir_failures_at(failures, 1)->code);
    EXPECT_RC(-EIO, weir_failures_at(failures, 2)->code);
    EXPECT(weir_failures_at(failures, 0)->sequence < weir_failures_at(failures, 1)->sequence);
    weir_failures_free(failures);
}

TASK_TEST(success_after_a_cancellation_is_a_success) /* T6, case 32 */
{
    weir_group *group = open_group(WEIR_FAIL_FAST);
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .when_cut = 5));
    EXPECT_RC(0, weir_yield());
    weir_group_cancel(group, NULL);
    EXPECT_RC(0, weir_group_close(group, 0));
}

TASK_TEST(a_failure_beats_an_outer_cancellation_which_is_seen_next) /* G5, C5, case 34 */
{
    weir_scope scope = {0};
    EXPECT_RC(0, weir_timeout_enter(&scope, 10 * WEIR_MS));
    weir_group *group = open_group(WEIR_FAIL_FAST);
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .when_cut = -EIO));
    EXPECT_RC(-EIO, weir_group_close(group, 0));
    int rc = op();
    EXPECT_RC(-ECANCELED, rc);
    EXPECT_RC(-ETIME, weir_scope_leave(&scope, rc));
}

static int close_inner(void *arg)
{
    (void)arg;
    weir_group *inner = open_group(WEIR_COLLECT_ALL);
    int rc = WEIR_SPAWN(inner, op_for, .duration_ms = 1, .then = -EIO);
    if (rc == 0)
        rc = WEIR_SPAWN(inner, op_for, .duration_ms = 2, .then = -EPIPE);
    return weir_group_close(inner, rc);
}

TASK_TEST(an_inner_set_becomes_the_causes_of_the_outer_failure) /* F4, F6, case 35 */
{
    count_findings();
    weir_group *outer = open_group(WEIR_FAIL_FAST);
    EXPECT_RC(0, weir_spawn(outer, close_inner, NULL));
    weir_failures *failures;
    EXPECT_RC(-EIO, weir_group_close_failures(outer, 0, &failures));
    REQUIRE(weir_failures_count(failures) == 1);
    const weir_failure *failure = weir_failures_at(failures, 0);
    EXPECT_EQ(2, weir_failures_count(failure->causes));
    EXPECT(weir_failures_match(failures, -EPIPE) != NULL);
    weir_failures_free(failures);
    EXPECT_EQ(0, findings[WEIR__FINDING_FAILURES]);
}

TASK_TEST(failures_nobody_looked_at_are_reported_once) /* F6 */
{
    count_findings();
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    for (int i = 0; i < 3; i++)
        EXPECT_RC(0, weir_spawn(group, just_return, JUST(-EIO)));
    EXPECT_RC(-EIO, weir_group_close(group, 0));
    EXPECT_RC(0, weir_group_close(open_group(WEIR_FAIL_FAST), 0)); /* the next close settles it */
    EXPECT_EQ(1, findings[WEIR__FINDING_FAILURES]);
    EXPECT_EQ(2, weir__core_loop()->failures_reported);
}

TASK_TEST(primary_only_reports_nothing_and_loses_nothing) /* F6, case 39 */
{
    count_findings();
    weir_group *group = NULL;
    EXPECT_RC(0, weir_group_open(&group, &(weir_group_options){.policy = WEIR_COLLECT_ALL,
                                                               .primary_only = true}));
    for (int i = 0; i < 3; i++)
        EXPECT_RC(0, weir_spawn(group, just_return, JUST(-EIO)));
    EXPECT_RC(-EIO, weir_group_close(group, 0));
    EXPECT_RC(0, weir_group_close(open_group(WEIR_FAIL_FAST), 0));
    EXPECT_EQ(0, findings[WEIR__FINDING_FAILURES]);
}

TASK_TEST(collect_all_interrupts_nobody) /* P2, case 40 */
{
    ms();
    int got = 1;
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 10, .then = -EIO));
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 50, .got = &got));
    EXPECT_RC(-EIO, weir_group_close(group, 0));
    EXPECT_EQ(50, ms());
    EXPECT_EQ(0, got);
}

TASK_TEST(a_child_cancelled_alone_is_no_failure) /* G5, G7, case 42 */
{
    weir_group *group = open_group(WEIR_FAIL_FAST);
    weir_task_id id;
    struct op_for forever = {0};
    EXPECT_RC(0,
              weir_spawn_with(group, NULL, (weir_task_fn *)(void (*)(void))op_for, &forever, &id));
    int got = 1;
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 10, .got = &got));
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, weir_task_cancel(id, "not this one"));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(0, got);
    EXPECT_RC(-ESTALE, weir_task_cancel(id, NULL)); /* R4 */
}

static int fail_with_words(void *arg)
{
    (void)arg;
    weir_task_set_name("disk-7");
    return weir_fail(-EIO, "disk %d", 7);
}

TASK_TEST(a_failure_record_tells_everything) /* F1, F2, case 50 */
{
    weir_group *group = open_group(WEIR_FAIL_FAST);
    EXPECT_RC(0, weir_spawn(group, fail_with_words, NULL));
    weir_failures *failures;
    int rc = weir_group_close_failures(group, 0, &failures);
    EXPECT_RC(-EIO, rc);
    const weir_failure *failure = weir_failures_at(failures, 0);
    REQUIRE(failure != NULL);
    EXPECT_STR("disk 7", failure->message);
    EXPECT_STR("disk-7", failure->task_name);
    EXPECT_STR("work", failure->group_name);
    EXPECT(failure->spawn_address != NULL);
    EXPECT(failure->fail_address != NULL);
    EXPECT(failure->task_fn == (const void *)(uintptr_t)fail_with_words);
    EXPECT(failure->at_ns > 0 && failure->sequence > 0 && failure->task != 0);
    weir_failures_free(failures);
}

TASK_TEST(the_message_travels_up_with_the_code) /* F2, F4 */
{
    weir_group *group = open_group(WEIR_FAIL_FAST);
    EXPECT_RC(0, weir_spawn(group, fail_with_words, NULL));
    int rc = weir_group_close(group, 0);
    EXPECT_STR("disk 7", weir_failure_message(rc));
    EXPECT_CONTAINS("ENOENT", weir_failure_message(-ENOENT));
}

TASK_TEST(ten_thousand_failures_stay_reachable) /* F6, case 51 */
{
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    for (int i = 0; i < 10000; i++)
        EXPECT_RC(0, weir_spawn(group, just_return, JUST(-EIO)));
    weir_failures *failures;
    EXPECT_RC(-EIO, weir_group_close_failures(group, 0, &failures));
    EXPECT_EQ(10000, weir_failures_count(failures));
    weir_failures_free(failures);
}

TASK_TEST(a_stray_ecanceled_is_a_failure_and_is_told) /* T6, I8 */
{
    count_findings();
    weir_group *group = open_group(WEIR_FAIL_FAST);
    EXPECT_RC(0, weir_spawn(group, just_return, JUST(-ECANCELED)));
    EXPECT_RC(-EIO, weir_group_close(group, 0));
    EXPECT_EQ(1, findings[WEIR__FINDING_STRAY]);
}

/* --- gather ----------------------------------------------------------------------------------- */

static int end_after(void *arg)
{
    struct op_for *a = arg;
    return op_for(a);
}

TASK_TEST(gather_collects_one_outcome_a_call_by_position) /* P2, case 41 */
{
    struct op_for args[5];
    weir_call calls[5];
    weir_outcome outcomes[5];
    for (int i = 0; i < 5; i++) {
        args[i] = (struct op_for){.duration_ms = 50 - 10 * i, .then = i == 1 || i == 3 ? -EIO : i};
        calls[i] = (weir_call){end_after, &args[i]};
    }
    EXPECT_RC(2, weir_gather(WEIR_COLLECT_ALL, calls, 5, outcomes));
    for (int i = 0; i < 5; i++) {
        EXPECT_EQ(i == 1 || i == 3 ? WEIR_OUTCOME_FAILED : WEIR_OUTCOME_OK, outcomes[i].kind);
        EXPECT_RC(args[i].then, outcomes[i].rc);
    }
}

TASK_TEST(gather_fail_fast_returns_the_first_failure_and_cuts_the_rest) /* P1 */
{
    ms();
    int got = 0;
    struct op_for slow = {.got = &got};
    struct op_for bad = {.duration_ms = 10, .then = -EIO};
    weir_call calls[] = {{end_after, &slow}, {end_after, &bad}};
    weir_outcome outcomes[2];
    EXPECT_RC(-EIO, weir_gather(WEIR_FAIL_FAST, calls, 2, outcomes));
    EXPECT_EQ(10, ms());
    EXPECT_RC(-ECANCELED, got);
    EXPECT_EQ(WEIR_OUTCOME_CANCELLED, outcomes[0].kind);
    EXPECT_EQ(WEIR_OUTCOME_FAILED, outcomes[1].kind);
    EXPECT_RC(-EIO, weir_gather(WEIR_FAIL_FAST, calls, 2, NULL));
}

/* F6: what stands in an outcome has been told; without outcomes it is a finding. */
TASK_TEST(gather_fail_fast_tells_no_failure_twice)
{
    count_findings();
    struct op_for undo_fails = {.when_cut = -ENOSPC};
    struct op_for bad = {.duration_ms = 10, .then = -EIO};
    weir_call calls[] = {{end_after, &undo_fails}, {end_after, &bad}};
    weir_outcome outcomes[2];
    EXPECT_RC(-EIO, weir_gather(WEIR_FAIL_FAST, calls, 2, outcomes));
    EXPECT_RC(-ENOSPC, outcomes[0].rc);
    EXPECT_RC(0, weir_group_close(open_group(WEIR_FAIL_FAST), 0)); /* settles it */
    EXPECT_EQ(0, findings[WEIR__FINDING_FAILURES]);
    EXPECT_RC(-EIO, weir_gather(WEIR_FAIL_FAST, calls, 2, NULL));
    EXPECT_RC(0, weir_group_close(open_group(WEIR_FAIL_FAST), 0));
    EXPECT_EQ(1, findings[WEIR__FINDING_FAILURES]);
}

static int fail_here(void *arg)
{
    (void)arg;
    return weir_fail(-EINVAL, "something went wrong");
}

TASK_TEST(gather_keeps_the_words_of_a_failure) /* F2 */
{
    weir_call calls[] = {{fail_here, NULL}};
    weir_outcome outcome;
    EXPECT_RC(1, weir_gather(WEIR_COLLECT_ALL, calls, 1, &outcome));
    EXPECT_STR("something went wrong", outcome.message);
    EXPECT_RC(0, weir_gather(WEIR_COLLECT_ALL, NULL, 0, NULL));
    EXPECT_RC(-EINVAL, weir_gather(WEIR_COLLECT_ALL, calls, 1, NULL));
}

static int cancel_self(void *arg)
{
    (void)arg;
    EXPECT_RC(0, weir_task_cancel(weir_task_self(), NULL));
    return op();
}

TASK_TEST(gather_fail_fast_names_the_hole_of_a_call_cancelled_alone) /* P9 */
{
    weir_call calls[] = {{just_return, NULL}, {cancel_self, NULL}};
    EXPECT_RC(-ECHILD, weir_gather(WEIR_FAIL_FAST, calls, 2, NULL));
    weir_outcome outcomes[2];
    EXPECT_RC(0, weir_gather(WEIR_COLLECT_ALL, calls, 2, outcomes));
    EXPECT_EQ(WEIR_OUTCOME_CANCELLED, outcomes[1].kind);
}

TASK_TEST(gather_in_a_cancelled_scope_says_so) /* P2, C5 */
{
    struct op_for forever = {0};
    weir_call calls[] = {{end_after, &forever}};
    weir_outcome outcome;
    int rc = 0;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        rc = weir_gather(WEIR_COLLECT_ALL, calls, 1, &outcome);
        EXPECT_RC(-ECANCELED, rc);
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_EQ(WEIR_OUTCOME_CANCELLED, outcome.kind);
}

static int count_call(void *arg)
{
    ++*(int *)arg;
    return 0;
}

TASK_TEST(
    gather_in_a_scope_that_is_cancelled_already_calls_nothing_and_says_so) /* O1, C5, case 228 */
{
    int count = 0;
    weir_call calls[] = {{count_call, &count}, {count_call, &count}};
    weir_outcome outcomes[2];
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, NULL);
    EXPECT_RC(-ECANCELED, weir_gather(WEIR_FAIL_FAST, calls, 2, NULL));
    EXPECT_RC(-ECANCELED, weir_gather(WEIR_COLLECT_ALL, calls, 2, outcomes));
    EXPECT_EQ(WEIR_OUTCOME_CANCELLED, outcomes[1].kind);
    EXPECT_RC(0, weir_gather(WEIR_FAIL_FAST, NULL, 0, NULL)); /* case 226 */
    EXPECT_EQ(0, count);
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    EXPECT_RC(0, weir_gather(WEIR_FAIL_FAST, calls, 2, NULL)); /* case 227: twice is twice */
    EXPECT_EQ(2, count);
}

struct nested {
    int depth;
};
static int nested(struct nested *a)
{
    if (a->depth == 0)
        return -EIO;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    return rc < 0 ? rc : weir_group_close(group, WEIR_SPAWN(group, nested, .depth = a->depth - 1));
}

TASK_TEST(causes_may_be_as_deep_as_groups_are_nested) /* F4, F5 */
{
    weir_group *group = open_group(WEIR_FAIL_FAST);
    EXPECT_RC(0, WEIR_SPAWN(group, nested, .depth = MANY(6000)));
    weir_failures *failures;
    EXPECT_RC(-EIO, weir_group_close_failures(group, 0, &failures));
    EXPECT(weir_failures_match(failures, -ENOENT) == NULL);
    EXPECT(weir_failures_match(failures, -EIO) != NULL);
    weir_failures_free(failures);
}

struct fail_when_cut {
    int *count;
};
static int fail_when_cut(struct fail_when_cut *a)
{
    int rc = op();
    ++*a->count;
    return rc == -ECANCELED ? -EIO : 0;
}

TASK_TEST(
    a_hundred_failures_in_cleanups_follow_the_first_and_are_told_once) /* F3, F7, cases 31, 46 */
{
    count_findings();
    int count = 0;
    weir_group *group = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < 100; i++)
        EXPECT_RC(0, WEIR_SPAWN(group, fail_when_cut, .count = &count));
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, weir_spawn(group, just_return, JUST(-ENOENT)));
    EXPECT_RC(-ENOENT, weir_group_close(group, 0));
    EXPECT_EQ(100, count);
    EXPECT_RC(0, weir_group_close(open_group(WEIR_FAIL_FAST), 0));
    EXPECT_EQ(1, findings[WEIR__FINDING_FAILURES]);
    EXPECT_EQ(101, weir__core_loop()->failures_created);
    EXPECT_EQ(100, weir__core_loop()->failures_reported);
}

TASK_TEST(after_a_failure_nobody_is_spawned_although_the_body_has_not_waited) /* G3, case 48 */
{
    int count = 0;
    weir_group *group = open_group(WEIR_FAIL_FAST);
    EXPECT_RC(0, weir_spawn(group, just_return, JUST(-EIO)));
    weir_scope shield = {0};
    EXPECT_RC(0, weir_shield_enter(&shield, WEIR_SEC));
    EXPECT_RC(0, weir_yield()); /* the body itself goes on */
    EXPECT_RC(-ESHUTDOWN, weir_spawn(group, count_call, &count));
    EXPECT_RC(0, weir_scope_leave(&shield, 0));
    EXPECT_RC(-EIO, weir_group_close(group, 0));
    EXPECT_EQ(0, count);
}

static int close_and_replace(void *arg)
{
    (void)arg;
    weir_group *inner = open_group(WEIR_COLLECT_ALL);
    int rc = weir_spawn(inner, just_return, JUST(-EIO));
    if (rc == 0)
        rc = weir_spawn(inner, just_return, JUST(-EPIPE));
    rc = weir_group_close(inner, rc);
    return rc == -EIO ? weir_fail(-EINVAL, "another code") : rc;
}

TASK_TEST(a_set_whose_code_is_not_passed_on_is_told_and_is_no_cause) /* F4, F6 */
{
    count_findings();
    weir_group *group = open_group(WEIR_FAIL_FAST);
    EXPECT_RC(0, weir_spawn(group, close_and_replace, NULL));
    weir_failures *failures;
    EXPECT_RC(-EINVAL, weir_group_close_failures(group, 0, &failures));
    REQUIRE(weir_failures_count(failures) == 1);
    EXPECT(weir_failures_at(failures, 0)->causes == NULL);
    EXPECT_STR("another code", weir_failures_at(failures, 0)->message);
    weir_failures_free(failures);
    EXPECT_EQ(1, findings[WEIR__FINDING_FAILURES]);
}

TASK_TEST(a_gather_that_is_cancelled_joins_all_its_calls) /* G2, G5, case 228 */
{
    ms();
    int64_t ended_at[3] = {0};
    struct op_for args[3];
    weir_call calls[3];
    for (int i = 0; i < 3; i++) {
        args[i] = (struct op_for){.ended_at_ms = &ended_at[i]};
        calls[i] = (weir_call){end_after, &args[i]};
    }
    int rc = 0;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        rc = weir_gather(WEIR_FAIL_FAST, calls, 3, NULL);
        EXPECT_RC(-ECANCELED, rc);
    }
    EXPECT_RC(-ETIME, rc);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(10, ended_at[i]);
}

/* --- the whole run ---------------------------------------------------------------------------- */

static int leave_a_failing_task(void *arg)
{
    weir_loop *loop = weir__core_loop();
    EXPECT_RC(0, weir__core_spawn(loop->root, "forgotten", just_return, JUST(-EIO), NULL));
    EXPECT_RC(0, weir_yield());
    return just_return(arg);
}

TEST(a_failure_beside_the_main_task_is_told) /* W6, F6, case 262 */
{
    count_findings();
    weir_run_options options = {.backend = "sim"};
    EXPECT_RC(0, weir__core_run(&options, leave_a_failing_task, NULL, false));
    EXPECT_EQ(1, findings[WEIR__FINDING_FAILURES]);
    EXPECT_RC(-EPIPE, weir__core_run(&options, leave_a_failing_task, JUST(-EPIPE), false));
    EXPECT_EQ(2, findings[WEIR__FINDING_FAILURES]);
    EXPECT_RC(-EPIPE, weir__core_run(&options, just_return, JUST(-EPIPE), false));
    EXPECT_EQ(2, findings[WEIR__FINDING_FAILURES]); /* told by the return code */
}

static bool inner_call;

static int run_twice(void *arg)
{
    (void)arg;
    if (inner_call)
        return 3;
    inner_call = true;
    EXPECT_RC(0, weir__core_spawn(weir__core_loop()->root, NULL, run_twice, NULL, NULL));
    int rc = weir_sleep(10 * WEIR_MS);
    return rc < 0 ? rc : 7;
}

TEST(another_task_with_the_main_tasks_function_does_not_end_the_run) /* W6 */
{
    weir_run_options options = {.backend = "sim"};
    EXPECT_RC(7, weir__core_run(&options, run_twice, NULL, false));
}

static int leave_hanging(void *arg)
{
    weir_cancel_cause *cause = arg;
    EXPECT_RC(-ECANCELED, op());
    EXPECT(weir_cancelled_because(cause));
    return -ECANCELED;
}

static int main_leaves_a_task(void *arg)
{
    EXPECT_RC(0, weir__core_spawn(weir__core_loop()->root, NULL, leave_hanging, arg, NULL));
    return weir_yield();
}

TEST(what_the_main_task_leaves_is_cancelled_and_joined) /* W6, I1, case 261 */
{
    weir_run_options options = {.backend = "sim"};
    weir_cancel_cause cause = {0};
    EXPECT_RC(0, weir__core_run(&options, main_leaves_a_task, &cause, false));
    EXPECT_EQ(WEIR_CANCEL_JOIN_POLICY, cause.kind);
    EXPECT_RC(0, weir__core_run(&options, just_return, NULL, false)); /* a second run, case 263 */
}

static int run_inside(void *arg)
{
    (void)arg;
    weir_run_options options = {.backend = "sim"};
    return weir__core_run(&options, just_return, NULL, false);
}

TEST(a_run_inside_a_run_is_refused_and_so_are_impossible_options) /* X1, case 264 */
{
    weir_run_options options = {.backend = "sim"};
    EXPECT_RC(-EPERM, weir__core_run(&options, run_inside, NULL, false));
    options.tasks_max = (SIZE_MAX >> 6) + 2; /* times 64 it would be small again */
    EXPECT_RC(-EINVAL, weir__core_run(&options, just_return, NULL, false));
    options.tasks_max = WEIR_UNLIMITED;
    EXPECT_RC(0, weir__core_run(&options, just_return, NULL, false));
    options.stack_bytes = (size_t)1 << 40;
    EXPECT_RC(-EINVAL, weir__core_run(&options, just_return, NULL, false));
    options.stack_bytes = 1;
    EXPECT_RC(0, weir__core_run(&options, just_return, NULL, false));
}
