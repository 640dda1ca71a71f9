/*
 * fault.h - places where tests make things fail
 *
 * The boundary (alloc.h, sys.h, thread.h) asks weir__base_fault(point) before it does the real
 * thing. In production the answer costs one load of a global that is false.
 *
 * A test arms one plan at a time for the whole process: "fail the n-th hit of this point with this
 * code", or a function that decides about each hit. Hits are counted on every thread that did not
 * exempt itself. The test room (test/each.c) loops n upwards until a run has no hit left.
 */
#ifndef WEIR__BASE_FAULT_H
#define WEIR__BASE_FAULT_H

#include <weir/base.h>

enum weir__fault_point {
    WEIR__FAULT_ALLOC,   /* heap */
    WEIR__FAULT_SYSCALL, /* every kernel call made by sys.c */
    WEIR__FAULT_THREAD,  /* thread creation */
    WEIR__FAULT_RING,    /* an operation handed to a backend: completes with the code */
    /* Of these any code means yes. */
    WEIR__FAULT_SHORT,     /* a transfer moves less than it could */
    WEIR__FAULT_LATER,     /* an operation begins some turns later */
    WEIR__FAULT_LATE,      /* a simulated packet takes longer */
    WEIR__FAULT_RESET,     /* a simulated packet breaks its connection */
    WEIR__FAULT_PARTITION, /* two simulated hosts hear nothing of each other for a while */
    WEIR__FAULT_POINT_COUNT
};

extern bool weir__fault_armed;

/* Slow path: 0 to go on, or the negative errno to fail with. */
int weir__base_fault_hit(enum weir__fault_point point);

static inline int weir__base_fault(enum weir__fault_point point)
{
    return __builtin_expect(__atomic_load_n(&weir__fault_armed, __ATOMIC_RELAXED), 0)
               ? weir__base_fault_hit(point)
               : 0;
}

/* Fail the n-th hit (from 1) of `point` with `rc`, and all after it if `repeat`; n = 0 only counts.
 */
void weir__base_fault_arm(enum weir__fault_point point, uint64_t nth, int rc, bool repeat);
/* Ask `decide` about each hit of every point: 0, or the code to fail with. It is called on any
 * thread, several at a time, and by a late one shortly after disarming. */
typedef int weir__fault_decide_fn(enum weir__fault_point point);
void weir__base_fault_arm_with(weir__fault_decide_fn *decide);
/* Back to normal. Returns how often the point was hit while armed. */
uint64_t weir__base_fault_disarm(void);
/* Whether the armed fault has been delivered at least once. */
bool weir__base_fault_delivered(void);
/* Leaves the calling thread out: its hits neither count nor fail. Returns what was set before. */
bool weir__base_fault_exempt(bool exempt);

#endif
