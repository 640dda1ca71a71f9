/*
 * jam.c - the default pool with all its threads taken, so that what is sent to it waits
 */
#include "tests/file/jam.h"

#include "tests/file/folder.h"

static int wait_at_gate(void *arg)
{
    struct jam *jam = arg;
    weir__base_mutex_lock(&jam->lock);
    while (!jam->open)
        weir__base_cond_wait(&jam->opened, &jam->lock);
    weir__base_mutex_unlock(&jam->lock);
    return 0;
}

static int take_a_thread(void *arg)
{
    return weir_offload(NULL, wait_at_gate, arg);
}

weir_pool_stats pool_stats(void)
{
    weir_pool_stats stats;
    weir_pool_stats_get(NULL, &stats);
    return stats;
}

void jam_pool(struct jam *jam)
{
    *jam = (struct jam){0};
    weir__base_mutex_init(&jam->lock);
    weir__base_cond_init(&jam->opened);
    jam->group = open_group(WEIR_FAIL_FAST);
    do {
        spawn(jam->group, take_a_thread, jam);
        EXPECT_RC(0, weir_yield());
    } while (pool_stats().running < pool_stats().threads_max || pool_stats().threads_max == 0);
}

void open_gate(struct jam *jam)
{
    weir__base_mutex_lock(&jam->lock);
    jam->open = true;
    weir__base_cond_broadcast(&jam->opened);
    weir__base_mutex_unlock(&jam->lock);
}

void clear_jam(struct jam *jam)
{
    open_gate(jam);
    EXPECT_RC(0, weir_group_close(jam->group, 0));
    weir__base_cond_deinit(&jam->opened);
    weir__base_mutex_deinit(&jam->lock);
}
