/*
 * handle.c - results, outcomes, and waiting for one task: see handle.h
 *
 * Callbacks and destructors are code of the user that runs in the middle of the scheduler's: on the
 * stack of the task that ends, with `current` unset, so that every checkpoint in them says -EPERM
 * instead of parking (K2). They may call anything else, these functions included: whatever is done
 * after one looks at the record again.
 *
 * Runs on  the loop's own thread.
 */
#include "core/handle.h"

#include <string.h>

#include "base/alloc.h"
#include "core/observe.h"
#include "core/task.h"

/* --- records ---------------------------------------------------------------------------------- */

static struct weir__handle *handle_new(void)
{
    struct weir__handle *handle = weir__base_alloc_zero(sizeof *handle);
    if (handle == NULL)
        return NULL;
    weir__list_init(&handle->waiters);
    weir__list_init(&handle->callbacks);
    return handle;
}

struct weir__handle *weir__handle_made(weir_task *task)
{
    struct weir__extra *extra = weir__task_extra(task);
    if (extra != NULL && extra->handle == NULL)
        extra->handle = handle_new();
    return extra == NULL ? NULL : extra->handle;
}

struct weir__keeping *weir__keeping_of(weir_group *group)
{
    if (group->keeping != NULL)
        return group->keeping;
    group->keeping = weir__base_alloc_zero(sizeof *group->keeping);
    if (group->keeping == NULL)
        return NULL;
    weir__list_init(&group->keeping->ended);
    weir__list_init(&group->keeping->kept);
    weir__list_init(&group->keeping->given);
    return group->keeping;
}

int weir__handle_prepare(weir_group *group, const weir_spawn_options *options,
                         struct weir__extra *extra)
{
    if (weir__keeping_of(group) == NULL)
        return -ENOMEM;
    extra->handle = handle_new();
    if (extra->handle == NULL)
        return -ENOMEM;
    extra->handle->kept = true;
    extra->handle->asked_for = options != NULL && (options->keep || options->handled);
    extra->handle->handled = options != NULL && options->handled;
    return 0;
}

/* --- what must not park ----------------------------------------------------------------------- */

void weir__result_destroy(weir_loop *loop, void *result, weir_destroy_fn *destroy)
{
    if (result == NULL || destroy == NULL)
        return;
    if (loop == NULL) {
        destroy(result);
        return;
    }
    struct weir__outside before = weir__core_go_outside(loop, NULL);
    destroy(result);
    weir__core_come_back(loop, before);
}

static void destroy_result(weir_loop *loop, struct weir__handle *handle)
{
    void *result = handle->result;
    handle->result = NULL;
    weir__result_destroy(loop, result, handle->destroy);
}

/* --- failures that stay with their record (P8) ------------------------------------------------ */

bool weir__handle_takes_failure(weir_task *task, int rc)
{
    struct weir__handle *handle = weir__handle_of(task);
    if (handle == NULL || !handle->handled)
        return false;
    weir_loop *loop = task->group->loop;
    loop->failures_created++;
    handle->owed = true;
    handle->causes = weir__failure_claim_causes(task, rc);
    return true;
}

/* Somebody was given the outcome, or it is told now; in the loop's books it is one or the other. */
static void settle_failure(weir_loop *loop, weir_task *task, struct weir__handle *handle)
{
    if (!handle->owed)
        return;
    handle->owed = false;
    weir_failures *causes = handle->causes;
    handle->causes = NULL;
    if (handle->seen) {
        loop->failures_handled++;
        weir__failures_release(causes);
    } else {
        weir__failure_report(task, WEIR_FAILURE_CHILD, handle->outcome.rc, causes,
                             "a failure was left with its record, and nobody asked for it");
    }
}

/* --- the end of a task ------------------------------------------------------------------------ */

struct task_waiter {
    struct weir__list link;
    weir_outcome *out; /* NULL: not asked for */
    weir_task *task;
};

void weir__outcome_set(weir_outcome *out, weir_loop *loop, weir_task *task, weir_outcome_kind kind,
                       int rc)
{
    out->kind = kind;
    out->rc = rc;
    out->message[0] = '\0';
    out->task = weir__core_task_id(loop, task);
    const struct weir__detail *detail = weir__failure_detail(task, rc);
    if (detail == NULL)
        return;
    size_t size = strnlen(detail->message, sizeof out->message - 1);
    memcpy(out->message, detail->message, size);
    out->message[size] = '\0';
}

void weir__handle_seen(struct weir__handle *handle)
{
    handle->seen = true;
    if (handle->failure == NULL || handle->failure->settled)
        return;
    handle->failure->settled = true;
    weir__loop->failures_handled++;
}

static void give_outcome(struct weir__handle *handle, weir_outcome *out)
{
    if (out == NULL)
        return;
    *out = handle->outcome;
    weir__handle_seen(handle);
}

/* The record that the task's failure has in its group's set, before those of its cleanup. The first
 * of a set is delivered by the close; groups with a goal settle theirs themselves. */
static struct weir__failure_record *failure_of(const weir_group *group, weir_task_id id)
{
    if (group->policy > WEIR_COLLECT_ALL || group->failures == NULL)
        return NULL;
    struct weir__failure_record *record = group->failures->last;
    if (record == NULL || record->public.task != id)
        return NULL;
    while (record->prev != NULL && record->prev->public.task == id)
        record = record->prev;
    return record->prev == NULL ? NULL : record;
}

static void wake_waiters(struct weir__handle *handle)
{
    struct weir__list *node;
    while ((node = weir__list_take_first(&handle->waiters)) != NULL) {
        struct task_waiter *waiter = WEIR__CONTAINER(node, struct task_waiter, link);
        give_outcome(handle, waiter->out);
        weir__core_wake(waiter->task, 0);
    }
}

/* Nobody can ask for it any more. */
static void dispose(weir_loop *loop, weir_task *task, struct weir__handle *handle)
{
    settle_failure(loop, task, handle);
    destroy_result(loop, handle);
}

void weir__handle_ended(weir_loop *loop, weir_task *task, weir_outcome_kind kind, int rc)
{
    struct weir__handle *handle = weir__handle_of(task);
    weir__outcome_set(&handle->outcome, loop, task, kind, rc);
    handle->ended = true;
    if (kind == WEIR_OUTCOME_FAILED && !handle->owed)
        handle->failure = failure_of(task->group, handle->outcome.task);
    if (kind != WEIR_OUTCOME_OK)
        destroy_result(loop, handle);
    weir__callbacks_run(loop, task);
    wake_waiters(handle);
    if (!handle->kept)
        dispose(loop, task, handle);
}

void weir__handle_file(weir_task *task)
{
    struct weir__keeping *keeping = task->group->keeping;
    if (weir__handle_of(task)->kept)
        weir__list_append(keeping->all ? &keeping->ended : &keeping->kept, &task->sibling);
}

static void release_record(weir_loop *loop, weir_task *task)
{
    weir__list_remove(&task->sibling);
    /* Not DONE any more: what runs now may forget it once more. */
    loop->hot[task->index].state = WEIR_TASK_FINISHING;
    dispose(loop, task, weir__handle_of(task));
    weir__task_release(loop, task);
}

static void release_all(weir_loop *loop, struct weir__list *records)
{
    while (!weir__list_empty(records))
        release_record(loop, WEIR__CONTAINER(records->next, weir_task, sibling));
}

void weir__keeping_release_given(weir_loop *loop, weir_group *group)
{
    release_all(loop, &group->keeping->given);
}

void weir__keeping_give_next(weir_group *group, weir_outcome *out_outcome)
{
    struct weir__keeping *keeping = group->keeping;
    struct weir__list *node = weir__list_take_first(&keeping->ended);
    struct weir__handle *handle = weir__handle_of(WEIR__CONTAINER(node, weir_task, sibling));
    give_outcome(handle, out_outcome);
    weir__list_append(handle->asked_for ? &keeping->kept : &keeping->given, node);
}

void weir__keeping_release(weir_loop *loop, weir_group *group)
{
    struct weir__keeping *keeping = group->keeping;
    weir__list_splice(&keeping->kept, &keeping->ended);
    weir__list_splice(&keeping->kept, &keeping->given);
    release_all(loop, &keeping->kept);
    group->keeping = NULL;
    weir__base_free(keeping);
}

/* --- asking ----------------------------------------------------------------------------------- */

int weir__handle_find(weir_task_id id, weir_task **out_task)
{
    weir_loop *loop = weir__loop;
    if (!weir__core_owns_id(loop, id))
        return -EPERM;
    weir_task *task = weir__core_record_by_id(loop, id);
    if (task == NULL)
        return -ESTALE;
    *out_task = task;
    return 0;
}

static void abort_wait(weir_task *task, void *object)
{
    struct task_waiter *waiter = object;
    weir__list_remove(&waiter->link);
    weir__core_wake(task, -ECANCELED);
}

int weir_task_wait(weir_task_id id, weir_outcome *out_outcome)
{
    if (weir__loop != NULL && !weir__core_owns_id(weir__loop, id))
        return -EPERM;
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    weir_task *task = NULL;
    rc = weir__handle_find(id, &task);
    if (rc < 0)
        return rc;
    weir_task *caller = weir__core_task();
    if (task == caller)
        return -EDEADLK;
    struct weir__handle *handle = weir__handle_made(task);
    if (handle == NULL)
        return -ENOMEM;
    if (handle->ended) {
        give_outcome(handle, out_outcome);
        weir__core_completed_at_once();
        return 0;
    }
    struct task_waiter waiter = {.out = out_outcome, .task = caller};
    weir__list_append(&handle->waiters, &waiter.link);
    rc = weir__core_park(WEIR_WAIT_TASK, &waiter, abort_wait);
    return rc == -ECANCELED ? weir__core_cancelled_result(caller) : rc;
}

int weir_task_set_result(void *result, weir_destroy_fn *destroy)
{
    weir_task *task = weir__core_task();
    if (task == NULL)
        return -EPERM;
    struct weir__handle *handle = weir__handle_made(task);
    if (handle == NULL)
        return -ENOMEM;
    destroy_result(weir__loop, handle);
    handle->result = result;
    handle->destroy = destroy;
    return 0;
}

int weir_task_take(weir_task_id id, void **out_result)
{
    weir_task *task = NULL;
    int rc = weir__handle_find(id, &task);
    if (rc < 0)
        return rc;
    struct weir__handle *handle = weir__handle_of(task);
    if (handle == NULL || !handle->ended)
        return -EAGAIN;
    if (handle->result == NULL)
        return -ENOENT;
    *out_result = handle->result;
    handle->result = NULL;
    return 0;
}

int weir_task_forget(weir_task_id id)
{
    weir_task *task = NULL;
    int rc = weir__handle_find(id, &task);
    if (rc < 0)
        return rc;
    struct weir__handle *handle = weir__handle_of(task);
    if (handle != NULL)
        handle->kept = false;
    if (weir__core_hot(weir__loop, task)->state == WEIR_TASK_DONE)
        release_record(weir__loop, task);
    return 0;
}

int weir_task_cancel_requested(weir_task_id id)
{
    weir_task *task = NULL;
    int rc = weir__handle_find(id, &task);
    return rc < 0 ? rc : task->scope.weir__effective >= WEIR__LEVEL_CANCEL;
}

int weir_task_describe(weir_task_id id, weir_task_info *out_info)
{
    weir_task *task = NULL;
    int rc = weir__handle_find(id, &task);
    if (rc < 0)
        return rc;
    const struct weir__hot *hot = weir__core_hot(weir__loop, task);
    const weir_task *owner = task->group->owner;
    bool waits = hot->state == WEIR_TASK_BLOCKED || hot->state == WEIR_TASK_ABORTING;
    *out_info = (weir_task_info){
        .id = id,
        .owner = owner == NULL ? 0 : weir__core_task_id(weir__loop, owner),
        .name = task->name,
        .fn = (const void *)(uintptr_t)task->fn,
        .group_name = task->group->name,
        .spawn_site = weir__task_spawn_site(task),
        .spawn_address = weir__task_spawn_address(task),
        .state = (weir_task_state)hot->state,
        .age_ns = weir_now() - hot->since_ns,
        .waits_for = waits ? weir__core_wait_text((enum weir_wait_kind)hot->wait_kind) : NULL,
        .wait_address = waits ? hot->wait_address : NULL,
    };
    out_info->cancel_requested = weir__scope_cause(&task->scope, &out_info->cause);
    return 0;
}
