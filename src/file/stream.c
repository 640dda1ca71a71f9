/*
 * stream.c - a file as the source of a reader and the sink of a writer
 *
 * A file has no position; these have one. While one block of a file is looked at, the next one is
 * read, by an operation in the ring or a job on a thread that no task waits for: but only once
 * something had to wait for the disk, and from then on. What the page cache holds is read when it
 * is wanted, which costs no more than a copy.
 *
 * Runs on  the loop the reader was opened on; a job on a thread of the default pool.
 * Costs    what is cached: one system call for at most 256 KiB. What is not: one operation or job
 *          for a block of up to 1 MiB, which runs while the block before is looked at. (200 MiB of
 *          lines that were not in memory, with blocks of at most 256 KiB, 1 MiB and 4 MiB: 0.18,
 *          0.17 and 0.18 s; getline() 0.32 s.)
 * Holds    1. The file is held from open to close, and while a read ahead is under way.
 *          2. At most one read ahead is under way; its memory stays until it has ended.
 */
#include "stream/stream.h"

#include <sys/uio.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "exec/pool.h"
#include "file/call.h"
#include "file/file.h"

enum {
    WINDOW_BYTES_FIRST = 128 << 10,
    WINDOW_BYTES_MOST = 1 << 20,
    /* Smaller ones are read in one buffer: the second block would hardly be used. */
    AHEAD_FILE_BYTES_LEAST = 256 << 10,
};

struct place {
    weir_file *file;
    int64_t offset;
    /* read ahead */
    bool waited; /* the page cache did not have something */
    bool at_end; /* the last read said so */
    bool under_way;
    bool is_job;
    bool abandoned;
    size_t window_bytes;
    void *buffer;
    size_t size;
    ssize_t result;
    weir_task *waiter;
    void *memory; /* of the reader that has gone */
    struct weir__op op;
    struct weir__job job;
};

static void free_place(void *arg)
{
    struct place *place = arg;
    weir_ignore(weir__file_let_go(place->file), "whoever closed it has been told");
    weir__base_free(place);
}

static int new_place(weir_file *file, int64_t offset, struct place **out_place)
{
    if (offset < 0 || (file->append && offset != 0))
        return -EINVAL;
    struct place *place = weir__base_alloc(sizeof *place);
    if (place == NULL)
        return -ENOMEM;
    *place = (struct place){.file = file, .offset = offset, .window_bytes = WINDOW_BYTES_FIRST};
    weir__file_hold(file);
    *out_place = place;
    return 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

static ssize_t note_result(struct place *place, ssize_t n)
{
    if (n > 0)
        place->offset += n;
    if (n >= 0)
        place->at_end = n == 0;
    return n;
}

static bool read_cached(struct place *place, void *buffer, size_t size, ssize_t *out_result)
{
    struct iovec part = {buffer,
                         size > WEIR__FILE_CACHED_BYTES_MAX ? WEIR__FILE_CACHED_BYTES_MAX : size};
    return weir__file_read_cached(place->file, &part, 1, place->offset, out_result);
}

static ssize_t read_file(void *out_buffer, size_t size, void *arg)
{
    struct place *place = arg;
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    ssize_t n;
    if (read_cached(place, out_buffer, size, &n)) {
        weir__core_completed_at_once();
        return note_result(place, n);
    }
    place->waited = true;
    if (size > WEIR__FILE_CALL_BYTES_MAX)
        size = WEIR__FILE_CALL_BYTES_MAX;
    return note_result(place,
                       weir__file_call_read(place->file->fd, out_buffer, size, place->offset));
}

/* --- reading ahead ---------------------------------------------------------------------------- */

static void free_abandoned(struct place *place)
{
    weir__base_free(place->memory);
    free_place(place);
}

static void ended(struct place *place, ssize_t result)
{
    place->under_way = false;
    place->result = result;
    if (place->abandoned)
        free_abandoned(place);
    else if (place->waiter != NULL)
        weir__core_wake(place->waiter, 0);
}

static void operation_done(struct weir__op *op)
{
    ended(WEIR__CONTAINER(op, struct place, op), op->result);
}

static int run_job(void *arg)
{
    struct place *place = arg;
    place->result = weir__sys_pread(place->file->fd, place->buffer, place->size, place->offset);
    return 0;
}

static void job_done(struct weir__job *job)
{
    struct place *place = WEIR__CONTAINER(job, struct place, job);
    ended(place, place->result);
}

static void job_lost(struct weir__job *job)
{
    free_abandoned(WEIR__CONTAINER(job, struct place, job));
}

static bool start_operation(struct place *place)
{
    place->op = (struct weir__op){.kind = WEIR__OP_READ,
                                  .fd = place->file->fd,
                                  .buffer = place->buffer,
                                  .size = place->size,
                                  .offset = place->offset,
                                  .done = operation_done};
    int rc = weir__io_start(&place->op);
    if (rc == 1)
        place->result = place->op.result;
    place->under_way = rc == 0;
    return rc >= 0;
}

static bool start_job(struct place *place)
{
    place->job = (struct weir__job){
        .fn = run_job, .arg = place, .name = "read ahead", .at_home = job_done, .lost = job_lost};
    place->under_way = weir__exec_start(&place->job) == 0;
    return place->under_way;
}

static bool begin_ahead(void *buffer, size_t size, void *arg)
{
    struct place *place = arg;
    if (!place->waited || place->at_end)
        return false;
    place->buffer = buffer;
    place->size = size < place->window_bytes ? size : place->window_bytes;
    place->is_job = !weir__io_features()->file_ops;
    if (!(place->is_job ? start_job(place) : start_operation(place)))
        return false;
    if (place->window_bytes < WINDOW_BYTES_MOST)
        place->window_bytes *= 2;
    return true;
}

static void leave_wait(weir_task *task, void *object)
{
    struct place *place = object;
    place->waiter = NULL;
    weir__core_wake(task, -ECANCELED);
}

static ssize_t finish_ahead(void *arg)
{
    struct place *place = arg;
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    if (place->under_way) {
        place->waiter = weir__core_task();
        rc = weir__core_park(WEIR_WAIT_IO, place, leave_wait);
        place->waiter = NULL;
        if (rc == -ECANCELED)
            return weir__core_cancelled_result(weir__core_task());
    } else {
        weir__core_completed_at_once();
    }
    ssize_t n = place->result;
    if (n == -EAGAIN || n == -EOPNOTSUPP) // the ring cannot, and has done nothing
        n = weir__file_call_read(place->file->fd, place->buffer, place->size, place->offset);
    return note_result(place, n);
}

static void abandon_ahead(void *memory, void *arg)
{
    struct place *place = arg;
    place->memory = memory;
    if (!place->under_way) {
        free_abandoned(place);
        return;
    }
    place->abandoned = true;
    if (!place->is_job)
        weir__io_cancel(&place->op);
}

static const struct weir__ahead ahead = {
    .begin = begin_ahead,
    .finish = finish_ahead,
    .abandon = abandon_ahead,
    .block_bytes = WINDOW_BYTES_MOST,
};

/* Whether there is enough to read for two blocks. */
static bool is_large(weir_file *file, int64_t offset)
{
    int64_t size;
    return file->regular && weir_file_size(file, &size) == 0 &&
           size - offset > AHEAD_FILE_BYTES_LEAST;
}

int weir_file_open_reader(weir_file *file, int64_t offset, const weir_reader_options *options,
                          weir_reader **out_reader)
{
    struct place *place;
    int rc = new_place(file, offset, &place);
    if (rc < 0)
        return rc;
    weir_source source = {.read = read_file, .close = free_place, .arg = place};
    rc = weir__reader_open(&source, is_large(file, offset) ? &ahead : NULL, options,
                           __builtin_return_address(0), out_reader);
    if (rc < 0)
        free_place(place);
    return rc;
}

/* --- writing ---------------------------------------------------------------------------------- */

static int append_parts(struct place *place, const weir_str *parts, size_t count,
                        size_t *out_written)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        size_t written;
        rc = weir_file_append(place->file, parts[i].data, parts[i].size, &written);
        *out_written += written;
    }
    return rc;
}

static int write_file(const weir_str *parts, size_t count, size_t *out_written, void *arg)
{
    struct place *place = arg;
    *out_written = 0;
    if (place->file->append)
        return append_parts(place, parts, count, out_written);
    int rc = weir_file_write_parts(place->file, parts, count, place->offset, out_written);
    place->offset += (int64_t)*out_written;
    return rc;
}

int weir_file_open_writer(weir_file *file, int64_t offset, const weir_writer_options *options,
                          weir_writer **out_writer)
{
    struct place *place;
    int rc = new_place(file, offset, &place);
    if (rc < 0)
        return rc;
    weir_sink sink = {.write = write_file, .close = free_place, .arg = place};
    rc = weir__writer_open(&sink, options, __builtin_return_address(0), out_writer);
    if (rc < 0)
        free_place(place);
    return rc;
}
