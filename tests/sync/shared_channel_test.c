/*
 * shared_channel_test.c - items between loops and threads: in order, none lost, none twice
 */
#include "tests/sync/waits.h"

#include "base/clock.h"
#include "base/thread.h"
#include "tests/support/fault_loop.h"

static weir_shared_channel *make_channel(size_t capacity)
{
    weir_shared_channel *channel = NULL;
    EXPECT_RC(0, weir_shared_channel_new(&(weir_channel_options){.item_bytes = sizeof(int),
                                                                 .capacity = capacity,
                                                                 .rendezvous = capacity == 0},
                                         &channel));
    return channel;
}

static void make_and_release(void *arg)
{
    (void)arg;
    weir_shared_channel *channel = NULL;
    int rc = weir_shared_channel_new(NULL, &channel);
    EXPECT(rc == 0 || (rc == -ENOMEM && channel == NULL));
    weir_shared_channel_release(channel);
}

TEST(a_shared_channel_without_memory_is_an_error)
{
    EXPECT_EQ(1, fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, make_and_release, NULL));
    weir_shared_channel *channel = NULL;
    EXPECT_RC(-EINVAL, weir_shared_channel_new(&(weir_channel_options){.capacity = WEIR_UNLIMITED},
                                               &channel));
    EXPECT(channel == NULL);
}

static int dropped_sum;

static void drop_item(void *item)
{
    dropped_sum += *(int *)item;
}

TEST(a_thread_without_a_loop_sends_and_receives_without_waiting)
{
    weir_shared_channel *channel;
    REQUIRE_RC(
        0, weir_shared_channel_new(
               &(weir_channel_options){.item_bytes = sizeof(int), .capacity = 2, .drop = drop_item},
               &channel));
    int item = 0;
    EXPECT_RC(-EAGAIN, weir_shared_channel_try_recv(channel, &item));
    EXPECT_RC(0, weir_shared_channel_try_send(channel, &(int){1}));
    EXPECT_RC(0, weir_shared_channel_try_send(channel, &(int){2}));
    EXPECT_RC(-EAGAIN, weir_shared_channel_try_send(channel, &(int){3}));
    EXPECT_RC(-EPERM, weir_shared_channel_send(channel, &item)); // it would have to wait
    EXPECT_RC(-EPERM, weir_shared_channel_recv(channel, &item));
    EXPECT_EQ(2, weir_shared_channel_count(channel));
    EXPECT_RC(0, weir_shared_channel_try_recv(channel, &item));
    EXPECT_EQ(1, item);
    weir_shared_channel_close(channel);
    EXPECT_RC(-EPIPE, weir_shared_channel_try_send(channel, &item));
    weir_shared_channel *second = weir_shared_channel_retain(channel);
    weir_shared_channel_release(channel);
    EXPECT_EQ(0, dropped_sum);
    weir_shared_channel_release(second);
    EXPECT_EQ(2, dropped_sum); // what nobody has received
    weir_shared_channel_release(NULL);
}

struct side {
    weir_shared_channel *channel;
    int item;
    int rc;
    bool ended;
};

static int send_one(void *arg)
{
    struct side *side = arg;
    side->rc = weir_shared_channel_send(side->channel, &side->item);
    side->ended = true;
    return side->rc == -EPIPE ? 0 : side->rc;
}

static int recv_one(void *arg)
{
    struct side *side = arg;
    side->rc = weir_shared_channel_recv(side->channel, &side->item);
    side->ended = true;
    return side->rc == -EPIPE ? 0 : side->rc;
}

TASK_TEST(tasks_wait_in_order_while_it_is_full_or_empty)
{
    weir_shared_channel *channel = make_channel(1);
    struct side senders[3], receivers[3];
    weir_group *group = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < 3; i++) {
        receivers[i] = (struct side){.channel = channel};
        spawn(group, recv_one, &receivers[i]);
    }
    settle();
    for (int i = 0; i < 3; i++)
        EXPECT_RC(0, weir_shared_channel_try_send(channel, &(int){i + 1}));
    EXPECT_EQ(0, weir_shared_channel_count(channel));
    EXPECT_RC(0, weir_group_close(group, 0));
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(i + 1, receivers[i].item);

    group = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < 3; i++) {
        senders[i] = (struct side){.channel = channel, .item = i + 1};
        spawn(group, send_one, &senders[i]);
    }
    settle();
    EXPECT(senders[0].ended && !senders[1].ended);
    for (int i = 0; i < 3; i++) {
        int item = 0;
        EXPECT_RC(0, weir_shared_channel_try_recv(channel, &item));
        EXPECT_EQ(i + 1, item);
    }
    EXPECT_RC(0, weir_group_close(group, 0));
    weir_shared_channel_release(channel);
}

TASK_TEST(a_closed_shared_channel_is_drained_and_then_says_so) // case 182
{
    weir_shared_channel *channel = make_channel(1);
    struct side first = {.channel = channel, .item = 1}, second = {.channel = channel, .item = 2};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, send_one, &first);
    spawn(group, send_one, &second);
    settle();
    weir_shared_channel_close(channel);
    weir_shared_channel_close(channel);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, first.rc);
    EXPECT_RC(-EPIPE, second.rc);
    int item = 0;
    EXPECT_RC(0, weir_shared_channel_recv(channel, &item));
    EXPECT_EQ(1, item);
    EXPECT_RC(-EPIPE, weir_shared_channel_recv(channel, &item));
    weir_shared_channel_release(channel);

    channel = make_channel(1);
    struct side receiver = {.channel = channel};
    group = open_group(WEIR_FAIL_FAST);
    spawn(group, recv_one, &receiver);
    settle();
    weir_shared_channel_close(channel);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-EPIPE, receiver.rc);
    weir_shared_channel_release(channel);
}

TASK_TEST(a_cancelled_side_has_moved_nothing_and_a_granted_one_has) // O4, cases 164, 165
{
    weir_shared_channel *channel = make_channel(0);
    struct side side = {.channel = channel, .item = 1};
    for (int granted = 0; granted < 2; granted++) {
        int item = 0;
        weir_group *group = open_group(WEIR_COLLECT_ALL);
        weir_task_id id = spawn(group, send_one, &side);
        settle();
        if (granted)
            EXPECT_RC(0, weir_shared_channel_try_recv(channel, &item));
        EXPECT_RC(0, weir_task_cancel(id, "test"));
        EXPECT_RC(0, weir_group_close(group, 0));
        EXPECT_RC(granted ? 0 : -ECANCELED, side.rc);
        EXPECT_RC(-EAGAIN, weir_shared_channel_try_recv(channel, &item));

        group = open_group(WEIR_COLLECT_ALL);
        id = spawn(group, recv_one, &side);
        settle();
        if (granted)
            EXPECT_RC(0, weir_shared_channel_try_send(channel, &(int){9}));
        EXPECT_RC(0, weir_task_cancel(id, "test"));
        EXPECT_RC(0, weir_group_close(group, 0));
        EXPECT_RC(granted ? 0 : -ECANCELED, side.rc);
        EXPECT_EQ(granted ? 9 : 1, side.item);
        EXPECT_RC(-EAGAIN, weir_shared_channel_try_send(channel, &(int){9}));
    }
    weir_shared_channel_release(channel);
}

TASK_TEST(a_shared_channel_in_a_cancelled_scope_is_refused) // O1
{
    weir_shared_channel *channel = make_channel(2);
    int item = 1;
    EXPECT_RC(0, weir_shared_channel_send(channel, &item));
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "test");
    EXPECT_RC(-ECANCELED, weir_shared_channel_send(channel, &item));
    EXPECT_RC(-ECANCELED, weir_shared_channel_recv(channel, &item));
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    EXPECT_EQ(1, weir_shared_channel_count(channel));
    weir_shared_channel_release(channel);
}

/* --- several loops, and threads without one --------------------------------------------------- */

#if defined(__SANITIZE_THREAD__) || defined(WEIR__TSAN)
enum { ITEMS = 20000 };
#else
enum { ITEMS = 100000 };
#endif
enum { LOOPS = 3, SENDERS_A_LOOP = 3, RECEIVERS_A_LOOP = 3, THREADS = 2 };

/* An item is who sent it, and that sender's count. */
struct item {
    int sender;
    int number;
};

struct traffic {
    weir_shared_channel *channel;
    int sent_count; // atomic, as all of these
    int received_count;
    int next_sender;
    int loops_done; // that have sent their share
    int cut_count;  // waits that were cut
    int64_t received_sum;
    int64_t sent_sum;
    bool impatient;
};

static int64_t patience(struct traffic *traffic, uint64_t *random)
{
    return traffic->impatient ? (int64_t)(weir__base_random_next(random) % 3) * WEIR_MS
                              : WEIR_FOREVER;
}

/* Sends its share; one that is cut does it again, so nothing may be lost and nothing twice. */
static int send_share(void *arg)
{
    struct traffic *traffic = arg;
    int self = __atomic_add_fetch(&traffic->next_sender, 1, __ATOMIC_RELAXED);
    uint64_t random = (uint64_t)self;
    for (int i = 0; i < ITEMS / (LOOPS * SENDERS_A_LOOP); i++) {
        struct item item = {self, i};
        int rc;
        do {
            rc = 0;
            WEIR_TIMEOUT(rc, patience(traffic, &random))
            {
                rc = weir_shared_channel_send(traffic->channel, &item);
            }
            __atomic_fetch_add(&traffic->cut_count, rc == -ETIME, __ATOMIC_RELAXED);
        } while (rc == -ETIME);
        if (rc < 0)
            return rc;
        __atomic_fetch_add(&traffic->sent_count, 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&traffic->sent_sum, i + self, __ATOMIC_RELAXED);
    }
    return 0;
}

/* Items of one sender come to one receiver in their order. */
static void note(struct traffic *traffic, const struct item *item, int *last)
{
    EXPECT(item->number > last[item->sender]);
    last[item->sender] = item->number;
    __atomic_fetch_add(&traffic->received_count, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&traffic->received_sum, item->number + item->sender, __ATOMIC_RELAXED);
}

enum { SENDERS_MAX = LOOPS * SENDERS_A_LOOP + THREADS + 1 };

static void forget_all(int *last)
{
    for (int i = 0; i < SENDERS_MAX; i++)
        last[i] = -1;
}

static int recv_all(void *arg)
{
    struct traffic *traffic = arg;
    int last[SENDERS_MAX];
    forget_all(last);
    uint64_t random = 77;
    for (;;) {
        struct item item;
        int rc = 0;
        WEIR_TIMEOUT(rc, patience(traffic, &random))
        {
            rc = weir_shared_channel_recv(traffic->channel, &item);
        }
        if (rc == -EPIPE)
            return 0;
        if (rc == 0)
            note(traffic, &item, last);
        else if (rc != -ETIME)
            return rc;
        else
            __atomic_fetch_add(&traffic->cut_count, 1, __ATOMIC_RELAXED);
    }
}

/* A ticker on each loop: whoever waits on the channel, its loop goes on. */
static int tick(void *arg)
{
    (void)arg;
    for (;;) {
        int rc = weir_sleep(1 * WEIR_MS);
        if (rc < 0)
            return rc;
    }
}

static int use_on_this_loop(void *arg)
{
    weir_group *receivers = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < RECEIVERS_A_LOOP; i++)
        spawn(receivers, recv_all, arg);
    weir_group *others = open_group(WEIR_FAIL_FAST);
    weir_task_id ticker = spawn(others, tick, NULL);
    weir_group *senders = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < SENDERS_A_LOOP; i++)
        spawn(senders, send_share, arg);
    EXPECT_RC(0, weir_group_close(senders, 0));
    __atomic_fetch_add(&((struct traffic *)arg)->loops_done, 1, __ATOMIC_RELAXED);
    EXPECT_RC(0, weir_task_cancel(ticker, "enough"));
    EXPECT_RC(0, weir_group_close(others, 0));
    return weir_group_close(receivers, 0); // until it is closed
}

struct loop_thread {
    struct weir__thread thread;
    struct traffic *traffic;
    const char *backend;
};

static void *run_loop(void *arg)
{
    struct loop_thread *loop = arg;
    EXPECT_RC(0, weir__core_run(&(weir_run_options){.backend = loop->backend}, use_on_this_loop,
                                loop->traffic, false));
    return NULL;
}

/* A thread without a loop: takes and gives what it can, without waiting. */
static void *try_and_try(void *arg)
{
    struct traffic *traffic = arg;
    int self = __atomic_add_fetch(&traffic->next_sender, 1, __ATOMIC_RELAXED);
    int last[SENDERS_MAX];
    forget_all(last);
    for (int next = 0;;) {
        struct item item = {self, next};
        int rc = weir_shared_channel_try_send(traffic->channel, &item);
        if (rc == 0) {
            __atomic_fetch_add(&traffic->sent_count, 1, __ATOMIC_RELAXED);
            __atomic_fetch_add(&traffic->sent_sum, next + self, __ATOMIC_RELAXED);
            next++;
        }
        rc = weir_shared_channel_try_recv(traffic->channel, &item);
        if (rc == 0)
            note(traffic, &item, last);
        else if (rc == -EPIPE)
            return NULL;
        if (next % 8 == 0)
            weir__base_thread_pause();
    }
}

static void run_traffic(size_t capacity, bool impatient)
{
    struct traffic traffic = {.impatient = impatient};
    REQUIRE_RC(0, weir_shared_channel_new(&(weir_channel_options){.item_bytes = sizeof(struct item),
                                                                  .capacity = capacity,
                                                                  .rendezvous = capacity == 0},
                                          &traffic.channel));
    struct loop_thread loops[LOOPS];
    struct weir__thread threads[THREADS];
    for (int i = 0; i < LOOPS; i++) {
        loops[i] = (struct loop_thread){.traffic = &traffic, .backend = "epoll"};
        REQUIRE_RC(0, weir__base_thread_start(&loops[i].thread, "loop", run_loop, &loops[i]));
    }
    for (int i = 0; i < THREADS; i++)
        REQUIRE_RC(0, weir__base_thread_start(&threads[i], "trier", try_and_try, &traffic));
    while (__atomic_load_n(&traffic.loops_done, __ATOMIC_RELAXED) < LOOPS)
        weir__base_thread_pause();
    weir_shared_channel_close(traffic.channel);
    for (int i = 0; i < LOOPS; i++)
        weir__base_thread_join(&loops[i].thread);
    for (int i = 0; i < THREADS; i++)
        weir__base_thread_join(&threads[i]);
    EXPECT_EQ(traffic.sent_count, traffic.received_count);
    EXPECT_EQ(traffic.sent_sum, traffic.received_sum);
    EXPECT(traffic.sent_count >= ITEMS - LOOPS * SENDERS_A_LOOP);
    EXPECT(!impatient || traffic.cut_count > 0);
    EXPECT_EQ(0, weir_shared_channel_count(traffic.channel));
    weir_shared_channel_release(traffic.channel);
}

TEST(items_of_several_loops_and_threads_arrive_once_and_in_order) // I10
{
    run_traffic(16, false);
}

TEST(items_that_meet_between_loops_without_room_arrive_once)
{
    run_traffic(0, false);
}

TEST(items_arrive_once_though_waits_are_cut_on_every_side) // O4, I10
{
    run_traffic(2, true);
}

/* --- cancelled while the mail is under way ---------------------------------------------------- */

struct other_side {
    weir_shared_channel *channel;
    int item;
    int rc;
    enum { OTHER_SENDS, OTHER_RECEIVES, OTHER_CLOSES } does;
};

static void *do_on_a_thread(void *arg)
{
    struct other_side *other = arg;
    if (other->does == OTHER_SENDS)
        other->rc = weir_shared_channel_try_send(other->channel, &other->item);
    else if (other->does == OTHER_RECEIVES)
        other->rc = weir_shared_channel_try_recv(other->channel, &other->item);
    else
        weir_shared_channel_close(other->channel);
    return NULL;
}

IO_TEST(what_a_thread_has_granted_is_granted_though_the_cancel_is_seen_first) // O4, I3, I9
{
    for (int does = OTHER_SENDS; does <= OTHER_CLOSES; does++) {
        struct other_side other = {.channel = make_channel(0), .item = 5};
        struct side side = {.channel = other.channel, .item = 7};
        other.does = does;
        weir_group *group = open_group(WEIR_COLLECT_ALL);
        weir_task_id id = spawn(group, does == OTHER_SENDS ? recv_one : send_one, &side);
        settle();
        struct weir__thread thread;
        REQUIRE_RC(0, weir__base_thread_start(&thread, "other", do_on_a_thread, &other));
        weir__base_thread_join(&thread); // the loop stands still: the mail is not read before
        EXPECT_RC(0, weir_task_cancel(id, "test"));
        EXPECT_RC(0, weir_group_close(group, 0));
        EXPECT_RC(0, other.rc);
        EXPECT_RC(does == OTHER_CLOSES ? -EPIPE : 0, side.rc);
        EXPECT_EQ(does == OTHER_SENDS ? 5 : 7, side.item);
        EXPECT_EQ(does == OTHER_RECEIVES ? 7 : 5, other.item);
        weir_shared_channel_release(other.channel);
    }
}

/* --- back-pressure, and loops that go on ------------------------------------------------------ */

struct flow {
    weir_shared_channel *there, *back;
    int sent; // atomic
    int64_t ticks;
};

enum { FLOW = 500, ROOM = 4 };

static int send_flow(void *arg)
{
    struct flow *flow = arg;
    for (int i = 0; i < FLOW; i++) {
        int rc = weir_shared_channel_send(flow->there, &i);
        if (rc < 0)
            return rc;
        __atomic_store_n(&flow->sent, i + 1, __ATOMIC_RELEASE);
    }
    return 0;
}

static void *send_flow_on_a_loop(void *arg)
{
    EXPECT_RC(0, weir__core_run(&(weir_run_options){.backend = "epoll"}, send_flow, arg, false));
    return NULL;
}

IO_TEST(a_slow_receiver_on_one_loop_holds_a_sender_on_another_back)
{
    struct flow flow = {.there = make_channel(ROOM)};
    struct weir__thread thread;
    REQUIRE_RC(0, weir__base_thread_start(&thread, "loop", send_flow_on_a_loop, &flow));
    for (int i = 0; i < FLOW; i++) {
        int item = -1;
        EXPECT_RC(0, weir_shared_channel_recv(flow.there, &item));
        EXPECT_EQ(i, item);
        /* What is in, and the one whose place we have just made. */
        EXPECT(__atomic_load_n(&flow.sent, __ATOMIC_ACQUIRE) <= i + 1 + ROOM + 1);
    }
    weir__base_thread_join(&thread);
    weir_shared_channel_release(flow.there);
}

static int count_ticks(void *arg)
{
    struct flow *flow = arg;
    for (;;) {
        int rc = weir_yield();
        if (rc < 0)
            return rc;
        flow->ticks++;
    }
}

static void *answer(void *arg)
{
    struct flow *flow = arg;
    int item;
    while (weir_shared_channel_try_recv(flow->there, &item) == -EAGAIN)
        weir__base_thread_pause();
    while (weir_shared_channel_try_send(flow->back, &item) == -EAGAIN)
        weir__base_thread_pause();
    return NULL;
}

IO_TEST(a_task_that_waits_for_a_thread_does_not_hold_its_loop)
{
    struct flow flow = {.there = make_channel(1), .back = make_channel(1)};
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id ticker = spawn(group, count_ticks, &flow);
    struct side receiver = {.channel = flow.back};
    spawn(group, recv_one, &receiver);
    while (flow.ticks < 1000)
        EXPECT_RC(0, weir_yield());
    EXPECT(!receiver.ended);
    struct weir__thread thread;
    REQUIRE_RC(0, weir__base_thread_start(&thread, "answer", answer, &flow));
    EXPECT_RC(0, weir_shared_channel_send(flow.there, &(int){42}));
    while (!receiver.ended)
        EXPECT_RC(0, weir_yield());
    EXPECT_EQ(42, receiver.item);
    EXPECT_RC(0, weir_task_cancel(ticker, "enough"));
    EXPECT_RC(0, weir_group_close(group, 0));
    weir__base_thread_join(&thread);
    weir_shared_channel_release(flow.there);
    weir_shared_channel_release(flow.back);
}
