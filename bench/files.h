/*
 * files.h - what files.c and its peers in C share: names, contents, the lines they print
 */
#ifndef BENCH_FILES_H
#define BENCH_FILES_H

#include <fcntl.h>
#include <unistd.h>

#include "bench.h"

enum {
    FILES_SMALL_BYTES = 4096,
    FILES_PIECE_BYTES = 256 * 1024,
    FILES_TASKS = 32,
    FILES_PATH_BYTES = 512,
};

static inline void files_path(char out_path[FILES_PATH_BYTES], const char *folder, size_t number)
{
    snprintf(out_path, FILES_PATH_BYTES, "%s/%zu", folder, number);
}

/* All of it came, or at least its ends. */
static inline void files_check(const char *data, size_t size)
{
    if (size < FILES_SMALL_BYTES || data[0] != 'w' || data[size - 1] != 'w')
        bench_must(-EBADMSG, "a file does not have what was written");
}

static inline void files_make_one(const char *path, int64_t size)
{
    static char piece[FILES_PIECE_BYTES];
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bench_must(fd < 0 ? -errno : 0, path);
    memset(piece, 'w', sizeof piece);
    while (size > 0) {
        ssize_t written = write(fd, piece, size < FILES_PIECE_BYTES ? (size_t)size : sizeof piece);
        bench_must(written < 0 ? -errno : 0, path);
        size -= written;
    }
    close(fd);
}

static inline void files_make(const char *folder, size_t count, int64_t large_bytes)
{
    char path[FILES_PATH_BYTES];
    for (size_t i = 0; i < count; i++) {
        files_path(path, folder, i);
        files_make_one(path, FILES_SMALL_BYTES);
    }
    snprintf(path, sizeof path, "%s/large", folder);
    files_make_one(path, large_bytes);
}

struct files_time {
    int64_t at_ns;
    int64_t cpu_ns;
};

static inline struct files_time files_begin(void)
{
    return (struct files_time){bench_now_ns(), bench_cpu_ns()};
}

static inline void files_tell_small(const char *name, struct files_time begun, size_t count)
{
    char cpu[64];
    double took = (double)(bench_now_ns() - begun.at_ns);
    double used = (double)(bench_cpu_ns() - begun.cpu_ns);
    snprintf(cpu, sizeof cpu, "%s_cpu", name);
    bench_figure(name, took / 1e3 / (double)count, "us");
    bench_figure(cpu, used / 1e3 / (double)count, "us");
}

static inline void files_tell_large(struct files_time begun, int64_t bytes)
{
    double took = (double)(bench_now_ns() - begun.at_ns);
    double used = (double)(bench_cpu_ns() - begun.cpu_ns);
    bench_figure("large", (double)bytes / took, "GBps");
    bench_figure("large_cpu", used / 1e6 / ((double)bytes / (double)(1 << 30)), "ms_per_GiB");
}

#endif
