/*
 * handle_test.c - waiting for one task, its result, and what is known of it after its end: rules R1
 * to R4, P8, H5
 */
#include <string.h>

#include "core/handle.h"
#include "tests/core/bodies.h"

static weir_group *open_group(const weir_group_options *options)
{
    weir_group *group = NULL;
    EXPECT_RC(0, weir_group_open(&group, options));
    return group;
}

static const weir_spawn_options keep = {.keep = true};
static const weir_spawn_options handled = {.handled = true};

static weir_task_id spawn(weir_group *group, const weir_spawn_options *options, weir_task_fn *fn,
                          void *arg)
{
    weir_task_id id = 0;
    EXPECT_RC(0, weir_spawn_with(group, options, fn, arg, &id));
    return id;
}

static int run_op_for(void *arg)
{
    return op_for(arg);
}

/* --- waiting ---------------------------------------------------------------------------------- */

struct wait_for {
    weir_task_id id;
    int *order;
    int *out_rc;
    int *place; /* the how many'th it was to go on */
    weir_outcome *outcome;
};
static int wait_for(struct wait_for *a)
{
    int rc = weir_task_wait(a->id, a->outcome);
    if (a->out_rc != NULL)
        *a->out_rc = rc;
    if (a->place != NULL)
        *a->place = ++*a->order;
    return rc;
}

TASK_TEST(all_who_wait_for_a_task_get_its_outcome_in_the_order_they_came) /* R3, case 146 */
{
    ms();
    weir_group *group = open_group(NULL);
    struct op_for arg = {.duration_ms = 10, .then = 7};
    weir_task_id id = spawn(group, NULL, run_op_for, &arg);
    int order = 0, place[3] = {0}, rc[3] = {1, 1, 1};
    weir_outcome outcome[3];
    for (int i = 0; i < 3; i++)
        EXPECT_RC(0, WEIR_SPAWN(group, wait_for, .id = id, .order = &order, .out_rc = &rc[i],
                                .place = &place[i], .outcome = &outcome[i]));
    EXPECT_RC(0, weir_group_close(group, 0));
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(i + 1, place[i]);
        EXPECT_RC(0, rc[i]);
        EXPECT_EQ(WEIR_OUTCOME_OK, outcome[i].kind);
        EXPECT_EQ(7, outcome[i].rc);
        EXPECT_EQ(id, outcome[i].task);
    }
    EXPECT_EQ(10, ms());
}

TASK_TEST(a_waiter_that_is_cancelled_leaves_the_target_alone) /* R3, case 147 */
{
    weir_group *group = open_group(NULL);
    struct op_for arg = {.duration_ms = 50, .then = 3};
    weir_task_id id = spawn(group, &keep, run_op_for, &arg);
    int rc = 0;
    weir_outcome outcome = {.rc = 99};
    WEIR_TIMEOUT(rc, 10 * WEIR_MS)
    {
        rc = weir_task_wait(id, &outcome);
        EXPECT_RC(-ECANCELED, rc);
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_EQ(99, outcome.rc); /* written on success only */
    EXPECT_EQ(0, weir_task_cancel_requested(id));
    EXPECT_RC(0, weir_task_wait(id, &outcome));
    EXPECT_EQ(3, outcome.rc);
    EXPECT_RC(0, weir_group_close(group, 0));
}

TASK_TEST(a_task_that_waits_for_itself_is_told_so) /* R3, case 149 */
{
    weir_outcome outcome;
    EXPECT_RC(-EDEADLK, weir_task_wait(weir_task_self(), &outcome));
}

static weir_task_id first_of_two, second_of_two;

static int wait_for_second(void *arg)
{
    (void)arg;
    return weir_task_wait(second_of_two, NULL);
}

static int wait_for_first(void *arg)
{
    (void)arg;
    return weir_task_wait(first_of_two, NULL);
}

static int wait_in_a_ring(void *arg)
{
    (void)arg;
    weir_group *group = open_group(NULL);
    first_of_two = spawn(group, NULL, wait_for_second, NULL);
    second_of_two = spawn(group, NULL, wait_for_first, NULL);
    return weir_group_close(group, 0);
}

TEST(two_tasks_that_wait_for_each_other_are_a_deadlock) /* Q5, case 150 */
{
    count_findings();
    weir_run_options options = {.backend = "sim"};
    EXPECT_RC(-EDEADLK, weir__core_run(&options, wait_in_a_ring, NULL, false));
    EXPECT_EQ(1, findings[WEIR__FINDING_DEADLOCK]);
}

TASK_TEST(waiting_in_a_cancelled_scope_is_refused_and_the_outcome_stays) /* O1, R3, case 158 */
{
    weir_group *group = open_group(NULL);
    weir_task_id id = spawn(group, &keep, just_return, JUST(5));
    EXPECT_RC(0, weir_task_wait(id, NULL));
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "test");
    weir_outcome outcome = {.rc = 99};
    EXPECT_RC(-ECANCELED, weir_task_wait(id, &outcome));
    EXPECT_EQ(99, outcome.rc);
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    EXPECT_RC(0, weir_task_wait(id, &outcome));
    EXPECT_EQ(5, outcome.rc);
    EXPECT_RC(0, weir_group_close(group, 0));
}

struct cancel_at {
    weir_task_id id;
    int64_t at_ms;
};
static int cancel_at(struct cancel_at *a)
{
    int rc = weir_sleep(a->at_ms * WEIR_MS);
    return rc < 0 ? rc : weir_task_cancel(a->id, "a moment later");
}

struct wait_then_op {
    weir_task_id id;
    weir_outcome *outcome;
    int *wait_rc;
    int *op_rc;
};
static int wait_then_op(struct wait_then_op *a)
{
    *a->wait_rc = weir_task_wait(a->id, a->outcome);
    *a->op_rc = op();
    return 0;
}

static int run_wait_then_op(void *arg)
{
    return wait_then_op(arg);
}

TASK_TEST(an_outcome_granted_before_the_cancel_is_got) /* O4, case 159 */
{
    weir_group *group = open_group(NULL);
    struct op_for arg = {.duration_ms = 10, .then = 4};
    weir_outcome outcome = {0};
    int wait_rc = 1, op_rc = 1;
    struct wait_then_op wait = {0, &outcome, &wait_rc, &op_rc};
    weir_task_id waiter = spawn(group, NULL, run_wait_then_op, &wait);
    wait.id = spawn(group, NULL, run_op_for, &arg);
    EXPECT_RC(0, WEIR_SPAWN(group, cancel_at, .id = waiter, .at_ms = 10)); /* in the same turn */
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, wait_rc);
    EXPECT_EQ(4, outcome.rc);
    EXPECT_RC(-ECANCELED, op_rc);
}

TASK_TEST(waiting_may_go_on_for_as_many_who_never_block) /* O9 */
{
    weir_group *group = open_group(NULL);
    weir_task_id id = spawn(group, &keep, just_return, JUST(0));
    EXPECT_RC(0, weir_task_wait(id, NULL));
    weir_task_id other = spawn(group, &keep, just_return, JUST(0));
    int rounds = 0;
    while (weir_task_take(other, &(void *){NULL}) == -EAGAIN && rounds < 1000) {
        EXPECT_RC(0, weir_task_wait(id, NULL));
        rounds++;
    }
    EXPECT(rounds <= 64); /* then the other had its turn */
    EXPECT_RC(0, weir_group_close(group, 0));
}

/* --- ids -------------------------------------------------------------------------------------- */

TASK_TEST(an_id_is_stale_once_the_record_has_gone) /* R1, R4, case 154 */
{
    weir_group *group = open_group(NULL);
    weir_task_id brief = spawn(group, NULL, just_return, JUST(0));
    weir_task_id kept = spawn(group, &keep, just_return, JUST(6));
    EXPECT_RC(0, weir_yield());
    weir_outcome outcome = {.rc = 99};
    void *result = &outcome;
    EXPECT_RC(-ESTALE, weir_task_wait(brief, &outcome));
    EXPECT_RC(-ESTALE, weir_task_take(brief, &result));
    EXPECT_RC(-ESTALE, weir_task_forget(brief));
    EXPECT_RC(-ESTALE, weir_task_cancel(brief, NULL));
    EXPECT_RC(-ESTALE, weir_task_cancel_requested(brief));
    EXPECT_EQ(99, outcome.rc);
    EXPECT(result == &outcome);
    EXPECT_RC(0, weir_task_wait(kept, &outcome));
    EXPECT_EQ(6, outcome.rc);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ESTALE, weir_task_wait(kept, &outcome));

    weir_group *next = open_group(NULL);
    weir_task_id reused = spawn(next, &keep, just_return, JUST(8));
    EXPECT((reused ^ kept) << 40 == 0 || (reused ^ brief) << 40 == 0); /* the slot is used again */
    EXPECT_RC(-ESTALE, weir_task_wait(kept, &outcome));
    EXPECT_RC(-ESTALE, weir_task_forget(brief));
    EXPECT_RC(0, weir_group_close(next, 0));
}

TASK_TEST(a_slot_that_has_had_all_its_generations_rests) /* R4 */
{
    weir_loop *loop = weir__core_loop();
    weir_group *group = open_group(NULL);
    weir_task_id before = spawn(group, NULL, just_return, JUST(0));
    uint32_t index = (uint32_t)before & 0xffffff;
    loop->hot[index].generation += (1u << 25) - 4; /* all but the last two of 2^24 */
    EXPECT_RC(0, weir_yield());
    weir_task_id last = spawn(group, &keep, just_return, JUST(0));
    EXPECT_EQ(index, (uint32_t)last & 0xffffff);
    EXPECT_RC(0, weir_task_wait(last, NULL));
    EXPECT_RC(0, weir_task_forget(last));
    EXPECT_EQ(1, loop->worn_count);
    weir_task_id other = spawn(group, NULL, just_return, JUST(0));
    EXPECT(((uint32_t)other & 0xffffff) != index);
    EXPECT_RC(-ESTALE, weir_task_wait(before, NULL));
    EXPECT_RC(-ESTALE, weir_task_wait(last, NULL));
    EXPECT_RC(0, weir_group_close(group, 0));
}

static int fill_a_small_table(void *arg)
{
    (void)arg;
    weir_loop *loop = weir__core_loop();
    weir_group *group = open_group(NULL);
    weir_task_id id = spawn(group, &keep, just_return, JUST(0));
    EXPECT_RC(0, weir_task_wait(id, NULL));
    EXPECT_RC(-EAGAIN, weir_spawn(group, just_return, JUST(0))); /* a kept record takes a slot */
    loop->hot[(uint32_t)id & 0xffffff].generation += (1u << 25) - 2;
    id += ((UINT64_C(1) << 24) - 1) << 40;
    EXPECT_RC(0, weir_task_forget(id));
    EXPECT_EQ(1, loop->worn_count);
    weir_task_id again = spawn(group, NULL, just_return, JUST(0)); /* there is no other */
    EXPECT_EQ((uint32_t)id & 0xffffff, (uint32_t)again & 0xffffff);
    EXPECT_EQ(0, loop->worn_count);
    return weir_group_close(group, 0);
}

TEST(a_worn_slot_is_used_again_when_there_is_no_other) /* R4 */
{
    weir_run_options options = {.backend = "sim", .tasks_max = 2};
    EXPECT_RC(0, weir__core_run(&options, fill_a_small_table, NULL, false));
}

static weir_task_id kept_id;

static int note_own_id(void *arg)
{
    weir_task_id *ids = arg;
    for (int i = 0; i < 2; i++)
        EXPECT(ids[i] != weir_task_self());
    ids[1] = ids[0];
    ids[0] = weir_task_self();
    EXPECT(ids[0] != 0);
    if (kept_id == 0)
        return 0;
    weir_outcome outcome;
    EXPECT_RC(-EPERM, weir_task_wait(kept_id, &outcome)); /* X1, case 212 */
    EXPECT_RC(-EPERM, weir_task_take(kept_id, &(void *){NULL}));
    EXPECT_RC(-EPERM, weir_task_forget(kept_id));
    EXPECT_RC(-EPERM, weir_task_cancel(kept_id, NULL));
    EXPECT_RC(-EPERM, weir_task_cancel_requested(kept_id));
    return 0;
}

TEST(ids_of_other_loops_are_refused_however_many_there_were) /* R4, X1, case 212 */
{
    weir_run_options options = {.backend = "sim", .tasks_max = 4};
    weir_task_id ids[2] = {0};
    for (int i = 0; i < 600; i++) { /* an 8-bit number would have come round */
        EXPECT_RC(0, weir__core_run(&options, note_own_id, ids, false));
        if (i == 0)
            kept_id = ids[0];
    }
}

TEST(outside_a_loop_no_task_is_known) /* X1 */
{
    weir_outcome outcome;
    EXPECT_RC(-EPERM, weir_task_wait(1 << 24, &outcome));
    EXPECT_RC(-EPERM, weir_task_take(1 << 24, &(void *){NULL}));
    EXPECT_RC(-EPERM, weir_task_forget(1 << 24));
    EXPECT_RC(-EPERM, weir_task_cancel_requested(1 << 24));
    EXPECT_RC(-EPERM, weir_task_set_result(NULL, NULL));
}

/* --- results ---------------------------------------------------------------------------------- */

static int destroyed;

static void destroy(void *value)
{
    destroyed++;
    *(int *)value = -1;
    EXPECT_EQ(0, weir_task_self());
    EXPECT_RC(-EPERM, weir_yield()); /* it must not wait */
}

struct produce {
    int *value;
    int rc;
    int64_t after_ms;
};
static int produce(struct produce *a)
{
    int rc = a->after_ms == 0 ? 0 : weir_sleep(a->after_ms * WEIR_MS);
    if (rc < 0)
        return rc;
    EXPECT_RC(0, weir_task_set_result(a->value, destroy));
    return a->rc;
}

static int run_produce(void *arg)
{
    return produce(arg);
}

TASK_TEST(a_result_is_taken_once) /* R2, I5, case 151 */
{
    int value = 1;
    weir_group *group = open_group(NULL);
    struct produce arg = {&value, 0, 10};
    weir_task_id id = spawn(group, &keep, run_produce, &arg);
    void *result = NULL;
    EXPECT_RC(-EAGAIN, weir_task_take(id, &result));
    EXPECT_RC(0, weir_task_wait(id, NULL));
    EXPECT_RC(0, weir_task_take(id, &result));
    EXPECT(result == &value);
    result = NULL;
    EXPECT_RC(-ENOENT, weir_task_take(id, &result));
    EXPECT(result == NULL);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(0, destroyed);
    EXPECT_EQ(1, value);
}

TASK_TEST(results_that_nobody_takes_are_destroyed_before_close_returns) /* R2, I5, case 152 */
{
    int value[3] = {1, 1, 1};
    weir_group *group = open_group(NULL);
    struct produce arg[3];
    for (int i = 0; i < 3; i++) {
        arg[i] = (struct produce){&value[i], 0, 0};
        spawn(group, &keep, run_produce, &arg[i]);
    }
    EXPECT_RC(0, weir_sleep(WEIR_MS));
    EXPECT_EQ(0, destroyed);
    EXPECT_EQ(1, weir_task_count()); /* records are no tasks */
    EXPECT_EQ(0, weir_group_count(group));
    EXPECT_EQ(1, weir__core_loop()->stacks.promised_count);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(3, destroyed);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(-1, value[i]);
}

TASK_TEST(a_result_of_a_task_that_is_not_kept_goes_with_it) /* R2 */
{
    int value = 1;
    weir_group *group = open_group(NULL);
    EXPECT_RC(0, WEIR_SPAWN(group, produce, .value = &value));
    EXPECT_RC(0, weir_yield());
    EXPECT_EQ(1, destroyed);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(1, destroyed);
}

TASK_TEST(the_result_of_a_task_that_fails_is_destroyed) /* R2, case 153 */
{
    int value = 1;
    weir_group *group = open_group(NULL);
    struct produce arg = {&value, -EIO, 0};
    weir_task_id id = spawn(group, &keep, run_produce, &arg);
    EXPECT_RC(-ECANCELED, op()); /* fail fast */
    EXPECT_EQ(1, destroyed);
    EXPECT_RC(-ENOENT, weir_task_take(id, &(void *){NULL}));
    EXPECT_RC(-EIO, weir_group_close(group, 0));
    EXPECT_EQ(1, destroyed);
}

static int produce_though_cancelled(void *arg)
{
    EXPECT_RC(-ECANCELED, op());
    EXPECT_RC(0, weir_task_set_result(arg, destroy));
    return 0;
}

static int produce_and_return_the_cut(void *arg)
{
    EXPECT_RC(0, weir_task_set_result(arg, destroy));
    return op();
}

TASK_TEST(success_keeps_its_result_although_cancelled_and_a_cut_does_not) /* T6, R2, case 32 */
{
    int good = 1, cut = 1;
    weir_group *group = open_group(NULL);
    weir_task_id first = spawn(group, &keep, produce_though_cancelled, &good);
    weir_task_id second = spawn(group, &keep, produce_and_return_the_cut, &cut);
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, weir_task_cancel(first, "test"));
    EXPECT_RC(0, weir_task_cancel(second, "test"));
    weir_outcome outcome;
    EXPECT_RC(0, weir_task_wait(second, &outcome));
    EXPECT_EQ(WEIR_OUTCOME_CANCELLED, outcome.kind);
    EXPECT_EQ(1, destroyed);
    EXPECT_RC(0, weir_task_wait(first, &outcome));
    EXPECT_EQ(WEIR_OUTCOME_OK, outcome.kind);
    void *result;
    EXPECT_RC(0, weir_task_take(first, &result));
    EXPECT(result == &good);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(1, destroyed);
}

static int produce_twice(void *arg)
{
    int *values = arg;
    EXPECT_RC(0, weir_task_set_result(&values[0], destroy));
    EXPECT_RC(0, weir_task_set_result(&values[1], destroy));
    EXPECT_EQ(1, destroyed);
    return weir_yield(); /* it is a task again */
}

TASK_TEST(a_second_result_replaces_the_first) /* R2, I5 */
{
    int values[2] = {1, 1};
    weir_group *group = open_group(NULL);
    weir_task_id id = spawn(group, &keep, produce_twice, values);
    EXPECT_RC(0, weir_task_wait(id, NULL));
    void *result;
    EXPECT_RC(0, weir_task_take(id, &result));
    EXPECT(result == &values[1]);
    EXPECT_EQ(-1, values[0]);
    EXPECT_RC(0, weir_group_close(group, 0));
}

TASK_TEST(a_result_beside_a_failure_in_one_turn_is_destroyed_once) /* R2, G5, case 166 */
{
    int value = 1;
    weir_group *group = open_group(NULL);
    struct produce good = {&value, 0, 10}, bad = {&(int){1}, -EIO, 10};
    weir_task_id id = spawn(group, &keep, run_produce, &good);
    spawn(group, NULL, run_produce, &bad);
    weir_outcome outcome = {.rc = 99};
    EXPECT_RC(0, weir_task_wait(id, &outcome)); /* granted before the failure */
    EXPECT_EQ(WEIR_OUTCOME_OK, outcome.kind);
    EXPECT_EQ(1, destroyed); /* of the failed one */
    EXPECT_EQ(1, value);
    EXPECT_RC(-EIO, weir_group_close(group, 0));
    EXPECT_EQ(2, destroyed);
    EXPECT_EQ(-1, value);
}

static weir_task_id forgotten_in_destructor;

static void destroy_and_forget(void *value)
{
    destroyed++;
    EXPECT_RC(0, weir_task_forget(*(weir_task_id *)value)); /* itself, which is on its way */
    weir_ignore(weir_task_forget(forgotten_in_destructor), "gone the second time");
}

static int leave_own_id(void *arg)
{
    *(weir_task_id *)arg = weir_task_self();
    return weir_task_set_result(arg, destroy_and_forget);
}

TASK_TEST(a_destructor_may_forget_its_own_and_other_records) /* R2, I5 */
{
    weir_task_id ids[2];
    weir_group *group = open_group(NULL);
    spawn(group, &keep, leave_own_id, &ids[0]);
    forgotten_in_destructor = spawn(group, &keep, leave_own_id, &ids[1]);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(2, destroyed);
}

/* --- keeping and forgetting ------------------------------------------------------------------- */

TASK_TEST(forgetting_a_live_task_neither_cancels_nor_detaches_it) /* R1, G2, case 155 */
{
    ms();
    int value = 1;
    weir_group *group = open_group(NULL);
    struct produce arg = {&value, 0, 30};
    weir_task_id id = spawn(group, &keep, run_produce, &arg);
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, weir_task_forget(id));
    EXPECT_EQ(0, weir_task_cancel_requested(id));
    EXPECT_EQ(1, weir_group_count(group));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(30, ms());
    EXPECT_EQ(1, destroyed);
    EXPECT_RC(-ESTALE, weir_task_wait(id, NULL));
}

TASK_TEST(forgetting_gives_the_record_and_its_result_back_at_once) /* R2 */
{
    int value = 1;
    weir_group *group = open_group(NULL);
    struct produce arg = {&value, 0, 0};
    size_t used = 0;
    for (int i = 0; i < 100; i++) {
        weir_task_id id = spawn(group, &keep, run_produce, &arg);
        EXPECT_RC(0, weir_task_wait(id, NULL));
        EXPECT_EQ(i, destroyed);
        EXPECT_RC(0, weir_task_forget(id));
        EXPECT_EQ(i + 1, destroyed);
        EXPECT_RC(-ESTALE, weir_task_forget(id));
        if (i == 0)
            used = weir__core_loop()->used_count;
    }
    EXPECT_EQ(used, weir__core_loop()->used_count);
    EXPECT_RC(0, weir_group_close(group, 0));
}

TASK_TEST(cancelling_a_task_that_is_done_does_nothing) /* C9, case 157 */
{
    weir_group *group = open_group(NULL);
    weir_task_id id = spawn(group, &keep, just_return, JUST(2));
    EXPECT_RC(0, weir_task_wait(id, NULL));
    EXPECT_RC(0, weir_task_cancel(id, "too late"));
    EXPECT_EQ(0, weir_task_cancel_requested(id));
    weir_outcome outcome;
    EXPECT_RC(0, weir_task_wait(id, &outcome));
    EXPECT_EQ(WEIR_OUTCOME_OK, outcome.kind);
    EXPECT_EQ(2, outcome.rc);
    EXPECT_RC(0, weir_group_close(group, 0));
}

static int note_run(void *arg)
{
    ++*(int *)arg;
    return weir_yield();
}

TASK_TEST(a_task_cancelled_before_its_first_step_still_runs_once) /* T2, case 157 */
{
    int runs = 0;
    weir_group *group = open_group(NULL);
    weir_task_id id = spawn(group, &keep, note_run, &runs);
    EXPECT_RC(0, weir_task_cancel(id, "early"));
    EXPECT_EQ(1, weir_task_cancel_requested(id));
    weir_outcome outcome;
    EXPECT_RC(0, weir_task_wait(id, &outcome));
    EXPECT_EQ(WEIR_OUTCOME_CANCELLED, outcome.kind);
    EXPECT_EQ(1, runs);
    EXPECT_RC(0, weir_group_close(group, 0));
}

static int shielded_op(void *arg)
{
    bool *seen = arg;
    int rc = 0;
    WEIR_SHIELD(rc, WEIR_SEC)
    {
        rc = weir_sleep(10 * WEIR_MS);
        *seen = weir_cancelled();
    }
    return rc;
}

TASK_TEST(a_cancel_request_is_seen_from_outside_also_behind_a_shield) /* H5 */
{
    bool seen = true;
    weir_group *group = open_group(NULL);
    weir_task_id id = spawn(group, &keep, shielded_op, &seen);
    EXPECT_RC(0, weir_yield());
    EXPECT_EQ(0, weir_task_cancel_requested(id));
    EXPECT_RC(0, weir_task_cancel(id, "test"));
    EXPECT_EQ(1, weir_task_cancel_requested(id));
    EXPECT_RC(0, weir_task_wait(id, NULL));
    EXPECT(!seen);
    EXPECT_EQ(1, weir_task_cancel_requested(id)); /* of the record too */
    EXPECT_RC(0, weir_group_close(group, 0));
}

static void wait_for_flag(weir_task *task, void *object)
{
    (void)task;
    weir__list_remove(&((struct weir__waiter *)object)->link);
    weir__core_wake(task, -ECANCELED);
}

static struct weir__list flag_waiters;

static int await_flag(void *arg)
{
    struct weir__waiter waiter = {.task = weir__core_task()};
    weir__list_append(&flag_waiters, &waiter.link);
    int rc = weir__core_park(WEIR_WAIT_EVENT, &waiter, wait_for_flag);
    ++*(int *)arg;
    return rc;
}

TASK_TEST(tasks_that_nobody_holds_all_end) /* R1, case 156 */
{
    weir__list_init(&flag_waiters);
    int ended = 0;
    weir_group *group = open_group(NULL);
    for (int i = 0; i < MANY(1000); i++)
        EXPECT_RC(0, weir_spawn(group, await_flag, &ended));
    EXPECT_RC(0, weir_sleep(WEIR_MS));
    weir_group *pressure = open_group(NULL); /* records come and go meanwhile */
    for (int i = 0; i < MANY(1000); i++)
        EXPECT_RC(0, weir_spawn(pressure, just_return, JUST(0)));
    EXPECT_RC(0, weir_group_close(pressure, 0));
    EXPECT_EQ(0, ended);
    while (weir__core_wake_first(&flag_waiters, 0)) {
    }
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(MANY(1000), ended);
}

TASK_TEST(a_server_without_handles_keeps_no_records) /* R2, case 19 */
{
    weir_group *group = open_group(NULL);
    for (int i = 0; i < MANY(100000); i++) {
        EXPECT_RC(0, weir_spawn(group, just_return, JUST(0)));
        if (i % 10 == 9)
            EXPECT_RC(0, weir_yield());
    }
    EXPECT_RC(0, weir_yield());
    EXPECT(weir__core_loop()->used_count <= 12);
    EXPECT(group->keeping == NULL);
    EXPECT_RC(0, weir_group_close(group, 0));
}

/* --- failures that stay with their record (P8) ------------------------------------------------ */

static int fail_with_words(void *arg)
{
    (void)arg;
    return weir_fail(-EIO, "disk %d", 3);
}

TASK_TEST(a_handled_failure_concerns_nobody_but_who_asks) /* P8, F6, cases 20 and 44 */
{
    count_findings();
    int rc = 1;
    weir_group *group = open_group(NULL);
    weir_task_id id = spawn(group, &handled, fail_with_words, NULL);
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 5, .got = &rc));
    weir_outcome outcome;
    EXPECT_RC(0, weir_task_wait(id, &outcome));
    EXPECT_EQ(WEIR_OUTCOME_FAILED, outcome.kind);
    EXPECT_RC(-EIO, outcome.rc);
    EXPECT_STR("disk 3", outcome.message);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, rc); /* its sibling was not cut */
    EXPECT_EQ(0, findings[WEIR__FINDING_FAILURES]);
    EXPECT_EQ(1, weir__core_loop()->failures_handled);
}

TASK_TEST(a_handled_failure_that_nobody_asks_for_is_reported_at_close) /* P8, F6, case 45 */
{
    count_findings();
    weir_group *group = open_group(NULL);
    weir_task_id id = spawn(group, &handled, fail_with_words, NULL);
    EXPECT_RC(0, weir_task_wait(id, NULL)); /* its end alone was asked for */
    EXPECT_EQ(0, findings[WEIR__FINDING_FAILURES]);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(1, findings[WEIR__FINDING_FAILURES]);
    EXPECT_EQ(1, weir__core_loop()->failures_reported);
}

TASK_TEST(a_handled_failure_that_is_forgotten_is_reported_then) /* P8, F6 */
{
    count_findings();
    weir_group *group = open_group(NULL);
    weir_task_id id = spawn(group, &handled, fail_with_words, NULL);
    weir_task_id early = spawn(group, &handled, fail_with_words, NULL);
    EXPECT_RC(0, weir_task_forget(early)); /* it has not begun */
    EXPECT_RC(0, weir_task_wait(id, NULL));
    EXPECT_RC(0, weir_yield());
    EXPECT_EQ(1, findings[WEIR__FINDING_FAILURES]);
    EXPECT_RC(0, weir_task_forget(id));
    EXPECT_EQ(2, findings[WEIR__FINDING_FAILURES]);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(2, findings[WEIR__FINDING_FAILURES]);
}

static int fail_with_causes(void *arg)
{
    (void)arg;
    weir_group *group = open_group(&(weir_group_options){.policy = WEIR_COLLECT_ALL});
    EXPECT_RC(0, weir_spawn(group, fail_with_words, NULL));
    EXPECT_RC(0, weir_spawn(group, fail_with_words, NULL));
    return weir_group_close(group, 0);
}

TASK_TEST(a_handled_failure_takes_its_causes_along) /* P8, F4, F6 */
{
    count_findings();
    weir_group *group = open_group(NULL);
    weir_task_id asked = spawn(group, &handled, fail_with_causes, NULL);
    spawn(group, &handled, fail_with_causes, NULL);
    weir_outcome outcome;
    EXPECT_RC(0, weir_task_wait(asked, &outcome));
    EXPECT_RC(-EIO, outcome.rc);
    EXPECT_RC(0, weir_yield());
    EXPECT_EQ(0, findings[WEIR__FINDING_FAILURES]);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(1, findings[WEIR__FINDING_FAILURES]); /* one tree, of the one nobody asked for */
}

TASK_TEST(a_handled_failure_is_an_end_all_the_same_where_ends_decide) /* P4, P8 */
{
    count_findings();
    weir_group *group = open_group(&(weir_group_options){.policy = WEIR_FIRST_DONE});
    weir_task_id id = spawn(group, &handled, fail_with_words, NULL);
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 5));
    weir_outcome outcome;
    int rc = weir_task_wait(id, &outcome);
    EXPECT_RC(-ECANCELED, rc); /* it decided the group, the owner's waiting included */
    EXPECT_RC(-ECHILD, weir_group_close(group, rc));
    EXPECT_EQ(1, findings[WEIR__FINDING_FAILURES]); /* nobody got the outcome */
}

TASK_TEST(a_kept_failure_still_fails_its_group) /* P1 */
{
    weir_group *group = open_group(NULL);
    weir_task_id id = spawn(group, &keep, fail_with_words, NULL);
    EXPECT_RC(-ECANCELED, op());
    EXPECT_RC(-EIO, weir_group_close(group, -ECANCELED));
    EXPECT_RC(-ESTALE, weir_task_forget(id));
}

TASK_TEST(one_cancelled_alone_says_by_whom_and_its_siblings_go_on) /* G5, G7, case 42 */
{
    int rc = 1;
    weir_group *group = open_group(NULL);
    struct op_for arg = {0};
    weir_task_id id = spawn(group, &keep, run_op_for, &arg);
    EXPECT_RC(0, WEIR_SPAWN(group, op_for, .duration_ms = 5, .got = &rc));
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(0, weir_task_cancel(id, "not needed"));
    weir_outcome outcome;
    EXPECT_RC(0, weir_task_wait(id, &outcome));
    EXPECT_EQ(WEIR_OUTCOME_CANCELLED, outcome.kind);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, rc);
}

/* --- misuse ----------------------------------------------------------------------------------- */

TASK_TEST(nothing_is_spawned_into_a_group_that_was_never_opened) /* G1, case 9 */
{
    int runs = 0;
    EXPECT_RC(-EINVAL, weir_spawn(NULL, note_run, &runs));
    EXPECT_RC(-EINVAL, weir_spawn_with(NULL, &keep, note_run, &runs, NULL));
    EXPECT_RC(0, weir_yield());
    EXPECT_EQ(0, runs);
}

TASK_TEST(opening_again_makes_another_group_and_the_first_goes_on) /* G1, case 10 */
{
    weir_group *group = open_group(NULL), *first = group;
    EXPECT_RC(0, weir_group_open(&group, NULL));
    EXPECT(group != first);
    EXPECT_RC(0, weir_spawn(first, just_return, JUST(0)));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, weir_group_close(first, 0));
}

TASK_TEST(a_group_closed_twice_joins_and_reports_nothing_twice) /* G4, R4, case 11 */
{
    count_findings();
    weir_group *group = open_group(NULL);
    int value = 1;
    struct produce arg = {&value, 0, 0};
    spawn(group, &keep, run_produce, &arg);
    spawn(group, &handled, fail_with_words, NULL);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(1, destroyed);
    EXPECT_EQ(1, findings[WEIR__FINDING_FAILURES]);
    EXPECT_RC(-ESTALE, weir_group_close(group, 0));
    EXPECT_EQ(1, destroyed);
    EXPECT_EQ(1, findings[WEIR__FINDING_FAILURES]);
}

/* --- how a task is ---------------------------------------------------------------------------- */

static weir_task_id deep_id;

static int wait_long(void *arg)
{
    (void)arg;
    return op();
}

static int hold_group(void *arg)
{
    (void)arg;
    weir_group *group = open_group(&(weir_group_options){.name = "inner"});
    deep_id = spawn(group, &(weir_spawn_options){.name = "sleeper", .keep = true}, wait_long, NULL);
    return weir_group_close(group, 0);
}

TASK_TEST(a_task_is_described_with_what_it_waits_for_and_who_cancelled_it) /* T4, case 266 */
{
    weir_group *group = open_group(&(weir_group_options){.name = "outer"});
    weir_task_id holder = spawn(group, &(weir_spawn_options){.name = "holder"}, hold_group, NULL);
    EXPECT_RC(0, weir_sleep(10 * WEIR_MIN));
    weir_task_info info;
    REQUIRE_RC(0, weir_task_describe(deep_id, &info));
    EXPECT_EQ(deep_id, info.id);
    EXPECT_STR("sleeper", info.name);
    EXPECT(info.fn == (const void *)(uintptr_t)wait_long);
    EXPECT_EQ(WEIR_TASK_BLOCKED, info.state);
    EXPECT_STR("something", info.waits_for);
    EXPECT(info.wait_address != NULL);
    EXPECT(info.spawn_address != NULL);
    EXPECT_STR("inner", info.group_name);
    EXPECT_EQ(10 * WEIR_MIN, info.age_ns);
    EXPECT(!info.cancel_requested);
    EXPECT_EQ(holder, info.owner); /* the path of its groups, upwards */
    REQUIRE_RC(0, weir_task_describe(info.owner, &info));
    EXPECT_STR("holder", info.name);
    EXPECT_STR("outer", info.group_name);
    EXPECT_STR("the tasks of its group", info.waits_for);
    EXPECT_EQ(weir_task_self(), info.owner);
    REQUIRE_RC(0, weir_task_describe(info.owner, &info));
    EXPECT_EQ(WEIR_TASK_RUNNING, info.state);
    EXPECT(info.waits_for == NULL);
    EXPECT_EQ(0, info.owner);

    EXPECT_RC(0, weir_task_cancel(holder, "enough"));
    int64_t cancelled_at_ns = weir__core_loop()->now_ns;
    REQUIRE_RC(0, weir_task_describe(deep_id, &info));
    EXPECT(info.cancel_requested);
    EXPECT_EQ(WEIR_CANCEL_EXPLICIT, info.cause.kind);
    EXPECT_STR("enough", info.cause.reason);
    EXPECT_EQ(weir_task_self(), info.cause.source);
    EXPECT_EQ(cancelled_at_ns, info.cause.at_ns);
    EXPECT_EQ(WEIR_TASK_READY, info.state); /* it was woken, and has not run yet */
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ESTALE, weir_task_describe(deep_id, &info));
}

static int hard_for_a_while(void *arg)
{
    (void)arg;
    return hard(20, 0);
}

TASK_TEST(a_wait_that_cannot_be_ended_and_a_record_are_described_too) /* T4, T3, case 266 */
{
    weir_group *group = open_group(NULL);
    weir_task_id id = spawn(group, &keep, hard_for_a_while, NULL);
    EXPECT_RC(0, weir_sleep(5 * WEIR_MS));
    EXPECT_RC(0, weir_task_cancel(id, "enough"));
    weir_task_info info;
    EXPECT_RC(0, weir_task_describe(id, &info));
    EXPECT_EQ(WEIR_TASK_BLOCKED, info.state);
    EXPECT(info.cancel_requested);
    EXPECT_EQ(5 * WEIR_MS, info.age_ns);
    EXPECT_RC(0, weir_task_wait(id, NULL));
    EXPECT_RC(0, weir_sleep(5 * WEIR_MS));
    EXPECT_RC(0, weir_task_describe(id, &info));
    EXPECT_EQ(WEIR_TASK_DONE, info.state);
    EXPECT_EQ(5 * WEIR_MS, info.age_ns);
    EXPECT(info.waits_for == NULL);
    EXPECT(info.cancel_requested);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-EPERM, weir_task_describe(id ^ (1 << 24), &info));
}
