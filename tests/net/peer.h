/*
 * peer.h - the other side of a connection, by plain system calls
 *
 * The kernel completes a connection without the listener's help, so a test that has connected can
 * accept on the same thread without waiting: most tests need no second thread and no second task.
 */
#ifndef WEIR_TESTS_NET_PEER_H
#define WEIR_TESTS_NET_PEER_H

#include <sys/socket.h>
#include <weir/net.h>

/* --- plain sockets: blocking; they end the test when something fails that cannot -------------- */

int peer_listen(const char *address, int backlog, weir_address *out_address);
int peer_accept(int listener);
int peer_connect(const weir_address *address);
void peer_send(int fd, const void *data, size_t size);
/* Exactly so many bytes; fewer at the end of the stream. */
size_t peer_receive(int fd, void *out, size_t size);
void peer_reset(int fd); /* close, and the other side hears a reset */
int peer_option(int fd, int level, int option);

/* A listener whose queue is full: who connects to it now hears nothing. */
struct black_hole {
    weir_address address;
    int fds[16];
    size_t count;
};
void black_hole_open(struct black_hole *hole, const char *address);
void black_hole_close(struct black_hole *hole);

/* --- connections of weir ---------------------------------------------------------------------- */

/* A connection and its plain other side. */
weir_conn *open_pair(const weir_connect_options *options, int *out_peer);
/* A port where nobody listens. */
weir_address closed_port(void);
/* Bytes that differ from place to place. */
void fill_pattern(void *out, size_t size, size_t offset);
bool is_pattern(const void *data, size_t size, size_t offset);
/* Turns of the loop, so that what was closed is gone. */
void let_settle(void);

#endif
