/*
 * groups.c - many tasks that belong together: a pipeline, one large group, a tree that is cancelled
 *
 *     bench_groups pipeline [items [stages]]   items through so many tasks, a channel between each
 *     bench_groups children [count]            a group with a thousand members, and with so many
 *     bench_groups cancel [leaves]             a tree with so many waiting leaves is cancelled
 *     bench_groups sockets [count]             so many tasks wait in a read of a connection each,
 *                                              and are cancelled: until the last has ended
 *     bench_groups deadlines [count]           so many tasks wait under a deadline each; all wake
 *
 * Times are CPU time of the process: nothing here waits for anything but other tasks.
 */
#include <weir/weir.h>

#include "bench.h"

static size_t number_of(void *arg, size_t index, size_t fallback)
{
    char **words = arg;
    for (size_t i = 0; i < index; i++)
        if (words[i] == NULL)
            return fallback;
    return bench_number(words[index], fallback);
}

/* --- a pipeline ------------------------------------------------------------------------------- */

struct stage {
    weir_channel *in;
    weir_channel *out;
};

/* Until there is nothing more to come: then it says so to the next one. */
static int pass_items_on(void *arg)
{
    struct stage *stage = arg;
    void *item;
    int rc;
    while ((rc = weir_channel_recv(stage->in, &item)) == 0) {
        rc = weir_channel_send(stage->out, &item);
        if (rc < 0)
            return rc;
    }
    weir_channel_close(stage->out);
    return rc == -EPIPE ? 0 : rc;
}

struct source {
    weir_channel *out;
    size_t item_count;
};

static int make_items(void *arg)
{
    struct source *source = arg;
    for (size_t i = 0; i < source->item_count; i++) {
        void *item = source;
        int rc = weir_channel_send(source->out, &item);
        if (rc < 0)
            return rc;
    }
    weir_channel_close(source->out);
    return 0;
}

static int pipeline(void *arg)
{
    size_t item_count = number_of(arg, 0, 2000), stage_count = number_of(arg, 1, 1000);
    weir_channel **channels = calloc(stage_count + 1, sizeof *channels);
    struct stage *stages = calloc(stage_count, sizeof *stages);
    if (channels == NULL || stages == NULL)
        bench_must(-ENOMEM, "make the pipeline");
    for (size_t i = 0; i <= stage_count; i++)
        bench_must(weir_channel_new(&(weir_channel_options){.capacity = 1}, &channels[i]),
                   "make a channel");
    struct source source = {channels[0], item_count};
    weir_group *group;
    bench_must(weir_group_open(&group, NULL), "open a group");
    for (size_t i = 0; i < stage_count; i++) {
        stages[i] = (struct stage){channels[i], channels[i + 1]};
        bench_must(weir_spawn(group, pass_items_on, &stages[i]), "spawn");
    }
    bench_must(weir_yield(), "yield"); // all wait for their first item
    int64_t start_ns = bench_cpu_ns();
    bench_must(weir_spawn(group, make_items, &source), "spawn");
    size_t arrived = 0;
    void *item;
    while (weir_channel_recv(channels[stage_count], &item) == 0)
        arrived++;
    int64_t took_ns = bench_cpu_ns() - start_ns;
    bench_must(weir_group_close(group, 0), "close a group");
    if (arrived != item_count)
        bench_must(-EIO, "count the items at the end");
    bench_figure("pipeline", (double)took_ns / (double)(item_count * (stage_count + 1)), "ns");
    for (size_t i = 0; i <= stage_count; i++)
        weir_channel_free(channels[i]);
    free(channels);
    free(stages);
    return 0;
}

/* --- one group with many members -------------------------------------------------------------- */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static double cost_a_child(size_t member_count, size_t rounds)
{
    int64_t start_ns = bench_cpu_ns();
    for (size_t round = 0; round < rounds; round++) {
        weir_group *group;
        bench_must(weir_group_open(&group, NULL), "open a group");
        for (size_t i = 0; i < member_count; i++)
            bench_must(weir_spawn(group, nothing, NULL), "spawn");
        bench_must(weir_group_close(group, 0), "close a group");
    }
    return (double)(bench_cpu_ns() - start_ns) / (double)(member_count * rounds);
}

static int children(void *arg)
{
    size_t most = number_of(arg, 0, 1000000);
    size_t few = most < 1000 ? most : 1000;
    cost_a_child(most, 1); // the table of tasks is touched for the first time
    bench_figure("children_few", cost_a_child(few, most / few), "ns");
    bench_figure("children_many", cost_a_child(most, 1), "ns");
    return 0;
}

/* --- a tree is cancelled ---------------------------------------------------------------------- */

struct tree {
    size_t leaf_count;
    size_t waiting_count;
    weir_event all_wait;
    weir_event never;
};

struct branch {
    struct tree *tree;
    size_t leaves;
};

static int wait_in_tree(void *arg)
{
    struct branch *branch = arg;
    struct tree *tree = branch->tree;
    if (branch->leaves == 1) {
        if (++tree->waiting_count == tree->leaf_count)
            weir_event_set(&tree->all_wait);
        return weir_event_wait(&tree->never);
    }
    struct branch below = {tree, branch->leaves / 10};
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    for (int i = 0; rc == 0 && i < 10; i++)
        rc = weir_spawn(group, wait_in_tree, &below);
    return weir_group_close(group, rc);
}

static int cancel(void *arg)
{
    size_t wanted = number_of(arg, 0, 100000);
    struct tree tree = {.leaf_count = 1};
    size_t task_count = 1;
    while (tree.leaf_count * 10 <= wanted) {
        tree.leaf_count *= 10;
        task_count += tree.leaf_count;
    }
    struct branch root = {&tree, tree.leaf_count};
    weir_group *group;
    bench_must(weir_group_open(&group, NULL), "open a group");
    bench_must(weir_spawn(group, wait_in_tree, &root), "spawn");
    bench_must(weir_event_wait(&tree.all_wait), "wait for the tree");
    int64_t start_ns = bench_cpu_ns();
    weir_group_cancel(group, "measured");
    int64_t asked_ns = bench_cpu_ns() - start_ns;
    int rc = weir_group_close(group, 0);
    int64_t took_ns = bench_cpu_ns() - start_ns;
    if (rc != WEIR_CAUGHT)
        bench_must(-EIO, "end the tree by cancelling it");
    bench_figure("cancel_mark", (double)asked_ns / (double)task_count, "ns");
    bench_figure("cancel", (double)took_ns / (double)task_count, "ns");
    return 0;
}

/* --- reads are cancelled ---------------------------------------------------------------------- */

static int wait_for_bytes(void *arg)
{
    weir_conn *conn = arg;
    char data[64];
    ssize_t rc = weir_conn_read(conn, data, sizeof data);
    return rc < 0 ? (int)rc : 0;
}

static int sockets(void *arg)
{
    size_t count = number_of(arg, 0, 9000);
    weir_conn **clients = calloc(count * 2, sizeof *clients);
    weir_conn **servers = clients + count;
    weir_listener_options endless = {.read_idle_timeout_ns = WEIR_FOREVER};
    weir_listener *listener;
    weir_group *group;
    bench_must(clients == NULL ? -ENOMEM : 0, "make connections");
    bench_must(weir_listener_open(&endless, &listener), "listen");
    bench_must(weir_group_open(&group, NULL), "open a group");
    for (size_t i = 0; i < count; i++) {
        const weir_address *address = weir_listener_address(listener);
        bench_must(weir_connect_address(address, NULL, &clients[i]), "connect");
        bench_must(weir_listener_accept(listener, &servers[i]), "accept");
        bench_must(weir_spawn(group, wait_for_bytes, servers[i]), "spawn");
    }
    bench_must(weir_sleep(10 * WEIR_MS), "sleep"); // all wait in their reads
    int64_t start_ns = bench_cpu_ns();
    weir_group_cancel(group, "measured");
    int rc = weir_group_close(group, 0);
    bench_figure("cancel_reads", (double)(bench_cpu_ns() - start_ns) / (double)count, "ns");
    for (size_t i = 0; i < count * 2; i++)
        weir_conn_close(clients[i]);
    weir_listener_close(listener);
    free(clients);
    return rc == -ECANCELED ? 0 : rc;
}

/* --- a deadline each -------------------------------------------------------------------------- */

static int wait_with_deadline(void *arg)
{
    struct tree *tree = arg;
    int rc = 0;
    WEIR_TIMEOUT(rc, 3600 * WEIR_SEC)
    {
        if (++tree->waiting_count == tree->leaf_count)
            weir_event_set(&tree->all_wait);
        rc = weir_event_wait(&tree->never);
    }
    return rc;
}

static int deadlines(void *arg)
{
    struct tree tree = {.leaf_count = number_of(arg, 0, 100000)};
    double count = (double)tree.leaf_count;
    size_t base_bytes = bench_memory_bytes();
    int64_t start_ns = bench_cpu_ns();
    weir_group *group;
    bench_must(weir_group_open(&group, NULL), "open a group");
    for (size_t i = 0; i < tree.leaf_count; i++)
        bench_must(weir_spawn(group, wait_with_deadline, &tree), "spawn");
    bench_must(weir_event_wait(&tree.all_wait), "wait for all to wait");
    bench_figure("deadline_arm", (double)(bench_cpu_ns() - start_ns) / count, "ns");
    bench_figure("deadline_memory", (double)(bench_memory_bytes() - base_bytes) / count, "B");
    start_ns = bench_cpu_ns();
    weir_event_set(&tree.never);
    bench_must(weir_group_close(group, 0), "wake all");
    bench_figure("deadline_wake", (double)(bench_cpu_ns() - start_ns) / count, "ns");
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        weir_task_fn *fn;
    } parts[] = {{"pipeline", pipeline},
                 {"children", children},
                 {"cancel", cancel},
                 {"sockets", sockets},
                 {"deadlines", deadlines}};
    bench_raise_files();
    for (size_t i = 0; argc > 1 && i < sizeof parts / sizeof parts[0]; i++)
        if (strcmp(argv[1], parts[i].name) == 0)
            return weir_run(parts[i].fn, argv + 2);
    fprintf(stderr, "usage: bench_groups pipeline [items [stages]] | children [count] | "
                    "cancel [leaves] | sockets [count] | deadlines [count]\n");
    return 64;
}
