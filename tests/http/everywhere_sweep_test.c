/*
 * everywhere_sweep_test.c - the client and a server of its own, cancelled and failed at every
 * place: rules O4, O5, I4, cases 293, 294, 296
 */
#include <stdio.h>
#include <weir/http_client.h>
#include <weir/weir.h>

#include "tests/support/everywhere.h"

struct serve {
    weir_listener *listener;
};
static int serve(struct serve *a)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    char request[1024];
    weir_conn *conn;
    int rc = weir_listener_accept(a->listener, &conn);
    if (rc < 0)
        return rc;
    size_t size = 0;
    while (rc == 0) {
        ssize_t got = weir_conn_read(conn, request + size, sizeof request - size);
        if (got <= 0) {
            rc = (int)got;
            break;
        }
        size += (size_t)got;
        if (memmem(request, size, "\r\n\r\n", 4) == NULL)
            continue;
        rc = weir_conn_write_all(conn, answer, sizeof answer - 1, NULL);
        size = 0;
    }
    weir_conn_close(conn);
    return rc;
}

static int call_twice(weir_http_client *client, const char *url)
{
    weir_http_response *response;
    int rc = weir_http_get(client, url, &response);
    if (rc < 0)
        return rc;
    WEIR_TEST_EXPECT(weir_http_response_status(response) == 200);
    WEIR_TEST_EXPECT(weir_http_response_body(response).size == 11); /* never cut short */
    weir_http_response_free(response);

    weir_http_exchange *exchange;
    rc = weir_http_begin(client, &(weir_http_call){.url = url}, &exchange);
    if (rc < 0)
        return rc;
    char body[64];
    size_t size = 0;
    ssize_t got;
    while ((got = weir_http_read(exchange, body + size, sizeof body - size)) > 0)
        size += (size_t)got;
    if (got == 0)
        WEIR_TEST_EXPECT(size == 11 && memcmp(body, "hello world", 11) == 0);
    weir_http_exchange_close(exchange);
    return (int)got;
}

static int ask_server(void *arg)
{
    (void)arg;
    weir_listener *listener;
    int rc = weir_listener_open(NULL, &listener);
    if (rc < 0)
        return rc;
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/",
             weir_address_port(weir_listener_address(listener)));
    weir_group *group;
    rc = weir_group_open(&group, NULL);
    if (rc == 0) {
        rc = WEIR_SPAWN(group, serve, .listener = listener);
        weir_http_client *client = NULL;
        if (rc == 0)
            rc = weir_http_client_open(NULL, &client);
        if (rc == 0)
            rc = call_twice(client, url);
        weir_http_client_close(client);
        if (rc < 0)
            weir_group_cancel(group, "the client has given up");
        rc = weir_group_close(group, rc);
    }
    weir_listener_close(listener);
    return rc;
}

TEST(calls_of_the_client_everywhere) /* O4, O5, I4 */
{
    everywhere_real("calls", (struct everywhere){.body = ask_server, .rounds_min = 20});
}

TEST(calls_of_the_client_everywhere_on_the_simulated_network) /* O4, O5, I4, Q4 */
{
    everywhere_simulated("calls", (struct everywhere){.body = ask_server, .rounds_min = 20});
}
