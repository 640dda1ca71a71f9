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
