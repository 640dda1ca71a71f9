/*
 * handshake.c - a connection begins to speak TLS
 *
 * Runs on  the connection's loop. OpenSSL's part of a handshake runs between two waits: signing
 *          with a P-256 key takes about 0.1 ms of the loop, RSA 4096 several.
 * Costs    a server, TLS 1.3: two reads, two sends; a client the same.
 * Holds    1. Both sides of the connection are the handshake's while it lasts.
 *          2. The time of the whole is limited, whatever the peer sends.
 *          3. One that failed leaves the layer on the connection: it never goes on in plain.
 */
#include <openssl/x509v3.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/sys.h"
#include "tls/tls.h"

int64_t weir__tls_linger_ns = 1 * WEIR_SEC;

/* --- making one ------------------------------------------------------------------------------- */

/* Names are compared without the dot that an absolute one may end with. */
static char *copy_host(const char *host)
{
    size_t size = strlen(host);
    if (size > 1 && host[size - 1] == '.')
        size--;
    return weir__base_strndup(host, size);
}

static int expect_host(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    weir_address literal;
    if (weir__net_address_literal(weir__str_from(host), 0, &literal) == 0)
        return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1 ? 0 : -EINVAL; // and no SNI
    if (host[0] == '.')
        return -EINVAL; // which would be any host below it
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (X509_VERIFY_PARAM_set1_host(param, host, 0) != 1)
        return -ENOMEM;
    return SSL_set_tlsext_host_name(ssl, host) == 1 ? 0 : -EINVAL;
}

static int set_up_side(struct weir__tls *tls, const char *host)
{
    if (host == NULL) {
        SSL_set_accept_state(tls->ssl);
        return 0;
    }
    tls->host = copy_host(host);
    if (tls->host == NULL)
        return -ENOMEM;
    SSL_set_connect_state(tls->ssl);
    int rc = expect_host(tls->ssl, tls->host);
    if (rc == 0 && !tls->config->options.no_resumption)
        weir__tls_session_offer(tls->ssl, tls->config, tls->host);
    return rc;
}

static int fill_tls(struct weir__tls *tls, weir_conn *conn, weir_tls_config *config,
                    const char *host)
{
    weir__buffer_init(&tls->next);
    weir__buffer_init(&tls->out);
    weir__buffer_init(&tls->plain);
    tls->conn = conn;
    tls->config = weir_tls_config_hold(config);
    tls->set = weir__tls_set_hold(config);
    tls->generation = tls->set->generation;
    ERR_clear_error();
    tls->ssl = SSL_new(tls->set->contexts[0]);
    BIO *bio = tls->ssl == NULL ? NULL : BIO_new(config->bio);
    if (bio == NULL)
        return -ENOMEM;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    if (SSL_set_app_data(tls->ssl, tls) != 1)
        return -ENOMEM;
    return set_up_side(tls, host);
}

static int new_tls(weir_conn *conn, weir_tls_config *config, const char *host,
                   struct weir__tls **out_tls)
{
    struct weir__tls *tls = weir__base_alloc_zero(sizeof *tls);
    if (tls == NULL)
        return -ENOMEM;
    int rc = fill_tls(tls, conn, config, host);
    ERR_clear_error();
    if (rc < 0) {
        weir__tls_free(tls);
        return rc == -EINVAL ? weir_fail(rc, "TLS: '%.80s' is no name of a host", host) : rc;
    }
    *out_tls = tls;
    return 0;
}

/* --- the handshake ---------------------------------------------------------------------------- */

/* Until the peer has closed: bytes of it that are still on the way would make the kernel answer
 * with a reset, and the peer might never read why it was refused. */
static void wait_for_close(weir_conn *conn)
{
    weir_scope limit = {0};
    if (weir__net_raw_finish(conn) < 0 || weir_timeout_enter(&limit, weir__tls_linger_ns) < 0)
        return;
    int rc;
    while ((rc = weir__net_raw_wait(conn)) > 0) {
        size_t there;
        if (weir__stream_peek(&conn->stream, &there) != NULL)
            weir__stream_consume(&conn->stream, there);
    }
    weir_ignore(weir_scope_leave(&limit, rc), "the handshake has failed with a code of its own");
}

static int exchange(struct weir__tls *tls)
{
    for (;;) {
        ERR_clear_error();
        int result = SSL_do_handshake(tls->ssl);
        int rc = result == 1 ? 0 : weir__tls_outcome(tls, result);
        if (rc == 1) // a close instead of a hello
            rc = tls->failed = -EPIPE;
        int sent = weir__tls_flush(tls); // an alert too
        if (rc < 0)
            return rc;
        if (sent < 0)
            return sent;
        if (result == 1)
            return 0;
        rc = weir__net_raw_wait(tls->conn);
        if (rc < 0)
            return rc;
    }
}

static void count_begun(weir_tls_config *config)
{
    weir__base_mutex_lock(&config->lock);
    config->stats.handshakes_active++;
    weir__base_mutex_unlock(&config->lock);
}

static void count_ended(weir_tls_config *config, int rc, bool resumed)
{
    weir__base_mutex_lock(&config->lock);
    config->stats.handshakes_active--;
    config->stats.handshakes += rc == 0;
    config->stats.resumed += rc == 0 && resumed;
    config->stats.failed += rc < 0;
    weir__base_mutex_unlock(&config->lock);
}

static int exchange_within(struct weir__tls *tls, int64_t limit_ns)
{
    weir_scope limit = {0};
    bool limited = limit_ns != WEIR_FOREVER && !weir_cancelled();
    int rc = limited ? weir_timeout_enter(&limit, limit_ns) : 0;
    if (rc < 0)
        return rc;
    rc = exchange(tls);
    if (limited)
        rc = weir_scope_leave(&limit, rc);
    if (rc != -ETIME)
        return rc;
    char peer[WEIR_ADDRESS_TEXT_BYTES];
    char duration[WEIR__NET_DURATION_BYTES];
    return weir_fail(-ETIMEDOUT, "the TLS handshake with %s was not done within %s",
                     weir__tls_peer(tls, peer), weir__net_duration(limit_ns, duration));
}

static int run_handshake(struct weir__tls *tls, int64_t limit_ns)
{
    char verdict[WEIR__TLS_WHY_BYTES] = "";
    weir_tls_config *config = tls->config;
    tls->verdict = verdict;
    count_begun(config);
    int rc = exchange_within(tls, limit_ns);
    tls->verdict = NULL;
    count_ended(config, rc, rc == 0 && SSL_session_reused(tls->ssl) == 1);
    if (rc == 0) {
        tls->handshaken = true;
        weir__tls_set_release(tls->set);
        tls->set = NULL;
        return 0;
    }
    if (tls->failed < 0 && rc == tls->failed) {
        if (tls->host == NULL && rc != -EPIPE && !tls->conn->closed)
            wait_for_close(tls->conn);
        return weir__tls_fail_again(tls); // its message is not that of what came after
    }
    tls->failed = rc; // cut short: there is no way to go on
    return rc;
}

int weir__tls_handshake(weir_conn *conn, weir_tls_config *config, const char *host,
                        int64_t limit_ns)
{
    int rc = weir__net_conn_enter_both(conn);
    if (rc < 0)
        return rc;
    struct weir__tls *tls;
    if (conn->layer != NULL)
        rc = weir_fail(-EALREADY, "the connection speaks %s already", conn->layer->name);
    else
        rc = new_tls(conn, config, host, &tls);
    if (rc == 0) {
        conn->layer = &weir__tls_layer;
        conn->layer_state = tls;
        rc = run_handshake(tls, limit_ns);
    }
    weir__net_conn_leave_both(conn);
    return rc;
}

/* --- the calls -------------------------------------------------------------------------------- */

int weir_tls_client(weir_conn *conn, weir_tls_config *config, const char *host)
{
    if (host == NULL || host[0] == '\0')
        return weir_fail(-EINVAL, "TLS: a client has to know whom it speaks with: no host");
    if (config == NULL || config->options.role != WEIR_TLS_CLIENT)
        return weir_fail(-EINVAL, "TLS: a client needs a configuration of its kind");
    return weir__tls_handshake(conn, config, host, config->handshake_ns);
}

int weir_tls_accept(weir_conn *conn, weir_tls_config *config)
{
    if (config == NULL || config->options.role != WEIR_TLS_SERVER)
        return weir_fail(-EINVAL, "TLS: a server needs a configuration of its kind");
    return weir__tls_handshake(conn, config, NULL, config->handshake_ns);
}

int weir_tls_connect(const char *host, uint16_t port, const weir_tls_connect_options *options,
                     weir_conn **out_conn)
{
    if (options == NULL || options->config == NULL ||
        options->config->options.role != WEIR_TLS_CLIENT)
        return weir_fail(-EINVAL, "TLS: a client needs a configuration of its kind");
    int64_t limit_ns = options->connect.connect_timeout_ns;
    if (limit_ns == 0)
        limit_ns = WEIR__TLS_CONNECT_NS;
    int64_t begun_ns = weir_now();
    weir_conn *conn;
    int rc = weir_connect(host, port, &options->connect, &conn);
    if (rc < 0)
        return rc;
    weir__ledger_remove(&conn->entry); // opened by our caller, that is
    weir__net_conn_register(conn, __builtin_return_address(0));
    if (limit_ns != WEIR_FOREVER) { // together
        int64_t left_ns = limit_ns - (weir_now() - begun_ns);
        limit_ns = left_ns > 0 ? left_ns : 1;
    }
    int64_t handshake_ns = options->config->handshake_ns;
    rc = weir__tls_handshake(conn, options->config,
                             options->server_name == NULL ? host : options->server_name,
                             limit_ns < handshake_ns ? limit_ns : handshake_ns);
    if (rc < 0) {
        weir_conn_close(conn);
        return rc;
    }
    *out_conn = conn;
    return 0;
}
