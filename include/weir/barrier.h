/*
 * weir/barrier.h - a number of tasks that go on together
 *
 * One that is cancelled while it waits is not there any more: the others go on waiting until there
 * are enough again. (A party that fails cancels its group, and so everybody who waits for it.)
 */
#ifndef WEIR_BARRIER_H
#define WEIR_BARRIER_H

#include <weir/base.h>
#include <weir/waiting.h>

/** Where a number of tasks meet, again and again; weir_barrier_init() says how many. */
typedef struct weir_barrier {
    struct weir__waiting weir__waiting;
    size_t weir__parties;
    size_t weir__there;
    weir_task_id weir__came_last;
    uint32_t weir__home; /* number of the loop that it belongs to */
} weir_barrier;

WEIR_BEGIN_DECLS

/**
 * Begin with a number of parties; nobody may be waiting.
 *
 * @param barrier  all of it is written
 * @param parties  how many go on together; one that is 0 lets nobody wait
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any
 */
WEIR_API void weir_barrier_init(weir_barrier *barrier, size_t parties);

/**
 * Wait until all parties are there; then all go on, and the barrier starts afresh.
 *
 * @param barrier   kept until this returns
 * @param out_last  whether the caller came last, which is true for one of them; may be NULL
 *
 * Returns     0 when all were there, or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled; it does not count
 *             -EINVAL     the barrier has no parties
 *             -EPERM      called outside a task, or on another loop (reported)
 * Checkpoint  always
 * Thread      the barrier's loop, in a task
 * Source      rules O1, O4, I10, X1
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_barrier_wait(weir_barrier *barrier,
                                                               bool *out_last);

/**
 * How many are waiting now.
 *
 * @param barrier  of this loop
 *
 * Returns     a count
 * Checkpoint  no
 * Thread      the barrier's loop
 */
WEIR_API size_t weir_barrier_count(const weir_barrier *barrier);

WEIR_END_DECLS

#endif
