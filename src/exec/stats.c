/*
 * stats.c - what a pool has done, and how long its jobs had to wait
 *
 * Runs on  any thread.
 */
#include <string.h>

#include "base/clock.h"
#include "exec/pool.h"

#define WAIT_BOUND_FIRST (10 * WEIR_US) /* of the buckets; each is ten times the one before */

void weir__exec_note_wait(weir_pool *pool, const struct weir__job *job)
{
    int64_t waited_ns = weir__base_kernel_now() - job->queued_at_ns;
    size_t bucket = 0;
    for (int64_t bound_ns = WAIT_BOUND_FIRST;
         waited_ns >= bound_ns && bucket < WEIR_POOL_WAIT_BUCKETS - 1; bound_ns *= 10)
        bucket++;
    pool->waits[bucket]++;
    pool->wait_total_ns += waited_ns;
    if (waited_ns > pool->wait_max_ns)
        pool->wait_max_ns = waited_ns;
}

void weir__exec_read_stats(weir_pool *pool, weir_pool_stats *out_stats)
{
    weir__base_mutex_lock(&pool->lock);
    *out_stats = (weir_pool_stats){.threads = pool->thread_count,
                                   .threads_max = pool->threads_max,
                                   .running = pool->running_count,
                                   .queued = pool->queue_count,
                                   .queue_max = pool->queue_max,
                                   .finished = pool->finished_count,
                                   .cancelled = pool->cancelled_count,
                                   .abandoned = pool->abandoned_count,
                                   .refused = pool->refused_count,
                                   .wait_total_ns = pool->wait_total_ns,
                                   .wait_max_ns = pool->wait_max_ns};
    memcpy(out_stats->waits, pool->waits, sizeof pool->waits);
    if (!weir__list_empty(&pool->queue))
        out_stats->oldest_wait_ns =
            weir__base_kernel_now() -
            WEIR__CONTAINER(pool->queue.next, struct weir__job, link)->queued_at_ns;
    weir__base_mutex_unlock(&pool->lock);
}
