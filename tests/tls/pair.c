/*
 * pair.c - see pair.h
 */
#include "tests/tls/pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/weir.h>

#include "tests/support/test.h"
#include "tls/tls.h"

/* Both ends are here: nobody is far away. Before any thread begins. */
__attribute__((constructor)) static void be_impatient(void)
{
    weir__tls_linger_ns = 20 * WEIR_MS;
}

struct pair plain_pair(void)
{
    struct pair pair = {0};
    weir_listener *listener;
    if (weir_listener_open(NULL, &listener) < 0 ||
        weir_connect_address(weir_listener_address(listener), NULL, &pair.client) < 0 ||
        weir_listener_accept(listener, &pair.server) < 0)
        abort();
    weir_listener_close(listener);
    return pair;
}

struct accepting {
    struct pair *pair;
    weir_tls_config *config;
};
static int accepting(struct accepting *a)
{
    struct pair *pair = a->pair;
    pair->server_rc = weir_tls_accept(pair->server, a->config);
    snprintf(pair->server_said, sizeof pair->server_said, "%s",
             pair->server_rc < 0 ? weir_failure_message(pair->server_rc) : "");
    if (pair->server_rc < 0) { // so that the client hears the end
        weir_conn_close(pair->server);
        pair->server = NULL;
    }
    return 0;
}

void shake_ends(struct pair *pair, weir_tls_config *client, weir_tls_config *server,
                const char *host)
{
    weir_group *group;
    if (weir_group_open(&group, NULL) < 0)
        abort();
    EXPECT_RC(0, WEIR_SPAWN(group, accepting, .pair = pair, .config = server));
    pair->client_rc = weir_tls_client(pair->client, client, host);
    snprintf(pair->client_said, sizeof pair->client_said, "%s",
             pair->client_rc < 0 ? weir_failure_message(pair->client_rc) : "");
    if (pair->client_rc < 0) {
        weir_conn_close(pair->client);
        pair->client = NULL;
    }
    EXPECT_RC(0, weir_group_close(group, 0));
}

struct pair shake_hands(weir_tls_config *client, weir_tls_config *server, const char *host)
{
    struct pair pair = plain_pair();
    shake_ends(&pair, client, server, host);
    return pair;
}

struct pair shake_hands_with(weir_tls_options client, weir_tls_options server,
                             const struct identity *identity, const char *host)
{
    weir_tls_config *ours = client_config(client);
    weir_tls_config *theirs = server_config(server, identity);
    struct pair pair = {0};
    if (ours != NULL && theirs != NULL)
        pair = shake_hands(ours, theirs, host);
    weir_tls_config_close(ours);
    weir_tls_config_close(theirs);
    return pair;
}

void close_pair(struct pair *pair)
{
    weir_conn_close(pair->client);
    weir_conn_close(pair->server);
}

void expect_talk(struct pair *pair)
{
    char buffer[8] = "";
    if (!test_expect(pair->client != NULL && pair->server != NULL, "both are open", __FILE__,
                     __LINE__)) {
        fprintf(stderr, "client %d %s\nserver %d %s\n", pair->client_rc, pair->client_said,
                pair->server_rc, pair->server_said);
        return;
    }
    EXPECT_RC(0, weir_conn_write_all(pair->client, "hello", 5, NULL));
    EXPECT_RC(0, weir_conn_read_exact(pair->server, buffer, 5, NULL));
    EXPECT_BYTES("hello", buffer, 5);
    EXPECT_RC(0, weir_conn_write_all(pair->server, "world", 5, NULL));
    EXPECT_RC(0, weir_conn_read_exact(pair->client, buffer, 5, NULL));
    EXPECT_BYTES("world", buffer, 5);
}
