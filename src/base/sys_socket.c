/*
 * sys_socket.c - the door to the kernel: sockets
 *
 * Runs on  any thread.
 */
#include <ifaddrs.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include "base/sys_call.h"

int weir__sys_socket(int family, int type, int protocol)
{
    int rc = weir__sys_fault();
    if (rc < 0)
        return rc;
    if (weir__virtual_installed())
        rc = weir__virtual_socket(family, type);
    else
        WEIR__SYS_CALL(rc, socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
    return weir__sys_opened(rc);
}

int weir__sys_socketpair(int family, int type, int protocol, int out_fds[2])
{
    int rc = weir__sys_fault();
    int fds[2];
    if (rc == 0 && weir__virtual_installed())
        rc = weir__virtual_pair(type, fds);
    else if (rc == 0)
        WEIR__SYS_CALL(rc, socketpair(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol, fds));
    if (rc < 0)
        return rc;
    out_fds[0] = weir__sys_opened(fds[0]);
    out_fds[1] = weir__sys_opened(fds[1]);
    return 0;
}

int weir__sys_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON(fd, rc, bind(fd, address, size), weir__virtual_bind(fd, address, size));
    return rc;
}

int weir__sys_listen(int fd, int backlog)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON(fd, rc, listen(fd, backlog), weir__virtual_listen(fd, backlog));
    return rc;
}

int weir__sys_accept(int fd, struct sockaddr *out_address, socklen_t *size)
{
    int rc = weir__sys_fault();
    if (rc < 0)
        return rc;
    WEIR__SYS_CALL_ON_AGAIN(fd, rc, accept4(fd, out_address, size, SOCK_NONBLOCK | SOCK_CLOEXEC),
                            weir__virtual_accept(fd, out_address, size));
    return weir__sys_opened(rc);
}

int weir__sys_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON(fd, rc, connect(fd, address, size),
                          weir__virtual_connect(fd, address, size));
    /* Interrupted, it goes on in the kernel (connect(2)); a second call would say EALREADY. */
    return rc == -EINTR ? -EINPROGRESS : rc;
}

ssize_t weir__sys_recv(int fd, void *buffer, size_t size, int flags)
{
    ssize_t rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON_AGAIN(fd, rc, recv(fd, buffer, size, flags),
                                weir__virtual_recv(fd, buffer, size, flags));
    return rc;
}

ssize_t weir__sys_send(int fd, const void *buffer, size_t size, int flags)
{
    ssize_t rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON_AGAIN(fd, rc, send(fd, buffer, size, flags | MSG_NOSIGNAL),
                                weir__virtual_send(fd, buffer, size, flags));
    return rc;
}

ssize_t weir__sys_sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON_AGAIN(fd, rc, sendmsg(fd, message, flags | MSG_NOSIGNAL),
                                weir__virtual_sendmsg(fd, message, flags));
    return rc;
}

ssize_t weir__sys_recvmsg(int fd, struct msghdr *message, int flags)
{
    ssize_t rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON_AGAIN(fd, rc, recvmsg(fd, message, flags),
                                weir__virtual_recvmsg(fd, message, flags));
    return rc;
}

int weir__sys_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON_AGAIN(fd, rc, sendmmsg(fd, messages, count, flags | MSG_NOSIGNAL),
                                weir__virtual_sendmmsg(fd, messages, count, flags));
    return rc;
}

int weir__sys_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON_AGAIN(fd, rc, recvmmsg(fd, messages, count, flags, NULL),
                                weir__virtual_recvmmsg(fd, messages, count, flags));
    return rc;
}

int weir__sys_shutdown(int fd, int how)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON(fd, rc, shutdown(fd, how), weir__virtual_shutdown(fd, how));
    return rc;
}

int weir__sys_setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON(fd, rc, setsockopt(fd, level, option, value, size),
                          weir__virtual_setsockopt(fd, level, option, value, size));
    return rc;
}

int weir__sys_getsockopt(int fd, int level, int option, void *out_value, socklen_t *size)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON(fd, rc, getsockopt(fd, level, option, out_value, size),
                          weir__virtual_getsockopt(fd, level, option, out_value, size));
    return rc;
}

int weir__sys_setsockopt_int(int fd, int level, int option, int value)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON(fd, rc, setsockopt(fd, level, option, &value, sizeof value),
                          weir__virtual_set_option(fd, level, option, value));
    return rc;
}

int weir__sys_reset_on_close(int fd)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON(fd, rc, setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now),
                          weir__virtual_reset_on_close(fd));
    return rc;
}

int weir__sys_getsockopt_int(int fd, int level, int option, int *out_value)
{
    int rc = weir__sys_fault();
    int value = 0;
    socklen_t size = sizeof value;
    if (rc == 0)
        WEIR__SYS_CALL_ON(fd, rc, getsockopt(fd, level, option, &value, &size),
                          weir__virtual_get_option(fd, level, option, &value));
    if (rc == 0)
        *out_value = value;
    return rc;
}

int weir__sys_unsent_bytes(int fd, int *out_bytes)
{
    int rc = weir__sys_fault();
    int bytes = 0;
    if (rc == 0)
        WEIR__SYS_CALL_ON(fd, rc, ioctl(fd, SIOCOUTQ, &bytes),
                          weir__virtual_unsent_bytes(fd, &bytes));
    if (rc == 0)
        *out_bytes = bytes;
    return rc;
}

int weir__sys_getsockname(int fd, struct sockaddr *out_address, socklen_t *size)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON(fd, rc, getsockname(fd, out_address, size),
                          weir__virtual_name(fd, false, out_address, size));
    return rc;
}

int weir__sys_getpeername(int fd, struct sockaddr *out_address, socklen_t *size)
{
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL_ON(fd, rc, getpeername(fd, out_address, size),
                          weir__virtual_name(fd, true, out_address, size));
    return rc;
}

int weir__sys_interfaces(void (*each)(const struct ifaddrs *all, void *arg), void *arg)
{
    struct ifaddrs *all = NULL;
    int rc = weir__sys_fault();
    if (rc == 0)
        WEIR__SYS_CALL(rc, getifaddrs(&all));
    if (rc < 0)
        return rc;
    each(all, arg);
    freeifaddrs(all);
    return 0;
}

unsigned weir__sys_interface_index(const char *name)
{
    weir__sys_count_call();
    return if_nametoindex(name);
}
