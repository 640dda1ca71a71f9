/*
 * clock.c - the only door to time and randomness
 *
 * Runs on  any thread. The virtual clock belongs to the thread that installed it, so that a
 *          simulated loop and a real one may live in one process.
 */
#include "base/clock.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

/* One load off the thread pointer: the loop asks for the time twice a turn. */
static _Thread_local const int64_t *virtual_now __attribute__((tls_model("initial-exec")));

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) < 0)
        abort(); /* these clocks exist since Linux 2.6.12; without time nothing else can be right */
    return (int64_t)now.tv_sec * WEIR_SEC + (int64_t)now.tv_nsec;
}

int64_t weir__base_now(void)
{
    const int64_t *now = virtual_now;
    return now != NULL ? *now : read_clock(CLOCK_MONOTONIC);
}

int64_t weir__base_coarse_now(void)
{
    const int64_t *now = virtual_now;
    return now != NULL ? *now : read_clock(CLOCK_MONOTONIC_COARSE);
}

int64_t weir__base_coarse_tick(void)
{
    static int64_t tick_ns; /* atomic; every thread finds the same */
    if (virtual_now != NULL)
        return 0;
    int64_t found_ns = __atomic_load_n(&tick_ns, __ATOMIC_RELAXED);
    if (found_ns != 0)
        return found_ns;
    struct timespec tick;
    if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) < 0)
        abort(); /* as above, since Linux 2.6.32 */
    found_ns = (int64_t)tick.tv_sec * WEIR_SEC + (int64_t)tick.tv_nsec;
    __atomic_store_n(&tick_ns, found_ns, __ATOMIC_RELAXED);
    return found_ns;
}

int64_t weir__base_kernel_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t weir__base_wall_now(void)
{
    return read_clock(CLOCK_REALTIME);
}

/* The clock of a thread by its number, as the kernel encodes it (clock_getcpuclockid(3), Linux
 * 2.6.12). */
int64_t weir__base_thread_cpu_now(int tid)
{
    enum { PER_THREAD_SCHEDULED = 6 };
    struct timespec now;
    clockid_t clock = (clockid_t)((~(unsigned)tid << 3) | PER_THREAD_SCHEDULED);
    if (clock_gettime(clock, &now) != 0)
        return 0;
    return (int64_t)now.tv_sec * WEIR_SEC + now.tv_nsec;
}

int64_t weir__base_cpu_now(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

void weir__base_clock_install(const int64_t *now_ns)
{
    virtual_now = now_ns;
}

void weir__base_random_bytes(void *out_bytes, size_t size)
{
    char *next = out_bytes;
    while (size > 0) {
        ssize_t got = getrandom(next, size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            abort(); /* an identifier that can be guessed is worse than none */
        next += got;
        size -= (size_t)got;
    }
}

int64_t weir_now(void)
{
    return weir__base_now();
}
