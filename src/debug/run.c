/*
 * run.c - where every program starts: the checks are on before the first task
 */
#include <stdio.h>
#include <weir/log.h>
#include <weir/task.h>

#include "core/core.h"

int weir_run_with(const weir_run_options *options, weir_task_fn *fn, void *arg)
{
    return weir__core_run(options, fn, arg, false);
}

int weir_run(weir_task_fn *fn, void *arg)
{
    int rc = weir__core_run(NULL, fn, arg, true);
    weir_log_flush();
    return rc < 0 ? 1 : 0;
}
