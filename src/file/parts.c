/*
 * parts.c - reading and writing several stretches of memory as one
 *
 * Up to PARTS_MAX of them go with one call, 1 MiB written or 256 KiB read; a step that ends inside
 * a part goes on there.
 *
 * Runs on  any loop, in a task.
 */
#include <string.h>
#include <sys/uio.h>

#include "core/core.h"
#include "file/call.h"
#include "file/file.h"

enum { PARTS_MAX = 64 };

/* weir_bytes, weir_str and iovec are a pointer and a size, in this order. */
_Static_assert(sizeof(struct iovec) == sizeof(weir_bytes) &&
                   sizeof(struct iovec) == sizeof(weir_str) &&
                   offsetof(struct iovec, iov_len) == offsetof(weir_bytes, size) &&
                   offsetof(struct iovec, iov_len) == offsetof(weir_str, size),
               "one can be copied to the other");

/* What is left to do of somebody's parts. */
struct left {
    const char *parts; /* of any of the three kinds */
    size_t count;
    size_t skip; /* bytes of the first that are done */
};

static struct iovec part_at(const struct left *left, size_t index)
{
    struct iovec part;
    memcpy(&part, left->parts + index * sizeof part, sizeof part);
    return part;
}

static void skip_bytes(struct left *left, size_t size)
{
    left->skip += size;
    while (left->count > 0 && left->skip >= part_at(left, 0).iov_len) {
        left->skip -= part_at(left, 0).iov_len;
        left->parts += sizeof(struct iovec);
        left->count--;
    }
}

/* The next ones, for one call. Returns how many. */
static int next_parts(const struct left *left, size_t bytes_max, struct iovec parts[PARTS_MAX])
{
    int count = 0;
    size_t size = 0;
    for (size_t i = 0; i < left->count && count < PARTS_MAX && size < bytes_max; i++) {
        struct iovec part = part_at(left, i);
        if (i == 0) {
            part.iov_base = (char *)part.iov_base + left->skip;
            part.iov_len -= left->skip;
        }
        if (part.iov_len > bytes_max - size)
            part.iov_len = bytes_max - size;
        if (part.iov_len == 0)
            continue;
        parts[count++] = part;
        size += part.iov_len;
    }
    return count;
}

static bool total_fits(const struct left *left, int64_t offset)
{
    size_t total = 0;
    for (size_t i = 0; i < left->count; i++)
        if (__builtin_add_overflow(total, part_at(left, i).iov_len, &total))
            return false;
    return weir__file_in_range(total, offset);
}

static ssize_t read_step(weir_file *file, struct iovec *parts, int count, int64_t offset)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    ssize_t n;
    if (weir__file_read_cached(file, parts, count, offset, &n)) {
        weir__core_completed_at_once();
        return n;
    }
    return weir__file_call((struct weir__op){.kind = WEIR__OP_READ_PARTS,
                                             .fd = file->fd,
                                             .more = parts,
                                             .size = (size_t)count,
                                             .offset = offset});
}

static ssize_t write_step(weir_file *file, struct iovec *parts, int count, int64_t offset)
{
    ssize_t n = weir__file_call((struct weir__op){.kind = WEIR__OP_WRITE_PARTS,
                                                  .fd = file->fd,
                                                  .more = parts,
                                                  .size = (size_t)count,
                                                  .offset = offset});
    return n == 0 ? -EIO : n; /* a file that takes nothing and says nothing */
}

typedef ssize_t step_fn(weir_file *file, struct iovec *parts, int count, int64_t offset);

static int move_all(weir_file *file, struct left left, int64_t offset, step_fn *step,
                    size_t bytes_max, size_t *out_done)
{
    struct iovec parts[PARTS_MAX];
    size_t done = 0;
    ssize_t n = 1;
    weir__file_hold(file);
    skip_bytes(&left, 0);
    if (left.count == 0)
        n = weir__core_checkpoint();
    while (left.count > 0 && n > 0) {
        n = step(file, parts, next_parts(&left, bytes_max, parts), offset + (int64_t)done);
        if (n > 0) {
            done += (size_t)n;
            skip_bytes(&left, (size_t)n);
        }
    }
    weir_ignore(weir__file_let_go(file), "whoever closed it has been told");
    *out_done = done;
    return n < 0 ? (int)n : 0;
}

int weir_file_read_parts(weir_file *file, const weir_bytes *parts, size_t count, int64_t offset,
                         size_t *out_read)
{
    *out_read = 0;
    struct left left = {.parts = (const char *)parts, .count = count};
    if (!total_fits(&left, offset))
        return -EINVAL;
    return move_all(file, left, offset, read_step, WEIR__FILE_CACHED_BYTES_MAX, out_read);
}

int weir_file_write_parts(weir_file *file, const weir_str *parts, size_t count, int64_t offset,
                          size_t *out_written)
{
    size_t unused;
    if (out_written == NULL)
        out_written = &unused;
    *out_written = 0;
    struct left left = {.parts = (const char *)parts, .count = count};
    if (file->append || !total_fits(&left, offset))
        return -EINVAL;
    return move_all(file, left, offset, write_step, WEIR__FILE_CALL_BYTES_MAX, out_written);
}
