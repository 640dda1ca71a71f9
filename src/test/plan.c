/*
 * plan.c - what a round does to its body, in one line and back
 *
 * Runs on  weir__test_strikes(): any thread, since calls of the kernel and allocations are made on
 *          many; all else: the thread of the test.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "test/test.h"

/* What a kind is called in a replay, and how a round with it is told. */
static const struct {
    const char *word, *told;
} kinds[WEIR__TEST_KIND_COUNT] = {
    [WEIR__TEST_CANCEL] = {"cancel", "cancelled before checkpoint"},
    [WEIR__TEST_CANCEL_LATE] = {"late", "cancelled together with result"},
    [WEIR__TEST_NO_MEMORY] = {"memory", "no memory for allocation"},
    [WEIR__TEST_KERNEL] = {"kernel", "the kernel refused call"},
    [WEIR__TEST_OPERATION] = {"operation", "a fault in operation"},
    [WEIR__TEST_NO_THREAD] = {"thread", "no place for thread"},
    [WEIR__TEST_SHORT] = {"short", "one byte only in transfer"},
    [WEIR__TEST_LATE] = {"slow", "a delay of packet"},
    [WEIR__TEST_RESET] = {"reset", "a reset at packet"},
    [WEIR__TEST_LATER] = {"held", "a later begin of operation"},
    [WEIR__TEST_PARTITION] = {"cut", "hosts cut off at packet"},
};

/* --- striking --------------------------------------------------------------------------------- */

static bool is_listed(const struct weir__test_plan *plan, enum weir__test_kind kind,
                      uint64_t number)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->strikes[i].kind == kind && plan->strikes[i].number == number)
            return true;
    return false;
}

/* Depends on nothing but the seed, the kind and the number: the same in each run. */
static bool is_drawn(const struct weir__test_plan *plan, enum weir__test_kind kind, uint64_t number)
{
    if (!(plan->kinds & (1u << kind)) || plan->one_in[kind] == 0)
        return false;
    uint64_t state = plan->seed * 31 + number * WEIR__TEST_KIND_COUNT + kind;
    return weir__base_random_next(&state) % plan->one_in[kind] == 0;
}

bool weir__test_strikes(struct weir__round *round, enum weir__test_kind kind)
{
    uint64_t number = 1 + __atomic_fetch_add(&round->hits[kind], 1, __ATOMIC_RELAXED);
    const struct weir__test_plan *plan = &round->plan;
    if (plan->drawn ? !is_drawn(plan, kind, number) : !is_listed(plan, kind, number))
        return false;
    size_t place = __atomic_fetch_add(&round->struck_count, 1, __ATOMIC_RELAXED);
    if (place >= WEIR__TEST_STRIKES_MAX) {
        __atomic_fetch_sub(&round->struck_count, 1, __ATOMIC_RELAXED);
        return false; /* faults have stopped: from here on it must come to an end */
    }
    round->struck[place] = (struct weir__test_strike){kind, number};
    return true;
}

/* --- in one line ------------------------------------------------------------------------------ */

void weir__test_plan_write(const struct weir__test_plan *plan, const char *name, char *out_text,
                           size_t bytes)
{
    int size = snprintf(out_text, bytes, "%s seed=%" PRIu64, name, plan->seed);
    for (size_t i = 0; i < plan->count && size > 0 && (size_t)size < bytes; i++)
        size += snprintf(out_text + size, bytes - (size_t)size, " %s=%" PRIu64,
                         kinds[plan->strikes[i].kind].word, plan->strikes[i].number);
}

void weir__test_plan_tell(const struct weir__test_plan *plan, char *out_text, size_t bytes)
{
    out_text[0] = '\0';
    int size = 0;
    for (size_t i = 0; i < plan->count && size >= 0 && (size_t)size < bytes; i++)
        size += snprintf(out_text + size, bytes - (size_t)size, "%s%s %" PRIu64, i == 0 ? "" : ", ",
                         kinds[plan->strikes[i].kind].told, plan->strikes[i].number);
    if (plan->seed != 0 && size >= 0 && (size_t)size < bytes)
        size += snprintf(out_text + size, bytes - (size_t)size, "%sseed %" PRIu64,
                         plan->count == 0 ? "" : ", ", plan->seed);
    if (size == 0)
        snprintf(out_text, bytes, "as it is");
}

static weir_str next_word(weir_str *rest)
{
    *rest = weir__str_trim(*rest, " ");
    const char *end = memchr(rest->data, ' ', rest->size);
    weir_str word = {rest->data, end == NULL ? rest->size : (size_t)(end - rest->data)};
    rest->data += word.size;
    rest->size -= word.size;
    return word;
}

static int read_word(weir_str word, struct weir__test_plan *plan)
{
    const char *equal = memchr(word.data, '=', word.size);
    if (equal == NULL)
        return -EINVAL;
    weir_str key = {word.data, (size_t)(equal - word.data)};
    weir_str text = {equal + 1, word.size - key.size - 1};
    uint64_t number;
    if (weir__str_parse_uint(text, UINT64_MAX, &number) < 0)
        return -EINVAL;
    if (weir__str_equal(key, WEIR_STR("seed"))) {
        plan->seed = number;
        return 0;
    }
    for (int i = 0; i < WEIR__TEST_KIND_COUNT; i++) {
        if (!weir__str_equal(key, weir__str_from(kinds[i].word)))
            continue;
        if (plan->count == WEIR__TEST_STRIKES_MAX || number == 0)
            return -EINVAL;
        plan->strikes[plan->count++] = (struct weir__test_strike){(enum weir__test_kind)i, number};
        return 0;
    }
    return -EINVAL;
}

int weir__test_plan_replayed(const char *name, struct weir__test_plan *out_plan)
{
    const char *text = getenv("WEIR_TEST_REPLAY");
    size_t name_bytes = strlen(name);
    if (text == NULL || strncmp(text, name, name_bytes) != 0 || text[name_bytes] != ' ')
        return 0;
    weir_str rest = weir__str_from(text + name_bytes);
    *out_plan = (struct weir__test_plan){0};
    for (;;) {
        weir_str word = next_word(&rest);
        if (word.size == 0)
            return 1;
        int rc = read_word(word, out_plan);
        if (rc < 0)
            return rc;
    }
}

bool weir__test_rounds_are_named(void)
{
    const char *text = getenv("WEIR_TEST_ROUNDS");
    return text != NULL && strcmp(text, "1") == 0;
}
