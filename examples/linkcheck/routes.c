/*
 * routes.c - what the service answers: handlers, each with the types it takes and gives, and their
 * table
 */
#include <string.h>

#include "linkcheck.h"

extern const char linkcheck_page[], linkcheck_page_end[];

static int show_page(weir_request *request)
{
    return weir_respond_kept(request, 200, "text/html; charset=utf-8", linkcheck_page,
                             (size_t)(linkcheck_page_end - linkcheck_page));
}

static int not_found(weir_request *request, int64_t id)
{
    return weir_http_problem(request, 404, "there is no check %lld", (long long)id);
}

WEIR_HANDLER(post_check, check_request, check_started)
{
    return start_check(request, in, out);
}

WEIR_HANDLER(get_check, weir_none, check_view)
{
    int64_t id = WEIR_PARAMS(request, check_path)->id;
    int rc = store_view(weir_request_state(request), id, weir_request_arena(request), out);
    return rc == -ENOENT ? not_found(request, id) : rc;
}

WEIR_HANDLER(list_checks, weir_none, check_list)
{
    return store_list(weir_request_state(request), WEIR_QUERY(request, list_query)->limit,
                      weir_request_arena(request), out);
}

WEIR_HANDLER(delete_check, weir_none, check_summary)
{
    int64_t id = WEIR_PARAMS(request, check_path)->id;
    struct running *running = running_find(id);
    bool asked = running != NULL && running_cancel(running);
    running_release(running);
    int rc = store_summary(weir_request_state(request), id, weir_request_arena(request), out);
    if (rc == -ENOENT)
        return not_found(request, id);
    /* Shown already but not registered yet, or over but still being stored: an instant. */
    if (rc == 0 && !asked && strcmp(out->status, "running") == 0)
        return weir_http_problem(request, 409, "check %lld is just beginning or ending: ask again",
                                 (long long)id);
    if (rc == 0 && !asked)
        return weir_http_problem(request, 409,
                                 "check %lld is %s already: only a running one can be "
                                 "cancelled",
                                 (long long)id, out->status);
    return rc;
}

const weir_route linkcheck_routes[] = {
    WEIR_GET("/", show_page, .hidden = true),
    WEIR_POST("/checks", post_check, .status = 202, .summary = "Check a list of URLs",
              .doc = "Runs in the background; Location names the check.", .tag = "checks",
              .body_bytes_max = 4 * 1024 * 1024),
    WEIR_GET("/checks", list_checks, .summary = "Checks, newest first", .tag = "checks",
             .query = WEIR_MODEL_OF(list_query)),
    WEIR_POST("/checks/upload", upload_check, .status = 202, .tag = "checks",
              .summary = "Check the URLs of a text file, one a line", .in_type = "text/plain",
              .out = WEIR_MODEL_OF(check_started), .query = WEIR_MODEL_OF(upload_query),
              .stream_body = true, .body_bytes_max = 4 * 1024 * 1024),
    WEIR_GET("/checks/{id}", get_check, .summary = "A check and its results", .tag = "checks",
             .params = WEIR_MODEL_OF(check_path)),
    WEIR_DELETE("/checks/{id}", delete_check, .status = 202, .summary = "Cancel a running check",
                .tag = "checks", .params = WEIR_MODEL_OF(check_path)),
    WEIR_GET("/checks/{id}/events", watch_check, .tag = "checks",
             .summary =
                 "Progress as server-sent events: `progress` for each result, `done` at the end",
             .params = WEIR_MODEL_OF(check_path), .out_type = "text/event-stream"),
    {0},
};
