/*
 * background.c - work that goes on after the answer
 *
 * The article  asyncio keeps no reference to a task: one that nobody holds may be collected in the
 *              middle of its work. So people keep a set, and a callback that takes tasks out.
 * weir         WEIR_BACKGROUND() gives it to the service, which owns it: there is nothing to keep.
 *              It outlives its request, a failure is logged when it happens, the drain waits.
 *
 * The program is its own client: it posts three orders to itself and then asks for the end.
 */
#include <stdio.h>
#include <weir/app.h>
#include <weir/http_client.h>
#include <weir/weir.h>

typedef struct {
    int32_t id;
} order;
WEIR_MODEL(order, WEIR_FIELD(id, .min = 1))

struct fulfil {
    int32_t id;
};
static int fulfil(struct fulfil *a)
{
    int rc = weir_sleep(400 * WEIR_MS);
    if (rc == 0 && a->id == 2)
        rc = weir_fail(-EIO, "order 2: the warehouse does not answer");
    printf("order %d: %s\n", a->id, weir_code_name(rc));
    return rc;
}

WEIR_HANDLER(post_order, order, weir_none)
{
    return WEIR_BACKGROUND(request, fulfil, .id = in->id); // and the client has its answer
}

struct post_orders {
    weir_app *app;
};
static int post_orders(struct post_orders *a)
{
    weir_http_client *client;
    int rc = weir_http_client_open(NULL, &client);
    if (rc < 0)
        return rc;
    char url[256], body[32];
    snprintf(url, sizeof url, "%s/orders", weir_app_url(a->app));
    for (int id = 1; rc == 0 && id <= 3; id++) {
        int size = snprintf(body, sizeof body, "{\"id\": %d}", id);
        weir_http_response *response;
        rc = weir_http_fetch(client,
                             &(weir_http_call){.url = url,
                                               .body = body,
                                               .body_bytes = (size_t)size,
                                               .content_type = "application/json"},
                             &response);
        if (rc < 0)
            break;
        printf("POST /orders: %d\n", weir_http_response_status(response));
        weir_http_response_free(response);
    }
    weir_http_client_close(client);
    weir_app_stop(a->app, "all orders are in");
    return rc;
}

static int work(weir_app_worker *worker)
{
    int rc = WEIR_BACKGROUND_HERE(post_orders, .app = weir_app_worker_app(worker));
    return rc < 0 ? rc : weir_app_worker_serve(worker);
}

static const weir_route routes[] = {
    WEIR_POST("/orders", post_order, .status = 202),
    {0},
};

int main(int argc, char **argv)
{
    return weir_app_main(argc, argv,
                         &(weir_app_options){.name = "background",
                                             .routes = routes,
                                             .worker = work,
                                             .workers = 1,
                                             .listen = "127.0.0.1:0"});
}
