/*
 * weir/unix.h - what connections within one machine can do beside carrying bytes
 *
 *     weir_fds fds;
 *     ssize_t n = weir_conn_recv_fds(conn, buffer, sizeof buffer, &fds);
 *     if (n > 0 && fds.count == 1)
 *         rc = weir_listener_adopt(fds.at[0], NULL, &listener); // from now on the listener's
 *
 * Addresses such as `unix:/run/x.sock` and `unix:@name` work wherever one is taken: weir_connect_
 * address(), weir_listener_open(), weir_datagram_open().
 */
#ifndef WEIR_UNIX_H
#define WEIR_UNIX_H

#include <sys/types.h>
#include <weir/conn.h>

enum {
    /** Descriptors that come or go with one call. */
    WEIR_FDS_MAX = 32,
};

/** Descriptors that came with bytes. The caller's: each is closed or handed on, once. */
typedef struct weir_fds {
    size_t count;
    bool lost; /* others were sent, and closed: more than fit, or none was free in this process */
    int at[WEIR_FDS_MAX];
} weir_fds;

/** Who a process on this machine is. */
typedef struct weir_credentials {
    pid_t pid; /* may have ended since, and be another one's */
    uid_t uid;
    gid_t gid;
} weir_credentials;

WEIR_BEGIN_DECLS

/**
 * Open two connections to each other.
 *
 * @param options    borrowed; NULL for the defaults; connect_timeout_ns does not apply
 * @param out_conn   closed by the caller with weir_conn_close()
 * @param out_other  as above
 *
 * Returns     0 or a negative errno
 * Errors      -EMFILE, -ENFILE  no descriptor is left
 *             -EINVAL           an option is impossible
 *             -ENOMEM           no memory
 *             -EPERM            no loop runs on this thread
 * Checkpoint  no
 * Thread      a loop's
 * Source      socketpair(2)
 */
WEIR_API WEIR_MUST_CHECK int weir_conn_pair(const weir_connect_options *options,
                                            weir_conn **out_conn, weir_conn **out_other);

/**
 * Write bytes and send descriptors with them. The other process gets descriptors of its own, which
 * mean the same; the caller keeps these, and may close them when this has returned.
 *
 * @param conn         open, a Unix one
 * @param data         unchanged until this returns
 * @param size         not 0: descriptors travel with a byte
 * @param fds          borrowed
 * @param count        not more than WEIR_FDS_MAX
 * @param out_written  how many bytes the kernel took, right whatever is returned; the descriptors
 *                     went with the first; may be NULL
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL        no byte, or too many descriptors
 *             -EOPNOTSUPP    not a Unix connection, or one with TLS
 *             -EBADF         one of them is not open, or another task closed the connection
 *             -ETOOMANYREFS  too many are on their way already
 *             others         as weir_conn_write_all()
 * Checkpoint  always
 * Thread      the connection's loop, in a task
 * Source      unix(7), SCM_RIGHTS; rules O1 to O6
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_conn_send_fds(weir_conn *conn, const void *data,
                                                                size_t size, const int *fds,
                                                                size_t count, size_t *out_written);

/**
 * Read what is there, or wait until something is, with the descriptors that were sent with it.
 *
 * They are closed on exec. One call gets those of one send, and no bytes of the next one that has
 * some. A plain read drops them: they are closed.
 *
 * @param conn        opened with takes_fds
 * @param out_buffer  at least one byte of it is written when this returns more than 0
 * @param size        not 0
 * @param out_fds     written when this returns more than 0
 *
 * Returns     how many bytes; 0 when the peer has finished sending; or a negative errno
 * Errors      -EOPNOTSUPP  it was opened without takes_fds
 *             others       as weir_conn_read()
 * Checkpoint  always
 * Thread      the connection's loop, in a task
 * Source      unix(7), SCM_RIGHTS; rules O1 to O5
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK ssize_t weir_conn_recv_fds(weir_conn *conn,
                                                                    void *out_buffer, size_t size,
                                                                    weir_fds *out_fds);

/**
 * Close descriptors that came and are not wanted. Those set to -1 are left out.
 *
 * @param fds  its count is 0 afterwards
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any
 */
WEIR_API void weir_fds_close(weir_fds *fds);

/**
 * Who is at the other end: the process that connected, or that listened, at that moment.
 *
 * @param conn             open, a Unix one
 * @param out_credentials  written on success
 *
 * Returns     0 or a negative errno
 * Errors      -EOPNOTSUPP  not a Unix connection
 *             -EBADF       closed
 * Checkpoint  no
 * Thread      the connection's loop
 * Source      unix(7), SO_PEERCRED
 */
WEIR_API WEIR_MUST_CHECK int weir_conn_peer_credentials(const weir_conn *conn,
                                                        weir_credentials *out_credentials);

WEIR_END_DECLS

#endif
