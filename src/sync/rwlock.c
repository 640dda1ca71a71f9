/*
 * rwlock.c - a lock that many read or one writes, with one line for all
 *
 * Runs on  the loop that the lock belongs to.
 * Holds    1. The first in line cannot go in: whenever somebody unlocks, ends, or leaves the line,
 *             those in front are looked at again (I10).
 *          2. reader_count counts all readers; those in readers are known by name, and the others
 *             are more than it has room for.
 *          3. Nobody reads while somebody writes.
 */
#include <stdio.h>

#include "sync/lock.h"

static const char stranger[] = "a reader-writer lock of another loop was used; nothing was changed";

static struct weir__reader *reader_of(weir_rwlock *lock, weir_task_id id)
{
    for (size_t i = 0; i < WEIR__READERS_KNOWN; i++)
        if (lock->weir__readers[i].weir__task == id)
            return &lock->weir__readers[i];
    return NULL;
}

static size_t known_readers(const weir_rwlock *lock)
{
    size_t count = 0;
    for (size_t i = 0; i < WEIR__READERS_KNOWN; i++)
        count += lock->weir__readers[i].weir__task != 0;
    return count;
}

static void tell(const void *object, struct weir__wait_facts *out)
{
    const struct weir__lock_waiter *waiter = object;
    const weir_rwlock *lock = waiter->lock;
    const struct weir__reader *holder = &lock->weir__writer;
    for (size_t i = 0; i < WEIR__READERS_KNOWN && holder->weir__task == 0; i++)
        if (lock->weir__readers[i].weir__task != 0)
            holder = &lock->weir__readers[i];
    bool written = lock->weir__writer.weir__task != 0;
    if (lock->weir__reader_count > 1)
        snprintf(out->detail, sizeof out->detail, "to %s; %zu are reading",
                 waiter->writes ? "write" : "read", lock->weir__reader_count);
    else
        snprintf(out->detail, sizeof out->detail, "to %s", waiter->writes ? "write" : "read");
    out->relation = written ? "being written by" : "being read by";
    out->task = holder->weir__task;
    out->address = holder->weir__locked_at;
    out->since_ns = holder->weir__locked_at_ns;
}

static struct weir__reader holder_from(weir_task *task, const void *address)
{
    weir_loop *loop = weir__core_loop();
    return (struct weir__reader){weir__core_task_id(loop, task), address, loop->now_ns};
}

/* 0, or -EOWNERDEAD: the task holds it. */
static int give_to(weir_rwlock *lock, weir_task *task, bool writes, const void *address)
{
    if (writes) {
        lock->weir__writer = holder_from(task, address);
    } else {
        struct weir__reader *place = reader_of(lock, 0);
        if (place != NULL)
            *place = holder_from(task, address);
        lock->weir__reader_count++;
    }
    weir__lock_held(task, address);
    return lock->weir__in_doubt ? -EOWNERDEAD : 0;
}

static bool has_room(const weir_rwlock *lock, bool writes)
{
    return lock->weir__writer.weir__task == 0 && (!writes || lock->weir__reader_count == 0);
}

static void grant_in_order(weir_rwlock *lock)
{
    struct weir__list *line = weir__sync_waiters(&lock->weir__waiting);
    while (!weir__list_empty(line)) {
        struct weir__lock_waiter *first =
            WEIR__CONTAINER(line->next, struct weir__lock_waiter, link);
        if (!has_room(lock, first->writes))
            return;
        weir__lock_leave_line(first);
        weir__core_wake(first->task, give_to(lock, first->task, first->writes, first->address));
    }
}

static void abort_lock(weir_task *task, void *object)
{
    struct weir__lock_waiter *waiter = object;
    weir__lock_abort(task, waiter);
    grant_in_order(waiter->lock); // a writer may have been in the way of readers behind it
}

/* What a task holds that has ended. A reader has changed nothing, so nobody is told of it. */
static bool forget(weir_rwlock *lock, weir_task_id holder, const void **out_address)
{
    struct weir__reader *reader = reader_of(lock, holder);
    if (lock->weir__writer.weir__task == holder) {
        *out_address = lock->weir__writer.weir__locked_at;
        lock->weir__writer.weir__task = 0;
        lock->weir__in_doubt = true;
    } else if (reader != NULL) {
        *out_address = reader->weir__locked_at;
        reader->weir__task = 0;
        lock->weir__reader_count--;
    } else {
        return false;
    }
    return true;
}

static bool holder_ended(void *lock, weir_task_id holder, const void **out_address)
{
    if (!forget(lock, holder, out_address))
        return false;
    grant_in_order(lock);
    return true;
}

/* Those who ended while nobody waited. */
static void forget_ended(weir_rwlock *lock)
{
    weir_loop *loop = weir__core_loop();
    const void *address;
    weir_task_id ids[WEIR__READERS_KNOWN + 1];
    for (size_t i = 0; i < WEIR__READERS_KNOWN; i++)
        ids[i] = lock->weir__readers[i].weir__task;
    ids[WEIR__READERS_KNOWN] = lock->weir__writer.weir__task;
    for (size_t i = 0; i <= WEIR__READERS_KNOWN; i++)
        if (ids[i] != 0 &&
            (!weir__core_owns_id(loop, ids[i]) || weir__core_task_by_id(loop, ids[i]) == NULL))
            forget(lock, ids[i], &address);
}

/* 0 or -EOWNERDEAD: the caller holds it; -EAGAIN: it waits. */
static int take(weir_rwlock *lock, bool writes, const void *address)
{
    weir_task *task = weir__core_task();
    weir_task_id self = weir__core_task_id(weir__core_loop(), task);
    if (lock->weir__writer.weir__task == self || reader_of(lock, self) != NULL)
        return -EDEADLK;
    if (weir__sync_has_waiters(&lock->weir__waiting))
        return -EAGAIN;
    if (!has_room(lock, writes))
        forget_ended(lock);
    return has_room(lock, writes) ? give_to(lock, task, writes, address) : -EAGAIN;
}

static int wait_for_lock(weir_rwlock *lock, bool writes, const void *address)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    if (!weir__sync_at_home(&lock->weir__home))
        return weir__sync_stranger(stranger, address);
    rc = take(lock, writes, address);
    if (rc != -EAGAIN) {
        weir__core_completed_at_once();
        return rc;
    }
    struct weir__lock_waiter waiter = {.task = weir__core_task(),
                                       .lock = lock,
                                       .address = address,
                                       .writes = writes,
                                       .holder_ended = holder_ended};
    weir__lock_enter_line(weir__sync_waiters(&lock->weir__waiting), &waiter);
    weir__core_tell_waits(WEIR_WAIT_RWLOCK, tell);
    return weir__sync_result(weir__core_park(WEIR_WAIT_RWLOCK, &waiter, abort_lock));
}

static int try_lock(weir_rwlock *lock, bool writes, const void *address)
{
    if (weir__core_task() == NULL)
        return -EPERM;
    if (!weir__sync_at_home(&lock->weir__home))
        return weir__sync_stranger(stranger, address);
    return take(lock, writes, address);
}

int weir_rwlock_read_lock(weir_rwlock *lock)
{
    return wait_for_lock(lock, false, __builtin_return_address(0));
}

int weir_rwlock_write_lock(weir_rwlock *lock)
{
    return wait_for_lock(lock, true, __builtin_return_address(0));
}

int weir_rwlock_try_read_lock(weir_rwlock *lock)
{
    return try_lock(lock, false, __builtin_return_address(0));
}

int weir_rwlock_try_write_lock(weir_rwlock *lock)
{
    return try_lock(lock, true, __builtin_return_address(0));
}

int weir_rwlock_unlock(weir_rwlock *lock)
{
    const void *address = __builtin_return_address(0);
    if (!weir__sync_at_home(&lock->weir__home))
        return weir__sync_stranger(stranger, address);
    weir_task *task = weir__core_task();
    weir_task_id self = weir_task_self();
    struct weir__reader *reader = self == 0 ? NULL : reader_of(lock, self);
    const void *locked_at = NULL;
    if (self != 0 && lock->weir__writer.weir__task == self) {
        locked_at = lock->weir__writer.weir__locked_at;
        lock->weir__writer.weir__task = 0;
        lock->weir__in_doubt = false; // whoever wrote last had its chance to repair
    } else if (reader != NULL) {
        locked_at = reader->weir__locked_at;
        reader->weir__task = 0;
        lock->weir__reader_count--;
    } else if (self != 0 && lock->weir__reader_count > known_readers(lock)) {
        lock->weir__reader_count--; // one of those that are only counted, as far as we know
    } else {
        return weir__lock_not_held("unlocked a reader-writer lock that it does not hold; nothing "
                                   "was changed",
                                   address);
    }
    weir__lock_released(task, locked_at);
    grant_in_order(lock);
    return 0;
}
