/*
 * weir/sync.h - how tasks of one loop wait for each other, and one event that crosses threads
 *
 * Tasks of a loop never run at the same time, so nothing here is about data races: it is about
 * waiting. Everything belongs to one loop, except weir_shared_event, which says so in its name.
 * Waiters are served first in, first out, and nobody overtakes: a newcomer waits behind them.
 *
 * What was granted stays granted: a waiter that is cancelled after its turn has come returns 0 and
 * owns what it waited for; the cancellation shows at its next checkpoint.
 *
 * An event, a semaphore and a mutex are structs to place anywhere; all bits zero is a valid start
 * (not set; no permits; not locked). They own nothing, so there is nothing to release: they must
 * only stay where they are while a task waits on them.
 */
#ifndef WEIR_SYNC_H
#define WEIR_SYNC_H

#include <weir/base.h>
#include <weir/task.h>

struct weir__list;

/* Those who wait, in order. Belongs to the library. */
struct weir__waiting {
    struct weir__list *weir__next;
    struct weir__list *weir__prev;
};

/** Something that has happened or has not; zeroed: it has not. */
typedef struct weir_event {
    struct weir__waiting weir__waiting;
    bool weir__set;
} weir_event;

/** A number of permits, handed out in order; zeroed: none. */
typedef struct weir_semaphore {
    struct weir__waiting weir__waiting;
    size_t weir__free;
} weir_semaphore;

/** A lock that one task holds; zeroed: nobody does. */
typedef struct weir_mutex {
    struct weir__waiting weir__waiting;
    weir_task_id weir__owner;
    const void *weir__locked_at;
} weir_mutex;

/** A bounded queue of items of one size, copied in and out. */
typedef struct weir_channel weir_channel;

/** A counter that any thread may raise, and tasks of any loop may wait for. */
typedef struct weir_shared_event weir_shared_event;

/** What a channel carries. Zero is the default of each field. */
typedef struct weir_channel_options {
    size_t item_bytes;        /* size of an item; 0: that of a pointer */
    size_t capacity;          /* items that may wait in it; 0: 64. Never without limit */
    bool rendezvous;          /* holds nothing: an item passes when both sides are there */
    void (*drop)(void *item); /* releases what an item owns that nobody will receive; may be NULL */
} weir_channel_options;

WEIR_BEGIN_DECLS

/* --- event ----------------------------------------------------------------------------------- */

/**
 * Say that it has happened: everybody who waits goes on. Doing it twice changes nothing.
 *
 * @param event  of this loop
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the event's loop, in a task or a callback
 */
WEIR_API void weir_event_set(weir_event *event);

/**
 * Take it back: whoever waits from now on waits for the next time. Who was woken stays woken.
 *
 * @param event  of this loop
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the event's loop, in a task or a callback
 */
WEIR_API void weir_event_clear(weir_event *event);

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
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      the event's loop, in a task
 * Source      rules O1, O4
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_event_wait(weir_event *event);

/* --- semaphore ------------------------------------------------------------------------------- */

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
 *             -EPERM      called outside a task
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
 * Returns     nothing
 * Checkpoint  no
 * Thread      the semaphore's loop, in a task or a callback
 * Source      rule O8
 */
WEIR_API void weir_semaphore_release(weir_semaphore *semaphore, size_t permits);

/**
 * How many permits are free now.
 *
 * @param semaphore  of this loop
 *
 * Returns     a count
 * Checkpoint  no
 * Thread      the semaphore's loop
 */
WEIR_API size_t weir_semaphore_free(const weir_semaphore *semaphore);

/* --- mutex ----------------------------------------------------------------------------------- */

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
 *             -EPERM       called outside a task
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
 *             -EPERM       called outside a task
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

/* --- channel --------------------------------------------------------------------------------- */

/**
 * Make a channel.
 *
 * @param options      borrowed; NULL for the defaults: 64 pointers
 * @param out_channel  released with weir_channel_free()
 *
 * Returns     0 or a negative errno
 * Errors      -ENOMEM  no memory
 *             -EINVAL  a capacity without limit
 * Checkpoint  no
 * Thread      any
 */
WEIR_API WEIR_MUST_CHECK int weir_channel_new(const weir_channel_options *options,
                                              weir_channel **out_channel);

/**
 * Close it, drop what nobody has received, and release it. Whoever waits on it gets -EPIPE.
 *
 * @param channel  taken; NULL does nothing
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the channel's loop
 * Source      rule O8
 */
WEIR_API void weir_channel_free(weir_channel *channel);

/**
 * Put an item in, after everybody who came earlier; waits while the channel is full.
 *
 * @param channel  kept until this returns
 * @param item     item_bytes of it are copied; what it owns is the channel's only when this returns
 *                 0
 *
 * Returns     0 when it is in, or with a receiver, or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled; the item is not in
 *             -EPIPE      the channel is closed; the item is not in
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      the channel's loop, in a task
 * Source      rules O1, O3, O4, I10
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_channel_send(weir_channel *channel,
                                                               const void *item);

/**
 * Put an item in without waiting.
 *
 * @param channel  of this loop
 * @param item     as weir_channel_send()
 *
 * Returns     0 when it is in, or with a receiver, or a negative errno
 * Errors      -EAGAIN  full, or somebody came earlier
 *             -EPIPE   the channel is closed
 * Checkpoint  no
 * Thread      the channel's loop, in a task or a callback
 */
WEIR_API WEIR_MUST_CHECK int weir_channel_try_send(weir_channel *channel, const void *item);

/**
 * Take the oldest item out; waits while there is none.
 *
 * @param channel   kept until this returns
 * @param out_item  item_bytes of room
 *
 * Returns     0 when an item is the caller's, or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled; no item was taken
 *             -EPIPE      the channel is closed, and empty
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      the channel's loop, in a task
 * Source      rules O1, O4, I10
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_channel_recv(weir_channel *channel,
                                                               void *out_item);

/**
 * Take the oldest item out without waiting.
 *
 * @param channel   of this loop
 * @param out_item  item_bytes of room
 *
 * Returns     0 when an item is the caller's, or a negative errno
 * Errors      -EAGAIN  there is none
 *             -EPIPE   the channel is closed, and empty
 * Checkpoint  no
 * Thread      the channel's loop, in a task or a callback
 */
WEIR_API WEIR_MUST_CHECK int weir_channel_try_recv(weir_channel *channel, void *out_item);

/**
 * Nothing more goes in. What is in can still be received; then receivers get -EPIPE. Senders that
 * wait get it now and keep their items. Doing it twice changes nothing.
 *
 * @param channel  of this loop
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the channel's loop, in a task or a callback
 * Source      rule O8
 */
WEIR_API void weir_channel_close(weir_channel *channel);

/**
 * How many items are in it now; those of senders that wait are not.
 *
 * @param channel  of this loop
 *
 * Returns     a count
 * Checkpoint  no
 * Thread      the channel's loop
 */
WEIR_API size_t weir_channel_count(const weir_channel *channel);

/* --- shared event ---------------------------------------------------------------------------- */

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
