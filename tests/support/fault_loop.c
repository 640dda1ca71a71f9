/*
 * fault_loop.c - fail the first call of a kind, then the second, until a run has none left
 *
 * The loop is that of the test room (test/each.c); here is what the harness adds.
 *
 * Runs on  the thread that calls it.
 */
#include "tests/support/fault_loop.h"

#include <weir/test.h>

#include "tests/support/test.h"

uint64_t fault_loop_nth;

struct body {
    fault_body_fn *fn;
    void *arg;
};

static void run_body(void *arg, uint64_t nth)
{
    struct body *body = arg;
    fault_loop_nth = nth;
    body->fn(body->arg);
    fault_loop_nth = 0;
}

static uint64_t run(enum weir__fault_point point, int rc, bool repeat, fault_body_fn *fn, void *arg)
{
    static const unsigned kinds[] = {
        [WEIR__FAULT_ALLOC] = WEIR_TEST_NO_MEMORY,
        [WEIR__FAULT_SYSCALL] = WEIR_TEST_KERNEL,
        [WEIR__FAULT_THREAD] = WEIR_TEST_NO_THREAD,
        [WEIR__FAULT_RING] = WEIR_TEST_OPERATION,
    };
    struct body body = {fn, arg};
    uint64_t count = 0;
    int each = weir_test_fault_each(kinds[point], rc, repeat, run_body, &body, &count);
    test_expect_code(0, each, "the body gives back what it took", __FILE__, __LINE__);
    return count;
}

uint64_t fault_loop(enum weir__fault_point point, int rc, fault_body_fn *body, void *arg)
{
    return run(point, rc, false, body, arg);
}

uint64_t fault_loop_from(enum weir__fault_point point, int rc, fault_body_fn *body, void *arg)
{
    return run(point, rc, true, body, arg);
}
