/*
 * model_group.c - the model, see model.h: groups, their places and goals
 *
 * Runs on  one thread.
 */
#include "tests/core/model/inside.h"

/* --- groups ----------------------------------------------------------------------------------- */

int open_group(int at, const struct statement *s)
{
    memset(&model.groups[at], 0, sizeof model.groups[at]);
    memset(&model.scopes[at], 0, sizeof model.scopes[at]);
    model.groups[at].owner = model.current;
    model.groups[at].options = s;
    model.groups[at].to_come = NONE;
    model.groups[at].stopping = NONE;
    model.groups[at].given = NONE;
    model.sets[at] = (struct set){0};
    model.scopes[at].is_group = true;
    model.scopes[at].is_timeout = s->ns != 0;
    push_scope(at, model.current, s->ns == 0 ? WEIR_NEVER : deadline_in(s->ns));
    return 0;
}

/* G3. */
int may_spawn(int at)
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
void offer_place(struct group *group)
{
    if (group->line_count == 0 || is_full(group))
        return;
    int task = group->line[0];
    group->promised++;
    list_remove(group->line, &group->line_count, task);
    wake(task, 0);
}

int normal_count(const struct group *group)
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
static bool is_over(const struct group *group)
{
    return normal_count(group) == 0 && group->promised == 0 && group->holds == 0;
}

bool settle(struct group *group)
{
    if (group->owner_wants_next && (group->ended_count > 0 || is_over(group))) {
        group->owner_wants_next = false;
        wake(group->owner, 0);
        return true;
    }
    if (!group->owner_waits || !is_over(group))
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

/* P5: somebody who was on the way in, or stood in line, will not come. */
static void fewer_come(int at)
{
    const struct group *group = &model.groups[at];
    bool open = has_goal(group) && group->goal == OPEN && !is_cancelled(at);
    if (open && out_of_reach(group, normal_count(group)))
        decide(at, LOST);
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
    rc = block(WAITS_FOR_PLACE);
    if (rc < 0 && !group->joined)
        fewer_come(at);
    return rc;
}

void add_task(int group, int at)
{
    struct group *g = &model.groups[group];
    model.tasks[at] = (struct task){.group = group,
                                    .scopes = {at},
                                    .depth = 1,
                                    .budget = BUDGET,
                                    .said_by = NONE,
                                    .last_set = NONE,
                                    .causes = NONE,
                                    .own_result = NONE};
    model.scopes[at] =
        (struct scope){.active = true, .parent = group, .task = at, .deadline_ns = WEIR_NEVER};
    inherit_locals(at);
    g->members[g->member_count++] = at;
    make_ready(at);
}

int spawn(int at, int task, const struct statement *s)
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
    model.tasks[task].asked_for = s->keep || s->handled;
    model.tasks[task].kept = model.tasks[task].asked_for || group->options->keeps_outcomes;
    model.tasks[task].handled = s->handled;
    model.tasks[task].service = model.scopes[task].is_shield = s->service;
    model.tasks[task].cleanup_ns = s->cleanup_ns;
    if (s->service)
        settle(&model.groups[at]); /* its place may have been what kept the others alive */
    return 0;
}

/* --- starting --------------------------------------------------------------------------------- */

static void drop_place(int at)
{
    struct group *group = &model.groups[at];
    group->promised--;
    offer_place(group);
    fewer_come(at);
    settle(group);
}

/* G11: the place that keeps the group open meanwhile. */
static int promise_place(int at, const struct statement *s)
{
    struct group *group = &model.groups[at];
    int rc = may_spawn(at);
    if (rc < 0)
        return rc;
    if (group->options->running_max == 0) {
        rc = checkpoint();
        if (rc == 0)
            rc = may_spawn(at);
        group->promised += rc == 0;
        return rc;
    }
    rc = take_place(at, s->try_only);
    if (rc < 0)
        return rc;
    rc = may_spawn(at); /* others may have run meanwhile */
    if (rc < 0)
        drop_place(at);
    return rc;
}

/* G11: until it has started it is a member of a group that its caller opens and closes. */
int start(int at, int task, const struct statement *s, int *out_value)
{
    static const struct statement own_options = {.verb = GROUP};
    int own = START_OF + task;
    int rc = promise_place(at, s);
    if (rc < 0)
        return rc;
    open_group(own, &own_options);
    rc = may_spawn(own);
    if (rc == 0) {
        add_task(own, task);
        model.tasks[task].start = s;
        model.tasks[task].kept = s->keep || s->handled || model.groups[at].options->keeps_outcomes;
        model.tasks[task].cleanup_ns = s->cleanup_ns;
    }
    rc = close_group(own, rc, NULL);
    if (model.tasks[task].has_started) {
        *out_value = model.tasks[task].start_value;
        return 0;
    }
    drop_place(at);
    if (rc < 0)
        return rc;
    return here_cancelled() ? -ECANCELED : fail(-EPROTO, NONE);
}

int started(int by)
{
    struct task *task = self();
    if (task->start == NULL) {
        model.counts->others += task->has_started;
        return -EINVAL;
    }
    if (is_cancelled(model.current) || here_cancelled())
        return -ECANCELED;
    const struct statement *s = task->start;
    struct group *from = &model.groups[task->group], *to = &model.groups[s->target];
    task->start = NULL;
    task->has_started = true;
    task->start_value = by;
    list_remove(from->members, &from->member_count, model.current);
    to->members[to->member_count++] = model.current;
    to->promised--;
    task->group = s->target;
    task->service = model.scopes[model.current].is_shield = s->service;
    task->handled = s->handled;
    task->asked_for = s->keep || s->handled;
    model.scopes[model.current].parent = s->target;
    abort_waits_below(model.current);
    settle(from);
    if (s->service)
        settle(to);
    return 0;
}

int cancel_task(int task, int by)
{
    if (model.tasks[task].state == NO_TASK)
        return -ESTALE;
    cancel(task, by);
    return 0;
}

/* --- goals: P3 to P5 -------------------------------------------------------------------------- */

bool has_goal(const struct group *group)
{
    return group->options->policy > WEIR_COLLECT_ALL;
}

int wanted(const struct group *group)
{
    return group->options->policy == WEIR_QUORUM ? group->options->quorum : 1;
}

void decide(int at, enum goal goal)
{
    model.groups[at].goal = goal;
    if (goal == WON)
        model.groups[at].first_code = 0; /* what failed is absorbed */
    cancel_because(at, WEIR_CANCEL_JOIN_POLICY, model.current, NONE);
}

/* Those that live, wait for a place or are on their way in are too few, and no more can come. */
bool out_of_reach(const struct group *group, int live_count)
{
    return group->to_come != NONE && group->line_count == 0 &&
           group->success_count + live_count + group->promised + group->to_come < wanted(group);
}

void judge_goal(int at, weir_outcome_kind kind, bool alone, bool service)
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
int settle_goal(struct group *group, int rc)
{
    if (group->goal == WON) {
        group->cancelled_count = 0;
        return rc == -ECANCELED ? 0 : rc;
    }
    if (group->cancelled_count > 0 || group->first_code != 0)
        return rc;
    return fail(group->cancelled_alone ? -ECHILD : -EINVAL, NONE);
}

/* --- one after another ------------------------------------------------------------------------ */

static void release_given(struct group *group)
{
    if (group->given != NONE)
        release_record(group->given);
    group->given = NONE;
}

/* G13. */
int next_member(int at, struct outcome_note *out_outcome)
{
    struct group *group = &model.groups[at];
    int rc = may_close(at);
    if (rc == 0 && !group->options->keeps_outcomes)
        rc = -EINVAL;
    if (rc == 0)
        rc = checkpoint();
    if (rc < 0)
        return rc;
    release_given(group);
    bool waited = false;
    while (group->ended_count == 0) {
        if (is_over(group))
            return -ENOENT;
        group->owner_wants_next = true;
        if (first_unstarted(group) != NONE)
            model.handover = first_unstarted(group);
        self()->waits_in = at;
        self()->aborts = 0;
        rc = block(WAITS_FOR_NEXT);
        if (rc < 0)
            return rc;
        waited = true;
    }
    int task = group->ended[0];
    list_remove(group->ended, &group->ended_count, task);
    *out_outcome = model.tasks[task].outcome;
    model.tasks[task].outcome_given = true;
    if (model.tasks[task].asked_for)
        group->kept[group->kept_count++] = task;
    else
        group->given = task;
    if (!waited)
        completed_at_once();
    return 0;
}
