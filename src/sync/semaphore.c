/*
 * semaphore.c - permits, handed out in order
 *
 * Runs on  the loop that the semaphore belongs to.
 * Holds    1. The first waiter wants more than there are free permits: whenever a permit comes
 *             free, or the first waiter leaves, those behind it are looked at again (I10).
 *          2. Permits belong to a waiter from the moment it is woken, not from when it runs.
 */
#include "sync/waiting.h"

struct permit_waiter {
    struct weir__list link;
    weir_task *task;
    weir_semaphore *semaphore;
    size_t permits;
};

static void grant_in_order(weir_semaphore *semaphore)
{
    struct weir__list *waiters = weir__sync_waiters(&semaphore->weir__waiting);
    while (!weir__list_empty(waiters)) {
        struct permit_waiter *first = WEIR__CONTAINER(waiters->next, struct permit_waiter, link);
        if (first->permits > semaphore->weir__free)
            return;
        semaphore->weir__free -= first->permits;
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

int weir_semaphore_try_acquire(weir_semaphore *semaphore, size_t permits)
{
    if (permits > semaphore->weir__free || weir__sync_has_waiters(&semaphore->weir__waiting))
        return -EAGAIN;
    semaphore->weir__free -= permits;
    return 0;
}

int weir_semaphore_acquire(weir_semaphore *semaphore, size_t permits)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    if (weir_semaphore_try_acquire(semaphore, permits) == 0) {
        weir__core_completed_at_once();
        return 0;
    }
    struct permit_waiter waiter = {
        .task = weir__core_task(), .semaphore = semaphore, .permits = permits};
    weir__list_append(weir__sync_waiters(&semaphore->weir__waiting), &waiter.link);
    return weir__sync_result(weir__core_park(WEIR_WAIT_SEMAPHORE, &waiter, abort_acquire));
}

void weir_semaphore_release(weir_semaphore *semaphore, size_t permits)
{
    if (__builtin_add_overflow(semaphore->weir__free, permits, &semaphore->weir__free))
        semaphore->weir__free = SIZE_MAX;
    grant_in_order(semaphore);
}

size_t weir_semaphore_free(const weir_semaphore *semaphore)
{
    return semaphore->weir__free;
}
