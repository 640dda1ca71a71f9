/*
 * sys_call.h - how every file of the door to the kernel makes a call
 *
 * Only sys*.c include this. Every function there has the same shape: ask the fault point, count,
 * call, turn errno into a negative code. A call that a signal interrupted before it did anything is
 * made again, so that no caller has to know about EINTR; the exceptions say so where they are.
 *
 * Holds  fds_opened - fds_closed is the number of descriptors that weir holds, exactly: each way to
 *        get one and to lose one counts.
 */
#ifndef WEIR__BASE_SYS_CALL_H
#define WEIR__BASE_SYS_CALL_H

#include <errno.h>
#include <linux/openat2.h>

#include "base/fault.h"
#include "base/sys.h"
#include "base/virtual.h"
#include "base/virtual_disk.h"

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20 /* since Linux 5.12 */
#endif

static inline int weir__sys_fault(void)
{
    return weir__base_fault(WEIR__FAULT_SYSCALL);
}

/* Makes the call once and leaves its result or the negative errno in `result`. */
#define WEIR__SYS_CALL(result, expression)                                                         \
    do {                                                                                           \
        weir__sys_count_call();                                                                    \
        (result) = (expression);                                                                   \
        if ((result) < 0)                                                                          \
            (result) = -errno;                                                                     \
    } while (0)

/* The same, and again for as long as signals interrupt it. */
#define WEIR__SYS_CALL_AGAIN(result, expression)                                                   \
    do {                                                                                           \
        WEIR__SYS_CALL(result, expression);                                                        \
    } while ((result) == -EINTR)

/* The same for a call on a descriptor, which may be one of a simulated network. */
#define WEIR__SYS_CALL_ON(fd, result, expression, simulated)                                       \
    do {                                                                                           \
        if (weir__is_virtual(fd))                                                                  \
            (result) = (simulated);                                                                \
        else                                                                                       \
            WEIR__SYS_CALL(result, expression);                                                    \
    } while (0)
#define WEIR__SYS_CALL_ON_AGAIN(fd, result, expression, simulated)                                 \
    do {                                                                                           \
        WEIR__SYS_CALL_ON(fd, result, expression, simulated);                                      \
    } while ((result) == -EINTR)

/* The same for a call on a name, which may be one of a simulated disk. */
#define WEIR__SYS_CALL_AT(folder, name, result, expression, simulated)                             \
    do {                                                                                           \
        if (weir__is_virtual_name(folder, name))                                                   \
            (result) = (simulated);                                                                \
        else                                                                                       \
            WEIR__SYS_CALL(result, expression);                                                    \
    } while (0)
#define WEIR__SYS_CALL_AGAIN_AT(folder, name, result, expression, simulated)                       \
    do {                                                                                           \
        WEIR__SYS_CALL_AT(folder, name, result, expression, simulated);                            \
    } while ((result) == -EINTR)

/* How much of a transfer is asked for: all of it, or, where a test says so, a byte. */
static inline size_t weir__sys_size(size_t size)
{
    return size > 1 && weir__base_fault(WEIR__FAULT_SHORT) != 0 ? 1 : size;
}

static inline int weir__sys_opened(int fd)
{
    if (fd >= 0)
        weir__sys_count_opened();
    return fd;
}

#endif
