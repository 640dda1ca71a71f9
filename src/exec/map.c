/*
 * map.c - one function over many items, on several threads
 *
 * As many jobs as threads are to be at it, each in a task of its own that waits for it; they take
 * items from one counter. So a map costs a few tasks and jobs however many items there are, and an
 * item a share of one exchange.
 *
 * Runs on  the loop; work() on threads of the pool.
 * Holds    1. An item is taken by one thread; nobody touches it when the map has returned.
 *          2. The counter only grows: what is below it was begun, or skipped by who took it.
 */
#include <limits.h>

#include "base/sys.h"
#include "exec/pool.h"

enum { WORKERS_MOST = 64, SHARES = 4 /* of what is left, for each thread */ };

struct map {
    weir_pool *pool;
    weir_offload_options offload;
    weir_job_fn *fn;
    char *items;
    size_t item_bytes;
    size_t count;
    int *codes; /* may be NULL */
    size_t worker_count;
    size_t chunk; /* 0: by what is left */
    bool collect;
    bool failed;         /* atomic */
    size_t next;         /* atomic: the first that nobody has taken */
    size_t failed_count; /* atomic */
};

static size_t share_of(const struct map *map, size_t left)
{
    size_t share = map->chunk != 0 ? map->chunk : left / (map->worker_count * SHARES);
    return share == 0 ? 1 : share < left ? share : left;
}

/* The range from *out_first on; 0: nothing is left. */
static size_t take_share(struct map *map, size_t *out_first)
{
    size_t first = __atomic_load_n(&map->next, __ATOMIC_RELAXED);
    for (;;) {
        if (first >= map->count)
            return 0;
        size_t share = share_of(map, map->count - first);
        *out_first = first;
        if (__atomic_compare_exchange_n(&map->next, &first, first + share, true, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            return share;
    }
}

static bool is_over(const struct map *map)
{
    return weir_job_cancelled() ||
           (!map->collect && __atomic_load_n(&map->failed, __ATOMIC_RELAXED));
}

/* What the whole job comes to with this item: 0 to go on. */
static int do_item(struct map *map, size_t i)
{
    int rc = map->fn(map->items + i * map->item_bytes);
    if (map->codes != NULL)
        map->codes[i] = rc;
    if (rc >= 0)
        return 0;
    if (map->collect) {
        __atomic_fetch_add(&map->failed_count, 1, __ATOMIC_RELAXED);
        return 0;
    }
    __atomic_store_n(&map->failed, true, __ATOMIC_RELAXED);
    return rc;
}

static int work(void *arg)
{
    struct map *map = arg;
    size_t first, share;
    while (!is_over(map) && (share = take_share(map, &first)) > 0)
        for (size_t i = first; i < first + share; i++) {
            if (is_over(map))
                return weir_job_cancelled() ? -ECANCELED : 0;
            int rc = do_item(map, i);
            if (rc < 0)
                return rc;
        }
    return 0;
}

static int offload_work(void *arg)
{
    struct map *const *map = arg;
    return weir_offload_with((*map)->pool, &(*map)->offload, work, *map);
}

/* Asked of the kernel once: it is some files to read. */
static size_t cpu_count(void)
{
    static size_t known; /* atomic */
    size_t count = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (count == 0) {
        count = (size_t)weir__sys_cpu_count();
        __atomic_store_n(&known, count, __ATOMIC_RELAXED);
    }
    return count;
}

static size_t worker_count(weir_pool *pool, const weir_pool_map_options *options, size_t count)
{
    size_t most = options->running_max;
    if (most == 0) {
        most = cpu_count();
        if (pool != NULL && pool->threads_max < most)
            most = pool->threads_max;
    }
    if (most > WORKERS_MOST)
        most = WORKERS_MOST;
    return most < count ? most : count;
}

int weir_pool_map(weir_pool *pool, const weir_pool_map_options *options, weir_job_fn *fn,
                  void *items, size_t item_bytes, size_t count, int *out_codes)
{
    static const weir_pool_map_options defaults;
    if (options == NULL)
        options = &defaults;
    bool collect = options->policy == WEIR_COLLECT_ALL;
    if ((!collect && options->policy != WEIR_FAIL_FAST) || (collect && out_codes == NULL))
        return -EINVAL;
    struct map map = {.pool = pool,
                      .offload.name = options->name == NULL ? "map" : options->name,
                      .fn = fn,
                      .items = items,
                      .item_bytes = item_bytes,
                      .count = count,
                      .codes = out_codes,
                      .worker_count = worker_count(pool, options, count),
                      .chunk = options->chunk,
                      .collect = collect};
    for (size_t i = 0; out_codes != NULL && i < count; i++)
        out_codes[i] = -ECANCELED;
    struct map *workers[WORKERS_MOST];
    for (size_t i = 0; i < map.worker_count; i++)
        workers[i] = &map;
    int rc = weir_map(&(weir_map_options){.name = map.offload.name}, offload_work, workers,
                      sizeof workers[0], map.worker_count, NULL);
    if (rc < 0 || !collect)
        return rc;
    return map.failed_count > INT_MAX ? INT_MAX : (int)map.failed_count;
}
