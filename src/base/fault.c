/*
 * fault.c - the one plan of failure that a test may arm
 *
 * The plan belongs to the process, since a fault of interest often strikes on another thread than
 * the test's. Hits are counted on all threads but those that exempted themselves: a log writer or a
 * runner would make the n-th hit another one in every run.
 *
 * Runs on  any thread; arm and disarm on one at a time.
 * Holds    While armed is false nobody looks at the plan, but a thread that saw it armed a moment
 *          ago may still: every field is atomic, and a late hit is at worst counted and answered 0.
 */
#include "base/fault.h"

bool weir__fault_armed;

static struct {
    int point;
    int rc;
    bool repeat;
    bool delivered;
    uint64_t nth;
    uint64_t hit_count;
    weir__fault_decide_fn *decide; /* NULL: the n-th hit of one point */
} plan;

static _Thread_local bool exempt;

int weir__base_fault_hit(enum weir__fault_point point)
{
    /* After armed was seen comes the plan it stands for. (A fence would do; TSan knows none.) */
    if (!__atomic_load_n(&weir__fault_armed, __ATOMIC_ACQUIRE))
        return 0;
    if (exempt)
        return 0;
    weir__fault_decide_fn *decide = __atomic_load_n(&plan.decide, __ATOMIC_RELAXED);
    if (decide != NULL)
        return decide(point);
    if (__atomic_load_n(&plan.point, __ATOMIC_RELAXED) != (int)point)
        return 0;

    uint64_t hit = 1 + __atomic_fetch_add(&plan.hit_count, 1, __ATOMIC_RELAXED);
    uint64_t nth = __atomic_load_n(&plan.nth, __ATOMIC_RELAXED);
    bool repeat = __atomic_load_n(&plan.repeat, __ATOMIC_RELAXED);
    if (nth == 0 || hit < nth || (hit > nth && !repeat))
        return 0;
    int rc = __atomic_load_n(&plan.rc, __ATOMIC_RELAXED);
    __atomic_store_n(&plan.delivered, true, __ATOMIC_RELAXED);
    return rc;
}

void weir__base_fault_arm(enum weir__fault_point point, uint64_t nth, int rc, bool repeat)
{
    __atomic_store_n(&weir__fault_armed, false, __ATOMIC_RELAXED);
    __atomic_store_n(&plan.decide, NULL, __ATOMIC_RELAXED);
    __atomic_store_n(&plan.point, (int)point, __ATOMIC_RELAXED);
    __atomic_store_n(&plan.nth, nth, __ATOMIC_RELAXED);
    __atomic_store_n(&plan.rc, rc, __ATOMIC_RELAXED);
    __atomic_store_n(&plan.repeat, repeat, __ATOMIC_RELAXED);
    __atomic_store_n(&plan.delivered, false, __ATOMIC_RELAXED);
    __atomic_store_n(&plan.hit_count, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&weir__fault_armed, true, __ATOMIC_RELEASE);
}

void weir__base_fault_arm_with(weir__fault_decide_fn *decide)
{
    __atomic_store_n(&weir__fault_armed, false, __ATOMIC_RELAXED);
    __atomic_store_n(&plan.decide, decide, __ATOMIC_RELAXED);
    __atomic_store_n(&weir__fault_armed, true, __ATOMIC_RELEASE);
}

uint64_t weir__base_fault_disarm(void)
{
    __atomic_store_n(&weir__fault_armed, false, __ATOMIC_RELEASE);
    return __atomic_load_n(&plan.hit_count, __ATOMIC_RELAXED);
}

bool weir__base_fault_delivered(void)
{
    return __atomic_load_n(&plan.delivered, __ATOMIC_RELAXED);
}

bool weir__base_fault_exempt(bool now_exempt)
{
    bool before = exempt;
    exempt = now_exempt;
    return before;
}
