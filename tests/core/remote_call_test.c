/*
 * remote_call_test.c - functions called on another loop: rules X1, X2, O1, O4, F4, L2
 */
#include <weir/weir.h>

#include "tests/core/bodies.h"
#include "tests/core/other_loop.h"

static struct other_loop other;

/* --- results ---------------------------------------------------------------------------------- */

static weir_task_id ran_as;

static int note_where(void *arg)
{
    EXPECT(other_loop_is_here(&other));
    ran_as = weir_task_self();
    EXPECT_RC(0, weir_sleep(WEIR_MS));
    return *(int *)arg;
}

IO_TEST(a_function_runs_as_a_task_of_another_loop_and_its_result_comes_back) /* X1, X2 */
{
    REQUIRE(other_loop_start(&other));
    int seven = 7;
    EXPECT_RC(7, weir_remote_call(other.loop, note_where, &seven));
    EXPECT(ran_as != 0 && ran_as != weir_task_self());
    other_loop_end(&other);
}

static int call_home(void *arg)
{
    EXPECT(other_loop_is_here(&other));
    return weir_remote_call(arg, just_return, JUST(8));
}

IO_TEST(loops_that_call_each_other_do_not_wait_for_ever) /* X2 */
{
    REQUIRE(other_loop_start(&other));
    weir_loop *home = weir_loop_retain_self();
    EXPECT_RC(8, weir_remote_call(other.loop, call_home, home));
    weir_loop_release(home);
    other_loop_end(&other);
}

static int who_am_i(void *arg)
{
    *(weir_task_id *)arg = weir_task_self();
    return 3;
}

TASK_TEST(on_the_callers_own_loop_it_is_a_plain_call)
{
    weir_loop *self = weir_loop_retain_self();
    weir_task_id id;
    EXPECT_RC(3, weir_remote_call(self, who_am_i, &id));
    EXPECT(id == weir_task_self());
    EXPECT_RC(-EINVAL, weir_remote_call(self, NULL, NULL));
    EXPECT_RC(-EINVAL, weir_remote_call(NULL, who_am_i, &id));
    weir_loop_release(self);
}

TEST(outside_a_task_nothing_is_called)
{
    EXPECT_RC(-EPERM, weir_remote_call(NULL, who_am_i, NULL));
}

static int forgotten_count;

static void forget(void *value)
{
    (void)value;
    EXPECT(!other_loop_is_here(&other));
    forgotten_count++;
}

static const weir_local number = WEIR_LOCAL_INIT(forget);
static const weir_local second = WEIR_LOCAL_INIT(NULL);

static int read_local(void *arg)
{
    (void)arg;
    EXPECT_RC(0, weir_local_set(&second, arg)); /* of the task there only */
    const int *value = weir_local_get(&number);
    return value == NULL ? -ENOENT : *value;
}

static int with_locals(void *arg)
{
    (void)arg;
    static int value = 11;
    EXPECT_RC(0, weir_local_set(&number, &value));
    EXPECT_RC(11, weir_remote_call(other.loop, read_local, NULL));
    EXPECT(weir_local_get(&second) == NULL);
    EXPECT_EQ(0, forgotten_count);
    return 0;
}

IO_TEST(the_callers_locals_are_seen_there_and_stay_the_callers) /* R5 */
{
    REQUIRE(other_loop_start(&other));
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, with_locals, NULL));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(1, forgotten_count);
    other_loop_end(&other);
}

/* --- failures --------------------------------------------------------------------------------- */

static int break_down(void *arg)
{
    (void)arg;
    return weir_fail(-EXDEV, "the disk of the other loop is gone");
}

static int fail_with_a_cause(void *arg)
{
    weir_group *group;
    int rc = weir_group_open(&group, &(weir_group_options){.name = "inner"});
    if (rc < 0)
        return rc;
    rc = weir_spawn(group, break_down, arg);
    return weir_group_close(group, rc);
}

IO_TEST(a_failure_comes_back_with_its_words_its_loop_and_its_causes) /* F4 */
{
    count_findings();
    REQUIRE(other_loop_start(&other));
    EXPECT_RC(-EXDEV, weir_remote_call(other.loop, fail_with_a_cause, NULL));
    EXPECT_STR("the disk of the other loop is gone", weir_failure_message(-EXDEV));
    weir_failures *failures = weir_failures_take();
    REQUIRE(weir_failures_count(failures) == 1);
    const weir_failure *failure = weir_failures_at(failures, 0);
    EXPECT_RC(-EXDEV, failure->code);
    EXPECT_STR("other", failure->loop_name);
    EXPECT(failure->task_fn == (const void *)(uintptr_t)fail_with_a_cause);
    REQUIRE(weir_failures_count(failure->causes) == 1);
    const weir_failure *cause = weir_failures_at(failure->causes, 0);
    EXPECT_STR("the disk of the other loop is gone", cause->message);
    EXPECT_STR("inner", cause->group_name);
    EXPECT_STR("other", cause->loop_name);
    EXPECT(cause->fail_address != NULL);
    weir_failures_free(failures);
    other_loop_end(&other);
    EXPECT_EQ(0, findings[WEIR__FINDING_FAILURES]);
}

static int call_and_fail(void *arg)
{
    return weir_remote_call(arg, fail_with_a_cause, NULL);
}

IO_TEST(what_failed_there_is_the_cause_of_what_the_caller_returns) /* F4, F6 */
{
    count_findings();
    REQUIRE(other_loop_start(&other));
    weir_failures *failures;
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, call_and_fail, other.loop));
    EXPECT_RC(-EXDEV, weir_group_close_failures(group, 0, &failures));
    const weir_failure *failure = weir_failures_at(failures, 0);
    REQUIRE(failure != NULL && failure->causes != NULL);
    EXPECT(failure->loop_name == NULL);
    EXPECT_STR("other", weir_failures_at(failure->causes, 0)->loop_name);
    weir_failures_free(failures);
    EXPECT_RC(-EXDEV, weir_remote_call(other.loop, fail_with_a_cause, NULL)); /* nobody looks */
    EXPECT_RC(0, weir_remote_call(other.loop, just_return, JUST(0)));
    other_loop_end(&other);
    EXPECT_EQ(0, findings[WEIR__FINDING_FAILURES]);
}

static int fail_late(void *arg)
{
    return weir_fail((int)(intptr_t)arg, "the cleanup");
}

static int defer_and_return(void *arg)
{
    EXPECT_RC(0, weir_defer(fail_late, JUST(-EBADMSG)));
    return (int)(intptr_t)arg;
}

IO_TEST(a_call_whose_cleanup_failed_has_failed) /* L2 */
{
    count_findings();
    REQUIRE(other_loop_start(&other));
    EXPECT_RC(-EBADMSG, weir_remote_call(other.loop, defer_and_return, JUST(0)));
    EXPECT_STR("the cleanup", weir_failure_message(-EBADMSG));
    EXPECT_EQ(0, findings[WEIR__FINDING_FAILURES]);
    EXPECT_RC(-EXDEV, weir_remote_call(other.loop, defer_and_return, JUST(-EXDEV)));
    other_loop_end(&other);
    EXPECT_EQ(1, findings[WEIR__FINDING_FAILURES]); /* beside the first: told there */
    EXPECT_STR("the cleanup", finding_words);
}

/* Once only the end of the loop told it. */
TASK_TEST(a_failed_cleanup_of_a_task_from_elsewhere_is_told_when_that_ends) /* L2, F6 */
{
    count_findings();
    weir_loop *self = weir_loop_retain_self();
    EXPECT_RC(0, weir_remote_spawn(self, defer_and_return, JUST(0), NULL));
    EXPECT_RC(0, weir_sleep(WEIR_MS));
    EXPECT_EQ(1, findings[WEIR__FINDING_FAILURES]);
    EXPECT_STR("the cleanup", finding_words);
    EXPECT_RC(0, weir_remote_spawn(self, defer_and_return, JUST(-EXDEV), NULL));
    EXPECT_RC(0, weir_sleep(WEIR_MS));
    EXPECT_EQ(3, findings[WEIR__FINDING_FAILURES]); /* both */
    weir_loop_release(self);
}

static int return_a_stray_cancel(void *arg)
{
    (void)arg;
    return -ECANCELED;
}

IO_TEST(a_cancel_that_nobody_asked_for_does_not_come_back_as_one) /* T6, N1 */
{
    count_findings();
    REQUIRE(other_loop_start(&other));
    EXPECT_RC(-EIO, weir_remote_call(other.loop, return_a_stray_cancel, NULL));
    other_loop_end(&other);
    EXPECT_EQ(1, findings[WEIR__FINDING_STRAY]);
}

/* --- cancelling ------------------------------------------------------------------------------- */

struct there {
    weir_shared_event *begun;
    int got; /* what its wait returned */
    weir_cancel_cause why;
    bool caused;
    int then; /* what it returns; 0 is a result that wins */
    bool ended;
    int came_back;
};

static int wait_there(void *arg)
{
    struct there *there = arg;
    weir_shared_event_post(there->begun);
    there->got = weir_sleep(WEIR_HOUR);
    there->caused = weir_cancelled_because(&there->why);
    weir_scope shield = {0};
    EXPECT_RC(0, weir_shield_enter(&shield, WEIR_MIN));
    EXPECT_RC(0, weir_sleep(2 * WEIR_MS)); /* its end is waited for */
    EXPECT_RC(0, weir_scope_leave(&shield, 0));
    there->ended = true;
    return there->then;
}

static int call_there(void *arg)
{
    struct there *there = arg;
    int rc = weir_remote_call(other.loop, wait_there, there);
    EXPECT(there->ended);
    EXPECT_RC(-ECANCELED, there->got);
    there->came_back = rc;
    return rc;
}

/* Returns what the call came to. */
static int cancel_a_call(struct there *there)
{
    weir_group *group;
    weir_task_id id;
    EXPECT_RC(0, weir_shared_event_new(&there->begun));
    EXPECT_RC(0, weir_group_open(&group, &(weir_group_options){.policy = WEIR_COLLECT_ALL}));
    EXPECT_RC(0, weir_spawn_with(group, NULL, call_there, there, &id));
    EXPECT_RC(0, weir_shared_event_wait(there->begun, 0, NULL));
    EXPECT_RC(0, weir_task_cancel(id, "no longer wanted"));
    EXPECT_RC(0, weir_group_close(group, 0));
    weir_shared_event_release(there->begun);
    return there->came_back;
}

IO_TEST(a_cancelled_caller_hands_it_over_and_waits_for_the_end) /* O1, X2, case 205 */
{
    REQUIRE(other_loop_start(&other));
    struct there there = {.then = -ECANCELED};
    EXPECT_RC(-ECANCELED, cancel_a_call(&there));
    EXPECT(there.caused);
    EXPECT_EQ(WEIR_CANCEL_REMOTE, there.why.kind);
    EXPECT_STR("no longer wanted", there.why.reason);
    other_loop_end(&other);
}

IO_TEST(a_result_wins_although_the_caller_was_cancelled) /* O4 */
{
    REQUIRE(other_loop_start(&other));
    struct there there = {.then = 5};
    EXPECT_RC(5, cancel_a_call(&there));
    other_loop_end(&other);
}

static bool let_it_go; /* atomic */
static bool it_is_stuck;

static void stick(void *arg)
{
    (void)arg;
    __atomic_store_n(&it_is_stuck, true, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&let_it_go, __ATOMIC_ACQUIRE))
        weir__base_thread_pause();
}

static int never_run(void *arg)
{
    (void)arg;
    EXPECT(false);
    return 0;
}

struct cut_call {
    int rc;
};
static int cut_call(struct cut_call *a)
{
    (void)a;
    int rc = weir_remote_call(other.loop, never_run, NULL);
    EXPECT_RC(-ECANCELED, rc);
    return rc;
}

IO_TEST(what_was_cancelled_before_it_began_never_runs) /* O1, X5 */
{
    REQUIRE(other_loop_start(&other));
    EXPECT_RC(0, weir_remote_post(other.loop, stick, NULL));
    while (!__atomic_load_n(&it_is_stuck, __ATOMIC_ACQUIRE))
        EXPECT_RC(0, weir_yield());
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, cut_call, .rc = 0));
    EXPECT_RC(0, weir_yield());
    weir_group_cancel(group, "too late");
    __atomic_store_n(&let_it_go, true, __ATOMIC_RELEASE);
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, -ECANCELED));
    other_loop_end(&other);
}

/* --- the other loop ends ---------------------------------------------------------------------- */

static int stop_it(void *arg)
{
    int rc = weir_shared_event_wait(arg, 0, NULL);
    return rc < 0 ? rc : weir_remote_stop(other.loop, WEIR_STOP_CANCEL, "enough");
}

IO_TEST(a_call_on_a_loop_that_ends_says_so_and_is_no_cancel) /* X2, W3 */
{
    REQUIRE(other_loop_start(&other));
    struct there there = {.then = -ECANCELED};
    REQUIRE_RC(0, weir_shared_event_new(&there.begun));
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, stop_it, there.begun));
    EXPECT_RC(-ESHUTDOWN, weir_remote_call(other.loop, wait_there, &there));
    EXPECT_CONTAINS("loop \"other\"", weir_failure_message(-ESHUTDOWN));
    EXPECT_CONTAINS("cancelled with it", weir_failure_message(-ESHUTDOWN));
    EXPECT(there.ended);
    EXPECT_EQ(WEIR_CANCEL_SHUTDOWN, there.why.kind);
    EXPECT_RC(0, weir_group_close(group, 0));
    weir_shared_event_release(there.begun);
    weir__base_thread_join(&other.thread);
    EXPECT_RC(-ESHUTDOWN, weir_remote_call(other.loop, never_run, NULL));
    EXPECT_CONTAINS("loop \"other\" has ended", weir_failure_message(-ESHUTDOWN));
    weir_loop_release(other.loop);
}

/* --- all at once ------------------------------------------------------------------------------ */

enum { CALLERS = 4, CALLS = 400 };
static int begun_count, ended_count; /* atomic */

static int come_and_go(void *arg)
{
    __atomic_fetch_add(&begun_count, 1, __ATOMIC_RELAXED);
    int rc = 0;
    for (int i = 0; i < (int)(intptr_t)arg % 4 && rc == 0; i++)
        rc = weir_yield();
    __atomic_fetch_add(&ended_count, 1, __ATOMIC_RELAXED);
    return rc;
}

struct call_often {
    int rounds;
};
static int call_often(struct call_often *a)
{
    for (int i = 0; i < a->rounds; i++) {
        weir_scope scope = {0};
        int rc = weir_timeout_enter(&scope, i % 3 * 20 * WEIR_US);
        if (rc < 0)
            return rc;
        rc = weir_remote_call(other.loop, come_and_go, JUST(i));
        rc = weir_scope_leave(&scope, rc);
        EXPECT(rc == 0 || rc == -ETIME);
    }
    return 0;
}

IO_TEST(calls_that_end_while_they_are_cancelled_are_answered_once) /* O4, I3 */
{
    REQUIRE(other_loop_start(&other));
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    for (int i = 0; i < CALLERS; i++)
        EXPECT_RC(0, WEIR_SPAWN(group, call_often, .rounds = test_rounds(CALLS)));
    EXPECT_RC(0, weir_group_close(group, 0));
    other_loop_end(&other);
    EXPECT_EQ(begun_count, ended_count);
}
