/*
 * stream_test.c - what takes a connection takes one with TLS: files, relays, lines
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/weir.h>

#include "tests/support/test.h"
#include "tests/tls/pair.h"

enum { SIZE = 500000 };

static char byte_at(size_t at)
{
    return (char)(at * 7 + (at >> 10));
}

static weir_file *open_pattern(void)
{
    char path[] = "/tmp/weir-tls-XXXXXX";
    int fd = mkstemp(path);
    char *data = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = byte_at(i);
    EXPECT(fd >= 0 && write(fd, data, SIZE) == SIZE);
    close(fd);
    free(data);
    weir_file *file = NULL;
    EXPECT_RC(0, weir_file_open(path, NULL, &file));
    unlink(path);
    return file;
}

struct expect_file {
    weir_conn *conn;
};

static int expect_file(struct expect_file *a)
{
    weir_reader *reader;
    int rc = weir_conn_open_reader(a->conn, NULL, &reader);
    size_t at = 0;
    bool right = true;
    while (rc == 0) {
        weir_str view;
        rc = weir_reader_peek(reader, 1, &view);
        if (rc < 0 || view.size == 0)
            break;
        for (size_t i = 0; i < view.size; i++)
            right &= view.data[i] == byte_at(at + i);
        at += view.size;
        rc = weir_reader_skip(reader, view.size, NULL);
    }
    EXPECT_RC(0, rc);
    EXPECT_EQ(SIZE, at);
    EXPECT(right);
    weir_reader_close(reader);
    return weir_conn_finish(a->conn);
}

struct relay {
    weir_conn *first, *second;
};

static int relay(struct relay *a)
{
    weir_relay_counts counts;
    int rc = weir_relay(a->first, a->second, NULL, &counts);
    EXPECT_EQ(SIZE, counts.forth);
    EXPECT_EQ(0, counts.back);
    return rc;
}

/* A proxy that speaks TLS on one side and plainly on the other. */
IO_TEST(a_file_goes_through_tls_and_a_relay_to_a_plain_peer)
{
    struct pair tls =
        shake_hands_with((weir_tls_options){0}, (weir_tls_options){0}, NULL, "localhost");
    struct pair plain = plain_pair();
    weir_file *file = open_pattern();
    weir_group *group;
    size_t sent = 0;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, relay, .first = tls.server, .second = plain.client));
    EXPECT_RC(0, WEIR_SPAWN(group, expect_file, .conn = plain.server));
    int rc = weir_conn_send_file(tls.client, file, 0, WEIR_UNLIMITED, &sent);
    EXPECT_RC(0, rc);
    EXPECT_EQ(SIZE, sent);
    EXPECT_RC(0, weir_conn_finish(tls.client));
    char byte;
    EXPECT_RC(0, weir_conn_read(tls.client, &byte, 1)); // the end of the other side, handed on
    EXPECT_RC(0, weir_group_close(group, rc));
    EXPECT_RC(0, weir_file_close(file));
    close_pair(&tls);
    close_pair(&plain);
}

IO_TEST(lines_go_over_tls)
{
    struct pair pair =
        shake_hands_with((weir_tls_options){0}, (weir_tls_options){0}, NULL, "localhost");
    weir_writer *writer;
    weir_reader *reader;
    weir_str line;
    REQUIRE_RC(0, weir_conn_open_writer(pair.client, NULL, &writer));
    REQUIRE_RC(0, weir_conn_open_reader(pair.server, NULL, &reader));
    EXPECT_RC(0, weir_writer_format(writer, "%s\n%s\r\n", "one", "two"));
    EXPECT_RC(0, weir_writer_close(writer));
    EXPECT_RC(1, weir_reader_read_line(reader, &line));
    EXPECT_EQ(3, line.size);
    EXPECT_RC(1, weir_reader_read_line(reader, &line));
    EXPECT_BYTES("two", line.data, 3);
    weir_reader_close(reader);
    close_pair(&pair);
}
