/*
 * info.c - what a connection has agreed on, and with whom
 *
 * Runs on  the connection's loop.
 */
#include <stdio.h>

#include "tls/tls.h"

static void copy_bytes(char *out, size_t size, const unsigned char *bytes, size_t count)
{
    size_t at = 0;
    for (; at < count && at + 1 < size; at++)
        out[at] = bytes[at] > ' ' && bytes[at] < 0x7f ? (char)bytes[at] : '?';
    out[at] = '\0';
}

static void describe_certificate(const X509 *certificate, weir_tls_info *info)
{
    info->peer_certificate = true;
    weir__tls_name(X509_get_subject_name(certificate), info->subject, sizeof info->subject);
    weir__tls_name(X509_get_issuer_name(certificate), info->issuer, sizeof info->issuer);
    weir__tls_names(certificate, info->names, sizeof info->names);
    info->not_before_s = weir__tls_seconds(X509_get0_notBefore(certificate));
    info->not_after_s = weir__tls_seconds(X509_get0_notAfter(certificate));
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (X509_digest(certificate, EVP_sha256(), digest, &size) != 1)
        size = 0;
    for (unsigned i = 0; i < size && i < 32; i++)
        snprintf(info->fingerprint + 2 * i, 3, "%02x", digest[i]);
}

int weir_tls_info_get(weir_conn *conn, weir_tls_info *out_info)
{
    const struct weir__tls *tls = weir__tls_of(conn);
    if (tls == NULL || !tls->handshaken)
        return weir_fail(-EINVAL, "the connection does not speak TLS");
    const SSL *ssl = tls->ssl;
    *out_info = (weir_tls_info){
        .version = SSL_version(ssl) == TLS1_3_VERSION ? WEIR_TLS_1_3 : WEIR_TLS_1_2,
        .cipher = SSL_CIPHER_get_name(SSL_get_current_cipher(ssl)),
        .resumed = SSL_session_reused(ssl) == 1,
    };
    const unsigned char *alpn;
    unsigned alpn_size;
    SSL_get0_alpn_selected(ssl, &alpn, &alpn_size);
    copy_bytes(out_info->alpn, sizeof out_info->alpn, alpn, alpn_size);
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (name != NULL)
        copy_bytes(out_info->server_name, sizeof out_info->server_name, (const unsigned char *)name,
                   strlen(name));
    const X509 *certificate = SSL_get0_peer_certificate(ssl);
    if (certificate != NULL)
        describe_certificate(certificate, out_info);
    out_info->peer_verified = certificate != NULL && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE &&
                              SSL_get_verify_result(ssl) == X509_V_OK;
    ERR_clear_error();
    return 0;
}
