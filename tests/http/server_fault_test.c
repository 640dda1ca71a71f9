/*
 * server_fault_test.c - a server's life with each of its calls failing once
 *
 * The client uses plain system calls, which no plan reaches: what fails is always the server.
 * Whatever fails, each answer that arrives is whole and right, or is an honest refusal, or the
 * connection ends; nothing hangs, and nothing is left behind.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weir/failure.h>
#include <weir/group.h>
#include <weir/scope.h>
#include <weir/task.h>

#include "tests/http/service.h"
#include "tests/support/fault_loop.h"
#include "tests/support/test.h"

enum { LARGE = 40000, ANSWERS = 5 };
static char large[LARGE + 1];

typedef struct {
    char *item;
    int32_t count;
} order;
WEIR_MODEL(order, WEIR_FIELD(item, .min_len = 1), WEIR_FIELD(count, .or_else = "3"))

WEIR_HANDLER(typed, order, order)
{
    *out = *in;
    return weir_respond_header(request, "X-Own", "yes");
}

static int respond_large(weir_request *request)
{
    int rc = weir_sleep(1);
    return rc < 0 ? rc : weir_respond_kept(request, 200, "text/plain", large, LARGE);
}

static int respond_stream(weir_request *request)
{
    int rc = weir_stream_begin(request, 200, "text/plain");
    if (rc == 0)
        rc = weir_stream_write(request, "a", 1);
    if (rc == 0)
        rc = weir_stream_write(request, large, LARGE);
    return rc;
}

static int receive(weir_request *request)
{
    char piece[100];
    ssize_t got;
    size_t size = 0;
    while ((got = weir_body_read(request, piece, sizeof piece)) > 0)
        size += (size_t)got;
    if (got < 0)
        return (int)got;
    snprintf(piece, sizeof piece, "%zu", size);
    return weir_respond_text(request, 200, piece);
}

static const weir_route routes[] = {
    WEIR_POST("/typed/{id}", typed),
    WEIR_GET("/large", respond_large),
    WEIR_GET("/stream", respond_stream),
    WEIR_POST("/receive", receive, .stream_body = true),
    {0},
};

static const char requests[] =
    "POST /typed/%37?a=b HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    "Content-Length: 12\r\n\r\n{\"item\":\"x\"}"
    "GET /large HTTP/1.1\r\nHost: a\r\n\r\n"
    "POST /receive HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    "POST /typed/1 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: "
    "2\r\n\r\n{}"
    "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n";

/* --- the client ------------------------------------------------------------------------------- */

static char got[8 * LARGE];
static size_t got_size;
static bool got_end;

static int plain_connect(const struct service *service)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 ||
        connect(fd, (const struct sockaddr *)&service->address.storage, service->address.size) < 0)
        abort(); // the kernel takes it for the listener
    return fd;
}

static int count_of(const char *text)
{
    int count = 0;
    for (const char *at = got;
         (at = memmem(at, got_size - (size_t)(at - got), text, strlen(text))) != NULL; at++)
        count++;
    return count;
}

/* Until all is there, or the server ends it. */
static void receive_all(int fd)
{
    got_size = 0;
    got_end = false;
    for (int i = 0; i < 3000 && !got_end; i++) {
        ssize_t n = recv(fd, got + got_size, sizeof got - 1 - got_size, MSG_DONTWAIT);
        if (n > 0)
            got_size += (size_t)n;
        else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
            got_end = true;
        else
            weir_ignore(weir_sleep(1), "the loop runs meanwhile");
        got[got_size] = '\0';
        if (got_size > 7 && memcmp(got + got_size - 7, "\r\n0\r\n\r\n", 7) == 0)
            return;
    }
}

static void check_answers(void)
{
    int fine = count_of("HTTP/1.1 200 OK\r\n");
    int refused = count_of("HTTP/1.1 422 ") + count_of("HTTP/1.1 500 ") +
                  count_of("HTTP/1.1 503 ") + count_of("HTTP/1.1 400 ");
    if (fault_loop_nth == 0) {
        EXPECT_EQ(ANSWERS - 1, fine);
        EXPECT_EQ(1, refused);
        EXPECT(!got_end);
    }
    EXPECT(fine + refused == ANSWERS || got_end); // nothing hangs
    if (test_failed())
        printf("failure %d: %d fine, %d refused, %zu bytes\n", (int)fault_loop_nth, fine, refused,
               got_size);
    /* Every typed answer is the right one. */
    EXPECT(count_of("\r\nX-Own: yes\r\n") <= 1);
    EXPECT(count_of("{\"item\":\"x\",\"count\":3}") <= count_of("\r\nX-Own: yes\r\n"));
}

/* --- the body --------------------------------------------------------------------------------- */

static bool open_service(struct service *service)
{
    *service = (struct service){0};
    int rc = weir_router_new(routes, &service->router);
    if (rc == 0)
        rc = weir_listener_open(NULL, &service->listener);
    if (rc == 0)
        rc = weir_http_server_open(service->router, &(weir_http_server_options){.edge = true},
                                   &service->server);
    if (rc == 0)
        rc = weir_http_server_listen(service->server, service->listener);
    if (rc == 0)
        service->address = *weir_listener_address(service->listener);
    EXPECT(rc == 0 || fault_loop_nth > 0);
    return rc == 0;
}

static int live_once(void *arg)
{
    (void)arg;
    struct service service;
    if (open_service(&service)) {
        int fd = plain_connect(&service);
        EXPECT(send(fd, requests, sizeof requests - 1, MSG_NOSIGNAL) == sizeof requests - 1);
        receive_all(fd);
        check_answers();
        close(fd);
    }
    EXPECT_RC(0, weir_http_server_close(service.server));
    weir_listener_close(service.listener);
    weir_router_free(service.router);
    for (int i = 0; i < 4; i++)
        weir_ignore(weir_sleep(1), "what was closed goes");
    return 0;
}

/* In a task of its own: what it says about its failures goes with it. */
static void live(void *arg)
{
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc == 0)
        rc = weir_group_close(group, weir_spawn(group, live_once, arg));
    EXPECT(rc == 0 || fault_loop_nth > 0);
}

IO_TEST(a_server_survives_memory_running_out_at_any_place)
{
    memset(large, 'y', LARGE);
    EXPECT(fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, live, NULL) > 20);
}

IO_TEST(a_server_survives_memory_that_is_gone_for_good)
{
    memset(large, 'y', LARGE);
    EXPECT(fault_loop_from(WEIR__FAULT_ALLOC, -ENOMEM, live, NULL) > 20);
}

IO_TEST(a_server_survives_any_call_failing_for_want_of_resources)
{
    memset(large, 'y', LARGE);
    EXPECT(fault_loop(WEIR__FAULT_SYSCALL, -ENOBUFS, live, NULL) > 10);
}

IO_TEST(a_server_survives_any_call_failing_as_if_the_peer_were_gone)
{
    memset(large, 'y', LARGE);
    EXPECT(fault_loop(WEIR__FAULT_SYSCALL, -ECONNRESET, live, NULL) > 10);
}

IO_TEST(a_server_survives_any_operation_failing)
{
    memset(large, 'y', LARGE);
    EXPECT(fault_loop(WEIR__FAULT_RING, -EIO, live, NULL) > 2);
}
