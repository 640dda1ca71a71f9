/*
 * weir/tls.h - TLS on OpenSSL 3: connections that nobody else can read or change
 *
 *     weir_tls_config *config; // one for the program: every loop may use it
 *     int rc = weir_tls_config_open(NULL, &config);
 *     ...
 *     weir_conn *conn;
 *     rc = weir_tls_connect("example.com", 443, &(weir_tls_connect_options){.config = config},
 *                           &conn);
 *     if (rc < 0)
 *         return rc; // weir_failure_message(rc): "certificate of example.com: expired on ..."
 *     rc = weir_conn_write_all(conn, request, strlen(request), NULL);
 *     ...
 *     weir_conn_close(conn);
 *     weir_tls_config_close(config);
 *
 * A TLS connection is a weir_conn: whatever takes a connection takes it, with the limits, errors
 * and rules of weir/conn.h. What is different:
 *   - the end of the stream is told by the peer's close_notify; a connection that ends without one
 *     may have been cut by somebody on the way, and a read says -EPROTO instead of 0;
 *   - weir_conn_finish() sends the close_notify. weir_conn_close() tries to send it when everything
 *     before went out, and never waits for that;
 *   - bytes count as written once they are encrypted: what a write that was cancelled or met its
 *     limit has left over goes out first in the next write.
 *
 * The peer's certificate and name are checked by default. TLS 1.2 (with ECDHE and AEAD) and 1.3
 * are spoken, nothing older; no renegotiation, no compression, no early data. OCSP is not asked;
 * revocation is by crl_file. A handshake with an EC P-256 key takes the loop about 0.25 ms, with
 * RSA 2048 about 1 ms, with RSA 4096 several: use EC keys where many clients come.
 *
 * Codes of a handshake:
 *   -EKEYREJECTED     the certificate of the peer is refused; the message says which and why
 *   -ECONNABORTED     the peer refused, with an alert; the message has it in words
 *   -EPROTONOSUPPORT  no version, cipher or protocol (ALPN) in common
 *   -EPROTO           what came is not TLS, or breaks its rules
 *   -EPIPE            the peer closed the connection in the middle of it
 *   -ETIMEDOUT        it was not done in time
 *   -ENOMEM           no memory
 *
 * Link weir::tls (CMake) or weir-tls (pkg-config).
 */
#ifndef WEIR_TLS_H
#define WEIR_TLS_H

#include <weir/conn.h>
#include <weir/listener.h>

/** Certificates, trust and rules of TLS connections; counted, for any number of loops. */
typedef struct weir_tls_config weir_tls_config;

typedef enum weir_tls_role {
    WEIR_TLS_CLIENT,
    WEIR_TLS_SERVER,
} weir_tls_role;

typedef enum weir_tls_version {
    WEIR_TLS_DEFAULT, /* 1.2 and 1.3 */
    WEIR_TLS_1_2,
    WEIR_TLS_1_3,
} weir_tls_version;

/** Whether a server asks clients for a certificate. */
typedef enum weir_tls_client_auth {
    WEIR_TLS_CLIENT_ANY,      /* does not ask */
    WEIR_TLS_CLIENT_OPTIONAL, /* a client may have none; one that it has must be good */
    WEIR_TLS_CLIENT_REQUIRED,
} weir_tls_client_auth;

/** A certificate with its key, as PEM: each in a file, or in memory. */
typedef struct weir_tls_certificate {
    const char *chain_file; /* the certificate first, then those between it and a root */
    const char *key_file;   /* NULL: the key is in chain_file as well */
    weir_str chain_pem;     /* instead of chain_file */
    weir_str key_pem;       /* empty: the key is in chain_pem as well */
    const char *passphrase; /* of the key; nobody is ever asked for one */
} weir_tls_certificate;

/** How to speak TLS. Zero is the default of each field. Everything is copied. */
typedef struct weir_tls_options {
    weir_tls_role role;
    const weir_tls_certificate *certificates; /* server: the one whose names fit what the client
                                                 asks for (SNI), else the first; client: the first
                                                 is sent to servers that ask */
    size_t certificate_count;                 /* a server needs at least one */
    const char *trust_file;                   /* roots, as PEM. Without the three: a client trusts
                                                 the system's store */
    const char *trust_folder;                 /* by hash: see openssl-rehash(1) */
    weir_str trust_pem;
    const char *crl_file; /* revoked certificates, as PEM: one CRL for each issuer. The issuer of
                             the peer's own certificate must have one */
    weir_tls_client_auth client_auth;
    const char *const *alpn;      /* protocols, best first, NULL at the end; NULL: not offered */
    weir_tls_version version_min; /* 0: 1.2 */
    const char *ciphers;          /* of TLS 1.2, as openssl-ciphers(1); ECDHE with AEAD only */
    const char *ciphers_1_3;
    const char *groups;            /* "X25519:P-256:P-384" */
    int64_t handshake_timeout_ns;  /* 0: 10 s */
    bool no_resumption;            /* every handshake is a full one */
    bool insecure_no_verification; /* INSECURE: client only; anybody may answer in the place of
                                      the server, and read and change everything */
    const char *keylog_file;       /* INSECURE: the keys of every connection are appended to it,
                                      for Wireshark */
} weir_tls_options;

/** What a configuration did so far, on all loops. */
typedef struct weir_tls_stats {
    uint64_t handshakes; /* done */
    uint64_t resumed;    /* of these, with a session of before */
    uint64_t failed;
    uint64_t reloads;         /* that worked */
    size_t sessions_kept;     /* client: for servers it may come back to; at most 256 */
    size_t handshakes_active; /* under way at present */
} weir_tls_stats;

/** How to connect with TLS. */
typedef struct weir_tls_connect_options {
    weir_tls_config *config;      /* of role WEIR_TLS_CLIENT; held by the connection */
    weir_connect_options connect; /* connect_timeout_ns covers the handshake as well; 0: 5 s */
    const char *server_name;      /* asked for and checked; NULL: the host */
} weir_tls_connect_options;

/** What to do with a connection that has shaken hands; it is closed when this returns. */
typedef int weir_tls_handler_fn(weir_conn *conn, void *arg);
/** Hears of a handshake, or a handler, that failed; must not wait. */
typedef void weir_tls_failed_fn(const weir_address *peer, int rc, const char *message, void *arg);

/** How to serve. Zero is the default of each field. */
typedef struct weir_tls_serve_options {
    size_t handshakes_max;      /* under way at once; 0: 64. More wait in the listener's queue */
    size_t conns_max;           /* open at once, with those; 0: 10,000 */
    weir_tls_failed_fn *failed; /* NULL: nobody is told, weir_tls_stats_get() counts */
} weir_tls_serve_options;

enum { WEIR_TLS_TEXT_BYTES = 256, WEIR_TLS_FINGERPRINT_BYTES = 65 };

/** What was agreed on, and with whom. Texts are cut where they do not fit. */
typedef struct weir_tls_info {
    weir_tls_version version;
    const char *cipher; /* static: "TLS_AES_128_GCM_SHA256" */
    bool resumed;
    bool kernel;           /* always false: kTLS is not used */
    bool peer_verified;    /* its certificate was checked, and its name on the client's side */
    bool peer_certificate; /* it has sent one (or did, when the session was new) */
    char alpn[WEIR_TLS_TEXT_BYTES];        /* empty: none */
    char server_name[WEIR_TLS_TEXT_BYTES]; /* asked for by the client (SNI); empty: none */
    char subject[WEIR_TLS_TEXT_BYTES];     /* of the peer's certificate, and so on */
    char issuer[WEIR_TLS_TEXT_BYTES];
    char names[2 * WEIR_TLS_TEXT_BYTES];          /* "example.com, www.example.com, 192.0.2.1" */
    char fingerprint[WEIR_TLS_FINGERPRINT_BYTES]; /* SHA-256, 64 hexadecimal digits */
    int64_t not_before_s;                         /* Unix time */
    int64_t not_after_s;
} weir_tls_info;

WEIR_BEGIN_DECLS

/* --- configurations --------------------------------------------------------------------------- */

/**
 * Make a configuration: read certificates, keys and trust, and check that they fit together.
 *
 * Files are read here and in weir_tls_config_reload(), never in a handshake (but a trust_folder,
 * and the system's, is looked into when a root is first needed). Keys below 112 bits of security
 * (RSA 2048, EC 224) and SHA-1 signatures are refused.
 *
 * @param options     borrowed; NULL for a client with the defaults
 * @param out_config  released by the caller with weir_tls_config_close()
 *
 * Returns     0 or a negative errno; weir_failure_message() says which file and why
 * Errors      -EINVAL        options that make no sense together, or a list that OpenSSL refuses
 *             -ENOENT, -EACCES, ...  a file cannot be read
 *             -EBADMSG       a file holds no PEM of that kind, or is broken, or its key is
 *                            encrypted and the passphrase does not fit
 *             -EKEYREJECTED  key and certificate do not belong together, or are too weak
 *             -ENOMEM        no memory
 * Checkpoint  no: it reads files; weir_offload() it where a disk may be slow
 * Thread      any
 */
WEIR_API WEIR_MUST_CHECK int weir_tls_config_open(const weir_tls_options *options,
                                                  weir_tls_config **out_config);

/**
 * Read all files again, for handshakes from now on; connections that are open keep what they have.
 *
 * Either everything is taken over or, on failure, nothing: the configuration goes on as before.
 * Sessions from before the reload are not resumed, so that what is refused now is refused at once.
 *
 * @param config  open
 *
 * Returns     0 or a negative errno; weir_failure_message() says which file and why
 * Errors      as weir_tls_config_open()
 * Checkpoint  no: it reads files; weir_offload() it where a disk may be slow
 * Thread      any
 */
WEIR_API WEIR_MUST_CHECK int weir_tls_config_reload(weir_tls_config *config);

/**
 * Count one more owner of a configuration.
 *
 * @param config  released once more with weir_tls_config_close(); NULL does nothing
 *
 * Returns     config
 * Checkpoint  no
 * Thread      any
 */
WEIR_API weir_tls_config *weir_tls_config_hold(weir_tls_config *config);

/**
 * Release a configuration; it goes with its last owner. Each connection is one.
 *
 * @param config  taken; NULL does nothing
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any
 */
WEIR_API void weir_tls_config_close(weir_tls_config *config);

/**
 * What a configuration did so far.
 *
 * @param config     open
 * @param out_stats  filled
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any
 */
WEIR_API void weir_tls_stats_get(weir_tls_config *config, weir_tls_stats *out_stats);

/* --- connections ------------------------------------------------------------------------------ */

/**
 * Connect to a port of a host and speak TLS with it.
 *
 * @param host      a name or an address literal, without brackets; a certificate must be for it
 * @param port      1 to 65535
 * @param options   borrowed; its config is needed
 * @param out_conn  closed by the caller with weir_conn_close()
 *
 * Returns     0 or a negative errno; weir_failure_message() says what happened
 * Errors      as weir_connect() and weir_tls_client()
 * Checkpoint  always
 * Thread      a loop's, in a task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_tls_connect(
    const char *host, uint16_t port, const weir_tls_connect_options *options, weir_conn **out_conn);

/**
 * Speak TLS on a connection from here on, as its client; also in the middle of a protocol
 * (STARTTLS).
 *
 * After a failure the connection is good for nothing but weir_conn_close(). A server that asks for
 * a certificate tells only later, with TLS 1.3, that it refuses the one it got: then a read says
 * -ECONNABORTED.
 *
 * @param conn    open, and read as far as both sides have spoken plainly
 * @param config  of role WEIR_TLS_CLIENT; held by the connection
 * @param host    a name or an address literal that the certificate of the peer must be for
 *
 * Returns     0 or a negative errno; weir_failure_message() says what happened
 * Errors      those of a handshake: see the head of this file
 *             -EBUSY      another task reads or writes
 *             -EALREADY   it speaks TLS already
 *             -EINVAL     no host, or a configuration for servers
 *             -ECANCELED  the caller's scope is cancelled
 *             others      as weir_conn_read(), weir_conn_write_all()
 * Checkpoint  always
 * Thread      the connection's loop, in a task
 * Source      RFC 8446, RFC 5246; RFC 6125 for names, RFC 6066 section 3 for SNI
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_tls_client(weir_conn *conn,
                                                             weir_tls_config *config,
                                                             const char *host);

/**
 * Speak TLS on a connection from here on, as its server.
 *
 * A peer that is refused is told with an alert, and given a second to read it.
 *
 * @param conn    open; from weir_listener_accept(), for example
 * @param config  of role WEIR_TLS_SERVER; held by the connection
 *
 * Returns     0 or a negative errno; weir_failure_message() says what happened
 * Errors      as weir_tls_client()
 * Checkpoint  always
 * Thread      the connection's loop, in a task
 * Source      RFC 8446, RFC 5246
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_tls_accept(weir_conn *conn,
                                                             weir_tls_config *config);

/**
 * Take connections from a listener, shake hands with each, and hand them to a task of their own.
 *
 * Handshakes are the dear part of TLS: no more than handshakes_max are under way at once, so a
 * crowd of them takes turns with the work of connections that are open.
 *
 * @param listener  open; the caller's
 * @param config    of role WEIR_TLS_SERVER
 * @param options   borrowed; NULL for the defaults
 * @param handler   called in a task of its own for each connection
 * @param arg       passed to handler and options->failed
 *
 * Returns     0 when the listener was closed and every handler has returned, or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled; the handlers have unwound
 *             -EINVAL     a configuration for clients, or no handler
 *             others      as weir_listener_accept(), weir_spawn()
 * Checkpoint  always
 * Thread      the listener's loop, in a task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_tls_serve(weir_listener *listener,
                                                            weir_tls_config *config,
                                                            const weir_tls_serve_options *options,
                                                            weir_tls_handler_fn *handler,
                                                            void *arg);

/**
 * What a TLS connection agreed on, and with whom.
 *
 * @param conn      open
 * @param out_info  filled on success
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL  it does not speak TLS
 * Checkpoint  no
 * Thread      the connection's loop
 */
WEIR_API WEIR_MUST_CHECK int weir_tls_info_get(weir_conn *conn, weir_tls_info *out_info);

WEIR_END_DECLS

#endif
