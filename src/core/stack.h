/*
 * stack.h - the stacks of one loop
 *
 * Slots of one size in segments of 64 MiB of reserved address space. The lowest 16 KiB of a slot
 * are a guard: touching it ends the process with a report that names the task (debug/overflow.c). A
 * free slot is handed out last in, first out, while its top page is warm: a first touch costs 200
 * times what a spawn does.
 *
 * Holds  1. weir__stacks_promise() succeeded before every weir__stacks_take(), which cannot fail.
 *        2. A slot that is free or was never used belongs to no task in `task_of_slot`.
 */
#ifndef WEIR__CORE_STACK_H
#define WEIR__CORE_STACK_H

#include <weir/base.h>

#include "arch/fiber.h"

enum { WEIR__STACK_GUARD_BYTES = 16 * 1024 };

struct weir__stack_segment {
    char *base;
    uint32_t *task_of_slot; /* index + 1; 0: nobody */
#ifdef WEIR__FIBER_SANITIZED
    struct weir__fiber *fibers;
#endif
};

struct weir__stacks {
    struct weir__stack_segment *segments;
    size_t segment_count;
    size_t slot_bytes;
    size_t slots_a_segment; /* a power of two: 1 << segment_shift */
    unsigned segment_shift;
    int32_t *free_slots; /* room for every slot there is */
    size_t free_count;
    size_t clean_count; /* the first of free_slots whose memory went back to the kernel */
    size_t used_count;  /* slots that were ever handed out */
    size_t promised_count;
    size_t unguarded_count;
    bool guard_by_protect; /* the kernel has no MADV_GUARD_INSTALL (6.13) */
};

void weir__stacks_init(struct weir__stacks *stacks, size_t slot_bytes);
void weir__stacks_deinit(struct weir__stacks *stacks);
int weir__stacks_grow(struct weir__stacks *stacks) WEIR_MUST_CHECK;
/* A slot that was never used before: its guard goes in. */
int32_t weir__stacks_first_use(struct weir__stacks *stacks);
/* Give memory of cold free slots back, a bounded amount; for idle moments. */
void weir__stacks_trim(struct weir__stacks *stacks);

/* Which slot an address lies in, and whether in its guard; -1 when in none. Async-signal-safe. */
int32_t weir__stack_of_address(const struct weir__stacks *stacks, const void *address,
                               bool *out_in_guard);

/* --- inlined: every spawn and every end passes here ------------------------------------------- */

static inline struct weir__stack_segment *weir__stack_segment(const struct weir__stacks *stacks,
                                                              int32_t slot, size_t *out_index)
{
    *out_index = (size_t)slot & (stacks->slots_a_segment - 1);
    return &stacks->segments[(size_t)slot >> stacks->segment_shift];
}

/* The lowest address of a slot, the guard's. */
static inline char *weir__stack_base(const struct weir__stacks *stacks, int32_t slot)
{
    size_t index;
    struct weir__stack_segment *segment = weir__stack_segment(stacks, slot, &index);
    return segment->base + index * stacks->slot_bytes;
}

static inline char *weir__stack_bottom(const struct weir__stacks *stacks, int32_t slot)
{
    return weir__stack_base(stacks, slot) + WEIR__STACK_GUARD_BYTES;
}

/* Tops are spread over 1 KiB: stacks that all begin at the same offset of a page fight for the same
 * cache sets (measured: 28 against 18 ns a resume at 10,000 tasks). */
static inline char *weir__stack_top(const struct weir__stacks *stacks, int32_t slot)
{
    uint32_t colour = ((uint32_t)slot * UINT32_C(2654435761)) >> 28;
    return weir__stack_base(stacks, slot) + stacks->slot_bytes - 64 * colour;
}

static inline struct weir__fiber *weir__stack_fiber(const struct weir__stacks *stacks, int32_t slot)
{
#ifdef WEIR__FIBER_SANITIZED
    size_t index;
    return &weir__stack_segment(stacks, slot, &index)->fibers[index];
#else
    (void)stacks, (void)slot;
    return NULL;
#endif
}

/* Index + 1 of the task on it, or 0. */
static inline uint32_t weir__stack_task(const struct weir__stacks *stacks, int32_t slot)
{
    size_t index;
    return weir__stack_segment(stacks, slot, &index)->task_of_slot[index];
}

/* The slot goes from one task to the next without being left. */
static inline void weir__stacks_hand_on(struct weir__stacks *stacks, int32_t slot,
                                        uint32_t task_index)
{
    size_t index;
    weir__stack_segment(stacks, slot, &index)->task_of_slot[index] = task_index + 1;
}

static inline int32_t weir__stacks_take(struct weir__stacks *stacks, uint32_t task_index)
{
    int32_t slot;
    if (stacks->free_count > 0) {
        slot = stacks->free_slots[--stacks->free_count];
        if (stacks->clean_count > stacks->free_count)
            stacks->clean_count = stacks->free_count;
    } else {
        slot = weir__stacks_first_use(stacks);
    }
    weir__stacks_hand_on(stacks, slot, task_index);
    return slot;
}

static inline void weir__stacks_give(struct weir__stacks *stacks, int32_t slot)
{
    size_t index;
    weir__stack_segment(stacks, slot, &index)->task_of_slot[index] = 0;
    stacks->free_slots[stacks->free_count++] = slot;
}

/* One more can be taken; maps another segment when it must. */
static inline int weir__stacks_promise(struct weir__stacks *stacks)
{
    if (stacks->promised_count == stacks->segment_count * stacks->slots_a_segment) {
        int rc = weir__stacks_grow(stacks);
        if (rc < 0)
            return rc;
    }
    stacks->promised_count++;
    return 0;
}

static inline void weir__stacks_unpromise(struct weir__stacks *stacks)
{
    stacks->promised_count--;
}

#endif
