/*
 * server_cost_test.c - what a request costs: allocations, calls of the kernel, memory at rest
 *
 * The client is a thread with plain blocking sockets, so that everything counted is the server's.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weir/remote.h>
#include <weir/scope.h>
#include <weir/sync.h>
#include <weir/task.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "http/server.h"
#include "tests/http/service.h"
#include "tests/support/test.h"

typedef struct {
    char *item;
    int32_t count;
} order;
WEIR_MODEL(order, WEIR_FIELD(item), WEIR_FIELD(count))

WEIR_HANDLER(typed, order, order)
{
    *out = *in;
    return 0;
}

static int hello(weir_request *request)
{
    return weir_respond_text(request, 200, "hello, world");
}

static const weir_route routes[] = {
    WEIR_GET("/hello", hello),
    WEIR_GET("/hello/{name}", hello),
    WEIR_POST("/typed", typed),
    {0},
};

static const char get[] = "GET /hello HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\n"
                          "Accept: */*\r\nConnection: keep-alive\r\n\r\n";
static const char get_named[] = "GET /hello/world?x=1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
static const char post[] = "POST /typed HTTP/1.1\r\nHost: localhost\r\n"
                           "Content-Type: application/json\r\nContent-Length: 27\r\n\r\n"
                           "{\"item\":\"bread\",\"count\":12}";

/* --- the client ------------------------------------------------------------------------------ */

struct load {
    uint16_t port;
    const char *request;
    int depth;
    int rounds;
    int failed;
    weir_shared_event *done;
};

static int plain_connect(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        abort();
    return fd;
}

/* Every answer is as long as the first one. */
static size_t receive(int fd, char *buffer, size_t size, size_t wanted)
{
    size_t got = 0;
    while (got < wanted) {
        ssize_t n = recv(fd, buffer + got, size - got, 0);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    return got;
}

static void *run_load(void *arg)
{
    struct load *load = arg;
    static char requests[64 * 1024], answers[64 * 1024];
    size_t request_size = strlen(load->request);
    for (int i = 0; i < load->depth; i++)
        memcpy(requests + (size_t)i * request_size, load->request, request_size);
    int fd = plain_connect(load->port);
    size_t size = 0;
    for (int round = 0; round < load->rounds; round++) {
        int count = round == 0 ? 1 : load->depth;
        if (send(fd, requests, request_size * (size_t)count, 0) < 0)
            abort();
        if (round == 0)
            size = (size_t)recv(fd, answers, sizeof answers, 0);
        else if (receive(fd, answers, sizeof answers, size * (size_t)count) != size * (size_t)count)
            load->failed++;
    }
    if (strncmp(answers, "HTTP/1.1 200 OK\r\n", 17) != 0)
        load->failed++;
    close(fd);
    weir_shared_event_post(load->done);
    return NULL;
}

struct cost {
    double allocations;
    double calls;
};

static bool measure(const char *request, int depth, int rounds, struct cost *out_cost)
{
    struct service service;
    struct load load = {.request = request, .depth = depth, .rounds = rounds};
    if (!service_open(&service, routes,
                      &(weir_http_server_options){.limits.conn_requests_max = WEIR_UNLIMITED}))
        return false;
    EXPECT_RC(0, weir_shared_event_new(&load.done));
    load.port = weir_address_port(&service.address);
    for (int warm = 0; warm <= 1; warm++) { /* pools fill in a first run */
        struct weir__alloc_stats memory_before, memory_after;
        struct weir__sys_stats calls_before, calls_after;
        uint64_t seen = weir_shared_event_count(load.done);
        load.rounds = warm == 0 ? 10 : rounds;
        weir__base_alloc_stats(&memory_before);
        weir__sys_stats(&calls_before);
        pthread_t thread;
        pthread_create(&thread, NULL, run_load, &load);
        EXPECT(weir_shared_event_wait(load.done, seen, NULL) >= 0);
        weir__base_alloc_stats(&memory_after);
        weir__sys_stats(&calls_after);
        pthread_join(thread, NULL);
        double count = (double)depth * rounds;
        out_cost->allocations =
            (double)(memory_after.allocated_count - memory_before.allocated_count);
        out_cost->calls = (double)(calls_after.calls - calls_before.calls) / count;
    }
    EXPECT_EQ(0, load.failed);
    weir_shared_event_release(load.done);
    service_close(&service);
    printf("%.40s... depth %d: %.3f calls a request, %.0f allocations\n", request, depth,
           out_cost->calls, out_cost->allocations);
    return true;
}

static bool on_uring(void)
{
    return strcmp(weir__io_features()->name, "io_uring") == 0;
}

/* One connection, one request at a time: the dearest there is. epoll: wait, receive, send;
 * io_uring: an enter that hands the answer over, and one that waits. A few more for the connection
 * itself. */
IO_TEST(a_request_on_a_kept_connection_allocates_nothing_and_makes_no_call_of_its_own)
{
    struct cost cost;
    REQUIRE(measure(get, 1, test_rounds(10000), &cost));
    EXPECT(cost.allocations < 5);
    EXPECT(cost.calls < (on_uring() ? 2.05 : 3.05));
}

IO_TEST(pipelined_requests_share_their_calls)
{
    struct cost cost;
    REQUIRE(measure(get, 16, test_rounds(1000), &cost));
    EXPECT(cost.allocations < 5);
    EXPECT(cost.calls < (on_uring() ? 0.25 : 0.35));
}

IO_TEST(names_and_queries_allocate_nothing)
{
    struct cost cost;
    REQUIRE(measure(get_named, 1, test_rounds(5000), &cost));
    EXPECT(cost.allocations < 5);
}

IO_TEST(a_typed_request_allocates_nothing)
{
    struct cost cost;
    REQUIRE(measure(post, 1, test_rounds(5000), &cost));
    EXPECT(cost.allocations < 5);
    EXPECT(cost.calls < (on_uring() ? 2.05 : 3.05));
}

/* --- memory at rest --------------------------------------------------------------------------- */

TEST(a_connection_at_rest_is_one_small_record)
{
    EXPECT(sizeof(struct weir__http_conn) <= 512);
    printf("%zu bytes a connection\n", sizeof(struct weir__http_conn));
}

IO_TEST(idle_connections_own_no_task_and_no_block)
{
    enum { COUNT = 200 };
    static struct client clients[COUNT];
    struct service service;
    REQUIRE(service_open(&service, routes, NULL));
    size_t tasks_before = weir_task_count();
    for (int i = 0; i < COUNT; i++) {
        REQUIRE(client_open(&clients[i], &service));
        EXPECT_EQ(200, client_ask(&clients[i], get).status);
    }
    let_run(2);
    EXPECT_EQ(tasks_before, weir_task_count());
    /* All of them were served with the same blocks: one in, one out, and the request. */
    EXPECT(service.server->free_block_count <= 4);
    EXPECT(service.server->free_request_count <= 2);
    for (int i = 0; i < COUNT; i++)
        client_close(&clients[i]);
    service_close(&service);
}
