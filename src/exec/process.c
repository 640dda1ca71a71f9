/*
 * process.c - the default pool: made when it is first used, gone with the last loop that used it
 *
 * A loop that has used it remembers it, and counts as one of its users until the loop ends. So a
 * program has nothing to open and nothing to close, and nothing is left when its last run returns.
 *
 * Runs on  any thread.
 */
#include "exec/pool.h"

static struct {
    struct weir__mutex lock;
    weir_pool *pool;
    size_t loop_count;
} process = {.lock = WEIR__MUTEX_INIT};

static void leave_default_pool(void *local)
{
    (void)local;
    weir_pool *pool = NULL;
    weir__base_mutex_lock(&process.lock);
    if (--process.loop_count == 0) {
        pool = process.pool;
        process.pool = NULL;
    }
    weir__base_mutex_unlock(&process.lock);
    weir_pool_close(pool); /* the loop has no task any more: this waits for abandoned jobs only */
}

int weir__exec_default_pool(weir_pool **out_pool)
{
    void **local = &weir__core_loop()->locals[WEIR__LOCAL_EXEC];
    int rc = 0;
    if (*local == NULL) {
        weir__base_mutex_lock(&process.lock);
        if (process.pool == NULL)
            rc = weir__exec_open(NULL, &process.pool);
        if (rc == 0) {
            process.loop_count++;
            *local = process.pool;
            weir__core_at_loop_end(WEIR__LOCAL_EXEC, leave_default_pool);
        }
        weir__base_mutex_unlock(&process.lock);
    }
    if (rc == 0)
        *out_pool = *local;
    return rc;
}

void weir_pool_stats_get(weir_pool *pool, weir_pool_stats *out_stats)
{
    if (pool != NULL) {
        weir__exec_read_stats(pool, out_stats);
        return;
    }
    *out_stats = (weir_pool_stats){0};
    weir__base_mutex_lock(&process.lock);
    if (process.pool != NULL)
        weir__exec_read_stats(process.pool, out_stats);
    weir__base_mutex_unlock(&process.lock);
}
