/*
 * channel.h - a bounded queue of items between tasks, as channel.c and select.c know it
 *
 * Items lie in a ring. A receiver that waits lends the address its item is to go to, a sender that
 * waits lends the address of its item: an item passes in one copy, at the moment of the match, and
 * both sides are woken with it done. So neither can be cancelled half-way.
 *
 * Runs on  the loop that the channel belongs to.
 * Holds    1. Receivers wait only while it is empty and no sender waits, but for a select that does
 *             both: nobody passes an item to itself.
 *          2. Senders wait only while it is full (a rendezvous always is).
 *          3. Nobody waits on a closed channel, and nobody touches it after being woken: it may be
 *             freed by then.
 */
#ifndef WEIR__SYNC_CHANNEL_H
#define WEIR__SYNC_CHANNEL_H

#include "sync/ring.h"
#include "sync/waiting.h"

struct weir_channel {
    struct weir__list senders; /* struct weir__arm.link */
    struct weir__list receivers;
    void (*drop)(void *item);
    weir_task_id sent_by, received_by; /* last */
    uint32_t home;                     /* number of the loop that it belongs to */
    bool closed;
    struct weir__ring ring;
};

/* Whether it would not give -EAGAIN: an item would move, or the channel is closed. */
bool weir__channel_can_send(const weir_channel *channel);
bool weir__channel_can_recv(const weir_channel *channel);
int weir__channel_send_now(weir_channel *channel, const void *item);
int weir__channel_recv_now(weir_channel *channel, void *out_item);

#endif
