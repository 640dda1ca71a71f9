/*
 * tasks.c - what tasks cost: switching, starting, a tree of a million, timers and timeouts
 *
 *     bench_tasks micro [divisor [figure]]   yield, hand-off, channel, spawn and join, timeouts;
 *                                            or only one of them, for a profile
 *     bench_tasks skynet [divisor]           a tree of tasks with a million leaves, five times
 *     bench_tasks timers [count]             the wheel with so many timers armed
 *
 * Times are CPU time of the process: nothing here waits for anything, and a neighbour who takes the
 * core away should not count. A divisor makes the counts smaller, for a quick look and for the test
 * that these programs run.
 *
 * Runs on  one loop; io_uring or epoll makes no difference here, nothing waits for the kernel.
 */
#include <weir/weir.h>

#include "bench.h"
#include "core/core.h"

enum {
    YIELDS = 4000000,
    HANDOFFS = 2000000,
    SPAWNS = 2000000,
    TIMEOUTS = 4000000,
    SKYNET_LEAVES = 1000000,
    SKYNET_ROUNDS = 5,
    TIMERS = 1000000,
    REARMS = 2000000,
};

static size_t divisor = 1;

static size_t scaled(size_t count)
{
    return count / divisor < 100 ? 100 : count / divisor;
}

/* --- switching ------------------------------------------------------------------------------- */

static int yield_often(void *arg)
{
    size_t count = *(const size_t *)arg;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = weir_yield();
    return rc;
}

static double measure_yield(size_t task_count)
{
    size_t each = scaled(YIELDS) / task_count + 1;
    weir_group *group;
    bench_must(weir_group_open(&group, NULL), "open a group");
    for (size_t i = 0; i < task_count; i++)
        bench_must(weir_spawn(group, yield_often, &each), "spawn");
    int64_t start_ns = bench_cpu_ns();
    bench_must(weir_group_close(group, 0), "yield");
    return (double)(bench_cpu_ns() - start_ns) / (double)(each * task_count);
}

/* Two tasks in turn: each wakes the other, and waits to be woken. */
struct player {
    weir_event mine;
    weir_event *other;
    size_t count;
};

static int pass_on(void *arg)
{
    struct player *player = arg;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < player->count; i++) {
        rc = weir_event_wait(&player->mine);
        weir_event_clear(&player->mine);
        weir_event_set(player->other);
    }
    return rc;
}

static double measure_handoff(size_t unused)
{
    (void)unused;
    struct player ping = {.count = scaled(HANDOFFS)}, pong = {.count = scaled(HANDOFFS)};
    ping.other = &pong.mine;
    pong.other = &ping.mine;
    weir_group *group;
    bench_must(weir_group_open(&group, NULL), "open a group");
    bench_must(weir_spawn(group, pass_on, &ping), "spawn");
    bench_must(weir_spawn(group, pass_on, &pong), "spawn");
    weir_event_set(&ping.mine);
    int64_t start_ns = bench_cpu_ns();
    bench_must(weir_group_close(group, 0), "hand off");
    return (double)(bench_cpu_ns() - start_ns) / (double)(ping.count * 2);
}

struct echo {
    weir_channel *in;
    weir_channel *out;
    size_t count;
};

static int send_back(void *arg)
{
    struct echo *echo = arg;
    void *item;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < echo->count; i++) {
        rc = weir_channel_recv(echo->in, &item);
        if (rc == 0)
            rc = weir_channel_send(echo->out, &item);
    }
    return rc;
}

static double measure_channel(size_t unused)
{
    (void)unused;
    weir_channel *there, *back;
    weir_channel_options options = {.capacity = 1};
    bench_must(weir_channel_new(&options, &there), "make a channel");
    bench_must(weir_channel_new(&options, &back), "make a channel");
    struct echo echo = {.in = there, .out = back, .count = scaled(HANDOFFS)};
    void *item = &echo;
    weir_group *group;
    bench_must(weir_group_open(&group, NULL), "open a group");
    bench_must(weir_spawn(group, send_back, &echo), "spawn");
    int64_t start_ns = bench_cpu_ns();
    for (size_t i = 0; i < echo.count; i++) {
        bench_must(weir_channel_send(there, &item), "send");
        bench_must(weir_channel_recv(back, &item), "receive");
    }
    double each_ns = (double)(bench_cpu_ns() - start_ns) / (double)(echo.count * 2);
    bench_must(weir_group_close(group, 0), "close a group");
    weir_channel_free(there);
    weir_channel_free(back);
    return each_ns;
}

/* --- starting -------------------------------------------------------------------------------- */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static double measure_spawn(size_t at_once)
{
    size_t rounds = scaled(SPAWNS) / at_once + 1;
    int64_t start_ns = bench_cpu_ns();
    for (size_t round = 0; round < rounds; round++) {
        weir_group *group;
        bench_must(weir_group_open(&group, NULL), "open a group");
        for (size_t i = 0; i < at_once; i++)
            bench_must(weir_spawn(group, nothing, NULL), "spawn");
        bench_must(weir_group_close(group, 0), "close a group");
    }
    return (double)(bench_cpu_ns() - start_ns) / (double)(rounds * at_once);
}

/* --- timeouts: a deadline around something that ends in time ---------------------------------- */

static double measure_timeout(size_t unused)
{
    (void)unused;
    size_t count = scaled(TIMEOUTS);
    int64_t start_ns = bench_cpu_ns();
    for (size_t i = 0; i < count; i++) {
        if (i % 65536 == 0) // or the watchdog would speak up, rightly
            bench_must(weir_yield(), "yield");
        weir_scope scope = {0};
        bench_must(weir_timeout_enter(&scope, 10 * WEIR_SEC), "enter a timeout");
        bench_must(weir_scope_leave(&scope, 0), "leave a timeout");
    }
    return (double)(bench_cpu_ns() - start_ns) / (double)count;
}

struct micro_figure {
    const char *name;
    double (*measure)(size_t count);
    size_t count;
};

static const struct micro_figure micro_figures[] = {
    {"yield_2", measure_yield, 2},    {"yield_100", measure_yield, 100},
    {"handoff", measure_handoff, 2},  {"channel", measure_channel, 2},
    {"spawn_join", measure_spawn, 1}, {"spawn_join_100", measure_spawn, 100},
    {"timeout", measure_timeout, 1},
};

static int micro(void *arg)
{
    const char *only = arg;
    divisor *= 10; // warm up: stacks, tables, caches
    measure_yield(100);
    measure_spawn(100);
    divisor /= 10;

    for (size_t i = 0; i < sizeof micro_figures / sizeof micro_figures[0]; i++) {
        const struct micro_figure *figure = &micro_figures[i];
        if (only == NULL || strcmp(only, figure->name) == 0)
            bench_figure(figure->name, figure->measure(figure->count), "ns");
    }
    return 0;
}

/* --- skynet: ten children each, down to a million leaves that return their number ------------- */

struct node {
    int64_t number;
    int64_t size;
    int64_t sum;
};

static int grow(void *arg)
{
    struct node *node = arg;
    if (node->size == 1) {
        node->sum = node->number;
        return 0;
    }
    struct node children[10];
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    for (int i = 0; rc == 0 && i < 10; i++) {
        int64_t size = node->size / 10;
        children[i] = (struct node){.number = node->number + i * size, .size = size};
        rc = weir_spawn(group, grow, &children[i]);
    }
    rc = weir_group_close(group, rc);
    if (rc < 0)
        return rc;
    for (int i = 0; i < 10; i++)
        node->sum += children[i].sum;
    return 0;
}

static int by_value(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static int skynet(void *arg)
{
    (void)arg;
    int64_t leaves = 1, took_ns[SKYNET_ROUNDS];
    while (leaves * 10 <= (int64_t)(SKYNET_LEAVES / divisor))
        leaves *= 10;
    for (int round = 0; round < SKYNET_ROUNDS; round++) {
        struct node root = {.size = leaves};
        int64_t start_ns = bench_cpu_ns();
        bench_must(grow(&root), "grow the tree");
        took_ns[round] = bench_cpu_ns() - start_ns;
        if (root.sum != leaves * (leaves - 1) / 2) {
            fprintf(stderr, "bench: skynet: wrong sum\n");
            exit(1);
        }
    }
    qsort(took_ns, SKYNET_ROUNDS, sizeof took_ns[0], by_value);
    bench_figure("skynet", (double)took_ns[SKYNET_ROUNDS / 2] / 1e6, "ms");
    bench_figure("skynet_stacks", (double)weir__core_loop()->stacks.used_count, "stacks");
    bench_figure("skynet_peak", (double)bench_status_bytes("VmHWM:") / 1e6, "MB");
    return 0;
}

/* --- timers: the wheel itself, as a loop with many deadlines uses it -------------------------- */

static uint64_t random_state = UINT64_C(88172645463325252);

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Like a timer inside a task's record: a cache line of its own. */
struct padded_timer {
    _Alignas(64) struct weir__timer timer;
};

static int64_t random_deadline_ns(void)
{
    return (int64_t)(next_random() % 10000) * WEIR_MS + WEIR_MS;
}

static void timers(size_t count)
{
    static struct weir__wheel wheel;
    struct padded_timer *all = aligned_alloc(64, count * sizeof *all);
    if (all == NULL)
        bench_must(-ENOMEM, "make the timers");
    memset(all, 0, count * sizeof *all);
    weir__wheel_init(&wheel, 0);

    int64_t start_ns = bench_cpu_ns();
    for (size_t i = 0; i < count; i++)
        weir__wheel_arm(&wheel, &all[i].timer, random_deadline_ns());
    bench_figure("timer_arm", (double)(bench_cpu_ns() - start_ns) / (double)count, "ns");

    size_t rearms = scaled(REARMS);
    start_ns = bench_cpu_ns();
    for (size_t i = 0; i < rearms; i++) {
        struct weir__timer *timer = &all[next_random() % count].timer;
        weir__wheel_disarm(&wheel, timer);
        weir__wheel_arm(&wheel, timer, random_deadline_ns());
    }
    bench_figure("timer_rearm", (double)(bench_cpu_ns() - start_ns) / (double)rearms, "ns");

    start_ns = bench_cpu_ns();
    for (size_t i = 0; i < rearms; i++) {
        weir__wheel_disarm(&wheel, &all[0].timer);
        weir__wheel_arm(&wheel, &all[0].timer, 5000 * WEIR_MS);
    }
    bench_figure("timer_hot", (double)(bench_cpu_ns() - start_ns) / (double)rearms, "ns");

    size_t fired = 0;
    start_ns = bench_cpu_ns();
    for (int64_t now_ns = WEIR_MS; wheel.armed_count > 0; now_ns += WEIR_MS) {
        struct weir__list due;
        weir__list_init(&due);
        weir__wheel_advance(&wheel, now_ns, &due);
        while (weir__wheel_take(&wheel, &due) != NULL)
            fired++;
    }
    bench_figure("timer_fire", (double)(bench_cpu_ns() - start_ns) / (double)count, "ns");
    if (fired != count) {
        fprintf(stderr, "bench: timers: %zu of %zu fired\n", fired, count);
        exit(1);
    }
    free(all);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    size_t number = bench_number(argc > 2 ? argv[2] : NULL, 0);
    if (strcmp(what, "timers") == 0) {
        divisor = number > 0 && number < TIMERS ? TIMERS / number : 1;
        timers(number > 0 ? number : TIMERS);
        return 0;
    }
    divisor = number > 0 ? number : 1;
    if (strcmp(what, "micro") == 0)
        return weir_run(micro, argc > 3 ? argv[3] : NULL);
    if (strcmp(what, "skynet") == 0)
        return weir_run(skynet, NULL);
    fprintf(stderr,
            "usage: bench_tasks micro [divisor [figure]] | skynet [divisor] | timers [count]\n");
    return 64;
}
