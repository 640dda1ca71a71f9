/*
 * datagram.c - sockets for datagrams: opening, groups, closing
 *
 * Runs on  the loop's own thread.
 * Costs    opening: one allocation; socket, bind, getsockname, and a call for each option.
 */
#include "net/datagram.h"

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "base/alloc.h"
#include "base/sys.h"

static const char address_default[] = "127.0.0.1:0";

/* --- open ------------------------------------------------------------------------------------- */

static int fail_on(const char *what, const weir_address *address, int rc)
{
    char text[WEIR_ADDRESS_TEXT_BYTES];
    return weir_fail(rc, "cannot %s %s: %s", what, weir_address_format(address, text),
                     weir_code_text(rc));
}

static int set_multicast(int fd, int family, const weir_datagram_options *options)
{
    bool ipv6 = family == AF_INET6;
    int level = ipv6 ? IPPROTO_IPV6 : IPPROTO_IP;
    int rc = 0;
    if (options->no_multicast_loop)
        rc = weir__sys_setsockopt_int(fd, level, ipv6 ? IPV6_MULTICAST_LOOP : IP_MULTICAST_LOOP, 0);
    if (rc == 0 && options->multicast_hops > 0)
        rc = weir__sys_setsockopt_int(fd, level, ipv6 ? IPV6_MULTICAST_HOPS : IP_MULTICAST_TTL,
                                      options->multicast_hops);
    if (rc < 0 || options->interface == 0)
        return rc;
    if (ipv6)
        return weir__sys_setsockopt_int(fd, level, IPV6_MULTICAST_IF, (int)options->interface);
    struct ip_mreqn request = {.imr_ifindex = (int)options->interface};
    return weir__sys_setsockopt(fd, level, IP_MULTICAST_IF, &request, sizeof request);
}

static int set_options(int fd, int family, const weir_datagram_options *options)
{
    int rc = 0;
    if (options->reuse_port)
        rc = weir__sys_setsockopt_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (rc == 0 && family == AF_INET6) // said always: the default is a setting of the machine
        rc = weir__sys_setsockopt_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, options->ipv6_only);
    if (rc == 0 && options->broadcast)
        rc = weir__sys_setsockopt_int(fd, SOL_SOCKET, SO_BROADCAST, 1);
    if (rc == 0 && options->receive_buffer_bytes > 0)
        rc = weir__sys_setsockopt_int(fd, SOL_SOCKET, SO_RCVBUF, options->receive_buffer_bytes);
    if (rc == 0 && options->send_buffer_bytes > 0)
        rc = weir__sys_setsockopt_int(fd, SOL_SOCKET, SO_SNDBUF, options->send_buffer_bytes);
    if (rc == 0 && family != AF_UNIX)
        rc = set_multicast(fd, family, options);
    return rc;
}

static int check_options(const weir_datagram_options *options)
{
    if (options->multicast_hops < 0 || options->multicast_hops > 255 ||
        options->receive_buffer_bytes < 0 || options->send_buffer_bytes < 0 ||
        options->unix_mode > 0777)
        return weir_fail(-EINVAL, "an option of a datagram socket is out of its range");
    return 0;
}

static int new_datagram(const weir_datagram_options *options, weir_datagram **out_datagram)
{
    int64_t receive_ns;
    int64_t send_ns;
    int rc = weir__net_limit(options->receive_timeout_ns, WEIR__NET_CLIENT_READ_NS, &receive_ns);
    if (rc == 0)
        rc = weir__net_limit(options->send_timeout_ns, WEIR__NET_CLIENT_WRITE_NS, &send_ns);
    if (rc < 0)
        return weir_fail(rc, "a time limit is negative");
    rc = check_options(options);
    if (rc < 0)
        return rc;
    if (weir__core_loop() == NULL)
        return -EPERM;
    weir_datagram *datagram = weir__base_alloc_zero(sizeof *datagram);
    if (datagram == NULL)
        return -ENOMEM;
    datagram->loop = weir__core_loop();
    datagram->receive_ns = receive_ns;
    datagram->send_ns = send_ns;
    weir__list_init(&datagram->calls);
    *out_datagram = datagram;
    return 0;
}

/* An abstract name that the kernel makes up: unix(7), "Autobind feature". */
static int bind_to_any_name(int fd)
{
    const sa_family_t family = AF_UNIX;
    return weir__sys_bind(fd, (const struct sockaddr *)(const void *)&family, sizeof family);
}

/* NULL for either address: there is none. */
static int bind_and_connect(int fd, const weir_datagram_options *options,
                            const weir_address *address, const weir_address *peer)
{
    int rc = 0;
    if (address != NULL)
        rc = weir__net_bind(fd, SOCK_DGRAM, address, options->unix_mode);
    else if (weir__net_family(peer) == AF_UNIX)
        rc = bind_to_any_name(fd);
    if (rc < 0)
        return address == NULL ? fail_on("find a name to speak with", peer, rc)
                               : fail_on("open datagrams on", address, rc);
    if (peer == NULL)
        return 0;
    rc = weir__sys_connect(fd, weir__net_sockaddr(peer), peer->size);
    return rc < 0 ? fail_on("send datagrams to", peer, rc) : 0;
}

/* A descriptor that is the caller's. */
static int open_socket(const weir_datagram_options *options, const weir_address *peer, int *out_fd,
                       weir_address *out_local)
{
    weir_address address;
    const char *text = options->address;
    if (text == NULL && peer == NULL)
        text = address_default;
    int rc = text == NULL ? 0 : weir_address_parse(text, &address);
    if (rc < 0)
        return weir_fail(rc, "no datagrams on '%s': an address looks like 0.0.0.0:5300 or [::]:0",
                         text);
    const weir_address *first = text == NULL ? peer : &address;
    int fd = weir__sys_socket(weir__net_family(first), SOCK_DGRAM, 0);
    if (fd < 0)
        return fail_on("open datagrams on", first, fd);
    rc = set_options(fd, weir__net_family(first), options);
    if (rc < 0)
        rc = fail_on("set the options for datagrams on", first, rc);
    else
        rc = bind_and_connect(fd, options, text == NULL ? NULL : &address, peer);
    if (rc == 0)
        rc = weir__net_local_address(fd, out_local);
    if (rc < 0) {
        weir__io_close(fd);
        return rc;
    }
    *out_fd = fd;
    return 0;
}

static void close_left_open(struct weir__ledger_entry *entry)
{
    weir_datagram_close(WEIR__CONTAINER(entry, weir_datagram, entry));
}

static int open_datagram(const weir_datagram_options *options, const weir_address *peer,
                         const void *opener, weir_datagram **out_datagram)
{
    static const weir_datagram_options defaults;
    if (options == NULL)
        options = &defaults;
    weir_datagram *datagram;
    int rc = new_datagram(options, &datagram);
    if (rc < 0)
        return rc;
    rc = open_socket(options, peer, &datagram->fd, &datagram->local);
    if (rc < 0) {
        weir__base_free(datagram);
        return rc;
    }
    datagram->connected = peer != NULL;
    if (peer != NULL)
        datagram->peer = *peer;
    weir__ledger_add(&datagram->entry, "datagram socket", opener, close_left_open);
    *out_datagram = datagram;
    return 0;
}

int weir_datagram_open(const weir_datagram_options *options, weir_datagram **out_datagram)
{
    return open_datagram(options, NULL, __builtin_return_address(0), out_datagram);
}

int weir_datagram_connect(const weir_address *peer, const weir_datagram_options *options,
                          weir_datagram **out_datagram)
{
    if (peer == NULL || peer->size == 0)
        return weir_fail(-EINVAL, "there is no address to send datagrams to");
    return open_datagram(options, peer, __builtin_return_address(0), out_datagram);
}

/* --- close ------------------------------------------------------------------------------------ */

void weir__net_datagram_settle(weir_datagram *datagram)
{
    if (!datagram->closed)
        return;
    if (datagram->fd >= 0 && weir__list_empty(&datagram->calls)) {
        weir__io_close(datagram->fd);
        datagram->fd = -1;
    }
    if (datagram->users == 0)
        weir__base_free(datagram);
}

void weir_datagram_close(weir_datagram *datagram)
{
    if (datagram == NULL || datagram->closed)
        return;
    datagram->closed = true;
    weir__ledger_remove(&datagram->entry);
    weir__net_calls_cancel(&datagram->calls);
    weir__net_datagram_settle(datagram);
}

/* --- groups ----------------------------------------------------------------------------------- */

static int change_group(weir_datagram *datagram, const weir_address *group, unsigned interface,
                        bool join)
{
    if (datagram->loop != weir__core_loop())
        return -EPERM;
    struct group_req request = {.gr_interface = interface, .gr_group = group->storage};
    int family = weir__net_family(group);
    int rc = -EINVAL;
    if (family == weir__net_family(&datagram->local) && (family == AF_INET || family == AF_INET6))
        rc = weir__sys_setsockopt(datagram->fd, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
                                  join ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP, &request,
                                  sizeof request);
    return rc < 0 ? fail_on(join ? "join the group" : "leave the group", group, rc) : 0;
}

int weir_datagram_join(weir_datagram *datagram, const weir_address *group, unsigned interface)
{
    return change_group(datagram, group, interface, true);
}

int weir_datagram_leave(weir_datagram *datagram, const weir_address *group, unsigned interface)
{
    return change_group(datagram, group, interface, false);
}

/* --- what it is ------------------------------------------------------------------------------- */

const weir_address *weir_datagram_address(const weir_datagram *datagram)
{
    return &datagram->local;
}

void weir_datagram_stats_get(const weir_datagram *datagram, weir_datagram_stats *out_stats)
{
    *out_stats = (weir_datagram_stats){
        .received = datagram->received, .sent = datagram->sent, .cut = datagram->cut};
    uint32_t memory[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof memory;
    if (weir__sys_getsockopt(datagram->fd, SOL_SOCKET, SO_MEMINFO, memory, &size) < 0)
        return;
    out_stats->dropped = memory[SK_MEMINFO_DROPS];
    out_stats->receive_buffer_bytes = (int)memory[SK_MEMINFO_RCVBUF];
    out_stats->send_buffer_bytes = (int)memory[SK_MEMINFO_SNDBUF];
}

int weir_datagram_set_limits(weir_datagram *datagram, int64_t receive_ns, int64_t send_ns)
{
    if (receive_ns < 0 || send_ns < 0)
        return -EINVAL;
    if (receive_ns != 0)
        datagram->receive_ns = receive_ns;
    if (send_ns != 0)
        datagram->send_ns = send_ns;
    return 0;
}
