/*
 * calls.c - see calls.h
 */
#include "core/calls.h"

#include "core/handle.h"
#include "core/task.h"

static weir_call call_at(const struct weir__calls *calls, size_t position)
{
    if (calls->list != NULL)
        return calls->list[position];
    return (weir_call){calls->fn, calls->items + position * calls->item_bytes};
}

static int run_call(void *position)
{
    weir_task *task = weir__core_task();
    struct weir__calls *calls = task->group->ended_arg;
    weir_call call = call_at(calls, (uintptr_t)position);
    task->fn = call.fn; /* reports speak of the call, not of this */
    return call.fn(call.arg);
}

/* From the task, which is about to destroy it, into the outcome. */
static void move_result(weir_task *task, weir_outcome *outcome)
{
    struct weir__handle *handle = weir__handle_of(task);
    if (handle == NULL)
        return;
    outcome->result = handle->result;
    outcome->destroy = handle->destroy;
    handle->result = NULL;
}

static void note_end(weir_group *group, weir_task *task, weir_outcome_kind kind, int rc)
{
    struct weir__calls *calls = group->ended_arg;
    size_t position = (uintptr_t)task->arg;
    calls->failed_count += kind == WEIR_OUTCOME_FAILED;
    calls->cancelled_alone = group->cancelled_alone;
    bool wanted = calls->ended == NULL || calls->ended(calls, group, position, kind);
    if (calls->outcomes == NULL)
        return;
    weir_outcome *outcome = &calls->outcomes[position];
    weir__outcome_set(outcome, group->loop, task, kind, rc);
    if (kind == WEIR_OUTCOME_OK && wanted)
        move_result(task, outcome);
}

int weir__calls_open(struct weir__calls *calls, const weir_group_options *options,
                     weir_group **out_group)
{
    for (size_t i = 0; calls->outcomes != NULL && i < calls->count; i++)
        calls->outcomes[i] = (weir_outcome){.kind = WEIR_OUTCOME_CANCELLED, .rc = -ECANCELED};
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    weir_group *group;
    rc = weir_group_open(&group, options);
    if (rc < 0)
        return rc;
    group->ended = note_end;
    group->ended_arg = calls;
    *out_group = group;
    return 0;
}

int weir__calls_spawn(struct weir__calls *calls, weir_group *group, size_t position)
{
    return weir__task_spawn_at(group, run_call, (void *)(uintptr_t)position, calls->address);
}

int weir__calls_spawn_all(struct weir__calls *calls, weir_group *group)
{
    int rc = 0;
    for (size_t i = 0; i < calls->count && rc == 0; i++)
        rc = weir__calls_spawn(calls, group, i);
    return rc;
}

int weir__calls_close(struct weir__calls *calls, weir_group *group, int rc)
{
    rc = weir__group_close_at(group, rc, NULL, calls->address);
    weir_failures *failures = weir__core_task()->last_failures;
    if (failures != NULL && calls->outcomes != NULL)
        failures->inspected = true;
    return rc;
}

int weir__calls_done(struct weir__calls *calls, int rc)
{
    if (rc < 0 && calls->outcomes != NULL)
        weir_outcomes_release(calls->outcomes, calls->count);
    return rc;
}

void weir_outcomes_release(weir_outcome *outcomes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        void *result = outcomes[i].result;
        outcomes[i].result = NULL;
        weir__result_destroy(weir__loop, result, outcomes[i].destroy);
    }
}
