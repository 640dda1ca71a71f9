/*
 * everywhere.h - a program is cut at every place, and runs out of memory at every place
 *
 * Both leave nothing behind: the harness and the loop's books tell.
 */
#ifndef WEIR_TESTS_CORE_EVERYWHERE_H
#define WEIR_TESTS_CORE_EVERYWHERE_H

#include "tests/core/bodies.h"
#include "tests/support/fault_loop.h"

/*
 * In a task on the virtual clock: runs fn in a scope that is cancelled k half milliseconds after
 * its begin, for each k until it is not cut any more. Returns how many runs were cut; whether a
 * single one may return something else than -ECANCELED is the test's to judge in `fn`.
 */
static inline int cut_everywhere(weir_task_fn *fn, void *arg)
{
    for (int k = 0;; k++) {
        weir_scope scope = {0};
        EXPECT_RC(0, weir_timeout_enter(&scope, k * WEIR_MS / 2));
        int rc = fn(arg);
        EXPECT_RC(rc >= 0 ? rc : -ECANCELED, rc);
        bool cut = weir_cancelled();
        int left = weir_scope_leave(&scope, rc);
        EXPECT(left == (rc == -ECANCELED ? -ETIME : rc));
        EXPECT_EQ(1, weir_task_count());
        EXPECT_EQ(0, weir__core_loop()->deadlines.armed_count);
        EXPECT_EQ(0, weir__core_loop()->sleeps.armed_count);
        if (!cut || test_failed())
            return k;
    }
}

static void run_it(void *arg)
{
    weir_task_fn *const *fn = arg;
    int rc = weir__core_run(&(weir_run_options){.backend = "sim"}, *fn, NULL, false);
    EXPECT(rc >= 0 || rc == -ENOMEM);
}

/* Outside tasks: memory runs out at one place, and from one place on. */
static inline void fail_everywhere(weir_task_fn *fn)
{
    EXPECT(fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, run_it, &fn) > 0);
    EXPECT(fault_loop_from(WEIR__FAULT_ALLOC, -ENOMEM, run_it, &fn) > 0);
}

/* Outside tasks: each turn's ready tasks in orders drawn from seeds. */
static inline void run_in_many_orders(weir_task_fn *fn)
{
    for (uint64_t seed = 1; seed <= 200 && !test_failed(); seed++) {
        weir_run_options options = {.backend = "sim", .shuffle_seed = seed};
        EXPECT_RC(0, weir__core_run(&options, fn, NULL, false));
    }
}

#endif
