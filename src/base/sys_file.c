/*
 * sys_file.c - the door to the kernel: descriptors and files
 *
 * Runs on  any thread.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys_call.h"

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20 /* since Linux 5.12 */
#endif

int weir__sys_close(int fd)
{
    /* No fault point: a descriptor must never stay open because a test said no. Once, whatever it
     * returns: on Linux it is closed then, and a second try would hit who got the number next. */
    int rc;
    WEIR__SYS_CALL_ON(fd, rc, close(fd), weir__virtual_close(fd));
    if (rc != -EBADF)
        weir__sys_count_closed();
    return rc;
}

ssize_t weir__sys_read(int fd, void *buffer, size_t size)
{
    ssize_t rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_AGAIN(rc, read(fd, buffer, weir__sys_size(size)));
    return rc;
}

ssize_t weir__sys_write(int fd, const void *buffer, size_t size)
{
    ssize_t rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_AGAIN(rc, write(fd, buffer, weir__sys_size(size)));
    return rc;
}

ssize_t weir__sys_pread(int fd, void *buffer, size_t size, off_t offset)
{
    ssize_t rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_AGAIN(rc, pread(fd, buffer, weir__sys_size(size), offset));
    return rc;
}

ssize_t weir__sys_pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
    ssize_t rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_AGAIN(rc, pwrite(fd, buffer, weir__sys_size(size), offset));
    return rc;
}

ssize_t weir__sys_pread_nowait(int fd, void *buffer, size_t size, off_t offset)
{
    ssize_t rc = weir__sys_fault();
    struct iovec part = {buffer, size};
    if (rc == 0)
        WEIR__SYS_CALL_AGAIN(rc, preadv2(fd, &part, 1, offset, RWF_NOWAIT));
    return rc == -ENOSYS || rc == -EINVAL ? -EOPNOTSUPP : rc;
}

int weir__sys_open(const char *path, int flags, mode_t mode)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_AGAIN(rc, open(path, flags | O_CLOEXEC, mode));
    else
        return rc;
    return weir__sys_opened(rc);
}

int weir__sys_open_cached(const char *path, int flags)
{
    int rc = weir__sys_fault();
    if (rc < 0)
        return rc;
    struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = RESOLVE_CACHED};
    WEIR__SYS_CALL_AGAIN(rc, (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how));
    if (rc == -ENOSYS || rc == -EPERM || rc == -EINVAL || rc == -E2BIG)
        return -EOPNOTSUPP;
    return weir__sys_opened(rc);
}

int weir__sys_fstat(int fd, struct stat *out_stat)
{
    int rc = weir__sys_fault();
    struct stat found;
    if (rc == 0)
        WEIR__SYS_CALL_AGAIN(rc, fstat(fd, &found));
    if (rc == 0)
        *out_stat = found;
    return rc;
}

int weir__sys_stat(const char *path, struct stat *out_stat)
{
    int rc = weir__sys_fault();
    struct stat found;
    if (rc == 0)
        WEIR__SYS_CALL_AGAIN(rc, stat(path, &found));
    if (rc == 0)
        *out_stat = found;
    return rc;
}

int weir__sys_fsync(int fd, bool data_only)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_AGAIN(rc, data_only ? fdatasync(fd) : fsync(fd));
    return rc;
}

int weir__sys_ftruncate(int fd, off_t size)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_AGAIN(rc, ftruncate(fd, size));
    return rc;
}

int weir__sys_rename(const char *from, const char *to)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL(rc, rename(from, to));
    return rc;
}

int weir__sys_unlink(const char *path)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL(rc, unlink(path));
    return rc;
}

int weir__sys_fchmod(int fd, mode_t mode)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_AGAIN(rc, fchmod(fd, mode));
    return rc;
}

int weir__sys_chmod(const char *path, mode_t mode)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_AGAIN(rc, chmod(path, mode));
    return rc;
}

int weir__sys_mkdir(const char *path, mode_t mode)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL(rc, mkdir(path, mode));
    return rc;
}

int weir__sys_pipe(int out_fds[2])
{
    int rc = weir__sys_fault();
    int fds[2];
    if (rc == 0)
        WEIR__SYS_CALL(rc, pipe2(fds, O_CLOEXEC | O_NONBLOCK));
    if (rc < 0)
        return rc;
    weir__sys_count_opened();
    weir__sys_count_opened();
    out_fds[0] = fds[0];
    out_fds[1] = fds[1];
    return 0;
}

int weir__sys_eventfd(void)
{
    int rc = weir__sys_fault();
    if (rc < 0)
        return rc;
    WEIR__SYS_CALL(rc, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    return weir__sys_opened(rc);
}

int weir__sys_set_nonblocking(int fd)
{
    int rc = weir__sys_fault();
    if (rc < 0)
        return rc;
    WEIR__SYS_CALL(rc, fcntl(fd, F_GETFL));
    if (rc < 0 || (rc & O_NONBLOCK) != 0)
        return rc < 0 ? rc : 0;
    int flags = rc | O_NONBLOCK;
    WEIR__SYS_CALL(rc, fcntl(fd, F_SETFL, flags));
    return rc < 0 ? rc : 0;
}

int weir__sys_set_cloexec(int fd)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL(rc, fcntl(fd, F_SETFD, FD_CLOEXEC));
    return rc < 0 ? rc : 0;
}

int weir__sys_wait_writable(int fd, int timeout_ms)
{
    int rc = weir__sys_fault();
    if (rc < 0)
        return rc;
    struct pollfd watched = {.fd = fd, .events = POLLOUT};
    WEIR__SYS_CALL(rc, poll(&watched, 1, timeout_ms));
    return rc == -EINTR ? 0 : rc;
}
