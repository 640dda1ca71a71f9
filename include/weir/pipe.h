/*
 * weir/pipe.h - pipes, FIFOs, terminals: descriptors that are read or written in order
 *
 *     weir_pipe *in;
 *     int rc = weir_pipe_open_fd(0, &(weir_pipe_options){.borrowed = true}, &in); // standard input
 *     char buffer[4096];
 *     ssize_t n;
 *     while (rc == 0 && (n = weir_pipe_read(in, buffer, sizeof buffer)) > 0)
 *         ...
 *     weir_pipe_close(in);
 *
 * For lines there is weir/stream.h on top. A pipe has no time limit of its own, since a silent
 * child or a person who thinks is nothing wrong: put a scope around what must not last
 * (WEIR_TIMEOUT).
 */
#ifndef WEIR_PIPE_H
#define WEIR_PIPE_H

#include <weir/base.h>

/** One end of a pipe, or another descriptor that is read or written in order. */
typedef struct weir_pipe weir_pipe;

/** How to take a descriptor. Zero is the default of each field. */
typedef struct weir_pipe_options {
    bool borrowed; /* the descriptor stays the caller's, who goes on using and closing it */
} weir_pipe_options;

WEIR_BEGIN_DECLS

/**
 * Make a pipe: what is written to one end is read from the other. 64 KiB are between them.
 *
 * @param out_reader  closed with weir_pipe_close()
 * @param out_writer  closed with weir_pipe_close(); then the reader comes to the end
 *
 * Returns     0 or a negative errno
 * Errors      -EMFILE, -ENFILE  no descriptor is left
 *             -ENOMEM           no memory
 *             -EPERM            no loop runs on this thread
 * Checkpoint  no
 * Thread      a loop's
 * Source      pipe(7)
 */
WEIR_API WEIR_MUST_CHECK int weir_pipe_open(weir_pipe **out_reader, weir_pipe **out_writer);

/**
 * Take a descriptor that is open: a pipe, a FIFO, a terminal, a socket, and for standard input and
 * output also what they may be as well, a file.
 *
 * One that is taken becomes non-blocking, for all who share it. One that is borrowed is left as it
 * is, since a shell or another process may share it: a pipe or terminal is opened a second time for
 * us, with flags of its own. Where that is not allowed, and for files, the call itself is made on a
 * thread of the default pool, so that the loop never waits.
 *
 * @param fd        taken, also on failure, unless options->borrowed
 * @param options   borrowed; NULL for the defaults
 * @param out_pipe  closed with weir_pipe_close()
 *
 * Returns     0 or a negative errno
 * Errors      -EBADF   no such descriptor
 *             -EISDIR  it is a folder
 *             -EMFILE  no descriptor is left for the copy
 *             -ENOMEM  no memory
 *             -EPERM   no loop runs on this thread
 * Checkpoint  no
 * Thread      a loop's
 * Source      open(2), O_NONBLOCK; proc(5)
 */
WEIR_API WEIR_MUST_CHECK int weir_pipe_open_fd(int fd, const weir_pipe_options *options,
                                               weir_pipe **out_pipe);

/**
 * Read what is there, and wait when there is nothing.
 *
 * @param pipe        open
 * @param out_buffer  written, from its start
 * @param size        how many bytes it holds, not 0
 *
 * Returns     how many bytes, 0 when the other end is closed, or a negative errno
 * Errors      -EBADF      another task closed the pipe meanwhile; it is not open to read
 *             -EBUSY      another task reads from it
 *             -EIO        the terminal has gone, or belongs to another job (a background process)
 *             -EINVAL     size is 0
 *             -ECANCELED  the caller's scope is cancelled; no byte is lost
 *             -EPERM      called outside a task, or on another loop
 * Checkpoint  always
 * Thread      the pipe's loop, in a task
 * Source      rules O1 to O5, O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK ssize_t weir_pipe_read(weir_pipe *pipe, void *out_buffer,
                                                                size_t size);

/**
 * Write all of it. Returning means that it is in the pipe, not that anybody has read it.
 *
 * @param pipe         open
 * @param data         unchanged until this returns
 * @param size         0 writes nothing
 * @param out_written  how many bytes the pipe took, right whatever is returned; may be NULL
 *
 * Returns     0 or a negative errno
 * Errors      -EPIPE      nobody is left to read it (SIGPIPE is not raised)
 *             -EBADF      another task closed the pipe meanwhile; it is not open to write
 *             -EBUSY      another task writes to it
 *             -ECANCELED  the caller's scope is cancelled; out_written says how far it came
 *             -EPERM      called outside a task, or on another loop
 * Checkpoint  always
 * Thread      the pipe's loop, in a task
 * Source      rules O1 to O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_pipe_write_all(weir_pipe *pipe, const void *data,
                                                                 size_t size, size_t *out_written);

/**
 * Write several pieces, one after another, in as few system calls as they take (writev).
 *
 * @param pipe         open
 * @param parts        borrowed; empty ones are skipped
 * @param count        of parts
 * @param out_written  over all parts, right whatever is returned; may be NULL
 *
 * Returns     0 or a negative errno
 * Errors      as weir_pipe_write_all()
 * Checkpoint  always
 * Thread      the pipe's loop, in a task
 * Source      rules O1 to O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_pipe_write_parts(weir_pipe *pipe,
                                                                   const weir_str *parts,
                                                                   size_t count,
                                                                   size_t *out_written);

/**
 * Close it. What was written can still be read at the other end. A task that waits for it at this
 * moment gets -EBADF.
 *
 * @param pipe  taken; NULL does nothing
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the pipe's loop
 * Source      rule O8
 */
WEIR_API void weir_pipe_close(weir_pipe *pipe);

WEIR_END_DECLS

#endif
