/*
 * fiber.h - the switch, with the sanitizers told about it
 *
 * ASan and TSan keep a picture of the current stack and must hear of every switch; a plain build
 * compiles this to the bare switch. A fiber is the saved context of one stack.
 */
#ifndef WEIR__ARCH_FIBER_H
#define WEIR__ARCH_FIBER_H

#include "arch/switch.h"

#if defined(__SANITIZE_ADDRESS__)
#define WEIR__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEIR__ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define WEIR__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEIR__TSAN 1
#endif
#endif

#ifdef WEIR__ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef WEIR__TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* What a sanitizer wants to know of one stack; empty in plain builds. */
struct weir__fiber {
#ifdef WEIR__ASAN
    void *fake_stack;
    const void *stack_bottom;
    size_t stack_bytes;
#endif
#ifdef WEIR__TSAN
    void *tsan;
#endif
    char unused;
};

#if defined(WEIR__ASAN) || defined(WEIR__TSAN)
#define WEIR__FIBER_SANITIZED 1
#endif

/* The fiber of the stack that this thread was born with. */
static inline void weir__fiber_init_thread(struct weir__fiber *fiber)
{
    (void)fiber;
#ifdef WEIR__ASAN
    fiber->fake_stack = NULL;
    fiber->stack_bottom = NULL; /* learned at the first switch away */
    fiber->stack_bytes = 0;
#endif
#ifdef WEIR__TSAN
    fiber->tsan = __tsan_get_current_fiber();
#endif
}

static inline void weir__fiber_init_stack(struct weir__fiber *fiber, void *bottom, size_t bytes)
{
    (void)fiber, (void)bottom, (void)bytes;
#ifdef WEIR__ASAN
    fiber->fake_stack = NULL;
    fiber->stack_bottom = bottom;
    fiber->stack_bytes = bytes;
#endif
#ifdef WEIR__TSAN
    if (fiber->tsan == NULL)
        fiber->tsan = __tsan_create_fiber(0);
#endif
}

static inline void weir__fiber_deinit_stack(struct weir__fiber *fiber)
{
    (void)fiber;
#ifdef WEIR__TSAN
    if (fiber->tsan != NULL)
        __tsan_destroy_fiber(fiber->tsan);
    fiber->tsan = NULL;
#endif
}

/* Before a stack is begun anew: what the sanitizers remember of frames that were left on it for
 * good goes. Those are the outermost few; all others returned. */
static inline void weir__fiber_renew(struct weir__fiber *fiber)
{
    (void)fiber;
#ifdef WEIR__ASAN
    enum { OUTERMOST_BYTES = 8192 };
    size_t bytes = fiber->stack_bytes < OUTERMOST_BYTES ? fiber->stack_bytes : OUTERMOST_BYTES;
    const char *top = (const char *)fiber->stack_bottom + fiber->stack_bytes;
    __asan_unpoison_memory_region(top - bytes, bytes);
#endif
#ifdef WEIR__TSAN
    __tsan_destroy_fiber(fiber->tsan);
    fiber->tsan = __tsan_create_fiber(0);
#endif
}

/* First thing on a new stack: `from` is the fiber that switched here. */
static inline void weir__fiber_arrived(struct weir__fiber *from)
{
    (void)from;
#ifdef WEIR__ASAN
    const void *bottom;
    size_t bytes;
    __sanitizer_finish_switch_fiber(NULL, &bottom, &bytes);
    if (from != NULL && from->stack_bottom == NULL) {
        from->stack_bottom = bottom;
        from->stack_bytes = bytes;
    }
#endif
}

/* `first`: the other stack is a new one. Inlined and not instrumented itself:
 * TSan's shadow call stack belongs to the fiber (a call here would be popped on the wrong one). */
__attribute__((always_inline)) static inline void weir__fiber_switch(struct weir__fiber *from,
                                                                     void **out_from_sp,
                                                                     struct weir__fiber *to,
                                                                     void *to_sp, bool first)
{
    (void)from, (void)to;
#ifdef WEIR__ASAN
    __sanitizer_start_switch_fiber(&from->fake_stack, to->stack_bottom, to->stack_bytes);
#endif
#ifdef WEIR__TSAN
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
    if (first)
        weir__arch_enter(out_from_sp, to_sp);
    else
        weir__arch_switch(out_from_sp, to_sp);
#ifdef WEIR__ASAN
    __sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
#endif
}

/* The end of a stack, in the last line of its entry: `return weir__fiber_end(...)`. The sanitizers
 * want no frame of it to be left after they were told, so with them it is a switch that nobody
 * comes back from. */
__attribute__((always_inline)) static inline void *weir__fiber_end(struct weir__fiber *to,
                                                                   void *to_sp)
{
    (void)to;
#ifdef WEIR__ASAN
    __sanitizer_start_switch_fiber(NULL, to->stack_bottom, to->stack_bytes);
#endif
#ifdef WEIR__TSAN
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
#ifdef WEIR__FIBER_SANITIZED
    void *nobody;
    weir__arch_switch(&nobody, to_sp);
    __builtin_unreachable();
#else
    return to_sp;
#endif
}

#endif
