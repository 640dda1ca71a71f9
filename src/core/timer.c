/*
 * timer.c - the wheel behind sleeps and deadlines
 *
 * A timer's level is where its tick first differs from the current one, in digits of base 64; so a
 * lower level always fires before a higher one, and a slot of a higher level is spread over the
 * lower ones when its stretch begins.
 */
#include "core/timer.h"

#include <assert.h>

static int64_t tick_of(int64_t deadline_ns)
{
    return deadline_ns / WEIR_MS + (deadline_ns % WEIR_MS > 0 ? 1 : 0);
}

void weir__wheel_init(struct weir__wheel *wheel, int64_t now_ns)
{
    wheel->tick = now_ns / WEIR_MS;
    wheel->armed_count = 0;
    weir__list_init(&wheel->due);
    for (int level = 0; level < WEIR__WHEEL_LEVELS; level++) {
        wheel->occupied[level] = 0;
        for (int slot = 0; slot < WEIR__WHEEL_SLOTS; slot++)
            weir__list_init(&wheel->slots[level][slot]);
    }
}

static void place(struct weir__wheel *wheel, struct weir__timer *timer)
{
    int64_t tick = tick_of(timer->deadline_ns);
    if (tick <= wheel->tick) {
        weir__list_append(&wheel->due, &timer->link);
        return;
    }
    uint64_t differing = (uint64_t)(tick ^ wheel->tick) | 63;
    int level = (63 - __builtin_clzll(differing)) / 6;
    if (level >= WEIR__WHEEL_LEVELS) { /* beyond 139 years: parked at the far end */
        level = WEIR__WHEEL_LEVELS - 1;
        tick = wheel->tick | ((INT64_C(1) << (6 * WEIR__WHEEL_LEVELS)) - 1);
    }
    unsigned slot = (unsigned)((uint64_t)tick >> (6 * level)) & 63;
    wheel->occupied[level] |= UINT64_C(1) << slot;
    weir__list_append(&wheel->slots[level][slot], &timer->link);
}

void weir__wheel_arm(struct weir__wheel *wheel, struct weir__timer *timer, int64_t deadline_ns)
{
    assert(!weir__timer_armed(timer) && deadline_ns != WEIR_NEVER);
    timer->deadline_ns = deadline_ns;
    wheel->armed_count++;
    place(wheel, timer);
}

void weir__wheel_disarm(struct weir__wheel *wheel, struct weir__timer *timer)
{
    if (!weir__timer_armed(timer))
        return;
    struct weir__list *next = timer->link.next;
    weir__list_remove(&timer->link);
    timer->link.next = NULL;
    wheel->armed_count--;
    /* The last of a slot has the slot's head on both sides: its address says which bit to clear. */
    if (weir__list_empty(next)) {
        uintptr_t offset = (uintptr_t)next - (uintptr_t)&wheel->slots[0][0];
        if (offset < sizeof wheel->slots) {
            unsigned index = (unsigned)(offset / sizeof wheel->slots[0][0]);
            wheel->occupied[index / WEIR__WHEEL_SLOTS] &=
                ~(UINT64_C(1) << (index % WEIR__WHEEL_SLOTS));
        }
    }
}

/* The earliest occupied slot: its first tick, or -1. */
static int64_t earliest(const struct weir__wheel *wheel, int *out_level, unsigned *out_slot)
{
    for (int level = 0; level < WEIR__WHEEL_LEVELS; level++) {
        if (wheel->occupied[level] == 0)
            continue;
        unsigned slot = (unsigned)__builtin_ctzll(wheel->occupied[level]);
        uint64_t above = ~UINT64_C(0) << (6 * (level + 1));
        *out_level = level;
        *out_slot = slot;
        return (int64_t)(((uint64_t)wheel->tick & above) | ((uint64_t)slot << (6 * level)));
    }
    return -1;
}

void weir__wheel_advance(struct weir__wheel *wheel, int64_t now_ns, struct weir__list *due)
{
    int64_t now_tick = now_ns / WEIR_MS;
    if (wheel->armed_count == 0) {
        wheel->tick = now_tick > wheel->tick ? now_tick : wheel->tick;
        return;
    }
    struct weir__list fired;
    weir__list_init(&fired);
    weir__list_splice(&fired, &wheel->due);
    int level;
    unsigned slot;
    int64_t tick;
    while ((tick = earliest(wheel, &level, &slot)) >= 0 && tick <= now_tick) {
        struct weir__list moved;
        weir__list_init(&moved);
        weir__list_splice(&moved, &wheel->slots[level][slot]);
        wheel->occupied[level] &= ~(UINT64_C(1) << slot);
        wheel->tick = tick;
        struct weir__list *node;
        while (level > 0 && (node = weir__list_take_first(&moved)) != NULL)
            place(wheel, WEIR__CONTAINER(node, struct weir__timer, link));
        weir__list_splice(&fired, &wheel->due);
        weir__list_splice(&fired, &moved);
    }
    if (now_tick > wheel->tick)
        wheel->tick = now_tick;
    weir__list_splice(due, &fired);
}

struct weir__timer *weir__wheel_take(struct weir__wheel *wheel, struct weir__list *due)
{
    struct weir__list *node = weir__list_take_first(due);
    if (node == NULL)
        return NULL;
    node->next = NULL;
    wheel->armed_count--;
    return WEIR__CONTAINER(node, struct weir__timer, link);
}

int64_t weir__wheel_next_ns(const struct weir__wheel *wheel)
{
    if (!weir__list_empty(&wheel->due))
        return 0;
    int level;
    unsigned slot;
    int64_t tick = earliest(wheel, &level, &slot);
    return tick < 0 ? WEIR_NEVER : tick * WEIR_MS;
}
