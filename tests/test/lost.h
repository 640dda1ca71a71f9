/*
 * lost.h - memory that a body forgets on purpose: found again at the end, for leak checkers
 */
#ifndef WEIR_TESTS_TEST_LOST_H
#define WEIR_TESTS_TEST_LOST_H

#include "base/alloc.h"

enum { LOST_MAX = 1000 };
static void *lost[LOST_MAX];
static int lost_count;

static inline void lose(void *block)
{
    if (lost_count < LOST_MAX)
        lost[lost_count++] = block;
}

static inline void find_lost(void)
{
    while (lost_count > 0)
        weir__base_free(lost[--lost_count]);
}

#endif
