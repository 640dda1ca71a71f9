/*
 * switch.h - leaving one stack and going on on another
 *
 * The switch saves what the C ABI says a call preserves and nothing else: no signal mask, no
 * floating point control words (a task that changes them restores them before it parks). It leaves
 * through a jump, not a return: the return predictor would be wrong every time (measured: 2.2 ns
 * against 11.5).
 *
 * Holds  1. A saved stack pointer is resumed exactly once.
 *        2. The outermost frame of a new stack has no return address: gdb, perf and our own walks
 *           end there.
 */
#ifndef WEIR__ARCH_SWITCH_H
#define WEIR__ARCH_SWITCH_H

#include <weir/base.h>

typedef void weir__arch_entry_fn(void *arg);

/* Save this context's stack pointer in *out_save, and go on where load_sp was saved. */
void weir__arch_switch(void **out_save, void *load_sp);

/* A stack pointer which, when switched to, calls entry(arg) on the stack that ends at `top`. The
 * entry never returns. */
void *weir__arch_prepare(void *top, weir__arch_entry_fn *entry, void *arg);

/* Of a parked context: its frame pointer and the address it will go on at, for stack walks. */
void weir__arch_inspect(const void *saved_sp, uintptr_t *out_frame, uintptr_t *out_pc);

#endif
