/*
 * walk.c - the calls by which a task came to where it is
 *
 * Follows frame pointers, which every function of weir keeps: so a walk is right from where a task
 * parked out to the code that called weir, which is what a report wants to show. Further out the
 * code may have been compiled without them; what is read there is bounded by the task's stack, and
 * may be nonsense.
 *
 * Runs on  the loop's thread, for tasks that are parked there and for the one that runs. Fit for
 *          signal handlers.
 */
#include "debug/debug.h"

enum { SAVED_BYTES_MOST = 160 }; /* by a switch, on any CPU */

/* Frames of others, with redzones between their variables. */
#define NOT_CHECKED __attribute__((no_sanitize_address))

struct bounds {
    uintptr_t low, high;
};

static struct bounds bounds_of(const weir_loop *loop, int32_t slot)
{
    const struct weir__stacks *stacks = &loop->stacks;
    return (struct bounds){(uintptr_t)weir__stack_bottom(stacks, slot),
                           (uintptr_t)weir__stack_base(stacks, slot) + stacks->slot_bytes};
}

/* A frame is two words: that of the caller, and the address it goes on at. */
NOT_CHECKED static void follow(struct weir__calls *calls, uintptr_t frame, struct bounds bounds)
{
    uintptr_t before = bounds.low;
    while (calls->count < WEIR__CALLS_MAX && frame > before && frame % sizeof(uintptr_t) == 0 &&
           frame <= bounds.high - 2 * sizeof(uintptr_t)) {
        const uintptr_t *words = (const uintptr_t *)frame;
        if (words[1] == 0)
            return;
        calls->addresses[calls->count++] = (const void *)words[1];
        before = frame;
        frame = words[0];
    }
}

void weir__debug_calls_of(const weir_loop *loop, const weir_task *task, struct weir__calls *out)
{
    out->count = 0;
    const struct weir__hot *hot = weir__core_hot(loop, task);
    bool parked = hot->state == WEIR_TASK_BLOCKED || hot->state == WEIR_TASK_ABORTING;
    if (!parked || hot->stack_slot < 0)
        return;
    struct bounds bounds = bounds_of(loop, hot->stack_slot);
    uintptr_t sp = (uintptr_t)hot->sp;
    if (sp < bounds.low || sp > bounds.high - SAVED_BYTES_MOST)
        return;
    uintptr_t frame, pc;
    weir__arch_inspect(hot->sp, &frame, &pc);
    out->addresses[out->count++] = (const void *)pc;
    follow(out, frame, bounds);
}

__attribute__((noinline)) void weir__debug_calls_here(const weir_loop *loop,
                                                      struct weir__calls *out)
{
    out->count = 0;
    if (loop == NULL || loop != weir__core_loop() || loop->current == NULL)
        return;
    const struct weir__hot *hot = weir__core_hot(loop, loop->current);
    if (hot->stack_slot >= 0)
        follow(out, (uintptr_t)__builtin_frame_address(0), bounds_of(loop, hot->stack_slot));
}
