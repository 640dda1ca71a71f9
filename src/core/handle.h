/*
 * handle.h - what is known of a task beyond its end: outcome, result, and who asks for them
 *
 * Most tasks have none of this. A handle is made when a task is spawned to be kept, when it sets a
 * result, or when somebody waits for it. With the end of a task goes its handle, unless it is kept:
 * then the record stays in the table, in the state DONE, and in its group's list until the group is
 * closed or the record is forgotten.
 *
 * Holds  1. A record is DONE exactly while it is in a list of its group's keeping.
 *        2. What a task set as its result is taken once or destroyed once (I5).
 */
#ifndef WEIR__CORE_HANDLE_H
#define WEIR__CORE_HANDLE_H

#include <weir/handle.h>

#include "core/core.h"

struct weir__handle {
    weir_outcome outcome; /* fixed when `ended` */
    void *result;         /* NULL: none, or not ours any more */
    weir_destroy_fn *destroy;
    struct weir__list waiters;
    struct weir__list callbacks;
    weir_failures *causes;                /* of a failure that stays here */
    struct weir__failure_record *failure; /* in the group's set, if it may be settled from here */
    bool kept;                            /* the record outlives the task */
    bool asked_for; /* by who spawned it: until the close, also when it was given out */
    bool handled;   /* a failure stays here (P8) */
    bool ended;
    bool seen; /* somebody was given the outcome */
    bool owed; /* a failure that stays here, and was not accounted for yet */
};

/* The records a group keeps, made with the first of them. */
struct weir__keeping {
    /* weir_task.sibling, in order of completion */
    struct weir__list ended; /* weir_group_next() has not given them out */
    struct weir__list kept;
    struct weir__list given; /* the one given out last, unless it is kept: until the next is */
    bool all;                /* weir_group_options.keeps_outcomes */
};

static inline bool weir__keeping_has_next(const weir_group *group)
{
    return !weir__list_empty(&group->keeping->ended);
}
void weir__keeping_give_next(weir_group *group, weir_outcome *out_outcome);
void weir__keeping_release_given(weir_loop *loop, weir_group *group);

static inline struct weir__handle *weir__handle_of(const weir_task *task)
{
    return __builtin_expect(task->extra == NULL, 1) ? NULL : task->extra->handle;
}

static inline bool weir__handle_keeps(const weir_task *task)
{
    const struct weir__handle *handle = weir__handle_of(task);
    return handle != NULL && handle->kept;
}

static inline bool weir__handle_handles(const weir_task *task)
{
    const struct weir__handle *handle = weir__handle_of(task);
    return handle != NULL && handle->handled;
}

/* --- spawning --------------------------------------------------------------------------------- */

static inline bool weir__handle_wanted(const weir_group *group, const weir_spawn_options *options)
{
    return (options != NULL && (options->keep || options->handled)) ||
           (group->keeping != NULL && group->keeping->all);
}
/* All that the end of a task to be kept will need. */
int weir__handle_prepare(weir_group *group, const weir_spawn_options *options,
                         struct weir__extra *extra) WEIR_MUST_CHECK;
/* NULL: no memory. */
struct weir__keeping *weir__keeping_of(weir_group *group);

/* --- the end of a task ------------------------------------------------------------------------ */

/* True: the failure stays with the task's record and concerns nobody else. */
bool weir__handle_takes_failure(weir_task *task, int rc);
/* The outcome is fixed: the result is settled, and who waits is told. The task is still a
 * member. */
void weir__handle_ended(weir_loop *loop, weir_task *task, weir_outcome_kind kind, int rc);
/* It is no member any more: its record goes where it is kept, if it is. */
void weir__handle_file(weir_task *task);
/* Runs a destructor as what must not park; loop is NULL after the run, and on other threads. */
void weir__result_destroy(weir_loop *loop, void *result, weir_destroy_fn *destroy);
/* The group has been joined: its records go. */
void weir__keeping_release(weir_loop *loop, weir_group *group);

/* The task's, made when it has none; NULL: no memory. */
struct weir__handle *weir__handle_made(weir_task *task);
/* The task that an id of this loop names, alive or kept. */
int weir__handle_find(weir_task_id id, weir_task **out_task) WEIR_MUST_CHECK;

/* Somebody was given the outcome: a failure in it is not told again at the close. */
void weir__handle_seen(struct weir__handle *handle);

/* --- callbacks (callback.c) ------------------------------------------------------------------- */

/* Those of a task that has just ended, in the order they were added. */
void weir__callbacks_run(weir_loop *loop, weir_task *task);

/* What weir_outcome says of a task that has ended with rc. */
void weir__outcome_set(weir_outcome *out, weir_loop *loop, weir_task *task, weir_outcome_kind kind,
                       int rc);

#endif
