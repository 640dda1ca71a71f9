/*
 * weir/handle.h - tasks by their id: what one came to, its result, and waiting for one
 *
 * A task is named by its weir_task_id. The id is a value: nothing is released, and one that is out
 * of date is recognised. What a task leaves behind goes when it ends, unless it was spawned with
 * `.keep = true`: then its outcome and its result stay until its group is closed.
 *
 *     weir_task_id id;
 *     rc = weir_spawn_with(group, &(weir_spawn_options){.keep = true}, load, &arg, &id);
 *     ...
 *     weir_outcome outcome;
 *     rc = weir_task_wait(id, &outcome);
 *     if (rc == 0 && outcome.kind == WEIR_OUTCOME_OK)
 *         rc = weir_task_take(id, &page);       // what load() gave to weir_task_set_result()
 */
#ifndef WEIR_HANDLE_H
#define WEIR_HANDLE_H

#include <weir/base.h>
#include <weir/group.h>
#include <weir/scope.h>
#include <weir/task.h>

/**
 * Told that a task has ended. It runs on the loop and must not wait: checkpoints give -EPERM in it.
 * A negative return is a failure of its own, and is reported: nobody else could hear of it.
 */
typedef int weir_task_done_fn(weir_task_id task, const weir_outcome *outcome, void *arg);

/** Names a callback, for taking it back; a value, like the id of a task. */
typedef struct weir_task_callback {
    weir_task_id task;
    uint64_t number;
} weir_task_callback;

/** How a task is: what an inspector shows of it. Texts are borrowed, and good for printing now. */
typedef struct weir_task_info {
    weir_task_id id;
    weir_task_id owner; /* of its group: the task above it; 0: the loop */
    const char *name;   /* or NULL: then fn says more */
    const void *fn;
    const char *group_name;      /* or NULL */
    const weir_site *spawn_site; /* where WEIR_SPAWN() stood, or NULL */
    const void *spawn_address;   /* code that called weir_spawn(), or NULL */
    weir_task_state state;
    int64_t age_ns;           /* of the state: how long it has been waiting */
    const char *waits_for;    /* in words; NULL: it does not wait */
    const void *wait_address; /* the code of weir that waits */
    bool cancel_requested;    /* also behind a shield */
    weir_cancel_cause cause;  /* of that */
} weir_task_info;

WEIR_BEGIN_DECLS

/**
 * Leave a result for whoever asks for it: the second value that a task returns.
 *
 * It stays the task's until somebody takes it: weir_task_take(), or gather, map and race, which put
 * it into the outcome. One that nobody takes is destroyed: at once when the task fails, is
 * cancelled or is not kept; else with the record. A result that was set before is destroyed and
 * replaced.
 *
 * @param result   taken when this returns 0; NULL: none
 * @param destroy  releases it; NULL when there is nothing to release
 *
 * Returns     0 or a negative errno
 * Errors      -ENOMEM  no memory; the result is still the caller's
 *             -EPERM   called outside a task
 * Checkpoint  no
 * Thread      a loop's, in a task
 * Source      rule R2
 */
WEIR_API WEIR_MUST_CHECK int weir_task_set_result(void *result, weir_destroy_fn *destroy);

/**
 * Wait until a task has ended. It is not cancelled by that, whatever happens to the caller.
 *
 * Any task of the loop may wait, and several may: they go on in the order they came. A task that is
 * not kept can be waited for while it is alive.
 *
 * @param id           a task of this loop
 * @param out_outcome  how it ended; NULL: it only has to have ended
 *
 * Returns     0 when it has ended, in whatever way, or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled
 *             -EDEADLK    it is the caller
 *             -ESTALE     it has ended and its record has gone
 *             -ENOMEM     no memory
 *             -EPERM      called outside a task, or the task belongs to another loop
 * Checkpoint  always
 * Thread      the task's loop, in a task
 * Source      rule R3
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_task_wait(weir_task_id id,
                                                            weir_outcome *out_outcome);

/**
 * Take the result of a task that has ended well. It can be taken once.
 *
 * @param id          a kept task of this loop
 * @param out_result  the caller's from now on
 *
 * Returns     0 or a negative errno
 * Errors      -EAGAIN  it has not ended yet: weir_task_wait() first
 *             -ENOENT  there is none: it set none, did not end well, or it was taken before
 *             -ESTALE  it has ended and its record has gone
 *             -EPERM   it belongs to another loop, or no loop runs here
 * Checkpoint  no
 * Thread      the task's loop
 * Source      rules R2, R4
 */
WEIR_API WEIR_MUST_CHECK int weir_task_take(weir_task_id id, void **out_result);

/**
 * Let go of a record before its group is closed; a result that is still there is destroyed.
 *
 * A task that is still alive goes on, and is not kept at its end. A failure that stayed with the
 * record (`.handled`) and that nobody was given is reported.
 *
 * @param id  a task of this loop
 *
 * Returns     0 or a negative errno
 * Errors      -ESTALE  it has ended and its record has gone
 *             -EPERM   it belongs to another loop, or no loop runs here
 * Checkpoint  no
 * Thread      the task's loop
 * Source      rules R2, P8
 */
WEIR_API WEIR_MUST_CHECK int weir_task_forget(weir_task_id id);

/**
 * Whether a task was asked to end, also where it cannot see that: behind a shield, or since it is
 * busy.
 *
 * @param id  a task of this loop
 *
 * Returns     1 when it was, 0 when not, or a negative errno
 * Errors      -ESTALE  it has ended and its record has gone
 *             -EPERM   it belongs to another loop, or no loop runs here
 * Checkpoint  no
 * Thread      the task's loop
 * Source      rule H5
 */
WEIR_API WEIR_MUST_CHECK int weir_task_cancel_requested(weir_task_id id);

/**
 * Have a function called when a task has ended: once, after its outcome is fixed, and before
 * anybody who waits for it goes on. Several are called in the order in which they were added.
 *
 * For a task that has ended already it is called in a later turn of the loop, never from within
 * this call. The group of the task is not closed before it has run.
 *
 * @param id            a task of this loop
 * @param fn            called once; does not wait; not NULL
 * @param arg           kept until it was called or removed
 * @param out_callback  for weir_task_callback_remove(); may be NULL
 *
 * Returns     0 or a negative errno
 * Errors      -ENOMEM  no memory; it will not be called
 *             -EINVAL  there is no fn
 *             -ESTALE  the task has ended and its record has gone
 *             -EPERM   it belongs to another loop, or no loop runs here
 * Checkpoint  no
 * Thread      the task's loop
 * Source      rules K1, K2
 */
WEIR_API WEIR_MUST_CHECK int weir_task_on_done(weir_task_id id, weir_task_done_fn *fn, void *arg,
                                               weir_task_callback *out_callback);

/**
 * Take a callback back before it is called.
 *
 * @param callback  given by weir_task_on_done()
 *
 * Returns     0 when it will not be called, or a negative errno
 * Errors      -ESTALE  it was called, is being called, or was removed before
 *             -EPERM   its task belongs to another loop, or no loop runs here
 * Checkpoint  no
 * Thread      the task's loop
 * Source      rule K1
 */
WEIR_API WEIR_MUST_CHECK int weir_task_callback_remove(weir_task_callback callback);

/**
 * How a task is right now.
 *
 * @param id        a task of this loop, alive or kept
 * @param out_info  filled on success
 *
 * Returns     0 or a negative errno
 * Errors      -ESTALE  it has ended and its record has gone
 *             -EPERM   it belongs to another loop, or no loop runs here
 * Checkpoint  no
 * Thread      the task's loop
 * Source      rule T4
 */
WEIR_API WEIR_MUST_CHECK int weir_task_describe(weir_task_id id, weir_task_info *out_info);

/**
 * The outcome of a member that has ended: each is given out once, in the order in which they ended.
 * Waits for one when none is there.
 *
 *     while ((rc = weir_group_next(group, &outcome)) == 0)
 *         ... weir_task_take(outcome.task, &page) ...
 *
 * A record that was given out stays until the next call, or longer when its task was spawned with
 * `.keep`. So a group that is drained this way may run for ever.
 *
 * @param group        open, with keeps_outcomes; opened by the calling task
 * @param out_outcome  written on success
 *
 * Returns     0 or a negative errno
 * Errors      -ENOENT     no member is alive, and all outcomes were given out
 *             -ECANCELED  the caller's scope is cancelled, the group's included; nothing was given
 *                         out
 *             -EINVAL     the group was opened without keeps_outcomes, or there is none
 *             -EDEADLK    called by a member of the group
 *             -EPERM      called by a task that did not open it, or by what it deferred
 *             -ESTALE     the group was closed (as far as can be seen)
 * Checkpoint  always
 * Thread      the task that opened the group, and no other
 * Source      rule G13
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_group_next(weir_group *group,
                                                             weir_outcome *out_outcome);

WEIR_END_DECLS

#endif
