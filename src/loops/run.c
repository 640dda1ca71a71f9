/*
 * run.c - weir_run_loops(): a program whose only work is to look after its loops
 *
 * Runs on  the thread that calls it.
 */
#include <signal.h>
#include <weir/log.h>
#include <weir/signal.h>

#include "loops/loops.h"

struct program {
    const weir_loops_options *options;
    weir_loops_fn *fn;
    void *arg;
    weir_loops *loops;
    weir_signal *signals;
};

static int open_loops(struct program *program)
{
    return weir_loops_open(program->options, program->fn, program->arg, &program->loops);
}

/* The first one stops the loops, each other cancels them. */
static int heed_signals(void *arg)
{
    const struct program *program = arg;
    weir_signal_info info;
    int rc;
    for (int i = 0; (rc = weir_signal_wait(program->signals, &info)) == 0; i++) {
        if (program->loops == NULL) // it came before we heard that they have ended
            break;
        weir_log_info(i == 0 ? "the loops are stopped by a signal"
                             : "the loops are cancelled by another signal",
                      WEIR_KV("signal", info.number), WEIR_KV("from_pid", info.pid));
        if (i == 0)
            weir_loops_stop(program->loops, 0, "a signal, and the time for the end is used up");
        else
            weir_loops_cancel(program->loops, "a second signal");
    }
    return rc;
}

static int run_with_signals(struct program *program)
{
    static const int signals[2] = {SIGTERM, SIGINT};
    weir_group *group;
    int rc = weir_signal_open(signals, 2, &program->signals);
    if (rc < 0)
        return rc;
    rc = weir_group_open(&group, NULL);
    if (rc == 0) {
        rc = open_loops(program);
        if (rc == 0) {
            rc = weir_spawn_with(group, &(weir_spawn_options){.name = "signals", .service = true},
                                 heed_signals, program, NULL);
            rc = weir_loops_close(program->loops, rc);
            program->loops = NULL;
        }
        rc = weir_group_close(group, rc);
    }
    weir_signal_close(program->signals);
    return rc;
}

static int look_after(void *arg)
{
    struct program *program = arg;
    if (program->options != NULL && program->options->signals)
        return run_with_signals(program);
    int rc = open_loops(program);
    return rc < 0 ? rc : weir_loops_close(program->loops, 0);
}

int weir_run_loops(const weir_loops_options *options, weir_loops_fn *fn, void *arg)
{
    struct program program = {.options = options, .fn = fn, .arg = arg};
    weir_run_options run = {.backend = options == NULL ? NULL : options->run.backend};
    return weir_run_with(&run, look_after, &program);
}
