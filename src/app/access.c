/*
 * access.c - counting requests, the access log, limits that were hit
 *
 * Called by the server on its loop for each request: counters of this worker, which others only
 * read, and one line of the log.
 *
 * Runs on  the worker's loop.
 */
#include <stdio.h>
#include <string.h>
#include <weir/log.h>

#include "app/app.h"
#include "base/log.h"

#define LIMIT_QUIET_NS (10 * WEIR_SEC)

/* OpenTelemetry's boundaries for http.server.request.duration. */
const int64_t weir__app_bucket_us[WEIR__APP_BUCKETS] = {
    5000,   10000,  25000,   50000,   75000,   100000,  250000,
    500000, 750000, 1000000, 2500000, 5000000, 7500000, 10000000,
};

size_t weir__app_route_index(const weir_app *app, const weir_route *route)
{
    /* Those of the service come first, and in one piece; the few of the frame are behind them. */
    const weir_route *own = app->options->routes;
    if (own != NULL && route >= own && route < own + app->own_count)
        return (size_t)(route - own);
    for (size_t i = app->own_count; route != NULL && i < app->route_count; i++)
        if (weir_router_at(app->router, i) == route)
            return i;
    return app->route_count;
}

static void count(weir_app_worker *worker, const weir_http_access *access)
{
    struct weir__app_route_counts *counts =
        &worker->routes[weir__app_route_index(worker->app, access->route)];
    int class = access->status / 100;
    weir__app_add(&counts->by_class[class >= 1 && class <= 5 ? class : 0], 1);
    int64_t duration_us = access->duration_ns / WEIR_US;
    size_t bucket = 0;
    while (bucket < WEIR__APP_BUCKETS && duration_us > weir__app_bucket_us[bucket])
        bucket++;
    weir__app_add(&counts->buckets[bucket], 1);
    weir__app_add(&counts->duration_us, (uint64_t)duration_us);
    weir__app_add(&worker->requests_ended, 1);
    if (worker->cancelling && (access->rc < 0 || access->cut))
        weir__app_add(&worker->requests_cut, 1);
    else if (weir__app_stopping(worker->app))
        weir__app_add(&worker->requests_finished, 1);
}

static void request_ended(void *arg, const weir_http_access *access)
{
    weir_app_worker *worker = arg;
    count(worker, access);
    if (!worker->app->settings.access_log)
        return;
    weir_log_info("request", WEIR_KV("method", access->method),
                  WEIR_KV("route", access->route == NULL ? "" : access->route->path),
                  WEIR_KV("path", access->path), WEIR_KV("status", access->status),
                  WEIR_KV("bytes", access->bytes_out),
                  WEIR_KV("ms", (double)(access->duration_ns / WEIR_US) / 1000.0),
                  WEIR_KV("id", access->request == NULL ? "" : weir_request_id(access->request)));
}

static void handler_failed(void *arg, weir_request *request, int rc, const char *message)
{
    (void)arg;
    const weir_route *route = weir_request_route(request);
    weir_log_error("handler failed", WEIR_KV("method", weir_request_method(request)),
                   WEIR_KV("route", route == NULL ? "" : route->path),
                   WEIR_KV("code", weir_code_name(rc)), WEIR_KV("message", message),
                   WEIR_KV("id", weir_request_id(request)));
}

/* A limit that is hit again and again says so every ten seconds, with a count. */
static void limit_hit(void *arg, weir_http_limit limit, const char *peer)
{
    weir_app_worker *worker = arg;
    /* Idle connections and retired ones are the daily course of things. */
    if (limit == WEIR_HTTP_LIMIT_IDLE || limit == WEIR_HTTP_LIMIT_CONN_REQUESTS ||
        limit == WEIR_HTTP_LIMIT_CONN_AGE || limit == WEIR_HTTP_LIMIT_PIPELINE)
        return;
    worker->limit_quiet[limit]++;
    int64_t now_ns = weir_now();
    int64_t *told_ns = &worker->limit_told_at_ns[limit];
    if (*told_ns != 0 && now_ns - *told_ns < LIMIT_QUIET_NS)
        return;
    *told_ns = now_ns;
    weir_log_warn("a limit was hit", WEIR_KV("limit", weir_http_limit_name(limit)),
                  WEIR_KV("count", worker->limit_quiet[limit]), WEIR_KV("peer", peer));
    worker->limit_quiet[limit] = 0;
}

void weir__app_set_hooks(weir_app_worker *worker, weir_http_server_options *options)
{
    options->hooks = (weir_http_hooks){
        .arg = worker,
        .request_ended = request_ended,
        .handler_failed = handler_failed,
        .limit_hit = limit_hit,
    };
}
