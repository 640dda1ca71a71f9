/*
 * weir/event.h - something that has happened or has not
 */
#ifndef WEIR_EVENT_H
#define WEIR_EVENT_H

#include <weir/base.h>
#include <weir/waiting.h>

/** Something that has happened or has not; zeroed: it has not. */
typedef struct weir_event {
    struct weir__waiting weir__waiting;
    weir_task_id weir__set_by; /* last */
    uint32_t weir__home;       /* number of the loop that it belongs to */
    bool weir__set;
} weir_event;

WEIR_BEGIN_DECLS

/**
 * Say that it has happened: everybody who waits goes on. Doing it twice changes nothing.
 *
 * @param event  of this loop
 *
 * Returns     0, or -EPERM, reported, on another loop than the event's: then nothing changes
 * Checkpoint  no
 * Thread      the event's loop, in a task or a callback
 * Source      rules O8, X1
 */
WEIR_API int weir_event_set(weir_event *event);

/**
 * Take it back: whoever waits from now on waits for the next time. Who was woken stays woken.
 *
 * @param event  of this loop
 *
 * Returns     0, or -EPERM, reported, on another loop than the event's: then nothing changes
 * Checkpoint  no
 * Thread      the event's loop, in a task or a callback
 * Source      rule X1
 */
WEIR_API int weir_event_clear(weir_event *event);

/**
 * Whether it has happened.
 *
 * @param event  of this loop
 *
 * Returns     true when it is set
 * Checkpoint  no
 * Thread      the event's loop
 */
WEIR_API bool weir_event_is_set(const weir_event *event);

/**
 * Wait until it has happened; at once when it has.
 *
 * @param event  kept until this returns
 *
 * Returns     0 or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled
 *             -EPERM      called outside a task, or on another loop (reported)
 * Checkpoint  always
 * Thread      the event's loop, in a task
 * Source      rules O1, O4
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_event_wait(weir_event *event);

WEIR_END_DECLS

#endif
