/*
 * jobs.c - what the tests of exec share
 */
#include "tests/exec/jobs.h"

void gate_init(struct gate *gate)
{
    weir__base_mutex_init(&gate->lock);
    weir__base_cond_init(&gate->opened);
    gate->open = false;
}

void gate_deinit(struct gate *gate)
{
    weir__base_cond_deinit(&gate->opened);
    weir__base_mutex_deinit(&gate->lock);
}

void gate_open(struct gate *gate)
{
    weir__base_mutex_lock(&gate->lock);
    gate->open = true;
    weir__base_cond_broadcast(&gate->opened);
    weir__base_mutex_unlock(&gate->lock);
}

void gate_wait(struct gate *gate)
{
    weir__base_mutex_lock(&gate->lock);
    while (!gate->open)
        weir__base_cond_wait(&gate->opened, &gate->lock);
    weir__base_mutex_unlock(&gate->lock);
}

weir_pool *open_pool(size_t threads_max)
{
    weir_pool *pool = NULL;
    EXPECT_RC(0, weir_pool_open(&(weir_pool_options){.threads_max = threads_max}, &pool));
    return pool;
}

weir_pool_stats stats_of(weir_pool *pool)
{
    weir_pool_stats stats;
    weir_pool_stats_get(pool, &stats);
    return stats;
}

static void let_others_run(void)
{
    EXPECT_RC(0, weir_yield());
    weir__base_thread_pause();
}

void until_running(weir_pool *pool, size_t count)
{
    while (stats_of(pool).running < count)
        let_others_run();
}

void until_queued(weir_pool *pool, size_t count)
{
    while (stats_of(pool).queued < count)
        let_others_run();
}

void until_threads(weir_pool *pool, size_t count)
{
    while (stats_of(pool).threads != count)
        let_others_run();
}

void hold_until_finished(weir_pool *pool, uint64_t count)
{
    while (stats_of(pool).finished < count)
        weir__base_thread_pause();
}

weir_group *open_group(weir_policy policy)
{
    weir_group *group = NULL;
    EXPECT_RC(0, weir_group_open(&group, &(weir_group_options){.policy = policy}));
    return group;
}

weir_task_id spawn(weir_group *group, weir_task_fn *fn, void *arg)
{
    weir_task_id id = 0;
    EXPECT_RC(0, weir_spawn_with(group, NULL, fn, arg, &id));
    return id;
}

int run_held(void *arg)
{
    struct held *held = arg;
    __atomic_store_n(&held->ran, true, __ATOMIC_RELAXED);
    gate_wait(held->gate);
    held->saw_cancelled = weir_job_cancelled();
    return held->job_rc;
}

int offload_held(void *arg)
{
    struct held *held = arg;
    held->rc = weir_offload_with(held->pool, &held->options, run_held, held);
    held->ended = true;
    return held->rc == -ECANCELED ? -ECANCELED : 0;
}

void release_held(void *arg)
{
    struct held *held = arg;
    __atomic_add_fetch(&held->released_count, 1, __ATOMIC_SEQ_CST);
}
