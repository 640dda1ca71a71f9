/*
 * weir/mutex.h - a lock that one task holds
 */
#ifndef WEIR_MUTEX_H
#define WEIR_MUTEX_H

#include <weir/base.h>
#include <weir/waiting.h>

/** A lock that one task holds; zeroed: nobody does. */
typedef struct weir_mutex {
    struct weir__waiting weir__waiting;
    weir_task_id weir__owner;
    const void *weir__locked_at;
    int64_t weir__locked_at_ns;
    uint32_t weir__home; /* number of the loop that it belongs to */
} weir_mutex;

WEIR_BEGIN_DECLS

/**
 * Lock: from here to its unlock, no other task gets past this call.
 *
 * Between checkpoints no other task runs anyway; a mutex is for what must not change while its
 * holder waits.
 *
 * @param mutex  kept until it is unlocked
 *
 * Returns     0 when the caller holds it, or a negative errno
 * Errors      -ECANCELED   the caller's scope is cancelled; it is not held
 *             -EDEADLK     the caller holds it already
 *             -EOWNERDEAD  the task that held it ended without unlocking. The caller holds it now
 *                          and must unlock it; what it guards may be half changed
 *             -EPERM       called outside a task, or on another loop (reported)
 * Checkpoint  always
 * Thread      the mutex's loop, in a task
 * Source      rules O1, O4, I10
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_mutex_lock(weir_mutex *mutex);

/**
 * Lock without waiting.
 *
 * @param mutex  kept until it is unlocked
 *
 * Returns     0 when the caller holds it, or a negative errno
 * Errors      -EAGAIN      another task holds it
 *             -EDEADLK     the caller holds it already
 *             -EOWNERDEAD  as weir_mutex_lock(): the caller holds it
 *             -EPERM       called outside a task, or on another loop (reported)
 * Checkpoint  no
 * Thread      the mutex's loop, in a task
 */
WEIR_API WEIR_MUST_CHECK int weir_mutex_try_lock(weir_mutex *mutex);

/**
 * Unlock: it goes to whoever has waited longest. Works in a cancelled scope like anywhere.
 *
 * @param mutex  held by the calling task
 *
 * Returns     0, or -EPERM, reported, when the calling task does not hold it: then nothing changes
 * Checkpoint  no
 * Thread      the mutex's loop, in a task
 * Source      rule O8
 */
WEIR_API int weir_mutex_unlock(weir_mutex *mutex);

/**
 * Whether the calling task holds it.
 *
 * @param mutex  of this loop
 *
 * Returns     true when it does
 * Checkpoint  no
 * Thread      the mutex's loop
 */
WEIR_API bool weir_mutex_is_mine(const weir_mutex *mutex);

WEIR_END_DECLS

#endif
