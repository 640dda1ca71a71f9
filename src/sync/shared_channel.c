/*
 * shared_channel.c - a bounded queue of items that any thread may use
 *
 * The queue and the two lines lie under one lock, which is held for a copy of an item and no
 * longer. A task that has to wait leaves a node of its own stack in a line and parks. Who finds it
 * there copies the item to or from that stack, takes the node out, and sends it to its loop as mail
 * once the lock is free: the loop wakes the task, with everything done.
 *
 * Runs on  any thread; the lock guards everything but the references.
 * Holds    1. Receivers wait only while it is empty and no sender waits; senders wait only while
 *             it is full (a rendezvous always is); nobody waits on one that is closed.
 *          2. A node is in a line while it `waits`. Otherwise it is under way as mail, which keeps
 *             its task parked, and so its loop and its stack alive, until the mail is read.
 *          3. A cancelled waiter leaves only from the line; under way, the result wins (O4). So an
 *             item is with exactly one of both sides at any time (I10).
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/thread.h"
#include "sync/ring.h"
#include "sync/waiting.h"

struct weir_shared_channel {
    int refs; // atomic
    struct weir__mutex lock;
    struct weir__list senders; // struct side.link
    struct weir__list receivers;
    void (*drop)(void *item);
    weir_task_id sent_by, received_by; // last; 0: a thread without a loop
    bool closed;
    struct weir__ring ring;
};

/* A task that waits, on whatever loop. */
struct side {
    struct weir__list link;
    struct weir__post post;
    weir_shared_channel *channel;
    weir_loop *loop;
    weir_task *task;
    weir_task_id id;
    void *item; // where its item comes from or goes to
    bool sends;
    bool waits;
    int result;
};

int weir_shared_channel_new(const weir_channel_options *options, weir_shared_channel **out_channel)
{
    void *object;
    int rc = weir__ring_alloc(options, sizeof(weir_shared_channel),
                              offsetof(weir_shared_channel, ring), &object);
    if (rc < 0)
        return rc;
    weir_shared_channel *channel = object;
    channel->refs = 1;
    channel->drop = options == NULL ? NULL : options->drop;
    weir__base_mutex_init(&channel->lock);
    weir__list_init(&channel->senders);
    weir__list_init(&channel->receivers);
    *out_channel = channel;
    return 0;
}

weir_shared_channel *weir_shared_channel_retain(weir_shared_channel *channel)
{
    __atomic_fetch_add(&channel->refs, 1, __ATOMIC_RELAXED);
    return channel;
}

void weir_shared_channel_release(weir_shared_channel *channel)
{
    if (channel == NULL || __atomic_sub_fetch(&channel->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    weir__ring_drop(&channel->ring, channel->drop);
    weir__base_mutex_deinit(&channel->lock);
    weir__base_free(channel);
}

/* --- waking ----------------------------------------------------------------------------------- */

static void wake_side(struct weir__post *post)
{
    struct side *side = WEIR__CONTAINER(post, struct side, post);
    weir__core_wake(side->task, side->result);
}

static struct side *take_first(struct weir__list *line)
{
    struct weir__list *node = weir__list_take_first(line);
    if (node == NULL)
        return NULL;
    struct side *side = WEIR__CONTAINER(node, struct side, link);
    side->waits = false;
    return side;
}

/* Without the lock: it may make a system call. The node is not ours afterwards. */
static void send_home(struct side *side, int result)
{
    if (side == NULL)
        return;
    side->result = result;
    if (side->loop == weir__core_loop())
        wake_side(&side->post);
    else
        weir_ignore(weir__core_post(side->loop, &side->post),
                    "its task is parked, so its loop is there");
}

/* --- under the lock --------------------------------------------------------------------------- */

static int put(weir_shared_channel *channel, const void *item, struct side **out_receiver)
{
    if (channel->closed)
        return -EPIPE;
    struct side *receiver = take_first(&channel->receivers);
    if (receiver != NULL) {
        memcpy(receiver->item, item, channel->ring.item_bytes);
        channel->received_by = receiver->id;
    } else if (weir__ring_full(&channel->ring)) {
        return -EAGAIN;
    } else {
        weir__ring_push(&channel->ring, item);
    }
    channel->sent_by = weir_task_self();
    *out_receiver = receiver;
    return 0;
}

static int get(weir_shared_channel *channel, void *out_item, struct side **out_sender)
{
    struct side *sender = take_first(&channel->senders);
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
    if (sender != NULL)
        channel->sent_by = sender->id;
    *out_sender = sender;
    return 0;
}

/* Moves an item, or lets `side` (which may be NULL) stand in line when it cannot. */
static int move(weir_shared_channel *channel, bool sends, void *item, struct side *side)
{
    struct side *other = NULL;
    weir__base_mutex_lock(&channel->lock);
    int rc = sends ? put(channel, item, &other) : get(channel, item, &other);
    if (rc == -EAGAIN && side != NULL) {
        weir__list_append(sends ? &channel->senders : &channel->receivers, &side->link);
        side->waits = true;
    }
    weir__base_mutex_unlock(&channel->lock);
    send_home(other, 0);
    return rc;
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void tell(const void *object, struct weir__wait_facts *out)
{
    const struct side *side = object;
    weir_shared_channel *channel = side->channel;
    weir__base_mutex_lock(&channel->lock);
    snprintf(out->detail, sizeof out->detail, "to %s; %zu of %zu items are in it",
             side->sends ? "send" : "receive", channel->ring.count, channel->ring.capacity);
    out->relation = side->sends ? "last received from by" : "last sent to by";
    out->task = side->sends ? channel->received_by : channel->sent_by;
    weir__base_mutex_unlock(&channel->lock);
}

static void abort_wait(weir_task *task, void *object)
{
    struct side *side = object;
    weir__base_mutex_lock(&side->channel->lock);
    bool waited = side->waits;
    side->waits = false;
    if (waited)
        weir__list_remove(&side->link);
    weir__base_mutex_unlock(&side->channel->lock);
    if (waited)
        weir__core_wake(task, -ECANCELED);
}

static int move_or_wait(weir_shared_channel *channel, bool sends, void *item)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    rc = move(channel, sends, item, NULL);
    if (rc == -EAGAIN) {
        struct side side = {.post.run = wake_side,
                            .channel = channel,
                            .task = weir__core_task(),
                            .id = weir_task_self(),
                            .item = item,
                            .sends = sends};
        // A reference says that somebody outside may reach this loop: it is idle, not deadlocked.
        side.loop = weir_loop_retain_self();
        weir__core_tell_waits(WEIR_WAIT_SHARED_CHANNEL, tell);
        rc = move(channel, sends, item, &side);
        bool waits = rc == -EAGAIN;
        if (waits)
            rc = weir__sync_result(weir__core_park(WEIR_WAIT_SHARED_CHANNEL, &side, abort_wait));
        weir_loop_release(side.loop);
        if (waits)
            return rc;
    }
    weir__core_completed_at_once();
    return rc;
}

int weir_shared_channel_send(weir_shared_channel *channel, const void *item)
{
    return move_or_wait(channel, true, (void *)(uintptr_t)item); // only read
}

int weir_shared_channel_try_send(weir_shared_channel *channel, const void *item)
{
    return move(channel, true, (void *)(uintptr_t)item, NULL); // only read
}

int weir_shared_channel_recv(weir_shared_channel *channel, void *out_item)
{
    return move_or_wait(channel, false, out_item);
}

int weir_shared_channel_try_recv(weir_shared_channel *channel, void *out_item)
{
    return move(channel, false, out_item, NULL);
}

void weir_shared_channel_close(weir_shared_channel *channel)
{
    struct weir__list gone;
    weir__list_init(&gone);
    weir__base_mutex_lock(&channel->lock);
    channel->closed = true;
    weir__list_splice(&gone, &channel->senders);
    weir__list_splice(&gone, &channel->receivers);
    for (struct weir__list *node = gone.next; node != &gone; node = node->next)
        WEIR__CONTAINER(node, struct side, link)->waits = false;
    weir__base_mutex_unlock(&channel->lock);
    for (struct weir__list *node; (node = weir__list_take_first(&gone)) != NULL;)
        send_home(WEIR__CONTAINER(node, struct side, link), -EPIPE);
}

size_t weir_shared_channel_count(weir_shared_channel *channel)
{
    weir__base_mutex_lock(&channel->lock);
    size_t count = channel->ring.count;
    weir__base_mutex_unlock(&channel->lock);
    return count;
}
