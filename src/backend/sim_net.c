/*
 * sim_net.c - simulated sockets as the calls of base/sys.h know them
 *
 * Descriptors and options, and which call means what to a socket in which state; see sim_net.h for
 * the whole.
 *
 * Runs on  the loop's own thread.
 * Holds    1. A number is in use exactly while by_fd has it; the lowest free one is next, as the
 *             kernel does it.
 */
#include "backend/sim_net.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/alloc.h"
#include "base/fault.h"

enum { BACKLOG_MOST = 4096 };

static struct sim_net *net_of(struct weir__virtual_net *base)
{
    return WEIR__CONTAINER(base, struct sim_net, base);
}

/* --- sockets ---------------------------------------------------------------------------------- */

struct sim_socket *weir__sim_socket_new(struct sim_net *net, int family, int type)
{
    struct sim_socket *socket = weir__base_alloc_zero(sizeof *socket);
    if (socket == NULL)
        return NULL;
    socket->fd = -1;
    socket->family = family;
    socket->type = type;
    socket->local.storage.ss_family = (sa_family_t)family;
    weir__list_init(&socket->edge_link);
    weir__list_init(&socket->queue);
    weir__list_init(&socket->queue_link);
    weir__list_init(&socket->step.link);
    weir__list_init(&socket->silence.link);
    weir__list_init(&socket->in.arrival.link);
    weir__list_append(&net->sockets, &socket->link);
    return socket;
}

void weir__sim_socket_free(struct sim_net *net, struct sim_socket *socket)
{
    (void)net;
    weir__sim_never(&socket->step);
    weir__sim_never(&socket->silence);
    weir__sim_never(&socket->in.arrival);
    weir__list_remove(&socket->edge_link);
    weir__list_remove(&socket->queue_link);
    weir__list_remove(&socket->link);
    weir__base_free(socket->in.ring);
    weir__base_free(socket);
}

struct sim_socket *weir__sim_socket_of(const struct sim_net *net, int fd)
{
    size_t place = (size_t)fd - WEIR__VIRTUAL_SOCKET_FIRST;
    return fd >= WEIR__VIRTUAL_SOCKET_FIRST && place < net->fd_count ? net->by_fd[place] : NULL;
}

static int give_number(struct sim_net *net, struct sim_socket *socket)
{
    size_t place = 0;
    while (place < net->fd_count && net->by_fd[place] != NULL)
        place++;
    if (place >= net->settings.sockets_max)
        return -EMFILE;
    if (place == net->fd_count) {
        size_t count = net->fd_count == 0 ? 16 : 2 * net->fd_count;
        struct sim_socket **by_fd =
            weir__base_realloc(net->by_fd, count * sizeof(struct sim_socket *));
        if (by_fd == NULL)
            return -ENFILE;
        memset(by_fd + net->fd_count, 0, (count - net->fd_count) * sizeof(struct sim_socket *));
        net->by_fd = by_fd;
        net->fd_count = count;
    }
    net->by_fd[place] = socket;
    socket->fd = WEIR__VIRTUAL_SOCKET_FIRST + (int)place;
    return socket->fd;
}

uint32_t weir__sim_socket_events(const struct sim_socket *socket)
{
    const struct sim_flow *in = &socket->in;
    uint32_t events = in->arrived > in->read ? EPOLLIN : 0;
    if (socket->type == SOCK_DGRAM)
        return (socket->wants_room ? 0u : (uint32_t)EPOLLOUT) |
               (weir__list_empty(&socket->queue) ? 0u : (uint32_t)EPOLLIN) |
               (socket->error != 0 ? EPOLLERR : 0u);
    switch (socket->state) {
    case SIM_FRESH:
        return EPOLLOUT | EPOLLHUP;
    case SIM_LISTENING:
        return weir__list_empty(&socket->queue) ? 0 : EPOLLIN;
    case SIM_CONNECTING:
        return 0;
    case SIM_CONNECTED:
        if (in->fin_arrived)
            events |= EPOLLIN | EPOLLRDHUP | (socket->peer->in.fin_written ? EPOLLHUP : 0u);
        return socket->wants_room ? events : events | EPOLLOUT;
    default:
        return events | EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP |
               (socket->error != 0 ? EPOLLERR : 0u);
    }
}

void weir__sim_tell(struct sim_net *net, struct sim_socket *socket)
{
    if (socket->watched && weir__list_empty(&socket->edge_link))
        weir__list_append(&net->edges, &socket->edge_link);
}

/* --- addresses -------------------------------------------------------------------------------- */

static bool read_address(const struct sockaddr *address, socklen_t size,
                         struct sim_address *out_address)
{
    if (size < sizeof(sa_family_t) || size > sizeof out_address->storage)
        return false;
    *out_address = (struct sim_address){.size = size};
    memcpy(&out_address->storage, address, size);
    return true;
}

void weir__sim_write_address(const struct sim_address *address, struct sockaddr *out_address,
                             socklen_t *size)
{
    if (out_address == NULL)
        return;
    memcpy(out_address, &address->storage, address->size < *size ? address->size : *size);
    *size = address->size;
}

/* --- options ---------------------------------------------------------------------------------- */

int weir__sim_option(const struct sim_socket *socket, int level, int option, int otherwise)
{
    for (size_t i = 0; i < socket->option_count; i++)
        if (socket->options[i].level == level && socket->options[i].option == option)
            return socket->options[i].value;
    return otherwise;
}

static int net_set_option(struct weir__virtual_net *base, int fd, int level, int option, int value)
{
    struct sim_socket *socket = weir__sim_socket_of(net_of(base), fd);
    if (socket == NULL)
        return -EBADF;
    size_t place = 0;
    while (place < socket->option_count &&
           (socket->options[place].level != level || socket->options[place].option != option))
        place++;
    if (place == SIM_OPTIONS_MAX)
        return -ENOBUFS;
    if (place == socket->option_count)
        socket->option_count++;
    socket->options[place] = (struct sim_option){level, option, value};
    return 0;
}

static int net_get_option(struct weir__virtual_net *base, int fd, int level, int option,
                          int *out_value)
{
    struct sim_socket *socket = weir__sim_socket_of(net_of(base), fd);
    if (socket == NULL)
        return -EBADF;
    if (level == SOL_SOCKET && option == SO_ERROR) {
        *out_value = -socket->error;
        socket->error = 0;
    } else if (level == SOL_SOCKET && option == SO_TYPE) {
        *out_value = socket->type;
    } else if (level == SOL_SOCKET && option == SO_ACCEPTCONN) {
        *out_value = socket->state == SIM_LISTENING;
    } else {
        *out_value = weir__sim_option(socket, level, option, 0);
    }
    return 0;
}

static int net_reset_on_close(struct weir__virtual_net *base, int fd)
{
    struct sim_socket *socket = weir__sim_socket_of(net_of(base), fd);
    if (socket == NULL)
        return -EBADF;
    socket->linger_none = true;
    return 0;
}

/* --- calls ------------------------------------------------------------------------------------ */

static int net_socket(struct weir__virtual_net *base, int family, int type)
{
    struct sim_net *net = net_of(base);
    if (family != AF_INET && family != AF_INET6 && family != AF_UNIX)
        return -EAFNOSUPPORT;
    if (type != SOCK_STREAM && type != SOCK_DGRAM)
        return -EPROTONOSUPPORT;
    struct sim_socket *socket = weir__sim_socket_new(net, family, type);
    if (socket == NULL)
        return -ENOBUFS;
    int fd = give_number(net, socket);
    if (fd < 0)
        weir__sim_socket_free(net, socket);
    return fd;
}

static void close_listener(struct sim_net *net, struct sim_socket *listener)
{
    struct weir__list *at = net->sockets.next;
    while (at != &net->sockets) {
        struct sim_socket *child = WEIR__CONTAINER(at, struct sim_socket, link);
        if (child->listener != listener) {
            at = at->next;
            continue;
        }
        child->linger_none = true; /* nobody will take it: a reset */
        weir__sim_tcp_close(net, child);
        at = net->sockets.next; /* a pair may have gone */
    }
    weir__sim_socket_free(net, listener);
}

static int net_close(struct weir__virtual_net *base, int fd)
{
    struct sim_net *net = net_of(base);
    struct sim_socket *socket = weir__sim_socket_of(net, fd);
    if (socket == NULL)
        return -EBADF;
    net->by_fd[fd - WEIR__VIRTUAL_SOCKET_FIRST] = NULL;
    socket->fd = -1;
    socket->watched = false;
    weir__list_remove(&socket->edge_link);
    if (socket->type == SOCK_DGRAM)
        weir__sim_udp_close(net, socket);
    else if (socket->state == SIM_LISTENING)
        close_listener(net, socket);
    else
        weir__sim_tcp_close(net, socket);
    return 0;
}

static int net_pair(struct weir__virtual_net *base, int type, int out_fds[2])
{
    struct sim_net *net = net_of(base);
    if (type != SOCK_STREAM)
        return -EOPNOTSUPP;
    out_fds[0] = net_socket(base, AF_UNIX, type);
    if (out_fds[0] < 0)
        return out_fds[0];
    out_fds[1] = net_socket(base, AF_UNIX, type);
    if (out_fds[1] < 0) {
        net_close(base, out_fds[0]);
        return out_fds[1];
    }
    weir__sim_tcp_pair(net, weir__sim_socket_of(net, out_fds[0]),
                       weir__sim_socket_of(net, out_fds[1]));
    return 0;
}

/* An abstract one, as bind(2) gives to who names none. */
static void choose_unix_name(struct sim_net *net, struct sim_address *address)
{
    char *name = (char *)&address->storage + sizeof(sa_family_t);
    int size = snprintf(name + 1, 16, "sim-%05u", (unsigned)net->next_port++);
    address->size = (socklen_t)(sizeof(sa_family_t) + 1 + (size_t)size);
}

static int net_bind(struct weir__virtual_net *base, int fd, const struct sockaddr *address,
                    socklen_t size)
{
    struct sim_net *net = net_of(base);
    struct sim_socket *socket = weir__sim_socket_of(net, fd);
    struct sim_address wanted;
    if (socket == NULL)
        return -EBADF;
    if (socket->local.size != 0 || !read_address(address, size, &wanted))
        return -EINVAL;
    if (wanted.storage.ss_family != socket->family)
        return -EAFNOSUPPORT;
    if (socket->family == AF_UNIX && size == sizeof(sa_family_t))
        choose_unix_name(net, &wanted);
    if (socket->family != AF_UNIX && weir__sim_port(&wanted) == 0) {
        int rc = weir__sim_choose_port(net, &wanted);
        if (rc < 0)
            return rc;
    }
    socket->local = wanted;
    if (!weir__sim_is_taken(net, socket))
        return 0;
    socket->local = (struct sim_address){0};
    return -EADDRINUSE;
}

static int net_listen(struct weir__virtual_net *base, int fd, int backlog)
{
    struct sim_net *net = net_of(base);
    struct sim_socket *socket = weir__sim_socket_of(net, fd);
    if (socket == NULL)
        return -EBADF;
    if (socket->type != SOCK_STREAM)
        return -EOPNOTSUPP;
    if ((socket->state != SIM_FRESH && socket->state != SIM_LISTENING) || socket->local.size == 0)
        return -EINVAL;
    enum sim_state before = socket->state;
    socket->state = SIM_LISTENING;
    if (weir__sim_is_taken(net, socket)) {
        socket->state = before;
        return -EADDRINUSE;
    }
    socket->backlog = backlog < 0 || backlog > BACKLOG_MOST ? BACKLOG_MOST : backlog;
    return 0;
}

static int net_accept(struct weir__virtual_net *base, int fd, struct sockaddr *out_address,
                      socklen_t *size)
{
    struct sim_net *net = net_of(base);
    struct sim_socket *listener = weir__sim_socket_of(net, fd);
    if (listener == NULL)
        return -EBADF;
    if (listener->state != SIM_LISTENING)
        return -EINVAL;
    if (weir__list_empty(&listener->queue))
        return -EAGAIN;
    struct sim_socket *child = WEIR__CONTAINER(listener->queue.next, struct sim_socket, queue_link);
    int accepted = give_number(net, child);
    if (accepted < 0)
        return accepted;
    weir__list_remove(&child->queue_link);
    listener->child_count--;
    child->listener = NULL;
    weir__sim_write_address(&child->remote, out_address, size);
    return accepted;
}

static int connect_unix(struct sim_net *net, struct sim_socket *socket)
{
    struct sim_socket *listener = weir__sim_find_listener(net, &socket->remote, &socket->local);
    if (listener == NULL) {
        socket->remote = (struct sim_address){0};
        return -ECONNREFUSED;
    }
    return weir__sim_tcp_join(net, socket, listener);
}

static int connect_datagram(struct sim_net *net, struct sim_socket *socket,
                            const struct sockaddr *address, socklen_t size)
{
    struct sim_address to;
    if (!read_address(address, size, &to))
        return -EINVAL;
    if (to.storage.ss_family != socket->family)
        return -EAFNOSUPPORT;
    if (socket->family != AF_UNIX && !weir__sim_is_reachable(net, &to))
        return -ENETUNREACH;
    return weir__sim_udp_connect(net, socket, &to);
}

static int net_connect(struct weir__virtual_net *base, int fd, const struct sockaddr *address,
                       socklen_t size)
{
    struct sim_net *net = net_of(base);
    struct sim_socket *socket = weir__sim_socket_of(net, fd);
    if (socket == NULL)
        return -EBADF;
    if (socket->type == SOCK_DGRAM)
        return connect_datagram(net, socket, address, size);
    if (socket->state == SIM_CONNECTING)
        return -EALREADY;
    if (socket->state == SIM_CONNECTED)
        return -EISCONN;
    if (socket->state != SIM_FRESH || !read_address(address, size, &socket->remote))
        return -EINVAL;
    if (socket->remote.storage.ss_family != socket->family)
        return -EAFNOSUPPORT;
    if (socket->family == AF_UNIX)
        return connect_unix(net, socket);
    if (!weir__sim_is_reachable(net, &socket->remote))
        return -ENETUNREACH;
    int rc = weir__sim_name_caller(net, &socket->local, &socket->remote);
    return rc < 0 ? rc : weir__sim_tcp_connect(net, socket);
}

static ssize_t net_recvmsg(struct weir__virtual_net *base, int fd, struct msghdr *message,
                           int flags)
{
    struct sim_net *net = net_of(base);
    struct sim_socket *socket = weir__sim_socket_of(net, fd);
    if (socket == NULL)
        return -EBADF;
    return socket->type == SOCK_DGRAM ? weir__sim_udp_receive(net, socket, message, flags)
                                      : weir__sim_tcp_receive(net, socket, message, flags);
}

static ssize_t net_sendmsg(struct weir__virtual_net *base, int fd, const struct msghdr *message,
                           int flags)
{
    struct sim_net *net = net_of(base);
    struct sim_socket *socket = weir__sim_socket_of(net, fd);
    (void)flags;
    if (socket == NULL)
        return -EBADF;
    return socket->type == SOCK_DGRAM ? weir__sim_udp_send(net, socket, message)
                                      : weir__sim_tcp_send(net, socket, message);
}

static int net_shutdown(struct weir__virtual_net *base, int fd, int how)
{
    struct sim_net *net = net_of(base);
    struct sim_socket *socket = weir__sim_socket_of(net, fd);
    if (socket == NULL)
        return -EBADF;
    if (socket->state != SIM_CONNECTED || socket->type != SOCK_STREAM)
        return -ENOTCONN;
    if (how == SHUT_RD)
        return -EOPNOTSUPP; /* weir never does */
    weir__sim_tcp_finish(net, socket);
    return 0;
}

static int net_unsent_bytes(struct weir__virtual_net *base, int fd, int *out_bytes)
{
    const struct sim_socket *socket = weir__sim_socket_of(net_of(base), fd);
    if (socket == NULL)
        return -EBADF;
    *out_bytes =
        socket->peer == NULL ? 0 : (int)(socket->peer->in.written - socket->peer->in.arrived);
    return 0;
}

static int net_name(struct weir__virtual_net *base, int fd, bool peer, struct sockaddr *out_address,
                    socklen_t *size)
{
    const struct sim_socket *socket = weir__sim_socket_of(net_of(base), fd);
    if (socket == NULL)
        return -EBADF;
    if (peer && socket->state != SIM_CONNECTED)
        return -ENOTCONN;
    struct sim_address name = peer ? socket->remote : socket->local;
    if (name.size == 0) { /* nameless: its family is known */
        name.storage.ss_family = (sa_family_t)socket->family;
        name.size = socket->family == AF_UNIX    ? sizeof(sa_family_t)
                    : socket->family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                 : sizeof(struct sockaddr_in);
    }
    weir__sim_write_address(&name, out_address, size);
    return 0;
}

/* --- open and close --------------------------------------------------------------------------- */

void weir__sim_net_set(struct sim_net *net, const weir_test_network *settings, uint64_t seed)
{
    net->settings = *settings;
    if (net->settings.latency_ns <= 0)
        net->settings.latency_ns = 100 * WEIR_US;
    if (net->settings.window_bytes == 0)
        net->settings.window_bytes = 65536;
    if (net->settings.send_buffer_bytes == 0)
        net->settings.send_buffer_bytes = 65536;
    if (net->settings.sockets_max == 0)
        net->settings.sockets_max = 20000;
    net->random = seed;
    net->in_any_order = seed != 0;
}

int weir__sim_net_open(const int64_t *now_ns, struct sim_net **out_net)
{
    struct sim_net *net = weir__base_alloc_zero(sizeof *net);
    if (net == NULL)
        return -ENOMEM;
    net->base = (struct weir__virtual_net){
        .socket = net_socket,
        .pair = net_pair,
        .close = net_close,
        .bind = net_bind,
        .listen = net_listen,
        .accept = net_accept,
        .connect = net_connect,
        .recvmsg = net_recvmsg,
        .sendmsg = net_sendmsg,
        .shutdown = net_shutdown,
        .set_option = net_set_option,
        .get_option = net_get_option,
        .reset_on_close = net_reset_on_close,
        .unsent_bytes = net_unsent_bytes,
        .name = net_name,
        .lookup = weir__sim_lookup,
    };
    weir__sim_net_set(net, &(weir_test_network){0}, 0);
    net->now_ns = now_ns;
    net->next_port = SIM_PORT_FIRST;
    weir__list_init(&net->sockets);
    weir__list_init(&net->events);
    weir__list_init(&net->edges);
    weir__list_init(&net->cuts);
    weir__list_init(&net->hosts);
    weir__list_init(&net->flying);
    *out_net = net;
    return 0;
}

/* What is still open is counted by base/virtual.c, and stays so. */
void weir__sim_net_close(struct sim_net *net)
{
    if (net == NULL)
        return;
    weir__sim_udp_forget_all(net);
    while (!weir__list_empty(&net->sockets))
        weir__sim_socket_free(net, WEIR__CONTAINER(net->sockets.next, struct sim_socket, link));
    weir__sim_heal_all(net);
    struct weir__list *host;
    while ((host = weir__list_take_first(&net->hosts)) != NULL)
        weir__base_free(WEIR__CONTAINER(host, struct sim_host, link));
    weir__base_free(net->by_fd);
    weir__base_free(net);
}
