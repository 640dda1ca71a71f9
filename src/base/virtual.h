/*
 * virtual.h - descriptors that no kernel knows: of a simulated network or disk
 *
 * A test may put another world in the kernel's place. Its descriptors have numbers that no real one
 * can have, so every call of sys.h that takes a descriptor knows by the number whom to ask; those
 * that make a socket ask whether the calling thread has a network of its own. Above this door
 * nobody can tell.
 *
 * A network belongs to the thread of one simulated loop. The functions here hide from fault points
 * what the simulation itself allocates: what it stands for is not weir's memory.
 *
 * Runs on  the thread that installed the network.
 */
#ifndef WEIR__BASE_VIRTUAL_H
#define WEIR__BASE_VIRTUAL_H

#include <sys/socket.h>
#include <weir/base.h>

enum {
    WEIR__VIRTUAL_SOCKET_FIRST = 1 << 24,
};

/* What a simulated name server says. */
enum { WEIR__VIRTUAL_ADDRESSES_MAX = 4 };
struct weir__virtual_answer {
    int rc;           /* 0, or what the look-up comes to */
    int64_t delay_ns; /* after so long */
    size_t count;
    struct sockaddr_storage addresses[WEIR__VIRTUAL_ADDRESSES_MAX];
    socklen_t sizes[WEIR__VIRTUAL_ADDRESSES_MAX];
};

/* A simulated network: what the calls of sys.h with the same names mean there. */
struct weir__virtual_net {
    int (*socket)(struct weir__virtual_net *net, int family, int type);
    int (*pair)(struct weir__virtual_net *net, int type, int out_fds[2]); /* of Unix sockets */
    int (*close)(struct weir__virtual_net *net, int fd);
    int (*bind)(struct weir__virtual_net *net, int fd, const struct sockaddr *address,
                socklen_t size);
    int (*listen)(struct weir__virtual_net *net, int fd, int backlog);
    int (*accept)(struct weir__virtual_net *net, int fd, struct sockaddr *out_address,
                  socklen_t *size);
    int (*connect)(struct weir__virtual_net *net, int fd, const struct sockaddr *address,
                   socklen_t size);
    ssize_t (*recvmsg)(struct weir__virtual_net *net, int fd, struct msghdr *message, int flags);
    ssize_t (*sendmsg)(struct weir__virtual_net *net, int fd, const struct msghdr *message,
                       int flags);
    int (*shutdown)(struct weir__virtual_net *net, int fd, int how);
    int (*set_option)(struct weir__virtual_net *net, int fd, int level, int option, int value);
    int (*get_option)(struct weir__virtual_net *net, int fd, int level, int option, int *out_value);
    int (*reset_on_close)(struct weir__virtual_net *net, int fd);
    int (*unsent_bytes)(struct weir__virtual_net *net, int fd, int *out_bytes);
    /* The socket's own name, or its peer's. */
    int (*name)(struct weir__virtual_net *net, int fd, bool peer, struct sockaddr *out_address,
                socklen_t *size);
    /* 0: it is answered; -ENOENT: this network has no names at all. */
    int (*lookup)(struct weir__virtual_net *net, const char *name,
                  struct weir__virtual_answer *out_answer);
};

/* The calling thread's network from now on; NULL: the kernel's again. */
void weir__virtual_install(struct weir__virtual_net *net);
bool weir__virtual_installed(void);

static inline bool weir__is_virtual(int fd)
{
    return __builtin_expect(fd >= WEIR__VIRTUAL_SOCKET_FIRST, 0);
}
/* Virtual descriptors that are open in this process, those of a network that has gone included:
 * nobody closed them. */
int weir__virtual_open_count(void);
void weir__virtual_count_open(int by);

/* As their namesakes in sys.h; -EBADF where the thread has no such network. */
int weir__virtual_socket(int family, int type);
int weir__virtual_pair(int type, int out_fds[2]);
int weir__virtual_close(int fd);
int weir__virtual_bind(int fd, const struct sockaddr *address, socklen_t size);
int weir__virtual_listen(int fd, int backlog);
int weir__virtual_accept(int fd, struct sockaddr *out_address, socklen_t *size);
int weir__virtual_connect(int fd, const struct sockaddr *address, socklen_t size);
ssize_t weir__virtual_recv(int fd, void *buffer, size_t size, int flags);
ssize_t weir__virtual_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t weir__virtual_send(int fd, const void *buffer, size_t size, int flags);
ssize_t weir__virtual_sendmsg(int fd, const struct msghdr *message, int flags);
int weir__virtual_shutdown(int fd, int how);
int weir__virtual_set_option(int fd, int level, int option, int value);
int weir__virtual_get_option(int fd, int level, int option, int *out_value);
int weir__virtual_setsockopt(int fd, int level, int option, const void *value, socklen_t size);
int weir__virtual_getsockopt(int fd, int level, int option, void *out_value, socklen_t *size);
int weir__virtual_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
int weir__virtual_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
int weir__virtual_reset_on_close(int fd);
int weir__virtual_unsent_bytes(int fd, int *out_bytes);
int weir__virtual_name(int fd, bool peer, struct sockaddr *out_address, socklen_t *size);
/* 0: answered by a simulated name server; negative: there is none on this thread. */
int weir__virtual_lookup(const char *name, struct weir__virtual_answer *out_answer);

#endif
