/*
 * observe.c - findings, the loops of the process, and who is told
 *
 * Runs on  any thread; the list of loops has a lock.
 */
#include "core/observe.h"

#include <stdlib.h>
#include <weir/log.h>

#include "base/thread.h"
#include "core/probe.h"

static weir__observe_fn *observer;
static const struct weir__loop_hooks *loop_hooks; /* atomic: loops begin on many threads */
static struct weir__mutex loops_lock = {PTHREAD_MUTEX_INITIALIZER};
static struct weir__list loops = {&loops, &loops};
static uint16_t last_loop_id;
static uint32_t loops_begun;

void weir__core_observe(weir__observe_fn *fn)
{
    __atomic_store_n(&observer, fn, __ATOMIC_RELEASE);
}

void weir__core_set_loop_hooks(const struct weir__loop_hooks *hooks)
{
    __atomic_store_n(&loop_hooks, hooks, __ATOMIC_RELEASE);
}

static void log_plainly(const struct weir__finding *finding)
{
    const char *name = finding->task == NULL ? NULL : finding->task->name;
    weir_log_warn("weir finding", WEIR_KV("what", finding->what),
                  WEIR_KV("task", name == NULL ? "-" : name), WEIR_KV("count", finding->count));
}

void weir__core_find(const struct weir__finding *finding)
{
    weir__observe_fn *fn = __atomic_load_n(&observer, __ATOMIC_ACQUIRE);
    struct weir__probe *probe = finding->loop == NULL ? NULL : finding->loop->probe;
    if (probe != NULL && probe->found != NULL && probe->found(probe, finding))
        ;
    else if (fn != NULL)
        fn(finding);
    else
        log_plainly(finding);
    if (finding->fatal) {
        weir_log_flush();
        abort();
    }
}

static bool id_in_use(uint16_t id)
{
    for (struct weir__list *node = loops.next; node != &loops; node = node->next)
        if (WEIR__CONTAINER(node, weir_loop, registered)->id == id)
            return true;
    return id == 0;
}

void weir__core_loop_started(weir_loop *loop)
{
    weir__base_mutex_lock(&loops_lock);
    do
        last_loop_id++;
    while (id_in_use(last_loop_id));
    loop->id = last_loop_id;
    loop->number = ++loops_begun;
    weir__list_append(&loops, &loop->registered);
    weir__base_mutex_unlock(&loops_lock);
    const struct weir__loop_hooks *hooks = __atomic_load_n(&loop_hooks, __ATOMIC_ACQUIRE);
    if (hooks != NULL)
        hooks->started(loop);
}

void weir__core_loop_ended(weir_loop *loop)
{
    const struct weir__loop_hooks *hooks = __atomic_load_n(&loop_hooks, __ATOMIC_ACQUIRE);
    if (hooks != NULL)
        hooks->ended(loop);
    weir__base_mutex_lock(&loops_lock);
    weir__list_remove(&loop->registered);
    weir__base_mutex_unlock(&loops_lock);
}

void weir__core_each_loop(void (*fn)(weir_loop *loop, void *arg), void *arg)
{
    weir__base_mutex_lock(&loops_lock);
    for (struct weir__list *node = loops.next; node != &loops; node = node->next)
        fn(WEIR__CONTAINER(node, weir_loop, registered), arg);
    weir__base_mutex_unlock(&loops_lock);
}

void weir__core_loops_hold(bool hold)
{
    if (hold)
        weir__base_mutex_lock(&loops_lock);
    else
        weir__base_mutex_unlock(&loops_lock);
}

bool weir__core_has_loops(void)
{
    return !weir__list_empty(&loops);
}

bool weir__core_loop_lives(uint32_t number)
{
    bool lives = false;
    weir__base_mutex_lock(&loops_lock);
    for (struct weir__list *node = loops.next; node != &loops && !lives; node = node->next)
        lives = WEIR__CONTAINER(node, weir_loop, registered)->number == number;
    weir__base_mutex_unlock(&loops_lock);
    return lives;
}

/* --- what a wait is about --------------------------------------------------------------------- */

static weir__wait_facts_fn *facts_of[WEIR_WAIT_KIND_COUNT]; /* atomic */

void weir__core_tell_waits(enum weir_wait_kind kind, weir__wait_facts_fn *fn)
{
    if (__atomic_load_n(&facts_of[kind], __ATOMIC_RELAXED) != fn) /* one value, many loops */
        __atomic_store_n(&facts_of[kind], fn, __ATOMIC_RELAXED);
}

void weir__core_wait_facts(const weir_loop *loop, const weir_task *task,
                           struct weir__wait_facts *out)
{
    *out = (struct weir__wait_facts){0};
    const struct weir__hot *hot = weir__core_hot(loop, task);
    if (hot->state != WEIR_TASK_BLOCKED && hot->state != WEIR_TASK_ABORTING)
        return;
    weir__wait_facts_fn *fn = __atomic_load_n(&facts_of[hot->wait_kind], __ATOMIC_RELAXED);
    if (fn != NULL)
        fn(hot->wait_object, out);
}
