/*
 * scope_test.c - cancellation, deadlines, shields: rules C1-C12, D1-D6, H1-H5, O1-O10
 */
#include <string.h>

#include "tests/core/bodies.h"

TASK_TEST(a_cancelled_scope_refuses_every_checkpoint) /* C5, case 53 */
{
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "enough");
    EXPECT_RC(-ECANCELED, op());
    EXPECT_RC(-ECANCELED, op());
    EXPECT_RC(-ECANCELED, weir_sleep(0));
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED)); /* C7, case 55 */
    EXPECT(weir_scope_caught(&scope));
    EXPECT_RC(0, weir_yield());
}

TASK_TEST(a_result_survives_the_cancellation_of_its_scope) /* C7, case 56 */
{
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, NULL);
    EXPECT_RC(7, weir_scope_leave(&scope, 7));
    EXPECT(!weir_scope_caught(&scope));
}

TASK_TEST(a_failure_in_cleanup_stays_that_failure) /* C7, case 57 */
{
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, NULL);
    EXPECT_RC(-EIO, weir_scope_leave(&scope, -EIO));
}

TASK_TEST(of_two_cancelled_scopes_the_outer_one_absorbs) /* C7, case 58 */
{
    weir_scope outer = {0}, inner = {0};
    EXPECT_RC(0, weir_scope_enter(&outer));
    EXPECT_RC(0, weir_scope_enter(&inner));
    weir_scope_cancel(&inner, NULL);
    weir_scope_cancel(&outer, NULL);
    EXPECT_RC(-ECANCELED, weir_scope_leave(&inner, op()));
    EXPECT(!weir_scope_caught(&inner));
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&outer, -ECANCELED));
}

TASK_TEST(a_cancelled_inner_scope_does_not_reach_the_outer_one) /* C7, case 59 */
{
    weir_scope outer = {0}, inner = {0};
    EXPECT_RC(0, weir_scope_enter(&outer));
    EXPECT_RC(0, weir_scope_enter(&inner));
    weir_scope_cancel(&inner, NULL);
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&inner, op()));
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, weir_scope_leave(&outer, 0));
}

TASK_TEST(the_first_reason_is_kept) /* C6, cases 61 and 101 */
{
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "r1");
    weir_scope_cancel(&scope, "r2");
    weir_cancel_cause cause;
    EXPECT(weir_cancelled_because(&cause));
    EXPECT_STR("r1", cause.reason);
    EXPECT_EQ(WEIR_CANCEL_EXPLICIT, cause.kind);
    EXPECT(cause.source == weir_task_self());
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
}

TASK_TEST(nobody_is_the_source_of_a_deadline) /* C6, D2: also when it has passed on entry */
{
    weir_scope passed = {0}, later = {0};
    weir_cancel_cause cause;
    EXPECT_RC(0, weir_timeout_enter(&passed, 0));
    EXPECT(weir_cancelled_because(&cause));
    EXPECT_EQ(WEIR_CANCEL_DEADLINE, cause.kind);
    EXPECT(cause.source == 0);
    EXPECT_RC(-ETIME, weir_scope_leave(&passed, -ECANCELED));
    EXPECT_RC(0, weir_timeout_enter(&later, 1 * WEIR_MS));
    EXPECT_RC(-ECANCELED, op());
    EXPECT(weir_cancelled_because(&cause));
    EXPECT(cause.source == 0);
    EXPECT_RC(-ETIME, weir_scope_leave(&later, -ECANCELED));
}

TASK_TEST(cancelling_marks_a_whole_subtree_before_anybody_runs) /* C4, case 62 */
{
    enum { COUNT = 1000 };
    static int got[COUNT];
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    for (int i = 0; i < COUNT; i++)
        EXPECT_RC(0, WEIR_SPAWN(group, op_for, .got = &got[i]));
    EXPECT_RC(0, weir_yield());
    uint64_t steps = weir__core_loop()->step_count;
    weir_group_cancel(group, NULL);
    EXPECT_EQ(steps, weir__core_loop()->step_count);
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, 0));
    for (int i = 0; i < COUNT; i++)
        EXPECT_RC(-ECANCELED, got[i]);
}

TASK_TEST(ten_thousand_nested_scopes_are_cancelled_without_recursion) /* C4, case 63 */
{
    enum { DEPTH = 10000 };
    static weir_scope scopes[DEPTH];
    for (int i = 0; i < DEPTH; i++)
        REQUIRE_RC(0, weir_scope_enter(&scopes[i]));
    weir_scope_cancel(&scopes[0], NULL);
    int rc = op();
    for (int i = DEPTH - 1; i > 0; i--) {
        rc = weir_scope_leave(&scopes[i], rc);
        if (rc != -ECANCELED)
            break;
    }
    EXPECT_RC(-ECANCELED, rc);
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scopes[0], rc));
}

struct level {
    int depth;
    weir_cancel_cause *cause;
};
static int level(struct level *a)
{
    if (a->depth == 0) {
        int rc = op();
        EXPECT(weir_cancelled_because(a->cause));
        return rc;
    }
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc == 0)
        rc = WEIR_SPAWN(group, level, .depth = a->depth - 1, .cause = a->cause);
    return weir_group_close(group, rc);
}

TASK_TEST(a_cancellation_reaches_the_deepest_task_with_its_cause) /* C1, C6, case 64 */
{
    weir_cancel_cause cause = {0};
    weir_scope scope = {0};
    EXPECT_RC(0, weir_timeout_enter(&scope, 10 * WEIR_MS));
    struct level top = {3, &cause};
    EXPECT_RC(-ETIME, weir_scope_leave(&scope, level(&top)));
    EXPECT_EQ(WEIR_CANCEL_DEADLINE, cause.kind);
}

TASK_TEST(a_scope_cancelled_before_it_is_entered_starts_cancelled) /* C9, case 66 */
{
    weir_scope scope = {0};
    weir_scope_cancel(&scope, "before");
    EXPECT_RC(0, weir_scope_enter(&scope));
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, op()));
}

TASK_TEST(cancelling_a_scope_that_was_left_does_nothing) /* C9, case 67 */
{
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    EXPECT_RC(0, weir_scope_leave(&scope, 0));
    weir_scope_cancel(&scope, NULL);
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, weir_scope_enter(&scope));
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(-EBUSY, weir_scope_enter(&scope)); /* C8, case 68 */
    EXPECT_RC(0, weir_scope_leave(&scope, 0));
}

struct leave_other {
    weir_scope *scope;
    int *rc;
};
static int leave_other(struct leave_other *a)
{
    *a->rc = weir_scope_leave(a->scope, 0);
    return 0;
}

TASK_TEST(only_the_task_that_entered_a_scope_may_leave_it) /* C8, case 69 */
{
    weir_scope scope = {0};
    weir_group *group;
    int rc = 0;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_scope_enter(&scope));
    EXPECT_RC(0, WEIR_SPAWN(group, leave_other, .scope = &scope, .rc = &rc));
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(-EPERM, rc);
    EXPECT_RC(0, weir_scope_leave(&scope, 0));
    EXPECT_RC(0, weir_group_close(group, 0));
}

TASK_TEST(leaving_an_outer_scope_first_leaves_the_inner_ones_and_says_so) /* C8, case 70 */
{
    count_findings();
    weir_scope scopes[3] = {0};
    for (int i = 0; i < 3; i++)
        EXPECT_RC(0, weir_scope_enter(&scopes[i]));
    EXPECT_RC(0, weir_scope_leave(&scopes[0], 0));
    EXPECT_EQ(1, findings[WEIR__FINDING_MISNESTED]);
    weir_scope_cancel(&scopes[1], NULL);
    EXPECT_RC(0, weir_yield());
}

struct hard_in_scope {
    weir_scope *scope;
    int64_t *left_at;
};
static int hard_in_scope(struct hard_in_scope *a)
{
    EXPECT_RC(0, weir_scope_enter(a->scope));
    int rc = hard(40, 8);
    EXPECT_RC(8, weir_scope_leave(a->scope, rc)); /* O4: the result wins */
    *a->left_at = ms();
    return 0;
}

TASK_TEST(an_operation_that_cannot_be_aborted_is_waited_for) /* T3, O3, O7, cases 71, 72 and 187 */
{
    ms();
    weir_scope scope = {0};
    int64_t left_at = 0;
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, hard_in_scope, .scope = &scope, .left_at = &left_at));
    EXPECT_RC(0, weir_sleep(10 * WEIR_MS));
    for (int i = 0; i < 5; i++)
        weir_scope_cancel(&scope, NULL);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(40, left_at);
}

TASK_TEST(check_and_getters_work_in_a_cancelled_scope) /* O8, O11, case 74 */
{
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, NULL);
    uint64_t steps = weir__core_loop()->step_count;
    EXPECT_RC(-ECANCELED, weir_check());
    EXPECT(weir_cancelled());
    EXPECT(weir_deadline() <= weir_now());
    EXPECT_EQ(steps, weir__core_loop()->step_count);
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    EXPECT_RC(0, weir_check());
}

static int count_up(void *arg)
{
    int *count = arg;
    for (int i = 0; i < 100; i++) {
        ++*count;
        int rc = weir_yield();
        if (rc < 0)
            return rc;
    }
    return 0;
}

TASK_TEST(a_swallowed_cancellation_yields_and_is_told_once) /* O1, C12, case 75 */
{
    count_findings();
    int count = 0;
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, count_up, &count));
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, NULL);
    for (int i = 0; i < 200; i++)
        EXPECT_RC(-ECANCELED, op());
    EXPECT_EQ(100, count);
    EXPECT_EQ(1, findings[WEIR__FINDING_SWALLOWED]);
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    EXPECT_RC(0, weir_group_close(group, 0));
}

TASK_TEST(a_cleanup_of_ten_calls_is_not_called_a_swallow) /* C12, case 76 */
{
    count_findings();
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, NULL);
    for (int i = 0; i < 11; i++)
        EXPECT_RC(-ECANCELED, op());
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    EXPECT_EQ(0, findings[WEIR__FINDING_SWALLOWED]);
}

struct slow_cleanup {
    int64_t cleanup_ms;
};
static int slow_cleanup(struct slow_cleanup *a)
{
    int rc = op();
    int cleaned = 0;
    WEIR_SHIELD(cleaned, 1 * WEIR_SEC)
    {
        cleaned = weir_sleep(a->cleanup_ms * WEIR_MS);
    }
    EXPECT_RC(0, cleaned);
    return rc;
}

TASK_TEST(close_goes_on_waiting_for_a_cleanup_while_cancelled) /* G2, G5, case 78 */
{
    ms();
    weir_scope scope = {0};
    EXPECT_RC(0, weir_timeout_enter(&scope, 10 * WEIR_MS));
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, slow_cleanup, .cleanup_ms = 20));
    int rc = weir_group_close(group, 0);
    EXPECT_RC(-ECANCELED, rc);
    EXPECT_EQ(30, ms());
    EXPECT_RC(-ETIME, weir_scope_leave(&scope, rc));
}

/* --- deadlines -------------------------------------------------------------------------------- */

TASK_TEST(a_timeout_cuts_at_its_time_and_says_etime) /* C7, O10, case 85 */
{
    ms();
    int rc = 0;
    WEIR_TIMEOUT(rc, 50 * WEIR_MS)
    {
        rc = op();
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_EQ(50, ms());
}

TASK_TEST(a_body_in_time_keeps_its_result_and_leaves_no_timer) /* D4, case 86 */
{
    int rc = 0;
    WEIR_TIMEOUT(rc, 50 * WEIR_MS)
    {
        rc = weir_sleep(20 * WEIR_MS) == 0 ? 3 : -1;
    }
    EXPECT_RC(3, rc);
    EXPECT_EQ(0, weir__core_loop()->deadlines.armed_count);
}

TASK_TEST(a_timeout_that_has_passed_cuts_the_first_checkpoint_only) /* D2, cases 87-89 */
{
    int rc = 0;
    bool began = false;
    WEIR_TIMEOUT(rc, 0)
    {
        began = true;
        rc = op();
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT(began);
    WEIR_TIMEOUT(rc, -5)
    {
        rc = op();
    }
    EXPECT_RC(-ETIME, rc);
    WEIR_TIMEOUT(rc, 0)
    {
        rc = 9;
    }
    EXPECT_RC(9, rc);
}

IO_TEST(a_deadline_that_passed_during_this_step_has_passed) /* D2, case 88 */
{
    weir_loop *loop = weir__core_loop();
    while (weir_now() <= loop->now_ns + WEIR_MS) {
    }
    weir_scope scope = {0};
    EXPECT_RC(0, weir_deadline_enter(&scope, weir_now() - WEIR_US));
    EXPECT_RC(-ECANCELED, weir_yield());
    EXPECT_RC(-ETIME, weir_scope_leave(&scope, -ECANCELED));
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, &(weir_group_options){.timeout_ns = -1}));
    EXPECT_RC(-ETIME, weir_group_close(group, weir_yield()));
}

TASK_TEST(endless_and_enormous_timeouts_do_not_wrap) /* D1-D3, cases 90 and 91 */
{
    weir_scope scope = {0};
    EXPECT_RC(0, weir_timeout_enter(&scope, WEIR_FOREVER));
    EXPECT_EQ(WEIR_NEVER, weir_deadline());
    EXPECT_EQ(0, weir__core_loop()->deadlines.armed_count);
    EXPECT_RC(0, weir_scope_leave(&scope, 0));
    EXPECT_RC(0, weir_timeout_enter(&scope, INT64_MAX - 1));
    EXPECT_EQ(WEIR_NEVER, weir_deadline());
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, weir_scope_leave(&scope, 0));
}

TASK_TEST(at_a_tie_the_result_beats_the_deadline) /* O10, case 93 */
{
    int rc = 0, first = 1;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        first = weir_sleep(10 * WEIR_MS);
        rc = op();
    }
    EXPECT_RC(0, first);
    EXPECT_RC(-ETIME, rc);
}

static int nested_timeouts(int64_t outer_ms, int64_t inner_ms, int *out_inner)
{
    int rc = 0;
    WEIR_TIMEOUT(rc, outer_ms * WEIR_MS)
    {
        int inner = 0;
        WEIR_TIMEOUT(inner, inner_ms * WEIR_MS)
        {
            inner = op();
        }
        *out_inner = inner;
        rc = inner == -ETIME ? op() : inner;
    }
    return rc;
}

TASK_TEST(of_nested_timeouts_the_one_that_expired_says_so) /* D6, C7, cases 95-97 */
{
    int inner;
    EXPECT_RC(-ETIME, nested_timeouts(10, 10, &inner));
    EXPECT_RC(-ECANCELED, inner);
    ms();
    EXPECT_RC(-ETIME, nested_timeouts(30, 10, &inner));
    EXPECT_RC(-ETIME, inner);
    EXPECT_RC(-ETIME, nested_timeouts(10, 30, &inner));
    EXPECT_RC(-ECANCELED, inner);
}

TASK_TEST(an_etime_from_inside_passes_an_outer_timeout_unchanged) /* C7, cases 98 and 99 */
{
    weir_scope scope = {0};
    EXPECT_RC(0, weir_timeout_enter(&scope, 50 * WEIR_MS));
    EXPECT_RC(-ETIME, weir_scope_leave(&scope, -ETIME));
    EXPECT(!weir_scope_caught(&scope) && !weir_scope_expired(&scope));
    EXPECT_RC(0, weir_timeout_enter(&scope, 50 * WEIR_MS));
    EXPECT_RC(-ETIMEDOUT, weir_scope_leave(&scope, -ETIMEDOUT));
}

static int64_t cut_when_moved(int64_t to_ms)
{
    weir_scope scope = {0};
    int64_t begin = ms();
    EXPECT_RC(0, weir_timeout_enter(&scope, 10 * WEIR_MS));
    EXPECT_RC(0, weir_sleep(5 * WEIR_MS));
    weir_scope_set_deadline(&scope, weir_now() + (to_ms - 5) * WEIR_MS);
    int rc = op();
    int64_t cut = ms() - begin;
    EXPECT_RC(-ETIME, weir_scope_leave(&scope, rc));
    return cut;
}

TASK_TEST(a_deadline_can_be_moved_until_it_fires) /* D4, case 102 */
{
    EXPECT_EQ(40, cut_when_moved(40));
    EXPECT_EQ(6, cut_when_moved(6));
    EXPECT_EQ(5, cut_when_moved(1));
}

TASK_TEST(a_fired_deadline_cannot_be_taken_back) /* D4, C5, case 103 */
{
    weir_scope scope = {0};
    EXPECT_RC(0, weir_timeout_enter(&scope, 10 * WEIR_MS));
    EXPECT_RC(-ECANCELED, op());
    weir_scope_set_deadline(&scope, weir_now() + WEIR_SEC);
    EXPECT_RC(-ECANCELED, op());
    EXPECT(weir_scope_expired(&scope));
    EXPECT_RC(-ETIME, weir_scope_leave(&scope, -ECANCELED));
}

TASK_TEST(the_nearest_deadline_is_the_minimum_up_to_a_shield) /* D3, case 105 */
{
    int64_t now = weir_now();
    weir_scope outer = {0}, inner = {0}, shield = {0};
    EXPECT_RC(0, weir_timeout_enter(&outer, 100 * WEIR_MS));
    EXPECT_RC(0, weir_timeout_enter(&inner, 40 * WEIR_MS));
    EXPECT_EQ(now + 40 * WEIR_MS, weir_deadline());
    EXPECT_RC(0, weir_shield_enter(&shield, 70 * WEIR_MS));
    EXPECT_EQ(now + 70 * WEIR_MS, weir_deadline());
    EXPECT_RC(0, weir_scope_leave(&shield, 0));
    EXPECT_RC(0, weir_scope_leave(&inner, 0));
    EXPECT_RC(0, weir_scope_leave(&outer, 0));
}

TASK_TEST(a_late_result_in_an_expired_scope_is_kept) /* O7, C7, case 106 */
{
    ms();
    weir_scope scope = {0};
    EXPECT_RC(0, weir_timeout_enter(&scope, 20 * WEIR_MS));
    EXPECT_RC(8, weir_scope_leave(&scope, hard(100, 8)));
    EXPECT(weir_scope_expired(&scope));
    EXPECT_EQ(100, ms());
}

TASK_TEST(a_swallowed_deadline_cannot_be_slept_past) /* C5, case 107 */
{
    ms();
    int rc = 0;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        EXPECT_RC(-ECANCELED, weir_sleep(50 * WEIR_MS));
        rc = weir_sleep(400 * WEIR_MS);
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_EQ(10, ms());
}

TASK_TEST(a_timeout_in_a_cancelled_context_does_not_claim_the_cut) /* C7, case 108 */
{
    weir_scope outer = {0};
    EXPECT_RC(0, weir_scope_enter(&outer));
    weir_scope_cancel(&outer, NULL);
    int rc = 0;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        rc = op();
    }
    EXPECT_RC(-ECANCELED, rc);
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&outer, rc));
}

struct stamp {
    int *order;
    int *count;
    int value;
};
static int stamp(struct stamp *a)
{
    int rc = 0;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        rc = op();
    }
    a->order[(*a->count)++] = a->value;
    return rc == -ETIME ? 0 : rc;
}

TASK_TEST(ten_thousand_equal_deadlines_fire_in_one_turn_in_order) /* O10, case 111 */
{
    enum { COUNT = MANY(10000) };
    static int order[COUNT];
    int count = 0;
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    for (int i = 0; i < COUNT; i++)
        EXPECT_RC(0, WEIR_SPAWN(group, stamp, .order = order, .count = &count, .value = i));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(COUNT, count);
    for (int i = 0; i < COUNT; i++)
        EXPECT_EQ(i, order[i]);
    EXPECT_EQ(0, weir__core_loop()->deadlines.armed_count);
}

TASK_TEST(a_hundred_thousand_timeouts_that_do_not_fire_leave_nothing) /* D4, case 112 */
{
    for (int i = 0; i < 100000; i++) {
        int rc = 0;
        WEIR_TIMEOUT(rc, WEIR_HOUR)
        {
            rc = 0;
        }
        EXPECT_RC(0, rc);
    }
    EXPECT_EQ(0, weir__core_loop()->deadlines.armed_count);
}

TASK_TEST(break_leaves_a_timeout_block_correctly) /* design 2 */
{
    int rc = 0;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        rc = 4;
        if (rc == 4)
            break;
        rc = 5;
    }
    EXPECT_RC(4, rc);
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        rc = op();
        break;
    }
    EXPECT_RC(-ETIME, rc);
}

static int return_from_block(void)
{
    int rc = 0;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        return 5;
    }
    return rc;
}

TASK_TEST(a_return_out_of_a_timeout_block_is_caught_and_told) /* design 2 */
{
    count_findings();
    EXPECT_RC(5, return_from_block());
    EXPECT_EQ(1, findings[WEIR__FINDING_SCOPE_ESCAPED]);
    EXPECT_EQ(0, weir__core_loop()->deadlines.armed_count);
    EXPECT_RC(0, weir_yield());
}

static int op_body(void *arg)
{
    (void)arg;
    return op();
}

TASK_TEST(the_function_form_of_a_timeout_translates_returns) /* D5 */
{
    EXPECT_RC(-ETIME, weir_timeout(10 * WEIR_MS, op_body, NULL));
    EXPECT_RC(6, weir_timeout(10 * WEIR_MS, just_return, JUST(6)));
}

/* --- shields ---------------------------------------------------------------------------------- */

TASK_TEST(a_shield_hides_outer_cancellation_until_it_is_left) /* H2, H5, cases 115 and 120 */
{
    weir_scope outer = {0};
    EXPECT_RC(0, weir_scope_enter(&outer));
    weir_scope_cancel(&outer, NULL);
    int rc = 0;
    WEIR_SHIELD(rc, 100 * WEIR_MS)
    {
        EXPECT(!weir_cancelled());
        rc = weir_sleep(20 * WEIR_MS);
    }
    EXPECT_RC(0, rc);
    EXPECT_RC(-ECANCELED, op());
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&outer, -ECANCELED));
}

TASK_TEST(what_is_a_shield_is_said_when_it_is_entered_and_stays) /* C10 */
{
    weir_scope outer = {0}, shield = {0}, plain = {0};
    EXPECT_RC(0, weir_scope_enter(&outer));
    EXPECT_RC(0, weir_shield_enter(&shield, WEIR_SEC));
    weir_scope_set_deadline(&shield, weir_now() + 2 * WEIR_SEC); /* its budget may be moved */
    EXPECT_RC(0, weir_scope_enter(&plain));
    weir_scope_cancel(&outer, NULL);
    EXPECT_RC(0, weir_yield()); /* what was entered inside is covered as well */
    EXPECT_RC(0, weir_scope_leave(&plain, 0));
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, weir_scope_leave(&shield, 0));
    EXPECT_RC(-ECANCELED, weir_yield());
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&outer, -ECANCELED));
}

TASK_TEST(a_duration_counts_from_where_the_scope_is_entered) /* D1, case 104 */
{
    ms();
    weir_scope scope = {0}; /* made at 0 */
    EXPECT_RC(0, weir_sleep(30 * WEIR_MS));
    EXPECT_RC(0, weir_timeout_enter(&scope, 50 * WEIR_MS));
    int rc = op();
    EXPECT_EQ(80, ms());
    EXPECT_RC(-ETIME, weir_scope_leave(&scope, rc));
}

TASK_TEST(a_shields_budget_ends_it) /* H1, case 116 */
{
    ms();
    int rc = 0;
    WEIR_SHIELD(rc, 50 * WEIR_MS)
    {
        rc = op();
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_EQ(50, ms());
}

TASK_TEST(a_shield_itself_can_be_cancelled) /* H2, case 117 */
{
    weir_scope shield = {0};
    EXPECT_RC(0, weir_shield_enter(&shield, WEIR_FOREVER));
    EXPECT_EQ(1, weir__core_loop()->shields_unbounded_count); /* H1, case 126 */
    weir_scope_cancel(&shield, NULL);
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&shield, op()));
}

TASK_TEST(a_group_opened_in_a_shield_is_covered) /* H3, G3, case 118 */
{
    weir_scope outer = {0};
    EXPECT_RC(0, weir_scope_enter(&outer));
    weir_scope_cancel(&outer, NULL);
    int rc = 0, got = 1;
    WEIR_SHIELD(rc, WEIR_SEC)
    {
        weir_group *group;
        rc = weir_group_open(&group, NULL);
        if (rc == 0)
            rc = weir_group_close(group, WEIR_SPAWN(group, op_for, .duration_ms = 5, .got = &got));
    }
    EXPECT_RC(0, rc);
    EXPECT_EQ(0, got);
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&outer, -ECANCELED));
}

TASK_TEST(a_shield_in_a_scope_in_a_shield) /* H2, case 121 */
{
    weir_scope outermost = {0}, outer = {0}, middle = {0}, inner = {0};
    EXPECT_RC(0, weir_scope_enter(&outermost));
    EXPECT_RC(0, weir_shield_enter(&outer, WEIR_SEC));
    EXPECT_RC(0, weir_scope_enter(&middle));
    EXPECT_RC(0, weir_shield_enter(&inner, WEIR_SEC));
    weir_scope_cancel(&middle, NULL);
    weir_scope_cancel(&outermost, NULL);
    EXPECT_RC(0, weir_scope_leave(&inner, weir_sleep(WEIR_MS)));
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&middle, op()));
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, weir_scope_leave(&outer, 0));
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&outermost, op()));
}

TASK_TEST(a_cleanup_that_carries_the_code_through_a_shield_is_no_stray) /* C7, case 122 */
{
    count_findings();
    weir_scope outer = {0}, shield = {0};
    EXPECT_RC(0, weir_scope_enter(&outer));
    weir_scope_cancel(&outer, NULL);
    int rc = op();
    EXPECT_RC(0, weir_shield_enter(&shield, WEIR_SEC));
    EXPECT_RC(-ECANCELED, weir_scope_leave(&shield, rc));
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&outer, rc));
    EXPECT_EQ(0, findings[WEIR__FINDING_STRAY]);
}

TASK_TEST(a_stray_ecanceled_at_leave_becomes_eio) /* C7, I8 */
{
    count_findings();
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    EXPECT_RC(-EIO, weir_scope_leave(&scope, -ECANCELED));
    EXPECT_EQ(1, findings[WEIR__FINDING_STRAY]);
}

TASK_TEST(a_shielded_cleanup_of_a_cancelled_task_has_its_own_budget) /* H1, H2, case 109 */
{
    ms();
    weir_scope outer = {0};
    EXPECT_RC(0, weir_scope_enter(&outer));
    weir_scope_cancel(&outer, NULL);
    int rc = 0;
    WEIR_SHIELD(rc, 10 * WEIR_MS)
    {
        rc = op();
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_EQ(10, ms());
    EXPECT_RC(-ECANCELED, op());
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&outer, -ECANCELED));
}

TASK_TEST(the_deadline_around_cuts_the_last_of_several_steps) /* C7, case 114 */
{
    ms();
    weir_scope outer = {0};
    EXPECT_RC(0, weir_timeout_enter(&outer, 50 * WEIR_MS));
    int rc = 0;
    for (int i = 0; i < 3; i++) {
        WEIR_TIMEOUT(rc, 30 * WEIR_MS)
        {
            rc = weir_sleep(20 * WEIR_MS);
        }
        EXPECT_RC(i < 2 ? 0 : -ECANCELED, rc);
    }
    EXPECT_EQ(50, ms());
    EXPECT_RC(-ETIME, weir_scope_leave(&outer, rc));
}

struct shield_and_spawn {
    weir_group *outer;
    int *own, *child;
};
static int shield_and_spawn(struct shield_and_spawn *a)
{
    int rc = 0;
    WEIR_SHIELD(rc, WEIR_SEC)
    {
        rc = WEIR_SPAWN(a->outer, op_for, .duration_ms = 50, .got = a->child);
        if (rc == 0)
            rc = weir_sleep(50 * WEIR_MS);
    }
    *a->own = rc;
    return rc;
}

TASK_TEST(a_task_spawned_from_a_shield_into_an_outer_group_is_not_shielded) /* H3, case 119 */
{
    int own = 1, child = 1;
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, shield_and_spawn, .outer = group, .own = &own, .child = &child));
    EXPECT_RC(0, weir_sleep(10 * WEIR_MS));
    weir_group_cancel(group, NULL);
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, 0));
    EXPECT_RC(0, own);
    EXPECT_RC(-ECANCELED, child);
}

static int cancel_self_in_shield(void *arg)
{
    int *got = arg;
    int rc = 0;
    WEIR_SHIELD(rc, WEIR_SEC)
    {
        EXPECT_RC(0, weir_task_cancel(weir_task_self(), NULL));
        rc = weir_sleep(WEIR_MS);
    }
    EXPECT_RC(0, rc);
    *got = op();
    return *got;
}

TASK_TEST(a_task_that_cancels_itself_in_a_shield_sees_it_outside) /* H2, case 124 */
{
    int got = 0;
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, cancel_self_in_shield, &got));
    EXPECT_RC(0, weir_group_close(group, 0)); /* it alone was cancelled: no failure, no cut (G5,
                                                 G7) */
    EXPECT_RC(-ECANCELED, got);
}

static int shield_after_cut(void *arg)
{
    (void)arg;
    int first = op();
    int rc = 0;
    WEIR_SHIELD(rc, WEIR_SEC)
    {
        rc = weir_sleep(5 * WEIR_MS);
    }
    EXPECT_RC(-ECANCELED, first); /* H4: not called back */
    EXPECT_RC(0, rc);
    return 0;
}

TASK_TEST(
    a_shield_after_the_cut_works_and_success_behind_it_is_success) /* H4, T6, cases 125 and 127 */
{
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, shield_after_cut, NULL));
    EXPECT_RC(0, weir_yield());
    weir_group_cancel(group, NULL);
    EXPECT_RC(4, weir_group_close(group, 4));
}

static int cancel_self_and_succeed(void *arg)
{
    (void)arg;
    return weir_task_cancel(weir_task_self(), "at the end");
}

TASK_TEST(a_task_that_cancels_itself_and_returns_well_is_ok) /* T5, T6, case 73 */
{
    weir_call call = {cancel_self_and_succeed, NULL};
    weir_outcome outcome;
    EXPECT_RC(0, weir_gather(WEIR_COLLECT_ALL, &call, 1, &outcome));
    EXPECT_EQ(WEIR_OUTCOME_OK, outcome.kind);
}

TASK_TEST(a_child_that_ends_in_the_turn_of_its_groups_deadline_is_no_cut) /* O10, G5, case 168 */
{
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, &(weir_group_options){.timeout_ns = 10 * WEIR_MS}));
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 10));
    EXPECT_RC(6, weir_group_close(group, 6));
    EXPECT_RC(0, weir_yield());
}

struct one_abort {
    weir_task *task;
    int aborts;
    weir_scope outer, inner;
};

static void count_abort(weir_task *task, void *object)
{
    (void)task;
    struct one_abort *a = object;
    a->aborts++; /* its wait goes on: the kernel has not let go yet */
}

static int wait_once(void *arg)
{
    struct one_abort *a = arg;
    a->task = weir__core_task();
    EXPECT_RC(0, weir_timeout_enter(&a->outer, 20 * WEIR_MS));
    EXPECT_RC(0, weir_scope_enter(&a->inner));
    int rc = weir__core_checkpoint();
    if (rc == 0)
        rc = weir__core_park(WEIR_WAIT_OTHER, a, count_abort);
    rc = weir_scope_leave(&a->inner, rc);
    return weir_scope_leave(&a->outer, rc) == 9 ? 0 : -EINVAL;
}

TASK_TEST(a_wait_is_asked_to_end_once_however_often_it_is_cancelled) /* O3, I9, T3, case 72 */
{
    static struct one_abort a;
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, wait_once, &a));
    EXPECT_RC(0, weir_yield());
    for (int i = 0; i < 5; i++)
        weir_scope_cancel(&a.inner, NULL);
    EXPECT_RC(0, weir_sleep(30 * WEIR_MS)); /* the outer deadline fires as well */
    EXPECT(weir_scope_expired(&a.outer));
    weir__core_force(weir__core_loop(), "and that");
    EXPECT_EQ(1, a.aborts);
    EXPECT_EQ(WEIR_TASK_ABORTING, weir__core_hot(weir__core_loop(), a.task)->state);
    weir__core_wake(a.task, 9);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(1, a.aborts);
}

/* --- force and the end ------------------------------------------------------------------------ */

static int wait_in_shield(void *arg)
{
    int *rc = arg;
    WEIR_SHIELD(*rc, WEIR_FOREVER)
    {
        *rc = op();
    }
    return 0;
}

TASK_TEST(force_cuts_even_shielded_waits) /* C3, W4, case 126 */
{
    int rc = 0;
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, wait_in_shield, &rc));
    EXPECT_RC(0, weir_yield());
    weir_group_cancel(group, NULL);
    EXPECT_RC(-ECANCELED, weir_yield());
    EXPECT_RC(0, rc);
    weir__core_force(weir__core_loop(), "the last resort");
    EXPECT_RC(-ECANCELED, weir_group_close(group, -ECANCELED));
    EXPECT_RC(-ECANCELED, rc);
}

static int wait_for_nobody(void *arg)
{
    (void)arg;
    return op();
}

TEST(a_deadlock_is_reported_and_ends_the_run) /* Q5, case 150 */
{
    count_findings();
    weir_run_options options = {.backend = "sim"};
    EXPECT_RC(-EDEADLK, weir__core_run(&options, wait_for_nobody, NULL, false));
    EXPECT_EQ(1, findings[WEIR__FINDING_DEADLOCK]);
}

static int shielded_deadlock(void *arg)
{
    return wait_in_shield(arg);
}

TEST(a_deadlock_behind_a_shield_is_forced) /* Q5, W4 */
{
    count_findings();
    int rc = 0;
    weir_run_options options = {.backend = "sim"};
    EXPECT_RC(-EDEADLK, weir__core_run(&options, shielded_deadlock, &rc, false));
    EXPECT_RC(-ECANCELED, rc);
}

static int return_seven(void *arg)
{
    (void)arg;
    return 7;
}

TEST(run_returns_what_the_main_task_returned)
{
    weir_run_options options = {.backend = "sim"};
    EXPECT_RC(7, weir__core_run(&options, return_seven, NULL, false));
    EXPECT_RC(-EIO, weir__core_run(&options, just_return, JUST(-EIO), false));
    EXPECT_RC(-EINVAL,
              weir__core_run(&(weir_run_options){.backend = "abacus"}, return_seven, NULL, false));
}

/* --- scopes together -------------------------------------------------------------------------- */

/* Three attempts that hang, each with a limit, all under one. Returns what ended it. */
static int attempt_three_times(int64_t begun_at_ms[3], int *count)
{
    int rc = 0;
    for (*count = 0; *count < 3;) {
        begun_at_ms[(*count)++] = ms();
        WEIR_TIMEOUT(rc, 100 * WEIR_MS)
        {
            rc = op();
        }
        if (rc != -ETIME)
            break;
    }
    return rc;
}

TASK_TEST(attempts_with_limits_of_their_own_end_with_the_one_around_them) /* C7, C12, case 289 */
{
    int64_t begun_at_ms[3];
    int count, rc = 0;
    EXPECT_EQ(0, ms());
    WEIR_TIMEOUT(rc, 250 * WEIR_MS)
    {
        rc = attempt_three_times(begun_at_ms, &count);
        EXPECT_RC(-ECANCELED, rc);
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_EQ(250, ms());
    EXPECT_EQ(3, count);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(100 * i, begun_at_ms[i]);

    weir_scope scope = {0}; /* a cancellation in between ends it at once */
    REQUIRE_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "enough");
    rc = attempt_three_times(begun_at_ms, &count);
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, rc));
    EXPECT_EQ(1, count);
    EXPECT_EQ(250, ms());
}
