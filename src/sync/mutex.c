/*
 * mutex.c - a lock that knows its holder
 *
 * Unlocking hands the lock to whoever has waited longest: it never becomes free for a newcomer to
 * snatch.
 *
 * Runs on  the loop that the mutex belongs to.
 * Holds    1. Somebody waits only while somebody holds it.
 */
#include "sync/lock.h"

static const char stranger[] = "a mutex of another loop was used; nothing was changed";

void weir__mutex_tell(const void *object, struct weir__wait_facts *out)
{
    const struct weir__lock_waiter *waiter = object;
    const weir_mutex *mutex = waiter->lock;
    out->relation = "held by";
    out->task = mutex->weir__owner;
    out->address = mutex->weir__locked_at;
    out->since_ns = mutex->weir__locked_at_ns;
}

static void give_to(weir_mutex *mutex, weir_task *task, const void *address)
{
    weir_loop *loop = weir__core_loop();
    mutex->weir__owner = weir__core_task_id(loop, task);
    mutex->weir__locked_at = address;
    mutex->weir__locked_at_ns = loop->now_ns;
    weir__lock_held(task, address);
}

/* To the one who has waited longest, or to nobody. */
static void hand_on(weir_mutex *mutex, int result)
{
    struct weir__list *line = weir__sync_waiters(&mutex->weir__waiting);
    if (weir__list_empty(line)) {
        mutex->weir__owner = 0;
        return;
    }
    struct weir__lock_waiter *next = WEIR__CONTAINER(line->next, struct weir__lock_waiter, link);
    weir__lock_leave_line(next);
    give_to(mutex, next->task, next->address);
    weir__core_wake(next->task, result);
}

static bool holder_ended(void *lock, weir_task_id holder, const void **out_address)
{
    weir_mutex *mutex = lock;
    if (mutex->weir__owner != holder)
        return false;
    *out_address = mutex->weir__locked_at;
    hand_on(mutex, -EOWNERDEAD);
    return true;
}

/* 0 or -EOWNERDEAD: it is the task's; -EAGAIN: another's. */
static int take(weir_mutex *mutex, weir_task *task, const void *address)
{
    weir_loop *loop = weir__core_loop();
    weir_task_id owner = mutex->weir__owner;
    int rc = 0;
    if (owner != 0) {
        if (owner == weir__core_task_id(loop, task))
            return -EDEADLK;
        if (weir__core_owns_id(loop, owner) && weir__core_task_by_id(loop, owner) != NULL)
            return -EAGAIN;
        rc = -EOWNERDEAD;
    }
    give_to(mutex, task, address);
    return rc;
}

int weir_mutex_lock(weir_mutex *mutex)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    const void *address = __builtin_return_address(0);
    if (!weir__sync_at_home(&mutex->weir__home))
        return weir__sync_stranger(stranger, address);
    rc = take(mutex, weir__core_task(), address);
    if (rc != -EAGAIN) {
        weir__core_completed_at_once();
        return rc;
    }
    struct weir__lock_waiter waiter = {
        .task = weir__core_task(), .lock = mutex, .address = address, .holder_ended = holder_ended};
    weir__lock_enter_line(weir__sync_waiters(&mutex->weir__waiting), &waiter);
    weir__core_tell_waits(WEIR_WAIT_MUTEX, weir__mutex_tell);
    return weir__sync_result(weir__core_park(WEIR_WAIT_MUTEX, &waiter, weir__lock_abort));
}

void weir__mutex_lock_for(weir_mutex *mutex, struct weir__lock_waiter *waiter)
{
    int rc = take(mutex, waiter->task, waiter->address);
    if (rc != -EAGAIN) {
        weir__core_wake(waiter->task, rc);
        return;
    }
    waiter->lock = mutex;
    waiter->holder_ended = holder_ended;
    weir__lock_enter_line(weir__sync_waiters(&mutex->weir__waiting), waiter);
}

int weir_mutex_try_lock(weir_mutex *mutex)
{
    weir_task *task = weir__core_task();
    if (task == NULL)
        return -EPERM;
    const void *address = __builtin_return_address(0);
    if (!weir__sync_at_home(&mutex->weir__home))
        return weir__sync_stranger(stranger, address);
    return take(mutex, task, address);
}

bool weir_mutex_is_mine(const weir_mutex *mutex)
{
    weir_task_id self = weir_task_self();
    return self != 0 && mutex->weir__owner == self;
}

void weir__mutex_unlock(weir_mutex *mutex)
{
    weir__lock_released(weir__core_task(), mutex->weir__locked_at);
    hand_on(mutex, 0);
}

int weir_mutex_unlock(weir_mutex *mutex)
{
    if (!weir__sync_at_home(&mutex->weir__home))
        return weir__sync_stranger(stranger, __builtin_return_address(0));
    if (!weir_mutex_is_mine(mutex))
        return weir__lock_not_held("unlocked a mutex that it does not hold; nothing was changed",
                                   __builtin_return_address(0));
    weir__mutex_unlock(mutex);
    return 0;
}
