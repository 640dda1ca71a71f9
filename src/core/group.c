/*
 * group.c - groups: opening, closing, and what the end of a member means
 *
 * Runs on  the loop's own thread.
 * Holds    1. Members are listed in the order they were spawned; `unstarted` is the first that has
 *             not begun. No task outlives its group (I1).
 *          2. close returns only when live_count is 0, whatever happens meanwhile (G2).
 *
 * Costs    groups come from a free list of the loop: opening and closing one allocates nothing when
 *          warm. A member costs its record and, once it has begun, a stack.
 */
#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "core/core.h"
#include "core/handle.h"
#include "core/observe.h"
#include "core/task.h"

/* --- making and unmaking ---------------------------------------------------------------------- */

weir_group *weir__group_new(weir_loop *loop, const weir_group_options *options)
{
    static const weir_group_options defaults;
    if (options == NULL)
        options = &defaults;
    weir_group *group = loop->free_groups;
    if (group != NULL)
        loop->free_groups = (weir_group *)(void *)group->owner;
    else
        group = weir__base_alloc(sizeof *group);
    if (group == NULL)
        return NULL;
    weir__base_zero_record(group, sizeof *group);
    group->loop = loop;
    group->owner = loop->current;
    weir__list_init(&group->members);
    group->unstarted = &group->members;
    weir__list_init(&group->place_waiters);
    group->running_max = options->running_max;
    group->policy = (uint8_t)options->policy;
    group->primary_only = options->primary_only;
    group->name = options->name;
    group->number = ++loop->group_number;
    if (options->policy > WEIR_COLLECT_ALL)
        weir__policy_init(group, options);
    weir__list_append(&loop->groups, &group->registered);
    return group;
}

void weir__group_discard(weir_loop *loop, weir_group *group)
{
    weir__list_remove(&group->registered);
    group->owner = (weir_task *)(void *)loop->free_groups;
    group->joined = true;
    loop->free_groups = group;
}

int weir_group_open(weir_group **out_group, const weir_group_options *options)
{
    weir_task *task = weir__core_task();
    if (task == NULL)
        return -EPERM;
    if (options != NULL && (unsigned)options->policy > WEIR_COLLECT_ALL) {
        int rc = weir__policy_check(options);
        if (rc < 0)
            return rc;
    }
    weir_loop *loop = weir__loop;
    weir_group *group = weir__group_new(loop, options);
    if (group == NULL)
        return -ENOMEM;
    if (options != NULL && options->keeps_outcomes) {
        if (weir__keeping_of(group) == NULL) {
            weir__group_discard(loop, group);
            return -ENOMEM;
        }
        group->keeping->all = true;
    }
    if (options != NULL && options->policy == WEIR_SUPERVISE) {
        group->equips = true;
        group->supervision = weir__supervise_new(group, &options->supervise);
        if (group->supervision == NULL) {
            if (group->keeping != NULL)
                weir__keeping_release(loop, group);
            weir__group_discard(loop, group);
            return -ENOMEM;
        }
    }
    int64_t timeout_ns = options == NULL ? 0 : options->timeout_ns;
    unsigned flags = WEIR__SCOPE_GROUP | (timeout_ns != 0 ? WEIR__SCOPE_TIMEOUT : 0u);
    int64_t deadline_ns = WEIR_NEVER;
    if (timeout_ns < 0)
        deadline_ns = 0; /* D2: has passed already */
    else if (timeout_ns != 0 && timeout_ns != WEIR_FOREVER)
        deadline_ns = weir__base_add_ns(weir_now(), timeout_ns);
    weir__scope_begin(loop, task, &group->scope, flags, deadline_ns);
    group->open_address = __builtin_return_address(0);
    *out_group = group;
    return 0;
}

void weir_group_cancel(weir_group *group, const char *reason)
{
    weir__scope_cancel_level(group->loop, &group->scope, WEIR__LEVEL_CANCEL, WEIR_CANCEL_EXPLICIT,
                             reason, __builtin_return_address(0));
}

size_t weir_group_count(const weir_group *group)
{
    return group->live_count;
}

/* --- members ---------------------------------------------------------------------------------- */

void weir__group_child_started(weir_group *group, weir_task *task)
{
    if (group->unstarted != &task->sibling)
        return; /* begun out of order, in a shuffled test run; found when its turn comes */
    struct weir__list *next = task->sibling.next;
    while (next != &group->members &&
           (WEIR__CONTAINER(next, weir_task, sibling)->flags & WEIR__TASK_STARTED))
        next = next->next;
    group->unstarted = next;
}

/* The last but for services has left, and nobody is on the way in. */
static bool is_over(const weir_group *group)
{
    return ((group->live_count - group->service_count) | group->places_promised | group->holds) ==
           0;
}

static bool is_empty(const weir_group *group)
{
    return group->live_count == 0 && is_over(group);
}

/* The owner that waits for the last to leave goes on, and from here on nothing can be spawned,
 * although it may take a while until the owner runs. So does one that waits for a member to end
 * when one has, or when there is none. */
static bool settle(weir_group *group)
{
    if (group->owner_waits == WEIR__OWNER_GOES_ON)
        return false;
    bool closes = group->owner_waits == WEIR__OWNER_CLOSES;
    if (!is_over(group) && (closes || !weir__keeping_has_next(group)))
        return false;
    if (__builtin_expect(closes && group->live_count > 0, 0)) {
        weir__service_stop_next(group);
        return false;
    }
    group->owner_waits = WEIR__OWNER_GOES_ON;
    group->joined = closes;
    weir__core_wake(group->owner, 0);
    return true;
}

static void hand_over_unstarted(weir_loop *loop, const weir_group *group)
{
    if (group->unstarted != &group->members)
        loop->handover = WEIR__CONTAINER(group->unstarted, weir_task, sibling);
}

/* Within the turn's budget the next of the family goes on at once: a sibling that has not begun,
 * or, when what it waits for is there, the owner. */
static void hand_over(weir_loop *loop, weir_group *group)
{
    if (group->owner_waits == WEIR__OWNER_GOES_ON)
        return;
    if (settle(group))
        loop->handover = group->owner;
    else
        hand_over_unstarted(loop, group);
}

void weir__group_hold(weir_group *group)
{
    group->holds++;
}

void weir__group_release(weir_group *group)
{
    group->holds--;
    settle(group);
}

void weir__group_member_left(weir_group *group)
{
    settle(group);
}

/* --- places in a full group (G10) ------------------------------------------------------------- */

/* On the stack of a spawner. While one is in line the group has no place, so somebody lives in
 * it. */
struct place_waiter {
    struct weir__list link;
    weir_task *task;
    weir_group *group;
};

static bool is_full(const weir_group *group)
{
    return group->live_count + group->places_promised >= group->running_max;
}

static void leave_line(struct place_waiter *waiter, int result)
{
    weir__list_remove(&waiter->link);
    waiter->group->members_blocked_on_place -= waiter->task->group == waiter->group;
    weir__core_wake(waiter->task, result);
}

static void abort_wait(weir_task *task, void *object)
{
    (void)task;
    leave_line(object, -ECANCELED);
}

/* A place that came free belongs to the first in line, not to a newcomer. */
static void offer_place(weir_group *group)
{
    if (weir__list_empty(&group->place_waiters) || is_full(group))
        return;
    group->places_promised++;
    leave_line(WEIR__CONTAINER(group->place_waiters.next, struct place_waiter, link), 0);
}

int weir__group_promise_place(weir_group *group, bool try_only)
{
    weir_task *task = group->loop->current;
    bool may_wait = !try_only && task != NULL;
    int rc = may_wait ? weir__core_checkpoint() : 0;
    if (rc < 0)
        return rc;
    if (!is_full(group)) {
        group->places_promised++; /* ours, also when others run now */
        if (may_wait)
            weir__core_completed_at_once();
        return 0;
    }
    if (!may_wait)
        return -EAGAIN;
    bool member = task->group == group;
    if (member && group->members_blocked_on_place + 1 == group->live_count &&
        group->places_promised == 0)
        return -EDEADLK;
    struct place_waiter waiter = {.task = task, .group = group};
    uint32_t number = group->number;
    weir__list_append(&group->place_waiters, &waiter.link);
    group->members_blocked_on_place += member;
    rc = weir__core_park(WEIR_WAIT_PLACE, &waiter, abort_wait);
    if (rc != -ECANCELED)
        return rc;
    if (group->number == number && !group->joined) /* else it has gone meanwhile */
        weir__policy_fewer_come(group);
    return weir__core_cancelled_result(task);
}

void weir__group_drop_place(weir_group *group)
{
    group->places_promised--;
    offer_place(group);
    weir__policy_fewer_come(group);
    settle(group);
}

/* --- ends ------------------------------------------------------------------------------------- */

static int stray_end(weir_loop *loop, weir_task *task)
{
    loop->strays_count++;
    weir__core_find(&(struct weir__finding){
        .kind = WEIR__FINDING_STRAY,
        .loop = loop,
        .task = task,
        .what = "a task returned -ECANCELED although it is not cancelled; it counts as -EIO"});
    return -EIO;
}

void weir__group_child_ended(weir_loop *loop, weir_task *task, int rc)
{
    weir_group *group = task->group;
    bool cancelled = task->scope.weir__effective >= WEIR__LEVEL_CANCEL;
    weir_outcome_kind kind = WEIR_OUTCOME_OK;
    rc = weir__cleanup_outcome(task, rc);
    if (rc == -ECANCELED && !cancelled)
        rc = stray_end(loop, task);
    if (rc == -ECANCELED)
        kind = WEIR_OUTCOME_CANCELLED;
    else if (rc < 0)
        kind = WEIR_OUTCOME_FAILED;

    if (__builtin_expect(kind != WEIR_OUTCOME_OK || group->policy > WEIR_COLLECT_ALL, 0))
        weir__policy_judge(group, task, kind, rc);
    if (group->ended != NULL)
        group->ended(group, task, kind, rc);
    weir__failure_settle_last(task);

    struct weir__handle *handle = weir__handle_of(task);
    if (__builtin_expect(handle != NULL, 0))
        weir__handle_ended(loop, task, kind, rc);
    if (group->unstarted == &task->sibling)
        group->unstarted = task->sibling.next;
    weir__list_remove(&task->sibling);
    if (__builtin_expect(handle != NULL, 0))
        weir__handle_file(task);
    group->live_count--;
    if (__builtin_expect(task->flags & WEIR__TASK_SERVICE, 0))
        weir__service_ended(group, task);
    offer_place(group);
    hand_over(loop, group);
}

/* --- closing ---------------------------------------------------------------------------------- */

static int may_close(const weir_group *group, const weir_task *task)
{
    if (task == NULL || group->loop != weir__loop)
        return -EPERM;
    if (group->joined) /* its memory is the loop's, and stays until another group needs it */
        return -ESTALE;
    if (group->owner == task)
        return weir__cleanup_runs_in(task, &group->scope) ? -EPERM : 0;
    return task->group == group ? -EDEADLK : -EPERM;
}

/* C8: scopes and groups opened after this one and still open go first. */
static void settle_nesting(weir_group *group, weir_task *task)
{
    if (task->active == &group->scope)
        return;
    weir__core_find(&(struct weir__finding){
        .kind = WEIR__FINDING_MISNESTED,
        .loop = group->loop,
        .task = task,
        .address = group->open_address,
        .what = "closed a group while something opened after it was still open; that goes first"});
    while (task->active != &group->scope) {
        weir_scope *inner = task->active;
        if (inner->weir__flags & WEIR__SCOPE_GROUP) {
            weir_group *other = WEIR__CONTAINER(inner, weir_group, scope);
            weir_group_cancel(other, "closed out of order");
            weir_ignore(weir_group_close(other, 0), "the finding above tells");
        } else {
            weir_ignore(weir_scope_leave(inner, 0), "the finding above tells");
        }
    }
}

/* G6. */
static int judge_body(weir_loop *loop, weir_group *group, weir_task *task, int rc)
{
    if (rc >= 0)
        return rc;
    bool cancelled = group->scope.weir__effective >= WEIR__LEVEL_CANCEL;
    bool refused = rc == -ESHUTDOWN && group->body_refused; /* by this group: that is a cut */
    if (cancelled && (rc == -ECANCELED || refused))
        return -ECANCELED;
    if (rc == -ECANCELED)
        rc = stray_end(loop, task);
    weir__policy_body_failed(group, task, rc);
    return rc;
}

static void join(weir_loop *loop, weir_group *group)
{
    if (is_empty(group)) {
        group->joined = true; /* before others can run */
        weir__core_completed_at_once();
        return;
    }
    group->owner_waits = WEIR__OWNER_CLOSES;
    if (__builtin_expect(group->service_count > 0, 0))
        settle(group); /* maybe nobody else is left */
    hand_over_unstarted(loop, group);
    weir__core_park(WEIR_WAIT_GROUP, group, NULL);
    assert(is_empty(group) && group->joined);
}

int weir__group_close_at(weir_group *group, int rc, weir_failures **out_failures,
                         const void *address)
{
    if (out_failures != NULL)
        *out_failures = NULL;
    if (group == NULL)
        return rc;
    weir_task *task = weir__core_task();
    int allowed = may_close(group, task);
    if (allowed < 0)
        return allowed;
    weir_loop *loop = weir__loop;
    settle_nesting(group, task);
    rc = judge_body(loop, group, task, rc);
    if (weir__cleanup_late_code(task, &group->scope) < 0)
        weir__policy_body_failed(group, task, 0);
    weir__failure_settle_last(task);
    bool has_goal = group->policy > WEIR_COLLECT_ALL && group->policy < WEIR_SUPERVISE;
    if (has_goal)
        weir__policy_body_done(group, rc);
    join(loop, group);
    if (__builtin_expect(group->scope.weir__flags & WEIR__SCOPE_DEFERS, 0))
        weir__cleanup_end_group(loop, task, group);
    if (group->keeping != NULL)
        weir__keeping_release(loop, group);
    if (__builtin_expect(group->supervision != NULL, 0))
        weir__supervise_free(loop, group->supervision);
    if (has_goal)
        rc = weir__policy_settle(group, rc, address);

    /* G5: a failure beats a cancellation beats the body's code. The scope is left in every case. */
    bool cut = rc == -ECANCELED || group->cancelled_count > 0;
    int first_code = group->first_code;
    int left = weir__scope_end(loop, task, &group->scope, first_code == 0 && cut ? -ECANCELED : rc,
                               address);
    if (first_code != 0)
        left = first_code;

    if (group->failed)
        weir__failures_deliver(group, task, out_failures);
    weir__group_discard(loop, group);
    return left;
}

int weir_group_close(weir_group *group, int rc)
{
    return weir__group_close_at(group, rc, NULL, __builtin_return_address(0));
}

int weir_group_close_failures(weir_group *group, int rc, weir_failures **out_failures)
{
    return weir__group_close_at(group, rc, out_failures, __builtin_return_address(0));
}

/* --- one after another (G13) ------------------------------------------------------------------ */

static void abort_next(weir_task *task, void *object)
{
    weir_group *group = object;
    group->owner_waits = WEIR__OWNER_GOES_ON;
    weir__core_wake(task, -ECANCELED);
}

int weir_group_next(weir_group *group, weir_outcome *out_outcome)
{
    if (group == NULL)
        return -EINVAL;
    weir_task *task = weir__core_task();
    int rc = may_close(group, task);
    if (rc < 0)
        return rc;
    if (group->keeping == NULL || !group->keeping->all)
        return -EINVAL;
    rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    weir__keeping_release_given(weir__loop, group);
    bool waited = false;
    while (!weir__keeping_has_next(group)) {
        if (is_over(group))
            return -ENOENT;
        group->owner_waits = WEIR__OWNER_WANTS_NEXT;
        hand_over_unstarted(weir__loop, group);
        rc = weir__core_park(WEIR_WAIT_NEXT, group, abort_next);
        if (rc < 0)
            return weir__core_cancelled_result(task);
        waited = true; /* and what was there may have been forgotten meanwhile */
    }
    weir__keeping_give_next(group, out_outcome);
    if (!waited)
        weir__core_completed_at_once();
    return 0;
}
