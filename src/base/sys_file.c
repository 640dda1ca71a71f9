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

static ssize_t read_virtual(int fd, void *buffer, size_t size, int64_t offset)
{
    struct iovec part = {buffer, size};
    return weir__virtual_file_read(fd, &part, 1, offset);
}

static ssize_t write_virtual(int fd, const void *buffer, size_t size, int64_t offset)
{
    struct iovec part = {(void *)(uintptr_t)buffer, size};
    return weir__virtual_file_write(fd, &part, 1, offset);
}

int weir__sys_close(int fd)
{
    /* No fault point: a descriptor must never stay open because a test said no. Once, whatever it
     * returns: on Linux it is closed then, and a second try would hit who got the number next. */
    int rc;
    WEIR__SYS_CALL_ON(fd, rc, close(fd),
                      weir__is_virtual_file(fd) ? weir__virtual_file_close(fd)
                                                : weir__virtual_close(fd));
    if (rc != -EBADF)
        weir__sys_count_closed();
    return rc;
}

ssize_t weir__sys_read(int fd, void *buffer, size_t size)
{
    ssize_t rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON_AGAIN(fd, rc, read(fd, buffer, size), read_virtual(fd, buffer, size, -1));
    return rc;
}

ssize_t weir__sys_write(int fd, const void *buffer, size_t size)
{
    ssize_t rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON_AGAIN(fd, rc, write(fd, buffer, size),
                                write_virtual(fd, buffer, size, -1));
    return rc;
}

ssize_t weir__sys_pread(int fd, void *buffer, size_t size, off_t offset)
{
    ssize_t rc = weir__sys_fault();
    size = weir__sys_size(size);
    if (rc == 0)
        WEIR__SYS_CALL_ON_AGAIN(fd, rc, pread(fd, buffer, size, offset),
                                read_virtual(fd, buffer, size, offset));
    return rc;
}

ssize_t weir__sys_pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
    ssize_t rc = weir__sys_fault();
    size = weir__sys_size(size);
    if (rc == 0)
        WEIR__SYS_CALL_ON_AGAIN(fd, rc, pwrite(fd, buffer, size, offset),
                                write_virtual(fd, buffer, size, offset));
    return rc;
}

ssize_t weir__sys_pread_nowait(int fd, void *buffer, size_t size, off_t offset)
{
    ssize_t rc = weir__sys_fault();
    struct iovec part = {buffer, size};
    if (rc == 0)
        WEIR__SYS_CALL_ON_AGAIN(fd, rc, preadv2(fd, &part, 1, offset, RWF_NOWAIT), -EAGAIN);
    return rc == -ENOSYS || rc == -EINVAL ? -EOPNOTSUPP : rc;
}

int weir__sys_open(const char *path, int flags, mode_t mode)
{
    int rc = weir__sys_fault();
    if (rc < 0)
        return rc;
    WEIR__SYS_CALL_AGAIN_AT(AT_FDCWD, path, rc, open(path, flags | O_CLOEXEC, mode),
                            weir__virtual_file_open(AT_FDCWD, path, flags, mode));
    return weir__sys_opened(rc);
}

int weir__sys_open_cached(const char *path, int flags)
{
    int rc = weir__sys_fault();
    if (rc < 0)
        return rc;
    if (weir__is_virtual_name(AT_FDCWD, path))
        return -EAGAIN;
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
        WEIR__SYS_CALL_ON_AGAIN(fd, rc, fstat(fd, &found), weir__virtual_file_stat(fd, "", &found));
    if (rc == 0)
        *out_stat = found;
    return rc;
}

int weir__sys_stat(const char *path, struct stat *out_stat)
{
    int rc = weir__sys_fault();
    struct stat found;
    if (rc == 0)
        WEIR__SYS_CALL_AGAIN_AT(AT_FDCWD, path, rc, stat(path, &found),
                                weir__virtual_file_stat(AT_FDCWD, path, &found));
    if (rc == 0)
        *out_stat = found;
    return rc;
}

int weir__sys_fsync(int fd, bool data_only)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON_AGAIN(fd, rc, data_only ? fdatasync(fd) : fsync(fd),
                                weir__virtual_file_sync(fd));
    return rc;
}

int weir__sys_ftruncate(int fd, off_t size)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON_AGAIN(fd, rc, ftruncate(fd, size), weir__virtual_file_truncate(fd, size));
    return rc;
}

int weir__sys_rename(const char *from, const char *to)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_AT(AT_FDCWD, from, rc, rename(from, to),
                          weir__virtual_file_rename(AT_FDCWD, from, AT_FDCWD, to, 0));
    return rc;
}

int weir__sys_unlink(const char *path)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_AT(AT_FDCWD, path, rc, unlink(path),
                          weir__virtual_file_remove(AT_FDCWD, path, 0));
    return rc;
}

int weir__sys_fchmod(int fd, mode_t mode)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON_AGAIN(fd, rc, fchmod(fd, mode), weir__virtual_file_chmod(fd, "", mode));
    return rc;
}

int weir__sys_chmod(const char *path, mode_t mode)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_AGAIN_AT(AT_FDCWD, path, rc, chmod(path, mode),
                                weir__virtual_file_chmod(AT_FDCWD, path, mode));
    return rc;
}

int weir__sys_mkdir(const char *path, mode_t mode)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_AT(AT_FDCWD, path, rc, mkdir(path, mode),
                          weir__virtual_file_make_folder(AT_FDCWD, path, mode));
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
    if (weir__is_virtual(fd))
        return 0; /* they never block */
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
