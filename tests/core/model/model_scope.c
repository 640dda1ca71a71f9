/*
 * model_scope.c - the model, see model.h: scopes and waits
 *
 * Runs on  one thread.
 */
#include "tests/core/model/inside.h"

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

bool is_cancelled(int scope)
{
    return effective(scope) != FREE;
}

int active_scope(const struct task *task)
{
    return task->scopes[task->depth - 1];
}

bool here_cancelled(void)
{
    return is_cancelled(active_scope(self()));
}

int64_t tick_of(int64_t at_ns)
{
    return (at_ns + WEIR_MS - 1) / WEIR_MS;
}

static void request_abort(int task);

/* C4: every wait that is in a cancelled context now is asked to end, at most once (I9): first those
 * of the scope's own task, then those of members, in the order they were spawned. Of groups opened
 * inside one another the inner one's members come first. */
void abort_waits_below(int scope)
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

void cancel_level(int scope, enum level level, struct cause_note cause)
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

void cancel_because(int scope, weir_cancel_kind kind, int source, int reason)
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

void fire(int scope)
{
    model.scopes[scope].fired = true;
    cancel_because(scope, WEIR_CANCEL_DEADLINE, NONE, NONE);
}

/* What was noted before it was entered stays (C9). */
void push_scope(int at, int task, int64_t deadline_ns)
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

int stray(void)
{
    model.counts->strays++;
    return -EIO;
}

/* C7. */
int pop_scope(int at, int rc)
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
int64_t deadline_in(int64_t ns)
{
    if (ns <= 0)
        return INT64_MIN;
    return ns == WEIR_FOREVER ? WEIR_NEVER : model.now_ns + ns;
}

int enter(int at, const struct statement *s)
{
    struct scope *scope = &model.scopes[at];
    scope->is_shield = s->verb == SHIELD;
    scope->is_timeout = s->verb != SCOPE;
    push_scope(at, model.current, s->verb == SCOPE ? WEIR_NEVER : deadline_in(s->ns));
    return 0;
}

void cancel(int scope, int by)
{
    cancel_because(scope, WEIR_CANCEL_EXPLICIT, model.current, by);
}

void force(int scope, int by)
{
    cancel_level(scope, FORCED,
                 (struct cause_note){WEIR_CANCEL_EXPLICIT, model.current, by,
                                     model.now_ns - model.began_ns});
}

/* D4. */
void set_deadline(int scope, int64_t at_ns)
{
    struct scope *s = &model.scopes[scope];
    if (s->fired)
        return;
    s->is_timeout = true;
    arm(s, at_ns == WEIR_NEVER ? WEIR_NEVER : at_ns + model.began_ns);
}

/* D3. */
int64_t deadline_ns(void)
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
bool cancelled_because(struct cause_note *out_cause)
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
int checkpoint(void)
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

int yield(void)
{
    int rc = checkpoint();
    if (rc < 0)
        return rc;
    let_others_run();
    return 0;
}

int check(void)
{
    return here_cancelled() ? -ECANCELED : 0;
}

void set_due(struct task *task, int64_t at_ns)
{
    int64_t now_tick = tick_of(model.now_ns);
    task->due_ns = at_ns;
    task->armed_tick = at_ns != WEIR_NEVER && tick_of(at_ns) > now_tick ? tick_of(at_ns) : now_tick;
    task->armed_number = model.arms++;
}

int sleep_for(int64_t ns)
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

int wait_for(const struct statement *s, int *out_aborts)
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
    case WAITS_FOR_NEXT:
        model.groups[task->waits_in].owner_wants_next = false;
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
