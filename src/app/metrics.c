/*
 * metrics.c - what was counted, as Prometheus text (exposition format 0.0.4)
 *
 * Counters of the workers are read where they are; what belongs to a loop comes from a survey. A
 * worker that did not answer is missing in it, and weir_loop_up says so.
 *
 * Runs on  the loop of the request.
 */
#include <stdio.h>
#include <string.h>
#include <weir/debug.h>
#include <weir/exec.h>

#include "app/app.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sys.h"

static void head(struct weir__buffer *out, const char *name, const char *type, const char *help)
{
    weir__buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(struct weir__buffer *out, const char *name, const char *type, const char *help,
                uint64_t value)
{
    head(out, name, type, help);
    weir__buffer_printf(out, "%s %llu\n", name, (unsigned long long)value);
}

/* A label's value: backslash, quote and line feed are escaped. */
static void label(struct weir__buffer *out, const char *name, const char *value)
{
    weir__buffer_printf(out, "%s=\"", name);
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '\n')
            weir__buffer_append_str(out, "\\n");
        else if (*c == '"' || *c == '\\')
            weir__buffer_printf(out, "\\%c", *c);
        else
            weir__buffer_append_char(out, *c);
    }
    weir__buffer_append_char(out, '"');
}

static void seconds(struct weir__buffer *out, uint64_t us)
{
    weir__buffer_printf(out, "%llu.%06u", (unsigned long long)(us / 1000000),
                        (unsigned)(us % 1000000));
}

/* --- requests --------------------------------------------------------------------------------- */

/* One route over all workers. */
static void add_up(const weir_app *app, size_t index, struct weir__app_route_counts *out)
{
    *out = (struct weir__app_route_counts){0};
    for (unsigned i = 0; i < app->worker_count; i++) {
        const struct weir__app_route_counts *counts = &app->workers[i].routes[index];
        for (size_t c = 0; c < 6; c++)
            out->by_class[c] += weir__app_read(&counts->by_class[c]);
        for (size_t b = 0; b <= WEIR__APP_BUCKETS; b++)
            out->buckets[b] += weir__app_read(&counts->buckets[b]);
        out->duration_us += weir__app_read(&counts->duration_us);
    }
}

static void route_labels(const weir_app *app, size_t index, struct weir__buffer *out)
{
    const weir_route *route = weir_router_at(app->router, index);
    label(out, "http_request_method", route == NULL ? "_OTHER" : route->method);
    weir__buffer_append_char(out, ',');
    label(out, "http_route", route == NULL ? "" : route->path);
}

static void write_requests(const weir_app *app, struct weir__buffer *out)
{
    static const char *const classes[6] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
    head(out, "http_server_requests_total", "counter",
         "Requests that ended, by route and class of status; none: the client left before an "
         "answer.");
    for (size_t i = 0; i <= app->route_count; i++) {
        struct weir__app_route_counts counts;
        add_up(app, i, &counts);
        for (size_t c = 0; c < 6; c++) {
            if (counts.by_class[c] == 0)
                continue;
            weir__buffer_append_str(out, "http_server_requests_total{");
            route_labels(app, i, out);
            weir__buffer_printf(out, ",class=\"%s\"} %llu\n", classes[c],
                                (unsigned long long)counts.by_class[c]);
        }
    }
}

static void write_histogram(const weir_app *app, size_t index,
                            const struct weir__app_route_counts *counts, struct weir__buffer *out)
{
    uint64_t total = 0;
    for (size_t b = 0; b <= WEIR__APP_BUCKETS; b++) {
        total += counts->buckets[b];
        weir__buffer_append_str(out, "http_server_request_duration_seconds_bucket{");
        route_labels(app, index, out);
        if (b < WEIR__APP_BUCKETS) {
            weir__buffer_printf(out, ",le=\"%g\"", (double)weir__app_bucket_us[b] / 1e6);
        } else {
            weir__buffer_append_str(out, ",le=\"+Inf\"");
        }
        weir__buffer_printf(out, "} %llu\n", (unsigned long long)total);
    }
    weir__buffer_append_str(out, "http_server_request_duration_seconds_sum{");
    route_labels(app, index, out);
    weir__buffer_append_str(out, "} ");
    seconds(out, counts->duration_us);
    weir__buffer_append_str(out, "\nhttp_server_request_duration_seconds_count{");
    route_labels(app, index, out);
    weir__buffer_printf(out, "} %llu\n", (unsigned long long)total);
}

static void write_durations(const weir_app *app, struct weir__buffer *out)
{
    head(out, "http_server_request_duration_seconds", "histogram",
         "From the whole head of a request to its composed answer.");
    for (size_t i = 0; i <= app->route_count; i++) {
        struct weir__app_route_counts counts;
        add_up(app, i, &counts);
        uint64_t any = 0;
        for (size_t c = 0; c < 6; c++)
            any += counts.by_class[c];
        if (any > 0)
            write_histogram(app, i, &counts, out);
    }
}

/* --- servers ---------------------------------------------------------------------------------- */

static void write_servers(const struct weir__app_survey *survey, struct weir__buffer *out)
{
    weir_http_server_stats all = {0};
    uint64_t shedding = 0;
    for (unsigned i = 0; i < survey->count; i++) {
        if (!weir__app_answered(&survey->reports[i]))
            continue;
        const weir_http_server_stats *stats = &survey->reports[i].http;
        all.accepted_count += stats->accepted_count;
        all.bytes_in += stats->bytes_in;
        all.bytes_out += stats->bytes_out;
        all.conn_count += stats->conn_count;
        all.idle_count += stats->idle_count;
        all.in_flight_count += stats->in_flight_count;
        all.stream_count += stats->stream_count;
        if (stats->queue_delay_ns > all.queue_delay_ns)
            all.queue_delay_ns = stats->queue_delay_ns;
        shedding += stats->shedding;
        for (size_t l = 0; l < WEIR_HTTP_LIMIT_COUNT; l++)
            all.limit_count[l] += stats->limit_count[l];
    }
    one(out, "http_server_active_requests", "gauge", "Requests in flight.", all.in_flight_count);
    one(out, "http_server_event_streams", "gauge", "Of these, streams of events.",
        all.stream_count);
    head(out, "http_server_connections", "gauge", "Open connections.");
    weir__buffer_printf(out, "http_server_connections{state=\"idle\"} %zu\n", all.idle_count);
    weir__buffer_printf(out, "http_server_connections{state=\"busy\"} %zu\n",
                        all.conn_count - all.idle_count);
    one(out, "http_server_connections_accepted_total", "counter", "Connections accepted.",
        all.accepted_count);
    one(out, "http_server_received_bytes_total", "counter", "Bytes received.", all.bytes_in);
    one(out, "http_server_sent_bytes_total", "counter", "Bytes sent.", all.bytes_out);
    head(out, "http_server_queue_delay_seconds", "gauge",
         "How long the last request waited for its turn, on the loop where that was longest.");
    weir__buffer_append_str(out, "http_server_queue_delay_seconds ");
    seconds(out, (uint64_t)(all.queue_delay_ns / WEIR_US));
    weir__buffer_append_char(out, '\n');
    one(out, "http_server_overloaded_loops", "gauge",
        "Loops that refuse requests, since they wait too long.", shedding);
    head(out, "weir_limit_hits_total", "counter", "Times that a limit was hit.");
    for (int l = 0; l < WEIR_HTTP_LIMIT_COUNT; l++)
        weir__buffer_printf(out, "weir_limit_hits_total{limit=\"%s\"} %llu\n",
                            weir_http_limit_name((weir_http_limit)l),
                            (unsigned long long)all.limit_count[l]);
}

static void write_loops(const struct weir__app_survey *survey, struct weir__buffer *out)
{
    head(out, "weir_loop_up", "gauge", "Whether the loop answered in time.");
    for (unsigned i = 0; i < survey->count; i++)
        weir__buffer_printf(out, "weir_loop_up{loop=\"%u\"} %d\n", i,
                            weir__app_answered(&survey->reports[i]));
    head(out, "weir_loop_tasks", "gauge", "Live tasks.");
    for (unsigned i = 0; i < survey->count; i++)
        if (weir__app_answered(&survey->reports[i]))
            weir__buffer_printf(out, "weir_loop_tasks{loop=\"%u\"} %zu\n", i,
                                survey->reports[i].loop_tasks);
}

/* --- the process ------------------------------------------------------------------------------ */

static void write_background(const weir_app *app, struct weir__buffer *out)
{
    weir_background_stats stats;
    weir_background_stats_get(app, &stats);
    one(out, "weir_background_tasks", "gauge", "Background tasks that run.", stats.running);
    one(out, "weir_background_started_total", "counter", "Background tasks started.",
        stats.started);
    head(out, "weir_background_ended_total", "counter", "Background tasks that did not end well.");
    weir__buffer_printf(out, "weir_background_ended_total{outcome=\"failed\"} %llu\n",
                        (unsigned long long)stats.failed);
    weir__buffer_printf(out, "weir_background_ended_total{outcome=\"cancelled\"} %llu\n",
                        (unsigned long long)stats.cancelled);
    one(out, "weir_background_refused_total", "counter", "Background tasks refused by a drain.",
        stats.refused);
}

static void write_debug(struct weir__buffer *out)
{
    weir_debug_stats stats;
    weir_debug_stats_get(&stats);
    one(out, "weir_loop_stalls_total", "counter", "Steps that held a loop for too long.",
        stats.stalls);
    head(out, "weir_loop_longest_stall_seconds", "gauge", "The longest of them.");
    weir__buffer_append_str(out, "weir_loop_longest_stall_seconds ");
    seconds(out, (uint64_t)(stats.longest_stall_ns / WEIR_US));
    weir__buffer_append_char(out, '\n');
    one(out, "weir_findings_total", "counter", "Reports of any kind, stalls included.",
        stats.findings);
}

static void write_waits(const weir_pool_stats *stats, struct weir__buffer *out)
{
    static const char *const bounds[WEIR_POOL_WAIT_BUCKETS] = {"1e-05", "0.0001", "0.001", "0.01",
                                                               "0.1",   "1",      "10",    "+Inf"};
    head(out, "weir_executor_wait_seconds", "histogram", "Time that jobs waited for a thread.");
    uint64_t total = 0;
    for (size_t i = 0; i < WEIR_POOL_WAIT_BUCKETS; i++) {
        total += stats->waits[i];
        weir__buffer_printf(out, "weir_executor_wait_seconds_bucket{le=\"%s\"} %llu\n", bounds[i],
                            (unsigned long long)total);
    }
    weir__buffer_append_str(out, "weir_executor_wait_seconds_sum ");
    seconds(out, (uint64_t)(stats->wait_total_ns / WEIR_US));
    weir__buffer_printf(out, "\nweir_executor_wait_seconds_count %llu\n",
                        (unsigned long long)total);
}

static void write_executor(struct weir__buffer *out)
{
    weir_pool_stats stats;
    weir_pool_stats_get(NULL, &stats);
    one(out, "weir_executor_threads", "gauge", "Threads of the default pool.", stats.threads);
    one(out, "weir_executor_running", "gauge", "Jobs that run.", stats.running);
    one(out, "weir_executor_queue_length", "gauge", "Jobs that wait for a thread.", stats.queued);
    one(out, "weir_executor_jobs_total", "counter", "Jobs that ran to their end.", stats.finished);
    write_waits(&stats, out);
}

static void write_process(const weir_app *app, struct weir__buffer *out)
{
    struct weir__log_stats log;
    weir__log_stats(&log);
    one(out, "weir_log_dropped_total", "counter", "Lines that the log had no room for.",
        log.dropped_count);
    const weir_loop *loop = weir__core_loop();
    head(out, "weir_info", "gauge", "What runs here.");
    weir__buffer_append_str(out, "weir_info{");
    label(out, "name", app->name);
    weir__buffer_append_char(out, ',');
    label(out, "version", app->version);
    weir__buffer_append_char(out, ',');
    label(out, "backend", loop->backend->features.name);
    weir__buffer_append_str(out, "} 1\n");
    one(out, "weir_workers", "gauge", "Threads that serve.", app->worker_count);
    one(out, "weir_draining", "gauge", "Whether the service drains.", weir__app_stopping(app));
    int fds = weir__sys_open_fd_count();
    one(out, "process_open_fds", "gauge", "Open descriptors.", fds < 0 ? 0 : (uint64_t)fds);
    one(out, "process_start_time_seconds", "gauge", "Start, in seconds since 1970.",
        (uint64_t)(app->started_wall_ns / WEIR_SEC));
}

static void write_checks(const weir_app *app, struct weir__buffer *out)
{
    if (app->check_count == 0)
        return;
    head(out, "weir_check_ok", "gauge", "Whether a check of readiness is well.");
    for (size_t i = 0; i < app->check_count; i++) {
        weir__buffer_append_str(out, "weir_check_ok{");
        label(out, "check", app->checks[i].check->name);
        int state = __atomic_load_n(&app->checks[i].state, __ATOMIC_ACQUIRE);
        weir__buffer_printf(out, "} %d\n", state == WEIR__APP_CHECK_OK);
    }
}

void weir__app_write_metrics(weir_app *app, const struct weir__app_survey *survey,
                             struct weir__buffer *out)
{
    write_requests(app, out);
    write_durations(app, out);
    write_servers(survey, out);
    write_background(app, out);
    write_checks(app, out);
    write_loops(survey, out);
    write_debug(out);
    write_executor(out);
    write_process(app, out);
}
