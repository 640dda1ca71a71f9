/*
 * probe.h - a test that looks into a loop and interferes: rules Q1 to Q4
 *
 * A run that a test begins may carry a probe. It hears of every checkpoint before the checkpoint
 * looks at its scope, of every turn before the ready tasks run, and of every finding; there it may
 * cancel scopes. It also says how virtual time passes. A run without a probe pays one test that is
 * made anyway.
 *
 * Runs on  the loop's own thread.
 */
#ifndef WEIR__CORE_PROBE_H
#define WEIR__CORE_PROBE_H

#include "core/core.h"
#include "core/observe.h"

struct weir__probe {
    /* In the task; must not park. */
    void (*checkpoint)(struct weir__probe *probe, weir_loop *loop, weir_task *task);
    /* Outside tasks: completions, sleepers, posts and deadlines of the turn have been seen to. */
    void (*turn)(struct weir__probe *probe, weir_loop *loop);
    /* True: told already, the observer need not hear of it. NULL: it does. */
    bool (*found)(struct weir__probe *probe, const struct weir__finding *finding);

    int64_t *clock;     /* the run's virtual time, set by core; NULL: it has none */
    bool virtual_clock; /* a real backend gets a virtual clock too; it jumps when no operation, no
                           connection, no job and no holder of the loop is there (Q2) */
    bool by_hand;       /* virtual time stands still; the test moves it */
    int64_t own_now_ns; /* what `clock` points to on a real backend */
};

/* weir__core_run() with a probe, which may be NULL. */
int weir__core_run_probed(const weir_run_options *options, struct weir__probe *probe,
                          weir_task_fn *fn, void *arg, bool report_failure) WEIR_MUST_CHECK;

/* When the loop's clock should be looked at next: the first instant something waits for, or one
 * before it that the timers want to be told of; WEIR_NEVER when nothing waits for an instant. */
int64_t weir__core_next_instant(const weir_loop *loop);

#endif
