/*
 * loops.c - what it costs to reach another loop, and how connections spread over several
 *
 *     bench_loops wake [divisor]               one way to a thread that sleeps; a flood to one that
 *                                              works
 *     bench_loops accept LOOPS CONNECTIONS     how many each loop gets: by the kernel's hash of a
 *                                              shared port, and by one acceptor that hands each to
 *                                              the less loaded of two
 *
 * Times are those of the wall, since both sides sleep; of a push it is the sender's CPU. The floors
 * are two plain threads that wake each other through eventfds and through a futex, and a list that
 * senders push to with one exchange.
 *
 * Runs on  a loop that looks after the others, and theirs.
 */
#include <linux/futex.h>
#include <math.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weir/weir.h>

#include "bench.h"
#include "core/core.h"

enum { ROUNDS = 50000, FLOOD = 1000000 };

static size_t divisor = 1;

static size_t scaled(size_t count)
{
    return count / divisor < 100 ? 100 : count / divisor;
}

static void one_way(const char *name, int64_t start_ns, size_t rounds)
{
    bench_figure(name, (double)(bench_now_ns() - start_ns) / (double)rounds / 2, "ns");
}

/* --- floors ----------------------------------------------------------------------------------- */

static int bells[2];
static size_t floor_rounds;

static void must_move(ssize_t size)
{
    bench_must(size == sizeof(uint64_t) ? 0 : -5, "use an eventfd");
}

static void *answer_bells(void *arg)
{
    uint64_t one = 1;
    for (size_t i = 0; i < floor_rounds; i++) {
        must_move(read(bells[0], &one, sizeof one));
        one = 1;
        must_move(write(bells[1], &one, sizeof one));
    }
    return arg;
}

static void floor_eventfd(void)
{
    pthread_t thread;
    uint64_t one = 1;
    floor_rounds = scaled(ROUNDS);
    bells[0] = eventfd(0, EFD_CLOEXEC);
    bells[1] = eventfd(0, EFD_CLOEXEC);
    bench_must(-pthread_create(&thread, NULL, answer_bells, NULL), "start a thread");
    int64_t start_ns = bench_now_ns();
    for (size_t i = 0; i < floor_rounds; i++) {
        one = 1;
        must_move(write(bells[0], &one, sizeof one));
        must_move(read(bells[1], &one, sizeof one));
    }
    one_way("floor_eventfd", start_ns, floor_rounds);
    pthread_join(thread, NULL);
    close(bells[0]);
    close(bells[1]);
}

static uint32_t turn; /* whose it is; atomic */

static void wait_for_turn(uint32_t mine)
{
    uint32_t now;
    while ((now = __atomic_load_n(&turn, __ATOMIC_ACQUIRE)) != mine)
        syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
}

static void give_turn(uint32_t theirs)
{
    __atomic_store_n(&turn, theirs, __ATOMIC_RELEASE);
    syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *answer_turns(void *arg)
{
    for (size_t i = 0; i < floor_rounds; i++) {
        wait_for_turn(1);
        give_turn(0);
    }
    return arg;
}

static void floor_futex(void)
{
    pthread_t thread;
    bench_must(-pthread_create(&thread, NULL, answer_turns, NULL), "start a thread");
    int64_t start_ns = bench_now_ns();
    for (size_t i = 0; i < floor_rounds; i++) {
        give_turn(1);
        wait_for_turn(0);
    }
    one_way("floor_futex", start_ns, floor_rounds);
    pthread_join(thread, NULL);
}

/* --- one way to a loop that sleeps ------------------------------------------------------------ */

static int until_told(size_t index, void *arg)
{
    (void)index, (void)arg;
    return weir_wait_stopping();
}

static weir_loops *open_loops(size_t count, weir_loops_fn *fn, void *arg)
{
    weir_loops *loops;
    bench_must(weir_loops_open(&(weir_loops_options){.count = count}, fn, arg, &loops),
               "open loops");
    return loops;
}

static void close_loops(weir_loops *loops)
{
    weir_loops_stop(loops, 0, NULL);
    bench_must(weir_loops_close(loops, 0), "close loops");
}

/* A post that goes there and comes back to wake its task. */
struct ball {
    struct weir__post post;
    weir_loop *home;
    weir_task *player;
};

static void come_home(struct weir__post *post)
{
    weir__core_wake(WEIR__CONTAINER(post, struct ball, post)->player, 0);
}

static void send_back(struct weir__post *post)
{
    struct ball *ball = WEIR__CONTAINER(post, struct ball, post);
    ball->post.run = come_home;
    bench_must(weir__core_post(ball->home, &ball->post), "post");
}

static void measure_post(void)
{
    weir_loops *loops = open_loops(1, until_told, NULL);
    struct ball ball = {.home = weir__core_loop(), .player = weir__core_task()};
    size_t rounds = scaled(ROUNDS);
    weir__core_external_begin(ball.home);
    int64_t start_ns = bench_now_ns();
    for (size_t i = 0; i < rounds; i++) {
        ball.post.run = send_back;
        bench_must(weir__core_post(weir_loops_at(loops, 0), &ball.post), "post");
        bench_must(weir__core_park(WEIR_WAIT_OTHER, NULL, NULL), "wait");
    }
    one_way("wake_post", start_ns, rounds);
    weir__core_external_end(ball.home);
    close_loops(loops);
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void measure_call(void)
{
    weir_loops *loops = open_loops(1, until_told, NULL);
    size_t rounds = scaled(ROUNDS);
    int64_t start_ns = bench_now_ns();
    for (size_t i = 0; i < rounds; i++)
        bench_must(weir_remote_call(weir_loops_at(loops, 0), do_nothing, NULL), "call");
    one_way("wake_call", start_ns, rounds);
    close_loops(loops);
}

struct line {
    weir_shared_channel *there, *back;
};

static int echo(size_t index, void *arg)
{
    struct line *line = arg;
    int item, rc;
    (void)index;
    while ((rc = weir_shared_channel_recv(line->there, &item)) == 0 && rc == 0)
        rc = weir_shared_channel_send(line->back, &item);
    return rc == -EPIPE ? 0 : rc;
}

static void measure_channel(void)
{
    struct line line;
    weir_channel_options options = {.item_bytes = sizeof(int), .capacity = 1};
    bench_must(weir_shared_channel_new(&options, &line.there), "make a channel");
    bench_must(weir_shared_channel_new(&options, &line.back), "make a channel");
    weir_loops *loops = open_loops(1, echo, &line);
    size_t rounds = scaled(ROUNDS);
    int64_t start_ns = bench_now_ns();
    for (size_t i = 0; i < rounds; i++) {
        int item = 1;
        bench_must(weir_shared_channel_send(line.there, &item), "send");
        bench_must(weir_shared_channel_recv(line.back, &item), "receive");
    }
    one_way("wake_channel", start_ns, rounds);
    weir_shared_channel_close(line.there);
    close_loops(loops);
    weir_shared_channel_release(line.there);
    weir_shared_channel_release(line.back);
}

/* --- a flood ---------------------------------------------------------------------------------- */

static struct weir__post *flood;
static size_t flood_count, arrived_count;

static void arrive(struct weir__post *post)
{
    (void)post;
    arrived_count++;
}

static int read_count(void *arg)
{
    *(size_t *)arg = arrived_count;
    return 0;
}

static double thread_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void make_flood(void)
{
    flood_count = scaled(FLOOD);
    flood = calloc(flood_count, sizeof *flood);
    bench_must(flood == NULL ? -12 : 0, "allocate");
    for (size_t i = 0; i < flood_count; i++)
        flood[i].run = arrive;
}

/* The least that a queue for several senders needs: one exchange of its head for each, while
 * somebody takes all of it out. */
static struct weir__post *head; /* atomic */
static bool flood_over;         /* atomic */

static void *take_all(void *arg)
{
    while (!__atomic_load_n(&flood_over, __ATOMIC_ACQUIRE) ||
           __atomic_load_n(&head, __ATOMIC_RELAXED) != NULL) {
        struct weir__post *post = __atomic_exchange_n(&head, NULL, __ATOMIC_ACQUIRE);
        for (; post != NULL; post = post->next)
            post->run(post);
    }
    return arg;
}

static void floor_flood(void)
{
    pthread_t thread;
    make_flood();
    bench_must(-pthread_create(&thread, NULL, take_all, NULL), "start a thread");
    double start_ns = thread_cpu_ns();
    for (size_t i = 0; i < flood_count; i++) {
        flood[i].next = __atomic_load_n(&head, __ATOMIC_RELAXED);
        while (!__atomic_compare_exchange_n(&head, &flood[i].next, &flood[i], true,
                                            __ATOMIC_RELEASE, __ATOMIC_RELAXED))
            continue;
    }
    bench_figure("floor_push", (thread_cpu_ns() - start_ns) / (double)flood_count, "ns");
    __atomic_store_n(&flood_over, true, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    free(flood);
}

/* What a push costs the sender while the loop takes them out, and what all of it takes. */
static void measure_flood(void)
{
    make_flood();
    weir_loops *loops = open_loops(1, until_told, NULL);
    weir_loop *loop = weir_loops_at(loops, 0);
    int64_t start_ns = bench_now_ns();
    double start_cpu_ns = thread_cpu_ns();
    for (size_t i = 0; i < flood_count; i++)
        bench_must(weir__core_post(loop, &flood[i]), "post");
    double pushed_ns = thread_cpu_ns() - start_cpu_ns;
    size_t count = 0;
    while (count < flood_count)
        bench_must(weir_remote_call(loop, read_count, &count), "call");
    bench_figure("flood_push", pushed_ns / (double)flood_count, "ns");
    bench_figure("flood_all", (double)(bench_now_ns() - start_ns) / (double)flood_count, "ns");
    close_loops(loops);
    free(flood);
}

static int measure_wake(void *arg)
{
    measure_post();
    measure_call();
    measure_channel();
    measure_flood();
    (void)arg;
    return 0;
}

/* --- the spread of connections ---------------------------------------------------------------- */

enum { LOOPS_MOST = 64 };

struct service {
    size_t loop_count, connection_count;
    char address[WEIR_ADDRESS_TEXT_BYTES];
    bool one_acceptor;
    weir_shared_event *listening, *taken;
    size_t counts[LOOPS_MOST]; /* by the loop that has it */
};

/* A connection lives as a task of its loop until its peer goes. */
static int hold_conn(struct service *service, size_t index, weir_conn *conn)
{
    char byte;
    service->counts[index]++;
    weir_shared_event_post(service->taken);
    ssize_t got = weir_conn_read(conn, &byte, 1);
    weir_conn_close(conn);
    return got < 0 && got != -ECONNRESET ? (int)got : 0;
}

struct held {
    struct service *service;
    weir_conn *conn;
    size_t index;
};
static int held(struct held *a)
{
    return hold_conn(a->service, a->index, a->conn);
}

struct handed {
    struct service *service;
    int fd;
};

static int take_over(void *arg)
{
    struct handed handed = *(struct handed *)arg;
    free(arg);
    size_t index;
    weir_conn *conn;
    bench_must(weir_loops_self(&index) == NULL ? -5 : 0, "know the loop");
    int rc = weir_conn_adopt(handed.fd, NULL, &conn);
    return rc < 0 ? rc : hold_conn(handed.service, index, conn);
}

static void refuse(void *arg, int rc)
{
    (void)arg;
    bench_must(rc, "hand a connection over");
}

static int accept_and_hand_over(struct service *service, weir_listener *listener)
{
    int fd, rc;
    while ((rc = weir_listener_accept_fd(listener, NULL, &fd)) == 0) {
        struct handed *handed = malloc(sizeof *handed);
        bench_must(handed == NULL ? -12 : 0, "allocate");
        *handed = (struct handed){service, fd};
        weir_loop *loop = weir_loops_choose(weir_loops_self(NULL), NULL);
        bench_must(weir_remote_spawn(loop, take_over, handed, refuse), "hand over");
    }
    return rc;
}

struct acceptor {
    struct service *service;
    weir_listener *listener;
    weir_group *group;
    size_t index;
};
static int acceptor(struct acceptor *a)
{
    if (a->service->one_acceptor)
        return accept_and_hand_over(a->service, a->listener);
    weir_conn *conn;
    int rc;
    while ((rc = weir_listener_accept(a->listener, &conn)) == 0)
        bench_must(
            WEIR_SPAWN(a->group, held, .service = a->service, .conn = conn, .index = a->index),
            "spawn");
    return rc;
}

static int serve(size_t index, void *arg)
{
    struct service *service = arg;
    weir_listener *listener = NULL;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    bench_must(rc, "open a group");
    if (index == 0 || !service->one_acceptor) {
        weir_listener_options options = {.address = service->address, .reuse_port = true};
        bench_must(weir_listener_open(&options, &listener), "listen");
        rc = WEIR_SPAWN(group, acceptor, .service = service, .listener = listener, .group = group,
                        .index = index);
    }
    weir_shared_event_post(service->listening);
    if (rc == 0)
        rc = weir_wait_stopping();
    weir_group_cancel(group, "done");
    rc = weir_group_close(group, rc);
    weir_listener_close(listener);
    return rc < 0 ? rc : 0;
}

static int wait_until(weir_shared_event *event, uint64_t count)
{
    uint64_t seen = weir_shared_event_count(event);
    int rc = 0;
    while (seen < count && rc == 0)
        rc = weir_shared_event_wait(event, seen, &seen);
    return rc;
}

static void tell_spread(const struct service *service, const char *name)
{
    double mean = (double)service->connection_count / (double)service->loop_count;
    double least = mean, most = mean, squares = 0;
    for (size_t i = 0; i < service->loop_count; i++) {
        double count = (double)service->counts[i];
        least = count < least ? count : least;
        most = count > most ? count : most;
        squares += (count - mean) * (count - mean);
    }
    char text[64];
    snprintf(text, sizeof text, "%s_least", name);
    bench_figure(text, least, "connections");
    snprintf(text, sizeof text, "%s_most", name);
    bench_figure(text, most, "connections");
    snprintf(text, sizeof text, "%s_deviation", name);
    bench_figure(text, sqrt(squares / (double)service->loop_count) / mean * 100, "%");
}

static void measure_spread(struct service *service, bool one_acceptor, const char *name)
{
    weir_listener *first;
    service->one_acceptor = one_acceptor;
    memset(service->counts, 0, sizeof service->counts);
    bench_must(weir_shared_event_new(&service->listening), "make an event");
    bench_must(weir_shared_event_new(&service->taken), "make an event");
    bench_must(weir_listener_open(&(weir_listener_options){.reuse_port = true}, &first), "listen");
    weir_address address = *weir_listener_address(first);
    weir_address_format(&address, service->address);
    weir_loops *loops = open_loops(service->loop_count, serve, service);
    bench_must(wait_until(service->listening, service->loop_count), "wait");
    weir_listener_close(first);

    weir_conn **conns = calloc(service->connection_count, sizeof(weir_conn *));
    bench_must(conns == NULL ? -12 : 0, "allocate");
    for (size_t i = 0; i < service->connection_count; i++)
        bench_must(weir_connect_address(&address, NULL, &conns[i]), "connect");
    bench_must(wait_until(service->taken, service->connection_count), "wait");
    tell_spread(service, name);
    for (size_t i = 0; i < service->connection_count; i++)
        weir_conn_close(conns[i]);
    free(conns);
    close_loops(loops);
    weir_shared_event_release(service->listening);
    weir_shared_event_release(service->taken);
}

static int measure_accept(void *arg)
{
    measure_spread(arg, false, "shared_port");
    measure_spread(arg, true, "one_acceptor");
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "wake") == 0) {
        divisor = bench_number(argc > 2 ? argv[2] : NULL, 1);
        floor_eventfd();
        floor_futex();
        floor_flood();
        return weir_run(measure_wake, NULL);
    }
    if (strcmp(what, "accept") == 0 && argc == 4) {
        struct service service = {.loop_count = bench_number(argv[2], 2),
                                  .connection_count = bench_number(argv[3], 64)};
        if (service.loop_count > 0 && service.loop_count <= LOOPS_MOST)
            return weir_run(measure_accept, &service);
    }
    fprintf(stderr, "usage: bench_loops wake [DIVISOR] | accept LOOPS CONNECTIONS\n");
    return 2;
}
