/*
 * pool_test.c - threads come with work and leave without it; closing, limits, failures
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "core/observe.h"
#include "tests/exec/jobs.h"
#include "tests/support/fault_loop.h"

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int finding_count;
static enum weir__finding_kind finding_kind;
static char finding_text[200];

static void note_finding(const struct weir__finding *finding)
{
    finding_count++;
    finding_kind = finding->kind;
    snprintf(finding_text, sizeof finding_text, "%s", finding->what);
}

static uint64_t live_blocks(void)
{
    struct weir__alloc_stats stats;
    weir__base_alloc_stats(&stats);
    return stats.allocated_count - stats.freed_count;
}

TEST(impossible_options_are_refused)
{
    weir_pool *pool = NULL;
    EXPECT_RC(-EINVAL, weir_pool_open(&(weir_pool_options){.threads_max = WEIR_UNLIMITED}, &pool));
    EXPECT_RC(-EINVAL, weir_pool_open(&(weir_pool_options){.idle_timeout_ns = -1}, &pool));
    EXPECT_RC(-EINVAL, weir_pool_open(&(weir_pool_options){.close_budget_ns = -1}, &pool));
    EXPECT(pool == NULL);
    weir_pool_close(NULL);
}

TEST(a_pool_that_was_never_used_has_no_threads_and_closes_without_a_loop)
{
    weir_pool *pool = open_pool(0);
    weir_pool_stats stats = stats_of(pool);
    EXPECT_EQ(0, stats.threads);
    EXPECT(stats.threads_max >= 6 && stats.threads_max <= 32);
    EXPECT_EQ(1024, stats.queue_max);
    weir_pool_close(pool);
}

TASK_TEST(calls_one_after_another_use_one_thread)
{
    weir_pool *pool = open_pool(8);
    for (int i = 0; i < 500; i++)
        EXPECT_RC(0, weir_offload(pool, do_nothing, NULL));
    EXPECT_EQ(1, stats_of(pool).threads);
    EXPECT_EQ(500, stats_of(pool).finished);
    weir_pool_close(pool);
}

TASK_TEST(threads_are_started_up_to_the_limit_and_no_further)
{
    struct gate gate;
    gate_init(&gate);
    weir_pool *pool = open_pool(3);
    struct held held[8];
    weir_group *group = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < 8; i++) {
        held[i] = (struct held){.pool = pool, .gate = &gate};
        spawn(group, offload_held, &held[i]);
    }
    until_running(pool, 3);
    until_queued(pool, 5);
    weir_pool_stats stats = stats_of(pool);
    EXPECT_EQ(3, stats.threads);
    EXPECT_EQ(3, stats.running);
    EXPECT(stats.oldest_wait_ns > 0);
    gate_open(&gate);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(0, stats_of(pool).oldest_wait_ns);
    weir_pool_close(pool);
    gate_deinit(&gate);
}

TASK_TEST(threads_without_work_leave)
{
    weir_pool *pool;
    REQUIRE_RC(0, weir_pool_open(&(weir_pool_options){.idle_timeout_ns = 1 * WEIR_US}, &pool));
    uint64_t blocks = live_blocks();
    for (int i = 0; i < 5; i++) {
        EXPECT_RC(0, weir_offload(pool, do_nothing, NULL));
        until_threads(pool, 0);
    }
    while (live_blocks() > blocks + 1) // all but the one that left last are joined, soon
        weir__base_thread_pause();
    weir_pool_close(pool);
}

/* --- a lane ----------------------------------------------------------------------------------- */

struct lane {
    weir_pool *pool;
    int next;
    int inside; /* atomic */
    int turns[200];
    int turn_count;
};

struct lane_job {
    struct lane *lane;
    int number;
};

static int take_turn(void *arg)
{
    struct lane_job *job = arg;
    EXPECT_EQ(1, __atomic_add_fetch(&job->lane->inside, 1, __ATOMIC_RELAXED));
    job->lane->turns[job->lane->turn_count++] = job->number; // no lock: one job at a time
    __atomic_sub_fetch(&job->lane->inside, 1, __ATOMIC_RELAXED);
    return 0;
}

static int use_lane(void *arg)
{
    struct lane *lane = arg;
    struct lane_job job = {.lane = lane, .number = lane->next++};
    return weir_offload(lane->pool, take_turn, &job);
}

IO_TEST(jobs_of_a_lane_run_one_at_a_time_in_the_order_they_came)
{
    struct lane lane = {.pool = open_pool(1)};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < 200; i++)
        spawn(group, use_lane, &lane);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(200, lane.turn_count);
    for (int i = 0; i < 200; i++)
        EXPECT_EQ(i, lane.turns[i]);
    EXPECT_EQ(1, stats_of(lane.pool).threads);
    weir_pool_close(lane.pool);
}

/* --- limits ----------------------------------------------------------------------------------- */

TASK_TEST(a_full_queue_refuses_those_who_will_not_wait)
{
    struct gate gate;
    gate_init(&gate);
    weir_pool *pool;
    REQUIRE_RC(0, weir_pool_open(&(weir_pool_options){.threads_max = 1, .queue_max = 2}, &pool));
    struct held held[4];
    weir_group *group = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < 4; i++) {
        held[i] = (struct held){.pool = pool, .gate = &gate};
        spawn(group, offload_held, &held[i]);
        if (i == 0)
            until_running(pool, 1);
    }
    until_queued(pool, 3); // those who do wait stand in line beyond the limit
    weir_offload_options try_only = {.try_only = true};
    EXPECT_RC(-EBUSY, weir_offload_with(pool, &try_only, do_nothing, NULL));
    EXPECT_EQ(1, stats_of(pool).refused);
    gate_open(&gate);
    EXPECT_RC(0, weir_group_close(group, 0));
    for (int i = 0; i < 4; i++)
        EXPECT(held[i].ran);
    EXPECT_RC(0, weir_offload_with(pool, &try_only, do_nothing, NULL));
    weir_pool_close(pool);
    gate_deinit(&gate);
}

/* --- failures --------------------------------------------------------------------------------- */

TASK_TEST(a_first_thread_that_cannot_be_started_is_an_error_and_no_hang)
{
    weir_pool *pool = open_pool(2);
    struct held held = {.pool = pool};
    weir__base_fault_arm(WEIR__FAULT_THREAD, 1, -EAGAIN, true);
    EXPECT_RC(-EAGAIN, weir_offload(pool, run_held, &held));
    weir__base_fault_disarm();
    EXPECT(!held.ran);
    EXPECT_RC(0, weir_offload(pool, do_nothing, NULL));
    weir_pool_close(pool);
}

TASK_TEST(a_further_thread_that_cannot_be_started_is_done_without)
{
    struct gate gate;
    gate_init(&gate);
    weir_pool *pool = open_pool(4);
    struct held held[3];
    weir_group *group = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < 3; i++) {
        held[i] = (struct held){.pool = pool, .gate = &gate};
        spawn(group, offload_held, &held[i]);
        if (i == 0) {
            until_running(pool, 1);
            weir__base_fault_arm(WEIR__FAULT_THREAD, 1, -EAGAIN, true);
        }
    }
    until_queued(pool, 2);
    weir__base_fault_disarm();
    EXPECT_EQ(1, stats_of(pool).threads);
    gate_open(&gate);
    EXPECT_RC(0, weir_group_close(group, 0));
    for (int i = 0; i < 3; i++)
        EXPECT(held[i].ran);
    weir_pool_close(pool);
    gate_deinit(&gate);
}

static int fail_with_message(void *arg)
{
    (void)arg;
    return weir_fail(-ENOSPC, "a text");
}

static void open_use_and_close(void *arg)
{
    (void)arg;
    weir_pool *pool = NULL;
    int rc = weir_pool_open(NULL, &pool);
    if (rc < 0) {
        EXPECT_RC(-ENOMEM, rc);
        return;
    }
    rc = weir_offload(pool, fail_with_message, NULL);
    EXPECT(rc == -ENOSPC || rc == -ENOMEM); // the code comes home even without its text
    rc = weir_offload_with(pool, &(weir_offload_options){.abandon = weir__base_free}, do_nothing,
                           NULL);
    EXPECT(rc == 0 || rc == -ENOMEM);
    weir_pool_close(pool);
}

TASK_TEST(wherever_memory_runs_out_a_pool_gives_everything_back)
{
    weir_ignore(weir_fail(-EIO, "so that the task has room for a text"), "only for that");
    EXPECT(fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, open_use_and_close, NULL) >= 3);
}

/* --- closing ---------------------------------------------------------------------------------- */

struct closing {
    weir_pool *pool;
    bool closed;
};

static int close_pool(void *arg)
{
    struct closing *closing = arg;
    weir_pool_close(closing->pool);
    closing->closed = true;
    return 0;
}

IO_TEST(close_refuses_what_is_new_and_runs_what_was_accepted)
{
    struct gate gate;
    gate_init(&gate);
    struct closing closing = {.pool = open_pool(1)};
    struct held running = {.pool = closing.pool, .gate = &gate, .job_rc = 1};
    struct held queued = running;
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, offload_held, &running);
    until_running(closing.pool, 1);
    spawn(group, offload_held, &queued);
    until_queued(closing.pool, 1);
    spawn(group, close_pool, &closing);
    for (int i = 0; i < 10; i++)
        EXPECT_RC(0, weir_yield());
    EXPECT_RC(-ESHUTDOWN, weir_offload(closing.pool, do_nothing, NULL));
    EXPECT(!closing.closed);
    gate_open(&gate);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT(closing.closed);
    EXPECT_RC(1, running.rc);
    EXPECT_RC(1, queued.rc);
    EXPECT(running.saw_cancelled && queued.saw_cancelled); // X7: they get the flag
    gate_deinit(&gate);
}

TASK_TEST(two_tasks_may_close_a_pool_at_once)
{
    struct gate gate;
    gate_init(&gate);
    struct closing first = {.pool = open_pool(1)};
    struct closing second = first;
    struct held held = {.pool = first.pool, .gate = &gate};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, offload_held, &held);
    until_running(first.pool, 1);
    spawn(group, close_pool, &first);
    spawn(group, close_pool, &second);
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, weir_yield());
    gate_open(&gate);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT(first.closed && second.closed);
    gate_deinit(&gate);
}

TASK_TEST(a_pool_is_closed_in_a_cancelled_scope_like_anywhere)
{
    weir_pool *pool = open_pool(1);
    EXPECT_RC(0, weir_offload(pool, do_nothing, NULL));
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "test");
    weir_pool_close(pool); // O8
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
}

/* A job that nobody can end and nobody waits for. */
static int offload_and_be_cancelled(weir_pool *pool, struct held *held)
{
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id id = spawn(group, offload_held, held);
    until_running(pool, 1);
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    return weir_group_close(group, 0);
}

IO_TEST(a_job_that_outlasts_the_budget_of_close_is_reported_and_left) /* X7, case 213 */
{
    weir__core_observe(note_finding);
    struct gate gate;
    gate_init(&gate);
    weir_pool *pool = open_pool(1);
    struct held held = {.pool = pool, .gate = &gate, .options.abandon = release_held};
    EXPECT_RC(0, offload_and_be_cancelled(pool, &held));
    gate_open(&gate);
    weir_pool_close(pool); // in time; what the loop keeps for next time is allocated now
    EXPECT_EQ(0, finding_count);
    gate.open = false;

    uint64_t blocks = live_blocks();
    REQUIRE_RC(0, weir_pool_open(&(weir_pool_options){.close_budget_ns = 1 * WEIR_MS}, &pool));
    held = (struct held){.pool = pool, .gate = &gate, .options.abandon = release_held};
    EXPECT_RC(0, offload_and_be_cancelled(pool, &held));
    weir_pool_close(pool);
    EXPECT_EQ(1, finding_count); // X7
    EXPECT_EQ(WEIR__FINDING_LEFT_OPEN, finding_kind);
    EXPECT_CONTAINS("left running", finding_text);
    EXPECT_EQ(0, __atomic_load_n(&held.released_count, __ATOMIC_SEQ_CST));
    gate_open(&gate);
    while (live_blocks() > blocks) // its last thread releases the pool
        weir__base_thread_pause();
    EXPECT_EQ(1, __atomic_load_n(&held.released_count, __ATOMIC_SEQ_CST));
    gate_deinit(&gate);
}

static int leave_a_pool_open(void *arg)
{
    (void)arg;
    weir_pool *pool = open_pool(1);
    return weir_offload(pool, do_nothing, NULL);
}

TEST(a_forgotten_pool_is_reported_and_closed_with_its_loop)
{
    weir__core_observe(note_finding);
    uint64_t blocks = live_blocks();
    EXPECT_RC(
        0, weir__core_run(&(weir_run_options){.backend = "sim"}, leave_a_pool_open, NULL, false));
    EXPECT_EQ(1, finding_count);
    EXPECT_STR("pool", finding_text);
    EXPECT_EQ(blocks, live_blocks());
}

/* --- the default pool ------------------------------------------------------------------------- */

static int use_default_pool(void *arg)
{
    (void)arg;
    int rc = weir_offload(NULL, do_nothing, NULL);
    EXPECT_EQ(1, stats_of(NULL).finished);
    return rc;
}

TEST(the_default_pool_goes_with_the_last_loop_that_used_it)
{
    uint64_t blocks = live_blocks();
    for (int i = 0; i < 3; i++) {
        EXPECT_RC(0, weir__core_run(&(weir_run_options){.backend = "sim"}, use_default_pool, NULL,
                                    false));
        EXPECT_EQ(0, stats_of(NULL).threads);
        EXPECT_EQ(blocks, live_blocks());
    }
}

static int use_it_much(void *arg)
{
    (void)arg;
    for (int i = 0; i < 300; i++) {
        int rc = weir_offload(NULL, do_nothing, NULL);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void *run_a_loop(void *arg)
{
    int *rc = arg;
    for (int i = 0; i < 5 && *rc == 0; i++)
        *rc = weir__core_run(&(weir_run_options){.backend = "epoll"}, use_it_much, NULL, false);
    return NULL;
}

TEST(several_loops_share_the_default_pool)
{
    enum { LOOPS = 3 };
    uint64_t blocks = live_blocks();
    struct weir__thread threads[LOOPS];
    int rcs[LOOPS] = {0};
    for (int i = 0; i < LOOPS; i++)
        REQUIRE_RC(0, weir__base_thread_start(&threads[i], "loop", run_a_loop, &rcs[i]));
    for (int i = 0; i < LOOPS; i++) {
        weir__base_thread_join(&threads[i]);
        EXPECT_RC(0, rcs[i]);
    }
    EXPECT_EQ(0, stats_of(NULL).threads);
    EXPECT_EQ(blocks, live_blocks());
}
