/*
 * weir/channel.h - a bounded queue of items between tasks of one loop
 */
#ifndef WEIR_CHANNEL_H
#define WEIR_CHANNEL_H

#include <weir/base.h>

/** A bounded queue of items of one size, copied in and out. */
typedef struct weir_channel weir_channel;

/** What a channel carries. Zero is the default of each field. */
typedef struct weir_channel_options {
    size_t item_bytes;        /* size of an item; 0: that of a pointer */
    size_t capacity;          /* items that may wait in it; 0: 64. Never without limit */
    bool rendezvous;          /* holds nothing: an item passes when both sides are there */
    void (*drop)(void *item); /* releases what an item owns that nobody will receive; may be NULL */
} weir_channel_options;

WEIR_BEGIN_DECLS

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
 * @param channel  taken; NULL does nothing. On another loop it is reported and left as it is
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the channel's loop, or any once that has ended
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
 *             -EPERM      called outside a task, or on another loop (reported)
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
 *             -EPERM   on another loop (reported)
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
 *             -EPERM      called outside a task, or on another loop (reported)
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
 *             -EPERM   on another loop (reported)
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
 * Returns     0, or -EPERM, reported, on another loop than the channel's: then nothing changes
 * Checkpoint  no
 * Thread      the channel's loop, in a task or a callback
 * Source      rules O8, X1
 */
WEIR_API int weir_channel_close(weir_channel *channel);

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

WEIR_END_DECLS

#endif
