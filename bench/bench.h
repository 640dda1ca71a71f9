/*
 * bench.h - what the benchmark programs share: clock, memory of this process, lines of figures
 *
 * A program prints one line a figure, `<name> <value> <unit>`, and nothing else on standard output;
 * bench/run reads them and compares them with the same lines of other programs. Everything is
 * measured once a run: repeating, pinning and taking medians is the harness's work.
 */
#ifndef BENCH_H
#define BENCH_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static inline int64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* CPU time of this process: what a program that never waits costs, whoever else wants the core. */
static inline int64_t bench_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static inline void bench_figure(const char *name, double value, const char *unit)
{
    printf("%s %.6g %s\n", name, value, unit);
    fflush(stdout);
}

/* A benchmark has nobody to hand an error to: it says what failed and ends. */
static inline void bench_must(int rc, const char *what)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "bench: %s: %s\n", what, strerror(-rc));
    exit(1);
}

/* As many descriptors as the machine allows us without asking. */
static inline void bench_raise_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* A line of /proc/self/status in bytes, such as "VmRSS:"; 0 when there is none. */
static inline size_t bench_status_bytes(const char *key)
{
    char line[256];
    size_t bytes = 0;
    FILE *file = fopen("/proc/self/status", "r");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, key, strlen(key)) != 0)
            continue;
        for (const char *at = line + strlen(key); *at != '\0' && *at != 'k'; at++) {
            if (*at >= '0' && *at <= '9')
                bytes = bytes * 10 + (size_t)(*at - '0');
        }
        bytes *= 1024;
        break;
    }
    fclose(file);
    return bytes;
}

/* What the process costs the machine: its pages and the tables that map them. */
static inline size_t bench_memory_bytes(void)
{
    return bench_status_bytes("VmRSS:") + bench_status_bytes("VmPTE:");
}

/* A plain decimal number; `fallback` when the text is missing or is none. */
static inline size_t bench_number(const char *text, size_t fallback)
{
    size_t value = 0;
    if (text == NULL || *text == '\0')
        return fallback;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || value > SIZE_MAX / 100)
            return fallback;
        value = value * 10 + (size_t)(*text - '0');
    }
    return value;
}

#endif
