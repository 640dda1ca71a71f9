/*
 * everywhere_sweep_test.c - loops that are opened, calls between them and channels across them,
 * cancelled and failed at every place: rules C5, O4, I5, I10, cases 293 and 294
 *
 * What the round cancels is always on the test's own loop; the other side is a real loop too.
 */
#include <weir/weir.h>

#include "tests/support/everywhere.h"

/* --- opening and closing ---------------------------------------------------------------------- */

static int begun, ended; /* atomic */

static int wait_a_little(size_t index, void *arg)
{
    (void)arg;
    __atomic_fetch_add(&begun, 1, __ATOMIC_RELAXED);
    int rc = index == 0 ? weir_yield() : weir_sleep(WEIR_MS);
    __atomic_fetch_add(&ended, 1, __ATOMIC_RELAXED);
    return rc;
}

static int open_and_close(void *arg)
{
    (void)arg;
    begun = ended = 0;
    weir_loops *loops;
    int rc = weir_loops_open(&(weir_loops_options){.count = 2}, wait_a_little, NULL, &loops);
    if (rc < 0) {
        EXPECT_EQ(0, begun);
        return rc;
    }
    rc = weir_yield();
    return weir_loops_close(loops, rc);
}

static bool all_ended(const weir_test_round *round, void *arg)
{
    (void)arg;
    EXPECT_EQ(begun, ended);
    bool fault = round->struck && (round->kind & WEIR_TEST_ALL_FAULTS) != 0;
    EXPECT(round->rc >= 0 || fault);
    return !test_failed();
}

TEST(sets_of_loops_everywhere) /* C5, T2 */
{
    everywhere_real("loops", (struct everywhere){open_and_close, NULL, all_ended, 20});
}

/* --- calls ------------------------------------------------------------------------------------ */

static int add_one(void *arg)
{
    int rc = weir_yield();
    if (rc == 0)
        ++*(int *)arg;
    return rc;
}

static int until_told(size_t index, void *arg)
{
    (void)index, (void)arg;
    return weir_wait_stopping();
}

struct caller {
    weir_loops *loops;
    int *count;
};
static int caller(struct caller *a)
{
    for (int i = 0; i < 3; i++) {
        int before = *a->count;
        int rc = weir_remote_call(weir_loops_at(a->loops, 0), add_one, a->count);
        EXPECT_EQ(before + (rc == 0), *a->count); /* its code says whether it happened */
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int call_and_call(void *arg)
{
    (void)arg;
    weir_loops *loops;
    int counts[2] = {0};
    int rc = weir_loops_open(&(weir_loops_options){.count = 1}, until_told, NULL, &loops);
    if (rc < 0)
        return rc;
    weir_group *group;
    rc = weir_group_open(&group, NULL);
    if (rc == 0) {
        for (int i = 0; i < 2 && rc == 0; i++)
            rc = WEIR_SPAWN(group, caller, .loops = loops, .count = &counts[i]);
        rc = weir_group_close(group, rc);
    }
    weir_loops_stop(loops, 0, NULL);
    return weir_loops_close(loops, rc);
}

static bool is_right(const weir_test_round *round, void *arg)
{
    (void)arg;
    bool fault = round->struck && (round->kind & WEIR_TEST_ALL_FAULTS) != 0;
    EXPECT(round->rc >= 0 || fault);
    return !test_failed();
}

TEST(calls_between_loops_everywhere) /* O4, X2 */
{
    everywhere_real("remote_call", (struct everywhere){call_and_call, NULL, is_right, 20});
}

/* --- channels --------------------------------------------------------------------------------- */

static struct {
    int sent, echoed, returned, lost_there, lost_back; /* atomic */
} books;

static void count(int *figure)
{
    __atomic_fetch_add(figure, 1, __ATOMIC_RELAXED);
}

static void lose_there(void *item)
{
    (void)item;
    count(&books.lost_there);
}

static void lose_back(void *item)
{
    (void)item;
    count(&books.lost_back);
}

struct line {
    weir_shared_channel *there, *back;
};

/* On the other loop: an item that it holds when it is cut is lost by it, and counted. */
static int echo(size_t index, void *arg)
{
    struct line *line = arg;
    int item, rc;
    (void)index;
    while ((rc = weir_shared_channel_recv(line->there, &item)) == 0) {
        rc = weir_shared_channel_send(line->back, &item);
        count(rc == 0 ? &books.echoed : &books.lost_there);
        if (rc < 0)
            break;
    }
    weir_shared_channel_close(line->back);
    weir_shared_channel_close(line->there);
    return rc == -EPIPE ? 0 : rc;
}

struct sender {
    struct line *line;
};
static int sender(struct sender *a)
{
    int rc = 0;
    for (int i = 0; i < 6 && rc == 0; i++) {
        rc = weir_shared_channel_send(a->line->there, &i);
        if (rc == 0)
            count(&books.sent);
    }
    weir_shared_channel_close(a->line->there);
    return rc == -EPIPE ? 0 : rc; // the other side was cut, and says so itself
}

struct receiver {
    struct line *line;
};
static int receiver(struct receiver *a)
{
    int item, rc;
    while ((rc = weir_shared_channel_recv(a->line->back, &item)) == 0)
        count(&books.returned);
    return rc == -EPIPE ? 0 : rc;
}

static int talk(struct line *line)
{
    weir_loops *loops;
    int rc = weir_loops_open(&(weir_loops_options){.count = 1}, echo, line, &loops);
    if (rc < 0)
        return rc;
    weir_group *group;
    rc = weir_group_open(&group, NULL);
    if (rc == 0) {
        rc = WEIR_SPAWN(group, sender, .line = line);
        if (rc == 0)
            rc = WEIR_SPAWN(group, receiver, .line = line);
        rc = weir_group_close(group, rc);
    }
    weir_shared_channel_close(line->there);
    weir_shared_channel_close(line->back);
    return weir_loops_close(loops, rc);
}

static int use_channels(void *arg)
{
    memset(&books, 0, sizeof books);
    struct line line = {0};
    weir_channel_options options = {.item_bytes = sizeof(int), .capacity = 2, .drop = lose_there};
    options.rendezvous = arg != NULL;
    int rc = weir_shared_channel_new(&options, &line.there);
    options.drop = lose_back;
    if (rc == 0)
        rc = weir_shared_channel_new(&options, &line.back);
    if (rc == 0)
        rc = talk(&line);
    weir_shared_channel_release(line.there);
    weir_shared_channel_release(line.back);
    return rc;
}

/* I10: an item is with exactly one side at any time, also when that side is cut. */
static bool books_are_level(const weir_test_round *round, void *arg)
{
    (void)arg;
    EXPECT_EQ(books.sent, books.echoed + books.lost_there);
    EXPECT_EQ(books.echoed, books.returned + books.lost_back);
    bool fault = round->struck && (round->kind & WEIR_TEST_ALL_FAULTS) != 0;
    EXPECT(round->rc >= 0 || fault);
    if (!round->struck)
        EXPECT_EQ(6, books.returned);
    return !test_failed();
}

TEST(channels_across_loops_everywhere) /* I5, I10, O4 */
{
    everywhere_real("shared channel", (struct everywhere){use_channels, NULL, books_are_level, 20});
    everywhere_real("shared rendezvous",
                    (struct everywhere){use_channels, "", books_are_level, 20});
}

TEST(channels_across_loops_in_a_swarm_of_faults) /* I5, I10 */
{
    weir_test_options options = {.name = "shared channel",
                                 .backend = "epoll",
                                 .clock = WEIR_TEST_CLOCK_REAL,
                                 .verify = books_are_level,
                                 .seeds = (size_t)test_rounds(60)};
    EXPECT_RC(0, weir_test_swarm(use_channels, NULL, &options));
    EXPECT_RC(0, weir_test_swarm(use_channels, "", &options));
}
