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

enum { SENDERS_IN_ORDER = 2, FROM_EACH = 1000 };

/* One of a thousand posts of a sender; its number is its place in the sender's table. */
struct ordered {
    struct sender *sender;
};
struct sender {
    weir_loop *loop;
    struct ordered posts[FROM_EACH];
    int next; /* the loop's thread only, as all below */
    int out_of_order;
};
static struct sender senders[SENDERS_IN_ORDER];

static void note_order(void *arg)
{
    struct ordered *ordered = arg;
    struct sender *sender = ordered->sender;
    sender->out_of_order += ordered != &sender->posts[sender->next];
    sender->next++;
}

static void *send_a_thousand(void *arg)
{
    struct sender *sender = arg;
    for (int i = 0; i < FROM_EACH; i++) {
        sender->posts[i].sender = sender;
        EXPECT_RC(0, weir_remote_post(sender->loop, note_order, &sender->posts[i]));
    }
    weir_loop_release(sender->loop);
    return NULL;
}

IO_TEST(posts_of_two_senders_each_keep_their_order_and_run_once) /* X2, case 207 */
{
    struct weir__thread threads[SENDERS_IN_ORDER];
    for (int i = 0; i < SENDERS_IN_ORDER; i++) {
        senders[i] = (struct sender){.loop = weir_loop_retain_self()};
        REQUIRE_RC(0, weir__base_thread_start(&threads[i], "sender", send_a_thousand, &senders[i]));
    }
    for (int i = 0; i < SENDERS_IN_ORDER; i++) {
        while (senders[i].next < FROM_EACH)
            REQUIRE_RC(0, weir_sleep(WEIR_MS));
        weir__base_thread_join(&threads[i]);
        EXPECT_EQ(FROM_EACH, senders[i].next);
        EXPECT_EQ(0, senders[i].out_of_order);
    }
}

IO_TEST(a_token_cancels_its_scope_from_another_thread) /* X2, X3, case 205 */
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
    EXPECT_STR("from elsewhere", cause.reason);
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
static weir_token *kept_token;

static int keep_loop(void *arg)
{
    (void)arg;
    kept = weir_loop_retain_self();
    return weir_token_open(&kept_token);
}

static int never_run(void *arg)
{
    (void)arg;
    EXPECT(false);
    return 0;
}

static void never_refused(void *arg, int rc)
{
    (void)arg, (void)rc;
    EXPECT(false);
}

static void never(void *arg)
{
    (void)arg;
    EXPECT(false);
}

TEST(a_loop_that_has_ended_takes_nothing) /* X2, case 209 */
{
    weir_run_options options = {.backend = "sim"};
    EXPECT_RC(0, weir__core_run(&options, keep_loop, NULL, false));
    EXPECT_RC(-ESHUTDOWN, weir_remote_post(kept, never, NULL));
    EXPECT_RC(-ESHUTDOWN, weir_remote_spawn(kept, never_run, NULL, never_refused));
    EXPECT_RC(-ESHUTDOWN, weir_remote_stop(kept, WEIR_STOP_CANCEL, NULL));
    EXPECT_RC(-ESHUTDOWN, weir_remote_stop(kept, WEIR_STOP_CANCEL, NULL));
    EXPECT_RC(-ESTALE, weir_token_cancel(kept_token, NULL));
    weir_token_release(kept_token);
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

/* --- tokens against scopes that come and go --------------------------------------------------- */

enum { CANCELLERS = 3, ROUNDS = 2000 };

/* The loop's thread puts a token here; each canceller takes a reference of its own under the
 * lock. */
static struct {
    struct weir__mutex lock;
    weir_token *token;
    bool stop;
    int misfits;
} shared = {.lock = WEIR__MUTEX_INIT};

static void *cancel_what_is_there(void *arg)
{
    (void)arg;
    bool stop = false;
    while (!stop) {
        weir__base_mutex_lock(&shared.lock);
        weir_token *token = shared.token == NULL ? NULL : weir_token_retain(shared.token);
        stop = shared.stop;
        weir__base_mutex_unlock(&shared.lock);
        if (token == NULL) {
            weir__base_thread_pause();
            continue;
        }
        for (int i = 0; i < 2; i++) {
            int rc = weir_token_cancel(token, "raced");
            if (rc != 0 && rc != -ESTALE && rc != -ESHUTDOWN)
                __atomic_fetch_add(&shared.misfits, 1, __ATOMIC_RELAXED);
        }
        weir_token_release(token);
    }
    return NULL;
}

static void publish(weir_token *token)
{
    weir__base_mutex_lock(&shared.lock);
    shared.token = token;
    weir__base_mutex_unlock(&shared.lock);
}

static void one_scope(int round)
{
    weir_scope scope = {0};
    weir_token *token;
    REQUIRE_RC(0, weir_scope_enter(&scope));
    REQUIRE_RC(0, weir_token_open(&token));
    publish(token);
    int rc = 0;
    for (int i = 0; i < round % 4 && rc == 0; i++)
        rc = weir_yield();
    EXPECT(rc == 0 || rc == -ECANCELED);
    int left = weir_scope_leave(&scope, rc);
    EXPECT(left == (rc == 0 ? 0 : WEIR_CAUGHT));
    publish(NULL);
    weir_token_release(token);
    EXPECT_RC(0, weir_check()); /* nothing reached what is around it */
}

IO_TEST(tokens_cancelled_from_threads_while_scopes_are_left_reach_no_other) /* C11, X3, case 206 */
{
    shared.stop = false;
    struct weir__thread threads[CANCELLERS];
    for (int i = 0; i < CANCELLERS; i++)
        REQUIRE_RC(0,
                   weir__base_thread_start(&threads[i], "canceller", cancel_what_is_there, NULL));
    int rounds = test_rounds(ROUNDS);
    for (int round = 0; round < rounds && !test_failed(); round++)
        one_scope(round);
    weir__base_mutex_lock(&shared.lock);
    shared.stop = true;
    weir__base_mutex_unlock(&shared.lock);
    for (int i = 0; i < CANCELLERS; i++)
        weir__base_thread_join(&threads[i]);
    EXPECT_EQ(0, __atomic_load_n(&shared.misfits, __ATOMIC_RELAXED));
    EXPECT_RC(0, weir_yield()); /* late posts find their scopes gone */
}

/* --- loops that end while others post --------------------------------------------------------- */

static int taken_count, run_count;
static weir_loop *published; /* under shared.lock, with a reference */

static void count_run(void *arg)
{
    (void)arg;
    __atomic_fetch_add(&run_count, 1, __ATOMIC_RELAXED);
}

static void *post_until_shutdown(void *arg)
{
    (void)arg;
    weir_loop *loop = NULL;
    while (loop == NULL) {
        weir__base_mutex_lock(&shared.lock);
        loop = published;
        weir__base_mutex_unlock(&shared.lock);
        weir__base_thread_pause();
    }
    int rc;
    while ((rc = weir_remote_post(loop, count_run, NULL)) == 0)
        __atomic_fetch_add(&taken_count, 1, __ATOMIC_RELAXED);
    EXPECT_RC(-ESHUTDOWN, rc);
    return NULL;
}

static int live_for_a_while(void *arg)
{
    (void)arg;
    weir_loop *self = weir_loop_retain_self();
    weir__base_mutex_lock(&shared.lock);
    published = self;
    weir__base_mutex_unlock(&shared.lock);
    int rc = 0;
    while (rc == 0 && __atomic_load_n(&run_count, __ATOMIC_RELAXED) < 1000)
        rc = weir_yield();        /* X4: tasks get their turn */
    WEIR_TIMEOUT(rc, 5 * WEIR_MS) /* and so do deadlines */
    {
        while (rc == 0)
            rc = weir_yield();
    }
    EXPECT_RC(-ETIME, rc);
    return 0;
}

TEST(every_post_that_was_taken_runs_although_the_loop_ends_meanwhile) /* X2, X4, case 208, case
                                                                         209 */
{
    enum { SENDERS = 2 };
    struct weir__thread threads[SENDERS];
    for (int i = 0; i < SENDERS; i++)
        REQUIRE_RC(0, weir__base_thread_start(&threads[i], "sender", post_until_shutdown, NULL));
    weir_run_options options = {.backend = "epoll"};
    EXPECT_RC(0, weir__core_run(&options, live_for_a_while, NULL, false));
    for (int i = 0; i < SENDERS; i++)
        weir__base_thread_join(&threads[i]);
    EXPECT_EQ(taken_count, run_count);
    weir_loop_release(published);
}

static void *run_a_loop(void *arg)
{
    weir_run_options options = {.backend = "epoll", .name = "another"};
    *(int *)arg = weir__core_run(&options, just_return, JUST(4), false);
    return NULL;
}

TEST(loops_of_several_threads_begin_and_end_beside_each_other) /* X1 */
{
    enum { LOOPS = 4 };
    struct weir__thread threads[LOOPS];
    int rc[LOOPS] = {0};
    for (int i = 0; i < LOOPS; i++)
        REQUIRE_RC(0, weir__base_thread_start(&threads[i], "loop", run_a_loop, &rc[i]));
    for (int i = 0; i < LOOPS; i++) {
        weir__base_thread_join(&threads[i]);
        EXPECT_RC(4, rc[i]);
    }
}

/* --- a deadlock that is none ------------------------------------------------------------------ */

/* The other side of weir_loop_retain_self(): asked, answers with one post, and lets go at once. */
static weir_loop *asked; /* atomic; with a reference */
static bool answers_end; /* atomic */
static weir_task *asker;

static void wake(void *arg)
{
    weir__core_wake(arg, 7);
}

static void *answer_and_let_go(void *arg)
{
    (void)arg;
    while (!__atomic_load_n(&answers_end, __ATOMIC_ACQUIRE)) {
        weir_loop *loop = __atomic_exchange_n(&asked, NULL, __ATOMIC_ACQ_REL);
        if (loop == NULL)
            continue;
        EXPECT_RC(0, weir_remote_post(loop, wake, asker));
        weir_loop_release(loop);
    }
    return NULL;
}

/* The loop looked for mail, then whether somebody could still send some: in between, the last one
 * sent it and let go. */
TASK_TEST(whoever_posts_and_lets_go_at_once_leaves_no_deadlock) /* Q5, X2 */
{
    enum { ANSWERS = 2000 };
    count_findings();
    asker = weir__core_task();
    __atomic_store_n(&answers_end, false, __ATOMIC_RELEASE);
    struct weir__thread thread;
    REQUIRE_RC(0, weir__base_thread_start(&thread, "answers", answer_and_let_go, NULL));
    for (int i = 0; i < ANSWERS && !test_failed(); i++) {
        __atomic_store_n(&asked, weir_loop_retain_self(), __ATOMIC_RELEASE);
        EXPECT_RC(7, weir__core_park(WEIR_WAIT_OTHER, NULL, NULL));
    }
    __atomic_store_n(&answers_end, true, __ATOMIC_RELEASE);
    weir__base_thread_join(&thread);
    EXPECT_EQ(0, findings[WEIR__FINDING_DEADLOCK]);
}
