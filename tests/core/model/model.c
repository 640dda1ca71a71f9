/*
 * model.c - the model, see model.h
 *
 * Runs on  one thread. Each task has a stack of its own; step() switches to it, and block() back.
 * Holds    1. A scope, group or task has the number of the statement that makes it. ROOT is the
 *             scope and group around the main task.
 *          2. Nothing is derived and kept: cancelled() and the like look at the whole state.
 */
#include "tests/core/model/model.h"

#include <stdio.h>
#include <string.h>

#include "arch/fiber.h"
#include "base/clock.h"
#include "core/stack.h"

enum { ROOT = STATEMENTS_MAX, COUNT, MEMBERS_MAX = STATEMENTS_MAX };
/* The shield in which the deferred functions of a scope run is named after that scope. */
enum { SHIELD_OF = COUNT, SCOPES_MAX = 2 * COUNT };
enum { BUDGET = 64, REFUSALS_TOLD = 64, STACK_BYTES = 512 * 1024 };
enum level { FREE, CANCELLED, FORCED };
enum goal { OPEN, WON, LOST }; /* of groups with the policies P3 to P5 */

struct scope {
    bool active;
    int parent;
    int task; /* whose it is; NONE: the root's */
    bool is_shield, is_timeout, is_group;
    enum level level; /* its own */
    struct cause_note cause;
    int64_t deadline_ns;
    int64_t armed_tick, armed_number; /* the instant it was armed, and the how-manieth */
    bool fired, was_left;
};

struct group {
    bool joined;
    int owner;
    const struct statement *options;
    int members[MEMBERS_MAX], member_count; /* alive, in the order they were spawned */
    int line[MEMBERS_MAX], line_count;      /* tasks that wait for a place */
    int promised;                           /* places given to spawners who are on their way */
    int cancelled_count;
    bool owner_waits;
    bool shut;            /* the services are being stopped: nobody comes in */
    int stopping;         /* the service whose turn it is, or NONE */
    bool body_refused;    /* its owner could not spawn into it any more */
    int to_come;          /* that the body will still spawn; NONE: nobody knows */
    struct calls *calls;  /* of a gather or race */
    bool cancelled_alone; /* a member that did not fail the group, and is missing all the same */
    enum goal goal;
    int success_count;
    int first_code;                    /* what close returns, or 0 */
    int kept[MEMBERS_MAX], kept_count; /* records, in the order the tasks ended */
};

enum state { NO_TASK, READY, RUNNING, BLOCKED, DONE };
enum wait {
    NO_WAIT,
    WAITS_FOR_TIME,
    WAITS_FOR_START, /* of the next call of a race */
    WAITS_FOR_PLACE,
    WAITS_FOR_TASK,
    WAITS_FOR_MEMBERS
};

struct task {
    enum state state;
    bool started;
    int group;
    int scopes[STATEMENTS_MAX], depth; /* those it has entered; the first is its own */
    int budget, refusals;
    bool swallow_told;
    /* the present wait */
    enum wait wait;
    const struct statement *s; /* OP, HARD and LATE; NULL for a sleep */
    int waits_in;              /* the group in whose line it stands, or the task */
    int64_t due_ns;
    int64_t armed_tick, armed_number;
    int aborts;
    int result;
    /* failures */
    int said_code, said_by; /* by weir_fail() */
    int last_set;           /* of the group it closed last, when nobody took it; or NONE */
    /* what is known of it beyond its end */
    bool kept, handled, service;
    struct outcome_note outcome;
    bool was_cancelled;
    bool outcome_given;
    bool failure_stays; /* with its record: nobody was told */
    int causes;         /* of that failure */
    int own_result;     /* the statement that set it, or NONE */
    int waiters[MEMBERS_MAX], waiter_count;
    /* deferred functions, the latest last, and in which scope each was deferred */
    int deferred[STATEMENTS_MAX], deferred_in[STATEMENTS_MAX], deferred_count;
    int64_t cleanup_ns;
    int late;       /* a set that waits for the end of a group or the task, or NONE */
    int late_at;    /* whose end that is */
    bool came_well; /* until its cleanup failed */
    /* its stack */
    void *sp;
    int32_t slot;
};

struct failure {
    int code, origin, task, message;
    int causes;   /* the set it came from, or NONE */
    bool outcome; /* it is what the outcome of its task says */
};

/* A gather or race under way. */
struct calls {
    const int *tasks;
    int count;
    struct outcome_note *outcomes;
    int failed_count;
    int winner; /* the position that decided, or NONE */
    int latest; /* of a race: the task that was started last */
    bool paused;
};

/* Failures of one group, named like the group. */
struct set {
    struct failure failures[MEMBERS_MAX + 1];
    int count;
    int code; /* what was returned for it */
    bool absorbed, primary_only;
};

static struct {
    const struct program *program;
    int (*body)(int self);
    struct report_counts *counts;
    int64_t now_ns, began_ns;
    int64_t arms;
    struct scope scopes[SCOPES_MAX];
    struct group groups[COUNT];
    struct task tasks[STATEMENTS_MAX];
    struct set sets[COUNT];
    int ready[STATEMENTS_MAX], ready_count; /* in the order they became it */
    int batch[STATEMENTS_MAX], batch_count; /* what this turn runs */
    int handover;                           /* who goes ahead of the batch, or NONE */
    int current;                            /* the task that runs, or NONE */
    int main_rc;
    bool main_ended;
    int deadlocks;
    uint64_t shuffle;
} model;

/* Kept from run to run. */
static struct {
    struct weir__stacks stacks;
    struct weir__fiber fiber;
    struct weir__fiber no_fiber;
    void *sp;
    bool ready;
} host;

static struct task *self(void)
{
    return &model.tasks[model.current];
}

static void list_remove(int *list, int *count, int item)
{
    int kept = 0;
    for (int i = 0; i < *count; i++)
        if (list[i] != item)
            list[kept++] = list[i];
    *count = kept;
}

static bool list_has(const int *list, int count, int item)
{
    for (int i = 0; i < count; i++)
        if (list[i] == item)
            return true;
    return false;
}

/* --- who runs --------------------------------------------------------------------------------- */

static void make_ready(int task)
{
    model.tasks[task].state = READY;
    model.ready[model.ready_count++] = task;
}

static void wake(int task, int result)
{
    model.tasks[task].result = result;
    model.tasks[task].wait = NO_WAIT;
    make_ready(task);
}

static struct weir__fiber *fiber_of(const struct task *task)
{
    struct weir__fiber *fiber = weir__stack_fiber(&host.stacks, task->slot);
    return fiber == NULL ? &host.no_fiber : fiber;
}

static void to_scheduler(void)
{
    struct task *task = self();
    weir__fiber_switch(fiber_of(task), &task->sp, &host.fiber, host.sp, false);
}

static void end_task(int task, int rc);

static void *task_main(void *arg)
{
    (void)arg;
    weir__fiber_arrived(&host.fiber);
    end_task(model.current, model.body(model.current));
    weir__stacks_give(&host.stacks, self()->slot);
    weir__stacks_unpromise(&host.stacks);
    return weir__fiber_end(&host.fiber, host.sp);
}

/* Runs a task until it parks or ends. */
static void step(int at)
{
    struct task *task = &model.tasks[at];
    model.current = at;
    task->state = RUNNING;
    bool first = !task->started;
    if (first) {
        task->started = true;
        if (weir__stacks_promise(&host.stacks) < 0)
            __builtin_trap();
        task->slot = weir__stacks_take(&host.stacks, (uint32_t)at);
        weir__fiber_renew(fiber_of(task));
        task->sp = weir__arch_prepare(weir__stack_top(&host.stacks, task->slot), task_main, NULL);
    }
    weir__fiber_switch(&host.fiber, &host.sp, fiber_of(task), task->sp, first);
    model.current = NONE;
}

/* O11: back of the queue, then on. */
static void let_others_run(void)
{
    self()->budget = BUDGET;
    make_ready(model.current);
    to_scheduler();
}

/* Parks until wake(); the wait has been described in the task's record. */
static int block(enum wait wait)
{
    self()->wait = wait;
    self()->state = BLOCKED;
    self()->budget = BUDGET;
    to_scheduler();
    return self()->result;
}

/* O9: after 64 checkpoints in a row that completed without waiting, others run once. */
static void completed_at_once(void)
{
    if (--self()->budget == 0)
        let_others_run();
}

/* T1: the first member that has not begun. */
static int first_unstarted(const struct group *group)
{
    for (int i = 0; i < group->member_count; i++)
        if (!model.tasks[group->members[i]].started)
            return group->members[i];
    return NONE;
}

/* --- scopes ----------------------------------------------------------------------------------- */

static enum level effective(int scope);

/* C3: what a scope sees of the one around it. */
static enum level visible(int scope)
{
    const struct scope *s = &model.scopes[scope];
    if (s->parent == NONE)
        return FREE;
    enum level outer = effective(s->parent);
    if (s->is_shield)
        return outer == FORCED ? FORCED : FREE;
    return outer;
}

static enum level effective(int scope)
{
    enum level own = model.scopes[scope].level, outer = visible(scope);
    return own > outer ? own : outer;
}

static bool is_cancelled(int scope)
{
    return effective(scope) != FREE;
}

static int active_scope(const struct task *task)
{
    return task->scopes[task->depth - 1];
}

static bool here_cancelled(void)
{
    return is_cancelled(active_scope(self()));
}

static int64_t tick_of(int64_t at_ns)
{
    return (at_ns + WEIR_MS - 1) / WEIR_MS;
}

static void request_abort(int task);

/* C4: every wait that is in a cancelled context now is asked to end, at most once (I9): first those
 * of the scope's own task, then those of members, in the order they were spawned. Of groups opened
 * inside one another the inner one's members come first. */
static void abort_waits_below(int scope)
{
    const struct scope *s = &model.scopes[scope];
    if (s->task != NONE) {
        const struct task *task = &model.tasks[s->task];
        if (active_scope(task) == scope) {
            if (task->state == BLOCKED && task->aborts == 0 && is_cancelled(scope))
                request_abort(s->task);
        } else {
            for (int i = 0; i + 1 < task->depth; i++)
                if (task->scopes[i] == scope)
                    abort_waits_below(task->scopes[i + 1]);
        }
    }
    if (!s->is_group)
        return;
    const struct group *group = &model.groups[scope];
    int members[MEMBERS_MAX], count = group->member_count;
    memcpy(members, group->members, sizeof members);
    for (int i = 0; i < count; i++)
        abort_waits_below(members[i]);
}

static void cancel_level(int scope, enum level level, struct cause_note cause)
{
    struct scope *s = &model.scopes[scope];
    if (s->was_left || s->level >= level) /* C2, C9 */
        return;
    if (s->level == FREE) /* C6: the first cause is kept */
        s->cause = cause;
    s->level = level;
    if (s->active)
        abort_waits_below(scope);
}

static void cancel_because(int scope, weir_cancel_kind kind, int source, int reason)
{
    cancel_level(scope, CANCELLED,
                 (struct cause_note){kind, source, reason, model.now_ns - model.began_ns});
}

static void arm(struct scope *s, int64_t at_ns)
{
    int64_t now_tick = tick_of(model.now_ns);
    s->deadline_ns = at_ns;
    s->armed_tick = at_ns != WEIR_NEVER && tick_of(at_ns) > now_tick ? tick_of(at_ns) : now_tick;
    s->armed_number = model.arms++;
}

static void fire(int scope)
{
    model.scopes[scope].fired = true;
    cancel_because(scope, WEIR_CANCEL_DEADLINE, NONE, NONE);
}

/* What was noted before it was entered stays (C9). */
static void push_scope(int at, int task, int64_t deadline_ns)
{
    struct scope *s = &model.scopes[at];
    struct task *t = &model.tasks[task];
    s->active = true;
    s->task = task;
    s->parent = active_scope(t);
    t->scopes[t->depth++] = at;
    arm(s, deadline_ns);
    if (deadline_ns != WEIR_NEVER && deadline_ns <= model.now_ns) /* D2 */
        fire(at);
}

static int stray(void)
{
    model.counts->strays++;
    return -EIO;
}

/* C7. */
static int pop_scope(int at, int rc)
{
    struct scope *s = &model.scopes[at];
    enum level outer = visible(at);
    bool around_cancelled = is_cancelled(s->parent);
    s->active = false;
    s->was_left = true;
    self()->depth--;
    self()->refusals = 0;
    if (rc != -ECANCELED)
        return rc;
    if (s->level != FREE && outer == FREE)
        return s->is_timeout && s->cause.kind == WEIR_CANCEL_DEADLINE ? -ETIME : WEIR_CAUGHT;
    if (outer != FREE)
        return -ECANCELED;
    if (s->is_shield && around_cancelled)
        return -ECANCELED;
    return stray();
}

/* A limit of 0 or less has passed already (D2). */
static int64_t deadline_in(int64_t ns)
{
    if (ns <= 0)
        return INT64_MIN;
    return ns == WEIR_FOREVER ? WEIR_NEVER : model.now_ns + ns;
}

static int enter(int at, const struct statement *s)
{
    struct scope *scope = &model.scopes[at];
    scope->is_shield = s->verb == SHIELD;
    scope->is_timeout = s->verb != SCOPE;
    push_scope(at, model.current, s->verb == SCOPE ? WEIR_NEVER : deadline_in(s->ns));
    return 0;
}

static void cancel(int scope, int by)
{
    cancel_because(scope, WEIR_CANCEL_EXPLICIT, model.current, by);
}

static void force(int scope, int by)
{
    cancel_level(scope, FORCED,
                 (struct cause_note){WEIR_CANCEL_EXPLICIT, model.current, by,
                                     model.now_ns - model.began_ns});
}

/* D4. */
static void set_deadline(int scope, int64_t at_ns)
{
    struct scope *s = &model.scopes[scope];
    if (s->fired)
        return;
    s->is_timeout = true;
    arm(s, at_ns == WEIR_NEVER ? WEIR_NEVER : at_ns + model.began_ns);
}

/* D3. */
static int64_t deadline_ns(void)
{
    if (here_cancelled())
        return model.now_ns - model.began_ns;
    int64_t nearest = WEIR_NEVER;
    for (int at = active_scope(self()); at != NONE; at = model.scopes[at].parent) {
        if (model.scopes[at].deadline_ns < nearest)
            nearest = model.scopes[at].deadline_ns;
        if (model.scopes[at].is_shield)
            break;
    }
    return nearest == WEIR_NEVER ? WEIR_NEVER : nearest - model.began_ns;
}

/* C6: of the innermost scope around that was cancelled itself. */
static bool cancelled_because(struct cause_note *out_cause)
{
    if (!here_cancelled())
        return false;
    int at = active_scope(self());
    while (model.scopes[at].level == FREE)
        at = model.scopes[at].parent;
    *out_cause = model.scopes[at].cause;
    return true;
}

/* --- waits ------------------------------------------------------------------------------------ */

/* O1. C12: who is refused 64 times in a row is reported, once. */
static int checkpoint(void)
{
    if (!here_cancelled()) {
        self()->refusals = 0;
        return 0;
    }
    if (++self()->refusals >= REFUSALS_TOLD && !self()->swallow_told) {
        self()->swallow_told = true;
        model.counts->swallows++;
    }
    let_others_run();
    return -ECANCELED;
}

static int yield(void)
{
    int rc = checkpoint();
    if (rc < 0)
        return rc;
    let_others_run();
    return 0;
}

static int check(void)
{
    return here_cancelled() ? -ECANCELED : 0;
}

static void set_due(struct task *task, int64_t at_ns)
{
    int64_t now_tick = tick_of(model.now_ns);
    task->due_ns = at_ns;
    task->armed_tick = at_ns != WEIR_NEVER && tick_of(at_ns) > now_tick ? tick_of(at_ns) : now_tick;
    task->armed_number = model.arms++;
}

static int sleep_for(int64_t ns)
{
    if (ns <= 0)
        return yield();
    int rc = checkpoint();
    if (rc < 0)
        return rc;
    self()->s = NULL;
    self()->aborts = 0;
    self()->result = 0;
    set_due(self(), model.now_ns + ns);
    return block(WAITS_FOR_TIME);
}

static int wait_for(const struct statement *s, int *out_aborts)
{
    int rc = checkpoint();
    if (rc < 0)
        return rc;
    struct task *task = self();
    task->s = s;
    task->aborts = 0;
    task->result = s->verb == HARD ? s->code : 0;
    set_due(task, s->ns == WEIR_FOREVER ? WEIR_NEVER : model.now_ns + s->ns);
    rc = block(WAITS_FOR_TIME);
    *out_aborts = task->aborts;
    return rc;
}

/* O3, O4, T3: a wait goes on until its operation has ended, with what that comes to. */
static void request_abort(int at)
{
    struct task *task = &model.tasks[at];
    struct group *group;
    int64_t ends_ns;
    switch (task->wait) {
    case WAITS_FOR_START:
        model.groups[task->waits_in].calls->paused = false;
        wake(at, -ECANCELED);
        return;
    case WAITS_FOR_TIME:
        if (task->s != NULL && task->s->verb == HARD)
            return;
        task->aborts++;
        if (task->s == NULL || task->s->verb == OP) {
            wake(at, -ECANCELED);
            return;
        }
        ends_ns = model.now_ns + task->s->later_ns;
        if (ends_ns >= task->due_ns)
            return;
        task->result = task->s->code == 0 ? -ECANCELED : task->s->code;
        set_due(task, ends_ns);
        return;
    case WAITS_FOR_TASK:
        list_remove(model.tasks[task->waits_in].waiters, &model.tasks[task->waits_in].waiter_count,
                    at);
        wake(at, -ECANCELED);
        return;
    case WAITS_FOR_PLACE:
        group = &model.groups[task->waits_in];
        list_remove(group->line, &group->line_count, at);
        wake(at, -ECANCELED);
        return;
    default: /* O8, G2: nothing makes close return early */
        return;
    }
}

/* --- failures --------------------------------------------------------------------------------- */

static int fail(int code, int by)
{
    self()->said_code = code;
    self()->said_by = by;
    return code;
}

/* F6: what nobody saw of a set is reported; its first failure was returned by the close. */
static void drop_last_set(struct task *task)
{
    if (task->last_set == NONE)
        return;
    const struct set *set = &model.sets[task->last_set];
    for (int i = 1; i < set->count && !set->absorbed && !set->primary_only; i++) {
        const struct failure *f = &set->failures[i];
        bool given = f->outcome && model.tasks[f->task].outcome_given;
        model.counts->failures += !given;
    }
    task->last_set = NONE;
}

/* F4. */
static int claim_causes(struct task *task, int code)
{
    int set = task->last_set;
    if (set == NONE || model.sets[set].code != code)
        return NONE;
    task->last_set = NONE;
    return set;
}

static int message_of(const struct task *task, int code)
{
    return task->said_code == code ? task->said_by : NONE;
}

/* F1. */
static void add_record(int set, weir_failure_origin origin, int by, int code)
{
    struct task *task = &model.tasks[by];
    struct set *s = &model.sets[set];
    s->failures[s->count++] = (struct failure){.code = code,
                                               .origin = (int)origin,
                                               .task = by,
                                               .message = message_of(task, code),
                                               .causes = claim_causes(task, code)};
}

static void add_failure(int group, weir_failure_origin origin, int by, int code)
{
    if (model.groups[group].first_code == 0)
        model.groups[group].first_code = code;
    add_record(group, origin, by, code);
}

static void move_records(int to, int from)
{
    struct set *into = &model.sets[to], *out = &model.sets[from];
    for (int i = 0; i < out->count; i++)
        into->failures[into->count++] = out->failures[i];
    out->count = 0;
}

static void list_failures(int of, int depth, struct failure_notes *notes)
{
    const struct set *set = &model.sets[of];
    for (int i = 0; i < set->count; i++) {
        const struct failure *f = &set->failures[i];
        if (notes->count == NOTES_MAX)
            return;
        notes->notes[notes->count++] =
            (struct failure_note){f->code, f->origin, f->task, f->message, depth};
        if (f->causes != NONE)
            list_failures(f->causes, depth + 1, notes);
    }
}

static void take_failures(struct failure_notes *out_notes)
{
    if (self()->last_set != NONE)
        list_failures(self()->last_set, 0, out_notes);
    self()->last_set = NONE;
}

/* --- groups ----------------------------------------------------------------------------------- */

static int open_group(int at, const struct statement *s)
{
    memset(&model.groups[at], 0, sizeof model.groups[at]);
    memset(&model.scopes[at], 0, sizeof model.scopes[at]);
    model.groups[at].owner = model.current;
    model.groups[at].options = s;
    model.groups[at].to_come = NONE;
    model.groups[at].stopping = NONE;
    model.sets[at] = (struct set){0};
    model.scopes[at].is_group = true;
    model.scopes[at].is_timeout = s->ns != 0;
    push_scope(at, model.current, s->ns == 0 ? WEIR_NEVER : deadline_in(s->ns));
    return 0;
}

/* G3. */
static int may_spawn(int at)
{
    struct group *group = &model.groups[at];
    if (!group->joined && !group->shut && !is_cancelled(at))
        return 0;
    group->body_refused |= !group->joined && group->owner == model.current;
    return -ESHUTDOWN;
}

static bool is_full(const struct group *group)
{
    return group->member_count + group->promised >= group->options->running_max;
}

/* G10: a place that came free belongs to the first in line. */
static void offer_place(struct group *group)
{
    if (group->line_count == 0 || is_full(group))
        return;
    int task = group->line[0];
    group->promised++;
    list_remove(group->line, &group->line_count, task);
    wake(task, 0);
}

static int normal_count(const struct group *group)
{
    int count = 0;
    for (int i = 0; i < group->member_count; i++)
        count += !model.tasks[group->members[i]].service;
    return count;
}

/* G9: the service that was started last; its shield is lifted. */
static void stop_next_service(struct group *group)
{
    if (group->stopping != NONE)
        return;
    group->shut = true;
    group->stopping = group->members[group->member_count - 1];
    model.scopes[group->stopping].is_shield = false;
    cancel_because(group->stopping, WEIR_CANCEL_JOIN_POLICY, model.current, NONE);
}

/* The last has left and nobody is on the way in: the owner goes on, and nobody comes in. */
static bool settle(struct group *group)
{
    if (!group->owner_waits || normal_count(group) > 0 || group->promised > 0)
        return false;
    if (group->member_count > 0) {
        stop_next_service(group);
        return false;
    }
    group->owner_waits = false;
    group->joined = true;
    wake(group->owner, 0);
    return true;
}

/* G10: every member stands in the line of this same group, or would from now on. */
static bool would_block_for_ever(const struct group *group, int spawner)
{
    if (self()->group != (int)(group - model.groups) || group->promised > 0)
        return false;
    for (int i = 0; i < group->member_count; i++)
        if (group->members[i] != spawner &&
            !list_has(group->line, group->line_count, group->members[i]))
            return false;
    return true;
}

static int take_place(int at, bool try_only)
{
    struct group *group = &model.groups[at];
    if (try_only && is_full(group))
        return -EAGAIN;
    if (try_only) {
        group->promised++;
        return 0;
    }
    int rc = checkpoint();
    if (rc < 0)
        return rc;
    if (!is_full(group)) {
        group->promised++;
        completed_at_once();
        return 0;
    }
    if (would_block_for_ever(group, model.current))
        return -EDEADLK;
    group->line[group->line_count++] = model.current;
    self()->waits_in = at;
    self()->aborts = 0;
    return block(WAITS_FOR_PLACE);
}

static void add_task(int group, int at)
{
    struct group *g = &model.groups[group];
    model.tasks[at] = (struct task){.group = group,
                                    .scopes = {at},
                                    .depth = 1,
                                    .budget = BUDGET,
                                    .said_by = NONE,
                                    .last_set = NONE,
                                    .causes = NONE,
                                    .own_result = NONE,
                                    .late = NONE};
    model.scopes[at] =
        (struct scope){.active = true, .parent = group, .task = at, .deadline_ns = WEIR_NEVER};
    g->members[g->member_count++] = at;
    make_ready(at);
}

static int spawn(int at, int task, const struct statement *s)
{
    struct group *group = &model.groups[at];
    int rc = may_spawn(at);
    if (rc < 0)
        return rc;
    if (group->options->running_max != 0) {
        rc = take_place(at, s->try_only);
        if (rc < 0)
            return rc;
        group->promised--;
        rc = may_spawn(at); /* others may have run meanwhile */
        if (rc < 0) {
            offer_place(group);
            settle(group);
            return rc;
        }
    }
    add_task(at, task);
    model.tasks[task].kept = s->keep || s->handled;
    model.tasks[task].handled = s->handled;
    model.tasks[task].service = model.scopes[task].is_shield = s->service;
    model.tasks[task].cleanup_ns = s->cleanup_ns;
    if (s->service)
        settle(&model.groups[at]); /* its place may have been what kept the others alive */
    return 0;
}

static int cancel_task(int task, int by)
{
    if (model.tasks[task].state == NO_TASK)
        return -ESTALE;
    cancel(task, by);
    return 0;
}

/* --- results and outcomes --------------------------------------------------------------------- */

static void destroy_result(struct task *task)
{
    if (task->own_result != NONE)
        play_destroyed(task->own_result);
    task->own_result = NONE;
}

/* Nobody can ask for it any more. P8: a failure that stayed here and that nobody was given. */
static void release_record(int at)
{
    struct task *task = &model.tasks[at];
    if (task->failure_stays && !task->outcome_given)
        model.counts->failures++;
    task->failure_stays = false;
    destroy_result(task);
    task->state = NO_TASK;
}

static int set_result(int by)
{
    destroy_result(self());
    self()->own_result = by;
    return 0;
}

static int take_result(int at, int *out_by)
{
    struct task *task = &model.tasks[at];
    if (task->state == NO_TASK)
        return -ESTALE;
    if (task->state != DONE)
        return -EAGAIN;
    if (task->own_result == NONE)
        return -ENOENT;
    *out_by = task->own_result;
    task->own_result = NONE;
    return 0;
}

static int forget(int at)
{
    struct task *task = &model.tasks[at];
    if (task->state == NO_TASK)
        return -ESTALE;
    task->kept = false;
    if (task->state != DONE)
        return 0;
    list_remove(model.groups[task->group].kept, &model.groups[task->group].kept_count, at);
    release_record(at);
    return 0;
}

static int cancel_requested(int at)
{
    const struct task *task = &model.tasks[at];
    if (task->state == NO_TASK)
        return -ESTALE;
    return task->state == DONE ? task->was_cancelled : is_cancelled(at);
}

/* R3. */
static int wait_task(int at, struct outcome_note *out_outcome)
{
    int rc = checkpoint();
    if (rc < 0)
        return rc;
    struct task *task = &model.tasks[at];
    if (task->state == NO_TASK)
        return -ESTALE;
    if (at == model.current)
        return -EDEADLK;
    if (task->state == DONE) {
        *out_outcome = task->outcome;
        task->outcome_given = true;
        completed_at_once();
        return 0;
    }
    task->waiters[task->waiter_count++] = model.current;
    self()->waits_in = at;
    self()->aborts = 0;
    rc = block(WAITS_FOR_TASK);
    if (rc == 0)
        *out_outcome = task->outcome;
    return rc;
}

/* R2, R3: a result stays only where somebody can take it. */
static void note_outcome(int at, weir_outcome_kind kind, int rc)
{
    struct task *task = &model.tasks[at];
    task->outcome = (struct outcome_note){kind, rc, at, message_of(task, rc), NONE};
    task->was_cancelled = is_cancelled(at);
    if (kind != WEIR_OUTCOME_OK)
        destroy_result(task);
    for (int i = 0; i < task->waiter_count; i++) {
        task->outcome_given = true;
        wake(task->waiters[i], 0);
    }
    task->waiter_count = 0;
}

/* --- goals: P3 to P5 -------------------------------------------------------------------------- */

static bool has_goal(const struct group *group)
{
    return group->options->policy > WEIR_COLLECT_ALL;
}

static int wanted(const struct group *group)
{
    return group->options->policy == WEIR_QUORUM ? group->options->quorum : 1;
}

static void decide(int at, enum goal goal)
{
    model.groups[at].goal = goal;
    if (goal == WON)
        model.groups[at].first_code = 0; /* what failed is absorbed */
    cancel_because(at, WEIR_CANCEL_JOIN_POLICY, model.current, NONE);
}

/* Those that live, wait for a place or are on their way in are too few, and no more can come. */
static bool out_of_reach(const struct group *group, int live_count)
{
    return group->to_come != NONE && group->line_count == 0 &&
           group->success_count + live_count + group->promised + group->to_come < wanted(group);
}

static void judge_goal(int at, weir_outcome_kind kind, bool alone, bool service)
{
    struct group *group = &model.groups[at];
    if (group->goal != OPEN)
        return;
    if (kind == WEIR_OUTCOME_OK)
        group->success_count++;
    bool first_done = group->options->policy == WEIR_FIRST_DONE;
    if (group->success_count == wanted(group))
        decide(at, WON);
    else if (first_done && (kind == WEIR_OUTCOME_FAILED || alone))
        decide(at, LOST);
    else if (out_of_reach(group, normal_count(group) - !service)) /* it is still among them */
        decide(at, LOST);
}

/* What close returns when nothing failed. A cut by the own goal is none. */
static int settle_goal(struct group *group, int rc)
{
    if (group->goal == WON) {
        group->cancelled_count = 0;
        return rc == -ECANCELED ? 0 : rc;
    }
    if (group->cancelled_count > 0 || group->first_code != 0)
        return rc;
    return fail(group->cancelled_alone ? -ECHILD : -EINVAL, NONE);
}

/* --- deferred functions ----------------------------------------------------------------------- */

static int defer(int by)
{
    struct task *task = self();
    task->deferred[task->deferred_count] = by;
    task->deferred_in[task->deferred_count++] = active_scope(task);
    return 0;
}

static bool has_deferred(const struct task *task, int scope)
{
    return task->deferred_count > 0 && task->deferred_in[task->deferred_count - 1] == scope;
}

/* L3: one that was cut did as it was told; the first one cut by the budget is reported. */
static int judge_deferred(int shield, bool *told, int rc)
{
    if (rc != -ECANCELED)
        return rc < 0 ? rc : 0;
    if (!is_cancelled(shield))
        return stray();
    model.counts->others += model.scopes[shield].level != FREE && !*told;
    *told = true;
    return 0;
}

/* L1: what was deferred in a scope, which is the innermost of the task and about to end. What fails
 * is put into the set `scope`. The words of the body's failure stay; it had none when it came well,
 * and then those of the first failure here stay. */
static void run_deferred(int scope, bool came_well)
{
    struct task *task = self();
    int shield = SHIELD_OF + scope, said_code = task->said_code, said_by = task->said_by;
    int last_set = task->last_set, late = task->late, late_at = task->late_at;
    bool told = false;
    model.sets[scope] = (struct set){0};
    task->last_set = task->late = NONE; /* what they do has nothing to do with the body's */
    task->said_code = 0;
    task->said_by = NONE;
    model.scopes[shield] = (struct scope){.is_shield = true, .is_timeout = true};
    push_scope(shield, model.current,
               deadline_in(task->cleanup_ns == 0 ? 5 * WEIR_SEC : task->cleanup_ns));
    while (has_deferred(task, scope) || has_deferred(task, shield)) {
        int rc = play_deferred(model.current, task->deferred[--task->deferred_count]);
        rc = judge_deferred(shield, &told, rc);
        bool first = model.sets[scope].count == 0;
        if (rc < 0)
            add_record(scope, WEIR_FAILURE_DEFER, model.current, rc);
        if (task->late != NONE)
            move_records(scope, task->late);
        task->late = NONE;
        if (rc == 0 || !first || !came_well)
            continue;
        said_code = task->said_code;
        said_by = task->said_by;
        task->said_code = 0;
        task->said_by = NONE;
    }
    drop_last_set(task);
    pop_scope(shield, 0);
    task->last_set = last_set;
    task->late = late;
    task->late_at = late_at;
    task->said_code = said_code;
    task->said_by = said_by;
}

/* L2: what follows another failure is recorded behind it, at the end of the group around. */
static void keep_late(struct task *task, int set)
{
    if (task->late != NONE) {
        move_records(task->late, set);
        return;
    }
    int i = task->depth - 1;
    while (i > 0 && !model.scopes[task->scopes[i]].is_group && task->scopes[i] < SHIELD_OF)
        i--;
    task->late = set;
    task->late_at = task->scopes[i];
}

static bool has_late(const struct task *task, int scope)
{
    return task->late != NONE && task->late_at == scope;
}

static void hand_in_late(int group, struct task *task)
{
    struct group *g = &model.groups[group];
    if (g->first_code == 0)
        g->first_code = model.sets[task->late].failures[0].code;
    move_records(group, task->late);
    task->late = NONE;
}

/* The code of the first is what is returned. */
static void return_set(struct task *task, int set)
{
    drop_last_set(task);
    model.sets[set].code = model.sets[set].failures[0].code;
    task->last_set = set;
}

static int leave(int scope, int rc)
{
    struct task *task = self();
    if (!has_deferred(task, scope))
        return pop_scope(scope, rc);
    run_deferred(scope, rc >= 0);
    rc = pop_scope(scope, rc);
    if (model.sets[scope].count == 0)
        return rc;
    if (rc < 0) {
        keep_late(task, scope);
        return rc;
    }
    return_set(task, scope);
    return model.sets[scope].code;
}

/* --- the end of a member ---------------------------------------------------------------------- */

/* P1 to P5, P8, L2: what it means for the others. */
static void judge_member(int at, weir_outcome_kind kind, int rc)
{
    struct task *task = &model.tasks[at];
    struct group *group = &model.groups[task->group];
    bool alone = false, failed = kind == WEIR_OUTCOME_FAILED;
    if (failed && task->handled && task->came_well) {
        return_set(task, task->late);
        task->late = NONE;
    }
    int first_code = group->first_code, first_own = model.sets[task->group].count;
    if (failed && task->handled) {
        task->failure_stays = true;
        task->causes = claim_causes(task, rc);
        group->cancelled_alone = true;
    } else if (failed && !task->came_well) {
        add_failure(task->group, WEIR_FAILURE_CHILD, at, rc);
    }
    bool fails_group = (failed && !task->handled) || task->late != NONE;
    if (task->late != NONE)
        hand_in_late(task->group, task);
    if (failed && !task->handled && !has_goal(group))
        model.sets[task->group].failures[first_own].outcome = true;
    if (group->goal == WON)
        group->first_code = first_code;
    if (kind == WEIR_OUTCOME_CANCELLED && !task->service) { /* G9 */
        alone = !is_cancelled(task->group);
        group->cancelled_alone |= alone;
        group->cancelled_count += !alone && group->goal == OPEN;
    }
    if (has_goal(group) && task->service && !failed)
        return;
    if (has_goal(group))
        judge_goal(task->group, kind, alone, task->service);
    else if (fails_group && group->options->policy == WEIR_FAIL_FAST)
        cancel_because(task->group, WEIR_CANCEL_SIBLING_FAILED, at, NONE);
}

/* A call has ended. Its result is wanted unless others have won. P7:
 * the next one starts when this was the latest and has decided nothing. */
static void note_call(const struct group *group, int at, weir_outcome_kind kind, int rc,
                      bool was_open, bool alone)
{
    struct task *task = &model.tasks[at];
    struct calls *calls = group->calls;
    int position = 0;
    while (calls->tasks[position] != at)
        position++;
    calls->failed_count += kind == WEIR_OUTCOME_FAILED;
    bool wanted = calls->winner == NONE; /* of a race that is lost they go when it returns */
    calls->outcomes[position] = (struct outcome_note){kind, rc, at, message_of(task, rc), NONE};
    if (kind == WEIR_OUTCOME_OK && wanted) {
        calls->outcomes[position].result = task->own_result;
        task->own_result = NONE;
    }
    bool first_done = group->options->policy == WEIR_FIRST_DONE;
    bool decided = group->goal == WON || (first_done && (kind == WEIR_OUTCOME_FAILED || alone));
    if (has_goal(group) && was_open && decided)
        calls->winner = position;
    if (calls->paused && at == calls->latest && (kind != WEIR_OUTCOME_OK || !decided)) {
        calls->paused = false;
        wake(group->owner, 0);
    }
}

/* T6, G5, G7. */
static void end_task(int at, int rc)
{
    struct task *task = &model.tasks[at];
    struct group *group = &model.groups[task->group];
    if (has_deferred(task, at)) {
        run_deferred(at, rc >= 0);
        if (model.sets[at].count > 0)
            keep_late(task, at);
    }
    if (rc >= 0 && task->late != NONE) { /* L2 */
        task->came_well = true;
        rc = model.sets[task->late].failures[0].code;
    }
    if (rc == -ECANCELED && !is_cancelled(at))
        rc = stray();
    if (at == 0) {
        model.main_rc = rc;
        model.main_ended = true;
    }
    weir_outcome_kind kind = rc >= 0            ? WEIR_OUTCOME_OK
                             : rc == -ECANCELED ? WEIR_OUTCOME_CANCELLED
                                                : WEIR_OUTCOME_FAILED;
    bool was_open = group->goal == OPEN;
    bool alone = kind == WEIR_OUTCOME_CANCELLED && !is_cancelled(task->group);
    judge_member(at, kind, rc);
    if (group->calls != NULL)
        note_call(group, at, kind, rc, was_open, alone);
    drop_last_set(task);
    note_outcome(at, kind, rc);

    model.scopes[at].active = false;
    model.scopes[at].was_left = true;
    list_remove(group->members, &group->member_count, at);
    if (group->stopping == at)
        group->stopping = NONE;
    task->state = DONE;
    if (task->kept)
        group->kept[group->kept_count++] = at;
    else
        release_record(at);
    offer_place(group);
    if (!group->owner_waits)
        return;
    if (settle(group)) /* T1: and an owner goes on at once */
        model.handover = group->owner;
    else if (first_unstarted(group) != NONE)
        model.handover = first_unstarted(group);
}

/* G4. */
static int may_close(int at)
{
    const struct group *group = &model.groups[at];
    if (group->joined)
        return -ESTALE;
    if (group->owner == model.current)
        return 0;
    return self()->group == at ? -EDEADLK : -EPERM;
}

/* G6, L2: rc, what waited for this, or both. */
static void body_failed(int at, int rc)
{
    struct group *group = &model.groups[at];
    if (group->goal == WON) /* what failed before is absorbed, this is not */
        model.sets[at].count = 0;
    if (rc < 0)
        add_failure(at, WEIR_FAILURE_BODY, model.current, rc);
    if (has_late(self(), at))
        hand_in_late(at, self());
    if (group->goal == OPEN)
        group->goal = LOST;
    cancel_because(at, WEIR_CANCEL_BODY_FAILED, model.current, NONE);
}

/* G6. */
static int judge_body(int at, int rc)
{
    if (rc >= 0)
        return rc;
    bool refused = rc == -ESHUTDOWN && model.groups[at].body_refused;
    if ((rc == -ECANCELED || refused) && is_cancelled(at))
        return -ECANCELED;
    if (rc == -ECANCELED)
        rc = stray();
    body_failed(at, rc);
    return rc;
}

/* P5: from now on it is known who can make up the goal. */
static void body_done(int at, int rc)
{
    struct group *group = &model.groups[at];
    group->to_come = 0;
    if (group->goal != OPEN)
        return;
    group->cancelled_count += rc == -ECANCELED;
    if (out_of_reach(group, normal_count(group)))
        decide(at, LOST);
}

/* L1: after the last member. */
static void end_group_deferred(int at)
{
    struct group *group = &model.groups[at];
    struct set before = model.sets[at];
    run_deferred(at, group->first_code == 0);
    struct set late = model.sets[at];
    model.sets[at] = before;
    if (late.count == 0)
        return;
    if (group->goal == WON)
        model.sets[at].count = 0;
    if (group->first_code == 0)
        group->first_code = late.failures[0].code;
    for (int i = 0; i < late.count; i++)
        model.sets[at].failures[model.sets[at].count++] = late.failures[i];
}

/* G2, G5. */
static int close_group(int at, int rc, struct failure_notes *out_notes)
{
    int allowed = may_close(at);
    if (allowed < 0)
        return allowed;
    struct group *group = &model.groups[at];
    rc = judge_body(at, rc);
    if (has_late(self(), at))
        body_failed(at, 0);
    drop_last_set(self());
    if (has_goal(group))
        body_done(at, rc);
    if (group->member_count == 0 && group->promised == 0) {
        group->joined = true;
        completed_at_once();
    } else {
        group->owner_waits = true;
        settle(group); /* maybe only services are left */
        if (first_unstarted(group) != NONE)
            model.handover = first_unstarted(group);
        self()->aborts = 0;
        block(WAITS_FOR_MEMBERS);
    }
    if (has_deferred(self(), at))
        end_group_deferred(at);
    for (int i = 0; i < group->kept_count; i++)
        release_record(group->kept[i]);
    if (has_goal(group))
        rc = settle_goal(group, rc);
    bool cut = rc == -ECANCELED || group->cancelled_count > 0;
    rc = pop_scope(at, group->first_code == 0 && cut ? -ECANCELED : rc);

    struct set *set = &model.sets[at];
    set->code = group->first_code;
    set->absorbed = group->goal == WON;
    set->primary_only = group->options->primary_only;
    if (out_notes != NULL)
        list_failures(at, 0, out_notes);
    else if (group->first_code != 0)
        self()->last_set = at;
    return group->first_code != 0 ? group->first_code : rc;
}

/* --- gather and race -------------------------------------------------------------------------- */

/* P7: until the time is up, the latest call has ended, or the race is decided. */
static int pause_before_next(int at, int64_t stagger_ns)
{
    int rc = checkpoint();
    if (rc < 0)
        return rc;
    self()->waits_in = at;
    self()->aborts = 0;
    self()->result = 0;
    set_due(self(), stagger_ns == WEIR_FOREVER ? WEIR_NEVER : model.now_ns + stagger_ns);
    model.groups[at].calls->paused = true;
    return block(WAITS_FOR_START);
}

static int start_calls(int at, const struct statement *s, struct calls *calls)
{
    struct group *group = &model.groups[at];
    group->to_come = s->verb == RACE ? calls->count : NONE;
    for (int i = 0; i < calls->count; i++) {
        int rc =
            s->verb == RACE && i > 0 && s->later_ns > 0 ? pause_before_next(at, s->later_ns) : 0;
        if (rc == 0)
            rc = may_spawn(at);
        if (rc < 0)
            return rc;
        add_task(at, calls->tasks[i]);
        group->to_come -= s->verb == RACE;
        calls->latest = calls->tasks[i];
    }
    return 0;
}

/* P2, P9. */
static int close_gather(int at, const struct statement *s, const struct calls *calls, int rc)
{
    if (s->policy == WEIR_COLLECT_ALL) {
        struct failure_notes dropped = {0}; /* they are all in the outcomes */
        rc = close_group(at, rc, &dropped);
        return rc == -ECANCELED ? rc : calls->failed_count;
    }
    rc = close_group(at, rc, NULL);
    return rc == 0 && model.groups[at].cancelled_alone ? fail(-ECHILD, NONE) : rc;
}

static int run_calls(int at, const struct statement *s, const int *tasks, int count,
                     struct outcome_note *out_outcomes, int *out_winner)
{
    struct calls calls = {tasks, count, out_outcomes, .winner = NONE, .latest = NONE};
    bool possible = count > 0 && (s->policy != WEIR_QUORUM || s->quorum <= count);
    if (s->verb == GATHER && count == 0)
        return 0;
    if (!possible)
        return -EINVAL;
    for (int i = 0; i < count; i++)
        out_outcomes[i] =
            (struct outcome_note){WEIR_OUTCOME_CANCELLED, -ECANCELED, NONE, NONE, NONE};
    int rc = checkpoint();
    if (rc < 0)
        return rc;
    open_group(at, s);
    model.groups[at].calls = &calls;
    rc = start_calls(at, s, &calls);
    rc = s->verb == GATHER ? close_gather(at, s, &calls, rc) : close_group(at, rc, NULL);
    if (self()->last_set == at)
        model.sets[at].absorbed = true; /* whoever asked for outcomes was told */
    *out_winner = calls.winner;
    for (int i = 0; i < count && rc < 0; i++) { /* nobody gets them */
        if (out_outcomes[i].result != NONE)
            play_destroyed(out_outcomes[i].result);
        out_outcomes[i].result = NONE;
    }
    return rc;
}

/* --- the loop --------------------------------------------------------------------------------- */

/* The wait or deadline that comes first, by the millisecond it is due at and the order in which it
 * was armed; NONE when there is none. */
static int first_wait(void)
{
    int first = NONE;
    for (int i = 0; i < STATEMENTS_MAX; i++) {
        const struct task *t = &model.tasks[i], *f = &model.tasks[first == NONE ? 0 : first];
        if (t->state != BLOCKED || t->due_ns == WEIR_NEVER ||
            (t->wait != WAITS_FOR_TIME && t->wait != WAITS_FOR_START))
            continue;
        if (first == NONE || t->armed_tick < f->armed_tick ||
            (t->armed_tick == f->armed_tick && t->armed_number < f->armed_number))
            first = i;
    }
    return first;
}

static int first_deadline(void)
{
    int first = NONE;
    for (int i = 0; i < SCOPES_MAX; i++) {
        const struct scope *s = &model.scopes[i], *f = &model.scopes[first == NONE ? 0 : first];
        if (!s->active || s->fired || s->deadline_ns == WEIR_NEVER)
            continue;
        if (first == NONE || s->armed_tick < f->armed_tick ||
            (s->armed_tick == f->armed_tick && s->armed_number < f->armed_number))
            first = i;
    }
    return first;
}

/* O10: a result that is there in time is seen before the deadline of the same turn. */
static void finish_waits(void)
{
    int64_t tick = tick_of(model.now_ns);
    int at;
    while ((at = first_wait()) != NONE && model.tasks[at].armed_tick <= tick) {
        if (model.tasks[at].wait == WAITS_FOR_START)
            model.groups[model.tasks[at].waits_in].calls->paused = false;
        wake(at, model.tasks[at].result);
    }
}

static void fire_deadlines(void)
{
    int64_t tick = tick_of(model.now_ns);
    int at;
    while ((at = first_deadline()) != NONE && model.scopes[at].armed_tick <= tick)
        fire(at);
}

/* Q2: time moves only when nothing else can happen. */
static void let_time_pass(void)
{
    int wait = first_wait(), deadline = first_deadline();
    int64_t tick = tick_of(model.now_ns), next = INT64_MAX;
    if (wait != NONE)
        next = model.tasks[wait].armed_tick;
    if (deadline != NONE && model.scopes[deadline].armed_tick < next)
        next = model.scopes[deadline].armed_tick;
    if (next > tick && next != INT64_MAX)
        model.now_ns = next * WEIR_MS;
}

/* Q4: the order in which a turn's tasks run is drawn as the core draws it. */
static void shuffle_ready(void)
{
    int order[STATEMENTS_MAX], count = model.ready_count;
    memcpy(order, model.ready, sizeof order);
    for (int i = count; i-- > 0 && count > 1;) {
        size_t pick = weir__base_random_next(&model.shuffle) % ((size_t)i + 1);
        model.ready[count - 1 - i] = order[pick];
        order[pick] = order[i];
    }
}

/* T1: what was handed over to goes first. */
static int next_task(void)
{
    int next = model.handover;
    model.handover = NONE;
    if (next == NONE && model.batch_count > 0)
        next = model.batch[0];
    if (next == NONE)
        return NONE;
    list_remove(model.batch, &model.batch_count, next);
    list_remove(model.ready, &model.ready_count, next);
    return next;
}

static void run_ready(void)
{
    if (model.shuffle != 0)
        shuffle_ready();
    memcpy(model.batch, model.ready, sizeof model.batch);
    model.batch_count = model.ready_count;
    model.ready_count = 0;
    int next;
    while ((next = next_task()) != NONE)
        step(next);
}

/* Q5: all are cancelled, and if that does not help, forced. */
static void break_deadlock(void)
{
    struct cause_note cause = {WEIR_CANCEL_JOIN_POLICY, NONE, NONE, model.now_ns - model.began_ns};
    if (model.deadlocks++ == 0) {
        model.counts->deadlocks++;
        cancel_level(ROOT, CANCELLED, cause);
    } else {
        cancel_level(ROOT, FORCED, cause);
    }
}

static void turn(void)
{
    if (model.ready_count == 0 && first_wait() == NONE && first_deadline() == NONE)
        break_deadlock();
    if (model.ready_count == 0)
        let_time_pass();
    finish_waits();
    fire_deadlines();
    run_ready();
}

static int run(const struct program *program, int (*body)(int self), struct report_counts *out)
{
    static const struct statement root_options = {.verb = GROUP, .policy = WEIR_COLLECT_ALL};
    if (!host.ready) {
        weir__stacks_init(&host.stacks, STACK_BYTES);
        weir__fiber_init_thread(&host.fiber);
        host.ready = true;
    }
    memset(&model, 0, sizeof model);
    model.program = program;
    model.body = body;
    model.counts = out;
    model.shuffle = program->shuffle_seed;
    model.now_ns = model.began_ns = 1 * WEIR_SEC;
    model.current = model.handover = NONE;
    model.groups[ROOT] = (struct group){.owner = NONE, .options = &root_options, .stopping = NONE};
    model.scopes[ROOT] = (struct scope){
        .active = true, .parent = NONE, .task = NONE, .is_group = true, .deadline_ns = WEIR_NEVER};
    add_task(ROOT, 0);
    while (!model.main_ended)
        turn();
    /* F6: of the main task's failures the run returns one. */
    const struct set *set = &model.sets[ROOT];
    bool returned = set->count > 0 && set->failures[0].code == model.main_rc;
    out->failures += set->count - returned;
    return model.deadlocks > 0 ? -EDEADLK : model.main_rc;
}

static int64_t now_ns(void)
{
    return model.main_ended && model.current == NONE ? 0 : model.now_ns - model.began_ns;
}

const struct machine model_machine = {
    .name = "model",
    .run = run,
    .now_ns = now_ns,
    .yield = yield,
    .check = check,
    .sleep = sleep_for,
    .wait = wait_for,
    .enter = enter,
    .leave = leave,
    .cancel = cancel,
    .force = force,
    .set_deadline = set_deadline,
    .open = open_group,
    .close = close_group,
    .spawn = spawn,
    .calls = run_calls,
    .defer = defer,
    .cancel_task = cancel_task,
    .wait_task = wait_task,
    .set_result = set_result,
    .take_result = take_result,
    .forget = forget,
    .cancel_requested = cancel_requested,
    .take_failures = take_failures,
    .fail = fail,
    .deadline_ns = deadline_ns,
    .cancelled_because = cancelled_because,
};
