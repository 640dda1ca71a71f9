/*
 * policy.c - what the end of a member means for the rest of its group
 *
 * Every policy answers two questions here, and nowhere else: when a member has ended, does the
 * group go on (weir__policy_judge), and when all have ended, what does its close return
 * (weir__policy_settle). A group of WEIR_FAIL_FAST or WEIR_COLLECT_ALL asks only about members that
 * failed or were cut; the policies with a goal also about those that did well.
 *
 * A goal is open until it is won (enough members did well) or lost (that cannot happen any more, or
 * the body failed). Deciding it cancels the group; what its members come to from then on changes
 * nothing. Failures of a goal that was won are absorbed: they stay in the set until close, and
 * count as handled (F6).
 *
 * Runs on  the loop's own thread.
 * Holds    1. A goal is decided at most once.
 *          2. first_code of a group whose goal is won is the body's, or 0.
 */
#include "core/handle.h"

enum { WIDEST_QUORUM = 1 << 24 }; /* no loop has more tasks */

int weir__policy_check(const weir_group_options *options)
{
    if ((unsigned)options->policy > WEIR_SUPERVISE)
        return -EINVAL;
    if (options->policy == WEIR_SUPERVISE)
        return weir__supervise_check(&options->supervise);
    bool counts = options->policy == WEIR_QUORUM;
    bool possible = options->quorum > 0 && options->quorum <= WIDEST_QUORUM;
    return counts && !possible ? -EINVAL : 0;
}

void weir__policy_init(weir_group *group, const weir_group_options *options)
{
    group->quorum = options->policy == WEIR_QUORUM ? (uint32_t)options->quorum : 1;
    group->to_come = WEIR__TO_COME_UNKNOWN;
}

static void cancel_group(weir_group *group, weir_cancel_kind kind, const char *reason)
{
    weir__scope_cancel_level(group->loop, &group->scope, WEIR__LEVEL_CANCEL, kind, reason, NULL);
}

/* --- goals ------------------------------------------------------------------------------------ */

static void win(weir_group *group)
{
    group->goal = WEIR__GOAL_WON;
    group->first_code = 0; /* what failed until now is absorbed */
    cancel_group(group, WEIR_CANCEL_JOIN_POLICY, "its group has what it wanted");
}

static void lose(weir_group *group)
{
    group->goal = WEIR__GOAL_LOST;
    cancel_group(group, WEIR_CANCEL_JOIN_POLICY, "its group cannot get what it wanted any more");
}

/* P5: whether those that live, are on their way in, or are still to come are too few. */
static bool out_of_reach(const weir_group *group, size_t live_count)
{
    if (group->to_come == WEIR__TO_COME_UNKNOWN || !weir__list_empty(&group->place_waiters))
        return false;
    return group->success_count + live_count + group->places_promised + group->to_come <
           group->quorum;
}

/* L2: the record of what the task returned, then those of its cleanup. */
static void add_failures(weir_group *group, weir_task *task, weir_outcome_kind kind, int rc)
{
    int first_code = group->first_code;
    if (kind == WEIR_OUTCOME_FAILED && !weir__cleanup_came_well(task))
        weir__failure_add(group, group->start == NULL ? WEIR_FAILURE_CHILD : WEIR_FAILURE_START,
                          task, rc);
    weir__cleanup_hand_in(group, task, &task->scope);
    if (group->goal == WEIR__GOAL_WON)
        group->first_code = first_code;
}

static void judge_goal(weir_group *group, weir_outcome_kind kind, bool alone, bool service)
{
    if (group->goal != WEIR__GOAL_OPEN)
        return;
    size_t left = group->live_count - group->service_count - !service; /* it is alive still */
    bool ends_it = group->policy == WEIR_FIRST_DONE && (kind == WEIR_OUTCOME_FAILED || alone);
    if (kind == WEIR_OUTCOME_OK && ++group->success_count == group->quorum)
        win(group);
    else if (ends_it || out_of_reach(group, left))
        lose(group);
}

void weir__policy_fewer_come(weir_group *group)
{
    bool has_goal = group->policy > WEIR_COLLECT_ALL && group->policy < WEIR_SUPERVISE;
    bool open = group->goal == WEIR__GOAL_OPEN && group->scope.weir__effective < WEIR__LEVEL_CANCEL;
    if (has_goal && open && out_of_reach(group, group->live_count - group->service_count))
        lose(group);
}

/* --- the questions ---------------------------------------------------------------------------- */

void weir__policy_judge(weir_group *group, weir_task *task, weir_outcome_kind kind, int rc)
{
    if (group->policy == WEIR_SUPERVISE) {
        weir__supervise_judge(group, task, kind, rc);
        return;
    }
    bool alone = false;
    bool service = task->flags & WEIR__TASK_SERVICE; /* counts for failures only */
    if (weir__cleanup_came_well(task) && weir__handle_handles(task))
        weir__cleanup_become_causes(task);
    bool late = weir__cleanup_late_code(task, &task->scope) < 0;
    bool stays = kind == WEIR_OUTCOME_FAILED && weir__handle_takes_failure(task, rc);
    bool failed = (kind == WEIR_OUTCOME_FAILED && !stays) || late;
    if (failed)
        add_failures(group, task, stays ? WEIR_OUTCOME_OK : kind, rc);
    if (stays) {
        group->cancelled_alone = true;
    } else if (kind == WEIR_OUTCOME_CANCELLED && !service) {
        alone = group->scope.weir__effective < WEIR__LEVEL_CANCEL;
        group->cancelled_alone |= alone;
        group->cancelled_count += !alone && group->goal == WEIR__GOAL_OPEN;
    }
    if (group->policy > WEIR_COLLECT_ALL && (!service || kind == WEIR_OUTCOME_FAILED))
        judge_goal(group, kind, alone, service);
    else if (group->policy == WEIR_FAIL_FAST && failed)
        cancel_group(group, WEIR_CANCEL_SIBLING_FAILED, "a failure in its group");
}

void weir__policy_make_room(weir_group *group)
{
    if (group->goal == WEIR__GOAL_WON && group->first_code == 0) /* else the body's is there */
        weir__failures_absorb(group);
}

void weir__policy_body_failed(weir_group *group, weir_task *task, int rc)
{
    weir__policy_make_room(group);
    if (rc < 0)
        weir__failure_add(group, WEIR_FAILURE_BODY, task, rc);
    weir__cleanup_hand_in(group, task, &group->scope);
    if (group->goal == WEIR__GOAL_OPEN)
        group->goal = WEIR__GOAL_LOST;
    cancel_group(group, WEIR_CANCEL_BODY_FAILED, "a failure in its group");
}

void weir__policy_body_done(weir_group *group, int rc)
{
    group->to_come = 0;
    if (group->goal != WEIR__GOAL_OPEN)
        return; /* what cut the body was the decision */
    group->cancelled_count += rc == -ECANCELED;
    if (out_of_reach(group, group->live_count - group->service_count))
        lose(group);
}

/* G5 (b), P3-P5. */
int weir__policy_settle(weir_group *group, int rc, const void *address)
{
    if (group->goal == WEIR__GOAL_WON) {
        group->cancelled_count = 0;
        return rc == -ECANCELED ? 0 : rc;
    }
    if (group->cancelled_count > 0 || group->first_code != 0)
        return rc;
    if (group->cancelled_alone)
        return weir__failure_say(-ECHILD, address, "what was wanted of the group was cancelled");
    return weir__failure_say(-EINVAL, address, "the group had fewer tasks than were wanted of it");
}
