/*
 * stop.c - the end of all loops of a set, step by step, with one clock for all
 *
 * Runs on  the loop of the owner.
 * Holds    1. phase only grows; each step is taken once, for every loop.
 *          2. The alarm is set to the next of the instants that are still to come.
 */
#include <weir/log.h>

#include "base/clock.h"
#include "loops/loops.h"

enum { DRAIN_DEFAULT_S = 25, TOLD_AFTER_S = 2 };

static void take_step(weir_loops *loops, weir_stop_phase phase)
{
    if (loops->phase >= phase)
        return;
    loops->phase = phase;
    for (size_t i = 0; i < loops->count; i++)
        if (!loops->one[i].ended)
            weir_ignore(weir_remote_stop(loops->one[i].loop, phase, loops->reason),
                        "it may have ended meanwhile");
}

static void tell_who_is_left(weir_loops *loops)
{
    loops->told = true;
    for (size_t i = 0; i < loops->count; i++) {
        const struct weir__loops_one *one = &loops->one[i];
        if (!one->ended)
            weir_log_error(
                "weir W603 a loop does not end although it was forced to; a report of "
                "a blocked loop (W104) names the line",
                WEIR_KV("loop", one->name),
                WEIR_KV("tasks", __atomic_load_n(&one->loop->tasks_seen, __ATOMIC_RELAXED)));
    }
}

static void go_on(weir_loops *loops);

static void fire(struct weir__alarm *alarm)
{
    go_on(WEIR__CONTAINER(alarm, weir_loops, alarm));
}

static void go_on(weir_loops *loops)
{
    int64_t now_ns = weir_now();
    if (now_ns >= loops->cancel_at_ns)
        take_step(loops, WEIR_STOP_CANCEL);
    if (now_ns >= loops->force_at_ns)
        take_step(loops, WEIR_STOP_FORCE);
    if (now_ns >= loops->tell_at_ns && !loops->told)
        tell_who_is_left(loops);
    int64_t next_ns = loops->phase < WEIR_STOP_CANCEL  ? loops->cancel_at_ns
                      : loops->phase < WEIR_STOP_FORCE ? loops->force_at_ns
                                                       : loops->tell_at_ns;
    loops->alarm.fire = fire;
    if (next_ns != WEIR_NEVER && !loops->told)
        weir__core_alarm_set(loops->home, &loops->alarm, next_ns);
}

static void force_at(weir_loops *loops, int64_t at_ns)
{
    if (at_ns >= loops->force_at_ns)
        return;
    loops->force_at_ns = at_ns;
    loops->tell_at_ns = weir__base_add_ns(at_ns, TOLD_AFTER_S * WEIR_SEC);
}

static int64_t budget_end(const weir_loops *loops)
{
    return loops->stop_budget_ns == WEIR_FOREVER
               ? WEIR_NEVER
               : weir__base_add_ns(weir_now(), loops->stop_budget_ns);
}

void weir__loops_cancel_one(struct weir__loops_one *one, const char *reason)
{
    weir_loops *loops = one->all;
    if (reason == NULL)
        reason = loops->why[0] != '\0' ? loops->why : "the set of loops was cancelled";
    if (loops->phase < WEIR_STOP_CANCEL) {
        loops->phase = WEIR_STOP_CANCEL; // the other attendants are cancelled too
        loops->reason = reason;
        force_at(loops, budget_end(loops));
        go_on(loops);
    }
    weir_ignore(weir_remote_stop(one->loop, WEIR_STOP_CANCEL, reason),
                "it may have ended meanwhile");
}

void weir_loops_stop(weir_loops *loops, int64_t budget_ns, const char *reason)
{
    if (loops->reason == NULL)
        loops->reason = reason;
    take_step(loops, WEIR_STOP_DRAIN);
    if (budget_ns != WEIR_FOREVER) {
        if (budget_ns <= 0)
            budget_ns = DRAIN_DEFAULT_S * WEIR_SEC;
        int64_t cancel_ns = weir__base_add_ns(weir_now(), budget_ns / 5 * 4);
        if (cancel_ns < loops->cancel_at_ns)
            loops->cancel_at_ns = cancel_ns;
        force_at(loops, weir__base_add_ns(weir_now(), budget_ns));
    }
    go_on(loops);
}

void weir_loops_cancel(weir_loops *loops, const char *reason)
{
    if (loops->phase >= WEIR_STOP_CANCEL)
        return;
    loops->reason = reason;
    force_at(loops, budget_end(loops));
    take_step(loops, WEIR_STOP_CANCEL);
    go_on(loops);
}

void weir__loops_stop_over(weir_loops *loops)
{
    weir__core_alarm_clear(loops->home, &loops->alarm);
}
