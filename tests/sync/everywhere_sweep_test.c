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
    WEIR_TEST_EXPECT(weir_semaphore_free(&semaphore) == 2); /* I10 */
    WEIR_TEST_EXPECT(weir_mutex_try_lock(&mutex) == 0);
    weir_mutex_unlock(&mutex);
    return rc;
}

TEST(locks_everywhere) /* I10 */
{
    everywhere_simulated("locks", (struct everywhere){use_locks, NULL, books_are_level, 12});
}
