/*
 * fork.c - what a process made by fork() may still do with weir: nothing but to become another
 *
 * The child shares the ring and the epoll set of its parent and would take its completions; the
 * other threads of the parent are not there. So everything in it says so, once in words (W210), and
 * no task of the parent takes another step in it.
 *
 * Runs on  the thread that forks, in the parent and in the child.
 */
#include "base/thread.h"
#include "core/core.h"
#include "core/observe.h"

bool weir__core_forked;

static int watched; /* atomic */

static void before_fork(void)
{
    weir__core_loops_hold(true);
}

static void in_parent(void)
{
    weir__core_loops_hold(false);
}

static void in_child(void)
{
    weir__core_forked = weir__core_has_loops();
    weir__core_loops_hold(false);
    if (weir__loop != NULL)
        weir__loop->current = NULL; /* its checkpoints refuse from now on */
}

void weir__core_watch_forks(void)
{
    if (__atomic_exchange_n(&watched, 1, __ATOMIC_SEQ_CST) == 0)
        weir_ignore(weir__base_thread_at_fork(before_fork, in_parent, in_child),
                    "no memory: then the ring is still not mapped in the child");
}

int weir__core_refuse_fork(void)
{
    static bool told;
    if (weir__core_forked && !told) {
        told = true;
        weir__core_find(&(struct weir__finding){
            .kind = WEIR__FINDING_FORKED,
            .count = 1,
            .what = "weir is used in a process made by fork(): its loops stayed with the parent; "
                    "only exec and _exit are left. weir_process_spawn() starts programs"});
    }
    return -EPERM;
}

void weir__core_end_forked(void)
{
    weir__core_find(&(struct weir__finding){
        .kind = WEIR__FINDING_FORKED,
        .count = 1,
        .fatal = true,
        .what = "a process made by fork() has come back to a loop of its parent; it should have "
                "called exec or _exit"});
}
