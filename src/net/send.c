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
#include "base/clock.h"
#include "base/sys.h"
#include "net/net.h"

static ssize_t send_within(int fd, struct msghdr *message, int64_t limit_ns, struct weir__op **op)
{
    struct weir__op sending = {.kind = WEIR__OP_SENDMSG, .fd = fd, .message = message};
    if (op != NULL)
        *op = &sending;
    ssize_t sent = weir__net_run(&sending, limit_ns);
    if (op != NULL)
        *op = NULL;
    return sent;
}

ssize_t weir__net_send_some(int fd, struct msghdr *message, int64_t stall_ns, struct weir__op **op)
{
    // A refusal belongs to the scope around: C12 counts it there.
    if (stall_ns == WEIR_FOREVER || weir_cancelled())
        return send_within(fd, message, WEIR_FOREVER, op);
    int64_t progress_at_ns = weir__core_loop()->now_ns;
    int waiting = -1; // bytes at the last look; before the first one nobody knows
    for (;;) {
        ssize_t sent = send_within(fd, message, weir__net_look_ns(stall_ns), op);
        if (sent != -ETIME)
            return sent;
        int64_t now_ns = weir__core_loop()->now_ns;
        int bytes;
        if (weir__sys_unsent_bytes(fd, &bytes) == 0) {
            if (waiting < 0 || bytes < waiting)
                progress_at_ns = now_ns;
            waiting = bytes;
        }
        if (now_ns - progress_at_ns >= stall_ns)
            return -ETIME;
    }
}
