/*
 * handover_threads.c - the figures of handover.c with a lock and two conditions: the floor
 *
 *     handover_threads [divisor]
 *
 *     offload_1, post, crossing    two threads that wake each other by a futex each: a round trip
 *                                  (offload_1), one way (the others)
 *     offload_64                   a queue with a lock, one thread that takes from it, 64 in flight
 *     flood                        a list with an atomic exchange, which the other side takes
 */
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../bench.h"

static size_t divisor = 1;

/* --- two threads ------------------------------------------------------------------------------ */

static atomic_uint there, back;

static void wake(atomic_uint *word)
{
    atomic_fetch_add(word, 1);
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void wait_until(atomic_uint *word, unsigned value)
{
    unsigned seen;
    while ((seen = atomic_load(word)) != value)
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void *answer(void *arg)
{
    unsigned count = (unsigned)*(size_t *)arg;
    for (unsigned i = 1; i <= count; i++) {
        wait_until(&there, i);
        wake(&back);
    }
    return NULL;
}

static double measure_pair(void)
{
    size_t count = 50000 / divisor + 1;
    pthread_t thread;
    pthread_create(&thread, NULL, answer, &count);
    int64_t begun_ns = bench_now_ns();
    for (unsigned i = 1; i <= count; i++) {
        wake(&there);
        wait_until(&back, i);
    }
    double each = (double)(bench_now_ns() - begun_ns) / 1e3 / (double)count;
    pthread_join(thread, NULL);
    return each;
}

/* --- a queue ---------------------------------------------------------------------------------- */

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    size_t count;
    bool waiting;
};

#define QUEUE                                                                                      \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false                              \
    }
static struct queue jobs = QUEUE, results = QUEUE;

static void put(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->count++;
    bool waiting = queue->waiting;
    pthread_mutex_unlock(&queue->lock);
    if (waiting)
        pthread_cond_signal(&queue->filled);
}

/* One of them, or all. */
static size_t take(struct queue *queue, bool all)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->count == 0) {
        queue->waiting = true;
        pthread_cond_wait(&queue->filled, &queue->lock);
    }
    queue->waiting = false;
    size_t taken = all ? queue->count : 1;
    queue->count -= taken;
    pthread_mutex_unlock(&queue->lock);
    return taken;
}

static void *work(void *arg)
{
    for (size_t left = *(size_t *)arg; left > 0; left--) {
        take(&jobs, false);
        put(&results);
    }
    return NULL;
}

static double measure_queue(void)
{
    size_t count = 500000 / divisor + 64;
    size_t sent = 0;
    pthread_t thread;
    int64_t begun_ns = bench_now_ns();
    pthread_create(&thread, NULL, work, &count);
    for (; sent < 64; sent++)
        put(&jobs);
    for (size_t done = 0; done < count;) {
        size_t taken = take(&results, true);
        done += taken;
        for (; taken > 0 && sent < count; taken--, sent++)
            put(&jobs);
    }
    double each = (double)(bench_now_ns() - begun_ns) / 1e3 / (double)count;
    pthread_join(thread, NULL);
    return each;
}

/* --- a flood ---------------------------------------------------------------------------------- */

struct node {
    struct node *next;
};

static _Atomic(struct node *) list;

static void *flood(void *arg)
{
    size_t count = *(size_t *)arg;
    struct node *nodes = calloc(count, sizeof *nodes);
    bench_must(nodes == NULL ? -ENOMEM : 0, "nodes");
    for (size_t i = 0; i < count; i++) {
        nodes[i].next = atomic_load(&list);
        while (!atomic_compare_exchange_weak(&list, &nodes[i].next, &nodes[i])) {
        }
    }
    return nodes;
}

static double measure_flood(void)
{
    size_t count = 1000000 / divisor + 1;
    pthread_t thread;
    void *nodes;
    int64_t begun_ns = bench_now_ns();
    pthread_create(&thread, NULL, flood, &count);
    for (size_t seen = 0; seen < count;) {
        for (struct node *node = atomic_exchange(&list, NULL); node != NULL; node = node->next)
            seen++;
    }
    double each = (double)(bench_now_ns() - begun_ns) / (double)count;
    pthread_join(thread, &nodes);
    free(nodes);
    return each;
}

int main(int argc, char **argv)
{
    divisor = argc > 1 ? bench_number(argv[1], 1) : 1;
    double pair = measure_pair();
    bench_figure("offload_1", pair, "us");
    bench_figure("offload_64", measure_queue(), "us");
    bench_figure("post", pair / 2, "us");
    bench_figure("flood", measure_flood(), "ns");
    bench_figure("crossing", pair / 2, "us");
    return 0;
}
