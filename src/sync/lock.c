/*
 * lock.c - see lock.h
 */
#include "sync/lock.h"

enum {
    LOCKS_COUNTED_MAX = UINT8_MAX, // a task at the maximum is not counted any more
    PLACES = 64,
};

/* Everybody who waits for a lock of this thread's loop. */
static _Thread_local struct weir__list waiting_here;

/* Where tasks locked last, by their index: for the report of one that ends with it. Two tasks may
 * share a line; then one of them is reported without a place. */
static _Thread_local struct {
    weir_task_id task;
    const void *address;
} last_place[PLACES];

static struct weir__list *everybody(void)
{
    if (waiting_here.next == NULL)
        weir__list_init(&waiting_here);
    return &waiting_here;
}

void weir__lock_enter_line(struct weir__list *line, struct weir__lock_waiter *waiter)
{
    weir__list_append(line, &waiter->link);
    weir__list_append(everybody(), &waiter->here);
}

void weir__lock_leave_line(struct weir__lock_waiter *waiter)
{
    weir__list_remove(&waiter->link);
    weir__list_remove(&waiter->here);
}

void weir__lock_abort(weir_task *task, void *object)
{
    weir__lock_leave_line(object);
    weir__core_wake(task, -ECANCELED);
}

/* Hands on one lock of the ended task that somebody waits for. */
static bool hand_on_one(weir_task_id holder, const void **out_address)
{
    struct weir__list *list = everybody();
    for (struct weir__list *node = list->next; node != list; node = node->next) {
        struct weir__lock_waiter *waiter = WEIR__CONTAINER(node, struct weir__lock_waiter, here);
        if (waiter->holder_ended(waiter->lock, holder, out_address))
            return true;
    }
    return false;
}

/* A task ends and has not unlocked what it locked. */
static void locks_left(weir_loop *loop, weir_task *task)
{
    weir_task_id id = weir__core_task_id(loop, task);
    bool found = task->locks_held < LOCKS_COUNTED_MAX;
    const void *address = NULL;
    while (hand_on_one(id, &address))
        found = true;
    if (address == NULL && last_place[task->index % PLACES].task == id)
        address = last_place[task->index % PLACES].address;
    if (found)
        weir__core_find(&(struct weir__finding){
            .kind = WEIR__FINDING_LOCK,
            .loop = loop,
            .task = task,
            .address = address,
            .count = task->locks_held,
            .what = "ended while it held a mutex or another lock; the next in line gets it with "
                    "-EOWNERDEAD"});
}

void weir__lock_held(weir_task *task, const void *address)
{
    if (__atomic_load_n(&weir__core_locks_left, __ATOMIC_RELAXED) != locks_left)
        __atomic_store_n(&weir__core_locks_left, locks_left, __ATOMIC_RELAXED);
    if (task->locks_held < LOCKS_COUNTED_MAX)
        task->locks_held++;
    last_place[task->index % PLACES].task = weir__core_task_id(weir__core_loop(), task);
    last_place[task->index % PLACES].address = address;
}

void weir__lock_released(weir_task *task, const void *address)
{
    if (task->locks_held < LOCKS_COUNTED_MAX)
        task->locks_held--;
    if (last_place[task->index % PLACES].address == address)
        last_place[task->index % PLACES].task = 0; // where it locked before that is not known
}

int weir__lock_not_held(const char *what, const void *address)
{
    weir__core_find(&(struct weir__finding){.kind = WEIR__FINDING_LOCK,
                                            .loop = weir__core_loop(),
                                            .task = weir__core_task(),
                                            .address = address,
                                            .what = what});
    return -EPERM;
}
