/*
 * virtual_disk.c - see virtual_disk.h
 *
 * Runs on  any thread.
 * Holds    1. Inside a call of the simulation the thread is exempt from faults.
 */
#include "base/virtual_disk.h"

#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/fault.h"
#include "base/virtual.h"

static struct weir__virtual_disk *mounted; /* atomic */
static _Thread_local int64_t spent_ns;

void weir__virtual_mount(struct weir__virtual_disk *disk)
{
    __atomic_store_n(&mounted, disk, __ATOMIC_RELEASE);
}

struct weir__virtual_disk *weir__virtual_disk(void)
{
    return __atomic_load_n(&mounted, __ATOMIC_ACQUIRE);
}

bool weir__is_virtual_name(int folder, const char *name)
{
    const struct weir__virtual_disk *disk = weir__virtual_disk();
    if (__builtin_expect(disk == NULL, 1))
        return false;
    if (name[0] != '/')
        return weir__is_virtual_file(folder);
    size_t size = strlen(disk->path);
    return strncmp(name, disk->path, size) == 0 && (name[size] == '/' || name[size] == '\0');
}

int64_t weir__virtual_file_cost_ns(void)
{
    int64_t cost_ns = spent_ns;
    spent_ns = 0;
    return cost_ns;
}

void weir__virtual_file_spend(int64_t duration_ns)
{
    spent_ns += duration_ns;
}

#define AT(folder, name) ((struct weir__virtual_name){folder, name})

/* Asks the disk, which is none of weir's code as far as faults go. */
#define ASK(result, call)                                                                          \
    do {                                                                                           \
        struct weir__virtual_disk *disk = weir__virtual_disk();                                    \
        bool before = weir__base_fault_exempt(true);                                               \
        (result) = disk == NULL ? -EIO : (call);                                                   \
        weir__base_fault_exempt(before);                                                           \
    } while (0)

int weir__virtual_file_open(int folder, const char *name, int flags, mode_t mode)
{
    int rc;
    ASK(rc, disk->open(disk, AT(folder, name), flags, mode));
    if (rc >= 0)
        weir__virtual_count_open(1);
    return rc;
}

int weir__virtual_file_dup(int fd)
{
    int rc;
    ASK(rc, disk->dup(disk, fd));
    if (rc >= 0)
        weir__virtual_count_open(1);
    return rc;
}

int weir__virtual_file_flags(int fd)
{
    int rc;
    ASK(rc, disk->flags(disk, fd));
    return rc;
}

ssize_t weir__virtual_file_read(int fd, const struct iovec *parts, int count, int64_t offset)
{
    ssize_t rc;
    ASK(rc, disk->read(disk, fd, parts, count, offset));
    return rc;
}

ssize_t weir__virtual_file_write(int fd, const struct iovec *parts, int count, int64_t offset)
{
    ssize_t rc;
    ASK(rc, disk->write(disk, fd, parts, count, offset));
    return rc;
}

int weir__virtual_file_sync(int fd)
{
    int rc;
    ASK(rc, disk->sync(disk, fd));
    return rc;
}

int weir__virtual_file_truncate(int fd, int64_t size)
{
    int rc;
    ASK(rc, disk->truncate(disk, fd, size));
    return rc;
}

int weir__virtual_file_stat(int folder, const char *name, struct stat *out_stat)
{
    int rc;
    ASK(rc, disk->stat(disk, AT(folder, name), out_stat));
    return rc;
}

int weir__virtual_file_chmod(int folder, const char *name, mode_t mode)
{
    int rc;
    ASK(rc, disk->chmod(disk, AT(folder, name), mode));
    return rc;
}

int weir__virtual_file_rename(int folder, const char *name, int to_folder, const char *to_name,
                              unsigned flags)
{
    int rc;
    ASK(rc, disk->rename(disk, AT(folder, name), AT(to_folder, to_name), flags));
    return rc;
}

int weir__virtual_file_link(int folder, const char *name, int to_folder, const char *to_name)
{
    int rc;
    ASK(rc, disk->link(disk, AT(folder, name), AT(to_folder, to_name)));
    return rc;
}

int weir__virtual_file_remove(int folder, const char *name, int flags)
{
    int rc;
    ASK(rc, disk->remove(disk, AT(folder, name), (flags & AT_REMOVEDIR) != 0));
    return rc;
}

int weir__virtual_file_make_folder(int folder, const char *name, mode_t mode)
{
    int rc;
    ASK(rc, disk->make_folder(disk, AT(folder, name), mode));
    return rc;
}

ssize_t weir__virtual_file_list(int fd, void *buffer, size_t size)
{
    ssize_t rc;
    ASK(rc, disk->list(disk, fd, buffer, size));
    return rc;
}

/* Also after its disk has gone: a descriptor can always be closed. */
int weir__virtual_file_close(int fd)
{
    int rc = 0;
    struct weir__virtual_disk *disk = weir__virtual_disk();
    bool before = weir__base_fault_exempt(true);
    if (disk != NULL)
        rc = disk->close(disk, fd);
    weir__base_fault_exempt(before);
    if (rc != -EBADF)
        weir__virtual_count_open(-1);
    return rc;
}

int weir__virtual_file_statx(int folder, const char *name, struct statx *out_stat)
{
    struct stat stat;
    int rc = weir__virtual_file_stat(folder, name, &stat);
    if (rc < 0)
        return rc;
    *out_stat = (struct statx){
        .stx_mask = STATX_BASIC_STATS,
        .stx_blksize = (uint32_t)stat.st_blksize,
        .stx_nlink = (uint32_t)stat.st_nlink,
        .stx_mode = (uint16_t)stat.st_mode,
        .stx_ino = stat.st_ino,
        .stx_size = (uint64_t)stat.st_size,
        .stx_blocks = (uint64_t)stat.st_blocks,
        .stx_dev_major = major(stat.st_dev),
        .stx_dev_minor = minor(stat.st_dev),
    };
    return 0;
}
