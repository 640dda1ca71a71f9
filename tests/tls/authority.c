/*
 * authority.c - see authority.h; by the API of OpenSSL, since a process for each key would take
 * longer than the tests
 */
#include "tests/tls/authority.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/test.h"

static void need(bool held, const char *what)
{
    if (held)
        return;
    fprintf(stderr, "authority: %s failed\n", what);
    abort();
}

/* It lives as long as the process; a search for leaks finds it here. */
static void *keep(void *memory)
{
    static void *kept[2000];
    static size_t count;
    need(memory != NULL && count < sizeof kept / sizeof kept[0], "room for what is kept");
    kept[count++] = memory;
    return memory;
}

static weir_str take_bio(BIO *bio)
{
    char *data;
    long size = BIO_get_mem_data(bio, &data);
    char *copy = keep(malloc((size_t)size + 1));
    memcpy(copy, data, (size_t)size);
    copy[size] = '\0';
    BIO_free(bio);
    return (weir_str){copy, (size_t)size};
}

weir_str pem_of(X509 *x509)
{
    BIO *bio = BIO_new(BIO_s_mem());
    need(PEM_write_bio_X509(bio, x509) == 1, "PEM_write_bio_X509");
    return take_bio(bio);
}

static weir_str key_pem_of(EVP_PKEY *key, const char *passphrase)
{
    BIO *bio = BIO_new(BIO_s_mem());
    need(PEM_write_bio_PrivateKey(bio, key, passphrase == NULL ? NULL : EVP_aes_128_cbc(), NULL, 0,
                                  NULL, (void *)(uintptr_t)passphrase) == 1,
         "PEM_write_bio_PrivateKey");
    return take_bio(bio);
}

weir_str concatenate(weir_str a, weir_str b)
{
    char *both = keep(malloc(a.size + b.size + 1));
    memcpy(both, a.data, a.size);
    memcpy(both + a.size, b.data, b.size);
    both[a.size + b.size] = '\0';
    return (weir_str){both, a.size + b.size};
}

static void add_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    need(extension != NULL, value);
    X509_add_ext(x509, extension, -1);
    X509_EXTENSION_free(extension);
}

struct identity make_identity(struct wish wish)
{
    static long serial = 1000;
    struct identity made = {0};
    made.key = keep(wish.rsa_bits > 0 ? EVP_RSA_gen((unsigned)wish.rsa_bits) : EVP_EC_gen("P-256"));
    made.x509 = keep(X509_new());
    X509 *x509 = made.x509;
    X509_set_version(x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x509),
                    86400L * (wish.begins_days == 0 ? -1 : wish.begins_days));
    X509_gmtime_adj(X509_getm_notAfter(x509), 86400L * (wish.ends_days == 0 ? 1 : wish.ends_days));
    X509_set_pubkey(x509, made.key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_UTF8,
                               (const unsigned char *)wish.name, -1, -1, 0);
    X509 *issuer = wish.issuer == NULL ? x509 : wish.issuer->x509;
    X509_set_issuer_name(x509, X509_get_subject_name(issuer));
    add_extension(x509, issuer, NID_basic_constraints,
                  wish.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add_extension(x509, issuer, NID_subject_key_identifier, "hash");
    if (wish.authority)
        add_extension(x509, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
    if (wish.purpose != NULL)
        add_extension(x509, issuer, NID_ext_key_usage, wish.purpose);
    if (wish.alt != NULL)
        add_extension(x509, issuer, NID_subject_alt_name, wish.alt);
    need(X509_sign(x509, wish.issuer == NULL ? made.key : wish.issuer->key,
                   wish.sha1 ? EVP_sha1() : EVP_sha256()) > 0,
         "X509_sign");
    made.chain_pem = pem_of(x509);
    // Only what has an issuer itself stands between a certificate and its root.
    if (wish.issuer != NULL && X509_self_signed(wish.issuer->x509, 0) != 1)
        made.chain_pem = concatenate(made.chain_pem, wish.issuer->chain_pem);
    made.key_pem = key_pem_of(made.key, NULL);
    return made;
}

const struct identity *test_root(void)
{
    static struct identity root;
    if (root.x509 == NULL)
        root = make_identity((struct wish){.name = "weir test root", .authority = true});
    return &root;
}

const struct identity *test_server(void)
{
    static struct identity server;
    if (server.x509 == NULL)
        server = make_identity((struct wish){.name = "weir test server",
                                             .alt = "DNS:localhost,DNS:weir.test,IP:127.0.0.1",
                                             .purpose = "serverAuth",
                                             .issuer = test_root()});
    return &server;
}

const struct identity *test_client(void)
{
    static struct identity client;
    if (client.x509 == NULL)
        client = make_identity((struct wish){.name = "weir test client",
                                             .alt = "DNS:client.test",
                                             .purpose = "clientAuth",
                                             .issuer = test_root()});
    return &client;
}

weir_str make_crl(const struct identity *issuer, const struct identity *revoked)
{
    X509_CRL *crl = X509_CRL_new();
    need(crl != NULL, "X509_CRL_new");
    X509_CRL_set_version(crl, X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->x509));
    ASN1_TIME *time = ASN1_TIME_new();
    X509_gmtime_adj(time, -3600);
    X509_CRL_set1_lastUpdate(crl, time);
    X509_gmtime_adj(time, 86400);
    X509_CRL_set1_nextUpdate(crl, time);
    if (revoked != NULL) {
        X509_REVOKED *entry = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked->x509));
        X509_gmtime_adj(time, -3600);
        X509_REVOKED_set_revocationDate(entry, time);
        X509_CRL_add0_revoked(crl, entry);
    }
    ASN1_TIME_free(time);
    need(X509_CRL_sign(crl, issuer->key, EVP_sha256()) > 0, "X509_CRL_sign");
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509_CRL(bio, crl);
    X509_CRL_free(crl);
    return take_bio(bio);
}

weir_str encrypted_key(const struct identity *identity, const char *passphrase)
{
    return key_pem_of(identity->key, passphrase);
}

/* --- files ------------------------------------------------------------------------------------ */

static char folder[64];
static char files[16][128];
static size_t file_count;
static pid_t folder_owner;

static void remove_folder(void)
{
    if (folder_owner != getpid())
        return;
    for (size_t i = 0; i < file_count; i++)
        unlink(files[i]);
    rmdir(folder);
}

const char *test_folder(void)
{
    if (folder_owner == getpid())
        return folder;
    snprintf(folder, sizeof folder, "/tmp/weir-tls-test-XXXXXX");
    need(mkdtemp(folder) != NULL, "mkdtemp");
    folder_owner = getpid();
    file_count = 0;
    atexit(remove_folder);
    return folder;
}

const char *write_file(const char *name, weir_str content)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    FILE *file = fopen(path, "w");
    need(file != NULL && fwrite(content.data, 1, content.size, file) == content.size, path);
    fclose(file);
    for (size_t i = 0; i < file_count; i++) {
        if (strcmp(files[i], path) == 0)
            return files[i];
    }
    need(file_count < sizeof files / sizeof files[0], "too many files");
    memcpy(files[file_count], path, sizeof path);
    return files[file_count++];
}

/* --- configurations --------------------------------------------------------------------------- */

weir_tls_certificate in_memory(const struct identity *identity)
{
    return (weir_tls_certificate){.chain_pem = identity->chain_pem, .key_pem = identity->key_pem};
}

weir_tls_config *client_config(weir_tls_options options)
{
    if (options.trust_file == NULL && options.trust_folder == NULL && options.trust_pem.size == 0)
        options.trust_pem = pem_of(test_root()->x509);
    weir_tls_config *config = NULL;
    EXPECT_RC(0, weir_tls_config_open(&options, &config));
    return config;
}

weir_tls_config *server_config(weir_tls_options options, const struct identity *identity)
{
    weir_tls_certificate certificate = in_memory(identity == NULL ? test_server() : identity);
    options.role = WEIR_TLS_SERVER;
    if (options.certificates == NULL) {
        options.certificates = &certificate;
        options.certificate_count = 1;
    }
    if (options.client_auth != WEIR_TLS_CLIENT_ANY && options.trust_pem.size == 0)
        options.trust_pem = pem_of(test_root()->x509);
    weir_tls_config *config = NULL;
    EXPECT_RC(0, weir_tls_config_open(&options, &config));
    return config;
}
