/*
 * clock_test.c - virtual time and the order of tasks in a test: rules Q1 to Q4, cases 273 to 277
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/test.h>
#include <weir/weir.h>

#include "base/clock.h"
#include "base/sys.h"
#include "base/thread.h"
#include "core/core.h"
#include "net/net.h"
#include "tests/support/test.h"

struct wakes {
    int count;
    int64_t began_ns;
    int64_t at_ms[32];
};

static void note_wake(struct wakes *wakes)
{
    if (wakes->count < 32)
        wakes->at_ms[wakes->count++] = (weir_now() - wakes->began_ns) / WEIR_MS;
}

struct sleep_once {
    struct wakes *wakes;
    int64_t duration_ns;
};
static int sleep_once(struct sleep_once *a)
{
    int rc = weir_sleep(a->duration_ns);
    if (rc == 0)
        note_wake(a->wakes);
    return rc;
}

static int sleep_for_hours(void *arg)
{
    struct wakes *wakes = arg;
    weir_group *group;
    wakes->began_ns = weir_now();
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    static const int hours[] = {2, 3, 1};
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = WEIR_SPAWN(group, sleep_once, .wakes = wakes, .duration_ns = hours[i] * WEIR_HOUR);
    return weir_group_close(group, rc);
}

TEST(hours_of_sleep_pass_in_no_time_and_in_order) /* Q1, Q2, case 273 */
{
    struct wakes wakes = {0};
    int64_t began_ns = weir__base_kernel_now();
    EXPECT_RC(0, weir_test_run(sleep_for_hours, &wakes, NULL));
    EXPECT(weir__base_kernel_now() - began_ns < 1 * WEIR_SEC);
    EXPECT_EQ(3, wakes.count);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ((i + 1) * 3600 * 1000, wakes.at_ms[i]);
}

/* --- a real backend under a virtual clock ----------------------------------------------------- */

static int post_in_50_ms(void *arg)
{
    int64_t until_ns = weir__base_kernel_now() + 50 * WEIR_MS; /* a thread's time is real */
    while (weir__base_kernel_now() < until_ns) {
    }
    weir_shared_event_post(arg);
    return 0;
}

struct talk {
    struct wakes wakes;
    int64_t real_ms;
};

/* A read of what comes in 50 ms of real time, beside a limit of an hour of virtual time. */
static int wait_for_a_thread(void *arg)
{
    struct talk *talk = arg;
    int64_t began_ns = weir__base_kernel_now();
    talk->wakes.began_ns = weir_now();
    weir_shared_event *event;
    int rc = weir_shared_event_new(&event);
    if (rc < 0)
        return rc;
    weir_scope scope = {0};
    rc = weir_timeout_enter(&scope, 1 * WEIR_HOUR);
    if (rc == 0) {
        rc = weir_offload(NULL, post_in_50_ms, event);
        note_wake(&talk->wakes);
        rc = weir_scope_leave(&scope, rc);
    }
    weir_shared_event_release(event);
    talk->real_ms = (weir__base_kernel_now() - began_ns) / WEIR_MS;
    return rc;
}

TEST(time_stands_still_while_a_job_runs) /* Q2, case 275 */
{
    static const char *const backends[] = {"sim", "uring", "epoll"};
    for (int i = 0; i < 3; i++) {
        if (i == 1 && test_why_no_uring() != NULL)
            continue;
        struct talk talk = {0};
        EXPECT_RC(0, weir_test_run(wait_for_a_thread, &talk,
                                   &(weir_test_options){.backend = backends[i]}));
        EXPECT_EQ(0, talk.wakes.at_ms[0]);
        EXPECT(talk.real_ms >= 50);
    }
}

/* A thread that core knows nothing of writes to the other end: the read alone keeps time still. */
static void *write_late(void *arg)
{
    int64_t until_ns = weir__base_kernel_now() + 50 * WEIR_MS;
    while (weir__base_kernel_now() < until_ns) {
    }
    EXPECT_EQ(1, weir__sys_write(*(int *)arg, "x", 1));
    return NULL;
}

static int read_beside_an_hour(void *arg)
{
    struct talk *talk = arg;
    weir_listener *listener;
    weir_conn *ours = NULL, *theirs = NULL;
    int rc = weir_listener_open(NULL, &listener);
    if (rc < 0)
        return rc;
    rc = weir_connect_address(weir_listener_address(listener), NULL, &ours);
    if (rc >= 0)
        rc = weir_listener_accept(listener, &theirs);
    talk->wakes.began_ns = weir_now();
    int fd = theirs == NULL ? -1 : weir__stream_fd(&theirs->stream);
    struct weir__thread thread;
    if (rc >= 0)
        rc = weir__base_thread_start(&thread, "peer", write_late, &fd);
    if (rc == 0) {
        WEIR_TIMEOUT(rc, 1 * WEIR_HOUR)
        {
            char byte;
            ssize_t got = weir_conn_read(ours, &byte, 1);
            rc = got == 1 ? 0 : -EIO;
            note_wake(&talk->wakes);
        }
        weir__base_thread_join(&thread);
    }
    weir_conn_close(ours);
    weir_conn_close(theirs);
    weir_listener_close(listener);
    return rc < 0 ? rc : 0;
}

TEST(time_does_not_jump_over_a_read_that_is_under_way) /* Q2, case 274 */
{
    static const char *const backends[] = {"uring", "epoll"};
    for (int i = 0; i < 2; i++) {
        if (i == 0 && test_why_no_uring() != NULL)
            continue;
        struct talk talk = {0};
        EXPECT_RC(0, weir_test_run(read_beside_an_hour, &talk,
                                   &(weir_test_options){.backend = backends[i]}));
        EXPECT_EQ(1, talk.wakes.count);
        EXPECT_EQ(0, talk.wakes.at_ms[0]);
    }
}

TEST(virtual_time_jumps_on_a_real_backend_too) /* Q2 */
{
    struct wakes wakes = {0};
    int64_t began_ns = weir__base_kernel_now();
    EXPECT_RC(0, weir_test_run(sleep_for_hours, &wakes, &(weir_test_options){.backend = "epoll"}));
    EXPECT(weir__base_kernel_now() - began_ns < 1 * WEIR_SEC);
    EXPECT_EQ(3, wakes.count);
    EXPECT_EQ(3 * 3600 * 1000, wakes.at_ms[2]);
}

/* --- settle ----------------------------------------------------------------------------------- */

struct ping {
    weir_channel *from, *to;
    int *passed;
};
static int ping(struct ping *a)
{
    int ball;
    int rc = 0;
    while (rc == 0) {
        rc = weir_channel_recv(a->from, &ball);
        if (rc == 0 && ball > 0) {
            ++*a->passed;
            ball--;
            rc = weir_channel_send(a->to, &ball);
        }
    }
    return rc;
}

static int settle_after_a_hundred_wakes(void *arg)
{
    int *passed = arg;
    weir_channel *channels[2];
    weir_channel_options options = {.item_bytes = sizeof(int), .capacity = 1};
    for (int i = 0; i < 2; i++) {
        int rc = weir_channel_new(&options, &channels[i]);
        if (rc < 0)
            return rc;
    }
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc == 0) {
        rc = WEIR_SPAWN(group, ping, .from = channels[0], .to = channels[1], .passed = passed);
        if (rc == 0)
            rc = WEIR_SPAWN(group, ping, .from = channels[1], .to = channels[0], .passed = passed);
        int ball = 100;
        int64_t now_ns = weir_now();
        if (rc == 0)
            rc = weir_channel_try_send(channels[0], &ball);
        if (rc == 0)
            rc = weir_test_settle();
        WEIR_TEST_EXPECT(*passed == 100);
        WEIR_TEST_EXPECT(weir_now() == now_ns);
        weir_group_cancel(group, "enough");
        rc = weir_group_close(group, rc);
    }
    for (int i = 0; i < 2; i++)
        weir_channel_free(channels[i]);
    return rc;
}

TEST(settle_returns_when_every_other_task_waits) /* Q3, case 276 */
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        int passed = 0;
        EXPECT_RC(0, weir_test_run(settle_after_a_hundred_wakes, &passed,
                                   &(weir_test_options){.seed = seed}));
        EXPECT_EQ(100, passed);
    }
}

struct settle_in_turn {
    int *order;
};
static int settle_in_turn(struct settle_in_turn *a)
{
    int rc = weir_test_settle();
    ++*a->order;
    return rc;
}

static int settle_twice(void *arg)
{
    int *order = arg;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    rc = WEIR_SPAWN(group, settle_in_turn, .order = order);
    if (rc == 0)
        rc = weir_test_settle();
    return weir_group_close(group, rc);
}

TEST(two_tasks_that_settle_do_not_wait_for_each_other) /* Q3 */
{
    int order = 0;
    EXPECT_RC(0, weir_test_run(settle_twice, &order, NULL));
    EXPECT_EQ(1, order);
}

/* --- advance ---------------------------------------------------------------------------------- */

struct every {
    struct wakes *wakes;
    int64_t period_ns;
};
static int every(struct every *a)
{
    int rc = 0;
    while (rc == 0) {
        rc = weir_sleep(a->period_ns);
        if (rc == 0)
            note_wake(a->wakes);
    }
    return rc;
}

static int advance_by_hand(void *arg)
{
    struct wakes *wakes = arg;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    wakes->began_ns = weir_now();
    rc = WEIR_SPAWN(group, sleep_once, .wakes = wakes, .duration_ns = 20 * WEIR_MS);
    if (rc == 0)
        rc = WEIR_SPAWN(group, every, .wakes = wakes, .period_ns = 30 * WEIR_MS);
    if (rc == 0)
        rc = WEIR_SPAWN(group, sleep_once, .wakes = wakes, .duration_ns = 10 * WEIR_MS);
    if (rc == 0)
        rc = weir_test_settle();
    WEIR_TEST_EXPECT(wakes->count == 0);
    if (rc == 0)
        rc = weir_test_advance(100 * WEIR_MS);
    WEIR_TEST_EXPECT(weir_now() - wakes->began_ns == 100 * WEIR_MS);
    weir_group_cancel(group, "enough");
    return weir_group_close(group, rc);
}

TEST(advancing_fires_every_timer_in_its_own_turn) /* Q1, case 277 */
{
    static const int expected_ms[] = {10, 20, 30, 60, 90};
    for (int clock = 0; clock < 2; clock++) {
        struct wakes wakes = {0};
        EXPECT_RC(0,
                  weir_test_run(advance_by_hand, &wakes,
                                &(weir_test_options){.clock = clock == 0 ? WEIR_TEST_CLOCK_BY_HAND
                                                                         : WEIR_TEST_CLOCK_JUMPS}));
        EXPECT_EQ(5, wakes.count);
        for (int i = 0; i < 5; i++)
            EXPECT_EQ(expected_ms[i], wakes.at_ms[i]);
    }
}

static int sleep_a_second(void *arg)
{
    (void)arg;
    return weir_sleep(1 * WEIR_SEC);
}

TEST(time_that_nobody_moves_is_a_deadlock) /* Q1, Q5 */
{
    weir_test_report report;
    EXPECT_RC(-EDEADLK, weir_test_run(sleep_a_second, NULL,
                                      &(weir_test_options){.clock = WEIR_TEST_CLOCK_BY_HAND,
                                                           .quiet = true,
                                                           .report = &report}));
    EXPECT_CONTAINS("W601", report.what);
}

static int advance_now(void *arg)
{
    (void)arg;
    return weir_test_advance(1);
}

TEST(real_time_cannot_be_advanced)
{
    EXPECT_RC(-EOPNOTSUPP,
              weir_test_run(advance_now, NULL,
                            &(weir_test_options){
                                .backend = "epoll", .clock = WEIR_TEST_CLOCK_REAL, .quiet = true}));
    EXPECT_RC(-EINVAL, weir_test_run(advance_now, NULL,
                                     &(weir_test_options){.clock = WEIR_TEST_CLOCK_REAL}));
    EXPECT_RC(-EPERM, weir_test_advance(1));
    EXPECT_RC(-EPERM, weir_test_settle());
}

TASK_TEST(a_task_of_a_loop_without_a_test_has_no_test)
{
    EXPECT_RC(-EPERM, weir_test_settle());
    EXPECT_RC(-EPERM, weir_test_run(sleep_a_second, NULL, NULL));
}

/* --- seeds ------------------------------------------------------------------------------------ */

struct order {
    char names[9];
    int count;
};
struct append_name {
    struct order *order;
    char name;
};
static int append_name(struct append_name *a)
{
    int rc = weir_yield();
    a->order->names[a->order->count++] = a->name;
    return rc;
}

static int draw_an_order(void *arg)
{
    struct order *order = arg;
    *order = (struct order){0};
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    for (int i = 0; i < 8 && rc == 0; i++)
        rc = WEIR_SPAWN(group, append_name, .order = order, .name = (char)('a' + i));
    return weir_group_close(group, rc);
}

TEST(the_same_seed_gives_the_same_order_and_the_same_hash) /* Q4 */
{
    weir_test_report first, again;
    struct order order[2];
    int different = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        EXPECT_RC(0, weir_test_run(draw_an_order, &order[0],
                                   &(weir_test_options){.seed = seed, .report = &first}));
        EXPECT_RC(0, weir_test_run(draw_an_order, &order[1],
                                   &(weir_test_options){.seed = seed, .report = &again}));
        EXPECT_STR(order[0].names, order[1].names);
        EXPECT(first.round.trace == again.round.trace);
        different += strcmp(order[0].names, "abcdefgh") != 0;
    }
    EXPECT(different >= 18);
    EXPECT_RC(0, weir_test_run(draw_an_order, &order[0], NULL)); /* no seed: first in, first out */
    EXPECT_STR("abcdefgh", order[0].names);
    weir_test_report other;
    EXPECT_RC(0, weir_test_run(draw_an_order, &order[0],
                               &(weir_test_options){.seed = 21, .report = &other}));
    EXPECT(first.round.trace != other.round.trace);
}

static int wants_an_early_second(void *arg)
{
    struct order *order = arg;
    int rc = draw_an_order(order);
    if (rc == 0 && order->names[1] > 'd')
        return weir_fail(-EPROTO, "%c was second", order->names[1]);
    return rc;
}

TEST(a_seed_that_fails_is_named_with_its_replay) /* Q4 */
{
    struct order order;
    weir_test_report report, replayed;
    EXPECT_RC(-EPROTO, weir_test_run(wants_an_early_second, &order,
                                     &(weir_test_options){.name = "letters in order",
                                                          .seeds = 100,
                                                          .quiet = true,
                                                          .report = &report}));
    EXPECT_CONTAINS("the body came to EPROTO", report.what);
    EXPECT_CONTAINS(" was second", report.what);
    EXPECT_EQ(report.round_count, report.round.seed);
    char replay[64];
    snprintf(replay, sizeof replay, "letters in order seed=%d", (int)report.round.seed);
    EXPECT_STR(replay, report.replay);

    setenv("WEIR_TEST_REPLAY", report.replay, 1);
    EXPECT_RC(-EPROTO, weir_test_run(wants_an_early_second, &order,
                                     &(weir_test_options){.name = "letters in order",
                                                          .seeds = 100,
                                                          .quiet = true,
                                                          .report = &replayed}));
    EXPECT_EQ(1, replayed.round_count);
    EXPECT(replayed.round.trace == report.round.trace);
    EXPECT_RC(0, weir_test_run(draw_an_order, &order, NULL)); /* another name: not concerned */
    setenv("WEIR_TEST_REPLAY", "test seed=many", 1);
    EXPECT_RC(-EINVAL, weir_test_run(draw_an_order, &order, NULL));
}

static int draw_numbers(void *arg)
{
    uint64_t *numbers = arg;
    numbers[0] = weir_test_random();
    numbers[1] = weir_test_random();
    return 0;
}

TEST(random_numbers_come_from_the_seed)
{
    uint64_t numbers[3][2];
    for (int i = 0; i < 3; i++)
        EXPECT_RC(0, weir_test_run(draw_numbers, numbers[i],
                                   &(weir_test_options){.seed = i < 2 ? 7 : 8}));
    EXPECT(numbers[0][0] == numbers[1][0] && numbers[0][1] == numbers[1][1]);
    EXPECT(numbers[0][0] != numbers[0][1] && numbers[0][0] != numbers[2][0]);
    EXPECT_EQ(0, weir_test_random());
}

/* --- who holds the loop ----------------------------------------------------------------------- */

static int cancel_in_50_ms(void *arg)
{
    int64_t until_ns = weir__base_kernel_now() + 50 * WEIR_MS;
    while (weir__base_kernel_now() < until_ns) {
    }
    return weir_token_cancel(arg, "from a thread");
}

static void *run_thread(void *arg)
{
    EXPECT_RC(0, cancel_in_50_ms(arg));
    weir_token_release(arg);
    return NULL;
}

/* Held by a thread that core knows nothing of. */
static int wait_for_a_holder(void *arg)
{
    struct weir__thread *thread = arg;
    weir_scope scope = {0};
    weir_event never = {0};
    weir_token *token;
    int rc = weir_scope_enter(&scope);
    if (rc < 0)
        return rc;
    rc = weir_token_open(&token);
    if (rc == 0)
        rc = weir__base_thread_start(thread, "holder", run_thread, token);
    uint64_t turns = weir__core_loop()->backend->stats.turns;
    if (rc == 0)
        rc = weir_event_wait(&never);
    WEIR_TEST_EXPECT(weir__core_loop()->backend->stats.turns - turns < 10);
    rc = weir_scope_leave(&scope, rc);
    return rc == WEIR_CAUGHT ? 0 : rc;
}

TEST(a_loop_that_is_held_waits_for_its_holder_and_does_not_spin) /* Q5 */
{
    struct weir__thread thread;
    EXPECT_RC(0, weir_test_run(wait_for_a_holder, &thread, NULL));
    weir__base_thread_join(&thread);
}
