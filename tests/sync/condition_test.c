/*
 * condition_test.c - waiting for a change: the mutex is held whenever a wait returns
 */
#include "tests/sync/waits.h"

#include "base/clock.h"
#include "core/observe.h"

struct stock {
    weir_mutex mutex;
    weir_condition changed;
    int count;
    int order;
};

struct buyer {
    struct stock *stock;
    int rc;
    int position;
    bool ends_with_it;
};

/* Waits once, whatever is there. */
static int wait_once(void *arg)
{
    struct buyer *buyer = arg;
    EXPECT_RC(0, weir_mutex_lock(&buyer->stock->mutex));
    buyer->rc = weir_condition_wait(&buyer->stock->changed, &buyer->stock->mutex);
    EXPECT(weir_mutex_is_mine(&buyer->stock->mutex)); // whatever it returned
    buyer->position = ++buyer->stock->order;
    if (!buyer->ends_with_it)
        EXPECT_RC(0, weir_mutex_unlock(&buyer->stock->mutex));
    return buyer->rc == -EOWNERDEAD ? 0 : buyer->rc;
}

static size_t finding_count;

static void count_findings(const struct weir__finding *finding)
{
    EXPECT_EQ(WEIR__FINDING_LOCK, finding->kind);
    finding_count++;
}

TASK_TEST(a_signal_lets_the_one_go_on_that_has_waited_longest)
{
    struct stock stock = {0};
    struct buyer buyers[3];
    weir_group *group = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < 3; i++) {
        buyers[i] = (struct buyer){.stock = &stock};
        spawn(group, wait_once, &buyers[i]);
    }
    settle();
    EXPECT_RC(0, weir_condition_signal(&stock.changed));
    settle();
    EXPECT_EQ(1, buyers[0].position);
    EXPECT_EQ(1, stock.order);
    EXPECT_RC(0, weir_condition_broadcast(&stock.changed));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(2, buyers[1].position);
    EXPECT_EQ(3, buyers[2].position);
    EXPECT_RC(0, weir_condition_signal(&stock.changed)); // nobody is there: nothing happens
    struct buyer late = {.stock = &stock};
    int rc = 0;
    WEIR_TIMEOUT(rc, 1 * WEIR_SEC)
    {
        rc = wait_once(&late);
    }
    EXPECT_RC(-ETIME, rc);
}

TASK_TEST(whoever_was_signalled_waits_for_the_mutex_of_the_signaller)
{
    struct stock stock = {0};
    struct buyer buyers[2] = {{.stock = &stock}, {.stock = &stock}};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, wait_once, &buyers[0]);
    spawn(group, wait_once, &buyers[1]);
    settle();
    EXPECT_RC(0, weir_mutex_lock(&stock.mutex));
    EXPECT_RC(0, weir_condition_broadcast(&stock.changed));
    settle();
    EXPECT_EQ(0, stock.order);
    EXPECT_RC(0, weir_mutex_unlock(&stock.mutex));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(2, stock.order);
}

TASK_TEST(a_cancelled_wait_holds_the_mutex_and_uses_no_signal_up) // case 179
{
    struct stock stock = {0};
    struct buyer buyers[2] = {{.stock = &stock}, {.stock = &stock}};
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id id = spawn(group, wait_once, &buyers[0]);
    spawn(group, wait_once, &buyers[1]);
    settle();
    EXPECT_RC(0, weir_mutex_lock(&stock.mutex));
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    settle();
    EXPECT_EQ(0, stock.order); // it has to wait for us: that part cannot be cancelled
    EXPECT_RC(0, weir_condition_signal(&stock.changed));
    EXPECT_RC(0, weir_mutex_unlock(&stock.mutex));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ECANCELED, buyers[0].rc);
    EXPECT_RC(0, buyers[1].rc); // the signal was its
    EXPECT_EQ(1, buyers[0].position);
    EXPECT_EQ(2, buyers[1].position);
}

TASK_TEST(a_signal_before_the_cancel_of_the_same_turn_wins) // O4
{
    struct stock stock = {0};
    struct buyer buyer = {.stock = &stock};
    weir_group *group = open_group(WEIR_COLLECT_ALL);
    weir_task_id id = spawn(group, wait_once, &buyer);
    settle();
    EXPECT_RC(0, weir_mutex_lock(&stock.mutex)); // so that it is in the mutex's line when cancelled
    EXPECT_RC(0, weir_condition_signal(&stock.changed));
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    EXPECT_RC(0, weir_mutex_unlock(&stock.mutex));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, buyer.rc);
}

TASK_TEST(a_wait_in_a_cancelled_scope_is_refused_and_the_mutex_stays_held) // O1, O8
{
    struct stock stock = {0};
    weir_scope scope = {0};
    EXPECT_RC(0, weir_mutex_lock(&stock.mutex));
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "test");
    EXPECT_RC(-ECANCELED, weir_condition_wait(&stock.changed, &stock.mutex));
    EXPECT(weir_mutex_is_mine(&stock.mutex));
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    EXPECT_RC(0, weir_mutex_unlock(&stock.mutex));
}

TASK_TEST(a_wait_without_the_mutex_is_refused_and_reported)
{
    weir__core_observe(count_findings);
    struct stock stock = {0};
    EXPECT_RC(-EPERM, weir_condition_wait(&stock.changed, &stock.mutex));
    EXPECT_EQ(1, finding_count);
    EXPECT_RC(0, weir_mutex_try_lock(&stock.mutex));
    EXPECT_RC(0, weir_mutex_unlock(&stock.mutex));
}

TASK_TEST(a_waiter_hears_that_a_holder_has_gone_with_the_mutex)
{
    weir__core_observe(count_findings);
    struct stock stock = {0};
    struct buyer dead = {.stock = &stock, .ends_with_it = true};
    struct buyer next = {.stock = &stock};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    spawn(group, wait_once, &dead);
    spawn(group, wait_once, &next);
    settle();
    EXPECT_RC(0, weir_condition_broadcast(&stock.changed));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, dead.rc);
    EXPECT_RC(-EOWNERDEAD, next.rc); // case 270
    EXPECT_EQ(1, finding_count);
    EXPECT_RC(0, weir_mutex_try_lock(&stock.mutex));
    EXPECT_RC(0, weir_mutex_unlock(&stock.mutex));
}

/* --- no signal is lost under random cancels (I10) --------------------------------------------- */

enum { BUYERS = 8, ITEMS = 60 };

struct trade {
    struct stock stock;
    uint64_t random;
    int bought;
    int made;
    bool over;
};

static int64_t short_time(struct trade *trade)
{
    return (int64_t)(weir__base_random_next(&trade->random) % 3) * WEIR_MS;
}

static int buy(void *arg)
{
    struct trade *trade = arg;
    while (!trade->over) {
        int rc = 0;
        WEIR_TIMEOUT(rc, short_time(trade) + WEIR_MS)
        {
            rc = weir_mutex_lock(&trade->stock.mutex);
            if (rc < 0)
                break;
            while (rc == 0 && trade->stock.count == 0 && !trade->over)
                rc = weir_condition_wait(&trade->stock.changed, &trade->stock.mutex);
            EXPECT(weir_mutex_is_mine(&trade->stock.mutex));
            if (rc == 0 && trade->stock.count > 0) {
                trade->stock.count--;
                trade->bought++;
            }
            EXPECT_RC(0, weir_mutex_unlock(&trade->stock.mutex));
        }
        if (rc < 0 && rc != -ETIME)
            return rc;
    }
    return 0;
}

static int run_trade(void *arg)
{
    struct trade trade = {.random = *(uint64_t *)arg};
    weir_group *group = open_group(WEIR_FAIL_FAST);
    for (int i = 0; i < BUYERS; i++)
        spawn(group, buy, &trade);
    for (int i = 0; i < ITEMS; i++) {
        EXPECT_RC(0, weir_sleep(short_time(&trade)));
        EXPECT_RC(0, weir_mutex_lock(&trade.stock.mutex));
        trade.stock.count++;
        EXPECT_RC(0, weir_mutex_unlock(&trade.stock.mutex));
        EXPECT_RC(0, weir_condition_signal(&trade.stock.changed));
    }
    EXPECT_RC(0, weir_sleep(WEIR_SEC)); // all that was made finds somebody
    EXPECT_EQ(ITEMS, trade.bought);
    trade.over = true;
    EXPECT_RC(0, weir_condition_broadcast(&trade.stock.changed));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, weir_mutex_try_lock(&trade.stock.mutex));
    EXPECT_RC(0, weir_mutex_unlock(&trade.stock.mutex));
    return 0;
}

TEST(the_mutex_is_held_and_no_item_forgotten_whatever_is_cut_when)
{
    for (uint64_t seed = 1; seed <= 100 && !test_failed(); seed++)
        run_shuffled(seed, run_trade, &seed);
}
