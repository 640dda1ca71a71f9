/*
 * sys_folder.c - the door to the kernel: names in folders, and what files can do besides bytes
 *
 * Runs on  any thread.
 */
#include "base/sys_folder.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys_call.h"

/* --- names ------------------------------------------------------------------------------------ */

/* Nothing there can lead out of a folder, and nothing is in memory. */
static int open_virtual(int folder, const char *name, const struct open_how *how)
{
    if ((how->resolve & RESOLVE_CACHED) != 0)
        return -EAGAIN;
    return weir__virtual_file_open(folder, name, (int)how->flags, (mode_t)how->mode);
}

int weir__sys_openat2(int folder, const char *name, const struct open_how *how)
{
    int rc = weir__sys_fault();
    if (rc < 0)
        return rc;
    if (weir__is_virtual_name(folder, name))
        return weir__sys_opened(open_virtual(folder, name, how));
    WEIR__SYS_CALL_AGAIN(rc, (int)syscall(SYS_openat2, folder, name, how, sizeof *how));
    return weir__sys_opened(rc);
}

int weir__sys_openat(int folder, const char *name, int flags, mode_t mode)
{
    int rc = weir__sys_fault();
    if (rc < 0)
        return rc;
    WEIR__SYS_CALL_AGAIN_AT(folder, name, rc, openat(folder, name, flags | O_CLOEXEC, mode),
                            weir__virtual_file_open(folder, name, flags, mode));
    return weir__sys_opened(rc);
}

int weir__sys_statx(int folder, const char *name, int flags, struct statx *out_stat)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_AGAIN_AT(
            folder, name, rc, statx(folder, name, flags, STATX_BASIC_STATS | STATX_BTIME, out_stat),
            weir__virtual_file_statx(folder, name, out_stat));
    return rc;
}

int weir__sys_renameat(int folder, const char *name, int to_folder, const char *to_name,
                       unsigned flags)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_AT(folder, name, rc, renameat2(folder, name, to_folder, to_name, flags),
                          weir__virtual_file_rename(folder, name, to_folder, to_name, flags));
    return rc;
}

int weir__sys_linkat(int folder, const char *name, int to_folder, const char *to_name, int flags)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_AT(folder, name, rc, linkat(folder, name, to_folder, to_name, flags),
                          weir__virtual_file_link(folder, name, to_folder, to_name));
    return rc;
}

int weir__sys_symlinkat(const char *target, int folder, const char *name)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_AT(folder, name, rc, symlinkat(target, folder, name), -EPERM);
    return rc;
}

ssize_t weir__sys_readlinkat(int folder, const char *name, char *buffer, size_t size)
{
    ssize_t rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_AT(folder, name, rc, readlinkat(folder, name, buffer, size), -EINVAL);
    return rc;
}

int weir__sys_unlinkat(int folder, const char *name, int flags)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_AT(folder, name, rc, unlinkat(folder, name, flags),
                          weir__virtual_file_remove(folder, name, flags));
    return rc;
}

int weir__sys_mkdirat(int folder, const char *name, mode_t mode)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_AT(folder, name, rc, mkdirat(folder, name, mode),
                          weir__virtual_file_make_folder(folder, name, mode));
    return rc;
}

ssize_t weir__sys_getdents(int fd, void *buffer, size_t size)
{
    ssize_t rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON_AGAIN(fd, rc, syscall(SYS_getdents64, fd, buffer, size),
                                weir__virtual_file_list(fd, buffer, size));
    return rc;
}

/* --- open files ------------------------------------------------------------------------------- */

ssize_t weir__sys_preadv(int fd, const struct iovec *parts, int count, off_t offset)
{
    ssize_t rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON_AGAIN(fd, rc, preadv(fd, parts, count, offset),
                                weir__virtual_file_read(fd, parts, count, offset));
    return rc;
}

ssize_t weir__sys_pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    ssize_t rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON_AGAIN(fd, rc, pwritev(fd, parts, count, offset),
                                weir__virtual_file_write(fd, parts, count, offset));
    return rc;
}

ssize_t weir__sys_preadv_nowait(int fd, const struct iovec *parts, int count, off_t offset)
{
    ssize_t rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON_AGAIN(fd, rc, preadv2(fd, parts, count, offset, RWF_NOWAIT), -EAGAIN);
    return rc == -ENOSYS || rc == -EINVAL ? -EOPNOTSUPP : rc;
}

int weir__sys_fallocate(int fd, int mode, off_t offset, off_t size)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON_AGAIN(fd, rc, fallocate(fd, mode, offset, size), -EOPNOTSUPP);
    return rc;
}

int weir__sys_fadvise(int fd, off_t offset, off_t size, int advice)
{
    int rc = weir__sys_fault();
    if (rc < 0)
        return rc;
    if (weir__is_virtual(fd))
        return 0;
    weir__sys_count_call();
    return -posix_fadvise(fd, offset, size, advice); /* it returns its error */
}

off_t weir__sys_lseek(int fd, off_t offset, int whence)
{
    off_t rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON(fd, rc, lseek(fd, offset, whence), -EINVAL);
    return rc;
}

ssize_t weir__sys_copy_file_range(int from, off_t *from_offset, int to, off_t *to_offset,
                                  size_t size)
{
    ssize_t rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON_AGAIN(from > to ? from : to, rc,
                                copy_file_range(from, from_offset, to, to_offset, size, 0),
                                -EOPNOTSUPP);
    return rc;
}

int weir__sys_flock(int fd, int operation)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON_AGAIN(fd, rc, flock(fd, operation), 0);
    return rc;
}

/* --- watching --------------------------------------------------------------------------------- */

int weir__sys_inotify_open(void)
{
    int rc = weir__sys_fault();
    if (rc < 0)
        return rc;
    WEIR__SYS_CALL(rc, inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    return weir__sys_opened(rc);
}

int weir__sys_inotify_add(int fd, const char *path, uint32_t mask)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL(rc, inotify_add_watch(fd, path, mask));
    return rc;
}

int weir__sys_inotify_remove(int fd, int id)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL(rc, inotify_rm_watch(fd, id));
    return rc;
}
