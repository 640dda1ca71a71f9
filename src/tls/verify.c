/*
 * verify.c - the check of a certificate, and its outcome in words
 *
 * OpenSSL checks; here the first thing that is wrong becomes a sentence: whose certificate, what is
 * wrong with it, and by whom it was issued. Texts come from the peer, so they are escaped.
 *
 * Runs on  the loop's thread, inside of a handshake.
 */
#include <openssl/x509v3.h>
#include <stdio.h>

#include "tls/tls.h"

enum { DATE_BYTES = 24, NAME_BYTES = 64 };

/* --- names and dates -------------------------------------------------------------------------- */

const char *weir__tls_name(const X509_NAME *name, char *out_text, size_t size)
{
    snprintf(out_text, size, "?");
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio != NULL &&
        X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_QUOTE) >= 0) {
        int read = BIO_read(bio, out_text, (int)size - 1);
        if (read > 0)
            out_text[read] = '\0';
    }
    BIO_free(bio);
    ERR_clear_error();
    return out_text;
}

static const char *format_date(const ASN1_TIME *time, char out_text[DATE_BYTES])
{
    struct tm tm;
    if (ASN1_TIME_to_tm(time, &tm) != 1)
        snprintf(out_text, DATE_BYTES, "no date");
    else
        snprintf(out_text, DATE_BYTES, "%04d-%02d-%02d", (tm.tm_year + 1900) % 10000,
                 (tm.tm_mon + 1) % 100, tm.tm_mday % 100);
    return out_text;
}

int64_t weir__tls_seconds(const ASN1_TIME *time)
{
    const struct tm epoch = {.tm_year = 70, .tm_mday = 1};
    struct tm tm;
    int days;
    int seconds;
    if (time == NULL || ASN1_TIME_to_tm(time, &tm) != 1 ||
        OPENSSL_gmtime_diff(&days, &seconds, &epoch, &tm) != 1)
        return 0;
    return (int64_t)days * 86400 + seconds;
}

static void append_ip(struct weir__buffer *out, const unsigned char *ip, int size)
{
    if (size == 4) {
        weir__buffer_printf(out, "%u.%u.%u.%u", ip[0], ip[1], ip[2], ip[3]);
    } else if (size == 16) {
        for (int i = 0; i < 16; i += 2)
            weir__buffer_printf(out, "%s%x", i == 0 ? "" : ":", (unsigned)(ip[i] << 8 | ip[i + 1]));
    }
}

static void append_dns(struct weir__buffer *out, const unsigned char *name, int size)
{
    for (int i = 0; i < size; i++)
        weir__buffer_append_char(out, name[i] > ' ' && name[i] < 0x7f ? (char)name[i] : '?');
}

void weir__tls_names(const X509 *certificate, char *out_text, size_t size)
{
    out_text[0] = '\0';
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    ERR_clear_error();
    struct weir__buffer text;
    weir__buffer_init(&text);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS && name->type != GEN_IPADD)
            continue;
        const ASN1_STRING *value = name->type == GEN_DNS ? name->d.dNSName : name->d.iPAddress;
        if (text.size > 0)
            weir__buffer_append_str(&text, ", ");
        if (name->type == GEN_DNS)
            append_dns(&text, ASN1_STRING_get0_data(value), ASN1_STRING_length(value));
        else
            append_ip(&text, ASN1_STRING_get0_data(value), ASN1_STRING_length(value));
    }
    snprintf(out_text, size, "%s", weir__buffer_text(&text));
    weir__buffer_deinit(&text);
    GENERAL_NAMES_free(names);
}

/* --- what is wrong ---------------------------------------------------------------------------- */

static void say_wrong_host(const struct weir__tls *tls, const X509 *certificate, char *out,
                           size_t size)
{
    char names[100];
    weir__tls_names(certificate, names, sizeof names);
    if (names[0] == '\0')
        snprintf(out, size, "not for %.60s: it has no names at all", tls->host);
    else
        snprintf(out, size, "not for %.60s, only for %s", tls->host, names);
}

static void say_weak(const X509 *certificate, char *out, size_t size)
{
    const EVP_PKEY *key = X509_get0_pubkey(certificate);
    snprintf(out, size, "its key is too weak (%d bits)", key == NULL ? 0 : EVP_PKEY_get_bits(key));
}

static void say_problem(const struct weir__tls *tls, int error, const X509 *certificate, char *out,
                        size_t size)
{
    char issuer[NAME_BYTES];
    char date[DATE_BYTES];
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        snprintf(out, size, "expired on %s", format_date(X509_get0_notAfter(certificate), date));
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        snprintf(out, size, "not valid before %s",
                 format_date(X509_get0_notBefore(certificate), date));
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        snprintf(out, size, "self-signed, and not trusted here");
        break;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        snprintf(out, size, "its root is not trusted here");
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        snprintf(out, size, "unknown issuer, or a certificate between is missing");
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        say_wrong_host(tls, certificate, out, size);
        break;
    case X509_V_ERR_INVALID_PURPOSE:
        snprintf(out, size, "not made for %s", tls->host != NULL ? "servers" : "clients");
        break;
    case X509_V_ERR_CERT_REVOKED:
        snprintf(out, size, "revoked");
        break;
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
        say_weak(certificate, out, size);
        break;
    case X509_V_ERR_CA_MD_TOO_WEAK:
        snprintf(out, size, "signed with a digest that is too weak");
        break;
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        snprintf(out, size, "its signature is wrong");
        break;
    case X509_V_ERR_INVALID_CA:
        snprintf(out, size, "it may not sign certificates");
        break;
    case X509_V_ERR_UNABLE_TO_GET_CRL:
        snprintf(out, size, "the CRL file has nothing of its issuer");
        break;
    case X509_V_ERR_CRL_HAS_EXPIRED:
        snprintf(out, size, "the CRL of %.60s has expired",
                 weir__tls_name(X509_get_issuer_name(certificate), issuer, sizeof issuer));
        break;
    default:
        snprintf(out, size, "%s", X509_verify_cert_error_string(error));
        break;
    }
}

static void write_verdict(struct weir__tls *tls, int error, int depth, const X509 *certificate)
{
    char peer[WEIR_ADDRESS_TEXT_BYTES];
    char subject[NAME_BYTES] = "?";
    char issuer[NAME_BYTES] = "?";
    char problem[180] = "";
    if (certificate != NULL) {
        weir__tls_name(X509_get_subject_name(certificate), subject, sizeof subject);
        weir__tls_name(X509_get_issuer_name(certificate), issuer, sizeof issuer);
        say_problem(tls, error, certificate, problem, sizeof problem);
    } else {
        snprintf(problem, sizeof problem, "%s", X509_verify_cert_error_string(error));
    }
    snprintf(tls->verdict, WEIR__TLS_WHY_BYTES, "%s of %.60s: %s (subject %s, issued by %s)",
             depth == 0 ? "certificate" : "an issuer in the chain", weir__tls_peer(tls, peer),
             problem, subject, issuer);
}

int weir__tls_verify(int good, X509_STORE_CTX *store)
{
    if (good == 1)
        return 1;
    int error = X509_STORE_CTX_get_error(store);
    int depth = X509_STORE_CTX_get_error_depth(store);
    if (error == X509_V_ERR_UNABLE_TO_GET_CRL && depth > 0) {
        X509_STORE_CTX_set_error(store, X509_V_OK); // only the peer's own issuer must have one
        return 1;
    }
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct weir__tls *tls = SSL_get_app_data(ssl);
    if (tls != NULL && tls->verdict != NULL && tls->verdict[0] == '\0')
        write_verdict(tls, error, depth, X509_STORE_CTX_get_current_cert(store));
    return 0;
}
