/*
 * select.c - what a server answers a client: the certificate by name, the protocol by its own order
 *
 * Runs on  the loop's thread, inside of a handshake.
 */
#include <openssl/x509v3.h>

#include "tls/tls.h"

/* The first certificate that has the name; else the first of all stays. */
int weir__tls_select_name(SSL *ssl, int *alert, void *config)
{
    (void)config;
    (void)alert;
    const struct weir__tls *tls = SSL_get_app_data(ssl);
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (name == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    const struct weir__tls_set *set = tls->set;
    for (size_t i = 0; i < set->count; i++) {
        X509 *certificate = SSL_CTX_get0_certificate(set->contexts[i]);
        if (X509_check_host(certificate, name, 0, 0, NULL) != 1)
            continue;
        if (i > 0)
            SSL_set_SSL_CTX(ssl, set->contexts[i]);
        break;
    }
    return SSL_TLSEXT_ERR_OK;
}

int weir__tls_select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                              const unsigned char *offered, unsigned offered_size, void *arg)
{
    (void)ssl;
    const weir_tls_config *config = arg;
    if (config->alpn == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_size, config->alpn, (unsigned)config->alpn_size, offered,
                              offered_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; // RFC 7301 section 3.2: no_application_protocol
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}
