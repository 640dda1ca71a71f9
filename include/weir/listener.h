/*
 * weir/listener.h - taking connections
 */
#ifndef WEIR_LISTENER_H
#define WEIR_LISTENER_H

#include <weir/conn.h>

/** Takes connections. It belongs to the loop it was opened on. */
typedef struct weir_listener weir_listener;

/** How to listen. Zero is the default of each field. */
typedef struct weir_listener_options {
    const char *address; /* as weir_address_parse(); NULL: "127.0.0.1:0", a port that is free */
    int backlog;        /* connections that wait to be taken; 0: 4096; the kernel has a limit too */
    bool reuse_port;    /* several listeners share the port, one for each loop: SO_REUSEPORT */
    bool ipv6_only;     /* an IPv6 listener takes no IPv4 connections */
    unsigned unix_mode; /* of a Unix socket's file, 0600 for example; 0: what umask leaves */
    int inherited_fd;   /* taken, also on failure: a socket that listens already, from systemd or an
                            earlier process; 0: none. address, reuse_port, ipv6_only do not apply */
    bool takes_fds;     /* of accepted connections, Unix: see weir_conn_recv_fds() */
    int64_t read_idle_timeout_ns;   /* of accepted connections; 0: 60 s; WEIR_FOREVER */
    int64_t write_stall_timeout_ns; /* of accepted connections; 0: 30 s; WEIR_FOREVER */
} weir_listener_options;

/** What a listener did so far. */
typedef struct weir_listener_stats {
    uint64_t accepted;
    uint64_t aborted; /* connections that were gone before we had them */
    uint64_t
        exhausted; /* times that no descriptor or no memory was left, and it paused for 50 ms */
} weir_listener_stats;

WEIR_BEGIN_DECLS

/**
 * Begin to listen. From here on the kernel takes connections for us.
 *
 * @param options       borrowed; NULL for the defaults
 * @param out_listener  closed by the caller with weir_listener_close()
 *
 * Returns     0 or a negative errno; weir_failure_message() names the address
 * Errors      -EADDRINUSE     another socket has the address
 *             -EADDRNOTAVAIL  the address is not of this machine
 *             -EACCES         the port is below 1024 and this process may not have it
 *             -EMFILE, -ENFILE  no descriptor is left
 *             -EINVAL         an option is impossible
 *             -ENOMEM         no memory
 *             -EPERM          no loop runs on this thread
 * Checkpoint  no
 * Thread      a loop's
 * Source      bind(2), listen(2)
 */
WEIR_API WEIR_MUST_CHECK int weir_listener_open(const weir_listener_options *options,
                                                weir_listener **out_listener);

/**
 * Listen on a descriptor that listens already: of an earlier process, or one that came with
 * weir_conn_recv_fds(). Those who wait in its queue are not lost.
 *
 * @param fd            taken, also on failure: a socket of a stream
 * @param options       borrowed; NULL for the defaults; what is about binding does not apply
 * @param out_listener  closed by the caller with weir_listener_close()
 *
 * Returns     0 or a negative errno; weir_failure_message() says what the descriptor is
 * Errors      -ENOTSOCK    not a socket
 *             -EPROTOTYPE  not one of a stream
 *             -EINVAL      it does not listen, or an option is impossible
 *             -EBADF       not open
 *             -ENOMEM      no memory
 *             -EPERM       no loop runs on this thread
 * Checkpoint  no
 * Thread      a loop's
 */
WEIR_API WEIR_MUST_CHECK int weir_listener_adopt(int fd, const weir_listener_options *options,
                                                 weir_listener **out_listener);

/**
 * How many sockets the service manager has passed to this process: LISTEN_FDS, when LISTEN_PID is
 * this process. At most 64.
 *
 * Returns     the number; 0 when it was not started that way
 * Checkpoint  no
 * Thread      any
 * Source      sd_listen_fds(3)
 */
WEIR_API size_t weir_listener_inherited_count(void);

/**
 * Listen on a socket that the service manager has opened (systemd's socket activation).
 *
 * @param name          as in FileDescriptorName= (LISTEN_FDNAMES); NULL: whatever its name
 * @param index         from zero, among those with that name
 * @param options       borrowed; NULL for the defaults; what is about binding does not apply
 * @param out_listener  closed by the caller with weir_listener_close()
 *
 * Returns     0 or a negative errno
 * Errors      -ENOENT  none with that name was passed, or not so many
 *             -EBUSY   it was taken before
 *             others   as weir_listener_adopt(); the socket is closed then
 * Checkpoint  no
 * Thread      a loop's
 * Source      sd_listen_fds(3)
 */
WEIR_API WEIR_MUST_CHECK int weir_listener_inherit(const char *name, size_t index,
                                                   const weir_listener_options *options,
                                                   weir_listener **out_listener);

/**
 * Wait for a connection.
 *
 * Whatever passes is waited out in here: connections that are gone again are skipped; when
 * descriptors or memory are short, it pauses for 50 ms and tries again. Both are counted. So what
 * it returns ends an accept loop.
 *
 * @param listener  open; several tasks may wait
 * @param out_conn  closed by the caller with weir_conn_close()
 *
 * Returns     0 or a negative errno
 * Errors      -EBADF      another task closed the listener
 *             -ECANCELED  the caller's scope is cancelled
 *             -EPERM      called outside a task, or on another loop
 * Checkpoint  always
 * Thread      the listener's loop, in a task
 * Source      accept(2); rules O4, O5
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_listener_accept(weir_listener *listener,
                                                                  weir_conn **out_conn);

/**
 * Wait for a connection, and take its descriptor bare: to hand it on to another process, by
 * weir_conn_send_fds(), or to another loop, by weir_conn_adopt() there.
 *
 * @param listener  open; several tasks may wait
 * @param out_peer  the other side; may be NULL
 * @param out_fd    the caller's; non-blocking, closed on exec
 *
 * Returns     0 or a negative errno
 * Errors      as weir_listener_accept()
 * Checkpoint  always
 * Thread      the listener's loop, in a task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_listener_accept_fd(weir_listener *listener,
                                                                     weir_address *out_peer,
                                                                     int *out_fd);

/**
 * The descriptor, to hand it over with weir_conn_send_fds(): another process can listen with it,
 * and those who wait in its queue stay there when this one closes.
 *
 * @param listener  open
 *
 * Returns     the listener's own: not to be closed
 * Checkpoint  no
 * Thread      the listener's loop
 */
WEIR_API int weir_listener_fd(const weir_listener *listener);

/**
 * The address listened on, with the real port when 0 was asked for.
 *
 * @param listener  open
 *
 * Returns     valid as long as the listener
 * Checkpoint  no
 * Thread      the listener's loop
 */
WEIR_API const weir_address *weir_listener_address(const weir_listener *listener);

/**
 * What the listener did so far.
 *
 * @param listener   open
 * @param out_stats  written
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the listener's loop
 */
WEIR_API void weir_listener_stats_get(const weir_listener *listener,
                                      weir_listener_stats *out_stats);

/**
 * Stop listening. Connections that were accepted stay; those still waiting are reset. Tasks that
 * wait in weir_listener_accept() get -EBADF.
 *
 * @param listener  taken; NULL does nothing
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the listener's loop
 * Source      rule O8
 */
WEIR_API void weir_listener_close(weir_listener *listener);

WEIR_END_DECLS

#endif
