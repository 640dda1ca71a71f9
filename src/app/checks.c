/*
 * checks.c - what has to be well for the service to be ready
 *
 * Each check is a task on worker 0 that runs its function, keeps what came of it, and sleeps.
 * Probes look at what is kept: however often they come, what is behind a check is asked at its own
 * pace.
 *
 * Runs on  worker 0; what is kept is read on any loop.
 */
#include <stdio.h>
#include <string.h>
#include <weir/log.h>
#include <weir/scope.h>

#include "app/app.h"
#include "base/alloc.h"

#define EVERY_NS (5 * WEIR_SEC)
#define TIMEOUT_NS (2 * WEIR_SEC)

const char weir__app_check_name[] = "readiness check";

static int run_in_time(weir_app *app, const weir_app_check *check)
{
    int rc = 0;
    int64_t timeout_ns = check->timeout_ns != 0 ? check->timeout_ns : TIMEOUT_NS;
    WEIR_TIMEOUT(rc, timeout_ns)
    {
        rc = check->fn(app);
    }
    return rc == -ETIME ? weir_fail(-ETIMEDOUT, "it took too long") : rc;
}

/* News is what is worth a line. */
static void keep(struct weir__app_checked *checked, int rc)
{
    enum weir__app_check_state state = rc < 0 ? WEIR__APP_CHECK_FAILED : WEIR__APP_CHECK_OK;
    int before = __atomic_exchange_n(&checked->state, (int)state, __ATOMIC_ACQ_REL);
    if (before == (int)state)
        return;
    if (rc < 0)
        weir_log_warn("not ready: a check failed", WEIR_KV("check", checked->check->name),
                      WEIR_KV("code", weir_code_name(rc)),
                      WEIR_KV("message", weir_failure_message(rc)));
    else if (before == WEIR__APP_CHECK_FAILED)
        weir_log_info("a check is well again", WEIR_KV("check", checked->check->name));
}

static int run_check(void *arg)
{
    struct weir__app_checked *checked = arg;
    weir_app *app = checked->app;
    int64_t every_ns = checked->check->every_ns != 0 ? checked->check->every_ns : EVERY_NS;
    int rc = 0;
    while (!weir__app_stopping(app)) {
        rc = run_in_time(app, checked->check);
        if (rc == -ECANCELED && weir_cancelled())
            return rc;
        keep(checked, rc);
        WEIR_TIMEOUT(rc, every_ns)
        {
            rc = weir_shared_event_wait(app->stopped, 0, NULL);
        }
        if (rc == -ECANCELED)
            return rc;
    }
    return 0;
}

int weir__app_start_checks(weir_app *app, weir_group *group)
{
    const weir_app_check *check = app->options->checks;
    while (check != NULL && check[app->check_count].name != NULL)
        app->check_count++;
    if (app->check_count == 0)
        return 0;
    app->checks = weir__base_alloc_zero(app->check_count * sizeof *app->checks);
    if (app->checks == NULL)
        return -ENOMEM;
    int rc = 0;
    for (size_t i = 0; i < app->check_count && rc == 0; i++) {
        struct weir__app_checked *checked = &app->checks[i];
        checked->app = app;
        checked->check = &check[i];
        if (check[i].fn == NULL || check[i].every_ns < 0 || check[i].timeout_ns < 0)
            return weir_fail(-EINVAL, "the check %s has no function, or a negative time",
                             check[i].name);
        rc = weir_spawn_with(group, &(weir_spawn_options){.name = weir__app_check_name}, run_check,
                             checked, &checked->task);
    }
    return rc;
}

void weir__app_stop_checks(weir_app *app)
{
    for (size_t i = 0; i < app->check_count && app->checks != NULL; i++)
        if (app->checks[i].task != 0)
            weir_ignore(weir_task_cancel(app->checks[i].task, "the service has drained"),
                        "it has ended by itself, then");
}

bool weir__app_checks_ok(const weir_app *app, char *out_text, size_t size)
{
    for (size_t i = 0; i < app->check_count; i++) {
        const struct weir__app_checked *checked = &app->checks[i];
        int state = __atomic_load_n(&checked->state, __ATOMIC_ACQUIRE);
        if (state == WEIR__APP_CHECK_OK)
            continue;
        snprintf(out_text, size, "check %.64s %s\n", checked->check->name,
                 state == WEIR__APP_CHECK_FAILED ? "failed" : "has not run yet");
        return false;
    }
    return true;
}
