/*
 * sim_tcp.c - what is between two simulated sockets: a handshake, two flows of bytes, an end
 *
 * A model of TCP as an application sees it, not of its packets: no sequence numbers, no congestion.
 * What it keeps: each flow is cut into segments anywhere, they arrive in order and take time; the
 * sender may have so many bytes with its own kernel and so many in the window of the receiver, and
 * then waits; a segment that is lost comes later, one that is lost for too long ends the sender
 * with -ETIMEDOUT while the receiver knows nothing (half-open); a close says FIN, or a reset when
 * bytes were left unread; what arrives where nobody is any more is answered with a reset. A reset
 * that is lost is not sent again. An acknowledgement takes no time.
 *
 * Unix sockets are the same without a network: everything arrives at once.
 *
 * Runs on  the loop's own thread.
 * Holds    1. read <= arrived <= departed <= written, of each flow.
 *          2. `arrival` is set exactly while segments are on their way.
 *          3. Two sockets that were joined are freed together, when both are closed.
 */
#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>

#include "backend/sim_net.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/fault.h"

enum {
    SYN_TRIES_MAX = 6,     /* 1 s, 2 s, 4 s, ...: two minutes */
    RETRY_FIRST_MS = 200,  /* doubled each time */
    RETRY_LAST_MS = 60000, /* and no longer than this */
    GIVE_UP_S = 900,       /* without TCP_USER_TIMEOUT, as Linux */
};

static bool is_unix(const struct sim_socket *socket)
{
    return socket->family == AF_UNIX;
}

/* --- the end ---------------------------------------------------------------------------------- */

static void die(struct sim_net *net, struct sim_socket *socket, int error)
{
    if (socket->state == SIM_DEAD)
        return;
    socket->state = SIM_DEAD;
    socket->error = error;
    weir__sim_never(&socket->step);
    weir__sim_never(&socket->silence);
    weir__sim_flow_cut(&socket->in);
    if (socket->peer != NULL && socket->peer->state != SIM_DEAD)
        socket->peer->in.written = socket->peer->in.departed; /* what is on its way may come */
    weir__sim_tell(net, socket);
}

static void reset_comes(struct sim_net *net, struct sim_event *event)
{
    struct sim_socket *socket = WEIR__CONTAINER(event, struct sim_socket, step);
    if (!weir__sim_arrives(net, &socket->remote, &socket->local))
        return; /* lost: this side goes on as if nothing had been */
    die(net, socket, socket->state == SIM_CONNECTING ? -ECONNREFUSED : -ECONNRESET);
}

/* After what is on its way already. */
static void send_reset(struct sim_net *net, struct sim_socket *to)
{
    if (to == NULL || to->state == SIM_DEAD || to->closed)
        return;
    if (to->listener != NULL && to->state == SIM_CONNECTING) { /* nobody has heard of it */
        weir__sim_tcp_close(net, to);
        return;
    }
    int64_t at_ns = weir__sim_arrival_ns(net, to);
    if (to->in.segment_count > 0 && at_ns < to->in.last_at_ns)
        at_ns = to->in.last_at_ns;
    to->in.written = to->in.departed;
    to->in.fin_departed = true; /* nothing more will be sent there */
    to->step.fire = reset_comes;
    weir__sim_at(net, &to->step, at_ns);
}

void weir__sim_tcp_abort(struct sim_net *net, struct sim_socket *socket, int error)
{
    struct sim_socket *peer = socket->peer;
    die(net, socket, error);
    send_reset(net, peer);
}

/* --- arrival ---------------------------------------------------------------------------------- */

static int64_t give_up_ns(const struct sim_socket *sender)
{
    int user_timeout_ms = weir__sim_option(sender, IPPROTO_TCP, TCP_USER_TIMEOUT, 0);
    return user_timeout_ms > 0 ? user_timeout_ms * WEIR_MS : GIVE_UP_S * WEIR_SEC;
}

static int64_t retry_ns(unsigned tries)
{
    int64_t ms = tries > 10 ? RETRY_LAST_MS : (int64_t)RETRY_FIRST_MS << tries;
    return (ms < RETRY_LAST_MS ? ms : RETRY_LAST_MS) * WEIR_MS;
}

/* The first segment did not come: again later, or never. */
static void send_again(struct sim_net *net, struct sim_socket *to)
{
    struct sim_flow *flow = &to->in;
    int64_t now_ns = *net->now_ns;
    if (flow->lost_since_ns == 0)
        flow->lost_since_ns = now_ns;
    struct sim_socket *from = to->peer;
    if (from->state != SIM_DEAD && now_ns - flow->lost_since_ns >= give_up_ns(from)) {
        die(net, from, -ETIMEDOUT); /* and nobody tells the other side */
        weir__sim_flow_cut(flow);
        return;
    }
    if (from->state == SIM_DEAD) {
        weir__sim_flow_cut(flow);
        return;
    }
    int64_t at_ns = now_ns + retry_ns(flow->tries++);
    int64_t last_ns = flow->lost_since_ns + give_up_ns(from);
    weir__sim_at(net, &flow->arrival, at_ns < last_ns ? at_ns : last_ns);
}

static void take_segment(struct sim_flow *flow)
{
    const struct sim_segment *segment = &flow->segments[flow->first_segment];
    flow->arrived = segment->until;
    flow->fin_arrived = segment->fin;
    flow->first_segment = (flow->first_segment + 1) % SIM_SEGMENTS_MAX;
    flow->segment_count--;
    flow->tries = 0;
    flow->lost_since_ns = 0;
}

static void segment_comes(struct sim_net *net, struct sim_event *event)
{
    struct sim_socket *to =
        WEIR__CONTAINER(WEIR__CONTAINER(event, struct sim_flow, arrival), struct sim_socket, in);
    struct sim_flow *flow = &to->in;
    struct sim_socket *from = to->peer;
    if (!is_unix(to) && weir__sim_struck(WEIR__FAULT_RESET)) {
        weir__sim_flow_cut(flow);
        weir__sim_tcp_abort(net, from, -ECONNRESET);
        return;
    }
    if (!weir__sim_arrives(net, &to->remote, &to->local)) {
        send_again(net, to);
        return;
    }
    bool had_bytes = flow->segments[flow->first_segment].until > flow->arrived;
    take_segment(flow);
    if (flow->segment_count > 0)
        weir__sim_at(net, &flow->arrival, flow->segments[flow->first_segment].at_ns);
    if (to->closed && had_bytes) { /* nobody reads that */
        weir__sim_flow_cut(flow);
        send_reset(net, from);
        return;
    }
    weir__sim_flow_pump(net, to);
    weir__sim_tell(net, to);
    if (from->wants_room && weir__sim_tcp_room(net, from) >= net->settings.send_buffer_bytes / 3) {
        from->wants_room = false;
        weir__sim_tell(net, from);
    }
}

/* --- silence ---------------------------------------------------------------------------------- */

/* Keepalive: asked after a while, then again and again, it has not answered. */
static void nobody_answered(struct sim_net *net, struct sim_event *event)
{
    struct sim_socket *socket = WEIR__CONTAINER(event, struct sim_socket, silence);
    die(net, socket, -ETIMEDOUT);
}

void weir__sim_tcp_watch_silence(struct sim_net *net, struct sim_socket *socket)
{
    if (socket->state != SIM_CONNECTED || socket->peer == NULL || is_unix(socket) || socket->closed)
        return;
    bool cut_off = weir__sim_cut_off(net, &socket->local, &socket->remote);
    if (!cut_off) {
        weir__sim_never(&socket->silence);
    } else if (weir__list_empty(&socket->silence.link) &&
               weir__sim_option(socket, SOL_SOCKET, SO_KEEPALIVE, 0) != 0) {
        int64_t idle_s = weir__sim_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, 7200);
        int64_t each_s = weir__sim_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, 75);
        int64_t count = weir__sim_option(socket, IPPROTO_TCP, TCP_KEEPCNT, 9);
        weir__sim_at(net, &socket->silence, *net->now_ns + (idle_s + each_s * count) * WEIR_SEC);
    }
}

/* --- the handshake ---------------------------------------------------------------------------- */

static void syn_comes(struct sim_net *net, struct sim_event *event);

static void init_flow(struct sim_socket *socket)
{
    socket->in.arrival.fire = segment_comes;
    socket->silence.fire = nobody_answered;
}

static void connected(struct sim_net *net, struct sim_socket *socket)
{
    socket->state = SIM_CONNECTED;
    socket->tries = 0;
    weir__sim_tcp_watch_silence(net, socket);
    weir__sim_tell(net, socket);
}

static void enter_queue(struct sim_net *net, struct sim_socket *child)
{
    struct sim_socket *listener = child->listener;
    connected(net, child);
    weir__list_append(&listener->queue, &child->queue_link);
    weir__sim_tell(net, listener);
}

/* The last packet of the handshake, or, should it be lost, the first bytes behind it. */
static void ack_comes(struct sim_net *net, struct sim_event *event)
{
    struct sim_socket *child = WEIR__CONTAINER(event, struct sim_socket, step);
    enter_queue(net, child);
}

static void answer_comes(struct sim_net *net, struct sim_event *event)
{
    struct sim_socket *socket = WEIR__CONTAINER(event, struct sim_socket, step);
    struct sim_socket *child = socket->peer;
    if (!weir__sim_arrives(net, &socket->remote, &socket->local)) {
        weir__sim_at(net, &socket->step, *net->now_ns + (WEIR_SEC << socket->tries++));
        if (socket->tries > SYN_TRIES_MAX)
            weir__sim_tcp_abort(net, socket, -ETIMEDOUT);
        return;
    }
    int64_t at_ns = weir__sim_arrival_ns(net, child);
    child->in.last_at_ns = at_ns; /* bytes do not overtake it */
    child->step.fire = ack_comes;
    weir__sim_at(net, &child->step, at_ns);
    connected(net, socket);
}

static void refused(struct sim_net *net, struct sim_socket *socket)
{
    socket->step.fire = reset_comes;
    weir__sim_at(net, &socket->step, weir__sim_arrival_ns(net, socket));
}

static struct sim_socket *new_child(struct sim_net *net, struct sim_socket *listener,
                                    struct sim_socket *socket)
{
    struct sim_socket *child = weir__sim_socket_new(net, listener->family, listener->type);
    if (child == NULL)
        return NULL;
    child->state = SIM_CONNECTING;
    child->local = socket->remote;
    child->remote = socket->local;
    child->peer = socket;
    socket->peer = child;
    memcpy(child->options, listener->options, sizeof child->options);
    child->option_count = listener->option_count;
    child->listener = listener;
    listener->child_count++;
    init_flow(child);
    init_flow(socket);
    return child;
}

static void try_again_to_connect(struct sim_net *net, struct sim_socket *socket)
{
    if (socket->tries >= SYN_TRIES_MAX) {
        die(net, socket, -ETIMEDOUT);
        return;
    }
    socket->step.fire = syn_comes;
    weir__sim_at(net, &socket->step, *net->now_ns + (WEIR_SEC << socket->tries++));
}

static bool is_full(const struct sim_socket *listener)
{
    return listener->child_count > listener->backlog;
}

static void syn_comes(struct sim_net *net, struct sim_event *event)
{
    struct sim_socket *socket = WEIR__CONTAINER(event, struct sim_socket, step);
    struct sim_socket *listener = weir__sim_find_listener(net, &socket->remote, &socket->local);
    if (!weir__sim_arrives(net, &socket->local, &socket->remote) ||
        (listener != NULL && is_full(listener))) { /* a full queue is silent */
        try_again_to_connect(net, socket);
    } else if (listener == NULL) {
        refused(net, socket);
    } else if (new_child(net, listener, socket) == NULL) {
        try_again_to_connect(net, socket);
    } else {
        socket->tries = 0;
        socket->step.fire = answer_comes;
        weir__sim_at(net, &socket->step, weir__sim_arrival_ns(net, socket));
    }
}

int weir__sim_tcp_connect(struct sim_net *net, struct sim_socket *socket)
{
    socket->state = SIM_CONNECTING;
    socket->step.fire = syn_comes;
    weir__sim_at(net, &socket->step, weir__sim_arrival_ns(net, socket));
    return -EINPROGRESS;
}

int weir__sim_tcp_join(struct sim_net *net, struct sim_socket *socket, struct sim_socket *listener)
{
    if (is_full(listener))
        return -EAGAIN;
    struct sim_socket *child = new_child(net, listener, socket);
    if (child == NULL)
        return -ENOBUFS;
    connected(net, socket);
    enter_queue(net, child);
    return 0;
}

void weir__sim_tcp_pair(struct sim_net *net, struct sim_socket *one, struct sim_socket *other)
{
    one->peer = other;
    other->peer = one;
    init_flow(one);
    init_flow(other);
    connected(net, one);
    connected(net, other);
}

/* --- calls ------------------------------------------------------------------------------------ */

static int take_error(struct sim_socket *socket)
{
    int error = socket->error;
    socket->error = 0;
    return error;
}

size_t weir__sim_tcp_room(const struct sim_net *net, const struct sim_socket *socket)
{
    const struct sim_flow *out = &socket->peer->in;
    int asked = weir__sim_option(socket, SOL_SOCKET, SO_SNDBUF, 0);
    size_t most = asked > 0 ? (size_t)asked : net->settings.send_buffer_bytes;
    size_t held = (size_t)(out->written - out->arrived);
    return held < most ? most - held : 0;
}

ssize_t weir__sim_tcp_receive(struct sim_net *net, struct sim_socket *socket,
                              const struct msghdr *message, int flags)
{
    struct sim_flow *flow = &socket->in;
    if (flow->arrived == flow->read) {
        if (socket->error != 0 && socket->state != SIM_CONNECTING)
            return take_error(socket);
        if (socket->state == SIM_FRESH || socket->state == SIM_LISTENING)
            return -ENOTCONN;
        return flow->fin_arrived || socket->state == SIM_DEAD ? 0 : -EAGAIN;
    }
    uint64_t at = flow->read;
    for (size_t i = 0; i < message->msg_iovlen && at < flow->arrived; i++) {
        struct iovec part = message->msg_iov[i];
        size_t size =
            part.iov_len < flow->arrived - at ? part.iov_len : (size_t)(flow->arrived - at);
        if (size > 0)
            weir__sim_flow_copy_out(flow, at, part.iov_base, size);
        at += size;
    }
    ssize_t got = (ssize_t)(at - flow->read);
    if ((flags & MSG_PEEK) == 0) {
        flow->read = at;
        weir__sim_flow_pump(net, socket); /* the window has opened */
    }
    return got;
}

ssize_t weir__sim_tcp_send(struct sim_net *net, struct sim_socket *socket,
                           const struct msghdr *message)
{
    if (socket->state == SIM_CONNECTING)
        return -EAGAIN;
    if (socket->error != 0)
        return take_error(socket);
    if (socket->state == SIM_DEAD || (socket->peer != NULL && socket->peer->in.fin_written))
        return -EPIPE;
    if (socket->state != SIM_CONNECTED)
        return -ENOTCONN;
    struct sim_socket *to = socket->peer;
    struct sim_flow *out = &to->in;
    size_t room = weir__sim_tcp_room(net, socket);
    if (room > 1 && weir__sim_struck(WEIR__FAULT_SHORT))
        room = 1;
    size_t taken = 0;
    for (size_t i = 0; i < message->msg_iovlen && room > 0; i++) {
        struct iovec part = message->msg_iov[i];
        size_t size = part.iov_len < room ? part.iov_len : room;
        if (size == 0)
            continue;
        if (!weir__sim_flow_take(out, part.iov_base, size))
            return taken > 0 ? (ssize_t)taken : -ENOBUFS;
        taken += size;
        room -= size;
    }
    if (taken == 0 && room == 0) {
        socket->wants_room = true;
        return -EAGAIN;
    }
    if (out->cut) { /* the other side is gone, and says so when it hears of us */
        out->written = out->departed;
        if (weir__list_empty(&socket->step.link))
            send_reset(net, socket);
    }
    weir__sim_flow_pump(net, to);
    return (ssize_t)taken;
}

void weir__sim_tcp_finish(struct sim_net *net, struct sim_socket *socket)
{
    socket->peer->in.fin_written = true;
    weir__sim_flow_pump(net, socket->peer);
    weir__sim_tell(net, socket);
}

/* --- close ------------------------------------------------------------------------------------ */

static void free_pair(struct sim_net *net, struct sim_socket *socket)
{
    struct sim_socket *peer = socket->peer;
    if (peer != NULL && !peer->closed)
        return;
    weir__sim_socket_free(net, socket);
    if (peer != NULL)
        weir__sim_socket_free(net, peer);
}

static void leave_listener(struct sim_socket *child)
{
    if (child->listener == NULL)
        return;
    child->listener->child_count--;
    child->listener = NULL;
    weir__list_remove(&child->queue_link);
}

void weir__sim_tcp_close(struct sim_net *net, struct sim_socket *socket)
{
    struct sim_socket *peer = socket->peer;
    leave_listener(socket);
    if (socket->state == SIM_CONNECTED && !socket->linger_none &&
        socket->in.arrived == socket->in.read) {
        if (!peer->in.fin_written)
            weir__sim_tcp_finish(net, socket);
        weir__sim_never(&socket->silence);
    } else {
        weir__sim_tcp_abort(net, socket, 0);
    }
    socket->closed = true;
    free_pair(net, socket);
}
