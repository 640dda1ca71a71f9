/*
 * sim_net_test.c - the simulated network: what TCP promises, and how it breaks, on virtual time
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>

#include "backend/sim.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/sys.h"
#include "base/virtual.h"
#include "tests/backend/rig.h"

enum { LATENCY_MS = 10 };

static int64_t *now_ns;

static void open_net(weir_test_network settings, uint64_t seed)
{
    REQUIRE_RC(0, weir__sim_open(&backend));
    now_ns = weir__sim_clock(backend);
    if (settings.latency_ns == 0)
        settings.latency_ns = LATENCY_MS * WEIR_MS;
    REQUIRE_RC(0, weir__sim_network(&settings, seed));
}

static void close_net(void)
{
    weir__backend_close(backend);
    EXPECT_EQ(0, weir__virtual_open_count());
}

/* Whatever happens in so long. */
static void pass(int64_t duration_ns)
{
    int64_t until_ns = *now_ns + duration_ns;
    while (*now_ns < until_ns)
        weir__backend_turn(backend, until_ns - *now_ns);
    weir__backend_turn(backend, 0);
}

static struct sockaddr_in ipv4(const char *host, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    EXPECT_EQ(1, inet_pton(AF_INET, host, &address.sin_addr));
    return address;
}

static const struct sockaddr *any(const struct sockaddr_in *address)
{
    return (const struct sockaddr *)address;
}

static int listen_at(const char *host, uint16_t port, int backlog)
{
    struct sockaddr_in address = ipv4(host, port);
    int fd = weir__sys_socket(AF_INET, SOCK_STREAM, 0);
    EXPECT(fd >= WEIR__VIRTUAL_SOCKET_FIRST);
    EXPECT_RC(0, weir__sys_bind(fd, any(&address), sizeof address));
    EXPECT_RC(0, weir__sys_listen(fd, backlog));
    return fd;
}

static int start_connect(const char *host, uint16_t port)
{
    struct sockaddr_in address = ipv4(host, port);
    int fd = weir__sys_socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_RC(-EINPROGRESS, weir__sys_connect(fd, any(&address), sizeof address));
    return fd;
}

static int error_of(int fd)
{
    int error = -1;
    EXPECT_RC(0, weir__sys_getsockopt_int(fd, SOL_SOCKET, SO_ERROR, &error));
    return -error;
}

/* Connected sockets: the one that connected first. */
static void join(const char *host, int out_fds[2])
{
    int listener = listen_at(host, 80, 8);
    out_fds[0] = start_connect(host, 80);
    pass(8 * WEIR_SEC); // also where packets are lost
    EXPECT_RC(0, error_of(out_fds[0]));
    out_fds[1] = weir__sys_accept(listener, NULL, NULL);
    EXPECT(out_fds[1] >= 0);
    weir__sys_close(listener);
}

static void close_both(const int fds[2])
{
    weir__sys_close(fds[0]);
    weir__sys_close(fds[1]);
}

static void say(int fd, const char *text)
{
    EXPECT_RC((int)strlen(text), weir__sys_send(fd, text, strlen(text), 0));
}

static void expect_heard(int fd, const char *text)
{
    char heard[256] = "";
    ssize_t got = weir__sys_recv(fd, heard, sizeof heard - 1, 0);
    EXPECT_RC((int)strlen(text), got);
    EXPECT_STR(text, heard);
}

static int receive_code(int fd)
{
    char byte;
    return (int)weir__sys_recv(fd, &byte, 1, 0);
}

/* --- a connection ----------------------------------------------------------------------------- */

TEST(a_handshake_takes_a_round_trip_and_bytes_take_half_of_one)
{
    open_net((weir_test_network){0}, 0);
    int listener = listen_at("10.0.0.2", 80, 8);
    int fd = start_connect("10.0.0.2", 80);
    struct job job;
    int64_t began_ns = *now_ns;
    EXPECT_EQ(POLLOUT,
              job_run(&job, (struct weir__op){.kind = WEIR__OP_POLL, .fd = fd, .flags = POLLOUT}));
    EXPECT_EQ(2 * LATENCY_MS * WEIR_MS, *now_ns - began_ns);
    EXPECT_RC(-EAGAIN, weir__sys_accept(listener, NULL, NULL)); // its third packet is on its way
    pass(LATENCY_MS * WEIR_MS);
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    int accepted = weir__sys_accept(listener, (struct sockaddr *)&peer, &size);
    EXPECT(accepted > fd);
    struct sockaddr_in here = ipv4("10.0.0.1", 0);
    EXPECT_EQ(here.sin_addr.s_addr, peer.sin_addr.s_addr);

    say(fd, "hello");
    int unsent;
    EXPECT_RC(0, weir__sys_unsent_bytes(fd, &unsent));
    EXPECT_EQ(5, unsent);
    began_ns = *now_ns;
    char heard[8];
    EXPECT_EQ(5, job_run(&job, recv_op(accepted, heard, sizeof heard)));
    EXPECT_EQ(LATENCY_MS * WEIR_MS, *now_ns - began_ns);
    EXPECT_RC(0, weir__sys_unsent_bytes(fd, &unsent));
    EXPECT_EQ(0, unsent);
    weir__sys_close(listener);
    close_both((int[2]){fd, accepted});
    close_net();
}

TEST(one_side_finishes_and_the_other_goes_on)
{
    open_net((weir_test_network){0}, 0);
    int fds[2];
    join("127.0.0.1", fds);
    say(fds[0], "last words");
    EXPECT_RC(0, weir__sys_shutdown(fds[0], SHUT_WR));
    EXPECT_RC(-EPIPE, weir__sys_send(fds[0], "x", 1, 0));
    pass(LATENCY_MS * WEIR_MS);
    expect_heard(fds[1], "last words");
    EXPECT_RC(0, receive_code(fds[1]));
    EXPECT_RC(0, receive_code(fds[1])); // an end stays an end
    say(fds[1], "answer");
    pass(LATENCY_MS * WEIR_MS);
    expect_heard(fds[0], "answer");
    EXPECT_RC(-EAGAIN, receive_code(fds[0]));
    close_both(fds);
    close_net();
}

TEST(a_close_is_an_end_but_with_unread_bytes_it_is_a_reset)
{
    open_net((weir_test_network){0}, 0);
    int fds[2];
    join("127.0.0.1", fds);
    weir__sys_close(fds[1]);
    pass(LATENCY_MS * WEIR_MS);
    EXPECT_RC(0, receive_code(fds[0]));
    say(fds[0], "is there anybody"); // nobody knows yet
    pass(2 * LATENCY_MS * WEIR_MS);
    EXPECT_RC(-ECONNRESET, receive_code(fds[0]));
    EXPECT_RC(-EPIPE, weir__sys_send(fds[0], "x", 1, 0));
    weir__sys_close(fds[0]);

    join("127.0.0.1", fds);
    say(fds[1], "an answer before the request was read");
    say(fds[0], "a request");
    pass(LATENCY_MS * WEIR_MS);
    weir__sys_close(fds[1]);
    pass(LATENCY_MS * WEIR_MS);
    expect_heard(fds[0], "an answer before the request was read"); // what had come stays
    EXPECT_RC(-ECONNRESET, receive_code(fds[0]));
    EXPECT_RC(0, receive_code(fds[0])); // an error is told once
    weir__sys_close(fds[0]);

    join("127.0.0.1", fds);
    EXPECT_RC(0, weir__sys_reset_on_close(fds[1]));
    weir__sys_close(fds[1]);
    pass(LATENCY_MS * WEIR_MS);
    EXPECT_RC(-ECONNRESET, weir__sys_send(fds[0], "x", 1, 0));
    weir__sys_close(fds[0]);
    close_net();
}

TEST(a_sender_waits_until_the_receiver_has_room)
{
    open_net((weir_test_network){.window_bytes = 1000, .send_buffer_bytes = 3000}, 0);
    int fds[2];
    join("127.0.0.1", fds);
    static char bytes[10000];
    EXPECT_RC(3000, weir__sys_send(fds[0], bytes, sizeof bytes, 0));
    EXPECT_RC(-EAGAIN, weir__sys_send(fds[0], bytes, sizeof bytes, 0));
    pass(WEIR_SEC);
    int unsent;
    EXPECT_RC(0, weir__sys_unsent_bytes(fds[0], &unsent));
    EXPECT_EQ(2000, unsent); // the window is full: the rest stays with the sender
    EXPECT_RC(1000, weir__sys_send(fds[0], bytes, sizeof bytes, 0));

    struct job job;
    job_start(&job, send_op(fds[0], bytes, 1000));
    pass(WEIR_SEC);
    EXPECT_EQ(0, job.done_count);
    EXPECT_RC(1000, weir__sys_recv(fds[1], bytes, sizeof bytes, 0));
    pass(WEIR_SEC);
    EXPECT_EQ(1, job.done_count);
    EXPECT_EQ(1000, job.result);
    close_both(fds);
    close_net();
}

TEST(bytes_arrive_in_pieces_in_order_and_whole)
{
    open_net((weir_test_network){.segment_bytes_max = 100,
                                 .jitter_ns = 50 * WEIR_MS,
                                 .loss_per_million = 100000},
             7);
    int fds[2];
    join("127.0.0.1", fds);
    static unsigned char sent[20000];
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (unsigned char)(i * 7 + i / 251);
    EXPECT_RC((int)sizeof sent, weir__sys_send(fds[0], sent, sizeof sent, 0));
    EXPECT_RC(0, weir__sys_shutdown(fds[0], SHUT_WR));
    static unsigned char got[sizeof sent];
    size_t size = 0, pieces = 0;
    ssize_t n = 1;
    while (n > 0) {
        struct job job;
        n = job_run(&job, recv_op(fds[1], got + size, sizeof got - size + 1));
        size += n > 0 ? (size_t)n : 0;
        pieces++;
    }
    EXPECT_RC(0, n);
    EXPECT_EQ(sizeof sent, size);
    EXPECT_BYTES(sent, got, sizeof sent);
    EXPECT(pieces > 50);
    close_both(fds);
    close_net();
}

TEST(bandwidth_takes_its_time)
{
    open_net((weir_test_network){.bytes_per_second = 10000}, 0);
    int fds[2];
    join("127.0.0.1", fds);
    static char bytes[20000];
    int64_t began_ns = *now_ns;
    EXPECT_RC(20000, weir__sys_send(fds[0], bytes, sizeof bytes, 0));
    struct job job;
    EXPECT_EQ(20000, job_run(&job, recv_op(fds[1], bytes, sizeof bytes)));
    EXPECT_EQ(2 * WEIR_SEC + LATENCY_MS * WEIR_MS, *now_ns - began_ns);
    close_both(fds);
    close_net();
}

/* --- names and ports -------------------------------------------------------------------------- */

TEST(who_listens_where_is_as_in_a_kernel)
{
    open_net((weir_test_network){.sockets_max = 4}, 0);
    struct sockaddr_in address = ipv4("10.0.0.9", 80);
    int fd = weir__sys_socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_RC(-ENETUNREACH, weir__sys_connect(fd, any(&address), sizeof address));
    weir__sys_close(fd);

    fd = start_connect("127.0.0.1", 80);
    pass(2 * LATENCY_MS * WEIR_MS);
    EXPECT_RC(-ECONNREFUSED, error_of(fd));
    weir__sys_close(fd);

    int listener = listen_at("0.0.0.0", 80, 8);
    address = ipv4("127.0.0.1", 80);
    fd = weir__sys_socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_RC(-EADDRINUSE, weir__sys_bind(fd, any(&address), sizeof address));
    address = ipv4("127.0.0.1", 0);
    EXPECT_RC(0, weir__sys_bind(fd, any(&address), sizeof address));
    socklen_t size = sizeof address;
    EXPECT_RC(0, weir__sys_getsockname(fd, (struct sockaddr *)&address, &size));
    EXPECT(ntohs(address.sin_port) >= 32768);
    EXPECT_RC(-ENOTCONN, weir__sys_getpeername(fd, (struct sockaddr *)&address, &size));

    int third = weir__sys_socket(AF_INET6, SOCK_STREAM, 0);
    int fourth = weir__sys_socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT_RC(-EMFILE, weir__sys_socket(AF_INET, SOCK_STREAM, 0));
    weir__sys_close(third);
    EXPECT_EQ(third, weir__sys_socket(AF_INET6, SOCK_STREAM, 0)); // the lowest is next
    weir__sys_close(third);
    weir__sys_close(fourth);
    weir__sys_close(fd);
    weir__sys_close(listener);
    EXPECT_RC(-EBADF, weir__sys_close(listener));
    close_net();
}

TEST(a_full_queue_is_silent_until_there_is_room)
{
    open_net((weir_test_network){0}, 0);
    int listener = listen_at("127.0.0.1", 80, 0); // one may wait
    int first = start_connect("127.0.0.1", 80);
    int second = start_connect("127.0.0.1", 80);
    pass(900 * WEIR_MS);
    uint8_t byte = 0;
    EXPECT_RC(1, weir__sys_send(first, &byte, 1, 0));
    EXPECT_RC(-EAGAIN, weir__sys_send(second, &byte, 1, 0)); // still connecting
    int accepted = weir__sys_accept(listener, NULL, NULL);
    EXPECT(accepted >= 0);
    pass(WEIR_SEC); // it tries again after a second
    EXPECT_RC(1, weir__sys_send(second, &byte, 1, 0));
    weir__sys_close(listener); // nobody will take the second
    pass(WEIR_SEC);
    EXPECT_RC(-ECONNRESET, receive_code(second));
    close_both((int[2]){first, second});
    weir__sys_close(accepted);
    close_net();
}

TEST(unix_sockets_have_no_latency_and_no_partitions)
{
    open_net((weir_test_network){0}, 0);
    struct sockaddr_storage storage = {.ss_family = AF_UNIX};
    memcpy((char *)&storage + sizeof(sa_family_t), "/run/x", 7);
    socklen_t size = sizeof(sa_family_t) + 7;
    const struct sockaddr *name = (const struct sockaddr *)&storage;
    int listener = weir__sys_socket(AF_UNIX, SOCK_STREAM, 0);
    int fd = weir__sys_socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT_RC(-ECONNREFUSED, weir__sys_connect(fd, name, size));
    EXPECT_RC(0, weir__sys_bind(listener, name, size));
    EXPECT_RC(0, weir__sys_listen(listener, 0));
    EXPECT_RC(0, weir__sim_partition(NULL, NULL, 0));
    int64_t began_ns = *now_ns;
    EXPECT_RC(0, weir__sys_connect(fd, name, size));
    int accepted = weir__sys_accept(listener, NULL, NULL);
    say(fd, "here");
    struct job job;
    char heard[8];
    EXPECT_EQ(4, job_run(&job, recv_op(accepted, heard, sizeof heard)));
    EXPECT_EQ(0, *now_ns - began_ns);
    weir__sys_close(listener);
    close_both((int[2]){fd, accepted});
    close_net();
}

/* --- trouble ---------------------------------------------------------------------------------- */

TEST(what_is_lost_in_a_partition_comes_after_it)
{
    open_net((weir_test_network){0}, 0);
    int fds[2];
    join("10.0.0.2", fds);
    struct sockaddr_in peer = ipv4("10.0.0.2", 0);
    EXPECT_RC(0, weir__sim_partition(any(&peer), NULL, sizeof peer));
    say(fds[0], "can you hear me");
    pass(5 * WEIR_SEC);
    EXPECT_RC(-EAGAIN, receive_code(fds[1]));
    EXPECT_RC(0, weir__sim_heal());
    pass(10 * WEIR_SEC);
    expect_heard(fds[1], "can you hear me");
    close_both(fds);
    close_net();
}

TEST(a_sender_gives_up_and_the_receiver_knows_nothing)
{
    open_net((weir_test_network){0}, 0);
    int fds[2];
    join("10.0.0.2", fds);
    EXPECT_RC(0, weir__sys_setsockopt_int(fds[0], IPPROTO_TCP, TCP_USER_TIMEOUT, 30000));
    EXPECT_RC(0, weir__sim_partition(NULL, NULL, 0));
    say(fds[0], "can you hear me");
    pass(29 * WEIR_SEC);
    EXPECT_RC(-EAGAIN, receive_code(fds[0]));
    pass(2 * WEIR_SEC);
    EXPECT_RC(-ETIMEDOUT, receive_code(fds[0]));
    EXPECT_RC(0, weir__sim_heal());
    pass(WEIR_HOUR);
    EXPECT_RC(-EAGAIN, receive_code(fds[1])); // half-open
    say(fds[1], "are you there");
    pass(2 * LATENCY_MS * WEIR_MS);
    EXPECT_RC(-ECONNRESET, receive_code(fds[1]));
    close_both(fds);
    close_net();
}

TEST(keepalive_finds_out_about_a_peer_that_is_cut_off)
{
    open_net((weir_test_network){0}, 0);
    int fds[2];
    join("10.0.0.2", fds);
    EXPECT_RC(0, weir__sys_setsockopt_int(fds[0], SOL_SOCKET, SO_KEEPALIVE, 1));
    EXPECT_RC(0, weir__sys_setsockopt_int(fds[0], IPPROTO_TCP, TCP_KEEPIDLE, 30));
    EXPECT_RC(0, weir__sys_setsockopt_int(fds[0], IPPROTO_TCP, TCP_KEEPINTVL, 10));
    EXPECT_RC(0, weir__sys_setsockopt_int(fds[0], IPPROTO_TCP, TCP_KEEPCNT, 3));
    EXPECT_RC(0, weir__sim_partition(NULL, NULL, 0));
    pass(59 * WEIR_SEC);
    EXPECT_RC(-EAGAIN, receive_code(fds[0]));
    pass(2 * WEIR_SEC);
    EXPECT_RC(-ETIMEDOUT, receive_code(fds[0]));
    EXPECT_RC(-EAGAIN, receive_code(fds[1])); // it did not ask
    close_both(fds);
    close_net();
}

TEST(a_connect_into_a_partition_is_tried_for_two_minutes)
{
    open_net((weir_test_network){0}, 0);
    int listener = listen_at("10.0.0.2", 80, 8);
    EXPECT_RC(0, weir__sim_partition(NULL, NULL, 0));
    int fd = start_connect("10.0.0.2", 80);
    struct job job;
    int64_t began_ns = *now_ns;
    ssize_t events =
        job_run(&job, (struct weir__op){.kind = WEIR__OP_POLL, .fd = fd, .flags = POLLOUT});
    EXPECT((events & POLLERR) != 0);
    EXPECT(*now_ns - began_ns > 60 * WEIR_SEC && *now_ns - began_ns < 150 * WEIR_SEC);
    EXPECT_RC(-ETIMEDOUT, error_of(fd));
    close_both((int[2]){listener, fd});
    close_net();
}

TEST(a_host_that_is_reset_ends_all_its_connections_on_both_sides)
{
    open_net((weir_test_network){0}, 0);
    int fds[2], others[2];
    join("10.0.0.2", fds);
    join("10.0.0.3", others);
    struct sockaddr_in host = ipv4("10.0.0.2", 0);
    EXPECT_RC(0, weir__sim_reset(any(&host), sizeof host));
    pass(LATENCY_MS * WEIR_MS);
    EXPECT_RC(-ECONNRESET, receive_code(fds[0]));
    EXPECT_RC(-ECONNRESET, receive_code(fds[1]));
    EXPECT_RC(-EAGAIN, receive_code(others[0]));
    close_both(fds);
    close_both(others);
    close_net();
}

/* Opens, talks, and closes at each moment of the way. */
TEST(whoever_closes_first_and_whenever_nothing_is_left)
{
    for (int side = 0; side < 2; side++) {
        for (int64_t ms = 0; ms <= 6 * LATENCY_MS; ms += 5) {
            open_net((weir_test_network){0}, 0);
            int listener = listen_at("127.0.0.1", 80, 8);
            int fd = start_connect("127.0.0.1", 80);
            pass(ms * WEIR_MS);
            weir__sys_close(side == 0 ? listener : fd);
            pass(LATENCY_MS * WEIR_MS);
            weir__sys_close(side == 0 ? fd : listener);
            pass(WEIR_SEC);
            close_net();
        }
    }
}

TEST(a_socket_that_nobody_closed_is_counted_after_its_network_has_gone)
{
    open_net((weir_test_network){0}, 0);
    int fds_before = weir__sys_open_fd_count();
    EXPECT(weir__sys_socket(AF_INET, SOCK_STREAM, 0) >= 0);
    weir__backend_close(backend);
    EXPECT_EQ(fds_before + 1, weir__sys_open_fd_count());
}
