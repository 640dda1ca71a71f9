/*
 * pair.h - two connections of one loop that shake hands
 */
#ifndef WEIR_TESTS_TLS_PAIR_H
#define WEIR_TESTS_TLS_PAIR_H

#include <weir/net.h>
#include <weir/tls.h>

#include "tests/tls/authority.h"

/* Both ends of a connection, and what the handshake came to for each. */
struct pair {
    weir_conn *client;
    weir_conn *server;
    int client_rc;
    int server_rc;
    char client_said[256]; /* the failure's message */
    char server_said[256];
};

/* Plain TCP. */
struct pair plain_pair(void);
/* Both shake hands; ends the test when the connection cannot be made. */
struct pair shake_hands(weir_tls_config *client, weir_tls_config *server, const char *host);
/* Ends that are connected somehow. */
void shake_ends(struct pair *pair, weir_tls_config *client, weir_tls_config *server,
                const char *host);
/* The same with both configurations opened and closed here. */
struct pair shake_hands_with(weir_tls_options client, weir_tls_options server,
                             const struct identity *identity, const char *host);
void close_pair(struct pair *pair);
/* Five bytes one way, five back. */
void expect_talk(struct pair *pair);

#endif
