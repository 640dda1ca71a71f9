/*
 * core_machine.c - the real core on the simulated backend, as a machine for programs
 *
 * Runs on  the thread of the test.
 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "core/core.h"
#include "core/observe.h"
#include "tests/core/model/play.h"

static struct {
    int (*body)(int self);
    weir_scope scopes[STATEMENTS_MAX];
    weir_group *groups[STATEMENTS_MAX];
    weir_task_id tasks[STATEMENTS_MAX];
    weir_task_callback callbacks[STATEMENTS_MAX];
    int64_t began_ns;
    struct report_counts *counts;
} core;

static const char reasons[STATEMENTS_MAX]; /* a reason that is found again by its address */

static int reason_of(const char *reason)
{
    return reason >= reasons && reason < reasons + STATEMENTS_MAX ? (int)(reason - reasons) : NONE;
}

static int task_of(weir_task_id id)
{
    for (int i = 0; i < STATEMENTS_MAX; i++)
        if (id != 0 && core.tasks[i] == id)
            return i;
    return NONE;
}

static int64_t now_ns(void)
{
    return weir__core_loop() == NULL ? 0 : weir_now() - core.began_ns;
}

/* --- waits ------------------------------------------------------------------------------------ */

struct wait {
    struct weir__alarm alarm;
    weir_task *task;
    const struct statement *s;
    int64_t ends_at_ns;
    int result;
    int aborts;
};

static void end_wait(struct weir__alarm *alarm)
{
    struct wait *wait = WEIR__CONTAINER(alarm, struct wait, alarm);
    weir__core_wake(wait->task, wait->result);
}

static void abort_wait(weir_task *task, void *object)
{
    struct wait *wait = object;
    wait->aborts++;
    if (wait->s->verb == OP) {
        weir__core_alarm_clear(weir__core_loop(), &wait->alarm);
        weir__core_wake(task, -ECANCELED);
        return;
    }
    int64_t at_ns = weir_now() + wait->s->later_ns;
    if (at_ns >= wait->ends_at_ns)
        return; /* it ends by itself before the abort takes effect */
    wait->result = wait->s->code == 0 ? -ECANCELED : wait->s->code;
    weir__core_alarm_set(weir__core_loop(), &wait->alarm, at_ns);
}

static int wait_for(const struct statement *s, int *out_aborts)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    struct wait wait = {.alarm.fire = end_wait,
                        .task = weir__core_task(),
                        .s = s,
                        .ends_at_ns = s->ns == WEIR_FOREVER ? WEIR_NEVER : weir_now() + s->ns,
                        .result = s->verb == HARD ? s->code : 0};
    weir__core_alarm_set(weir__core_loop(), &wait.alarm, wait.ends_at_ns);
    rc = weir__core_park(WEIR_WAIT_OTHER, &wait, s->verb == HARD ? NULL : abort_wait);
    *out_aborts = wait.aborts;
    return rc;
}

/* --- scopes ----------------------------------------------------------------------------------- */

static int enter(int scope, const struct statement *s)
{
    if (s->verb == SCOPE)
        return weir_scope_enter(&core.scopes[scope]);
    if (s->verb == TIMEOUT)
        return weir_timeout_enter(&core.scopes[scope], s->ns);
    return weir_shield_enter(&core.scopes[scope], s->ns);
}

static int leave(int scope, int rc)
{
    return weir_scope_leave(&core.scopes[scope], rc);
}

static void cancel(int scope, int by)
{
    if (core.groups[scope] != NULL)
        weir_group_cancel(core.groups[scope], &reasons[by]);
    else
        weir_scope_cancel(&core.scopes[scope], &reasons[by]);
}

static void force(int scope, int by)
{
    weir_scope *at = core.groups[scope] != NULL ? &core.groups[scope]->scope : &core.scopes[scope];
    weir__scope_cancel_level(weir__core_loop(), at, WEIR__LEVEL_FORCE, WEIR_CANCEL_EXPLICIT,
                             &reasons[by], NULL);
}

static void set_deadline(int scope, int64_t at_ns)
{
    weir_scope_set_deadline(&core.scopes[scope],
                            at_ns == WEIR_NEVER ? WEIR_NEVER : at_ns + core.began_ns);
}

static int64_t deadline_ns(void)
{
    int64_t at_ns = weir_deadline();
    return at_ns == WEIR_NEVER ? WEIR_NEVER : at_ns - core.began_ns;
}

static bool cancelled_because(struct cause_note *out_cause)
{
    weir_cancel_cause cause;
    if (!weir_cancelled_because(&cause))
        return false;
    *out_cause = (struct cause_note){.kind = cause.kind,
                                     .source = task_of(cause.source),
                                     .reason = reason_of(cause.reason),
                                     .at_ns = cause.at_ns - core.began_ns};
    return true;
}

/* --- groups and tasks ------------------------------------------------------------------------- */

static int open_group(int group, const struct statement *s)
{
    weir_group_options options = {.policy = (weir_policy)s->policy,
                                  .quorum = s->quorum,
                                  .running_max = s->running_max,
                                  .timeout_ns = s->ns,
                                  .primary_only = s->primary_only,
                                  .keeps_outcomes = s->keeps_outcomes};
    return weir_group_open(&core.groups[group], &options);
}

static int said_by(const char *message)
{
    uint64_t statement;
    int rc = weir__str_parse_uint(weir__str_from(message), STATEMENTS_MAX, &statement);
    return rc == 0 ? (int)statement : NONE;
}

static void note_failures(const weir_failures *set, int depth, struct failure_notes *notes)
{
    for (size_t i = 0; i < weir_failures_count(set); i++) {
        const weir_failure *failure = weir_failures_at(set, i);
        if (notes->count == NOTES_MAX)
            return;
        notes->notes[notes->count++] = (struct failure_note){.code = failure->code,
                                                             .origin = (int)failure->origin,
                                                             .task = task_of(failure->task),
                                                             .message = said_by(failure->message),
                                                             .depth = depth};
        note_failures(failure->causes, depth + 1, notes);
    }
}

static int close_group(int group, int rc, struct failure_notes *out_notes)
{
    if (out_notes == NULL)
        return weir_group_close(core.groups[group], rc);
    weir_failures *failures;
    rc = weir_group_close_failures(core.groups[group], rc, &failures);
    note_failures(failures, 0, out_notes);
    weir_failures_free(failures);
    return rc;
}

static int run_task(void *arg)
{
    return core.body((int)(intptr_t)arg);
}

static int spawn(int group, int task, const struct statement *s)
{
    weir_spawn_options options = {.try_only = s->try_only,
                                  .service = s->service,
                                  .keep = s->keep,
                                  .handled = s->handled,
                                  .cleanup_ns = s->cleanup_ns};
    return weir_spawn_with(core.groups[group], &options, run_task, (void *)(intptr_t)task,
                           &core.tasks[task]);
}

static int run_started(void *arg)
{
    core.tasks[(intptr_t)arg] = weir_task_self();
    return core.body((int)(intptr_t)arg);
}

static int start(int group, int task, const struct statement *s, int *out_value)
{
    weir_spawn_options options = {.try_only = s->try_only,
                                  .service = s->service,
                                  .keep = s->keep,
                                  .handled = s->handled,
                                  .cleanup_ns = s->cleanup_ns};
    void *value = NULL;
    weir_task_id id = 0;
    int rc = weir_start_with(core.groups[group], &options, run_started, (void *)(intptr_t)task,
                             &value, &id);
    if (rc < 0)
        return rc;
    *out_value = reason_of(value);
    return id == core.tasks[task] ? rc : -EIDRM;
}

static int started(int by)
{
    return weir_started((void *)(uintptr_t)&reasons[by]);
}

static struct outcome_note note_of(const weir_outcome *outcome)
{
    return (struct outcome_note){.kind = outcome->kind,
                                 .rc = outcome->rc,
                                 .task = task_of(outcome->task),
                                 .message = said_by(outcome->message),
                                 .result = reason_of(outcome->result)};
}

static int run_call(void *arg)
{
    core.tasks[(intptr_t)arg] = weir_task_self();
    return core.body((int)(intptr_t)arg);
}

static int calls(int at, const struct statement *s, const int *tasks, int count,
                 struct outcome_note *out_outcomes, int *out_winner)
{
    (void)at;
    weir_call list[STATEMENTS_MAX];
    weir_outcome outcomes[STATEMENTS_MAX];
    memset(outcomes, 0, sizeof outcomes);
    for (int i = 0; i < count; i++)
        list[i] = (weir_call){run_call, (void *)(intptr_t)tasks[i]};
    size_t winner = (size_t)NONE;
    weir_race_options options = {
        .policy = (weir_policy)s->policy, .quorum = s->quorum, .stagger_ns = s->later_ns};
    int rc = s->verb == GATHER ? weir_gather((weir_policy)s->policy, list, (size_t)count, outcomes)
                               : weir_race(list, (size_t)count, &options, outcomes, &winner);
    for (int i = 0; i < count; i++)
        out_outcomes[i] = note_of(&outcomes[i]);
    *out_winner = (int)winner;
    return rc;
}

static int run_deferred(void *arg)
{
    return play_deferred(task_of(weir_task_self()), (int)(intptr_t)arg);
}

static int defer(int by)
{
    return weir_defer(run_deferred, (void *)(intptr_t)by);
}

static int wait_task(int task, struct outcome_note *out_outcome)
{
    weir_outcome outcome;
    int rc = weir_task_wait(core.tasks[task], &outcome);
    if (rc == 0)
        *out_outcome = note_of(&outcome);
    return rc;
}

static void destroy(void *result)
{
    play_destroyed(reason_of(result));
}

static int set_result(int by)
{
    return weir_task_set_result((void *)(uintptr_t)&reasons[by], destroy);
}

static int take_result(int task, int *out_by)
{
    void *result;
    int rc = weir_task_take(core.tasks[task], &result);
    if (rc == 0)
        *out_by = reason_of(result);
    return rc;
}

static int forget(int task)
{
    return weir_task_forget(core.tasks[task]);
}

static int cancel_requested(int task)
{
    return weir_task_cancel_requested(core.tasks[task]);
}

static int next(int group, struct outcome_note *out_outcome)
{
    weir_outcome outcome;
    int rc = weir_group_next(core.groups[group], &outcome);
    if (rc == 0)
        *out_outcome = note_of(&outcome);
    return rc;
}

static int call_back(weir_task_id id, const weir_outcome *outcome, void *arg)
{
    struct outcome_note told = note_of(outcome);
    return outcome->task == id ? play_callback((int)(intptr_t)arg, &told) : -EIDRM;
}

static int on_done(int task, int by)
{
    return weir_task_on_done(core.tasks[task], call_back, (void *)(intptr_t)by,
                             &core.callbacks[by]);
}

static int remove_callback(int by)
{
    return weir_task_callback_remove(core.callbacks[by]);
}

static const weir_local locals[LOCALS] = {WEIR_LOCAL_INIT(destroy), WEIR_LOCAL_INIT(destroy)};

static int set_local(int key, int by)
{
    return weir_local_set(&locals[key], (void *)(uintptr_t)&reasons[by]);
}

static int get_local(int key)
{
    return reason_of(weir_local_get(&locals[key]));
}

static void take_failures(struct failure_notes *out_notes)
{
    weir_failures *set = weir_failures_take();
    note_failures(set, 0, out_notes);
    weir_failures_free(set);
}

static int cancel_task(int task, int by)
{
    return weir_task_cancel(core.tasks[task], &reasons[by]);
}

static int fail(int code, int by)
{
    return weir_fail(code, "%d", by);
}

/* --- a run ------------------------------------------------------------------------------------ */

static void count(const struct weir__finding *finding)
{
    switch (finding->kind) {
    case WEIR__FINDING_STRAY:
        core.counts->strays++;
        break;
    case WEIR__FINDING_SWALLOWED:
        core.counts->swallows++;
        break;
    case WEIR__FINDING_DEADLOCK:
        core.counts->deadlocks++;
        break;
    case WEIR__FINDING_FAILURES:
        core.counts->failures += (int)finding->count;
        break;
    default:
        core.counts->others++;
        break;
    }
}

static int run_main(void *arg)
{
    (void)arg;
    core.tasks[0] = weir_task_self();
    core.began_ns = weir_now();
    return core.body(0);
}

static int run(const struct program *program, int (*body)(int self), struct report_counts *out)
{
    memset(&core, 0, sizeof core);
    core.body = body;
    core.counts = out;
    weir__core_observe(count);
    weir_run_options options = {.backend = "sim", .shuffle_seed = program->shuffle_seed};
    return weir__core_run(&options, run_main, NULL, false);
}

const struct machine core_machine = {
    .name = "core",
    .run = run,
    .now_ns = now_ns,
    .yield = weir_yield,
    .check = weir_check,
    .sleep = weir_sleep,
    .wait = wait_for,
    .enter = enter,
    .leave = leave,
    .cancel = cancel,
    .force = force,
    .set_deadline = set_deadline,
    .open = open_group,
    .close = close_group,
    .spawn = spawn,
    .start = start,
    .started = started,
    .calls = calls,
    .defer = defer,
    .cancel_task = cancel_task,
    .wait_task = wait_task,
    .set_result = set_result,
    .take_result = take_result,
    .forget = forget,
    .cancel_requested = cancel_requested,
    .next = next,
    .on_done = on_done,
    .remove = remove_callback,
    .set_local = set_local,
    .get_local = get_local,
    .take_failures = take_failures,
    .fail = fail,
    .deadline_ns = deadline_ns,
    .cancelled_because = cancelled_because,
};
