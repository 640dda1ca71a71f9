/*
 * switch.c - the first frame of a new stack, and a look into a parked one
 *
 * The layouts here are those of switch_<cpu>.S; the two change together.
 */
#include "arch/switch.h"

void weir__arch_start(void);

#if defined(__x86_64__)

enum { SAVED_R13 = 2, SAVED_R12 = 3, SAVED_RBP = 5, SAVED_PC = 6, SAVED_WORDS = 7 };

void *weir__arch_prepare(void *top, weir__arch_entry_fn *entry, void *arg)
{
    /* 16-aligned after the pops, as the ABI wants it before a call; two zero words above end walks
     * that follow frame pointers. */
    uintptr_t *end = (uintptr_t *)((uintptr_t)top & ~(uintptr_t)15) - 2;
    end[0] = 0;
    end[1] = 0;
    uintptr_t *sp = end - SAVED_WORDS;
    for (int i = 0; i < SAVED_WORDS; i++)
        sp[i] = 0;
    sp[SAVED_R12] = (uintptr_t)entry;
    sp[SAVED_R13] = (uintptr_t)arg;
    sp[SAVED_PC] = (uintptr_t)weir__arch_start;
    return sp;
}

void weir__arch_inspect(const void *saved_sp, uintptr_t *out_frame, uintptr_t *out_pc)
{
    const uintptr_t *words = saved_sp;
    *out_frame = words[SAVED_RBP];
    *out_pc = words[SAVED_PC];
}

#elif defined(__aarch64__)

enum { SAVED_X19 = 0, SAVED_X20 = 1, SAVED_X29 = 10, SAVED_X30 = 11, SAVED_WORDS = 20 };

void *weir__arch_prepare(void *top, weir__arch_entry_fn *entry, void *arg)
{
    uintptr_t *end = (uintptr_t *)((uintptr_t)top & ~(uintptr_t)15) - 2;
    end[0] = 0;
    end[1] = 0;
    uintptr_t *sp = end - SAVED_WORDS;
    for (int i = 0; i < SAVED_WORDS; i++)
        sp[i] = 0;
    sp[SAVED_X19] = (uintptr_t)entry;
    sp[SAVED_X20] = (uintptr_t)arg;
    sp[SAVED_X30] = (uintptr_t)weir__arch_start;
    return sp;
}

void weir__arch_inspect(const void *saved_sp, uintptr_t *out_frame, uintptr_t *out_pc)
{
    const uintptr_t *words = saved_sp;
    *out_frame = words[SAVED_X29];
    *out_pc = words[SAVED_X30];
}

#else
#error "weir has no stack switch for this CPU yet: add src/arch/switch_<cpu>.S and its layout here"
#endif
