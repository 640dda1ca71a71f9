/*
 * sys_stream.c - the door to the kernel: what moves bytes from one descriptor to another, and what
 * a stream asks about its descriptor
 *
 * Runs on  any thread.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys_call.h"

int weir__sys_dup(int fd)
{
    int rc = weir__sys_fault();
    if (rc < 0)
        return rc;
    WEIR__SYS_CALL_ON(fd, rc, fcntl(fd, F_DUPFD_CLOEXEC, 0), weir__virtual_file_dup(fd));
    return weir__sys_opened(rc);
}

int weir__sys_status_flags(int fd)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON(fd, rc, fcntl(fd, F_GETFL), weir__virtual_file_flags(fd));
    return rc;
}

int weir__sys_reopen(int fd, int flags)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int rc = weir__sys_fault();
    if (rc < 0)
        return rc;
    if (weir__is_virtual(fd))
        return -EOPNOTSUPP;
    WEIR__SYS_CALL_AGAIN(rc, open(path, flags | O_CLOEXEC, 0));
    return weir__sys_opened(rc);
}

ssize_t weir__sys_writev(int fd, const struct iovec *parts, int count)
{
    ssize_t rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON_AGAIN(fd, rc, writev(fd, parts, count),
                                weir__virtual_file_write(fd, parts, count, -1));
    return rc;
}

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* since Linux 6.5, on every architecture */
#endif

int weir__sys_cached(int fd, off_t offset, size_t size)
{
    struct {
        uint64_t offset, size;
    } range = {(uint64_t)offset, size};
    struct {
        uint64_t cached, dirty, written_back, evicted, recently_evicted;
    } found;
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL(rc, (int)syscall(SYS_cachestat, fd, &range, &found, 0));
    if (rc < 0)
        return rc;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t first = range.offset / page;
    uint64_t last = (range.offset + size - 1) / page;
    return found.cached >= last - first + 1;
}

ssize_t weir__sys_sendfile(int to_fd, int from_fd, off_t offset, size_t size)
{
    ssize_t rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON_AGAIN(to_fd > from_fd ? to_fd : from_fd, rc,
                                sendfile(to_fd, from_fd, &offset, size), -EINVAL);
    return rc;
}

ssize_t weir__sys_splice(int from_fd, int64_t *offset, int to_fd, size_t size)
{
    ssize_t rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_AGAIN(
            rc, splice(from_fd, offset, to_fd, NULL, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK));
    return rc;
}

int weir__sys_set_pipe_size(int fd, int bytes)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL(rc, fcntl(fd, F_SETPIPE_SZ, bytes));
    return rc;
}
