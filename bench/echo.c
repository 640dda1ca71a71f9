/*
 * echo.c - the server of the TCP and UDP figures
 *
 *     bench_echo <port>        serve on 127.0.0.1 until it is killed
 *     bench_echo --self        a few messages of each kind to itself, checked
 *
 *     TCP <port>      every byte comes back
 *     TCP <port> + 1  every byte is thrown away; at the end of the input one comes back
 *     UDP <port>      every datagram comes back
 *
 * One loop, a task for each connection, all defaults of connections: their limits of time,
 * keepalive, TCP_NODELAY. The peers (bench/peers/echo*) do the same. echo_load.c makes the load.
 */
#include <weir/datagram.h>
#include <weir/weir.h>

#include "bench.h"

enum {
    PIECE_BYTES = 1024,
    SINK_BYTES = 65536,
    DATAGRAM_BYTES = 2048,
};

static int echo(void *arg)
{
    weir_conn *conn = arg;
    char piece[PIECE_BYTES];
    ssize_t got;
    int rc = 0;
    while (rc == 0 && (got = weir_conn_read(conn, piece, sizeof piece)) > 0)
        rc = weir_conn_write_all(conn, piece, (size_t)got, NULL);
    weir_conn_close(conn);
    return 0; // whatever happened to this one, the others go on
}

static int sink(void *arg)
{
    weir_conn *conn = arg;
    static char piece[SINK_BYTES]; // nobody looks at it
    ssize_t got;
    while ((got = weir_conn_read(conn, piece, sizeof piece)) > 0) {
    }
    if (got == 0)
        weir_ignore(weir_conn_write_all(conn, ".", 1, NULL), "the generator tells when it is gone");
    weir_conn_close(conn);
    return 0;
}

struct server {
    weir_listener *listener;
    weir_group *group;
    weir_task_fn *serve;
};

static int accept_all(void *arg)
{
    struct server *server = arg;
    for (;;) {
        weir_conn *conn;
        int rc = weir_listener_accept(server->listener, &conn);
        if (rc < 0)
            return rc;
        rc = weir_spawn(server->group, server->serve, conn);
        if (rc < 0) {
            weir_conn_close(conn);
            return rc;
        }
    }
}

static int echo_datagrams(void *arg)
{
    weir_datagram *datagram = arg;
    for (;;) {
        char data[DATAGRAM_BYTES];
        weir_address from;
        ssize_t got = weir_datagram_recv_from(datagram, data, sizeof data, &from);
        int rc = got < 0 ? (int)got : weir_datagram_send_to(datagram, data, (size_t)got, &from);
        if (rc < 0)
            return rc;
    }
}

static int try_itself(uint16_t port)
{
    weir_conn *conn;
    char back[64] = "";
    weir_address address;
    char text[WEIR_ADDRESS_TEXT_BYTES];
    bench_must(weir_connect("127.0.0.1", port, NULL, &conn), "connect");
    for (int i = 0; i < 100; i++) {
        bench_must(weir_conn_write_all(conn, "0123456789abcdef", 16, NULL), "write");
        bench_must(weir_conn_read_exact(conn, back, 16, NULL), "read");
        bench_must(memcmp(back, "0123456789abcdef", 16) == 0 ? 0 : -EBADMSG, "echo");
    }
    weir_conn_close(conn);
    bench_must(weir_connect("127.0.0.1", (uint16_t)(port + 1), NULL, &conn), "connect");
    bench_must(weir_conn_write_all(conn, back, sizeof back, NULL), "write");
    bench_must(weir_conn_finish(conn), "finish");
    bench_must(weir_conn_read_exact(conn, back, 1, NULL), "read");
    weir_conn_close(conn);
    weir_datagram *datagram;
    snprintf(text, sizeof text, "127.0.0.1:%u", port);
    bench_must(weir_address_parse(text, &address), "address");
    bench_must(weir_datagram_connect(&address, NULL, &datagram), "connect a datagram");
    bench_must(weir_datagram_send_to(datagram, "ping", 4, NULL), "send");
    bench_must((int)weir_datagram_recv_from(datagram, back, sizeof back, NULL), "receive");
    weir_datagram_close(datagram);
    bench_figure("self", 1, "ok");
    return 0;
}

static weir_listener *open_listener(size_t port)
{
    char text[WEIR_ADDRESS_TEXT_BYTES];
    weir_listener *listener;
    snprintf(text, sizeof text, "127.0.0.1:%zu", port);
    bench_must(weir_listener_open(&(weir_listener_options){.address = text}, &listener), text);
    return listener;
}

static int serve(void *arg)
{
    size_t port = *(size_t *)arg;
    bool self = port == 0;
    char text[WEIR_ADDRESS_TEXT_BYTES];
    weir_group *group;
    weir_datagram *datagram;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    if (self)
        port = 20000 + (size_t)(bench_now_ns() / 1000 % 6000) * 2; // below those that are given out
    struct server servers[] = {{open_listener(port), group, echo},
                               {open_listener(port + 1), group, sink}};
    snprintf(text, sizeof text, "127.0.0.1:%zu", port);
    bench_must(weir_datagram_open(
                   &(weir_datagram_options){.address = text, .receive_timeout_ns = WEIR_FOREVER},
                   &datagram),
               text);
    for (size_t i = 0; i < 2; i++)
        bench_must(weir_spawn(group, accept_all, &servers[i]), "spawn");
    bench_must(weir_spawn(group, echo_datagrams, datagram), "spawn");
    if (self) {
        rc = try_itself((uint16_t)port);
        weir_group_cancel(group, "done");
    }
    rc = weir_group_close(group, rc);
    for (size_t i = 0; i < 2; i++)
        weir_listener_close(servers[i].listener);
    weir_datagram_close(datagram);
    return rc == -ECANCELED ? 0 : rc;
}

int main(int argc, char **argv)
{
    size_t port = argc == 2 ? bench_number(argv[1], 0) : 0;
    if (argc != 2 || (port == 0 && strcmp(argv[1], "--self") != 0)) {
        fprintf(stderr, "usage: bench_echo <port> | --self\n");
        return 64;
    }
    bench_raise_files();
    return weir_run(serve, &port);
}
