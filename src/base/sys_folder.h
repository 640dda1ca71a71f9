/*
 * sys_folder.h - the door to the kernel: names in folders, and what files can do besides bytes
 *
 * As sys.h, of which it is a part. A folder is an open descriptor, or AT_FDCWD for where the
 * process is. None of these waits for another process or for the network.
 */
#ifndef WEIR__BASE_SYS_FOLDER_H
#define WEIR__BASE_SYS_FOLDER_H

#include "base/sys.h"

struct statx;
struct open_how;

/* names; O_CLOEXEC is the caller's to set in `how` */
int weir__sys_openat2(int folder, const char *name, const struct open_how *how) WEIR_MUST_CHECK;
int weir__sys_openat(int folder, const char *name, int flags, mode_t mode)
    WEIR_MUST_CHECK; /* adds O_CLOEXEC */
int weir__sys_statx(int folder, const char *name, int flags, struct statx *out_stat)
    WEIR_MUST_CHECK;
int weir__sys_renameat(int folder, const char *name, int to_folder, const char *to_name,
                       unsigned flags) WEIR_MUST_CHECK;
int weir__sys_linkat(int folder, const char *name, int to_folder, const char *to_name, int flags)
    WEIR_MUST_CHECK;
int weir__sys_symlinkat(const char *target, int folder, const char *name) WEIR_MUST_CHECK;
ssize_t weir__sys_readlinkat(int folder, const char *name, char *buffer, size_t size)
    WEIR_MUST_CHECK;
int weir__sys_unlinkat(int folder, const char *name, int flags) WEIR_MUST_CHECK;
int weir__sys_mkdirat(int folder, const char *name, mode_t mode) WEIR_MUST_CHECK;
/* Entries as struct weir__sys_entry; 0: the end. */
ssize_t weir__sys_getdents(int fd, void *buffer, size_t size) WEIR_MUST_CHECK;

/* What the kernel writes; the name ends with a NUL. */
struct weir__sys_entry {
    uint64_t inode;
    int64_t position;
    uint16_t size; /* of the whole entry */
    uint8_t type;  /* DT_* */
    char name[];
};

/* open files */
ssize_t weir__sys_preadv(int fd, const struct iovec *parts, int count, off_t offset)
    WEIR_MUST_CHECK;
ssize_t weir__sys_pwritev(int fd, const struct iovec *parts, int count, off_t offset)
    WEIR_MUST_CHECK;
/* As weir__sys_pread_nowait(). */
ssize_t weir__sys_preadv_nowait(int fd, const struct iovec *parts, int count, off_t offset)
    WEIR_MUST_CHECK;
int weir__sys_fallocate(int fd, int mode, off_t offset, off_t size) WEIR_MUST_CHECK;
int weir__sys_fadvise(int fd, off_t offset, off_t size, int advice) WEIR_MUST_CHECK;
off_t weir__sys_lseek(int fd, off_t offset, int whence) WEIR_MUST_CHECK;
ssize_t weir__sys_copy_file_range(int from, off_t *from_offset, int to, off_t *to_offset,
                                  size_t size) WEIR_MUST_CHECK;
int weir__sys_flock(int fd, int operation) WEIR_MUST_CHECK; /* LOCK_NB is the caller's to set */

/* watching: non-blocking and close-on-exec */
int weir__sys_inotify_open(void) WEIR_MUST_CHECK;
int weir__sys_inotify_add(int fd, const char *path, uint32_t mask) WEIR_MUST_CHECK;
int weir__sys_inotify_remove(int fd, int id) WEIR_MUST_CHECK;

#endif
