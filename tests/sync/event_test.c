/*
 * event_test.c - something that has happened or has not
 */
#include "tests/sync/waits.h"

struct waiting {
    weir_event *event;
    int rc;
    bool ended;
};

static int wait_for_it(void *arg)
{
    struct waiting *waiting = arg;
    waiting->rc = weir_event_wait(waiting->event);
    waiting->ended = true;
    return waiting->rc;
}

TASK_TEST(an_event_that_is_set_is_not_waited_for)
{
    weir_event event = {0};
    EXPECT(!weir_event_is_set(&event));
    weir_event_set(&event);
    EXPECT(weir_event_is_set(&event));
    EXPECT_RC(0, weir_event_wait(&event));
    EXPECT_RC(0, weir_event_wait(&event)); // level-triggered: it stays
}

TASK_TEST(setting_an_event_wakes_everybody_who_waits)
{
    enum { WAITERS = 1000 };
    static struct waiting waiting[WAITERS];
    weir_event event = {0};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < WAITERS; i++) {
        waiting[i] = (struct waiting){.event = &event};
        spawn(group, wait_for_it, &waiting[i]);
    }
    settle();
    EXPECT(!waiting[0].ended);
    weir_event_set(&event);
    weir_event_set(&event);
    EXPECT_RC(0, weir_group_close(group, 0)); // case 156
    for (int i = 0; i < WAITERS; i++)
        EXPECT(waiting[i].ended);
}

TASK_TEST(who_was_woken_stays_woken_when_the_event_is_cleared)
{
    weir_event event = {0};
    struct waiting first = {.event = &event};
    struct waiting second = {.event = &event};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, wait_for_it, &first);
    settle();
    weir_event_set(&event);
    weir_event_clear(&event);
    spawn(group, wait_for_it, &second);
    settle();
    EXPECT(first.ended);
    EXPECT(!second.ended);
    weir_event_set(&event);
    EXPECT_RC(0, weir_group_close(group, 0));
}

TASK_TEST(a_wait_for_an_event_in_a_cancelled_scope_is_refused_even_if_it_is_set)
{
    weir_event event = {0};
    weir_event_set(&event);
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "test");
    EXPECT_RC(-ECANCELED, weir_event_wait(&event)); // case 181, O1
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
}

TASK_TEST(an_event_that_is_set_before_the_cancel_of_the_same_turn_wins)
{
    weir_event event = {0};
    struct waiting waiting = {.event = &event};
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id id = spawn(group, wait_for_it, &waiting);
    settle();
    weir_event_set(&event);
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, waiting.rc); // case 181, O4
}

TASK_TEST(a_cancelled_waiter_leaves_and_the_others_stay)
{
    weir_event event = {0};
    struct waiting first = {.event = &event};
    struct waiting second = {.event = &event};
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id id = spawn(group, wait_for_it, &first);
    spawn(group, wait_for_it, &second);
    settle();
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    settle();
    EXPECT_RC(-ECANCELED, first.rc);
    EXPECT(!second.ended);
    weir_event_set(&event);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, second.rc);
}

TASK_TEST(a_wait_for_an_event_ends_with_its_timeout)
{
    weir_event event = {0};
    int rc = 0;
    int64_t started_ns = weir_now();
    WEIR_TIMEOUT(rc, 5 * WEIR_SEC)
    {
        rc = weir_event_wait(&event);
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_EQ(5 * WEIR_SEC, weir_now() - started_ns);
}

TEST(an_event_can_only_be_waited_for_by_a_task)
{
    weir_event event = {0};
    EXPECT_RC(-EPERM, weir_event_wait(&event));
}

static int use_locks_in_callback(weir_task_id task, const weir_outcome *outcome, void *arg)
{
    (void)task, (void)outcome;
    weir_mutex mutex = {0};
    weir_semaphore semaphore = {0};
    weir_event unset = {0};
    EXPECT_RC(-EPERM, weir_event_wait(&unset));
    EXPECT_RC(-EPERM, weir_mutex_lock(&mutex));
    EXPECT_RC(-EPERM, weir_mutex_try_lock(&mutex));
    EXPECT_RC(-EPERM, weir_semaphore_acquire(&semaphore, 1));
    weir_event_set(arg);
    return 0;
}

TASK_TEST(a_callback_sets_an_event_and_waits_for_none) // K1, K2, case 217
{
    weir_event event = {0};
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    struct waiting waiting = {.event = &event};
    spawn(group, wait_for_it, &waiting);
    weir_event never = {0};
    struct waiting cancelled = {.event = &never};
    weir_task_id id = spawn(group, wait_for_it, &cancelled);
    EXPECT_RC(0, weir_task_on_done(id, use_locks_in_callback, &event, NULL));
    settle();
    EXPECT(!waiting.ended);
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT(waiting.ended);
    EXPECT_RC(0, waiting.rc);
}
