/*
 * cleanup_test.c - functions deferred to the end of a task, a group or a scope: rules L1 to L3
 */
#include <string.h>

#include "tests/core/everywhere.h"

/* What ran, in order. */
static char ran[64];

static void mark(const char *what)
{
    strncat(ran, what, sizeof ran - strlen(ran) - 1);
}

static int say(void *what)
{
    mark(what);
    return 0;
}

static int fail_enospc(void *what)
{
    mark(what);
    return weir_fail(-ENOSPC, "no room to roll back");
}

static int defer_abc(void)
{
    int rc = weir_defer(say, "a");
    if (rc == 0)
        rc = weir_defer(say, "b");
    return rc == 0 ? weir_defer(say, "c") : rc;
}

struct ends {
    int then;
};
static int ends(struct ends *a)
{
    int rc = defer_abc();
    if (rc == 0 && a->then == -ECANCELED)
        return op();
    return rc < 0 ? rc : a->then;
}

TASK_TEST(deferred_functions_run_last_in_first_out_however_the_task_ends) /* L1, case 218 */
{
    static const int ways[] = {0, -EIO, -ECANCELED};
    for (size_t i = 0; i < 3; i++) {
        ran[0] = '\0';
        weir_group *group;
        REQUIRE_RC(0, weir_group_open(&group, NULL));
        EXPECT_RC(0, WEIR_SPAWN(group, ends, .then = ways[i]));
        if (ways[i] == -ECANCELED) {
            EXPECT_RC(0, weir_sleep(WEIR_MS));
            weir_group_cancel(group, "the third way");
        }
        int rc = weir_group_close(group, 0);
        EXPECT_RC(ways[i] == -ECANCELED ? WEIR_CAUGHT : ways[i], rc);
        EXPECT_STR("cba", ran);
    }
}

static int write_trailer(void *arg)
{
    int rc = weir_sleep(20 * WEIR_MS);
    *(int *)arg = rc == 0 ? 1 : rc;
    return rc;
}

struct with_trailer {
    int *written;
};
static int with_trailer(struct with_trailer *a)
{
    int rc = weir_defer(write_trailer, a->written);
    return rc < 0 ? rc : op();
}

TASK_TEST(a_deferred_function_of_a_cancelled_task_may_wait) /* L1, case 219 */
{
    int written = 0;
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, with_trailer, .written = &written));
    EXPECT_RC(0, weir_sleep(WEIR_MS));
    weir_group_cancel(group, "over");
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, 0));
    EXPECT_EQ(1, written);
}

static int hang(void *arg)
{
    (void)arg;
    int64_t begin_ns = weir_now();
    int rc = op();
    EXPECT_EQ(50, (weir_now() - begin_ns) / WEIR_MS);
    mark("h");
    return rc;
}

static int hangs_in_cleanup(void *arg)
{
    (void)arg;
    int rc = weir_defer(say, "a");
    if (rc == 0)
        rc = weir_defer(hang, NULL);
    return rc == 0 ? weir_defer(say, "c") : rc;
}

TASK_TEST(when_the_budget_is_used_up_the_rest_still_runs_and_one_report_names_it) /* L3, case 220 */
{
    count_findings();
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    weir_spawn_options options = {.cleanup_ns = 50 * WEIR_MS};
    EXPECT_RC(0, weir_spawn_with(group, &options, hangs_in_cleanup, NULL, NULL));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_STR("cha", ran);
    EXPECT_EQ(1, findings[WEIR__FINDING_CLEANUP]);
}

static int default_budget(void *arg)
{
    (void)arg;
    int64_t begin_ns = weir_now();
    int rc = op();
    EXPECT_EQ(5000, (weir_now() - begin_ns) / WEIR_MS);
    EXPECT(weir_now() >= weir_deadline());
    return rc;
}

TASK_TEST(the_budget_is_five_seconds_unless_somebody_said_otherwise) /* L1 */
{
    count_findings();
    weir_scope scope = {0};
    REQUIRE_RC(0, weir_scope_enter(&scope));
    EXPECT_RC(0, weir_defer(default_budget, NULL));
    EXPECT_RC(7, weir_scope_leave(&scope, 7));
    EXPECT_EQ(1, findings[WEIR__FINDING_CLEANUP]);
}

static int defers_more(void *arg)
{
    (void)arg;
    mark("(");
    int rc = weir_defer(say, "x");
    mark(")");
    return rc;
}

TASK_TEST(what_a_deferred_function_defers_runs_next) /* L1, case 222 */
{
    weir_scope scope = {0};
    REQUIRE_RC(0, weir_scope_enter(&scope));
    EXPECT_RC(0, weir_defer(say, "a"));
    EXPECT_RC(0, weir_defer(defers_more, NULL));
    EXPECT_RC(0, weir_defer(say, "c"));
    EXPECT_RC(0, weir_scope_leave(&scope, 0));
    EXPECT_STR("c()xa", ran);
}

TASK_TEST(the_cleanup_of_an_expired_scope_runs_before_the_leave_that_says_so) /* L1, C7, case 223 */
{
    int written = 0;
    weir_scope scope = {0};
    int64_t begin_ns = weir_now();
    REQUIRE_RC(0, weir_timeout_enter(&scope, 10 * WEIR_MS));
    EXPECT_RC(0, weir_defer(write_trailer, &written));
    int rc = op();
    EXPECT_RC(-ETIME, weir_scope_leave(&scope, rc));
    EXPECT_EQ(1, written);
    EXPECT_EQ(30, (weir_now() - begin_ns) / WEIR_MS);
    EXPECT_RC(0, weir_sleep(0)); /* nothing of it is left */
}

TASK_TEST(scopes_keep_their_deferred_functions_apart) /* L1 */
{
    weir_scope outer = {0}, inner = {0};
    REQUIRE_RC(0, weir_scope_enter(&outer));
    EXPECT_RC(0, weir_defer(say, "o"));
    REQUIRE_RC(0, weir_scope_enter(&inner));
    EXPECT_RC(0, weir_defer(say, "i"));
    EXPECT_RC(0, weir_scope_leave(&inner, 0));
    EXPECT_STR("i", ran);
    EXPECT_RC(0, weir_scope_leave(&outer, 0));
    EXPECT_STR("io", ran);
}

struct late_child {
    int64_t for_ns;
};
static int late_child(struct late_child *a)
{
    int rc = weir_sleep(a->for_ns);
    mark("child ");
    return rc;
}

TASK_TEST(what_a_group_defers_runs_after_its_last_task) /* L1, G2 */
{
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_defer(say, "cleanup"));
    EXPECT_RC(0, WEIR_SPAWN(group, late_child, .for_ns = 5 * WEIR_MS));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_STR("child cleanup", ran);
}

/* --- failures --------------------------------------------------------------------------------- */

TASK_TEST(a_cleanup_that_fails_fails_the_scope_that_had_come_well) /* L2 */
{
    weir_scope scope = {0};
    REQUIRE_RC(0, weir_scope_enter(&scope));
    EXPECT_RC(0, weir_defer(fail_enospc, "1"));
    EXPECT_RC(-ENOSPC, weir_scope_leave(&scope, 3));
    EXPECT_STR("no room to roll back", weir_failure_message(-ENOSPC));
}

TASK_TEST(a_cleanup_that_fails_beats_a_cancellation_that_was_absorbed) /* L2, G5 */
{
    weir_scope scope = {0};
    REQUIRE_RC(0, weir_scope_enter(&scope));
    EXPECT_RC(0, weir_defer(fail_enospc, "1"));
    weir_scope_cancel(&scope, "no longer wanted");
    EXPECT_RC(-ENOSPC, weir_scope_leave(&scope, weir_yield()));
    EXPECT(weir_scope_caught(&scope));
}

struct fails_twice {
    int then;
};
static int fails_twice(struct fails_twice *a)
{
    int rc = weir_defer(fail_enospc, "1");
    if (rc < 0)
        return rc;
    return a->then < 0 ? weir_fail(a->then, "the first thing that went wrong") : a->then;
}

TASK_TEST(a_cleanup_that_fails_is_recorded_after_the_failure_it_followed) /* L2, F3 */
{
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, &(weir_group_options){.name = "g"}));
    EXPECT_RC(0, WEIR_SPAWN(group, fails_twice, .then = -EIO));
    weir_failures *failures;
    EXPECT_RC(-EIO, weir_group_close_failures(group, 0, &failures));
    REQUIRE(weir_failures_count(failures) == 2);
    const weir_failure *first = weir_failures_at(failures, 0);
    EXPECT_EQ(WEIR_FAILURE_CHILD, first->origin);
    EXPECT_STR("the first thing that went wrong", first->message);
    const weir_failure *second = weir_failures_at(failures, 1);
    EXPECT_EQ(WEIR_FAILURE_DEFER, second->origin);
    EXPECT_EQ(-ENOSPC, second->code);
    EXPECT_STR("no room to roll back", second->message);
    EXPECT_STR("g", second->group_name);
    weir_failures_free(failures);
}

TASK_TEST(a_task_that_came_well_fails_with_its_cleanup_and_its_siblings_hear_of_it) /* L2, P1 */
{
    int got = 0;
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .got = &got));
    EXPECT_RC(0, WEIR_SPAWN(group, fails_twice, .then = 0));
    weir_failures *failures;
    EXPECT_RC(-ENOSPC, weir_group_close_failures(group, 0, &failures));
    EXPECT_RC(-ECANCELED, got);
    REQUIRE(weir_failures_count(failures) == 1);
    EXPECT_EQ(WEIR_FAILURE_DEFER, weir_failures_at(failures, 0)->origin);
    weir_failures_free(failures);
}

TASK_TEST(a_task_whose_cleanup_failed_is_no_success) /* L2, P3 */
{
    weir_group *group;
    weir_group_options options = {.policy = WEIR_FIRST_SUCCESS};
    REQUIRE_RC(0, weir_group_open(&group, &options));
    EXPECT_RC(0, WEIR_SPAWN(group, fails_twice, .then = 0));
    EXPECT_RC(-ENOSPC, weir_group_close(group, 0));
    REQUIRE_RC(0, weir_group_open(&group, &options));
    EXPECT_RC(0, weir_defer(fail_enospc, "2"));
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 1));
    EXPECT_RC(-ENOSPC, weir_group_close(group, 0)); /* the body's own cleanup counts */
}

static int gather_me(void *arg);

TASK_TEST(the_failed_cleanup_of_a_handled_task_stays_with_its_record) /* L2, P8 */
{
    weir_group *group;
    weir_task_id id;
    weir_outcome outcome;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    weir_spawn_options options = {.handled = true};
    EXPECT_RC(0, weir_spawn_with(group, &options, gather_me, NULL, &id));
    EXPECT_RC(0, weir_task_wait(id, &outcome));
    EXPECT_EQ(WEIR_OUTCOME_FAILED, outcome.kind);
    EXPECT_RC(-ENOSPC, outcome.rc);
    EXPECT_RC(0, weir_group_close(group, 0));
}

static int gather_me(void *arg)
{
    (void)arg;
    return weir_defer(fail_enospc, "1");
}

TASK_TEST(an_outcome_tells_of_the_cleanup_that_failed) /* L2, P2 */
{
    weir_outcome outcome;
    EXPECT_RC(1, weir_gather(WEIR_COLLECT_ALL, &(weir_call){gather_me, NULL}, 1, &outcome));
    EXPECT_EQ(WEIR_OUTCOME_FAILED, outcome.kind);
    EXPECT_RC(-ENOSPC, outcome.rc);
    EXPECT_STR("no room to roll back", outcome.message);
}

struct cut_and_fails {
    int unused;
};
static int cut_and_fails(struct cut_and_fails *a)
{
    (void)a;
    int rc = weir_defer(fail_enospc, "1");
    return rc < 0 ? rc : op();
}

TASK_TEST(a_cancelled_task_whose_cleanup_fails_leaves_a_failure) /* L2, G5 */
{
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, cut_and_fails, .unused = 0));
    EXPECT_RC(0, weir_sleep(WEIR_MS));
    weir_group_cancel(group, "over");
    EXPECT_RC(-ENOSPC, weir_group_close(group, 0));
}

TASK_TEST(a_failed_scope_keeps_its_code_and_the_group_around_hears_of_the_cleanup) /* L2 */
{
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    weir_scope outer = {0}, inner = {0};
    REQUIRE_RC(0, weir_scope_enter(&outer));
    REQUIRE_RC(0, weir_scope_enter(&inner));
    EXPECT_RC(0, weir_defer(fail_enospc, "1"));
    EXPECT_RC(0, weir_defer(fail_enospc, "2"));
    EXPECT_RC(-EIO, weir_scope_leave(&inner, -EIO));
    EXPECT_RC(0, weir_scope_leave(&outer, 0)); /* the body has dealt with EIO */
    weir_failures *failures;
    EXPECT_RC(-ENOSPC, weir_group_close_failures(group, 0, &failures));
    EXPECT_EQ(2, weir_failures_count(failures));
    weir_failures_free(failures);
}

static void leave_badly(weir_task_fn *cleanup, void *arg)
{
    weir_scope scope = {0};
    REQUIRE_RC(0, weir_scope_enter(&scope));
    EXPECT_RC(0, weir_defer(cleanup, arg));
    EXPECT_RC(-EIO, weir_scope_leave(&scope, -EIO)); /* the body deals with that */
}

/* There was one place for failures that wait: an inner group's went to the outer one. */
TASK_TEST(what_waits_goes_to_the_group_around_also_when_more_waits_further_out) /* L2 */
{
    weir_group *outer, *inner;
    REQUIRE_RC(0, weir_group_open(&outer, &(weir_group_options){.name = "outer"}));
    leave_badly(just_return, JUST(-EXDEV));
    REQUIRE_RC(0, weir_group_open(&inner, &(weir_group_options){.name = "inner"}));
    leave_badly(fail_enospc, "1");
    leave_badly(fail_enospc, "2");
    weir_failures *failures;
    EXPECT_RC(-ENOSPC, weir_group_close_failures(inner, 0, &failures));
    REQUIRE(weir_failures_count(failures) == 2);
    EXPECT_STR("inner", weir_failures_at(failures, 1)->group_name);
    weir_failures_free(failures);
    EXPECT_RC(-EXDEV, weir_group_close_failures(outer, 0, &failures));
    REQUIRE(weir_failures_count(failures) == 1);
    EXPECT_STR("outer", weir_failures_at(failures, 0)->group_name);
    weir_failures_free(failures);
}

TASK_TEST(the_other_failures_of_a_cleanup_are_reported) /* L2, F6 */
{
    count_findings();
    weir_group *group;
    weir_scope scope = {0};
    REQUIRE_RC(0, weir_scope_enter(&scope));
    EXPECT_RC(0, weir_defer(fail_enospc, "1"));
    EXPECT_RC(0, weir_defer(fail_enospc, "2"));
    EXPECT_RC(-ENOSPC, weir_scope_leave(&scope, 0));
    EXPECT_EQ(0, findings[WEIR__FINDING_FAILURES]);
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(1, findings[WEIR__FINDING_FAILURES]);
}

static int stray(void *arg)
{
    (void)arg;
    return -ECANCELED;
}

TASK_TEST(a_deferred_function_that_makes_up_a_cancellation_has_failed) /* I8 */
{
    count_findings();
    weir_scope scope = {0};
    REQUIRE_RC(0, weir_scope_enter(&scope));
    EXPECT_RC(0, weir_defer(stray, NULL));
    EXPECT_RC(-EIO, weir_scope_leave(&scope, 0));
    EXPECT_EQ(1, findings[WEIR__FINDING_STRAY]);
}

/* --- a cleanup that fails by itself: found by the model (tests/core/model) -------------------- */

static int close_a_failed_group(int code, int times)
{
    weir_group *group;
    int rc = weir_group_open(&group, &(weir_group_options){.policy = WEIR_COLLECT_ALL});
    for (int i = 0; i < times && rc == 0; i++)
        rc = weir_spawn(group, just_return, JUST(code));
    return weir_group_close(group, rc);
}

static int fails_and_does_not_care(void *arg)
{
    (void)arg;
    EXPECT_RC(-ENOENT, close_a_failed_group(-ENOENT, 2));
    return 0;
}

TASK_TEST(failures_that_a_deferred_function_does_not_look_at_are_reported) /* L2, F6 */
{
    count_findings();
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, just_return, JUST(-EIO)));
    EXPECT_RC(0, weir_defer(fails_and_does_not_care, NULL));
    EXPECT_RC(-EIO, weir_group_close(group, 0));
    EXPECT_EQ(1, findings[WEIR__FINDING_FAILURES]);
    weir_failures *failures = weir_failures_take();
    EXPECT_EQ(1, weir_failures_count(failures));
    weir_failures_free(failures);
}

static int fails_with_its_own_cleanup(void *arg)
{
    (void)arg;
    weir_scope scope = {0};
    int rc = weir_scope_enter(&scope);
    if (rc == 0)
        rc = weir_defer(fail_enospc, "x");
    return weir_scope_leave(&scope, rc < 0 ? rc : -EIO);
}

TASK_TEST(the_cleanup_of_a_cleanup_is_recorded_behind_it) /* L2 */
{
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_defer(fails_with_its_own_cleanup, NULL));
    weir_failures *failures;
    EXPECT_RC(-EIO, weir_group_close_failures(group, 0, &failures));
    REQUIRE(weir_failures_count(failures) == 2);
    EXPECT_RC(-EIO, weir_failures_at(failures, 0)->code);
    EXPECT_RC(-ENOSPC, weir_failures_at(failures, 1)->code);
    weir_failures_free(failures);
}

struct passes_on {
    char unused;
};
static int passes_on(struct passes_on *a)
{
    (void)a;
    weir_scope scope = {0};
    int rc = weir_scope_enter(&scope);
    if (rc == 0)
        rc = weir_defer(fails_and_does_not_care, NULL);
    if (rc == 0)
        rc = close_a_failed_group(-EIO, 1);
    return weir_scope_leave(&scope, rc);
}

TASK_TEST(the_causes_of_a_failure_outlive_the_cleanup_that_follows_it) /* F4, L2 */
{
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, passes_on, .unused = 0));
    weir_failures *failures;
    EXPECT_RC(-EIO, weir_group_close_failures(group, 0, &failures));
    REQUIRE(weir_failures_count(failures) == 1);
    EXPECT_EQ(1, weir_failures_count(weir_failures_at(failures, 0)->causes));
    weir_failures_free(failures);
}

static int cancelled_main(void *arg)
{
    (void)arg;
    int rc = weir_defer(fail_enospc, "x");
    return rc < 0 ? rc : op(); /* for ever: a deadlock, and then cancelled */
}

TEST(a_cleanup_that_fails_in_a_cancelled_main_task_is_reported) /* L2, F6 */
{
    count_findings();
    weir_run_options options = {.backend = "sim"};
    EXPECT_RC(-EDEADLK, weir__core_run(&options, cancelled_main, NULL, false));
    EXPECT_EQ(1, findings[WEIR__FINDING_FAILURES]);
}

/* --- edges ------------------------------------------------------------------------------------ */

static int forced(void *arg)
{
    EXPECT_RC(-ECANCELED, op());
    mark("f");
    return ends(arg);
}

static int force_it(void *arg)
{
    (void)arg;
    struct ends then = {0};
    int rc = weir_defer(say, "z");
    if (rc < 0)
        return rc;
    weir__core_force(weir__core_loop(), "the end");
    return forced(&then);
}

TEST(forced_tasks_run_what_they_deferred) /* W4, case 253 */
{
    EXPECT_RC(0, weir__core_run(&(weir_run_options){.backend = "sim"}, force_it, NULL, false));
    EXPECT_STR("fcbaz", ran);
}

static weir_scope *around;

static int leave_from_inside(void *arg)
{
    (void)arg;
    EXPECT_RC(-EPERM, weir_scope_leave(around, 0));
    return 0;
}

TASK_TEST(a_deferred_function_cannot_leave_the_scope_that_ends) /* C8 */
{
    weir_scope scope = {0};
    around = &scope;
    REQUIRE_RC(0, weir_scope_enter(&scope));
    EXPECT_RC(0, weir_defer(leave_from_inside, NULL));
    EXPECT_RC(0, weir_scope_leave(&scope, 0));
    EXPECT_RC(-EPERM, weir_scope_leave(&scope, 0));
}

static int open_and_forget(void *arg)
{
    (void)arg;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    return rc < 0 ? rc : WEIR_SPAWN(group, op_for, .duration_ms = 0);
}

TASK_TEST(a_group_that_a_deferred_function_forgets_is_closed) /* G12 */
{
    count_findings();
    weir_scope scope = {0};
    REQUIRE_RC(0, weir_scope_enter(&scope));
    EXPECT_RC(0, weir_defer(open_and_forget, NULL));
    EXPECT_RC(0, weir_scope_leave(&scope, 0));
    EXPECT_EQ(1, findings[WEIR__FINDING_MISNESTED]);
    EXPECT_EQ(1, weir_task_count());
}

TASK_TEST(scopes_left_out_of_order_run_what_was_deferred_in_them) /* C8 */
{
    count_findings();
    weir_scope outer = {0}, inner = {0};
    REQUIRE_RC(0, weir_scope_enter(&outer));
    REQUIRE_RC(0, weir_scope_enter(&inner));
    EXPECT_RC(0, weir_defer(say, "i"));
    EXPECT_RC(0, weir_scope_leave(&outer, 0));
    EXPECT_STR("i", ran);
    EXPECT_EQ(1, findings[WEIR__FINDING_MISNESTED]);
}

TEST(nothing_is_deferred_outside_a_task)
{
    EXPECT_RC(-EPERM, weir_defer(say, "a"));
}

TASK_TEST(nothing_is_deferred_without_a_function)
{
    EXPECT_RC(-EINVAL, weir_defer(NULL, NULL));
}

/* --- everywhere ------------------------------------------------------------------------------- */

static int undone, done;

static int undo(void *arg)
{
    (void)arg;
    int rc = weir_sleep(WEIR_MS); /* shielded, whatever is cancelled */
    EXPECT_RC(0, rc);
    undone++;
    return rc;
}

static int step(void)
{
    int rc = weir_defer(undo, NULL);
    if (rc < 0)
        return rc;
    done++;
    return weir_sleep(WEIR_MS);
}

static int worker(void *arg)
{
    (void)arg;
    int rc = step();
    if (rc < 0)
        return rc;
    WEIR_TIMEOUT(rc, WEIR_SEC)
    {
        rc = step();
    }
    return rc;
}

static int program(void *arg)
{
    (void)arg;
    done = undone = 0;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    rc = step();
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = weir_spawn(group, worker, NULL);
    rc = weir_group_close(group, rc == -ESHUTDOWN ? weir_check() : rc);
    EXPECT_EQ(done, undone);
    return rc;
}

TASK_TEST(what_was_done_is_undone_wherever_a_cancel_cuts) /* L1, case 293 */
{
    EXPECT(cut_everywhere(program, NULL) > 4);
}

TEST(what_was_done_is_undone_wherever_memory_runs_out) /* L1, case 294 */
{
    fail_everywhere(program);
}

static int fail_late(void *arg)
{
    int rc = weir_defer(fail_enospc, "1");
    return rc < 0 ? rc : (int)(intptr_t)arg;
}

static int failing_program(void *arg)
{
    (void)arg;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    for (int i = 0; i < 4 && rc == 0; i++)
        rc = weir_spawn(group, fail_late, i % 2 == 0 ? JUST(-EIO) : NULL);
    rc = weir_group_close(group, rc);
    return rc == -EIO || rc == -ENOSPC ? 0 : rc;
}

TEST(no_failure_of_a_cleanup_is_lost_when_memory_runs_out) /* F6, case 294 */
{
    count_findings();
    fail_everywhere(failing_program);
}
