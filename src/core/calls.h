/*
 * calls.h - what gather, map and race have in common: a list of calls, each in a task of one group
 *
 * A task knows its call by the position, which is its argument, and the list by its group. So
 * nothing is allocated for a call but its task.
 *
 * Runs on  the loop's own thread.
 */
#ifndef WEIR__CORE_CALLS_H
#define WEIR__CORE_CALLS_H

#include "core/core.h"

/* Lives in the frame of the caller, who closes the group before it leaves. */
struct weir__calls {
    const weir_call *list; /* NULL: `fn` with each of the items */
    weir_task_fn *fn;
    char *items;
    size_t item_bytes;
    size_t count;
    weir_outcome *outcomes; /* by position; NULL: nobody asked */
    const void *address;    /* who called gather, map or race: where all of it is spawned */
    /* A call has ended, and the policy has judged it. True: its result is wanted. May be NULL. */
    bool (*ended)(struct weir__calls *calls, weir_group *group, size_t position,
                  weir_outcome_kind kind);
    size_t failed_count;
    bool cancelled_alone; /* one of them was */
};

/* A checkpoint; then the group, and outcomes that say `cancelled` until they are known. */
int weir__calls_open(struct weir__calls *calls, const weir_group_options *options,
                     weir_group **out_group) WEIR_MUST_CHECK;
/* A checkpoint when the group has a limit. */
int weir__calls_spawn(struct weir__calls *calls, weir_group *group, size_t position)
    WEIR_MUST_CHECK;
int weir__calls_spawn_all(struct weir__calls *calls, weir_group *group) WEIR_MUST_CHECK;
/* Failures that stand in outcomes have been told; they stay as causes of what is returned next. */
int weir__calls_close(struct weir__calls *calls, weir_group *group, int rc) WEIR_MUST_CHECK;
/* The last word: results stay in outcomes only when it is no failure. Returns rc. */
int weir__calls_done(struct weir__calls *calls, int rc) WEIR_MUST_CHECK;

#endif
