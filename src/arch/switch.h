/*
 * switch.h - leaving one stack and going on on another
 *
 * The switch saves what the C ABI says a call preserves and nothing else: no signal mask, no
 * floating point control words (a task that changes them restores them before it parks).
 *
 * A parked context is gone on with by a return: every one of them left through the same chain of
 * calls as the one that leaves now, so the return predictor, though it belongs to the CPU and not
 * to a stack, is right about this return and those above it (a jump here costs a wrong guess in
 * each caller: a yield takes 40 ns instead of 22). A new stack has no calls to return to, and is
 * entered by a jump. A stack ends by returning from its entry, which leaves the predictor where it
 * was when the stack was entered: at the calls of whoever started it, who is mostly the one to go
 * on.
 *
 * Holds  1. A saved stack pointer is resumed exactly once.
 *        2. The outermost frame of a new stack has no return address: gdb, perf and our own walks
 *           end there.
 */
#ifndef WEIR__ARCH_SWITCH_H
#define WEIR__ARCH_SWITCH_H

#include <weir/base.h>

/* Returns the stack pointer of the context to go on with; its own stack is not used after that. */
typedef void *weir__arch_entry_fn(void *arg);

/* Save this context's stack pointer in *out_save, and go on where load_sp was saved. */
void weir__arch_switch(void **out_save, void *load_sp);
/* The same, to a stack pointer that weir__arch_prepare() made. */
void weir__arch_enter(void **out_save, void *load_sp);

/* A stack pointer which, when entered, calls entry(arg) on the stack that ends at `top`. */
void *weir__arch_prepare(void *top, weir__arch_entry_fn *entry, void *arg);

/* Of a parked context: its frame pointer and the address it will go on at, for stack walks. */
void weir__arch_inspect(const void *saved_sp, uintptr_t *out_frame, uintptr_t *out_pc);

#endif
