/*
 * sim_port.c - addresses and ports: who is where, who listens, which port is free
 *
 * Whatever a socket binds is an address of some host of the simulation. The loopback addresses and
 * "here", 10.0.0.1 and fd00::1, belong to the host that wildcards stand for.
 *
 * Runs on  the loop's own thread.
 */
#include <netinet/in.h>
#include <string.h>

#include "backend/sim_net.h"

static const struct in6_addr here_ipv6 = {{{0xfd, [15] = 1}}};
static const uint32_t here_ipv4 = 0x0a000001; /* 10.0.0.1 */

static const struct sockaddr_in *ipv4_of(const struct sim_address *address)
{
    return (const void *)&address->storage;
}

static const struct sockaddr_in6 *ipv6_of(const struct sim_address *address)
{
    return (const void *)&address->storage;
}

static bool is_wildcard(const struct sim_address *address)
{
    return address->storage.ss_family == AF_INET
               ? ipv4_of(address)->sin_addr.s_addr == htonl(INADDR_ANY)
               : address->storage.ss_family == AF_INET6 &&
                     IN6_IS_ADDR_UNSPECIFIED(&ipv6_of(address)->sin6_addr);
}

static bool is_loopback(const struct sim_address *address)
{
    if (address->storage.ss_family == AF_INET)
        return ntohl(ipv4_of(address)->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&ipv6_of(address)->sin6_addr);
}

/* Of the host that wildcards stand for. */
static bool is_here(const struct sim_address *address)
{
    if (is_loopback(address))
        return true;
    if (address->storage.ss_family == AF_INET)
        return ntohl(ipv4_of(address)->sin_addr.s_addr) == here_ipv4;
    return memcmp(&ipv6_of(address)->sin6_addr, &here_ipv6, sizeof here_ipv6) == 0;
}

/* The address that talks to `to` when none was bound: loopback to loopback, else "here". */
static void choose_local(const struct sim_address *to, struct sim_address *out_local)
{
    uint16_t port = weir__sim_port(out_local);
    *out_local = *to;
    if (!is_loopback(to)) {
        void *storage = &out_local->storage;
        if (to->storage.ss_family == AF_INET)
            ((struct sockaddr_in *)storage)->sin_addr.s_addr = htonl(here_ipv4);
        else
            ((struct sockaddr_in6 *)storage)->sin6_addr = here_ipv6;
    }
    weir__sim_set_port(out_local, port);
}

static bool same_unix_name(const struct sim_address *a, const struct sim_address *b)
{
    return a->size == b->size && memcmp(&a->storage, &b->storage, a->size) == 0;
}

static bool ipv6_takes_ipv4(const struct sim_socket *socket)
{
    return weir__sim_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, 0) == 0;
}

/* Whether two sockets want the same name. */
static bool overlap(const struct sim_socket *one, const struct sim_socket *other)
{
    const struct sim_address *a = &one->local, *b = &other->local;
    if (one->family == AF_UNIX || other->family == AF_UNIX)
        return one->family == other->family && same_unix_name(a, b);
    if (one->type != other->type || weir__sim_port(a) != weir__sim_port(b))
        return false;
    if (one->family != other->family) {
        const struct sim_socket *ipv6 = one->family == AF_INET6 ? one : other;
        return is_wildcard(&ipv6->local) && ipv6_takes_ipv4(ipv6);
    }
    return is_wildcard(a) || is_wildcard(b) || weir__sim_same_host(a, b);
}

static bool may_share(const struct sim_socket *one, const struct sim_socket *other)
{
    if (weir__sim_option(one, SOL_SOCKET, SO_REUSEPORT, 0) != 0 &&
        weir__sim_option(other, SOL_SOCKET, SO_REUSEPORT, 0) != 0)
        return true;
    return weir__sim_option(one, SOL_SOCKET, SO_REUSEADDR, 0) != 0 &&
           weir__sim_option(other, SOL_SOCKET, SO_REUSEADDR, 0) != 0 &&
           one->state != SIM_LISTENING && other->state != SIM_LISTENING;
}

bool weir__sim_is_taken(const struct sim_net *net, const struct sim_socket *socket)
{
    for (struct weir__list *at = net->sockets.next; at != &net->sockets; at = at->next) {
        const struct sim_socket *other = WEIR__CONTAINER(at, struct sim_socket, link);
        bool holds_name = other->fd >= 0 && other->local.size != 0 && other->remote.size == 0;
        if (other != socket && holds_name && overlap(socket, other) && !may_share(socket, other))
            return true;
    }
    return false;
}

static bool port_is_used(const struct sim_net *net, uint16_t port)
{
    for (struct weir__list *at = net->sockets.next; at != &net->sockets; at = at->next)
        if (weir__sim_port(&WEIR__CONTAINER(at, struct sim_socket, link)->local) == port)
            return true;
    return false;
}

int weir__sim_choose_port(struct sim_net *net, struct sim_address *address)
{
    for (int tries = 0; tries <= SIM_PORT_LAST - SIM_PORT_FIRST; tries++) {
        uint16_t port = net->next_port;
        net->next_port = port == SIM_PORT_LAST ? SIM_PORT_FIRST : (uint16_t)(port + 1);
        if (!port_is_used(net, port)) {
            weir__sim_set_port(address, port);
            return 0;
        }
    }
    return -EADDRNOTAVAIL;
}

bool weir__sim_takes(const struct sim_socket *listener, const struct sim_address *to)
{
    const struct sim_address *at = &listener->local;
    if (listener->family == AF_UNIX || to->storage.ss_family == AF_UNIX)
        return listener->family == to->storage.ss_family && same_unix_name(at, to);
    if (weir__sim_port(at) != weir__sim_port(to))
        return false;
    if (!is_wildcard(at))
        return weir__sim_same_host(at, to);
    if (listener->family != to->storage.ss_family &&
        (listener->family == AF_INET || !ipv6_takes_ipv4(listener)))
        return false;
    return is_here(to);
}

struct sim_socket *weir__sim_find_listener(struct sim_net *net, const struct sim_address *to,
                                           const struct sim_address *from)
{
    /* Of several with SO_REUSEPORT the port of the caller chooses. */
    struct sim_socket *found[8];
    size_t count = 0;
    for (struct weir__list *at = net->sockets.next; at != &net->sockets; at = at->next) {
        struct sim_socket *socket = WEIR__CONTAINER(at, struct sim_socket, link);
        if (socket->state == SIM_LISTENING && weir__sim_takes(socket, to) && count < 8)
            found[count++] = socket;
    }
    return count == 0 ? NULL : found[weir__sim_port(from) % count];
}

bool weir__sim_is_reachable(const struct sim_net *net, const struct sim_address *to)
{
    if (is_here(to))
        return true;
    for (struct weir__list *at = net->sockets.next; at != &net->sockets; at = at->next) {
        const struct sim_socket *other = WEIR__CONTAINER(at, struct sim_socket, link);
        if (other->local.size != 0 && weir__sim_same_host(&other->local, to))
            return true;
    }
    return weir__sim_is_named(net, to);
}

/* A wildcard means this host to who connects. */
static void mean_loopback(struct sim_address *address)
{
    void *storage = &address->storage;
    if (!is_wildcard(address))
        return;
    if (address->storage.ss_family == AF_INET)
        ((struct sockaddr_in *)storage)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        ((struct sockaddr_in6 *)storage)->sin6_addr = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
}

int weir__sim_name_caller(struct sim_net *net, struct sim_address *local, struct sim_address *to)
{
    mean_loopback(to);
    if (local->size == 0 || is_wildcard(local))
        choose_local(to, local);
    return weir__sim_port(local) != 0 ? 0 : weir__sim_choose_port(net, local);
}
