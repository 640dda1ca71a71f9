/*
 * weir/condition.h - waiting, with a mutex given up meanwhile, until something may have changed
 *
 *     rc = weir_mutex_lock(&stock->mutex);
 *     while (rc == 0 && stock->count == 0)
 *         rc = weir_condition_wait(&stock->changed, &stock->mutex);
 *
 * Nobody is woken without a signal; but between the signal and the return others may have held the
 * mutex, so what was waited for is looked at again.
 */
#ifndef WEIR_CONDITION_H
#define WEIR_CONDITION_H

#include <weir/base.h>
#include <weir/mutex.h>
#include <weir/waiting.h>

/** Where tasks wait for a change; zeroed: nobody does. */
typedef struct weir_condition {
    struct weir__waiting weir__waiting;
    weir_task_id weir__signalled_by; /* last */
    uint32_t weir__home;             /* number of the loop that it belongs to */
} weir_condition;

WEIR_BEGIN_DECLS

/**
 * Unlock the mutex and wait for a signal, both at once; the mutex is locked again before this
 * returns, whatever it returns.
 *
 * A signalled waiter goes to the end of the mutex's line. That part of the wait cannot be
 * cancelled: a caller that is cancelled waits for its turn, and holds the mutex when it hears of
 * it.
 *
 * @param condition  kept until this returns
 * @param mutex      held by the calling task; kept until it is unlocked
 *
 * Returns     0 when it was signalled, or a negative errno; the caller holds the mutex
 * Errors      -ECANCELED   the caller's scope is cancelled; no signal was used up
 *             -EOWNERDEAD  a task that held the mutex meanwhile ended with it; what it guards may
 *                          be half changed
 *             -EPERM       the caller does not hold the mutex, is outside a task, or on another
 *                          loop (reported); nothing was locked or unlocked
 * Checkpoint  always
 * Thread      the condition's loop, in a task
 * Source      rules O1, O4, O8, I10
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_condition_wait(weir_condition *condition,
                                                                 weir_mutex *mutex);

/**
 * Let the one go on that has waited longest; without one nothing happens.
 *
 * @param condition  of this loop; its mutex need not be held
 *
 * Returns     0, or -EPERM, reported, on another loop than the condition's: then nothing changes
 * Checkpoint  no
 * Thread      the condition's loop, in a task or a callback
 * Source      rules O8, X1
 */
WEIR_API int weir_condition_signal(weir_condition *condition);

/**
 * Let all go on that wait, in order, one after another as the mutex comes to them.
 *
 * @param condition  of this loop; its mutex need not be held
 *
 * Returns     0, or -EPERM, reported, on another loop than the condition's: then nothing changes
 * Checkpoint  no
 * Thread      the condition's loop, in a task or a callback
 * Source      rules O8, X1
 */
WEIR_API int weir_condition_broadcast(weir_condition *condition);

WEIR_END_DECLS

#endif
