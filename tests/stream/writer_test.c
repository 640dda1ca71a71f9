/*
 * writer_test.c - what is written arrives, once and in order, or its writer says so
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/weir.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "stream/stream.h"
#include "tests/stream/bytes.h"
#include "tests/stream/pieces.h"
#include "tests/support/everywhere.h"
#include "tests/support/test.h"

enum { SMALL = 64, ROOM = 20000 };

/* Takes so many bytes, then fails once with a code, and takes on. */
struct drain {
    char data[ROOM];
    size_t size;
    size_t fail_at; /* 0: never */
    int code;
    int calls;
    int closed;
    bool parks;
};

static int drain_write(const weir_str *parts, size_t count, size_t *out_written, void *arg)
{
    struct drain *drain = arg;
    drain->calls++;
    *out_written = 0;
    if (drain->parks) {
        int rc = weir_yield();
        if (rc < 0)
            return rc;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t at = 0; at < parts[i].size; at++) {
            if (drain->fail_at != 0 && drain->size == drain->fail_at) {
                drain->fail_at = 0;
                return drain->code;
            }
            drain->data[drain->size++] = parts[i].data[at];
            ++*out_written;
        }
    }
    return 0;
}

static void drain_close(void *arg)
{
    ((struct drain *)arg)->closed++;
}

static weir_writer *open_drain(struct drain *drain, size_t buffer_bytes)
{
    weir_sink sink = {drain_write, drain_close, drain};
    weir_writer *writer = NULL;
    EXPECT_RC(
        0, weir_writer_open(&sink, &(weir_writer_options){.buffer_bytes = buffer_bytes}, &writer));
    return writer;
}

static struct drain drain;

TASK_TEST(small_pieces_are_written_together_when_the_buffer_is_full)
{
    memset(&drain, 0, sizeof drain);
    weir_writer *writer = open_drain(&drain, SMALL);
    char data[256];
    bytes_fill(data, sizeof data, 0);
    for (size_t i = 0; i < 64; i++)
        EXPECT_RC(0, weir_writer_write(writer, data + i, 1, NULL));
    EXPECT_EQ(0, drain.calls);
    EXPECT_EQ(64, weir_writer_unwritten(writer));
    EXPECT_RC(0, weir_writer_write(writer, data + 64, 1, NULL));
    EXPECT_EQ(1, drain.calls);
    EXPECT_EQ(1, weir_writer_unwritten(writer));
    EXPECT_RC(0, weir_writer_write(writer, data + 65, 100, NULL)); // together with what is there
    EXPECT_EQ(2, drain.calls);
    EXPECT_EQ(0, weir_writer_unwritten(writer));
    EXPECT_RC(0, weir_writer_write(writer, data + 165, 10, NULL));
    EXPECT_RC(0, weir_writer_close(writer));
    EXPECT_EQ(3, drain.calls);
    EXPECT_EQ(175, drain.size);
    EXPECT(bytes_are(drain.data, drain.size, 0));
    EXPECT_EQ(1, drain.closed);
    EXPECT_RC(0, weir_writer_close(NULL));
    weir_writer_discard(NULL);
}

/* O6: pieces of all sizes, the sink failing at each place; who writes on where `taken` says has it
 * all written once. */
TASK_TEST(a_failure_of_the_sink_loses_no_byte_and_doubles_none_wherever_it_comes)
{
    enum { SIZE = 1000 };
    char data[SIZE];
    bytes_fill(data, SIZE, 0);
    for (size_t fail_at = 1; fail_at < SIZE; fail_at++) {
        memset(&drain, 0, sizeof drain);
        drain.fail_at = fail_at;
        drain.code = -ENOSPC;
        uint64_t state = fail_at;
        weir_writer *writer = open_drain(&drain, SMALL);
        size_t at = 0, failures = 0;
        while (at < SIZE) {
            size_t size = (size_t)(pieces_draw(&state) % 150), taken;
            if (size > SIZE - at)
                size = SIZE - at;
            int rc = weir_writer_write(writer, data + at, size, &taken);
            EXPECT(taken <= size && (rc < 0 || taken == size));
            failures += rc == -ENOSPC;
            at += taken;
        }
        int rc = weir_writer_flush(writer);
        if (rc < 0)
            failures++, rc = weir_writer_flush(writer);
        EXPECT_RC(0, rc);
        EXPECT_EQ(1, failures);
        EXPECT_RC(0, weir_writer_close(writer));
        EXPECT_EQ(SIZE, drain.size);
        EXPECT(bytes_are(drain.data, SIZE, 0));
    }
}

TASK_TEST(a_close_says_what_could_not_be_written)
{
    memset(&drain, 0, sizeof drain);
    drain.fail_at = 4;
    drain.code = -ENOSPC;
    weir_writer *writer = open_drain(&drain, SMALL);
    EXPECT_RC(0, weir_writer_write(writer, "0123456789", 10, NULL));
    EXPECT_RC(-ENOSPC, weir_writer_flush(writer));
    EXPECT_EQ(6, weir_writer_unwritten(writer));
    EXPECT_RC(-ENOSPC, weir_writer_close(writer));
    EXPECT_CONTAINS("6 bytes were not written", weir_failure_message(-ENOSPC));
    EXPECT_EQ(1, drain.calls); // it was tried, and not again
    EXPECT_EQ(1, drain.closed);
}

TASK_TEST(a_close_in_a_cancelled_scope_does_not_say_that_all_is_well)
{
    memset(&drain, 0, sizeof drain);
    drain.parks = true;
    weir_writer *writer = open_drain(&drain, SMALL);
    int rc = 0;
    WEIR_TIMEOUT(rc, 1)
    {
        EXPECT_RC(0, weir_writer_write(writer, "kept", 4, NULL)); // no checkpoint
        rc = weir_sleep(1 * WEIR_SEC);
        EXPECT_RC(-ECANCELED, weir_writer_flush(writer));
        EXPECT_EQ(4, weir_writer_unwritten(writer));
        EXPECT_RC(-ECANCELED, weir_writer_close(writer));
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_EQ(0, drain.size);
    EXPECT_EQ(1, drain.closed);
    writer = open_drain(&drain, SMALL);
    EXPECT_RC(0, weir_writer_write(writer, "dropped", 7, NULL));
    weir_writer_discard(writer);
    EXPECT_EQ(0, drain.size);
}

TASK_TEST(texts_are_formed_in_the_buffer_whole_or_not_at_all)
{
    memset(&drain, 0, sizeof drain);
    weir_writer *writer = open_drain(&drain, SMALL);
    for (int i = 0; i < 20; i++)
        EXPECT_RC(0, weir_writer_format(writer, "%d %s;", i, "abcdefg"));
    EXPECT_RC(0, weir_writer_format(writer, "%064d", 1)); // fits exactly
    EXPECT_RC(-EMSGSIZE, weir_writer_format(writer, "%065d", 1));
    EXPECT_RC(0, weir_writer_format(writer, "%s", ""));
    EXPECT_RC(0, weir_writer_close(writer));
    char expected[400];
    size_t size = 0;
    for (int i = 0; i < 20; i++)
        size += (size_t)snprintf(expected + size, sizeof expected - size, "%d %s;", i, "abcdefg");
    size += (size_t)snprintf(expected + size, sizeof expected - size, "%064d", 1);
    EXPECT_EQ(size, drain.size);
    EXPECT_BYTES(expected, drain.data, size);
}

IO_TEST(a_small_piece_costs_no_allocation_and_no_system_call)
{
    weir_pipe *in, *out;
    weir_writer *writer;
    REQUIRE_RC(0, weir_pipe_open(&in, &out));
    struct weir__alloc_stats before, after;
    struct weir__sys_stats calls_before, calls_after;
    weir__base_alloc_stats(&before);
    REQUIRE_RC(0, weir_pipe_open_writer(out, NULL, &writer));
    weir__sys_stats(&calls_before);
    for (int i = 0; i < 1000; i++)
        EXPECT_RC(0, weir_writer_format(writer, "line %d\n", i));
    weir__sys_stats(&calls_after);
    EXPECT_EQ(0, calls_after.calls - calls_before.calls);
    EXPECT_RC(0, weir_writer_flush(writer));
    weir__sys_stats(&calls_after);
    EXPECT_EQ(1, calls_after.calls - calls_before.calls);
    weir__base_alloc_stats(&after);
    EXPECT_EQ(1, after.allocated_count - before.allocated_count);
    EXPECT_RC(0, weir_writer_close(writer));
    weir_pipe_close(out);
    weir_pipe_close(in);
}

struct write_lines {
    weir_pipe *pipe;
};

enum { FLOW_LINES = 20000 };

static int write_lines(struct write_lines *a)
{
    weir_writer *writer;
    int rc = weir_pipe_open_writer(a->pipe, &(weir_writer_options){.buffer_bytes = 4096}, &writer);
    for (int i = 0; rc == 0 && i < FLOW_LINES; i++)
        rc = weir_writer_format(writer, "line %d\n", i);
    rc = rc == 0 ? weir_writer_close(writer) : rc;
    weir_pipe_close(a->pipe);
    return rc;
}

IO_TEST(a_writer_waits_for_its_reader_when_the_pipe_is_full)
{
    weir_pipe *in, *out;
    weir_reader *reader;
    weir_group *group;
    REQUIRE_RC(0, weir_pipe_open(&in, &out));
    REQUIRE_RC(0, weir_pipe_open_reader(in, NULL, &reader));
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, write_lines, .pipe = out));
    size_t lines = 0;
    weir_str line;
    char expected[32];
    while (weir_reader_read_line(reader, &line) == 1) {
        int size = snprintf(expected, sizeof expected, "line %zu", lines++);
        EXPECT(line.size == (size_t)size && memcmp(line.data, expected, line.size) == 0);
    }
    EXPECT_EQ(FLOW_LINES, lines);
    EXPECT_RC(0, weir_group_close(group, 0));
    weir_reader_close(reader);
    weir_pipe_close(in);
}

/* A close that returns 0 has written all; whatever it returns, what is there is the beginning. */
static int write_everywhere(void *arg)
{
    (void)arg;
    memset(&drain, 0, sizeof drain);
    drain.parks = true;
    weir_sink sink = {drain_write, drain_close, &drain};
    weir_writer *writer;
    int rc = weir_writer_open(&sink, &(weir_writer_options){.buffer_bytes = SMALL}, &writer);
    if (rc < 0)
        return rc;
    char data[500];
    bytes_fill(data, sizeof data, 0);
    size_t taken, at = 0;
    for (size_t size = 1; rc == 0 && at < sizeof data; size += 7) {
        if (size > sizeof data - at)
            size = sizeof data - at;
        rc = weir_writer_write(writer, data + at, size, &taken);
        at += taken;
    }
    size_t unwritten = weir_writer_unwritten(writer);
    WEIR_TEST_EXPECT(drain.size + unwritten == at); // O6
    int closed = weir_writer_close(writer);
    WEIR_TEST_EXPECT(bytes_are(drain.data, drain.size, 0) && drain.closed == 1);
    WEIR_TEST_EXPECT(closed < 0 || drain.size == at);
    return rc < 0 ? rc : closed;
}

TEST(writing_everywhere_loses_no_byte_without_saying_so) /* O4, O6, I4 */
{
    everywhere_simulated("write", (struct everywhere){write_everywhere, NULL, NULL, 5});
}
