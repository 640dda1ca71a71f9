/*
 * shared_event.c - a counter that any thread may raise, and tasks of any loop may wait for
 *
 * A task that has to wait leaves a node of its own stack in the event's list and parks. Who posts
 * takes every node out and sends each to its loop as mail; the loop wakes the task. The count says
 * what happened meanwhile, so a wake-up is never lost and never has to be counted.
 *
 * Runs on  any thread; the lock guards the list, and the count against waiters that are about to
 *          enter it.
 * Holds    1. A node is in the list, or under way as mail, or nowhere: a cancelled waiter leaves
 *             only from the list; under way, it is woken by its mail and the result wins (O4).
 *          2. A node under way keeps its task parked, and so its loop alive, until the mail is
 *             read.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "base/thread.h"
#include "sync/waiting.h"

struct weir_shared_event {
    uint64_t count; // atomic; written under the lock
    int refs;       // atomic
    struct weir__mutex lock;
    struct weir__list waiters;
    weir_task_id posted_by; // last, under the lock; 0: a thread without a loop
};

struct shared_waiter {
    struct weir__list link; // in no list: under way
    struct weir__post post;
    weir_shared_event *event;
    weir_loop *loop;
    weir_task *task;
    uint64_t seen;
};

int weir_shared_event_new(weir_shared_event **out_event)
{
    weir_shared_event *event = weir__base_alloc_zero(sizeof *event);
    if (event == NULL)
        return -ENOMEM;
    event->refs = 1;
    weir__base_mutex_init(&event->lock);
    weir__list_init(&event->waiters);
    *out_event = event;
    return 0;
}

weir_shared_event *weir_shared_event_retain(weir_shared_event *event)
{
    __atomic_fetch_add(&event->refs, 1, __ATOMIC_RELAXED);
    return event;
}

void weir_shared_event_release(weir_shared_event *event)
{
    if (event == NULL || __atomic_sub_fetch(&event->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    weir__base_mutex_deinit(&event->lock);
    weir__base_free(event);
}

uint64_t weir_shared_event_count(const weir_shared_event *event)
{
    return __atomic_load_n(&event->count, __ATOMIC_ACQUIRE);
}

static void wake_waiter(struct weir__post *post)
{
    weir__core_wake(WEIR__CONTAINER(post, struct shared_waiter, post)->task, 0);
}

void weir_shared_event_post(weir_shared_event *event)
{
    weir__base_mutex_lock(&event->lock);
    __atomic_store_n(&event->count, event->count + 1, __ATOMIC_RELEASE);
    event->posted_by = weir_task_self();
    struct weir__list *node;
    while ((node = weir__list_take_first(&event->waiters)) != NULL) {
        struct shared_waiter *waiter = WEIR__CONTAINER(node, struct shared_waiter, link);
        weir_loop *loop = waiter->loop;
        weir_ignore(weir__core_post(loop, &waiter->post),
                    "its task is parked, so its loop is there");
    }
    weir__base_mutex_unlock(&event->lock);
}

static void tell(const void *object, struct weir__wait_facts *out)
{
    const struct shared_waiter *waiter = object;
    weir__base_mutex_lock(&waiter->event->lock);
    snprintf(out->detail, sizeof out->detail, "to be posted more than %llu times",
             (unsigned long long)waiter->seen);
    out->relation = "last posted by";
    out->task = waiter->event->posted_by;
    weir__base_mutex_unlock(&waiter->event->lock);
}

static void abort_wait(weir_task *task, void *object)
{
    struct shared_waiter *waiter = object;
    weir__base_mutex_lock(&waiter->event->lock);
    bool waits = !weir__list_empty(&waiter->link);
    weir__list_remove(&waiter->link);
    weir__base_mutex_unlock(&waiter->event->lock);
    if (waits)
        weir__core_wake(task, -ECANCELED);
}

/* True when the waiter is in the list; false when the count has moved on. */
static bool enter(struct shared_waiter *waiter, uint64_t seen)
{
    weir_shared_event *event = waiter->event;
    weir__base_mutex_lock(&event->lock);
    bool waits = event->count == seen;
    if (waits)
        weir__list_append(&event->waiters, &waiter->link);
    weir__base_mutex_unlock(&event->lock);
    return waits;
}

int weir_shared_event_wait(weir_shared_event *event, uint64_t seen, uint64_t *out_count)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    struct shared_waiter waiter = {
        .post.run = wake_waiter, .event = event, .task = weir__core_task(), .seen = seen};
    bool at_once = weir_shared_event_count(event) != seen;
    if (!at_once) {
        // A reference says that somebody outside may reach this loop: it is idle, not deadlocked.
        waiter.loop = weir_loop_retain_self();
        bool waits = enter(&waiter, seen);
        weir__core_tell_waits(WEIR_WAIT_SHARED_EVENT, tell);
        if (waits)
            rc = weir__sync_result(weir__core_park(WEIR_WAIT_SHARED_EVENT, &waiter, abort_wait));
        weir_loop_release(waiter.loop);
        at_once = !waits;
    }
    if (at_once)
        weir__core_completed_at_once();
    if (rc == 0 && out_count != NULL)
        *out_count = weir_shared_event_count(event);
    return rc;
}
