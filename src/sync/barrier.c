/*
 * barrier.c - a number of tasks that go on together
 *
 * Runs on  the loop that the barrier belongs to.
 * Holds    1. there counts the waiters in the list, and is less than parties.
 */
#include <stdio.h>

#include "sync/waiting.h"

static const char stranger[] = "a barrier of another loop was used; nothing was changed";

static void tell(const void *object, struct weir__wait_facts *out)
{
    const struct weir__arm *arm = object;
    const weir_barrier *barrier = arm->object;
    snprintf(out->detail, sizeof out->detail, "%zu of %zu are there", barrier->weir__there,
             barrier->weir__parties);
    out->relation = "last come to by";
    out->task = barrier->weir__came_last;
}

void weir_barrier_init(weir_barrier *barrier, size_t parties)
{
    *barrier = (weir_barrier){.weir__parties = parties};
}

static void let_go(weir_barrier *barrier)
{
    struct weir__list *waiters = weir__sync_waiters(&barrier->weir__waiting);
    barrier->weir__there = 0;
    for (struct weir__arm *arm; (arm = weir__sync_take_first(waiters)) != NULL;)
        weir__sync_grant(arm, 0);
}

static void leave(weir_task *task, void *object)
{
    struct weir__arm *arm = object;
    weir_barrier *barrier = arm->object;
    weir__list_remove(&arm->link);
    barrier->weir__there--;
    weir__core_wake(task, -ECANCELED);
}

int weir_barrier_wait(weir_barrier *barrier, bool *out_last)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    if (!weir__sync_at_home(&barrier->weir__home))
        return weir__sync_stranger(stranger, __builtin_return_address(0));
    if (barrier->weir__parties == 0)
        return -EINVAL;
    barrier->weir__came_last = weir_task_self();
    bool last = barrier->weir__there + 1 == barrier->weir__parties;
    if (last) {
        let_go(barrier);
        weir__core_completed_at_once();
    } else {
        struct weir__arm arm = {.task = weir__core_task(), .object = barrier};
        weir__list_append(weir__sync_waiters(&barrier->weir__waiting), &arm.link);
        barrier->weir__there++;
        weir__core_tell_waits(WEIR_WAIT_BARRIER, tell);
        rc = weir__sync_result(weir__core_park(WEIR_WAIT_BARRIER, &arm, leave));
    }
    if (rc == 0 && out_last != NULL)
        *out_last = last;
    return rc;
}

size_t weir_barrier_count(const weir_barrier *barrier)
{
    return barrier->weir__there;
}
