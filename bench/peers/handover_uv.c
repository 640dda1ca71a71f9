/*
 * handover_uv.c - the figures of handover.c with libuv: uv_queue_work and uv_async_send
 *
 *     handover_uv [divisor]
 *
 * No flood: several uv_async_send() become one.
 */
#include <pthread.h>
#include <semaphore.h>
#include <uv.h>

#include "../bench.h"

static size_t divisor = 1;
static uv_loop_t *loop;
static size_t left;

static void do_nothing(uv_work_t *work)
{
    (void)work;
}

static void worked(uv_work_t *work, int rc)
{
    (void)rc;
    if (left > 0) {
        left--;
        uv_queue_work(loop, work, do_nothing, worked);
    }
}

static void measure_offload(const char *name, size_t at_once, size_t count)
{
    static uv_work_t works[64];
    count = count / divisor + at_once;
    left = count - at_once;
    int64_t begun_ns = bench_now_ns();
    for (size_t i = 0; i < at_once; i++)
        uv_queue_work(loop, &works[i], do_nothing, worked);
    uv_run(loop, UV_RUN_DEFAULT);
    bench_figure(name, (double)(bench_now_ns() - begun_ns) / 1e3 / (double)count, "us");
}

/* --- a plain thread and a loop ---------------------------------------------------------------- */

static uv_async_t posted;
static sem_t answered;

static void answer(uv_async_t *async)
{
    (void)async;
    sem_post(&answered);
}

static void stop(uv_async_t *async)
{
    uv_close((uv_handle_t *)async, NULL);
}

static void *post_all(void *arg)
{
    size_t count = *(size_t *)arg;
    for (size_t i = 0; i < count; i++) {
        uv_async_send(&posted);
        sem_wait(&answered);
    }
    posted.async_cb = stop;
    uv_async_send(&posted);
    return NULL;
}

static void measure_posts(void)
{
    size_t count = 100000 / divisor + 1;
    pthread_t thread;
    sem_init(&answered, 0, 0);
    uv_async_init(loop, &posted, answer);
    int64_t begun_ns = bench_now_ns();
    pthread_create(&thread, NULL, post_all, &count);
    uv_run(loop, UV_RUN_DEFAULT);
    bench_figure("post", (double)(bench_now_ns() - begun_ns) / 1e3 / (double)count / 2, "us");
    pthread_join(thread, NULL);
}

/* --- two loops -------------------------------------------------------------------------------- */

static uv_async_t there, back, end;
static uv_loop_t other;

static void send_back(uv_async_t *async)
{
    (void)async;
    uv_async_send(&back);
}

static void end_other(uv_async_t *async)
{
    uv_close((uv_handle_t *)&there, NULL);
    uv_close((uv_handle_t *)async, NULL);
}

static void came_back(uv_async_t *async)
{
    if (--left > 0) {
        uv_async_send(&there);
        return;
    }
    uv_async_send(&end);
    uv_close((uv_handle_t *)async, NULL);
}

static void *run_other(void *arg)
{
    uv_run(&other, UV_RUN_DEFAULT);
    return arg;
}

static void measure_crossing(void)
{
    size_t count = 100000 / divisor + 1;
    pthread_t thread;
    uv_loop_init(&other);
    uv_async_init(&other, &there, send_back);
    uv_async_init(&other, &end, end_other);
    uv_async_init(loop, &back, came_back);
    pthread_create(&thread, NULL, run_other, NULL);
    left = count;
    int64_t begun_ns = bench_now_ns();
    uv_async_send(&there);
    uv_run(loop, UV_RUN_DEFAULT);
    bench_figure("crossing", (double)(bench_now_ns() - begun_ns) / 1e3 / (double)count / 2, "us");
    pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
    divisor = argc > 1 ? bench_number(argv[1], 1) : 1;
    loop = uv_default_loop();
    measure_offload("offload_1", 1, 50000);
    measure_offload("offload_64", 64, 500000);
    measure_posts();
    measure_crossing();
    return 0;
}
