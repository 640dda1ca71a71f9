/*
 * run.c - where every program starts: the checks are on before the first task runs
 *
 * Runs on  the thread that calls weir_run().
 */
#include <stdlib.h>
#include <string.h>
#include <weir/log.h>
#include <weir/task.h>

#include "debug/debug.h"

bool weir__debug_on(void)
{
    const char *value = getenv("WEIR_DEBUG");
    return value != NULL && strcmp(value, "0") != 0 && value[0] != '\0';
}

static void loop_started(weir_loop *loop)
{
    weir__crash_loop_started(loop);
}

static void loop_ended(weir_loop *loop)
{
    weir__watchdog_forget(loop);
    weir__crash_loop_ended(loop);
}

static int run(const weir_run_options *options, weir_task_fn *fn, void *arg, bool report_failure)
{
    static const struct weir__loop_hooks hooks = {loop_started, loop_ended};
    weir__core_set_loop_hooks(&hooks);
    weir__core_observe(weir__debug_report);
    weir__crash_handlers_install();
    bool watched = weir__watchdog_start() == 0;
    if (!watched)
        weir_log_warn("no watchdog: its thread could not be started; blocked loops will not be named");
    int rc = weir__core_run(options, fn, arg, report_failure);
    weir__watchdog_stop(); /* says what is still to be said */
    return rc;
}

int weir_run_with(const weir_run_options *options, weir_task_fn *fn, void *arg)
{
    return run(options, fn, arg, false);
}

int weir_run(weir_task_fn *fn, void *arg)
{
    int rc = run(NULL, fn, arg, true);
    weir_log_flush();
    weir__debug_symbols_close();
    return rc < 0 ? 1 : 0;
}
