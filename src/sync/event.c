/*
 * event.c - something that has happened or has not
 *
 * Runs on  the loop that the event belongs to.
 * Holds    1. Nobody waits while it is set.
 */
#include <stdio.h>

#include "sync/waiting.h"

static const char stranger[] = "an event of another loop was used; nothing was changed";

static void tell(const void *object, struct weir__wait_facts *out)
{
    const struct weir__arm *arm = object;
    const weir_event *event = arm->object;
    out->relation = "last set by";
    out->task = event->weir__set_by;
    if (event->weir__set_by == 0)
        snprintf(out->detail, sizeof out->detail, "never set");
}

int weir_event_set(weir_event *event)
{
    if (!weir__sync_at_home(&event->weir__home))
        return weir__sync_stranger(stranger, __builtin_return_address(0));
    if (event->weir__set)
        return 0;
    event->weir__set = true;
    event->weir__set_by = weir_task_self();
    struct weir__list *waiters = weir__sync_waiters(&event->weir__waiting);
    for (struct weir__arm *arm; (arm = weir__sync_take_first(waiters)) != NULL;)
        weir__sync_grant(arm, 0);
    return 0;
}

int weir_event_clear(weir_event *event)
{
    if (!weir__sync_at_home(&event->weir__home))
        return weir__sync_stranger(stranger, __builtin_return_address(0));
    event->weir__set = false;
    return 0;
}

bool weir_event_is_set(const weir_event *event)
{
    return event->weir__set;
}

int weir_event_wait(weir_event *event)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    if (!weir__sync_at_home(&event->weir__home))
        return weir__sync_stranger(stranger, __builtin_return_address(0));
    if (event->weir__set) {
        weir__core_completed_at_once();
        return 0;
    }
    weir__core_tell_waits(WEIR_WAIT_EVENT, tell);
    return weir__sync_wait(weir__sync_waiters(&event->weir__waiting), WEIR_WAIT_EVENT, event, NULL);
}
