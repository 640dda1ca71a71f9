/*
 * datagram_io.c - sending and receiving datagrams
 *
 * One datagram is one operation of the backend, so what is cut meanwhile comes back with its
 * result, and no datagram is lost (O4). Several are sent or fetched with one plain system call, on
 * both backends: a ring would take a submission and a completion for each. Only what has to wait is
 * an operation then.
 *
 * Runs on  the loop's own thread.
 * Costs    epoll: one sendmsg or recvmsg for a datagram, when nothing has to be waited for; a wait
 *          adds a try and a share of epoll_pwait2. io_uring: a submission, a share of an enter.
 *          Many: one call for up to 32. No allocation, no copy but the kernel's.
 */
#include <netinet/in.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/sys.h"
#include "net/datagram.h"

enum {
    MANY_MAX = 32,      /* of one system call: 2.5 KiB of a task's stack */
    AGAIN_FIRST_MS = 1, /* between tries to send to a Unix socket that is full */
    AGAIN_LAST_MS = 16,
};

/* --- calls ------------------------------------------------------------------------------------ */

static int enter_call(weir_datagram *datagram)
{
    if (weir__core_task() == NULL || datagram->loop != weir__core_loop())
        return -EPERM;
    if (datagram->closed)
        return -EBADF;
    datagram->users++;
    return 0;
}

static void leave_call(weir_datagram *datagram)
{
    datagram->users--;
    weir__net_datagram_settle(datagram);
}

static ssize_t run_call(weir_datagram *datagram, struct weir__op op, int64_t limit_ns)
{
    struct weir__net_call call = {.op = op};
    call.op.fd = datagram->fd;
    weir__list_append(&datagram->calls, &call.link);
    ssize_t result = weir__net_run(&call.op, limit_ns);
    weir__list_remove(&call.link);
    return result < 0 && result != -ECANCELED && datagram->closed ? -EBADF : result;
}

/* --- messages --------------------------------------------------------------------------------- */

static const char *format_end(const weir_datagram *datagram, const weir_address *other,
                              char out_text[WEIR_ADDRESS_TEXT_BYTES])
{
    if (other == NULL)
        other = datagram->connected ? &datagram->peer : &datagram->local;
    return weir_address_format(other, out_text);
}

static int fail_receive(const weir_datagram *datagram, int rc)
{
    char text[WEIR_ADDRESS_TEXT_BYTES];
    char duration[WEIR__NET_DURATION_BYTES];
    format_end(datagram, NULL, text);
    const char *at = datagram->connected ? "from" : "on";
    switch (rc) {
    case -ECANCELED:
        return rc;
    case -ETIME:
        return weir_fail(-ETIMEDOUT, "no datagram for %s %s %s",
                         weir__net_duration(datagram->receive_ns, duration), at, text);
    case -ECONNREFUSED:
        return weir_fail(rc, "%s says that nobody is there: a datagram came to a closed port",
                         text);
    case -EBADF:
        return weir_fail(rc, "the datagram socket was closed by another task");
    default:
        return weir_fail(rc, "cannot receive datagrams %s %s: %s", at, text, weir_code_text(rc));
    }
}

static int fail_send(const weir_datagram *datagram, const weir_datagram_outgoing *message, int rc)
{
    char text[WEIR_ADDRESS_TEXT_BYTES];
    char duration[WEIR__NET_DURATION_BYTES];
    format_end(datagram, message->to, text);
    switch (rc) {
    case -ECANCELED:
        return rc;
    case -ETIME:
        return weir_fail(-ETIMEDOUT, "no room for a datagram to %s for %s: it does not read", text,
                         weir__net_duration(datagram->send_ns, duration));
    case -EMSGSIZE:
        return weir_fail(rc, "%zu bytes are too many for one datagram to %s", message->size, text);
    case -EDESTADDRREQ:
        return weir_fail(rc, "a datagram needs an address: the socket is not connected");
    case -ECONNREFUSED:
        return weir_fail(rc, "%s has refused an earlier datagram; this one was not sent", text);
    case -EACCES:
        return weir_fail(rc, "cannot send to %s: for a broadcast, set the option", text);
    case -EBADF:
        return weir_fail(rc, "the datagram socket was closed by another task");
    default:
        return weir_fail(rc, "cannot send a datagram to %s: %s", text, weir_code_text(rc));
    }
}

/* --- receiving -------------------------------------------------------------------------------- */

static struct msghdr header_in(weir_datagram_incoming *message, struct iovec *part)
{
    *part = (struct iovec){message->buffer, message->buffer_bytes};
    message->from = (weir_address){0};
    return (struct msghdr){.msg_name = &message->from.storage,
                           .msg_namelen = sizeof message->from.storage,
                           .msg_iov = part,
                           .msg_iovlen = 1};
}

static void note_received(weir_datagram *datagram, weir_datagram_incoming *message,
                          const struct msghdr *header, size_t whole_size)
{
    message->from.size = header->msg_namelen;
    message->whole_size = whole_size;
    message->size = whole_size < message->buffer_bytes ? whole_size : message->buffer_bytes;
    datagram->received++;
    datagram->cut += message->size < whole_size;
}

static int take_late_error(weir_datagram *datagram)
{
    int rc = datagram->late_error;
    datagram->late_error = 0;
    return rc;
}

/* Checkpoint: waits for one. */
static int receive_one(weir_datagram *datagram, weir_datagram_incoming *message)
{
    struct iovec part;
    struct msghdr header = header_in(message, &part);
    ssize_t got = run_call(
        datagram,
        (struct weir__op){.kind = WEIR__OP_RECVMSG, .message = &header, .flags = MSG_TRUNC},
        datagram->receive_ns);
    if (got < 0)
        return (int)got;
    note_received(datagram, message, &header, (size_t)got);
    return 0;
}

/* What is there already: how many, 0 for none, or an error. */
static ssize_t receive_waiting(weir_datagram *datagram, weir_datagram_incoming *messages,
                               size_t count)
{
    if (count == 0)
        return 0;
    struct mmsghdr headers[MANY_MAX];
    struct iovec parts[MANY_MAX];
    if (count > MANY_MAX)
        count = MANY_MAX;
    for (size_t i = 0; i < count; i++)
        headers[i] = (struct mmsghdr){.msg_hdr = header_in(&messages[i], &parts[i])};
    int got = weir__sys_recvmmsg(datagram->fd, headers, (unsigned)count, MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0)
        return got == -EAGAIN ? 0 : got;
    for (int i = 0; i < got; i++)
        note_received(datagram, &messages[i], &headers[i].msg_hdr, headers[i].msg_len);
    return got;
}

static ssize_t receive_many(weir_datagram *datagram, weir_datagram_incoming *messages, size_t count)
{
    int rc = weir__core_checkpoint();
    if (rc == 0)
        rc = take_late_error(datagram);
    if (rc < 0)
        return rc;
    ssize_t got = receive_waiting(datagram, messages, count);
    if (got != 0) {
        weir__core_completed_at_once();
        return got;
    }
    rc = receive_one(datagram, messages);
    if (rc < 0)
        return rc;
    if (datagram->closed)
        return 1;
    got = receive_waiting(datagram, messages + 1, count - 1);
    if (got < 0)
        datagram->late_error = (int)got; // the first one came all the same
    return got < 0 ? 1 : 1 + got;
}

static bool has_buffers(const weir_datagram_incoming *messages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (messages[i].buffer == NULL || messages[i].buffer_bytes == 0)
            return false;
    }
    return count > 0;
}

ssize_t weir_datagram_recv_many(weir_datagram *datagram, weir_datagram_incoming *messages,
                                size_t count)
{
    if (!has_buffers(messages, count))
        return weir_fail(-EINVAL, "there is no buffer to receive a datagram in");
    ssize_t got = enter_call(datagram);
    if (got < 0)
        return got;
    got = receive_many(datagram, messages, count);
    if (got < 0)
        got = fail_receive(datagram, (int)got);
    leave_call(datagram);
    return got;
}

static ssize_t receive_from(weir_datagram *datagram, weir_datagram_incoming *message)
{
    int rc = 0;
    if (datagram->late_error < 0) {
        rc = weir__core_checkpoint();
        if (rc == 0)
            rc = take_late_error(datagram);
    }
    if (rc == 0)
        rc = receive_one(datagram, message);
    if (rc < 0)
        return fail_receive(datagram, rc);
    if (message->size == message->whole_size)
        return (ssize_t)message->size;
    char text[WEIR_ADDRESS_TEXT_BYTES];
    return weir_fail(-EMSGSIZE, "a datagram of %zu bytes from %s was cut to %zu",
                     message->whole_size, weir_address_format(&message->from, text), message->size);
}

ssize_t weir_datagram_recv_from(weir_datagram *datagram, void *out_buffer, size_t size,
                                weir_address *out_from)
{
    weir_datagram_incoming message = {.buffer = out_buffer, .buffer_bytes = size};
    if (!has_buffers(&message, 1))
        return weir_fail(-EINVAL, "there is no buffer to receive a datagram in");
    ssize_t got = enter_call(datagram);
    if (got < 0)
        return got;
    got = receive_from(datagram, &message);
    if (out_from != NULL && (got >= 0 || got == -EMSGSIZE))
        *out_from = message.from;
    leave_call(datagram);
    return got;
}

/* --- sending ---------------------------------------------------------------------------------- */

static struct msghdr header_out(const weir_datagram_outgoing *message, struct iovec *part)
{
    *part = (struct iovec){(void *)(uintptr_t)message->data, message->size};
    struct msghdr header = {.msg_iov = part, .msg_iovlen = 1};
    if (message->to != NULL) {
        header.msg_name = (void *)(uintptr_t)&message->to->storage;
        header.msg_namelen = message->to->size;
    }
    return header;
}

/* A full Unix socket that we are not connected with tells nobody when there is room again. */
static bool must_ask_again(const weir_datagram *datagram, const weir_datagram_outgoing *message)
{
    return message->to != NULL && weir__net_family(&datagram->local) == AF_UNIX;
}

/* Checkpoint: until it is worth trying again; -ETIME when that is not before `deadline_ns`. */
static int wait_for_room(weir_datagram *datagram, bool ask, int64_t pause_ms, int64_t deadline_ns)
{
    int64_t now_ns = datagram->loop->now_ns;
    if (now_ns >= deadline_ns)
        return -ETIME;
    int rc = 0;
    if (ask)
        rc = weir_sleep(pause_ms * WEIR_MS);
    else
        rc = (int)run_call(datagram, (struct weir__op){.kind = WEIR__OP_POLL, .flags = POLLOUT},
                           deadline_ns == WEIR_NEVER ? WEIR_FOREVER : deadline_ns - now_ns);
    if (rc >= 0 && datagram->closed)
        return -EBADF;
    return rc < 0 ? rc : 0;
}

/*
 * Checkpoint: waits until there is room. The ring must not do that by itself: the kernel copies a
 * datagram first and finds the queue full then, and when io_uring tries again it goes on behind
 * what was copied, so that an empty or a shorter one is sent (seen with Linux 6.18).
 */
static int send_one(weir_datagram *datagram, const weir_datagram_outgoing *message)
{
    bool ask = must_ask_again(datagram, message);
    int64_t deadline_ns = weir__base_add_ns(datagram->loop->now_ns, datagram->send_ns);
    for (int64_t pause_ms = AGAIN_FIRST_MS;; pause_ms *= pause_ms < AGAIN_LAST_MS ? 2 : 1) {
        struct iovec part;
        struct msghdr header = header_out(message, &part);
        struct weir__op op = {.kind = WEIR__OP_SENDMSG, .message = &header, .flags = MSG_DONTWAIT};
        ssize_t sent = run_call(datagram, op, WEIR_FOREVER);
        if (sent >= 0) {
            datagram->sent++;
            return 0;
        }
        int rc = sent == -EAGAIN ? wait_for_room(datagram, ask, pause_ms, deadline_ns) : (int)sent;
        if (rc < 0)
            return rc;
    }
}

/* What there is room for: how many, 0 for none, or an error. */
static ssize_t send_at_once(weir_datagram *datagram, const weir_datagram_outgoing *messages,
                            size_t count)
{
    struct mmsghdr headers[MANY_MAX];
    struct iovec parts[MANY_MAX];
    if (count > MANY_MAX)
        count = MANY_MAX;
    for (size_t i = 0; i < count; i++)
        headers[i] = (struct mmsghdr){.msg_hdr = header_out(&messages[i], &parts[i])};
    int sent = weir__sys_sendmmsg(datagram->fd, headers, (unsigned)count, MSG_DONTWAIT);
    if (sent < 0)
        return sent == -EAGAIN ? 0 : sent;
    datagram->sent += (uint64_t)sent;
    weir__core_completed_at_once();
    return sent;
}

static int send_many(weir_datagram *datagram, const weir_datagram_outgoing *messages, size_t count,
                     size_t *sent)
{
    while (*sent < count) {
        int rc = weir__core_checkpoint();
        if (rc < 0)
            return rc;
        if (datagram->closed)
            return -EBADF;
        ssize_t more = send_at_once(datagram, messages + *sent, count - *sent);
        if (more == 0) {
            rc = send_one(datagram, messages + *sent);
            more = rc < 0 ? rc : 1;
        }
        if (more < 0)
            return (int)more;
        *sent += (size_t)more;
    }
    return 0;
}

int weir_datagram_send_many(weir_datagram *datagram, const weir_datagram_outgoing *messages,
                            size_t count, size_t *out_sent)
{
    size_t sent = 0;
    int rc = enter_call(datagram);
    if (rc == 0) {
        rc = count == 0 ? weir__core_checkpoint() : send_many(datagram, messages, count, &sent);
        if (rc < 0 && sent < count)
            rc = fail_send(datagram, messages + sent, rc);
        leave_call(datagram);
    }
    if (out_sent != NULL)
        *out_sent = sent;
    return rc;
}

int weir_datagram_send_to(weir_datagram *datagram, const void *data, size_t size,
                          const weir_address *to)
{
    weir_datagram_outgoing message = {data, size, to};
    int rc = enter_call(datagram);
    if (rc < 0)
        return rc;
    rc = send_one(datagram, &message);
    if (rc < 0)
        rc = fail_send(datagram, &message, rc);
    leave_call(datagram);
    return rc;
}
