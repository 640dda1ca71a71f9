/*
 * virtual.c - see virtual.h
 *
 * Runs on  the thread that installed the network; the count: any.
 * Holds    1. Inside a call of the simulation the thread is exempt from faults.
 */
#include "base/virtual.h"

#include <string.h>

#include "base/fault.h"

static _Thread_local struct weir__virtual_net *here;
static int open_count; /* atomic */

void weir__virtual_install(struct weir__virtual_net *net)
{
    here = net;
}

bool weir__virtual_installed(void)
{
    return here != NULL;
}

int weir__virtual_open_count(void)
{
    return __atomic_load_n(&open_count, __ATOMIC_RELAXED);
}

void weir__virtual_count_open(int by)
{
    __atomic_fetch_add(&open_count, by, __ATOMIC_RELAXED);
}

/* Asks the network of this thread, which is none of weir's code as far as faults go. */
#define ASK(result, call)                                                                          \
    do {                                                                                           \
        bool before = weir__base_fault_exempt(true);                                               \
        (result) = here == NULL ? -EBADF : (call);                                                 \
        weir__base_fault_exempt(before);                                                           \
    } while (0)

static int count_opened(int fd)
{
    if (fd >= 0)
        weir__virtual_count_open(1);
    return fd;
}

int weir__virtual_socket(int family, int type)
{
    int rc;
    ASK(rc, here->socket(here, family, type));
    return count_opened(rc);
}

int weir__virtual_pair(int type, int out_fds[2])
{
    int rc;
    ASK(rc, here->pair(here, type, out_fds));
    if (rc == 0)
        weir__virtual_count_open(2);
    return rc;
}

int weir__virtual_accept(int fd, struct sockaddr *out_address, socklen_t *size)
{
    int rc;
    ASK(rc, here->accept(here, fd, out_address, size));
    return count_opened(rc);
}

int weir__virtual_close(int fd)
{
    int rc;
    ASK(rc, here->close(here, fd));
    if (rc != -EBADF)
        weir__virtual_count_open(-1);
    return rc;
}

int weir__virtual_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    int rc;
    ASK(rc, here->bind(here, fd, address, size));
    return rc;
}

int weir__virtual_listen(int fd, int backlog)
{
    int rc;
    ASK(rc, here->listen(here, fd, backlog));
    return rc;
}

int weir__virtual_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    int rc;
    ASK(rc, here->connect(here, fd, address, size));
    return rc;
}

ssize_t weir__virtual_recvmsg(int fd, struct msghdr *message, int flags)
{
    ssize_t rc;
    ASK(rc, here->recvmsg(here, fd, message, flags));
    return rc;
}

ssize_t weir__virtual_sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t rc;
    ASK(rc, here->sendmsg(here, fd, message, flags));
    return rc;
}

int weir__virtual_shutdown(int fd, int how)
{
    int rc;
    ASK(rc, here->shutdown(here, fd, how));
    return rc;
}

int weir__virtual_set_option(int fd, int level, int option, int value)
{
    int rc;
    ASK(rc, here->set_option(here, fd, level, option, value));
    return rc;
}

int weir__virtual_get_option(int fd, int level, int option, int *out_value)
{
    int rc;
    ASK(rc, here->get_option(here, fd, level, option, out_value));
    return rc;
}

int weir__virtual_reset_on_close(int fd)
{
    int rc;
    ASK(rc, here->reset_on_close(here, fd));
    return rc;
}

int weir__virtual_unsent_bytes(int fd, int *out_bytes)
{
    int rc;
    ASK(rc, here->unsent_bytes(here, fd, out_bytes));
    return rc;
}

int weir__virtual_name(int fd, bool peer, struct sockaddr *out_address, socklen_t *size)
{
    int rc;
    ASK(rc, here->name(here, fd, peer, out_address, size));
    return rc;
}

ssize_t weir__virtual_recv(int fd, void *buffer, size_t size, int flags)
{
    struct iovec part = {buffer, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    return weir__virtual_recvmsg(fd, &message, flags);
}

ssize_t weir__virtual_send(int fd, const void *buffer, size_t size, int flags)
{
    struct iovec part = {(void *)(uintptr_t)buffer, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    return weir__virtual_sendmsg(fd, &message, flags);
}

int weir__virtual_lookup(const char *name, struct weir__virtual_answer *out_answer)
{
    int rc;
    ASK(rc, here->lookup(here, name, out_answer));
    return rc;
}

/* Options that are no int are taken and mean nothing here. */
int weir__virtual_setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
    int number = 0;
    if (size == sizeof number)
        memcpy(&number, value, sizeof number);
    return weir__virtual_set_option(fd, level, option, number);
}

int weir__virtual_getsockopt(int fd, int level, int option, void *out_value, socklen_t *size)
{
    int number = 0;
    int rc = *size != sizeof number ? -ENOPROTOOPT
                                    : weir__virtual_get_option(fd, level, option, &number);
    if (rc == 0) {
        memcpy(out_value, &number, sizeof number);
        *size = sizeof number;
    }
    return rc;
}

int weir__virtual_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    for (unsigned i = 0; i < count; i++) {
        ssize_t rc = weir__virtual_sendmsg(fd, &messages[i].msg_hdr, flags);
        if (rc < 0)
            return i == 0 ? (int)rc : (int)i;
        messages[i].msg_len = (unsigned)rc;
    }
    return (int)count;
}

int weir__virtual_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    for (unsigned i = 0; i < count; i++) {
        ssize_t rc = weir__virtual_recvmsg(fd, &messages[i].msg_hdr, flags);
        if (rc < 0)
            return i == 0 ? (int)rc : (int)i;
        messages[i].msg_len = (unsigned)rc;
    }
    return (int)count;
}
