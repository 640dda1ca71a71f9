/*
 * task_test.c - running the body of a test inside a task
 *
 * Runs on  the only thread of the test's process.
 * Holds    1. The backend is the one asked for: a run that would fall back fails instead.
 */
#include "tests/support/task_test.h"

#include "core/core.h"

static int run_body(void *arg)
{
    void (**body)(void) = arg;
    (*body)();
    return 0;
}

int test_run_in_task(const char *backend, void (*body)(void))
{
    weir_run_options options = {.backend = backend};
    return weir__core_run(&options, run_body, &body, false);
}
