/*
 * weir/rwlock.h - a lock that many readers share, or one writer has alone
 *
 * Readers and writers stand in one line: a reader that comes after a writer waits behind it, so no
 * stream of readers keeps a writer out, and the other way round. Readers that stand next to each
 * other go in together.
 *
 * A lock knows eight of its readers by name; more can hold it, and are only counted. What a lock
 * knows of its holders (who is waited for, that one has ended, that somebody locks twice or unlocks
 * what it does not hold) it knows of those eight and of the writer.
 */
#ifndef WEIR_RWLOCK_H
#define WEIR_RWLOCK_H

#include <weir/base.h>
#include <weir/waiting.h>

enum { WEIR__READERS_KNOWN = 8 };

/* A reader that holds the lock. */
struct weir__reader {
    weir_task_id weir__task;
    const void *weir__locked_at;
    int64_t weir__locked_at_ns;
};

/** A lock that many read or one writes; zeroed: nobody does. */
typedef struct weir_rwlock {
    struct weir__waiting weir__waiting;
    struct weir__reader weir__writer;
    struct weir__reader weir__readers[WEIR__READERS_KNOWN];
    size_t weir__reader_count;
    uint32_t weir__home; /* number of the loop that it belongs to */
    bool weir__in_doubt; /* a writer ended with it, and none has looked after it since */
} weir_rwlock;

WEIR_BEGIN_DECLS

/**
 * Lock it for reading: others may read, nobody writes, until its unlock.
 *
 * @param lock  kept until it is unlocked
 *
 * Returns     0 when the caller reads, or a negative errno
 * Errors      -ECANCELED   the caller's scope is cancelled; it is not held
 *             -EDEADLK     the caller writes already, or is known to read
 *             -EOWNERDEAD  a task that wrote ended without unlocking. The caller reads now and must
 *                          unlock; what the lock guards may be half changed
 *             -EPERM       called outside a task, or on another loop (reported)
 * Checkpoint  always
 * Thread      the lock's loop, in a task
 * Source      rules O1, O4, I10, X1
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_rwlock_read_lock(weir_rwlock *lock);

/**
 * Lock it for writing: nobody else reads or writes until its unlock.
 *
 * @param lock  kept until it is unlocked
 *
 * Returns     0 when the caller writes, or a negative errno
 * Errors      -ECANCELED   the caller's scope is cancelled; it is not held
 *             -EDEADLK     the caller writes already, or is known to read
 *             -EOWNERDEAD  a task that wrote ended without unlocking. The caller writes now, should
 *                          repair what the lock guards, and must unlock: from then on it is whole
 *             -EPERM       called outside a task, or on another loop (reported)
 * Checkpoint  always
 * Thread      the lock's loop, in a task
 * Source      rules O1, O4, I10, X1
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_rwlock_write_lock(weir_rwlock *lock);

/**
 * Lock it for reading without waiting.
 *
 * @param lock  kept until it is unlocked
 *
 * Returns     0 when the caller reads, or a negative errno
 * Errors      -EAGAIN      somebody writes, or came earlier
 *             -EDEADLK     as weir_rwlock_read_lock()
 *             -EOWNERDEAD  as weir_rwlock_read_lock(): the caller reads
 *             -EPERM       called outside a task, or on another loop (reported)
 * Checkpoint  no
 * Thread      the lock's loop, in a task
 */
WEIR_API WEIR_MUST_CHECK int weir_rwlock_try_read_lock(weir_rwlock *lock);

/**
 * Lock it for writing without waiting.
 *
 * @param lock  kept until it is unlocked
 *
 * Returns     0 when the caller writes, or a negative errno
 * Errors      -EAGAIN      somebody reads or writes, or came earlier
 *             -EDEADLK     as weir_rwlock_write_lock()
 *             -EOWNERDEAD  as weir_rwlock_write_lock(): the caller writes
 *             -EPERM       called outside a task, or on another loop (reported)
 * Checkpoint  no
 * Thread      the lock's loop, in a task
 */
WEIR_API WEIR_MUST_CHECK int weir_rwlock_try_write_lock(weir_rwlock *lock);

/**
 * Unlock what the calling task holds, for reading or for writing. Works in a cancelled scope like
 * anywhere.
 *
 * @param lock  held by the calling task
 *
 * Returns     0, or -EPERM, reported, when the calling task does not hold it: then nothing changes
 * Checkpoint  no
 * Thread      the lock's loop, in a task
 * Source      rules O8, X1
 */
WEIR_API int weir_rwlock_unlock(weir_rwlock *lock);

WEIR_END_DECLS

#endif
