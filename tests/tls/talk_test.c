/*
 * talk_test.c - a TLS connection is a connection: bytes both ways, ends, limits, closes; and what
 * comes of a peer that does not speak TLS, or stops in the middle
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/relay.h>
#include <weir/weir.h>

#include "base/sys.h"
#include "net/net.h"
#include "tests/net/peer.h"
#include "tests/support/test.h"
#include "tests/tls/pair.h"
#include "tls/tls.h"

enum { MEBIBYTE = 1024 * 1024 };

static struct pair good_pair(weir_tls_version version)
{
    return shake_hands_with((weir_tls_options){.version_min = version}, (weir_tls_options){0}, NULL,
                            "localhost");
}

/* A pair of TLS 1.2: our own options only set the minimum. */
static struct pair old_pair(void)
{
    weir_tls_config *client = client_config((weir_tls_options){0});
    weir_tls_config *server = server_config((weir_tls_options){0}, NULL);
    SSL_CTX_set_max_proto_version(server->set->contexts[0], TLS1_2_VERSION);
    struct pair pair = shake_hands(client, server, "localhost");
    weir_tls_config_close(client);
    weir_tls_config_close(server);
    return pair;
}

/* --- bytes ------------------------------------------------------------------------------------ */

static void fill(char *data, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (char)(i * 7 + i / 251 + seed);
}

struct writing {
    weir_conn *conn;
    const char *data;
    size_t size;
};
static int writing(struct writing *a)
{
    size_t at = 0;
    size_t piece = 1;
    while (at < a->size) { // sizes around those of records
        size_t size = piece < a->size - at ? piece : a->size - at;
        weir_str parts[] = {
            {a->data + at, size / 3}, {"", 0}, {a->data + at + size / 3, size - size / 3}};
        size_t written = 0;
        int rc = weir_conn_write_parts(a->conn, parts, 3, &written);
        if (rc < 0)
            return rc;
        EXPECT_EQ(size, written);
        at += size;
        piece = piece * 5 + 1;
    }
    return weir_conn_finish(a->conn);
}

static void read_it_all(weir_conn *conn, const char *data, size_t size)
{
    char *back = malloc(size);
    EXPECT_RC(0, weir_conn_read_exact(conn, back, size, NULL));
    EXPECT(memcmp(back, data, size) == 0);
    EXPECT_RC(0, weir_conn_read(conn, back, 1)); // a clean end
    EXPECT_RC(0, weir_conn_read(conn, back, 1)); // that stays
    free(back);
}

struct reading {
    weir_conn *conn;
    const char *data;
    size_t size;
};
static int reading(struct reading *a)
{
    read_it_all(a->conn, a->data, a->size);
    return 0;
}

static void both_ways(struct pair pair)
{
    REQUIRE(pair.client != NULL && pair.server != NULL);
    char *ours = malloc(MEBIBYTE);
    char *theirs = malloc(MEBIBYTE);
    fill(ours, MEBIBYTE, 1);
    fill(theirs, MEBIBYTE, 2);
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, writing, .conn = pair.client, .data = ours, .size = MEBIBYTE));
    EXPECT_RC(0, WEIR_SPAWN(group, writing, .conn = pair.server, .data = theirs, .size = MEBIBYTE));
    EXPECT_RC(0, WEIR_SPAWN(group, reading, .conn = pair.client, .data = theirs, .size = MEBIBYTE));
    read_it_all(pair.server, ours, MEBIBYTE);
    EXPECT_RC(0, weir_group_close(group, 0));
    free(ours);
    free(theirs);
    close_pair(&pair);
}

IO_TEST(a_mebibyte_goes_both_ways_at_once_and_each_way_ends_by_itself)
{
    both_ways(good_pair(WEIR_TLS_DEFAULT));
    both_ways(old_pair());
}

IO_TEST(after_the_peer_has_finished_one_may_still_write)
{
    struct pair pair = good_pair(WEIR_TLS_DEFAULT);
    char buffer[8];
    EXPECT_RC(0, weir_conn_write_all(pair.client, "ask", 3, NULL));
    EXPECT_RC(0, weir_conn_finish(pair.client));
    EXPECT_RC(0, weir_conn_finish(pair.client)); // twice is fine
    EXPECT_RC(-EPIPE, weir_conn_write_all(pair.client, "more", 4, NULL));
    EXPECT_RC(0, weir_conn_read_exact(pair.server, buffer, 3, NULL));
    EXPECT_RC(0, weir_conn_read(pair.server, buffer, 1));
    EXPECT_RC(0, weir_conn_write_all(pair.server, "answer", 6, NULL));
    EXPECT_RC(0, weir_conn_read_exact(pair.client, buffer, 6, NULL));
    EXPECT_BYTES("answer", buffer, 6);
    close_pair(&pair);
}

IO_TEST(a_close_is_a_clean_end_for_the_peer)
{
    struct pair pair = good_pair(WEIR_TLS_DEFAULT);
    char byte;
    EXPECT_RC(0, weir_conn_write_all(pair.client, "x", 1, NULL));
    weir_conn_close(pair.client);
    EXPECT_RC(1, weir_conn_read(pair.server, &byte, 1));
    EXPECT_RC(0, weir_conn_read(pair.server, &byte, 1));
    weir_conn_close(pair.server);

    pair = good_pair(WEIR_TLS_DEFAULT);
    weir_conn_abort(pair.client); // which is none
    EXPECT_RC(-ECONNRESET, weir_conn_read(pair.server, &byte, 1));
    weir_conn_close(pair.server);
}

IO_TEST(an_end_without_the_close_of_tls_is_told_after_the_bytes_before_it)
{
    struct pair pair = good_pair(WEIR_TLS_DEFAULT);
    char buffer[8];
    EXPECT_RC(0, weir_conn_write_all(pair.client, "half", 4, NULL));
    EXPECT_RC(0, weir__sys_shutdown(weir__stream_fd(&pair.client->stream), SHUT_WR));
    EXPECT_RC(4, weir_conn_read(pair.server, buffer, sizeof buffer));
    EXPECT_RC(-EPROTO, weir_conn_read(pair.server, buffer, sizeof buffer));
    EXPECT_CONTAINS("may have been cut off", weir_failure_message(-EPROTO));
    EXPECT_RC(-EPROTO, weir_conn_read_exact(pair.server, buffer, 1, NULL)); // it stays so
    EXPECT_CONTAINS("may have been cut off", weir_failure_message(-EPROTO));
    close_pair(&pair);
}

IO_TEST(bytes_can_be_looked_at_where_they_lie)
{
    struct pair pair = good_pair(WEIR_TLS_DEFAULT);
    size_t there = 0;
    char buffer[8];
    EXPECT(weir__net_conn_at_rest(pair.client)); // the tickets are nobody's to read
    EXPECT_RC(0, weir_conn_write_all(pair.client, "abc", 3, NULL));
    EXPECT_RC(1, weir__net_conn_wait_more(pair.server, 0));
    const char *data = weir__net_conn_peek(pair.server, &there);
    EXPECT(there == 3 && data != NULL && memcmp(data, "abc", 3) == 0);
    EXPECT(!weir__net_conn_at_rest(pair.server));
    weir__net_conn_consume(pair.server, 1);
    EXPECT_RC(0, weir_conn_write_all(pair.client, "def", 3, NULL));
    EXPECT_RC(1, weir__net_conn_wait_more(pair.server, 2));
    data = weir__net_conn_peek(pair.server, &there);
    EXPECT(there == 5 && data != NULL && memcmp(data, "bcdef", 5) == 0);
    EXPECT_RC(5, weir_conn_read(pair.server, buffer, sizeof buffer));
    EXPECT(weir__net_conn_peek(pair.server, &there) == NULL && there == 0);
    EXPECT(weir__net_conn_at_rest(pair.server));
    weir_conn_close(pair.client);
    EXPECT_RC(0, weir__net_conn_wait_more(pair.server, 0));
    EXPECT(!weir__net_conn_at_rest(pair.server));
    weir_conn_close(pair.server);
}

IO_TEST(a_file_is_sent_over_tls_too)
{
    struct pair pair = good_pair(WEIR_TLS_DEFAULT);
    char *data = malloc(100000);
    fill(data, 100000, 5);
    const char *path = write_file("data", (weir_str){data, 100000});
    weir_file *file;
    REQUIRE_RC(0, weir_file_open(path, NULL, &file));
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(
        0, WEIR_SPAWN(group, reading, .conn = pair.server, .data = data + 10, .size = 100000 - 10));
    size_t sent = 0;
    EXPECT_RC(0, weir_conn_send_file(pair.client, file, 10, WEIR_UNLIMITED, &sent));
    EXPECT_EQ(100000 - 10, sent);
    EXPECT_RC(0, weir_conn_finish(pair.client));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, weir_file_close(file));
    free(data);
    close_pair(&pair);
}

/* --- limits, cancellation, closes ------------------------------------------------------------- */

IO_TEST(the_limits_of_a_connection_hold_for_tls_too)
{
    struct pair pair = good_pair(WEIR_TLS_DEFAULT);
    char byte;
    EXPECT_RC(0, weir_conn_set_limits(pair.client, 10 * WEIR_MS, 10 * WEIR_MS));
    EXPECT_RC(-ETIMEDOUT, weir_conn_read(pair.client, &byte, 1));
    char *much = malloc(16 * MEBIBYTE);
    fill(much, 16 * MEBIBYTE, 0);
    size_t written = 0;
    EXPECT_RC(-ETIMEDOUT, weir_conn_write_all(pair.client, much, 16 * MEBIBYTE, &written));
    EXPECT(written > 0 && written < 16 * MEBIBYTE);
    // What was encrypted goes out with the next write, in its place.
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    char *whole = malloc(written + 4);
    memcpy(whole, much, written);
    memcpy(whole + written, "last", 4);
    EXPECT_RC(0,
              WEIR_SPAWN(group, reading, .conn = pair.server, .data = whole, .size = written + 4));
    EXPECT_RC(0, weir_conn_set_limits(pair.client, 0, 10 * WEIR_SEC));
    EXPECT_RC(0, weir_conn_write_all(pair.client, "last", 4, NULL));
    EXPECT_RC(0, weir_conn_finish(pair.client));
    EXPECT_RC(0, weir_group_close(group, 0));
    free(whole);
    free(much);
    close_pair(&pair);
}

/* Writes until the kernel takes no more; the rest of the last batch stays with the connection. */
static void stuff(weir_conn *conn)
{
    static char much[64 * 1024];
    EXPECT_RC(0, weir_conn_set_limits(conn, 0, 5 * WEIR_MS));
    while (weir_conn_write_all(conn, much, sizeof much, NULL) == 0) {
    }
    struct weir__tls *tls = conn->layer_state;
    EXPECT(weir__tls_unsent(tls) > 0);
}

static int drain(void *arg)
{
    static char buffer[64 * 1024];
    ssize_t got;
    while ((got = weir_conn_read(arg, buffer, sizeof buffer)) > 0) {
    }
    return (int)got;
}

IO_TEST(a_finish_that_does_not_fit_into_the_kernel_goes_out_without_a_task)
{
    struct pair pair = good_pair(WEIR_TLS_DEFAULT);
    stuff(pair.client);
    EXPECT_RC(0, weir_conn_finish(pair.client));
    EXPECT_RC(0, drain(pair.server)); // to a clean end
    close_pair(&pair);
}

IO_TEST(a_close_with_bytes_left_tells_the_peer_that_they_are_missing)
{
    struct pair pair = good_pair(WEIR_TLS_DEFAULT);
    stuff(pair.client);
    weir_conn_close(pair.client);
    EXPECT_RC(-EPROTO, drain(pair.server));
    weir_conn_close(pair.server);

    pair = good_pair(WEIR_TLS_DEFAULT);
    stuff(pair.client);
    EXPECT_RC(0, weir_conn_finish(pair.client)); // and the close cuts that one off
    weir_conn_close(pair.client);
    let_settle();
    EXPECT_RC(-EPROTO, drain(pair.server));
    weir_conn_close(pair.server);
}

IO_TEST(a_close_ends_the_waits_of_other_tasks) /* O8 */
{
    struct pair pair = good_pair(WEIR_TLS_DEFAULT);
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, &(weir_group_options){.policy = WEIR_COLLECT_ALL}));
    EXPECT_RC(0, weir_spawn(group, drain, pair.server));
    let_settle();
    weir_conn_close(pair.server);
    EXPECT_RC(-EBADF, weir_group_close(group, 0));
    weir_conn_close(pair.client);
}

static int read_once(void *arg)
{
    char byte;
    return weir_conn_read(arg, &byte, 1) < 0 ? 0 : -EPROTO;
}

IO_TEST(a_read_that_is_cancelled_takes_nothing) /* O1, O4 */
{
    struct pair pair = good_pair(WEIR_TLS_DEFAULT);
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, read_once, pair.server));
    let_settle();
    weir_group_cancel(group, "test");
    EXPECT_RC(0, weir_group_close(group, 0));
    expect_talk(&pair);
    weir_scope scope = {0};
    EXPECT_RC(0, weir_scope_enter(&scope));
    weir_scope_cancel(&scope, "test");
    char byte;
    EXPECT_RC(0, weir_conn_finish(pair.server)); // no checkpoint
    EXPECT_RC(-ECANCELED, weir_conn_read(pair.server, &byte, 1));
    EXPECT_RC(-ECANCELED, weir_conn_write_all(pair.server, "x", 1, NULL));
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, -ECANCELED));
    close_pair(&pair);
}

/* --- peers that do not speak TLS -------------------------------------------------------------- */

/* A server of ours, and a plain other side that sends this. */
static void expect_accept_fails(const char *bytes, size_t size, int rc, const char *why)
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    weir_tls_config *config = server_config((weir_tls_options){0}, NULL);
    peer_send(peer, bytes, size);
    shutdown(peer, SHUT_WR);
    EXPECT_RC(rc, weir_tls_accept(conn, config));
    EXPECT_CONTAINS(why, weir_failure_message(rc));
    char byte;
    EXPECT_RC(rc, weir_conn_read(conn, &byte, 1)); // it never goes on in plain
    EXPECT_RC(rc, weir_conn_write_all(conn, "secret", 6, NULL));
    EXPECT_RC(rc, weir_conn_finish(conn));
    weir_conn_close(conn);
    close(peer);
    weir_tls_config_close(config);
}

#define TEXT(literal) literal, sizeof(literal) - 1
IO_TEST(what_is_not_tls_is_refused_in_words)
{
    expect_accept_fails(TEXT("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), -EPROTO,
                        "speaks plain HTTP to a port for TLS");
    expect_accept_fails(TEXT("SSH-2.0-OpenSSH_9.2\r\n"), -EPROTO, "does not speak TLS here");
    expect_accept_fails(TEXT("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), -EPROTO, "TLS");
    expect_accept_fails(TEXT("\x16\x03\x01\xff\xff\x01"), -EPROTO, "TLS"); // a record too large
    expect_accept_fails(TEXT("\x16\x03\x01"), -EPIPE, "in the middle of the TLS handshake");
    expect_accept_fails(TEXT(""), -EPIPE, "in the middle of the TLS handshake");
}

IO_TEST(a_client_of_a_server_that_speaks_plainly_is_told)
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    weir_tls_config *config = client_config((weir_tls_options){0});
    peer_send(peer, TEXT("HTTP/1.1 400 Bad Request\r\n\r\n"));
    EXPECT_RC(-EPROTO, weir_tls_client(conn, config, "localhost"));
    EXPECT_CONTAINS("localhost does not speak TLS here", weir_failure_message(-EPROTO));
    weir_conn_close(conn);
    close(peer);
    weir_tls_config_close(config);
}

IO_TEST(a_handshake_that_takes_too_long_is_cut)
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    weir_tls_config *config =
        server_config((weir_tls_options){.handshake_timeout_ns = 20 * WEIR_MS}, NULL);
    peer_send(peer, "\x16\x03\x01\x02", 4);
    EXPECT_RC(-ETIMEDOUT, weir_tls_accept(conn, config));
    EXPECT_CONTAINS("was not done within 20 ms", weir_failure_message(-ETIMEDOUT));
    weir_conn_close(conn);
    close(peer);
    weir_tls_stats stats;
    weir_tls_stats_get(config, &stats);
    EXPECT(stats.failed == 1 && stats.handshakes == 0 && stats.handshakes_active == 0);
    weir_tls_config_close(config);
}

IO_TEST(misuse_is_answered)
{
    struct pair pair = good_pair(WEIR_TLS_DEFAULT);
    weir_tls_config *client = client_config((weir_tls_options){0});
    weir_tls_config *server = server_config((weir_tls_options){0}, NULL);
    EXPECT_RC(-EALREADY, weir_tls_client(pair.client, client, "localhost"));
    EXPECT_RC(-EINVAL, weir_tls_client(pair.client, server, "localhost"));
    EXPECT_RC(-EINVAL, weir_tls_client(pair.client, client, NULL));
    EXPECT_RC(-EINVAL, weir_tls_accept(pair.server, client));
    weir_conn *conn;
    EXPECT_RC(-EINVAL, weir_tls_connect("localhost", 1, NULL, &conn));
    close_pair(&pair);
    pair = plain_pair();
    weir_tls_info info;
    EXPECT_RC(-EINVAL, weir_tls_info_get(pair.client, &info));
    close_pair(&pair);
    weir_tls_config_close(client);
    weir_tls_config_close(server);
}

/* --- one byte at a time ----------------------------------------------------------------------- */

/* Hands bytes on, one in each turn. */
struct slicing {
    weir_conn *from;
    weir_conn *to;
};
static int slicing(struct slicing *a)
{
    char buffer[512];
    ssize_t got;
    while ((got = weir_conn_read(a->from, buffer, sizeof buffer)) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            int rc = weir_conn_write_all(a->to, buffer + i, 1, NULL);
            if (rc == 0)
                rc = weir_yield();
            if (rc < 0)
                return rc;
        }
    }
    return got < 0 ? (int)got : weir_conn_finish(a->to);
}

IO_TEST(a_handshake_and_its_bytes_may_come_one_by_one)
{
    struct pair left = plain_pair();
    struct pair right = plain_pair();
    weir_tls_config *client = client_config((weir_tls_options){0});
    weir_tls_config *server = server_config((weir_tls_options){0}, NULL);
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, slicing, .from = left.server, .to = right.client));
    EXPECT_RC(0, WEIR_SPAWN(group, slicing, .from = right.client, .to = left.server));
    struct pair ends = {.client = left.client, .server = right.server};
    shake_ends(&ends, client, server, "localhost");
    EXPECT_RC(0, ends.client_rc);
    EXPECT_RC(0, ends.server_rc);
    expect_talk(&ends);
    char byte;
    EXPECT_RC(0, weir_conn_finish(ends.client));
    EXPECT_RC(0, weir_conn_read(ends.server, &byte, 1));
    EXPECT_RC(0, weir_conn_finish(ends.server));
    EXPECT_RC(0, weir_conn_read(ends.client, &byte, 1));
    weir_tls_config_close(client);
    weir_tls_config_close(server);
    weir_conn_close(left.client);
    weir_conn_close(right.server);
    EXPECT_RC(0, weir_group_close(group, 0));
    weir_conn_close(left.server);
    weir_conn_close(right.client);
}

/* --- what was agreed on ----------------------------------------------------------------------- */

IO_TEST(the_info_says_what_was_agreed_on_and_with_whom)
{
    struct pair pair = good_pair(WEIR_TLS_1_3);
    weir_tls_info info;
    EXPECT_RC(0, weir_tls_info_get(pair.client, &info));
    EXPECT_EQ(WEIR_TLS_1_3, info.version);
    EXPECT_STR("TLS_AES_128_GCM_SHA256", info.cipher);
    EXPECT_STR("localhost", info.server_name);
    EXPECT_STR("CN = weir test server", info.subject);
    EXPECT_STR("CN = weir test root", info.issuer);
    EXPECT_STR("localhost, weir.test, 127.0.0.1", info.names);
    EXPECT_EQ(64, strlen(info.fingerprint));
    EXPECT_EQ(2 * 86400, info.not_after_s - info.not_before_s);
    EXPECT(info.peer_verified && info.peer_certificate && !info.resumed && !info.kernel);
    EXPECT_STR("", info.alpn);
    EXPECT_RC(0, weir_tls_info_get(pair.server, &info));
    EXPECT_STR("localhost", info.server_name);
    EXPECT(!info.peer_verified && !info.peer_certificate);
    close_pair(&pair);
    pair = old_pair();
    EXPECT_RC(0, weir_tls_info_get(pair.client, &info));
    EXPECT_EQ(WEIR_TLS_1_2, info.version);
    EXPECT_STR("ECDHE-ECDSA-AES128-GCM-SHA256", info.cipher);
    close_pair(&pair);
}
