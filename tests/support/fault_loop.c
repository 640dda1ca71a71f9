/*
 * fault_loop.c - fail the first call of a kind, then the second, until a run has none left
 *
 * Runs on  the thread that calls it; the plan is armed for that thread.
 * Holds    1. No plan is armed outside the body.
 *          2. Memory and descriptors are level after each run.
 */
#include "tests/support/fault_loop.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "tests/support/test.h"

enum { RUNS_MAX = 100000 };

uint64_t fault_loop_nth;

static uint64_t live_blocks(void)
{
    struct weir__alloc_stats stats;
    weir__base_alloc_stats(&stats);
    return stats.allocated_count - stats.freed_count;
}

static uint64_t run(enum weir__fault_point point, int rc, bool repeat, fault_body_fn *body,
                    void *arg)
{
    body(arg); // what is allocated once and kept must not look like a leak

    uint64_t delivered_count = 0;
    for (uint64_t nth = 1; nth < RUNS_MAX; nth++) {
        uint64_t blocks_before = live_blocks();
        int fds_before = weir__sys_open_fd_count();
        fault_loop_nth = nth;
        weir__base_fault_arm(point, nth, rc, repeat);
        body(arg);
        bool delivered = weir__base_fault_delivered();
        weir__base_fault_disarm();
        fault_loop_nth = 0;

        uint64_t blocks_after = live_blocks();
        int fds_after = weir__sys_open_fd_count();
        if (blocks_after != blocks_before || fds_after != fds_before) {
            fprintf(stderr,
                    "fault loop: with failure %" PRIu64 ": %" PRIu64 " blocks before, %" PRIu64
                    " after; %d descriptors before, %d after\n",
                    nth, blocks_before, blocks_after, fds_before, fds_after);
            test_expect(false, "the body gives back what it took", __FILE__, __LINE__);
            return delivered_count;
        }
        if (!delivered)
            return delivered_count;
        delivered_count++;
    }
    test_expect(false, "the fault loop comes to an end", __FILE__, __LINE__);
    return delivered_count;
}

uint64_t fault_loop(enum weir__fault_point point, int rc, fault_body_fn *body, void *arg)
{
    return run(point, rc, false, body, arg);
}

uint64_t fault_loop_from(enum weir__fault_point point, int rc, fault_body_fn *body, void *arg)
{
    return run(point, rc, true, body, arg);
}
