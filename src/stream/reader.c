/*
 * reader.c - buffered reading: pieces of what a source gives, where they lie
 *
 *     data  [ margin ][ block 0 ][ block 1 ]
 *             begin ^~~~ unread ~~~^ end
 *
 * Without a read ahead, margin and blocks are one buffer: it is filled behind `end`, and what is
 * unread is moved to its start when room is short. With one, the source fills one block while the
 * unread bytes are in the other. A piece that began in one block is continued in the other: its
 * first part is moved right before that block. That is what the margin is for, and it happens once
 * a block, with less than a piece.
 *
 * Runs on  the task that uses the reader.
 * Costs    one allocation for a reader. A line: a search through its bytes; no copy, no allocation,
 *          no system call but one for a buffer full.
 * Holds    1. [begin, end) is unread, and lies in front of nothing that is being filled.
 *          2. A failed or cancelled call has moved neither: no byte is lost.
 *          3. Bytes before `searched` hold no start of the delimiter last searched for: a piece
 *             that comes byte by byte is searched once.
 */
#include "stream/stream.h"

#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "core/core.h"
#include "core/ledger.h"

enum { BUFFER_BYTES_MOST = 1 << 30, FIRST_BYTES = 4096 };

struct weir_reader {
    struct weir__ledger_entry entry;
    weir_source source;
    const struct weir__ahead *ahead; /* NULL: none */
    char *data;                      /* buffer[], or memory of the caller */
    size_t capacity;                 /* of data */
    size_t piece_max;                /* longest view */
    size_t begin, end;
    size_t searched; /* offset in data */
    size_t block_bytes;
    size_t block; /* ahead: the one that was filled last, 0 or 1 */
    bool filling; /* ahead: a read into the other block is under way */
    bool keep_partial;
    bool fixed; /* memory of the caller: there is no source */
    char buffer[];
};

int weir__stream_buffer_bytes(size_t given, size_t *out_bytes)
{
    if (given != 0 && (given < WEIR_STREAM_BUFFER_BYTES_LEAST || given > BUFFER_BYTES_MOST))
        return -EINVAL;
    *out_bytes = given == 0 ? WEIR_STREAM_BUFFER_BYTES_DEFAULT : given;
    return 0;
}

/* --- open and close --------------------------------------------------------------------------- */

static void close_left_open(struct weir__ledger_entry *entry)
{
    weir_reader_close(WEIR__CONTAINER(entry, weir_reader, entry));
}

static weir_reader *new_reader(size_t bytes, const void *address)
{
    weir_reader *reader = weir__base_alloc(sizeof *reader + bytes);
    if (reader == NULL)
        return NULL;
    *reader = (weir_reader){.data = reader->buffer, .capacity = bytes, .piece_max = bytes};
    weir__ledger_add(&reader->entry, "reader", address, close_left_open);
    return reader;
}

int weir__reader_open(const weir_source *source, const struct weir__ahead *ahead,
                      const weir_reader_options *options, const void *address,
                      weir_reader **out_reader)
{
    size_t bytes;
    int rc = weir__stream_buffer_bytes(options == NULL ? 0 : options->buffer_bytes, &bytes);
    if (rc < 0)
        return rc;
    size_t block_bytes = ahead == NULL ? 0 : ahead->block_bytes;
    if (ahead != NULL && block_bytes < bytes)
        block_bytes = bytes; // what is left of a block when it is done with is less than a piece
    weir_reader *reader = new_reader(bytes + 2 * block_bytes, address);
    if (reader == NULL)
        return -ENOMEM;
    reader->source = *source;
    reader->piece_max = bytes;
    reader->keep_partial = options != NULL && options->keep_partial;
    if (ahead != NULL) {
        reader->ahead = ahead;
        reader->block_bytes = block_bytes;
        reader->block = 1;
        reader->begin = reader->end = bytes;
    }
    *out_reader = reader;
    return 0;
}

int weir_reader_open(const weir_source *source, const weir_reader_options *options,
                     weir_reader **out_reader)
{
    return weir__reader_open(source, NULL, options, __builtin_return_address(0), out_reader);
}

int weir_reader_open_memory(const void *data, size_t size, weir_reader **out_reader)
{
    weir_reader *reader = new_reader(0, __builtin_return_address(0));
    if (reader == NULL)
        return -ENOMEM;
    reader->fixed = true;
    reader->data = size == 0 ? reader->buffer : (char *)(uintptr_t)data;
    reader->capacity = reader->piece_max = reader->end = size;
    *out_reader = reader;
    return 0;
}

void weir_reader_close(weir_reader *reader)
{
    if (reader == NULL)
        return;
    weir__ledger_remove(&reader->entry);
    if (reader->filling) {
        reader->ahead->abandon(reader, reader->source.arg);
        return;
    }
    if (reader->source.close != NULL)
        reader->source.close(reader->source.arg);
    weir__base_free(reader);
}

/* --- the buffer ------------------------------------------------------------------------------- */

static size_t unread(const weir_reader *reader)
{
    return reader->end - reader->begin;
}

/* The unread bytes now begin at `begin`. */
static void move_unread(weir_reader *reader, size_t begin)
{
    if (begin == reader->begin)
        return;
    size_t size = unread(reader);
    if (size > 0)
        memmove(reader->data + begin, reader->data + reader->begin, size);
    reader->searched =
        reader->searched > reader->begin ? reader->searched - reader->begin + begin : begin;
    reader->begin = begin;
    reader->end = begin + size;
}

static void consume(weir_reader *reader, size_t size)
{
    reader->begin += size;
    if (reader->searched < reader->begin)
        reader->searched = reader->begin;
}

/* --- filling: one buffer ---------------------------------------------------------------------- */

/* A moved byte makes room for at least three: moving costs less than reading. */
static void make_room(weir_reader *reader)
{
    if (unread(reader) == 0)
        move_unread(reader, 0);
    else if (reader->capacity - reader->end < reader->capacity / 4)
        move_unread(reader, 0);
}

static ssize_t fill_buffer(weir_reader *reader)
{
    make_room(reader);
    ssize_t n = reader->source.read(reader->data + reader->end, reader->capacity - reader->end,
                                    reader->source.arg);
    if (n > 0)
        reader->end += (size_t)n;
    return n;
}

/* --- filling: two blocks ---------------------------------------------------------------------- */

static size_t block_start(const weir_reader *reader, size_t block)
{
    return reader->piece_max + block * reader->block_bytes;
}

/* The block that is filled next must hold nothing that is unread. What lies before the current
 * block is in the margin, or in the other block. */
static bool other_block_is_free(const weir_reader *reader)
{
    size_t other = block_start(reader, 1 - reader->block);
    return reader->begin >= other + reader->block_bytes || reader->end <= other;
}

/* First thing in each call: what was handed out before is not valid any more. */
static void read_ahead(weir_reader *reader)
{
    if (reader->ahead == NULL || reader->filling || !other_block_is_free(reader))
        return;
    reader->filling = reader->ahead->begin(reader->data + block_start(reader, 1 - reader->block),
                                           reader->block_bytes, reader->source.arg);
}

/* The other block has `size` bytes: they follow the unread ones. */
static void turn_to_other(weir_reader *reader, size_t size)
{
    reader->block = 1 - reader->block;
    size_t start = block_start(reader, reader->block);
    move_unread(reader, start - unread(reader));
    reader->end = start + size;
}

static ssize_t fill_block(weir_reader *reader)
{
    ssize_t n;
    if (reader->filling) {
        n = reader->ahead->finish(reader->source.arg);
        if (n == -ECANCELED)
            return n;
        reader->filling = false;
    } else {
        if (!other_block_is_free(reader)) // a piece that began in block 0, and goes on there
            move_unread(reader, block_start(reader, 0) - unread(reader));
        n = reader->source.read(reader->data + block_start(reader, 1 - reader->block),
                                reader->block_bytes, reader->source.arg);
    }
    if (n > 0) {
        turn_to_other(reader, (size_t)n);
        read_ahead(reader);
    }
    return n;
}

/* Checkpoint: at least one byte more behind the unread ones; 0 at the end. Fewer than piece_max are
 * unread. */
static ssize_t fill(weir_reader *reader)
{
    if (reader->fixed)
        return 0;
    return reader->ahead == NULL ? fill_buffer(reader) : fill_block(reader);
}

/* --- taking ----------------------------------------------------------------------------------- */

static size_t take(weir_reader *reader, char *out, size_t size)
{
    size_t there = unread(reader);
    if (size > there)
        size = there;
    if (size > 0)
        memcpy(out, reader->data + reader->begin, size);
    consume(reader, size);
    return size;
}

/* Whether so much is wanted that it goes to the caller without the buffer. */
static bool goes_around(const weir_reader *reader, size_t size)
{
    return !reader->fixed && reader->ahead == NULL && size >= reader->capacity &&
           unread(reader) == 0;
}

ssize_t weir_reader_read(weir_reader *reader, void *out_buffer, size_t size)
{
    if (size == 0)
        return -EINVAL; // 0 would look like the end
    read_ahead(reader);
    if (size > SSIZE_MAX)
        size = SSIZE_MAX;
    if (goes_around(reader, size))
        return reader->source.read(out_buffer, size, reader->source.arg);
    if (unread(reader) == 0) {
        ssize_t n = fill(reader);
        if (n <= 0)
            return n;
    }
    return (ssize_t)take(reader, out_buffer, size);
}

int weir_reader_read_exact(weir_reader *reader, void *out_buffer, size_t size, size_t *out_read)
{
    size_t done = 0;
    ssize_t n = 1;
    while (done < size && n > 0) {
        n = weir_reader_read(reader, (char *)out_buffer + done, size - done);
        if (n > 0)
            done += (size_t)n;
    }
    if (out_read != NULL)
        *out_read = done;
    if (n < 0)
        return (int)n;
    return done == size ? 0
                        : weir_fail(-EPIPE, "the stream ended after %zu of %zu bytes", done, size);
}

int weir_reader_peek(weir_reader *reader, size_t size, weir_str *out_view)
{
    read_ahead(reader);
    if (size > reader->piece_max && !reader->fixed)
        return weir_fail(-EMSGSIZE, "a look at %zu bytes, and the buffer has %zu", size,
                         reader->piece_max);
    while (unread(reader) < size) {
        ssize_t n = fill(reader);
        if (n < 0)
            return (int)n;
        if (n == 0)
            break;
    }
    *out_view = (weir_str){reader->data + reader->begin, unread(reader)};
    return 0;
}

int weir_reader_skip(weir_reader *reader, size_t size, size_t *out_skipped)
{
    size_t done = 0;
    ssize_t n = 1;
    read_ahead(reader);
    while (done < size && n > 0) {
        size_t there = unread(reader);
        if (there > size - done)
            there = size - done;
        consume(reader, there);
        done += there;
        if (done < size)
            n = fill(reader);
    }
    if (out_skipped != NULL)
        *out_skipped = done;
    return n < 0 ? (int)n : 0;
}

/* --- searching -------------------------------------------------------------------------------- */

/* The size of the piece up to the delimiter, or 0; among the first `max` unread bytes. */
static size_t find(weir_reader *reader, weir_str delimiter, size_t max)
{
    if (reader->searched < reader->begin)
        reader->searched = reader->begin;
    size_t limit = unread(reader) < max ? reader->end : reader->begin + max;
    if (reader->searched >= limit)
        return 0;
    const char *from = reader->data + reader->searched;
    size_t size = limit - reader->searched;
    const char *found = delimiter.size == 1 ? memchr(from, delimiter.data[0], size)
                                            : memmem(from, size, delimiter.data, delimiter.size);
    if (found != NULL)
        return (size_t)(found - (reader->data + reader->begin)) + delimiter.size;
    if (size >= delimiter.size) // the last bytes may be the start of one
        reader->searched = limit - (delimiter.size - 1);
    return 0;
}

/* Checkpoint: 1 and its size; 0 at the end, with the size of what is left; or a negative errno. */
static int seek(weir_reader *reader, weir_str delimiter, size_t max, size_t *out_size)
{
    read_ahead(reader);
    reader->searched = reader->begin; // what was searched for before may be something else
    for (;;) {
        size_t size = find(reader, delimiter, max);
        if (size > 0) {
            *out_size = size;
            return 1;
        }
        if (unread(reader) >= max)
            return -EMSGSIZE;
        ssize_t n = fill(reader);
        if (n <= 0) {
            *out_size = unread(reader);
            return (int)n;
        }
    }
}

static size_t limit_of(const weir_reader *reader, size_t bytes_max)
{
    if (reader->fixed && bytes_max == 0)
        return SIZE_MAX;
    return bytes_max == 0 || (bytes_max > reader->piece_max && !reader->fixed) ? reader->piece_max
                                                                               : bytes_max;
}

static weir_str take_view(weir_reader *reader, size_t size)
{
    weir_str view = {reader->data + reader->begin, size};
    consume(reader, size);
    return view;
}

static int fail_long(const char *what, size_t max)
{
    return weir_fail(-EMSGSIZE, "%s is longer than %zu bytes", what, max);
}

int weir_reader_read_until(weir_reader *reader, weir_str delimiter, size_t bytes_max,
                           weir_str *out_piece)
{
    size_t max = limit_of(reader, bytes_max);
    if (delimiter.size == 0 || delimiter.size > max)
        return -EINVAL;
    size_t size = 0;
    int rc = seek(reader, delimiter, max, &size);
    if (rc == -EMSGSIZE)
        return fail_long("a piece of the stream", max);
    if (rc < 0 || size == 0)
        return rc;
    *out_piece = take_view(reader, size);
    return 1;
}

int weir_reader_read_line(weir_reader *reader, weir_str *out_line)
{
    size_t max = limit_of(reader, 0);
    size_t size = 0;
    int rc = seek(reader, WEIR_STR("\n"), max, &size);
    if (rc == -EMSGSIZE)
        return fail_long("a line", max);
    if (rc < 0 || size == 0 || (rc == 0 && reader->keep_partial))
        return rc;
    weir_str line = take_view(reader, size);
    if (rc == 1)
        line.size -= line.size > 1 && line.data[line.size - 2] == '\r' ? 2 : 1;
    *out_line = line;
    return 1;
}

int weir_reader_skip_until(weir_reader *reader, weir_str delimiter, size_t *out_skipped)
{
    size_t done = 0;
    int rc = -EINVAL;
    if (delimiter.size > 0 && delimiter.size <= limit_of(reader, 0)) {
        size_t size = 0;
        size_t max = limit_of(reader, 0);
        while ((rc = seek(reader, delimiter, max, &size)) == -EMSGSIZE) {
            size = max - (delimiter.size - 1); // the rest may be the start of one
            consume(reader, size);
            done += size;
        }
        if (rc >= 0) {
            consume(reader, size);
            done += size;
        }
    }
    if (out_skipped != NULL)
        *out_skipped = done;
    return rc;
}

/* --- all of it -------------------------------------------------------------------------------- */

/* Room for more, and a NUL; at most `max`. */
static int grow(weir_bytes *bytes, size_t *capacity, size_t max)
{
    size_t wanted = *capacity == 0 ? FIRST_BYTES : *capacity;
    if (*capacity != 0 && __builtin_mul_overflow(wanted, 2, &wanted))
        wanted = max;
    if (wanted > max)
        wanted = max;
    char *data = wanted == SIZE_MAX ? NULL : weir__base_realloc(bytes->data, wanted + 1);
    if (data == NULL)
        return -ENOMEM;
    bytes->data = data;
    *capacity = wanted;
    return 0;
}

/* Whether the source has ended exactly at the limit. */
static int expect_end(weir_reader *reader, size_t max)
{
    weir_str more;
    int rc = weir_reader_peek(reader, 1, &more);
    if (rc == 0 && more.size > 0)
        rc = weir_fail(-EFBIG, "the stream is larger than the %zu bytes allowed", max);
    return rc;
}

int weir_reader_read_all(weir_reader *reader, size_t bytes_max, weir_bytes *out_bytes)
{
    size_t max = bytes_max == 0 ? WEIR_STREAM_READ_ALL_BYTES_DEFAULT : bytes_max;
    weir_bytes bytes = {0};
    size_t capacity = 0;
    int rc = weir__core_task() == NULL ? 0 : weir__core_checkpoint();
    while (rc == 0) {
        if (bytes.size == max) {
            rc = expect_end(reader, max);
            break;
        }
        if (bytes.size == capacity)
            rc = grow(&bytes, &capacity, max);
        if (rc < 0)
            break;
        ssize_t n =
            weir_reader_read(reader, (char *)bytes.data + bytes.size, capacity - bytes.size);
        if (n == 0)
            break;
        if (n < 0)
            rc = (int)n;
        else
            bytes.size += (size_t)n;
    }
    if (bytes.data != NULL)
        ((char *)bytes.data)[bytes.size] = '\0';
    *out_bytes = bytes;
    return rc;
}
