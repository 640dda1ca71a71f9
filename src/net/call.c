/*
 * call.c - limits, an operation within one, and operations that a close has to end
 *
 * Runs on  the loop's own thread.
 * Costs    a limit: one timer of the wheel.
 */
#include <stdio.h>

#include "base/sys.h"
#include "net/net.h"

int weir__net_limit(int64_t given, int64_t otherwise, int64_t *out_limit)
{
    if (given < 0)
        return -EINVAL;
    *out_limit = given == 0 ? otherwise : given;
    return 0;
}

const char *weir__net_duration(int64_t duration_ns, char out_text[WEIR__NET_DURATION_BYTES])
{
    bool whole = duration_ns % WEIR_SEC == 0;
    int64_t count = whole ? duration_ns / WEIR_SEC : (duration_ns + WEIR_MS - 1) / WEIR_MS;
    snprintf(out_text, WEIR__NET_DURATION_BYTES, "%lld %s", (long long)count, whole ? "s" : "ms");
    return out_text;
}

ssize_t weir__net_run(struct weir__op *op, int64_t limit_ns)
{
    weir_scope limit = {0};
    // A refusal belongs to the scope around: C12 counts it there.
    bool limited = limit_ns != WEIR_FOREVER && !weir_cancelled();
    int rc = limited ? weir_timeout_enter(&limit, limit_ns) : 0;
    if (rc < 0)
        return rc;
    ssize_t result = weir__io_run(op);
    if (limited)
        rc = weir_scope_leave(&limit, result < 0 ? (int)result : 0);
    else if (result < 0)
        rc = (int)result;
    return result < 0 ? rc : result; // O4: what came is handed on, whatever came with it
}

void weir__net_calls_cancel(struct weir__list *calls)
{
    for (struct weir__list *node = calls->next; node != calls; node = node->next)
        weir__io_cancel(&WEIR__CONTAINER(node, struct weir__net_call, link)->op);
}

int weir__net_local_address(int fd, weir_address *out_address)
{
    weir_address address = {.size = sizeof address.storage};
    int rc = weir__sys_getsockname(fd, (struct sockaddr *)(void *)&address.storage, &address.size);
    if (rc == 0)
        *out_address = address;
    return rc;
}
