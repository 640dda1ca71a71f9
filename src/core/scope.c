/*
 * scope.c - scopes, their deadlines, and how a cancellation reaches what it must
 *
 * Every scope keeps its effective level (its own, or what it inherits), so a checkpoint asks one
 * byte. Raising a level walks the tree below once: along a task's inner scopes, and from a group's
 * scope to the bottom scopes of its members. The walk climbs by parent links and needs no stack of
 * its own, so ten thousand nested scopes are fine (C4).
 *
 * Runs on  the loop's own thread.
 * Holds    1. effective == max(level, what is visible of the parent), at all times.
 *          2. Levels never go down (I7).
 *          3. A blocked task is asked to end its wait at most once a wait (I9).
 */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "core/core.h"
#include "core/observe.h"

_Static_assert(sizeof((weir_scope *)0)->weir__timer == sizeof(struct weir__timer),
               "the timer of a scope is a timer");

static struct weir__timer *timer_of(weir_scope *scope)
{
    return (struct weir__timer *)(void *)&scope->weir__timer;
}

static weir_scope *scope_of_timer(struct weir__timer *timer)
{
    return WEIR__CONTAINER(timer, weir_scope, weir__timer);
}

static weir_group *group_of(weir_scope *scope)
{
    return WEIR__CONTAINER(scope, weir_group, scope);
}

/* C3: what a scope sees of its parent. */
static unsigned visible_level(const weir_scope *scope)
{
    if (scope->weir__parent == NULL)
        return WEIR__LEVEL_NONE;
    unsigned outer = scope->weir__parent->weir__effective;
    if (scope->weir__flags & WEIR__SCOPE_SHIELD)
        return outer == WEIR__LEVEL_FORCE ? WEIR__LEVEL_FORCE : WEIR__LEVEL_NONE;
    return outer;
}

/* --- cancelling: the walk --------------------------------------------------------------------- */

/* True when the scope's effective level rose: then what is below it must be looked at too. */
static bool refresh(weir_scope *scope)
{
    unsigned visible = visible_level(scope);
    unsigned effective = scope->weir__level > visible ? scope->weir__level : visible;
    if (effective <= scope->weir__effective)
        return false;
    scope->weir__effective = (uint8_t)effective;
    return true;
}

/* The innermost scope of a blocked task has become cancelled: its wait is asked to end, once. */
static void abort_wait(weir_loop *loop, weir_scope *scope)
{
    weir_task *task = scope->weir__task;
    if (task != NULL && task->active == scope && task->abort != NULL &&
        loop->hot[task->index].state == WEIR_TASK_BLOCKED)
        weir__sched_abort_wait(loop, task);
}

static weir_scope *first_member_scope(weir_scope *scope)
{
    if (!(scope->weir__flags & WEIR__SCOPE_GROUP))
        return NULL;
    weir_group *group = group_of(scope);
    if (weir__list_empty(&group->members))
        return NULL;
    return &WEIR__CONTAINER(group->members.next, weir_task, sibling)->scope;
}

/* Where the walk goes when everything below `scope` has been seen; NULL when `top` is done. */
static weir_scope *climb(weir_scope *scope, const weir_scope *top)
{
    while (scope != top) {
        weir_scope *parent = scope->weir__parent;
        if (scope->weir__flags & WEIR__SCOPE_TASK) {
            weir_task *task = scope->weir__task;
            if (task->sibling.next != &task->group->members)
                return &WEIR__CONTAINER(task->sibling.next, weir_task, sibling)->scope;
        } else {
            weir_scope *member = first_member_scope(parent);
            if (member != NULL)
                return member;
        }
        scope = parent;
    }
    return NULL;
}

static void spread(weir_loop *loop, weir_scope *top)
{
    weir_scope *scope = top;
    while (scope != NULL) {
        bool rose = refresh(scope);
        if (rose)
            abort_wait(loop, scope);
        weir_scope *below = NULL;
        if (rose || scope == top)
            below = scope->weir__inner != NULL ? scope->weir__inner : first_member_scope(scope);
        scope = below != NULL ? below : climb(scope, top);
    }
}

void weir__scope_reparent(weir_loop *loop, weir_scope *scope, weir_scope *parent)
{
    assert(scope->weir__effective == WEIR__LEVEL_NONE);
    scope->weir__parent = parent;
    spread(loop, scope);
}

static void note_cause(weir_loop *loop, weir_scope *scope, weir_cancel_kind kind,
                       const char *reason, const void *address)
{
    if (scope->weir__cause != WEIR_CANCEL_NONE)
        return; /* C6: the first one is kept */
    scope->weir__cause = (uint8_t)kind;
    scope->weir__cause_reason = reason;
    scope->weir__cause_address = address;
    /* A deadline that has passed on entry fires inside a task, but nobody asked for it. */
    scope->weir__cause_source = kind == WEIR_CANCEL_DEADLINE ? 0 : weir_task_self();
    scope->weir__cause_at_ns = loop == NULL ? weir_now() : loop->now_ns;
}

void weir__scope_cancel_level(weir_loop *loop, weir_scope *scope, unsigned level,
                              weir_cancel_kind kind, const char *reason, const void *address)
{
    if (scope->weir__state == WEIR__SCOPE_LEFT || scope->weir__level >= level)
        return;
    note_cause(loop, scope, kind, reason, address);
    scope->weir__level = (uint8_t)level;
    if (scope->weir__state == WEIR__SCOPE_ACTIVE)
        spread(loop, scope);
}

void weir__scope_fire(weir_loop *loop, struct weir__timer *timer)
{
    weir_scope *scope = scope_of_timer(timer);
    scope->weir__flags |= WEIR__SCOPE_FIRED;
    weir__scope_cancel_level(loop, scope, WEIR__LEVEL_CANCEL, WEIR_CANCEL_DEADLINE, NULL, NULL);
}

void weir_scope_cancel(weir_scope *scope, const char *reason)
{
    weir__scope_cancel_level(weir__loop, scope, WEIR__LEVEL_CANCEL, WEIR_CANCEL_EXPLICIT, reason,
                             __builtin_return_address(0));
}

void weir__core_force(weir_loop *loop, const char *reason)
{
    loop->forced = true;
    weir__scope_cancel_level(loop, &loop->root->scope, WEIR__LEVEL_FORCE, WEIR_CANCEL_SHUTDOWN,
                             reason, NULL);
}

/* --- entering and leaving --------------------------------------------------------------------- */

void weir__scope_begin(weir_loop *loop, weir_task *task, weir_scope *scope, unsigned flags,
                       int64_t deadline_ns)
{
    scope->weir__parent = task == NULL ? NULL : task->active;
    scope->weir__inner = NULL;
    scope->weir__task = task;
    scope->weir__flags = (uint8_t)flags;
    scope->weir__state = WEIR__SCOPE_ACTIVE;
    timer_of(scope)->link.next = NULL;
    scope->weir__timer.weir__deadline_ns = deadline_ns;
    scope->weir__effective = WEIR__LEVEL_NONE;
    refresh(scope);
    if (task != NULL) {
        task->active->weir__inner = scope;
        task->active = scope;
    }
    loop->scopes_open++;
    if (deadline_ns == WEIR_NEVER)
        return;
    weir__wheel_arm(&loop->deadlines, timer_of(scope), deadline_ns);
    if (deadline_ns <= loop->now_ns) { /* D2: has passed already */
        weir__wheel_disarm(&loop->deadlines, timer_of(scope));
        scope->weir__timer.weir__deadline_ns = deadline_ns;
        weir__scope_fire(loop, timer_of(scope));
    }
}

static void unlink_scope(weir_loop *loop, weir_task *task, weir_scope *scope)
{
    weir__wheel_disarm(&loop->deadlines, timer_of(scope));
    weir__token_detach(scope);
    if (task != NULL) {
        task->active = scope->weir__parent;
        task->active->weir__inner = NULL;
        loop->hot[task->index].refused_count = 0;
    }
    scope->weir__state = WEIR__SCOPE_LEFT;
    loop->scopes_open--;
}

static int stray(weir_loop *loop, weir_task *task, const void *address)
{
    loop->strays_count++;
    weir__core_find(&(struct weir__finding){
        .kind = WEIR__FINDING_STRAY,
        .loop = loop,
        .task = task,
        .address = address,
        .what = "-ECANCELED was returned although nothing here is cancelled; it becomes -EIO"});
    return -EIO;
}

/* C7. */
int weir__scope_end(weir_loop *loop, weir_task *task, weir_scope *scope, int rc,
                    const void *address)
{
    unsigned visible = visible_level(scope);
    bool own = scope->weir__level != WEIR__LEVEL_NONE;
    bool around_cancelled =
        scope->weir__parent != NULL && scope->weir__parent->weir__effective >= WEIR__LEVEL_CANCEL;
    unlink_scope(loop, task, scope);
    if (rc != -ECANCELED)
        return rc;
    if (own && visible == WEIR__LEVEL_NONE) {
        scope->weir__flags |= WEIR__SCOPE_CAUGHT;
        bool timed_out = (scope->weir__flags & WEIR__SCOPE_TIMEOUT) &&
                         scope->weir__cause == WEIR_CANCEL_DEADLINE;
        return timed_out ? -ETIME : WEIR_CAUGHT;
    }
    if (visible != WEIR__LEVEL_NONE)
        return -ECANCELED;
    if ((scope->weir__flags & WEIR__SCOPE_SHIELD) && around_cancelled)
        return -ECANCELED;
    return stray(loop, task, address);
}

static int enter(weir_scope *scope, unsigned flags, int64_t deadline_ns, const void *address)
{
    weir_task *task = weir__core_task();
    if (task == NULL)
        return -EPERM;
    if (scope->weir__state == WEIR__SCOPE_ACTIVE)
        return -EBUSY;
    if (scope->weir__state == WEIR__SCOPE_LEFT) { /* a new use: nothing of the old one stays */
        memset(scope, 0, sizeof *scope);
    }
    if (scope->weir__cause == WEIR_CANCEL_NONE) /* C9 */
        scope->weir__cause_address = address;
    weir__scope_begin(weir__loop, task, scope, flags, deadline_ns);
    return 0;
}

/* Reading the clock is the larger part of what a timeout costs. Of a second and more, a tick of the
 * kernel is no part that matters: the cheap clock, and that tick added, so that none is early. */
static int64_t deadline_in(int64_t duration_ns)
{
    if (duration_ns == WEIR_FOREVER)
        return WEIR_NEVER;
    int64_t now_ns = duration_ns >= WEIR_SEC ? weir__base_coarse_now() + weir__base_coarse_tick()
                                             : weir__base_now();
    return weir__base_add_ns(now_ns, duration_ns);
}

int weir_scope_enter(weir_scope *scope)
{
    return enter(scope, 0, WEIR_NEVER, __builtin_return_address(0));
}

static int enter_timeout(weir_scope *scope, int64_t timeout_ns, const void *address)
{
    int64_t deadline_ns = timeout_ns <= 0 ? 0 : deadline_in(timeout_ns);
    return enter(scope, WEIR__SCOPE_TIMEOUT, deadline_ns, address);
}

int weir_timeout_enter(weir_scope *scope, int64_t timeout_ns)
{
    return enter_timeout(scope, timeout_ns, __builtin_return_address(0));
}

int weir_deadline_enter(weir_scope *scope, int64_t deadline_ns)
{
    /* The turn's own time may be a while ago: what has passed by now has passed. */
    return enter(scope, WEIR__SCOPE_TIMEOUT, deadline_ns <= weir_now() ? 0 : deadline_ns,
                 __builtin_return_address(0));
}

static int enter_shield(weir_scope *scope, int64_t budget_ns, const void *address)
{
    int64_t deadline_ns = budget_ns <= 0 ? 0 : deadline_in(budget_ns);
    int rc = enter(scope, WEIR__SCOPE_SHIELD | WEIR__SCOPE_TIMEOUT, deadline_ns, address);
    if (rc == 0 && deadline_ns == WEIR_NEVER)
        weir__loop->shields_unbounded_count++;
    return rc;
}

int weir_shield_enter(weir_scope *scope, int64_t budget_ns)
{
    return enter_shield(scope, budget_ns, __builtin_return_address(0));
}

/* C8: whatever was entered after `scope` and not left goes first. */
static void leave_inner(weir_loop *loop, weir_task *task, weir_scope *scope)
{
    weir__core_find(&(struct weir__finding){
        .kind = WEIR__FINDING_MISNESTED,
        .loop = loop,
        .task = task,
        .address = task->active->weir__flags & WEIR__SCOPE_GROUP
                       ? group_of(task->active)->open_address
                       : weir__scope_entered_at(task->active),
        .what = "left a scope while inner scopes or groups were still open; they are left first"});
    while (task->active != scope) {
        weir_scope *inner = task->active;
        if (inner->weir__flags & WEIR__SCOPE_GROUP) {
            weir_group_cancel(group_of(inner), "left out of order");
            weir_ignore(weir_group_close(group_of(inner), 0), "the finding above tells");
        } else if (inner->weir__flags & WEIR__SCOPE_DEFERS) {
            /* A negative code: what its deferred functions fail with is kept for a group. */
            weir_ignore(weir__cleanup_end_scope(loop, task, inner, -EPERM, NULL),
                        "the finding above tells");
        } else {
            unlink_scope(loop, task, inner);
        }
    }
}

static bool is_entered(const weir_task *task, const weir_scope *scope)
{
    for (const weir_scope *at = task->active; at != NULL && at->weir__task == task;
         at = at->weir__parent)
        if (at == scope)
            return true;
    return false;
}

int weir_scope_leave(weir_scope *scope, int rc)
{
    weir_task *task = weir__core_task();
    if (task == NULL || scope->weir__state != WEIR__SCOPE_ACTIVE || scope->weir__task != task)
        return -EPERM;
    if (task->active != scope) {
        if (!is_entered(task, scope) || weir__cleanup_runs_in(task, scope))
            return -EPERM;
        leave_inner(weir__loop, task, scope);
    }
    const void *address = __builtin_return_address(0);
    if (__builtin_expect(scope->weir__flags & WEIR__SCOPE_DEFERS, 0))
        return weir__cleanup_end_scope(weir__loop, task, scope, rc, address);
    return weir__scope_end(weir__loop, task, scope, rc, address);
}

void weir_scope_set_deadline(weir_scope *scope, int64_t deadline_ns)
{
    weir_loop *loop = weir__loop;
    if (loop == NULL || scope->weir__state != WEIR__SCOPE_ACTIVE ||
        (scope->weir__flags & WEIR__SCOPE_FIRED))
        return;
    weir__wheel_disarm(&loop->deadlines, timer_of(scope));
    scope->weir__timer.weir__deadline_ns = deadline_ns;
    scope->weir__flags |= WEIR__SCOPE_TIMEOUT;
    if (deadline_ns != WEIR_NEVER)
        weir__wheel_arm(&loop->deadlines, timer_of(scope), deadline_ns);
}

bool weir_scope_expired(const weir_scope *scope)
{
    return scope->weir__flags & WEIR__SCOPE_FIRED;
}

bool weir_scope_caught(const weir_scope *scope)
{
    return scope->weir__flags & WEIR__SCOPE_CAUGHT;
}

/* --- asking ----------------------------------------------------------------------------------- */

int64_t weir_deadline(void)
{
    weir_task *task = weir__core_task();
    if (task == NULL)
        return WEIR_NEVER;
    if (weir__core_cancelled(task))
        return weir_now();
    int64_t nearest_ns = WEIR_NEVER;
    for (const weir_scope *scope = task->active; scope != NULL; scope = scope->weir__parent) {
        if (scope->weir__timer.weir__deadline_ns < nearest_ns)
            nearest_ns = scope->weir__timer.weir__deadline_ns;
        if (scope->weir__flags & WEIR__SCOPE_SHIELD)
            break;
    }
    return nearest_ns;
}

bool weir_cancelled(void)
{
    weir_task *task = weir__core_task();
    return task != NULL && weir__core_cancelled(task);
}

int weir_check(void)
{
    return weir_cancelled() ? -ECANCELED : 0;
}

bool weir__scope_cause(const weir_scope *scope, weir_cancel_cause *out_cause)
{
    while (scope != NULL && scope->weir__effective >= WEIR__LEVEL_CANCEL) {
        if (scope->weir__level >= WEIR__LEVEL_CANCEL) {
            *out_cause = (weir_cancel_cause){
                .kind = (weir_cancel_kind)scope->weir__cause,
                .source = scope->weir__cause_source,
                .address = scope->weir__cause_address,
                .reason = scope->weir__cause_reason,
                .at_ns = scope->weir__cause_at_ns,
            };
            return true;
        }
        scope = scope->weir__parent;
    }
    return false;
}

bool weir_cancelled_because(weir_cancel_cause *out_cause)
{
    weir_task *task = weir__core_task();
    return task != NULL && weir__scope_cause(task->active, out_cause);
}

/* --- blocks ----------------------------------------------------------------------------------- */

int weir_timeout(int64_t timeout_ns, weir_task_fn *fn, void *arg)
{
    weir_scope scope = {0};
    int rc = weir_timeout_enter(&scope, timeout_ns);
    return rc < 0 ? rc : weir_scope_leave(&scope, fn(arg));
}

weir_scope *weir__timeout_begin(weir_scope *scope, int64_t timeout_ns, int *rc)
{
    memset(scope, 0, sizeof *scope);
    int entered = enter_timeout(scope, timeout_ns, __builtin_return_address(0));
    if (entered == 0)
        return scope;
    *rc = entered;
    return NULL;
}

weir_scope *weir__shield_begin(weir_scope *scope, int64_t budget_ns, int *rc)
{
    memset(scope, 0, sizeof *scope);
    int entered = enter_shield(scope, budget_ns, __builtin_return_address(0));
    if (entered == 0)
        return scope;
    *rc = entered;
    return NULL;
}

/* Runs when the variable of a scope block goes out of scope, which is fine unless it is still
 * entered: then a return or goto jumped over the leave, and the code that was on its way is not
 * checked. */
void weir__scope_escaped(weir_scope *scope)
{
    weir_task *task = weir__core_task();
    if (scope->weir__state != WEIR__SCOPE_ACTIVE || task == NULL)
        return;
    weir__core_find(&(struct weir__finding){
        .kind = WEIR__FINDING_SCOPE_ESCAPED,
        .loop = weir__loop,
        .task = task,
        .address = __builtin_return_address(0),
        .what =
            "return or goto out of a WEIR_TIMEOUT or WEIR_SHIELD block: the code it carried was "
            "not translated; use break, or weir_timeout()"});
    weir_ignore(weir_scope_leave(scope, 0), "left for its effect; the finding above tells");
}
