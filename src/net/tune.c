/*
 * tune.c - what the kernel is told about a connection, and what it tells
 *
 * Runs on  the loop's own thread.
 * Costs    a system call for each option and each look.
 */
#include <limits.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>

#include "base/sys.h"
#include "net/net.h"

enum {
    /* A silent peer is asked after 30 s, then every 10 s, and is gone after 60 s without an answer;
     * so are bytes that nobody acknowledges. */
    KEEPALIVE_IDLE_S = 30,
    KEEPALIVE_INTERVAL_S = 10,
    KEEPALIVE_COUNT = 3,
    GONE_AFTER_MS = 60000,
};

/* --- what every connection gets --------------------------------------------------------------- */

/*
 * How long bytes may stay unacknowledged; 0: as the kernel likes. It counts a peer that lives and
 * does not read as well (the window stays closed), so this is never sooner than our own limit.
 */
static int user_timeout_ms(int64_t write_stall_ns)
{
    if (write_stall_ns > INT_MAX * WEIR_MS)
        return 0;
    int stall_ms = (int)((write_stall_ns + WEIR_MS - 1) / WEIR_MS);
    return stall_ms > GONE_AFTER_MS ? stall_ms : GONE_AFTER_MS;
}

static void set_option(int fd, int level, int option, int value)
{
    weir_ignore(weir__sys_setsockopt_int(fd, level, option, value),
                "without it a connection is slower, or a dead peer is noticed later");
}

void weir__net_tune(int fd, int family, int64_t write_stall_ns)
{
    if (family != AF_INET && family != AF_INET6)
        return;
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout_ms(write_stall_ns));
}

static bool is_tcp(const weir_conn *conn)
{
    int family = weir__net_family(&conn->peer);
    return family == AF_INET || family == AF_INET6;
}

int weir_conn_set_limits(weir_conn *conn, int64_t read_idle_ns, int64_t write_stall_ns)
{
    if (read_idle_ns < 0 || write_stall_ns < 0)
        return -EINVAL;
    if (read_idle_ns != 0)
        conn->read_idle_ns = read_idle_ns;
    if (write_stall_ns == 0)
        return 0;
    conn->write_stall_ns = write_stall_ns;
    if (is_tcp(conn))
        set_option(weir__stream_fd(&conn->stream), IPPROTO_TCP, TCP_USER_TIMEOUT,
                   user_timeout_ms(write_stall_ns));
    return 0;
}

/* --- one by one ------------------------------------------------------------------------------- */

struct option {
    int level;
    int name;
    int name_ipv6;   /* at IPPROTO_IPV6, set as well where that is the family; 0: none */
    int64_t unit_ns; /* the kernel counts in this; 0: a plain number */
    bool tcp;        /* no other socket has it */
};

static const struct option options[] = {
    [WEIR_CONN_NO_DELAY] = {IPPROTO_TCP, TCP_NODELAY, .tcp = true},
    [WEIR_CONN_KEEPALIVE] = {SOL_SOCKET, SO_KEEPALIVE, .tcp = true},
    [WEIR_CONN_KEEPALIVE_IDLE_NS] = {IPPROTO_TCP, TCP_KEEPIDLE, 0, WEIR_SEC, true},
    [WEIR_CONN_KEEPALIVE_INTERVAL_NS] = {IPPROTO_TCP, TCP_KEEPINTVL, 0, WEIR_SEC, true},
    [WEIR_CONN_KEEPALIVE_COUNT] = {IPPROTO_TCP, TCP_KEEPCNT, .tcp = true},
    [WEIR_CONN_USER_TIMEOUT_NS] = {IPPROTO_TCP, TCP_USER_TIMEOUT, 0, WEIR_MS, true},
    [WEIR_CONN_SEND_BUFFER_BYTES] = {.level = SOL_SOCKET, .name = SO_SNDBUF},
    [WEIR_CONN_RECEIVE_BUFFER_BYTES] = {.level = SOL_SOCKET, .name = SO_RCVBUF},
    [WEIR_CONN_TRAFFIC_CLASS] = {IPPROTO_IP, IP_TOS, IPV6_TCLASS, 0, true},
};

static int find_option(const weir_conn *conn, weir_conn_option option,
                       const struct option **out_option)
{
    if ((unsigned)option >= sizeof options / sizeof options[0])
        return -EINVAL;
    if (conn->closed)
        return -EBADF;
    if (conn->stream.loop != weir__core_loop())
        return -EPERM;
    if (options[option].tcp && !is_tcp(conn))
        return -EOPNOTSUPP;
    *out_option = &options[option];
    return 0;
}

int weir_conn_set_option(weir_conn *conn, weir_conn_option option, int64_t value)
{
    const struct option *found;
    int rc = find_option(conn, option, &found);
    if (rc < 0)
        return rc;
    if (value < 0)
        return -EINVAL;
    if (found->unit_ns != 0) // up: a keepalive of half a second is one of a second
        value = value / found->unit_ns + (value % found->unit_ns != 0);
    if (value > INT_MAX)
        return -EINVAL;
    int fd = weir__stream_fd(&conn->stream);
    bool ipv6 = found->name_ipv6 != 0 && weir__net_family(&conn->peer) == AF_INET6;
    if (ipv6)
        rc = weir__sys_setsockopt_int(fd, IPPROTO_IPV6, found->name_ipv6, (int)value);
    if (rc == 0) // an IPv6 socket may speak IPv4
        rc = weir__sys_setsockopt_int(fd, found->level, found->name, (int)value);
    return rc;
}

int weir_conn_get_option(const weir_conn *conn, weir_conn_option option, int64_t *out_value)
{
    const struct option *found;
    int value;
    int rc = find_option(conn, option, &found);
    if (rc < 0)
        return rc;
    int fd = weir__stream_fd(&conn->stream);
    bool ipv6 = found->name_ipv6 != 0 && weir__net_family(&conn->peer) == AF_INET6;
    rc = weir__sys_getsockopt_int(fd, ipv6 ? IPPROTO_IPV6 : found->level,
                                  ipv6 ? found->name_ipv6 : found->name, &value);
    if (rc == 0)
        *out_value = found->unit_ns != 0 ? value * found->unit_ns : value;
    return rc;
}

/* --- figures ---------------------------------------------------------------------------------- */

int weir_conn_stats_get(const weir_conn *conn, weir_conn_stats *out_stats)
{
    if (conn->closed)
        return -EBADF;
    int fd = weir__stream_fd(&conn->stream);
    weir_conn_stats stats = {.unread_bytes = conn->stream.rx.unread_bytes};
    int unsent;
    int rc = weir__sys_unsent_bytes(fd, &unsent);
    if (rc < 0)
        return rc;
    stats.unacked_bytes = (uint64_t)unsent;
    struct tcp_info info;
    memset(&info, 0, sizeof info); // an older kernel fills less of it
    socklen_t size = sizeof info;
    rc = is_tcp(conn) ? weir__sys_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) : 0;
    if (rc < 0)
        return rc;
    if (is_tcp(conn)) {
        stats.rtt_ns = info.tcpi_rtt * WEIR_US;
        stats.rtt_variance_ns = info.tcpi_rttvar * WEIR_US;
        stats.rtt_min_ns = info.tcpi_min_rtt * WEIR_US;
        stats.retransmitted_segments = info.tcpi_total_retrans;
        stats.unacked_segments = info.tcpi_unacked;
        stats.lost_segments = info.tcpi_lost;
        stats.acked_bytes = info.tcpi_bytes_acked;
        stats.received_bytes = info.tcpi_bytes_received;
        stats.delivery_bytes_per_s = info.tcpi_delivery_rate;
    }
    *out_stats = stats;
    return 0;
}
