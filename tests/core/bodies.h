/*
 * bodies.h - what the tasks of core's tests do: operations that end by themselves, or never, or
 * late
 *
 * Times are milliseconds of the virtual clock since the test began (its first call of ms()).
 */
#ifndef WEIR_TESTS_CORE_BODIES_H
#define WEIR_TESTS_CORE_BODIES_H

#include <weir/weir.h>

#include "core/core.h"
#include "core/observe.h"
#include "tests/support/test.h"

/* Milliseconds since the first call in this test. */
int64_t ms(void);

/* OP: an operation that never ends by itself and can be aborted. */
int op(void);
/* HARD(n): cannot be aborted and lasts n ms; returns `result`. */
int hard(int64_t duration_ms, int result);

/* Task bodies. */
struct op_for {
    int64_t duration_ms; /* 0: OP */
    int then;            /* what it returns when it was not cut */
    int when_cut;        /* 0: what it was given */
    int64_t *ended_at_ms;
    int *got; /* what the wait returned */
};
int op_for(struct op_for *a);
/* A task that does nothing and returns its argument as an int. */
int just_return(void *arg);
#define JUST(rc) ((void *)(intptr_t)(rc))

/* How many of something make "many": TSan knows no more than 8,128 stacks, and Valgrind is slow. */
#ifdef WEIR__TSAN
#define MANY(count) ((count) / 50)
#else
#define MANY(count) (count)
#endif

/* Counts findings of each kind while installed; the plain log is silent then. */
extern size_t findings[WEIR__FINDING_KIND_COUNT];
extern char finding_words[200]; /* of the first failure of the last one that had any */
void count_findings(void);

#endif
