/*
 * driven_server.c - the HTTP server of the driven program
 *
 * Runs on  the loop's own thread.
 */
#include <weir/weir.h>

#include <stdlib.h>

#include "tests/system/driven.h"

static size_t wanted(weir_request *request)
{
    const char *text = weir_request_param(request, "n");
    size_t value = 0;
    for (; *text >= '0' && *text <= '9' && value < 100000000; text++)
        value = value * 10 + (size_t)(*text - '0');
    return value;
}

static int give_bytes(weir_request *request)
{
    size_t size = wanted(request);
    char *data = malloc(size + 1);
    if (data == NULL)
        return -ENOMEM;
    driven_fill(data, size, 0);
    int rc = weir_respond_bytes(request, 200, "application/octet-stream", data, size);
    free(data);
    return rc;
}

static int give_stream(weir_request *request)
{
    size_t size = wanted(request);
    int rc = weir_stream_begin(request, 200, "application/octet-stream");
    for (size_t at = 0; at < size && rc == 0;) {
        char piece[700];
        size_t there = size - at < sizeof piece ? size - at : sizeof piece;
        driven_fill(piece, there, at);
        rc = weir_stream_write(request, piece, there);
        at += there;
    }
    return rc;
}

static int give_slowly(weir_request *request)
{
    char data[5];
    int rc = weir_sleep((int64_t)wanted(request) * WEIR_MS);
    if (rc < 0)
        return rc;
    driven_fill(data, sizeof data, 0);
    return weir_respond_bytes(request, 200, "application/octet-stream", data, sizeof data);
}

static int give_back(weir_request *request)
{
    weir_str body = weir_request_body(request);
    return weir_respond_kept(request, 200, "application/octet-stream", body.data, body.size);
}

static const weir_route routes[] = {
    WEIR_GET("/bytes/{n}", give_bytes),
    WEIR_GET("/stream/{n}", give_stream),
    WEIR_GET("/slow/{n}", give_slowly),
    WEIR_POST("/echo", give_back, .body_bytes_max = 8 << 20),
    {0},
};

int driven_open(struct driven_server *server, int64_t timeout_ns)
{
    weir_http_server_options options = {
        .limits = {.first_byte_timeout_ns = timeout_ns,
                   .head_timeout_ns = timeout_ns,
                   .body_idle_timeout_ns = timeout_ns,
                   .write_timeout_ns = timeout_ns,
                   .idle_timeout_ns = timeout_ns},
    };
    int rc = weir_router_new(routes, &server->router);
    return rc < 0 ? rc : weir_http_server_open(server->router, &options, &server->server);
}

int driven_serve(struct driven_server *server, const char *address)
{
    weir_listener_options options = {.address = address};
    int rc = weir_listener_open(&options, &server->listener);
    if (rc < 0)
        return rc;
    server->port = weir_address_port(weir_listener_address(server->listener));
    return weir_http_server_listen(server->server, server->listener);
}

void driven_close(struct driven_server *server)
{
    weir_ignore(weir_http_server_close(server->server), "it is the task that opened it");
    weir_listener_close(server->listener);
    weir_router_free(server->router);
}
