/*
 * thread_test.c - threads start deaf to signals, wait on the monotonic clock, and may be refused
 */
#include "base/thread.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "tests/support/test.h"

struct seen {
    char name[32];
    sigset_t mask;
};

static void *look_around(void *arg)
{
    struct seen *seen = arg;
    pthread_sigmask(SIG_SETMASK, NULL, &seen->mask);
    return NULL;
}

TEST(a_thread_blocks_all_signals_but_those_of_its_own_instructions)
{
    struct seen seen;
    struct weir__thread thread;
    sigset_t before;
    sigset_t after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    REQUIRE_RC(0, weir__base_thread_start(&thread, "signals", look_around, &seen));
    weir__base_thread_join(&thread);
    pthread_sigmask(SIG_SETMASK, NULL, &after);

    static const int blocked[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGCHLD, SIGUSR1, SIGALRM};
    for (size_t i = 0; i < sizeof blocked / sizeof blocked[0]; i++)
        EXPECT_EQ(1, sigismember(&seen.mask, blocked[i]));
    static const int open[] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL, SIGTRAP,
                               SIGSYS,  SIGABRT, SIGPROF, SIGURG};
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++)
        EXPECT_EQ(0, sigismember(&seen.mask, open[i]));
    for (int number = 1; number < 32; number++) // the maker's own mask is as it was
        EXPECT_EQ(sigismember(&before, number), sigismember(&after, number));
}

struct gate {
    struct weir__mutex mutex;
    struct weir__cond cond;
    bool open;
    int passed_count;
};

static void open_gate(struct gate *gate)
{
    weir__base_mutex_lock(&gate->mutex);
    gate->open = true;
    weir__base_cond_broadcast(&gate->cond);
    weir__base_mutex_unlock(&gate->mutex);
}

static void *pass_gate(void *arg)
{
    struct gate *gate = arg;
    weir__base_mutex_lock(&gate->mutex);
    while (!gate->open)
        weir__base_cond_wait(&gate->cond, &gate->mutex);
    gate->passed_count++;
    weir__base_cond_signal(&gate->cond);
    weir__base_mutex_unlock(&gate->mutex);
    return NULL;
}

static void init_gate(struct gate *gate)
{
    *gate = (struct gate){0};
    weir__base_mutex_init(&gate->mutex);
    weir__base_cond_init(&gate->cond);
}

static void deinit_gate(struct gate *gate)
{
    weir__base_cond_deinit(&gate->cond);
    weir__base_mutex_deinit(&gate->mutex);
}

TEST(a_thread_has_its_name_cut_to_what_the_kernel_takes)
{
    struct gate gate;
    struct weir__thread thread;
    char name[32];
    init_gate(&gate);
    REQUIRE_RC(0, weir__base_thread_start(&thread, "weir-a-very-long-name", pass_gate, &gate));
    EXPECT_EQ(0, pthread_getname_np(thread.handle, name, sizeof name));
    EXPECT_STR("weir-a-very-lon", name);
    open_gate(&gate);
    weir__base_thread_join(&thread);
    deinit_gate(&gate);
}

TEST(a_broadcast_wakes_everybody)
{
    enum { THREADS = 8 };
    struct gate gate;
    struct weir__thread threads[THREADS];
    init_gate(&gate);
    for (int i = 0; i < THREADS; i++)
        REQUIRE_RC(0, weir__base_thread_start(&threads[i], NULL, pass_gate, &gate));
    open_gate(&gate);
    for (int i = 0; i < THREADS; i++)
        weir__base_thread_join(&threads[i]);
    EXPECT_EQ(THREADS, gate.passed_count);
    deinit_gate(&gate);
}

TEST(a_wait_ends_at_its_deadline)
{
    struct gate gate;
    init_gate(&gate);
    weir__base_mutex_lock(&gate.mutex);
    EXPECT_RC(-ETIMEDOUT, weir__base_cond_wait_until(&gate.cond, &gate.mutex, INT64_MIN));
    EXPECT_RC(-ETIMEDOUT, weir__base_cond_wait_until(&gate.cond, &gate.mutex, 0));
    int64_t deadline = weir__base_kernel_now() + 2 * WEIR_MS;
    int rc;
    do // it may wake for no reason
        rc = weir__base_cond_wait_until(&gate.cond, &gate.mutex, deadline);
    while (rc == 0);
    EXPECT_RC(-ETIMEDOUT, rc);
    EXPECT(weir__base_kernel_now() >= deadline);
    weir__base_mutex_unlock(&gate.mutex);
    deinit_gate(&gate);
}

TEST(a_wait_that_is_woken_before_its_deadline_gives_zero)
{
    struct gate gate;
    struct weir__thread thread;
    init_gate(&gate);
    gate.open = true;
    weir__base_mutex_lock(&gate.mutex);
    REQUIRE_RC(0, weir__base_thread_start(&thread, "waker", pass_gate, &gate));
    while (gate.passed_count == 0) {
        int64_t deadline = weir__base_kernel_now() + WEIR_HOUR;
        EXPECT_RC(0, weir__base_cond_wait_until(&gate.cond, &gate.mutex, deadline));
    }
    weir__base_mutex_unlock(&gate.mutex);
    weir__base_thread_join(&thread);
    deinit_gate(&gate);
}

TEST(never_is_a_deadline_that_does_not_come)
{
    struct gate gate;
    struct weir__thread thread;
    init_gate(&gate);
    gate.open = true;
    weir__base_mutex_lock(&gate.mutex);
    REQUIRE_RC(0, weir__base_thread_start(&thread, "waker", pass_gate, &gate));
    while (gate.passed_count == 0)
        EXPECT_RC(0, weir__base_cond_wait_until(&gate.cond, &gate.mutex, WEIR_NEVER));
    weir__base_mutex_unlock(&gate.mutex);
    weir__base_thread_join(&thread);
    deinit_gate(&gate);
}

static void *add_often(void *arg)
{
    struct gate *gate = arg;
    for (int i = 0; i < 10000; i++) {
        weir__base_mutex_lock(&gate->mutex);
        gate->passed_count++;
        weir__base_mutex_unlock(&gate->mutex);
    }
    return NULL;
}

TEST(a_mutex_lets_one_in_at_a_time)
{
    struct gate gate;
    struct weir__thread threads[4];
    init_gate(&gate);
    for (int i = 0; i < 4; i++)
        REQUIRE_RC(0, weir__base_thread_start(&threads[i], "adder", add_often, &gate));
    for (int i = 0; i < 4; i++)
        weir__base_thread_join(&threads[i]);
    EXPECT_EQ(40000, gate.passed_count);
    deinit_gate(&gate);
}

static void *say_done(void *arg)
{
    __atomic_store_n((int *)arg, 1, __ATOMIC_RELEASE);
    return NULL;
}

TEST(a_thread_that_is_not_joined_can_be_detached)
{
    int done = 0;
    struct weir__thread thread;
    REQUIRE_RC(0, weir__base_thread_start(&thread, "alone", say_done, &done));
    weir__base_thread_detach(&thread); // ThreadSanitizer would tell of one that nobody took
    while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE))
        weir__base_thread_pause();
}

TEST(a_refused_thread_leaves_everything_as_it_was)
{
    struct weir__thread thread;
    memset(&thread, 0x5a, sizeof thread);
    struct weir__thread before = thread;
    weir__base_fault_arm(WEIR__FAULT_THREAD, 1, -EAGAIN, false);
    EXPECT_RC(-EAGAIN, weir__base_thread_start(&thread, "none", look_around, NULL));
    weir__base_fault_disarm();
    EXPECT_BYTES(&before, &thread, sizeof thread);
}

TEST(a_held_sigpipe_becomes_an_error_code)
{
    int fds[2];
    REQUIRE(pipe(fds) == 0);
    close(fds[0]);
    struct weir__sigpipe held;
    weir__base_sigpipe_hold(&held);
    EXPECT(write(fds[1], "a", 1) == -1 && errno == EPIPE);
    weir__base_sigpipe_release(&held); // a signal left pending would kill us here

    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    EXPECT_EQ(0, sigismember(&mask, SIGPIPE));
    sigpending(&mask);
    EXPECT_EQ(0, sigismember(&mask, SIGPIPE));
    close(fds[1]);
}

TEST(a_sigpipe_that_was_pending_before_stays_pending)
{
    sigset_t sigpipe;
    sigset_t pending;
    sigemptyset(&sigpipe);
    sigaddset(&sigpipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &sigpipe, NULL);
    raise(SIGPIPE);
    struct weir__sigpipe held;
    weir__base_sigpipe_hold(&held);
    weir__base_sigpipe_release(&held);
    sigpending(&pending);
    EXPECT_EQ(1, sigismember(&pending, SIGPIPE));
    int number;
    EXPECT_EQ(0, sigwait(&sigpipe, &number));
}
