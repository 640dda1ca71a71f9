/*
 * stat.c - what is known about an open file, and what can be asked of it besides bytes
 *
 * Runs on  any loop, in a task; what an open file knows of itself, on any thread.
 */
#include <fcntl.h>
#include <sys/sysmacros.h>

#include "base/sys_folder.h"
#include "file/call.h"
#include "file/file.h"

weir_file_kind weir__file_kind_of_mode(unsigned mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return WEIR_FILE_KIND_REGULAR;
    case S_IFDIR:
        return WEIR_FILE_KIND_FOLDER;
    case S_IFLNK:
        return WEIR_FILE_KIND_LINK;
    case S_IFIFO:
        return WEIR_FILE_KIND_PIPE;
    case S_IFSOCK:
        return WEIR_FILE_KIND_SOCKET;
    case S_IFCHR:
        return WEIR_FILE_KIND_CHARACTER_DEVICE;
    case S_IFBLK:
        return WEIR_FILE_KIND_BLOCK_DEVICE;
    default:
        return WEIR_FILE_KIND_UNKNOWN;
    }
}

/* Beyond the year 2262 it stands still. */
static int64_t instant(const struct statx_timestamp *at)
{
    int64_t ns;
    if (__builtin_mul_overflow(at->tv_sec, WEIR_SEC, &ns) ||
        __builtin_add_overflow(ns, (int64_t)at->tv_nsec, &ns))
        return at->tv_sec < 0 ? INT64_MIN : INT64_MAX;
    return ns;
}

void weir__file_tell(const struct statx *from, weir_file_stat *out_stat)
{
    *out_stat = (weir_file_stat){
        .kind = weir__file_kind_of_mode(from->stx_mode),
        .mode = from->stx_mode & 07777,
        .user = from->stx_uid,
        .group = from->stx_gid,
        .link_count = from->stx_nlink,
        .device = makedev(from->stx_dev_major, from->stx_dev_minor),
        .inode = from->stx_ino,
        .size = (int64_t)from->stx_size,
        .allocated_bytes = (int64_t)from->stx_blocks * 512,
        .read_at_ns = instant(&from->stx_atime),
        .written_at_ns = instant(&from->stx_mtime),
        .changed_at_ns = instant(&from->stx_ctime),
        .created_at_ns = (from->stx_mask & STATX_BTIME) != 0 ? instant(&from->stx_btime) : 0,
    };
}

int weir_file_stat_get(weir_file *file, weir_file_stat *out_stat)
{
    struct statx found;
    int rc = weir__sys_statx(file->fd, "", AT_EMPTY_PATH, &found);
    if (rc == 0)
        weir__file_tell(&found, out_stat);
    return rc;
}

int weir_file_size(weir_file *file, int64_t *out_size)
{
    struct stat stat;
    int rc = weir__sys_fstat(file->fd, &stat);
    if (rc == 0)
        *out_size = stat.st_size;
    return rc;
}

int weir_file_sync(weir_file *file)
{
    return (int)weir__file_call_on(file, (struct weir__op){.kind = WEIR__OP_FSYNC});
}

int weir_file_sync_data(weir_file *file)
{
    return (int)weir__file_call_on(file, (struct weir__op){.kind = WEIR__OP_FSYNC, .flags = 1});
}

int weir_file_truncate(weir_file *file, int64_t size)
{
    return (int)weir__file_call_on(file,
                                   (struct weir__op){.kind = WEIR__OP_TRUNCATE, .offset = size});
}

int weir_file_set_mode(weir_file *file, unsigned mode)
{
    if (mode > 07777)
        return -EINVAL;
    return (int)weir__file_call_on(
        file, (struct weir__op){.kind = (enum weir__op_kind)WEIR__FILE_SET_MODE, .size = mode});
}

int weir_file_allocate(weir_file *file, int64_t offset, int64_t size)
{
    if (size <= 0 || !weir__file_in_range((size_t)size, offset))
        return -EINVAL;
    return (int)weir__file_call_on(
        file, (struct weir__op){.kind = WEIR__OP_ALLOCATE, .offset = offset, .size = (size_t)size});
}

int weir_file_advise(weir_file *file, weir_file_advice advice, int64_t offset, int64_t size)
{
    static const int kernel_advice[] = {
        [WEIR_FILE_NORMAL] = POSIX_FADV_NORMAL, [WEIR_FILE_SEQUENTIAL] = POSIX_FADV_SEQUENTIAL,
        [WEIR_FILE_RANDOM] = POSIX_FADV_RANDOM, [WEIR_FILE_WILL_NEED] = POSIX_FADV_WILLNEED,
        [WEIR_FILE_DROP] = POSIX_FADV_DONTNEED,
    };
    if ((unsigned)advice >= sizeof kernel_advice / sizeof kernel_advice[0] || size < 0 ||
        !weir__file_in_range((size_t)size, offset))
        return -EINVAL;
    return (int)weir__file_call_on(file, (struct weir__op){.kind = WEIR__OP_ADVISE,
                                                           .flags = kernel_advice[advice],
                                                           .offset = offset,
                                                           .size = (size_t)size});
}
