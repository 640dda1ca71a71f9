#include "tests/net/peer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/task.h>

#include "tests/support/test.h"

static void must(bool held, const char *what)
{
    if (held)
        return;
    perror(what);
    abort();
}

static int new_socket(const weir_address *address)
{
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0, "socket");
    return fd;
}

int peer_listen(const char *text, int backlog, weir_address *out_address)
{
    weir_address address;
    must(weir_address_parse(text, &address) == 0, text);
    int fd = new_socket(&address);
    must(bind(fd, (struct sockaddr *)&address.storage, address.size) == 0, "bind");
    must(listen(fd, backlog) == 0, "listen");
    out_address->size = sizeof out_address->storage;
    must(getsockname(fd, (struct sockaddr *)&out_address->storage, &out_address->size) == 0,
         "getsockname");
    return fd;
}

int peer_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    must(fd >= 0, "accept4");
    return fd;
}

int peer_connect(const weir_address *address)
{
    int fd = new_socket(address);
    must(connect(fd, (const struct sockaddr *)&address->storage, address->size) == 0, "connect");
    return fd;
}

void peer_send(int fd, const void *data, size_t size)
{
    must(send(fd, data, size, MSG_NOSIGNAL) == (ssize_t)size, "send");
}

size_t peer_receive(int fd, void *out, size_t size)
{
    ssize_t got = recv(fd, out, size, MSG_WAITALL);
    must(got >= 0, "recv");
    return (size_t)got;
}

void peer_reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0, "SO_LINGER");
    close(fd);
}

int peer_option(int fd, int level, int option)
{
    int value = 0;
    socklen_t size = sizeof value;
    must(getsockopt(fd, level, option, &value, &size) == 0, "getsockopt");
    return value;
}

void black_hole_open(struct black_hole *hole, const char *address)
{
    hole->count = 0;
    hole->fds[hole->count++] = peer_listen(address, 0, &hole->address);
    while (hole->count < sizeof hole->fds / sizeof hole->fds[0]) {
        int fd = new_socket(&hole->address);
        must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0, "fcntl");
        connect(fd, (struct sockaddr *)&hole->address.storage, hole->address.size);
        hole->fds[hole->count++] = fd;
    }
}

void black_hole_close(struct black_hole *hole)
{
    for (size_t i = 0; i < hole->count; i++)
        close(hole->fds[i]);
}

weir_conn *open_pair(const weir_connect_options *options, int *out_peer)
{
    weir_address address;
    int listener = peer_listen("127.0.0.1:0", 8, &address);
    weir_conn *conn = NULL;
    int rc = weir_connect_address(&address, options, &conn);
    EXPECT_RC(0, rc);
    must(rc == 0, "weir_connect_address");
    *out_peer = peer_accept(listener);
    close(listener);
    return conn;
}

weir_address closed_port(void)
{
    weir_address address;
    close(peer_listen("127.0.0.1:0", 1, &address));
    return address;
}

static unsigned char pattern_at(size_t offset)
{
    return (unsigned char)(offset * 31 + (offset >> 8) * 7 + (offset >> 16));
}

void fill_pattern(void *out, size_t size, size_t offset)
{
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)out)[i] = pattern_at(offset + i);
}

bool is_pattern(const void *data, size_t size, size_t offset)
{
    for (size_t i = 0; i < size; i++) {
        if (((const unsigned char *)data)[i] != pattern_at(offset + i))
            return false;
    }
    return true;
}

void let_settle(void)
{
    for (int i = 0; i < 4; i++)
        EXPECT_RC(0, weir_sleep(1000000));
}
