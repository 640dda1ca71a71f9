/*
 * tls.h - the room of TLS: OpenSSL 3 over connections of weir
 *
 *     config.c     configurations: their options, and the contexts that handshakes take from them
 *     load.c       PEM from files and memory
 *     select.c     what a server answers: the certificate by name (SNI), the protocol (ALPN)
 *     session.c    resumption: what a client keeps, and the keys of a server's tickets
 *     verify.c     the check of a certificate, and its outcome in words
 *     error.c      what OpenSSL says, as a code and a sentence
 *     bio.c        between OpenSSL and a connection: received buffers in, one write block out
 *     layer.c      reading, writing and closing: the layer over a connection (net/conn.h)
 *     handshake.c  putting the layer on, and the limits of that
 *     serve.c      a listener whose connections shake hands, so many at a time
 *     info.c       what was agreed on
 *
 * OpenSSL never waits here: what it reads has been received, what it writes goes into a block of
 * memory, and between two of its calls the task sends and waits. So a call of OpenSSL is never
 * interrupted by another task of the loop, and one task may read while another writes without a
 * lock.
 *
 * Holds  1. OpenSSL's queue of errors is a thread's: it is empty before each call, and read before
 *           the task can park.
 *        2. What OpenSSL has encrypted is sent in its order: `out` is sent from the front, by the
 *           task that writes, or at once where it fits.
 *        3. A set of contexts is never changed once it can be seen; a reload makes another.
 */
#ifndef WEIR__TLS_H
#define WEIR__TLS_H

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <weir/tls.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/list.h"
#include "base/thread.h"
#include "net/net.h"

enum {
    WEIR__TLS_SESSIONS_MAX = 256,
    WEIR__TLS_HANDSHAKES_MAX = 64,
    WEIR__TLS_CONNS_MAX = 10000,
    WEIR__TLS_RECORD_BYTES = 16384, /* of plain text: RFC 8446 section 5.1 */
    WEIR__TLS_RECORD_MORE = 512,    /* that encryption, or a key update before it, may add */
    WEIR__TLS_BATCH_BYTES = 4 * WEIR__TLS_RECORD_BYTES,
    WEIR__TLS_LEFT_MAX = 32 * 1024, /* alerts that nobody sends: then the peer is up to no good */
    WEIR__TLS_WHY_BYTES = 400,      /* weir_fail() keeps 200 */
    WEIR__TLS_FILE_MAX = 16 * 1024 * 1024,
};
#define WEIR__TLS_HANDSHAKE_NS (10 * WEIR_SEC)
#define WEIR__TLS_CONNECT_NS (5 * WEIR_SEC)
#define WEIR__TLS_TICKET_KEY_NS (12 * WEIR_HOUR)

/* --- configurations --------------------------------------------------------------------------- */

/* What one load gave: a context for each certificate; a client has one. */
struct weir__tls_set {
    unsigned refs;       /* atomic */
    uint64_t generation; /* of the configuration; set before anybody sees it */
    size_t count;
    SSL_CTX *contexts[];
};

struct weir__tls_ticket_key {
    unsigned char name[16];
    unsigned char cipher[32];
    unsigned char mac[32];
    int64_t made_ns; /* 0: none */
};

/* A server that a client may come back to. */
struct weir__tls_kept {
    struct weir__list link; /* most recently used first */
    SSL_SESSION *session;
    char host[];
};

struct weir_tls_config {
    struct weir__net_secure secure; /* first: what the room of HTTP knows of it */
    unsigned refs;                  /* atomic */
    weir_tls_options options;       /* copied into the arena */
    struct weir__arena arena;
    unsigned char *alpn; /* as on the wire; in the arena */
    size_t alpn_size;
    int64_t handshake_ns;
    BIO_METHOD *bio;

    struct weir__mutex lock; /* guards what follows; never held across a call that waits */
    struct weir__tls_set *set;
    uint64_t generation;                 /* of the set */
    struct weir__tls_ticket_key keys[2]; /* the one that new tickets get, and the one before */
    struct weir__list kept;              /* struct weir__tls_kept */
    weir_tls_stats stats;
};

struct weir__tls_set *weir__tls_set_hold(weir_tls_config *config);
void weir__tls_set_release(struct weir__tls_set *set); /* NULL does nothing */

/* --- loading, load.c -------------------------------------------------------------------------- */

/* Each: 0, or a code with its message. */
int weir__tls_load_certificate(SSL_CTX *context, const weir_tls_certificate *certificate)
    WEIR_MUST_CHECK;
int weir__tls_load_trust(SSL_CTX *context, const weir_tls_options *options) WEIR_MUST_CHECK;

/* --- a server's answers, select.c ------------------------------------------------------------- */

int weir__tls_select_name(SSL *ssl, int *alert, void *config);
int weir__tls_select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                              const unsigned char *offered, unsigned offered_size, void *config);

/* --- resumption, session.c -------------------------------------------------------------------- */

void weir__tls_session_callbacks(SSL_CTX *context, weir_tls_config *config);
/* Client: gives the SSL what is kept for its host. */
void weir__tls_session_offer(SSL *ssl, weir_tls_config *config, const char *host);
/* With the lock held: nothing from before is resumed any more. */
void weir__tls_session_forget(weir_tls_config *config);

/* --- connections ------------------------------------------------------------------------------ */

struct weir__tls {
    SSL *ssl;
    weir_conn *conn;
    weir_tls_config *config;   /* held */
    struct weir__tls_set *set; /* held until the handshake is done */
    uint64_t generation;       /* of `set` */
    char *host;                /* NULL on a server's side */
    struct weir__buffer next;  /* encrypted; OpenSSL appends here */
    struct weir__buffer out;   /* before `next`: from out_sent on not yet sent; stays where it is */
    size_t out_sent;
    struct weir__buffer plain; /* decrypted, for weir__net_conn_peek(), from plain_at on unread */
    size_t plain_at;
    char *verdict; /* why a certificate was refused; WHY_BYTES, during the handshake */
    int failed;    /* sticky: no further use */
    char *why;     /* its message, or NULL */
    bool handshaken;
    bool finished;              /* a close_notify was made */
    bool sending;               /* the sender is under way */
    struct weir__sender sender; /* of what finish could not send at once */
};

extern const struct weir__conn_layer weir__tls_layer;

static inline struct weir__tls *weir__tls_of(const weir_conn *conn)
{
    return conn->layer == &weir__tls_layer ? conn->layer_state : NULL;
}
static inline size_t weir__tls_unsent(const struct weir__tls *tls)
{
    return tls->out.size - tls->out_sent + tls->next.size;
}

BIO_METHOD *weir__tls_bio_method(void); /* NULL: no memory */
/* Sends what fits into the kernel at once. */
void weir__tls_send_now(struct weir__tls *tls);
/* Checkpoint when there is anything to send: all of `out`. */
int weir__tls_flush(struct weir__tls *tls) WEIR_MUST_CHECK;
/* The peer, for messages: its name or its address. */
const char *weir__tls_peer(const struct weir__tls *tls, char out_text[WEIR_ADDRESS_TEXT_BYTES]);
void weir__tls_free(struct weir__tls *tls);

/* How long a peer that was refused may read why; tests are less patient. */
extern int64_t weir__tls_linger_ns;
/* Checkpoint; `limit_ns` for the whole handshake. */
int weir__tls_handshake(weir_conn *conn, weir_tls_config *config, const char *host,
                        int64_t limit_ns) WEIR_MUST_CHECK;

/* --- errors, error.c -------------------------------------------------------------------------- */

/*
 * What the call of OpenSSL that just returned `result` came to: 0 to wait for bytes, 1 for the
 * peer's close, or a code. Empties the queue, keeps code and message in `tls`, says nothing; it
 * must come before anything parks.
 */
int weir__tls_outcome(struct weir__tls *tls, int result) WEIR_MUST_CHECK;
/* The kept failure, said by the calling task. */
int weir__tls_fail_again(const struct weir__tls *tls) WEIR_MUST_CHECK;
/* Of the queue: the first reason, in words; -ENOMEM when memory was short, else `rc`. */
int weir__tls_queue_take(int rc, char out_why[WEIR__TLS_WHY_BYTES]);

/* --- certificates, verify.c ------------------------------------------------------------------- */

int weir__tls_verify(int good, X509_STORE_CTX *store);
/* "CN = a, O = b", without anything that a terminal would obey. */
const char *weir__tls_name(const X509_NAME *name, char *out_text, size_t size);
/* "a.example, 192.0.2.1"; empty when it has none. */
void weir__tls_names(const X509 *certificate, char *out_text, size_t size);
/* 0 when there is none. */
int64_t weir__tls_seconds(const ASN1_TIME *time);

#endif
