/*
 * models.h - what linkcheck takes and gives: each struct is its own validation and documentation
 */
#ifndef LINKCHECK_MODELS_H
#define LINKCHECK_MODELS_H

#include <weir/model.h>

enum { URLS_MAX = 1000, URL_BYTES_MAX = 2048, TIMEOUT_MS_MAX = 60000, CONCURRENCY_MAX = 256 };

typedef struct {
    WEIR_LIST(char *) urls;
    int32_t timeout_ms;
    int32_t concurrency;
} check_request;
WEIR_MODEL(check_request,
           WEIR_FIELD(urls, .min_len = 1, .max_len = URLS_MAX, .item_max_len = URL_BYTES_MAX,
                      .item_format = "http-url", .doc = "what to check: http or https URLs"),
           WEIR_FIELD(timeout_ms, .min = 1, .max = TIMEOUT_MS_MAX, .or_else = "10000",
                      .doc = "time for each URL, its body included"),
           WEIR_FIELD(concurrency, .min = 1, .max = CONCURRENCY_MAX, .or_else = "32",
                      .doc = "URLs that are fetched at the same time"))

/* The same two for an upload, whose body is the list itself. */
typedef struct {
    int32_t timeout_ms;
    int32_t concurrency;
} upload_query;
WEIR_MODEL(upload_query,
           WEIR_FIELD(timeout_ms, .min = 1, .max = TIMEOUT_MS_MAX, .or_else = "10000"),
           WEIR_FIELD(concurrency, .min = 1, .max = CONCURRENCY_MAX, .or_else = "32"))

typedef struct {
    const char *id;
    const char *status;
    int64_t total;
} check_started;
WEIR_MODEL(check_started, WEIR_FIELD(id), WEIR_FIELD(status), WEIR_FIELD(total))

typedef struct {
    const char *url;
    WEIR_OPT(int32_t) status; /* of the answer; absent when none came */
    int64_t ms;
    int64_t bytes;
    const char *error; /* a sentence when no answer came, else NULL */
} check_result;
WEIR_MODEL(check_result, WEIR_FIELD(url), WEIR_FIELD(status), WEIR_FIELD(ms), WEIR_FIELD(bytes),
           WEIR_FIELD(error, .optional = true))

#define CHECK_STATES "running|done|cancelled|interrupted"

typedef struct {
    const char *id;
    const char *status;
    int64_t total;
    int64_t done;
    int64_t ok;     /* answers below 400 */
    int64_t failed; /* all other results */
} check_summary;
WEIR_MODEL(check_summary, WEIR_FIELD(id), WEIR_FIELD(status, .one_of = CHECK_STATES),
           WEIR_FIELD(total), WEIR_FIELD(done), WEIR_FIELD(ok), WEIR_FIELD(failed))

typedef struct {
    const char *id;
    const char *status;
    int64_t total;
    int64_t done;
    int64_t ok;
    int64_t failed;
    WEIR_LIST(check_result) results;
} check_view;
WEIR_MODEL(check_view, WEIR_FIELD(id), WEIR_FIELD(status, .one_of = CHECK_STATES),
           WEIR_FIELD(total), WEIR_FIELD(done), WEIR_FIELD(ok), WEIR_FIELD(failed),
           WEIR_NESTED(results, check_result, .max_len = WEIR_UNLIMITED))

typedef struct {
    WEIR_LIST(check_summary) checks;
} check_list;
WEIR_MODEL(check_list, WEIR_NESTED(checks, check_summary))

typedef struct {
    int32_t limit;
} list_query;
WEIR_MODEL(list_query, WEIR_FIELD(limit, .min = 1, .max = 500, .or_else = "50"))

typedef struct {
    int64_t id;
} check_path;
WEIR_MODEL(check_path, WEIR_FIELD(id, .min = 1))

/* One `progress` event: a result, and how far the check is with it. */
typedef struct {
    int64_t seq;
    const char *url;
    WEIR_OPT(int32_t) status;
    int64_t ms;
    int64_t bytes;
    const char *error;
    int64_t done;
    int64_t total;
} check_progress;
WEIR_MODEL(check_progress, WEIR_FIELD(seq), WEIR_FIELD(url), WEIR_FIELD(status), WEIR_FIELD(ms),
           WEIR_FIELD(bytes), WEIR_FIELD(error, .optional = true), WEIR_FIELD(done),
           WEIR_FIELD(total))

#endif
