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

/* --- waits ------------------------------------------------------------------------------------------------- */

struct patient {
    weir_task *task;
    int rc[2];
};

static void abort_patient(weir_task *task, void *object)
{
    (void)object;
    weir__core_wake(task, -ECANCELED);
}

static int wait_twice(void *arg)
{
    struct patient *patient = arg;
    patient->task = weir__core_task();
    for (int i = 0; i < 2; i++) /* one checkpoint, two waits: such are the streams */
        patient->rc[i] = weir__core_park(WEIR_WAIT_OTHER, NULL, abort_patient);
    return patient->rc[1];
}

TASK_TEST(a_wait_that_begins_in_a_cancelled_context_is_asked_to_end) /* C5, O4, I10 */
{
    struct patient patient = {NULL, {1, 1}};
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, wait_twice, &patient));
    EXPECT_RC(0, weir_yield());
    weir__core_wake(patient.task, 7);
    weir_group_cancel(group, NULL); /* between the wake and the step: the result wins */
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, 0));
    EXPECT_EQ(7, patient.rc[0]);
    EXPECT_RC(-ECANCELED, patient.rc[1]);
}
