/*
 * routes.c - what every service answers: probes, metrics, its documents
 *
 * Probes are outside limits and access log, and wait for nobody: a service that is full or has a
 * stuck loop still answers them.
 *
 * Runs on  the loop of the request.
 */
#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "app/openapi.h"

#define METRICS_PATIENCE_NS (500 * WEIR_MS)

static int answer_text(weir_request *request, int status, const char *text)
{
    int rc = weir_respond_header(request, "Cache-Control", "no-store");
    return rc < 0 ? rc : weir_respond_text(request, status, text);
}

/* --- probes ----------------------------------------------------------------------------------- */

static int livez(weir_request *request)
{
    int64_t owed_ns;
    const weir_app_worker *stuck = weir__app_stuck_worker(weir_request_app(request), &owed_ns);
    if (stuck == NULL)
        return answer_text(request, 200, "alive\n");
    char text[96];
    snprintf(text, sizeof text, "loop %u has been stuck for %lld s\n", stuck->index,
             (long long)(owed_ns / WEIR_SEC));
    return answer_text(request, 503, text);
}

static int readyz(weir_request *request)
{
    const weir_app *app = weir_request_app(request);
    char text[128];
    if (weir__app_stopping(app))
        return answer_text(request, 503, "draining\n");
    if (!__atomic_load_n(&app->serving, __ATOMIC_ACQUIRE))
        return answer_text(request, 503, "starting\n");
    if (!weir__app_checks_ok(app, text, sizeof text))
        return answer_text(request, 503, text);
    return answer_text(request, 200, "ready\n");
}

/* Whoever gets an answer asks a service that has started; the others wait for one. */
static int startupz(weir_request *request)
{
    const weir_app *app = weir_request_app(request);
    bool started = __atomic_load_n(&app->started, __ATOMIC_ACQUIRE);
    return answer_text(request, started ? 200 : 503, started ? "started\n" : "starting\n");
}

static int metrics(weir_request *request)
{
    weir_app *app = weir_request_app(request);
    struct weir__app_survey *survey = weir__app_survey(app, false, METRICS_PATIENCE_NS);
    if (survey == NULL)
        return -ENOMEM;
    struct weir__buffer text;
    weir__buffer_init(&text);
    weir__app_write_metrics(app, survey, &text);
    int rc = weir__buffer_error(&text);
    if (rc == 0)
        rc = weir_respond_bytes(request, 200, "text/plain; version=0.0.4; charset=utf-8", text.data,
                                text.size);
    weir__buffer_deinit(&text);
    weir__app_survey_free(survey);
    return rc;
}

/* --- documents -------------------------------------------------------------------------------- */

static int openapi(weir_request *request)
{
    const weir_app *app = weir_request_app(request);
    return weir_respond_kept(request, 200, "application/json", app->openapi.data,
                             app->openapi.size);
}

static int docs(weir_request *request)
{
    size_t size = (size_t)(weir__app_docs_page_end - weir__app_docs_page);
    return weir_respond_kept(request, 200, "text/html; charset=utf-8", weir__app_docs_page, size);
}

/* --- adding them ------------------------------------------------------------------------------ */

static const weir_route probe_routes[] = {
    WEIR_GET("/livez", livez, .hidden = true, .probe = true),
    WEIR_GET("/readyz", readyz, .hidden = true, .probe = true),
    WEIR_GET("/startupz", startupz, .hidden = true, .probe = true),
    WEIR_GET("/metrics", metrics, .hidden = true, .probe = true),
    {0},
};

static const weir_route document_routes[] = {
    WEIR_GET("/openapi.json", openapi, .hidden = true),
    WEIR_GET("/docs", docs, .hidden = true),
    {0},
};

int weir__app_add_routes(weir_app *app)
{
    while (weir_router_at(app->router, app->own_count) != NULL)
        app->own_count++;
    int rc = weir_router_add(app->router, probe_routes);
    if (rc == 0 && !app->options->docs_hidden)
        rc = weir_router_add(app->router, document_routes);
    while (weir_router_at(app->router, app->route_count) != NULL)
        app->route_count++;
    weir__buffer_init(&app->openapi);
    if (rc == 0)
        rc = weir__app_openapi(&app->openapi, app->name, app->version, app->options->doc,
                               app->router);
    return rc;
}
