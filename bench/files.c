/*
 * files.c - many small files and one large one
 *
 *     bench_files make <folder> <count> <MiB>   what the others read: `<folder>/0` and on, 4 KiB
 *                                               each, and `<folder>/large`
 *     bench_files read <folder> <count> <MiB>   by 32 tasks: open, size, read and close of each;
 *                                               the same by weir_file_read_all(); the large one
 *                                               in pieces of 256 KiB
 *
 * What was just written is in the page cache, so this is the cost of asking, not of a disk.
 */
#include <weir/weir.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "files.h"

static struct {
    const char *folder;
    size_t count;
    int64_t large_bytes;
    size_t next;
    int64_t next_offset;
    weir_file *large;
} all;

static int read_small(void *arg)
{
    char data[FILES_SMALL_BYTES + 1];
    char path[FILES_PATH_BYTES];
    (void)arg;
    while (all.next < all.count) {
        weir_file *file;
        int64_t size;
        size_t got = 0;
        files_path(path, all.folder, all.next++);
        bench_must(weir_file_open(path, NULL, &file), path);
        int rc = weir_file_size(file, &size);
        if (rc == 0)
            rc = weir_file_read(file, data, (size_t)size, 0, &got);
        bench_must(rc, path);
        bench_must(weir_file_close(file), path);
        files_check(data, got);
    }
    return 0;
}

static int read_whole(void *arg)
{
    char path[FILES_PATH_BYTES];
    (void)arg;
    while (all.next < all.count) {
        weir_bytes bytes;
        files_path(path, all.folder, all.next++);
        bench_must(weir_file_read_all(path, 0, &bytes), path);
        files_check((const char *)bytes.data, bytes.size);
        weir_bytes_free(&bytes);
    }
    return 0;
}

static int read_large(void *arg)
{
    char *piece = malloc(FILES_PIECE_BYTES);
    (void)arg;
    bench_must(piece == NULL ? -ENOMEM : 0, "a buffer");
    while (all.next_offset < all.large_bytes) {
        size_t got;
        int64_t offset = all.next_offset;
        all.next_offset += FILES_PIECE_BYTES;
        bench_must(weir_file_read(all.large, piece, FILES_PIECE_BYTES, offset, &got), "large");
        files_check(piece, got);
    }
    free(piece);
    return 0;
}

static int run_tasks(weir_task_fn *fn, struct files_time *time)
{
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    all.next = 0;
    all.next_offset = 0;
    *time = files_begin();
    for (size_t i = 0; i < FILES_TASKS && rc == 0; i++)
        rc = weir_spawn(group, fn, NULL);
    return weir_group_close(group, rc);
}

static int read_all(void *arg)
{
    struct files_time time;
    char path[FILES_PATH_BYTES];
    (void)arg;
    snprintf(path, sizeof path, "%s/large", all.folder);
    int rc = run_tasks(read_small, &time);
    if (rc == 0) {
        files_tell_small("files", time, all.count);
        rc = run_tasks(read_whole, &time);
    }
    if (rc == 0) {
        files_tell_small("files_whole", time, all.count);
        rc = weir_file_open(path, NULL, &all.large);
    }
    if (rc < 0)
        return rc;
    rc = run_tasks(read_large, &time);
    if (rc == 0)
        files_tell_large(time, all.large_bytes);
    bench_must(weir_file_close(all.large), path);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: bench_files make|read <folder> <count> <MiB>\n");
        return 64;
    }
    all.folder = argv[2];
    all.count = bench_number(argv[3], 0);
    all.large_bytes = (int64_t)bench_number(argv[4], 0) << 20;
    if (strcmp(argv[1], "make") == 0) {
        files_make(all.folder, all.count, all.large_bytes);
        return 0;
    }
    return weir_run(read_all, NULL);
}
