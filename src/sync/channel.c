/*
 * channel.c - see channel.h
 */
#include "sync/channel.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

static const char stranger[] = "a channel of another loop was used; nothing was changed";

int weir_channel_new(const weir_channel_options *options, weir_channel **out_channel)
{
    void *object;
    int rc = weir__ring_alloc(options, sizeof(weir_channel), offsetof(weir_channel, ring), &object);
    if (rc < 0)
        return rc;
    weir_channel *channel = object;
    channel->drop = options == NULL ? NULL : options->drop;
    weir__list_init(&channel->senders);
    weir__list_init(&channel->receivers);
    *out_channel = channel;
    return 0;
}

bool weir__channel_can_send(const weir_channel *channel)
{
    return channel->closed || !weir__list_empty(&channel->receivers) ||
           !weir__ring_full(&channel->ring);
}

bool weir__channel_can_recv(const weir_channel *channel)
{
    return channel->closed || channel->ring.count > 0 || !weir__list_empty(&channel->senders);
}

static weir_task_id id_of(const weir_task *task)
{
    return weir__core_task_id(weir__core_loop(), task);
}

int weir__channel_send_now(weir_channel *channel, const void *item)
{
    if (channel->closed)
        return -EPIPE;
    struct weir__arm *receiver = weir__sync_take_first(&channel->receivers);
    if (receiver != NULL) {
        memcpy(receiver->item, item, channel->ring.item_bytes);
        channel->received_by = id_of(receiver->task);
        weir__sync_grant(receiver, 0);
    } else if (weir__ring_full(&channel->ring)) {
        return -EAGAIN;
    } else {
        weir__ring_push(&channel->ring, item);
    }
    channel->sent_by = weir_task_self();
    return 0;
}

int weir__channel_recv_now(weir_channel *channel, void *out_item)
{
    struct weir__arm *sender = weir__sync_take_first(&channel->senders);
    if (channel->ring.count > 0) {
        weir__ring_pop(&channel->ring, out_item);
        if (sender != NULL)
            weir__ring_push(&channel->ring, sender->item);
    } else if (sender != NULL) {
        memcpy(out_item, sender->item, channel->ring.item_bytes);
    } else {
        return channel->closed ? -EPIPE : -EAGAIN;
    }
    channel->received_by = weir_task_self();
    if (sender != NULL) {
        channel->sent_by = id_of(sender->task);
        weir__sync_grant(sender, 0);
    }
    return 0;
}

static void tell(const void *object, struct weir__wait_facts *out)
{
    const struct weir__arm *arm = object;
    const weir_channel *channel = arm->object;
    bool sends = !weir__list_empty(&channel->senders);
    snprintf(out->detail, sizeof out->detail, "to %s; %zu of %zu items are in it",
             sends ? "send" : "receive", channel->ring.count, channel->ring.capacity);
    out->relation = sends ? "last received from by" : "last sent to by";
    out->task = sends ? channel->received_by : channel->sent_by;
}

static int wait_among(weir_channel *channel, struct weir__list *sides, void *item)
{
    weir__core_tell_waits(WEIR_WAIT_CHANNEL, tell);
    return weir__sync_wait(sides, WEIR_WAIT_CHANNEL, channel, item);
}

int weir_channel_try_send(weir_channel *channel, const void *item)
{
    if (!weir__sync_at_home(&channel->home))
        return weir__sync_stranger(stranger, __builtin_return_address(0));
    return weir__channel_send_now(channel, item);
}

int weir_channel_send(weir_channel *channel, const void *item)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    if (!weir__sync_at_home(&channel->home))
        return weir__sync_stranger(stranger, __builtin_return_address(0));
    rc = weir__channel_send_now(channel, item);
    if (rc == -EAGAIN) // the item is only read
        return wait_among(channel, &channel->senders, (void *)(uintptr_t)item);
    weir__core_completed_at_once();
    return rc;
}

int weir_channel_try_recv(weir_channel *channel, void *out_item)
{
    if (!weir__sync_at_home(&channel->home))
        return weir__sync_stranger(stranger, __builtin_return_address(0));
    return weir__channel_recv_now(channel, out_item);
}

int weir_channel_recv(weir_channel *channel, void *out_item)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    if (!weir__sync_at_home(&channel->home))
        return weir__sync_stranger(stranger, __builtin_return_address(0));
    rc = weir__channel_recv_now(channel, out_item);
    if (rc == -EAGAIN)
        return wait_among(channel, &channel->receivers, out_item);
    weir__core_completed_at_once();
    return rc;
}

static void turn_away(struct weir__list *sides)
{
    struct weir__arm *side;
    while ((side = weir__sync_take_first(sides)) != NULL)
        weir__sync_grant(side, -EPIPE);
}

static void close_here(weir_channel *channel)
{
    channel->closed = true;
    turn_away(&channel->senders);
    turn_away(&channel->receivers);
}

int weir_channel_close(weir_channel *channel)
{
    if (!weir__sync_at_home(&channel->home))
        return weir__sync_stranger(stranger, __builtin_return_address(0));
    close_here(channel);
    return 0;
}

void weir_channel_free(weir_channel *channel)
{
    if (channel == NULL)
        return;
    if (!weir__sync_at_home(&channel->home)) {
        weir_ignore(weir__sync_stranger("a channel of another loop was to be freed; it was left",
                                        __builtin_return_address(0)),
                    "it is reported; there is nobody to return it to");
        return;
    }
    close_here(channel);
    weir__ring_drop(&channel->ring, channel->drop);
    weir__base_free(channel);
}

size_t weir_channel_count(const weir_channel *channel)
{
    return channel->ring.count;
}
