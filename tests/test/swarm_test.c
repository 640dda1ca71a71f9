/*
 * swarm_test.c - many faults drawn from a seed: found, made smaller, and played again: rule Q4
 */
#include <stdlib.h>
#include <string.h>
#include <weir/test.h>
#include <weir/weir.h>

#include "core/core.h"
#include "tests/support/test.h"
#include "tests/test/lost.h"

#ifdef WEIR__TSAN /* a new stack costs ThreadSanitizer milliseconds */
#define SEEDS 30
#else
#define SEEDS 300
#endif

static weir_test_report report;

static int use_memory(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++) {
        void *block = weir__base_alloc(10);
        int rc = block == NULL ? -ENOMEM : weir_sleep(WEIR_MS);
        weir__base_free(block);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int work_in_groups(void *arg)
{
    (void)arg;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    for (int i = 0; i < 4 && rc == 0; i++)
        rc = weir_spawn(group, use_memory, NULL);
    if (rc == -ESHUTDOWN)
        rc = weir_check();
    return weir_group_close(group, rc);
}

TEST(a_body_without_a_mistake_survives_a_swarm)
{
    weir_test_options options = {.seeds = SEEDS, .report = &report};
    EXPECT_RC(0, weir_test_swarm(work_in_groups, NULL, &options));
    EXPECT_EQ(1 + SEEDS + (SEEDS + 7) / 8, report.round_count); /* every eighth twice */
}

/* Forgets its block when memory is short first and the cancel comes afterwards. */
static int forgets_after_two_blows(void *arg)
{
    (void)arg;
    bool was_short = false;
    for (int i = 0; i < 20; i++) {
        void *block = weir__base_alloc(10);
        was_short |= block == NULL;
        int rc = weir_yield();
        if (rc < 0 && was_short && block != NULL) {
            lose(block);
            return rc; /* the mistake */
        }
        weir__base_free(block);
        if (rc < 0)
            return rc;
    }
    return 0;
}

TEST(what_takes_two_faults_is_found_and_nothing_else_is_told)
{
    weir_test_options options = {
        .name = "two blows", .seeds = 500, .quiet = true, .report = &report};
    EXPECT_RC(-EUCLEAN, weir_test_swarm(forgets_after_two_blows, NULL, &options));
    EXPECT_EQ(WEIR_TEST_CANCEL | WEIR_TEST_NO_MEMORY,
              report.round.kind & ~(unsigned)WEIR_TEST_CANCEL_LATE);
    int strikes = 0;
    for (const char *at = report.replay; (at = strchr(at, '=')) != NULL; at++)
        strikes++;
    EXPECT_EQ(1 + 2, strikes); /* the seed and both of them */
    EXPECT_CONTAINS("memory=", report.replay);

    uint64_t trace = report.round.trace;
    char replay[200];
    memcpy(replay, report.replay, sizeof replay);
    setenv("WEIR_TEST_REPLAY", replay, 1);
    EXPECT_RC(-EUCLEAN, weir_test_swarm(forgets_after_two_blows, NULL, &options));
    EXPECT_EQ(1, report.round_count);
    EXPECT(trace == report.round.trace);
    EXPECT_STR(replay, report.replay);
    find_lost();
}

static int hangs_after_a_fault(void *arg)
{
    (void)arg;
    if (use_memory(NULL) != -ENOMEM)
        return weir_check();
    int rc = 0;
    while (rc == 0)
        rc = weir_sleep(1 * WEIR_MIN); /* the mistake: nobody will tell it that all is well again */
    return rc;
}

TEST(a_body_that_does_not_recover_is_found) /* liveness */
{
    weir_test_options options = {.kinds = WEIR_TEST_NO_MEMORY, .quiet = true, .report = &report};
    EXPECT(weir_test_swarm(hangs_after_a_fault, NULL, &options) < 0);
    EXPECT_CONTAINS("does not come to an end", report.what);
    EXPECT_CONTAINS("memory=", report.replay);
}

static int differs_each_time(void *arg)
{
    int *calls = arg;
    for (int i = ++*calls; i > 0; i--) {
        int rc = weir_yield();
        if (rc < 0)
            return rc;
    }
    return 0;
}

TEST(a_seed_that_runs_in_two_ways_is_found)
{
    int calls = 0;
    weir_test_options options = {.kinds = WEIR_TEST_NO_THREAD, .quiet = true, .report = &report};
    EXPECT_RC(-EUCLEAN, weir_test_swarm(differs_each_time, &calls, &options));
    EXPECT_CONTAINS("in two ways", report.what);
}
