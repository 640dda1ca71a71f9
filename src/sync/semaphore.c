/*
 * semaphore.c - permits, handed out in order
 *
 * Runs on  the loop that the semaphore belongs to.
 * Holds    1. The first waiter wants more than there are free permits: whenever a permit comes
 *             free, or the first waiter leaves, those behind it are looked at again (I10).
 *          2. Permits belong to a waiter from the moment it is woken, not from when it runs.
 */
#include <stdio.h>

#include "sync/waiting.h"

struct permit_waiter {
    struct weir__list link;
    weir_task *task;
    weir_semaphore *semaphore;
    size_t permits;
};

static const char stranger[] = "a semaphore of another loop was used; nothing was changed";

static void tell(const void *object, struct weir__wait_facts *out)
{
    const struct permit_waiter *waiter = object;
    snprintf(out->detail, sizeof out->detail, "%zu of %zu permits are free",
             waiter->semaphore->weir__free, waiter->permits);
    out->relation = "last taken by";
    out->task = waiter->semaphore->weir__taken_by;
}

static void give(weir_semaphore *semaphore, weir_task *task, size_t permits)
{
    semaphore->weir__free -= permits;
    semaphore->weir__taken_by = task == NULL ? 0 : weir__core_task_id(weir__core_loop(), task);
}

static void grant_in_order(weir_semaphore *semaphore)
{
    struct weir__list *waiters = weir__sync_waiters(&semaphore->weir__waiting);
    while (!weir__list_empty(waiters)) {
        struct permit_waiter *first = WEIR__CONTAINER(waiters->next, struct permit_waiter, link);
        if (first->permits > semaphore->weir__free)
            return;
        give(semaphore, first->task, first->permits);
        weir__list_remove(&first->link);
        weir__core_wake(first->task, 0);
    }
}

static void abort_acquire(weir_task *task, void *object)
{
    struct permit_waiter *waiter = object;
    weir__list_remove(&waiter->link);
    weir__core_wake(task, -ECANCELED);
    grant_in_order(waiter->semaphore); // it may have been in the way of those behind it
}

void weir_semaphore_init(weir_semaphore *semaphore, size_t permits)
{
    *semaphore = (weir_semaphore){.weir__free = permits};
}

static bool acquire_now(weir_semaphore *semaphore, size_t permits)
{
    if (permits > semaphore->weir__free || weir__sync_has_waiters(&semaphore->weir__waiting))
        return false;
    give(semaphore, weir__core_task(), permits);
    return true;
}

int weir_semaphore_try_acquire(weir_semaphore *semaphore, size_t permits)
{
    if (!weir__sync_at_home(&semaphore->weir__home))
        return weir__sync_stranger(stranger, __builtin_return_address(0));
    return acquire_now(semaphore, permits) ? 0 : -EAGAIN;
}

int weir_semaphore_acquire(weir_semaphore *semaphore, size_t permits)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    if (!weir__sync_at_home(&semaphore->weir__home))
        return weir__sync_stranger(stranger, __builtin_return_address(0));
    if (acquire_now(semaphore, permits)) {
        weir__core_completed_at_once();
        return 0;
    }
    struct permit_waiter waiter = {
        .task = weir__core_task(), .semaphore = semaphore, .permits = permits};
    weir__list_append(weir__sync_waiters(&semaphore->weir__waiting), &waiter.link);
    weir__core_tell_waits(WEIR_WAIT_SEMAPHORE, tell);
    return weir__sync_result(weir__core_park(WEIR_WAIT_SEMAPHORE, &waiter, abort_acquire));
}

int weir_semaphore_release(weir_semaphore *semaphore, size_t permits)
{
    if (!weir__sync_at_home(&semaphore->weir__home))
        return weir__sync_stranger(stranger, __builtin_return_address(0));
    if (__builtin_add_overflow(semaphore->weir__free, permits, &semaphore->weir__free))
        semaphore->weir__free = SIZE_MAX;
    grant_in_order(semaphore);
    return 0;
}

size_t weir_semaphore_available(const weir_semaphore *semaphore)
{
    return semaphore->weir__free;
}
