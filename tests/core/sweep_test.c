/*
 * sweep_test.c - the same program, cancelled exactly before each of its checkpoints in turn: rule
 * C5, cases 293 and 296
 */
#include <limits.h>

#include "tests/core/bodies.h"

/* One run: the scope is cancelled before checkpoint number `cut_before`. */
struct sweep {
    int cut_before;
    int passed;         /* checkpoints so far */
    int misfits;        /* that went on although cancelled, or were refused although not */
    int made, released; /* what the program takes on its way */
    bool raced;         /* who loses a race is cut as well */
    weir_scope *scope;
};

static bool passes(struct sweep *sweep)
{
    if (++sweep->passed == sweep->cut_before)
        weir_scope_cancel(sweep->scope, "the sweep");
    return sweep->passed < sweep->cut_before;
}

/* A wait that began before the cut may be cut while it lasts. */
static int note(struct sweep *sweep, bool passed, int rc)
{
    bool cut = sweep->passed >= sweep->cut_before || sweep->raced;
    sweep->misfits += passed ? rc != 0 && !(cut && rc == -ECANCELED) : rc != -ECANCELED;
    return rc;
}

static int step(struct sweep *sweep, int64_t sleep_ns)
{
    bool passed = passes(sweep);
    return note(sweep, passed, weir_sleep(sleep_ns));
}

struct child {
    struct sweep *sweep;
};
static int child(struct child *a)
{
    a->sweep->made++;
    int rc = step(a->sweep, WEIR_MS);
    a->sweep->released++;
    return rc;
}

static int in_shield(struct sweep *sweep)
{
    int rc = 0;
    WEIR_SHIELD(rc, WEIR_SEC)
    {
        rc = weir_sleep(WEIR_MS);
        sweep->misfits += rc != 0; /* whatever is cancelled outside */
    }
    return rc;
}

static int program(void *arg)
{
    struct sweep *sweep = arg;
    int rc = step(sweep, 0);
    if (rc < 0)
        return rc;
    sweep->made++;
    weir_group *group;
    rc = weir_group_open(&group, NULL);
    if (rc < 0)
        goto release;
    for (int i = 0; i < 3 && rc == 0; i++) {
        rc = WEIR_SPAWN(group, child, .sweep = sweep);
        if (rc == 0)
            rc = step(sweep, 0);
    }
    if (rc == -ESHUTDOWN) /* a child was the one that met the cut */
        rc = weir_check();
    rc = weir_group_close(group, rc);
    if (rc == 0) {
        WEIR_TIMEOUT(rc, WEIR_SEC)
        {
            rc = step(sweep, WEIR_MS);
        }
    }
    if (rc == 0)
        rc = step(sweep, 0);

release:
    weir_ignore(in_shield(sweep), "counted inside");
    sweep->released++;
    return rc;
}

TASK_TEST(
    a_cancel_before_any_checkpoint_refuses_that_one_and_all_later_ones) /* C5, O1, I8, case 293 */
{
    int cut_before = 1;
    for (;; cut_before++) {
        weir_scope scope = {0};
        struct sweep sweep = {.cut_before = cut_before, .scope = &scope};
        REQUIRE_RC(0, weir_scope_enter(&scope));
        int rc = program(&sweep);
        bool cut = sweep.passed >= cut_before;
        EXPECT_RC(cut ? -ECANCELED : 0, rc);
        EXPECT_RC(cut ? WEIR_CAUGHT : 0, weir_scope_leave(&scope, rc));
        EXPECT_EQ(0, sweep.misfits);
        EXPECT_EQ(sweep.made, sweep.released);
        EXPECT_EQ(1, weir_task_count());
        EXPECT_EQ(0, weir__core_loop()->deadlines.armed_count);
        EXPECT_EQ(0, weir__core_loop()->sleeps.armed_count);
        if (!cut)
            break;
    }
    EXPECT_EQ(10, cut_before); /* nine checkpoints */
}

/* --- the same over races and gathers ---------------------------------------------------------- */

static int swept_call(void *arg)
{
    struct sweep *sweep = arg;
    sweep->made++;
    int rc = step(sweep, WEIR_MS);
    if (rc == 0)
        rc = step(sweep, 2 * WEIR_MS);
    sweep->released++;
    return rc;
}

static int swept_failure(void *arg)
{
    int rc = swept_call(arg);
    return rc < 0 ? rc : -EIO;
}

enum { SWEPT_CALLS = 3 };

typedef int swept_fn(struct sweep *sweep, const weir_call *calls);

static int swept_race(struct sweep *sweep, const weir_call *calls)
{
    sweep->raced = true;
    weir_outcome outcomes[SWEPT_CALLS];
    size_t winner = SIZE_MAX;
    int rc = weir_race(calls, SWEPT_CALLS, NULL, outcomes, &winner);
    EXPECT_EQ(rc == 0, winner != SIZE_MAX);
    if (rc == 0)
        EXPECT_EQ(WEIR_OUTCOME_OK, outcomes[winner].kind);
    sweep->misfits += rc == -EIO && outcomes[0].kind != WEIR_OUTCOME_FAILED;
    return rc == -EIO ? weir_check() : rc; /* G5: a failure beats the cut, which is seen next */
}

static int swept_staggered_race(struct sweep *sweep, const weir_call *calls)
{
    sweep->raced = true;
    weir_race_options options = {.stagger_ns = WEIR_MS};
    int rc = weir_race(calls, SWEPT_CALLS, &options, NULL, NULL);
    return rc == -EIO ? weir_check() : rc;
}

static int swept_gather(struct sweep *sweep, const weir_call *calls)
{
    (void)sweep;
    return weir_gather(WEIR_FAIL_FAST, calls + 1, SWEPT_CALLS - 1, NULL);
}

static int swept_map(struct sweep *sweep, const weir_call *calls)
{
    (void)calls;
    struct sweep *items[1] = {sweep};
    weir_map_options options = {.running_max = 1};
    return weir_map(&options, swept_call, items[0], 0, 4, NULL); /* four times the same item */
}

/* The cut at each checkpoint of the calls, then at each millisecond between them. */
static void sweep_over(swept_fn *fn)
{
    int cuts = 0, whole = 0;
    for (int cut_before = 1; whole == 0 && cut_before < 100; cut_before++) {
        weir_scope scope = {0};
        struct sweep sweep = {.cut_before = cut_before, .scope = &scope};
        weir_call calls[SWEPT_CALLS] = {
            {swept_failure, &sweep}, {swept_call, &sweep}, {swept_call, &sweep}};
        REQUIRE_RC(0, weir_scope_enter(&scope));
        int rc = fn(&sweep, calls);
        bool cut = sweep.passed >= cut_before;
        EXPECT(rc == -ECANCELED ? cut : rc == 0);
        EXPECT_RC(cut ? -ECANCELED : 0, weir_check());
        EXPECT_RC(rc == -ECANCELED ? WEIR_CAUGHT : 0, weir_scope_leave(&scope, rc));
        EXPECT_EQ(0, sweep.misfits);
        EXPECT_EQ(sweep.made, sweep.released);
        EXPECT_EQ(1, weir_task_count());
        EXPECT_EQ(0, weir__core_loop()->sleeps.armed_count);
        cuts += rc == -ECANCELED;
        whole += !cut;
    }
    EXPECT(cuts > 0 && whole == 1);
    for (int64_t at_ms = 0, rc = -ETIME; rc == -ETIME; at_ms++) {
        struct sweep sweep = {.cut_before = INT_MAX};
        weir_call calls[SWEPT_CALLS] = {
            {swept_failure, &sweep}, {swept_call, &sweep}, {swept_call, &sweep}};
        weir_scope scope = {0};
        REQUIRE_RC(0, weir_timeout_enter(&scope, at_ms * WEIR_MS));
        rc = weir_scope_leave(&scope, fn(&sweep, calls));
        EXPECT(rc == 0 || (rc == -ETIME && at_ms < 100));
        EXPECT_EQ(sweep.made, sweep.released);
        EXPECT_EQ(1, weir_task_count());
        EXPECT_EQ(0, weir__core_loop()->sleeps.armed_count);
        EXPECT_EQ(0, weir__core_loop()->deadlines.armed_count);
    }
}

TASK_TEST(a_cancel_anywhere_in_a_race_joins_its_calls_and_loses_nothing) /* C5, G2, P3, case 293 */
{
    count_findings();
    sweep_over(swept_race);
    EXPECT_EQ(0, findings[WEIR__FINDING_STRAY]); /* I8 */
}

TASK_TEST(a_cancel_anywhere_in_a_staggered_race_starts_no_more) /* C5, P7, cases 236 and 293 */
{
    count_findings();
    sweep_over(swept_staggered_race);
    EXPECT_EQ(0, findings[WEIR__FINDING_STRAY]);
}

TASK_TEST(a_cancel_anywhere_in_a_gather_or_a_map_joins_its_calls) /* C5, P1, cases 228 and 293 */
{
    count_findings();
    sweep_over(swept_gather);
    sweep_over(swept_map);
    EXPECT_EQ(0, findings[WEIR__FINDING_STRAY]);
}

/* --- the cut and the result at one instant ---------------------------------------------------- */

enum { WAITERS = 5 };

struct produce {
    int *taken;
};
static int produce(struct produce *a)
{
    int rc = hard(10, 1); /* completes at the instant of the cancel */
    if (rc == 1)
        ++*a->taken;
    return rc < 0 ? rc : 0;
}

static void fire_cancel(struct weir__alarm *alarm);

struct cancel_alarm {
    struct weir__alarm alarm;
    weir_group *group;
};
static void fire_cancel(struct weir__alarm *alarm)
{
    weir_group_cancel(WEIR__CONTAINER(alarm, struct cancel_alarm, alarm)->group,
                      "at the same instant");
}

TASK_TEST(results_that_come_with_the_cancel_are_all_taken) /* O4, I5, cases 159 and 296 */
{
    for (int place = 0; place <= WAITERS; place++) { /* the cancel is armed before waiter number
                                                        `place` */
        int taken = 0;
        weir_group *group;
        REQUIRE_RC(0, weir_group_open(&group, NULL));
        struct cancel_alarm cancel = {.alarm.fire = fire_cancel, .group = group};
        int64_t at_ns = weir_now() + 10 * WEIR_MS;
        for (int i = 0; i < WAITERS; i++) {
            if (i == place)
                weir__core_alarm_set(weir__core_loop(), &cancel.alarm, at_ns);
            EXPECT_RC(0, WEIR_SPAWN(group, produce, .taken = &taken));
            EXPECT_RC(0, weir_yield());
        }
        if (place == WAITERS)
            weir__core_alarm_set(weir__core_loop(), &cancel.alarm, at_ns);
        EXPECT_RC(2, weir_group_close(group, 2)); /* nobody was cut */
        EXPECT_EQ(WAITERS, taken);
    }
}
