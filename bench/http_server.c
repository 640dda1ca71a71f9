/*
 * http_server.c - the server of the HTTP figures: a fixed text, and a typed order as JSON
 *
 *     bench_http_server [port]            serve on 127.0.0.1 until SIGTERM or SIGINT
 *     bench_http_server --self <count>    be its own client: so many requests of each kind, checked
 *
 *     GET  /         Hello, World!
 *     POST /orders   {"item": 1 to 120 characters, "count": 1 to 100 = 1}, answered with
 *                    202 {"status":"started"}
 *
 * One loop, all defaults but for the number of requests a connection may make, which would end the
 * connections of a load generator, and for the number of connections, above which idle ones go.
 * WEIR_BACKEND says which backend. At the end it prints how many requests it answered:
 * `req=<count>`.
 */
#include <weir/http.h>
#include <weir/weir.h>

#include <pthread.h>
#include <signal.h>

#include "bench.h"

typedef struct {
    char *item;
    int32_t count;
} order;
WEIR_MODEL(order, WEIR_FIELD(item, .min_len = 1, .max_len = 120),
           WEIR_FIELD(count, .min = 1, .max = 100, .or_else = "1"))

typedef struct {
    const char *status;
} started;
WEIR_MODEL(started, WEIR_FIELD(status))

static int hello(weir_request *request)
{
    static const char text[] = "Hello, World!";
    return weir_respond_kept(request, 200, "text/plain", text, sizeof text - 1);
}

WEIR_HANDLER(take_order, order, started)
{
    *out = (started){.status = "started"};
    return 0;
}

static const weir_route routes[] = {
    WEIR_GET("/", hello),
    WEIR_POST("/orders", take_order, .status = 202),
    {0},
};

struct service {
    uint16_t port;
    size_t self_count; /* 0: serve others */
    sigset_t signals;
    weir_token *stop;
};

/* --- being one's own client ------------------------------------------------------------------- */

struct exchange {
    const char *request;
    const char *status_line;
    const char *body;
};

static int ask(weir_conn *conn, const struct exchange *exchange)
{
    char answer[1024];
    size_t size = 0;
    int rc = weir_conn_write_all(conn, exchange->request, strlen(exchange->request), NULL);
    while (rc == 0) {
        ssize_t got = weir_conn_read(conn, answer + size, sizeof answer - 1 - size);
        if (got <= 0)
            return got < 0 ? (int)got : weir_fail(-EPIPE, "closed before the whole answer came");
        size += (size_t)got;
        answer[size] = '\0';
        const char *end = strstr(answer, "\r\n\r\n");
        if (end != NULL && strlen(end + 4) >= strlen(exchange->body))
            break;
    }
    if (rc < 0)
        return rc;
    if (strncmp(answer, exchange->status_line, strlen(exchange->status_line)) != 0 ||
        strcmp(strstr(answer, "\r\n\r\n") + 4, exchange->body) != 0)
        return weir_fail(-EBADMSG, "another answer was expected: %s", answer);
    return 0;
}

static int be_client(const struct service *service, uint16_t port)
{
    static const struct exchange exchanges[] = {
        {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200", "Hello, World!"},
        {"POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
         "Content-Length: 27\r\n\r\n{\"item\":\"a book\",\"count\":3}",
         "HTTP/1.1 202", "{\"status\":\"started\"}"},
    };
    weir_conn *conn;
    int rc = weir_connect("127.0.0.1", port, NULL, &conn);
    if (rc < 0)
        return rc;
    int64_t start_ns = bench_now_ns();
    for (size_t i = 0; rc == 0 && i < service->self_count * 2; i++)
        rc = ask(conn, &exchanges[i % 2]);
    if (rc == 0)
        bench_figure("self",
                     (double)(bench_now_ns() - start_ns) / 1e3 / (double)(service->self_count * 2),
                     "us");
    weir_conn_close(conn);
    return rc;
}

/* --- serving ---------------------------------------------------------------------------------- */

static void *wait_for_signal(void *arg)
{
    const struct service *service = arg;
    int signal_number;
    sigwait(&service->signals, &signal_number);
    weir_ignore(weir_token_cancel(service->stop, "a signal came"), "gone: then it has stopped");
    return NULL;
}

static int wait_for_stop(struct service *service)
{
    weir_scope scope = {0};
    pthread_t waiter;
    int rc = weir_scope_enter(&scope);
    if (rc < 0)
        return rc;
    rc = weir_token_open(&service->stop);
    if (rc < 0)
        return weir_scope_leave(&scope, rc);
    rc = -pthread_create(&waiter, NULL, wait_for_signal, service);
    while (rc == 0)
        rc = weir_sleep(WEIR_HOUR);
    rc = weir_scope_leave(&scope, rc);
    if (rc == WEIR_CAUGHT) { // by the signal: the thread has ended
        pthread_join(waiter, NULL);
        rc = 0;
    }
    weir_token_release(service->stop);
    return rc;
}

static int serve(void *arg)
{
    struct service *service = arg;
    char address[WEIR_ADDRESS_TEXT_BYTES];
    snprintf(address, sizeof address, "127.0.0.1:%u", service->port);
    weir_listener_options listen = {.address = address};
    weir_http_server_options options = {
        .server_header = "weir",
        .limits = {.connections_max = WEIR_UNLIMITED,
                   .conn_requests_max = WEIR_UNLIMITED,
                   .conn_age_max_ns = WEIR_FOREVER},
    };
    weir_router *router;
    weir_listener *listener;
    weir_http_server *server;

    int rc = weir_router_new(routes, &router);
    if (rc < 0)
        return rc;
    rc = weir_listener_open(&listen, &listener);
    if (rc < 0)
        goto free_router;
    rc = weir_http_server_open(router, &options, &server);
    if (rc < 0)
        goto close_listener;
    rc = weir_http_server_listen(server, listener);
    if (rc < 0)
        goto close_server;

    uint16_t port = weir_address_port(weir_listener_address(listener));
    if (service->self_count > 0) {
        rc = be_client(service, port);
    } else {
        fprintf(stderr, "listening on 127.0.0.1:%u\n", port);
        rc = wait_for_stop(service);
    }
    weir_http_server_stats stats;
    weir_http_server_stats_get(server, &stats);
    printf("req=%llu\n", (unsigned long long)stats.request_count);

close_server:
    if (rc == 0)
        rc = weir_http_server_close(server);
    else
        weir_ignore(weir_http_server_close(server), "there is a failure to tell already");
close_listener:
    weir_listener_close(listener);
free_router:
    weir_router_free(router);
    return rc;
}

int main(int argc, char **argv)
{
    struct service service = {0};
    if (argc == 3 && strcmp(argv[1], "--self") == 0)
        service.self_count = bench_number(argv[2], 0);
    else if (argc == 2)
        service.port = (uint16_t)bench_number(argv[1], 0);
    if (argc > 3 || (argc > 1 && service.self_count == 0 && service.port == 0)) {
        fprintf(stderr, "usage: bench_http_server [port] | --self <count>\n");
        return 64;
    }
    bench_raise_files();
    // Blocked in every thread: only the one that waits for them gets them.
    sigemptyset(&service.signals);
    sigaddset(&service.signals, SIGTERM);
    sigaddset(&service.signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &service.signals, NULL);
    return weir_run(serve, &service);
}
