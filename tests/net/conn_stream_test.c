/*
 * conn_stream_test.c - lines over a connection
 */
#include <string.h>
#include <unistd.h>
#include <weir/scope.h>
#include <weir/stream.h>

#include "tests/net/peer.h"
#include "tests/support/test.h"

IO_TEST(lines_come_over_a_connection_and_a_silent_peer_costs_none_of_them)
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    weir_reader *reader;
    weir_str line;
    REQUIRE_RC(0, weir_conn_open_reader(conn, NULL, &reader));
    peer_send(peer, "one\r\ntw", 7);
    EXPECT_RC(1, weir_reader_read_line(reader, &line));
    EXPECT_EQ(3, line.size);
    EXPECT_BYTES("one", line.data, 3);
    EXPECT_RC(0, weir_conn_set_limits(conn, 2 * WEIR_MS, 0));
    EXPECT_RC(-ETIMEDOUT, weir_reader_read_line(reader, &line));
    int rc = 0;
    WEIR_TIMEOUT(rc, 1)
    {
        rc = weir_reader_read_line(reader, &line);
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_RC(0, weir_conn_set_limits(conn, WEIR_FOREVER, 0));
    peer_send(peer, "o\nlast", 6);
    EXPECT_RC(1, weir_reader_read_line(reader, &line));
    EXPECT_EQ(3, line.size);
    EXPECT_BYTES("two", line.data, 3);
    close(peer);
    EXPECT_RC(1, weir_reader_read_line(reader, &line));
    EXPECT_BYTES("last", line.data, 4);
    EXPECT_RC(0, weir_reader_read_line(reader, &line));
    weir_reader_close(reader);
    weir_conn_close(conn);
}

IO_TEST(what_is_written_goes_out_when_it_is_flushed)
{
    int peer;
    weir_conn *conn = open_pair(NULL, &peer);
    weir_writer *writer;
    char got[16];
    REQUIRE_RC(0, weir_conn_open_writer(conn, NULL, &writer));
    EXPECT_RC(0, weir_writer_format(writer, "%s %d\n", "line", 1));
    EXPECT(recv(peer, got, sizeof got, MSG_DONTWAIT) < 0);
    EXPECT_RC(0, weir_writer_flush(writer));
    EXPECT_EQ(7, peer_receive(peer, got, 7));
    EXPECT_BYTES("line 1\n", got, 7);
    peer_reset(peer);
    EXPECT_RC(0, weir_writer_write(writer, "more", 4, NULL));
    char byte;
    EXPECT_RC(-ECONNRESET, weir_conn_read(conn, &byte, 1)); // it has been heard
    EXPECT(weir_writer_close(writer) < 0);                  // and is not lost
    weir_conn_close(conn);
}
