/*
 * sched_test.c - the turn: its order, its fairness, and races under shuffled orders: rules O9, O10,
 * Q4
 */
#include "tests/core/bodies.h"

/* --- alarms ----------------------------------------------------------------------------------- */

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

/* --- waits ------------------------------------------------------------------------------------ */

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

/* --- the order inside a turn (O10) ------------------------------------------------------------ */

struct log {
    char text[64];
    size_t size;
};

static void put(struct log *log, char what)
{
    if (log->size < sizeof log->text - 1)
        log->text[log->size++] = what;
}

struct logged_alarm {
    struct weir__alarm alarm;
    struct log *log;
};

static void log_alarm(struct weir__alarm *alarm)
{
    put(WEIR__CONTAINER(alarm, struct logged_alarm, alarm)->log, 'a');
}

static void log_post(void *arg)
{
    put(arg, 'p');
}

struct logged_wait {
    struct log *log;
    bool sleeps;
};
static int logged_wait(struct logged_wait *a)
{
    int rc = 0;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        rc = a->sleeps ? weir_sleep(10 * WEIR_MS) : op();
    }
    put(a->log, rc == 0 ? 's' : rc == -ETIME ? 't' : '?');
    return rc == -ETIME ? 0 : rc;
}

static int post_to_self(weir_post_fn *fn, void *arg)
{
    weir_loop *loop = weir_loop_retain_self();
    int rc = weir_remote_post(loop, fn, arg);
    weir_loop_release(loop);
    return rc;
}

struct posting_alarm {
    struct weir__alarm alarm;
    struct log *log;
};
static void post_at_alarm(struct weir__alarm *alarm)
{
    EXPECT_RC(0, post_to_self(log_post, WEIR__CONTAINER(alarm, struct posting_alarm, alarm)->log));
}

TASK_TEST(a_turn_wakes_sleepers_then_reads_mail_then_fires_deadlines_then_runs_tasks) /* O10 */
{
    struct log log = {0};
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, logged_wait, .log = &log, .sleeps = false));
    EXPECT_RC(0, WEIR_SPAWN(group, logged_wait, .log = &log, .sleeps = true));
    EXPECT_RC(0, weir_yield());
    struct posting_alarm posting = {.alarm.fire = post_at_alarm, .log = &log};
    struct logged_alarm logged = {.alarm.fire = log_alarm, .log = &log};
    int64_t at_ns = weir_now() + 10 * WEIR_MS;
    weir__core_alarm_set(weir__core_loop(), &posting.alarm, at_ns);
    weir__core_alarm_set(weir__core_loop(), &logged.alarm, at_ns);
    EXPECT_RC(0, weir_group_close(group, 0));
    /* The sleeper has its result, although its deadline fires in the same turn; it was ready
     * first. */
    EXPECT_STR("apst", log.text);
}

struct logged_yields {
    struct log *log;
    char name;
};
static int logged_yields(struct logged_yields *a)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < 3; i++) {
        put(a->log, a->name);
        rc = weir_yield();
    }
    return rc;
}

TASK_TEST(a_task_made_ready_by_a_step_runs_after_all_that_were_ready_before) /* O10 (4) */
{
    struct log log = {0};
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    for (char name = 'a'; name <= 'c'; name++)
        EXPECT_RC(0, WEIR_SPAWN(group, logged_yields, .log = &log, .name = name));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_STR("abcabcabc", log.text);
}

TASK_TEST(turns_without_news_are_folded_and_the_kernel_is_asked_every_sixty_fifth) /* O10 */
{
    weir_loop *loop = weir__core_loop();
    uint64_t turns = loop->backend->stats.turns;
    for (int i = 0; i < 650; i++)
        EXPECT_RC(0, weir_yield());
    EXPECT_EQ(turns + 10, loop->backend->stats.turns);
}

static void do_nothing(void *arg)
{
    (void)arg;
}

TASK_TEST(mail_and_what_is_due_end_a_fold) /* O10, X4 */
{
    weir_loop *loop = weir__core_loop();
    uint64_t turns = loop->backend->stats.turns;
    EXPECT_RC(0, post_to_self(do_nothing, NULL));
    EXPECT_RC(0, weir_yield());
    EXPECT_EQ(turns + 1, loop->backend->stats.turns);
    weir_scope scope = {0};
    REQUIRE_RC(0, weir_timeout_enter(&scope, WEIR_SEC));
    weir_scope_set_deadline(&scope, weir_now() - 1);
    EXPECT_RC(0, weir_yield());
    EXPECT_EQ(turns + 2, loop->backend->stats.turns);
    EXPECT(weir_scope_expired(&scope));
    EXPECT_RC(0, weir_scope_leave(&scope, 0));
}

static int complete_for_ever(void *arg)
{
    bool *stop = arg;
    int rc = 0;
    while (!*stop && rc == 0) { /* every call completes at once */
        weir_group *group;
        rc = weir_group_open(&group, NULL);
        if (rc == 0)
            rc = weir_group_close(group, 0);
    }
    return rc;
}

IO_TEST(calls_that_complete_at_once_do_not_keep_deadlines_from_firing) /* O9 */
{
    bool stop = false;
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, complete_for_ever, &stop));
    int rc = 0;
    WEIR_TIMEOUT(rc, 5 * WEIR_MS)
    {
        rc = op();
    }
    EXPECT_RC(-ETIME, rc);
    stop = true;
    EXPECT_RC(0, weir_group_close(group, 0));
}

/* --- races, in a thousand orders (Q4) --------------------------------------------------------- */

enum { SEEDS = 1000 };

static void under_all_seeds(weir_task_fn *fn)
{
    count_findings();
    for (uint64_t seed = 1; seed <= (uint64_t)test_rounds(MANY(SEEDS)) && !test_failed(); seed++) {
        weir_run_options options = {.backend = "sim", .shuffle_seed = seed};
        EXPECT_RC(0, weir__core_run(&options, fn, NULL, false));
    }
    EXPECT_EQ(0, findings[WEIR__FINDING_STRAY]);
    EXPECT_EQ(0, findings[WEIR__FINDING_DEADLOCK]);
}

static int fail_and_cancel_in_one_turn(void *arg)
{
    (void)arg;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    int got[3] = {1, 1, 1};
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 10, .then = -EIO, .got = &got[0]));
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 10, .then = -EPIPE, .got = &got[1]));
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 10, .then = 3, .got = &got[2]));
    weir_failures *failures;
    rc = weir_group_close_failures(group, 0, &failures);
    /* Cases 29 and 159: all three had their result before the first failed. */
    EXPECT_EQ(0, got[0] | got[1] | got[2]);
    EXPECT_EQ(2, weir_failures_count(failures));
    EXPECT(rc == -EIO || rc == -EPIPE);
    if (failures != NULL)
        EXPECT_RC(rc, weir_failures_at(failures, 0)->code);
    weir_failures_free(failures);
    return 0;
}

TEST(failures_of_one_turn_are_all_recorded_in_any_order) /* F3, O4, case 29 */
{
    under_all_seeds(fail_and_cancel_in_one_turn);
}

static int deadline_and_result_in_one_turn(void *arg)
{
    (void)arg;
    weir_scope scope = {0};
    EXPECT_RC(0, weir_timeout_enter(&scope, 10 * WEIR_MS));
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    int got[4] = {1, 1, 1, 1};
    for (int i = 0; i < 4; i++)
        EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = i < 2 ? 10 : 20, .got = &got[i]));
    rc = weir_group_close(group, 0);
    EXPECT_RC(-ECANCELED, rc);
    EXPECT_RC(-ETIME, weir_scope_leave(&scope, rc));
    EXPECT(got[0] == 0 && got[1] == 0); /* the result wins */
    EXPECT(got[2] == -ECANCELED && got[3] == -ECANCELED);
    return 0;
}

TEST(a_result_beats_a_deadline_of_the_same_turn_in_any_order) /* O10, O4, case 93 */
{
    under_all_seeds(deadline_and_result_in_one_turn);
}

struct cancel_at {
    weir_group *group;
    int64_t at_ms;
};
static int cancel_at(struct cancel_at *a)
{
    int rc = weir_sleep(a->at_ms * WEIR_MS);
    weir_group_cancel(a->group, "at the same time");
    return rc;
}

static int cancel_and_end_in_one_turn(void *arg)
{
    (void)arg;
    weir_group *outer, *inner;
    if (weir_group_open(&outer, NULL) < 0)
        return -ENOMEM;
    if (weir_group_open(&inner, NULL) < 0)
        return -ENOMEM;
    int got[3] = {1, 1, 1};
    EXPECT_RC(0, WEIR_SPAWN(outer, cancel_at, .group = inner, .at_ms = 10));
    for (int i = 0; i < 3; i++)
        EXPECT_RC(0, WEIR_SPAWN(inner, op_for, .duration_ms = 10, .got = &got[i]));
    EXPECT_RC(5, weir_group_close(inner, 5)); /* each had its result: nobody was cut */
    EXPECT_EQ(0, got[0] | got[1] | got[2]);
    return weir_group_close(outer, 0);
}

TEST(a_cancel_in_the_turn_of_the_result_cuts_nobody_in_any_order) /* O4, T6 */
{
    under_all_seeds(cancel_and_end_in_one_turn);
}

struct place_race {
    weir_group *group;
    int *running, *most, *refused;
};
static int hold_place(struct place_race *a)
{
    if (++*a->running > *a->most)
        *a->most = *a->running;
    int rc = weir_sleep(5 * WEIR_MS);
    --*a->running;
    return rc;
}
struct race_in {
    struct place_race race;
};
static int race_in(struct race_in *a)
{
    struct place_race *race = &a->race;
    int rc = 0;
    WEIR_TIMEOUT(rc, 10 * WEIR_MS) /* fires in turns in which places come free */
    {
        rc = weir__spawn_copy(race->group, (weir_task_fn *)(void (*)(void))hold_place, race,
                              sizeof *race, WEIR__SITE("hold_place"));
    }
    *race->refused += rc == -ETIME;
    return rc == -ETIME ? 0 : rc;
}

static int places_and_deadlines_in_one_turn(void *arg)
{
    (void)arg;
    int running = 0, most = 0, refused = 0;
    weir_group *strangers, *group;
    if (weir_group_open(&strangers, NULL) < 0)
        return -ENOMEM;
    if (weir_group_open(&group, &(weir_group_options){.running_max = 2}) < 0)
        return -ENOMEM;
    struct place_race race = {group, &running, &most, &refused};
    for (int i = 0; i < 8; i++)
        EXPECT_RC(0, WEIR_SPAWN(strangers, race_in, .race = race));
    EXPECT_RC(0, weir_sleep(50 * WEIR_MS));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(2, most);
    EXPECT(refused >= 2 && refused <= 4);
    return weir_group_close(strangers, 0);
}

TEST(places_are_neither_lost_nor_doubled_when_deadlines_fire_beside_them) /* G10, cases 132, 134 */
{
    under_all_seeds(places_and_deadlines_in_one_turn);
}
