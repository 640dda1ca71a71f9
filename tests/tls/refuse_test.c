/*
 * refuse_test.c - every kind of bad certificate is refused, by the side that checks it, with a
 * sentence that says which certificate and why; the other side hears an alert
 */
#include <string.h>
#include <weir/weir.h>

#include "tests/support/test.h"
#include "tests/tls/pair.h"

/* A server with this certificate is refused by our client. */
static void expect_refused(struct wish wish, const char *host, const char *why, const char *alert)
{
    struct identity identity = make_identity(wish);
    struct pair pair =
        shake_hands_with((weir_tls_options){0}, (weir_tls_options){0}, &identity, host);
    EXPECT_RC(-EKEYREJECTED, pair.client_rc);
    EXPECT_CONTAINS(why, pair.client_said);
    EXPECT_CONTAINS(host, pair.client_said);
    EXPECT_RC(-ECONNABORTED, pair.server_rc);
    EXPECT_CONTAINS(alert, pair.server_said);
    close_pair(&pair);
}

IO_TEST(a_good_certificate_is_taken)
{
    struct pair pair =
        shake_hands_with((weir_tls_options){0}, (weir_tls_options){0}, NULL, "localhost");
    expect_talk(&pair);
    close_pair(&pair);
}

IO_TEST(a_certificate_that_has_expired_is_refused_with_its_date)
{
    expect_refused((struct wish){.name = "old",
                                 .alt = "DNS:localhost",
                                 .issuer = test_root(),
                                 .begins_days = -30,
                                 .ends_days = -2},
                   "localhost", "expired on 20", "certificate expired");
}

IO_TEST(a_certificate_that_is_not_valid_yet_is_refused_with_its_date)
{
    expect_refused((struct wish){.name = "early",
                                 .alt = "DNS:localhost",
                                 .issuer = test_root(),
                                 .begins_days = 3,
                                 .ends_days = 30},
                   "localhost", "not valid before 20", "bad certificate");
}

IO_TEST(a_certificate_for_another_host_is_refused_with_the_names_it_has)
{
    expect_refused((struct wish){.name = "localhost", // the common name does not count
                                 .alt = "DNS:a.example,DNS:*.b.example,IP:10.0.0.1",
                                 .issuer = test_root()},
                   "localhost", "not for localhost, only for a.example, *.b.example, 10.0.0.1",
                   "bad certificate");
    expect_refused((struct wish){.name = "localhost", .issuer = test_root()}, "localhost",
                   "it has no names at all", "bad certificate");
    expect_refused((struct wish){.name = "x", .alt = "IP:10.0.0.1", .issuer = test_root()},
                   "127.0.0.1", "not for 127.0.0.1, only for 10.0.0.1", "bad certificate");
}

IO_TEST(a_wildcard_stands_for_one_label_only)
{
    struct identity wild = make_identity((struct wish){
        .name = "wild", .alt = "DNS:*.b.example,DNS:part*.c.example", .issuer = test_root()});
    static const struct {
        const char *host;
        int rc;
    } cases[] = {{"x.b.example", 0},
                 {"X.B.EXAMPLE", 0},
                 {"x.b.example.", 0}, // an absolute name
                 {"b.example", -EKEYREJECTED},
                 {"y.x.b.example", -EKEYREJECTED},
                 {"part1.c.example", -EKEYREJECTED}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pair pair =
            shake_hands_with((weir_tls_options){0}, (weir_tls_options){0}, &wild, cases[i].host);
        EXPECT_RC(cases[i].rc, pair.client_rc);
        close_pair(&pair);
    }
}

IO_TEST(a_host_that_begins_with_a_dot_is_not_taken_for_any_below_it)
{
    struct identity wild = make_identity(
        (struct wish){.name = "wild", .alt = "DNS:x.b.example,DNS:example", .issuer = test_root()});
    static const char *const hosts[] = {".b.example", ".example", ".", ".b.example."};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        struct pair pair =
            shake_hands_with((weir_tls_options){0}, (weir_tls_options){0}, &wild, hosts[i]);
        EXPECT_RC(-EINVAL, pair.client_rc);
        EXPECT_CONTAINS("is no name of a host", pair.client_said);
        close_pair(&pair);
    }
}

IO_TEST(a_self_signed_certificate_is_refused)
{
    expect_refused((struct wish){.name = "myself", .alt = "DNS:localhost"}, "localhost",
                   "self-signed, and not trusted here (subject CN = myself", "unknown CA");
}

IO_TEST(a_certificate_of_an_unknown_issuer_is_refused)
{
    struct identity stranger = make_identity((struct wish){.name = "stranger", .authority = true});
    expect_refused(
        (struct wish){.name = "x", .alt = "DNS:localhost", .issuer = &stranger}, "localhost",
        "unknown issuer, or a certificate between is missing (subject CN = x, issued by CN = "
        "stranger)",
        "unknown CA");
}

IO_TEST(a_certificate_for_another_purpose_is_refused)
{
    expect_refused(
        (struct wish){
            .name = "x", .alt = "DNS:localhost", .issuer = test_root(), .purpose = "clientAuth"},
        "localhost", "not made for servers", "unsupported certificate");
}

IO_TEST(a_certificate_signed_by_one_that_may_not_sign_is_refused)
{
    struct identity plain =
        make_identity((struct wish){.name = "no authority", .issuer = test_root()});
    expect_refused((struct wish){.name = "x", .alt = "DNS:localhost", .issuer = &plain},
                   "localhost", "may not sign certificates", "");
}

/* Our own server would not even load such a key, so one stands in for it that does not care. */
static void expect_weak(struct wish wish, const char *why)
{
    struct identity weak = make_identity(wish);
    weir_tls_options options = {.role = WEIR_TLS_SERVER, .certificate_count = 1};
    weir_tls_certificate certificate = in_memory(&weak);
    options.certificates = &certificate;
    weir_tls_config *config;
    EXPECT_RC(-EKEYREJECTED, weir_tls_config_open(&options, &config));
    EXPECT_CONTAINS(why, weir_failure_message(-EKEYREJECTED));
}

IO_TEST(a_key_or_a_signature_that_is_too_weak_is_not_loaded)
{
    expect_weak((struct wish){.name = "x", .issuer = test_root(), .rsa_bits = 1024},
                "ee key too small");
    expect_weak((struct wish){.name = "x", .issuer = test_root(), .sha1 = true}, "md too weak");
}

IO_TEST(a_revoked_certificate_is_refused_and_so_is_a_revoked_chain)
{
    struct identity between =
        make_identity((struct wish){.name = "between", .authority = true, .issuer = test_root()});
    struct identity leaf =
        make_identity((struct wish){.name = "leaf", .alt = "DNS:localhost", .issuer = &between});
    weir_str roots_clean = make_crl(test_root(), NULL);
    weir_str roots_bad = make_crl(test_root(), &between);
    weir_str betweens_clean = make_crl(&between, NULL);
    weir_str betweens_bad = make_crl(&between, &leaf);
    const struct {
        weir_str crl;
        int rc;
        const char *why;
    } cases[] = {
        {concatenate(roots_clean, betweens_clean), 0, ""},
        {betweens_clean, 0, ""}, // of the leaf's issuer: enough
        {concatenate(roots_clean, betweens_bad), -EKEYREJECTED,
         "certificate of localhost: revoked"},
        {concatenate(roots_bad, betweens_clean), -EKEYREJECTED,
         "an issuer in the chain of localhost: revoked (subject CN = between"},
        {roots_clean, -EKEYREJECTED, "the CRL file has nothing of its issuer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        weir_tls_options options = {.crl_file = write_file("crl.pem", cases[i].crl)};
        struct pair pair = shake_hands_with(options, (weir_tls_options){0}, &leaf, "localhost");
        EXPECT_RC(cases[i].rc, pair.client_rc);
        EXPECT_CONTAINS(cases[i].why, pair.client_said);
        close_pair(&pair);
    }
}

IO_TEST(a_chain_through_an_authority_between_is_followed)
{
    struct identity between =
        make_identity((struct wish){.name = "between", .authority = true, .issuer = test_root()});
    struct identity leaf =
        make_identity((struct wish){.name = "leaf", .alt = "DNS:localhost", .issuer = &between});
    struct pair pair =
        shake_hands_with((weir_tls_options){0}, (weir_tls_options){0}, &leaf, "localhost");
    expect_talk(&pair);
    close_pair(&pair);
    leaf.chain_pem = pem_of(leaf.x509); // the server forgot the one between
    pair = shake_hands_with((weir_tls_options){0}, (weir_tls_options){0}, &leaf, "localhost");
    EXPECT_RC(-EKEYREJECTED, pair.client_rc);
    EXPECT_CONTAINS("a certificate between is missing", pair.client_said);
    close_pair(&pair);
}

IO_TEST(control_characters_of_a_certificate_do_not_reach_the_message)
{
    struct identity odd = make_identity((struct wish){.name = "a\x1b[31m\nb", .alt = "DNS:x"});
    struct pair pair =
        shake_hands_with((weir_tls_options){0}, (weir_tls_options){0}, &odd, "localhost");
    EXPECT_RC(-EKEYREJECTED, pair.client_rc);
    EXPECT(strpbrk(pair.client_said, "\x1b\n") == NULL);
    close_pair(&pair);
}

IO_TEST(without_verification_anything_is_taken_and_the_info_says_so)
{
    struct identity own = make_identity((struct wish){.name = "myself"});
    struct pair pair = shake_hands_with((weir_tls_options){.insecure_no_verification = true},
                                        (weir_tls_options){0}, &own, "localhost");
    expect_talk(&pair);
    weir_tls_info info;
    EXPECT_RC(0, weir_tls_info_get(pair.client, &info));
    EXPECT(!info.peer_verified && info.peer_certificate);
    close_pair(&pair);
}

/* --- certificates of clients ------------------------------------------------------------------ */

static struct pair shake_as(const struct identity *identity, weir_tls_client_auth auth,
                            weir_tls_version version)
{
    weir_tls_certificate certificate = {0};
    weir_tls_options client = {.version_min = version};
    if (identity != NULL) {
        certificate = in_memory(identity);
        client.certificates = &certificate;
        client.certificate_count = 1;
    }
    weir_tls_options server = {.client_auth = auth};
    return shake_hands_with(client, server, NULL, "localhost");
}

IO_TEST(a_client_with_a_certificate_is_known_to_the_server)
{
    struct pair pair = shake_as(test_client(), WEIR_TLS_CLIENT_REQUIRED, WEIR_TLS_DEFAULT);
    expect_talk(&pair);
    weir_tls_info info;
    EXPECT_RC(0, weir_tls_info_get(pair.server, &info));
    EXPECT(info.peer_verified && info.peer_certificate);
    EXPECT_STR("CN = weir test client", info.subject);
    EXPECT_STR("client.test", info.names);
    close_pair(&pair);
    pair = shake_as(NULL, WEIR_TLS_CLIENT_OPTIONAL, WEIR_TLS_DEFAULT);
    expect_talk(&pair);
    EXPECT_RC(0, weir_tls_info_get(pair.server, &info));
    EXPECT(!info.peer_verified && !info.peer_certificate);
    close_pair(&pair);
}

/* With TLS 1.3 a client is done before the server has seen its certificate: it hears in a read. */
static void expect_client_refused(const struct identity *identity, weir_tls_client_auth auth,
                                  const char *why, const char *alert)
{
    struct pair pair = shake_as(identity, auth, WEIR_TLS_1_3);
    EXPECT_RC(-EKEYREJECTED, pair.server_rc);
    EXPECT_CONTAINS(why, pair.server_said);
    if (pair.client_rc == 0) {
        char byte;
        EXPECT_RC(-ECONNABORTED, weir_conn_read(pair.client, &byte, 1));
        EXPECT_CONTAINS(alert, weir_failure_message(-ECONNABORTED));
        EXPECT_RC(-ECONNABORTED, weir_conn_read(pair.client, &byte, 1)); // and again
        EXPECT_CONTAINS(alert, weir_failure_message(-ECONNABORTED));
    } else {
        EXPECT_RC(-ECONNABORTED, pair.client_rc);
        EXPECT_CONTAINS(alert, pair.client_said);
    }
    close_pair(&pair);
}

IO_TEST(a_client_without_or_with_a_bad_certificate_is_refused)
{
    struct identity expired = make_identity((struct wish){
        .name = "old client", .issuer = test_root(), .begins_days = -9, .ends_days = -2});
    struct identity own = make_identity((struct wish){.name = "own client"});
    expect_client_refused(NULL, WEIR_TLS_CLIENT_REQUIRED, "sent no certificate",
                          "certificate required");
    expect_client_refused(&expired, WEIR_TLS_CLIENT_REQUIRED, "expired on", "certificate expired");
    expect_client_refused(&own, WEIR_TLS_CLIENT_OPTIONAL, "self-signed", "unknown CA");
    expect_client_refused(test_server(), WEIR_TLS_CLIENT_REQUIRED, "not made for clients",
                          "unsupported certificate");
}
