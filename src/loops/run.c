/*
 * run.c - weir_run_loops(): a program whose only work is to look after its loops
 *
 * Runs on  the thread that calls it.
 */
#include "loops/loops.h"

struct program {
    const weir_loops_options *options;
    weir_loops_fn *fn;
    void *arg;
};

static int look_after(void *arg)
{
    const struct program *program = arg;
    weir_loops *loops;
    int rc = weir_loops_open(program->options, program->fn, program->arg, &loops);
    return rc < 0 ? rc : weir_loops_close(loops, 0);
}

int weir_run_loops(const weir_loops_options *options, weir_loops_fn *fn, void *arg)
{
    struct program program = {options, fn, arg};
    weir_run_options run = {.backend = options == NULL ? NULL : options->run.backend};
    return weir_run_with(&run, look_after, &program);
}
