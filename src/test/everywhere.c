/*
 * everywhere.c - the same body, disturbed at its first place, its second, until none is left
 *
 * Runs on  the thread of the test.
 * Holds    1. The first round of each seed is undisturbed: it warms up what is set up once and
 *             kept, and must succeed.
 */
#include "test/test.h"

static void play_each(struct weir__test *test, enum weir__test_kind kind, uint64_t seed,
                      struct weir__verdict *verdict)
{
    for (uint64_t number = 1; !verdict->failed; number++) {
        struct weir__test_plan plan = {
            .seed = seed, .count = 1, .strikes = {{.kind = kind, .number = number}}};
        weir__test_play(test, &plan, test->options->quiet, verdict);
        if (!verdict->round.struck)
            return;
    }
}

static int sweep(weir_task_fn *body, void *arg, const weir_test_options *options, unsigned kinds)
{
    struct weir__test test;
    struct weir__verdict verdict = {0};
    int rc = weir__test_init(&test, body, arg, options);
    if (rc == 0)
        rc = weir__test_replay(&test, &verdict);
    if (rc < 0)
        return rc;
    options = test.options;
    if (options->kinds != 0)
        kinds = options->kinds;
    size_t count = options->seeds == 0 ? 1 : options->seeds;
    uint64_t first = options->seed == 0 && count > 1 ? 1 : options->seed;
    for (size_t i = 0; rc == 0 && i < count && !verdict.failed; i++) {
        struct weir__test_plan plain = {.seed = first + i};
        weir__test_play(&test, &plain, options->quiet, &verdict);
        for (int kind = 0; kind < WEIR__TEST_KIND_COUNT && !verdict.failed; kind++)
            if (kinds & (1u << kind))
                play_each(&test, (enum weir__test_kind)kind, first + i, &verdict);
    }
    return weir__test_settle_report(&test, &verdict);
}

int weir_test_cancel_everywhere(weir_task_fn *body, void *arg, const weir_test_options *options)
{
    return sweep(body, arg, options, WEIR_TEST_CANCEL | WEIR_TEST_ALL_FAULTS);
}

int weir_test_cancel_everywhere_and_result_wins(weir_task_fn *body, void *arg,
                                                const weir_test_options *options)
{
    return sweep(body, arg, options, WEIR_TEST_CANCEL_LATE);
}
