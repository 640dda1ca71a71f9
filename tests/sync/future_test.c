/*
 * future_test.c - a value that comes once, for many
 */
#include "tests/sync/waits.h"

#include <stdlib.h>

static int destroyed_count;
static void *destroyed_value;

static void destroy(void *value)
{
    EXPECT_RC(-EPERM, weir_yield()); /* it cannot park */
    destroyed_count++;
    destroyed_value = value;
}

struct waiting {
    weir_future *future;
    int rc;
    void *value;
};

static int wait_for_value(void *arg)
{
    struct waiting *waiting = arg;
    waiting->rc = weir_future_wait(waiting->future, &waiting->value);
    return waiting->rc == -ECANCELED ? waiting->rc : 0;
}

static int value_of_ours;

TASK_TEST(everybody_who_waits_gets_the_value_and_so_do_those_who_come_later)
{
    enum { WAITERS = 100 };
    static struct waiting waiting[WAITERS];
    weir_future future;
    weir_future_init(&future, destroy);
    weir_group *group = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < WAITERS; i++) {
        waiting[i] = (struct waiting){.future = &future};
        spawn(group, wait_for_value, &waiting[i]);
    }
    settle();
    EXPECT(!weir_future_is_set(&future));
    EXPECT_RC(0, weir_future_set(&future, &value_of_ours));
    EXPECT_RC(0, weir_group_close(group, 0));
    for (int i = 0; i < WAITERS; i++) {
        EXPECT_RC(0, waiting[i].rc);
        EXPECT(waiting[i].value == &value_of_ours);
    }
    void *value = NULL;
    EXPECT_RC(0, weir_future_wait(&future, &value));
    EXPECT(value == &value_of_ours);
    EXPECT_RC(0, weir_future_wait(&future, NULL));
    EXPECT_RC(-EALREADY, weir_future_set(&future, NULL)); // still the caller's
    EXPECT_RC(-EALREADY, weir_future_fail(&future, -EIO));
    EXPECT_EQ(0, destroyed_count);
    weir_future_deinit(&future);
    EXPECT_EQ(1, destroyed_count); // I5
    EXPECT(destroyed_value == &value_of_ours);
    weir_future_deinit(&future);
    weir_future_deinit(NULL);
    EXPECT_EQ(1, destroyed_count);
}

TASK_TEST(a_value_that_was_taken_is_not_destroyed_and_nobody_else_gets_it) // I5
{
    weir_future future;
    weir_future_init(&future, destroy);
    void *value = NULL;
    EXPECT_RC(-EAGAIN, weir_future_take(&future, &value));
    EXPECT_RC(0, weir_future_set(&future, &value_of_ours));
    EXPECT_RC(0, weir_future_take(&future, &value));
    EXPECT(value == &value_of_ours);
    value = NULL;
    EXPECT_RC(-ESTALE, weir_future_take(&future, &value));
    EXPECT_RC(-ESTALE, weir_future_wait(&future, &value));
    EXPECT(value == NULL);
    weir_future_deinit(&future);
    EXPECT_EQ(0, destroyed_count);
}

TASK_TEST(a_failure_reaches_everybody_and_no_stranger_is_cancelled_by_it)
{
    static const struct {
        int given, got;
    } codes[] = {{-EIO, -EIO}, {-ECANCELED, -ECHILD}}; // I8: the waiters were not cancelled
    for (size_t i = 0; i < 2; i++) {
        weir_future future = {0};
        struct waiting waiting = {.future = &future};
        weir_group *group = open_group(WEIR_FAIL_FAST);
        spawn(group, wait_for_value, &waiting);
        settle();
        EXPECT_RC(-EINVAL, weir_future_fail(&future, 0));
        EXPECT_RC(0, weir_future_fail(&future, codes[i].given));
        EXPECT_RC(0, weir_group_close(group, 0));
        EXPECT_RC(codes[i].got, waiting.rc);
        EXPECT(waiting.value == NULL);
        EXPECT_RC(codes[i].got, weir_future_wait(&future, NULL));
        void *value;
        EXPECT_RC(codes[i].got, weir_future_take(&future, &value));
        weir_future_deinit(&future);
    }
}

TASK_TEST(who_waits_for_a_future_that_is_emptied_is_told)
{
    weir_future future;
    weir_future_init(&future, destroy);
    struct waiting waiting = {.future = &future};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, wait_for_value, &waiting);
    settle();
    weir_future_deinit(&future);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-EPIPE, waiting.rc);
    EXPECT_EQ(0, destroyed_count);
}

TASK_TEST(a_cancelled_waiter_leaves_and_the_others_get_the_value)
{
    weir_future future = {0};
    struct waiting waiting[2] = {{.future = &future}, {.future = &future}};
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id id = spawn(group, wait_for_value, &waiting[0]);
    spawn(group, wait_for_value, &waiting[1]);
    settle();
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    EXPECT_RC(0, weir_future_set(&future, &value_of_ours));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ECANCELED, waiting[0].rc);
    EXPECT(waiting[0].value == NULL);
    EXPECT(waiting[1].value == &value_of_ours);
}

TASK_TEST(a_value_before_the_cancel_of_the_same_turn_wins) // O4, case 159
{
    weir_future future = {0};
    struct waiting waiting = {.future = &future};
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id id = spawn(group, wait_for_value, &waiting);
    settle();
    EXPECT_RC(0, weir_future_set(&future, &value_of_ours));
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, waiting.rc);
    EXPECT(waiting.value == &value_of_ours);
}

TASK_TEST(a_wait_for_a_value_in_a_cancelled_scope_is_refused) // O1
{
    weir_future future = {0};
    EXPECT_RC(0, weir_future_set(&future, &value_of_ours));
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "test");
    void *value = NULL;
    EXPECT_RC(-ECANCELED, weir_future_wait(&future, &value));
    EXPECT(value == NULL);
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
}

/* --- work that several wait for, and that ends when nobody does (case 184) -------------------- */

struct flight {
    weir_group *group; // where the work runs, whoever asked for it
    weir_task_id work;
    weir_future value;
    int waiting;
    int rc;
    int runs;
};

static int work(void *arg)
{
    struct flight *flight = arg;
    flight->runs++;
    flight->rc = weir_sleep(10 * WEIR_MS);
    int rc = flight->rc < 0 ? weir_future_fail(&flight->value, flight->rc)
                            : weir_future_set(&flight->value, &value_of_ours);
    EXPECT_RC(0, rc);
    return flight->rc;
}

static int ask(void *arg)
{
    struct flight *flight = arg;
    if (flight->waiting++ == 0)
        flight->work = spawn(flight->group, work, flight);
    void *value = NULL;
    int rc = weir_future_wait(&flight->value, &value);
    if (--flight->waiting == 0 && rc == -ECANCELED)
        EXPECT_RC(0, weir_task_cancel(flight->work, "nobody waits for it"));
    EXPECT(rc == -ECANCELED || value == &value_of_ours);
    return rc;
}

static void fly(int cancelled_count, int expected_rc)
{
    struct flight flight = {.group = open_group(WEIR_COLLECT_ALL)};
    weir_group *askers = open_group(WEIR_COLLECT_ALL);
    weir_task_id ids[3];
    for (int i = 0; i < 3; i++)
        ids[i] = spawn(askers, ask, &flight);
    settle();
    for (int i = 0; i < cancelled_count; i++)
        EXPECT_RC(0, weir_task_cancel(ids[i], "test"));
    EXPECT_RC(0, weir_group_close(askers, 0));
    EXPECT_RC(0, weir_group_close(flight.group, 0));
    EXPECT_RC(expected_rc, flight.rc);
    EXPECT_EQ(1, flight.runs);
    weir_future_deinit(&flight.value);
}

TASK_TEST(work_for_three_goes_on_until_the_last_of_them_is_cancelled) // case 184
{
    fly(0, 0);
    fly(1, 0);
    fly(2, 0);
    fly(3, -ECANCELED);
}
