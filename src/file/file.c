/*
 * file.c - open files: reading, writing, and who closes the descriptor
 *
 * Reads ask the page cache first (preadv2 with RWF_NOWAIT): what is there costs one system call and
 * no thread. Opening asks the folders in memory first in the same way. Only what has to wait for a
 * disk leaves the loop.
 *
 * Runs on  any loop, in a task; the reference count is atomic because loops may share a file.
 * Holds    1. The descriptor stays open while a call on it is under way, whoever has closed the
 *             file: its number cannot become another file in the middle of a read.
 *          2. Descriptors are opened with O_NONBLOCK: it means nothing for files, and keeps the
 *             open of a pipe from waiting for its other end.
 */
#include "file/file.h"

#include <fcntl.h>
#include <linux/openat2.h>

#include "base/alloc.h"
#include "base/sys_folder.h"
#include "core/core.h"
#include "file/call.h"
#include "file/folder.h"

enum { MODE_DEFAULT = 0666 };

/* --- open ------------------------------------------------------------------------------------- */

static int flags_of(const weir_file_options *options, int *out_flags)
{
    static const int access_flags[] = {
        [WEIR_FILE_READ] = O_RDONLY,
        [WEIR_FILE_WRITE] = O_WRONLY,
        [WEIR_FILE_READ_WRITE] = O_RDWR,
        [WEIR_FILE_APPEND] = O_WRONLY | O_APPEND,
    };
    if ((unsigned)options->access >= sizeof access_flags / sizeof access_flags[0])
        return -EINVAL;
    if (options->truncate && options->access == WEIR_FILE_READ)
        return weir_fail(-EINVAL, "a file that is opened to read cannot be truncated");
    int flags = access_flags[options->access] | O_NONBLOCK | O_NOCTTY;
    if (options->create || options->exclusive)
        flags |= O_CREAT;
    if (options->exclusive)
        flags |= O_EXCL;
    if (options->truncate)
        flags |= O_TRUNC;
    *out_flags = flags;
    return 0;
}

static int open_descriptor(const char *path, int flags, const weir_file_options *options)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    unsigned mode = options->mode == 0 ? MODE_DEFAULT : options->mode;
    if (options->folder != NULL)
        return weir__folder_open_beneath(options->folder, path, flags, mode);
    if ((flags & (O_CREAT | O_TRUNC)) == 0) {
        int fd = weir__sys_open_cached(path, flags);
        if (fd >= 0 || fd == -ENOENT) {
            weir__core_completed_at_once();
            return fd;
        }
    }
    return weir__file_call_open(path, flags, mode);
}

static int learn(struct weir_file *file, const char *path)
{
    struct stat stat;
    int rc = weir__sys_fstat(file->fd, &stat);
    if (rc < 0)
        return rc;
    if (S_ISDIR(stat.st_mode))
        return weir_fail(-EISDIR, "%s is a folder", path);
    if (S_ISFIFO(stat.st_mode) || S_ISSOCK(stat.st_mode))
        return weir_fail(-ESPIPE, "%s is a pipe or a socket: it has no positions", path);
    file->regular = S_ISREG(stat.st_mode);
    file->size_at_open = file->regular ? stat.st_size : 0;
    return 0;
}

int weir__file_adopt(struct weir_file *file, int fd, bool append, const char *path)
{
    *file = (struct weir_file){.fd = fd, .refs = 1, .append = append};
    weir__list_init(&file->entry.link);
    int rc = learn(file, path);
    if (rc < 0)
        weir__sys_close(fd);
    return rc;
}

int weir__file_init(struct weir_file *file, const char *path, const weir_file_options *options)
{
    static const weir_file_options defaults;
    if (options == NULL)
        options = &defaults;
    int flags;
    int rc = flags_of(options, &flags);
    if (rc < 0)
        return rc;
    int fd = open_descriptor(path, flags, options);
    if (fd == -ECANCELED || fd == -EPERM)
        return fd; /* these are about the caller */
    if (fd < 0)
        return weir_fail(fd, "cannot open %s: %s", path,
                         weir__folder_why(options->folder != NULL, fd));
    return weir__file_adopt(file, fd, options->access == WEIR_FILE_APPEND, path);
}

int weir__file_deinit(struct weir_file *file)
{
    return weir__sys_close(file->fd);
}

static void close_forgotten(struct weir__ledger_entry *entry)
{
    weir_file_close(WEIR__CONTAINER(entry, struct weir_file, entry));
}

int weir__file_new(int fd, bool append, const char *path, const void *address, weir_file **out_file)
{
    weir_file *file = weir__base_alloc(sizeof *file);
    if (file == NULL) {
        weir__sys_close(fd);
        return -ENOMEM;
    }
    int rc = weir__file_adopt(file, fd, append, path);
    if (rc < 0) {
        weir__base_free(file);
        return rc;
    }
    weir__ledger_add(&file->entry, "file", address, close_forgotten);
    *out_file = file;
    return 0;
}

int weir_file_open(const char *path, const weir_file_options *options, weir_file **out_file)
{
    weir_file *file = weir__base_alloc(sizeof *file);
    if (file == NULL)
        return -ENOMEM;
    int rc = weir__file_init(file, path, options);
    if (rc < 0) {
        weir__base_free(file);
        return rc;
    }
    weir__ledger_add(&file->entry, "file", __builtin_return_address(0), close_forgotten);
    *out_file = file;
    return 0;
}

/* --- who closes the descriptor ---------------------------------------------------------------- */

void weir__file_hold(weir_file *file)
{
    __atomic_fetch_add(&file->refs, 1, __ATOMIC_RELAXED);
}

int weir__file_let_go(weir_file *file)
{
    if (__atomic_sub_fetch(&file->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return 0;
    int rc = weir__file_deinit(file);
    weir__base_free(file);
    return rc;
}

int weir_file_close(weir_file *file)
{
    if (file == NULL)
        return 0;
    weir__ledger_remove(&file->entry);
    return weir__file_let_go(file);
}

ssize_t weir__file_call_on(weir_file *file, struct weir__op op)
{
    weir__file_hold(file);
    op.fd = file->fd;
    ssize_t result = weir__file_call(op);
    weir_ignore(weir__file_let_go(file), "whoever closed it has been told");
    return result;
}

/* --- read ------------------------------------------------------------------------------------- */

/* The page cache said that there is nothing here: believed when the size agrees (base/sys.h). */
static bool at_the_end(const struct weir_file *file, int64_t offset)
{
    struct stat stat;
    return file->regular && weir__sys_fstat(file->fd, &stat) == 0 && stat.st_size > 0 &&
           offset >= stat.st_size;
}

bool weir__file_read_cached(struct weir_file *file, const struct iovec *parts, int count,
                            int64_t offset, ssize_t *out_result)
{
    if (__atomic_load_n(&file->not_cached, __ATOMIC_RELAXED))
        return false;
    ssize_t n = weir__sys_preadv_nowait(file->fd, parts, count, offset);
    if (n == -EOPNOTSUPP)
        __atomic_store_n(&file->not_cached, true, __ATOMIC_RELAXED);
    if (n < 0 || (n == 0 && !at_the_end(file, offset)))
        return false; /* what is wrong, if anything, is said by the call that may wait */
    *out_result = n;
    return true;
}

ssize_t weir__file_read_some(struct weir_file *file, void *buffer, size_t size, int64_t offset)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    ssize_t n;
    struct iovec part = {buffer,
                         size > WEIR__FILE_CACHED_BYTES_MAX ? WEIR__FILE_CACHED_BYTES_MAX : size};
    if (weir__file_read_cached(file, &part, 1, offset, &n)) {
        weir__core_completed_at_once();
        return n;
    }
    if (size > WEIR__FILE_CALL_BYTES_MAX)
        size = WEIR__FILE_CALL_BYTES_MAX;
    return weir__file_call_read(file->fd, buffer, size, offset);
}

int weir_file_read(weir_file *file, void *buffer, size_t size, int64_t offset, size_t *out_read)
{
    *out_read = 0;
    if (!weir__file_in_range(size, offset))
        return -EINVAL;
    if (size == 0)
        return weir__core_checkpoint();
    size_t done = 0;
    ssize_t n = 0;
    weir__file_hold(file);
    while (done < size) {
        n = weir__file_read_some(file, (char *)buffer + done, size - done, offset + (int64_t)done);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    weir_ignore(weir__file_let_go(file), "whoever closed it has been told");
    *out_read = done;
    return n < 0 ? (int)n : 0;
}

/* --- write ------------------------------------------------------------------------------------ */

static int write_all(weir_file *file, const char *data, size_t size, int64_t offset,
                     size_t *out_written)
{
    size_t done = 0;
    int rc = size == 0 ? weir__core_checkpoint() : 0;
    weir__file_hold(file);
    while (done < size && rc == 0) {
        size_t piece = size - done;
        if (piece > WEIR__FILE_CALL_BYTES_MAX)
            piece = WEIR__FILE_CALL_BYTES_MAX;
        ssize_t n = weir__file_call_write(file->fd, data + done, piece, offset + (int64_t)done);
        if (n > 0)
            done += (size_t)n;
        else
            rc = n < 0 ? (int)n : -EIO; /* a file that takes nothing and says nothing */
    }
    weir_ignore(weir__file_let_go(file), "whoever closed it has been told");
    if (out_written != NULL)
        *out_written = done;
    return rc;
}

int weir_file_write(weir_file *file, const void *data, size_t size, int64_t offset,
                    size_t *out_written)
{
    if (out_written != NULL)
        *out_written = 0;
    if (file->append || !weir__file_in_range(size, offset))
        return -EINVAL;
    return write_all(file, data, size, offset, out_written);
}

int weir_file_append(weir_file *file, const void *data, size_t size, size_t *out_written)
{
    if (out_written != NULL)
        *out_written = 0;
    if (!file->append || !weir__file_in_range(size, 0))
        return -EINVAL;
    /* With O_APPEND Linux writes at the end whatever position it is given (pwrite(2), BUGS). */
    return write_all(file, data, size, 0, out_written);
}
