/*
 * lock.h - what locks have in common: who waits for one, and what becomes of it with its holder
 *
 * A holder that ends without unlocking is told apart by its task id: its waiters are looked up when
 * it ends, and a newcomer sees that the id is stale. The lock itself is not remembered anywhere,
 * since it may lie in memory that has gone with its holder; those who wait for it have not.
 *
 * Runs on  the loop's own thread.
 * Holds    1. locks_held of a task counts what it holds, from the moment of the hand-over.
 */
#ifndef WEIR__SYNC_LOCK_H
#define WEIR__SYNC_LOCK_H

#include "sync/waiting.h"

/* One that waits for a lock. */
struct weir__lock_waiter {
    struct weir__list link; /* in the lock */
    struct weir__list here; /* among all who wait for a lock of this loop; lock.c */
    weir_task *task;
    void *lock;
    const void *address; /* the caller's code */
    bool writes;
    bool signalled; /* condition.c: it waits for its mutex only */
    int outcome;    /* condition.c: what its wait comes to, besides the mutex */
    /* A task has ended: when it held this lock, that goes on to the next in line, perhaps to this
     * waiter. Returns whether it did; *out_address is where it had been locked. */
    bool (*holder_ended)(void *lock, weir_task_id holder, const void **out_address);
};

/* At the end of a lock's line. */
void weir__lock_enter_line(struct weir__list *line, struct weir__lock_waiter *waiter);
void weir__lock_leave_line(struct weir__lock_waiter *waiter);
/* The abort of a plain lock. */
void weir__lock_abort(weir_task *task, void *object);

/* The lock is the task's, or is not any more. `address` is where it was locked. */
void weir__lock_held(weir_task *task, const void *address);
void weir__lock_released(weir_task *task, const void *address);

/* Unlocking what one does not hold: -EPERM, and told. */
int weir__lock_not_held(const char *what, const void *address);

/* mutex.c, for condition.c */
void weir__mutex_unlock(weir_mutex *mutex);
/* Gives it to the waiter and wakes it, or lets it stand in line. */
void weir__mutex_lock_for(weir_mutex *mutex, struct weir__lock_waiter *waiter);
void weir__mutex_tell(const void *object, struct weir__wait_facts *out);

#endif
