/*
 * sim_udp.c - datagrams: each on its own, late, twice, or never
 *
 * Nothing keeps them in order but that most take as long. One is dropped when it is lost on its
 * way, when the receiver's buffer is full, or when nobody is there; who is connected hears of the
 * last. Unix datagrams arrive at once, and a full receiver makes the sender wait.
 *
 * Runs on  the loop's own thread.
 * Holds    1. A packet is on its way (net->flying) or in the queue of one socket.
 */
#include <string.h>
#include <sys/uio.h>

#include "backend/sim_net.h"
#include "base/alloc.h"

enum { DATAGRAM_BYTES_MAX = 65507 };

static bool is_unix(const struct sim_socket *socket)
{
    return socket->family == AF_UNIX;
}

static int take_error(struct sim_socket *socket)
{
    int error = socket->error;
    socket->error = 0;
    return error;
}

/* --- receiving -------------------------------------------------------------------------------- */

static bool is_for(const struct sim_socket *socket, const struct sim_packet *packet)
{
    return socket->type == SOCK_DGRAM && socket->fd >= 0 && socket->local.size != 0 &&
           weir__sim_takes(socket, &packet->to) &&
           (socket->remote.size == 0 ||
            (weir__sim_same_host(&socket->remote, &packet->from) &&
             weir__sim_port(&socket->remote) == weir__sim_port(&packet->from)));
}

/* Who is connected to the sender comes before who takes from everybody. */
static struct sim_socket *find_receiver(const struct sim_net *net, const struct sim_packet *packet)
{
    struct sim_socket *found = NULL;
    for (struct weir__list *at = net->sockets.next; at != &net->sockets; at = at->next) {
        struct sim_socket *socket = WEIR__CONTAINER(at, struct sim_socket, link);
        if (is_for(socket, packet) && (found == NULL || socket->remote.size != 0))
            found = socket;
    }
    return found;
}

static void tell_sender(struct sim_net *net, const struct sim_packet *packet)
{
    for (struct weir__list *at = net->sockets.next; at != &net->sockets; at = at->next) {
        struct sim_socket *socket = WEIR__CONTAINER(at, struct sim_socket, link);
        if (socket->type != SOCK_DGRAM || socket->fd < 0 || socket->remote.size == 0 ||
            weir__sim_port(&socket->local) != weir__sim_port(&packet->from) ||
            weir__sim_port(&socket->remote) != weir__sim_port(&packet->to))
            continue;
        socket->error = -ECONNREFUSED;
        weir__sim_tell(net, socket);
    }
}

static void drop(struct sim_packet *packet)
{
    weir__sim_never(&packet->arrival);
    weir__list_remove(&packet->link);
    weir__base_free(packet);
}

static bool has_room(const struct sim_net *net, const struct sim_socket *receiver, size_t size)
{
    return receiver->waiting_bytes + size <= net->settings.window_bytes;
}

static void take(struct sim_net *net, struct sim_socket *receiver, struct sim_packet *packet)
{
    weir__list_remove(&packet->link);
    weir__list_append(&receiver->queue, &packet->link);
    receiver->waiting_bytes += packet->size;
    weir__sim_tell(net, receiver);
}

static void packet_comes(struct sim_net *net, struct sim_event *event)
{
    struct sim_packet *packet = WEIR__CONTAINER(event, struct sim_packet, arrival);
    struct sim_socket *receiver = find_receiver(net, packet);
    bool arrives = weir__sim_arrives(net, &packet->from, &packet->to);
    if (arrives && receiver == NULL)
        tell_sender(net, packet);
    if (!arrives || receiver == NULL || !has_room(net, receiver, packet->size))
        drop(packet);
    else
        take(net, receiver, packet);
}

/* Somebody may wait for it; who finds none again waits on. */
static void tell_there_is_room(struct sim_net *net)
{
    for (struct weir__list *at = net->sockets.next; at != &net->sockets; at = at->next) {
        struct sim_socket *socket = WEIR__CONTAINER(at, struct sim_socket, link);
        if (socket->type == SOCK_DGRAM && socket->wants_room) {
            socket->wants_room = false;
            weir__sim_tell(net, socket);
        }
    }
}

ssize_t weir__sim_udp_receive(struct sim_net *net, struct sim_socket *socket,
                              struct msghdr *message, int flags)
{
    int error = take_error(socket);
    if (error < 0)
        return error;
    if (weir__list_empty(&socket->queue))
        return -EAGAIN;
    struct sim_packet *packet = WEIR__CONTAINER(socket->queue.next, struct sim_packet, link);
    size_t done = 0;
    for (size_t i = 0; i < message->msg_iovlen && done < packet->size; i++) {
        size_t left = packet->size - done;
        size_t size = message->msg_iov[i].iov_len < left ? message->msg_iov[i].iov_len : left;
        memcpy(message->msg_iov[i].iov_base, packet->bytes + done, size);
        done += size;
    }
    if (message->msg_name != NULL)
        weir__sim_write_address(&packet->from, message->msg_name, &message->msg_namelen);
    message->msg_controllen = 0;
    message->msg_flags = done < packet->size ? MSG_TRUNC : 0;
    ssize_t got = (ssize_t)((flags & MSG_TRUNC) != 0 ? packet->size : done);
    if ((flags & MSG_PEEK) != 0)
        return got;
    socket->waiting_bytes -= packet->size;
    drop(packet);
    if (is_unix(socket))
        tell_there_is_room(net);
    return got;
}

/* --- sending ---------------------------------------------------------------------------------- */

static struct sim_packet *new_packet(const struct sim_address *from, const struct sim_address *to,
                                     const struct msghdr *message, size_t size)
{
    struct sim_packet *packet = weir__base_alloc_zero(sizeof *packet + size);
    if (packet == NULL)
        return NULL;
    packet->from = *from;
    packet->to = *to;
    packet->arrival.fire = packet_comes;
    weir__list_init(&packet->arrival.link);
    weir__list_init(&packet->link);
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        struct iovec part = message->msg_iov[i];
        if (part.iov_len > 0)
            memcpy(packet->bytes + packet->size, part.iov_base, part.iov_len);
        packet->size += part.iov_len;
    }
    return packet;
}

static int send_unix(struct sim_net *net, struct sim_socket *sender, struct sim_packet *packet)
{
    struct sim_socket *receiver = find_receiver(net, packet);
    if (receiver != NULL && has_room(net, receiver, packet->size)) {
        take(net, receiver, packet);
        return 0;
    }
    drop(packet);
    sender->wants_room = receiver != NULL;
    return receiver == NULL ? -ECONNREFUSED : -EAGAIN;
}

static int send_off(struct sim_net *net, struct sim_socket *socket, struct sim_packet *packet)
{
    if (is_unix(socket))
        return send_unix(net, socket, packet);
    weir__list_append(&net->flying, &packet->link);
    weir__sim_at(net, &packet->arrival, weir__sim_arrival_ns(net, socket));
    return 0;
}

static bool comes_twice(struct sim_net *net)
{
    uint32_t rare = net->settings.twice_per_million;
    return rare > 0 && weir__sim_draw(net, 1000000) < rare;
}

static int find_target(const struct sim_socket *socket, const struct msghdr *message,
                       struct sim_address *out_to)
{
    *out_to = socket->remote;
    if (message->msg_name != NULL) {
        if (message->msg_namelen > sizeof out_to->storage)
            return -EINVAL;
        *out_to = (struct sim_address){.size = message->msg_namelen};
        memcpy(&out_to->storage, message->msg_name, message->msg_namelen);
    }
    return out_to->size == 0 ? -EDESTADDRREQ : 0;
}

/* Which address the receiver sees; a socket without a name gets it. */
static int find_source(struct sim_net *net, struct sim_socket *socket, struct sim_address *to,
                       struct sim_address *out_from)
{
    *out_from = socket->local;
    int rc = is_unix(socket) ? 0 : weir__sim_name_caller(net, out_from, to);
    if (rc == 0 && socket->local.size == 0)
        socket->local = *out_from;
    return rc;
}

static size_t total_bytes(const struct msghdr *message)
{
    size_t size = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++)
        size += message->msg_iov[i].iov_len;
    return size;
}

ssize_t weir__sim_udp_send(struct sim_net *net, struct sim_socket *socket,
                           const struct msghdr *message)
{
    struct sim_address from, to;
    size_t size = total_bytes(message);
    int rc = take_error(socket);
    if (rc == 0 && size > DATAGRAM_BYTES_MAX)
        rc = -EMSGSIZE;
    if (rc == 0)
        rc = find_target(socket, message, &to);
    if (rc == 0)
        rc = find_source(net, socket, &to, &from);
    for (int copies = comes_twice(net) ? 2 : 1; copies > 0 && rc == 0; copies--) {
        struct sim_packet *packet = new_packet(&from, &to, message, size);
        rc = packet == NULL ? -ENOBUFS : send_off(net, socket, packet);
    }
    return rc < 0 ? rc : (ssize_t)size;
}

int weir__sim_udp_connect(struct sim_net *net, struct sim_socket *socket,
                          const struct sim_address *to)
{
    socket->remote = *to;
    socket->state = SIM_CONNECTED;
    return is_unix(socket) ? 0 : weir__sim_name_caller(net, &socket->local, &socket->remote);
}

void weir__sim_udp_close(struct sim_net *net, struct sim_socket *socket)
{
    while (!weir__list_empty(&socket->queue))
        drop(WEIR__CONTAINER(socket->queue.next, struct sim_packet, link));
    weir__sim_socket_free(net, socket);
}

void weir__sim_udp_forget_all(struct sim_net *net)
{
    while (!weir__list_empty(&net->flying))
        drop(WEIR__CONTAINER(net->flying.next, struct sim_packet, link));
    for (struct weir__list *at = net->sockets.next; at != &net->sockets; at = at->next) {
        struct sim_socket *socket = WEIR__CONTAINER(at, struct sim_socket, link);
        while (socket->type == SOCK_DGRAM && !weir__list_empty(&socket->queue))
            drop(WEIR__CONTAINER(socket->queue.next, struct sim_packet, link));
    }
}
