/*
 * condition.c - waiting for a change, with the mutex given up meanwhile
 *
 * A signal does not wake: it moves the waiter from the condition's line to the mutex's, and the
 * mutex wakes it when it comes to it. So a task that goes on holds the mutex, and a broadcast to a
 * thousand waiters wakes one after another.
 *
 * Runs on  the loop that the condition belongs to.
 * Holds    1. A waiter is in the condition's line, or in its mutex's, or holds the mutex.
 *          2. Only one in the condition's line can be cancelled; that moves it as a signal does.
 */
#include <stdio.h>

#include "sync/lock.h"

struct change_waiter {
    struct weir__lock_waiter lock; // first: in the mutex's line it is one of many
    const weir_condition *condition;
};

static const char stranger[] = "a condition of another loop was used; nothing was changed";

static void tell(const void *object, struct weir__wait_facts *out)
{
    const struct change_waiter *waiter = object;
    if (waiter->lock.signalled) {
        snprintf(out->detail, sizeof out->detail, "signalled, now its mutex");
        weir__mutex_tell(&waiter->lock, out);
        return;
    }
    out->relation = "last signalled by";
    out->task = waiter->condition->weir__signalled_by;
    if (out->task == 0)
        snprintf(out->detail, sizeof out->detail, "never signalled");
}

/* From the condition's line to the mutex, with what the wait has come to. */
static void move_on(struct weir__lock_waiter *waiter, int outcome)
{
    weir__list_remove(&waiter->link);
    waiter->signalled = true;
    waiter->outcome = outcome;
    weir__mutex_lock_for(waiter->lock, waiter);
}

static void abort_wait(weir_task *task, void *object)
{
    (void)task;
    struct change_waiter *waiter = object;
    if (!waiter->lock.signalled)
        move_on(&waiter->lock, -ECANCELED);
}

int weir_condition_wait(weir_condition *condition, weir_mutex *mutex)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    const void *address = __builtin_return_address(0);
    if (!weir__sync_at_home(&condition->weir__home) || !weir__sync_at_home(&mutex->weir__home))
        return weir__sync_stranger(stranger, address);
    if (!weir_mutex_is_mine(mutex))
        return weir__lock_not_held("waited with a mutex that it does not hold; nothing was changed",
                                   address);
    struct change_waiter waiter = {
        .lock = {.task = weir__core_task(), .lock = mutex, .address = address},
        .condition = condition};
    weir__list_init(&waiter.lock.here);
    weir__list_append(weir__sync_waiters(&condition->weir__waiting), &waiter.lock.link);
    weir__mutex_unlock(mutex);
    weir__core_tell_waits(WEIR_WAIT_CONDITION, tell);
    rc = weir__core_park(WEIR_WAIT_CONDITION, &waiter, abort_wait);
    return rc < 0 ? rc : weir__sync_result(waiter.lock.outcome);
}

static bool signal_first(weir_condition *condition)
{
    struct weir__list *line = weir__sync_waiters(&condition->weir__waiting);
    if (weir__list_empty(line))
        return false;
    move_on(WEIR__CONTAINER(line->next, struct weir__lock_waiter, link), 0);
    return true;
}

int weir_condition_signal(weir_condition *condition)
{
    if (!weir__sync_at_home(&condition->weir__home))
        return weir__sync_stranger(stranger, __builtin_return_address(0));
    condition->weir__signalled_by = weir_task_self();
    signal_first(condition);
    return 0;
}

int weir_condition_broadcast(weir_condition *condition)
{
    if (!weir__sync_at_home(&condition->weir__home))
        return weir__sync_stranger(stranger, __builtin_return_address(0));
    condition->weir__signalled_by = weir_task_self();
    while (signal_first(condition)) {
    }
    return 0;
}
