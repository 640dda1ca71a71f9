/*
 * weir/shared_channel.h - a bounded queue of items between loops, and threads without one
 *
 * As weir_channel, but any thread may send and receive. A task that has to wait is parked and its
 * loop goes on; a plain thread uses the calls that do not wait. A full channel holds its senders
 * back on whatever loop they are.
 *
 * Items are handed out in the order in which they went in, and waiters are served in the order in
 * which they came, all loops together.
 */
#ifndef WEIR_SHARED_CHANNEL_H
#define WEIR_SHARED_CHANNEL_H

#include <weir/base.h>
#include <weir/channel.h>

/** A bounded queue of items of one size that any thread may use. */
typedef struct weir_shared_channel weir_shared_channel;

WEIR_BEGIN_DECLS

/**
 * Make a shared channel.
 *
 * @param options      borrowed, as for weir_channel_new(); NULL for 64 pointers. `drop` is called
 *                     on the thread that gives back the last reference
 * @param out_channel  one reference, given back with weir_shared_channel_release()
 *
 * Returns     0 or a negative errno
 * Errors      -ENOMEM  no memory
 *             -EINVAL  a capacity without limit
 * Checkpoint  no
 * Thread      any
 */
WEIR_API WEIR_MUST_CHECK int weir_shared_channel_new(const weir_channel_options *options,
                                                     weir_shared_channel **out_channel);

/**
 * One more reference: each loop or thread that uses the channel needs one to stand on.
 *
 * @param channel  referenced by the caller
 *
 * Returns     the same channel
 * Checkpoint  no
 * Thread      any
 */
WEIR_API weir_shared_channel *weir_shared_channel_retain(weir_shared_channel *channel);

/**
 * Give a reference back. With the last one goes what nobody has received.
 *
 * @param channel  taken; NULL does nothing. No task may be waiting through this reference
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any
 * Source      rule O8
 */
WEIR_API void weir_shared_channel_release(weir_shared_channel *channel);

/**
 * Put an item in, after everybody who came earlier; waits while the channel is full.
 *
 * @param channel  referenced by the caller until this returns
 * @param item     item_bytes of it are copied; what it owns is the channel's only when this returns
 *                 0
 *
 * Returns     0 when it is in, or with a receiver, or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled; the item is not in
 *             -EPIPE      the channel is closed; the item is not in
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      any loop's, in a task
 * Source      rules O1, O3, O4, I10, X2
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_shared_channel_send(weir_shared_channel *channel,
                                                                      const void *item);

/**
 * Put an item in without waiting.
 *
 * @param channel  referenced by the caller
 * @param item     as weir_shared_channel_send()
 *
 * Returns     0 when it is in, or with a receiver, or a negative errno
 * Errors      -EAGAIN  full, or somebody came earlier
 *             -EPIPE   the channel is closed
 * Checkpoint  no
 * Thread      any; not from a signal handler
 * Source      rule X2
 */
WEIR_API WEIR_MUST_CHECK int weir_shared_channel_try_send(weir_shared_channel *channel,
                                                          const void *item);

/**
 * Take the oldest item out; waits while there is none.
 *
 * @param channel   referenced by the caller until this returns
 * @param out_item  item_bytes of room
 *
 * Returns     0 when an item is the caller's, or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled; no item was taken
 *             -EPIPE      the channel is closed, and empty
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      any loop's, in a task
 * Source      rules O1, O4, I10, X2
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_shared_channel_recv(weir_shared_channel *channel,
                                                                      void *out_item);

/**
 * Take the oldest item out without waiting.
 *
 * @param channel   referenced by the caller
 * @param out_item  item_bytes of room
 *
 * Returns     0 when an item is the caller's, or a negative errno
 * Errors      -EAGAIN  there is none
 *             -EPIPE   the channel is closed, and empty
 * Checkpoint  no
 * Thread      any; not from a signal handler
 * Source      rule X2
 */
WEIR_API WEIR_MUST_CHECK int weir_shared_channel_try_recv(weir_shared_channel *channel,
                                                          void *out_item);

/**
 * Nothing more goes in. What is in can still be received; then receivers get -EPIPE. Senders that
 * wait, on whatever loop, get it now and keep their items. Doing it twice changes nothing.
 *
 * @param channel  referenced by the caller
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any; not from a signal handler
 * Source      rules O8, X2
 */
WEIR_API void weir_shared_channel_close(weir_shared_channel *channel);

/**
 * How many items are in it now; those of senders that wait are not.
 *
 * @param channel  referenced by the caller
 *
 * Returns     a count, which may be old when it is read
 * Checkpoint  no
 * Thread      any
 */
WEIR_API size_t weir_shared_channel_count(weir_shared_channel *channel);

WEIR_END_DECLS

#endif
