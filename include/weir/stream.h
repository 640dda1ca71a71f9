/*
 * weir/stream.h - buffered reading and writing over anything that gives or takes bytes
 *
 *     weir_reader *reader;
 *     int rc = weir_conn_open_reader(conn, NULL, &reader); // or a file, a pipe, memory
 *     weir_str line;
 *     while (rc >= 0 && (rc = weir_reader_read_line(reader, &line)) > 0)
 *         handle(line); // valid until the next call on the reader
 *     weir_reader_close(reader);
 *
 * A reader has one buffer. What it hands out as a weir_str lies in there: nothing is copied or
 * allocated for a line, and the kernel is asked once for a buffer full of them. It is valid until
 * the next call on the same reader.
 *
 * A call that fails or is cancelled loses no byte: what was read stays in the buffer for the next
 * call, and what was not written stays in the buffer of the writer. A writer says at its close what
 * could not be written.
 *
 * Neither owns what is below it: close the reader first, then the file or connection.
 */
#ifndef WEIR_STREAM_H
#define WEIR_STREAM_H

#include <weir/base.h>
#include <weir/file.h>
#include <weir/net.h>
#include <weir/pipe.h>

enum {
    /** The buffer of a reader or writer unless it is told otherwise; a line may be as long. */
    WEIR_STREAM_BUFFER_BYTES_DEFAULT = 64 * 1024,
    /** The smallest buffer. */
    WEIR_STREAM_BUFFER_BYTES_LEAST = 64,
    /** What weir_reader_read_all() reads at most unless it is told otherwise. */
    WEIR_STREAM_READ_ALL_BYTES_DEFAULT = 64 * 1024 * 1024,
};

/* --- reading ---------------------------------------------------------------------------------- */

/** Where a reader gets its bytes. `arg` is kept until close. */
typedef struct weir_source {
    /** What is there, at most `size` (not 0) bytes, after a wait when there is nothing: how many, 0
     * at the end, or a negative errno. It may be called again after any of them. A checkpoint; when
     * it returns -ECANCELED it has taken nothing. */
    ssize_t (*read)(void *out_buffer, size_t size, void *arg);
    /** Once, by weir_reader_close(); must not park. May be NULL. */
    void (*close)(void *arg);
    void *arg;
} weir_source;

/** Buffered reading. One task at a time. */
typedef struct weir_reader weir_reader;

/** How a reader behaves. Zero is the default of each field. */
typedef struct weir_reader_options {
    size_t buffer_bytes; /* 0: 64 KiB. No line and no peek is longer; at most 1 GiB */
    /** A last line without its end is not handed out as a line, but kept: for what still grows, see
     * weir_reader_read_line(). */
    bool keep_partial;
} weir_reader_options;

WEIR_BEGIN_DECLS

/**
 * Read from a source of one's own. There are ready ones: weir_file_open_reader(),
 * weir_conn_open_reader(), weir_pipe_open_reader(), weir_reader_open_memory().
 *
 * @param source      its fields are copied; source->arg is kept until close
 * @param options     borrowed; NULL for the defaults
 * @param out_reader  closed with weir_reader_close()
 *
 * Returns     0 or a negative errno; on failure source->close was not called
 * Errors      -ENOMEM  no memory
 *             -EINVAL  a buffer of less than 64 bytes or more than 1 GiB
 * Checkpoint  no
 * Thread      any; afterwards one task at a time
 */
WEIR_API WEIR_MUST_CHECK int weir_reader_open(const weir_source *source,
                                              const weir_reader_options *options,
                                              weir_reader **out_reader);

/**
 * Read from memory, without a copy.
 *
 * @param data        kept until the reader is closed, and unchanged
 * @param size        how many bytes
 * @param out_reader  closed with weir_reader_close()
 *
 * Returns     0 or a negative errno
 * Errors      -ENOMEM  no memory
 * Checkpoint  no
 * Thread      any; afterwards one task at a time
 */
WEIR_API WEIR_MUST_CHECK int weir_reader_open_memory(const void *data, size_t size,
                                                     weir_reader **out_reader);

/**
 * Read from a file, from a position on to its end.
 *
 * While one block of a large file is looked at, the next one is read: through the ring, or on a
 * thread. That begins when something had to wait for the disk; blocks then grow up to 1 MiB.
 *
 * @param file        open to read; closed after the reader. Others may use it as well
 * @param offset      where to begin
 * @param options     borrowed; NULL for the defaults
 * @param out_reader  closed with weir_reader_close()
 *
 * Returns     0 or a negative errno
 * Errors      -ENOMEM  no memory
 *             -EINVAL  a negative offset, or an impossible buffer
 * Checkpoint  no
 * Thread      a loop's; afterwards that loop's, one task at a time
 */
WEIR_API WEIR_MUST_CHECK int weir_file_open_reader(weir_file *file, int64_t offset,
                                                   const weir_reader_options *options,
                                                   weir_reader **out_reader);

/**
 * Read from a connection. Its limits hold: -ETIMEDOUT when the peer is silent for too long.
 *
 * @param conn        open; closed after the reader
 * @param options     borrowed; NULL for the defaults
 * @param out_reader  closed with weir_reader_close()
 *
 * Returns     0 or a negative errno
 * Errors      as weir_reader_open()
 * Checkpoint  no
 * Thread      the connection's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_conn_open_reader(weir_conn *conn,
                                                   const weir_reader_options *options,
                                                   weir_reader **out_reader);

/**
 * Read from a pipe.
 *
 * @param pipe        open; closed after the reader
 * @param options     borrowed; NULL for the defaults
 * @param out_reader  closed with weir_reader_close()
 *
 * Returns     0 or a negative errno
 * Errors      as weir_reader_open()
 * Checkpoint  no
 * Thread      the pipe's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_pipe_open_reader(weir_pipe *pipe,
                                                   const weir_reader_options *options,
                                                   weir_reader **out_reader);

/**
 * Read what is there, and wait only when there is nothing.
 *
 * @param reader      open
 * @param out_buffer  written, from its start
 * @param size        how many bytes it holds, not 0
 *
 * Returns     how many bytes, 0 at the end, or a negative errno. The end is asked for again by the
 *             next call: what was read to its end and then grew can be read on
 * Errors      -EINVAL     size is 0
 *             -ECANCELED  the caller's scope is cancelled; no byte is lost
 *             others      what the source says
 * Checkpoint  when the buffer is empty
 * Thread      the reader's, one task at a time
 * Source      rules O4, O6
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK ssize_t weir_reader_read(weir_reader *reader,
                                                                  void *out_buffer, size_t size);

/**
 * Read exactly so many bytes.
 *
 * @param reader      open
 * @param out_buffer  written, from its start
 * @param size        how many bytes; 0 reads nothing
 * @param out_read    how many were read, right whatever is returned; may be NULL
 *
 * Returns     0 or a negative errno
 * Errors      -EPIPE      the source ended before; what it had is in the buffer
 *             -ECANCELED  the caller's scope is cancelled; *out_read bytes are in out_buffer
 *             others      what the source says
 * Checkpoint  when the buffer does not hold them
 * Thread      the reader's, one task at a time
 * Source      rules O4, O6
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_reader_read_exact(weir_reader *reader,
                                                                    void *out_buffer, size_t size,
                                                                    size_t *out_read);

/**
 * Look at the next bytes without taking them; weir_reader_skip() takes them.
 *
 * @param reader    open
 * @param size      at least so many, when the source does not end before; 0: what is there
 * @param out_view  all that is in the buffer, often more than `size`; empty at the end. Valid until
 *                  the next call
 *
 * Returns     0 or a negative errno
 * Errors      -EMSGSIZE   the buffer is not that large
 *             -ECANCELED  the caller's scope is cancelled; no byte is lost
 *             others      what the source says
 * Checkpoint  when the buffer does not hold them
 * Thread      the reader's, one task at a time
 * Source      rule O4
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_reader_peek(weir_reader *reader, size_t size,
                                                              weir_str *out_view);

/**
 * Take the bytes up to a delimiter, and the delimiter.
 *
 * @param reader     open
 * @param delimiter  not empty
 * @param bytes_max  of the piece with its delimiter; 0, or more than the buffer: as the buffer
 * @param out_piece  it ends with the delimiter, but for a last one without. Valid until the next
 *                   call
 *
 * Returns     1, 0 at the end, or a negative errno
 * Errors      -EMSGSIZE   there is none among the first bytes_max bytes. They stay unread: for
 *                         weir_reader_peek(), weir_reader_read(), or weir_reader_skip_until() to
 *                         pass over the whole piece
 *             -EINVAL     the delimiter is empty, or longer than bytes_max
 *             -ECANCELED  the caller's scope is cancelled; no byte is lost
 *             others      what the source says
 * Checkpoint  when the buffer does not hold a whole piece
 * Thread      the reader's, one task at a time
 * Source      rules O4, O6
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_reader_read_until(weir_reader *reader,
                                                                    weir_str delimiter,
                                                                    size_t bytes_max,
                                                                    weir_str *out_piece);

/**
 * Take a line. It ends with LF or CR LF, or with the source.
 *
 * @param reader    open
 * @param out_line  without its end; valid until the next call
 *
 * Returns     1, 0 at the end, or a negative errno. With keep_partial a last line without its end
 *             is no line: it stays in the buffer, 0 is returned, and the next call asks the source
 *             again
 * Errors      -EMSGSIZE   the line is longer than the buffer. It stays unread; to pass over it:
 *                         weir_reader_skip_until(reader, WEIR_STR("\n"), NULL)
 *             -ECANCELED  the caller's scope is cancelled; no byte is lost
 *             others      what the source says
 * Checkpoint  when the buffer does not hold a whole line
 * Thread      the reader's, one task at a time
 * Source      rules O4, O6
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_reader_read_line(weir_reader *reader,
                                                                   weir_str *out_line);

/**
 * Pass over bytes.
 *
 * @param reader       open
 * @param size         how many; WEIR_UNLIMITED: to the end
 * @param out_skipped  how many were passed over, right whatever is returned: fewer than size with 0
 *                     when the source ended; may be NULL
 *
 * Returns     0 or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled
 *             others      what the source says
 * Checkpoint  when the buffer does not hold them
 * Thread      the reader's, one task at a time
 * Source      rule O6
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_reader_skip(weir_reader *reader, size_t size,
                                                              size_t *out_skipped);

/**
 * Pass over everything up to a delimiter, however far that is, and the delimiter.
 *
 * @param reader       open
 * @param delimiter    not empty
 * @param out_skipped  how many bytes were passed over, right whatever is returned; may be NULL
 *
 * Returns     1, 0 when the source ended before, or a negative errno
 * Errors      -EINVAL     the delimiter is empty, or longer than the buffer
 *             -ECANCELED  the caller's scope is cancelled
 *             others      what the source says
 * Checkpoint  when the buffer does not hold it
 * Thread      the reader's, one task at a time
 * Source      rule O6
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_reader_skip_until(weir_reader *reader,
                                                                    weir_str delimiter,
                                                                    size_t *out_skipped);

/**
 * Read all that is left.
 *
 * @param reader     open
 * @param bytes_max  0: 64 MiB; WEIR_UNLIMITED must be written out
 * @param out_bytes  what was read, also on failure: released with weir_bytes_free() in each case. A
 *                   NUL that is not counted stands behind them when there are any
 *
 * Returns     0 or a negative errno
 * Errors      -EFBIG      there is more than bytes_max; that much was read
 *             -ENOMEM     no memory for more than what was read
 *             -ECANCELED  the caller's scope is cancelled; what was read is in out_bytes
 *             others      what the source says
 * Checkpoint  always
 * Thread      the reader's, one task at a time
 * Source      rule O6
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_reader_read_all(weir_reader *reader,
                                                                  size_t bytes_max,
                                                                  weir_bytes *out_bytes);

/**
 * Close a reader. What it has read from its source and not handed out is gone.
 *
 * @param reader  taken; NULL does nothing
 *
 * Returns     nothing
 * Checkpoint  no: a read ahead that is under way ends by itself
 * Thread      the reader's
 * Source      rule O8
 */
WEIR_API void weir_reader_close(weir_reader *reader);

WEIR_END_DECLS

/* --- writing ---------------------------------------------------------------------------------- */

/** Where a writer puts its bytes. `arg` is kept until close. */
typedef struct weir_sink {
    /** Write all of the parts; how many bytes were taken is exact whatever is returned. 0 or a
     * negative errno. A checkpoint. */
    int (*write)(const weir_str *parts, size_t count, size_t *out_written, void *arg);
    /** Once, by the close of the writer; must not park. May be NULL. */
    void (*close)(void *arg);
    void *arg;
} weir_sink;

/** Buffered writing. One task at a time. */
typedef struct weir_writer weir_writer;

/** How a writer behaves. Zero is the default of each field. */
typedef struct weir_writer_options {
    size_t buffer_bytes; /* 0: 64 KiB; at most 1 GiB */
} weir_writer_options;

WEIR_BEGIN_DECLS

/**
 * Write to a sink of one's own. There are ready ones: weir_file_open_writer(),
 * weir_conn_open_writer(), weir_pipe_open_writer().
 *
 * @param sink        its fields are copied; sink->arg is kept until close
 * @param options     borrowed; NULL for the defaults
 * @param out_writer  closed with weir_writer_close()
 *
 * Returns     0 or a negative errno; on failure sink->close was not called
 * Errors      -ENOMEM  no memory
 *             -EINVAL  a buffer of less than 64 bytes or more than 1 GiB
 * Checkpoint  no
 * Thread      any; afterwards one task at a time
 */
WEIR_API WEIR_MUST_CHECK int weir_writer_open(const weir_sink *sink,
                                              const weir_writer_options *options,
                                              weir_writer **out_writer);

/**
 * Write to a file, from a position on; or at its end, wherever that is, when it was opened with
 * WEIR_FILE_APPEND.
 *
 * @param file        open to write; closed after the writer
 * @param offset      where to begin; 0 for one that appends
 * @param options     borrowed; NULL for the defaults
 * @param out_writer  closed with weir_writer_close()
 *
 * Returns     0 or a negative errno
 * Errors      -ENOMEM  no memory
 *             -EINVAL  a negative offset, one for a file that appends, or an impossible buffer
 * Checkpoint  no
 * Thread      a loop's
 */
WEIR_API WEIR_MUST_CHECK int weir_file_open_writer(weir_file *file, int64_t offset,
                                                   const weir_writer_options *options,
                                                   weir_writer **out_writer);

/**
 * Write to a connection.
 *
 * @param conn        open; closed after the writer
 * @param options     borrowed; NULL for the defaults
 * @param out_writer  closed with weir_writer_close()
 *
 * Returns     0 or a negative errno
 * Errors      as weir_writer_open()
 * Checkpoint  no
 * Thread      the connection's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_conn_open_writer(weir_conn *conn,
                                                   const weir_writer_options *options,
                                                   weir_writer **out_writer);

/**
 * Write to a pipe.
 *
 * @param pipe        open; closed after the writer
 * @param options     borrowed; NULL for the defaults
 * @param out_writer  closed with weir_writer_close()
 *
 * Returns     0 or a negative errno
 * Errors      as weir_writer_open()
 * Checkpoint  no
 * Thread      the pipe's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_pipe_open_writer(weir_pipe *pipe,
                                                   const weir_writer_options *options,
                                                   weir_writer **out_writer);

/**
 * Write. The bytes go into the buffer; when it is full, the task waits until the sink has taken
 * what is in it. More than a buffer full goes to the sink from where it lies.
 *
 * @param writer     open
 * @param data       copied, or written before this returns
 * @param size       0 writes nothing
 * @param out_taken  how many bytes the writer took, into the buffer or through it: right whatever
 *                   is returned, and all of them when it is 0; may be NULL
 *
 * Returns     0 or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled; what was taken is still in the buffer
 *             others      what the sink says; what it did not take is still in the buffer
 * Checkpoint  when the buffer is full
 * Thread      the writer's, one task at a time
 * Source      rules O4, O6
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_writer_write(weir_writer *writer,
                                                               const void *data, size_t size,
                                                               size_t *out_taken);

/**
 * Write several pieces, one after another.
 *
 * @param writer     open
 * @param parts      borrowed; empty ones are skipped
 * @param count      of parts
 * @param out_taken  over all parts, right whatever is returned; may be NULL
 *
 * Returns     0 or a negative errno
 * Errors      as weir_writer_write()
 * Checkpoint  when the buffer is full
 * Thread      the writer's, one task at a time
 * Source      rules O4, O6
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_writer_write_parts(weir_writer *writer,
                                                                     const weir_str *parts,
                                                                     size_t count,
                                                                     size_t *out_taken);

/**
 * Write a text made like printf does: all of it, or nothing. It is formed in the buffer itself.
 *
 * @param writer  open
 * @param format  as for printf, checked by the compiler
 *
 * Returns     0 or a negative errno
 * Errors      -EMSGSIZE  the text is longer than the buffer; nothing of it was written
 *             -EINVAL    the format cannot be carried out
 *             others     as weir_writer_write(); nothing of it was written
 * Checkpoint  when the buffer is full
 * Thread      the writer's, one task at a time
 */
WEIR_API WEIR_CHECKPOINT WEIR_PRINTF(2, 3)
    WEIR_MUST_CHECK int weir_writer_format(weir_writer *writer, const char *format, ...);

/**
 * Hand everything that is in the buffer to the sink. A file has it then, its disk has not:
 * weir_file_sync().
 *
 * @param writer  open
 *
 * Returns     0 or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled; what is left is still in the buffer
 *             others      what the sink says; what is left is still in the buffer
 * Checkpoint  when there is anything in it
 * Thread      the writer's, one task at a time
 * Source      rules O4, O6
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_writer_flush(weir_writer *writer);

/**
 * How many bytes were taken and have not reached the sink.
 *
 * @param writer  open
 *
 * Returns     bytes
 * Checkpoint  no
 * Thread      the writer's
 */
WEIR_API size_t weir_writer_unwritten(const weir_writer *writer);

/**
 * Hand over what is left, and close the writer. 0 means that the sink has taken every byte.
 *
 * When the last try failed already, it is not repeated: that failure is returned. The writer is
 * closed in each case; weir_failure_message() says how many bytes were not written.
 *
 * @param writer  taken; NULL does nothing
 *
 * Returns     0 or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled; what was left in the buffer is lost
 *             others      what the sink said; what was left in the buffer is lost
 * Checkpoint  when there is anything in the buffer
 * Thread      the writer's
 * Source      rule O8
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_writer_close(weir_writer *writer);

/**
 * Close the writer and drop what is left in its buffer: where something failed, and what was
 * written is of no use any more.
 *
 * @param writer  taken; NULL does nothing
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the writer's
 * Source      rule O8
 */
WEIR_API void weir_writer_discard(weir_writer *writer);

WEIR_END_DECLS

#endif
