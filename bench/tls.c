/*
 * tls.c - the server of the TLS figures
 *
 *     bench_tls <port> <chain> <key>     serve on 127.0.0.1 until it is killed
 *
 *     GET /          Hello, World!
 *     GET /large     256 MiB
 *
 * As much HTTP as tls_load.c asks for, by hand: what is measured is TLS. One loop, a task for each
 * connection, all defaults (TLS 1.3, tickets).
 */
#include <weir/tls.h>
#include <weir/weir.h>

#include "bench.h"

enum { LARGE_BYTES = 256 << 20, PIECE_BYTES = 256 * 1024 };

static const char hello[] = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!";
static const char large[] = "HTTP/1.1 200 OK\r\nContent-Length: 268435456\r\n\r\n";
static char piece[PIECE_BYTES];

struct server {
    const char *chain;
    const char *key;
    size_t port;
    weir_tls_config *config;
};
static struct server server;

static int answer_large(weir_conn *conn)
{
    int rc = weir_conn_write_all(conn, large, sizeof large - 1, NULL);
    for (size_t left = LARGE_BYTES; left > 0 && rc == 0; left -= PIECE_BYTES)
        rc = weir_conn_write_all(conn, piece, PIECE_BYTES, NULL);
    return rc;
}

/* One request is one read here: the generator sends each as a whole. */
static int answer_all(weir_conn *conn)
{
    char request[256];
    ssize_t got;
    int rc = weir_tls_accept(conn, server.config);
    while (rc == 0 && (got = weir_conn_read(conn, request, sizeof request)) > 0) {
        if (got > 10 && memcmp(request, "GET /large", 10) == 0)
            rc = answer_large(conn);
        else
            rc = weir_conn_write_all(conn, hello, sizeof hello - 1, NULL);
    }
    return rc;
}

static int serve_one(void *arg)
{
    weir_conn *conn = arg;
    weir_ignore(answer_all(conn), "it is this client's; the generator tells when it misses one");
    weir_conn_close(conn);
    return 0;
}

static int accept_all(weir_group *group, weir_listener *listener)
{
    for (;;) {
        weir_conn *conn;
        int rc = weir_listener_accept(listener, &conn);
        if (rc < 0)
            return rc;
        rc = weir_spawn(group, serve_one, conn);
        if (rc < 0) {
            weir_conn_close(conn);
            return rc;
        }
    }
}

static int serve(void *arg)
{
    char address[WEIR_ADDRESS_TEXT_BYTES];
    weir_tls_certificate certificate = {.chain_file = server.chain, .key_file = server.key};
    weir_tls_options options = {
        .role = WEIR_TLS_SERVER, .certificates = &certificate, .certificate_count = 1};
    weir_listener *listener;
    weir_group *group;
    (void)arg;
    bench_must(weir_tls_config_open(&options, &server.config), "the certificate");
    snprintf(address, sizeof address, "127.0.0.1:%zu", server.port);
    bench_must(weir_listener_open(&(weir_listener_options){.address = address}, &listener),
               address);
    int rc = weir_group_open(&group, NULL);
    if (rc == 0)
        rc = weir_group_close(group, accept_all(group, listener));
    weir_listener_close(listener);
    weir_tls_config_close(server.config);
    return rc;
}

int main(int argc, char **argv)
{
    server.port = argc == 4 ? bench_number(argv[1], 0) : 0;
    if (server.port == 0) {
        fprintf(stderr, "usage: bench_tls <port> <chain> <key>\n");
        return 64;
    }
    server.chain = argv[2];
    server.key = argv[3];
    bench_raise_files();
    return weir_run(serve, NULL);
}
