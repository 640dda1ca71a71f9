/*
 * event.c - something that has happened or has not
 *
 * Runs on  the loop that the event belongs to.
 * Holds    1. Nobody waits while it is set.
 */
#include "sync/waiting.h"

void weir_event_set(weir_event *event)
{
    if (event->weir__set)
        return;
    event->weir__set = true;
    while (weir__core_wake_first(weir__sync_waiters(&event->weir__waiting), 0)) {
    }
}

void weir_event_clear(weir_event *event)
{
    event->weir__set = false;
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
    if (event->weir__set) {
        weir__core_completed_at_once();
        return 0;
    }
    return weir__sync_result(
        weir__core_park_in(weir__sync_waiters(&event->weir__waiting), WEIR_WAIT_EVENT, event));
}
