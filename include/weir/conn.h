/*
 * weir/conn.h - connected streams of bytes
 *
 *     weir_conn *conn;
 *     int rc = weir_connect("example.com", 80, NULL, &conn);
 *     if (rc < 0)
 *         return rc;
 *     rc = weir_conn_write_all(conn, request, strlen(request), NULL);
 *     ...
 *     weir_conn_close(conn);
 *
 * No wait for the other side is endless: when no byte moves for the time set in the options, the
 * call returns -ETIMEDOUT and weir_failure_message() says who was waited for. A limit for a whole
 * exchange is a scope around it (weir/scope.h). -ECANCELED always means the caller's own scope.
 */
#ifndef WEIR_CONN_H
#define WEIR_CONN_H

#include <weir/address.h>

/**
 * A connected stream of bytes. One task may read and another write at the same time.
 *
 * It belongs to the loop it was made on.
 */
typedef struct weir_conn weir_conn;

/** How to connect. Zero is the default of each field; WEIR_FOREVER takes a limit away. */
typedef struct weir_connect_options {
    int64_t connect_timeout_ns;     /* looking up and connecting, together; 0: 5 s */
    int64_t read_idle_timeout_ns;   /* a read that gets no byte; 0: 10 s */
    int64_t write_stall_timeout_ns; /* a write of which no byte is taken; 0: 10 s */
    bool takes_fds;                 /* Unix: descriptors may come, see weir_conn_recv_fds() */
} weir_connect_options;

/** What the kernel is told about a connection. Durations are rounded up to what it counts in. */
typedef enum weir_conn_option {
    WEIR_CONN_NO_DELAY,              /* small writes go at once: 1, the default, or 0 */
    WEIR_CONN_KEEPALIVE,             /* a silent peer is asked whether it lives: 1, the default */
    WEIR_CONN_KEEPALIVE_IDLE_NS,     /* after so much silence; 30 s */
    WEIR_CONN_KEEPALIVE_INTERVAL_NS, /* and again after this; 10 s */
    WEIR_CONN_KEEPALIVE_COUNT,       /* gone after so many questions; 3 */
    WEIR_CONN_USER_TIMEOUT_NS,       /* gone when it acknowledges nothing for this; 60 s, or the
                                        write limit where that is more; 0: as the kernel likes */
    WEIR_CONN_SEND_BUFFER_BYTES,     /* fixed from then on; the kernel doubles it */
    WEIR_CONN_RECEIVE_BUFFER_BYTES,  /* as above */
    WEIR_CONN_TRAFFIC_CLASS,         /* 0 to 255: the DSCP, shifted left by 2 */
} weir_conn_option;

/** How a connection is doing. What only TCP knows is 0 for a Unix one. */
typedef struct weir_conn_stats {
    uint64_t unread_bytes;  /* came, and were not read yet */
    uint64_t unacked_bytes; /* written, and not acknowledged (Unix: read) by the peer */
    int64_t rtt_ns;         /* smoothed round trip */
    int64_t rtt_variance_ns;
    int64_t rtt_min_ns;
    uint64_t retransmitted_segments; /* since it was connected */
    uint64_t unacked_segments;
    uint64_t lost_segments; /* at present believed lost */
    uint64_t acked_bytes;
    uint64_t received_bytes;
    uint64_t delivery_bytes_per_s; /* how fast the peer has taken data of late */
} weir_conn_stats;

WEIR_BEGIN_DECLS

/**
 * Connect to a port of a host.
 *
 * A host with several addresses is tried in the resolver's order, the next one 250 ms after the one
 * before, or at once when that one has failed; the first that answers is taken, the others are
 * closed (RFC 8305). The connection has TCP_NODELAY, and keepalive probes: a peer that is gone
 * without a word is noticed within a minute, whoever waits.
 *
 * @param host      a name or an address literal, without brackets
 * @param port      1 to 65535
 * @param options   borrowed; NULL for the defaults
 * @param out_conn  closed by the caller with weir_conn_close()
 *
 * Returns     0 or a negative errno; weir_failure_message() names the place
 * Errors      -ECONNREFUSED  nobody listens there
 *             -ETIMEDOUT     no connection within the time, looking the name up included
 *             -EHOSTUNREACH  no route, or no name server answered
 *             -ENETUNREACH   no route to that network
 *             -ENXIO         the name does not exist, or has no address
 *             -EADDRNOTAVAIL no local port is left, or the address cannot be reached from here
 *             -EMFILE, -ENFILE  no descriptor is left
 *             -EINVAL        an option, the name or the port is impossible
 *             -EBUSY         too many names are being looked up
 *             -ENOMEM        no memory
 *             -ECANCELED     the caller's scope is cancelled
 *             -EPERM         called outside a task
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      connect(2); RFC 8305; rules O4, O5
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_connect(const char *host, uint16_t port,
                                                          const weir_connect_options *options,
                                                          weir_conn **out_conn);

/**
 * Connect to an address.
 *
 * @param address   where to; from weir_address_parse() or weir_resolve()
 * @param options   borrowed; NULL for the defaults
 * @param out_conn  closed by the caller with weir_conn_close()
 *
 * Returns     0 or a negative errno
 * Errors      as weir_connect(), but for those about names, and
 *             -ENOENT  there is no Unix socket of that name
 * Checkpoint  always
 * Thread      a loop's, in a task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_connect_address(
    const weir_address *address, const weir_connect_options *options, weir_conn **out_conn);

/**
 * Make a connection of a descriptor that is connected already: of another library, of an earlier
 * process, or one that came with weir_conn_recv_fds(). It is made non-blocking and close-on-exec,
 * and a TCP one is set up like any other.
 *
 * @param fd        taken, also on failure: a socket of a stream
 * @param options   borrowed; NULL for the defaults; connect_timeout_ns does not apply
 * @param out_conn  closed by the caller with weir_conn_close()
 *
 * Returns     0 or a negative errno; weir_failure_message() says what the descriptor is
 * Errors      -ENOTSOCK    not a socket
 *             -EPROTOTYPE  not one of a stream
 *             -ENOTCONN    not connected
 *             -EINVAL      it listens, or an option is impossible
 *             -EBADF       not open
 *             -ENOMEM      no memory
 *             -EPERM       no loop runs on this thread
 * Checkpoint  no
 * Thread      a loop's
 */
WEIR_API WEIR_MUST_CHECK int weir_conn_adopt(int fd, const weir_connect_options *options,
                                             weir_conn **out_conn);

/**
 * Read what is there, or wait until something is.
 *
 * @param conn        open
 * @param out_buffer  at least one byte of it is written when this returns more than 0
 * @param size        not 0
 *
 * Returns     how many bytes; 0 when the peer has finished sending; or a negative errno
 * Errors      -ECONNRESET  the peer has dropped the connection
 *             -ETIMEDOUT   no byte came within the read limit, or the peer is gone
 *             -EBADF       another task closed the connection meanwhile
 *             -EBUSY       another task reads from it
 *             -EINVAL      size is 0
 *             -ECANCELED   the caller's scope is cancelled; nothing was read
 *             -EPERM       called outside a task, or on another loop
 * Checkpoint  always
 * Thread      the connection's loop, in a task
 * Source      rules O1 to O5
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK ssize_t weir_conn_read(weir_conn *conn, void *out_buffer,
                                                                size_t size);

/**
 * Read exactly so many bytes.
 *
 * @param conn        open
 * @param out_buffer  filled from its start, as far as out_read says
 * @param size        0 reads nothing
 * @param out_read    how many bytes are in the buffer, right whatever is returned; may be NULL
 *
 * Returns     0 when the buffer is full, or a negative errno
 * Errors      -EPIPE  the peer finished sending before
 *             others  as weir_conn_read(); -ECANCELED leaves what was read in the buffer
 * Checkpoint  when size is not 0
 * Thread      the connection's loop, in a task
 * Source      rule O6
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_conn_read_exact(weir_conn *conn, void *out_buffer,
                                                                  size_t size, size_t *out_read);

/**
 * Read until there is enough, and take what else has come.
 *
 * @param conn        open
 * @param out_buffer  filled from its start, as far as out_read says
 * @param size        room
 * @param enough      0 reads nothing
 * @param out_read    how many bytes are in the buffer, right whatever is returned; may be NULL
 *
 * Returns     0 when there are `enough` or more, or a negative errno
 * Errors      -EINVAL  `enough` is more than `size`
 *             others   as weir_conn_read_exact()
 * Checkpoint  when `enough` is not 0
 * Thread      the connection's loop, in a task
 * Source      rule O6
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_conn_read_at_least(weir_conn *conn,
                                                                     void *out_buffer, size_t size,
                                                                     size_t enough,
                                                                     size_t *out_read);

/**
 * Wait until a read would not wait, and read nothing.
 *
 * @param conn  open
 *
 * Returns     1 when there are bytes, 0 when the peer has finished sending; or a negative errno
 * Errors      as weir_conn_read()
 * Checkpoint  always
 * Thread      the connection's loop, in a task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_conn_wait_readable(weir_conn *conn);

/**
 * Look at what has come, where it lies: nothing is copied, and a read gives the same bytes.
 *
 * @param conn  open
 *
 * Returns     the first of it, as far as it lies in one piece, valid until the next call that reads
 *             or skips; empty when nothing is there
 * Checkpoint  no
 * Thread      the connection's loop
 */
WEIR_API weir_str weir_conn_peek(weir_conn *conn);

/**
 * Be done with the first bytes of what weir_conn_peek() shows.
 *
 * @param conn  open; no task reads from it
 * @param size  not more than were shown
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL  more than weir_conn_peek() shows
 *             -EBUSY   another task reads from it
 *             -EBADF   closed
 *             -EPERM   called on another loop
 * Checkpoint  no
 * Thread      the connection's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_conn_skip(weir_conn *conn, size_t size);

/**
 * Write all of it. Returning means that the kernel has it, not that the peer does.
 *
 * @param conn         open
 * @param data         unchanged until this returns
 * @param size         0 writes nothing
 * @param out_written  how many bytes the kernel took, right whatever is returned; may be NULL
 *
 * Returns     0 or a negative errno
 * Errors      -EPIPE      the peer has closed the connection, or weir_conn_finish() was called
 *             -ECONNRESET the peer has dropped the connection
 *             -ETIMEDOUT  no byte was taken within the write limit, or the peer is gone
 *             -EBADF      another task closed the connection meanwhile
 *             -EBUSY      another task writes to it
 *             -ECANCELED  the caller's scope is cancelled; out_written says how far it came
 *             -EPERM      called outside a task, or on another loop
 * Checkpoint  when size is not 0
 * Thread      the connection's loop, in a task
 * Source      rules O1 to O6
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_conn_write_all(weir_conn *conn, const void *data,
                                                                 size_t size, size_t *out_written);

/**
 * Write several pieces, one after another, in as few system calls as they take (writev).
 *
 * @param conn         open
 * @param parts        borrowed; empty ones are skipped
 * @param count        of parts
 * @param out_written  over all parts, right whatever is returned; may be NULL
 *
 * Returns     0 or a negative errno
 * Errors      as weir_conn_write_all(), and
 *             -EINVAL  the parts are together larger than SSIZE_MAX
 * Checkpoint  when there is anything to write
 * Thread      the connection's loop, in a task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_conn_write_parts(weir_conn *conn,
                                                                   const weir_str *parts,
                                                                   size_t count,
                                                                   size_t *out_written);

/**
 * Say that nothing more will be written (half-close); reading goes on.
 *
 * @param conn  open; no task writes to it
 *
 * Returns     0 or a negative errno
 * Errors      -ENOTCONN  the peer has dropped the connection
 *             -EBUSY     another task writes to it
 *             -EPERM     called on another loop
 * Checkpoint  no
 * Thread      the connection's loop
 * Source      shutdown(2)
 */
WEIR_API WEIR_MUST_CHECK int weir_conn_finish(weir_conn *conn);

/**
 * Close a connection. What was written is still sent. What was not read is lost, and the peer may
 * then hear a reset (RFC 1122 section 4.2.2.13).
 *
 * A task that waits for it at this moment gets -EBADF.
 *
 * @param conn  taken; NULL does nothing
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the connection's loop
 * Source      rule O8
 */
WEIR_API void weir_conn_close(weir_conn *conn);

/**
 * Close a connection so that the peer gets everything: say that nothing more will be written, throw
 * away what still comes until the peer has finished too, then close. A plain close while bytes of
 * the peer are unread, or on their way, can make it lose what was written last.
 *
 * It is closed whatever is returned.
 *
 * @param conn        taken; NULL does nothing; no other task uses it
 * @param timeout_ns  how long the peer may take; 0: 2 s
 *
 * Returns     0 when the peer has finished, or a negative errno
 * Errors      -ETIMEDOUT   it has not; the connection's read limit counts as well
 *             -ECONNRESET  it has dropped the connection
 *             -ENOTCONN    it was gone already
 *             -EBUSY       another task uses it
 *             -EINVAL      the time is negative
 *             -ECANCELED   the caller's scope is cancelled
 *             -EPERM       called outside a task, or on another loop
 * Checkpoint  always, but for NULL
 * Thread      the connection's loop, in a task
 * Source      RFC 9112 section 9.6
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_conn_shutdown(weir_conn *conn,
                                                                int64_t timeout_ns);

/**
 * Drop a connection: what was written and not yet sent is lost, and the peer of a TCP connection
 * hears a reset instead of an end. Tasks that wait for it get -EBADF.
 *
 * @param conn  taken; NULL does nothing
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the connection's loop
 * Source      RFC 9293 section 3.10.5; rule O8
 */
WEIR_API void weir_conn_abort(weir_conn *conn);

/**
 * Set an option of the socket.
 *
 * @param conn    open
 * @param option  what to set
 * @param value   a number, a duration in nanoseconds, or 0 and 1, as the option says
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL      no such option, or a value it cannot have
 *             -EOPNOTSUPP  this kind of connection has no such option
 *             -EBADF       closed
 *             -EPERM       called on another loop
 * Checkpoint  no
 * Thread      the connection's loop
 * Source      socket(7), tcp(7), ip(7)
 */
WEIR_API WEIR_MUST_CHECK int weir_conn_set_option(weir_conn *conn, weir_conn_option option,
                                                  int64_t value);

/**
 * An option of the socket as it is now.
 *
 * @param conn       open
 * @param option     which
 * @param out_value  written on success, in the unit that weir_conn_set_option() takes
 *
 * Returns     0 or a negative errno
 * Errors      as weir_conn_set_option()
 * Checkpoint  no
 * Thread      the connection's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_conn_get_option(const weir_conn *conn, weir_conn_option option,
                                                  int64_t *out_value);

/**
 * How a connection is doing.
 *
 * @param conn       open
 * @param out_stats  written on success
 *
 * Returns     0 or a negative errno
 * Errors      -EBADF  closed
 * Checkpoint  no
 * Thread      the connection's loop
 * Source      tcp(7), TCP_INFO
 */
WEIR_API WEIR_MUST_CHECK int weir_conn_stats_get(const weir_conn *conn, weir_conn_stats *out_stats);

/**
 * Change the limits of a connection, from the next call on it. WEIR_CONN_USER_TIMEOUT_NS is set
 * anew with the write limit.
 *
 * @param conn            open
 * @param read_idle_ns    0 leaves it; WEIR_FOREVER takes it away
 * @param write_stall_ns  0 leaves it; WEIR_FOREVER takes it away
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL  a limit is negative; nothing is changed
 * Checkpoint  no
 * Thread      the connection's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_conn_set_limits(weir_conn *conn, int64_t read_idle_ns,
                                                  int64_t write_stall_ns);

/**
 * The other side.
 *
 * @param conn  open
 *
 * Returns     valid as long as the connection
 * Checkpoint  no
 * Thread      the connection's loop
 */
WEIR_API const weir_address *weir_conn_peer_address(const weir_conn *conn);

/**
 * This side.
 *
 * @param conn         open
 * @param out_address  written on success
 *
 * Returns     0 or a negative errno
 * Errors      what getsockname(2) says
 * Checkpoint  no
 * Thread      the connection's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_conn_local_address(const weir_conn *conn,
                                                     weir_address *out_address);

WEIR_END_DECLS

#endif
