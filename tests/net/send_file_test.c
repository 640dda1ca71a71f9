/*
 * send_file_test.c - files over connections: whole, in stretches, cut short, cancelled, failed
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weir/weir.h>

#include "base/sys.h"
#include "file/file.h"
#include "net/net.h"
#include "tests/net/peer.h"
#include "tests/support/everywhere.h"
#include "tests/support/test.h"

enum { SIZE = 3 << 20 };

/* A connection whose peer is plain, and that takes little at once on every machine. */
static weir_conn *open_narrow(const weir_connect_options *options, int *out_peer)
{
    weir_conn *conn = open_pair(options, out_peer);
    EXPECT_RC(
        0, weir__sys_setsockopt_int(weir__stream_fd(&conn->stream), SOL_SOCKET, SO_SNDBUF, 100000));
    return conn;
}

/* A file with a pattern, which has no name any more. */
static weir_file *open_pattern(size_t size, bool cached)
{
    char path[] = "/tmp/weir-send-XXXXXX";
    int fd = mkstemp(path);
    char *data = malloc(size + 1);
    fill_pattern(data, size, 0);
    EXPECT(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
    free(data);
    weir_file *file = NULL;
    EXPECT_RC(0, weir_file_open(path, NULL, &file));
    unlink(path);
    if (file != NULL)
        file->not_cached = !cached; // as if the page cache had nothing
    return file;
}

struct receive {
    weir_conn *conn;
    char *data;
    size_t size;
    size_t got;
    int rc;
};

static int receive(void *arg)
{
    struct receive *r = arg;
    ssize_t n = 1;
    while (r->got < r->size &&
           (n = weir_conn_read(r->conn, r->data + r->got, r->size - r->got)) > 0)
        r->got += (size_t)n;
    r->rc = n < 0 ? (int)n : 0;
    return r->rc; // a sender would wait for its limit
}

static void send_and_compare(size_t file_size, int64_t offset, size_t size, bool cached)
{
    weir_conn *a, *b;
    weir_file *file = open_pattern(file_size, cached);
    REQUIRE(file != NULL);
    REQUIRE_RC(0, weir_conn_pair(NULL, &a, &b));
    size_t there = (uint64_t)offset >= file_size ? 0 : file_size - (size_t)offset;
    size_t expected = size < there ? size : there;
    struct receive r = {.conn = b, .data = malloc(expected + 1), .size = expected + 1};
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, receive, &r));
    size_t sent = 77;
    EXPECT_RC(0, weir_conn_send_file(a, file, offset, size, &sent));
    EXPECT_EQ(expected, sent);
    EXPECT_RC(0, weir_conn_finish(a));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(expected, r.got);
    EXPECT(is_pattern(r.data, r.got, (size_t)offset));
    free(r.data);
    weir_conn_close(a);
    weir_conn_close(b);
    EXPECT_RC(0, weir_file_close(file));
}

IO_TEST(a_file_arrives_as_it_is_whole_and_in_stretches)
{
    for (int cached = 0; cached <= 1; cached++) {
        send_and_compare(SIZE, 0, WEIR_UNLIMITED, cached);
        send_and_compare(SIZE, 12345, 1000000, cached);
        send_and_compare(10000, 0, 10000, cached);
        send_and_compare(10000, 9999, 1, cached);
        send_and_compare(0, 0, WEIR_UNLIMITED, cached);
    }
}

IO_TEST(a_file_that_ends_before_is_told_by_the_count)
{
    for (int cached = 0; cached <= 1; cached++) {
        send_and_compare(10000, 5000, 6000, cached);
        send_and_compare(10000, 10000, 1, cached);
        send_and_compare(10000, 20000, WEIR_UNLIMITED, cached);
    }
}

/* O6, O7 */
IO_TEST(who_is_cancelled_knows_how_much_the_kernel_took)
{
    for (int cached = 0; cached <= 1; cached++) {
        int peer;
        weir_conn *conn = open_narrow(NULL, &peer);
        weir_file *file = open_pattern(8 << 20, cached);
        size_t sent = 0;
        int rc = 0;
        WEIR_TIMEOUT(rc, 20 * WEIR_MS)
        {
            rc = weir_conn_send_file(conn, file, 0, WEIR_UNLIMITED, &sent);
        }
        EXPECT_RC(-ETIME, rc);
        weir_conn_close(conn);
        let_settle();
        char *back = malloc(8 << 20);
        EXPECT_EQ(sent, peer_receive(peer, back, 8 << 20));
        EXPECT(is_pattern(back, sent, 0));
        free(back);
        close(peer);
        EXPECT_RC(0, weir_file_close(file));
    }
}

IO_TEST(a_peer_that_does_not_read_is_an_error_after_the_limit_of_the_connection)
{
    int peer;
    weir_conn *conn =
        open_narrow(&(weir_connect_options){.write_stall_timeout_ns = 20 * WEIR_MS}, &peer);
    weir_file *file = open_pattern(8 << 20, true);
    size_t sent = 0;
    EXPECT_RC(-ETIMEDOUT, weir_conn_send_file(conn, file, 0, WEIR_UNLIMITED, &sent));
    EXPECT_CONTAINS("does not read", weir_failure_message(-ETIMEDOUT));
    EXPECT(sent > 0 && sent < 8 << 20);
    weir_conn_close(conn);
    close(peer);
    EXPECT_RC(0, weir_file_close(file));
}

IO_TEST(a_peer_that_has_gone_is_a_code_and_no_signal)
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    weir_file *file = open_pattern(SIZE, true);
    peer_reset(peer);
    char byte;
    EXPECT_RC(-ECONNRESET, weir_conn_read(conn, &byte, 1)); // it has been heard
    size_t sent = 1;
    int rc = weir_conn_send_file(conn, file, 0, WEIR_UNLIMITED, &sent);
    EXPECT(rc == -EPIPE || rc == -ECONNRESET);
    EXPECT_EQ(0, sent);
    EXPECT_RC(-EINVAL, weir_conn_send_file(conn, file, -1, 1, &sent));
    weir_conn_close(conn);
    EXPECT_RC(0, weir_file_close(file));
}

struct send {
    weir_conn *conn;
    weir_file *file;
    size_t sent;
};

static int send_until_closed(void *arg)
{
    struct send *s = arg;
    EXPECT_RC(-EBADF, weir_conn_send_file(s->conn, s->file, 0, WEIR_UNLIMITED, &s->sent));
    return 0;
}

IO_TEST(a_close_by_another_task_ends_it_and_the_file_may_be_closed_before)
{
    for (int cached = 0; cached <= 1; cached++) {
        int peer;
        struct send s = {.conn = open_narrow(NULL, &peer), .file = open_pattern(8 << 20, cached)};
        weir_group *group;
        REQUIRE_RC(0, weir_group_open(&group, NULL));
        EXPECT_RC(0, weir_spawn(group, send_until_closed, &s));
        EXPECT_RC(0, weir_sleep(cached ? 5 * WEIR_MS : 0));
        EXPECT_RC(-EBUSY, weir_conn_write_all(s.conn, "x", 1, NULL));
        EXPECT_RC(0, weir_file_close(s.file));
        weir_conn_close(s.conn);
        EXPECT_RC(0, weir_group_close(group, 0));
        let_settle();
        char *back = malloc(8 << 20);
        EXPECT_EQ(s.sent, peer_receive(peer, back, 8 << 20));
        free(back);
        close(peer);
    }
}

/* The promise of send_file.c: what is cached costs eight calls for each 256 KiB. */
static int close_at_once(void *arg)
{
    weir_conn_close(arg);
    return 0;
}

/* Closed while a thread reads the file and finds the socket full: nothing would ever end a wait. */
IO_TEST(a_close_while_a_thread_is_at_it_is_not_waited_out)
{
    static const char *const names[] = {NULL, "/proc/self/maps"}; // the second one is copied
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int peer;
        weir_conn *conn =
            open_pair(&(weir_connect_options){.write_stall_timeout_ns = WEIR_FOREVER}, &peer);
        weir_file *file = NULL;
        if (names[i] == NULL)
            file = open_pattern(1 << 20, false);
        else
            EXPECT_RC(0, weir_file_open(names[i], NULL, &file));
        REQUIRE(file != NULL);
        static const char filling[1 << 16];
        while (send(weir__stream_fd(&conn->stream), filling, sizeof filling, MSG_DONTWAIT) > 0)
            continue;
        weir_group *group;
        REQUIRE_RC(0, weir_group_open(&group, NULL));
        EXPECT_RC(0, weir_spawn(group, close_at_once, conn)); // runs when we wait for the thread
        EXPECT_RC(-EBADF, weir_conn_send_file(conn, file, 0, WEIR_UNLIMITED, NULL));
        EXPECT_RC(0, weir_group_close(group, 0));
        close(peer);
        EXPECT_RC(0, weir_file_close(file));
    }
}

IO_TEST(a_cached_file_costs_so_many_system_calls)
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    weir_file *file = open_pattern(100000, true);
    struct weir__sys_stats before, after;
    weir__sys_stats(&before);
    EXPECT_RC(0, weir_conn_send_file(conn, file, 0, 100000, NULL));
    weir__sys_stats(&after);
    EXPECT(after.calls - before.calls <= 4); // fstat, cachestat, preadv2, sendfile
    char *back = malloc(100000);
    EXPECT_EQ(100000, peer_receive(peer, back, 100000));
    EXPECT(is_pattern(back, 100000, 0));
    free(back);
    weir_conn_close(conn);
    close(peer);
    EXPECT_RC(0, weir_file_close(file));
}

/* --- a layer ---------------------------------------------------------------------------------- */

static int plain_write(weir_conn *conn, const weir_str *parts, size_t count, size_t *written)
{
    ++*(int *)conn->layer_state;
    return weir__net_raw_write(conn, parts, count, written);
}

static void nothing(weir_conn *conn)
{
    (void)conn;
}

IO_TEST(a_connection_with_a_layer_writes_what_is_read)
{
    static const struct weir__conn_layer layer = {
        .name = "plain", .write = plain_write, .closing = nothing, .free = nothing};
    int peer, writes = 0;
    weir_conn *conn = open_pair(NULL, &peer);
    weir_file *file = open_pattern(100000, true);
    conn->layer = &layer;
    conn->layer_state = &writes;
    size_t sent = 0;
    EXPECT_RC(0, weir_conn_send_file(conn, file, 1000, WEIR_UNLIMITED, &sent));
    EXPECT_EQ(99000, sent);
    EXPECT_EQ(2, writes);
    char *back = malloc(99000);
    EXPECT_EQ(99000, peer_receive(peer, back, 99000));
    EXPECT(is_pattern(back, 99000, 1000));
    free(back);
    weir_conn_close(conn);
    close(peer);
    EXPECT_RC(0, weir_file_close(file));
}

/* --- everywhere ------------------------------------------------------------------------------- */

static char everywhere_path[] = "/tmp/weir-send-XXXXXX";
static bool everywhere_cached;

static int send_body(void *arg)
{
    (void)arg;
    enum { STRETCH = 400000 };
    static char back[STRETCH];
    weir_conn *a, *b;
    weir_file *file;
    int rc = weir_file_open(everywhere_path, NULL, &file);
    if (rc < 0)
        return rc;
    file->not_cached = !everywhere_cached;
    rc = weir_conn_pair(NULL, &a, &b);
    if (rc < 0) {
        weir_ignore(weir_file_close(file), "it was only read");
        return rc;
    }
    struct receive r = {.conn = b, .data = back, .size = STRETCH};
    size_t sent = 0;
    weir_group *group = NULL;
    rc = weir_group_open(&group, NULL);
    if (rc == 0) {
        rc = weir_spawn(group, receive, &r);
        if (rc == 0)
            rc = weir_conn_send_file(a, file, 0, STRETCH, &sent);
        weir_conn_close(a);
        a = NULL;
        rc = weir_group_close(group, rc);
    }
    weir_conn_close(a);
    weir_conn_close(b);
    WEIR_TEST_EXPECT(sent <= STRETCH && r.got <= sent && is_pattern(back, r.got, 0)); // O6
    WEIR_TEST_EXPECT(rc < 0 || (sent == STRETCH && r.got == STRETCH));
    int closed = weir_file_close(file);
    return rc < 0 ? rc : closed;
}

TEST(sending_a_file_everywhere) /* O4 to O7, I4 */
{
    int fd = mkstemp(everywhere_path);
    char *data = malloc(SIZE);
    fill_pattern(data, SIZE, 0);
    EXPECT(write(fd, data, SIZE) == SIZE);
    close(fd);
    free(data);
    for (int cached = 0; cached <= 1; cached++) {
        everywhere_cached = cached;
        everywhere_real("send a file", (struct everywhere){send_body, NULL, NULL, 5});
    }
    unlink(everywhere_path);
}
