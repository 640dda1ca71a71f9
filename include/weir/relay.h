/*
 * weir/relay.h - moving many bytes: a file to a connection, a connection to another
 *
 *     size_t sent;
 *     int rc = weir_conn_send_file(conn, file, 0, WEIR_UNLIMITED, &sent);
 */
#ifndef WEIR_RELAY_H
#define WEIR_RELAY_H

#include <weir/conn.h>
#include <weir/file.h>

/** How many bytes weir_relay() moved each way: those that the other side's kernel took. */
typedef struct weir_relay_counts {
    uint64_t forth; /* from the first connection to the second */
    uint64_t back;
} weir_relay_counts;

/** How to relay. Zero is the default of each field. */
typedef struct weir_relay_options {
    size_t buffer_bytes; /* for each way; 0: 64 KiB; from 64 bytes to 1 GiB */
} weir_relay_options;

WEIR_BEGIN_DECLS

/**
 * Send a stretch of a file. The kernel moves the bytes from its page cache to the connection,
 * nothing is copied through the program; what has to be fetched from the disk first is fetched on a
 * thread. A connection with a layer (TLS) and a file that the kernel cannot send are read and
 * written, in blocks of 64 KiB.
 *
 * @param conn      open
 * @param file      open to read; may be closed by others meanwhile
 * @param offset    where to begin
 * @param size      how many bytes; WEIR_UNLIMITED: to the end of the file
 * @param out_sent  how many bytes the kernel took, right whatever is returned; fewer than size with
 *                  0: the file has ended. May be NULL
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL     a negative offset
 *             -EIO, ...   the file cannot be read
 *             -ECANCELED  the caller's scope is cancelled; a read from the disk is waited for
 *             others      as weir_conn_write_all()
 * Checkpoint  always
 * Thread      the connection's loop, in a task
 * Source      sendfile(2); rules O4 to O7
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_conn_send_file(weir_conn *conn, weir_file *file,
                                                                 int64_t offset, size_t size,
                                                                 size_t *out_sent);

/**
 * Copy what comes from each of two connections to the other, until both have finished. The end of
 * one side is handed on at once (weir_conn_finish()), and the other way goes on.
 *
 * The limits of the connections hold for both ways together: as long as bytes move one way, silence
 * on the other is none. A side that does not read stops the other from being read: nothing piles up
 * but the buffer.
 *
 * @param first       open; nobody else reads or writes it meanwhile
 * @param second      likewise
 * @param options     borrowed; NULL for the defaults
 * @param out_counts  right whatever is returned; may be NULL
 *
 * Returns     0 when both have finished and all was handed on, or a negative errno: then bytes that
 *             were read and not written are lost, and both connections are of no use any more
 * Errors      first failure  of either side; its message names the peer
 *             -ETIMEDOUT     nothing came from either side for as long as its read limit
 *             -ECANCELED     the caller's scope is cancelled
 *             -EINVAL        an impossible buffer
 *             -ENOMEM        no memory
 * Checkpoint  always
 * Thread      the connections' loop, in a task
 * Source      rule O6
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_relay(weir_conn *first, weir_conn *second,
                                                        const weir_relay_options *options,
                                                        weir_relay_counts *out_counts);

WEIR_END_DECLS

#endif
