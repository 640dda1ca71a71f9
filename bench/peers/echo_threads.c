/*
 * echo_threads.c - the server of echo.c with blocking calls: a thread for each connection
 *
 *     echo_threads <port>
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../bench.h"

static int check(int rc, const char *what)
{
    if (rc < 0)
        bench_must(-errno, what);
    return rc;
}

static int open_socket(size_t port, int type)
{
    int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = check(socket(AF_INET, type | SOCK_CLOEXEC, 0), "socket");
    check(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), "SO_REUSEADDR");
    check(bind(fd, (struct sockaddr *)&address, sizeof address), "bind");
    if (type == SOCK_STREAM)
        check(listen(fd, 4096), "listen");
    return fd;
}

static void *echo(void *arg)
{
    int fd = (int)(intptr_t)arg;
    int one = 1;
    char piece[1024];
    ssize_t got;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    while ((got = recv(fd, piece, sizeof piece, 0)) > 0) {
        if (send(fd, piece, (size_t)got, MSG_NOSIGNAL) != got)
            break;
    }
    close(fd);
    return NULL;
}

static void *sink(void *arg)
{
    int fd = (int)(intptr_t)arg;
    static char piece[65536];
    ssize_t got;
    while ((got = recv(fd, piece, sizeof piece, 0)) > 0) {
    }
    if (got == 0)
        send(fd, ".", 1, MSG_NOSIGNAL);
    close(fd);
    return NULL;
}

struct server {
    int fd;
    void *(*serve)(void *arg);
};

static void *accept_all(void *arg)
{
    struct server *server = arg;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 128 * 1024); // as the tasks of weir have
    for (;;) {
        pthread_t thread;
        int fd = check(accept4(server->fd, NULL, NULL, SOCK_CLOEXEC), "accept");
        if (pthread_create(&thread, &attributes, server->serve, (void *)(intptr_t)fd) != 0)
            bench_must(-EAGAIN, "a thread");
    }
    return NULL;
}

static void *echo_datagrams(void *arg)
{
    int fd = (int)(intptr_t)arg;
    for (;;) {
        char data[2048];
        struct sockaddr_storage from;
        socklen_t size = sizeof from;
        ssize_t got = recvfrom(fd, data, sizeof data, 0, (struct sockaddr *)&from, &size);
        check((int)got, "recvfrom");
        sendto(fd, data, (size_t)got, 0, (struct sockaddr *)&from, size);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    size_t port = argc == 2 ? bench_number(argv[1], 0) : 0;
    pthread_t thread;
    if (port == 0)
        return 64;
    bench_raise_files();
    struct server servers[] = {{open_socket(port, SOCK_STREAM), echo},
                               {open_socket(port + 1, SOCK_STREAM), sink}};
    int udp = open_socket(port, SOCK_DGRAM);
    pthread_create(&thread, NULL, echo_datagrams, (void *)(intptr_t)udp);
    pthread_create(&thread, NULL, accept_all, &servers[1]);
    accept_all(&servers[0]);
    return 0;
}
