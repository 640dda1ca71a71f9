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

/* On this thread, since its last weir_run() began: without one its failure has been told by
 * nobody. */
static _Thread_local bool loop_was_there;

/* WEIR_DEBUG=1: why there is no io_uring, once a process. A service says it anyway (app). */
static void tell_backend(weir_loop *loop)
{
    static bool told; /* atomic: loops start on threads of their own */
    if (loop->backend_note[0] == '\0' || __atomic_exchange_n(&told, true, __ATOMIC_RELAXED))
        return;
    weir_log_info(loop->backend_note);
    loop->backend_note[0] = '\0';
}

static void loop_started(weir_loop *loop)
{
    loop_was_there = true;
    if (weir__debug_on())
        tell_backend(loop);
    weir__crash_loop_started(loop);
}

/* The lowest byte of a slot that was ever written tells how deep its tasks went. */
static size_t depth_of(const struct weir__stacks *stacks, int32_t slot)
{
    const uint64_t *word = (const uint64_t *)(const void *)weir__stack_bottom(stacks, slot);
    const uint64_t *end = (const uint64_t *)(const void *)weir__stack_top(stacks, slot);
    while (word < end && *word == 0)
        word++;
    return (size_t)((const char *)end - (const char *)word);
}

/* WEIR_DEBUG=1: reads every stack that was used, which is why it is not always done. */
static void tell_deepest_stack(weir_loop *loop)
{
    const struct weir__stacks *stacks = &loop->stacks;
    size_t deepest = 0;
    for (size_t slot = 0; slot < stacks->used_count; slot++) {
        size_t depth = depth_of(stacks, (int32_t)slot);
        if (depth > deepest)
            deepest = depth;
    }
    weir_log_info("deepest use of a stack", WEIR_KV("loop", loop->name), WEIR_KV("bytes", deepest),
                  WEIR_KV("of_bytes", stacks->slot_bytes - WEIR__STACK_GUARD_BYTES),
                  WEIR_KV("stacks", stacks->used_count));
}

static void loop_ended(weir_loop *loop)
{
    if (weir__debug_on())
        tell_deepest_stack(loop);
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
        weir_log_warn(
            "no watchdog: its thread could not be started; blocked loops will not be named");
    int rc = weir__core_run(options, fn, arg, report_failure);
    weir__watchdog_stop(); /* says what is still to be said */
    return rc;
}

int weir_run_with(const weir_run_options *options, weir_task_fn *fn, void *arg)
{
    return run(options, fn, arg, false);
}

static void say_no_loop(int rc)
{
    const char *wanted = getenv("WEIR_BACKEND");
    weir_log_error("no loop could be made; see WEIR_BACKEND (uring, epoll, sim)",
                   WEIR_KV("reason", weir_code_text(rc)),
                   WEIR_KV("WEIR_BACKEND", wanted == NULL ? "not set" : wanted));
}

int weir_run(weir_task_fn *fn, void *arg)
{
    loop_was_there = false;
    int rc = run(NULL, fn, arg, true);
    if (rc < 0 && !loop_was_there)
        say_no_loop(rc);
    weir_log_flush();
    weir__debug_symbols_close();
    return rc < 0 ? 1 : 0;
}
