/* http.c - a server and its client on one loop, without the frame of a service */
#include <stdio.h>
#include <weir/http.h>
#include <weir/http_client.h>
#include <weir/weir.h>

typedef struct {
    int32_t a, b;
} numbers;
WEIR_MODEL(numbers, WEIR_FIELD(a), WEIR_FIELD(b))

typedef struct {
    int64_t sum;
} sum;
WEIR_MODEL(sum, WEIR_FIELD(sum))

WEIR_HANDLER(add, numbers, sum)
{
    *out = (sum){.sum = (int64_t)in->a + in->b};
    return 0;
}

static int greet(weir_request *request)
{
    return weir_respond_text(request, 200, weir_request_param(request, "name"));
}

static const weir_route routes[] = {
    WEIR_POST("/add", add),
    WEIR_GET("/greet/{name}", greet),
    {0},
};

static int ask(weir_http_client *client, const char *base, const char *path, weir_str body)
{
    char url[256];
    snprintf(url, sizeof url, "%s%s", base, path);
    weir_http_call call = {.url = url, .body = body.data, .body_bytes = body.size};
    call.content_type = body.size > 0 ? "application/json" : NULL;
    weir_http_response *response;
    int rc = weir_http_fetch(client, &call, &response);
    if (rc < 0)
        return rc;
    printf("%d %s\n", weir_http_response_status(response), weir_http_response_body(response).data);
    weir_http_response_free(response);
    return 0;
}

static int ask_all(weir_listener *listener)
{
    char address[WEIR_ADDRESS_TEXT_BYTES], base[WEIR_ADDRESS_TEXT_BYTES + 8];
    weir_address_format(weir_listener_address(listener), address);
    snprintf(base, sizeof base, "http://%s", address);
    weir_http_client *client;
    int rc = weir_http_client_open(NULL, &client);
    if (rc < 0)
        return rc;
    rc = ask(client, base, "/greet/world", WEIR_STR(""));
    if (rc == 0)
        rc = ask(client, base, "/add", WEIR_STR("{\"a\": 2, \"b\": 40}"));
    if (rc == 0)
        rc = ask(client, base, "/add", WEIR_STR("{\"a\": 2.5}"));
    weir_http_client_close(client);
    return rc;
}

static int app(void *arg)
{
    (void)arg;
    weir_router *router = NULL;
    weir_listener *listener = NULL;
    weir_http_server *server = NULL;
    int rc = weir_router_new(routes, &router);
    if (rc == 0)
        rc = weir_listener_open(NULL, &listener);
    if (rc == 0)
        rc = weir_http_server_open(router, NULL, &server);
    if (rc == 0)
        rc = weir_http_server_listen(server, listener); // requests are tasks from here on
    if (rc == 0)
        rc = ask_all(listener);
    int closed = weir_http_server_close(server); // drains, then cancels what is left
    weir_listener_close(listener);
    weir_router_free(router);
    return rc < 0 ? rc : closed;
}

int main(void)
{
    return weir_run(app, NULL);
}
