/*
 * stack.c - stacks for tasks, reserved in large pieces
 *
 * Costs (per slot): 0.4 us for the guard when it is first used, a page fault at the first touch,
 * nothing afterwards. Guards are markers in the page table where the kernel has them, so that a
 * million stacks need no million mappings; before 6.13 mprotect does it for the first 16,000 slots
 * (each splits a mapping, and vm.max_map_count is 65,530), later slots are counted as unguarded.
 */
#include "core/stack.h"

#include <assert.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/sys.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(start, end) 0
#endif

enum {
    SEGMENT_BYTES = 64 * 1024 * 1024,
    PROTECTED_SLOTS_MAX = 16000,
    FREE_DIRTY_MAX = 256, /* warm stacks kept for the next spawns */
    TRIM_BATCH = 64,
    MADV_GUARD_INSTALL_ = 102, /* Linux 6.13; not in Debian 12's headers */
};

void weir__stacks_init(struct weir__stacks *stacks, size_t slot_bytes)
{
    *stacks = (struct weir__stacks){0};
    size_t rounded = 32 * 1024;
    while (rounded < slot_bytes && rounded < SEGMENT_BYTES)
        rounded *= 2;
    stacks->slot_bytes = rounded;
    stacks->slots_a_segment = SEGMENT_BYTES / rounded;
    stacks->segment_shift = (unsigned)__builtin_ctzll(stacks->slots_a_segment);
}

void weir__stacks_deinit(struct weir__stacks *stacks)
{
    for (size_t i = 0; i < stacks->segment_count; i++) {
        struct weir__stack_segment *segment = &stacks->segments[i];
#ifdef WEIR__FIBER_SANITIZED
        for (size_t slot = 0; slot < stacks->slots_a_segment; slot++)
            weir__fiber_deinit_stack(&segment->fibers[slot]);
        weir__base_free(segment->fibers);
#endif
        weir__base_free(segment->task_of_slot);
        weir__sys_unmap(segment->base, SEGMENT_BYTES);
    }
    weir__base_free(stacks->segments);
    weir__base_free(stacks->free_slots);
    *stacks = (struct weir__stacks){0};
}

int weir__stacks_grow(struct weir__stacks *stacks)
{
    size_t count = stacks->segment_count + 1;
    struct weir__stack_segment *segments =
        weir__base_realloc(stacks->segments, count * sizeof *segments);
    if (segments == NULL)
        return -ENOMEM;
    stacks->segments = segments;
    int32_t *free_slots = weir__base_realloc(stacks->free_slots,
                                             count * stacks->slots_a_segment * sizeof *free_slots);
    if (free_slots == NULL)
        return -ENOMEM;
    stacks->free_slots = free_slots;

    struct weir__stack_segment segment = {0};
    segment.task_of_slot =
        weir__base_alloc_zero(stacks->slots_a_segment * sizeof *segment.task_of_slot);
    if (segment.task_of_slot == NULL)
        return -ENOMEM;
#ifdef WEIR__FIBER_SANITIZED
    segment.fibers = weir__base_alloc_zero(stacks->slots_a_segment * sizeof *segment.fibers);
    if (segment.fibers == NULL)
        goto free_tasks;
#endif
    void *base;
    int rc = weir__sys_map(SEGMENT_BYTES, &base);
    if (rc < 0)
        goto free_fibers;
    /* A huge page under a stack would make each of them cost 2 MiB. */
    weir_ignore(weir__sys_advise(base, SEGMENT_BYTES, MADV_NOHUGEPAGE), "kernel without THP");
    segment.base = base;
    stacks->segments[stacks->segment_count] = segment;
    stacks->segment_count = count;
    return 0;

free_fibers:
#ifdef WEIR__FIBER_SANITIZED
    weir__base_free(segment.fibers);
free_tasks:
#endif
    weir__base_free(segment.task_of_slot);
    return -ENOMEM;
}

static void install_guard(struct weir__stacks *stacks, int32_t slot)
{
    char *base = weir__stack_base(stacks, slot);
    if (!stacks->guard_by_protect) {
        if (weir__sys_advise(base, WEIR__STACK_GUARD_BYTES, MADV_GUARD_INSTALL_) == 0)
            return;
        stacks->guard_by_protect = true;
    }
    if (slot < PROTECTED_SLOTS_MAX && weir__sys_protect_none(base, WEIR__STACK_GUARD_BYTES) == 0)
        return;
    stacks->unguarded_count++;
}

int32_t weir__stacks_first_use(struct weir__stacks *stacks)
{
    int32_t slot = (int32_t)stacks->used_count++;
    install_guard(stacks, slot);
    char *bottom = weir__stack_bottom(stacks, slot);
    char *end = weir__stack_base(stacks, slot) + stacks->slot_bytes;
    (void)VALGRIND_STACK_REGISTER(bottom, end);
    struct weir__fiber *fiber = weir__stack_fiber(stacks, slot);
    if (fiber != NULL)
        weir__fiber_init_stack(fiber, bottom, (size_t)(end - bottom));
    return slot;
}

void weir__stacks_trim(struct weir__stacks *stacks)
{
    for (int i = 0; i < TRIM_BATCH; i++) {
        if (stacks->clean_count + FREE_DIRTY_MAX >= stacks->free_count)
            return;
        int32_t slot = stacks->free_slots[stacks->clean_count++];
        weir_ignore(weir__sys_advise(weir__stack_bottom(stacks, slot),
                                     stacks->slot_bytes - WEIR__STACK_GUARD_BYTES, MADV_DONTNEED),
                    "memory that stays is memory kept, no more");
    }
}

int32_t weir__stack_of_address(const struct weir__stacks *stacks, const void *address,
                               bool *out_in_guard)
{
    uintptr_t at = (uintptr_t)address;
    for (size_t i = 0; i < stacks->segment_count; i++) {
        uintptr_t base = (uintptr_t)stacks->segments[i].base;
        if (at < base || at - base >= SEGMENT_BYTES)
            continue;
        size_t offset = at - base;
        *out_in_guard = offset % stacks->slot_bytes < WEIR__STACK_GUARD_BYTES;
        return (int32_t)(i * stacks->slots_a_segment + offset / stacks->slot_bytes);
    }
    return -1;
}
