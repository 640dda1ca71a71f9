/*
 * gather.c - several calls side by side, one outcome each
 *
 * A group with a hook: each member's argument is its slot, which knows the position.
 */
#include "base/alloc.h"
#include "core/core.h"
#include "core/handle.h"
#include "core/task.h"

struct gather {
    weir_outcome *outcomes; /* by position; NULL: nobody asked */
    size_t failed_count;
    size_t cancelled_alone_count;
    struct gather_slot *slots;
};

struct gather_slot {
    weir_task_fn *fn;
    void *arg;
    struct gather *gather;
    size_t position;
};

static int run_call(void *arg)
{
    struct gather_slot *slot = arg;
    return slot->fn(slot->arg);
}

static void note_outcome(weir_group *group, weir_task *task, weir_outcome_kind kind, int rc,
                         const struct weir__detail *detail)
{
    (void)detail;
    struct gather_slot *slot = task->arg;
    struct gather *gather = slot->gather;
    task->fn = slot->fn; /* reports speak of the call, not of our trampoline */
    gather->failed_count += kind == WEIR_OUTCOME_FAILED;
    if (kind == WEIR_OUTCOME_CANCELLED && group->scope.weir__effective < WEIR__LEVEL_CANCEL)
        gather->cancelled_alone_count++;
    if (gather->outcomes == NULL)
        return;
    weir__outcome_set(&gather->outcomes[slot->position], group->loop, task, kind, rc);
}

static int spawn_all(weir_group *group, struct gather *gather, const weir_call *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        gather->slots[i] = (struct gather_slot){calls[i].fn, calls[i].arg, gather, i};
        int rc = weir_spawn(group, run_call, &gather->slots[i]);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int weir_gather(weir_policy policy, const weir_call *calls, size_t count,
                weir_outcome *out_outcomes)
{
    if (policy == WEIR_COLLECT_ALL && out_outcomes == NULL && count > 0)
        return -EINVAL;
    if (weir__core_task() == NULL)
        return -EPERM;
    if (count == 0)
        return 0;
    for (size_t i = 0; out_outcomes != NULL && i < count; i++)
        out_outcomes[i] = (weir_outcome){.kind = WEIR_OUTCOME_CANCELLED, .rc = -ECANCELED};
    int rc = weir__core_checkpoint(); /* nothing parks from here to the close: all are spawned */
    if (rc < 0)
        return rc;
    struct gather gather = {.outcomes = out_outcomes};
    gather.slots = weir__base_alloc_array(count, sizeof *gather.slots);
    if (gather.slots == NULL)
        return -ENOMEM;

    weir_group *group;
    rc = weir_group_open(&group, &(weir_group_options){.policy = policy, .name = "gather"});
    if (rc < 0)
        goto free_slots;
    group->ended = note_outcome;
    rc = spawn_all(group, &gather, calls, count);
    if (policy == WEIR_COLLECT_ALL) {
        weir_failures *failures;
        int spawned = rc;
        rc = weir_group_close_failures(group, rc, &failures);
        weir_failures_free(failures); /* every one of them is in an outcome */
        bool cut = rc == -ECANCELED || spawned < 0;
        rc = cut ? rc : (int)gather.failed_count;
    } else {
        rc = weir_group_close(group, rc);
        weir_failures *failures = weir__core_task()->last_failures;
        if (failures != NULL && out_outcomes != NULL)
            failures->inspected = true; /* as above; they stay as causes of what is returned next */
        if (rc == 0 && gather.cancelled_alone_count > 0)
            rc = weir_fail(-ECHILD, "a call of the gather was cancelled alone");
    }

free_slots:
    weir__base_free(gather.slots);
    return rc;
}
