/*
 * stack.h - the stacks of one loop
 *
 * Slots of one size in segments of 64 MiB of reserved address space. The lowest 16 KiB of a slot are a
 * guard: touching it ends the process with a report that names the task (debug/overflow.c). A free
 * slot is handed out last in, first out, while its top page is warm: a first touch costs 200 times
 * what a spawn does.
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
    size_t slots_a_segment;
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
int weir__stacks_promise(struct weir__stacks *stacks) WEIR_MUST_CHECK; /* one more can be taken */
void weir__stacks_unpromise(struct weir__stacks *stacks);
int32_t weir__stacks_take(struct weir__stacks *stacks, uint32_t task_index);
void weir__stacks_give(struct weir__stacks *stacks, int32_t slot);
/* The slot goes from one task to the next without being left. */
void weir__stacks_hand_on(struct weir__stacks *stacks, int32_t slot, uint32_t task_index);
/* Give memory of cold free slots back, a bounded amount; for idle moments. */
void weir__stacks_trim(struct weir__stacks *stacks);

char *weir__stack_bottom(const struct weir__stacks *stacks, int32_t slot); /* guard excluded */
char *weir__stack_top(const struct weir__stacks *stacks, int32_t slot);
/* Which slot an address lies in, and whether in its guard; -1 when in none. Async-signal-safe. */
int32_t weir__stack_of_address(const struct weir__stacks *stacks, const void *address,
                               bool *out_in_guard);
uint32_t weir__stack_task(const struct weir__stacks *stacks, int32_t slot); /* index + 1, or 0 */
struct weir__fiber *weir__stack_fiber(const struct weir__stacks *stacks, int32_t slot);

#endif
