/*
 * callback_test.c - functions that are told of a task's end: rules K1, K2
 */
#include <string.h>

#include "core/handle.h"
#include "tests/core/bodies.h"

static const weir_spawn_options keep = {.keep = true};

static weir_group *open_group(const weir_group_options *options)
{
    weir_group *group = NULL;
    EXPECT_RC(0, weir_group_open(&group, options));
    return group;
}

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

/* What happened, one character each. */
static char story[64];

static void tell(char what)
{
    size_t size = strlen(story);
    if (size + 1 < sizeof story)
        story[size] = what;
}

static weir_outcome told;

static int tell_done(weir_task_id task, const weir_outcome *outcome, void *arg)
{
    EXPECT_EQ(task, outcome->task);
    EXPECT_EQ(0, weir_task_self());
    told = *outcome;
    tell(*(const char *)arg);
    return 0;
}

static void add(weir_task_id id, const char *what, weir_task_callback *out_callback)
{
    EXPECT_RC(0, weir_task_on_done(id, tell_done, (void *)(uintptr_t)what, out_callback));
}

struct join {
    weir_task_id id;
};
static int join(struct join *a)
{
    int rc = weir_task_wait(a->id, NULL);
    tell('j');
    return rc;
}

/* --- when ------------------------------------------------------------------------------------- */

TASK_TEST(callbacks_run_once_in_order_and_before_any_joiner) /* K1, case 214 */
{
    weir_group *group = open_group(NULL);
    struct op_for arg = {.duration_ms = 10, .then = 3};
    weir_task_id id = spawn(group, NULL, run_op_for, &arg);
    EXPECT_RC(0, WEIR_SPAWN(group, join, .id = id));
    EXPECT_RC(0, weir_yield());
    add(id, "1", NULL);
    add(id, "2", NULL);
    EXPECT_RC(0, weir_task_wait(id, NULL));
    EXPECT_CONTAINS("12", story);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_STR("12j", story);
    EXPECT_EQ(WEIR_OUTCOME_OK, told.kind);
    EXPECT_EQ(3, told.rc);
}

static int fail_with_words(void *arg)
{
    (void)arg;
    return weir_fail(-EIO, "disk %d", 3);
}

TASK_TEST(the_outcome_is_fixed_when_a_callback_runs) /* K1, T6 */
{
    weir_group *group = open_group(NULL);
    weir_task_id id = spawn(group, NULL, fail_with_words, NULL);
    add(id, "1", NULL);
    EXPECT_RC(-EIO, weir_group_close(group, 0));
    EXPECT_STR("1", story);
    EXPECT_EQ(WEIR_OUTCOME_FAILED, told.kind);
    EXPECT_RC(-EIO, told.rc);
    EXPECT_STR("disk 3", told.message);
}

TASK_TEST(a_callback_of_a_task_that_is_done_runs_in_a_later_turn) /* K1, case 215 */
{
    weir_group *group = open_group(NULL);
    weir_task_id id = spawn(group, &keep, just_return, JUST(4));
    EXPECT_RC(0, weir_task_wait(id, NULL));
    add(id, "1", NULL);
    add(id, "2", NULL);
    EXPECT_STR("", story);
    EXPECT_RC(0, weir_sleep(WEIR_MS));
    EXPECT_STR("12", story);
    EXPECT_EQ(4, told.rc);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_STR("12", story);
}

TASK_TEST(close_waits_for_the_callbacks_of_tasks_that_are_done) /* K1, G2 */
{
    char what = 'x';
    weir_group *group = open_group(NULL);
    weir_task_id id = spawn(group, &keep, just_return, JUST(0));
    EXPECT_RC(0, weir_task_wait(id, NULL));
    EXPECT_RC(0, weir_task_on_done(id, tell_done, &what, NULL));
    EXPECT_RC(0, weir_task_forget(id)); /* the callback does without the record */
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_STR("x", story);
    what = 'y'; /* ours again */
    EXPECT_RC(0, weir_sleep(WEIR_MS));
    EXPECT_STR("x", story);
}

TASK_TEST(a_loop_with_nothing_but_a_late_callback_is_not_deadlocked) /* Q5, K1 */
{
    count_findings();
    weir_group *group = open_group(NULL);
    weir_task_id id = spawn(group, &keep, just_return, JUST(0));
    EXPECT_RC(0, weir_task_wait(id, NULL));
    add(id, "1", NULL);
    EXPECT_RC(0, weir_group_close(group, 0)); /* parks with nothing else to wake it */
    EXPECT_STR("1", story);
    EXPECT_EQ(0, findings[WEIR__FINDING_DEADLOCK]);
}

static int add_another(weir_task_id task, const weir_outcome *outcome, void *arg)
{
    (void)outcome, (void)arg;
    tell('a');
    add(task, "l", NULL); /* the task has ended: it is a late one */
    tell('b');
    return 0;
}

TASK_TEST(a_callback_added_from_a_callback_of_the_same_task_is_a_late_one) /* K1, case 215 */
{
    weir_group *group = open_group(NULL);
    weir_task_id id = spawn(group, NULL, just_return, JUST(0));
    EXPECT_RC(0, weir_task_on_done(id, add_another, NULL, NULL));
    add(id, "2", NULL);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_STR("ab2l", story);
}

/* --- taking back ------------------------------------------------------------------------------ */

static weir_task_callback second, itself;

static int remove_second(weir_task_id task, const weir_outcome *outcome, void *arg)
{
    (void)task, (void)outcome, (void)arg;
    tell('r');
    EXPECT_RC(-ESTALE, weir_task_callback_remove(itself));
    EXPECT_RC(0, weir_task_callback_remove(second));
    return 0;
}

TASK_TEST(a_callback_may_remove_another_and_harmlessly_itself) /* K1, case 216 */
{
    weir_group *group = open_group(NULL);
    weir_task_id id = spawn(group, &keep, just_return, JUST(0));
    EXPECT_RC(0, weir_task_on_done(id, remove_second, NULL, &itself));
    add(id, "2", &second);
    add(id, "3", NULL);
    EXPECT_RC(0, weir_task_wait(id, NULL));
    EXPECT_STR("r3", story);
    EXPECT_RC(-ESTALE, weir_task_callback_remove(itself)); /* one that ran */
    EXPECT_RC(-ESTALE, weir_task_callback_remove(second));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ESTALE, weir_task_callback_remove(second));
    EXPECT_RC(-EPERM, weir_task_callback_remove((weir_task_callback){0}));
}

TASK_TEST(a_late_callback_can_be_removed_before_its_turn) /* K1, case 216 */
{
    weir_group *group = open_group(NULL);
    weir_task_id id = spawn(group, &keep, just_return, JUST(0));
    EXPECT_RC(0, weir_task_wait(id, NULL));
    weir_task_callback callback;
    add(id, "1", &callback);
    add(id, "2", NULL);
    EXPECT_RC(0, weir_task_callback_remove(callback));
    EXPECT_RC(-ESTALE, weir_task_callback_remove(callback));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_STR("2", story);
}

TASK_TEST(a_removed_late_callback_does_not_hold_its_group) /* K1 */
{
    weir_group *group = open_group(NULL);
    weir_task_id id = spawn(group, &keep, just_return, JUST(0));
    EXPECT_RC(0, weir_task_wait(id, NULL));
    weir_task_callback callback;
    add(id, "1", &callback);
    EXPECT_RC(0, weir_task_callback_remove(callback));
    uint64_t steps = weir__core_loop()->step_count;
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(steps, weir__core_loop()->step_count); /* it did not park */
    EXPECT_STR("", story);
}

TASK_TEST(callbacks_that_were_never_called_are_released) /* K1 */
{
    weir_group *group = open_group(NULL);
    struct op_for arg = {.duration_ms = 10};
    weir_task_id id = spawn(group, NULL, run_op_for, &arg);
    weir_task_callback callback;
    add(id, "1", &callback);
    EXPECT_RC(0, weir_task_callback_remove(callback));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_STR("", story);
}

/* --- what a callback may do ------------------------------------------------------------------- */

static int try_to_wait(weir_task_id task, const weir_outcome *outcome, void *arg)
{
    (void)outcome;
    weir_group *group;
    weir_scope scope = {0};
    EXPECT_RC(-EPERM, weir_yield());
    EXPECT_RC(-EPERM, weir_sleep(WEIR_MS));
    EXPECT_RC(-EPERM, weir_group_open(&group, NULL));
    EXPECT_RC(-EPERM, weir_group_close(arg, 0));
    EXPECT_RC(-EPERM, weir_group_next(arg, &(weir_outcome){0}));
    EXPECT_RC(-EPERM, weir_scope_enter(&scope));
    EXPECT_RC(-EPERM, weir_task_wait(task, NULL));
    EXPECT_RC(-EPERM, weir_task_set_result(NULL, NULL));
    EXPECT_RC(-EPERM, weir_gather(WEIR_FAIL_FAST, &(weir_call){just_return, JUST(0)}, 1, NULL));
    EXPECT_RC(0, weir_check());
    tell('w');
    return 0;
}

TASK_TEST(a_callback_cannot_wait) /* K2, case 217 */
{
    weir_group *group = open_group(NULL);
    weir_task_id id = spawn(group, &keep, just_return, JUST(0));
    EXPECT_RC(0, weir_task_on_done(id, try_to_wait, group, NULL));
    EXPECT_RC(0, weir_task_wait(id, NULL));
    EXPECT_STR("w", story);
    EXPECT_RC(0, weir_task_on_done(id, try_to_wait, group, NULL)); /* late: on the loop's stack */
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_STR("ww", story);
}

static int fail_in_callback(weir_task_id task, const weir_outcome *outcome, void *arg)
{
    (void)task, (void)outcome;
    tell('f');
    return arg == NULL ? -EIO : weir_fail(-EIO, "%s", (const char *)arg);
}

static weir_failure reported;
static char reported_message[64];
static int reported_count;

static void see_failures(const struct weir__finding *finding)
{
    EXPECT_EQ(WEIR__FINDING_FAILURES, finding->kind);
    EXPECT_EQ(1, weir_failures_count(finding->failures));
    reported = *weir_failures_at(finding->failures, 0);
    size_t size = strnlen(reported.message, sizeof reported_message - 1);
    memcpy(reported_message, reported.message, size);
    reported_message[size] = '\0';
    reported_count++;
}

TASK_TEST(a_callback_that_fails_is_reported_and_the_others_still_run) /* K2, F6, case 217 */
{
    weir__core_observe(see_failures);
    weir_loop *loop = weir__core_loop();
    weir_group *group = open_group(&(weir_group_options){.name = "family"});
    weir_task_id id =
        spawn(group, &(weir_spawn_options){.name = "child", .keep = true}, just_return, JUST(0));
    EXPECT_RC(0, weir_task_on_done(id, fail_in_callback, "no space", NULL));
    add(id, "2", NULL);
    EXPECT_RC(0, weir_task_wait(id, NULL));
    EXPECT_STR("f2", story);
    EXPECT_EQ(1, reported_count);
    EXPECT_RC(-EIO, reported.code);
    EXPECT_EQ(WEIR_FAILURE_CALLBACK, reported.origin);
    EXPECT_EQ(id, reported.task);
    EXPECT_STR("child", reported.task_name);
    EXPECT_STR("family", reported.group_name);
    EXPECT_STR("no space", reported_message);
    EXPECT(reported.fail_address != NULL);

    EXPECT_RC(0, weir_task_on_done(id, fail_in_callback, NULL, NULL)); /* a late one as well */
    EXPECT_RC(0, weir_task_forget(id));
    EXPECT_RC(0, weir_group_close(group, 0)); /* it fails nobody */
    EXPECT_EQ(2, reported_count);
    EXPECT_STR("child", reported.task_name);
    EXPECT_STR("", reported_message);
    EXPECT_EQ(2, loop->failures_created);
    EXPECT_EQ(2, loop->failures_reported);
    weir__core_observe(NULL);
}

static weir_group *spawned_into;

static int spawn_successor(weir_task_id task, const weir_outcome *outcome, void *arg)
{
    (void)task, (void)outcome;
    int *left = arg;
    if (--*left == 0)
        return 0;
    weir_task_id id;
    int rc = weir_spawn_with(spawned_into, NULL, just_return, JUST(0), &id);
    return rc < 0 ? rc : weir_task_on_done(id, spawn_successor, arg, NULL);
}

TASK_TEST(a_callback_of_the_last_member_may_spawn_its_successor) /* G3, K1 */
{
    int left = 100;
    weir_group *group = spawned_into = open_group(NULL);
    weir_task_id id = spawn(group, NULL, just_return, JUST(0));
    EXPECT_RC(0, weir_task_on_done(id, spawn_successor, &left, NULL));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(0, left);
}

static int destroyed;

static void destroy(void *value)
{
    (void)value;
    destroyed++;
}

static int leave_result(void *arg)
{
    return weir_task_set_result(arg, destroy);
}

static int take_result(weir_task_id task, const weir_outcome *outcome, void *arg)
{
    (void)outcome;
    return weir_task_take(task, arg);
}

TASK_TEST(a_callback_may_take_the_result_of_a_task_that_is_not_kept) /* R2, K1 */
{
    int value = 1;
    void *taken = NULL;
    weir_group *group = open_group(NULL);
    weir_task_id id = spawn(group, NULL, leave_result, &value);
    EXPECT_RC(0, weir_task_on_done(id, take_result, &taken, NULL));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT(taken == &value);
    EXPECT_EQ(0, destroyed);
}

static int forget_it(weir_task_id task, const weir_outcome *outcome, void *arg)
{
    (void)outcome, (void)arg;
    EXPECT_RC(0, weir_task_forget(task));
    EXPECT_RC(0, weir_task_forget(task)); /* its record is there until the callbacks have run */
    return 0;
}

TASK_TEST(a_callback_may_forget_the_task_it_is_told_of) /* R2, K1, I5 */
{
    int value = 1;
    weir_group *group = open_group(NULL);
    weir_task_id id = spawn(group, &keep, leave_result, &value);
    EXPECT_RC(0, weir_task_on_done(id, forget_it, NULL, NULL));
    add(id, "2", NULL);
    EXPECT_RC(0, weir_yield());
    EXPECT_RC(-ESTALE, weir_task_wait(id, NULL));
    EXPECT_STR("2", story);
    EXPECT_EQ(1, destroyed);
    EXPECT_RC(0, weir_group_close(group, 0));
}

TASK_TEST(a_handled_failure_that_a_callback_was_told_of_is_not_reported) /* P8, K1 */
{
    count_findings();
    weir_group *group = open_group(NULL);
    weir_task_id early =
        spawn(group, &(weir_spawn_options){.handled = true}, fail_with_words, NULL);
    weir_task_id late = spawn(group, &(weir_spawn_options){.handled = true}, fail_with_words, NULL);
    weir_task_id removed =
        spawn(group, &(weir_spawn_options){.handled = true}, fail_with_words, NULL);
    add(early, "1", NULL);
    EXPECT_RC(0, weir_task_wait(removed, NULL));
    add(late, "2", NULL);
    weir_task_callback callback;
    add(removed, "3", &callback);
    EXPECT_RC(0, weir_task_callback_remove(callback));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_STR("12", story);
    EXPECT_EQ(1, findings[WEIR__FINDING_FAILURES]); /* of the one whose callback was removed */
}

static weir_task_id other_id;

static void destroy_and_add(void *value)
{
    destroy(value);
    EXPECT_EQ(0, weir_task_cancel_requested(other_id)); /* its record is still there */
    EXPECT_RC(-ESTALE, weir_task_on_done(other_id, tell_done, (void *)(uintptr_t) "x", NULL));
}

static int leave_meddling_result(void *arg)
{
    return weir_task_set_result(arg, destroy_and_add);
}

TASK_TEST(a_joined_group_takes_no_late_callbacks) /* K1, G3 */
{
    int value = 1;
    weir_group *group = open_group(NULL);
    spawn(group, &keep, leave_meddling_result, &value);
    other_id = spawn(group, &keep, just_return, JUST(0));
    EXPECT_RC(0, weir_group_close(group, 0)); /* destroys the result before the other record goes */
    EXPECT_EQ(1, destroyed);
    EXPECT_STR("", story);
}

static int add_to_main(void *arg)
{
    EXPECT_RC(0, weir_task_on_done(weir_task_self(), tell_done, (void *)(uintptr_t) "m", NULL));
    return (int)(intptr_t)arg;
}

TEST(the_main_task_can_be_told_of_too) /* K1 */
{
    weir_run_options options = {.backend = "sim"};
    EXPECT_RC(5, weir__core_run(&options, add_to_main, JUST(5), false));
    EXPECT_STR("m", story);
    EXPECT_EQ(5, told.rc);
}

TASK_TEST(callbacks_of_tasks_that_are_not_known_are_refused) /* R4, X1 */
{
    weir_group *group = open_group(NULL);
    weir_task_id id = spawn(group, NULL, just_return, JUST(0));
    EXPECT_RC(-EINVAL, weir_task_on_done(id, NULL, NULL, NULL));
    EXPECT_RC(0, weir_yield());
    weir_task_callback callback = {0, 77};
    EXPECT_RC(-ESTALE, weir_task_on_done(id, tell_done, NULL, &callback));
    EXPECT_EQ(77, callback.number);
    EXPECT_RC(-EPERM, weir_task_on_done(id ^ (1 << 24), tell_done, NULL, NULL));
    EXPECT_RC(0, weir_group_close(group, 0));
}
