/*
 * main.c - weir_app_main(): from the process as it was started to its exit status
 *
 * Runs on  the first thread of the process; main_task() on worker 0's loop.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/log.h>
#include <weir/net.h>
#include <weir/remote.h>
#include <weir/scope.h>

#include "app/app.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/sys.h"

/* --- the process ------------------------------------------------------------------------------ */

/* A connection must never get the number of a standard stream: what is printed would go to a
 * client. */
static void open_standard_streams(void)
{
    struct stat unused;
    for (int fd = 0; fd <= 2; fd++)
        if (weir__sys_fstat(fd, &unused) == -EBADF)
            weir_ignore(weir__sys_open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY, 0),
                        "the lowest free number is this one; without /dev/null there is none");
}

static void make_process_safe(void)
{
    open_standard_streams();
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    weir__sys_raise_fd_limit();
}

static weir_log_level level_of(const char *name)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (int i = 0; i < 4; i++)
        if (strcmp(name, names[i]) == 0)
            return (weir_log_level)i;
    return WEIR_LOG_INFO;
}

/* --- the app ---------------------------------------------------------------------------------- */

const char *weir_app_name(const weir_app *app)
{
    return app->name;
}

const char *weir_app_url(const weir_app *app)
{
    return app->url;
}

unsigned weir_app_worker_count(const weir_app *app)
{
    return app->worker_count;
}

void *weir_app_settings(const weir_app *app)
{
    return app->options->settings;
}

void weir_app_set_state(weir_app *app, void *state)
{
    app->user_state = state;
}

void *weir_app_state(const weir_app *app)
{
    return app->user_state;
}

void weir_app_stop(weir_app *app, const char *reason)
{
    weir__app_ask_to_stop(app, reason != NULL ? reason : "weir_app_stop()");
}

bool weir_app_stopping(const weir_app *app)
{
    return weir__app_stopping(app);
}

int weir_app_wait_stopping(weir_app *app)
{
    uint64_t seen = 0;
    return weir_shared_event_wait(app->stopped, seen, &seen);
}

static int make_workers(weir_app *app)
{
    app->workers = weir__base_alloc_array(app->worker_count, sizeof *app->workers);
    if (app->workers == NULL)
        return -ENOMEM;
    memset(app->workers, 0, app->worker_count * sizeof *app->workers);
    for (unsigned i = 0; i < app->worker_count; i++) {
        weir_app_worker *worker = &app->workers[i];
        worker->app = app;
        worker->index = i;
        snprintf(worker->name, sizeof worker->name, "worker %u", i);
    }
    return 0;
}

/* One account for all workers: a client's connections are spread over them. */
static int make_peers(weir_app *app)
{
    enum { AT_THE_EDGE = 256 };
    size_t most = (size_t)app->settings.connections_per_address;
    if (most == 0 && app->settings.edge)
        most = AT_THE_EDGE;
    return most == 0 ? 0 : weir__http_peers_new(most, &app->peers);
}

static int init(weir_app *app, const weir_app_options *options)
{
    app->options = options;
    app->name = options->name != NULL ? options->name : "app";
    app->version = options->version != NULL ? options->version : "0.0.0";
    app->worker_count = app->settings.workers;
    if (strncmp(app->settings.listen, "unix:", 5) == 0)
        app->worker_count = 1; /* several sockets cannot share a file */
    app->started_wall_ns = weir__base_wall_now();
    app->in_pod = getenv("KUBERNETES_SERVICE_HOST") != NULL;
    int rc = weir_shared_event_new(&app->changed);
    if (rc == 0)
        rc = weir_shared_event_new(&app->stopped);
    if (rc == 0)
        rc = make_workers(app);
    if (rc == 0)
        rc = make_peers(app);
    return rc;
}

static void deinit(weir_app *app)
{
    for (unsigned i = 0; app->workers != NULL && i < app->worker_count; i++) {
        weir__base_free(app->workers[i].routes);
        weir_loop_release(app->workers[i].loop);
    }
    weir__base_free(app->workers);
    weir__base_free(app->checks);
    weir__http_peers_free(app->peers);
    weir_router_free(app->router);
    weir__base_free(app->filters);
    weir__buffer_deinit(&app->openapi);
    weir_shared_event_release(app->changed);
    weir_shared_event_release(app->stopped);
}

/* --- what needs a task, for its words --------------------------------------------------------- */

/* A background task that a drain refuses is not the handler's fault: the client may come back. */
static int refuse_while_stopping(weir_request *request, weir_next *next)
{
    int rc = weir_next_run(request, next);
    if (rc != -ESHUTDOWN || !weir__app_stopping(weir_request_app(request)))
        return rc;
    weir_ignore(weir_respond_header(request, "Retry-After", "1"), "the status says enough");
    return weir_http_problem(request, 503, "the service is shutting down");
}

static int make_filters(weir_app *app)
{
    weir_filter_fn *const *given = app->options->http.filters;
    size_t count = 0;
    while (given != NULL && given[count] != NULL)
        count++;
    app->filters = weir__base_alloc_array(count + 2, sizeof *app->filters);
    if (app->filters == NULL)
        return -ENOMEM;
    app->filters[0] = refuse_while_stopping;
    for (size_t i = 0; i < count; i++)
        app->filters[i + 1] = given[i];
    app->filters[count + 1] = NULL;
    return 0;
}

static int make_counters(weir_app *app)
{
    for (unsigned i = 0; i < app->worker_count; i++) {
        app->workers[i].routes =
            weir__base_alloc_zero((app->route_count + 1) * sizeof *app->workers[i].routes);
        if (app->workers[i].routes == NULL)
            return -ENOMEM;
    }
    return 0;
}

static int prepare(weir_app *app)
{
    int rc = weir_router_new(app->options->routes, &app->router);
    if (rc == 0)
        rc = weir__app_add_routes(app);
    if (rc == 0)
        rc = make_filters(app);
    if (rc == 0)
        rc = make_counters(app);
    if (rc == 0)
        rc = weir__app_listen_first(app);
    return rc;
}

static void give_back(weir_app *app)
{
    weir_listener_close(app->workers[0].listener); /* when it never served */
    app->workers[0].listener = NULL;
}

/* --- the first task --------------------------------------------------------------------------- */

static void conclude(weir_app *app, int rc)
{
    bool stopped_early = rc == -ECANCELED && !app->serve_called && weir__app_stopping(app);
    if (stopped_early) {
        weir_log_info("stopped during start-up");
        return;
    }
    if (rc >= 0 || (rc == -EINTR && app->exit_status != 0))
        return;
    weir_log_error(app->started ? "the service failed" : "cannot start", WEIR_KV("name", app->name),
                   WEIR_KV("code", weir_code_name(rc)),
                   WEIR_KV("message", weir_failure_message(rc)));
    if (app->exit_status != WEIR__APP_EXIT_STUCK)
        app->exit_status = WEIR__APP_EXIT_FAILED;
}

static int run_lifespan(weir_app *app)
{
    int rc = prepare(app);
    if (rc < 0)
        return rc;
    weir_app_fn *fn = app->options->lifespan;
    return fn != NULL ? fn(app) : weir_app_serve(app);
}

static int main_task(void *arg)
{
    weir_app *app = arg;
    weir_task_set_name("lifespan");
    app->main_task = weir__core_task();
    weir__core_loop()->locals[WEIR__LOCAL_APP] = &app->workers[0];
    __atomic_store_n(&app->workers[0].loop, weir_loop_retain_self(), __ATOMIC_SEQ_CST);
    int rc = 0;
    if (__atomic_load_n(&app->stopping, __ATOMIC_SEQ_CST))
        rc = -ECANCELED; /* the signal was earlier than we */
    else
        rc = run_lifespan(app);
    conclude(app, rc);
    give_back(app);
    weir__core_loop()->locals[WEIR__LOCAL_APP] = NULL;
    app->main_task = NULL;
    return 0;
}

/* --- the whole -------------------------------------------------------------------------------- */

static void say_no_loop(const weir_app *app, int rc)
{
    const char *backend = app->settings.backend;
    bool denied = backend != NULL && strcmp(backend, "uring") == 0 &&
                  (rc == -EPERM || rc == -EACCES || rc == -ENOSYS);
    weir_log_error(
        "cannot start", WEIR_KV("name", app->name), WEIR_KV("code", weir_code_name(rc)),
        WEIR_KV("message", denied
                               ? "io_uring is denied here (kernel.io_uring_disabled, or a seccomp "
                                 "profile); leave --backend out, or give --backend epoll"
                               : weir_code_text(rc)));
}

static int run(weir_app *app)
{
    int rc = weir__app_supervise(app);
    if (rc < 0) {
        weir_log_error("cannot start: no thread for signals", WEIR_KV("code", weir_code_name(rc)));
        return WEIR__APP_EXIT_FAILED;
    }
    rc = weir_run_with(&(weir_run_options){.backend = app->settings.backend, .name = app->name},
                       main_task, app);
    if (rc < 0 && app->exit_status == 0) {
        say_no_loop(app, rc);
        app->exit_status = WEIR__APP_EXIT_FAILED;
    }
    weir__app_unsupervise();
    return app->exit_status;
}

int weir_app_main(int argc, char **argv, const weir_app_options *options)
{
    static const weir_app_options defaults;
    if (options == NULL)
        options = &defaults;
    make_process_safe();
    weir_app app = {0};
    int rc = weir__app_settings_read(argc, argv, options, &app.settings);
    if (rc != 0)
        return rc < 0 ? WEIR__APP_EXIT_USAGE : 0;
    weir_log_configure(strcmp(app.settings.log, "json") == 0 ? WEIR_LOG_JSON : WEIR_LOG_TEXT,
                       level_of(app.settings.log_level));
    rc = init(&app, options);
    int status = WEIR__APP_EXIT_FAILED;
    if (rc == 0)
        status = run(&app);
    else
        weir_log_error("cannot start", WEIR_KV("code", weir_code_name(rc)));
    deinit(&app);
    weir_log_flush();
    return status;
}
