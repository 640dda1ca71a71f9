/*
 * worker.c - one thread's part: a loop, a listener, a server, background tasks, and their end
 *
 * A worker is built up in this order and ends in the opposite one: background group, what `.worker`
 * opens, listener, server. Others drive it with commands, which arrive between two of its tasks.
 *
 * Runs on  the worker's loop; weir__app_command() on any thread.
 */
#include <stdio.h>
#include <string.h>
#include <weir/net.h>
#include <weir/remote.h>
#include <weir/scope.h>

#include "app/app.h"
#include "base/sys.h"
#include "http/server.h"

/* --- who is who ------------------------------------------------------------------------------- */

weir_app_worker *weir_app_worker_self(void)
{
    weir_loop *loop = weir__core_loop();
    return loop == NULL ? NULL : loop->locals[WEIR__LOCAL_APP];
}

weir_app *weir_app_worker_app(const weir_app_worker *worker)
{
    return worker->app;
}

unsigned weir_app_worker_index(const weir_app_worker *worker)
{
    return worker->index;
}

void weir_app_worker_set_state(weir_app_worker *worker, void *state)
{
    worker->user_state = state;
}

void *weir_app_worker_state(const weir_app_worker *worker)
{
    return worker->user_state;
}

weir_app_worker *weir_request_worker(const weir_request *request)
{
    return weir_request_hooks_arg(request);
}

weir_app *weir_request_app(const weir_request *request)
{
    return weir_request_worker(request)->app;
}

void *weir_request_state(const weir_request *request)
{
    return weir_request_app(request)->user_state;
}

void weir__app_worker_set_state(weir_app_worker *worker, enum weir__app_worker_state state)
{
    __atomic_store_n(&worker->state, state, __ATOMIC_RELEASE);
    weir_shared_event_post(worker->app->changed);
}

/* --- listening -------------------------------------------------------------------------------- */

static int listen_on(const char *address, bool shared, weir_listener **out_listener)
{
    return weir_listener_open(&(weir_listener_options){.address = address, .reuse_port = shared},
                              out_listener);
}

static int complain(const weir_app *app, int rc)
{
    char message[WEIR__APP_MESSAGE_BYTES];
    snprintf(message, sizeof message, "%s", weir_failure_message(rc));
    const char *what_to_do = rc == -EADDRINUSE
                                 ? "; stop the one that has it, or give another --listen"
                             : rc == -EADDRNOTAVAIL ? "; see `ip address` for those that are"
                             : rc == -EACCES        ? "; choose one from 1024 on"
                                                    : "";
    return weir_fail(rc, "%s%s (--listen %s)", message, what_to_do, app->settings.listen);
}

static void note_address(weir_app *app, const weir_listener *listener)
{
    char text[WEIR_ADDRESS_TEXT_BYTES];
    const weir_address *address = weir_listener_address(listener);
    weir_address_format(address, text);
    snprintf(app->address, sizeof app->address, "%s", text);
    bool local = address->storage.ss_family == AF_UNIX;
    snprintf(app->url, sizeof app->url, "%s%s", local ? "" : "http://", text);
}

int weir__app_listen_first(weir_app *app)
{
    weir_listener *listener;
    /* Alone first: sockets that share a port do not see that another service has it. */
    int rc = listen_on(app->settings.listen, false, &listener);
    if (rc < 0)
        return complain(app, rc);
    note_address(app, listener);
    if (app->worker_count > 1) {
        weir_listener_close(listener);
        rc = listen_on(app->address, true, &listener);
        if (rc < 0)
            return complain(app, rc);
    }
    app->workers[0].listener = listener;
    return 0;
}

/* --- commands --------------------------------------------------------------------------------- */

static void cancel(weir_app_worker *worker, unsigned level, const char *reason)
{
    weir_loop *loop = weir__core_loop();
    worker->cancelling = true;
    if (!worker->serve_called && worker->main_task != NULL) /* still starting up */
        weir__scope_cancel_level(loop, &worker->main_task->scope, level, WEIR_CANCEL_SHUTDOWN,
                                 reason, NULL);
    if (worker->serve_scope != NULL)
        weir__scope_cancel_level(loop, worker->serve_scope, level, WEIR_CANCEL_SHUTDOWN, reason,
                                 NULL);
    if (worker->background != NULL)
        weir__scope_cancel_level(loop, &worker->background->scope, level, WEIR_CANCEL_SHUTDOWN,
                                 reason, NULL);
}

/* Not in the middle of a drain: a task that is to accept may not have begun, and would find it
 * gone. */
static void close_listener(weir_app_worker *worker)
{
    weir_listener_close(worker->listener);
    worker->listener = NULL;
    if (__atomic_exchange_n(&worker->listening, 0, __ATOMIC_ACQ_REL))
        weir_shared_event_post(worker->app->changed);
}

static void begin_drain(weir_app_worker *worker)
{
    if (worker->draining)
        return;
    worker->draining = true;
    weir__core_stop(weir__core_loop(), WEIR_STOP_DRAIN, NULL);
    if (worker->server != NULL) {
        weir_http_server_stats stats;
        weir_http_server_stats_get(worker->server, &stats);
        weir__app_add(&worker->idle_closed, stats.idle_count);
        weir_http_server_drain(worker->server);
    }
    weir_event_set(&worker->go);
    weir_event_set(&worker->drain);
}

static void obey(struct weir__post *post)
{
    struct weir__app_command *command = WEIR__CONTAINER(post, struct weir__app_command, post);
    weir_app_worker *worker = command->worker;
    switch (command->kind) {
    case WEIR__APP_GO:
        worker->going = true;
        weir_event_set(&worker->go);
        break;
    case WEIR__APP_RETIRE:
        weir__core_stop(weir__core_loop(), WEIR_STOP_DRAIN, NULL);
        if (worker->server != NULL)
            weir_http_server_retire(worker->server);
        break;
    case WEIR__APP_DRAIN:
        begin_drain(worker);
        break;
    case WEIR__APP_CANCEL:
        cancel(worker, WEIR__LEVEL_CANCEL, "the time for the drain is used up");
        break;
    case WEIR__APP_FORCE:
        cancel(worker, WEIR__LEVEL_FORCE, "the service ends now");
        break;
    case WEIR__APP_COMMAND_COUNT:
        break;
    }
}

void weir__app_command(weir_app_worker *worker, enum weir__app_command_kind kind)
{
    struct weir__app_command *command = &worker->commands[kind];
    weir_loop *loop = __atomic_load_n(&worker->loop, __ATOMIC_ACQUIRE);
    if (loop == NULL || command->worker != NULL)
        return;
    *command = (struct weir__app_command){.post.run = obey, .worker = worker, .kind = kind};
    weir_ignore(weir__core_post(loop, &command->post), "a worker that has ended has done it all");
}

/* --- serving ---------------------------------------------------------------------------------- */

static size_t share_of(size_t whole, unsigned count)
{
    return whole == 0 || whole == WEIR_UNLIMITED ? whole : (whole + count - 1) / count;
}

/* Limits of the process, a share for each worker. */
static void share_limits(const weir_app *app, weir_http_limits *limits)
{
    enum { CONNECTIONS = 10000, IN_FLIGHT = 2048, PERCENT_OF_DESCRIPTORS = 80, KEPT_MIN = 32 };
    if (limits->connections_max == 0) {
        size_t descriptors = (size_t)weir__sys_raise_fd_limit();
        size_t kept = descriptors - descriptors * PERCENT_OF_DESCRIPTORS / 100;
        if (kept < KEPT_MIN) // listeners, loops, files: without them nobody is let in
            kept = KEPT_MIN;
        size_t least = descriptors / 4;
        size_t most = descriptors > kept + least ? descriptors - kept : least;
        limits->connections_max = most > 0 && most < CONNECTIONS ? most : CONNECTIONS;
    }
    if (limits->in_flight_max == 0)
        limits->in_flight_max = IN_FLIGHT;
    limits->connections_max = share_of(limits->connections_max, app->worker_count);
    limits->in_flight_max = share_of(limits->in_flight_max, app->worker_count);
}

static int open_server(weir_app_worker *worker)
{
    weir_app *app = worker->app;
    int rc = 0;
    if (worker->listener == NULL && worker->index > 0)
        rc = listen_on(app->address, true, &worker->listener);
    if (rc < 0)
        return complain(app, rc);
    weir_http_server_options options = app->options->http;
    options.name = "http";
    options.context = app->user_state;
    options.filters = app->filters;
    share_limits(app, &options.limits);
    options.limits.address_connections_max = WEIR_UNLIMITED; // counted over all workers
    options.limits.queue_delay_max_ns = app->settings.queue_delay_ns;
    weir__app_set_hooks(worker, &options);
    rc = weir_http_server_open(app->router, &options, &worker->server);
    if (rc == 0 && app->peers != NULL)
        weir__http_server_share_peers(worker->server, app->peers);
    return rc;
}

/* Until the drain is over; what is cancelled on the way leaves early, and close waits for it. */
static int serve(weir_app_worker *worker)
{
    if (worker->draining) /* told to before it began */
        return 0;
    int rc = open_server(worker);
    if (rc < 0)
        return rc;
    weir__app_worker_set_state(worker, WEIR__APP_READY);
    rc = weir_event_wait(&worker->go);
    if (rc == 0 && worker->going && !worker->draining) {
        __atomic_store_n(&worker->listening, 1, __ATOMIC_RELEASE);
        rc = weir_http_server_listen(worker->server, worker->listener);
        weir__app_worker_set_state(worker, WEIR__APP_SERVING);
    }
    if (rc == 0)
        rc = weir_event_wait(&worker->drain);
    begin_drain(worker);
    close_listener(worker);
    if (rc == 0)
        rc = weir_http_server_wait_idle(worker->server);
    weir_http_server *server = worker->server;
    int closed = weir_http_server_close(server);
    worker->server = NULL;
    return rc < 0 ? rc : closed;
}

int weir_app_worker_serve(weir_app_worker *worker)
{
    if (worker->main_task != weir__core_task())
        return weir_fail(-EPERM, "weir_app_worker_serve() belongs to the task of .worker");
    if (worker->serve_called)
        return weir_fail(-EALREADY, "weir_app_worker_serve() was called before");
    worker->serve_called = true;
    weir_scope scope = {0};
    int rc = weir_scope_enter(&scope);
    if (rc < 0)
        return rc;
    worker->serve_scope = &scope;
    rc = serve(worker);
    begin_drain(worker);
    worker->serve_scope = NULL;
    rc = weir_scope_leave(&scope, rc);
    weir__app_wait_background(worker);
    weir__app_worker_set_state(worker, WEIR__APP_DRAINED);
    bool cut = weir__app_read(&worker->requests_cut) + weir__app_read(&worker->background_cut) > 0;
    if (rc >= 0 && cut)
        return -EINTR;
    return rc < 0 ? rc : 0;
}

/* --- the main task ---------------------------------------------------------------------------- */

static int keep(void *arg)
{
    weir_app_worker *worker = arg;
    worker->keeper_task = weir__core_task();
    int rc = weir__app_keep_background(worker);
    worker->keeper_rc = rc;
    worker->keeper_ended = true;
    return 0;
}

/* The keeper's first step opens the group. */
static int open_background(weir_app_worker *worker, weir_group *group)
{
    int rc = weir_spawn_with(group, &(weir_spawn_options){.name = "background tasks"}, keep, worker,
                             NULL);
    while (rc == 0 && worker->background == NULL)
        rc = worker->keeper_ended ? worker->keeper_rc : weir_yield();
    return rc;
}

static int run_worker(weir_app_worker *worker)
{
    weir_group *group;
    int rc = weir_group_open(&group, &(weir_group_options){.policy = WEIR_COLLECT_ALL});
    if (rc < 0)
        return rc;
    rc = open_background(worker, group);
    if (rc == 0) {
        weir_app_worker_fn *fn = worker->app->options->worker;
        rc = fn != NULL ? fn(worker) : weir_app_worker_serve(worker);
    }
    begin_drain(worker);
    if (!worker->serve_called || rc < 0) /* it never served: nothing is worth waiting for */
        cancel(worker, WEIR__LEVEL_CANCEL, "the worker could not start");
    weir_event_set(&worker->over);
    int closed = weir_group_close(group, rc);
    return rc < 0 ? rc : closed;
}

int weir__app_worker_main(weir_app_worker *worker)
{
    worker->main_task = weir__core_task();
    weir__core_loop()->locals[WEIR__LOCAL_APP] = worker;
    if (worker->loop == NULL) /* worker 0's is known from the start */
        __atomic_store_n(&worker->loop, weir_loop_retain_self(), __ATOMIC_SEQ_CST);
    weir_shared_event_post(worker->app->changed); /* from here on it can be told something */
    int rc = run_worker(worker);
    if (rc == -ESHUTDOWN && worker->draining && !worker->serve_called)
        rc = 0; /* told to end before it had begun: whoever made that happen is to be named */
    close_listener(worker);
    if (rc < 0)
        snprintf(worker->message, sizeof worker->message, "%s", weir_failure_message(rc));
    worker->rc = rc;
    if (worker->index > 0)
        weir__core_loop()->locals[WEIR__LOCAL_APP] = NULL;
    return rc;
}
