/*
 * weir/datagram.h - messages that arrive whole, in any order, or not at all: UDP and Unix
 *
 *     weir_datagram *socket;
 *     int rc = weir_datagram_open(&(weir_datagram_options){.address = "0.0.0.0:5300"}, &socket);
 *     ...
 *     ssize_t n = weir_datagram_recv_from(socket, buffer, sizeof buffer, &from);
 *     if (n >= 0)
 *         rc = weir_datagram_send_to(socket, buffer, (size_t)n, &from);
 *
 * A wait for a datagram has a limit, 10 s unless the options say otherwise: what was sent may be
 * lost, and nobody would ever tell. A server that may be idle for long writes WEIR_FOREVER.
 */
#ifndef WEIR_DATAGRAM_H
#define WEIR_DATAGRAM_H

#include <weir/address.h>

/**
 * A socket for datagrams. Any number of tasks may send and receive at the same time; each datagram
 * goes to one of them.
 *
 * It belongs to the loop it was made on.
 */
typedef struct weir_datagram weir_datagram;

/** How to open one. Zero is the default of each field; WEIR_FOREVER takes a limit away. */
typedef struct weir_datagram_options {
    const char *address;    /* as weir_address_parse(); NULL: "127.0.0.1:0" to open, any free one to
                            connect */
    bool reuse_port;        /* several sockets share the address; UDP: each datagram goes to one of
                            them, a multicast to all */
    bool ipv6_only;         /* an IPv6 socket takes no IPv4 datagrams, which come from
                            ::ffff:a.b.c.d */
    bool broadcast;         /* sending to a broadcast address is allowed */
    bool no_multicast_loop; /* what this socket sends to a group does not come back to this host */
    int multicast_hops;     /* how far that goes; 0: 1, this network only */
    unsigned interface;     /* index of the one that multicasts go out by; 0: the system chooses */
    int receive_buffer_bytes; /* 0: the system's; it has a limit too (net.core.rmem_max) */
    int send_buffer_bytes;    /* as above */
    unsigned unix_mode;       /* of a Unix socket's file, 0600 for example; 0: what umask leaves */
    int64_t receive_timeout_ns; /* nothing came; 0: 10 s */
    int64_t send_timeout_ns;    /* no room; 0: 10 s */
} weir_datagram_options;

/** One datagram to be received; the first two fields are filled by the caller. */
typedef struct weir_datagram_incoming {
    void *buffer;
    size_t buffer_bytes;
    size_t size;       /* how many bytes of it are in the buffer */
    size_t whole_size; /* how many were sent: more than `size` when the buffer was too small */
    weir_address from; /* zeroed: the sender has no address (Unix) */
} weir_datagram_incoming;

/** One datagram to be sent. */
typedef struct weir_datagram_outgoing {
    const void *data;
    size_t size;
    const weir_address *to; /* NULL: the peer it is connected with */
} weir_datagram_outgoing;

/** What a socket did so far. */
typedef struct weir_datagram_stats {
    uint64_t received;
    uint64_t sent;
    uint64_t cut;     /* of the received, those that were longer than the buffer */
    uint64_t dropped; /* by the kernel, for want of room in its buffer; 0 where it does not say */
    int receive_buffer_bytes; /* what the kernel made of the options; its own costs count in it */
    int send_buffer_bytes;
} weir_datagram_stats;

WEIR_BEGIN_DECLS

/**
 * Open a socket at an address of this machine; it takes datagrams from anybody.
 *
 * The file of a Unix socket that nobody has open is removed first; the file of this one stays when
 * it is closed.
 *
 * @param options       borrowed; NULL for the defaults
 * @param out_datagram  closed by the caller with weir_datagram_close()
 *
 * Returns     0 or a negative errno; weir_failure_message() names the address
 * Errors      -EADDRINUSE     another socket has the address
 *             -EADDRNOTAVAIL  the address is not of this machine
 *             -EACCES         the port is below 1024 and this process may not have it, or no right
 *                             to the folder
 *             -EMFILE, -ENFILE  no descriptor is left
 *             -EINVAL         an option is impossible
 *             -ENOMEM         no memory
 *             -EPERM          no loop runs on this thread
 * Checkpoint  no
 * Thread      a loop's
 * Source      bind(2), udp(7), unix(7)
 */
WEIR_API WEIR_MUST_CHECK int weir_datagram_open(const weir_datagram_options *options,
                                                weir_datagram **out_datagram);

/**
 * Open a socket that speaks with one peer: it receives from no other, and hears when a port is
 * closed. Nothing is sent by this. A Unix one gets an abstract name, so that it can be answered.
 *
 * @param peer          from weir_address_parse() or weir_resolve()
 * @param options       borrowed; NULL for the defaults
 * @param out_datagram  closed by the caller with weir_datagram_close()
 *
 * Returns     0 or a negative errno; weir_failure_message() names the peer
 * Errors      as weir_datagram_open(), and
 *             -ENETUNREACH   no route to that network
 *             -EHOSTUNREACH  no route to that host
 *             -ENOENT        there is no Unix socket of that name
 *             -ECONNREFUSED  nobody has that Unix socket open
 * Checkpoint  no
 * Thread      a loop's
 * Source      connect(2)
 */
WEIR_API WEIR_MUST_CHECK int weir_datagram_connect(const weir_address *peer,
                                                   const weir_datagram_options *options,
                                                   weir_datagram **out_datagram);

/**
 * Receive one datagram.
 *
 * @param datagram    open
 * @param out_buffer  filled from its start
 * @param size        room; 65,535 takes whatever UDP can carry
 * @param out_from    who sent it; zeroed when a Unix sender has no address; may be NULL
 *
 * Returns     how many bytes, 0 for an empty datagram; or a negative errno
 * Errors      -EMSGSIZE      it was longer than the buffer, which holds its beginning; out_from is
 *                            written; the rest is gone
 *             -ETIMEDOUT     none came within the limit
 *             -ECONNREFUSED  connected: the peer's port is closed, it says to something sent before
 *             -EHOSTUNREACH, -ENETUNREACH  connected: the same, from a router
 *             -EBADF         another task closed the socket meanwhile
 *             -EINVAL        there is no buffer
 *             -ECANCELED     the caller's scope is cancelled; no datagram was taken
 *             -EPERM         called outside a task, or on another loop
 * Checkpoint  always
 * Thread      the socket's loop, in a task
 * Source      recvmsg(2); RFC 1122 section 4.1.3.3; rules O1 to O5
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK ssize_t weir_datagram_recv_from(weir_datagram *datagram,
                                                                         void *out_buffer,
                                                                         size_t size,
                                                                         weir_address *out_from);

/**
 * Receive one datagram or more: wait for the first, and take what else is there, up to 32 of them
 * with one system call.
 *
 * One that was longer than its buffer is no error here: its whole_size says so.
 *
 * @param datagram  open
 * @param messages  `buffer` and `buffer_bytes` are read, the others written, in order from the
 *                  first
 * @param count     of messages; not 0
 *
 * Returns     how many came; or a negative errno, and then none was taken
 * Errors      as weir_datagram_recv_from(), but for -EMSGSIZE
 * Checkpoint  always
 * Thread      the socket's loop, in a task
 * Source      recvmmsg(2); rules O1 to O5
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK ssize_t
weir_datagram_recv_many(weir_datagram *datagram, weir_datagram_incoming *messages, size_t count);

/**
 * Send one datagram. It goes as a whole or not at all; that it went does not say that it came.
 *
 * @param datagram  open
 * @param data      unchanged until this returns
 * @param size      0 sends an empty one
 * @param to        NULL: the peer it is connected with
 *
 * Returns     0 or a negative errno
 * Errors      -EMSGSIZE      too long for one datagram
 *             -EDESTADDRREQ  no address, and not connected
 *             -ECONNREFUSED  connected: the port was closed for an earlier one, this one was not
 *                            sent; or nobody has that Unix socket open
 *             -ENETUNREACH, -EHOSTUNREACH  no route
 *             -EACCES        a broadcast address, and the option is not set
 *             -ENOENT        there is no Unix socket of that name
 *             -ETIMEDOUT     no room within the limit: a Unix receiver does not read
 *             -ENOBUFS       the network device's queue is full
 *             -EBADF         another task closed the socket meanwhile
 *             -ECANCELED     the caller's scope is cancelled; it was not sent
 *             -EPERM         called outside a task, or on another loop; or a firewall forbids it
 * Checkpoint  always
 * Thread      the socket's loop, in a task
 * Source      sendmsg(2); rules O1 to O5
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_datagram_send_to(weir_datagram *datagram,
                                                                   const void *data, size_t size,
                                                                   const weir_address *to);

/**
 * Send several datagrams in order, up to 32 of them with one system call.
 *
 * @param datagram  open
 * @param messages  borrowed
 * @param count     of messages; 0 sends nothing
 * @param out_sent  how many went, right whatever is returned; may be NULL
 *
 * Returns     0 when all went, or what the first that did not go came to
 * Errors      as weir_datagram_send_to()
 * Checkpoint  always
 * Thread      the socket's loop, in a task
 * Source      sendmmsg(2); rule O6
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_datagram_send_many(
    weir_datagram *datagram, const weir_datagram_outgoing *messages, size_t count,
    size_t *out_sent);

/**
 * Join a multicast group: what is sent to it, and to this socket's port, arrives here.
 *
 * @param datagram   open at the port of the group, at the group's or the wildcard address; with
 *                   reuse_port when others on this host do the same
 * @param group      224.0.0.0/4 or ff00::/8; its port does not matter
 * @param interface  index of the one to hear it on, see weir_interfaces(); 0: the system chooses
 *
 * Returns     0 or a negative errno; weir_failure_message() names the group
 * Errors      -EINVAL      not a multicast address of this socket's family
 *             -EADDRINUSE  joined already
 *             -ENODEV      no such interface, or none that leads to the group
 *             -ENOBUFS     more groups than one socket may join
 *             -EPERM       called on another loop
 * Checkpoint  no
 * Thread      the socket's loop
 * Source      ip(7), ipv6(7); RFC 3376
 */
WEIR_API WEIR_MUST_CHECK int weir_datagram_join(weir_datagram *datagram, const weir_address *group,
                                                unsigned interface);

/**
 * Leave a multicast group. Closing leaves all.
 *
 * @param datagram   open
 * @param group      as it was joined
 * @param interface  as it was joined
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL         not a multicast address of this socket's family
 *             -EADDRNOTAVAIL  not joined
 *             -EPERM          called on another loop
 * Checkpoint  no
 * Thread      the socket's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_datagram_leave(weir_datagram *datagram, const weir_address *group,
                                                 unsigned interface);

/**
 * This side's address, with the real port when 0 was asked for.
 *
 * @param datagram  open
 *
 * Returns     valid as long as the socket
 * Checkpoint  no
 * Thread      the socket's loop
 */
WEIR_API const weir_address *weir_datagram_address(const weir_datagram *datagram);

/**
 * What the socket did so far.
 *
 * @param datagram   open
 * @param out_stats  written
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the socket's loop
 */
WEIR_API void weir_datagram_stats_get(const weir_datagram *datagram,
                                      weir_datagram_stats *out_stats);

/**
 * Change the limits of a socket, from the next call on it.
 *
 * @param datagram    open
 * @param receive_ns  0 leaves it; WEIR_FOREVER takes it away
 * @param send_ns     0 leaves it; WEIR_FOREVER takes it away
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL  a limit is negative; nothing is changed
 * Checkpoint  no
 * Thread      the socket's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_datagram_set_limits(weir_datagram *datagram, int64_t receive_ns,
                                                      int64_t send_ns);

/**
 * Close the socket. What was sent is on its way; what was not received is lost. Tasks that wait for
 * it get -EBADF.
 *
 * @param datagram  taken; NULL does nothing
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the socket's loop
 * Source      rule O8
 */
WEIR_API void weir_datagram_close(weir_datagram *datagram);

WEIR_END_DECLS

#endif
