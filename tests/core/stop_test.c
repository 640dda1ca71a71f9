/*
 * stop_test.c - the end of a loop's program in steps, and tasks that other threads start: rules W1
 * to W6, X2
 */
#include <string.h>

#include "base/fault.h"
#include "base/thread.h"
#include "tests/core/bodies.h"

static const weir_run_options sim = {.backend = "sim"};

/* What the tasks of a program saw of its end. */
static struct {
    bool stopping_before, stopping_after;
    int waited_rc, op_rc, shielded_rc, after_rc;
    int64_t shielded_until_ms;
    weir_cancel_cause cause;
    bool cleaned_up;
} seen;

static int ask(weir_stop_phase phase)
{
    weir_loop *loop = weir_loop_retain_self();
    int rc = weir_remote_stop(loop, phase, "a test");
    weir_loop_release(loop);
    return rc;
}

/* --- drain ------------------------------------------------------------------------------------ */

struct end_later {
    weir_stop_phase phase;
    int64_t after_ms;
};

static int end_later(struct end_later *a)
{
    EXPECT_RC(0, weir_sleep(a->after_ms * WEIR_MS));
    EXPECT_RC(0, ask(a->phase));
    return 0;
}

static int work_on(void *arg)
{
    (void)arg;
    int rc = weir_sleep(30 * WEIR_MS);
    seen.op_rc = rc;
    return rc;
}

static int drain_main(void *arg)
{
    (void)arg;
    EXPECT_EQ(0, ms());
    weir_group *group;
    EXPECT_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, work_on, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, end_later, .phase = WEIR_STOP_DRAIN, .after_ms = 10));
    seen.stopping_before = weir_stopping();
    seen.waited_rc = weir_wait_stopping();
    EXPECT_EQ(10, ms());
    seen.stopping_after = weir_stopping();
    EXPECT_RC(0, weir_wait_stopping()); /* it stays so */
    int rc = weir_group_close(group, 0);
    EXPECT_EQ(30, ms());
    return rc;
}

TEST(a_drain_is_told_and_cancels_nobody) /* W1, W2, case 250 */
{
    seen.waited_rc = seen.op_rc = 1;
    EXPECT(!weir_stopping()); /* no loop */
    EXPECT_RC(0, weir__core_run(&sim, drain_main, NULL, false));
    EXPECT(!seen.stopping_before);
    EXPECT(seen.stopping_after);
    EXPECT_RC(0, seen.waited_rc);
    EXPECT_RC(0, seen.op_rc);
}

TASK_TEST(waiting_for_the_end_can_be_cancelled)
{
    int rc = 0;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        rc = weir_wait_stopping();
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT(!weir_stopping());
}

/* --- cancel and force ------------------------------------------------------------------------- */

/* A wait, a commit in a shield, and what comes behind it. */
static int cut_main(struct end_later *steps)
{
    weir_group *group;
    EXPECT_RC(0, weir_group_open(&group, &(weir_group_options){.policy = WEIR_COLLECT_ALL}));
    weir_scope shield = {0};
    EXPECT_RC(0, weir_shield_enter(&shield, WEIR_HOUR)); /* those who ask are not cut themselves */
    weir_group *askers;
    EXPECT_RC(0, weir_group_open(&askers, NULL));
    for (; steps->phase != WEIR_STOP_NONE; steps++)
        EXPECT_RC(0, WEIR_SPAWN(askers, end_later, steps->phase, steps->after_ms));
    EXPECT_RC(0, weir_group_close(askers, 0));
    int rc = weir_scope_leave(&shield, 0);
    return weir_group_close(group, rc);
}

static int commit(void *arg)
{
    (void)arg;
    seen.op_rc = op();
    EXPECT(weir_cancelled_because(&seen.cause));
    weir_scope shield = {0};
    EXPECT_RC(0, weir_shield_enter(&shield, WEIR_MIN));
    seen.shielded_rc = weir_sleep(50 * WEIR_MS);
    seen.shielded_until_ms = ms();
    seen.after_rc = weir_scope_leave(&shield, seen.op_rc);
    seen.cleaned_up = true;
    return seen.after_rc;
}

static int run_commit(void *arg)
{
    weir_group *group;
    ms();
    EXPECT_RC(0, weir_group_open(&group, &(weir_group_options){.policy = WEIR_COLLECT_ALL}));
    EXPECT_RC(0, weir_spawn(group, commit, NULL));
    int rc = cut_main(arg);
    return weir_group_close(group, rc);
}

TEST(a_cancel_says_why_and_shields_hold) /* W3, case 252 */
{
    struct end_later steps[] = {{WEIR_STOP_DRAIN, 5}, {WEIR_STOP_CANCEL, 10}, {0}};
    EXPECT_RC(-ECANCELED, weir__core_run(&sim, run_commit, steps, false));
    EXPECT_RC(-ECANCELED, seen.op_rc);
    EXPECT_EQ(WEIR_CANCEL_SHUTDOWN, seen.cause.kind);
    EXPECT_STR("a test", seen.cause.reason);
    EXPECT_RC(0, seen.shielded_rc);
    EXPECT_EQ(60, seen.shielded_until_ms);
    EXPECT(seen.cleaned_up);
}

TEST(a_force_ends_waits_in_shields_and_the_cleanup_behind_them_runs) /* W4, case 253 */
{
    struct end_later steps[] = {{WEIR_STOP_CANCEL, 10}, {WEIR_STOP_FORCE, 40}, {0}};
    EXPECT_RC(-ECANCELED, weir__core_run(&sim, run_commit, steps, false));
    EXPECT_RC(-ECANCELED, seen.shielded_rc);
    EXPECT_EQ(40, seen.shielded_until_ms);
    EXPECT_RC(-ECANCELED, seen.after_rc);
    EXPECT(seen.cleaned_up);
}

/* I7: no step back, and none twice. */
TEST(steps_are_taken_once_and_in_one_direction) /* W1 */
{
    struct end_later steps[] = {{WEIR_STOP_FORCE, 10},
                                {WEIR_STOP_FORCE, 10},
                                {WEIR_STOP_CANCEL, 10},
                                {WEIR_STOP_DRAIN, 10},
                                {0}};
    EXPECT_RC(-ECANCELED, weir__core_run(&sim, run_commit, steps, false));
    EXPECT_EQ(10, seen.shielded_until_ms);
}

TASK_TEST(impossible_steps_are_refused)
{
    EXPECT_RC(-EINVAL, ask(WEIR_STOP_NONE));
    EXPECT_RC(-EINVAL, ask((weir_stop_phase)(WEIR_STOP_FORCE + 1)));
    EXPECT(!weir_stopping());
}

static void *stop_from_outside(void *arg)
{
    weir_loop *loop = arg;
    EXPECT_RC(0, weir_remote_stop(loop, WEIR_STOP_DRAIN, NULL));
    EXPECT_RC(0, weir_remote_stop(loop, WEIR_STOP_CANCEL, "from outside"));
    weir_loop_release(loop);
    return NULL;
}

static int wait_to_be_stopped(void *arg)
{
    struct weir__thread *thread = arg;
    EXPECT_RC(
        0, weir__base_thread_start(thread, "stopper", stop_from_outside, weir_loop_retain_self()));
    EXPECT_RC(0, weir_wait_stopping());
    int rc = op();
    EXPECT(weir_cancelled_because(&seen.cause));
    return rc;
}

static void end_from_outside(const char *backend)
{
    struct weir__thread thread;
    weir_run_options options = {.backend = backend};
    EXPECT_RC(-ECANCELED, weir__core_run(&options, wait_to_be_stopped, &thread, false));
    EXPECT_STR("from outside", seen.cause.reason);
    weir__base_thread_join(&thread);
}

TEST(another_thread_ends_a_loop_that_sleeps) /* X2 */
{
    end_from_outside("sim");
    end_from_outside("epoll");
}

TEST(another_thread_ends_a_loop_that_sleeps_in_the_ring) /* X2 */
{
    end_from_outside(NULL); /* io_uring where it may be used */
}

/* --- tasks from other threads ----------------------------------------------------------------- */

static int ran_count, refused_rc, refused_count;
static weir_task *parked;

static int run_once(void *arg)
{
    ran_count++;
    EXPECT_RC(0, weir_sleep(WEIR_MS)); /* it is a task like any other */
    if (parked != NULL)
        weir__core_wake(parked, 0);
    parked = NULL;
    return (int)(intptr_t)arg;
}

static void note_refusal(void *arg, int rc)
{
    EXPECT(arg == JUST(-EIO));
    refused_rc = rc;
    refused_count++;
}

static void *spawn_from_outside(void *arg)
{
    weir_loop *loop = arg;
    EXPECT_RC(0, weir_remote_spawn(loop, run_once, JUST(-EIO), note_refusal));
    weir_loop_release(loop);
    return NULL;
}

IO_TEST(another_thread_starts_a_task_and_its_failure_is_told_at_its_end) /* X2, F6 */
{
    count_findings();
    ran_count = refused_count = 0;
    struct weir__thread thread;
    parked = weir__core_task();
    REQUIRE_RC(0, weir__base_thread_start(&thread, "spawner", spawn_from_outside,
                                          weir_loop_retain_self()));
    EXPECT_RC(0, weir__core_park(WEIR_WAIT_OTHER, NULL, NULL));
    weir__base_thread_join(&thread);
    for (int i = 0; i < 3; i++)
        EXPECT_RC(0, weir_yield());
    EXPECT_EQ(1, ran_count);
    EXPECT_EQ(0, refused_count);
    EXPECT_EQ(1, findings[WEIR__FINDING_FAILURES]);
}

static int spawn_and_return(void *arg)
{
    weir_loop *loop = weir_loop_retain_self();
    EXPECT_RC(0, weir_remote_spawn(loop, run_once, JUST(-EIO), arg != NULL ? note_refusal : NULL));
    weir_loop_release(loop);
    return 0;
}

TEST(a_task_for_a_loop_that_ends_meanwhile_is_refused_once) /* T2, W6 */
{
    ran_count = refused_count = 0;
    EXPECT_RC(0, weir__core_run(&sim, spawn_and_return, JUST(1), false));
    EXPECT_EQ(0, ran_count);
    EXPECT_EQ(1, refused_count);
    EXPECT_RC(-ESHUTDOWN, refused_rc);
    EXPECT_RC(0, weir__core_run(&sim, spawn_and_return, NULL, false)); /* nobody wants to know */
    EXPECT_EQ(0, ran_count);
}

static int spawn_while_draining(void *arg)
{
    (void)arg;
    weir_loop *loop = weir_loop_retain_self();
    EXPECT_RC(0, weir_remote_stop(loop, WEIR_STOP_DRAIN, NULL));
    EXPECT_RC(0, weir_remote_spawn(loop, run_once, JUST(-EIO), note_refusal)); /* behind the stop */
    EXPECT_RC(0, weir_wait_stopping());
    EXPECT_RC(-ESHUTDOWN, weir_remote_spawn(loop, run_once, JUST(-EIO), note_refusal));
    EXPECT_RC(0, weir_yield());
    weir_loop_release(loop);
    return 0;
}

TEST(a_loop_that_drains_takes_no_tasks) /* W2, case 251 */
{
    ran_count = refused_count = 0;
    EXPECT_RC(0, weir__core_run(&sim, spawn_while_draining, NULL, false));
    EXPECT_EQ(0, ran_count);
    EXPECT_EQ(1, refused_count);
}

static int spawn_without_memory(void *arg)
{
    (void)arg;
    weir_loop *loop = weir_loop_retain_self();
    weir__base_fault_arm(WEIR__FAULT_ALLOC, 1, -ENOMEM, false);
    EXPECT_RC(-ENOMEM, weir_remote_spawn(loop, run_once, NULL, note_refusal));
    weir__base_fault_disarm();
    weir_loop_release(loop);
    return 0;
}

TEST(without_memory_a_remote_spawn_takes_nothing)
{
    EXPECT_RC(0, weir__core_run(&sim, spawn_without_memory, NULL, false));
}
