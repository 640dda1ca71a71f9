/*
 * weir/file.h - files, without ever blocking a loop
 *
 * What is in the page cache is read at once. Everything else goes through the ring where there is
 * one and to a thread of the default pool where not; only the calling task waits.
 *
 *     weir_bytes text;
 *     int rc = weir_file_read_all("/etc/hostname", 0, &text);
 *
 * A read or write that has reached the disk cannot be called back: a cancelled caller waits for it
 * and gets its result, so its buffer is never in use after the return. What was not begun is not
 * done. Positions are given with each call; a file has none of its own, so tasks may share one,
 * also tasks of several loops.
 */
#ifndef WEIR_FILE_H
#define WEIR_FILE_H

#include <weir/base.h>

/** An open file. */
typedef struct weir_file weir_file;

/** An open folder, see weir/folder.h. */
typedef struct weir_folder weir_folder;

/** What may be done with it. */
typedef enum weir_file_access {
    WEIR_FILE_READ,
    WEIR_FILE_WRITE,
    WEIR_FILE_READ_WRITE,
    WEIR_FILE_APPEND, /* write, always at the end: weir_file_append() */
} weir_file_access;

/** How to open a file. Zero is the default of each field: read what is there. */
typedef struct weir_file_options {
    weir_file_access access;
    bool create;    /* make it when it is not there */
    bool exclusive; /* make it; -EEXIST when it is there */
    bool truncate;  /* throw away what is in it */
    unsigned mode;  /* permissions of a new one, before the umask; 0: 0666 */
    /* When set, the path is looked up in this folder and cannot lead out of it, whatever it says
       and whoever moves things meanwhile: absolute paths, `..` above it, and symbolic links on the
       way or at the end are refused (-EXDEV, -ELOOP). For names that come from outside. */
    weir_folder *folder;
} weir_file_options;

/** What stands behind a name. */
typedef enum weir_file_kind {
    WEIR_FILE_KIND_UNKNOWN, /* the file system does not say */
    WEIR_FILE_KIND_REGULAR,
    WEIR_FILE_KIND_FOLDER,
    WEIR_FILE_KIND_LINK, /* a symbolic one */
    WEIR_FILE_KIND_PIPE,
    WEIR_FILE_KIND_SOCKET,
    WEIR_FILE_KIND_CHARACTER_DEVICE,
    WEIR_FILE_KIND_BLOCK_DEVICE,
} weir_file_kind;

/** What the file system knows about a file. Instants are nanoseconds since 1970, wall clock. */
typedef struct weir_file_stat {
    weir_file_kind kind;
    unsigned mode; /* permissions, 07777 */
    uint32_t user;
    uint32_t group;
    uint32_t link_count;
    uint64_t device; /* device and inode together are one file */
    uint64_t inode;
    int64_t size;
    int64_t allocated_bytes; /* fewer than size: it has holes */
    int64_t read_at_ns;
    int64_t written_at_ns;
    int64_t changed_at_ns; /* its content, permissions or names */
    int64_t created_at_ns; /* 0: the file system does not keep it */
} weir_file_stat;

/** How a file will be used. */
typedef enum weir_file_advice {
    WEIR_FILE_NORMAL,
    WEIR_FILE_SEQUENTIAL, /* from front to back: the kernel reads further ahead */
    WEIR_FILE_RANDOM,     /* here and there: it does not read ahead */
    WEIR_FILE_WILL_NEED,  /* begin to read this range into memory */
    WEIR_FILE_DROP,       /* this range is not needed in memory; what is not on the disk stays */
} weir_file_advice;

/** What to do when the new name is there already. */
typedef enum weir_rename_mode {
    WEIR_RENAME_REPLACE,    /* take its place, in one step for everyone who looks */
    WEIR_RENAME_NO_REPLACE, /* -EEXIST */
    WEIR_RENAME_EXCHANGE,   /* both must be there, and change places in one step */
} weir_rename_mode;

/** A lock on a whole file, see weir_file_lock(). */
typedef enum weir_file_lock_mode {
    WEIR_FILE_LOCK_SHARED,    /* with others who share it */
    WEIR_FILE_LOCK_EXCLUSIVE, /* alone */
} weir_file_lock_mode;

enum {
    /** What weir_file_read_all() reads at most unless it is told otherwise. */
    WEIR_FILE_READ_ALL_BYTES_DEFAULT = 64 * 1024 * 1024,
};

WEIR_BEGIN_DECLS

/**
 * Open a file. A cancellation that comes too late gives the file all the same: none is ever lost.
 *
 * @param path      borrowed
 * @param options   borrowed; NULL: to read
 * @param out_file  closed with weir_file_close()
 *
 * Returns     0 or a negative errno
 * Errors      -ENOENT, -EACCES, ...  as open(2)
 *             -EISDIR     it is a folder
 *             -ESPIPE     it is a pipe or a socket: those have no positions
 *             -EINVAL     truncate without the right to write
 *             -EXDEV, -ELOOP  it would lead out of options->folder
 *             -ENOSYS     options->folder on a kernel before 5.6
 *             -ENOMEM     no memory
 *             -ECANCELED  the caller's scope is cancelled, and nothing was opened
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rules O4, O5, O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_file_open(const char *path,
                                                            const weir_file_options *options,
                                                            weir_file **out_file);

/**
 * Close a file. It does not wait for the disk: weir_file_sync() does. Operations of other tasks
 * that are under way end as if nothing had happened.
 *
 * @param file  taken; NULL does nothing
 *
 * Returns     0, or what close(2) knew about data written before; the file is closed either way
 * Checkpoint  no
 * Thread      the loop that opened it
 * Source      rule O8
 */
WEIR_API int weir_file_close(weir_file *file);

/**
 * Read from a position until the buffer is full or the file ends.
 *
 * @param file      open to read
 * @param buffer    in use until this returns
 * @param size      its size
 * @param offset    from the start of the file
 * @param out_read  bytes in the buffer, exact whatever is returned; fewer than size with 0: the
 *                  file has ended
 *
 * Returns     0 or a negative errno
 * Errors      -EIO, ...   as pread(2)
 *             -EBADF      not open to read
 *             -EINVAL     a negative offset
 *             -ECANCELED  the caller's scope is cancelled; *out_read bytes are there
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rules O4, O6, O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_file_read(weir_file *file, void *buffer,
                                                            size_t size, int64_t offset,
                                                            size_t *out_read);

/**
 * Write all of some bytes at a position.
 *
 * @param file         open to write, and not to append
 * @param data         in use until this returns
 * @param size         how many
 * @param offset       from the start of the file; beyond its end: zeros are between
 * @param out_written  bytes written, exact whatever is returned; may be NULL
 *
 * Returns     0 when all is written, or a negative errno
 * Errors      -ENOSPC, -EIO, -EDQUOT, ...  as pwrite(2)
 *             -EBADF      not open to write
 *             -EINVAL     a negative offset; opened to append
 *             -ECANCELED  the caller's scope is cancelled; *out_written bytes are written
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rules O4, O6, O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_file_write(weir_file *file, const void *data,
                                                             size_t size, int64_t offset,
                                                             size_t *out_written);

/**
 * Write all of some bytes at the end, wherever that is by then.
 *
 * @param file         opened with WEIR_FILE_APPEND
 * @param data         in use until this returns
 * @param size         how many. More than 1 MiB is appended in several pieces, between which
 *                     another task may append
 * @param out_written  bytes written, exact whatever is returned; may be NULL
 *
 * Returns     0 when all is written, or a negative errno
 * Errors      as weir_file_write()
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rules O4, O6, O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_file_append(weir_file *file, const void *data,
                                                              size_t size, size_t *out_written);

/**
 * Read into several buffers, one after the other, as if they were one.
 *
 * @param file      open to read
 * @param parts     borrowed; the memory they name is in use until this returns
 * @param count     how many
 * @param offset    from the start of the file
 * @param out_read  as weir_file_read()
 *
 * Returns     0 or a negative errno
 * Errors      as weir_file_read()
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rules O4, O6, O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_file_read_parts(weir_file *file,
                                                                  const weir_bytes *parts,
                                                                  size_t count, int64_t offset,
                                                                  size_t *out_read);

/**
 * Write several stretches of bytes one behind the other, in as few steps as can be.
 *
 * @param file         open to write, and not to append
 * @param parts        borrowed; the memory they name is in use until this returns
 * @param count        how many
 * @param offset       from the start of the file
 * @param out_written  bytes written of all parts together, exact whatever is returned; may be NULL
 *
 * Returns     0 when all is written, or a negative errno
 * Errors      as weir_file_write()
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rules O4, O6, O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_file_write_parts(weir_file *file,
                                                                   const weir_str *parts,
                                                                   size_t count, int64_t offset,
                                                                   size_t *out_written);

/**
 * Wait until everything written so far is on the disk. After a failure what was written may be lost
 * although a later call succeeds: the kernel tells once.
 *
 * @param file  open
 *
 * Returns     0 or a negative errno
 * Errors      -EIO, -ENOSPC, -EDQUOT  as fsync(2)
 *             -ECANCELED  the caller's scope is cancelled, and nothing was begun
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rule O7; fsync(2)
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_file_sync(weir_file *file);

/**
 * The same, but of what is about the file only what is needed to find its bytes again (its size):
 * not its times and permissions. Cheaper for a file that is written over in place.
 *
 * @param file  open
 *
 * Returns     0 or a negative errno
 * Errors      as weir_file_sync()
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rule O7; fdatasync(2)
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_file_sync_data(weir_file *file);

/**
 * Cut a file, or make it longer with zeros.
 *
 * @param file  open to write
 * @param size  its new size
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL, -EFBIG, -EIO, ...  as ftruncate(2)
 *             -ECANCELED  the caller's scope is cancelled, and nothing was done
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rule O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_file_truncate(weir_file *file, int64_t size);

/**
 * How large a file is now.
 *
 * @param file      open
 * @param out_size  bytes
 *
 * Returns     0 or a negative errno
 * Errors      -EIO  as fstat(2)
 * Checkpoint  no: the kernel knows this of an open file
 * Thread      any
 */
WEIR_API WEIR_MUST_CHECK int weir_file_size(weir_file *file, int64_t *out_size);

/**
 * What the file system knows about an open file.
 *
 * @param file      open
 * @param out_stat  written
 *
 * Returns     0 or a negative errno
 * Errors      -EIO  as statx(2)
 * Checkpoint  no: the kernel knows this of an open file
 * Thread      any
 */
WEIR_API WEIR_MUST_CHECK int weir_file_stat_get(weir_file *file, weir_file_stat *out_stat);

/**
 * Change a file's permissions.
 *
 * @param file  open
 * @param mode  07777 at most; the umask does not matter
 *
 * Returns     0 or a negative errno
 * Errors      -EPERM, -EROFS, -EIO  as fchmod(2); -EPERM also outside a task
 *             -EINVAL     more than permissions
 *             -ECANCELED  the caller's scope is cancelled, and nothing was done
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rule O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_file_set_mode(weir_file *file, unsigned mode);

/**
 * Have room for a range: writing there cannot fail for want of it. New bytes are zero; the file
 * grows when the range ends behind it.
 *
 * @param file    open to write
 * @param offset  where the range begins
 * @param size    how long it is, at least 1
 *
 * Returns     0 or a negative errno
 * Errors      -ENOSPC, -EFBIG, -EIO, ...  as fallocate(2)
 *             -EOPNOTSUPP  the file system cannot promise this
 *             -EINVAL      an empty range or a negative offset
 *             -ECANCELED   the caller's scope is cancelled, and nothing was done
 *             -EPERM       called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rule O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_file_allocate(weir_file *file, int64_t offset,
                                                                int64_t size);

/**
 * Tell the kernel how a range of a file will be used. It changes what is fast, never what is there.
 *
 * @param file    open
 * @param advice  see there
 * @param offset  where the range begins
 * @param size    how long it is; 0: to the end of the file
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL     a negative number, or no advice
 *             -ECANCELED  the caller's scope is cancelled
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      posix_fadvise(2)
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_file_advise(weir_file *file,
                                                              weir_file_advice advice,
                                                              int64_t offset, int64_t size);

/**
 * Read a whole file.
 *
 * @param path       borrowed
 * @param bytes_max  0: 64 MiB; WEIR_UNLIMITED must be written out
 * @param out_bytes  released with weir_bytes_free(); a NUL that is not counted stands behind them
 *
 * Returns     0 or a negative errno
 * Errors      -EFBIG      it is larger than bytes_max
 *             -ENOMEM     no memory
 *             others      as weir_file_open() and weir_file_read()
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rules O5, O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_file_read_all(const char *path, size_t bytes_max,
                                                                weir_bytes *out_bytes);

/**
 * Put new content in the place of a file, or make it: whoever opens it finds all of the old content
 * or all of the new, also after a crash. When this returns 0, the new one is on the disk.
 *
 * A file beside it (its name, a random number, `.tmp`) is written, synced and renamed. So the
 * folder must be writable; a symbolic link is replaced, not followed; permissions are kept, an
 * owner is not.
 *
 * @param path  borrowed
 * @param data  in use until this returns
 * @param size  how many bytes
 *
 * Returns     0 or a negative errno; then the old content is there, except when the very last step,
 *             the sync of the folder, failed
 * Errors      -ENOSPC, -EIO, -EACCES, -EROFS, ...  weir_failure_message() names the step
 *             -ECANCELED  the caller's scope is cancelled; the old content is there
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rule X5; rename(2), fsync(2)
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_file_replace(const char *path, const void *data,
                                                               size_t size);

/**
 * Remove a file's name; the file goes with the last one who has it open.
 *
 * @param path  borrowed
 *
 * Returns     0 or a negative errno
 * Errors      -ENOENT, -EACCES, ...  as unlink(2)
 *             -ECANCELED  the caller's scope is cancelled, and nothing was done
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rule O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_file_remove(const char *path);

/**
 * Give a file or folder another name in the same file system. weir_folder_rename() is the same
 * beneath folders.
 *
 * @param from  borrowed
 * @param to    borrowed
 * @param mode  what to do when `to` is there
 *
 * Returns     0 or a negative errno; then nothing has changed
 * Errors      -ENOENT, -EACCES, -ENOTEMPTY, ...  as rename(2)
 *             -EEXIST     `to` is there, with WEIR_RENAME_NO_REPLACE
 *             -EXDEV      another file system: copy it
 *             -EINVAL     a folder into itself; the file system cannot do this mode
 *             -ECANCELED  the caller's scope is cancelled, and nothing was done
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rule O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_file_rename(const char *from, const char *to,
                                                              weir_rename_mode mode);

/**
 * Make the content of one file that of another, in the kernel where it can. Holes stay holes.
 *
 * @param from        open to read
 * @param to          another file, open to write and not to append; what was in it goes
 * @param out_copied  how far it came: `to` is as long, and equal to `from` up to there, whatever is
 *                    returned; may be NULL
 *
 * Returns     0 when all is copied that `from` had when it began, or a negative errno
 * Errors      -ENOSPC, -EIO, -EFBIG, ...  as copy_file_range(2) and write(2)
 *             -EBADF      `from` is not open to read; `to` is as it was
 *             -EINVAL     both are the same file; `to` is not open to write, or to append
 *             -ENOMEM     no memory
 *             -ECANCELED  the caller's scope is cancelled; what is copied stays
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rules O6, X5; copy_file_range(2)
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_file_copy(weir_file *from, weir_file *to,
                                                            int64_t *out_copied);

/**
 * Make a file without a name, to read and to write: it goes with the last one who has it open,
 * however the process ends. For a temporary file that others can open by name, see
 * weir/replacement.h.
 *
 * @param folder    open, or NULL; see weir/folder.h
 * @param name      of the folder whose file system it is on; borrowed
 * @param out_file  closed with weir_file_close()
 *
 * Returns     0 or a negative errno
 * Errors      -ENOENT, -EACCES, -ENOSPC, ...  as open(2) with O_TMPFILE
 *             -ENOMEM     no memory
 *             -ECANCELED  the caller's scope is cancelled, and nothing was made
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rules O5, X5; open(2)
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_file_open_temporary(weir_folder *folder,
                                                                      const char *name,
                                                                      weir_file **out_file);

/**
 * Give a file that was made without a name one after all, in the same file system. Its content
 * appears as a whole; weir_file_sync() before, and weir_folder_sync() after it, make that last.
 *
 * @param file    open
 * @param folder  open, or NULL; see weir/folder.h
 * @param name    borrowed
 *
 * Returns     0 or a negative errno
 * Errors      -EEXIST     the name is taken
 *             -EXDEV      another file system
 *             -ENOENT     no such folder; or a file system that cannot give such a file a name
 *             -ECANCELED  the caller's scope is cancelled, and nothing was done
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rule X5; linkat(2)
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_file_keep(weir_file *file, weir_folder *folder,
                                                            const char *name);

/**
 * Wait until this open file has a lock on the whole file. It binds those only who ask for it, here
 * and in other processes (flock(2), and the program of that name), and belongs to this weir_file:
 * tasks that share one share its lock, two that opened the file twice exclude each other. Closing
 * releases it. Asking again changes the mode; the old lock may be lost on the way.
 *
 * The kernel tells nobody when a lock becomes free, so it is tried again after 1, 2, 4 ... 64 ms:
 * there is no order among those who wait, and one waits up to 64 ms longer than it must.
 *
 * @param file  open
 * @param mode  shared or exclusive
 *
 * Returns     0 or a negative errno
 * Errors      -ENOLCK     the kernel keeps no more locks
 *             -EINVAL     no such mode
 *             -ENOMEM     no thread could be started to ask the kernel
 *             -ECANCELED  the caller's scope is cancelled; there is no new lock
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      flock(2)
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_file_lock(weir_file *file,
                                                            weir_file_lock_mode mode);

/**
 * The same, but only when it is free now.
 *
 * @param file  open
 * @param mode  shared or exclusive
 *
 * Returns     0 or a negative errno
 * Errors      -EAGAIN  somebody else has it
 *             others   as weir_file_lock()
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      flock(2)
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_file_try_lock(weir_file *file,
                                                                weir_file_lock_mode mode);

/**
 * Release a lock; without one it does nothing.
 *
 * @param file  open
 *
 * Returns     0 or a negative errno
 * Errors      -ENOLCK, ...  as flock(2)
 * Checkpoint  no
 * Thread      any
 * Source      rule O8; flock(2)
 */
WEIR_API WEIR_MUST_CHECK int weir_file_unlock(weir_file *file);

WEIR_END_DECLS

#endif
