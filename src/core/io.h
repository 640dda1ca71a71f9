/*
 * io.h - how rooms above do I/O: operations that park, and streams that rest
 *
 * The only door to the backend. Every function marked as a checkpoint follows O1-O5: it refuses
 * when the context is cancelled, returns at once what is there, and otherwise parks; an operation
 * in flight is waited for, so buffers and descriptors of the caller are never in use after the
 * return.
 */
#ifndef WEIR__CORE_IO_H
#define WEIR__CORE_IO_H

#include "backend/backend.h"
#include "core/core.h"

/* --- operations (checkpoints) ----------------------------------------------------------------- */

/* Run one operation for the current task; op is zeroed but for its inputs. Returns its result. */
ssize_t weir__io_run(struct weir__op *op) WEIR_MUST_CHECK;

/* Not a checkpoint: moves a message behind what a short send took, and behind empty parts. */
void weir__io_skip_sent(struct msghdr *message, size_t sent);
int weir__io_connect(int fd, const struct sockaddr *address, socklen_t size) WEIR_MUST_CHECK;

/* Not a checkpoint: asks an operation of another task to end, because what it works on is closed.
 * Unless a result was first, that task gets -EIO (it is not cancelled), and knows better. */
static inline void weir__io_cancel(struct weir__op *op)
{
    weir__backend_cancel(weir__loop->backend, op);
}

/*
 * For releases, which cannot be cancelled (O8): parks until the operation has its result, or until
 * `until_ns`, when it is asked to end. In a task. Returns its result, -ETIME for one that was
 * asked.
 */
ssize_t weir__io_run_out(struct weir__op *op, int64_t until_ns) WEIR_MUST_CHECK;
/* The same without an operation: time passes. */
void weir__io_pause(int64_t duration_ns);

/* Not a checkpoint: hands over an operation that nobody waits for; op->done is called on the loop.
 * 1: completed at once, done is not called. */
static inline int weir__io_start(struct weir__op *op)
{
    return weir__backend_submit(weir__loop->backend, op);
}

/* Not a checkpoint: closes at once. No operation and no stream may be left on it. */
void weir__io_close(int fd);
const struct weir__backend_features *weir__io_features(void);

/* --- streams ---------------------------------------------------------------------------------- */

/*
 * The receiving side of a connected socket. While nothing comes it owns no buffer, no stack and no
 * task. One task may wait on it at a time; when none does, `on_ready` hears (on the loop, must not
 * park). The memory must stay until `on_closed`.
 */
struct weir__stream {
    struct weir__rx rx;
    weir_loop *loop;
    weir_task *reader; /* waits on it; until its step, also when it was woken */
    bool reader_woken;
    void (*on_ready)(struct weir__stream *stream);  /* may be NULL */
    void (*on_closed)(struct weir__stream *stream); /* the descriptor is closed; frees the memory */
    bool closing;
};

/* Takes fd, also on failure. */
int weir__stream_open(struct weir__stream *stream, int fd, void (*on_closed)(struct weir__stream *))
    WEIR_MUST_CHECK;
/* Not a checkpoint: stops receiving; descriptor and memory go in a later turn, by on_closed. A task
 * that waits on it gets -EBADF. */
void weir__stream_close(struct weir__stream *stream);
/* Checkpoint: until there are unread bytes (1), the peer has finished (0), or an error. */
int weir__stream_wait(struct weir__stream *stream) WEIR_MUST_CHECK;
/* Checkpoint: until something comes that was not there: more than `known_bytes` unread (1), 0,
 * error. */
int weir__stream_wait_more(struct weir__stream *stream, size_t known_bytes) WEIR_MUST_CHECK;

static inline const char *weir__stream_peek(struct weir__stream *stream, size_t *out_size)
{
    return weir__rx_peek(stream->loop->backend, &stream->rx, out_size);
}
static inline void weir__stream_consume(struct weir__stream *stream, size_t size)
{
    weir__rx_consume(stream->loop->backend, &stream->rx, size);
}
static inline size_t weir__stream_unread(const struct weir__stream *stream)
{
    return stream->rx.unread_bytes;
}
static inline int weir__stream_fd(const struct weir__stream *stream)
{
    return stream->rx.fd;
}

/* --- sends without a task --------------------------------------------------------------------- */

/* A send from a callback of the loop, or from a task that does not want to wait for it. The memory
 * of sender and data must stay until `done`. 1: completed at once, done is not called. */
struct weir__sender {
    struct weir__op op;
    size_t sent;
    int error;
    bool cancelled; /* weir__sender_cancel() was called: nothing more is submitted */
    void (*done)(struct weir__sender *sender); /* all sent, or error set */
    weir_loop *loop;
};
int weir__sender_start(struct weir__sender *sender, int fd, const void *data, size_t size)
    WEIR_MUST_CHECK;
void weir__sender_cancel(struct weir__sender *sender); /* done follows */

#endif
