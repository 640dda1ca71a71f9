/*
 * clock.c - what a body asks of its test: settle, time, random numbers, a verdict
 *
 * Runs on  the tasks of a round.
 * Holds    1. A task that settles or advances is ready all the time, so that virtual time stands
 *             still unless it is moved here.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "test/test.h"

static size_t ready_count(const weir_loop *loop)
{
    size_t count = 0;
    for (uint32_t i = loop->batch.head; i != WEIR__NO_TASK; i = loop->hot[i].next)
        count++;
    for (uint32_t i = loop->ready.head; i != WEIR__NO_TASK; i = loop->hot[i].next)
        count++;
    return count;
}

/* Two turns in which nobody ran but those who settle: in one, something may still be on its way
 * from the backend. */
static int settle(struct weir__round *round)
{
    weir_loop *loop = round->loop;
    int rc = 0;
    round->settling++;
    for (int quiet_turns = 0; rc == 0 && quiet_turns < 2;) {
        uint64_t steps = loop->step_count;
        rc = weir_yield();
        bool quiet =
            loop->step_count - steps == round->settling && ready_count(loop) + 1 == round->settling;
        quiet_turns = quiet ? quiet_turns + 1 : 0;
    }
    round->settling--;
    return rc;
}

int weir_test_settle(void)
{
    struct weir__round *round = weir__test_round();
    return round == NULL ? -EPERM : settle(round);
}

int weir_test_advance(int64_t duration_ns)
{
    struct weir__round *round = weir__test_round();
    if (round == NULL)
        return -EPERM;
    int64_t *clock = round->probe.clock;
    if (clock == NULL)
        return -EOPNOTSUPP;
    int64_t until_ns = weir__base_add_ns(*clock, duration_ns < 0 ? 0 : duration_ns);
    int rc = settle(round);
    int64_t next_ns;
    while (rc == 0 && (next_ns = weir__core_next_instant(round->loop)) <= until_ns) {
        if (next_ns > *clock)
            *clock = next_ns;
        rc = settle(round);
    }
    if (rc < 0)
        return rc;
    if (until_ns > *clock)
        *clock = until_ns;
    return settle(round);
}

uint64_t weir_test_random(void)
{
    struct weir__round *round = weir__test_round();
    return round == NULL ? 0 : weir__base_random_next(&round->random);
}

void weir_test_fail(const char *format, ...)
{
    struct weir__round *round = weir__test_round();
    if (round == NULL)
        return;
    char line[200];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    weir__test_say(round, "%s", line);
}
