/*
 * offload_test.c - a task and its job: results, messages, cancellation, calls back
 */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/sys.h"
#include "core/observe.h"
#include "tests/exec/jobs.h"

struct where {
    int tid;
    weir_task_id task;
    int sleep_rc;
    int offload_rc;
};

static int note_where(void *arg)
{
    struct where *where = arg;
    where->tid = weir__sys_gettid();
    where->task = weir_task_self();
    where->sleep_rc = weir_sleep(1 * WEIR_MS);
    where->offload_rc = weir_offload(NULL, note_where, NULL);
    return 7;
}

TASK_TEST(a_job_runs_on_another_thread_and_is_no_task)
{
    struct where where = {0};
    EXPECT_RC(7, weir_offload(NULL, note_where, &where));
    EXPECT(where.tid != weir__sys_gettid());
    EXPECT_EQ(0, (intmax_t)where.task);
    EXPECT_RC(-EPERM, where.sleep_rc);
    EXPECT_RC(-EPERM, where.offload_rc);
    EXPECT(!weir_job_cancelled());
    EXPECT_RC(-EPERM, weir_job_call(note_where, NULL));
}

TEST(outside_a_task_nothing_can_be_offloaded)
{
    EXPECT_RC(-EPERM, weir_offload(NULL, note_where, NULL));
}

IO_TEST(other_tasks_go_on_while_a_job_runs)
{
    struct gate gate;
    gate_init(&gate);
    weir_pool *pool = open_pool(2);
    struct held held = {.pool = pool, .gate = &gate, .job_rc = 3};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, offload_held, &held);
    until_running(pool, 1);
    EXPECT_RC(0, weir_sleep(2 * WEIR_MS));
    EXPECT(!held.ended);
    gate_open(&gate);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(3, held.rc);
    EXPECT(!held.saw_cancelled);
    weir_pool_close(pool);
    gate_deinit(&gate);
}

TASK_TEST(virtual_time_stands_still_while_a_job_runs)
{
    struct gate gate;
    gate_init(&gate);
    weir_pool *pool = open_pool(1);
    struct held held = {.pool = pool, .gate = &gate};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    int64_t before_ns = weir_now();
    int rc = 0;
    WEIR_TIMEOUT(rc, 1 * WEIR_MS)
    {
        spawn(group, offload_held, &held);
        until_running(pool, 1);
        for (int i = 0; i < 1000; i++)
            EXPECT_RC(0, weir_yield());
        EXPECT_EQ(before_ns, weir_now()); // case 275, Q2
        gate_open(&gate);
        while (!held.ended)
            EXPECT_RC(0, weir_yield());
    }
    EXPECT_RC(0, rc);
    EXPECT_RC(0, weir_group_close(group, 0));
    weir_pool_close(pool);
    gate_deinit(&gate);
}

/* --- messages --------------------------------------------------------------------------------- */

static int fail_with_message(void *arg)
{
    int rc = weir_fail(-ENOSPC, "disk %d is full", *(int *)arg);
    EXPECT_STR("disk 5 is full", weir_failure_message(rc));
    return rc;
}

static int fail_without_message(void *arg)
{
    (void)arg;
    return -ENOSPC;
}

TASK_TEST(what_a_job_says_about_its_failure_travels_to_the_caller)
{
    int disk = 5;
    weir_pool *pool = open_pool(1);
    EXPECT_RC(-ENOSPC, weir_offload(pool, fail_with_message, &disk));
    EXPECT_STR("disk 5 is full", weir_failure_message(-ENOSPC));
    EXPECT_RC(-EIO, weir_fail(-EIO, "something else"));
    EXPECT_RC(-ENOSPC, weir_offload(pool, fail_without_message, NULL));
    EXPECT_STR(weir_code_text(-ENOSPC), weir_failure_message(-ENOSPC)); // not the old one
    weir_pool_close(pool);
}

static int fail_with_another_code(void *arg)
{
    (void)arg;
    weir_ignore(weir_fail(-ENOENT, "an attempt"), "only the text");
    return -EACCES;
}

TASK_TEST(a_message_about_another_code_stays_behind)
{
    EXPECT_RC(-EACCES, weir_offload(NULL, fail_with_another_code, NULL));
    EXPECT_STR(weir_code_text(-ENOENT), weir_failure_message(-ENOENT));
}

static int return_cancelled(void *arg)
{
    (void)arg;
    return -ECANCELED;
}

TASK_TEST(a_job_cannot_claim_that_its_caller_is_cancelled)
{
    EXPECT_RC(-EIO, weir_offload(NULL, return_cancelled, NULL)); // N1, I8
}

/* --- cancellation ----------------------------------------------------------------------------- */

TASK_TEST(a_cancelled_caller_is_refused_before_anything_happens)
{
    weir_pool *pool = open_pool(1);
    struct held held = {.pool = pool};
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "test");
    EXPECT_RC(-ECANCELED, weir_offload(pool, run_held, &held)); // O1
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    EXPECT(!held.ran);
    EXPECT_EQ(0, stats_of(pool).threads);
    weir_pool_close(pool);
}

IO_TEST(a_job_that_is_queued_when_its_caller_is_cancelled_never_runs)
{
    struct gate gate;
    gate_init(&gate);
    weir_pool *pool = open_pool(1);
    struct held first = {.pool = pool, .gate = &gate};
    struct held second = first;
    struct held third = first;
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    spawn(group, offload_held, &first);
    until_running(pool, 1);
    weir_task_id id = spawn(group, offload_held, &second);
    spawn(group, offload_held, &third);
    until_queued(pool, 2);
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    until_queued(pool, 1);
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(-ECANCELED, second.rc); // case 199, X5
    EXPECT_EQ(1, stats_of(pool).queued);
    gate_open(&gate);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT(!second.ran);
    EXPECT(third.ran);
    EXPECT_EQ(1, stats_of(pool).cancelled);
    EXPECT_EQ(2, stats_of(pool).finished);
    weir_pool_close(pool);
    gate_deinit(&gate);
}

IO_TEST(a_job_that_runs_when_its_caller_is_cancelled_is_told_and_waited_for)
{
    struct gate gate;
    gate_init(&gate);
    weir_pool *pool = open_pool(1);
    struct held held = {.pool = pool, .gate = &gate, .job_rc = 11};
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id id = spawn(group, offload_held, &held);
    until_running(pool, 1);
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    EXPECT_RC(0, weir_task_cancel(id, "again")); // I9
    for (int i = 0; i < 100; i++)
        EXPECT_RC(0, weir_yield());
    EXPECT(!held.ended); // O7
    gate_open(&gate);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT(held.saw_cancelled); // case 200, X5
    EXPECT_RC(11, held.rc);     // O4: the result wins
    weir_pool_close(pool);
    gate_deinit(&gate);
}

TASK_TEST(the_result_wins_when_the_job_ends_in_the_turn_of_the_cancel)
{
    struct gate gate;
    gate_init(&gate);
    weir_pool *pool = open_pool(1);
    struct held held = {.pool = pool, .gate = &gate, .job_rc = 11};
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id id = spawn(group, offload_held, &held);
    until_running(pool, 1);
    gate_open(&gate);
    hold_until_finished(pool, 1);
    EXPECT(!held.ended);
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(11, held.rc); // case 167, O4
    weir_pool_close(pool);
    gate_deinit(&gate);
}

TASK_TEST(a_job_that_is_told_may_say_that_it_was_cancelled)
{
    struct gate gate;
    gate_init(&gate);
    weir_pool *pool = open_pool(1);
    struct held held = {.pool = pool, .gate = &gate, .job_rc = -ECANCELED};
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id id = spawn(group, offload_held, &held);
    until_running(pool, 1);
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    gate_open(&gate);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ECANCELED, held.rc);
    weir_pool_close(pool);
    gate_deinit(&gate);
}

/* --- abandoned jobs --------------------------------------------------------------------------- */

static int finding_count;
static weir_failure found_failure;
static char found_message[200];

/* May be called on a job's thread. */
static void note_finding(const struct weir__finding *finding)
{
    __atomic_add_fetch(&finding_count, 1, __ATOMIC_SEQ_CST);
    if (finding->kind == WEIR__FINDING_FAILURES) {
        found_failure = *weir_failures_at(finding->failures, 0);
        memcpy(found_message, found_failure.message, sizeof found_message);
    }
}

IO_TEST(an_abandoned_job_runs_on_while_its_caller_leaves_at_once)
{
    weir__core_observe(note_finding);
    struct gate gate;
    gate_init(&gate);
    weir_pool *pool = open_pool(1);
    struct held held = {.pool = pool, .gate = &gate, .options.abandon = release_held};
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id id = spawn(group, offload_held, &held);
    until_running(pool, 1);
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT(held.ended);
    EXPECT_RC(-ECANCELED, held.rc);       // case 201, X5
    EXPECT_EQ(1, stats_of(pool).running); // the slot stays taken
    EXPECT_EQ(1, stats_of(pool).abandoned);
    EXPECT_EQ(0, __atomic_load_n(&held.released_count, __ATOMIC_SEQ_CST));
    gate_open(&gate);
    weir_pool_close(pool);
    EXPECT_EQ(1, held.released_count);
    EXPECT(held.saw_cancelled);
    EXPECT_EQ(0, finding_count); // it did not fail: nothing to tell
    gate_deinit(&gate);
}

static int fail_after_the_gate(void *arg)
{
    gate_wait(((struct held *)arg)->gate);
    return weir_fail(-EREMOTEIO, "nobody heard me");
}

static int offload_failing(void *arg)
{
    struct held *held = arg;
    held->options.name = "a failing job";
    held->rc = weir_offload_with(held->pool, &held->options, fail_after_the_gate, held);
    return held->rc;
}

TASK_TEST(an_abandoned_job_that_fails_is_reported_once_with_its_message)
{
    weir__core_observe(note_finding);
    struct gate gate;
    gate_init(&gate);
    weir_pool *pool = open_pool(1);
    struct held held = {.pool = pool, .gate = &gate, .options.abandon = release_held};
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id id = spawn(group, offload_failing, &held);
    until_running(pool, 1);
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    EXPECT_RC(0, weir_group_close(group, 0));
    gate_open(&gate);
    weir_pool_close(pool);
    EXPECT_EQ(1, finding_count); // case 202, F6
    EXPECT_RC(-EREMOTEIO, found_failure.code);
    EXPECT_EQ(WEIR_FAILURE_JOB, found_failure.origin);
    EXPECT(found_failure.task == id);
    EXPECT_STR("a failing job", found_failure.task_name);
    EXPECT_STR("nobody heard me", found_message);
    EXPECT_EQ(1, held.released_count);
    gate_deinit(&gate);
}

TASK_TEST(whenever_the_call_says_cancelled_the_argument_is_released_once)
{
    struct gate gate;
    gate_init(&gate);
    weir_pool *pool = open_pool(1);
    struct held blocking = {.pool = pool, .gate = &gate};
    struct held queued = {.pool = pool, .gate = &gate, .options.abandon = release_held};
    struct held ended = queued;
    struct held refused = queued;
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    spawn(group, offload_held, &blocking);
    until_running(pool, 1);
    weir_task_id id = spawn(group, offload_held, &queued);
    spawn(group, offload_held, &ended);
    until_queued(pool, 2);
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    gate_open(&gate);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ECANCELED, queued.rc);
    EXPECT(!queued.ran);
    EXPECT_EQ(1, queued.released_count);
    EXPECT_RC(0, ended.rc);
    EXPECT_EQ(0, ended.released_count); // still the caller's

    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "test");
    EXPECT_RC(-ECANCELED, weir_offload_with(pool, &refused.options, run_held, &refused));
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    EXPECT_EQ(1, refused.released_count);
    weir_pool_close(pool);
    gate_deinit(&gate);
}

/* --- calls back into the task ----------------------------------------------------------------- */

struct asking {
    weir_pool *pool;
    struct gate *gate;
    weir_task_id caller;
    weir_task_id answered_by;
    int64_t deadline_ns;
    int call_rc;
    int rc;
    int calls;
    int released_count;
    bool saw_cancelled;
    weir_event reached;
    weir_event go_on;
};

static int answer_in_task(void *arg)
{
    struct asking *asking = arg;
    asking->calls++;
    asking->answered_by = weir_task_self();
    asking->deadline_ns = weir_deadline();
    int rc = weir_yield();
    return rc < 0 ? rc : 21;
}

static int ask_three_times(void *arg)
{
    struct asking *asking = arg;
    int rc = 0;
    for (int i = 0; i < 3 && rc >= 0; i++)
        rc = weir_job_call(answer_in_task, asking);
    asking->call_rc = rc;
    return rc * 2;
}

IO_TEST(a_job_can_call_back_into_the_task_that_waits_for_it)
{
    struct asking asking = {0};
    int rc = 0;
    int64_t deadline_ns = 0;
    WEIR_TIMEOUT(rc, 60 * WEIR_SEC)
    {
        deadline_ns = weir_deadline();
        rc = weir_offload(NULL, ask_three_times, &asking);
    }
    EXPECT_RC(42, rc);
    EXPECT_EQ(3, asking.calls);
    EXPECT(asking.answered_by == weir_task_self()); // case 204, X6
    EXPECT_EQ(deadline_ns, asking.deadline_ns);
}

static int wait_in_task(void *arg)
{
    struct asking *asking = arg;
    weir_event_set(&asking->reached);
    return weir_event_wait(&asking->go_on);
}

static int ask_and_wait(void *arg)
{
    struct asking *asking = arg;
    asking->call_rc = weir_job_call(wait_in_task, asking);
    if (asking->gate != NULL)
        gate_wait(asking->gate);
    asking->saw_cancelled = weir_job_cancelled();
    return 5;
}

static int offload_asking(void *arg)
{
    struct asking *asking = arg;
    asking->rc = weir_offload(asking->pool, ask_and_wait, asking);
    return asking->rc;
}

TASK_TEST(a_caller_that_is_cancelled_inside_a_call_back_passes_it_on_to_the_job)
{
    struct asking asking = {.pool = open_pool(1)};
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id id = spawn(group, offload_asking, &asking);
    EXPECT_RC(0, weir_event_wait(&asking.reached));
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ECANCELED, asking.call_rc); // case 204
    EXPECT(asking.saw_cancelled);
    EXPECT_RC(5, asking.rc); // it ran to its end, and its result is there
    weir_pool_close(asking.pool);
}

static void release_asking(void *arg)
{
    ((struct asking *)arg)->released_count++;
}

static int offload_asking_abandonable(void *arg)
{
    struct asking *asking = arg;
    asking->rc = weir_offload_with(asking->pool, &(weir_offload_options){.abandon = release_asking},
                                   ask_and_wait, asking);
    return asking->rc;
}

TASK_TEST(a_caller_that_is_cancelled_inside_a_call_back_can_abandon_the_job)
{
    struct gate gate;
    gate_init(&gate);
    struct asking asking = {.pool = open_pool(1), .gate = &gate};
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id id = spawn(group, offload_asking_abandonable, &asking);
    EXPECT_RC(0, weir_event_wait(&asking.reached));
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    EXPECT_RC(0, weir_group_close(group, 0)); // the gate is still closed: nobody waited for the job
    EXPECT_RC(-ECANCELED, asking.rc);
    gate_open(&gate);
    weir_pool_close(asking.pool);
    EXPECT_RC(-ECANCELED, asking.call_rc);
    EXPECT_EQ(1, asking.released_count);
    gate_deinit(&gate);
}

static int ask_after_the_gate(void *arg)
{
    struct asking *asking = arg;
    gate_wait(asking->gate);
    asking->call_rc = weir_job_call(answer_in_task, asking);
    return 0;
}

static int offload_asking_later(void *arg)
{
    struct asking *asking = arg;
    asking->rc = weir_offload_with(asking->pool, &(weir_offload_options){.abandon = release_asking},
                                   ask_after_the_gate, asking);
    return asking->rc;
}

TASK_TEST(an_abandoned_job_cannot_call_back)
{
    struct gate gate;
    gate_init(&gate);
    struct asking asking = {.pool = open_pool(1), .gate = &gate};
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id id = spawn(group, offload_asking_later, &asking);
    until_running(asking.pool, 1);
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    EXPECT_RC(0, weir_group_close(group, 0));
    gate_open(&gate);
    weir_pool_close(asking.pool);
    EXPECT_RC(-ESTALE, asking.call_rc); // case 204
    EXPECT_EQ(0, asking.calls);
    EXPECT_EQ(1, asking.released_count);
    gate_deinit(&gate);
}

/* --- many, and the races ---------------------------------------------------------------------- */

enum { TASKS = 64, OFFLOADS = 10000 };

struct crowd {
    weir_pool *pool;
    uint64_t random;
    int64_t ran_count; /* atomic */
    int64_t ok_count;
    int left_count;
};

static int count_one(void *arg)
{
    struct crowd *crowd = arg;
    __atomic_fetch_add(&crowd->ran_count, 1, __ATOMIC_RELAXED);
    return 0;
}

static int offload_many(void *arg)
{
    struct crowd *crowd = arg;
    while (crowd->left_count > 0) {
        crowd->left_count--;
        int rc = weir_offload(crowd->pool, count_one, crowd);
        if (rc < 0)
            return rc;
        crowd->ok_count++;
    }
    return 0;
}

IO_TEST(ten_thousand_jobs_of_64_tasks_each_run_once)
{
    struct crowd crowd = {.left_count = OFFLOADS};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < TASKS; i++)
        spawn(group, offload_many, &crowd);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(OFFLOADS, crowd.ok_count);
    EXPECT_EQ(OFFLOADS, crowd.ran_count);
}

/* What ran came home, what did not was told so: a job can fall into no third state. */
static int offload_impatiently(void *arg)
{
    struct crowd *crowd = arg;
    while (crowd->left_count > 0) {
        crowd->left_count--;
        weir_scope scope = {0};
        int rc = weir_timeout_enter(
            &scope, (int64_t)(weir__base_random_next(&crowd->random) % 100) * WEIR_US);
        if (rc < 0)
            return rc;
        rc = weir_offload(crowd->pool, count_one, crowd);
        crowd->ok_count += rc == 0;
        rc = weir_scope_leave(&scope, rc);
        if (rc < 0 && rc != -ETIME)
            return rc;
    }
    return 0;
}

IO_TEST(what_ran_came_home_whatever_is_cancelled_when)
{
    struct crowd crowd = {.pool = open_pool(3), .random = 1, .left_count = OFFLOADS};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < TASKS; i++)
        spawn(group, offload_impatiently, &crowd);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(crowd.ok_count, crowd.ran_count);
    weir_pool_stats stats = stats_of(crowd.pool);
    EXPECT_EQ(crowd.ran_count, stats.finished);
    EXPECT_EQ(0, stats.queued + stats.running);
    weir_pool_close(crowd.pool);
}

static int touch(void *arg)
{
    ++*(int *)arg; // the sanitizers see it when the memory has gone
    weir__base_thread_pause();
    return 0;
}

static int abandon_impatiently(void *arg)
{
    struct crowd *crowd = arg;
    while (crowd->left_count > 0) {
        crowd->left_count--;
        int *number = weir__base_alloc_zero(sizeof *number);
        if (number == NULL)
            return -ENOMEM;
        weir_scope scope = {0};
        int rc = weir_timeout_enter(
            &scope, (int64_t)(weir__base_random_next(&crowd->random) % 100) * WEIR_US);
        if (rc < 0)
            return rc;
        rc = weir_offload_with(crowd->pool, &(weir_offload_options){.abandon = weir__base_free},
                               touch, number);
        if (rc != -ECANCELED) {
            EXPECT_EQ(1, *number);
            weir__base_free(number);
        }
        rc = weir_scope_leave(&scope, rc);
        if (rc < 0 && rc != -ETIME)
            return rc;
    }
    return 0;
}

IO_TEST(every_argument_is_released_once_whatever_is_abandoned_when)
{
    struct crowd crowd = {.pool = open_pool(3), .random = 2, .left_count = OFFLOADS};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < TASKS; i++)
        spawn(group, abandon_impatiently, &crowd);
    EXPECT_RC(0, weir_group_close(group, 0));
    weir_pool_close(crowd.pool); // the ledger of the harness counts the blocks
}
