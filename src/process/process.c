/*
 * process.c - a process: starting it, waiting for it, ending it
 *
 * What blocks while a program is being loaded runs on a thread of the default pool. The end of a
 * process is readiness of its pidfd; where the kernel has none (before Linux 5.4) it is asked
 * after, at growing intervals.
 *
 * Runs on  the loop that started it, in a task; the start itself on a thread of the pool.
 * Costs    waiting: one operation of the backend and one waitid, however long it takes.
 */
#include "process/process.h"

#include <poll.h>
#include <signal.h>
#include <weir/exec.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/sys.h"
#include "core/observe.h"

enum { LEFT_WAIT_MS = 1000 };

#define STOP_BUDGET_DEFAULT (5 * WEIR_SEC)
#define KILL_PATIENCE (10 * WEIR_SEC) /* for a process that SIGKILL has hit in the kernel */
#define NAP_LEAST (1 * WEIR_MS)
#define NAP_MOST (20 * WEIR_MS)

/* --- start ------------------------------------------------------------------------------------ */

struct start {
    const struct weir__spawn *plan;
    weir_process *process;
    enum weir__spawn_step step;
    int rc;
};

static int start(void *arg)
{
    struct start *call = arg;
    call->rc = weir__sys_spawn(call->plan, &call->process->pid, &call->process->pidfd, &call->step);
    return 0;
}

static int start_program(const struct weir__plan *plan, weir_process *process)
{
    struct start call = {.plan = &plan->spawn, .process = process};
    int rc = 0;
    if (plan->spawn.dies_with_parent) /* the kernel means the thread that makes it */
        weir_ignore(start(&call), "its code is in the call");
    else
        rc = weir_offload_with(NULL, &(weir_offload_options){.name = "spawn"}, start, &call);
    if (rc < 0)
        return rc;
    return call.rc < 0 ? weir__plan_fail(plan, call.step, call.rc) : 0;
}

static void close_forgotten(struct weir__ledger_entry *entry)
{
    weir_process_close(WEIR__CONTAINER(entry, weir_process, entry));
}

static int spawn_planned(struct weir__plan *plan, const weir_process_options *options,
                         weir_process **out_process)
{
    weir_process *process = weir__base_alloc_zero(sizeof *process);
    if (process == NULL)
        return -ENOMEM;
    process->loop = weir__core_loop();
    process->refs = 1;
    process->own_group = plan->spawn.own_group;
    process->stop_budget_ns =
        options->stop_budget_ns == 0 ? STOP_BUDGET_DEFAULT : options->stop_budget_ns;
    int rc = start_program(plan, process);
    if (rc < 0) {
        weir__base_free(process);
        return rc;
    }
    for (int i = 0; i < 3; i++) {
        process->pipes[i] = plan->ends[i];
        plan->ends[i] = NULL;
    }
    *out_process = process;
    return 0;
}

int weir_process_spawn(const weir_process_options *options, weir_process **out_process)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    if (weir__io_features()->virtual_time)
        return weir_fail(-EOPNOTSUPP, "there are no processes on the simulated backend");
    struct weir__plan plan;
    rc = weir__plan_make(&plan, options);
    if (rc < 0)
        return rc;
    rc = spawn_planned(&plan, options, out_process);
    weir__plan_deinit(&plan);
    if (rc == 0)
        weir__ledger_add(&(*out_process)->entry, "process", __builtin_return_address(0),
                         close_forgotten);
    return rc;
}

/* --- how it is -------------------------------------------------------------------------------- */

/* True once it has ended, whether or not anybody knows how. */
static bool has_ended(weir_process *process)
{
    if (process->state == WEIR__PROCESS_RUNS) {
        int rc = weir__sys_child_look(process->pidfd, process->pid, &process->end);
        if (rc != 0)
            process->state = rc > 0 ? WEIR__PROCESS_ENDED : WEIR__PROCESS_LOST;
    }
    return process->state != WEIR__PROCESS_RUNS;
}

static void let_go(weir_process *process)
{
    if (--process->refs > 0)
        return;
    if (process->pidfd >= 0)
        weir__io_close(process->pidfd);
    weir__base_free(process);
}

static int check_caller(const weir_process *process)
{
    return process->loop == weir__core_loop() ? 0 : -EPERM;
}

static int64_t longer_nap(int64_t nap_ns)
{
    return nap_ns * 2 < NAP_MOST ? nap_ns * 2 : NAP_MOST;
}

static int wait_for_end(weir_process *process)
{
    int rc = 0;
    for (int64_t nap_ns = NAP_LEAST; rc >= 0 && !has_ended(process); nap_ns = longer_nap(nap_ns)) {
        struct weir__op op = {.kind = WEIR__OP_POLL, .fd = process->pidfd, .flags = POLLIN};
        rc = process->pidfd >= 0 ? (int)weir__io_run(&op) : weir_sleep(nap_ns);
    }
    return rc < 0 ? rc : 0;
}

static int tell_status(const weir_process *process, weir_process_status *out_status)
{
    if (process->state == WEIR__PROCESS_LOST)
        return weir_fail(-ECHILD,
                         "process %d: how it ended is lost; SIGCHLD is ignored, or other "
                         "code waits for any child",
                         (int)process->pid);
    const struct weir__child_end *end = &process->end;
    if (out_status != NULL)
        *out_status = (weir_process_status){.exit_code = end->exit_code,
                                            .signal = end->signal,
                                            .core_dumped = end->core_dumped,
                                            .cpu_ns = end->cpu_ns,
                                            .memory_bytes_max = end->memory_bytes_max};
    return 0;
}

int weir_process_wait(weir_process *process, weir_process_status *out_status)
{
    int rc = check_caller(process);
    if (rc == 0)
        rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    process->refs++;
    if (has_ended(process))
        weir__core_completed_at_once();
    else
        rc = wait_for_end(process);
    if (rc == 0)
        rc = tell_status(process, out_status);
    let_go(process);
    return rc;
}

int weir_process_kill(weir_process *process, int signal_number)
{
    int rc = check_caller(process);
    if (rc == 0 && has_ended(process))
        rc = -ESRCH;
    return rc < 0 ? rc : weir__sys_child_kill(process->pidfd, process->pid, signal_number);
}

int weir_process_kill_group(weir_process *process, int signal_number)
{
    int rc = check_caller(process);
    if (rc == 0 && !process->own_group)
        rc = -EINVAL;
    if (rc == 0 && has_ended(process) && process->state == WEIR__PROCESS_LOST)
        rc = -ESRCH;
    return rc < 0 ? rc : weir__sys_group_kill(process->pid, signal_number);
}

int weir_process_pid(const weir_process *process)
{
    return process->pid;
}

/* --- its streams ------------------------------------------------------------------------------ */

weir_pipe *weir_process_input(const weir_process *process)
{
    return process->pipes[0];
}

weir_pipe *weir_process_output(const weir_process *process)
{
    return process->pipes[1];
}

weir_pipe *weir_process_errors(const weir_process *process)
{
    return process->pipes[2];
}

void weir_process_finish_input(weir_process *process)
{
    if (check_caller(process) < 0)
        return;
    weir_pipe_close(process->pipes[0]);
    process->pipes[0] = NULL;
}

/* --- end -------------------------------------------------------------------------------------- */

/* To whoever is still there; that nobody is, is as well. */
static void send_signal(const weir_process *process, int signal_number)
{
    if (process->own_group)
        weir_ignore(weir__sys_group_kill(process->pid, signal_number), "it has ended, then");
    else
        weir_ignore(weir__sys_child_kill(process->pidfd, process->pid, signal_number),
                    "it has ended, then");
}

/* A release: no checkpoint. */
static bool ends_until(weir_process *process, int64_t until_ns)
{
    for (int64_t nap_ns = NAP_LEAST; !has_ended(process); nap_ns = longer_nap(nap_ns)) {
        if (weir_now() >= until_ns)
            return false;
        struct weir__op op = {.kind = WEIR__OP_POLL, .fd = process->pidfd, .flags = POLLIN};
        if (process->pidfd < 0 || weir__io_run_out(&op, until_ns) < 0)
            weir__io_pause(nap_ns);
    }
    return true;
}

static void end_in_task(weir_process *process, const weir_task *task)
{
    if (has_ended(process))
        return;
    if (task->active->weir__effective < WEIR__LEVEL_FORCE) {
        send_signal(process, SIGTERM);
        send_signal(process, SIGCONT); /* one that was stopped hears nothing else */
        if (ends_until(process, weir__base_add_ns(weir_now(), process->stop_budget_ns)))
            return;
    }
    send_signal(process, SIGKILL);
    weir_ignore(ends_until(process, weir__base_add_ns(weir_now(), KILL_PATIENCE)),
                "asked again by whoever called");
}

static void end_on_thread(weir_process *process)
{
    if (has_ended(process))
        return;
    send_signal(process, SIGKILL);
    weir__sys_child_wait(process->pidfd, process->pid, LEFT_WAIT_MS);
}

static void reap(weir_process *process)
{
    if (!has_ended(process)) {
        weir__core_find(&(struct weir__finding){
            .kind = WEIR__FINDING_LEFT_OPEN,
            .loop = process->loop,
            .task = weir__core_task(),
            .address = process->entry.address,
            .count = 1,
            .what = "a process that even SIGKILL does not end is left behind"});
        return;
    }
    if (process->state == WEIR__PROCESS_LOST)
        return;
    if (process->own_group) /* what it has left behind; its zombie still holds the number */
        send_signal(process, SIGKILL);
    weir__sys_child_reap(process->pidfd, process->pid);
}

void weir_process_close(weir_process *process)
{
    if (process == NULL || check_caller(process) < 0)
        return;
    weir__ledger_remove(&process->entry);
    for (int i = 0; i < 3; i++) {
        weir_pipe_close(process->pipes[i]);
        process->pipes[i] = NULL; // others may ask for it while we wait for the end
    }
    weir_task *task = weir__core_task();
    if (task != NULL)
        end_in_task(process, task);
    else
        end_on_thread(process);
    reap(process);
    let_go(process);
}
