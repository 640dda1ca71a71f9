/*
 * everywhere.h - a body cancelled and failed at every place, on the backends that a room needs
 *
 * A thin cover of weir/test.h for the sweeps over our own composite operations.
 */
#ifndef WEIR_TESTS_SUPPORT_EVERYWHERE_H
#define WEIR_TESTS_SUPPORT_EVERYWHERE_H

#include <string.h>
#include <weir/test.h>

#include "tests/support/test.h"

struct everywhere {
    weir_task_fn *body;
    void *arg;
    weir_test_verify_fn *verify; /* NULL: the default */
    uint64_t rounds_min;         /* so that a sweep that meets nothing is seen */
};

static inline void everywhere_on(const char *backend, const char *name, struct everywhere what)
{
    weir_test_report report;
    bool simulated = strcmp(backend, "sim") == 0;
    weir_test_options options = {
        .name = name,
        .backend = backend,
        .clock = simulated ? WEIR_TEST_CLOCK_JUMPS : WEIR_TEST_CLOCK_REAL,
        .verify = what.verify,
        .report = &report,
    };
    EXPECT_RC(0, weir_test_cancel_everywhere(what.body, what.arg, &options));
    EXPECT(report.round_count >= what.rounds_min || test_failed());
    EXPECT_RC(0, weir_test_cancel_everywhere_and_result_wins(what.body, what.arg, &options));
    options.kinds = WEIR_TEST_SHORT | WEIR_TEST_LATER; /* of these nothing fails */
    EXPECT_RC(0, weir_test_cancel_everywhere(what.body, what.arg, &options));
}

/* Virtual time: FIFO first, then in orders drawn from seeds, then a swarm. */
static inline void everywhere_simulated(const char *name, struct everywhere what)
{
    everywhere_on("sim", name, what);
    weir_test_options options = {.name = name, .verify = what.verify, .seeds = 5};
    EXPECT_RC(0, weir_test_cancel_everywhere(what.body, what.arg, &options));
    EXPECT_RC(0, weir_test_cancel_everywhere_and_result_wins(what.body, what.arg, &options));
    options.seeds = 100;
    EXPECT_RC(0, weir_test_swarm(what.body, what.arg, &options));
}

/* Real time and real descriptors; once on each backend that this machine has. */
static inline void everywhere_real(const char *name, struct everywhere what)
{
    if (test_why_no_uring() == NULL)
        everywhere_on("uring", name, what);
    everywhere_on("epoll", name, what);
}

#endif
