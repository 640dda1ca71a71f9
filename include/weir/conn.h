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
} weir_connect_options;

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
 * Change the limits of a connection, from the next call on it.
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
