/*
 * remote_test.c - posts and tokens from other threads: rules X2-X4
 */
#include "base/thread.h"
#include "tests/core/bodies.h"

enum { POSTS = 20000 };

struct flood {
    weir_loop *loop;
    int next_expected;
    int out_of_order;
    int done;
    weir_task *waiter;
};

struct numbered {
    struct weir__post post;
    struct flood *flood;
    int number;
};
static struct numbered posts[POSTS];

static void receive(struct weir__post *post)
{
    struct numbered *numbered = WEIR__CONTAINER(post, struct numbered, post);
    struct flood *flood = numbered->flood;
    flood->out_of_order += numbered->number != flood->next_expected;
    flood->next_expected = numbered->number + 1;
    if (flood->next_expected == POSTS)
        weir__core_wake(flood->waiter, 0);
}

static void *send_posts(void *arg)
{
    struct flood *flood = arg;
    for (int i = 0; i < POSTS; i++) {
        posts[i] = (struct numbered){.post.run = receive, .flood = flood, .number = i};
        EXPECT_RC(0, weir__core_post(flood->loop, &posts[i].post));
    }
    weir_loop_release(flood->loop);
    return NULL;
}

IO_TEST(posts_of_one_sender_arrive_in_order) /* X2, X4 */
{
    struct flood flood = {.loop = weir_loop_retain_self(), .waiter = weir__core_task()};
    struct weir__thread thread;
    REQUIRE_RC(0, weir__base_thread_start(&thread, "sender", send_posts, &flood));
    EXPECT_RC(0, weir__core_park(WEIR_WAIT_OTHER, NULL, NULL));
    EXPECT_EQ(0, flood.out_of_order);
    weir__base_thread_join(&thread);
}

struct canceller {
    weir_token *token;
    int rc;
};

static void *cancel_token(void *arg)
{
    struct canceller *a = arg;
    a->rc = weir_token_cancel(a->token, "from elsewhere");
    weir_token_release(a->token);
    return NULL;
}

IO_TEST(a_token_cancels_its_scope_from_another_thread) /* X3 */
{
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    struct canceller canceller = {0};
    REQUIRE_RC(0, weir_token_open(&canceller.token));
    struct weir__thread thread;
    REQUIRE_RC(0, weir__base_thread_start(&thread, "canceller", cancel_token, &canceller));
    EXPECT_RC(-ECANCELED, weir_sleep(WEIR_MIN));
    weir_cancel_cause cause;
    EXPECT(weir_cancelled_because(&cause));
    EXPECT_EQ(WEIR_CANCEL_REMOTE, cause.kind);
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    weir__base_thread_join(&thread);
    EXPECT_RC(0, canceller.rc);
}

TASK_TEST(a_token_of_a_scope_that_has_ended_is_stale) /* X3 */
{
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_token *token;
    REQUIRE_RC(0, weir_token_open(&token));
    EXPECT_RC(0, weir_token_cancel(token, NULL)); /* on its way when the scope is left */
    EXPECT_RC(0, weir_scope_leave(&scope, 0));
    EXPECT_RC(-ESTALE, weir_token_cancel(token, NULL));
    EXPECT_RC(0, weir_yield());
    weir_token_release(token);
}

static weir_loop *kept;

static int keep_loop(void *arg)
{
    (void)arg;
    kept = weir_loop_retain_self();
    return 0;
}

static void never(void *arg)
{
    (void)arg;
    EXPECT(false);
}

TEST(a_loop_that_has_ended_takes_no_posts) /* X2 */
{
    weir_run_options options = {.backend = "sim"};
    EXPECT_RC(0, weir__core_run(&options, keep_loop, NULL, false));
    EXPECT_RC(-ESHUTDOWN, weir_remote_post(kept, never, NULL));
    weir_loop_release(kept);
}

struct late_post {
    struct weir__post post;
    weir_loop *loop;
    bool arrived;
};

static void arrive(struct weir__post *post)
{
    struct late_post *late = WEIR__CONTAINER(post, struct late_post, post);
    weir__core_external_end(late->loop);
    late->arrived = true;
}

static void *post_when_asleep(void *arg)
{
    struct late_post *late = arg;
    while (!__atomic_load_n(&late->loop->asleep, __ATOMIC_SEQ_CST))
        weir__base_thread_pause();
    EXPECT_RC(0, weir__core_post(late->loop, &late->post));
    return NULL;
}

static struct late_post late = {.post.run = arrive};
static struct weir__thread late_thread;

static int leave_work_under_way(void *arg)
{
    (void)arg;
    late.loop = weir__core_loop();
    weir__core_external_begin(late.loop);
    return weir__base_thread_start(&late_thread, "late", post_when_asleep, &late);
}

TEST(a_loop_that_ends_can_be_woken_by_what_is_still_under_way) /* X2 */
{
    weir_run_options options = {.backend = "sim"};
    EXPECT_RC(0, weir__core_run(&options, leave_work_under_way, NULL, false));
    EXPECT(late.arrived);
    weir__base_thread_join(&late_thread);
}
