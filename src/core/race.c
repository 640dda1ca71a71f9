/*
 * race.c - several calls of which one, or some, are enough; all at once, or one after another
 *
 * The group's policy decides (policy.c). What is here is the start of the calls: the owner is the
 * body, and pauses between two of them, until the time is up, the call before has ended, or the
 * race is decided.
 *
 * Runs on  the loop's own thread.
 * Holds    1. `paused` is the owner exactly while it is parked between two starts; whoever ends
 *             the pause clears it, so it is woken once.
 */
#include "base/clock.h"
#include "core/calls.h"

enum { NOBODY = -1 };

struct race {
    struct weir__calls calls;
    struct weir__alarm alarm;
    weir_task *paused;
    size_t latest;   /* the call that was started last */
    int64_t decider; /* the call that decided the race; NOBODY */
};

static struct race *race_of(struct weir__calls *calls)
{
    return WEIR__CONTAINER(calls, struct race, calls);
}

/* --- the pause between two starts ------------------------------------------------------------- */

static void end_pause(struct race *race, int result)
{
    weir_task *owner = race->paused;
    race->paused = NULL;
    weir__core_alarm_clear(weir__loop, &race->alarm);
    weir__core_wake(owner, result);
}

static void fire_pause(struct weir__alarm *alarm)
{
    end_pause(WEIR__CONTAINER(alarm, struct race, alarm), 0);
}

static void abort_pause(weir_task *task, void *object)
{
    (void)task;
    end_pause(object, -ECANCELED);
}

static int pause_before_next(struct race *race, int64_t stagger_ns)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    race->paused = weir__core_task();
    race->alarm.fire = fire_pause;
    weir__core_alarm_set(weir__loop, &race->alarm, weir__base_add_ns(weir_now(), stagger_ns));
    return weir__core_park(WEIR_WAIT_STAGGER, race, abort_pause);
}

static bool note_end(struct weir__calls *calls, weir_group *group, size_t position,
                     weir_outcome_kind kind)
{
    struct race *race = race_of(calls);
    bool counts = race->decider == NOBODY; /* towards the goal, if it did well */
    /* A race is also lost when its caller is cut; then nobody has decided it. */
    bool ends_it = kind == WEIR_OUTCOME_FAILED || group->cancelled_alone;
    bool decided = group->goal == WEIR__GOAL_WON ||
                   (group->policy == WEIR_FIRST_DONE && group->goal == WEIR__GOAL_LOST && ends_it);
    if (decided && race->decider == NOBODY)
        race->decider = (int64_t)position;
    if (race->paused != NULL && position == race->latest && (kind != WEIR_OUTCOME_OK || !decided))
        end_pause(race, 0); /* P7: whom the pause gave time needs none any more */
    return counts;
}

/* --- the race --------------------------------------------------------------------------------- */

static int start_all(struct race *race, weir_group *group, int64_t stagger_ns)
{
    group->to_come = (uint32_t)race->calls.count;
    for (size_t i = 0; i < race->calls.count; i++) {
        int rc = i > 0 && stagger_ns > 0 ? pause_before_next(race, stagger_ns) : 0;
        if (rc == 0)
            rc = weir__calls_spawn(&race->calls, group, i);
        if (rc < 0)
            return rc;
        group->to_come--;
        race->latest = i;
    }
    return 0;
}

/* The options of the group, or -EINVAL. */
static int group_options(const weir_race_options *options, size_t count, weir_group_options *out)
{
    bool by_default = options->policy == WEIR_FAIL_FAST;
    size_t majority = count / 2 + 1;
    *out = (weir_group_options){
        .policy = by_default ? WEIR_FIRST_SUCCESS : options->policy,
        .quorum = options->quorum == 0 ? majority : options->quorum,
        .name = options->name == NULL ? "race" : options->name,
    };
    bool has_goal = out->policy == WEIR_FIRST_SUCCESS || out->policy == WEIR_FIRST_DONE ||
                    out->policy == WEIR_QUORUM;
    bool possible = count > 0 && (out->policy != WEIR_QUORUM || out->quorum <= count);
    return has_goal && possible ? 0 : -EINVAL;
}

int weir_race(const weir_call *calls, size_t count, const weir_race_options *options,
              weir_outcome *out_outcomes, size_t *out_winner)
{
    static const weir_race_options defaults;
    if (options == NULL)
        options = &defaults;
    weir_group_options wanted;
    int rc = group_options(options, count, &wanted);
    if (rc < 0)
        return rc;
    struct race race = {.calls = {.list = calls,
                                  .count = count,
                                  .outcomes = out_outcomes,
                                  .address = __builtin_return_address(0),
                                  .ended = note_end},
                        .decider = NOBODY};
    weir_group *group;
    rc = weir__calls_open(&race.calls, &wanted, &group);
    if (rc < 0)
        return rc;
    rc = start_all(&race, group, options->stagger_ns);
    rc = weir__calls_close(&race.calls, group, rc);
    if (race.decider != NOBODY && out_winner != NULL)
        *out_winner = (size_t)race.decider;
    return weir__calls_done(&race.calls, rc);
}
