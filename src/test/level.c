/*
 * level.c - memory and descriptors of weir, before and after
 *
 * Both belong to the process: threads of a pool and the writer of the log have their share. A
 * difference counts when it is still there after a while.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/sys.h"
#include "base/thread.h"
#include "test/test.h"

enum { SETTLE_MS = 300 };

struct weir__test_level weir__test_level_now(void)
{
    struct weir__alloc_stats stats;
    weir__base_alloc_stats(&stats);
    return (struct weir__test_level){.blocks = stats.allocated_count - stats.freed_count,
                                     .fds = weir__sys_open_fd_count()};
}

bool weir__test_level_is_kept(struct weir__test_level before, struct weir__test_level *out_after)
{
    int64_t until_ns = weir__base_kernel_now() + SETTLE_MS * WEIR_MS;
    for (;;) {
        *out_after = weir__test_level_now();
        if (out_after->blocks <= before.blocks && out_after->fds <= before.fds)
            return true;
        if (weir__base_kernel_now() >= until_ns)
            return false;
        weir__base_thread_pause();
    }
}
