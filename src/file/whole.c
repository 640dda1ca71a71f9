/*
 * whole.c - a file as a whole: reading all of it, putting another in its place
 *
 * Reading goes step by step in the calling task. Replacing is one job on a thread: each of its
 * steps waits for the disk anyway.
 *
 * Holds    1. A file is read up to the size it had when it was opened; what is appended meanwhile
 *             came too late. One that does not know its size (/proc) is read until it ends.
 *          2. Until the rename the old content is untouched, and nothing is left beside it on
 *             failure.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <weir/exec.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/sys.h"
#include "core/core.h"
#include "file/call.h"
#include "file/file.h"

enum { FIRST_BYTES = 4096 }; /* of a file that does not know its size */

/* --- read ------------------------------------------------------------------------------------- */

struct content {
    char *data;
    size_t size;
    size_t capacity; /* without the closing NUL */
    size_t bytes_max;
};

static int too_big(const struct content *content, const char *path)
{
    return weir_fail(-EFBIG, "%s is larger than the %zu bytes allowed", path, content->bytes_max);
}

/* Room for more; to find out that a file is too big, it takes one byte too many. */
static int grow(struct content *content, const char *path)
{
    size_t limit = content->bytes_max == SIZE_MAX ? SIZE_MAX - 1 : content->bytes_max + 1;
    if (content->capacity >= limit)
        return too_big(content, path);
    size_t capacity = content->capacity == 0 ? FIRST_BYTES : content->capacity;
    if (content->capacity != 0 && __builtin_mul_overflow(capacity, 2, &capacity))
        capacity = limit;
    if (capacity > limit)
        capacity = limit;
    char *data = weir__base_realloc(content->data, capacity + 1);
    if (data == NULL)
        return -ENOMEM;
    content->data = data;
    content->capacity = capacity;
    return 0;
}

static int reserve_known_size(struct content *content, int64_t size, const char *path)
{
    if ((uint64_t)size > content->bytes_max)
        return too_big(content, path);
    content->data = weir__base_alloc((size_t)size + 1);
    if (content->data == NULL)
        return -ENOMEM;
    content->capacity = (size_t)size;
    return 0;
}

static int read_content(struct weir_file *file, struct content *content, const char *path)
{
    bool size_known = file->size_at_open > 0;
    int rc =
        size_known ? reserve_known_size(content, file->size_at_open, path) : grow(content, path);
    while (rc == 0) {
        if (content->size == content->capacity) {
            if (size_known)
                break;
            rc = grow(content, path);
            continue;
        }
        ssize_t n = weir__file_read_some(file, content->data + content->size,
                                         content->capacity - content->size, (int64_t)content->size);
        if (n <= 0) {
            rc = (int)n;
            break;
        }
        content->size += (size_t)n;
    }
    if (rc == 0 && content->size > content->bytes_max)
        rc = too_big(content, path);
    return rc;
}

int weir_file_read_all(const char *path, size_t bytes_max, weir_bytes *out_bytes)
{
    struct weir_file file;
    int rc = weir__file_init(&file, path, NULL);
    if (rc < 0)
        return rc;
    struct content content = {.bytes_max =
                                  bytes_max == 0 ? WEIR_FILE_READ_ALL_BYTES_DEFAULT : bytes_max};
    rc = read_content(&file, &content, path);
    weir_ignore(weir__file_deinit(&file), "it was only read");
    if (rc < 0) {
        weir__base_free(content.data);
        return rc;
    }
    content.data[content.size] = '\0';
    *out_bytes = (weir_bytes){content.data, content.size};
    return 0;
}

/* --- replace ---------------------------------------------------------------------------------- */

struct replacement {
    const char *path;
    const char *data;
    size_t size;
};

static int failed(const struct replacement *replacement, const char *step, int rc)
{
    if (rc == -ECANCELED)
        return rc;
    return weir_fail(rc, "cannot replace %s: %s: %s", replacement->path, step, weir_code_text(rc));
}

static int write_content(int fd, const struct replacement *replacement)
{
    size_t done = 0;
    while (done < replacement->size) {
        if (weir_job_cancelled())
            return -ECANCELED;
        size_t piece = replacement->size - done;
        if (piece > WEIR__FILE_CALL_BYTES_MAX)
            piece = WEIR__FILE_CALL_BYTES_MAX;
        ssize_t n = weir__sys_pwrite(fd, replacement->data + done, piece, (off_t)done);
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        done += (size_t)n;
    }
    return 0;
}

/* The steps between open and close; names the one that failed. */
static int fill(int fd, const struct replacement *replacement, const struct stat *old,
                const char **out_step)
{
    *out_step = "set its permissions";
    int rc = old == NULL ? 0 : weir__sys_fchmod(fd, old->st_mode & 07777);
    if (rc < 0)
        return rc;
    *out_step = "write";
    rc = write_content(fd, replacement);
    if (rc < 0)
        return rc;
    *out_step = "sync";
    return weir__sys_fsync(fd, false);
}

/* Written, and in its place; or gone again. */
static int write_beside(const struct replacement *replacement, const char *beside)
{
    struct stat old;
    bool is_there = weir__sys_stat(replacement->path, &old) == 0;
    int fd = weir__sys_open(beside, O_WRONLY | O_CREAT | O_EXCL, is_there ? 0600 : 0666);
    if (fd < 0)
        return failed(replacement, "open a file beside it", fd);
    const char *step;
    int rc = fill(fd, replacement, is_there ? &old : NULL, &step);
    int closed = weir__sys_close(fd);
    if (rc == 0) {
        step = "close";
        rc = closed;
    }
    if (rc == 0 && weir_job_cancelled())
        rc = -ECANCELED; /* the last moment at which nothing has happened */
    if (rc == 0) {
        step = "rename";
        rc = weir__sys_rename(beside, replacement->path);
    }
    if (rc == 0)
        return 0;
    weir_ignore(weir__sys_unlink(beside), "the first failure is the one to tell");
    return failed(replacement, step, rc);
}

/* The name is on the disk only when its folder is. */
static int sync_folder(const struct replacement *replacement)
{
    const char *slash = strrchr(replacement->path, '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - replacement->path) + 1;
    char *folder = weir__base_strndup(size == 0 ? "." : replacement->path, size == 0 ? 1 : size);
    if (folder == NULL)
        return failed(replacement, "sync its folder", -ENOMEM);
    int rc = weir__sys_open(folder, O_RDONLY | O_DIRECTORY, 0);
    weir__base_free(folder);
    if (rc >= 0) {
        int fd = rc;
        rc = weir__sys_fsync(fd, false);
        weir__sys_close(fd);
    }
    return rc < 0 ? failed(replacement, "sync its folder", rc) : 0;
}

static int replace(void *arg)
{
    const struct replacement *replacement = arg;
    uint64_t number;
    weir__base_random_bytes(&number, sizeof number);
    char *beside =
        weir__base_asprintf("%s.%016llx.tmp", replacement->path, (unsigned long long)number);
    if (beside == NULL)
        return failed(replacement, "name a file beside it", -ENOMEM);
    int rc = write_beside(replacement, beside);
    if (rc == 0)
        rc = sync_folder(replacement);
    weir__base_free(beside);
    return rc;
}

int weir_file_replace(const char *path, const void *data, size_t size)
{
    struct replacement replacement = {.path = path, .data = data, .size = size};
    return weir_offload_with(NULL, &(weir_offload_options){.name = "replace a file"}, replace,
                             &replacement);
}
