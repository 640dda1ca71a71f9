/*
 * supervise.c - members that are started again when they fail (P6)
 *
 * A supervised member is one task for all its life: it runs its function in a scope of its own,
 * once and again, so its id stays good over restarts. What a run deferred belongs to that run.
 * Between runs it sleeps (one_for_one), or rests until the one that failed has stopped the others
 * and the back-off is over; then all that rest are woken in the order they were started. The one
 * that failed does the stopping, in its own task, one after the other from the last to the first; a
 * run that goes on beyond its stop budget is forced, and the next one's turn comes.
 *
 * When restarts come too often the failure is the group's: no member comes in any more, all others
 * are stopped for good in the same order, and then the group is cancelled.
 *
 * Runs on  the loop's own thread.
 * Holds    1. There is at most one coordinator; whoever fails meanwhile rests with the others, or
 *             waits in line when the stop does not concern it.
 *          2. A member that rests was asked to stop; it runs again only when the alarm has fired.
 */
#include <assert.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "core/core.h"
#include "core/observe.h"

enum { INTENSITY_DEFAULT = 3, INTENSITY_MOST = 1 << 16 };

#define PERIOD_DEFAULT_NS (5 * WEIR_SEC)
#define STOP_BUDGET_DEFAULT_NS (5 * WEIR_SEC)
#define BACKOFF_DEFAULT_NS (100 * WEIR_MS)
#define BACKOFF_MAX_DEFAULT_NS (30 * WEIR_SEC)

struct weir__supervision {
    weir_supervise_options options;
    weir_group *group;
    /* Somebody stops others, or waits for the alarm with them: the member behind which they stand,
     * or the one before it once it has ended; the list itself when there is none. NULL: nobody. */
    const struct weir__list *coordinator;
    struct weir__list line;   /* members that failed and wait for the coordinator to be done */
    struct weir__alarm again; /* wakes all that rest */
    struct weir__alarm budget;
    weir_task *nudged; /* the coordinator, parked until something has changed */
    bool for_good;     /* restarts came too often */
    size_t restart_count;
    size_t oldest;
    int64_t restarted_at_ns[]; /* the latest, as many as are fine in a period */
};

struct weir__supervised {
    weir_task_fn *fn;
    weir_restart restart;
    int64_t stop_budget_ns;
    int64_t backoff_ns;
    int64_t backoff_max_ns;
    int64_t delay_ns; /* the next one */
    struct weir__locals *locals;
    weir_scope *run; /* while it runs */
    bool asked;      /* to stop */
    bool rests;
    bool settled; /* its last failure is known to the group's handler, or is the group's */
    bool ended;
};

/* --- making ----------------------------------------------------------------------------------- */

int weir__supervise_check(const weir_supervise_options *options)
{
    bool possible = (unsigned)options->strategy <= WEIR_REST_FOR_ONE && options->period_ns >= 0 &&
                    (options->intensity <= INTENSITY_MOST || options->intensity == WEIR_UNLIMITED);
    return possible ? 0 : -EINVAL;
}

static void wake_resting(struct weir__alarm *alarm);
static void nudge_by_budget(struct weir__alarm *alarm);

struct weir__supervision *weir__supervise_new(weir_group *group,
                                              const weir_supervise_options *options)
{
    size_t intensity = options->intensity == 0 ? INTENSITY_DEFAULT : options->intensity;
    size_t kept = intensity == WEIR_UNLIMITED ? 0 : intensity;
    struct weir__supervision *supervision =
        weir__base_alloc_zero(sizeof *supervision + kept * sizeof(int64_t));
    if (supervision == NULL)
        return NULL;
    supervision->options = *options;
    supervision->options.intensity = intensity;
    if (options->period_ns == 0)
        supervision->options.period_ns = PERIOD_DEFAULT_NS;
    supervision->group = group;
    weir__list_init(&supervision->line);
    supervision->again.fire = wake_resting;
    supervision->budget.fire = nudge_by_budget;
    return supervision;
}

void weir__supervise_free(weir_loop *loop, struct weir__supervision *supervision)
{
    weir__core_alarm_clear(loop, &supervision->again);
    weir__base_free(supervision);
}

static int64_t or_default(int64_t given_ns, int64_t default_ns)
{
    return given_ns == 0 ? default_ns : given_ns;
}

struct weir__supervised *weir__supervised_new(const weir_spawn_options *options, weir_task_fn *fn,
                                              struct weir__locals *locals)
{
    static const weir_spawn_options defaults;
    if (options == NULL)
        options = &defaults;
    struct weir__supervised *member = weir__base_alloc_zero(sizeof *member);
    if (member == NULL)
        return NULL;
    member->fn = fn;
    member->restart = options->restart;
    member->stop_budget_ns = or_default(options->stop_budget_ns, STOP_BUDGET_DEFAULT_NS);
    member->backoff_ns = or_default(options->backoff_ns, BACKOFF_DEFAULT_NS);
    member->backoff_max_ns = or_default(options->backoff_max_ns, BACKOFF_MAX_DEFAULT_NS);
    member->delay_ns = member->backoff_ns;
    member->locals = weir__locals_share(locals);
    return member;
}

void weir__supervised_free(struct weir__supervised *member)
{
    if (member == NULL)
        return;
    weir__locals_release(member->locals);
    weir__base_free(member);
}

/* NULL for a member that weir_start() brought: it is stopped with the others, not restarted. */
static struct weir__supervised *member_of(const weir_task *task)
{
    return task->extra == NULL ? NULL : task->extra->supervised;
}

/* --- telling of failures ---------------------------------------------------------------------- */

static int call_handler(weir_group *group, weir_task *task, int rc, struct weir__detail *said)
{
    const weir_supervise_options *options = &group->supervision->options;
    weir_loop *loop = group->loop;
    struct weir__failure_record record = {0};
    weir__failure_fill(&record, WEIR_FAILURE_CHILD, task, group, rc);
    loop->failures_handled++;
    struct weir__outside before = weir__core_go_outside(loop, said);
    int handler_rc = options->handler(&record.public, options->handler_arg);
    weir__core_come_back(loop, before);
    weir__failures_release(record.public.causes);
    return handler_rc;
}

/* The group's handler gets each failure once; without one it is reported. */
static void tell(weir_group *group, weir_task *task, int rc)
{
    weir_loop *loop = group->loop;
    loop->failures_created++;
    if (group->supervision->options.handler == NULL) {
        weir__failure_report(task, WEIR_FAILURE_CHILD, rc, weir__failure_claim_causes(task, rc),
                             "a supervised task failed");
        return;
    }
    struct weir__detail said;
    int handler_rc = call_handler(group, task, rc, &said);
    if (handler_rc >= 0)
        return;
    weir_failure about;
    weir__failure_about(&about, WEIR_FAILURE_CALLBACK, task, group);
    loop->failures_created++;
    weir__failure_tell(loop, &about, handler_rc, said.code == handler_rc ? &said : NULL, NULL,
                       "the handler of a supervised group failed");
}

void weir__supervise_judge(weir_group *group, weir_task *task, weir_outcome_kind kind, int rc)
{
    struct weir__supervised *member = member_of(task);
    bool settled = member != NULL && member->settled;
    bool cancelled = group->scope.weir__effective >= WEIR__LEVEL_CANCEL;
    if (member != NULL)
        member->ended = true;
    if (group->supervision->coordinator == &task->sibling)
        group->supervision->coordinator = task->sibling.prev;
    weir__cleanup_report_late(task);
    if (kind == WEIR_OUTCOME_CANCELLED)
        group->cancelled_count += cancelled && !(task->flags & WEIR__TASK_SERVICE);
    else if (kind == WEIR_OUTCOME_FAILED && !settled && (cancelled || group->shut))
        weir__failure_add(group, WEIR_FAILURE_CHILD, task, rc); /* while it stops: F7 */
    else if (kind == WEIR_OUTCOME_FAILED && !settled)
        tell(group, task, rc);
    weir__supervise_nudge(group->supervision);
}

/* --- stopping others -------------------------------------------------------------------------- */

void weir__supervise_nudge(struct weir__supervision *supervision)
{
    weir_task *task = supervision->nudged;
    supervision->nudged = NULL;
    if (task != NULL)
        weir__core_wake(task, 0);
}

static void nudge_by_budget(struct weir__alarm *alarm)
{
    weir__supervise_nudge(WEIR__CONTAINER(alarm, struct weir__supervision, budget));
}

/* Until a member rests or has ended, or until the instant. It cannot be cut: all waits of those
 * that are being stopped can, and behind them is force. */
static void wait_for_change(struct weir__supervision *supervision, weir_task *task, int64_t at_ns)
{
    weir_loop *loop = supervision->group->loop;
    supervision->nudged = task;
    weir__core_alarm_set(loop, &supervision->budget, at_ns);
    weir__core_park(WEIR_WAIT_OTHER, supervision, NULL);
    weir__core_alarm_clear(loop, &supervision->budget);
}

/* By its id, since its record may be gone. */
static bool still_runs(weir_loop *loop, weir_task_id id)
{
    weir_task *task = weir__core_task_by_id(loop, id);
    if (task == NULL || weir__core_hot(loop, task)->state == WEIR_TASK_DONE)
        return false;
    const struct weir__supervised *member = member_of(task);
    return member == NULL || (!member->rests && !member->ended);
}

/* The scope of a member that is stopped: for good, or of its run only. */
static weir_scope *scope_to_stop(const struct weir__supervision *supervision, weir_task *task)
{
    struct weir__supervised *member = member_of(task);
    bool restarts = member != NULL && !supervision->for_good && member->restart != WEIR_TEMPORARY;
    return restarts ? member->run : &task->scope;
}

static void cancel(const struct weir__supervision *supervision, weir_task *task, unsigned level)
{
    weir_scope *scope = scope_to_stop(supervision, task);
    if (scope != NULL) /* else it is between two runs, and looks whether it was asked */
        weir__scope_cancel_level(supervision->group->loop, scope, level, WEIR_CANCEL_JOIN_POLICY,
                                 "its supervisor stops it", NULL);
}

static void stop_one(struct weir__supervision *supervision, weir_task *self, weir_task *task)
{
    weir_loop *loop = supervision->group->loop;
    weir_task_id id = weir__core_task_id(loop, task);
    struct weir__supervised *member = member_of(task);
    int64_t budget_ns = member == NULL ? STOP_BUDGET_DEFAULT_NS : member->stop_budget_ns;
    int64_t until_ns =
        budget_ns == WEIR_FOREVER ? WEIR_NEVER : weir__base_add_ns(weir_now(), budget_ns);
    cancel(supervision, task, WEIR__LEVEL_CANCEL);
    while (still_runs(loop, id) && weir_now() < until_ns)
        wait_for_change(supervision, self, until_ns);
    if (!still_runs(loop, id))
        return;
    task = weir__core_task_by_id(loop, id);
    weir__core_find(&(struct weir__finding){
        .kind = WEIR__FINDING_FORCED,
        .loop = loop,
        .task = task,
        .what = "a supervised task went on beyond its stop budget; it is forced"});
    cancel(supervision, task, WEIR__LEVEL_FORCE);
}

/* The last one started that is to be stopped and was not asked yet; it counts as asked. */
static weir_task *next_to_stop(struct weir__supervision *supervision, const weir_task *self)
{
    weir_group *group = supervision->group;
    bool only_later = supervision->options.strategy == WEIR_REST_FOR_ONE && !supervision->for_good;
    for (struct weir__list *node = group->members.prev; node != &group->members;
         node = node->prev) {
        weir_task *task = WEIR__CONTAINER(node, weir_task, sibling);
        if (task == self && only_later)
            return NULL;
        struct weir__supervised *member = member_of(task);
        bool asked = member == NULL ? task->scope.weir__level != WEIR__LEVEL_NONE : member->asked;
        bool stays = member == NULL && !supervision->for_good; /* nobody would start it again */
        if (task == self || asked || stays)
            continue;
        if (member != NULL)
            member->asked = true;
        return task;
    }
    return NULL;
}

static bool somebody_still_stops(const struct weir__supervision *supervision, const weir_task *self)
{
    const weir_group *group = supervision->group;
    for (struct weir__list *node = group->members.next; node != &group->members;
         node = node->next) {
        weir_task *task = WEIR__CONTAINER(node, weir_task, sibling);
        const struct weir__supervised *member = member_of(task);
        if (task != self && member != NULL && member->asked && !member->rests && !member->ended)
            return true;
    }
    return false;
}

static void stop_others(struct weir__supervision *supervision, weir_task *self)
{
    weir_task *task;
    while ((task = next_to_stop(supervision, self)) != NULL)
        stop_one(supervision, self, task);
}

/* --- resting and going on --------------------------------------------------------------------- */

static void abort_rest(weir_task *task, void *object)
{
    struct weir__supervised *member = object;
    member->rests = false;
    weir__core_wake(task, -ECANCELED);
}

/* Until the alarm wakes all that rest. */
static int rest(struct weir__supervision *supervision, weir_task *task,
                struct weir__supervised *member)
{
    if (weir__core_cancelled(task))
        return -ECANCELED;
    member->rests = true;
    weir__supervise_nudge(supervision);
    int rc = weir__core_park(WEIR_WAIT_OTHER, member, abort_rest);
    return rc == -ECANCELED ? weir__core_cancelled_result(task) : rc;
}

static void coordinator_done(struct weir__supervision *supervision)
{
    supervision->coordinator = NULL;
    while (weir__core_wake_first(&supervision->line, 0))
        continue;
}

static void wake_resting(struct weir__alarm *alarm)
{
    struct weir__supervision *supervision = WEIR__CONTAINER(alarm, struct weir__supervision, again);
    weir_group *group = supervision->group;
    for (struct weir__list *node = group->members.next; node != &group->members;
         node = node->next) {
        weir_task *task = WEIR__CONTAINER(node, weir_task, sibling);
        struct weir__supervised *member = member_of(task);
        if (member == NULL || !member->asked)
            continue;
        member->asked = false;
        if (!member->rests)
            continue;
        member->rests = false;
        weir__core_wake(task, 0);
    }
    coordinator_done(supervision);
}

/* Whether the stop that is under way concerns this member too. */
static bool concerned(const struct weir__supervision *supervision, const weir_task *task)
{
    if (supervision->options.strategy != WEIR_REST_FOR_ONE || supervision->for_good)
        return true;
    const weir_group *group = supervision->group;
    const struct weir__list *node = task->sibling.prev;
    while (node != &group->members && node != supervision->coordinator)
        node = node->prev;
    return node == supervision->coordinator;
}

/* --- restarts --------------------------------------------------------------------------------- */

/* One more restart; false: too many within the period. */
static bool count_restart(struct weir__supervision *supervision)
{
    size_t intensity = supervision->options.intensity;
    int64_t now_ns = weir_now();
    if (intensity == WEIR_UNLIMITED)
        return true;
    if (supervision->restart_count < intensity) {
        supervision->restarted_at_ns[supervision->restart_count++] = now_ns;
        return true;
    }
    if (supervision->restarted_at_ns[supervision->oldest] > now_ns - supervision->options.period_ns)
        return false;
    supervision->restarted_at_ns[supervision->oldest] = now_ns;
    supervision->oldest = (supervision->oldest + 1) % intensity;
    return true;
}

/* The restarts came too often: the failure is the group's. */
static int give_up(struct weir__supervision *supervision, weir_task *task,
                   struct weir__supervised *member, int rc)
{
    weir_group *group = supervision->group;
    if (rc >= 0)
        rc = weir__failure_say(-EIO, (const void *)(uintptr_t)member->fn,
                               "a task that is to run for ever returned too often");
    weir__failure_add(group, WEIR_FAILURE_CHILD, task, rc);
    member->settled = true;
    supervision->for_good = true;
    supervision->coordinator = &task->sibling;
    group->shut = true;
    weir__core_alarm_clear(group->loop, &supervision->again);
    stop_others(supervision, task);
    supervision->coordinator = NULL;
    weir__scope_cancel_level(group->loop, &group->scope, WEIR__LEVEL_CANCEL,
                             WEIR_CANCEL_JOIN_POLICY, "restarts came too often", NULL);
    return rc;
}

static int64_t next_delay(struct weir__supervision *supervision, struct weir__supervised *member,
                          int64_t ran_ns)
{
    if (ran_ns >= supervision->options.period_ns)
        member->delay_ns = member->backoff_ns;
    int64_t delay_ns = member->delay_ns;
    int64_t twice_ns = weir__base_add_ns(delay_ns, delay_ns);
    member->delay_ns = twice_ns < member->backoff_max_ns ? twice_ns : member->backoff_max_ns;
    return delay_ns;
}

/* Stops whom the strategy says, and arms the alarm that starts them all again. */
static void stop_for_restart(struct weir__supervision *supervision, weir_task *task,
                             struct weir__supervised *member, int64_t delay_ns)
{
    weir_loop *loop = supervision->group->loop;
    supervision->coordinator = &task->sibling;
    member->asked = true;
    stop_others(supervision, task);
    while (somebody_still_stops(supervision, task))
        wait_for_change(supervision, task, WEIR_NEVER);
    int64_t at_ns = weir__base_add_ns(weir_now(), delay_ns);
    weir__core_alarm_set(loop, &supervision->again, at_ns);
}

/* --- a member --------------------------------------------------------------------------------- */

/* One run. 0 when it was stopped for a restart, -ECANCELED when the member is to end. */
static int run_once(weir_loop *loop, weir_task *task, struct weir__supervised *member)
{
    member->settled = false;
    struct weir__locals *left = task->extra->locals;
    task->extra->locals = weir__locals_share(member->locals);
    weir__locals_release(left);
    weir_scope scope = {0};
    weir__scope_begin(loop, task, &scope, 0, WEIR_NEVER);
    member->run = &scope;
    int rc = member->fn(task->arg);
    if (task->active != &scope)
        weir__task_close_left(loop, task, &scope);
    if (scope.weir__flags & WEIR__SCOPE_DEFERS)
        rc = weir__cleanup_end_scope(loop, task, &scope, rc, NULL);
    else
        rc = weir__scope_end(loop, task, &scope, rc, NULL);
    member->run = NULL;
    weir__cleanup_report_late(task);
    return rc == WEIR_CAUGHT && (scope.weir__flags & WEIR__SCOPE_CAUGHT) ? 0 : rc;
}

static bool is_restarted(const struct weir__supervised *member, int rc)
{
    switch (member->restart) {
    case WEIR_PERMANENT:
        return true;
    case WEIR_TEMPORARY:
        return false;
    case WEIR_TRANSIENT:
        break;
    }
    return rc < 0;
}

/* A run has come to rc, and nobody asked it to. True: it runs again now. */
static bool goes_on(struct weir__supervision *supervision, weir_task *task,
                    struct weir__supervised *member, int64_t ran_ns, int *rc)
{
    int64_t delay_ns = next_delay(supervision, member, ran_ns);
    if (!count_restart(supervision)) {
        *rc = give_up(supervision, task, member, *rc);
        return false;
    }
    if (supervision->options.strategy == WEIR_ONE_FOR_ONE) {
        *rc = weir_sleep(delay_ns);
        return *rc == 0;
    }
    stop_for_restart(supervision, task, member, delay_ns);
    *rc = rest(supervision, task, member);
    return *rc == 0;
}

/* Between two runs: whether there is another one. What it came to is left in *rc. */
static bool runs_again(struct weir__supervision *supervision, weir_task *task,
                       struct weir__supervised *member, int64_t ran_ns, int *rc)
{
    if (weir__core_cancelled(task) || supervision->for_good) /* it is over, alone or for all */
        return false;
    bool failed = *rc < 0;
    if (failed)
        tell(supervision->group, task, *rc);
    member->settled = failed;
    while (supervision->coordinator != NULL && !member->asked) {
        if (!is_restarted(member, *rc))
            return false;
        if (concerned(supervision, task)) {
            member->asked = true;
        } else {
            int waited = weir__core_park_in(&supervision->line, WEIR_WAIT_OTHER);
            if (waited < 0) {
                *rc = weir__core_cancelled_result(task);
                return false;
            }
        }
    }
    if (member->asked) {
        *rc = rest(supervision, task, member);
        return *rc == 0;
    }
    return is_restarted(member, *rc) && goes_on(supervision, task, member, ran_ns, rc);
}

int weir__supervise_run(void *arg)
{
    (void)arg; /* the task has it */
    weir_task *task = weir__core_task();
    weir_loop *loop = weir__core_loop();
    struct weir__supervision *supervision = task->group->supervision;
    struct weir__supervised *member = task->extra->supervised;
    task->fn = member->fn; /* reports speak of it */
    int rc = 0;
    if (member->asked)
        rc = rest(supervision, task, member);
    int64_t begun_ns;
    if (rc < 0)
        return rc;
    do {
        begun_ns = weir_now();
        rc = run_once(loop, task, member);
    } while (runs_again(supervision, task, member, weir_now() - begun_ns, &rc));
    return rc;
}
