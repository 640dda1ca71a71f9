/*
 * load.c - certificates, keys, roots and revocation lists, from PEM
 *
 * Runs on  any thread; it may wait for a disk.
 * Holds    Keys are wiped from our own memory before it is given back.
 */
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509err.h>

#include "base/sys.h"
#include "tls/tls.h"

/* --- bytes ------------------------------------------------------------------------------------ */

struct source {
    const char *file; /* NULL: from memory */
    weir_str pem;
    struct weir__buffer bytes;
};

static void close_source(struct source *source)
{
    if (source->bytes.data != NULL)
        explicit_bzero(source->bytes.data, source->bytes.capacity);
    weir__buffer_deinit(&source->bytes);
}

static int read_all(int fd, struct weir__buffer *bytes)
{
    for (;;) {
        char *room = weir__buffer_reserve(bytes, 4096);
        if (room == NULL)
            return weir__buffer_error(bytes) == -EMSGSIZE ? -EFBIG : -ENOMEM;
        ssize_t got = weir__sys_read(fd, room, 4096);
        if (got <= 0)
            return (int)got;
        bytes->size += (size_t)got;
    }
}

/* Sized at once: growing would leave copies of a key behind. */
static int read_file(int fd, struct weir__buffer *bytes)
{
    struct stat stat;
    int rc = weir__sys_fstat(fd, &stat);
    if (rc < 0)
        return rc;
    if (stat.st_size > WEIR__TLS_FILE_MAX)
        return -EFBIG;
    bytes->size_max = WEIR__TLS_FILE_MAX;
    if (weir__buffer_reserve(bytes, (size_t)stat.st_size + 2 * 4096) == NULL)
        return -ENOMEM;
    return read_all(fd, bytes);
}

/* `what` for messages: "certificate". The source is closed by the caller, also on failure. */
static int open_source(struct source *source, const char *what, const char *file, weir_str pem)
{
    *source = (struct source){.file = file, .pem = pem};
    weir__buffer_init(&source->bytes);
    if (file == NULL)
        return 0;
    int fd = weir__sys_open(file, O_RDONLY, 0);
    if (fd < 0)
        return weir_fail(fd, "TLS: cannot open %s file %.100s: %s", what, file, weir_code_text(fd));
    int rc = read_file(fd, &source->bytes);
    weir__sys_close(fd);
    if (rc < 0)
        return weir_fail(rc, "TLS: cannot read %s file %.100s: %s", what, file, weir_code_text(rc));
    source->pem = (weir_str){source->bytes.data, source->bytes.size};
    return 0;
}

static BIO *bio_over(const struct source *source)
{
    return BIO_new_mem_buf(source->pem.size == 0 ? "" : source->pem.data, (int)source->pem.size);
}

static int fail_source(const struct source *source, const char *what, int rc)
{
    char why[WEIR__TLS_WHY_BYTES];
    rc = weir__tls_queue_take(rc, why);
    if (rc == -ENOMEM)
        return rc;
    return weir_fail(rc, "TLS: %s %s%.80s: %s", what, source->file == NULL ? "" : "file ",
                     source->file == NULL ? "in memory" : source->file, why);
}

/* --- a certificate and its key ---------------------------------------------------------------- */

/* The end of a PEM text is an error to OpenSSL; one that is left is another. */
static bool is_at_end(void)
{
    unsigned long error = ERR_peek_last_error();
    return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

static int use_chain(SSL_CTX *context, BIO *bio)
{
    X509 *certificate = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    if (certificate == NULL)
        return -EBADMSG;
    int good = SSL_CTX_use_certificate(context, certificate);
    X509_free(certificate);
    if (good != 1)
        return -EKEYREJECTED;
    while ((certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        if (SSL_CTX_add0_chain_cert(context, certificate) != 1) {
            X509_free(certificate);
            return -EKEYREJECTED;
        }
    }
    if (!is_at_end())
        return -EBADMSG;
    ERR_clear_error();
    return 0;
}

/* Instead of OpenSSL's own, which asks at the terminal. */
static int give_passphrase(char *out, int size, int writing, void *passphrase)
{
    (void)writing;
    size_t length = passphrase == NULL ? 0 : strlen(passphrase);
    if (length == 0 || length > (size_t)size)
        return -1;
    memcpy(out, passphrase, length);
    return (int)length;
}

static int use_key(SSL_CTX *context, BIO *bio, const char *passphrase)
{
    EVP_PKEY *key =
        PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, (void *)(uintptr_t)passphrase);
    if (key == NULL)
        return -EBADMSG;
    int good = SSL_CTX_use_PrivateKey(context, key);
    EVP_PKEY_free(key);
    return good == 1 && SSL_CTX_check_private_key(context) == 1 ? 0 : -EKEYREJECTED;
}

static int load_chain(SSL_CTX *context, const struct source *source)
{
    BIO *bio = bio_over(source);
    if (bio == NULL)
        return -ENOMEM;
    int rc = use_chain(context, bio);
    BIO_free(bio);
    return rc < 0 ? fail_source(source, "certificate", rc) : 0;
}

static int load_key(SSL_CTX *context, const struct source *source, const char *passphrase)
{
    BIO *bio = bio_over(source);
    if (bio == NULL)
        return -ENOMEM;
    int rc = use_key(context, bio, passphrase);
    BIO_free(bio);
    return rc < 0 ? fail_source(source, "key", rc) : 0;
}

int weir__tls_load_certificate(SSL_CTX *context, const weir_tls_certificate *certificate)
{
    struct source chain;
    int rc = open_source(&chain, "certificate", certificate->chain_file, certificate->chain_pem);
    if (rc == 0)
        rc = load_chain(context, &chain);
    if (rc == 0 && certificate->key_file == NULL && certificate->key_pem.size == 0) {
        rc = load_key(context, &chain, certificate->passphrase);
    } else if (rc == 0) {
        struct source key;
        rc = open_source(&key, "key", certificate->key_file, certificate->key_pem);
        if (rc == 0)
            rc = load_key(context, &key, certificate->passphrase);
        close_source(&key);
    }
    close_source(&chain);
    return rc;
}

/* --- trust ------------------------------------------------------------------------------------ */

static int add_roots(SSL_CTX *context, BIO *bio, bool is_server)
{
    size_t count = 0;
    X509 *root;
    while ((root = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL)) != NULL) {
        int good = X509_STORE_add_cert(SSL_CTX_get_cert_store(context), root);
        if (good == 1 && is_server) // what clients are told, to choose from
            good = SSL_CTX_add_client_CA(context, root);
        X509_free(root);
        if (good != 1)
            return -EBADMSG;
        count++;
    }
    if (count == 0 || !is_at_end())
        return -EBADMSG;
    ERR_clear_error();
    return 0;
}

static int load_roots(SSL_CTX *context, const char *file, weir_str pem, bool is_server)
{
    struct source source;
    int rc = open_source(&source, "trust", file, pem);
    if (rc == 0) {
        BIO *bio = bio_over(&source);
        rc = bio == NULL ? -ENOMEM : add_roots(context, bio, is_server);
        BIO_free(bio);
        if (rc < 0)
            rc = fail_source(&source, "trust", rc);
    }
    close_source(&source);
    return rc;
}

static int add_lists(X509_STORE *store, BIO *bio)
{
    size_t count = 0;
    X509_CRL *list;
    while ((list = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) != NULL) {
        int good = X509_STORE_add_crl(store, list);
        X509_CRL_free(list);
        if (good != 1)
            return -EBADMSG;
        count++;
    }
    if (count == 0 || !is_at_end())
        return -EBADMSG;
    ERR_clear_error();
    if (X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) != 1)
        return -ENOMEM;
    return 0;
}

static int load_lists(SSL_CTX *context, const char *file)
{
    struct source source;
    int rc = open_source(&source, "CRL", file, (weir_str){NULL, 0});
    if (rc == 0) {
        BIO *bio = bio_over(&source);
        rc = bio == NULL ? -ENOMEM : add_lists(SSL_CTX_get_cert_store(context), bio);
        BIO_free(bio);
        if (rc < 0)
            rc = fail_source(&source, "CRL", rc);
    }
    close_source(&source);
    return rc;
}

static int load_folder(SSL_CTX *context, const char *folder)
{
    struct stat stat; // OpenSSL takes any name, and finds nothing in it later
    int rc = weir__sys_stat(folder, &stat);
    if (rc == 0 && !S_ISDIR(stat.st_mode))
        rc = -ENOTDIR;
    if (rc < 0)
        return weir_fail(rc, "TLS: cannot use trust folder %.100s: %s", folder, weir_code_text(rc));
    if (X509_STORE_load_path(SSL_CTX_get_cert_store(context), folder) == 1)
        return 0;
    ERR_clear_error();
    return -ENOMEM;
}

int weir__tls_load_trust(SSL_CTX *context, const weir_tls_options *options)
{
    bool is_server = options->role == WEIR_TLS_SERVER;
    bool given =
        options->trust_file != NULL || options->trust_folder != NULL || options->trust_pem.size > 0;
    int rc = 0;
    if (!given && !is_server && SSL_CTX_set_default_verify_paths(context) != 1) {
        ERR_clear_error();
        return -ENOMEM;
    }
    if (options->trust_file != NULL)
        rc = load_roots(context, options->trust_file, (weir_str){NULL, 0}, is_server);
    if (rc == 0 && options->trust_pem.size > 0)
        rc = load_roots(context, NULL, options->trust_pem, is_server);
    if (rc == 0 && options->trust_folder != NULL)
        rc = load_folder(context, options->trust_folder);
    if (rc == 0 && options->crl_file != NULL)
        rc = load_lists(context, options->crl_file);
    return rc;
}
