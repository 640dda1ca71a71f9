/*
 * weir/semaphore.h - a number of permits, handed out in order
 */
#ifndef WEIR_SEMAPHORE_H
#define WEIR_SEMAPHORE_H

#include <weir/base.h>
#include <weir/waiting.h>

/** A number of permits, handed out in order; zeroed: none. */
typedef struct weir_semaphore {
    struct weir__waiting weir__waiting;
    size_t weir__free;
    weir_task_id weir__taken_by; /* last */
    uint32_t weir__home;         /* number of the loop that it belongs to */
} weir_semaphore;

WEIR_BEGIN_DECLS

/**
 * Begin with a number of permits; nobody may be waiting.
 *
 * @param semaphore  all of it is written
 * @param permits    free from the start
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any
 */
WEIR_API void weir_semaphore_init(weir_semaphore *semaphore, size_t permits);

/**
 * Take permits, all of them at once, after everybody who came earlier.
 *
 * @param semaphore  kept until this returns
 * @param permits    how many; nothing is held before all are there
 *
 * Returns     0 when they are the caller's, or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled; nothing is held
 *             -EPERM      called outside a task, or on another loop (reported)
 * Checkpoint  always
 * Thread      the semaphore's loop, in a task
 * Source      rules O1, O4, I10
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_semaphore_acquire(weir_semaphore *semaphore,
                                                                    size_t permits);

/**
 * The same without waiting.
 *
 * @param semaphore  of this loop
 * @param permits    how many
 *
 * Returns     0 when they are the caller's, or a negative errno
 * Errors      -EAGAIN  there are not enough, or somebody came earlier
 *             -EPERM   on another loop (reported)
 * Checkpoint  no
 * Thread      the semaphore's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_semaphore_try_acquire(weir_semaphore *semaphore, size_t permits);

/**
 * Give permits back, or add some; whoever has waited longest and has enough now goes on.
 *
 * @param semaphore  of this loop
 * @param permits    how many; the number of free ones ends at SIZE_MAX
 *
 * Returns     0, or -EPERM, reported, on another loop than the semaphore's: then nothing changes
 * Checkpoint  no
 * Thread      the semaphore's loop, in a task or a callback
 * Source      rules O8, X1
 */
WEIR_API int weir_semaphore_release(weir_semaphore *semaphore, size_t permits);

/**
 * How many permits are free now.
 *
 * @param semaphore  of this loop
 *
 * Returns     a count
 * Checkpoint  no
 * Thread      the semaphore's loop
 */
WEIR_API size_t weir_semaphore_available(const weir_semaphore *semaphore);

WEIR_END_DECLS

#endif
