/*
 * shared_event_test.c - a counter raised by threads, waited for by tasks of several loops
 */
#include "tests/sync/waits.h"

#include "base/clock.h"
#include "base/thread.h"
#include "tests/support/fault_loop.h"

static weir_shared_event *new_event(void)
{
    weir_shared_event *event = NULL;
    EXPECT_RC(0, weir_shared_event_new(&event));
    return event;
}

static void make_and_release(void *arg)
{
    (void)arg;
    weir_shared_event *event = NULL;
    int rc = weir_shared_event_new(&event);
    EXPECT(rc == 0 || (rc == -ENOMEM && event == NULL));
    weir_shared_event_release(event);
}

TEST(a_shared_event_without_memory_is_an_error)
{
    EXPECT_EQ(1, fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, make_and_release, NULL));
}

TASK_TEST(a_post_that_came_before_the_wait_is_not_missed)
{
    weir_shared_event *event = new_event();
    EXPECT_EQ(0, weir_shared_event_count(event));
    weir_shared_event_post(event);
    weir_shared_event_post(event);
    uint64_t count = 0;
    EXPECT_RC(0, weir_shared_event_wait(event, 0, &count));
    EXPECT_EQ(2, count);
    EXPECT_RC(0, weir_shared_event_wait(event, 1, NULL));
    weir_shared_event_release(event);
    weir_shared_event_release(NULL);
}

TASK_TEST(a_wait_for_a_shared_event_ends_with_its_timeout)
{
    weir_shared_event *event = new_event();
    int rc = 0;
    WEIR_TIMEOUT(rc, 2 * WEIR_SEC)
    {
        rc = weir_shared_event_wait(event, 0, NULL);
    }
    EXPECT_RC(-ETIME, rc);
    weir_shared_event_release(event);
}

TASK_TEST(a_wait_for_a_shared_event_in_a_cancelled_scope_is_refused)
{
    weir_shared_event *event = new_event();
    weir_shared_event_post(event);
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "test");
    uint64_t count = 77;
    EXPECT_RC(-ECANCELED, weir_shared_event_wait(event, 0, &count));
    EXPECT_EQ(77, count);
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    weir_shared_event_release(event);
}

struct waiting {
    weir_shared_event *event;
    int rc;
};

static int wait_once(void *arg)
{
    struct waiting *waiting = arg;
    waiting->rc = weir_shared_event_wait(waiting->event, 0, NULL);
    return waiting->rc;
}

TASK_TEST(a_post_before_the_cancel_of_the_same_turn_wins)
{
    struct waiting waiting = {.event = new_event()};
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id id = spawn(group, wait_once, &waiting);
    settle();
    weir_shared_event_post(waiting.event);
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, waiting.rc); // O4
    weir_shared_event_release(waiting.event);
}

TASK_TEST(a_task_of_the_same_loop_may_post)
{
    struct waiting waiting = {.event = new_event()};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, wait_once, &waiting);
    spawn(group, wait_once, &waiting);
    settle();
    weir_shared_event_post(waiting.event);
    EXPECT_RC(0, weir_group_close(group, 0));
    weir_shared_event_release(waiting.event);
}

/* --- threads ---------------------------------------------------------------------------------- */

enum { POSTS = 20000, THREADS = 3 };

static void *post_many(void *arg)
{
    for (int i = 0; i < POSTS; i++) {
        weir_shared_event_post(arg);
        if (i % 64 == 0)
            weir__base_thread_pause();
    }
    weir_shared_event_release(arg);
    return NULL;
}

/* Follows the count until all posts were seen; it never goes back. */
static int follow(void *arg)
{
    uint64_t seen = 0;
    while (seen < (uint64_t)POSTS * THREADS) {
        uint64_t before = seen;
        int rc = weir_shared_event_wait(arg, seen, &seen);
        if (rc < 0)
            return rc;
        EXPECT(seen > before);
    }
    return 0;
}

/* Gives up and comes back, again and again: the races of cancel and post. */
static int follow_impatiently(void *arg)
{
    uint64_t seen = 0;
    while (seen < (uint64_t)POSTS * THREADS) {
        int rc = 0;
        WEIR_TIMEOUT(rc, 1 * WEIR_MS)
        {
            rc = weir_shared_event_wait(arg, seen, &seen);
        }
        if (rc < 0 && rc != -ETIME)
            return rc;
    }
    return 0;
}

IO_TEST(no_post_of_a_thread_is_lost)
{
    weir_shared_event *event = new_event();
    struct weir__thread threads[THREADS];
    weir_group *group = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < 4; i++) {
        spawn(group, follow, event);
        spawn(group, follow_impatiently, event);
    }
    for (int i = 0; i < THREADS; i++)
        REQUIRE_RC(0, weir__base_thread_start(&threads[i], "poster", post_many,
                                              weir_shared_event_retain(event)));
    EXPECT_RC(0, weir_group_close(group, 0));
    for (int i = 0; i < THREADS; i++)
        weir__base_thread_join(&threads[i]);
    EXPECT_EQ(POSTS * THREADS, weir_shared_event_count(event));
    weir_shared_event_release(event);
}

enum { ECHOES = 20000 };

struct echo {
    weir_shared_event *event;
    bool over; /* atomic */
};

/* Answers each post at once, as only a thread that never sleeps can. */
static void *answer(void *arg)
{
    struct echo *echo = arg;
    for (uint64_t next = 1;; next += 2) {
        for (unsigned looks = 1; weir_shared_event_count(echo->event) < next; looks++)
            if (looks % 256 == 0)
                weir__base_thread_pause();
        if (__atomic_load_n(&echo->over, __ATOMIC_RELAXED))
            return NULL;
        weir_shared_event_post(echo->event);
    }
}

IO_TEST(an_answer_that_comes_between_the_look_and_the_wait_is_not_missed)
{
    struct echo echo = {.event = new_event()};
    struct weir__thread thread;
    REQUIRE_RC(0, weir__base_thread_start(&thread, "echo", answer, &echo));
    int64_t until_ns = weir_now() + 2 * WEIR_SEC; // a slow machine has seen enough by then
    uint64_t random = 1;
    uint64_t asked = 1;
    for (int i = 0; i < ECHOES && weir_now() < until_ns; i++, asked += 2) {
        weir_shared_event_post(echo.event);
        /* The answer takes a microsecond or so: be early now, late then, and just in time. */
        for (uint64_t spin = weir__base_random_next(&random) % 512; spin > 0; spin--)
            __asm__ volatile("");
        EXPECT_RC(0, weir_shared_event_wait(echo.event, asked, NULL));
    }
    __atomic_store_n(&echo.over, true, __ATOMIC_RELAXED);
    weir_shared_event_post(echo.event);
    weir__base_thread_join(&thread);
    EXPECT(weir_shared_event_count(echo.event) == asked);
    weir_shared_event_release(echo.event);
}

struct other_loop {
    const char *backend;
    weir_shared_event *ball;
    uint64_t first; // the count at which it is our turn for the first time
    int rc;
};

enum { TOUCHES = 2000 };

/* Two loops pass a ball: each posts when the count says that it is its turn. */
static int play(void *arg)
{
    struct other_loop *loop = arg;
    uint64_t seen = weir_shared_event_count(loop->ball);
    for (uint64_t turn = loop->first; turn < TOUCHES; turn += 2) {
        while (seen < turn) {
            int rc = weir_shared_event_wait(loop->ball, seen, &seen);
            if (rc < 0)
                return rc;
        }
        weir_shared_event_post(loop->ball);
        seen = weir_shared_event_count(loop->ball);
    }
    return 0;
}

static void *play_on_a_loop_of_its_own(void *arg)
{
    struct other_loop *loop = arg;
    loop->rc = weir__core_run(&(weir_run_options){.backend = loop->backend}, play, loop, false);
    return NULL;
}

TEST(tasks_of_several_loops_wait_for_one_event)
{
    weir_shared_event *ball = new_event();
    struct other_loop loops[2] = {{.backend = "epoll", .ball = ball, .first = 0},
                                  {.backend = "epoll", .ball = ball, .first = 1}};
    struct weir__thread threads[2];
    for (int i = 0; i < 2; i++)
        REQUIRE_RC(
            0, weir__base_thread_start(&threads[i], "loop", play_on_a_loop_of_its_own, &loops[i]));
    for (int i = 0; i < 2; i++) {
        weir__base_thread_join(&threads[i]);
        EXPECT_RC(0, loops[i].rc);
    }
    EXPECT_EQ(TOUCHES, weir_shared_event_count(ball));
    weir_shared_event_release(ball);
}
