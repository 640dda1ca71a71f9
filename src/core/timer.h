/*
 * timer.h - the instants a loop waits for
 *
 * A hierarchical wheel: seven levels of 64 slots, one millisecond a tick, so arming and disarming
 * cost a few instructions whatever the number of timers (performance.md: every call can afford a
 * deadline). Nodes live inside their owners, so arming cannot fail.
 *
 * Runs on  the loop's own thread.
 * Holds    1. A timer is in a slot exactly while it is armed; its link points nowhere otherwise.
 *          2. No timer fires before its instant: deadlines are rounded up to the next tick.
 *          3. Timers of one tick fire in the order they were armed.
 */
#ifndef WEIR__CORE_TIMER_H
#define WEIR__CORE_TIMER_H

#include "base/list.h"

enum { WEIR__WHEEL_LEVELS = 7, WEIR__WHEEL_SLOTS = 64 };

struct weir__timer {
    struct weir__list link; /* next is NULL while not armed */
    int64_t deadline_ns;
};

struct weir__wheel {
    int64_t tick; /* everything up to here has fired */
    uint64_t occupied[WEIR__WHEEL_LEVELS];
    struct weir__list slots[WEIR__WHEEL_LEVELS][WEIR__WHEEL_SLOTS];
    struct weir__list due; /* armed for an instant that had already come */
    size_t armed_count;
};

void weir__wheel_init(struct weir__wheel *wheel, int64_t now_ns);
/* Arms for deadline_ns (not WEIR_NEVER). The timer must not be armed. */
void weir__wheel_arm(struct weir__wheel *wheel, struct weir__timer *timer, int64_t deadline_ns);
void weir__wheel_disarm(struct weir__wheel *wheel, struct weir__timer *timer); /* twice is fine */
/* Moves every timer due at now_ns to the end of `due`, in order. They stay armed until they are
 * taken from there: one that fires may disarm the next. */
void weir__wheel_advance(struct weir__wheel *wheel, int64_t now_ns, struct weir__list *due);
/* The first of `due`, not armed any more; NULL when there is none. */
struct weir__timer *weir__wheel_take(struct weir__wheel *wheel, struct weir__list *due);
/* When advance() is worth calling next; WEIR_NEVER when nothing is armed. */
int64_t weir__wheel_next_ns(const struct weir__wheel *wheel);

/* Whether something was armed for an instant that had already come. */
static inline bool weir__wheel_has_due(const struct weir__wheel *wheel)
{
    return wheel->due.next != &wheel->due;
}

static inline bool weir__timer_armed(const struct weir__timer *timer)
{
    return timer->link.next != NULL;
}

#endif
