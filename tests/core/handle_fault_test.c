/*
 * handle_fault_test.c - results, waits, callbacks and outcomes one after another, with memory that
 * runs out at every place in turn, and cut before every checkpoint in turn: rules T2, R2, K1, G13,
 * I5, F6, C5, cases 293 and 294
 */
#include <string.h>

#include "core/handle.h"
#include "tests/core/bodies.h"
#include "tests/support/fault_loop.h"

/* Every value is taken or destroyed once, and every callback that was added is called once. */
static int made, taken, destroyed, added, called;
/* The sweep of cancellations: checkpoints so far, and the one that is cut. */
static int passed, cut_before;
static weir_scope *cut_scope;

static void pass(void)
{
    if (++passed == cut_before)
        weir_scope_cancel(cut_scope, "the sweep");
}

static void destroy(void *value)
{
    (void)value;
    destroyed++;
    EXPECT_RC(-EPERM, weir_yield());
}

struct produce {
    int64_t after_ms;
    int rc;
};
static int produce(struct produce *a)
{
    int rc = 0;
    if (a->after_ms > 0) {
        pass();
        rc = weir_sleep(a->after_ms * WEIR_MS);
    }
    static int value;
    if (rc == 0)
        rc = weir_task_set_result(&value, destroy);
    made += rc == 0;
    return rc < 0 ? rc : a->rc;
}

static int run_produce(void *arg)
{
    return produce(arg);
}

static int note_end(weir_task_id task, const weir_outcome *outcome, void *arg)
{
    EXPECT_EQ(task, outcome->task);
    called++;
    return arg == NULL ? 0 : weir_fail(-EIO, "the callback");
}

static int note(int rc)
{
    added += rc == 0;
    return rc;
}

static int take(weir_task_id id)
{
    void *value;
    int rc = weir_task_take(id, &value);
    taken += rc == 0;
    return rc == -ENOENT ? 0 : rc;
}

/* A wait may find that nobody will keep anything: that is fine here. */
static int wait_and_take(weir_task_id id)
{
    weir_outcome outcome;
    pass();
    int rc = weir_task_wait(id, &outcome);
    return rc < 0 ? rc : take(id);
}

struct join {
    weir_task_id id;
};
static int join(struct join *a)
{
    pass();
    int rc = weir_task_wait(a->id, NULL);
    return rc == -ESTALE ? 0 : rc;
}

static int use_kept(void)
{
    static struct produce quick = {0, 0}, slow = {5, 0}, bad = {3, -EIO};
    static const weir_spawn_options keep = {.keep = true}, handled = {.handled = true};
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    weir_task_id ids[3];
    rc = weir_spawn_with(group, &keep, run_produce, &slow, &ids[0]);
    if (rc == 0)
        rc = weir_spawn_with(group, &keep, run_produce, &quick, &ids[1]);
    if (rc == 0)
        rc = weir_spawn_with(group, &handled, run_produce, &bad, &ids[2]);
    if (rc == 0)
        rc = note(weir_task_on_done(ids[0], note_end, NULL, NULL));
    if (rc == 0)
        rc = note(weir_task_on_done(ids[2], note_end, "fails", NULL));
    if (rc == 0)
        rc = WEIR_SPAWN(group, join, .id = ids[0]);
    if (rc == 0)
        rc = wait_and_take(ids[1]);
    if (rc == 0)
        rc = note(weir_task_on_done(ids[1], note_end, NULL, NULL));
    if (rc == 0)
        rc = weir_task_forget(ids[1]);
    if (rc == 0)
        rc = wait_and_take(ids[0]);
    if (rc == -ESHUTDOWN)
        rc = weir_check();
    return weir_group_close(group, rc);
}

static int use_next(void)
{
    weir_group *group;
    int rc = weir_group_open(&group, &(weir_group_options){.keeps_outcomes = true});
    if (rc < 0)
        return rc;
    for (int i = 0; i < 4 && rc == 0; i++)
        rc = WEIR_SPAWN(group, produce, .after_ms = i % 3);
    weir_outcome outcome;
    for (int i = 0; i < 3 && rc == 0; i++) {
        pass();
        rc = weir_group_next(group, &outcome);
        if (rc == 0 && i != 1)
            rc = take(outcome.task);
    }
    if (rc == -ESHUTDOWN)
        rc = weir_check();
    return weir_group_close(group, rc);
}

static int program(void)
{
    made = taken = destroyed = added = called = passed = 0;
    int rc = use_kept();
    if (rc == 0)
        rc = use_next();
    EXPECT_EQ(made, taken + destroyed); /* I5 */
    EXPECT_EQ(added, called);
    return rc;
}

static int run_program(void *arg)
{
    (void)arg;
    cut_before = 0;
    return program();
}

static void run_loop(void *arg)
{
    (void)arg;
    weir_run_options options = {.backend = "sim"};
    int rc = weir__core_run(&options, run_program, NULL, false);
    EXPECT(rc == 0 || rc == -ENOMEM);
    if (fault_loop_nth == 0)
        EXPECT_RC(0, rc);
}

TEST(records_results_and_callbacks_survive_the_lack_of_memory_at_every_place) /* case 294 */
{
    count_findings();
    EXPECT(fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, run_loop, NULL) > 20);
    EXPECT(fault_loop_from(WEIR__FAULT_ALLOC, -ENOMEM, run_loop, NULL) > 20);
}

TASK_TEST(records_results_and_callbacks_survive_a_cancel_before_every_checkpoint) /* case 293 */
{
    count_findings();
    int rounds = 0;
    for (bool cut = true; cut; rounds++) {
        cut_before = rounds + 1;
        weir_scope scope = {0};
        cut_scope = &scope;
        REQUIRE_RC(0, weir_scope_enter(&scope));
        int rc = program();
        cut = passed >= cut_before;
        EXPECT_RC(cut ? -ECANCELED : 0, rc);
        EXPECT_RC(cut ? WEIR_CAUGHT : 0, weir_scope_leave(&scope, rc));
        EXPECT_EQ(1, weir_task_count());
        EXPECT_EQ(0, weir__core_loop()->deadlines.armed_count);
        EXPECT_EQ(0, weir__core_loop()->sleeps.armed_count);
    }
    EXPECT(rounds > 8);
}

TASK_TEST(records_results_and_callbacks_survive_every_order_of_tasks) /* Q4 */
{
    count_findings();
    cut_before = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        weir__core_loop()->shuffle_state = seed;
        EXPECT_RC(0, program());
    }
}
