/*
 * echo_uv.c - the server of echo.c with libuv
 *
 *     echo_uv <port>
 *
 * As its documentation does it: a handle for each connection, memory for reading from its user, a
 * write request for each answer. One buffer is kept for reading; an answer is copied, since it must
 * live until it is written, after a try to write it at once (uv_try_write).
 */
#include <signal.h>
#include <uv.h>

#include "../bench.h"

static char piece[65536];
static uv_loop_t *loop;

struct answer {
    uv_write_t write;
    char data[];
};

struct datagram {
    uv_udp_send_t send;
    char data[];
};

static void must(int rc, const char *what)
{
    if (rc < 0) {
        fprintf(stderr, "echo_uv: %s: %s\n", what, uv_strerror(rc));
        exit(1);
    }
}

static void *get(size_t size)
{
    void *memory = malloc(size);
    must(memory == NULL ? UV_ENOMEM : 0, "memory");
    return memory;
}

static void give_buffer(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
    (void)wanted;
    *out = uv_buf_init(piece, handle->data == NULL ? 1024 : sizeof piece); // data: it is a sink
}

static void closed(uv_handle_t *handle)
{
    free(handle);
}

static void written(uv_write_t *write, int rc)
{
    (void)rc;
    free(write);
}

static void write_all(uv_stream_t *stream, const char *data, size_t size)
{
    uv_buf_t buffer = uv_buf_init((char *)(uintptr_t)data, (unsigned)size);
    int sent = uv_try_write(stream, &buffer, 1);
    size_t done = sent > 0 ? (size_t)sent : 0;
    if (done == size)
        return;
    struct answer *answer = get(sizeof *answer + size - done);
    memcpy(answer->data, data + done, size - done);
    buffer = uv_buf_init(answer->data, (unsigned)(size - done));
    must(uv_write(&answer->write, stream, &buffer, 1, written), "write");
}

static void came(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    if (got > 0 && stream->data == NULL)
        write_all(stream, buffer->base, (size_t)got);
    if (got >= 0)
        return;
    if (got == UV_EOF && stream->data != NULL)
        write_all(stream, ".", 1);
    uv_close((uv_handle_t *)stream, closed);
}

static void connected(uv_stream_t *listener, int rc)
{
    must(rc, "a connection");
    uv_tcp_t *tcp = get(sizeof *tcp);
    must(uv_tcp_init(loop, tcp), "a handle");
    tcp->data = listener->data;
    must(uv_accept(listener, (uv_stream_t *)tcp), "accept");
    uv_tcp_nodelay(tcp, 1);
    must(uv_read_start((uv_stream_t *)tcp, give_buffer, came), "read");
}

static void sent(uv_udp_send_t *send, int rc)
{
    (void)rc;
    free(send);
}

static void datagram_came(uv_udp_t *udp, ssize_t got, const uv_buf_t *buffer,
                          const struct sockaddr *from, unsigned flags)
{
    (void)flags;
    if (got < 0 || from == NULL)
        return;
    uv_buf_t back = uv_buf_init(buffer->base, (unsigned)got);
    if (uv_udp_try_send(udp, &back, 1, from) >= 0)
        return;
    struct datagram *datagram = get(sizeof *datagram + (size_t)got);
    memcpy(datagram->data, buffer->base, (size_t)got);
    back = uv_buf_init(datagram->data, (unsigned)got);
    must(uv_udp_send(&datagram->send, udp, &back, 1, from, sent), "send");
}

static void open_listener(uv_tcp_t *listener, size_t port, void *sink)
{
    struct sockaddr_in address;
    must(uv_ip4_addr("127.0.0.1", (int)port, &address), "an address");
    must(uv_tcp_init(loop, listener), "a listener");
    listener->data = sink;
    must(uv_tcp_bind(listener, (struct sockaddr *)&address, 0), "bind");
    must(uv_listen((uv_stream_t *)listener, 4096, connected), "listen");
}

int main(int argc, char **argv)
{
    size_t port = argc == 2 ? bench_number(argv[1], 0) : 0;
    uv_tcp_t echo, sink;
    uv_udp_t udp;
    struct sockaddr_in address;
    if (port == 0)
        return 64;
    bench_raise_files();
    signal(SIGPIPE, SIG_IGN);
    loop = uv_default_loop();
    open_listener(&echo, port, NULL);
    open_listener(&sink, port + 1, &sink);
    must(uv_ip4_addr("127.0.0.1", (int)port, &address), "an address");
    must(uv_udp_init(loop, &udp), "datagrams");
    udp.data = NULL;
    must(uv_udp_bind(&udp, (struct sockaddr *)&address, 0), "bind");
    must(uv_udp_recv_start(&udp, give_buffer, datagram_came), "receive");
    return uv_run(loop, UV_RUN_DEFAULT);
}
