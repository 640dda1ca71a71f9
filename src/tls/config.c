/*
 * config.c - configurations of TLS, and the contexts of OpenSSL that they hold
 *
 * The options are copied into an arena, so that a reload can read the same files again. It makes a
 * whole new set of contexts beside the old one and exchanges the pointer; a handshake that is under
 * way, and every connection, hold what they began with.
 *
 * Runs on  any thread.
 * Holds    1. config->set is never NULL once open() has returned.
 *          2. A set is freed by whoever releases it last; its contexts live on in the connections.
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/sys.h"
#include "tls/tls.h"

static const char ciphers_default[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                      "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                      "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char ciphers_1_3_default[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
static const char groups_default[] = "X25519:P-256:P-384:P-521";

enum {
    SECURITY_LEVEL = 2, /* 112 bits: RSA 2048, EC 224, no SHA-1 */
    CHAIN_DEPTH_MAX = 10,
    ALPN_BYTES_MAX = 1024,
};

/* --- options ---------------------------------------------------------------------------------- */

static int check_options(const weir_tls_options *options)
{
    bool is_server = options->role == WEIR_TLS_SERVER;
    bool trust =
        options->trust_file != NULL || options->trust_folder != NULL || options->trust_pem.size > 0;
    if (is_server && options->certificate_count == 0)
        return weir_fail(-EINVAL, "TLS: a server needs a certificate");
    if (options->certificate_count > 0 && options->certificates == NULL)
        return weir_fail(-EINVAL, "TLS: certificates are counted, but not given");
    if (is_server && options->insecure_no_verification)
        return weir_fail(-EINVAL, "TLS: insecure_no_verification is for clients; a server checks "
                                  "no one unless client_auth says so");
    if (!is_server && options->client_auth != WEIR_TLS_CLIENT_ANY)
        return weir_fail(-EINVAL, "TLS: client_auth is for servers");
    if (is_server && options->client_auth != WEIR_TLS_CLIENT_ANY && !trust)
        return weir_fail(-EINVAL, "TLS: client_auth needs to know whom to trust: trust_file, "
                                  "trust_folder or trust_pem");
    if (options->handshake_timeout_ns < 0 || options->version_min > WEIR_TLS_1_3)
        return weir_fail(-EINVAL, "TLS: a limit is negative, or version_min is none");
    for (size_t i = 0; i < options->certificate_count; i++) {
        const weir_tls_certificate *one = &options->certificates[i];
        if ((one->chain_file == NULL) == (one->chain_pem.size == 0))
            return weir_fail(-EINVAL, "TLS: certificate %zu has to be in a file or in memory", i);
    }
    return 0;
}

/* A failed copy leaves arena_failed set; NULL stays NULL. */
struct copy {
    struct weir__arena *arena;
    bool failed;
};

static const char *copy_text(struct copy *copy, const char *text)
{
    if (text == NULL)
        return NULL;
    const char *copied = weir__arena_strndup(copy->arena, text, strlen(text));
    copy->failed |= copied == NULL;
    return copied;
}

static weir_str copy_bytes(struct copy *copy, weir_str bytes)
{
    if (bytes.size == 0)
        return (weir_str){NULL, 0};
    const char *copied = weir__arena_strndup(copy->arena, bytes.data, bytes.size);
    copy->failed |= copied == NULL;
    return (weir_str){copied, bytes.size};
}

static const weir_tls_certificate *copy_certificates(struct copy *copy,
                                                     const weir_tls_options *options)
{
    if (options->certificate_count == 0)
        return NULL;
    weir_tls_certificate *copied =
        weir__arena_alloc_array(copy->arena, options->certificate_count, sizeof *copied);
    if (copied == NULL) {
        copy->failed = true;
        return NULL;
    }
    for (size_t i = 0; i < options->certificate_count; i++) {
        const weir_tls_certificate *one = &options->certificates[i];
        copied[i] = (weir_tls_certificate){
            .chain_file = copy_text(copy, one->chain_file),
            .key_file = copy_text(copy, one->key_file),
            .chain_pem = copy_bytes(copy, one->chain_pem),
            .key_pem = copy_bytes(copy, one->key_pem),
            .passphrase = copy_text(copy, one->passphrase),
        };
    }
    return copied;
}

/* One byte of size before each name: RFC 7301 section 3.1. */
static int encode_alpn(weir_tls_config *config, const char *const *names)
{
    if (names == NULL || names[0] == NULL)
        return 0;
    unsigned char *wire = weir__arena_alloc(&config->arena, ALPN_BYTES_MAX);
    if (wire == NULL)
        return -ENOMEM;
    size_t at = 0;
    for (size_t i = 0; names[i] != NULL; i++) {
        size_t size = strlen(names[i]);
        if (size == 0 || size > 255 || at + 1 + size > ALPN_BYTES_MAX)
            return weir_fail(-EINVAL, "TLS: no protocol for ALPN: '%.40s'", names[i]);
        wire[at++] = (unsigned char)size;
        memcpy(wire + at, names[i], size);
        at += size;
    }
    config->alpn = wire;
    config->alpn_size = at;
    return 0;
}

static int copy_options(weir_tls_config *config, const weir_tls_options *options)
{
    struct copy copy = {.arena = &config->arena};
    weir_tls_options *own = &config->options;
    *own = *options;
    own->certificates = copy_certificates(&copy, options);
    own->trust_file = copy_text(&copy, options->trust_file);
    own->trust_folder = copy_text(&copy, options->trust_folder);
    own->trust_pem = copy_bytes(&copy, options->trust_pem);
    own->crl_file = copy_text(&copy, options->crl_file);
    own->ciphers = copy_text(&copy, options->ciphers);
    own->ciphers_1_3 = copy_text(&copy, options->ciphers_1_3);
    own->groups = copy_text(&copy, options->groups);
    own->keylog_file = copy_text(&copy, options->keylog_file);
    own->alpn = NULL;
    if (copy.failed)
        return -ENOMEM;
    return encode_alpn(config, options->alpn);
}

/* --- a context -------------------------------------------------------------------------------- */

static int fail_list(const char *what, const char *text)
{
    char why[WEIR__TLS_WHY_BYTES];
    int rc = weir__tls_queue_take(-EINVAL, why);
    return rc == -ENOMEM ? rc : weir_fail(rc, "TLS: %s '%.60s': %.80s", what, text, why);
}

/* Whoever lists ciphers by hand shall not fall behind the default by a slip. */
static int check_ciphers(SSL_CTX *context)
{
    STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(context);
    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
        const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(ciphers, i);
        int exchange = SSL_CIPHER_get_kx_nid(cipher);
        if (!SSL_CIPHER_is_aead(cipher) || (exchange != NID_kx_ecdhe && exchange != NID_kx_any))
            return weir_fail(-EINVAL, "TLS: cipher %s is not ECDHE with AEAD",
                             SSL_CIPHER_get_name(cipher));
    }
    return 0;
}

static int set_lists(SSL_CTX *context, const weir_tls_options *options)
{
    const char *ciphers = options->ciphers == NULL ? ciphers_default : options->ciphers;
    const char *ciphers_1_3 =
        options->ciphers_1_3 == NULL ? ciphers_1_3_default : options->ciphers_1_3;
    const char *groups = options->groups == NULL ? groups_default : options->groups;
    if (SSL_CTX_set_cipher_list(context, ciphers) != 1)
        return fail_list("ciphers", ciphers);
    if (SSL_CTX_set_ciphersuites(context, ciphers_1_3) != 1)
        return fail_list("ciphers of 1.3", ciphers_1_3);
    if (SSL_CTX_set1_groups_list(context, groups) != 1)
        return fail_list("groups", groups);
    return check_ciphers(context);
}

static weir_tls_config *config_of(const SSL *ssl)
{
    return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

static void log_key(const SSL *ssl, const char *line)
{
    int fd =
        weir__sys_open(config_of(ssl)->options.keylog_file, O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (fd < 0)
        return;
    char text[512];
    int size = snprintf(text, sizeof text, "%s\n", line);
    weir_ignore(weir__sys_write(fd, text, (size_t)size), "for debugging only");
    weir__sys_close(fd);
}

static int verify_mode(const weir_tls_options *options)
{
    if (options->role == WEIR_TLS_CLIENT)
        return options->insecure_no_verification ? SSL_VERIFY_NONE : SSL_VERIFY_PEER;
    switch (options->client_auth) {
    case WEIR_TLS_CLIENT_OPTIONAL:
        return SSL_VERIFY_PEER;
    case WEIR_TLS_CLIENT_REQUIRED:
        return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    default:
        return SSL_VERIFY_NONE;
    }
}

static void set_rules(SSL_CTX *context, weir_tls_config *config)
{
    const weir_tls_options *options = &config->options;
    SSL_CTX_set_security_level(context, SECURITY_LEVEL);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_clear_options(context, SSL_OP_LEGACY_SERVER_CONNECT | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(context, verify_mode(options), weir__tls_verify);
    SSL_CTX_set_verify_depth(context, CHAIN_DEPTH_MAX);
    if (options->keylog_file != NULL)
        SSL_CTX_set_keylog_callback(context, log_key);
    if (options->role == WEIR_TLS_SERVER) {
        SSL_CTX_set_tlsext_servername_callback(context, weir__tls_select_name);
        SSL_CTX_set_tlsext_servername_arg(context, config);
        SSL_CTX_set_alpn_select_cb(context, weir__tls_select_protocol, config);
    }
    weir__tls_session_callbacks(context, config);
}

static int fill_context(SSL_CTX *context, weir_tls_config *config, size_t index)
{
    const weir_tls_options *options = &config->options;
    int version = options->version_min == WEIR_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
    if (SSL_CTX_set_min_proto_version(context, version) != 1)
        return weir_fail(-EINVAL, "TLS: this OpenSSL does not speak that version");
    if (SSL_CTX_set_app_data(context, config) != 1)
        return -ENOMEM;
    set_rules(context, config);
    int rc = set_lists(context, options);
    if (rc < 0)
        return rc;
    if (options->role == WEIR_TLS_CLIENT && config->alpn != NULL &&
        SSL_CTX_set_alpn_protos(context, config->alpn, (unsigned)config->alpn_size) != 0)
        return -ENOMEM;
    if (index < options->certificate_count)
        rc = weir__tls_load_certificate(context, &options->certificates[index]);
    if (rc == 0 && (verify_mode(options) & SSL_VERIFY_PEER) != 0)
        rc = weir__tls_load_trust(context, options);
    return rc;
}

static int new_context(weir_tls_config *config, size_t index, SSL_CTX **out_context)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(config->options.role == WEIR_TLS_SERVER ? TLS_server_method()
                                                                           : TLS_client_method());
    int rc = context == NULL ? -ENOMEM : fill_context(context, config, index);
    ERR_clear_error();
    if (rc < 0) {
        SSL_CTX_free(context);
        return rc;
    }
    *out_context = context;
    return 0;
}

/* --- sets of them ----------------------------------------------------------------------------- */

static void free_set(struct weir__tls_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        SSL_CTX_free(set->contexts[i]);
    weir__base_free(set);
}

static int new_set(weir_tls_config *config, struct weir__tls_set **out_set)
{
    size_t count = config->options.role == WEIR_TLS_SERVER ? config->options.certificate_count : 1;
    struct weir__tls_set *set = weir__base_alloc_zero(sizeof *set + count * sizeof *set->contexts);
    if (set == NULL)
        return -ENOMEM;
    set->refs = 1;
    for (; set->count < count; set->count++) {
        int rc = new_context(config, set->count, &set->contexts[set->count]);
        if (rc < 0) {
            free_set(set);
            return rc;
        }
    }
    *out_set = set;
    return 0;
}

struct weir__tls_set *weir__tls_set_hold(weir_tls_config *config)
{
    weir__base_mutex_lock(&config->lock);
    struct weir__tls_set *set = config->set;
    __atomic_add_fetch(&set->refs, 1, __ATOMIC_RELAXED);
    weir__base_mutex_unlock(&config->lock);
    return set;
}

void weir__tls_set_release(struct weir__tls_set *set)
{
    if (set != NULL && __atomic_sub_fetch(&set->refs, 1, __ATOMIC_ACQ_REL) == 0)
        free_set(set);
}

/* --- what the room of HTTP sees --------------------------------------------------------------- */

static weir_tls_config *of_secure(struct weir__net_secure *secure)
{
    return WEIR__CONTAINER(secure, weir_tls_config, secure);
}

static int secure_client(weir_conn *conn, struct weir__net_secure *secure, const char *host)
{
    return weir_tls_client(conn, of_secure(secure), host);
}

static void secure_hold(struct weir__net_secure *secure)
{
    (void)weir_tls_config_hold(of_secure(secure));
}

static void secure_release(struct weir__net_secure *secure)
{
    weir_tls_config_close(of_secure(secure));
}

/* --- open, reload, close ---------------------------------------------------------------------- */

static void free_config(weir_tls_config *config)
{
    weir__tls_session_forget(config);
    weir__tls_set_release(config->set);
    explicit_bzero(config->keys, sizeof config->keys);
    BIO_meth_free(config->bio);
    weir__base_mutex_deinit(&config->lock);
    weir__arena_deinit(&config->arena);
    weir__base_free(config);
}

static weir_tls_config *new_config(void)
{
    weir_tls_config *config = weir__base_alloc_zero(sizeof *config);
    if (config == NULL)
        return NULL;
    config->secure = (struct weir__net_secure){secure_client, secure_hold, secure_release};
    config->refs = 1;
    weir__arena_init(&config->arena, NULL, 0);
    weir__base_mutex_init(&config->lock);
    weir__list_init(&config->kept);
    return config;
}

int weir_tls_config_open(const weir_tls_options *options, weir_tls_config **out_config)
{
    static const weir_tls_options defaults;
    if (options == NULL)
        options = &defaults;
    int rc = check_options(options);
    if (rc < 0)
        return rc;
    weir_tls_config *config = new_config();
    if (config == NULL)
        return -ENOMEM;
    config->handshake_ns =
        options->handshake_timeout_ns == 0 ? WEIR__TLS_HANDSHAKE_NS : options->handshake_timeout_ns;
    config->bio = weir__tls_bio_method();
    rc = config->bio == NULL ? -ENOMEM : copy_options(config, options);
    if (rc == 0)
        rc = new_set(config, &config->set);
    if (rc < 0) {
        free_config(config);
        return rc;
    }
    *out_config = config;
    return 0;
}

int weir_tls_config_reload(weir_tls_config *config)
{
    struct weir__tls_set *set;
    int rc = new_set(config, &set);
    if (rc < 0)
        return rc;
    weir__base_mutex_lock(&config->lock);
    struct weir__tls_set *before = config->set;
    config->set = set;
    set->generation = ++config->generation;
    config->stats.reloads++;
    weir__tls_session_forget(config);
    weir__base_mutex_unlock(&config->lock);
    weir__tls_set_release(before);
    return 0;
}

weir_tls_config *weir_tls_config_hold(weir_tls_config *config)
{
    if (config != NULL)
        __atomic_add_fetch(&config->refs, 1, __ATOMIC_RELAXED);
    return config;
}

void weir_tls_config_close(weir_tls_config *config)
{
    if (config != NULL && __atomic_sub_fetch(&config->refs, 1, __ATOMIC_ACQ_REL) == 0)
        free_config(config);
}

void weir_tls_stats_get(weir_tls_config *config, weir_tls_stats *out_stats)
{
    weir__base_mutex_lock(&config->lock);
    *out_stats = config->stats;
    weir__base_mutex_unlock(&config->lock);
}
