/*
 * files_threads.c - the figures of files.c with blocking calls
 *
 *     files_threads <threads> <folder> <count> <MiB>     one thread is the floor: bare system calls
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "../files.h"

static const char *folder;
static size_t count;
static int64_t large_bytes;
static atomic_size_t next;
static atomic_int_fast64_t next_offset;
static int large_fd;

static void *read_small(void *arg)
{
    char data[FILES_SMALL_BYTES + 1];
    char path[FILES_PATH_BYTES];
    size_t number;
    while ((number = atomic_fetch_add(&next, 1)) < count) {
        struct stat stat;
        files_path(path, folder, number);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &stat) < 0)
            bench_must(-errno, path);
        ssize_t got = pread(fd, data, (size_t)stat.st_size, 0);
        bench_must(got < 0 ? -errno : 0, path);
        close(fd);
        files_check(data, (size_t)got);
    }
    return arg;
}

static void *read_large(void *arg)
{
    char *piece = malloc(FILES_PIECE_BYTES);
    int64_t offset;
    bench_must(piece == NULL ? -ENOMEM : 0, "a buffer");
    while ((offset = atomic_fetch_add(&next_offset, FILES_PIECE_BYTES)) < large_bytes) {
        ssize_t got = pread(large_fd, piece, FILES_PIECE_BYTES, offset);
        bench_must(got < 0 ? -errno : 0, "large");
        files_check(piece, (size_t)got);
    }
    free(piece);
    return arg;
}

static void run_threads(void *(*fn)(void *), size_t threads)
{
    pthread_t thread[FILES_TASKS];
    if (threads == 1) {
        fn(NULL);
        return;
    }
    for (size_t i = 0; i < threads; i++) {
        if (pthread_create(&thread[i], NULL, fn, NULL) != 0)
            bench_must(-EAGAIN, "a thread");
    }
    for (size_t i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
}

int main(int argc, char **argv)
{
    size_t threads = argc == 5 ? bench_number(argv[1], 0) : 0;
    char path[FILES_PATH_BYTES];
    if (threads == 0 || threads > FILES_TASKS)
        return 64;
    folder = argv[2];
    count = bench_number(argv[3], 0);
    large_bytes = (int64_t)bench_number(argv[4], 0) << 20;
    struct files_time time = files_begin();
    run_threads(read_small, threads);
    files_tell_small("files", time, count);
    snprintf(path, sizeof path, "%s/large", folder);
    large_fd = open(path, O_RDONLY | O_CLOEXEC);
    bench_must(large_fd < 0 ? -errno : 0, path);
    time = files_begin();
    run_threads(read_large, threads);
    files_tell_large(time, large_bytes);
    return 0;
}
