/*
 * everywhere_sweep_test.c - a TLS connection from its configuration to its end, cancelled and
 * failed at every place: rules O4, O5, O6, I4; and each allocation of OpenSSL in turn
 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <weir/weir.h>

#include "tests/support/everywhere.h"
#include "tests/tls/pair.h"
#include "tls/tls.h"

enum { SIZE = 20000 };
static char sent[SIZE];
static weir_str root_pem;

struct serve {
    weir_listener *listener;
    weir_tls_config *config;
};
static int serve(struct serve *a)
{
    static char buffer[20000];
    weir_conn *conn;
    int rc = weir_listener_accept(a->listener, &conn);
    if (rc < 0)
        return rc;
    ssize_t got = 0;
    rc = weir_tls_accept(conn, a->config);
    while (rc == 0 && (got = weir_conn_read(conn, buffer, sizeof buffer)) > 0) {
        size_t written = 0;
        rc = weir_conn_write_all(conn, buffer, (size_t)got, &written);
        WEIR_TEST_EXPECT(written <= (size_t)got && (rc < 0 || written == (size_t)got)); /* O6 */
    }
    if (rc == 0 && got == 0)
        rc = weir_conn_finish(conn);
    weir_conn_close(conn);
    return got < 0 ? (int)got : rc;
}

struct writer {
    weir_conn *conn;
};
static int writer(struct writer *a)
{
    weir_str parts[3] = {{sent, 1}, {sent + 1, 1000}, {sent + 1001, SIZE - 1001}};
    size_t written = 0;
    int rc = weir_conn_write_parts(a->conn, parts, 3, &written);
    WEIR_TEST_EXPECT(written <= SIZE && (rc < 0 || written == SIZE)); /* O6 */
    return rc < 0 ? rc : weir_conn_finish(a->conn);
}

static int read_back(weir_conn *conn)
{
    static char back[SIZE];
    size_t got = 0;
    int rc = weir_conn_read_exact(conn, back, SIZE, &got);
    WEIR_TEST_EXPECT(memcmp(back, sent, got) == 0);
    if (rc == 0)
        rc = (int)weir_conn_read(conn, back, 1);
    return rc;
}

static int open_configs(weir_tls_config **client, weir_tls_config **server)
{
    weir_tls_certificate certificate = in_memory(test_server());
    weir_tls_options options = {.trust_pem = root_pem};
    int rc = weir_tls_config_open(&options, client);
    if (rc < 0)
        return rc;
    options = (weir_tls_options){
        .role = WEIR_TLS_SERVER, .certificates = &certificate, .certificate_count = 1};
    return weir_tls_config_open(&options, server);
}

static int talk_on(weir_listener *listener, weir_tls_config *client, weir_tls_config *server)
{
    weir_conn *conn = NULL;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    weir_tls_connect_options options = {.config = client, .server_name = "weir.test"};
    rc = WEIR_SPAWN(group, serve, .listener = listener, .config = server);
    if (rc == 0)
        rc = weir_tls_connect("127.0.0.1", weir_address_port(weir_listener_address(listener)),
                              &options, &conn);
    if (rc == 0)
        rc = WEIR_SPAWN(group, writer, .conn = conn);
    if (rc == 0)
        rc = read_back(conn);
    if (rc == -ESHUTDOWN)
        rc = weir_check();
    rc = weir_group_close(group, rc);
    weir_conn_close(conn);
    return rc;
}

static int talk(void *arg)
{
    (void)arg;
    weir__tls_linger_ns = 1 * WEIR_MS;
    weir_listener *listener;
    int rc = weir_listener_open(NULL, &listener);
    if (rc < 0)
        return rc;
    weir_tls_config *client = NULL;
    weir_tls_config *server = NULL;
    rc = open_configs(&client, &server);
    if (rc == 0)
        rc = talk_on(listener, client, server);
    weir_tls_config_close(client);
    weir_tls_config_close(server);
    weir_listener_close(listener);
    return rc;
}

TEST(a_tls_connection_everywhere) /* O4, O5, O6, I4 */
{
    for (size_t i = 0; i < SIZE; i++)
        sent[i] = (char)(i * 31);
    root_pem = pem_of(test_root()->x509);
    (void)test_server();
    everywhere_real("talk", (struct everywhere){.body = talk, .rounds_min = 20});
}

/* --- memory of OpenSSL ------------------------------------------------------------------------ */

/* OpenSSL's blocks, by way of the counts below: the n-th request for one fails. */
static uint64_t requests;
static uint64_t fail_at;
static int64_t live;

static bool fails(void)
{
    return ++requests == fail_at;
}

static void *counted_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    void *memory = fails() ? NULL : malloc(size);
    live += memory != NULL;
    return memory;
}

static void *counted_realloc(void *memory, size_t size, const char *file, int line)
{
    if (memory == NULL)
        return counted_malloc(size, file, line);
    return fails() ? NULL : realloc(memory, size);
}

static void counted_free(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    live -= memory != NULL;
    free(memory);
}

static int shake_once(void *arg)
{
    int *came_to = arg;
    weir__tls_linger_ns = 1 * WEIR_MS;
    weir_tls_config *client = NULL;
    weir_tls_config *server = NULL;
    *came_to = open_configs(&client, &server);
    if (*came_to == 0) {
        struct pair pair = shake_hands(client, server, "weir.test");
        *came_to = pair.client_rc < 0 ? pair.client_rc : pair.server_rc;
        if (*came_to == 0) {
            char buffer[8];
            *came_to = weir_conn_write_all(pair.client, "hello", 5, NULL);
            if (*came_to == 0)
                *came_to = weir_conn_read_exact(pair.server, buffer, 5, NULL);
        }
        close_pair(&pair);
    }
    weir_tls_config_close(client);
    weir_tls_config_close(server);
    return 0;
}

static int run_shake(uint64_t nth)
{
    int came_to = -EIO;
    requests = 0;
    fail_at = nth;
    weir_run_options options = {.backend = "epoll"};
    EXPECT_RC(0, weir_run_with(&options, shake_once, &came_to));
    fail_at = 0;
    return came_to;
}

/* What is kept for good (tables that OpenSSL fills at first use) is there after a few runs. */
TEST(each_allocation_of_openssl_may_fail)
{
    REQUIRE(CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free) == 1);
    root_pem = pem_of(test_root()->x509);
    (void)test_server();
    for (int i = 0; i < 3; i++)
        EXPECT_RC(0, run_shake(0));
    uint64_t count = requests;
    int64_t level = live;
    uint64_t step = count / (uint64_t)test_rounds(120) + 1;
    int refused = 0;
    for (uint64_t nth = 1; nth <= count && !test_failed(); nth += step) {
        int rc = run_shake(nth);
        refused += rc < 0;
        if (rc < 0 && live > level + 20) // a table may have grown meanwhile
            EXPECT_EQ(level, live);
    }
    EXPECT(refused > 0);
    EXPECT_RC(0, run_shake(0)); // and it goes on well
    printf("%llu allocations, %d refused, live %lld before, %lld after\n",
           (unsigned long long)count, refused, (long long)level, (long long)live);
}
