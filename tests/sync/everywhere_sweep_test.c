/*
 * everywhere_sweep_test.c - waiting for each other, cancelled and failed at every place: rules C5,
 * O4, I5, I10, cases 293, 294, 296
 */
#include <weir/weir.h>

#include "tests/support/everywhere.h"

static struct {
    int sent, received, dropped;
    int locked, unlocked;
} books;

static bool books_are_level(const weir_test_round *round, void *arg)
{
    (void)arg;
    EXPECT_EQ(books.sent, books.received + books.dropped);
    EXPECT_EQ(books.locked, books.unlocked);
    bool fault = round->struck && (round->kind & WEIR_TEST_ALL_FAULTS) != 0;
    EXPECT(round->rc >= 0 || (fault && round->rc == -ENOMEM));
    return !test_failed();
}

static void drop(void *item)
{
    (void)item;
    books.dropped++;
}

struct producer {
    weir_channel *channel;
    int count;
};
static int producer(struct producer *a)
{
    int rc = 0;
    for (int i = 0; i < a->count && rc == 0; i++) {
        rc = i % 2 == 0 ? weir_sleep(WEIR_MS) : 0;
        if (rc == 0)
            rc = weir_channel_send(a->channel, &i);
        books.sent += rc == 0;
    }
    return rc;
}

struct consumer {
    weir_channel *channel;
};
static int consumer(struct consumer *a)
{
    int item;
    int rc;
    while ((rc = weir_channel_recv(a->channel, &item)) == 0)
        books.received++;
    return rc == -EPIPE ? 0 : rc;
}

static int use_channel(void *arg)
{
    memset(&books, 0, sizeof books);
    weir_channel_options options = {.item_bytes = sizeof(int), .capacity = 2, .drop = drop};
    options.rendezvous = arg != NULL;
    weir_channel *channel;
    int rc = weir_channel_new(&options, &channel);
    if (rc < 0)
        return rc;
    weir_group *consumers, *producers;
    rc = weir_group_open(&consumers, NULL);
    if (rc == 0) {
        for (int i = 0; i < 2 && rc == 0; i++)
            rc = WEIR_SPAWN(consumers, consumer, .channel = channel);
        int opened = rc == 0 ? weir_group_open(&producers, NULL) : rc;
        if (opened == 0) {
            for (int i = 0; i < 2 && rc == 0; i++)
                rc = WEIR_SPAWN(producers, producer, .channel = channel, .count = 5);
            rc = weir_group_close(producers, rc);
        } else {
            rc = opened;
        }
        weir_channel_close(channel);
        rc = weir_group_close(consumers, rc);
    }
    weir_channel_free(channel);
    return rc;
}

TEST(channels_everywhere) /* I5, I10 */
{
    everywhere_simulated("channel", (struct everywhere){use_channel, NULL, books_are_level, 30});
    everywhere_simulated("rendezvous", (struct everywhere){use_channel, "", books_are_level, 30});
}

struct locker {
    weir_mutex *mutex;
    weir_semaphore *semaphore;
};
static int locker(struct locker *a)
{
    int rc = weir_semaphore_acquire(a->semaphore, 1);
    if (rc < 0)
        return rc;
    rc = weir_mutex_lock(a->mutex);
    if (rc == 0) {
        books.locked++;
        rc = weir_sleep(WEIR_MS);
        books.unlocked += weir_mutex_unlock(a->mutex) == 0;
    }
    weir_semaphore_release(a->semaphore, 1);
    return rc;
}

static int use_locks(void *arg)
{
    (void)arg;
    memset(&books, 0, sizeof books);
    weir_mutex mutex = {0};
    weir_semaphore semaphore;
    weir_semaphore_init(&semaphore, 2);
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    for (int i = 0; i < 4 && rc == 0; i++)
        rc = WEIR_SPAWN(group, locker, .mutex = &mutex, .semaphore = &semaphore);
    rc = weir_group_close(group, rc);
    WEIR_TEST_EXPECT(weir_semaphore_available(&semaphore) == 2); /* I10 */
    WEIR_TEST_EXPECT(weir_mutex_try_lock(&mutex) == 0);
    weir_mutex_unlock(&mutex);
    return rc;
}

TEST(locks_everywhere) /* I10 */
{
    everywhere_simulated("locks", (struct everywhere){use_locks, NULL, books_are_level, 12});
}

/* --- the rest of the room --------------------------------------------------------------------- */

static weir_rwlock rwlock;
static weir_mutex mutex;
static weir_condition changed;
static weir_barrier barrier;
static weir_future future;
static weir_limiter limiter;
static int readers, writers; /* inside */

static int read_or_write(void *arg)
{
    int rc = arg == NULL ? weir_rwlock_read_lock(&rwlock) : weir_rwlock_write_lock(&rwlock);
    if (rc < 0)
        return rc;
    books.locked++;
    *(arg == NULL ? &readers : &writers) += 1;
    WEIR_TEST_EXPECT(writers == 0 || (writers == 1 && readers == 0));
    rc = weir_sleep(WEIR_MS);
    *(arg == NULL ? &readers : &writers) -= 1;
    books.unlocked += weir_rwlock_unlock(&rwlock) == 0;
    return rc;
}

static int wait_for_value(void *arg)
{
    (void)arg;
    void *value;
    return weir_future_wait(&future, &value);
}

static int set_value(void *arg)
{
    (void)arg;
    int rc = weir_limiter_acquire(&limiter, 1);
    if (rc == 0)
        rc = weir_limiter_acquire(&limiter, 1); /* the second has to wait */
    if (rc == 0)
        rc = weir_future_set(&future, &books);
    books.sent += rc == 0;
    return rc;
}

static int wait_for_change(void *arg)
{
    (void)arg;
    int rc = weir_mutex_lock(&mutex);
    if (rc < 0)
        return rc;
    while (rc == 0 && !weir_future_is_set(&future))
        rc = weir_condition_wait(&changed, &mutex);
    WEIR_TEST_EXPECT(weir_mutex_is_mine(&mutex)); /* also when it was cut */
    weir_mutex_unlock(&mutex);
    return rc;
}

static int signal_when_set(void *arg)
{
    int rc = wait_for_value(arg);
    if (rc == 0)
        rc = weir_barrier_wait(&barrier, NULL);
    weir_condition_broadcast(&changed);
    return rc;
}

static int meet(void *arg)
{
    (void)arg;
    return weir_barrier_wait(&barrier, NULL);
}

static void drop_value(void *value)
{
    (void)value;
    books.dropped++;
}

static int use_the_rest(void *arg)
{
    static const weir_call calls[] = {
        {read_or_write, NULL},  {read_or_write, &rwlock}, {read_or_write, NULL},
        {wait_for_value, NULL}, {wait_for_change, NULL},  {signal_when_set, NULL},
        {meet, NULL},           {set_value, NULL},
    };
    (void)arg;
    memset(&books, 0, sizeof books);
    readers = writers = 0;
    rwlock = (weir_rwlock){0};
    mutex = (weir_mutex){0};
    changed = (weir_condition){0};
    weir_barrier_init(&barrier, 2);
    weir_future_init(&future, drop_value);
    int rc =
        weir_limiter_init(&limiter, &(weir_limiter_options){.tokens = 1, .period_ns = WEIR_MS});
    if (rc == 0)
        rc = weir_gather(WEIR_FAIL_FAST, calls, sizeof calls / sizeof calls[0], NULL);
    weir_future_deinit(&future);
    WEIR_TEST_EXPECT(weir_rwlock_try_write_lock(&rwlock) == 0); /* I10: nobody is in it */
    weir_rwlock_unlock(&rwlock);
    WEIR_TEST_EXPECT(weir_barrier_count(&barrier) == 0);
    return rc;
}

TEST(locks_conditions_barriers_futures_and_limiters_everywhere) /* I5, I10 */
{
    everywhere_simulated("the rest", (struct everywhere){use_the_rest, NULL, books_are_level, 15});
}

static int select_all(void *arg)
{
    (void)arg;
    memset(&books, 0, sizeof books);
    weir_channel_options options = {.item_bytes = sizeof(int), .capacity = 2, .drop = drop};
    weir_channel *in = NULL, *out = NULL;
    int rc = weir_channel_new(&options, &in);
    if (rc == 0)
        rc = weir_channel_new(&options, &out);
    weir_group *group = NULL;
    if (rc == 0 && (rc = weir_group_open(&group, NULL)) == 0) {
        rc = WEIR_SPAWN(group, producer, .channel = in, .count = 5);
        for (int turn = 0; turn < 12 && rc == 0; turn++) {
            int item;
            weir_select_arm arms[] = {WEIR_ON_RECV(in, &item), WEIR_ON_SEND(out, &turn),
                                      WEIR_ON_TIMEOUT(1 * WEIR_MS)};
            size_t chosen = 0;
            rc = weir_select(arms, 3, &chosen);
            books.received += rc == 0 && chosen == 0;
            books.sent += rc == 0 && chosen == 1;
        }
        rc = weir_group_close(group, rc);
    }
    weir_channel_free(in);
    weir_channel_free(out);
    return rc;
}

TEST(select_everywhere) /* O4, I5 */
{
    everywhere_simulated("select", (struct everywhere){select_all, NULL, books_are_level, 15});
}

/* --- shared between loops --------------------------------------------------------------------- */

struct shared_producer {
    weir_shared_channel *channel;
    weir_shared_event *event;
};
static int shared_producer(struct shared_producer *a)
{
    int rc = 0;
    for (int i = 0; i < 4 && rc == 0; i++) {
        rc = i % 2 == 0 ? weir_sleep(WEIR_MS) : 0;
        if (rc == 0)
            rc = weir_shared_channel_send(a->channel, &i);
        books.sent += rc == 0;
        weir_shared_event_post(a->event); /* also when it was cut: nobody waits for ever */
    }
    return rc;
}

struct shared_consumer {
    weir_shared_channel *channel;
};
static int shared_consumer(struct shared_consumer *a)
{
    int item;
    int rc;
    while ((rc = weir_shared_channel_recv(a->channel, &item)) == 0)
        books.received++;
    return rc == -EPIPE ? 0 : rc;
}

struct counter {
    weir_shared_event *event;
};
static int counter(struct counter *a)
{
    uint64_t seen = 0;
    int rc = 0;
    while (rc == 0 && seen < 8) {
        uint64_t before = seen;
        rc = weir_shared_event_wait(a->event, seen, &seen);
        WEIR_TEST_EXPECT(rc < 0 ? seen == before : seen > before); /* O4: never without news */
    }
    return rc;
}

static int fill_shared(weir_group *consumers, weir_shared_channel *channel,
                       weir_shared_event *event)
{
    weir_group *producers;
    int rc = WEIR_SPAWN(consumers, shared_consumer, .channel = channel);
    if (rc == 0)
        rc = WEIR_SPAWN(consumers, shared_consumer, .channel = channel);
    if (rc == 0)
        rc = weir_group_open(&producers, NULL);
    if (rc < 0)
        return rc;
    rc = WEIR_SPAWN(producers, counter, .event = event);
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = WEIR_SPAWN(producers, shared_producer, .channel = channel, .event = event);
    if (rc < 0)
        weir_group_cancel(producers, "not all could be started");
    return weir_group_close(producers, rc);
}

static int use_shared(void *arg)
{
    (void)arg;
    memset(&books, 0, sizeof books);
    weir_channel_options options = {.item_bytes = sizeof(int), .capacity = 2, .drop = drop};
    weir_shared_channel *channel = NULL;
    weir_shared_event *event = NULL;
    weir_group *consumers;
    int rc = weir_shared_channel_new(&options, &channel);
    if (rc == 0)
        rc = weir_shared_event_new(&event);
    if (rc == 0 && (rc = weir_group_open(&consumers, NULL)) == 0) {
        rc = fill_shared(consumers, channel, event);
        weir_shared_channel_close(channel);
        rc = weir_group_close(consumers, rc);
    }
    weir_shared_event_release(event);
    weir_shared_channel_release(channel); /* drops what nobody received */
    return rc;
}

TEST(what_loops_share_everywhere) /* X2, O4, I5, I10 */
{
    everywhere_simulated("shared", (struct everywhere){use_shared, NULL, books_are_level, 15});
}
