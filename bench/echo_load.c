/*
 * echo_load.c - the load of the TCP and UDP figures; no part of weir is in it
 *
 *     bench_echo_load echo <port> <connections> <seconds>   64 bytes there and back, one message of
 *                                                           each connection under way at a time
 *     bench_echo_load churn <port> <connections> <seconds>  connect, one message, close
 *     bench_echo_load bulk <port> <MiB>                     one connection to the sink, port + 1
 *     bench_echo_load udp <port> <in flight> <seconds>      64 bytes by UDP
 *     bench_echo_load idle <port> <count> [http]            so many connections, one message or
 *                                                           request each; `ready`; until the end
 *                                                           of its input
 *
 * A thread with an epoll loop, meant to be cheaper than every server. Messages of the first tenth
 * of the time do not count for the latencies.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

enum {
    MESSAGE_BYTES = 64,
    EVENTS = 256,
    STEP_NS = 1000,     /* of the table of latencies */
    STEPS = 1 << 21,    /* up to two seconds */
    PORTS_EACH = 20000, /* connections from one address */
};

struct client {
    int fd;
    size_t got;
    int64_t sent_at_ns;
};

static struct {
    struct sockaddr_in server;
    int epoll_fd;
    int64_t counts_from_ns;
    uint64_t count;
    uint32_t steps[STEPS];
} all;

static void add_latency(int64_t now_ns, int64_t took_ns)
{
    all.count++;
    size_t step = (size_t)took_ns / STEP_NS;
    if (now_ns >= all.counts_from_ns)
        all.steps[step < STEPS ? step : STEPS - 1]++;
}

static double percentile(double share)
{
    uint64_t total = 0;
    uint64_t seen = 0;
    for (size_t i = 0; i < STEPS; i++)
        total += all.steps[i];
    for (size_t i = 0; i < STEPS; i++) {
        seen += all.steps[i];
        if ((double)seen >= share * (double)total)
            return ((double)i + 0.5) * STEP_NS / 1e3;
    }
    return 0;
}

static void tell(int64_t took_ns)
{
    bench_figure("messages", (double)all.count, "n");
    bench_figure("rate", (double)all.count * 1e9 / (double)took_ns, "per_s");
    bench_figure("p50", percentile(0.50), "us");
    bench_figure("p99", percentile(0.99), "us");
}

static int check(int rc, const char *what)
{
    if (rc < 0)
        bench_must(-errno, what);
    return rc;
}

/* Connected; blocking until then. More than fit on one address come from the next ones. */
static int connect_one(size_t number, int type)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    int one = 1;
    int fd = check(socket(AF_INET, type | SOCK_CLOEXEC, 0), "socket");
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(number / PORTS_EACH));
    if (number >= PORTS_EACH) {
        check(setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one), "option");
        check(bind(fd, (struct sockaddr *)&from, sizeof from), "bind");
    }
    check(connect(fd, (struct sockaddr *)&all.server, sizeof all.server), "connect");
    if (type == SOCK_STREAM)
        check(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one), "TCP_NODELAY");
    return fd;
}

static void send_message(struct client *client, int64_t now_ns)
{
    static const char message[MESSAGE_BYTES] = "a message of 64 bytes, as many services send them";
    client->got = 0;
    client->sent_at_ns = now_ns;
    if (send(client->fd, message, sizeof message, MSG_NOSIGNAL) != MESSAGE_BYTES)
        bench_must(-EIO, "send");
}

static void open_client(struct client *client, size_t number, int type)
{
    client->fd = connect_one(number, type);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    check(epoll_ctl(all.epoll_fd, EPOLL_CTL_ADD, client->fd, &event), "epoll_ctl");
}

/* A whole message has come back, with what it took. */
static bool has_come(struct client *client, int64_t now_ns)
{
    char back[MESSAGE_BYTES];
    ssize_t got = recv(client->fd, back, sizeof back - client->got, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return false;
    if (got <= 0)
        bench_must(got < 0 ? -errno : -EPIPE, "the server has closed a connection");
    client->got += (size_t)got;
    if (client->got < MESSAGE_BYTES)
        return false;
    add_latency(now_ns, now_ns - client->sent_at_ns);
    return true;
}

/* With a reset: tens of thousands in TIME_WAIT would use up the ports. */
static void drop(int fd)
{
    struct linger now = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

static void go_on(struct client *client, bool churn, int64_t now_ns)
{
    if (churn) {
        drop(client->fd);
        now_ns = bench_now_ns(); // connecting counts as well
        open_client(client, 0, SOCK_STREAM);
    }
    send_message(client, now_ns);
}

static int run_closed_loop(size_t count, int type, bool churn, size_t seconds)
{
    struct client *clients = calloc(count, sizeof *clients);
    bench_must(clients == NULL ? -ENOMEM : 0, "clients");
    for (size_t i = 0; i < count; i++)
        open_client(&clients[i], i, type);
    int64_t begun_ns = bench_now_ns();
    int64_t end_ns = begun_ns + (int64_t)seconds * 1000000000;
    all.counts_from_ns = begun_ns + (end_ns - begun_ns) / 10;
    for (size_t i = 0; i < count; i++)
        send_message(&clients[i], bench_now_ns());
    int64_t now_ns;
    while ((now_ns = bench_now_ns()) < end_ns) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(all.epoll_fd, events, EVENTS, 2000);
        if (ready <= 0) // UDP may lose one: not on loopback, one at a time
            bench_must(ready < 0 ? -errno : -ETIMEDOUT, "the server does not answer");
        now_ns = bench_now_ns();
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            if (has_come(client, now_ns))
                go_on(client, churn, now_ns);
        }
    }
    tell(now_ns - begun_ns);
    for (size_t i = 0; i < count; i++)
        drop(clients[i].fd);
    free(clients);
    return 0;
}

static int run_bulk(size_t mebibytes)
{
    enum { PIECE = 256 * 1024 };
    static char piece[PIECE];
    int fd = connect_one(0, SOCK_STREAM);
    int64_t begun_ns = bench_now_ns();
    for (size_t left = mebibytes << 20; left > 0;) {
        ssize_t sent = send(fd, piece, left < PIECE ? left : PIECE, MSG_NOSIGNAL);
        left -= (size_t)check((int)sent, "send");
    }
    check(shutdown(fd, SHUT_WR), "shutdown");
    if (recv(fd, piece, 1, 0) != 1)
        bench_must(-EPIPE, "the server did not take it all");
    double seconds = (double)(bench_now_ns() - begun_ns) / 1e9;
    bench_figure("messages", (double)mebibytes, "n");
    bench_figure("bulk", (double)(mebibytes << 20) / seconds / 1e9, "GBps");
    close(fd);
    return 0;
}

static int run_idle(size_t count, bool http)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: here\r\n\r\n";
    int *fds = calloc(count, sizeof *fds);
    bench_must(fds == NULL ? -ENOMEM : 0, "connections");
    for (size_t i = 0; i < count; i++) {
        char back[1024];
        const char *data = http ? request : "ping";
        size_t size = strlen(data);
        fds[i] = connect_one(i, SOCK_STREAM);
        if (send(fds[i], data, size, MSG_NOSIGNAL) != (ssize_t)size)
            bench_must(-EIO, "send");
        if (recv(fds[i], back, sizeof back, 0) <= 0)
            bench_must(-EPIPE, "no answer");
    }
    printf("ready\n");
    fflush(stdout);
    while (getchar() != EOF) {
    }
    for (size_t i = 0; i < count; i++)
        drop(fds[i]);
    free(fds);
    return 0;
}

int main(int argc, char **argv)
{
    size_t port = argc > 3 ? bench_number(argv[2], 0) : 0;
    size_t count = argc > 3 ? bench_number(argv[3], 0) : 0;
    size_t seconds = argc > 4 ? bench_number(argv[4], 0) : 0;
    bench_raise_files();
    all.epoll_fd = check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    all.server = (struct sockaddr_in){.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (port > 0 && count > 0 && strcmp(argv[1], "idle") == 0)
        return run_idle(count, argc > 4 && strcmp(argv[4], "http") == 0);
    if (port > 0 && count > 0 && strcmp(argv[1], "bulk") == 0) {
        all.server.sin_port = htons((uint16_t)(port + 1));
        return run_bulk(count);
    }
    if (port > 0 && count > 0 && seconds > 0) {
        if (strcmp(argv[1], "echo") == 0)
            return run_closed_loop(count, SOCK_STREAM, false, seconds);
        if (strcmp(argv[1], "churn") == 0)
            return run_closed_loop(count, SOCK_STREAM, true, seconds);
        if (strcmp(argv[1], "udp") == 0)
            return run_closed_loop(count, SOCK_DGRAM, false, seconds);
    }
    fprintf(stderr, "usage: bench_echo_load echo|churn|udp <port> <count> <seconds> |"
                    " bulk <port> <MiB> | idle <port> <count> [http]\n");
    return 64;
}
