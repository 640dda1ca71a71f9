/*
 * stats.c - what is known of loops, and which of them has little to do
 *
 * Runs on  the owner's loop and those of the set. Figures are read as the loops show them once a
 *          turn; what one has come to is read after it is `over`.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/sys.h"
#include "loops/loops.h"

size_t weir_loops_usable(void)
{
    return (size_t)weir__sys_cpu_count();
}

weir_loops *weir_loops_self(size_t *out_index)
{
    weir_loop *loop = weir__core_loop();
    const struct weir__loops_one *one = loop == NULL ? NULL : loop->locals[WEIR__LOCAL_LOOPS];
    if (one == NULL)
        return NULL;
    if (out_index != NULL)
        *out_index = one->index;
    return one->all;
}

size_t weir_loops_count(const weir_loops *loops)
{
    return loops->count;
}

weir_loop *weir_loops_at(const weir_loops *loops, size_t index)
{
    return loops->one[index].loop;
}

/* --- choosing --------------------------------------------------------------------------------- */

static bool is_running(const weir_loop *loop)
{
    return __atomic_load_n(&loop->stop_phase, __ATOMIC_RELAXED) == WEIR_STOP_NONE &&
           !weir__core_has_ended(loop);
}

/* What has been sent counts at once: whoever asks again before the loop has had a turn sees it. */
static size_t load_of(const weir_loop *loop)
{
    int arriving = __atomic_load_n(&loop->arriving, __ATOMIC_RELAXED);
    return __atomic_load_n(&loop->tasks_seen, __ATOMIC_RELAXED) + (size_t)arriving;
}

/* From `start` on, counted around; `count` when there is none. */
static size_t next_running(const weir_loops *loops, size_t start)
{
    for (size_t i = 0; i < loops->count; i++) {
        size_t index = (start + i) % loops->count;
        if (is_running(loops->one[index].loop))
            return index;
    }
    return loops->count;
}

weir_loop *weir_loops_choose(weir_loops *loops, size_t *out_index)
{
    static _Thread_local uint64_t state;
    if (state == 0)
        weir__base_random_bytes(&state, sizeof state);
    uint64_t drawn = weir__base_random_next(&state);
    size_t first = next_running(loops, (size_t)(drawn >> 32) % loops->count);
    if (first == loops->count)
        return NULL;
    size_t second = first;
    if (loops->count > 1) {
        size_t apart = 1 + (size_t)(drawn & UINT32_MAX) % (loops->count - 1);
        second = next_running(loops, (first + apart) % loops->count);
    }
    size_t chosen =
        load_of(loops->one[second].loop) < load_of(loops->one[first].loop) ? second : first;
    if (out_index != NULL)
        *out_index = chosen;
    return loops->one[chosen].loop;
}

/* --- figures ---------------------------------------------------------------------------------- */

void weir_loops_stats_get(const weir_loops *loops, size_t index, weir_loop_stats *out_stats)
{
    const struct weir__loops_one *one = &loops->one[index];
    const weir_loop *loop = one->loop;
    int arriving = __atomic_load_n(&loop->arriving, __ATOMIC_RELAXED);
    *out_stats = (weir_loop_stats){
        .name = one->name,
        .state = WEIR_LOOP_RUNNING,
        .phase = (weir_stop_phase)__atomic_load_n(&loop->stop_phase, __ATOMIC_ACQUIRE),
        .tasks = __atomic_load_n(&loop->tasks_seen, __ATOMIC_RELAXED),
        .arriving = arriving < 0 ? 0 : (size_t)arriving,
        .turns = __atomic_load_n(&loop->turn_count, __ATOMIC_RELAXED),
        .steps = __atomic_load_n(&loop->step_count, __ATOMIC_RELAXED),
        .failures = __atomic_load_n(&loop->failures_seen, __ATOMIC_RELAXED),
    };
    if (out_stats->phase != WEIR_STOP_NONE)
        out_stats->state = WEIR_LOOP_STOPPING;
    if (!__atomic_load_n(&one->over, __ATOMIC_ACQUIRE))
        return;
    out_stats->state = WEIR_LOOP_ENDED;
    out_stats->outcome = one->outcome;
    out_stats->rc = one->rc;
    snprintf(out_stats->message, sizeof out_stats->message, "%s", one->message);
}
