/*
 * crash.c - a stack overflow, or any other deadly signal, names the task it happened in
 *
 * The handler runs on an alternate stack of the thread (a signal frame alone takes 12 KB on
 * machines with AMX), writes one report with write(2), restores what was there before and lets the
 * signal happen again: the process ends as it would have, with a core as configured.
 *
 * Runs on  the thread that crashed; inside the handler only async-signal-safe calls are made.
 */
#include <execinfo.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"
#include "core/task.h"
#include "debug/debug.h"

enum {
    ALT_STACK_BYTES = 64 * 1024,
    FRAMES_MAX = 24,
    PATIENCE_MS = 5000, /* with a report that somebody else writes */
};

static const int deadly[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
static struct sigaction before[sizeof deadly / sizeof deadly[0]];
static int installed; /* atomic */

static const char *note; /* atomic */

static _Thread_local void *alt_stack;

static void say(const char *format, ...) WEIR_PRINTF(1, 2);
static void say(const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(line, sizeof line, format, args); /* no locale, no floats: does not
                                                              allocate */
    va_end(args);
    if (size > 0)
        weir_ignore(
            weir__sys_write(2, line, (size_t)size < sizeof line ? (size_t)size : sizeof line - 1),
            "there is nowhere else to say it");
}

static void say_spawned(const weir_task *task)
{
    const weir_site *site = weir__task_spawn_site(task);
    if (site != NULL)
        say("  spawned   %s:%d\n", site->file, site->line);
}

static void say_symbols(void *const *frames, int count)
{
    backtrace_symbols_fd(frames, count, 2);
}

/* Whether the address is in the guard of a stack of this thread's loop; then whose. */
static weir_task *overflowed_task(weir_loop *loop, const void *address)
{
    bool in_guard = false;
    int32_t slot = weir__stack_of_address(&loop->stacks, address, &in_guard);
    if (slot < 0 || !in_guard)
        return NULL;
    uint32_t task = weir__stack_task(&loop->stacks, slot);
    return task == 0 ? NULL : &loop->cold[task - 1];
}

static void report(int signal_number, const siginfo_t *info)
{
    weir_loop *loop = weir__core_loop();
    weir_task *task = loop == NULL ? NULL : loop->current;
    weir_task *overflowed = loop == NULL || (signal_number != SIGSEGV && signal_number != SIGBUS)
                                ? NULL
                                : overflowed_task(loop, info->si_addr);
    void *fn = NULL;
    if (overflowed != NULL) {
        size_t bytes = loop->stacks.slot_bytes - WEIR__STACK_GUARD_BYTES;
        fn = (void *)(uintptr_t)overflowed->fn;
        say("weir W901 stack overflow in task %s #%u.%u: its stack of %zu KiB is used up\n",
            overflowed->name == NULL ? "(see the function below)" : overflowed->name,
            overflowed->index, loop->hot[overflowed->index].generation / 2, bytes / 1024);
        say_spawned(overflowed);
        say("  fix       less on the stack (large arrays, deep recursion), or "
            "weir_run_options.stack_bytes\n");
    } else if (task != NULL) {
        fn = (void *)(uintptr_t)task->fn;
        say("weir W900 signal %d in task %s #%u.%u, address %p\n", signal_number,
            task->name == NULL ? "(see the function below)" : task->name, task->index,
            loop->hot[task->index].generation / 2, info->si_addr);
        say_spawned(task);
    } else {
        say("weir W900 signal %d outside tasks, address %p\n", signal_number, info->si_addr);
    }
    if (fn != NULL) {
        say("  function  ");
        say_symbols(&fn, 1);
    }
    void *frames[FRAMES_MAX];
    int count = backtrace(frames, FRAMES_MAX);
    say("  at\n");
    say_symbols(frames, count);
    const char *line = __atomic_load_n(&note, __ATOMIC_ACQUIRE);
    if (line != NULL)
        say("%s\n", line);
}

void weir__crash_set_note(const char *line)
{
    __atomic_store_n(&note, line, __ATOMIC_RELEASE);
}

/* The first thread to come reports; a crash inside its report must not report again. Another thread
 * that crashes meanwhile would end the process in the middle of it: it waits to be ended. */
static bool may_report(void)
{
    static int reporter; /* atomic: a thread's id */
    int nobody = 0, self = weir__sys_gettid();
    if (__atomic_compare_exchange_n(&reporter, &nobody, self, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST))
        return true;
    for (int i = 0; nobody != self && i < PATIENCE_MS; i++) {
        struct timespec pause = {0, 1000000};
        nanosleep(&pause, NULL);
    }
    return false;
}

static void on_deadly(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    if (may_report())
        report(signal_number, info);
    for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++)
        if (deadly[i] == signal_number)
            sigaction(signal_number, &before[i], NULL);
    if (info->si_code <= 0) /* sent, not caused: it will not happen again by itself */
        raise(signal_number);
}

/* Sanitizers report crashes better than we can: what they have installed stays. */
static bool taken(int signal_number)
{
    struct sigaction now;
    return sigaction(signal_number, NULL, &now) == 0 &&
           (now.sa_flags & SA_SIGINFO || (now.sa_handler != SIG_DFL && now.sa_handler != SIG_IGN));
}

void weir__crash_handlers_install(void)
{
    if (__atomic_exchange_n(&installed, 1, __ATOMIC_SEQ_CST))
        return;
    for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++) {
        if (taken(deadly[i]))
            continue;
        struct sigaction action = {.sa_sigaction = on_deadly, .sa_flags = SA_SIGINFO | SA_ONSTACK};
        sigemptyset(&action.sa_mask);
        sigaction(deadly[i], &action, &before[i]);
    }
}

void weir__crash_loop_started(weir_loop *loop)
{
    (void)loop;
    stack_t now;
    if (sigaltstack(NULL, &now) == 0 && !(now.ss_flags & SS_DISABLE))
        return; /* the thread has one already */
    if (weir__sys_map(ALT_STACK_BYTES, &alt_stack) < 0) {
        alt_stack = NULL;
        return; /* an overflow will still end the process, without a name */
    }
    stack_t stack = {.ss_sp = alt_stack, .ss_size = ALT_STACK_BYTES};
    sigaltstack(&stack, NULL);
}

void weir__crash_loop_ended(weir_loop *loop)
{
    (void)loop;
    if (alt_stack == NULL)
        return;
    stack_t none = {.ss_flags = SS_DISABLE};
    sigaltstack(&none, NULL);
    weir__sys_unmap(alt_stack, ALT_STACK_BYTES);
    alt_stack = NULL;
}
