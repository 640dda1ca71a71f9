/*
 * config_test.c - configurations: what they refuse, what they choose, and how they are exchanged
 * while connections are open
 */
#include <string.h>
#include <unistd.h>
#include <weir/weir.h>

#include "tests/support/test.h"
#include "tests/tls/pair.h"
#include "tls/tls.h"

static void expect_open_fails(weir_tls_options options, int rc, const char *why)
{
    weir_tls_config *config = NULL;
    EXPECT_RC(rc, weir_tls_config_open(&options, &config));
    EXPECT_CONTAINS(why, weir_failure_message(rc));
    EXPECT(config == NULL);
}

static weir_tls_options server_with(const weir_tls_certificate *certificate)
{
    return (weir_tls_options){
        .role = WEIR_TLS_SERVER, .certificates = certificate, .certificate_count = 1};
}

TASK_TEST(options_that_make_no_sense_are_refused_in_words)
{
    weir_tls_certificate good = in_memory(test_server());
    expect_open_fails((weir_tls_options){.role = WEIR_TLS_SERVER}, -EINVAL,
                      "a server needs a certificate");
    weir_tls_options options = server_with(&good);
    options.client_auth = WEIR_TLS_CLIENT_REQUIRED;
    expect_open_fails(options, -EINVAL, "client_auth needs to know whom to trust");
    options = server_with(&good);
    options.insecure_no_verification = true;
    expect_open_fails(options, -EINVAL, "insecure_no_verification is for clients");
    expect_open_fails((weir_tls_options){.client_auth = WEIR_TLS_CLIENT_REQUIRED}, -EINVAL,
                      "client_auth is for servers");
    expect_open_fails((weir_tls_options){.handshake_timeout_ns = -1}, -EINVAL, "negative");
    expect_open_fails((weir_tls_options){.ciphers = "AES128-SHA"}, -EINVAL,
                      "is not ECDHE with AEAD");
    expect_open_fails((weir_tls_options){.ciphers = "nonsense"}, -EINVAL, "ciphers 'nonsense'");
    expect_open_fails((weir_tls_options){.groups = "nonsense"}, -EINVAL, "groups 'nonsense'");
    const char *const empty[] = {"", NULL};
    expect_open_fails((weir_tls_options){.alpn = empty}, -EINVAL, "no protocol for ALPN");
    weir_tls_certificate nothing = {0};
    expect_open_fails(server_with(&nothing), -EINVAL, "has to be in a file or in memory");
}

TASK_TEST(files_that_cannot_be_used_are_named)
{
    const char *chain = write_file("chain.pem", test_server()->chain_pem);
    const char *key = write_file("key.pem", test_server()->key_pem);
    const char *other = write_file("other.pem", test_client()->key_pem);
    const char *text = write_file("text.pem", WEIR_STR("no PEM at all\n"));
    weir_str broken_pem = concatenate(test_server()->chain_pem, WEIR_STR(""));
    memset((char *)(uintptr_t)broken_pem.data + 100, '!', 20);
    const char *broken = write_file("broken.pem", broken_pem);
    const struct {
        weir_tls_certificate certificate;
        int rc;
        const char *why;
    } cases[] = {
        {{.chain_file = "/nonexistent.pem"}, -ENOENT, "cannot open certificate file /nonexistent"},
        {{.chain_file = chain, .key_file = "/nonexistent.key"}, -ENOENT, "cannot open key file"},
        {{.chain_file = text, .key_file = key},
         -EBADMSG,
         "text.pem: nothing of that kind is in it, as PEM"},
        {{.chain_file = broken, .key_file = key}, -EBADMSG, "certificate file"},
        {{.chain_file = chain, .key_file = text}, -EBADMSG, "key file"},
        {{.chain_file = chain}, -EBADMSG, "key file"}, // it is not in there as well
        {{.chain_file = chain, .key_file = other}, -EKEYREJECTED, "key values mismatch"},
        {{.chain_file = "/"}, -EISDIR, "cannot read certificate file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_open_fails(server_with(&cases[i].certificate), cases[i].rc, cases[i].why);
    expect_open_fails((weir_tls_options){.trust_file = text}, -EBADMSG, "trust file");
    expect_open_fails((weir_tls_options){.trust_file = key}, -EBADMSG, "nothing of that kind");
    expect_open_fails((weir_tls_options){.trust_file = "/nonexistent.pem"}, -ENOENT, "trust file");
    expect_open_fails((weir_tls_options){.trust_folder = "/nonexistent"}, -ENOENT, "trust folder");
    expect_open_fails((weir_tls_options){.trust_folder = chain}, -ENOTDIR, "trust folder");
    expect_open_fails((weir_tls_options){.crl_file = chain}, -EBADMSG, "CRL file");
}

TASK_TEST(an_encrypted_key_needs_its_passphrase_and_nobody_is_asked)
{
    weir_tls_certificate certificate = {.chain_pem = test_server()->chain_pem,
                                        .key_pem = encrypted_key(test_server(), "correct horse")};
    expect_open_fails(server_with(&certificate), -EBADMSG,
                      "TLS: key in memory: it is encrypted, and there is no passphrase");
    certificate.passphrase = "wrong";
    expect_open_fails(server_with(&certificate), -EBADMSG, "TLS: key in memory");
    certificate.passphrase = "correct horse";
    weir_tls_options options = server_with(&certificate);
    weir_tls_config *config = NULL;
    EXPECT_RC(0, weir_tls_config_open(&options, &config));
    weir_tls_config_close(config);
}

TASK_TEST(a_configuration_is_counted_and_the_system_is_trusted_by_default)
{
    weir_tls_config *config;
    REQUIRE_RC(0, weir_tls_config_open(NULL, &config));
    EXPECT(weir_tls_config_hold(config) == config);
    weir_tls_config_close(config);
    weir_tls_stats stats;
    weir_tls_stats_get(config, &stats);
    EXPECT_EQ(0, stats.handshakes);
    weir_tls_config_close(config);
    weir_tls_config_close(NULL);
    EXPECT(weir_tls_config_hold(NULL) == NULL);
}

/* --- what is chosen --------------------------------------------------------------------------- */

IO_TEST(the_certificate_is_chosen_by_name_and_the_first_is_for_all_others)
{
    struct identity a =
        make_identity((struct wish){.name = "a", .alt = "DNS:a.example", .issuer = test_root()});
    struct identity b =
        make_identity((struct wish){.name = "b", .alt = "DNS:*.b.example", .issuer = test_root()});
    weir_tls_certificate certificates[] = {in_memory(test_server()), in_memory(&a), in_memory(&b)};
    weir_tls_config *server = server_config(
        (weir_tls_options){.certificates = certificates, .certificate_count = 3}, NULL);
    weir_tls_config *client = client_config((weir_tls_options){0});
    static const struct {
        const char *host;
        const char *subject;
        int rc;
    } cases[] = {{"a.example", "CN = a", 0},
                 {"x.b.example", "CN = b", 0},
                 {"localhost", "CN = weir test server", 0},
                 {"127.0.0.1", "CN = weir test server", 0}, // asks for no name
                 {"other.example", "", -EKEYREJECTED}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pair pair = shake_hands(client, server, cases[i].host);
        EXPECT_RC(cases[i].rc, pair.client_rc);
        weir_tls_info info;
        if (pair.client_rc == 0) {
            EXPECT_RC(0, weir_tls_info_get(pair.client, &info));
            EXPECT_STR(cases[i].subject, info.subject);
            expect_talk(&pair);
        }
        close_pair(&pair);
    }
    weir_tls_config_close(client);
    weir_tls_config_close(server);
}

IO_TEST(the_protocol_is_chosen_in_the_servers_order)
{
    const char *const ours[] = {"http/1.1", "h2", NULL};
    const char *const theirs[] = {"h2", "http/1.1", NULL};
    const char *const strange[] = {"xmpp", NULL};
    struct pair pair = shake_hands_with((weir_tls_options){.alpn = ours},
                                        (weir_tls_options){.alpn = theirs}, NULL, "localhost");
    weir_tls_info info;
    REQUIRE_RC(0, weir_tls_info_get(pair.client, &info));
    EXPECT_STR("h2", info.alpn);
    EXPECT_RC(0, weir_tls_info_get(pair.server, &info));
    EXPECT_STR("h2", info.alpn);
    close_pair(&pair);

    pair = shake_hands_with((weir_tls_options){.alpn = ours}, (weir_tls_options){0}, NULL,
                            "localhost");
    REQUIRE_RC(0, weir_tls_info_get(pair.client, &info)); // a server that knows none
    EXPECT_STR("", info.alpn);
    close_pair(&pair);

    pair = shake_hands_with((weir_tls_options){.alpn = strange}, (weir_tls_options){.alpn = theirs},
                            NULL, "localhost");
    EXPECT_RC(-EPROTONOSUPPORT, pair.client_rc);
    EXPECT_CONTAINS("no application protocol", pair.client_said);
    EXPECT_RC(-EPROTONOSUPPORT, pair.server_rc);
    close_pair(&pair);
}

IO_TEST(without_a_version_or_a_cipher_in_common_both_sides_say_so)
{
    weir_tls_config *client = client_config((weir_tls_options){.version_min = WEIR_TLS_1_3});
    weir_tls_config *server = server_config((weir_tls_options){0}, NULL);
    SSL_CTX_set_max_proto_version(server->set->contexts[0], TLS1_2_VERSION);
    struct pair pair = shake_hands(client, server, "localhost");
    EXPECT_RC(-EPROTONOSUPPORT, pair.client_rc);
    EXPECT_CONTAINS("protocol version", pair.client_said);
    EXPECT_RC(-EPROTONOSUPPORT, pair.server_rc);
    close_pair(&pair);
    weir_tls_config_close(client);
    weir_tls_config_close(server);

    pair = shake_hands_with(
        (weir_tls_options){.version_min = WEIR_TLS_1_3, .ciphers_1_3 = "TLS_AES_256_GCM_SHA384"},
        (weir_tls_options){.ciphers_1_3 = "TLS_CHACHA20_POLY1305_SHA256"}, NULL, "localhost");
    EXPECT_RC(-ECONNABORTED, pair.client_rc);
    EXPECT_CONTAINS("handshake failure", pair.client_said);
    EXPECT_RC(-EPROTONOSUPPORT, pair.server_rc);
    EXPECT_CONTAINS("no shared cipher", pair.server_said);
    close_pair(&pair);
}

/* --- reload ----------------------------------------------------------------------------------- */

static void expect_subject(weir_tls_config *client, weir_tls_config *server, const char *subject)
{
    struct pair pair = shake_hands(client, server, "localhost");
    weir_tls_info info;
    REQUIRE_RC(0, weir_tls_info_get(pair.client, &info));
    EXPECT_STR(subject, info.subject);
    EXPECT(!info.resumed);
    expect_talk(&pair);
    close_pair(&pair);
}

IO_TEST(a_reload_is_for_new_handshakes_and_a_bad_file_changes_nothing)
{
    struct identity second = make_identity(
        (struct wish){.name = "second", .alt = "DNS:localhost", .issuer = test_root()});
    weir_tls_certificate certificate = {.chain_file =
                                            write_file("chain.pem", test_server()->chain_pem),
                                        .key_file = write_file("key.pem", test_server()->key_pem)};
    weir_tls_config *server = server_config(
        (weir_tls_options){.certificates = &certificate, .certificate_count = 1}, NULL);
    weir_tls_config *client = client_config((weir_tls_options){.no_resumption = true});
    REQUIRE(server != NULL && client != NULL);
    struct pair before = shake_hands(client, server, "localhost");

    write_file("chain.pem", second.chain_pem); // and the key has not come yet
    EXPECT_RC(-EKEYREJECTED, weir_tls_config_reload(server));
    EXPECT_CONTAINS("key values mismatch", weir_failure_message(-EKEYREJECTED));
    expect_subject(client, server, "CN = weir test server");
    write_file("key.pem", second.key_pem);
    EXPECT_RC(0, weir_tls_config_reload(server));
    expect_subject(client, server, "CN = second");
    expect_talk(&before); // what was open stays open
    close_pair(&before);
    unlink(certificate.chain_file);
    EXPECT_RC(-ENOENT, weir_tls_config_reload(server));
    expect_subject(client, server, "CN = second");
    weir_tls_stats stats;
    weir_tls_stats_get(server, &stats);
    EXPECT_EQ(1, stats.reloads);
    EXPECT_EQ(4, stats.handshakes);
    weir_tls_config_close(client);
    weir_tls_config_close(server);
}

/* --- resumption ------------------------------------------------------------------------------- */

static bool resumes(weir_tls_config *client, weir_tls_config *server, const char *host)
{
    struct pair pair = shake_hands(client, server, host);
    expect_talk(&pair); // a ticket comes before the first byte
    weir_tls_info ours = {0};
    weir_tls_info theirs = {0};
    EXPECT_RC(0, weir_tls_info_get(pair.client, &ours));
    EXPECT_RC(0, weir_tls_info_get(pair.server, &theirs));
    EXPECT_EQ(ours.resumed, theirs.resumed);
    EXPECT(ours.peer_verified && ours.peer_certificate);
    close_pair(&pair);
    return ours.resumed;
}

IO_TEST(a_client_comes_back_without_a_full_handshake_until_a_reload)
{
    for (int old = 0; old < 2; old++) {
        weir_tls_config *client = client_config((weir_tls_options){0});
        weir_tls_config *server = server_config((weir_tls_options){0}, NULL);
        if (old == 1) // TLS 1.2
            SSL_CTX_set_max_proto_version(client->set->contexts[0], TLS1_2_VERSION);
        EXPECT(!resumes(client, server, "localhost"));
        EXPECT(resumes(client, server, "localhost"));
        EXPECT(resumes(client, server, "localhost"));
        EXPECT(!resumes(client, server, "weir.test")); // another host
        EXPECT_RC(0, weir_tls_config_reload(server));
        EXPECT(!resumes(client, server, "localhost"));
        EXPECT(resumes(client, server, "localhost"));
        weir_tls_stats stats;
        weir_tls_stats_get(client, &stats);
        EXPECT_EQ(2, stats.sessions_kept);
        EXPECT_EQ(3, stats.resumed);
        EXPECT_RC(0, weir_tls_config_reload(client));
        weir_tls_stats_get(client, &stats);
        EXPECT_EQ(0, stats.sessions_kept);
        EXPECT(!resumes(client, server, "localhost"));
        weir_tls_config_close(client);
        weir_tls_config_close(server);
    }
}

IO_TEST(a_session_is_kept_for_each_host_and_for_so_many_at_most)
{
    weir_tls_config *client = client_config((weir_tls_options){.insecure_no_verification = true});
    weir_tls_config *server = server_config((weir_tls_options){0}, NULL);
    struct pair pair = shake_hands(client, server, "localhost");
    expect_talk(&pair);
    struct weir__tls *tls = pair.client->layer_state;
    SSL_SESSION *session = SSL_get1_session(tls->ssl);
    int (*keep)(SSL *, SSL_SESSION *) = SSL_CTX_sess_get_new_cb(client->set->contexts[0]);
    char *host = tls->host;
    for (int i = 0; i < 300; i++) {
        char name[] = "host-000";
        name[5] = (char)('0' + i / 100);
        name[6] = (char)('0' + i / 10 % 10);
        name[7] = (char)('0' + i % 10);
        tls->host = name;
        SSL_SESSION_up_ref(session);
        EXPECT_EQ(1, keep(tls->ssl, session));
    }
    tls->host = host;
    SSL_SESSION_free(session);
    weir_tls_stats stats;
    weir_tls_stats_get(client, &stats);
    EXPECT_EQ(256, stats.sessions_kept);
    close_pair(&pair);
    weir_tls_config_close(client);
    weir_tls_config_close(server);
}

IO_TEST(a_revoked_client_does_not_come_back_with_an_old_ticket)
{
    const char *crl = write_file("crl.pem", make_crl(test_root(), NULL));
    weir_tls_certificate certificate = in_memory(test_client());
    weir_tls_config *client =
        client_config((weir_tls_options){.certificates = &certificate, .certificate_count = 1});
    weir_tls_config *server = server_config(
        (weir_tls_options){.client_auth = WEIR_TLS_CLIENT_REQUIRED, .crl_file = crl}, NULL);
    EXPECT(!resumes(client, server, "localhost"));
    EXPECT(resumes(client, server, "localhost"));
    write_file("crl.pem", make_crl(test_root(), test_client()));
    EXPECT_RC(0, weir_tls_config_reload(server));
    struct pair pair = shake_hands(client, server, "localhost");
    EXPECT_RC(-EKEYREJECTED, pair.server_rc);
    EXPECT_CONTAINS("revoked", pair.server_said);
    close_pair(&pair);
    weir_tls_config_close(client);
    weir_tls_config_close(server);
}

IO_TEST(resumption_can_be_switched_off_on_either_side)
{
    for (int side = 0; side < 2; side++) {
        weir_tls_config *client = client_config((weir_tls_options){.no_resumption = side == 0});
        weir_tls_config *server =
            server_config((weir_tls_options){.no_resumption = side == 1}, NULL);
        EXPECT(!resumes(client, server, "localhost"));
        EXPECT(!resumes(client, server, "localhost"));
        weir_tls_config_close(client);
        weir_tls_config_close(server);
    }
}
