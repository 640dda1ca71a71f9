/*
 * mutex.c - a lock that knows its holder
 *
 * Unlocking hands the lock to whoever has waited longest: it never becomes free for a newcomer to
 * snatch. A holder that ends without unlocking is told apart by its task id: its waiters are looked
 * up when it ends, and a newcomer sees that the id is stale. The lock itself is not remembered
 * anywhere, since it may lie in memory that has gone with its holder; those who wait for it have
 * not.
 *
 * Runs on  the loop that the mutex belongs to.
 * Holds    1. Somebody waits only while somebody holds it.
 *          2. locks_held of a task counts what it holds, from the moment of the hand-over.
 */
#include "core/observe.h"
#include "sync/waiting.h"

struct lock_waiter {
    struct weir__list link; // in the mutex
    struct weir__list here; // in waiting_here
    weir_task *task;
    weir_mutex *mutex;
    const void *address;
};

enum { LOCKS_COUNTED_MAX = UINT8_MAX }; // a task at the maximum is not counted any more

/* Everybody who waits for a mutex of this thread's loop. */
static _Thread_local struct weir__list waiting_here;

static struct weir__list *waiting_list(void)
{
    if (waiting_here.next == NULL)
        weir__list_init(&waiting_here);
    return &waiting_here;
}

static void give_to(weir_mutex *mutex, weir_task *task, const void *address)
{
    mutex->weir__owner = weir__core_task_id(weir__core_loop(), task);
    mutex->weir__locked_at = address;
    if (task->locks_held < LOCKS_COUNTED_MAX)
        task->locks_held++;
}

/* To the one who has waited longest, or to nobody. */
static void hand_on(weir_mutex *mutex, int result)
{
    struct weir__list *node = weir__list_take_first(weir__sync_waiters(&mutex->weir__waiting));
    if (node == NULL) {
        mutex->weir__owner = 0;
        return;
    }
    struct lock_waiter *next = WEIR__CONTAINER(node, struct lock_waiter, link);
    weir__list_remove(&next->here);
    give_to(mutex, next->task, next->address);
    weir__core_wake(next->task, result);
}

static weir_mutex *waited_for_and_held_by(weir_task_id id)
{
    struct weir__list *list = waiting_list();
    for (struct weir__list *node = list->next; node != list; node = node->next) {
        weir_mutex *mutex = WEIR__CONTAINER(node, struct lock_waiter, here)->mutex;
        if (mutex->weir__owner == id)
            return mutex;
    }
    return NULL;
}

/* A task ends and has not unlocked what it locked. */
static void locks_left(weir_loop *loop, weir_task *task)
{
    weir_task_id id = weir__core_task_id(loop, task);
    const void *address = NULL;
    bool found = task->locks_held < LOCKS_COUNTED_MAX;
    for (weir_mutex *mutex; (mutex = waited_for_and_held_by(id)) != NULL; found = true) {
        address = mutex->weir__locked_at;
        hand_on(mutex, -EOWNERDEAD);
    }
    if (found)
        weir__core_find(&(struct weir__finding){
            .kind = WEIR__FINDING_MISNESTED,
            .loop = loop,
            .task = task,
            .address = address,
            .count = task->locks_held,
            .what = "ended while it held a mutex; the next in line gets it with -EOWNERDEAD"});
}

/* 0 or -EOWNERDEAD: it is the caller's; -EAGAIN: it waits. */
static int take(weir_mutex *mutex, const void *address)
{
    weir_loop *loop = weir__core_loop();
    weir_task *task = loop->current;
    weir_task_id owner = mutex->weir__owner;
    int rc = 0;
    if (owner != 0) {
        if (owner == weir__core_task_id(loop, task))
            return -EDEADLK;
        if (weir__core_task_by_id(loop, owner) != NULL)
            return -EAGAIN;
        rc = -EOWNERDEAD;
    }
    __atomic_store_n(&weir__core_locks_left, locks_left, __ATOMIC_RELAXED); // one value, many loops
    give_to(mutex, task, address);
    return rc;
}

static void abort_lock(weir_task *task, void *object)
{
    struct lock_waiter *waiter = object;
    weir__list_remove(&waiter->link);
    weir__list_remove(&waiter->here);
    weir__core_wake(task, -ECANCELED);
}

int weir_mutex_lock(weir_mutex *mutex)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    const void *address = __builtin_return_address(0);
    rc = take(mutex, address);
    if (rc != -EAGAIN) {
        weir__core_completed_at_once();
        return rc;
    }
    struct lock_waiter waiter = {.task = weir__core_task(), .mutex = mutex, .address = address};
    weir__list_append(weir__sync_waiters(&mutex->weir__waiting), &waiter.link);
    weir__list_append(waiting_list(), &waiter.here);
    return weir__sync_result(weir__core_park(WEIR_WAIT_MUTEX, &waiter, abort_lock));
}

int weir_mutex_try_lock(weir_mutex *mutex)
{
    if (weir__core_task() == NULL)
        return -EPERM;
    return take(mutex, __builtin_return_address(0));
}

bool weir_mutex_is_mine(const weir_mutex *mutex)
{
    weir_task_id self = weir_task_self();
    return self != 0 && mutex->weir__owner == self;
}

int weir_mutex_unlock(weir_mutex *mutex)
{
    if (!weir_mutex_is_mine(mutex)) {
        weir__core_find(&(struct weir__finding){
            .kind = WEIR__FINDING_MISNESTED,
            .loop = weir__core_loop(),
            .task = weir__core_task(),
            .address = __builtin_return_address(0),
            .what = "unlocked a mutex that it does not hold; nothing was changed"});
        return -EPERM;
    }
    weir_task *task = weir__core_task();
    if (task->locks_held < LOCKS_COUNTED_MAX)
        task->locks_held--;
    hand_on(mutex, 0);
    return 0;
}
