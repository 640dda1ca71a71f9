/*
 * layer.c - a connection that speaks TLS: reading, writing, ending
 *
 * Runs on  the connection's loop.
 * Costs    a read of a record that is there: one decryption in OpenSSL's buffer, one copy to the
 *          caller, no system call. A write: records of up to 16 KiB, four of them to one send. At
 *          rest a connection has none of OpenSSL's buffers and none of ours.
 * Holds    1. OpenSSL is called with an empty queue of errors, and the queue is read before the
 *             task parks (rule 1 of tls.h).
 *          2. `out` does not move while the kernel reads from it: OpenSSL appends to `next`, which
 *             takes its place when it is empty.
 *          3. Bytes count as written when they are encrypted: they cannot be taken back.
 */
#include "base/alloc.h"
#include "tls/tls.h"

/* --- sending ---------------------------------------------------------------------------------- */

/* Whether there is something in `out`. */
static bool refill_out(struct weir__tls *tls)
{
    if (tls->out_sent < tls->out.size)
        return true;
    struct weir__buffer empty = tls->out;
    weir__buffer_clear(&empty);
    tls->out = tls->next;
    tls->next = empty;
    tls->out_sent = 0;
    return tls->out.size > 0;
}

static void free_blocks(struct weir__tls *tls)
{
    weir__buffer_deinit(&tls->out);
    weir__buffer_deinit(&tls->next);
    tls->out_sent = 0;
}

static int fail_closed(const struct weir__tls *tls)
{
    char peer[WEIR_ADDRESS_TEXT_BYTES];
    return weir_fail(-EBADF, "the connection to %s was closed by another task",
                     weir__tls_peer(tls, peer));
}

int weir__tls_flush(struct weir__tls *tls)
{
    while (refill_out(tls)) {
        if (tls->conn->closed)
            return fail_closed(tls);
        struct iovec part = {tls->out.data + tls->out_sent, tls->out.size - tls->out_sent};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
        ssize_t sent = weir__net_raw_send(tls->conn, &message);
        if (sent < 0)
            return (int)sent;
        tls->out_sent += (size_t)sent;
    }
    free_blocks(tls);
    return 0;
}

void weir__tls_send_now(struct weir__tls *tls)
{
    if (tls->conn->write_op != NULL) // a writer is at it, and takes the rest along
        return;
    while (refill_out(tls)) {
        size_t sent = weir__net_raw_send_now(tls->conn, tls->out.data + tls->out_sent,
                                             tls->out.size - tls->out_sent);
        tls->out_sent += sent;
        if (sent == 0)
            return;
    }
    free_blocks(tls);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* As weir_conn_read(), from OpenSSL. */
static ssize_t read_decrypted(struct weir__tls *tls, void *out_buffer, size_t size)
{
    int rc = weir__core_checkpoint();
    bool waited = false;
    while (rc >= 0) {
        if (tls->failed < 0)
            return weir__tls_fail_again(tls);
        size_t got;
        ERR_clear_error();
        int result = SSL_read_ex(tls->ssl, out_buffer, size, &got);
        if (result == 1) {
            if (!waited)
                weir__core_completed_at_once();
            return (ssize_t)got;
        }
        rc = weir__tls_outcome(tls, result);
        weir__tls_send_now(tls); // an alert, that is
        if (rc == 1)
            return 0;
        if (rc < 0)
            return weir__tls_fail_again(tls);
        rc = weir__net_raw_wait(tls->conn); // 0 as well: OpenSSL judges the end
        waited = true;
    }
    return rc;
}

static size_t unread_plain(const struct weir__tls *tls)
{
    return tls->plain.size - tls->plain_at;
}

static void consume_plain(struct weir__tls *tls, size_t size)
{
    tls->plain_at += size;
    if (tls->plain_at < tls->plain.size)
        return;
    weir__buffer_deinit(&tls->plain);
    tls->plain_at = 0;
}

static ssize_t tls_read(weir_conn *conn, void *out_buffer, size_t size)
{
    struct weir__tls *tls = conn->layer_state;
    size_t there = unread_plain(tls);
    if (there == 0)
        return read_decrypted(tls, out_buffer, size);
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    size_t piece = there < size ? there : size;
    memcpy(out_buffer, tls->plain.data + tls->plain_at, piece);
    consume_plain(tls, piece);
    weir__core_completed_at_once();
    return (ssize_t)piece;
}

static int tls_wait_more(weir_conn *conn, size_t known_bytes)
{
    struct weir__tls *tls = conn->layer_state;
    if (unread_plain(tls) > known_bytes) {
        int rc = weir__core_checkpoint();
        if (rc < 0)
            return rc;
        weir__core_completed_at_once();
        return 1;
    }
    while (unread_plain(tls) <= known_bytes) {
        char *room = weir__buffer_reserve(&tls->plain, WEIR__TLS_RECORD_BYTES);
        if (room == NULL) {
            tls->plain.error = 0; // what was read before is still there
            return -ENOMEM;
        }
        ssize_t got = read_decrypted(tls, room, WEIR__TLS_RECORD_BYTES);
        if (got > 0)
            tls->plain.size += (size_t)got;
        else if (unread_plain(tls) == 0)
            consume_plain(tls, 0);
        if (got <= 0)
            return (int)got;
    }
    return 1;
}

static const char *tls_peek(weir_conn *conn, size_t *out_size)
{
    const struct weir__tls *tls = conn->layer_state;
    *out_size = unread_plain(tls);
    return *out_size == 0 ? NULL : tls->plain.data + tls->plain_at;
}

static void tls_consume(weir_conn *conn, size_t size)
{
    consume_plain(conn->layer_state, size);
}

/* A ticket or a key update may lie there, which is nobody's to read. */
static bool tls_at_rest(weir_conn *conn)
{
    struct weir__tls *tls = conn->layer_state;
    if (unread_plain(tls) > 0 || tls->failed < 0 || tls->finished || weir__tls_unsent(tls) > 0)
        return false;
    char byte;
    size_t got;
    ERR_clear_error();
    int result = SSL_peek_ex(tls->ssl, &byte, 1, &got);
    if (result == 1 || weir__tls_outcome(tls, result) != 0)
        return false;
    return weir__stream_unread(&conn->stream) == 0 && SSL_has_pending(tls->ssl) == 0;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Where a write is in its parts. */
struct cursor {
    const weir_str *parts;
    size_t count;
    size_t at;     /* in the first part */
    char *scratch; /* small parts are put together here, for one record */
};

static bool skip_empty(struct cursor *cursor)
{
    while (cursor->count > 0 && cursor->at == cursor->parts->size) {
        cursor->parts++;
        cursor->count--;
        cursor->at = 0;
    }
    return cursor->count > 0;
}

static size_t gather(struct cursor *cursor)
{
    size_t size = 0;
    while (size < WEIR__TLS_RECORD_BYTES && skip_empty(cursor)) {
        size_t rest = cursor->parts->size - cursor->at;
        size_t piece = rest < WEIR__TLS_RECORD_BYTES - size ? rest : WEIR__TLS_RECORD_BYTES - size;
        memcpy(cursor->scratch + size, cursor->parts->data + cursor->at, piece);
        cursor->at += piece;
        size += piece;
    }
    return size;
}

/* What the next record is made of; there is something left. */
static int next_plain(struct cursor *cursor, weir_str *out_plain)
{
    size_t rest = cursor->parts->size - cursor->at;
    if (rest >= WEIR__TLS_RECORD_BYTES || cursor->count == 1) {
        size_t size = rest < WEIR__TLS_RECORD_BYTES ? rest : WEIR__TLS_RECORD_BYTES;
        *out_plain = (weir_str){cursor->parts->data + cursor->at, size};
        cursor->at += size;
        return 0;
    }
    if (cursor->scratch == NULL)
        cursor->scratch = weir__base_alloc(WEIR__TLS_RECORD_BYTES);
    if (cursor->scratch == NULL)
        return -ENOMEM;
    size_t size = gather(cursor);
    *out_plain = (weir_str){cursor->scratch, size};
    return 0;
}

static int encrypt(struct weir__tls *tls, weir_str plain, size_t *written)
{
    if (weir__buffer_reserve(&tls->next, plain.size + WEIR__TLS_RECORD_MORE) == NULL) {
        tls->next.error = 0;
        return -ENOMEM; // before OpenSSL has begun: nothing is lost
    }
    size_t taken;
    ERR_clear_error();
    int result = SSL_write_ex(tls->ssl, plain.data, plain.size, &taken);
    if (result == 1) {
        *written += taken;
        return 0;
    }
    int rc = weir__tls_outcome(tls, result);
    if (rc < 0)
        return weir__tls_fail_again(tls);
    return weir_fail(-EPROTO, "TLS cannot write now"); // it would be for a renegotiation
}

static int write_on(struct weir__tls *tls, struct cursor *cursor, size_t *written)
{
    int rc = weir__tls_flush(tls); // what an earlier write had to leave
    while (rc == 0 && skip_empty(cursor)) {
        if (tls->failed < 0)
            return weir__tls_fail_again(tls);
        weir_str plain;
        rc = next_plain(cursor, &plain);
        if (rc == 0)
            rc = encrypt(tls, plain, written);
        if (rc == 0 && (!skip_empty(cursor) || tls->next.size >= WEIR__TLS_BATCH_BYTES))
            rc = weir__tls_flush(tls);
    }
    return rc;
}

static int tls_write(weir_conn *conn, const weir_str *parts, size_t count, size_t *written)
{
    struct weir__tls *tls = conn->layer_state;
    struct cursor cursor = {.parts = parts, .count = count};
    if (!skip_empty(&cursor))
        return 0;
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    if (tls->failed < 0)
        return weir__tls_fail_again(tls);
    if (tls->finished) {
        char peer[WEIR_ADDRESS_TEXT_BYTES];
        return weir_fail(-EPIPE, "the TLS connection to %s takes no more bytes: it is finished",
                         weir__tls_peer(tls, peer));
    }
    rc = write_on(tls, &cursor, written);
    weir__base_free(cursor.scratch);
    return rc;
}

/* --- the end ---------------------------------------------------------------------------------- */

static int make_close_notify(struct weir__tls *tls)
{
    ERR_clear_error();
    int result = SSL_shutdown(tls->ssl);
    tls->finished = true;
    int rc = result >= 0 ? 0 : weir__tls_outcome(tls, result);
    ERR_clear_error();
    return rc;
}

static void finish_sent(struct weir__sender *sender)
{
    struct weir__tls *tls = WEIR__CONTAINER(sender, struct weir__tls, sender);
    weir_conn *conn = tls->conn;
    tls->sending = false;
    tls->out_sent += sender->sent;
    if (sender->error == 0)
        free_blocks(tls);
    if (sender->error == 0 && !conn->closed)
        weir_ignore(weir__net_raw_finish(conn), "the peer may be gone: readers hear it");
    weir__net_raw_let_go(conn);
}

/* The kernel's buffer is full: the rest goes without a task, as fast as the peer reads. */
static int send_rest(struct weir__tls *tls)
{
    weir__buffer_append(&tls->out, tls->next.data, tls->next.size);
    if (weir__buffer_error(&tls->out) < 0)
        return -ENOMEM;
    weir__buffer_clear(&tls->next);
    tls->sender = (struct weir__sender){.done = finish_sent};
    tls->sending = true;
    weir__net_raw_hold(tls->conn, &tls->sender.op);
    if (weir__sender_start(&tls->sender, weir__stream_fd(&tls->conn->stream),
                           tls->out.data + tls->out_sent, tls->out.size - tls->out_sent) == 1)
        finish_sent(&tls->sender);
    return 0;
}

static int tls_finish(weir_conn *conn)
{
    struct weir__tls *tls = conn->layer_state;
    if (tls->failed < 0)
        return weir__tls_fail_again(tls);
    if (tls->finished)
        return 0;
    int rc = make_close_notify(tls);
    if (rc < 0)
        return weir__tls_fail_again(tls);
    weir__tls_send_now(tls);
    return weir__tls_unsent(tls) > 0 ? send_rest(tls) : weir__net_raw_finish(conn);
}

/*
 * A close_notify is promised only behind all that was written: where something is left, or another
 * task is writing, the peer shall see that it was cut off.
 */
static void tls_closing(weir_conn *conn)
{
    struct weir__tls *tls = conn->layer_state;
    if (tls->sending)
        weir__sender_cancel(&tls->sender);
    if (!tls->handshaken || tls->finished || tls->failed < 0 || conn->writing || conn->abrupt ||
        weir__tls_unsent(tls) > 0)
        return;
    if (make_close_notify(tls) == 0)
        weir__tls_send_now(tls);
}

void weir__tls_free(struct weir__tls *tls)
{
    if (tls == NULL)
        return;
    if (tls->ssl != NULL && tls->failed == 0) // else a kept session would count as broken
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(tls->ssl);
    free_blocks(tls);
    weir__buffer_deinit(&tls->plain);
    weir__tls_set_release(tls->set);
    weir_tls_config_close(tls->config);
    weir__base_free(tls->host);
    weir__base_free(tls->why);
    weir__base_free(tls);
}

static void tls_free(weir_conn *conn)
{
    weir__tls_free(conn->layer_state);
}

const struct weir__conn_layer weir__tls_layer = {
    .name = "TLS",
    .read = tls_read,
    .wait_more = tls_wait_more,
    .peek = tls_peek,
    .consume = tls_consume,
    .write = tls_write,
    .finish = tls_finish,
    .closing = tls_closing,
    .free = tls_free,
    .at_rest = tls_at_rest,
};
