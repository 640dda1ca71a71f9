/*
 * limits.c - --limits: every limit of the service's server, and what it is here
 *
 * Runs on  the first thread, before any loop.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "base/sys.h"
#include "http/server.h"

enum limit_kind { COUNT, BYTES, TIME };

/* In the order of the struct. */
static const struct {
    const char *name;
    size_t offset;
    enum limit_kind kind;
} rows[] = {
#define ROW(member, kind)                                                                          \
    {                                                                                              \
#member, offsetof(weir_http_limits, member), kind                                          \
    }
    ROW(connections_max, COUNT),       ROW(address_connections_max, COUNT),
    ROW(in_flight_max, COUNT),         ROW(line_bytes_max, BYTES),
    ROW(head_bytes_max, BYTES),        ROW(head_fields_max, COUNT),
    ROW(query_params_max, COUNT),      ROW(body_bytes_max, BYTES),
    ROW(body_discard_max, BYTES),      ROW(body_rate_min, BYTES),
    ROW(arena_bytes_max, BYTES),       ROW(conn_requests_max, COUNT),
    ROW(pipeline_bytes_max, BYTES),    ROW(first_byte_timeout_ns, TIME),
    ROW(head_timeout_ns, TIME),        ROW(body_idle_timeout_ns, TIME),
    ROW(body_rate_grace_ns, TIME),     ROW(handler_timeout_ns, TIME),
    ROW(write_timeout_ns, TIME),       ROW(idle_timeout_ns, TIME),
    ROW(conn_age_max_ns, TIME),        ROW(linger_timeout_ns, TIME),
    ROW(heartbeat_ns, TIME),           ROW(queue_delay_max_ns, TIME),
    ROW(queue_delay_sustain_ns, TIME), ROW(drain_grace_ns, TIME),
#undef ROW
};
_Static_assert(sizeof rows / sizeof *rows * sizeof(int64_t) == sizeof(weir_http_limits),
               "every limit is a row");

/* `body_bytes_max` as it is; `idle_timeout_ns` is said without its unit. */
static void print_row(const char *name, enum limit_kind kind, const void *slot)
{
    char value[40];
    size_t size = *(const size_t *)slot;
    int64_t time_ns = *(const int64_t *)slot;
    if (kind == TIME ? time_ns == WEIR_FOREVER : size == WEIR_UNLIMITED)
        snprintf(value, sizeof value, "none");
    else if (kind == TIME)
        weir__app_format_duration(time_ns, value, sizeof value);
    else
        snprintf(value, sizeof value, "%zu%s", size, kind == BYTES ? " bytes" : "");
    int name_size = (int)strlen(name) - (kind == TIME ? 3 : 0);
    printf("%-24.*s %s\n", name_size, name, value);
}

int weir__app_print_limits(const weir_app_options *options,
                           const struct weir__app_settings *settings)
{
    weir_http_limits limits = options->http.limits;
    limits.address_connections_max = (size_t)settings->connections_per_address;
    limits.queue_delay_max_ns = settings->queue_delay_ns;
    weir__sys_raise_fd_limit();
    int rc = weir__http_limits_fill(&limits, settings->edge);
    for (size_t i = 0; i < sizeof rows / sizeof *rows && rc == 0; i++)
        print_row(rows[i].name, rows[i].kind, (const char *)&limits + rows[i].offset);
    return rc;
}
