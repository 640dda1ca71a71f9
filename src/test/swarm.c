/*
 * swarm.c - several faults at once, drawn from a seed; what fails is made smaller
 *
 * A seed chooses which kinds of fault there are at all and how rare each is (a swarm: what is
 * always together hides what happens alone). The strikes that happened are written down, so that
 * the round can be played again without drawing, and without some of them.
 *
 * Runs on  the thread of the test.
 */
#include <stdio.h>

#include "base/clock.h"
#include "test/test.h"

enum { SEEDS_DEFAULT = 100, TWICE_EVERY = 8, RARE_MAX_BITS = 7 };

static struct weir__test_plan draw(uint64_t seed, unsigned kinds)
{
    uint64_t random = seed;
    struct weir__test_plan plan = {.seed = seed, .drawn = true, .kinds = kinds};
    unsigned some = kinds & (unsigned)weir__base_random_next(&random);
    if (some != 0)
        plan.kinds = some;
    for (int i = 0; i < WEIR__TEST_KIND_COUNT; i++)
        plan.one_in[i] = 1u << (1 + weir__base_random_next(&random) % RARE_MAX_BITS);
    return plan;
}

static struct weir__test_plan without(const struct weir__test_plan *plan, size_t place)
{
    struct weir__test_plan less = *plan;
    less.count--;
    for (size_t i = place; i < less.count; i++)
        less.strikes[i] = plan->strikes[i + 1];
    return less;
}

/* Takes out, one after another, what it fails without. */
static void shrink(struct weir__test *test, struct weir__verdict *verdict)
{
    struct weir__verdict trial;
    weir__test_play(test, &verdict->plan, true, &trial);
    if (!trial.failed)
        return; /* not the same a second time: it is told as it was */
    *verdict = trial;
    for (size_t i = verdict->plan.count; i-- > 0;) {
        struct weir__test_plan less = without(&verdict->plan, i);
        weir__test_play(test, &less, true, &trial);
        if (trial.failed)
            *verdict = trial;
    }
    weir__test_play(test, &verdict->plan, test->options->quiet, &trial); /* to tell it */
    if (trial.failed)
        *verdict = trial;
}

static void play_twice(struct weir__test *test, const struct weir__test_plan *plan,
                       struct weir__verdict *verdict)
{
    uint64_t trace = verdict->round.trace;
    weir__test_play(test, plan, test->options->quiet, verdict);
    if (verdict->failed || verdict->round.trace == trace)
        return;
    verdict->failed = true;
    verdict->rc = -EUCLEAN;
    snprintf(verdict->what, sizeof verdict->what,
             "the same seed ran twice in two ways: something real is in it");
    if (!test->options->quiet)
        weir__test_tell_verdict(test, verdict);
}

int weir_test_swarm(weir_task_fn *body, void *arg, const weir_test_options *options)
{
    struct weir__test test;
    struct weir__verdict verdict = {0};
    int rc = weir__test_init(&test, body, arg, options);
    if (rc == 0)
        rc = weir__test_replay(&test, &verdict);
    if (rc < 0)
        return rc;
    options = test.options;
    unsigned kinds = options->kinds == 0 ? (1u << WEIR__TEST_KIND_COUNT) - 1 : options->kinds;
    size_t count = options->seeds == 0 ? SEEDS_DEFAULT : options->seeds;
    uint64_t first = options->seed == 0 ? 1 : options->seed;
    struct weir__test_plan plain = {.seed = first};
    if (rc == 0)
        weir__test_play(&test, &plain, options->quiet, &verdict);
    for (size_t i = 0; rc == 0 && i < count && !verdict.failed; i++) {
        struct weir__test_plan plan = draw(first + i, kinds);
        weir__test_play(&test, &plan, true, &verdict);
        if (verdict.failed)
            shrink(&test, &verdict);
        else if (i % TWICE_EVERY == 0 && !test.real_clock && test.simulated)
            play_twice(&test, &plan, &verdict);
    }
    return weir__test_settle_report(&test, &verdict);
}
