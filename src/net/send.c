/*
 * send.c - one send, within a limit of progress
 *
 * The kernel takes bytes long before the peer has them, and takes the next ones only when a good
 * part of its buffer is free again. So what counts as progress is what the peer has acknowledged:
 * a slow peer that reads is not cut off, and one that is gone is noticed.
 *
 * Runs on  the loop's own thread.
 * Costs    one timer for each send. Only one that waits for a quarter of its limit asks the kernel
 *          how much is unacknowledged.
 */
#include <poll.h>

#include "base/clock.h"
#include "base/sys.h"
#include "net/net.h"

static ssize_t run_within(const struct weir__op *what, int64_t limit_ns, struct weir__op **slot)
{
    struct weir__op op = *what;
    if (slot != NULL)
        *slot = &op;
    ssize_t result = weir__net_run(&op, limit_ns);
    if (slot != NULL)
        *slot = NULL;
    return result;
}

/* -ETIME: no progress for `stall_ns`. */
static ssize_t run_while_it_moves(const struct weir__op *op, int64_t stall_ns,
                                  struct weir__op **slot)
{
    // A refusal belongs to the scope around: C12 counts it there.
    if (stall_ns == WEIR_FOREVER || weir_cancelled())
        return run_within(op, WEIR_FOREVER, slot);
    int64_t progress_at_ns = weir__core_loop()->now_ns;
    int waiting = -1; // bytes at the last look; before the first one nobody knows
    for (;;) {
        ssize_t result = run_within(op, weir__net_look_ns(stall_ns), slot);
        if (result != -ETIME)
            return result;
        int64_t now_ns = weir__core_loop()->now_ns;
        int bytes;
        if (weir__sys_unsent_bytes(op->fd, &bytes) == 0) {
            if (waiting < 0 || bytes < waiting)
                progress_at_ns = now_ns;
            waiting = bytes;
        }
        if (now_ns - progress_at_ns >= stall_ns)
            return -ETIME;
    }
}

ssize_t weir__net_send_some(int fd, struct msghdr *message, int64_t stall_ns, struct weir__op **op)
{
    return run_while_it_moves(
        &(struct weir__op){.kind = WEIR__OP_SENDMSG, .fd = fd, .message = message}, stall_ns, op);
}

int weir__net_wait_writable(int fd, int64_t stall_ns, struct weir__op **op)
{
    ssize_t events = run_while_it_moves(
        &(struct weir__op){.kind = WEIR__OP_POLL, .fd = fd, .flags = POLLOUT}, stall_ns, op);
    return events < 0 ? (int)events : 0;
}
