/*
 * unix_test.c - files of sockets, descriptors on their way, who is at the other end; and sockets
 * that others have opened
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weir/group.h>
#include <weir/scope.h>
#include <weir/unix.h>

#include "base/sys.h"
#include "net/net.h"
#include "tests/net/peer.h"
#include "tests/support/everywhere.h"
#include "tests/support/test.h"

static const weir_connect_options takes_fds = {.takes_fds = true};

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* --- the file of a socket --------------------------------------------------------------------- */

/* A place for a socket, and its address; removed by the test. */
static void make_place(char path[64], char address[80])
{
    snprintf(path, 64, "/tmp/weir-unix-%d.sock", (int)getpid());
    snprintf(address, 80, "unix:%s", path);
    unlink(path);
}

static mode_t mode_of(const char *path)
{
    struct stat found = {0};
    EXPECT_EQ(0, stat(path, &found));
    EXPECT(S_ISSOCK(found.st_mode));
    return found.st_mode & 0777;
}

IO_TEST(the_file_of_a_socket_that_nobody_has_open_is_removed_and_no_other)
{
    char path[64], address[80];
    make_place(path, address);
    weir_listener_options options = {.address = address};
    weir_listener *listener, *other = NULL;
    REQUIRE_RC(0, weir_listener_open(&options, &listener));
    EXPECT_RC(-EADDRINUSE, weir_listener_open(&options, &other)); // it answers
    weir_conn *conn;
    EXPECT_RC(0, weir_connect_address(weir_listener_address(listener), NULL, &conn));
    weir_conn_close(conn);
    weir_listener_close(listener);
    EXPECT_EQ(0, access(path, F_OK)); // it stays, and nobody listens
    REQUIRE_RC(0, weir_listener_open(&options, &listener));
    weir_listener_close(listener);

    weir_datagram *datagram; // another kind of socket: nobody has it open either
    weir_datagram_options datagrams = {.address = address};
    int rc = weir_datagram_open(&datagrams, &datagram);
    EXPECT(rc == 0 || rc == -EADDRINUSE);
    if (rc == 0)
        weir_datagram_close(datagram);
    unlink(path);
    REQUIRE_RC(0, weir_datagram_open(&datagrams, &datagram));
    weir_datagram *second = NULL;
    EXPECT_RC(-EADDRINUSE, weir_datagram_open(&datagrams, &second));
    weir_datagram_close(datagram);
    REQUIRE_RC(0, weir_datagram_open(&datagrams, &datagram));
    weir_datagram_close(datagram);
    unlink(path);

    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600); // what is no socket is never touched
    close(fd);
    EXPECT_RC(-EADDRINUSE, weir_listener_open(&options, &other));
    EXPECT_EQ(0, access(path, F_OK));
    unlink(path);
}

IO_TEST(the_mode_of_the_file_is_the_one_asked_for_whatever_the_umask)
{
    char path[64], address[80];
    make_place(path, address);
    static const mode_t modes[] = {0600, 0660, 0666};
    mode_t before = umask(022);
    for (size_t i = 0; i < 3; i++) {
        weir_listener *listener;
        REQUIRE_RC(
            0, weir_listener_open(
                   &(weir_listener_options){.address = address, .unix_mode = modes[i]}, &listener));
        EXPECT_EQ(modes[i], mode_of(path));
        weir_listener_close(listener);
        weir_datagram *datagram;
        unlink(path);
        REQUIRE_RC(
            0, weir_datagram_open(
                   &(weir_datagram_options){.address = address, .unix_mode = modes[i]}, &datagram));
        EXPECT_EQ(modes[i], mode_of(path));
        weir_datagram_close(datagram);
        unlink(path);
    }
    umask(before);
    weir_listener *listener;
    EXPECT_RC(-EINVAL, weir_listener_open(&(weir_listener_options){.unix_mode = 01777}, &listener));
}

/* --- pairs ------------------------------------------------------------------------------------ */

IO_TEST(a_pair_of_connections_talks_to_itself)
{
    weir_conn *a, *b;
    REQUIRE_RC(0, weir_conn_pair(NULL, &a, &b));
    char byte;
    EXPECT_RC(0, weir_conn_write_all(a, "x", 1, NULL));
    EXPECT_RC(1, weir_conn_read(b, &byte, 1));
    EXPECT_RC(0, weir_conn_write_all(b, "y", 1, NULL));
    EXPECT_RC(0, weir_conn_finish(b));
    EXPECT_RC(1, weir_conn_read(a, &byte, 1));
    EXPECT_RC(0, weir_conn_read(a, &byte, 1));
    weir_credentials who;
    REQUIRE_RC(0, weir_conn_peer_credentials(a, &who));
    EXPECT_EQ(getpid(), who.pid);
    EXPECT_EQ(getuid(), who.uid);
    EXPECT_EQ(getgid(), who.gid);
    weir_conn_stats stats;
    EXPECT_RC(0, weir_conn_stats_get(a, &stats)); // what TCP would know is missing
    EXPECT_EQ(0, stats.rtt_ns);
    EXPECT_RC(-EOPNOTSUPP, weir_conn_set_option(a, WEIR_CONN_NO_DELAY, 1));
    EXPECT_RC(0, weir_conn_set_option(a, WEIR_CONN_SEND_BUFFER_BYTES, 50000));
    weir_conn_close(a);
    weir_conn_close(b);
}

IO_TEST(a_tcp_connection_knows_nothing_of_descriptors_and_processes)
{
    int peer, fd = STDIN_FILENO;
    weir_conn *conn = open_pair(NULL, &peer);
    weir_credentials who;
    weir_fds fds;
    char byte = 0;
    EXPECT_RC(-EOPNOTSUPP, weir_conn_peer_credentials(conn, &who));
    EXPECT_RC(-EOPNOTSUPP, weir_conn_send_fds(conn, &byte, 1, &fd, 1, NULL));
    EXPECT_RC(-EOPNOTSUPP, weir_conn_recv_fds(conn, &byte, 1, &fds));
    weir_listener *listener;
    weir_conn *other = NULL;
    EXPECT_RC(-EINVAL, weir_listener_open(&(weir_listener_options){.takes_fds = true}, &listener));
    weir_address address;
    int plain = peer_listen("127.0.0.1:0", 1, &address);
    EXPECT_RC(-EOPNOTSUPP, weir_connect_address(&address, &takes_fds, &other));
    close(plain);
    close(peer);
    weir_conn_close(conn);
}

/* --- descriptors on their way ----------------------------------------------------------------- */

/* The write end of a pipe is what is sent; returns the read end. */
static int make_pipe(int *out_write)
{
    int fds[2] = {-1, -1};
    EXPECT_EQ(0, pipe2(fds, O_CLOEXEC));
    *out_write = fds[1];
    return fds[0];
}

IO_TEST(a_descriptor_that_was_sent_means_the_same)
{
    weir_conn *a, *b;
    REQUIRE_RC(0, weir_conn_pair(&takes_fds, &a, &b));
    int write_end, read_end = make_pipe(&write_end);
    char buffer[16];
    weir_fds fds;
    size_t written = 0;
    EXPECT_RC(0, weir_conn_send_fds(a, "take", 4, &write_end, 1, &written));
    EXPECT_EQ(4, written);
    close(write_end); // it is on its way
    EXPECT_RC(4, weir_conn_recv_fds(b, buffer, sizeof buffer, &fds));
    EXPECT_BYTES("take", buffer, 4);
    REQUIRE(fds.count == 1 && !fds.lost);
    EXPECT((fcntl(fds.at[0], F_GETFD) & FD_CLOEXEC) != 0);
    EXPECT_EQ(2, write(fds.at[0], "hi", 2));
    EXPECT_EQ(2, read(read_end, buffer, sizeof buffer));
    weir_fds_close(&fds);
    EXPECT_EQ(0, fds.count);
    EXPECT_EQ(0, read(read_end, buffer, 1)); // nobody has the other end any more
    close(read_end);
    EXPECT_RC(0, weir_conn_write_all(b, "plain", 5, NULL)); // both ways, like any other
    EXPECT_RC(5, weir_conn_recv_fds(a, buffer, sizeof buffer, &fds));
    EXPECT_EQ(0, fds.count);
    EXPECT_RC(0, weir_conn_finish(a));
    EXPECT_RC(0, weir_conn_recv_fds(b, buffer, sizeof buffer, &fds));
    weir_conn_close(a);
    weir_conn_close(b);
}

IO_TEST(descriptors_that_nobody_takes_are_closed)
{
    weir_conn *a, *b;
    REQUIRE_RC(0, weir_conn_pair(&takes_fds, &a, &b));
    int write_end, read_end = make_pipe(&write_end);
    char buffer[16];
    EXPECT_RC(0, weir_conn_send_fds(a, "x", 1, &write_end, 1, NULL));
    EXPECT_RC(0, weir_conn_send_fds(a, "y", 1, &write_end, 1, NULL));
    EXPECT_RC(0, weir_conn_send_fds(a, "z", 1, &write_end, 1, NULL));
    close(write_end);
    EXPECT_RC(1, weir_conn_read(b, buffer, 1)); // a plain read drops them
    EXPECT_EQ('x', buffer[0]);
    EXPECT_RC(1, weir_conn_wait_readable(b)); // and so does a look
    EXPECT_EQ('y', weir_conn_peek(b).data[0]);
    weir_fds fds = {.count = 7};
    EXPECT_RC(1, weir_conn_recv_fds(b, buffer, 1, &fds));
    EXPECT_EQ('y', buffer[0]);
    EXPECT_EQ(0, fds.count);
    weir_conn_close(b); // and so does a close
    weir_conn_close(a);
    let_settle();
    EXPECT_EQ(0, read(read_end, buffer, 1));
    close(read_end);
}

IO_TEST(as_many_descriptors_as_fit_are_handed_out_and_it_is_told_that_others_were_lost)
{
    int ends[2], many[WEIR_FDS_MAX + 8];
    weir_conn *conn;
    EXPECT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
    REQUIRE_RC(0, weir_conn_adopt(ends[0], &takes_fds, &conn));
    for (size_t i = 0; i < sizeof many / sizeof many[0]; i++)
        many[i] = STDIN_FILENO;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof many)];
    } control = {.header = {CMSG_LEN(sizeof many), SOL_SOCKET, SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.header), many, sizeof many);
    char byte = 'x';
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control.bytes};
    int fds_before = weir__sys_open_fd_count();
    EXPECT_EQ(1, sendmsg(ends[1], &message, 0));
    weir_fds fds;
    EXPECT_RC(1, weir_conn_recv_fds(conn, &byte, 1, &fds));
    EXPECT_EQ(WEIR_FDS_MAX, fds.count);
    EXPECT(fds.lost);
    weir_fds_close(&fds);
    EXPECT_EQ(fds_before, weir__sys_open_fd_count());
    EXPECT_RC(-EINVAL, weir_conn_send_fds(conn, &byte, 1, many, WEIR_FDS_MAX + 1, NULL));
    EXPECT_RC(-EINVAL, weir_conn_send_fds(conn, &byte, 0, many, 1, NULL));
    EXPECT_RC(-EBADF, weir_conn_send_fds(conn, &byte, 1, (int[]){1 << 20}, 1, NULL));

    // None is free in this process: MSG_CTRUNC.
    EXPECT_EQ(1, sendmsg(ends[1], &message, 0));
    struct rlimit before, now;
    getrlimit(RLIMIT_NOFILE, &before);
    int free_fd = dup(STDIN_FILENO);
    close(free_fd);
    now = (struct rlimit){(rlim_t)free_fd + 2, before.rlim_max};
    EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &now));
    EXPECT_RC(1, weir_conn_recv_fds(conn, &byte, 1, &fds));
    EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &before));
    EXPECT(fds.count <= 2 && fds.lost);
    weir_fds_close(&fds);
    close(ends[1]);
    weir_conn_close(conn);
}

struct reader {
    weir_conn *conn;
    int rc;
};

static int read_fds(void *arg)
{
    struct reader *a = arg;
    char byte;
    weir_fds fds;
    a->rc = (int)weir_conn_recv_fds(a->conn, &byte, 1, &fds);
    return 0;
}

IO_TEST(a_connection_that_takes_descriptors_has_limits_and_can_be_cancelled_and_closed)
{
    weir_conn *a, *b;
    char byte;
    weir_fds fds;
    REQUIRE_RC(0, weir_conn_pair(&takes_fds, &a, &b));
    EXPECT_RC(0, weir_conn_set_limits(b, 20 * WEIR_MS, 0));
    EXPECT_RC(-ETIMEDOUT, weir_conn_recv_fds(b, &byte, 1, &fds));
    EXPECT_RC(-ETIMEDOUT, weir_conn_wait_readable(b));
    EXPECT_RC(0, weir_conn_set_limits(b, WEIR_FOREVER, 0));
    int rc = 0;
    WEIR_TIMEOUT(rc, 20 * WEIR_MS)
    {
        rc = (int)weir_conn_recv_fds(b, &byte, 1, &fds);
    }
    EXPECT_RC(-ETIME, rc);
    struct reader reader = {.conn = b};
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, read_fds, &reader));
    let_settle();
    EXPECT_RC(-EBUSY, weir_conn_recv_fds(b, &byte, 1, &fds));
    weir_conn_close(b);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-EBADF, reader.rc);
    weir_conn_close(a);
}

IO_TEST(bytes_of_a_connection_that_takes_descriptors_are_bytes_like_others)
{
    enum { SIZE = 300000 };
    static char data[SIZE], back[SIZE];
    weir_conn *a, *b;
    fill_pattern(data, SIZE, 5);
    REQUIRE_RC(0, weir_conn_pair(&takes_fds, &a, &b));
    size_t got = 0, sent = 0;
    while (got < SIZE && !test_failed()) {
        size_t piece = SIZE - sent < 50000 ? SIZE - sent : 50000;
        EXPECT_RC(0, weir_conn_write_all(a, data + sent, piece, NULL));
        sent += piece;
        EXPECT_RC(1, weir__net_conn_wait_more(b, 100)); // some of it by way of a look
        EXPECT_RC(-EMSGSIZE, weir__net_conn_wait_more(b, 4096));
        EXPECT_RC(0, weir_conn_read_exact(b, back + got, piece, NULL));
        got += piece;
    }
    EXPECT_BYTES(data, back, SIZE);
    weir_conn_close(a);
    EXPECT_RC(0, weir_conn_wait_readable(b));
    EXPECT_RC(0, weir_conn_read(b, back, 1));
    weir_conn_close(b);
}

/* --- handing over ----------------------------------------------------------------------------- */

IO_TEST(a_listener_is_handed_over_with_those_who_wait)
{
    weir_conn *a, *b;
    weir_listener *listener, *heir;
    REQUIRE_RC(0, weir_conn_pair(&takes_fds, &a, &b));
    REQUIRE_RC(0, weir_listener_open(NULL, &listener));
    int client = peer_connect(weir_listener_address(listener)); // in the queue
    int fd = weir_listener_fd(listener);
    char byte = 0;
    weir_fds fds;
    EXPECT_RC(0, weir_conn_send_fds(a, &byte, 1, &fd, 1, NULL));
    EXPECT_RC(1, weir_conn_recv_fds(b, &byte, 1, &fds));
    REQUIRE(fds.count == 1);
    REQUIRE_RC(0, weir_listener_adopt(fds.at[0], NULL, &heir));
    EXPECT(weir_address_equal(weir_listener_address(listener), weir_listener_address(heir)));
    weir_listener_close(listener);
    weir_conn *conn;
    REQUIRE_RC(0, weir_listener_accept(heir, &conn));
    peer_send(client, "x", 1);
    EXPECT_RC(1, weir_conn_read(conn, &byte, 1));
    weir_conn_close(conn);
    close(client);

    int other = peer_connect(weir_listener_address(heir)), accepted = -1; // and a connection
    weir_address peer;
    EXPECT_RC(0, weir_listener_accept_fd(heir, &peer, &accepted));
    EXPECT((fcntl(accepted, F_GETFD) & FD_CLOEXEC) != 0);
    REQUIRE_RC(0, weir_conn_adopt(accepted, NULL, &conn));
    EXPECT(weir_address_equal(&peer, weir_conn_peer_address(conn)));
    peer_send(other, "y", 1);
    EXPECT_RC(1, weir_conn_read(conn, &byte, 1));
    close(other);
    weir_conn_close(conn);
    weir_listener_close(heir);
    weir_conn_close(a);
    weir_conn_close(b);
}

IO_TEST(what_is_adopted_is_looked_at_first)
{
    weir_conn *conn = NULL;
    weir_listener *listener = NULL;
    weir_address address;
    int write_end, read_end = make_pipe(&write_end);
    EXPECT_RC(-ENOTSOCK, weir_conn_adopt(read_end, NULL, &conn));
    EXPECT(!is_open(read_end)); // taken, also on failure
    EXPECT_RC(-ENOTSOCK, weir_listener_adopt(write_end, NULL, &listener));
    EXPECT(!is_open(write_end));
    EXPECT_RC(-EINVAL, weir_conn_adopt(peer_listen("127.0.0.1:0", 1, &address), NULL, &conn));
    EXPECT_CONTAINS("is a socket that listens", weir_failure_message(-EINVAL));
    EXPECT_RC(-EINVAL, weir_listener_adopt(socket(AF_INET, SOCK_STREAM, 0), NULL, &listener));
    EXPECT_CONTAINS("is a socket that does not listen", weir_failure_message(-EINVAL));
    EXPECT_RC(-EPROTOTYPE, weir_conn_adopt(socket(AF_INET, SOCK_DGRAM, 0), NULL, &conn));
    EXPECT_RC(-ENOTCONN, weir_conn_adopt(socket(AF_INET, SOCK_STREAM, 0), NULL, &conn));
    EXPECT_CONTAINS("is not connected", weir_failure_message(-ENOTCONN));
    EXPECT_RC(-EBADF, weir_conn_adopt(-1, NULL, &conn));
    EXPECT_RC(-EBADF, weir_listener_adopt(-1, NULL, &listener));
    int ends[2];
    EXPECT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    weir_connect_options negative = {.read_idle_timeout_ns = -1};
    EXPECT_RC(-EINVAL, weir_conn_adopt(ends[0], &negative, &conn));
    EXPECT(!is_open(ends[0]));
    close(ends[1]);
    EXPECT(conn == NULL && listener == NULL);
}

/* What systemd would say: the socket is the last of those it passed. */
static void pass_on(int fd, const char *name)
{
    char number[24], names[400] = "";
    for (int i = 3; i < fd; i++)
        strncat(names, "other:", sizeof names - strlen(names) - 1);
    strncat(names, name, sizeof names - strlen(names) - 1);
    snprintf(number, sizeof number, "%d", fd - 2);
    setenv("LISTEN_FDS", number, 1);
    snprintf(number, sizeof number, "%d", (int)getpid());
    setenv("LISTEN_PID", number, 1);
    setenv("LISTEN_FDNAMES", names, 1);
}

IO_TEST(a_socket_of_the_service_manager_is_found_by_its_name)
{
    weir_listener *listener = NULL, *again = NULL;
    EXPECT_EQ(0, weir_listener_inherited_count());
    EXPECT_RC(-ENOENT, weir_listener_inherit("web", 0, NULL, &listener));
    weir_address address;
    int fd = peer_listen("127.0.0.1:0", 8, &address);
    fcntl(fd, F_SETFD, 0);
    pass_on(fd, "web");
    EXPECT_EQ(fd - 2, weir_listener_inherited_count());
    EXPECT_RC(-ENOENT, weir_listener_inherit("mail", 0, NULL, &listener));
    EXPECT_CONTAINS("no socket named mail at place 0", weir_failure_message(-ENOENT));
    EXPECT_RC(-ENOENT, weir_listener_inherit("web", 1, NULL, &listener));
    REQUIRE_RC(0, weir_listener_inherit("web", 0, NULL, &listener));
    EXPECT(weir_address_equal(&address, weir_listener_address(listener)));
    EXPECT((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    EXPECT_RC(-EBUSY, weir_listener_inherit(NULL, (size_t)(fd - 3), NULL, &again)); // by its index
    weir_listener_close(listener);
    setenv("LISTEN_PID", "1", 1); // for another process
    EXPECT_EQ(0, weir_listener_inherited_count());
}

IO_TEST(a_passed_socket_that_does_not_listen_is_refused)
{
    weir_listener *listener;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    pass_on(fd, "dns");
    EXPECT_RC(-EPROTOTYPE, weir_listener_inherit("dns", 0, NULL, &listener));
    EXPECT_CONTAINS("not one of a stream", weir_failure_message(-EPROTOTYPE));
    EXPECT(!is_open(fd));
}

/* --- everywhere ------------------------------------------------------------------------------- */

static int pass_everywhere(void *arg)
{
    (void)arg;
    weir_conn *a, *b, *adopted = NULL;
    int rc = weir_conn_pair(&takes_fds, &a, &b);
    if (rc < 0)
        return rc;
    int ends[2] = {-1, -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        abort();
    size_t written = 0;
    rc = weir_conn_send_fds(a, "abc", 3, ends, 1, &written);
    WEIR_TEST_EXPECT(written <= 3 && (rc < 0 || written == 3)); /* O6 */
    char buffer[8];
    weir_fds fds = {0};
    if (rc == 0)
        rc = (int)weir_conn_recv_fds(b, buffer, sizeof buffer, &fds);
    if (rc > 0) {
        WEIR_TEST_EXPECT(fds.count == 1 && !fds.lost); /* O4: with the bytes, or not at all */
        rc = weir_conn_adopt(fds.at[0], NULL, &adopted);
        fds.at[0] = -1;
    }
    if (rc == 0)
        rc = weir_conn_write_all(adopted, "x", 1, NULL);
    weir_fds_close(&fds);
    weir_conn_close(adopted);
    weir_conn_close(a);
    weir_conn_close(b);
    close(ends[0]);
    close(ends[1]);
    return rc;
}

TEST(descriptors_everywhere) /* O4, O5, O6, I4 */
{
    everywhere_real("pass", (struct everywhere){.body = pass_everywhere, .rounds_min = 10});
}
