/*
 * timer_test.c - the wheel: never early, in order, whatever the distances
 */
#include "core/timer.h"

#include "base/clock.h"
#include "tests/support/test.h"

TEST(timers_fire_at_their_tick_and_never_early)
{
    struct weir__wheel wheel;
    weir__wheel_init(&wheel, 5 * WEIR_MS);
    struct weir__timer timer = {0};
    weir__wheel_arm(&wheel, &timer, 10 * WEIR_MS + 1);
    EXPECT_EQ(11 * WEIR_MS, weir__wheel_next_ns(&wheel));
    struct weir__list due;
    weir__list_init(&due);
    weir__wheel_advance(&wheel, 10 * WEIR_MS + 999999, &due);
    EXPECT(weir__list_empty(&due));
    weir__wheel_advance(&wheel, 11 * WEIR_MS, &due);
    EXPECT(weir__wheel_take(&wheel, &due) == &timer);
    EXPECT(!weir__timer_armed(&timer));
    EXPECT_EQ(WEIR_NEVER, weir__wheel_next_ns(&wheel));
    EXPECT_EQ(0, wheel.armed_count);
}

TEST(random_timers_fire_in_the_order_of_their_ticks)
{
    enum { COUNT = 20000 };
    static struct weir__timer timers[COUNT];
    struct weir__wheel wheel;
    uint64_t seed = 7;
    int64_t now = INT64_C(123456789) * WEIR_MS;
    weir__wheel_init(&wheel, now);
    for (int i = 0; i < COUNT; i++) {
        /* distances of all sizes, up to years */
        int64_t distance = (int64_t)(weir__base_random_next(&seed) >> (20 + i % 40)) + 1;
        weir__wheel_arm(&wheel, &timers[i], weir__base_add_ns(now, distance));
        if (i % 3 == 0)
            weir__wheel_disarm(&wheel, &timers[i]);
    }
    size_t expected = wheel.armed_count, fired = 0;
    int64_t last = 0;
    while (wheel.armed_count > 0) {
        int64_t next = weir__wheel_next_ns(&wheel);
        REQUIRE(next >= now);
        now = next;
        struct weir__list due;
        weir__list_init(&due);
        weir__wheel_advance(&wheel, now, &due);
        struct weir__timer *timer;
        while ((timer = weir__wheel_take(&wheel, &due)) != NULL) {
            EXPECT(timer->deadline_ns <= now);
            EXPECT(now - timer->deadline_ns < WEIR_MS);
            EXPECT((timer->deadline_ns + WEIR_MS - 1) / WEIR_MS >= last);
            last = (timer->deadline_ns + WEIR_MS - 1) / WEIR_MS;
            fired++;
        }
    }
    EXPECT_EQ(expected, fired);
}

TEST(equal_deadlines_keep_the_order_of_arming_across_levels)
{
    struct weir__wheel wheel;
    weir__wheel_init(&wheel, 0);
    struct weir__timer timers[4] = {0};
    weir__wheel_arm(&wheel, &timers[0], 5000 * WEIR_MS);
    struct weir__list due;
    weir__list_init(&due);
    int64_t stops[] = {4000, 4990, 4999};
    for (int i = 0; i < 3; i++) {
        weir__wheel_advance(&wheel, stops[i] * WEIR_MS, &due);
        weir__wheel_arm(&wheel, &timers[i + 1], 5000 * WEIR_MS);
    }
    weir__wheel_advance(&wheel, 5000 * WEIR_MS, &due);
    for (int i = 0; i < 4; i++)
        EXPECT(weir__wheel_take(&wheel, &due) == &timers[i]);
}

TEST(a_timer_for_an_instant_that_has_come_is_due_at_the_next_look)
{
    struct weir__wheel wheel;
    weir__wheel_init(&wheel, 100 * WEIR_MS);
    struct weir__timer past = {0}, gone = {0};
    weir__wheel_arm(&wheel, &past, 3 * WEIR_MS);
    weir__wheel_arm(&wheel, &gone, 4 * WEIR_MS);
    weir__wheel_disarm(&wheel, &gone);
    EXPECT_EQ(0, weir__wheel_next_ns(&wheel));
    struct weir__list due;
    weir__list_init(&due);
    weir__wheel_advance(&wheel, 100 * WEIR_MS, &due);
    EXPECT(weir__wheel_take(&wheel, &due) == &past);
    EXPECT(weir__list_empty(&due));
}

TEST(the_far_future_is_parked_and_does_not_wrap)
{
    struct weir__wheel wheel;
    weir__wheel_init(&wheel, 0);
    struct weir__timer timer = {0};
    weir__wheel_arm(&wheel, &timer, INT64_MAX - 1);
    struct weir__list due;
    weir__list_init(&due);
    weir__wheel_advance(&wheel, WEIR_HOUR * 24 * 365, &due);
    EXPECT(weir__list_empty(&due));
    weir__wheel_disarm(&wheel, &timer);
    EXPECT_EQ(WEIR_NEVER, weir__wheel_next_ns(&wheel));
}

TEST(a_timer_that_is_due_can_still_be_disarmed_by_the_one_before_it)
{
    struct weir__wheel wheel;
    weir__wheel_init(&wheel, 0);
    struct weir__timer timers[3] = {0};
    for (int i = 0; i < 3; i++)
        weir__wheel_arm(&wheel, &timers[i], 10 * WEIR_MS);
    struct weir__list due;
    weir__list_init(&due);
    weir__wheel_advance(&wheel, 10 * WEIR_MS, &due);
    EXPECT_EQ(3, wheel.armed_count);
    EXPECT(weir__wheel_take(&wheel, &due) == &timers[0]);
    weir__wheel_disarm(&wheel, &timers[1]);
    EXPECT_EQ(1, wheel.armed_count);
    EXPECT(weir__wheel_take(&wheel, &due) == &timers[2]);
    EXPECT(weir__wheel_take(&wheel, &due) == NULL);
    EXPECT_EQ(0, wheel.armed_count);
}
