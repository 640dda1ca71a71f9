/*
 * whole.c - reading a file as a whole
 *
 * Costs    for a file in memory four system calls (open, fstat, read, close), no thread and no turn
 *          of the loop; one that is not takes an operation of the ring, or a job, for its content.
 * Holds    A file is read up to the size it had when it was opened; what is appended meanwhile came
 *          too late. One that does not know its size (/proc) is read until it ends.
 */
#include <weir/folder.h>

#include "base/alloc.h"
#include "core/core.h"
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

int weir_folder_read_all(weir_folder *folder, const char *name, size_t bytes_max,
                         weir_bytes *out_bytes)
{
    struct weir_file file;
    int rc = weir__file_init(&file, name, &(weir_file_options){.folder = folder});
    if (rc < 0)
        return rc;
    struct content content = {.bytes_max =
                                  bytes_max == 0 ? WEIR_FILE_READ_ALL_BYTES_DEFAULT : bytes_max};
    rc = read_content(&file, &content, name);
    weir_ignore(weir__file_deinit(&file), "it was only read");
    if (rc < 0) {
        weir__base_free(content.data);
        return rc;
    }
    content.data[content.size] = '\0';
    *out_bytes = (weir_bytes){content.data, content.size};
    return 0;
}

int weir_file_read_all(const char *path, size_t bytes_max, weir_bytes *out_bytes)
{
    return weir_folder_read_all(NULL, path, bytes_max, out_bytes);
}
