/*
 * serve.c - weir_app_serve(): start the workers, wait, drain them, say what came of it
 *
 * Runs on  worker 0, in the lifespan's task; keep_loops() in one of its own, run_other() on each
 *          other worker's loop.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weir/log.h>
#include <weir/loops.h>
#include <weir/scope.h>

#include "app/app.h"
#include "base/alloc.h"
#include "base/clock.h"

/* --- starting --------------------------------------------------------------------------------- */

/* Its record has its result. */
static void set_ended(weir_app_worker *worker)
{
    int none = 0;
    if (worker->rc < 0 && worker->rc != -EINTR)
        __atomic_compare_exchange_n(&worker->app->first_failed, &none, (int)worker->index + 1,
                                    false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
    weir__app_worker_set_state(worker, WEIR__APP_ENDED);
}

static void run_worker(weir_app_worker *worker)
{
    weir_ignore(weir__app_worker_main(worker), "the record of the worker has it");
    set_ended(worker);
}

static int run_first(void *arg)
{
    run_worker(arg);
    return 0;
}

static int run_other(size_t index, void *arg)
{
    weir_app *app = arg;
    run_worker(&app->workers[index + 1]);
    return 0;
}

static int open_loops(weir_app *app, weir_loops **out_loops)
{
    size_t count = app->worker_count - 1;
    const char **names = weir__base_alloc(count * sizeof *names);
    if (names == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        names[i] = app->workers[i + 1].name;
    weir_loops_options options = {.count = count,
                                  .policy = WEIR_COLLECT_ALL,
                                  .names = names,
                                  .run = {.backend = app->settings.backend}};
    int rc = weir_loops_open(&options, run_other, app, out_loops);
    weir__base_free(names);
    if (rc < 0 && rc != -ECANCELED)
        return weir_fail(rc, "%s; try fewer --workers", weir_failure_message(rc));
    return rc;
}

static int keep_loops_open(weir_app *app)
{
    weir_loops *loops;
    int rc = open_loops(app, &loops);
    if (rc < 0)
        return rc;
    for (unsigned i = 1; i < app->worker_count; i++)
        app->workers[i].begun = true;
    rc = weir_started(NULL);
    if (rc < 0)
        weir_loops_cancel(loops, "the start was cancelled");
    int closed = weir_loops_close(loops, 0);
    return rc < 0 ? rc : closed;
}

/* The loops of the other workers belong to a task of their own: what cancels the lifespan does not
 * reach them, the drain does. */
static int keep_loops(void *arg)
{
    weir_scope shield = {0};
    int rc = weir_shield_enter(&shield, WEIR_FOREVER);
    if (rc < 0)
        return rc;
    rc = keep_loops_open(arg);
    return weir_scope_leave(&shield, rc);
}

static int start_workers(weir_app *app)
{
    int rc = weir_group_open(&app->worker_group,
                             &(weir_group_options){.policy = WEIR_COLLECT_ALL, .name = "worker 0"});
    if (rc < 0)
        return rc;
    rc = weir_spawn_with(app->worker_group, &(weir_spawn_options){.name = app->workers[0].name},
                         run_first, &app->workers[0], NULL);
    app->workers[0].begun = rc == 0;
    if (rc == 0 && app->worker_count > 1)
        rc = weir_start(app->worker_group, keep_loops, app, NULL);
    return rc;
}

/* --- waiting ---------------------------------------------------------------------------------- */

static weir_app_worker *first_ended(weir_app *app)
{
    for (unsigned i = 0; i < app->worker_count; i++)
        if (weir__app_worker_state_of(&app->workers[i]) == WEIR__APP_ENDED)
            return &app->workers[i];
    return NULL;
}

static bool all_ready(weir_app *app)
{
    for (unsigned i = 0; i < app->worker_count; i++)
        if (weir__app_worker_state_of(&app->workers[i]) < WEIR__APP_READY)
            return false;
    return true;
}

/* Until the drain begins, a worker has ended, or (`for_ready`) all are ready. */
static int wait_for_news(weir_app *app, bool for_ready)
{
    uint64_t seen = weir_shared_event_count(app->changed);
    int rc = 0;
    while (rc == 0 && !weir__app_stopping(app) && first_ended(app) == NULL &&
           !(for_ready && all_ready(app)))
        rc = weir_shared_event_wait(app->changed, seen, &seen);
    return rc;
}

static void command_all(weir_app *app, enum weir__app_command_kind kind)
{
    for (unsigned i = 0; i < app->worker_count; i++)
        weir__app_command(&app->workers[i], kind);
}

static void join_workers(weir_app *app)
{
    weir__app_stop_checks(app);
    weir_ignore(weir_group_close(app->worker_group, 0), "the record of the worker has its result");
    app->worker_group = NULL;
}

/* --- start-up that came to nothing ------------------------------------------------------------ */

/* Of the worker that failed first: the others were stopped because of it. */
static int worker_failure(weir_app *app, int otherwise)
{
    int failed = __atomic_load_n(&app->first_failed, __ATOMIC_ACQUIRE);
    if (failed == 0)
        return otherwise;
    const weir_app_worker *worker = &app->workers[failed - 1];
    return weir_fail(worker->rc, "worker %u: %s", worker->index, worker->message);
}

/* A thread that has not begun to run has no ear yet; it is asked again until all have ended. */
static void end_workers(weir_app *app)
{
    uint64_t seen = weir_shared_event_count(app->changed);
    for (unsigned i = 0; i < app->worker_count; i++) {
        weir_app_worker *worker = &app->workers[i];
        while (worker->begun && weir__app_worker_state_of(worker) != WEIR__APP_ENDED) {
            command_all(app, WEIR__APP_DRAIN);
            command_all(app, WEIR__APP_CANCEL);
            weir_ignore(weir_shared_event_wait(app->changed, seen, &seen),
                        "shielded by the caller");
        }
    }
}

/* --- the line that says where ----------------------------------------------------------------- */

static void say_listening(const weir_app *app)
{
    const weir_loop *loop = weir__core_loop();
    const struct weir__backend_features *features = &loop->backend->features;
    weir_log_info("listening", WEIR_KV("url", app->url), WEIR_KV("name", app->name),
                  WEIR_KV("version", app->version), WEIR_KV("backend", features->name),
                  WEIR_KV("backend_detail", features->detail),
                  WEIR_KV("workers", app->worker_count), WEIR_KV("pid", getpid()));
    if (loop->backend_note[0] != '\0')
        weir_log_info(loop->backend_note);
}

/* --- the whole -------------------------------------------------------------------------------- */

/* Served, until the drain is asked for. A failure that ends it is noted. */
static int run_until_stop(weir_app *app)
{
    __atomic_store_n(&app->started, 1, __ATOMIC_RELEASE);
    int rc = weir__app_start_checks(app, app->worker_group);
    if (rc < 0) {
        weir__app_ask_to_stop(app, "a check could not be started");
        return rc;
    }
    command_all(app, WEIR__APP_GO);
    say_listening(app);
    __atomic_store_n(&app->serving, 1, __ATOMIC_RELEASE);
    weir__app_notify("READY=1\nSTATUS=serving");
    rc = wait_for_news(app, false);
    if (rc < 0) {
        weir__app_ask_to_stop(app, "the scope around weir_app_serve() was cancelled");
    } else if (!weir__app_stopping(app)) {
        weir_app_worker *worker = first_ended(app);
        rc = worker_failure(app, 0);
        if (rc == 0)
            rc = weir_fail(-EPROTO, "worker %u ended before the drain", worker->index);
        weir_log_error("a worker failed; the service drains", WEIR_KV("worker", worker->index),
                       WEIR_KV("message", weir_failure_message(rc)));
        weir__app_ask_to_stop(app, "a worker failed");
    }
    return rc;
}

static int drain_shielded(weir_app *app)
{
    weir_scope shield = {0};
    int64_t most_ns = weir__base_add_ns(app->settings.drain_timeout_ns, 10 * WEIR_SEC);
    int rc = weir_shield_enter(&shield, most_ns);
    if (rc < 0)
        return rc;
    uint64_t seen = 0; /* the supervisor may not have said yet when the drain's time began */
    while (!weir__app_stopping(app) && rc == 0)
        rc = weir_shared_event_wait(app->stopped, seen, &seen);
    weir__app_drain(app);
    return weir_scope_leave(&shield, 0);
}

static int end_start_up(weir_app *app, int rc)
{
    char message[WEIR__APP_MESSAGE_BYTES];
    snprintf(message, sizeof message, "%s", weir_failure_message(rc));
    weir_scope shield = {0};
    int entered = weir_shield_enter(&shield, WEIR_MIN);
    end_workers(app);
    if (entered == 0)
        weir_ignore(weir_scope_leave(&shield, 0), "the first failure is the one to tell");
    join_workers(app);
    int failure = worker_failure(app, 0);
    if (failure < 0)
        return failure;
    if (rc < 0)
        return weir_fail(rc, "%s", message);
    return weir_fail(-EPROTO, "a worker ended before it served: .worker has to call "
                              "weir_app_worker_serve()");
}

int weir_app_serve(weir_app *app)
{
    if (app->main_task != weir__core_task())
        return weir_fail(-EPERM, "weir_app_serve() belongs to the lifespan's task");
    if (app->serve_called)
        return weir_fail(-EALREADY, "weir_app_serve() was called before");
    int rc = weir__core_checkpoint(); /* a signal during start-up */
    if (rc < 0)
        return rc;
    app->serve_called = true;
    rc = start_workers(app);
    if (rc == 0)
        rc = wait_for_news(app, true);
    if (rc < 0 || first_ended(app) != NULL)
        return end_start_up(app, rc);
    rc = weir__app_stopping(app) ? 0 : run_until_stop(app);
    int drained = drain_shielded(app);
    join_workers(app);
    if (rc >= 0)
        rc = worker_failure(app, drained);
    if (rc >= 0 && app->exit_status == WEIR__APP_EXIT_CUT)
        rc = weir_fail(-EINTR, "the drain had to cut something");
    return rc;
}
