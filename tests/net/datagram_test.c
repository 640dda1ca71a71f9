/*
 * datagram_test.c - UDP and Unix datagrams, on both backends
 */
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weir/group.h>
#include <weir/scope.h>

#include "base/fault.h"
#include "base/sys.h"
#include "net/datagram.h"
#include "tests/net/peer.h"
#include "tests/support/everywhere.h"
#include "tests/support/test.h"

static weir_datagram *open_at(const char *address)
{
    weir_datagram *socket = NULL;
    EXPECT_RC(0, weir_datagram_open(&(weir_datagram_options){.address = address}, &socket));
    return socket;
}

static weir_datagram *connect_with(const weir_datagram *other)
{
    weir_datagram *socket = NULL;
    EXPECT_RC(0, weir_datagram_connect(weir_datagram_address(other), NULL, &socket));
    return socket;
}

/* A port where nobody has a socket. */
static weir_address closed_udp_port(void)
{
    weir_datagram *socket = open_at("127.0.0.1:0");
    weir_address address = *weir_datagram_address(socket);
    weir_datagram_close(socket);
    return address;
}

/* --- there and back --------------------------------------------------------------------------- */

static void ping(const char *address)
{
    weir_datagram *server = open_at(address);
    weir_datagram *client = open_at(address);
    weir_address from;
    char buffer[16];
    EXPECT_RC(0, weir_datagram_send_to(client, "ping", 4, weir_datagram_address(server)));
    EXPECT_RC(4, weir_datagram_recv_from(server, buffer, sizeof buffer, &from));
    EXPECT_BYTES("ping", buffer, 4);
    EXPECT(weir_address_equal(weir_datagram_address(client), &from));
    EXPECT_RC(0, weir_datagram_send_to(server, "pong!", 5, &from));
    EXPECT_RC(5, weir_datagram_recv_from(client, buffer, sizeof buffer, NULL));
    EXPECT_BYTES("pong!", buffer, 5);
    weir_datagram_close(client);
    weir_datagram_close(server);
}

ANY_TEST(a_datagram_comes_with_the_address_of_who_sent_it)
{
    ping("127.0.0.1:0");
    ping("[::1]:0");
    ping(NULL);
    weir_datagram_close(NULL);
}

IO_TEST(an_ipv6_socket_takes_ipv4_unless_it_was_told_not_to)
{
    weir_datagram *both = open_at("[::]:0"), *one;
    REQUIRE_RC(0, weir_datagram_open(
                      &(weir_datagram_options){.address = "[::]:0", .ipv6_only = true}, &one));
    weir_datagram *client = open_at("127.0.0.1:0");
    weir_address to, from;
    REQUIRE_RC(0, weir_address_parse("127.0.0.1:0", &to));
    weir_address_set_port(&to, weir_address_port(weir_datagram_address(both)));
    char byte, text[WEIR_ADDRESS_TEXT_BYTES];
    EXPECT_RC(0, weir_datagram_send_to(client, "x", 1, &to));
    EXPECT_RC(1, weir_datagram_recv_from(both, &byte, 1, &from));
    EXPECT_CONTAINS("[::ffff:127.0.0.1]:", weir_address_format(&from, text));
    EXPECT_RC(0, weir_datagram_set_limits(one, 20 * WEIR_MS, 0));
    weir_address_set_port(&to, weir_address_port(weir_datagram_address(one)));
    EXPECT_RC(0, weir_datagram_send_to(client, "x", 1, &to));
    EXPECT_RC(-ETIMEDOUT, weir_datagram_recv_from(one, &byte, 1, NULL));
    weir_datagram_close(client);
    weir_datagram_close(one);
    weir_datagram_close(both);
}

ANY_TEST(borders_of_datagrams_are_kept_and_an_empty_one_is_one)
{
    weir_datagram *server = open_at(NULL), *client = connect_with(server);
    static char big[65507], back[65536];
    char buffer[8];
    fill_pattern(big, sizeof big, 0);
    EXPECT_RC(0, weir_datagram_send_to(client, "a", 1, NULL));
    EXPECT_RC(0, weir_datagram_send_to(client, NULL, 0, NULL));
    EXPECT_RC(0, weir_datagram_send_to(client, "bc", 2, NULL));
    EXPECT_RC(0, weir_datagram_send_to(client, big, sizeof big, NULL));
    EXPECT_RC(1, weir_datagram_recv_from(server, buffer, sizeof buffer, NULL));
    EXPECT_RC(0, weir_datagram_recv_from(server, buffer, sizeof buffer, NULL));
    EXPECT_RC(2, weir_datagram_recv_from(server, buffer, sizeof buffer, NULL));
    EXPECT_RC(sizeof big, weir_datagram_recv_from(server, back, sizeof back, NULL));
    EXPECT(is_pattern(back, sizeof big, 0));
    EXPECT_RC(-EMSGSIZE, weir_datagram_send_to(client, back, sizeof back, NULL));
    EXPECT_CONTAINS("65536 bytes are too many for one datagram", weir_failure_message(-EMSGSIZE));
    weir_datagram_close(client);
    weir_datagram_close(server);
}

ANY_TEST(a_datagram_that_does_not_fit_is_told_and_its_beginning_is_there)
{
    weir_datagram *server = open_at(NULL), *client = connect_with(server);
    char buffer[4] = "";
    weir_address from = {0};
    EXPECT_RC(0, weir_datagram_send_to(client, "too long", 8, NULL));
    EXPECT_RC(0, weir_datagram_send_to(client, "next", 4, NULL));
    EXPECT_RC(-EMSGSIZE, weir_datagram_recv_from(server, buffer, sizeof buffer, &from));
    EXPECT_CONTAINS("a datagram of 8 bytes from 127.0.0.1:", weir_failure_message(-EMSGSIZE));
    EXPECT_BYTES("too ", buffer, 4);
    EXPECT(weir_address_equal(weir_datagram_address(client), &from));
    EXPECT_RC(4, weir_datagram_recv_from(server, buffer, sizeof buffer, &from)); // the rest is gone
    EXPECT_BYTES("next", buffer, 4);
    weir_datagram_stats stats;
    weir_datagram_stats_get(server, &stats);
    EXPECT_EQ(2, stats.received);
    EXPECT_EQ(1, stats.cut);
    weir_datagram_stats_get(client, &stats);
    EXPECT_EQ(2, stats.sent);
    EXPECT_RC(-EINVAL, weir_datagram_recv_from(server, buffer, 0, NULL));
    EXPECT_RC(-EDESTADDRREQ, weir_datagram_send_to(server, "x", 1, NULL));
    weir_datagram_close(client);
    weir_datagram_close(server);
}

/* --- several ---------------------------------------------------------------------------------- */

enum { MANY = 100, ROOM = 16 };

static void many(const char *address, const char *client_address)
{
    weir_datagram *server = open_at(address), *client;
    REQUIRE_RC(0,
               weir_datagram_connect(weir_datagram_address(server),
                                     &(weir_datagram_options){.address = client_address}, &client));
    static char texts[MANY][8], rooms[MANY][ROOM];
    static weir_datagram_outgoing out[MANY];
    static weir_datagram_incoming in[MANY];
    for (size_t i = 0; i < MANY; i++) {
        int size = snprintf(texts[i], sizeof texts[i], "%zu", i);
        out[i] = (weir_datagram_outgoing){.data = texts[i], .size = (size_t)size};
        in[i] = (weir_datagram_incoming){.buffer = rooms[i], .buffer_bytes = ROOM};
    }
    size_t sent = 0, received = 0;
    while (sent < MANY) { // no more at once than the smallest receiver holds
        size_t count = 0;
        size_t some = MANY - sent < 10 ? MANY - sent : 10;
        EXPECT_RC(0, weir_datagram_send_many(client, out + sent, some, &count));
        EXPECT_EQ(some, count);
        sent += count;
        while (received < sent && !test_failed()) {
            ssize_t got = weir_datagram_recv_many(server, in + received, MANY - received);
            EXPECT(got > 0);
            received += got > 0 ? (size_t)got : 0;
        }
        REQUIRE(!test_failed());
    }
    for (size_t i = 0; i < MANY; i++) {
        EXPECT_EQ(out[i].size, in[i].size);
        EXPECT_EQ(out[i].size, in[i].whole_size);
        EXPECT_BYTES(texts[i], rooms[i], in[i].size);
        EXPECT(weir_address_equal(weir_datagram_address(client), &in[i].from));
    }
    EXPECT_RC(0, weir_datagram_send_many(client, NULL, 0, &sent));
    EXPECT_EQ(0, sent);
    EXPECT_RC(-EINVAL, weir_datagram_recv_many(server, in, 0));
    weir_datagram_close(client);
    weir_datagram_close(server);
}

ANY_TEST(many_datagrams_go_and_come_in_order)
{
    char server[64], client[64];
    many("127.0.0.1:0", NULL);
    snprintf(server, sizeof server, "unix:@weir-dgram-%d", (int)getpid());
    snprintf(client, sizeof client, "unix:@weir-dgram-%d-client", (int)getpid());
    many(server, client);
}

IO_TEST(one_system_call_carries_many_datagrams)
{
    weir_datagram *server = open_at(NULL), *client = connect_with(server);
    char rooms[20][ROOM];
    weir_datagram_outgoing out[20];
    weir_datagram_incoming in[20];
    for (size_t i = 0; i < 20; i++) {
        out[i] = (weir_datagram_outgoing){.data = "x", .size = 1};
        in[i] = (weir_datagram_incoming){.buffer = rooms[i], .buffer_bytes = ROOM};
    }
    struct weir__sys_stats before, after;
    weir__sys_stats(&before);
    EXPECT_RC(0, weir_datagram_send_many(client, out, 20, NULL));
    weir__sys_stats(&after);
    EXPECT_EQ(1, after.calls - before.calls);
    EXPECT_RC(20, weir_datagram_recv_many(server, in, 20)); // interface: they are there
    weir__sys_stats(&before);
    EXPECT_EQ(1, before.calls - after.calls);
    weir_datagram_close(client);
    weir_datagram_close(server);
}

IO_TEST(a_long_one_among_many_is_marked)
{
    weir_datagram *server = open_at(NULL), *client = connect_with(server);
    char rooms[2][4];
    weir_datagram_incoming in[2] = {{.buffer = rooms[0], .buffer_bytes = 4},
                                    {.buffer = rooms[1], .buffer_bytes = 4}};
    weir_datagram_outgoing out[2] = {{.data = "abc", .size = 3}, {.data = "too long", .size = 8}};
    EXPECT_RC(0, weir_datagram_send_many(client, out, 2, NULL));
    EXPECT_RC(2, weir_datagram_recv_many(server, in, 2));
    EXPECT_EQ(3, in[0].size);
    EXPECT_EQ(3, in[0].whole_size);
    EXPECT_EQ(4, in[1].size);
    EXPECT_EQ(8, in[1].whole_size);
    weir_datagram_close(client);
    weir_datagram_close(server);
}

ANY_TEST(a_send_of_many_says_how_far_it_came) /* O6 */
{
    weir_datagram *server = open_at(NULL), *client = connect_with(server);
    static char big[66000];
    size_t sent = 77;
    weir_datagram_outgoing out[3] = {
        {.data = "a", .size = 1}, {.data = big, .size = sizeof big}, {.data = "c", .size = 1}};
    EXPECT_RC(-EMSGSIZE, weir_datagram_send_many(client, out, 3, &sent));
    EXPECT_EQ(1, sent);
    weir_datagram_close(client);
    weir_datagram_close(server);
}

/* --- nobody there ----------------------------------------------------------------------------- */

IO_TEST(a_closed_port_is_told_to_who_is_connected)
{
    weir_address address = closed_udp_port();
    weir_datagram *client;
    REQUIRE_RC(0, weir_datagram_connect(&address, NULL, &client));
    char byte;
    EXPECT_RC(0, weir_datagram_send_to(client, "x", 1, NULL));
    EXPECT_RC(-ECONNREFUSED, weir_datagram_recv_from(client, &byte, 1, NULL));
    EXPECT_CONTAINS("says that nobody is there", weir_failure_message(-ECONNREFUSED));
    EXPECT_RC(0, weir_datagram_send_to(client, "x", 1, NULL)); // told once each
    EXPECT_RC(-ECONNREFUSED, weir_datagram_send_to(client, "x", 1, NULL));
    EXPECT_CONTAINS("has refused an earlier datagram", weir_failure_message(-ECONNREFUSED));

    weir_datagram *other = open_at(NULL); // who is not connected cannot know whom it is about
    EXPECT_RC(0, weir_datagram_set_limits(other, 20 * WEIR_MS, 0));
    EXPECT_RC(0, weir_datagram_send_to(other, "x", 1, &address));
    EXPECT_RC(-ETIMEDOUT, weir_datagram_recv_from(other, &byte, 1, NULL));
    weir_datagram_close(other);
    weir_datagram_close(client);
}

ANY_TEST(no_wait_for_a_datagram_is_endless_unless_somebody_wrote_so)
{
    weir_datagram *socket = open_at(NULL);
    EXPECT_EQ(10 * WEIR_SEC, socket->receive_ns);
    EXPECT_EQ(10 * WEIR_SEC, socket->send_ns);
    char byte, text[WEIR_ADDRESS_TEXT_BYTES], expected[120];
    EXPECT_RC(-EINVAL, weir_datagram_set_limits(socket, -1, 0));
    EXPECT_RC(0, weir_datagram_set_limits(socket, 20 * WEIR_MS, 0));
    EXPECT_RC(-ETIMEDOUT, weir_datagram_recv_from(socket, &byte, 1, NULL));
    snprintf(expected, sizeof expected, "no datagram for 20 ms on %s",
             weir_address_format(weir_datagram_address(socket), text));
    EXPECT_STR(expected, weir_failure_message(-ETIMEDOUT));
    weir_datagram_incoming one = {.buffer = &byte, .buffer_bytes = 1};
    EXPECT_RC(-ETIMEDOUT, weir_datagram_recv_many(socket, &one, 1));
    EXPECT_RC(0, weir_datagram_set_limits(socket, WEIR_FOREVER, WEIR_FOREVER));
    int rc = 0;
    WEIR_TIMEOUT(rc, 20 * WEIR_MS)
    {
        rc = (int)weir_datagram_recv_from(socket, &byte, 1, NULL);
    }
    EXPECT_RC(-ETIME, rc); // that of the scope around
    weir_datagram_close(socket);
}

ANY_TEST(a_cancelled_receive_takes_no_datagram) /* O1, O4 */
{
    weir_datagram *server = open_at(NULL), *client = connect_with(server);
    char buffer[4];
    int rc = 0, inner = 0;
    WEIR_TIMEOUT(rc, 20 * WEIR_MS)
    {
        rc = inner = (int)weir_datagram_recv_from(server, buffer, sizeof buffer, NULL);
    }
    EXPECT_RC(-ECANCELED, inner);
    EXPECT_RC(-ETIME, rc);
    rc = 0;
    WEIR_TIMEOUT(rc, 0)
    {
        EXPECT_RC(-ECANCELED, weir_datagram_send_to(client, "no", 2, NULL));
        rc = (int)weir_datagram_recv_from(server, buffer, sizeof buffer, NULL);
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_RC(0, weir_datagram_send_to(client, "yes", 3, NULL));
    EXPECT_RC(3, weir_datagram_recv_from(server, buffer, sizeof buffer, NULL));
    weir_datagram_close(client);
    weir_datagram_close(server);
}

struct receiver {
    weir_datagram *socket;
    int rc;
    char byte;
};

static int receive_byte(void *arg)
{
    struct receiver *a = arg;
    a->rc = (int)weir_datagram_recv_from(a->socket, &a->byte, 1, NULL);
    return 0;
}

static int receive_late(void *arg) // its socket is closed while it waits
{
    struct receiver *a = arg;
    weir_datagram_incoming one = {.buffer = &a->byte, .buffer_bytes = 1};
    a->rc = (int)weir_datagram_recv_many(a->socket, &one, 1);
    return 0;
}

ANY_TEST(several_tasks_receive_and_each_datagram_goes_to_one)
{
    weir_datagram *server = open_at(NULL), *client = connect_with(server);
    struct receiver receivers[5];
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    for (int i = 0; i < 5; i++) {
        receivers[i] = (struct receiver){.socket = server};
        EXPECT_RC(0, weir_spawn(group, receive_byte, &receivers[i]));
    }
    let_settle();
    for (int i = 0; i < 5; i++)
        EXPECT_RC(0, weir_datagram_send_to(client, &"abcde"[i], 1, NULL));
    EXPECT_RC(0, weir_group_close(group, 0));
    int sum = 0;
    for (int i = 0; i < 5; i++) {
        EXPECT_RC(1, receivers[i].rc);
        sum += receivers[i].byte;
    }
    EXPECT_EQ('a' + 'b' + 'c' + 'd' + 'e', sum);
    weir_datagram_close(client);
    weir_datagram_close(server);
}

ANY_TEST(closing_a_socket_ends_the_waits_on_it) /* O8 */
{
    weir_datagram *server = open_at(NULL);
    weir_address address = *weir_datagram_address(server);
    struct receiver receivers[2] = {{.socket = server}, {.socket = server}};
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, receive_byte, &receivers[0]));
    EXPECT_RC(0, weir_spawn(group, receive_late, &receivers[1]));
    let_settle();
    weir_datagram_close(server);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_RC(-EBADF, receivers[0].rc);
    EXPECT_RC(-EBADF, receivers[1].rc);
    char text[WEIR_ADDRESS_TEXT_BYTES];
    weir_datagram_close(open_at(weir_address_format(&address, text))); // the port is free again
}

/* --- options ---------------------------------------------------------------------------------- */

IO_TEST(what_cannot_be_opened_is_refused_with_a_word)
{
    weir_datagram *socket = NULL, *first = open_at(NULL);
    char text[WEIR_ADDRESS_TEXT_BYTES], expected[200];
    weir_address_format(weir_datagram_address(first), text);
    EXPECT_RC(-EADDRINUSE, weir_datagram_open(&(weir_datagram_options){.address = text}, &socket));
    snprintf(expected, sizeof expected,
             "cannot open datagrams on %s: EADDRINUSE: address already in use", text);
    EXPECT_STR(expected, weir_failure_message(-EADDRINUSE));
    EXPECT_RC(-EINVAL, weir_datagram_open(&(weir_datagram_options){.address = "dns:53"}, &socket));
    EXPECT_CONTAINS("no datagrams on 'dns:53'", weir_failure_message(-EINVAL));
    EXPECT_RC(-EADDRNOTAVAIL,
              weir_datagram_open(&(weir_datagram_options){.address = "192.0.2.1:0"}, &socket));
    EXPECT_RC(-EINVAL,
              weir_datagram_open(&(weir_datagram_options){.multicast_hops = 256}, &socket));
    EXPECT_RC(-EINVAL,
              weir_datagram_open(&(weir_datagram_options){.receive_timeout_ns = -1}, &socket));
    EXPECT_RC(-EINVAL, weir_datagram_connect(NULL, NULL, &socket));
    EXPECT(socket == NULL);
    weir_datagram_close(first);
}

IO_TEST(buffer_sizes_and_drops_can_be_seen)
{
    weir_datagram *server, *client;
    weir_datagram_options options = {.receive_buffer_bytes = 4096, .send_buffer_bytes = 100000};
    REQUIRE_RC(0, weir_datagram_open(&options, &server));
    weir_datagram_stats stats;
    weir_datagram_stats_get(server, &stats);
    EXPECT_EQ(8192, stats.receive_buffer_bytes); // the kernel doubles it: socket(7)
    EXPECT_EQ(200000, stats.send_buffer_bytes);
    EXPECT_EQ(0, stats.dropped);
    client = connect_with(server);
    char data[1000] = "";
    for (int i = 0; i < 50; i++)
        EXPECT_RC(0, weir_datagram_send_to(client, data, sizeof data, NULL)); // "sent"
    weir_datagram_stats_get(server, &stats);
    EXPECT(stats.dropped > 20);
    weir_datagram_close(client);
    weir_datagram_close(server);
}

IO_TEST(broadcasts_are_sent_by_who_says_so)
{
    weir_address everybody;
    REQUIRE_RC(0, weir_address_parse("127.255.255.255:9", &everybody));
    weir_datagram *quiet = open_at("127.0.0.1:0"), *loud;
    REQUIRE_RC(0, weir_datagram_open(&(weir_datagram_options){.broadcast = true}, &loud));
    EXPECT_RC(-EACCES, weir_datagram_send_to(quiet, "x", 1, &everybody));
    EXPECT_CONTAINS("for a broadcast, set the option", weir_failure_message(-EACCES));
    EXPECT_RC(0, weir_datagram_send_to(loud, "x", 1, &everybody));
    weir_datagram_close(quiet);
    weir_datagram_close(loud);
}

static void hear_a_group(const char *wildcard, const char *group_text)
{
    unsigned interface = strchr(wildcard, '[') == NULL ? if_nametoindex("lo") : 0;
    weir_datagram_options options = {
        .address = wildcard, .reuse_port = true, .interface = interface};
    weir_datagram *ears[2], *mouth;
    weir_address group, from;
    char text[WEIR_ADDRESS_TEXT_BYTES], buffer[8];
    REQUIRE_RC(0, weir_address_parse(group_text, &group));
    REQUIRE_RC(0, weir_datagram_open(&options, &ears[0]));
    uint16_t port = weir_address_port(weir_datagram_address(ears[0]));
    options.address = weir_address_format(weir_datagram_address(ears[0]), text);
    REQUIRE_RC(0, weir_datagram_open(&options, &ears[1]));
    options =
        (weir_datagram_options){.address = wildcard, .interface = interface, .multicast_hops = 1};
    REQUIRE_RC(0, weir_datagram_open(&options, &mouth));
    for (int i = 0; i < 2; i++) {
        EXPECT_RC(0, weir_datagram_join(ears[i], &group, interface));
        EXPECT_RC(-EADDRINUSE, weir_datagram_join(ears[i], &group, interface));
    }
    weir_address_set_port(&group, port);
    int sent = weir_datagram_send_to(mouth, "hear", 4, &group);
    if (sent == -ENETUNREACH || sent == -EADDRNOTAVAIL) {
        test_skip("there is no way to a multicast group");
    } else {
        EXPECT_RC(0, sent);
        for (int i = 0; i < 2; i++) { // both, though they share the port
            EXPECT_RC(4, weir_datagram_recv_from(ears[i], buffer, sizeof buffer, &from));
            EXPECT_EQ(weir_address_port(weir_datagram_address(mouth)), weir_address_port(&from));
        }
    }
    EXPECT_RC(0, weir_datagram_leave(ears[0], &group, interface));
    EXPECT_RC(-EADDRNOTAVAIL, weir_datagram_leave(ears[0], &group, interface));
    EXPECT_RC(-EINVAL, weir_datagram_join(ears[0], weir_datagram_address(mouth), interface));
    for (int i = 0; i < 2; i++)
        weir_datagram_close(ears[i]);
    weir_datagram_close(mouth);
}

IO_TEST(a_multicast_reaches_all_who_joined)
{
    hear_a_group("0.0.0.0:0", "239.255.7.7:0");
}

IO_TEST(a_multicast_of_ipv6_reaches_all_who_joined)
{
    hear_a_group("[::]:0", "[ff02::7777]:0");
}

/* --- Unix ------------------------------------------------------------------------------------- */

ANY_TEST(a_unix_datagram_can_be_answered)
{
    char text[64];
    snprintf(text, sizeof text, "unix:@weir-dgram-%d", (int)getpid());
    weir_datagram *server = open_at(text), *client = connect_with(server);
    char buffer[8];
    weir_address from;
    EXPECT_RC(0, weir_datagram_send_to(client, "ask", 3, NULL));
    EXPECT_RC(3, weir_datagram_recv_from(server, buffer, sizeof buffer, &from));
    EXPECT(weir_address_equal(weir_datagram_address(client), &from)); // a name was made up for it
    EXPECT_RC(0, weir_datagram_send_to(server, "answer", 6, &from));
    EXPECT_RC(6, weir_datagram_recv_from(client, buffer, sizeof buffer, NULL));
    weir_datagram_close(server);
    EXPECT_RC(-ECONNREFUSED, weir_datagram_send_to(client, "x", 1, NULL));
    weir_datagram_close(client);
}

static int receive_all_soon(void *arg)
{
    weir_datagram *server = arg;
    char byte;
    int rc = weir_sleep(5 * WEIR_MS);
    for (int i = 0; rc == 0 && i < 1000; i++) // none of them empty
        rc = weir_datagram_recv_from(server, &byte, 1, NULL) == 1 ? 0 : -EIO;
    return rc;
}

static void fill_and_wait(const char *name, bool connected)
{
    char text[64];
    snprintf(text, sizeof text, "unix:@weir-%s-%d", name, (int)getpid());
    weir_datagram *server = open_at(text), *client;
    const weir_address *to = connected ? NULL : weir_datagram_address(server);
    snprintf(text, sizeof text, "unix:@weir-%s-client-%d", name, (int)getpid());
    client = connected ? connect_with(server) : open_at(text);
    EXPECT_RC(0, weir_datagram_set_limits(client, 0, 20 * WEIR_MS));
    int rc, sent = 0;
    while ((rc = weir_datagram_send_to(client, "x", 1, to)) == 0)
        sent++;
    EXPECT_RC(-ETIMEDOUT, rc); // a queue is short (net.unix.max_dgram_qlen)
    EXPECT_CONTAINS("it does not read", weir_failure_message(-ETIMEDOUT));
    EXPECT_RC(0, weir_datagram_set_limits(client, 0, WEIR_HOUR));
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, receive_all_soon, server));
    while (sent < 1000 && (rc = weir_datagram_send_to(client, "x", 1, to)) == 0)
        sent++;
    EXPECT_RC(0, rc); // none is lost, none is refused
    EXPECT_RC(0, weir_group_close(group, 0));
    weir_datagram_close(client);
    weir_datagram_close(server);
}

IO_TEST(a_unix_receiver_that_is_full_is_waited_for_within_the_limit)
{
    fill_and_wait("full", true);
}

IO_TEST(a_unix_receiver_that_is_full_is_waited_for_by_who_is_not_connected)
{
    fill_and_wait("full-too", false);
}

/* --- everywhere ------------------------------------------------------------------------------- */

static int exchange(void *arg)
{
    (void)arg;
    weir_datagram *server = NULL, *client = NULL;
    char rooms[3][ROOM];
    weir_datagram_outgoing out[2] = {{.data = "b", .size = 1}, {.data = "c", .size = 1}};
    weir_datagram_incoming in[3];
    for (int i = 0; i < 3; i++)
        in[i] = (weir_datagram_incoming){.buffer = rooms[i], .buffer_bytes = ROOM};
    int rc = weir_datagram_open(NULL, &server);
    if (rc == 0)
        rc = weir_datagram_connect(weir_datagram_address(server), NULL, &client);
    if (rc == 0)
        rc = weir_datagram_send_to(client, "a", 1, NULL);
    size_t sent = 0;
    if (rc == 0)
        rc = weir_datagram_send_many(client, out, 2, &sent);
    WEIR_TEST_EXPECT(sent <= 2 && (rc < 0 || sent == 2)); /* O6 */
    weir_address from;
    if (rc == 0)
        rc = (int)weir_datagram_recv_from(server, rooms[0], ROOM, &from);
    if (rc > 0)
        rc = (int)weir_datagram_recv_many(server, in, 3);
    WEIR_TEST_EXPECT(rc < 0 || rc == 2);
    if (rc > 0)
        rc = weir_datagram_send_to(server, "d", 1, &from);
    if (rc == 0)
        rc = (int)weir_datagram_recv_from(client, rooms[0], ROOM, NULL);
    weir_datagram_close(client);
    weir_datagram_close(server);
    return rc < 0 ? rc : 0;
}

TEST(datagrams_everywhere) /* O4, O5, O6, I4 */
{
    everywhere_real("exchange", (struct everywhere){.body = exchange, .rounds_min = 10});
}

static int lose_none(void *arg)
{
    (void)arg;
    weir_datagram *server, *client;
    int rc = weir_datagram_open(NULL, &server);
    if (rc < 0)
        return rc;
    rc = weir_datagram_connect(weir_datagram_address(server), NULL, &client);
    if (rc < 0) {
        weir_datagram_close(server);
        return rc;
    }
    int sent = 0, received = 0;
    for (int i = 0; i < 3 && rc >= 0; i++) {
        rc = weir_datagram_send_to(client, "x", 1, NULL);
        sent += rc == 0;
        char byte;
        if (rc == 0)
            rc = (int)weir_datagram_recv_from(server, &byte, 1, NULL);
        received += rc == 1;
    }
    char bytes[4]; // what was not handed out is still there
    while (recv(server->fd, bytes, sizeof bytes, MSG_DONTWAIT) == 1)
        received++;
    WEIR_TEST_EXPECT(sent == received);
    weir_datagram_close(client);
    weir_datagram_close(server);
    return rc < 0 ? rc : 0;
}

TEST(no_cancellation_loses_a_datagram) /* O4, case 293 */
{
    everywhere_real("lose none", (struct everywhere){.body = lose_none, .rounds_min = 6});
}
