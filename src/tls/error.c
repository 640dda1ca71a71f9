/*
 * error.c - what OpenSSL says, as one of a few codes and a sentence
 *
 * Runs on  any thread for the queue; a connection's loop for the rest.
 */
#include <openssl/pem.h>
#include <openssl/sslerr.h>
#include <stdio.h>

#include "base/alloc.h"
#include "tls/tls.h"

enum { ALERT_REASONS = 1000 }; /* SSL_AD_REASON_OFFSET: an alert came, with this number behind it */

/* --- the queue -------------------------------------------------------------------------------- */

/* The first error is the nearest to the cause. */
static bool take_first(unsigned long *out_first)
{
    bool no_memory = false;
    unsigned long error;
    *out_first = 0;
    while ((error = ERR_get_error()) != 0) {
        if (*out_first == 0)
            *out_first = error;
        no_memory |= ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE;
    }
    return no_memory;
}

static const char *reason_of(unsigned long error)
{
    if (ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE)
        return "nothing of that kind is in it, as PEM (-----BEGIN ...)";
    if (ERR_GET_REASON(error) == ERR_R_INTERRUPTED_OR_CANCELLED) // give_passphrase() had none
        return "it is encrypted, and there is no passphrase";
    const char *reason = error == 0 ? NULL : ERR_reason_error_string(error);
    return reason == NULL ? "OpenSSL does not say why" : reason;
}

int weir__tls_queue_take(int rc, char out_why[WEIR__TLS_WHY_BYTES])
{
    unsigned long error;
    if (take_first(&error))
        rc = -ENOMEM;
    snprintf(out_why, WEIR__TLS_WHY_BYTES, "%s", reason_of(error));
    return rc;
}

/* --- of a connection -------------------------------------------------------------------------- */

const char *weir__tls_peer(const struct weir__tls *tls, char out_text[WEIR_ADDRESS_TEXT_BYTES])
{
    if (tls->host == NULL)
        return weir_address_format(&tls->conn->peer, out_text);
    snprintf(out_text, WEIR_ADDRESS_TEXT_BYTES, "%s", tls->host);
    return out_text;
}

/* OpenSSL 3.0 has no words for the newest ones. */
static const char *alert_words(int alert)
{
    switch (alert) {
    case SSL_AD_CERTIFICATE_REQUIRED:
        return "certificate required";
    case SSL_AD_MISSING_EXTENSION:
        return "missing extension";
    case SSL_AD_NO_APPLICATION_PROTOCOL:
        return "no application protocol";
    default:
        return SSL_alert_desc_string_long(alert);
    }
}

static int refused_by_alert(int alert, const char *peer, char out_why[WEIR__TLS_WHY_BYTES])
{
    snprintf(out_why, WEIR__TLS_WHY_BYTES, "%s broke off with the TLS alert '%s'", peer,
             alert_words(alert));
    switch (alert) {
    case SSL_AD_PROTOCOL_VERSION:
    case SSL_AD_INSUFFICIENT_SECURITY:
    case SSL_AD_NO_APPLICATION_PROTOCOL:
        return -EPROTONOSUPPORT;
    default:
        return -ECONNABORTED;
    }
}

static int explain_reason(const struct weir__tls *tls, unsigned long error, const char *peer,
                          char why[WEIR__TLS_WHY_BYTES])
{
    const char *reason = reason_of(error);
#define SAY(...) snprintf(why, WEIR__TLS_WHY_BYTES, __VA_ARGS__)
    switch (ERR_GET_REASON(error)) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
        SAY("%s", tls->verdict != NULL && tls->verdict[0] != '\0' ? tls->verdict : reason);
        return -EKEYREJECTED;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        SAY("%s sent no certificate, and one is required", peer);
        return -EKEYREJECTED;
    case SSL_R_EE_KEY_TOO_SMALL:
    case SSL_R_CA_KEY_TOO_SMALL:
    case SSL_R_CA_MD_TOO_WEAK:
    case SSL_R_DH_KEY_TOO_SMALL:
        SAY("the certificate of %s is too weak: %s", peer, reason);
        return -EKEYREJECTED;
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
        if (!tls->handshaken) {
            SAY("%s closed the connection in the middle of the TLS handshake", peer);
            return -EPIPE;
        }
        SAY("%s ended the connection without the close of TLS: what came may have been cut off",
            peer);
        return -EPROTO;
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
        SAY("%s speaks plain HTTP to a port for TLS", peer);
        return -EPROTO;
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_UNKNOWN_PROTOCOL:
        SAY("%s does not speak TLS here (%s)", peer, reason);
        return -EPROTO;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SHARED_GROUPS:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_GROUPS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
    case SSL_R_NO_APPLICATION_PROTOCOL:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
        SAY("no version, cipher or protocol of TLS in common with %s: %s", peer, reason);
        return -EPROTONOSUPPORT;
    case SSL_R_PROTOCOL_IS_SHUTDOWN:
        SAY("the TLS connection to %s takes no more bytes: it is finished", peer);
        return -EPIPE;
    default:
        SAY("%s broke the protocol of TLS: %s", peer, reason);
        return -EPROTO;
    }
#undef SAY
}

/* The queue is not empty. */
static int explain_queue(const struct weir__tls *tls, char why[WEIR__TLS_WHY_BYTES])
{
    char peer[WEIR_ADDRESS_TEXT_BYTES];
    weir__tls_peer(tls, peer);
    unsigned long error;
    if (take_first(&error)) {
        snprintf(why, WEIR__TLS_WHY_BYTES, "no memory for the TLS connection to %s", peer);
        return -ENOMEM;
    }
    int reason = ERR_GET_REASON(error);
    if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason >= ALERT_REASONS &&
        reason < ALERT_REASONS + 256)
        return refused_by_alert(reason - ALERT_REASONS, peer, why);
    return explain_reason(tls, error, peer, why);
}

int weir__tls_outcome(struct weir__tls *tls, int result)
{
    char why[WEIR__TLS_WHY_BYTES] = "";
    char peer[WEIR_ADDRESS_TEXT_BYTES];
    int rc;
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_NONE:
    case SSL_ERROR_WANT_READ:
        ERR_clear_error();
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        ERR_clear_error();
        return 1;
    case SSL_ERROR_WANT_WRITE:
        snprintf(why, sizeof why, "%s makes us answer without end, and does not read",
                 weir__tls_peer(tls, peer));
        rc = -EPROTO;
        break;
    default:
        rc = explain_queue(tls, why);
        break;
    }
    ERR_clear_error();
    if (tls->failed == 0) {
        tls->failed = rc;
        tls->why = weir__base_strdup(why);
    }
    return tls->failed;
}

int weir__tls_fail_again(const struct weir__tls *tls)
{
    return weir_fail(tls->failed, "%s", tls->why == NULL ? weir_code_text(tls->failed) : tls->why);
}
