/*
 * bio.c - where OpenSSL reads and writes: the received buffers of a connection, and a write block
 *
 * Reading copies from where the kernel has put the bytes; writing appends to `next`. Neither waits:
 * without bytes, OpenSSL is told to come back.
 *
 * Runs on  the loop's thread, inside of OpenSSL's calls.
 */
#include "tls/tls.h"

static int read_received(BIO *bio, char *out, size_t size, size_t *out_read)
{
    struct weir__tls *tls = BIO_get_data(bio);
    weir_conn *conn = tls->conn;
    BIO_clear_retry_flags(bio);
    *out_read = 0;
    while (!conn->closed && *out_read < size) {
        size_t there;
        const char *data = weir__stream_peek(&conn->stream, &there);
        if (data == NULL)
            break;
        size_t piece = there < size - *out_read ? there : size - *out_read;
        memcpy(out + *out_read, data, piece);
        weir__stream_consume(&conn->stream, piece);
        *out_read += piece;
    }
    if (*out_read > 0)
        return 1;
    if (!conn->stream.rx.eof)
        BIO_set_retry_read(bio);
    return 0;
}

static int write_block(BIO *bio, const char *data, size_t size, size_t *out_written)
{
    struct weir__tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *out_written = 0;
    if (tls->next.size > WEIR__TLS_BATCH_BYTES + WEIR__TLS_LEFT_MAX) {
        BIO_set_retry_write(bio); // what a reader answers to a peer that does not read
        return 0;
    }
    weir__buffer_append(&tls->next, data, size);
    if (weir__buffer_error(&tls->next) < 0) {
        ERR_raise(ERR_LIB_BIO, ERR_R_MALLOC_FAILURE);
        return 0;
    }
    *out_written = size;
    return 1;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    const struct weir__tls *tls = BIO_get_data(bio);
    switch (command) {
    case BIO_CTRL_FLUSH: // the task sends
        return 1;
    case BIO_CTRL_EOF:
        return tls->conn->stream.rx.eof && weir__stream_unread(&tls->conn->stream) == 0;
    default:
        return 0;
    }
}

BIO_METHOD *weir__tls_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "weir connection");
    if (method == NULL || BIO_meth_set_read_ex(method, read_received) != 1 ||
        BIO_meth_set_write_ex(method, write_block) != 1 ||
        BIO_meth_set_ctrl(method, control) != 1) {
        BIO_meth_free(method);
        ERR_clear_error();
        return NULL;
    }
    return method;
}
