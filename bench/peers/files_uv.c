/*
 * files_uv.c - the figures of files.c with libuv: 32 chains of requests, on its pool of four
 * threads
 *
 *     files_uv <folder> <count> <MiB>
 */
#include <uv.h>

#include "../files.h"

static uv_loop_t *loop;
static const char *folder;
static size_t count, next;
static int64_t large_bytes, next_offset;
static int large_fd;

struct chain {
    uv_fs_t request;
    int fd;
    size_t got;
    int64_t offset;
    uv_buf_t buffer;
    char *data;
};

static ssize_t done(uv_fs_t *request)
{
    ssize_t result = request->result;
    if (result < 0) {
        fprintf(stderr, "files_uv: %s\n", uv_strerror((int)result));
        exit(1);
    }
    return result;
}

static void begin_small(struct chain *chain);

static void small_closed(uv_fs_t *request)
{
    struct chain *chain = request->data;
    done(request);
    uv_fs_req_cleanup(request);
    files_check(chain->data, chain->got);
    begin_small(chain);
}

static void small_read(uv_fs_t *request)
{
    struct chain *chain = request->data;
    chain->got = (size_t)done(request);
    uv_fs_req_cleanup(request);
    uv_fs_close(loop, request, chain->fd, small_closed);
}

static void small_seen(uv_fs_t *request)
{
    struct chain *chain = request->data;
    done(request);
    chain->buffer = uv_buf_init(chain->data, (unsigned)request->statbuf.st_size);
    uv_fs_req_cleanup(request);
    uv_fs_read(loop, request, chain->fd, &chain->buffer, 1, 0, small_read);
}

static void small_opened(uv_fs_t *request)
{
    struct chain *chain = request->data;
    chain->fd = (int)done(request);
    uv_fs_req_cleanup(request);
    uv_fs_fstat(loop, request, chain->fd, small_seen);
}

static void begin_small(struct chain *chain)
{
    char path[FILES_PATH_BYTES];
    if (next >= count)
        return;
    files_path(path, folder, next++);
    uv_fs_open(loop, &chain->request, path, O_RDONLY, 0, small_opened);
}

static void begin_large(struct chain *chain);

static void large_read(uv_fs_t *request)
{
    struct chain *chain = request->data;
    files_check(chain->data, (size_t)done(request));
    uv_fs_req_cleanup(request);
    begin_large(chain);
}

static void begin_large(struct chain *chain)
{
    if (next_offset >= large_bytes)
        return;
    chain->buffer = uv_buf_init(chain->data, FILES_PIECE_BYTES);
    uv_fs_read(loop, &chain->request, large_fd, &chain->buffer, 1, next_offset, large_read);
    next_offset += FILES_PIECE_BYTES;
}

int main(int argc, char **argv)
{
    static struct chain chains[FILES_TASKS];
    char path[FILES_PATH_BYTES];
    if (argc != 4)
        return 64;
    folder = argv[1];
    count = bench_number(argv[2], 0);
    large_bytes = (int64_t)bench_number(argv[3], 0) << 20;
    loop = uv_default_loop();
    for (size_t i = 0; i < FILES_TASKS; i++) {
        chains[i].data = malloc(FILES_PIECE_BYTES);
        chains[i].request.data = &chains[i];
        bench_must(chains[i].data == NULL ? -ENOMEM : 0, "a buffer");
    }
    struct files_time time = files_begin();
    for (size_t i = 0; i < FILES_TASKS; i++)
        begin_small(&chains[i]);
    uv_run(loop, UV_RUN_DEFAULT);
    files_tell_small("files", time, count);
    snprintf(path, sizeof path, "%s/large", folder);
    large_fd = open(path, O_RDONLY | O_CLOEXEC);
    bench_must(large_fd < 0 ? -errno : 0, path);
    time = files_begin();
    for (size_t i = 0; i < FILES_TASKS; i++)
        begin_large(&chains[i]);
    uv_run(loop, UV_RUN_DEFAULT);
    files_tell_large(time, large_bytes);
    return 0;
}
