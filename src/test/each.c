/*
 * each.c - fail the first call of a kind, then the second, until a run has none left
 *
 * Needs nothing above base, so that the tests of every room can use it.
 *
 * Runs on  the thread that calls it; the plan is armed for the process.
 * Holds    1. No plan is armed outside the function.
 *          2. Memory and descriptors are level after each run.
 */
#include <inttypes.h>
#include <weir/log.h>
#include <weir/test.h>

#include "base/buffer.h"
#include "base/fault.h"
#include "base/log.h"
#include "test/test.h"

enum { RUNS_MAX = 100000 };

static int point_of(unsigned kind)
{
    switch (kind) {
    case WEIR_TEST_NO_MEMORY:
        return WEIR__FAULT_ALLOC;
    case WEIR_TEST_KERNEL:
        return WEIR__FAULT_SYSCALL;
    case WEIR_TEST_OPERATION:
        return WEIR__FAULT_RING;
    case WEIR_TEST_NO_THREAD:
        return WEIR__FAULT_THREAD;
    case WEIR_TEST_SHORT:
        return WEIR__FAULT_SHORT;
    default:
        return -EINVAL;
    }
}

static void tell_leak(uint64_t nth, struct weir__test_level before, struct weir__test_level after)
{
    struct weir__buffer text;
    weir__buffer_init(&text);
    weir__buffer_printf(&text,
                        "weir test: with failure %" PRIu64 ": %" PRIu64 " blocks before, %" PRIu64
                        " after; %d descriptors before, %d after\n",
                        nth, before.blocks, after.blocks, before.fds, after.fds);
    weir__log_raw(text.data, text.size);
    weir__buffer_deinit(&text);
    weir_log_flush();
}

int weir_test_fault_each(unsigned kind, int code, bool from_there_on, weir_test_fault_fn *fn,
                         void *arg, uint64_t *out_count)
{
    int point = point_of(kind);
    if (point < 0 || code >= 0)
        return -EINVAL;
    fn(arg, 0); /* what is allocated once and kept must not look like a leak */

    uint64_t delivered_count = 0;
    int rc = 0;
    for (uint64_t nth = 1; rc == 0; nth++) {
        struct weir__test_level before = weir__test_level_now(), after;
        weir__base_fault_arm((enum weir__fault_point)point, nth, code, from_there_on);
        fn(arg, nth);
        bool delivered = weir__base_fault_delivered();
        weir__base_fault_disarm();
        if (!weir__test_level_is_kept(before, &after) || nth > RUNS_MAX) {
            tell_leak(nth, before, after);
            rc = -EUCLEAN;
        }
        if (!delivered)
            break;
        delivered_count++;
    }
    if (out_count != NULL)
        *out_count = delivered_count;
    return rc;
}
