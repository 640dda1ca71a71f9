/*
 * sched_test.c - the turn: its order, its fairness, and races under shuffled orders: rules O9, O10, Q4
 */
#include "tests/core/bodies.h"

/* --- alarms ----------------------------------------------------------------------------------------------- */

struct pair {
    struct weir__alarm first, second;
    int fired;
};

static void fire_and_clear_the_other(struct weir__alarm *alarm)
{
    struct pair *pair = WEIR__CONTAINER(alarm, struct pair, first);
    pair->fired++;
    weir__core_alarm_clear(weir__core_loop(), &pair->second);
}

static void fire_second(struct weir__alarm *alarm)
{
    WEIR__CONTAINER(alarm, struct pair, second)->fired += 10;
}

TASK_TEST(an_alarm_may_clear_another_that_is_due_in_the_same_turn) /* O10, I11 */
{
    struct pair pair = {.first.fire = fire_and_clear_the_other, .second.fire = fire_second};
    weir_loop *loop = weir__core_loop();
    int64_t at_ns = weir_now() + 10 * WEIR_MS;
    weir__core_alarm_set(loop, &pair.first, at_ns);
    weir__core_alarm_set(loop, &pair.second, at_ns);
    EXPECT_RC(0, weir_sleep(20 * WEIR_MS));
    EXPECT_EQ(1, pair.fired);
    EXPECT_EQ(0, loop->sleeps.armed_count);
}
