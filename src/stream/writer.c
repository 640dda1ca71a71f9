/*
 * writer.c - buffered writing: many small pieces become few large ones
 *
 * Runs on  the task that uses the writer.
 * Costs    one allocation for a writer. A piece that fits: one copy, no system call. One that does
 *          not: what is in the buffer and the piece go to the sink together, the piece from where
 *          it lies. Formatting takes the stack of vsnprintf, 2 to 3 KiB, and no memory.
 * Holds    1. [begin, end) was taken from the caller and not yet by the sink.
 *          2. Whatever a call returns, each byte was taken exactly once or not at all.
 *          3. `error` is what the last try came to, unless that was a cancellation.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "core/core.h"
#include "core/ledger.h"
#include "stream/stream.h"

struct weir_writer {
    struct weir__ledger_entry entry;
    weir_sink sink;
    size_t capacity;
    size_t begin, end;
    int error;
    char buffer[]; /* and one byte more, for the NUL of a text */
};

static const char empty_kind[] = "writer";
static const char filled_kind[] = "writer with unwritten bytes";

/* --- open and close --------------------------------------------------------------------------- */

static void close_left_open(struct weir__ledger_entry *entry)
{
    weir_writer_discard(WEIR__CONTAINER(entry, weir_writer, entry));
}

int weir__writer_open(const weir_sink *sink, const weir_writer_options *options,
                      const void *address, weir_writer **out_writer)
{
    size_t bytes;
    int rc = weir__stream_buffer_bytes(options == NULL ? 0 : options->buffer_bytes, &bytes);
    if (rc < 0)
        return rc;
    weir_writer *writer = weir__base_alloc(sizeof *writer + bytes + 1);
    if (writer == NULL)
        return -ENOMEM;
    *writer = (weir_writer){.sink = *sink, .capacity = bytes};
    weir__ledger_add(&writer->entry, empty_kind, address, close_left_open);
    *out_writer = writer;
    return 0;
}

int weir_writer_open(const weir_sink *sink, const weir_writer_options *options,
                     weir_writer **out_writer)
{
    return weir__writer_open(sink, options, __builtin_return_address(0), out_writer);
}

void weir_writer_discard(weir_writer *writer)
{
    if (writer == NULL)
        return;
    weir__ledger_remove(&writer->entry);
    if (writer->sink.close != NULL)
        writer->sink.close(writer->sink.arg);
    weir__base_free(writer);
}

static int fail_unwritten(int rc, size_t size)
{
    char why[128];
    snprintf(why, sizeof why, "%s", weir_failure_message(rc));
    return weir_fail(rc, "%zu bytes were not written: %s", size, why);
}

int weir_writer_close(weir_writer *writer)
{
    if (writer == NULL)
        return 0;
    int rc = writer->error;
    if (rc == 0)
        rc = weir_writer_flush(writer);
    size_t left = weir_writer_unwritten(writer);
    weir_writer_discard(writer);
    return rc < 0 && rc != -ECANCELED && left > 0 ? fail_unwritten(rc, left) : rc;
}

/* --- the sink --------------------------------------------------------------------------------- */

size_t weir_writer_unwritten(const weir_writer *writer)
{
    return writer->end - writer->begin;
}

/* What is in the buffer, then a piece of the caller's (which may be empty), of which *out_taken
 * bytes were taken. */
static int write_out(weir_writer *writer, const char *data, size_t size, size_t *out_taken)
{
    size_t buffered = weir_writer_unwritten(writer);
    weir_str parts[2] = {{writer->buffer + writer->begin, buffered}, {data, size}};
    size_t first = buffered == 0 ? 1 : 0;
    size_t count = (size == 0 ? 1 : 2) - first;
    size_t written = 0;
    int rc = count == 0 ? 0 : writer->sink.write(parts + first, count, &written, writer->sink.arg);
    if (written >= buffered) {
        *out_taken = written - buffered;
        writer->begin = writer->end = 0;
        writer->entry.kind = empty_kind;
    } else {
        *out_taken = 0;
        writer->begin += written;
    }
    if (rc != -ECANCELED)
        writer->error = rc;
    return rc;
}

int weir_writer_flush(weir_writer *writer)
{
    size_t none;
    return write_out(writer, NULL, 0, &none);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void put(weir_writer *writer, const char *data, size_t size)
{
    memcpy(writer->buffer + writer->end, data, size);
    writer->end += size;
    writer->entry.kind = filled_kind;
}

/* What was not taken by a short write is moved to the start of the buffer. */
static size_t make_room(weir_writer *writer)
{
    if (writer->begin > 0) {
        size_t size = weir_writer_unwritten(writer);
        memmove(writer->buffer, writer->buffer + writer->begin, size);
        writer->begin = 0;
        writer->end = size;
    }
    return writer->capacity - writer->end;
}

static int write_piece(weir_writer *writer, const char *data, size_t size, size_t *out_taken)
{
    size_t taken = 0;
    int rc = 0;
    if (size > writer->capacity - writer->end) {
        size_t room = make_room(writer);
        if (size >= writer->capacity) { // nothing is won by a copy
            rc = write_out(writer, data, size, &taken);
            room = 0;
        } else if (size > room) {
            put(writer, data, room);
            taken = room;
            size_t none;
            rc = write_out(writer, NULL, 0, &none);
        }
    }
    if (rc == 0 && taken < size) {
        put(writer, data + taken, size - taken);
        taken = size;
    }
    *out_taken += taken;
    return rc;
}

int weir_writer_write_parts(weir_writer *writer, const weir_str *parts, size_t count,
                            size_t *out_taken)
{
    size_t taken = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (parts[i].size > 0)
            rc = write_piece(writer, parts[i].data, parts[i].size, &taken);
    }
    if (out_taken != NULL)
        *out_taken = taken;
    return rc;
}

int weir_writer_write(weir_writer *writer, const void *data, size_t size, size_t *out_taken)
{
    weir_str part = {data, size};
    return weir_writer_write_parts(writer, &part, 1, out_taken);
}

/* Into the room behind `end`: the size of the text, which may be larger than the room, or -EINVAL.
 */
WEIR_PRINTF(2, 0)
static int format_into(weir_writer *writer, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int size =
        vsnprintf(writer->buffer + writer->end, writer->capacity - writer->end + 1, format, again);
    va_end(again);
    return size < 0 ? -EINVAL : size;
}

WEIR_PRINTF(2, 0)
static int format_text(weir_writer *writer, const char *format, va_list args)
{
    int size = format_into(writer, format, args);
    if (size < 0)
        return size;
    if ((size_t)size > writer->capacity)
        return weir_fail(-EMSGSIZE, "a text of %d bytes, and the buffer has %zu", size,
                         writer->capacity);
    if ((size_t)size > writer->capacity - writer->end) {
        int rc = weir_writer_flush(writer);
        if (rc < 0)
            return rc;
        size = format_into(writer, format, args);
        if (size < 0 || (size_t)size > writer->capacity - writer->end)
            return -EINVAL; // an argument was changed by another task meanwhile
    }
    writer->end += (size_t)size;
    if (size > 0)
        writer->entry.kind = filled_kind;
    return 0;
}

int weir_writer_format(weir_writer *writer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int rc = format_text(writer, format, args);
    va_end(args);
    return rc;
}
