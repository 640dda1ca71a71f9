/*
 * home_test.c - what belongs to one loop says no on another, while its own is there: X1, case 211
 */
#include "tests/sync/waits.h"

#include "base/thread.h"
#include "core/observe.h"

/* One of each, bound to the loop of the test by its first use there. */
static struct {
    weir_event event;
    weir_semaphore semaphore;
    weir_mutex mutex;
    weir_rwlock rwlock;
    weir_condition condition;
    weir_barrier barrier;
    weir_future future;
    weir_limiter limiter;
    weir_channel *channel;
} ours;

static int finding_count; // atomic

static void count_strangers(const struct weir__finding *finding)
{
    EXPECT_EQ(WEIR__FINDING_STRANGER, finding->kind);
    __atomic_fetch_add(&finding_count, 1, __ATOMIC_RELAXED);
}

static void use_each_here(void)
{
    ours = (typeof(ours)){0};
    weir_semaphore_init(&ours.semaphore, 1);
    weir_barrier_init(&ours.barrier, 1);
    EXPECT_RC(0, weir_limiter_init(&ours.limiter, &(weir_limiter_options){.tokens = 5}));
    EXPECT_RC(0, weir_channel_new(NULL, &ours.channel));
    EXPECT_RC(0, weir_event_clear(&ours.event));
    EXPECT_RC(0, weir_semaphore_release(&ours.semaphore, 1));
    EXPECT_RC(0, weir_mutex_lock(&ours.mutex));
    EXPECT_RC(0, weir_rwlock_read_lock(&ours.rwlock));
    EXPECT_RC(0, weir_condition_signal(&ours.condition));
    EXPECT_RC(0, weir_barrier_wait(&ours.barrier, NULL));
    void *value;
    EXPECT_RC(-EAGAIN, weir_future_take(&ours.future, &value));
    EXPECT_RC(0, weir_limiter_try_acquire(&ours.limiter, 1));
    EXPECT_RC(0, weir_channel_try_send(ours.channel, &value));
}

enum { CALLS_THAT_DO_NOT_WAIT = 16, CALLS_OF_TASKS = 13 };

static void use_without_waiting(void)
{
    void *value = NULL;
    EXPECT_RC(-EPERM, weir_event_set(&ours.event));
    EXPECT_RC(-EPERM, weir_event_clear(&ours.event));
    EXPECT_RC(-EPERM, weir_semaphore_release(&ours.semaphore, 1));
    EXPECT_RC(-EPERM, weir_semaphore_try_acquire(&ours.semaphore, 1));
    EXPECT_RC(-EPERM, weir_mutex_unlock(&ours.mutex));
    EXPECT_RC(-EPERM, weir_rwlock_unlock(&ours.rwlock));
    EXPECT_RC(-EPERM, weir_condition_signal(&ours.condition));
    EXPECT_RC(-EPERM, weir_condition_broadcast(&ours.condition));
    EXPECT_RC(-EPERM, weir_future_set(&ours.future, value));
    EXPECT_RC(-EPERM, weir_future_fail(&ours.future, -EIO));
    EXPECT_RC(-EPERM, weir_future_take(&ours.future, &value));
    EXPECT_RC(-EPERM, weir_limiter_try_acquire(&ours.limiter, 1));
    EXPECT_RC(-EPERM, weir_channel_try_send(ours.channel, &value));
    EXPECT_RC(-EPERM, weir_channel_try_recv(ours.channel, &value));
    EXPECT_RC(-EPERM, weir_channel_close(ours.channel));
    weir_channel_free(ours.channel); // refused as well
}

static int use_in_a_task(void *arg)
{
    (void)arg;
    void *value = NULL;
    size_t chosen = 77;
    use_without_waiting();
    EXPECT_RC(-EPERM, weir_event_wait(&ours.event));
    EXPECT_RC(-EPERM, weir_semaphore_acquire(&ours.semaphore, 1));
    EXPECT_RC(-EPERM, weir_mutex_lock(&ours.mutex));
    EXPECT_RC(-EPERM, weir_mutex_try_lock(&ours.mutex));
    EXPECT_RC(-EPERM, weir_rwlock_read_lock(&ours.rwlock));
    EXPECT_RC(-EPERM, weir_rwlock_try_write_lock(&ours.rwlock));
    EXPECT_RC(-EPERM, weir_condition_wait(&ours.condition, &ours.mutex));
    EXPECT_RC(-EPERM, weir_barrier_wait(&ours.barrier, NULL));
    EXPECT_RC(-EPERM, weir_future_wait(&ours.future, &value));
    EXPECT_RC(-EPERM, weir_limiter_acquire(&ours.limiter, 1));
    EXPECT_RC(-EPERM, weir_channel_send(ours.channel, &value));
    EXPECT_RC(-EPERM, weir_channel_recv(ours.channel, &value));
    weir_select_arm arms[] = {WEIR_OTHERWISE, WEIR_ON_EVENT(&ours.event)};
    EXPECT_RC(-EPERM, weir_select(arms, 2, &chosen));
    EXPECT_EQ(77, chosen);
    return 0;
}

static void *use_on_another_loop(void *arg)
{
    (void)arg;
    EXPECT_RC(0, weir__core_run(&(weir_run_options){.backend = "sim"}, use_in_a_task, NULL, false));
    return NULL;
}

static void *use_on_a_thread(void *arg)
{
    (void)arg;
    use_without_waiting();
    return NULL;
}

static void run_thread(weir__thread_fn *fn)
{
    struct weir__thread thread;
    REQUIRE_RC(0, weir__base_thread_start(&thread, "stranger", fn, NULL));
    weir__base_thread_join(&thread);
}

static void settle_ours(void)
{
    EXPECT_RC(0, weir_rwlock_unlock(&ours.rwlock));
    EXPECT_RC(0, weir_mutex_unlock(&ours.mutex));
    EXPECT(!weir_event_is_set(&ours.event));
    EXPECT_EQ(2, weir_semaphore_available(&ours.semaphore));
    EXPECT(!weir_future_is_set(&ours.future));
    EXPECT_EQ(1, weir_channel_count(ours.channel));
}

TASK_TEST(everything_of_a_loop_says_no_on_another_and_is_not_changed) // X1, case 211
{
    weir__core_observe(count_strangers);
    use_each_here();
    run_thread(use_on_another_loop);
    EXPECT_EQ(CALLS_THAT_DO_NOT_WAIT + CALLS_OF_TASKS,
              __atomic_load_n(&finding_count, __ATOMIC_RELAXED));
    settle_ours();
    weir_channel_free(ours.channel);
}

TASK_TEST(everything_of_a_loop_says_no_on_a_thread_without_one) // X1, case 211
{
    weir__core_observe(count_strangers);
    use_each_here();
    run_thread(use_on_a_thread);
    EXPECT_EQ(CALLS_THAT_DO_NOT_WAIT, __atomic_load_n(&finding_count, __ATOMIC_RELAXED));
    settle_ours();
    weir_channel_free(ours.channel);
}

static int lock_and_set(void *arg)
{
    (void)arg;
    EXPECT_RC(0, weir_event_set(&ours.event));
    EXPECT_RC(0, weir_channel_try_send(ours.channel, &(void *){NULL}));
    return 0;
}

TEST(what_belonged_to_a_loop_that_has_ended_belongs_to_the_next)
{
    weir__core_observe(count_strangers);
    ours = (typeof(ours)){0};
    REQUIRE_RC(0, weir_channel_new(NULL, &ours.channel));
    EXPECT_RC(0, weir_event_clear(&ours.event)); // before there is a loop
    for (int i = 0; i < 2; i++)
        EXPECT_RC(0,
                  weir__core_run(&(weir_run_options){.backend = "sim"}, lock_and_set, NULL, false));
    void *item;
    EXPECT_RC(0, weir_channel_try_recv(ours.channel, &item)); // after it
    EXPECT_RC(0, weir_channel_try_recv(ours.channel, &item));
    EXPECT(weir_event_is_set(&ours.event));
    weir_channel_free(ours.channel);
    EXPECT_EQ(0, __atomic_load_n(&finding_count, __ATOMIC_RELAXED));
}
