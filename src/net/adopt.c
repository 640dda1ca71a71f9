/*
 * adopt.c - connections made of descriptors, and pairs of them
 *
 * Runs on  the loop's own thread.
 */
#include <string.h>
#include <weir/unix.h>

#include "base/sys.h"
#include "net/net.h"

int weir__net_check_socket(int fd, bool listening)
{
    int type;
    int listens = 0;
    int rc = weir__sys_getsockopt_int(fd, SOL_SOCKET, SO_TYPE, &type);
    if (rc == 0)
        rc = weir__sys_getsockopt_int(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens);
    if (rc < 0)
        return weir_fail(rc, "descriptor %d is no socket to be had: %s", fd, weir_code_text(rc));
    if (type != SOCK_STREAM)
        return weir_fail(-EPROTOTYPE, "descriptor %d is a socket, but not one of a stream", fd);
    if ((listens != 0) != listening)
        return weir_fail(-EINVAL, "descriptor %d is a socket that %s", fd,
                         listening ? "does not listen" : "listens");
    rc = weir__sys_set_nonblocking(fd);
    if (rc == 0)
        rc = weir__sys_set_cloexec(fd);
    return rc < 0 ? weir_fail(rc, "descriptor %d: %s", fd, weir_code_text(rc)) : 0;
}

static int read_options(const weir_connect_options *options, struct weir__net_how *out_how)
{
    static const weir_connect_options defaults;
    int rc = weir__net_read_how(options == NULL ? &defaults : options, out_how);
    return rc == 0 && weir__core_loop() == NULL ? -EPERM : rc;
}

/* --- adopting --------------------------------------------------------------------------------- */

static int find_peer(int fd, weir_address *out_peer)
{
    *out_peer = (weir_address){.size = sizeof out_peer->storage};
    int rc =
        weir__sys_getpeername(fd, (struct sockaddr *)(void *)&out_peer->storage, &out_peer->size);
    return rc < 0 ? weir_fail(rc, "descriptor %d is not connected", fd) : 0;
}

int weir_conn_adopt(int fd, const weir_connect_options *options, weir_conn **out_conn)
{
    if (fd < 0)
        return -EBADF;
    weir__sys_count_opened(); // it came by another way than through our door
    struct weir__net_how how;
    weir_address peer;
    int rc = read_options(options, &how);
    if (rc == 0)
        rc = weir__net_check_socket(fd, false);
    if (rc == 0)
        rc = find_peer(fd, &peer);
    if (rc < 0) {
        weir__io_close(fd);
        return rc;
    }
    weir__net_tune(fd, weir__net_family(&peer), how.write_stall_ns);
    rc = weir__net_conn_open(fd, &peer, &how, out_conn);
    if (rc == 0)
        weir__net_conn_register(*out_conn, __builtin_return_address(0));
    return rc;
}

/* --- pairs ------------------------------------------------------------------------------------ */

int weir_conn_pair(const weir_connect_options *options, weir_conn **out_conn, weir_conn **out_other)
{
    struct weir__net_how how;
    int fds[2];
    int rc = read_options(options, &how);
    if (rc == 0)
        rc = weir__sys_socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
    if (rc < 0)
        return rc;
    const sa_family_t family = AF_UNIX;
    weir_address nameless = {.size = sizeof family};
    memcpy(&nameless.storage, &family, sizeof family);
    weir_conn *first;
    rc = weir__net_conn_open(fds[0], &nameless, &how, &first);
    if (rc < 0) {
        weir__io_close(fds[1]);
        return rc;
    }
    rc = weir__net_conn_open(fds[1], &nameless, &how, out_other);
    if (rc < 0) {
        weir_conn_close(first);
        return rc;
    }
    weir__net_conn_register(first, __builtin_return_address(0));
    weir__net_conn_register(*out_other, __builtin_return_address(0));
    *out_conn = first;
    return 0;
}
