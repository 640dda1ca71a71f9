/*
 * weir/shared_event.h - a counter that any thread may raise, and tasks of any loop may wait for
 */
#ifndef WEIR_SHARED_EVENT_H
#define WEIR_SHARED_EVENT_H

#include <weir/base.h>

/** A counter that any thread may raise, and tasks of any loop may wait for. */
typedef struct weir_shared_event weir_shared_event;

WEIR_BEGIN_DECLS

/**
 * Make a shared event; its count is 0.
 *
 * @param out_event  one reference, given back with weir_shared_event_release()
 *
 * Returns     0 or a negative errno
 * Errors      -ENOMEM  no memory
 * Checkpoint  no
 * Thread      any
 */
WEIR_API WEIR_MUST_CHECK int weir_shared_event_new(weir_shared_event **out_event);

/**
 * One more reference: each thread that posts or waits needs one to stand on.
 *
 * @param event  referenced by the caller
 *
 * Returns     the same event
 * Checkpoint  no
 * Thread      any
 */
WEIR_API weir_shared_event *weir_shared_event_retain(weir_shared_event *event);

/**
 * Give a reference back.
 *
 * @param event  taken; NULL does nothing. No task may be waiting through this reference
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any
 */
WEIR_API void weir_shared_event_release(weir_shared_event *event);

/**
 * Raise the count by one; everybody who waits, on whatever loop, goes on. What the caller wrote
 * before is seen by whoever sees the count.
 *
 * @param event  referenced by the caller
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any; not from a signal handler
 * Source      rule X2
 */
WEIR_API void weir_shared_event_post(weir_shared_event *event);

/**
 * The count now: how often it was posted.
 *
 * @param event  referenced by the caller
 *
 * Returns     a count
 * Checkpoint  no
 * Thread      any
 */
WEIR_API uint64_t weir_shared_event_count(const weir_shared_event *event);

/**
 * Wait until the count is not `seen`; at once when it is not. Nothing is missed between two calls:
 * pass what the last one gave.
 *
 *     uint64_t seen = 0;
 *     while ((rc = weir_shared_event_wait(event, seen, &seen)) == 0)
 *         rc = look_at_what_is_new();
 *
 * @param event      referenced by the caller until this returns
 * @param seen       the count that the caller knows of
 * @param out_count  the count now; may be NULL
 *
 * Returns     0 or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      any loop's, in a task
 * Source      rules O1, O4, X2
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_shared_event_wait(weir_shared_event *event,
                                                                    uint64_t seen,
                                                                    uint64_t *out_count);

WEIR_END_DECLS

#endif
