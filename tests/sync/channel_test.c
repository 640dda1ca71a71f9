/*
 * channel_test.c - items between tasks: in order, none lost, none twice
 */
#include "tests/sync/waits.h"

#include <string.h>

#include "base/clock.h"
#include "tests/support/fault_loop.h"

static weir_channel *make_channel(size_t capacity)
{
    weir_channel *channel = NULL;
    EXPECT_RC(0, weir_channel_new(&(weir_channel_options){.item_bytes = sizeof(int),
                                                          .capacity = capacity,
                                                          .rendezvous = capacity == 0},
                                  &channel));
    return channel;
}

struct side {
    weir_channel *channel;
    int item;
    int rc;
    bool ended;
};

static int send_one(void *arg)
{
    struct side *side = arg;
    side->rc = weir_channel_send(side->channel, &side->item);
    side->ended = true;
    return side->rc == -EPIPE ? 0 : side->rc;
}

static int recv_one(void *arg)
{
    struct side *side = arg;
    side->rc = weir_channel_recv(side->channel, &side->item);
    side->ended = true;
    return side->rc == -EPIPE ? 0 : side->rc;
}

TASK_TEST(items_come_out_in_the_order_they_went_in)
{
    weir_channel *channel = make_channel(3);
    int item;
    EXPECT_RC(-EAGAIN, weir_channel_try_recv(channel, &item));
    for (int round = 0; round < 5; round++) { // more than once around the ring
        for (int i = 0; i < 3; i++)
            EXPECT_RC(0, weir_channel_send(channel, &(int){round * 10 + i}));
        EXPECT_RC(-EAGAIN, weir_channel_try_send(channel, &(int){99}));
        EXPECT_EQ(3, weir_channel_count(channel));
        for (int i = 0; i < 3; i++) {
            EXPECT_RC(0, weir_channel_recv(channel, &item));
            EXPECT_EQ(round * 10 + i, item);
        }
    }
    weir_channel_free(channel);
}

TASK_TEST(a_channel_of_the_defaults_carries_64_pointers)
{
    weir_channel *channel;
    REQUIRE_RC(0, weir_channel_new(NULL, &channel));
    const char *text = "item";
    for (int i = 0; i < 64; i++)
        EXPECT_RC(0, weir_channel_try_send(channel, &text));
    EXPECT_RC(-EAGAIN, weir_channel_try_send(channel, &text));
    const char *got = NULL;
    EXPECT_RC(0, weir_channel_try_recv(channel, &got));
    EXPECT(got == text);
    weir_channel_free(channel);
    weir_channel_free(NULL);
}

TEST(a_channel_without_limit_cannot_be_made)
{
    weir_channel *channel = NULL;
    EXPECT_RC(-EINVAL,
              weir_channel_new(&(weir_channel_options){.capacity = WEIR_UNLIMITED}, &channel));
    EXPECT_RC(-ENOMEM,
              weir_channel_new(&(weir_channel_options){.item_bytes = SIZE_MAX / 2, .capacity = 3},
                               &channel));
    EXPECT(channel == NULL);
}

static void make_and_free(void *arg)
{
    (void)arg;
    weir_channel *channel = NULL;
    int rc = weir_channel_new(NULL, &channel);
    EXPECT(rc == 0 || (rc == -ENOMEM && channel == NULL));
    weir_channel_free(channel);
}

TEST(a_channel_without_memory_is_an_error)
{
    EXPECT_EQ(1, fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, make_and_free, NULL));
}

TASK_TEST(a_sender_waits_while_the_channel_is_full)
{
    weir_channel *channel = make_channel(1);
    struct side sender = {.channel = channel, .item = 2};
    int item = 1;
    EXPECT_RC(0, weir_channel_send(channel, &item));
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, send_one, &sender);
    settle();
    EXPECT(!sender.ended);
    EXPECT_RC(0, weir_channel_recv(channel, &item));
    EXPECT_EQ(1, item);
    EXPECT_EQ(1, weir_channel_count(channel)); // the waiting item took the place at once
    EXPECT_RC(-EAGAIN, weir_channel_try_send(channel, &item)); // and nobody overtook it
    EXPECT_RC(0, weir_channel_recv(channel, &item));
    EXPECT_EQ(2, item);
    EXPECT_RC(0, weir_group_close(group, 0));
    weir_channel_free(channel);
}

TASK_TEST(receivers_are_served_in_order)
{
    enum { RECEIVERS = 5 };
    weir_channel *channel = make_channel(2);
    struct side receivers[RECEIVERS];
    weir_group *group = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < RECEIVERS; i++) {
        receivers[i] = (struct side){.channel = channel};
        spawn(group, recv_one, &receivers[i]);
    }
    settle();
    for (int i = 0; i < RECEIVERS; i++)
        EXPECT_RC(0, weir_channel_try_send(channel, &(int){i}));
    EXPECT_EQ(0, weir_channel_count(channel));
    EXPECT_RC(0, weir_group_close(group, 0));
    for (int i = 0; i < RECEIVERS; i++)
        EXPECT_EQ(i, receivers[i].item);
    weir_channel_free(channel);
}

TASK_TEST(a_rendezvous_holds_nothing)
{
    weir_channel *channel = make_channel(0);
    EXPECT_RC(-EAGAIN, weir_channel_try_send(channel, &(int){1}));
    struct side sender = {.channel = channel, .item = 7};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, send_one, &sender);
    settle();
    EXPECT(!sender.ended);
    EXPECT_EQ(0, weir_channel_count(channel));
    int item = 0;
    EXPECT_RC(0, weir_channel_recv(channel, &item));
    EXPECT_EQ(7, item);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT(sender.ended);
    weir_channel_free(channel);
}

TASK_TEST(an_item_that_was_granted_before_the_cancel_is_received)
{
    weir_channel *channel = make_channel(1);
    struct side receiver = {.channel = channel};
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id id = spawn(group, recv_one, &receiver);
    settle();
    EXPECT_RC(0, weir_channel_try_send(channel, &(int){5}));
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, receiver.rc); // case 164, O4
    EXPECT_EQ(5, receiver.item);
    weir_channel_free(channel);
}

TASK_TEST(a_cancelled_sender_keeps_its_item)
{
    weir_channel *channel = make_channel(1);
    EXPECT_RC(0, weir_channel_send(channel, &(int){1}));
    struct side sender = {.channel = channel, .item = 2};
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id id = spawn(group, send_one, &sender);
    settle();
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ECANCELED, sender.rc); // case 165
    int item;
    EXPECT_RC(0, weir_channel_recv(channel, &item));
    EXPECT_EQ(1, item);
    EXPECT_RC(-EAGAIN, weir_channel_try_recv(channel, &item));
    weir_channel_free(channel);
}

TASK_TEST(both_sides_of_a_match_report_success_though_both_are_cancelled)
{
    weir_channel *channel = make_channel(0);
    struct side sender = {.channel = channel, .item = 3};
    struct side receiver = {.channel = channel};
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id receiver_id = spawn(group, recv_one, &receiver);
    settle();
    weir_task_id sender_id = spawn(group, send_one, &sender);
    EXPECT_RC(0, weir_yield()); // the match is made, the receiver has not run yet
    EXPECT_RC(0, sender.rc);
    EXPECT(!receiver.ended);
    EXPECT_RC(0, weir_task_cancel(receiver_id, "test"));
    int rc = weir_task_cancel(sender_id, "test");
    EXPECT(rc == 0 || rc == -ESTALE);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, receiver.rc); // case 183
    EXPECT_EQ(3, receiver.item);
    weir_channel_free(channel);
}

TASK_TEST(send_and_recv_in_a_cancelled_scope_move_nothing)
{
    weir_channel *channel = make_channel(2);
    int item = 1;
    EXPECT_RC(0, weir_channel_send(channel, &item));
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "test");
    EXPECT_RC(-ECANCELED, weir_channel_send(channel, &item)); // O1
    EXPECT_RC(-ECANCELED, weir_channel_recv(channel, &item));
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    EXPECT_EQ(1, weir_channel_count(channel));
    weir_channel_free(channel);
}

TASK_TEST(a_closed_channel_is_drained_and_then_says_so)
{
    weir_channel *channel = make_channel(2);
    EXPECT_RC(0, weir_channel_send(channel, &(int){1}));
    EXPECT_RC(0, weir_channel_send(channel, &(int){2}));
    struct side sender = {.channel = channel, .item = 3};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, send_one, &sender);
    settle();
    weir_channel_close(channel);
    weir_channel_close(channel);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-EPIPE, sender.rc); // case 182: the sender keeps its item
    int item;
    EXPECT_RC(-EPIPE, weir_channel_send(channel, &(int){4}));
    EXPECT_RC(0, weir_channel_recv(channel, &item));
    EXPECT_EQ(1, item);
    EXPECT_RC(0, weir_channel_recv(channel, &item));
    EXPECT_EQ(2, item);
    EXPECT_RC(-EPIPE, weir_channel_recv(channel, &item));
    EXPECT_RC(-EPIPE, weir_channel_try_recv(channel, &item));
    weir_channel_free(channel);
}

TASK_TEST(a_channel_can_be_freed_while_receivers_wait)
{
    weir_channel *channel = make_channel(2);
    struct side receivers[2] = {{.channel = channel}, {.channel = channel}};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, recv_one, &receivers[0]);
    spawn(group, recv_one, &receivers[1]);
    settle();
    weir_channel_free(channel);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-EPIPE, receivers[0].rc);
    EXPECT_RC(-EPIPE, receivers[1].rc);
}

static int dropped_sum;

static void drop_item(void *item)
{
    dropped_sum += *(int *)item;
}

TASK_TEST(items_nobody_received_are_dropped_with_the_channel)
{
    weir_channel *channel;
    REQUIRE_RC(
        0, weir_channel_new(
               &(weir_channel_options){.item_bytes = sizeof(int), .capacity = 4, .drop = drop_item},
               &channel));
    int item;
    for (int i = 1; i <= 3; i++)
        EXPECT_RC(0, weir_channel_send(channel, &i));
    EXPECT_RC(0, weir_channel_recv(channel, &item));
    EXPECT_RC(0, weir_channel_send(channel, &(int){10}));
    weir_channel_free(channel);
    EXPECT_EQ(2 + 3 + 10, dropped_sum); // case 182: each once, and not the one that was received
}

TASK_TEST(a_wait_on_a_channel_ends_with_its_timeout)
{
    weir_channel *channel = make_channel(1);
    int rc = 0;
    int item;
    WEIR_TIMEOUT(rc, 1 * WEIR_SEC)
    {
        rc = weir_channel_recv(channel, &item);
    }
    EXPECT_RC(-ETIME, rc);
    weir_channel_free(channel);
}

/* --- no item is lost and none comes twice, whatever is cancelled when (I10) ----------------- */

enum { ITEMS = 400, SENDERS = 5, RECEIVERS = 5 };

struct stream {
    weir_channel *channel;
    uint64_t random;
    int next_item;
    int sent_count;
    int seen[ITEMS];
};

static int64_t short_time(struct stream *stream)
{
    return (int64_t)(weir__base_random_next(&stream->random) % 3) * WEIR_MS;
}

/* Sends until there is nothing left; a send that is cut by its time limit is done again. */
static int send_many(void *arg)
{
    struct stream *stream = arg;
    while (stream->next_item < ITEMS) {
        int item = stream->next_item++;
        int rc;
        do {
            rc = 0;
            WEIR_TIMEOUT(rc, short_time(stream))
            {
                rc = weir_channel_send(stream->channel, &item);
            }
        } while (rc == -ETIME);
        if (rc < 0)
            return rc;
        stream->sent_count++;
    }
    return 0;
}

static int recv_many(void *arg)
{
    struct stream *stream = arg;
    for (;;) {
        int item = -1;
        int rc = 0;
        WEIR_TIMEOUT(rc, short_time(stream))
        {
            rc = weir_channel_recv(stream->channel, &item);
        }
        if (rc == -EPIPE)
            return 0;
        if (rc == 0)
            stream->seen[item]++;
        else if (rc != -ETIME)
            return rc;
    }
}

static int run_stream(void *arg)
{
    uint64_t seed = *(uint64_t *)arg;
    static struct stream stream;
    stream = (struct stream){.channel = make_channel(seed % 4), .random = seed};
    weir_group *receivers = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < RECEIVERS; i++)
        spawn(receivers, recv_many, &stream);
    weir_group *senders = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < SENDERS; i++)
        spawn(senders, send_many, &stream);
    EXPECT_RC(0, weir_group_close(senders, 0));
    EXPECT_EQ(ITEMS, stream.sent_count);
    weir_channel_close(stream.channel);
    EXPECT_RC(0, weir_group_close(receivers, 0));
    for (int i = 0; i < ITEMS; i++)
        EXPECT_EQ(1, stream.seen[i]);
    weir_channel_free(stream.channel);
    return 0;
}

TEST(no_item_is_lost_and_none_comes_twice_under_random_timeouts)
{
    for (uint64_t seed = 1; seed <= 250 && !test_failed(); seed++) // case 164: 100,000 items
        run_shuffled(seed, run_stream, &seed);
}
