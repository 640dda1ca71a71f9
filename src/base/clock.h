/*
 * clock.h - the only door to time and randomness
 */
#ifndef WEIR__BASE_CLOCK_H
#define WEIR__BASE_CLOCK_H

#include <weir/base.h>

int64_t weir__base_now(void); /* CLOCK_MONOTONIC in ns, or this thread's virtual clock */
/* The same at a fifth of the cost, late by up to a tick of the kernel (1 to 10 ms); and that
 * tick. */
int64_t weir__base_coarse_now(void);
int64_t weir__base_coarse_tick(void);
int64_t weir__base_kernel_now(void);        /* CLOCK_MONOTONIC in ns, whatever clock is installed */
int64_t weir__base_wall_now(void);          /* CLOCK_REALTIME in ns; for people, never for waits */
int64_t weir__base_cpu_now(void);           /* CPU time of the calling thread in ns */
int64_t weir__base_thread_cpu_now(int tid); /* of another thread of this process; 0: it is gone */

/* A virtual clock for this thread: `now` is read instead of the kernel's. NULL takes it away. */
void weir__base_clock_install(const int64_t *now_ns);

/* a + b for instants and durations: saturates at WEIR_NEVER and never overflows. */
static inline int64_t weir__base_add_ns(int64_t at_ns, int64_t duration_ns)
{
    int64_t sum;
    if (__builtin_add_overflow(at_ns, duration_ns, &sum))
        return duration_ns > 0 ? WEIR_NEVER : INT64_MIN;
    return sum;
}

/* Random bytes from the kernel (getrandom), for identifiers. Never fails: aborts when it cannot. */
void weir__base_random_bytes(void *out_bytes, size_t size);

/* Small, fast, seedable generator (splitmix64) for jitter and for tests. */
static inline uint64_t weir__base_random_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

#endif
