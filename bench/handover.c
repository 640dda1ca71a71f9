/*
 * handover.c - what it costs to cross from one thread to another
 *
 *     bench_handover [divisor]
 *
 *     offload_1     a job that does nothing, on a pool's thread and back; one at a time
 *     offload_64    the same by 64 tasks at once
 *     post          a plain thread posts to a loop that sleeps, and is answered: one way
 *     flood         a plain thread posts as fast as it can, until the loop has run the last: each
 *     crossing      a message to a task on another loop and back, by shared channels: one way
 *
 * Times are those of the clock, since threads wait for each other here; they want two cores.
 */
#include <weir/weir.h>

#include <pthread.h>
#include <semaphore.h>

#include "bench.h"

static size_t divisor = 1;

static size_t times(size_t count)
{
    return count / divisor > 0 ? count / divisor : 1;
}

static void tell(const char *name, int64_t begun_ns, size_t count, const char *unit)
{
    double each = (double)(bench_now_ns() - begun_ns) / (double)count;
    bench_figure(name, strcmp(unit, "us") == 0 ? each / 1e3 : each, unit);
}

/* --- jobs ------------------------------------------------------------------------------------- */

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int offload_some(void *arg)
{
    size_t left = *(size_t *)arg;
    int rc = 0;
    while (left-- > 0 && rc == 0)
        rc = weir_offload(NULL, do_nothing, NULL);
    return rc;
}

static int measure_offload(const char *name, size_t tasks, size_t count)
{
    weir_group *group;
    size_t each = times(count) / tasks + 1;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    int64_t begun_ns = bench_now_ns();
    for (size_t i = 0; i < tasks && rc == 0; i++)
        rc = weir_spawn(group, offload_some, &each);
    rc = weir_group_close(group, rc);
    if (rc == 0)
        tell(name, begun_ns, each * tasks, "us");
    return rc;
}

/* --- posts ------------------------------------------------------------------------------------ */

struct poster {
    weir_loop *loop;
    weir_shared_event *over;
    sem_t answer;
    size_t count;
    size_t seen; /* on the loop's thread */
};

static void answer(void *arg)
{
    struct poster *poster = arg;
    poster->seen++;
    sem_post(&poster->answer);
}

static void count_one(void *arg)
{
    struct poster *poster = arg;
    if (++poster->seen == poster->count)
        sem_post(&poster->answer);
}

static void *post_all(void *arg)
{
    struct poster *poster = arg;
    poster->count = times(100000);
    int64_t begun_ns = bench_now_ns();
    for (size_t i = 0; i < poster->count; i++) {
        bench_must(weir_remote_post(poster->loop, answer, poster), "post");
        sem_wait(&poster->answer);
    }
    tell("post", begun_ns, poster->count * 2, "us");
    poster->count = times(1000000);
    poster->seen = 0;
    begun_ns = bench_now_ns();
    for (size_t i = 0; i < poster->count; i++)
        bench_must(weir_remote_post(poster->loop, count_one, poster), "post");
    sem_wait(&poster->answer);
    tell("flood", begun_ns, poster->count, "ns");
    weir_shared_event_post(poster->over);
    return NULL;
}

static int measure_posts(void)
{
    struct poster poster = {.loop = weir_loop_retain_self()};
    pthread_t thread;
    sem_init(&poster.answer, 0, 0);
    int rc = weir_shared_event_new(&poster.over);
    if (rc == 0)
        rc = -pthread_create(&thread, NULL, post_all, &poster);
    if (rc == 0) {
        rc = weir_shared_event_wait(poster.over, 0, NULL);
        pthread_join(thread, NULL);
    }
    weir_shared_event_release(poster.over);
    weir_loop_release(poster.loop);
    sem_destroy(&poster.answer);
    return rc;
}

/* --- another loop ----------------------------------------------------------------------------- */

struct crossing {
    weir_shared_channel *there;
    weir_shared_channel *back;
};

static int send_back(void *arg)
{
    struct crossing *crossing = arg;
    void *item;
    int rc;
    while ((rc = weir_shared_channel_recv(crossing->there, &item)) == 0) {
        rc = weir_shared_channel_send(crossing->back, &item);
        if (rc < 0)
            break;
    }
    return rc == -EPIPE ? 0 : rc;
}

static void *run_other_loop(void *arg)
{
    bench_must(weir_run_with(&(weir_run_options){.name = "other"}, send_back, arg), "other loop");
    return NULL;
}

static int cross(struct crossing *crossing)
{
    size_t count = times(100000);
    void *item = crossing;
    int rc = 0;
    int64_t begun_ns = bench_now_ns();
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = weir_shared_channel_send(crossing->there, &item);
        if (rc == 0)
            rc = weir_shared_channel_recv(crossing->back, &item);
    }
    if (rc == 0)
        tell("crossing", begun_ns, count * 2, "us");
    return rc;
}

static int measure_crossing(void)
{
    struct crossing crossing;
    weir_channel_options one = {.capacity = 1, .item_bytes = sizeof(void *)};
    pthread_t thread;
    bench_must(weir_shared_channel_new(&one, &crossing.there), "channel");
    bench_must(weir_shared_channel_new(&one, &crossing.back), "channel");
    bench_must(-pthread_create(&thread, NULL, run_other_loop, &crossing), "thread");
    int rc = cross(&crossing);
    weir_shared_channel_close(crossing.there);
    pthread_join(thread, NULL);
    weir_shared_channel_release(crossing.there);
    weir_shared_channel_release(crossing.back);
    return rc;
}

static int measure(void *arg)
{
    (void)arg;
    int rc = measure_offload("offload_1", 1, 50000);
    if (rc == 0)
        rc = measure_offload("offload_64", 64, 500000);
    if (rc == 0)
        rc = measure_posts();
    return rc == 0 ? measure_crossing() : rc;
}

int main(int argc, char **argv)
{
    divisor = argc > 1 ? bench_number(argv[1], 1) : 1;
    return weir_run(measure, NULL);
}
