/*
 * weir/future.h - a value, or a failure, that comes once
 *
 * Somebody sets it, or lets it fail; any number of tasks wait for it and all get the same. The
 * value belongs to the future until one takes it.
 */
#ifndef WEIR_FUTURE_H
#define WEIR_FUTURE_H

#include <weir/base.h>
#include <weir/waiting.h>

/** A value that comes once; zeroed: not there yet, and nothing to release. */
typedef struct weir_future {
    struct weir__waiting weir__waiting;
    void *weir__value;
    void (*weir__destroy)(void *value);
    weir_task_id weir__made_by;
    uint32_t weir__home; /* number of the loop that it belongs to */
    int weir__rc;
    unsigned char weir__state;
} weir_future;

WEIR_BEGIN_DECLS

/**
 * Begin without a value; nobody may be waiting.
 *
 * @param future   all of it is written; emptied with weir_future_deinit()
 * @param destroy  releases a value that nobody took; may be NULL. It must not park
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any
 */
WEIR_API void weir_future_init(weir_future *future, void (*destroy)(void *value));

/**
 * Empty it: a value that nobody took is destroyed, and whoever still waits gets -EPIPE.
 *
 * @param future  emptied; NULL does nothing. On another loop it is reported and left as it is
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the future's loop, or any once that has ended
 * Source      rule O8
 */
WEIR_API void weir_future_deinit(weir_future *future);

/**
 * Bring the value; everybody who waits goes on.
 *
 * @param future  of this loop
 * @param value   taken when this returns 0; else still the caller's
 *
 * Returns     0 or a negative errno
 * Errors      -EALREADY  it has a value, or has failed
 *             -EPERM     on another loop (reported)
 * Checkpoint  no
 * Thread      the future's loop, in a task or a callback
 * Source      rule I5
 */
WEIR_API WEIR_MUST_CHECK int weir_future_set(weir_future *future, void *value);

/**
 * Say that there will be no value; everybody who waits gets the reason.
 *
 * @param future  of this loop
 * @param code    a negative errno; -ECANCELED is given on as -ECHILD, since it is not the waiters
 *                that were cancelled
 *
 * Returns     0 or a negative errno
 * Errors      -EALREADY  it has a value, or has failed
 *             -EINVAL    the code is not negative
 *             -EPERM     on another loop (reported)
 * Checkpoint  no
 * Thread      the future's loop, in a task or a callback
 * Source      rules N1, I8
 */
WEIR_API WEIR_MUST_CHECK int weir_future_fail(weir_future *future, int code);

/**
 * Wait for the value; at once when it is there.
 *
 * @param future     kept until this returns
 * @param out_value  lent: the future's until somebody takes it; may be NULL
 *
 * Returns     0 or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled; whoever brings the value goes on
 *             -ECHILD     whoever was to bring it was cancelled
 *             -EPIPE      the future was emptied
 *             -ESTALE     the value has been taken
 *             -EPERM      called outside a task, or on another loop (reported)
 *             others      what weir_future_fail() said
 * Checkpoint  always
 * Thread      the future's loop, in a task
 * Source      rules O1, O4, I10
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_future_wait(weir_future *future,
                                                              void **out_value);

/**
 * Take the value out, without waiting. Nobody gets it afterwards.
 *
 * @param future     of this loop
 * @param out_value  the caller's
 *
 * Returns     0 or a negative errno
 * Errors      -EAGAIN  it is not there yet
 *             -ESTALE  it has been taken
 *             -EPERM   on another loop (reported)
 *             others   what weir_future_fail() said
 * Checkpoint  no
 * Thread      the future's loop, in a task or a callback
 * Source      rule I5
 */
WEIR_API WEIR_MUST_CHECK int weir_future_take(weir_future *future, void **out_value);

/**
 * Whether there is something to hear: a value, or a failure.
 *
 * @param future  of this loop
 *
 * Returns     true when a wait would not wait
 * Checkpoint  no
 * Thread      the future's loop
 */
WEIR_API bool weir_future_is_set(const weir_future *future);

WEIR_END_DECLS

#endif
