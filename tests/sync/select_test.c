/*
 * select_test.c - the first of several: one arm is carried out, the others have done nothing
 */
#include "tests/sync/waits.h"

#include "base/clock.h"

static weir_channel *make_channel(size_t capacity)
{
    weir_channel *channel = NULL;
    EXPECT_RC(0, weir_channel_new(&(weir_channel_options){.item_bytes = sizeof(int),
                                                          .capacity = capacity,
                                                          .rendezvous = capacity == 0},
                                  &channel));
    return channel;
}

/* A select in a task of its own: receives from `in`, sends to `out`, waits for `event`. */
struct chooser {
    weir_channel *in;
    weir_channel *out;
    weir_event *event;
    weir_future *future;
    int64_t timeout_ns;
    int received;
    int sent;
    void *value;
    size_t chosen;
    int rc;
    bool ended;
};

enum { ARM_RECV, ARM_SEND, ARM_EVENT, ARM_FUTURE, ARM_TIME, ARMS, NO_ARM = 99 };

static int choose(void *arg)
{
    struct chooser *chooser = arg;
    weir_select_arm arms[ARMS] = {
        WEIR_ON_RECV(chooser->in, &chooser->received),
        WEIR_ON_SEND(chooser->out, &chooser->sent),
        WEIR_ON_EVENT(chooser->event),
        WEIR_ON_FUTURE(chooser->future, &chooser->value),
        {0},
    };
    if (chooser->timeout_ns != 0)
        arms[ARM_TIME] = (weir_select_arm)WEIR_ON_TIMEOUT(chooser->timeout_ns);
    chooser->chosen = NO_ARM;
    chooser->rc = weir_select(arms, ARMS, &chooser->chosen);
    chooser->ended = true;
    return chooser->rc == -ECANCELED ? chooser->rc : 0;
}

static void start_and_settle(weir_group **out_group, weir_task_id *out_id, struct chooser *chooser)
{
    *out_group = open_group(WEIR_COLLECT_ALL);
    *out_id = spawn(*out_group, choose, chooser);
    settle();
    EXPECT(!chooser->ended);
}

TASK_TEST(an_arm_that_is_ready_is_carried_out_at_once)
{
    weir_channel *in = make_channel(1), *out = make_channel(1);
    weir_event event = {0};
    weir_future future = {0};
    struct chooser chooser = {.in = in, .out = out, .event = &event, .future = &future, .sent = 7};
    int item = 5;

    EXPECT_RC(0, weir_channel_send(in, &item)); // the other channel is full
    EXPECT_RC(0, weir_channel_send(out, &item));
    EXPECT_RC(0, choose(&chooser));
    EXPECT_EQ(ARM_RECV, chooser.chosen);
    EXPECT_EQ(5, chooser.received);
    EXPECT_EQ(0, weir_channel_count(in));
    EXPECT_EQ(1, weir_channel_count(out));

    EXPECT_RC(0, weir_channel_recv(out, &item));
    EXPECT_RC(0, choose(&chooser));
    EXPECT_EQ(ARM_SEND, chooser.chosen);
    EXPECT_EQ(1, weir_channel_count(out));

    EXPECT_RC(0, weir_event_set(&event));
    EXPECT_RC(0, choose(&chooser));
    EXPECT_EQ(ARM_EVENT, chooser.chosen);

    EXPECT_RC(0, weir_event_clear(&event));
    EXPECT_RC(0, weir_future_set(&future, &item));
    EXPECT_RC(0, choose(&chooser));
    EXPECT_EQ(ARM_FUTURE, chooser.chosen);
    EXPECT(chooser.value == &item);

    EXPECT_RC(0, weir_channel_recv(out, &item));
    EXPECT_EQ(7, item); // once
    weir_channel_free(in);
    weir_channel_free(out);
}

TASK_TEST(the_first_arm_to_become_ready_is_carried_out_and_the_others_are_left)
{
    weir_channel *in = make_channel(1), *out = make_channel(1);
    weir_event event = {0};
    weir_future future = {0};
    int item = 1;
    EXPECT_RC(0, weir_channel_send(out, &item));
    for (int arm = ARM_RECV; arm < ARMS; arm++) {
        struct chooser chooser = {.in = in,
                                  .out = out,
                                  .event = &event,
                                  .future = &future,
                                  .sent = 7,
                                  .timeout_ns = 50 * WEIR_MS};
        weir_group *group;
        weir_task_id id;
        int64_t begin_ns = weir_now();
        start_and_settle(&group, &id, &chooser);
        if (arm == ARM_RECV)
            EXPECT_RC(0, weir_channel_try_send(in, &(int){5}));
        else if (arm == ARM_SEND)
            EXPECT_RC(0, weir_channel_try_recv(out, &item));
        else if (arm == ARM_EVENT)
            EXPECT_RC(0, weir_event_set(&event));
        else if (arm == ARM_FUTURE)
            EXPECT_RC(0, weir_future_set(&future, &item));
        EXPECT_RC(0, weir_group_close(group, 0));
        EXPECT_EQ(arm, chooser.chosen);
        EXPECT_RC(0, chooser.rc);
        EXPECT_EQ(arm == ARM_RECV ? 5 : 0, chooser.received);
        EXPECT_EQ(0, weir_channel_count(in));
        EXPECT_EQ(1, weir_channel_count(out));
        if (arm == ARM_TIME)
            EXPECT_EQ(50 * WEIR_MS, weir_now() - begin_ns);
        EXPECT_EQ(0, weir__core_loop()->sleeps.armed_count);
        EXPECT_RC(0, weir_event_clear(&event));
        weir_future_init(&future, NULL);
    }
    EXPECT_RC(0, weir_channel_recv(out, &item));
    EXPECT_EQ(7, item);
    weir_channel_free(in);
    weir_channel_free(out);
}

TASK_TEST(a_cancelled_select_has_carried_out_nothing) // O3, O4
{
    weir_channel *in = make_channel(1), *out = make_channel(0);
    weir_event event = {0};
    struct chooser chooser = {
        .in = in, .out = out, .event = &event, .sent = 7, .timeout_ns = WEIR_HOUR};
    weir_group *group;
    weir_task_id id;
    start_and_settle(&group, &id, &chooser);
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    EXPECT_RC(0, weir_channel_try_send(in, &(int){5})); // it is nobody's: it stays in
    int item;
    EXPECT_RC(-EAGAIN, weir_channel_try_recv(out, &item));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ECANCELED, chooser.rc);
    EXPECT_EQ(NO_ARM, chooser.chosen);
    EXPECT_EQ(1, weir_channel_count(in));
    EXPECT_EQ(0, weir__core_loop()->sleeps.armed_count);
    weir_channel_free(in);
    weir_channel_free(out);
}

TASK_TEST(an_arm_that_was_granted_before_the_cancel_wins) // O4, case 164
{
    weir_channel *in = make_channel(1);
    weir_event event = {0};
    struct chooser chooser = {.in = in, .event = &event};
    weir_group *group;
    weir_task_id id;
    start_and_settle(&group, &id, &chooser);
    EXPECT_RC(0, weir_channel_try_send(in, &(int){5}));
    EXPECT_RC(0, weir_event_set(&event)); // too late: it has been decided
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, chooser.rc);
    EXPECT_EQ(ARM_RECV, chooser.chosen);
    EXPECT_EQ(5, chooser.received);
    weir_channel_free(in);
}

TASK_TEST(a_select_in_a_cancelled_scope_is_refused) // O1
{
    weir_channel *in = make_channel(1);
    EXPECT_RC(0, weir_channel_send(in, &(int){5}));
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "test");
    struct chooser chooser = {.in = in};
    EXPECT_RC(-ECANCELED, choose(&chooser));
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    EXPECT_EQ(1, weir_channel_count(in));
    weir_channel_free(in);
}

TASK_TEST(a_closed_channel_is_an_arm_that_is_ready_and_says_so)
{
    weir_channel *in = make_channel(1), *out = make_channel(1);
    EXPECT_RC(0, weir_channel_send(in, &(int){5}));
    EXPECT_RC(0, weir_channel_send(out, &(int){6}));
    weir_channel_close(in);
    struct chooser chooser = {.in = in, .out = out};
    EXPECT_RC(0, choose(&chooser)); // drained first
    EXPECT_RC(0, chooser.rc);
    EXPECT_EQ(5, chooser.received);
    EXPECT_RC(0, choose(&chooser));
    EXPECT_RC(-EPIPE, chooser.rc);
    EXPECT_EQ(ARM_RECV, chooser.chosen);

    chooser = (struct chooser){.out = out, .sent = 7}; // and one that is closed meanwhile
    weir_group *group;
    weir_task_id id;
    start_and_settle(&group, &id, &chooser);
    weir_channel_close(out);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-EPIPE, chooser.rc);
    EXPECT_EQ(ARM_SEND, chooser.chosen);
    EXPECT_EQ(1, weir_channel_count(out));
    weir_channel_free(in);
    weir_channel_free(out);
}

TASK_TEST(the_failure_of_a_future_is_what_its_arm_comes_to)
{
    weir_future future = {0};
    struct chooser chooser = {.future = &future};
    weir_group *group;
    weir_task_id id;
    start_and_settle(&group, &id, &chooser);
    EXPECT_RC(0, weir_future_fail(&future, -ENOENT));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ENOENT, chooser.rc);
    EXPECT_EQ(ARM_FUTURE, chooser.chosen);
}

TASK_TEST(otherwise_is_taken_when_nothing_else_is_ready_now)
{
    weir_channel *in = make_channel(1);
    int item = 0;
    size_t chosen = NO_ARM;
    weir_select_arm arms[] = {WEIR_OTHERWISE, WEIR_ON_RECV(in, &item), WEIR_ON_TIMEOUT(WEIR_SEC)};
    EXPECT_RC(0, weir_select(arms, 3, &chosen));
    EXPECT_EQ(0, chosen);
    EXPECT_RC(0, weir_channel_send(in, &(int){5}));
    EXPECT_RC(0, weir_select(arms, 3, &chosen));
    EXPECT_EQ(1, chosen);
    EXPECT_EQ(5, item);
    weir_channel_free(in);
}

TASK_TEST(time_that_has_passed_comes_after_what_is_ready_and_before_otherwise) // D2, O10
{
    weir_channel *in = make_channel(1);
    int item = 0;
    for (int i = 0; i < 3; i++) {
        size_t chosen = NO_ARM;
        weir_select_arm arms[] = {WEIR_OTHERWISE, WEIR_ON_RECV(in, &item),
                                  i == 0   ? (weir_select_arm)WEIR_ON_TIMEOUT(0)
                                  : i == 1 ? (weir_select_arm)WEIR_ON_TIMEOUT(-WEIR_SEC)
                                           : (weir_select_arm)WEIR_ON_DEADLINE(weir_now())};
        EXPECT_RC(0, weir_select(arms, 3, &chosen));
        EXPECT_EQ(2, chosen);
        EXPECT_RC(0, weir_channel_send(in, &(int){i}));
        EXPECT_RC(0, weir_select(arms, 3, &chosen));
        EXPECT_EQ(1, chosen);
    }
    weir_channel_free(in);
}

TASK_TEST(the_earliest_of_several_times_is_the_one)
{
    int64_t begin_ns = weir_now();
    size_t chosen = NO_ARM;
    weir_select_arm arms[] = {WEIR_ON_TIMEOUT(30 * WEIR_MS), WEIR_ON_DEADLINE(WEIR_NEVER),
                              WEIR_ON_DEADLINE(begin_ns + 20 * WEIR_MS),
                              WEIR_ON_TIMEOUT(WEIR_FOREVER)};
    EXPECT_RC(0, weir_select(arms, 4, &chosen));
    EXPECT_EQ(2, chosen);
    EXPECT_EQ(20 * WEIR_MS, weir_now() - begin_ns);
}

TASK_TEST(a_select_that_could_never_end_is_refused)
{
    size_t chosen = NO_ARM;
    EXPECT_RC(-EINVAL, weir_select(NULL, 0, &chosen));
    weir_select_arm arms[] = {{0}, WEIR_ON_RECV(NULL, NULL), WEIR_ON_EVENT(NULL)};
    EXPECT_RC(-EINVAL, weir_select(arms, 3, &chosen));
    arms[0].kind = (enum weir_select_kind)77;
    EXPECT_RC(-EINVAL, weir_select(arms, 3, &chosen));
    EXPECT_EQ(NO_ARM, chosen);
}

TASK_TEST(ready_arms_are_chosen_equally_often)
{
    enum { CHANNELS = 4, ROUNDS = 4000 };
    weir_channel *channels[CHANNELS];
    weir_select_arm arms[CHANNELS + 2];
    int item = 0;
    int counts[CHANNELS + 2] = {0};
    for (int i = 0; i < CHANNELS; i++) {
        channels[i] = make_channel(1);
        EXPECT_RC(0, weir_channel_send(channels[i], &item));
        /* Two arms that are never ready in the middle must not feed the one behind them. */
        arms[i < 2 ? i : i + 2] = (weir_select_arm)WEIR_ON_RECV(channels[i], &item);
    }
    arms[2] = arms[3] = (weir_select_arm){0};
    for (int i = 0; i < ROUNDS; i++) {
        size_t chosen = NO_ARM;
        REQUIRE_RC(0, weir_select(arms, CHANNELS + 2, &chosen));
        counts[chosen]++;
        EXPECT_RC(0, weir_channel_send(arms[chosen].channel, &item));
    }
    for (int i = 0; i < CHANNELS + 2; i++)
        if (i == 2 || i == 3)
            EXPECT_EQ(0, counts[i]);
        else
            EXPECT(counts[i] > ROUNDS / CHANNELS * 8 / 10);
    for (int i = 0; i < CHANNELS; i++)
        weir_channel_free(channels[i]);
}

TASK_TEST(a_select_stands_in_line_like_everybody)
{
    weir_channel *in = make_channel(1);
    struct chooser first = {.in = in}, second = {.in = in};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, choose, &first);
    settle();
    spawn(group, choose, &second);
    settle();
    EXPECT_RC(0, weir_channel_try_send(in, &(int){1}));
    EXPECT_RC(0, weir_channel_try_send(in, &(int){2}));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(1, first.received);
    EXPECT_EQ(2, second.received);
    weir_channel_free(in);
}

TASK_TEST(two_selects_meet_and_none_meets_itself)
{
    weir_channel *both = make_channel(0);
    struct chooser first = {.in = both, .out = both, .sent = 1};
    struct chooser second = {.in = both, .out = both, .sent = 2};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, choose, &first);
    settle();
    EXPECT(!first.ended); // it could receive what it sends
    spawn(group, choose, &second);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT(first.chosen != second.chosen);
    EXPECT_EQ(first.chosen == ARM_RECV ? 2 : 0, first.received);
    EXPECT_EQ(second.chosen == ARM_RECV ? 1 : 0, second.received);
    weir_channel_free(both);
}

TASK_TEST(one_thing_in_two_arms_is_granted_once)
{
    weir_event event = {0};
    weir_channel *in = make_channel(1);
    int items[2] = {0};
    size_t chosen = NO_ARM;
    weir_select_arm arms[] = {WEIR_ON_EVENT(&event), WEIR_ON_RECV(in, &items[0]),
                              WEIR_ON_RECV(in, &items[1]), WEIR_ON_EVENT(&event)};
    EXPECT_RC(0, weir_channel_send(in, &(int){5}));
    EXPECT_RC(0, weir_select(arms, 4, &chosen));
    EXPECT(chosen == 1 || chosen == 2);
    EXPECT_EQ(5, items[0] + items[1]);
    EXPECT_RC(0, weir_event_set(&event));
    EXPECT_RC(0, weir_select(arms, 4, &chosen));
    EXPECT(chosen == 0 || chosen == 3);
    weir_channel_free(in);
}

/* --- no item is lost and none comes twice, whatever is cut when (I10) ------------------------ */

enum { ITEMS = 120, CHANNELS = 3, ACTORS = 4 };

struct exchange {
    weir_channel *channels[CHANNELS];
    uint64_t random;
    int next_item;
    int sent_count;
    int seen[ITEMS];
    bool closed;
};

static uint64_t draw(struct exchange *exchange, uint64_t limit)
{
    return weir__base_random_next(&exchange->random) % limit;
}

/* Sends each item to whatever channel takes it first. */
static int send_anywhere(void *arg)
{
    struct exchange *exchange = arg;
    while (exchange->next_item < ITEMS) {
        int item = exchange->next_item++;
        int rc;
        do {
            size_t chosen;
            weir_select_arm arms[CHANNELS + 1];
            for (int i = 0; i < CHANNELS; i++)
                arms[i] = (weir_select_arm)WEIR_ON_SEND(exchange->channels[i], &item);
            arms[CHANNELS] = (weir_select_arm)WEIR_ON_TIMEOUT((int64_t)draw(exchange, 4) * WEIR_MS);
            rc = 0;
            WEIR_TIMEOUT(rc, (int64_t)draw(exchange, 3) * WEIR_MS)
            {
                rc = weir_select(arms, CHANNELS + 1, &chosen);
                exchange->sent_count += rc == 0 && chosen < CHANNELS;
                if (rc == 0 && chosen == CHANNELS)
                    rc = -EAGAIN;
            }
        } while (rc == -ETIME || rc == -EAGAIN);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int recv_anywhere(void *arg)
{
    struct exchange *exchange = arg;
    int closed_count = 0;
    bool closed[CHANNELS] = {false};
    while (closed_count < CHANNELS) {
        int items[CHANNELS];
        size_t chosen = 0;
        int rc = 0;
        weir_select_arm arms[CHANNELS];
        for (int i = 0; i < CHANNELS; i++)
            arms[i] =
                (weir_select_arm)WEIR_ON_RECV(closed[i] ? NULL : exchange->channels[i], &items[i]);
        WEIR_TIMEOUT(rc, (int64_t)draw(exchange, 3) * WEIR_MS)
        {
            rc = weir_select(arms, CHANNELS, &chosen);
        }
        if (rc == 0)
            exchange->seen[items[chosen]]++;
        else if (rc == -EPIPE && ++closed_count > 0)
            closed[chosen] = true;
        else if (rc != -ETIME)
            return rc;
    }
    return 0;
}

static int run_exchange(void *arg)
{
    uint64_t seed = *(uint64_t *)arg;
    static struct exchange exchange;
    exchange = (struct exchange){.random = seed};
    for (size_t i = 0; i < CHANNELS; i++)
        exchange.channels[i] = make_channel((seed + i) % 3);
    weir_group *receivers = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < ACTORS; i++)
        spawn(receivers, recv_anywhere, &exchange);
    weir_group *senders = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < ACTORS; i++)
        spawn(senders, send_anywhere, &exchange);
    EXPECT_RC(0, weir_group_close(senders, 0));
    EXPECT_EQ(ITEMS, exchange.sent_count);
    for (int i = 0; i < CHANNELS; i++)
        weir_channel_close(exchange.channels[i]);
    EXPECT_RC(0, weir_group_close(receivers, 0));
    for (int i = 0; i < ITEMS; i++)
        EXPECT_EQ(1, exchange.seen[i]);
    for (int i = 0; i < CHANNELS; i++)
        weir_channel_free(exchange.channels[i]);
    EXPECT_EQ(0, weir__core_loop()->sleeps.armed_count);
    return 0;
}

TEST(selects_lose_no_item_and_pass_none_twice_whatever_is_cut_when)
{
    for (uint64_t seed = 1; seed <= SEEDS && !test_failed(); seed++)
        run_shuffled(seed, run_exchange, &seed);
}
