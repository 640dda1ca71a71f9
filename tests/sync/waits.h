/*
 * waits.h - what the tests of sync share
 */
#ifndef WEIR_TESTS_SYNC_WAITS_H
#define WEIR_TESTS_SYNC_WAITS_H

#include <weir/weir.h>

#include "core/core.h"
#include "tests/support/test.h"

/* Orders that a race on one loop is run in. There are no threads in it for TSan to watch, which
 * takes its time with each run. */
#ifdef WEIR__TSAN
enum { SEEDS = 20 };
#else
enum { SEEDS = 1000 };
#endif

/* Until every other task of the loop waits for something: virtual time moves only then. */
static inline void settle(void)
{
    EXPECT_RC(0, weir_sleep(1 * WEIR_MS));
}

static inline weir_group *open_group(weir_policy policy)
{
    weir_group *group = NULL;
    EXPECT_RC(0, weir_group_open(&group, &(weir_group_options){.policy = policy}));
    return group;
}

static inline weir_task_id spawn(weir_group *group, weir_task_fn *fn, void *arg)
{
    weir_task_id id = 0;
    EXPECT_RC(0, weir_spawn_with(group, NULL, fn, arg, &id));
    return id;
}

/* Runs the body in a task of a run of its own, with the order of each turn drawn from the seed. */
static inline void run_shuffled(uint64_t seed, weir_task_fn *fn, void *arg)
{
    EXPECT_RC(0, weir__core_run(&(weir_run_options){.backend = "sim", .shuffle_seed = seed}, fn,
                                arg, false));
}

#endif
