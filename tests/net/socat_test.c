/*
 * socat_test.c - a real peer: socat, for UDP and Unix sockets, on both backends
 */
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weir/group.h>
#include <weir/net.h>
#include <weir/scope.h>

#include "tests/net/peer.h"
#include "tests/support/test.h"

extern char **environ;

enum { SIZE = 300000, RETRY_MS = 20 };

/* A shell in a process group of its own, with $A and $B; 0: there is no socat here. */
static pid_t start(const char *command, const char *a, const char *b)
{
    if (system("command -v socat >/dev/null") != 0) {
        test_skip("socat is not installed");
        return 0;
    }
    setenv("A", a, 1);
    setenv("B", b, 1);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    char *const arguments[] = {"sh", "-c", (char *)(uintptr_t)command, NULL};
    pid_t pid = 0;
    EXPECT_EQ(0, posix_spawnp(&pid, "sh", NULL, &attributes, arguments, environ));
    posix_spawnattr_destroy(&attributes);
    return pid;
}

static void stop(pid_t pid)
{
    kill(-pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void make_path(char path[64], const char *name)
{
    snprintf(path, 64, "/tmp/weir-socat-%d-%s", (int)getpid(), name);
    unlink(path);
}

/* Until socat is there, which takes as long as it takes. */
static void ask_until_answered(const char *address_text)
{
    weir_address address;
    char buffer[16] = "";
    ssize_t got = -ENOENT;
    REQUIRE_RC(0, weir_address_parse(address_text, &address));
    while (got == -ENOENT || got == -ECONNREFUSED || got == -ETIMEDOUT) {
        weir_datagram *socket;
        weir_datagram_options options = {.receive_timeout_ns = RETRY_MS * WEIR_MS};
        got = weir_datagram_connect(&address, &options, &socket);
        if (got == 0) {
            got = weir_datagram_send_to(socket, "question", 8, NULL);
            if (got == 0)
                got = weir_datagram_recv_from(socket, buffer, sizeof buffer, NULL);
            weir_datagram_close(socket);
        } else {
            EXPECT_RC(0, weir_sleep(RETRY_MS * WEIR_MS));
        }
    }
    EXPECT_RC(8, got);
    EXPECT_BYTES("question", buffer, 8);
}

IO_TEST(socat_echoes_datagrams_of_udp)
{
    weir_datagram *socket;
    char text[WEIR_ADDRESS_TEXT_BYTES], port[8];
    REQUIRE_RC(0, weir_datagram_open(NULL, &socket)); // a port that is free, most likely
    weir_address_format(weir_datagram_address(socket), text);
    snprintf(port, sizeof port, "%u", (unsigned)weir_address_port(weir_datagram_address(socket)));
    weir_datagram_close(socket);
    pid_t pid = start("exec socat UDP4-RECVFROM:$A,bind=127.0.0.1,fork $B", port, "EXEC:cat");
    if (pid == 0)
        return;
    ask_until_answered(text);
    stop(pid);
}

IO_TEST(socat_echoes_datagrams_of_unix_sockets)
{
    char path[64], text[80];
    make_path(path, "dgram");
    snprintf(text, sizeof text, "unix:%s", path);
    pid_t pid = start("exec socat UNIX-RECVFROM:$A,fork $B", path, "EXEC:cat");
    if (pid == 0)
        return;
    ask_until_answered(text);
    stop(pid);
    unlink(path);
}

static int echo_datagrams(void *arg)
{
    weir_datagram *socket = arg;
    char buffer[64];
    weir_address from;
    for (;;) {
        ssize_t got = weir_datagram_recv_from(socket, buffer, sizeof buffer, &from);
        if (got < 0)
            return (int)got;
        int rc = weir_datagram_send_to(socket, buffer, (size_t)got, &from);
        if (rc < 0)
            return rc;
    }
}

/* What socat got for an answer comes to us over a Unix connection, by another socat. */
static void expect_words(weir_listener *listener, const char *words)
{
    weir_conn *conn;
    char buffer[16] = "";
    REQUIRE_RC(0, weir_listener_accept(listener, &conn));
    EXPECT_RC(0, weir_conn_read_exact(conn, buffer, strlen(words), NULL));
    EXPECT_STR(words, buffer);
    weir_conn_close(conn);
}

static void answer_socat(const char *server_address, const char *command, const char *place)
{
    char path[64], text[80];
    make_path(path, "result");
    snprintf(text, sizeof text, "unix:%s", path);
    weir_listener *listener;
    weir_datagram *server;
    weir_group *group;
    REQUIRE_RC(0, weir_listener_open(&(weir_listener_options){.address = text}, &listener));
    REQUIRE_RC(0, weir_datagram_open(&(weir_datagram_options){.address = server_address,
                                                              .receive_timeout_ns = WEIR_FOREVER},
                                     &server));
    char port[8];
    snprintf(port, sizeof port, "%u", (unsigned)weir_address_port(weir_datagram_address(server)));
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, echo_datagrams, server));
    pid_t pid = start(command, place == NULL ? port : place, path);
    if (pid != 0) {
        expect_words(listener, "hello");
        stop(pid);
    }
    weir_group_cancel(group, "socat has its answer");
    EXPECT_RC(WEIR_CAUGHT, weir_group_close(group, 0));
    weir_datagram_close(server);
    weir_listener_close(listener);
    unlink(path);
}

IO_TEST(socat_is_answered_over_udp)
{
    answer_socat("127.0.0.1:0",
                 "{ printf hello; sleep 60; } | socat - UDP4:127.0.0.1:$A |"
                 " socat -u - UNIX-CONNECT:$B",
                 NULL);
}

IO_TEST(socat_is_answered_over_unix_datagrams)
{
    char path[64], text[80];
    make_path(path, "server");
    snprintf(text, sizeof text, "unix:%s", path);
    answer_socat(text,
                 "{ printf hello; sleep 60; } | socat - UNIX-SENDTO:$A,bind=$A.client |"
                 " socat -u - UNIX-CONNECT:$B",
                 path);
    unlink(path);
    strcat(path, ".client");
    unlink(path);
}

/* --- streams ---------------------------------------------------------------------------------- */

static char sent[SIZE], back[SIZE];

struct write_and_finish {
    weir_conn *conn;
};

static int write_and_finish(struct write_and_finish *a)
{
    int rc = weir_conn_write_all(a->conn, sent, SIZE, NULL);
    return rc < 0 ? rc : weir_conn_finish(a->conn);
}

IO_TEST(socat_echoes_a_unix_stream_to_its_end)
{
    char path[64], text[80];
    make_path(path, "stream");
    snprintf(text, sizeof text, "unix:%s", path);
    weir_address address;
    REQUIRE_RC(0, weir_address_parse(text, &address));
    pid_t pid = start("exec socat -t 60 UNIX-LISTEN:$A,mode=$B EXEC:cat", path, "600");
    if (pid == 0)
        return;
    weir_conn *conn;
    int rc;
    while ((rc = weir_connect_address(&address, NULL, &conn)) == -ENOENT || rc == -ECONNREFUSED)
        EXPECT_RC(0, weir_sleep(RETRY_MS * WEIR_MS));
    REQUIRE_RC(0, rc);
    fill_pattern(sent, SIZE, 1);
    weir_credentials who;
    EXPECT_RC(0, weir_conn_peer_credentials(conn, &who));
    EXPECT_EQ(getuid(), who.uid);
    EXPECT(who.pid > 0 && who.pid != getpid());
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, write_and_finish, .conn = conn));
    EXPECT_RC(0, weir_conn_read_exact(conn, back, SIZE, NULL));
    EXPECT(is_pattern(back, SIZE, 1));
    EXPECT_RC(0, weir_conn_read(conn, back, 1)); // cat has heard our end
    EXPECT_RC(0, weir_group_close(group, 0));
    weir_conn_close(conn);
    stop(pid);
    unlink(path);
}

IO_TEST(socat_speaks_with_an_abstract_name)
{
    char name[64], text[80];
    snprintf(name, sizeof name, "weir-socat-%d", (int)getpid());
    snprintf(text, sizeof text, "unix:@%s", name);
    weir_listener *listener;
    REQUIRE_RC(0, weir_listener_open(&(weir_listener_options){.address = text}, &listener));
    pid_t pid = start("printf words | socat -u - ABSTRACT-CONNECT:$A$B", name, "");
    if (pid != 0) {
        expect_words(listener, "words");
        stop(pid);
    }
    weir_listener_close(listener);
}
