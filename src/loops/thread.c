/*
 * thread.c - one of the loops: its thread, its main task
 *
 * Runs on  the thread of the loop.
 */
#include "base/sys.h"
#include "loops/loops.h"

static int call_fn(void *arg)
{
    struct weir__loops_one *one = arg;
    return one->all->fn(one->index, one->all->arg);
}

/* Nobody can be told to stop before the gate has moved. */
static bool may_begin(weir_loops *all)
{
    weir_ignore(weir_shared_event_wait(all->gate_moved, 0, NULL), "nothing here is cancelled");
    return __atomic_load_n(&all->gate, __ATOMIC_ACQUIRE) == WEIR__GATE_OPEN;
}

static int run_main(void *arg)
{
    struct weir__loops_one *one = arg;
    weir_loops *all = one->all;
    weir_loop *loop = weir_loop_retain_self();
    loop->locals[WEIR__LOCAL_LOOPS] = one;
    one->loop = loop;
    one->stands_post.run = weir__loops_hear_stands;
    weir_ignore(weir__core_post(all->home, &one->stands_post), "the owner waits for us");
    if (!may_begin(all))
        return 0;
    weir_scope scope = {0};
    int rc = weir__remote_run(&scope, call_fn, one);
    if (rc < 0 && rc != -ECANCELED)
        one->failures = weir__failure_send(weir__core_task(), rc);
    return rc;
}

void *weir__loops_thread(void *arg)
{
    struct weir__loops_one *one = arg;
    weir_loop *home = one->all->home;
    int rc = one->all->pinned ? weir__sys_pin_to_cpu(one->index) : 0;
    weir_run_options options = one->all->run;
    options.name = one->name;
    if (rc >= 0)
        rc = weir__core_run(&options, run_main, one, false);
    one->rc = rc;
    one->ended_post.run = weir__loops_hear_ended;
    weir_ignore(weir__core_post(home, &one->ended_post), "the owner waits for us");
    return NULL;
}
