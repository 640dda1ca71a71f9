/*
 * session.c - resumption: fewer round trips and no certificates for a peer that is known
 *
 * A client keeps the last session of each host, for the configuration that made it: its trust and
 * its rules stay the same. TLS 1.3 tickets are used once (RFC 8446 section C.4). A server keeps
 * nothing: its tickets are encrypted with keys of the configuration, so that any loop reads them;
 * each key makes tickets for 12 h and reads them for as long again. A reload ends both.
 *
 * Runs on  any thread, inside of OpenSSL's calls.
 * Holds    The list has at most one entry a host, and WEIR__TLS_SESSIONS_MAX in all.
 */
#include <openssl/core_names.h>
#include <openssl/rand.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "tls/tls.h"

static const unsigned char context_id[] = "weir";

/* --- a client's ------------------------------------------------------------------------------- */

static struct weir__tls_kept *kept_at(struct weir__list *link)
{
    return WEIR__CONTAINER(link, struct weir__tls_kept, link);
}

static void drop_kept(weir_tls_config *config, struct weir__tls_kept *kept)
{
    weir__list_remove(&kept->link);
    config->stats.sessions_kept--;
    SSL_SESSION_free(kept->session);
    weir__base_free(kept);
}

static struct weir__tls_kept *find_kept(weir_tls_config *config, const char *host)
{
    for (struct weir__list *link = config->kept.next; link != &config->kept; link = link->next) {
        if (strcmp(kept_at(link)->host, host) == 0)
            return kept_at(link);
    }
    return NULL;
}

static void keep(weir_tls_config *config, const char *host, SSL_SESSION *session)
{
    struct weir__tls_kept *kept = find_kept(config, host);
    if (kept != NULL)
        drop_kept(config, kept);
    else if (config->stats.sessions_kept == WEIR__TLS_SESSIONS_MAX)
        drop_kept(config, kept_at(config->kept.prev));
    size_t size = strlen(host) + 1;
    kept = weir__base_alloc(sizeof *kept + size);
    if (kept == NULL) {
        SSL_SESSION_free(session); // the next handshake is a full one
        return;
    }
    kept->session = session;
    memcpy(kept->host, host, size);
    weir__list_prepend(&config->kept, &kept->link);
    config->stats.sessions_kept++;
}

/* 1: the session is ours now. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    const struct weir__tls *tls = SSL_get_app_data(ssl);
    if (tls == NULL || tls->host == NULL)
        return 0;
    weir_tls_config *config = tls->config;
    weir__base_mutex_lock(&config->lock);
    bool current = tls->generation == config->generation; // or it knows what a reload has changed
    if (current)
        keep(config, tls->host, session);
    weir__base_mutex_unlock(&config->lock);
    return current;
}

void weir__tls_session_offer(SSL *ssl, weir_tls_config *config, const char *host)
{
    SSL_SESSION *session = NULL;
    weir__base_mutex_lock(&config->lock);
    struct weir__tls_kept *kept = find_kept(config, host);
    if (kept != NULL) {
        session = kept->session;
        SSL_SESSION_up_ref(session);
        if (SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION)
            drop_kept(config, kept);
    }
    weir__base_mutex_unlock(&config->lock);
    if (session == NULL)
        return;
    if (SSL_SESSION_is_resumable(session) == 1)
        weir_ignore(SSL_set_session(ssl, session), "else the handshake is a full one");
    SSL_SESSION_free(session);
}

void weir__tls_session_forget(weir_tls_config *config)
{
    while (!weir__list_empty(&config->kept))
        drop_kept(config, kept_at(config->kept.next));
    explicit_bzero(config->keys, sizeof config->keys);
}

/* --- a server's tickets ----------------------------------------------------------------------- */

static bool new_key(struct weir__tls_ticket_key *key, int64_t now_ns)
{
    key->made_ns = now_ns;
    return RAND_bytes(key->name, sizeof key->name) == 1 &&
           RAND_priv_bytes(key->cipher, sizeof key->cipher) == 1 &&
           RAND_priv_bytes(key->mac, sizeof key->mac) == 1;
}

/* With the lock held. Old keys go also where no ticket is made. */
static bool turn_keys(weir_tls_config *config)
{
    int64_t now_ns = weir__base_kernel_now();
    struct weir__tls_ticket_key *keys = config->keys;
    if (keys[0].made_ns != 0 && now_ns - keys[0].made_ns < WEIR__TLS_TICKET_KEY_NS)
        return true;
    struct weir__tls_ticket_key fresh;
    if (!new_key(&fresh, now_ns == 0 ? 1 : now_ns))
        return false;
    bool too_old = keys[0].made_ns != 0 && now_ns - keys[0].made_ns >= 2 * WEIR__TLS_TICKET_KEY_NS;
    if (too_old)
        explicit_bzero(&keys[1], sizeof keys[1]);
    else
        keys[1] = keys[0];
    keys[0] = fresh;
    explicit_bzero(&fresh, sizeof fresh);
    return true;
}

/* A copy of the key for a new ticket, or of the one with this name. 1: the one for new ones. */
static int take_key(weir_tls_config *config, const unsigned char *name,
                    struct weir__tls_ticket_key *out_key)
{
    int found = 0;
    weir__base_mutex_lock(&config->lock);
    if (turn_keys(config)) {
        for (int i = 0; i < 2 && found == 0; i++) {
            const struct weir__tls_ticket_key *key = &config->keys[i];
            if (key->made_ns != 0 &&
                (name == NULL || memcmp(name, key->name, sizeof key->name) == 0)) {
                *out_key = *key;
                found = i + 1;
            }
        }
    }
    weir__base_mutex_unlock(&config->lock);
    return found;
}

static bool init_mac(EVP_MAC_CTX *mac, const struct weir__tls_ticket_key *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)(uintptr_t)key->mac,
                                          sizeof key->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 done, 2 read and a new one is due, 0 not ours. */
static int ticket_key(SSL *ssl, unsigned char name[16], unsigned char iv[EVP_MAX_IV_LENGTH],
                      EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int making)
{
    const struct weir__tls *tls = SSL_get_app_data(ssl);
    if (tls == NULL)
        return 0;
    struct weir__tls_ticket_key key;
    int found = take_key(tls->config, making ? NULL : name, &key);
    if (found == 0)
        return making ? -1 : 0;
    int done = -1;
    if (making) {
        memcpy(name, key.name, sizeof key.name);
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
            EVP_EncryptInit_ex2(cipher, EVP_aes_256_cbc(), key.cipher, iv, NULL) == 1 &&
            init_mac(mac, &key))
            done = 1;
    } else if (init_mac(mac, &key) &&
               EVP_DecryptInit_ex2(cipher, EVP_aes_256_cbc(), key.cipher, iv, NULL) == 1) {
        // with TLS 1.3 a ticket is used once: the next one is always due
        done = found == 1 && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2;
    }
    explicit_bzero(&key, sizeof key);
    return done;
}

/* --- both ------------------------------------------------------------------------------------- */

void weir__tls_session_callbacks(SSL_CTX *context, weir_tls_config *config)
{
    if (config->options.no_resumption) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        weir_ignore(SSL_CTX_set_num_tickets(context, 0), "it cannot fail");
    } else if (config->options.role == WEIR_TLS_CLIENT) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, keep_session);
    } else {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        weir_ignore(SSL_CTX_set_session_id_context(context, context_id, sizeof context_id - 1),
                    "the name is short enough");
        SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_key);
    }
}
