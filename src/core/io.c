/*
 * io.c - tasks on top of the backend: operations park, streams rest
 *
 * Runs on  the loop's own thread.
 * Costs    an operation lives on the parked task's stack: no allocation. A stream that has bytes
 *          waits for nothing: no system call but the loop's own.
 */
#include "core/io.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/sys.h"

/* --- operations ------------------------------------------------------------------------------- */

static void wake_owner(struct weir__op *op)
{
    weir__core_wake(op->owner, 0);
}

static void abort_op(weir_task *task, void *object)
{
    (void)task;
    weir__backend_cancel(weir__loop->backend, object);
}

ssize_t weir__io_run(struct weir__op *op)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    weir_loop *loop = weir__loop;
    op->done = wake_owner;
    op->owner = loop->current;
    rc = weir__backend_submit(loop->backend, op);
    if (rc < 0)
        return rc;
    if (rc == 1) {
        weir__core_completed_at_once();
        return op->result;
    }
    weir__core_park(WEIR_WAIT_IO, op, abort_op);
    if (op->result == -ECANCELED)
        return weir__core_cancelled_result(loop->current);
    return op->result;
}

/* A wait of a release: nothing ends it early but its own alarm. */
struct patience {
    struct weir__alarm alarm;
    struct weir__op *op; /* NULL: the alarm is all that is waited for */
    weir_task *task;
};

static void lose_patience(struct weir__alarm *alarm)
{
    struct patience *patience = WEIR__CONTAINER(alarm, struct patience, alarm);
    if (patience->op == NULL)
        weir__core_wake(patience->task, 0);
    else
        weir__backend_cancel(weir__loop->backend, patience->op);
}

ssize_t weir__io_run_out(struct weir__op *op, int64_t until_ns)
{
    weir_loop *loop = weir__loop;
    op->done = wake_owner;
    op->owner = loop->current;
    int rc = weir__backend_submit(loop->backend, op);
    if (rc != 0)
        return rc < 0 ? rc : op->result;
    struct patience patience = {.alarm.fire = lose_patience, .op = op, .task = loop->current};
    weir__core_alarm_set(loop, &patience.alarm, until_ns);
    weir__core_park(WEIR_WAIT_IO, op, NULL);
    weir__core_alarm_clear(loop, &patience.alarm);
    return op->result == -ECANCELED ? -ETIME : op->result;
}

void weir__io_pause(int64_t duration_ns)
{
    weir_loop *loop = weir__loop;
    struct patience patience = {.alarm.fire = lose_patience, .task = loop->current};
    weir__core_alarm_set(loop, &patience.alarm, weir__base_add_ns(loop->now_ns, duration_ns));
    weir__core_park(WEIR_WAIT_SLEEP, &patience, NULL);
}

void weir__io_skip_sent(struct msghdr *message, size_t sent)
{
    while (message->msg_iovlen > 0 && sent >= message->msg_iov->iov_len) {
        sent -= message->msg_iov->iov_len;
        message->msg_iov++;
        message->msg_iovlen--;
    }
    if (message->msg_iovlen > 0) {
        message->msg_iov->iov_base = (char *)message->msg_iov->iov_base + sent;
        message->msg_iov->iov_len -= sent;
    }
}

int weir__io_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    struct weir__op op = {.kind = WEIR__OP_CONNECT,
                          .fd = fd,
                          .address = (struct sockaddr *)(uintptr_t)address,
                          .address_size = &size};
    return (int)weir__io_run(&op);
}

void weir__io_close(int fd)
{
    if (fd < 0)
        return;
    if (weir__loop != NULL)
        weir__backend_forget_fd(weir__loop->backend, fd);
    weir__sys_close(fd);
}

const struct weir__backend_features *weir__io_features(void)
{
    return &weir__loop->backend->features;
}

/* --- streams ---------------------------------------------------------------------------------- */

static struct weir__stream *stream_of(struct weir__rx *rx)
{
    return WEIR__CONTAINER(rx, struct weir__stream, rx);
}

static void stream_event(struct weir__rx *rx)
{
    struct weir__stream *stream = stream_of(rx);
    if (stream->reader != NULL) {
        if (!stream->reader_woken)
            weir__core_wake(stream->reader, 0);
        stream->reader_woken = true;
    } else if (stream->on_ready != NULL && !stream->closing) {
        stream->on_ready(stream);
    }
}

static void stream_stopped(struct weir__rx *rx)
{
    struct weir__stream *stream = stream_of(rx);
    weir__io_close(rx->fd);
    rx->fd = -1;
    stream->on_closed(stream);
}

int weir__stream_open(struct weir__stream *stream, int fd, void (*on_closed)(struct weir__stream *))
{
    memset(stream, 0, sizeof *stream);
    stream->loop = weir__loop;
    stream->on_closed = on_closed;
    stream->rx = (struct weir__rx){.fd = fd, .event = stream_event, .stopped = stream_stopped};
    int rc = weir__backend_rx_arm(stream->loop->backend, &stream->rx);
    if (rc < 0)
        weir__io_close(fd);
    return rc;
}

void weir__stream_close(struct weir__stream *stream)
{
    if (stream->closing)
        return;
    stream->closing = true;
    weir_task *reader = stream->reader;
    stream->reader = NULL;
    if (reader != NULL && stream->reader_woken) /* its step may come after the memory has gone */
        weir__core_hot(stream->loop, reader)->result = -EBADF;
    else if (reader != NULL)
        weir__core_wake(reader, -EBADF);
    weir__backend_rx_stop(stream->loop->backend, &stream->rx);
}

/* The reader leaves; what comes later stays in the stream for the next one. */
static void abort_wait(weir_task *task, void *object)
{
    struct weir__stream *stream = object;
    stream->reader = NULL;
    weir__core_wake(task, -ECANCELED);
}

int weir__stream_wait_more(struct weir__stream *stream, size_t known_bytes)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    bool waited = false;
    for (;;) {
        if (stream->closing)
            return -EBADF;
        if (stream->rx.unread_bytes > known_bytes)
            break;
        if (stream->rx.error < 0)
            return stream->rx.error;
        if (stream->rx.eof)
            return 0;
        assert(stream->reader == NULL);
        stream->reader = weir__loop->current;
        stream->reader_woken = false;
        rc = weir__core_park(WEIR_WAIT_BYTES, stream, abort_wait);
        if (rc == -ECANCELED)
            return weir__core_cancelled_result(weir__loop->current);
        if (rc == -EBADF)
            return rc; /* closed meanwhile: the memory of the stream may be gone */
        stream->reader = NULL;
        waited = true;
    }
    if (!waited)
        weir__core_completed_at_once();
    return 1;
}

int weir__stream_wait(struct weir__stream *stream)
{
    return weir__stream_wait_more(stream, 0);
}

/* --- sends without a task --------------------------------------------------------------------- */

/* 1: all is sent or failed; 0: under way. */
static int send_on(struct weir__sender *sender)
{
    for (;;) {
        int rc = weir__backend_submit(sender->loop->backend, &sender->op);
        if (rc == 0)
            return 0;
        ssize_t n = rc < 0 ? rc : sender->op.result;
        if (n < 0) {
            sender->error = (int)n;
            return 1;
        }
        sender->sent += (size_t)n;
        sender->op.buffer = (char *)sender->op.buffer + n;
        sender->op.size -= (size_t)n;
        if (sender->op.size == 0)
            return 1;
    }
}

static void sender_progress(struct weir__op *op)
{
    struct weir__sender *sender = WEIR__CONTAINER(op, struct weir__sender, op);
    bool finished = true;
    if (op->result < 0) {
        sender->error = (int)op->result;
    } else {
        sender->sent += (size_t)op->result;
        op->buffer = (char *)op->buffer + op->result;
        op->size -= (size_t)op->result;
        if (op->size > 0 && sender->cancelled) // io_uring ends a cancelled send with what it had
                                               // sent
            sender->error = -ECANCELED;
        else
            finished = op->size == 0 || send_on(sender) == 1;
    }
    if (finished)
        sender->done(sender);
}

int weir__sender_start(struct weir__sender *sender, int fd, const void *data, size_t size)
{
    sender->loop = weir__loop;
    sender->sent = 0;
    sender->error = 0;
    sender->cancelled = false;
    sender->op = (struct weir__op){.kind = WEIR__OP_SEND,
                                   .fd = fd,
                                   .buffer = (void *)(uintptr_t)data,
                                   .size = size,
                                   .done = sender_progress};
    return send_on(sender);
}

void weir__sender_cancel(struct weir__sender *sender)
{
    if (!sender->op.submitted)
        return;
    sender->cancelled = true;
    weir__backend_cancel(sender->loop->backend, &sender->op);
}
