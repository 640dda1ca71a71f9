/*
 * sleepers.c - so many tasks asleep at once: time to create them, memory, and how late they wake
 *
 *     bench_sleepers <count> <milliseconds>
 *
 * Each task sleeps for the given time from its own start. Choose it longer than creating them
 * takes, so that all are asleep together when the memory is looked at.
 *
 * Figures  create          until the last one is asleep
 *          memory          pages and page tables that a sleeping task adds to the process
 *          overshoot_p50   how long after its time the median task ran again
 *          overshoot_max   and the last one
 *          cpu             of the whole process, a task
 */
#include <weir/weir.h>

#include <sys/resource.h>

#include "bench.h"

struct sleepers {
    size_t count;
    size_t begun_count;
    int64_t sleep_ns;
    weir_event all_asleep; /* but for the last one, which sets it on its way */
    uint32_t *late_us;
};

static struct sleepers sleepers;

static int sleep_once(void *arg)
{
    uint32_t *late_us = arg;
    int64_t due_ns = bench_now_ns() + sleepers.sleep_ns;
    if (++sleepers.begun_count == sleepers.count)
        weir_event_set(&sleepers.all_asleep);
    int rc = weir_sleep(sleepers.sleep_ns);
    if (rc < 0)
        return rc;
    int64_t late_ns = bench_now_ns() - due_ns;
    if (late_ns < 0)
        return weir_fail(-EIO, "woken %lld ns early", (long long)-late_ns);
    *late_us = (uint32_t)(late_ns / 1000);
    return 0;
}

static int by_value(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static int run(void *arg)
{
    (void)arg;
    size_t base_bytes = bench_memory_bytes();
    int64_t start_ns = bench_now_ns();
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < sleepers.count; i++) {
        rc = weir_spawn(group, sleep_once, &sleepers.late_us[i]);
        if (rc == 0 && i % 16384 == 16383) // a loop that spawns a million lets others run
            rc = weir_yield();
    }
    if (rc == 0)
        rc = weir_event_wait(&sleepers.all_asleep);
    int64_t created_ns = bench_now_ns() - start_ns;
    size_t bytes = bench_memory_bytes() - base_bytes;
    rc = weir_group_close(group, rc);
    if (rc < 0)
        return rc;

    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu_us = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
                    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    size_t count = sleepers.count;
    qsort(sleepers.late_us, count, sizeof sleepers.late_us[0], by_value);
    bench_figure("create", (double)created_ns / 1e6, "ms");
    bench_figure("memory", (double)bytes / (double)count, "B");
    bench_figure("overshoot_p50", sleepers.late_us[count / 2] / 1e3, "ms");
    bench_figure("overshoot_max", sleepers.late_us[count - 1] / 1e3, "ms");
    bench_figure("cpu", cpu_us / (double)count, "us");
    return 0;
}

int main(int argc, char **argv)
{
    sleepers.count = bench_number(argc > 1 ? argv[1] : NULL, 0);
    sleepers.sleep_ns = (int64_t)bench_number(argc > 2 ? argv[2] : NULL, 0) * WEIR_MS;
    if (sleepers.count == 0 || sleepers.sleep_ns == 0) {
        fprintf(stderr, "usage: bench_sleepers <count> <milliseconds>\n");
        return 64;
    }
    sleepers.late_us = malloc(sleepers.count * sizeof sleepers.late_us[0]);
    if (sleepers.late_us == NULL)
        bench_must(-ENOMEM, "make room for the results");
    memset(sleepers.late_us, 1, sleepers.count * sizeof sleepers.late_us[0]); // touched before
    int rc = weir_run(run, NULL);
    free(sleepers.late_us);
    return rc;
}
