/*
 * channel.c - a bounded queue of items between tasks
 *
 * Items lie in a ring. A receiver that waits lends the address its item is to go to, a sender that
 * waits lends the address of its item: an item passes in one copy, at the moment of the match, and
 * both sides are woken with it done. So neither can be cancelled half-way.
 *
 * Runs on  the loop that the channel belongs to.
 * Holds    1. Receivers wait only while it is empty and no sender waits.
 *          2. Senders wait only while it is full (a rendezvous always is).
 *          3. Nobody waits on a closed channel, and nobody touches it after being woken: it may be
 *             freed by then.
 */
#include <string.h>

#include "base/alloc.h"
#include "sync/waiting.h"

enum { CAPACITY_DEFAULT = 64 };

struct weir_channel {
    struct weir__list senders;
    struct weir__list receivers;
    void (*drop)(void *item);
    size_t item_bytes;
    size_t capacity;
    size_t first; // index of the oldest item
    size_t count;
    bool closed;
    _Alignas(max_align_t) char items[];
};

/* One that waits; `item` is where its item comes from or goes to. */
struct side {
    struct weir__list link;
    weir_task *task;
    void *item;
};

int weir_channel_new(const weir_channel_options *options, weir_channel **out_channel)
{
    static const weir_channel_options defaults;
    if (options == NULL)
        options = &defaults;
    size_t item_bytes = options->item_bytes == 0 ? sizeof(void *) : options->item_bytes;
    size_t capacity = options->capacity == 0 ? CAPACITY_DEFAULT : options->capacity;
    if (options->rendezvous)
        capacity = 0;
    if (capacity == WEIR_UNLIMITED)
        return -EINVAL;
    size_t bytes;
    if (__builtin_mul_overflow(item_bytes, capacity, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(weir_channel), &bytes))
        return -ENOMEM;
    weir_channel *channel = weir__base_alloc(bytes);
    if (channel == NULL)
        return -ENOMEM;
    *channel =
        (weir_channel){.item_bytes = item_bytes, .capacity = capacity, .drop = options->drop};
    weir__list_init(&channel->senders);
    weir__list_init(&channel->receivers);
    *out_channel = channel;
    return 0;
}

static void *slot(weir_channel *channel, size_t index)
{
    size_t position = channel->first + index;
    if (position >= channel->capacity)
        position -= channel->capacity;
    return channel->items + position * channel->item_bytes;
}

static void push(weir_channel *channel, const void *item)
{
    memcpy(slot(channel, channel->count), item, channel->item_bytes);
    channel->count++;
}

static void pop(weir_channel *channel, void *out_item)
{
    memcpy(out_item, slot(channel, 0), channel->item_bytes);
    channel->first = channel->first + 1 == channel->capacity ? 0 : channel->first + 1;
    channel->count--;
}

static struct side *take_first(struct weir__list *sides)
{
    struct weir__list *node = weir__list_take_first(sides);
    return node == NULL ? NULL : WEIR__CONTAINER(node, struct side, link);
}

static void abort_wait(weir_task *task, void *object)
{
    struct side *side = object;
    weir__list_remove(&side->link);
    weir__core_wake(task, -ECANCELED);
}

static int wait_among(struct weir__list *sides, void *item)
{
    struct side side = {.task = weir__core_task(), .item = item};
    weir__list_append(sides, &side.link);
    return weir__sync_result(weir__core_park(WEIR_WAIT_CHANNEL, &side, abort_wait));
}

int weir_channel_try_send(weir_channel *channel, const void *item)
{
    if (channel->closed)
        return -EPIPE;
    struct side *receiver = take_first(&channel->receivers);
    if (receiver != NULL) {
        memcpy(receiver->item, item, channel->item_bytes);
        weir__core_wake(receiver->task, 0);
        return 0;
    }
    if (channel->count == channel->capacity)
        return -EAGAIN;
    push(channel, item);
    return 0;
}

int weir_channel_send(weir_channel *channel, const void *item)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    rc = weir_channel_try_send(channel, item);
    if (rc == -EAGAIN)
        return wait_among(&channel->senders, (void *)(uintptr_t)item); // only read
    weir__core_completed_at_once();
    return rc;
}

int weir_channel_try_recv(weir_channel *channel, void *out_item)
{
    struct side *sender = take_first(&channel->senders);
    if (channel->count > 0) {
        pop(channel, out_item);
        if (sender != NULL)
            push(channel, sender->item);
    } else if (sender != NULL) {
        memcpy(out_item, sender->item, channel->item_bytes);
    } else {
        return channel->closed ? -EPIPE : -EAGAIN;
    }
    if (sender != NULL)
        weir__core_wake(sender->task, 0);
    return 0;
}

int weir_channel_recv(weir_channel *channel, void *out_item)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    rc = weir_channel_try_recv(channel, out_item);
    if (rc == -EAGAIN)
        return wait_among(&channel->receivers, out_item);
    weir__core_completed_at_once();
    return rc;
}

static void turn_away(struct weir__list *sides)
{
    struct side *side;
    while ((side = take_first(sides)) != NULL)
        weir__core_wake(side->task, -EPIPE);
}

void weir_channel_close(weir_channel *channel)
{
    channel->closed = true;
    turn_away(&channel->senders);
    turn_away(&channel->receivers);
}

void weir_channel_free(weir_channel *channel)
{
    if (channel == NULL)
        return;
    weir_channel_close(channel);
    for (size_t i = 0; channel->drop != NULL && i < channel->count; i++)
        channel->drop(slot(channel, i));
    weir__base_free(channel);
}

size_t weir_channel_count(const weir_channel *channel)
{
    return channel->count;
}
