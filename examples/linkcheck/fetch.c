/*
 * fetch.c - one URL: fetch it, throw the body away, say what happened
 */
#include <stdio.h>
#include <string.h>

#include "linkcheck.h"

enum { PIECE_BYTES = 8 * 1024 };

static int read_answer(weir_http_client *client, const char *url, check_result *out_result)
{
    /* The time limit is the scope around us; the client's own limits would only tell less. */
    weir_http_call call = {.url = url, .total_timeout_ns = WEIR_FOREVER};
    weir_http_exchange *exchange;
    int rc = weir_http_begin(client, &call, &exchange);
    if (rc < 0)
        return rc;
    char piece[PIECE_BYTES];
    ssize_t n;
    int64_t bytes = 0;
    while ((n = weir_http_read(exchange, piece, sizeof piece)) > 0)
        bytes += n;
    out_result->bytes = bytes;
    if (n == 0)
        WEIR_SET(out_result->status, weir_http_exchange_status(exchange));
    weir_http_exchange_close(exchange);
    return (int)n;
}

int fetch_url(weir_http_client *client, const char *url, int32_t timeout_ms, char error_text[256],
              check_result *out_result)
{
    *out_result = (check_result){.url = url};
    int64_t began_ns = weir_now();
    int rc = 0;
    WEIR_TIMEOUT(rc, timeout_ms * WEIR_MS)
    {
        rc = read_answer(client, url, out_result);
    }
    out_result->ms = (weir_now() - began_ns) / WEIR_MS;
    if (rc == -ECANCELED)
        return rc;
    if (rc == -ETIME)
        snprintf(error_text, 256, "timed out after %d ms", timeout_ms);
    else if (rc < 0)
        snprintf(error_text, 256, "%s", weir_failure_message(rc));
    out_result->error = rc < 0 ? error_text : NULL;
    return 0;
}
