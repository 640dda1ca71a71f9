/*
 * sys_epoll.c - the door to the kernel: epoll
 *
 * Runs on  any thread.
 */
#include <limits.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/sys_call.h"

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441 /* the same on every architecture; since Linux 5.11 */
#endif

int weir__sys_epoll_create(void)
{
    int rc = weir__sys_fault();
    if (rc < 0)
        return rc;
    WEIR__SYS_CALL(rc, epoll_create1(EPOLL_CLOEXEC));
    return weir__sys_opened(rc);
}

int weir__sys_epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL(rc, epoll_ctl(epoll_fd, op, fd, event));
    return rc;
}

/* Up, so that a timer is due when we wake for it; -1 stays -1. */
static int milliseconds_up(int64_t ns)
{
    if (ns < 0)
        return -1;
    int64_t ms = ns / WEIR_MS + (ns % WEIR_MS != 0);
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

int weir__sys_epoll_wait(int epoll_fd, struct epoll_event *out_events, int count_max,
                         int64_t timeout_ns)
{
    static bool has_pwait2 = true;

    int rc = weir__sys_fault();
    if (rc < 0)
        return rc;
    /* 0 and -1 are the same for the old call, which is one copy of a timespec cheaper. */
    if (timeout_ns > 0 && __atomic_load_n(&has_pwait2, __ATOMIC_RELAXED)) {
        struct timespec timeout = {
            .tv_sec = (time_t)(timeout_ns / WEIR_SEC),
            .tv_nsec = (long)(timeout_ns % WEIR_SEC),
        };
        long got;
        WEIR__SYS_CALL(got, syscall(SYS_epoll_pwait2, epoll_fd, out_events, count_max, &timeout,
                                    NULL, (size_t)_NSIG / 8));
        /* EPERM: what seccomp profiles older than the call answer. */
        if (got != -ENOSYS && got != -EPERM)
            return got == -EINTR ? 0 : (int)got;
        __atomic_store_n(&has_pwait2, false, __ATOMIC_RELAXED);
    }
    WEIR__SYS_CALL(rc, epoll_wait(epoll_fd, out_events, count_max, milliseconds_up(timeout_ns)));
    return rc == -EINTR ? 0 : rc;
}
