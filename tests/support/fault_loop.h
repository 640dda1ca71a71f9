/*
 * fault_loop.h - fail the first call of a kind, then the second, until a run has none left
 *
 *     static void open_and_close(void *arg) { ... }
 *
 *     TEST(a_listener_gives_everything_back_wherever_memory_runs_out)
 *     {
 *         EXPECT(fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, open_and_close, NULL) > 0);
 *     }
 *
 * The body runs in this process (or task), again and again. It must cope with a failure at any
 * place: return, with nothing leaked, and say so with EXPECT. After each run the blocks of memory
 * and the descriptors must be as many as before it. A first run without any fault warms up what is
 * set up once and kept.
 */
#ifndef WEIR_TESTS_SUPPORT_FAULT_LOOP_H
#define WEIR_TESTS_SUPPORT_FAULT_LOOP_H

#include "base/fault.h"

typedef void fault_body_fn(void *arg);

/* Which hit is being failed in the current run, from 1; 0 outside a loop and while warming up. */
extern uint64_t fault_loop_nth;

/* Returns how many faults were delivered: the number of such calls that the body makes. */
uint64_t fault_loop(enum weir__fault_point point, int rc, fault_body_fn *body, void *arg);
/* The same, and from the n-th on every call fails. */
uint64_t fault_loop_from(enum weir__fault_point point, int rc, fault_body_fn *body, void *arg);

#endif
