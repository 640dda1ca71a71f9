/*
 * weir/debug.h - the checks that are always on, and how to tune them
 *
 * A step that holds a loop, a failure that reaches nobody, a swallowed cancellation, a stack
 * overflow, something left open: each is reported on standard error when it happens, with the task,
 * where it was spawned, and where it is. WEIR_DEBUG=1 in the environment adds what costs: misuse
 * ends the process at once, and the deepest use of a stack is told at the end.
 */
#ifndef WEIR_DEBUG_H
#define WEIR_DEBUG_H

#include <weir/base.h>

/** What the checks have counted since the process began. */
typedef struct weir_debug_stats {
    uint64_t stalls; /* steps longer than the limit */
    int64_t longest_stall_ns;
    uint64_t findings; /* of all kinds, stalls included */
} weir_debug_stats;

WEIR_BEGIN_DECLS

/**
 * Set how long one step may hold a loop before it is reported.
 *
 * @param limit_ns  0: the default, 100 ms; WEIR_FOREVER: no reports
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any
 * Source      rule Q6
 */
WEIR_API void weir_debug_set_step_limit(int64_t limit_ns);

/**
 * What was counted so far.
 *
 * @param out_stats  filled
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any
 */
WEIR_API void weir_debug_stats_get(weir_debug_stats *out_stats);

WEIR_END_DECLS

#endif
