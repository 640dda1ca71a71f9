/*
 * virtual_disk.h - a simulated disk in the place of a folder
 *
 * While one is mounted, names beneath its path and descriptors of its own numbers mean files that
 * live in memory (backend/sim_disk.h); the calls of sys.h ask here first. It belongs to the
 * process: jobs on threads use files too.
 *
 * Runs on  any thread.
 */
#ifndef WEIR__BASE_VIRTUAL_DISK_H
#define WEIR__BASE_VIRTUAL_DISK_H

#include <sys/stat.h>
#include <sys/uio.h>
#include <weir/base.h>

enum { WEIR__VIRTUAL_FILE_FIRST = 1 << 25 };

/* A name beneath a folder: an absolute one, or relative to an open folder of the disk. */
struct weir__virtual_name {
    int folder;
    const char *name; /* "": the folder itself */
};

struct weir__virtual_disk {
    const char *path; /* mounted there: absolute, without a slash at its end */
    int (*open)(struct weir__virtual_disk *disk, struct weir__virtual_name at, int flags,
                mode_t mode);
    int (*close)(struct weir__virtual_disk *disk, int fd);
    int (*dup)(struct weir__virtual_disk *disk, int fd);
    int (*flags)(struct weir__virtual_disk *disk, int fd);
    /* offset -1: where the descriptor is. */
    ssize_t (*read)(struct weir__virtual_disk *disk, int fd, const struct iovec *parts, int count,
                    int64_t offset);
    ssize_t (*write)(struct weir__virtual_disk *disk, int fd, const struct iovec *parts, int count,
                     int64_t offset);
    int (*sync)(struct weir__virtual_disk *disk, int fd);
    int (*truncate)(struct weir__virtual_disk *disk, int fd, int64_t size);
    int (*stat)(struct weir__virtual_disk *disk, struct weir__virtual_name at,
                struct stat *out_stat);
    int (*chmod)(struct weir__virtual_disk *disk, struct weir__virtual_name at, mode_t mode);
    int (*rename)(struct weir__virtual_disk *disk, struct weir__virtual_name from,
                  struct weir__virtual_name to, unsigned flags);
    int (*link)(struct weir__virtual_disk *disk, struct weir__virtual_name from,
                struct weir__virtual_name to);
    int (*remove)(struct weir__virtual_disk *disk, struct weir__virtual_name at, bool folder);
    int (*make_folder)(struct weir__virtual_disk *disk, struct weir__virtual_name at, mode_t mode);
    ssize_t (*list)(struct weir__virtual_disk *disk, int fd, void *buffer, size_t size);
};

/* One at a time; NULL: none. */
void weir__virtual_mount(struct weir__virtual_disk *disk);
struct weir__virtual_disk *weir__virtual_disk(void);

static inline bool weir__is_virtual_file(int fd)
{
    return __builtin_expect(fd >= WEIR__VIRTUAL_FILE_FIRST, 0);
}
/* Whether a name is the disk's; `folder` may be AT_FDCWD. */
bool weir__is_virtual_name(int folder, const char *name);

/* As in the table; -EIO when no disk is mounted any more. */
int weir__virtual_file_open(int folder, const char *name, int flags, mode_t mode);
int weir__virtual_file_close(int fd);
int weir__virtual_file_dup(int fd);
int weir__virtual_file_flags(int fd);
ssize_t weir__virtual_file_read(int fd, const struct iovec *parts, int count, int64_t offset);
ssize_t weir__virtual_file_write(int fd, const struct iovec *parts, int count, int64_t offset);
int weir__virtual_file_sync(int fd);
int weir__virtual_file_truncate(int fd, int64_t size);
int weir__virtual_file_stat(int folder, const char *name, struct stat *out_stat);
int weir__virtual_file_statx(int folder, const char *name, struct statx *out_stat);
int weir__virtual_file_chmod(int folder, const char *name, mode_t mode);
int weir__virtual_file_rename(int folder, const char *name, int to_folder, const char *to_name,
                              unsigned flags);
int weir__virtual_file_link(int folder, const char *name, int to_folder, const char *to_name);
int weir__virtual_file_remove(int folder, const char *name, int flags);
int weir__virtual_file_make_folder(int folder, const char *name, mode_t mode);
ssize_t weir__virtual_file_list(int fd, void *buffer, size_t size);

/* What the calls of this thread have taken since it was last asked, in virtual time. */
int64_t weir__virtual_file_cost_ns(void);
void weir__virtual_file_spend(int64_t duration_ns);

#endif
