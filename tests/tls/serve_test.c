/*
 * serve_test.c - a listener whose connections shake hands, so many at a time
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weir/weir.h>

#include "tests/net/peer.h"
#include "tests/support/test.h"
#include "tests/tls/pair.h"
#include "tls/tls.h"

struct service {
    weir_listener *listener;
    weir_tls_config *config;
    weir_tls_serve_options options;
    unsigned served;
    unsigned failures;
    int last_rc;
    int rc;
};

static int answer(weir_conn *conn, void *arg)
{
    struct service *service = arg;
    char byte;
    ssize_t got = weir_conn_read(conn, &byte, 1);
    if (got <= 0)
        return (int)got;
    service->served++;
    return byte == '!' ? weir_fail(-EIO, "asked to fail") : weir_conn_write_all(conn, "y", 1, NULL);
}

static void note_failure(const weir_address *peer, int rc, const char *message, void *arg)
{
    struct service *service = arg;
    EXPECT(weir_address_port(peer) != 0);
    EXPECT(message[0] != '\0');
    service->failures++;
    service->last_rc = rc;
}

static int run_service(void *arg)
{
    struct service *service = arg;
    service->rc =
        weir_tls_serve(service->listener, service->config, &service->options, answer, service);
    return 0;
}

static weir_group *open_service(struct service *service)
{
    weir__tls_linger_ns = 1 * WEIR_MS;
    service->options.failed = note_failure;
    service->config = server_config((weir_tls_options){0}, NULL);
    EXPECT_RC(0, weir_listener_open(NULL, &service->listener));
    weir_group *group = NULL;
    EXPECT_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, run_service, service));
    return group;
}

static uint16_t port_of(const struct service *service)
{
    return weir_address_port(weir_listener_address(service->listener));
}

static void ask(const struct service *service, weir_tls_config *config, char what, ssize_t rc)
{
    weir_conn *conn;
    weir_tls_connect_options options = {.config = config};
    REQUIRE_RC(0, weir_tls_connect("localhost", port_of(service), &options, &conn));
    EXPECT_RC(0, weir_conn_write_all(conn, &what, 1, NULL));
    char byte;
    EXPECT_RC((int)rc, weir_conn_read(conn, &byte, 1));
    weir_conn_close(conn);
}

IO_TEST(connections_are_served_and_one_that_fails_takes_nobody_with_it)
{
    struct service service = {0};
    weir_group *group = open_service(&service);
    weir_tls_config *config = client_config((weir_tls_options){0});
    ask(&service, config, 'x', 1);
    ask(&service, config, '!', 0);
    int plain = peer_connect(weir_listener_address(service.listener));
    peer_send(plain, "GET / HTTP/1.1\r\n\r\n", 18);
    while (service.failures < 2)
        EXPECT_RC(0, weir_sleep(1 * WEIR_MS));
    close(plain);
    ask(&service, config, 'x', 1);
    weir_listener_close(service.listener);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(0, service.rc);
    EXPECT_EQ(3, service.served);
    EXPECT_EQ(2, service.failures);
    weir_tls_config_close(config);
    weir_tls_config_close(service.config);
}

IO_TEST(no_more_handshakes_than_allowed_are_under_way)
{
    struct service service = {.options.handshakes_max = 2};
    weir_group *group = open_service(&service);
    weir_tls_config *config = client_config((weir_tls_options){0});
    int silent[5];
    for (int i = 0; i < 5; i++)
        silent[i] = peer_connect(weir_listener_address(service.listener));
    weir_tls_stats stats;
    do {
        EXPECT_RC(0, weir_sleep(1 * WEIR_MS));
        weir_tls_stats_get(service.config, &stats);
    } while (stats.handshakes_active < 2);
    let_settle();
    weir_tls_stats_get(service.config, &stats);
    EXPECT_EQ(2, stats.handshakes_active);
    weir_listener_stats accepted;
    weir_listener_stats_get(service.listener, &accepted);
    EXPECT_EQ(2, accepted.accepted);
    for (int i = 0; i < 5; i++) // they go, and the next ones get their turn
        close(silent[i]);
    ask(&service, config, 'x', 1);
    weir_listener_close(service.listener);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(5, service.failures);
    weir_tls_config_close(config);
    weir_tls_config_close(service.config);
}

IO_TEST(a_cancelled_service_unwinds_its_handlers)
{
    struct service service = {0};
    weir_group *group = open_service(&service);
    weir_tls_config *config = client_config((weir_tls_options){0});
    weir_conn *conn;
    weir_tls_connect_options options = {.config = config};
    REQUIRE_RC(0, weir_tls_connect("localhost", port_of(&service), &options, &conn));
    weir_tls_stats stats;
    do { // the client is done before the server
        EXPECT_RC(0, weir_sleep(1 * WEIR_MS));
        weir_tls_stats_get(service.config, &stats);
    } while (stats.handshakes == 0);
    weir_group_cancel(group, "test");
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-ECANCELED, service.rc);
    char byte;
    EXPECT_RC(0, weir_conn_read(conn, &byte, 1)); // and says goodbye
    weir_conn_close(conn);
    weir_listener_close(service.listener);
    weir_tls_config_close(config);
    weir_tls_config_close(service.config);
}

IO_TEST(to_serve_takes_a_configuration_for_servers)
{
    weir_tls_config *config = client_config((weir_tls_options){0});
    weir_listener *listener;
    REQUIRE_RC(0, weir_listener_open(NULL, &listener));
    EXPECT_RC(-EINVAL, weir_tls_serve(listener, config, NULL, answer, NULL));
    EXPECT_RC(-EINVAL, weir_tls_serve(listener, NULL, NULL, answer, NULL));
    weir_listener_close(listener);
    weir_tls_config_close(config);
}
