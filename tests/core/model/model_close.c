/*
 * model_close.c - the model, see model.h: ends of members and of groups, gather and race
 *
 * Runs on  one thread.
 */
#include "tests/core/model/inside.h"

/* --- the end of a member ---------------------------------------------------------------------- */

/* P1 to P5, P8, L2: what it means for the others. */
static void judge_member(int at, weir_outcome_kind kind, int rc)
{
    struct task *task = &model.tasks[at];
    struct group *group = &model.groups[task->group];
    bool alone = false, failed = kind == WEIR_OUTCOME_FAILED;
    if (failed && task->handled && task->came_well) {
        return_set(task, take_late(task));
    }
    int first_code = group->first_code, first_own = model.sets[task->group].count;
    if (failed && task->handled) {
        task->failure_stays = true;
        task->causes = claim_causes(task, rc);
        group->cancelled_alone = true;
    } else if (failed && !task->came_well) {
        add_failure(task->group, task->start == NULL ? WEIR_FAILURE_CHILD : WEIR_FAILURE_START, at,
                    rc);
    }
    bool fails_group = (failed && !task->handled) || task->late_count > 0;
    if (task->late_count > 0)
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
void end_task(int at, int rc)
{
    struct task *task = &model.tasks[at];
    if (has_deferred(task, at)) {
        run_deferred(at, rc >= 0);
        if (model.sets[at].count > 0)
            keep_late(task, at);
    }
    struct group *group = &model.groups[task->group]; /* it may have started just now */
    if (rc >= 0 && task->late_count > 0) {            /* L2 */
        task->came_well = true;
        rc = model.sets[task->late[0]].failures[0].code;
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
    if (task->kept && group->options->keeps_outcomes)
        group->ended[group->ended_count++] = at;
    else if (task->kept)
        group->kept[group->kept_count++] = at;
    else
        release_record(at);
    release_locals(at);
    offer_place(group);
    if (!group->owner_waits && !group->owner_wants_next)
        return;
    if (settle(group)) /* T1: and an owner goes on at once */
        model.handover = group->owner;
    else if (first_unstarted(group) != NONE)
        model.handover = first_unstarted(group);
}

/* Whether the task runs what was deferred in a scope inside this one. */
static bool cleans_up_in(int scope)
{
    const struct task *task = self();
    for (int i = task->depth - 1; task->scopes[i] != scope; i--)
        if (task->scopes[i] >= SHIELD_OF && task->scopes[i] < START_OF)
            return true;
    return false;
}

/* G4, L1: what is deferred is not the body. */
int may_close(int at)
{
    const struct group *group = &model.groups[at];
    if (group->joined)
        return -ESTALE;
    if (group->owner == model.current)
        return cleans_up_in(at) ? -EPERM : 0;
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
int close_group(int at, int rc, struct failure_notes *out_notes)
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
    if (group->member_count == 0 && group->promised == 0 && group->holds == 0) {
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
    for (int i = 0; i < group->ended_count; i++)
        release_record(group->ended[i]);
    if (group->given != NONE)
        release_record(group->given);
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

int run_calls(int at, const struct statement *s, const int *tasks, int count,
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
