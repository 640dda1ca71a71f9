/*
 * authority.h - a certificate authority made for a test: good certificates, and every bad kind
 */
#ifndef WEIR_TESTS_TLS_AUTHORITY_H
#define WEIR_TESTS_TLS_AUTHORITY_H

#include <openssl/x509.h>
#include <weir/tls.h>

/* A certificate with its key; lives as long as the test's process. */
struct identity {
    X509 *x509;
    EVP_PKEY *key;
    weir_str chain_pem; /* with those between it and the root, without the root */
    weir_str key_pem;
};

/* Zero is the default of each field: an EC P-256 key, valid from yesterday until tomorrow. */
struct wish {
    const char *name;              /* the common name */
    const char *alt;               /* "DNS:a.example,IP:127.0.0.1"; NULL: none */
    const struct identity *issuer; /* NULL: itself */
    bool authority;
    const char *purpose; /* "serverAuth", "clientAuth"; NULL: any */
    int begins_days;     /* from now; 0: -1 */
    int ends_days;       /* 0: 1 */
    int rsa_bits;        /* 0: EC */
    bool sha1;
};
struct identity make_identity(struct wish wish);

/* A root that is made once, and a server for `localhost`, 127.0.0.1 and `weir.test`. */
const struct identity *test_root(void);
const struct identity *test_server(void);
const struct identity *test_client(void);

/* PEM of a certificate alone. */
weir_str pem_of(X509 *x509);
/* A CRL of the issuer, as PEM; `revoked` may be NULL. */
weir_str make_crl(const struct identity *issuer, const struct identity *revoked);
weir_str concatenate(weir_str a, weir_str b);
/* The key, encrypted. */
weir_str encrypted_key(const struct identity *identity, const char *passphrase);

/* A file in a folder of this test's own, which goes with the process; returns its path. */
const char *write_file(const char *name, weir_str content);
const char *test_folder(void);

weir_tls_certificate in_memory(const struct identity *identity);
/* Configurations with the test's root; ended by the test. */
weir_tls_config *client_config(weir_tls_options options);
weir_tls_config *server_config(weir_tls_options options, const struct identity *identity);

#endif
