/*
 * sim_host.c - hosts that have names, and what a test does to hosts
 *
 * Runs on  the loop's own thread.
 */
#include <string.h>

#include "backend/sim_net.h"
#include "base/alloc.h"
#include "base/fault.h"

static bool read_sockaddr(const struct sockaddr *address, socklen_t size,
                          struct sim_address *out_address)
{
    if (address == NULL || size > sizeof out_address->storage)
        return false;
    *out_address = (struct sim_address){.size = size};
    memcpy(&out_address->storage, address, size);
    return true;
}

/* --- names ------------------------------------------------------------------------------------ */

static struct sim_host *find_host(const struct sim_net *net, const char *name)
{
    for (struct weir__list *at = net->hosts.next; at != &net->hosts; at = at->next) {
        struct sim_host *host = WEIR__CONTAINER(at, struct sim_host, link);
        if (strcmp(host->name, name) == 0)
            return host;
    }
    return NULL;
}

bool weir__sim_is_named(const struct sim_net *net, const struct sim_address *address)
{
    for (struct weir__list *at = net->hosts.next; at != &net->hosts; at = at->next) {
        const struct sim_host *host = WEIR__CONTAINER(at, struct sim_host, link);
        for (size_t i = 0; i < host->address_count; i++)
            if (weir__sim_same_host(&host->addresses[i], address))
                return true;
    }
    return false;
}

int weir__sim_lookup(struct weir__virtual_net *base, const char *name,
                     struct weir__virtual_answer *out_answer)
{
    const struct sim_net *net = WEIR__CONTAINER(base, struct sim_net, base);
    if (weir__list_empty(&net->hosts))
        return -ENOENT;
    const struct sim_host *host = find_host(net, name);
    *out_answer = (struct weir__virtual_answer){.rc = host == NULL ? -ENXIO : host->rc};
    if (host == NULL)
        return 0;
    out_answer->delay_ns = host->delay_ns;
    for (size_t i = 0; host->rc == 0 && i < host->address_count; i++) {
        out_answer->addresses[i] = host->addresses[i].storage;
        out_answer->sizes[i] = host->addresses[i].size;
        out_answer->count++;
    }
    return 0;
}

static struct sim_host *new_host(struct sim_net *net, const char *name)
{
    bool before = weir__base_fault_exempt(true);
    struct sim_host *host = weir__base_alloc_zero(sizeof *host);
    weir__base_fault_exempt(before);
    if (host == NULL)
        return NULL;
    memcpy(host->name, name, strlen(name) + 1);
    weir__list_append(&net->hosts, &host->link);
    return host;
}

int weir__sim_host(const char *name, const struct sockaddr *address, socklen_t size,
                   int64_t delay_ns, int rc)
{
    struct sim_net *net = weir__sim_net_here();
    if (net == NULL)
        return -EPERM;
    if (strlen(name) >= SIM_HOST_BYTES)
        return -EINVAL;
    struct sim_host *host = find_host(net, name);
    if (host == NULL)
        host = new_host(net, name);
    if (host == NULL)
        return -ENOMEM;
    host->delay_ns = delay_ns;
    host->rc = rc;
    if (address == NULL)
        return 0;
    if (host->address_count == SIM_HOST_ADDRESSES_MAX)
        return -ENOSPC;
    return read_sockaddr(address, size, &host->addresses[host->address_count++]) ? 0 : -EINVAL;
}

int weir__sim_host_address(const char *name, struct sockaddr_storage *out_address)
{
    const struct sim_net *net = weir__sim_net_here();
    const struct sim_host *host = net == NULL ? NULL : find_host(net, name);
    if (host == NULL || host->address_count == 0)
        return -ENOENT;
    *out_address = host->addresses[0].storage;
    return 0;
}

/* --- what is done to them --------------------------------------------------------------------- */

int weir__sim_network(const weir_test_network *settings, uint64_t seed)
{
    struct sim_net *net = weir__sim_net_here();
    if (net == NULL)
        return -EPERM;
    weir__sim_net_set(net, settings, seed);
    return 0;
}

int weir__sim_partition(const struct sockaddr *a, const struct sockaddr *b, socklen_t size)
{
    struct sim_net *net = weir__sim_net_here();
    struct sim_address from, to;
    if (net == NULL)
        return -EPERM;
    bool exempt = weir__base_fault_exempt(true);
    int rc = weir__sim_cut(net, read_sockaddr(a, size, &from) ? &from : NULL,
                           read_sockaddr(b, size, &to) ? &to : NULL, WEIR_FOREVER);
    weir__base_fault_exempt(exempt);
    return rc;
}

int weir__sim_heal(void)
{
    struct sim_net *net = weir__sim_net_here();
    if (net == NULL)
        return -EPERM;
    weir__sim_heal_all(net);
    return 0;
}

int weir__sim_reset(const struct sockaddr *host, socklen_t size)
{
    struct sim_net *net = weir__sim_net_here();
    struct sim_address wanted;
    if (net == NULL)
        return -EPERM;
    bool all = !read_sockaddr(host, size, &wanted);
    for (struct weir__list *at = net->sockets.next; at != &net->sockets; at = at->next) {
        struct sim_socket *socket = WEIR__CONTAINER(at, struct sim_socket, link);
        if (socket->state == SIM_CONNECTED && socket->peer != NULL && socket->family != AF_UNIX &&
            !socket->closed &&
            (all || weir__sim_same_host(&socket->local, &wanted) ||
             weir__sim_same_host(&socket->remote, &wanted)))
            weir__sim_tcp_abort(net, socket, -ECONNRESET);
    }
    return 0;
}
