/*
 * echo_raw.c - the server of echo.c as bare system calls: the least that epoll can do
 *
 *     echo_raw <port>
 *
 * One loop, level triggered, no memory for a connection but its descriptor. It assumes that what it
 * sends back fits the socket's buffer, keeps no limits and checks next to nothing: a floor, no
 * server.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../bench.h"

enum kind { ECHO_LISTENER, SINK_LISTENER, DATAGRAMS, ECHO, SINK };

static char piece[65536];
static int epoll_fd;

static int check(int rc, const char *what)
{
    if (rc < 0)
        bench_must(-errno, what);
    return rc;
}

static void watch(int fd, enum kind kind)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)kind << 32 | (uint32_t)fd};
    check(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

static void open_socket(size_t port, int type, enum kind kind)
{
    int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = check(socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");
    check(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), "SO_REUSEADDR");
    check(bind(fd, (struct sockaddr *)&address, sizeof address), "bind");
    if (type == SOCK_STREAM)
        check(listen(fd, 4096), "listen");
    watch(fd, kind);
}

static void accept_all(int listener, enum kind kind)
{
    int one = 1;
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watch(fd, kind);
    }
}

static void take(int fd, enum kind kind)
{
    ssize_t got = recv(fd, piece, kind == ECHO ? 1024 : sizeof piece, 0);
    if (got > 0 && kind == ECHO)
        send(fd, piece, (size_t)got, MSG_NOSIGNAL);
    if (got == 0 && kind == SINK)
        send(fd, ".", 1, MSG_NOSIGNAL);
    if (got == 0 || (got < 0 && errno != EAGAIN))
        close(fd);
}

static void take_datagram(int fd)
{
    struct sockaddr_storage from;
    socklen_t size = sizeof from;
    ssize_t got = recvfrom(fd, piece, 2048, 0, (struct sockaddr *)&from, &size);
    if (got >= 0)
        sendto(fd, piece, (size_t)got, 0, (struct sockaddr *)&from, size);
}

int main(int argc, char **argv)
{
    size_t port = argc == 2 ? bench_number(argv[1], 0) : 0;
    if (port == 0)
        return 64;
    bench_raise_files();
    epoll_fd = check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    open_socket(port, SOCK_STREAM, ECHO_LISTENER);
    open_socket(port + 1, SOCK_STREAM, SINK_LISTENER);
    open_socket(port, SOCK_DGRAM, DATAGRAMS);
    for (;;) {
        struct epoll_event events[256];
        int ready = check(epoll_wait(epoll_fd, events, 256, -1), "epoll_wait");
        for (int i = 0; i < ready; i++) {
            int fd = (int)(uint32_t)events[i].data.u64;
            enum kind kind = (enum kind)(events[i].data.u64 >> 32);
            if (kind == ECHO_LISTENER || kind == SINK_LISTENER)
                accept_all(fd, kind == ECHO_LISTENER ? ECHO : SINK);
            else if (kind == DATAGRAMS)
                take_datagram(fd);
            else
                take(fd, kind);
        }
    }
}
