/*
 * rx_test.c - receiving sides on both backends: small, large, slow, hungry, ended, and stopped
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/sys.h"
#include "tests/backend/rig.h"

ON_BOTH(a_small_message_is_announced_and_read)
{
    int fds[2];
    tcp_pair(fds);
    struct inbox inbox = {0};
    inbox_arm(&inbox, fds[1]);
    EXPECT(!weir__backend_pending(backend)); // at rest
    put(fds[0], "hello", 5);
    TURN_UNTIL(inbox.event_count > 0);
    EXPECT_EQ(1, inbox.event_count);
    EXPECT_EQ(5, inbox.rx.unread_bytes);
    size_t size;
    const char *data = weir__rx_peek(backend, &inbox.rx, &size);
    REQUIRE(data != NULL);
    EXPECT_EQ(5, size);
    EXPECT_BYTES("hello", data, 5);
    weir__rx_consume(backend, &inbox.rx, 2);
    data = weir__rx_peek(backend, &inbox.rx, &size);
    EXPECT_EQ(3, size);
    EXPECT_BYTES("llo", data, 3);
    weir__rx_consume(backend, &inbox.rx, 3);
    EXPECT(weir__rx_peek(backend, &inbox.rx, &size) == NULL);
    inbox_close(&inbox);
    close_fd(fds[0]);
}

ON_BOTH(bytes_that_were_there_before_are_received)
{
    int fds[2];
    stream_pair(fds);
    put(fds[0], "early", 5);
    struct inbox inbox = {0};
    inbox_arm(&inbox, fds[1]);
    TURN_UNTIL(inbox.rx.unread_bytes == 5);
    inbox_close(&inbox);
    close_fd(fds[0]);
}

ON_BOTH(receiving_goes_on_where_an_operation_on_the_descriptor_left_off)
{
    int fds[2];
    stream_pair(fds);
    char byte;
    struct job job;
    job_start(&job, recv_op(fds[1], &byte, 1));
    put(fds[0], "xrest", 5);
    job_wait(&job);
    struct inbox inbox = {0};
    inbox_arm(&inbox, fds[1]);
    TURN_UNTIL(inbox.rx.unread_bytes == 4);
    inbox_close(&inbox);
    close_fd(fds[0]);
}

ON_BOTH(an_event_comes_once_a_turn)
{
    int fds[2];
    stream_pair(fds);
    struct inbox inbox = {0};
    inbox_arm(&inbox, fds[1]);
    weir__backend_turn(backend, 0);
    static char block[30000];
    put(fds[0], block, sizeof block); // more than one buffer
    int turns = 0;
    while (inbox.rx.unread_bytes < sizeof block && turns++ < 100) {
        int before = inbox.event_count;
        weir__backend_turn(backend, 100 * WEIR_MS);
        EXPECT(inbox.event_count <= before + 1);
    }
    EXPECT_EQ(sizeof block, inbox.rx.unread_bytes);
    inbox_close(&inbox);
    close_fd(fds[0]);
}

/* --- pausing ---------------------------------------------------------------------------------- */

static void fill_with_pattern(unsigned char *bytes, size_t size)
{
    uint64_t random = 42;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)weir__base_random_next(&random);
}

/* Sends as much as fits, in pieces of random size; returns how much of it went in total. */
static size_t push_more(int fd, const unsigned char *bytes, size_t sent, size_t size,
                        uint64_t *random)
{
    while (sent < size) {
        size_t piece = 1 + weir__base_random_next(random) % 20000;
        if (piece > size - sent)
            piece = size - sent;
        ssize_t went = send(fd, bytes + sent, piece, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (went < 0)
            break;
        sent += (size_t)went;
    }
    return sent;
}

/* How much more than unread_max may lie unread. */
static size_t overshoot(void)
{
    if (!rig_on_uring() || strstr(backend->features.detail, "capped") != NULL)
        return WEIR__RX_BUFFER_BYTES - 1; // the last read is a whole buffer
    return (size_t)4 << 20; // an older kernel may use up all buffers that it was given
}

static void stream_to_a_slow_reader(int fds[2], size_t unread_max)
{
    enum { SIZE = 1 << 20 };
    static unsigned char sent_bytes[SIZE], got_bytes[SIZE];
    fill_with_pattern(sent_bytes, SIZE);
    struct inbox inbox = {.rx.unread_max = unread_max};
    inbox_arm(&inbox, fds[1]);

    size_t sent = 0, got = 0, most = 0;
    bool paused = false;
    uint64_t random = 5;
    int64_t give_up_ns = weir_now() + 30 * WEIR_SEC;
    while (got < SIZE && weir_now() < give_up_ns) {
        sent = push_more(fds[0], sent_bytes, sent, SIZE, &random);
        weir__backend_turn(backend, 0);
        if (inbox.rx.unread_bytes > most)
            most = inbox.rx.unread_bytes;
        paused |= inbox.rx.paused;
        size_t want = 1 + weir__base_random_next(&random) % 3000; // less than comes
        if (want > SIZE - got)
            want = SIZE - got;
        got += inbox_read(&inbox, got_bytes + got, want);
    }
    EXPECT_EQ(SIZE, got);
    EXPECT_BYTES(sent_bytes, got_bytes, SIZE);
    EXPECT(paused);
    EXPECT(most <= unread_max + overshoot());
    EXPECT_EQ(0, inbox.rx.error);
    inbox_close(&inbox);
    close_fd(fds[0]);
}

ON_BOTH(a_slow_reader_gets_a_long_stream_exactly_and_holds_it_back)
{
    int fds[2];
    stream_pair(fds);
    stream_to_a_slow_reader(fds, 64 * 1024);
}

ON_BOTH(a_slow_reader_holds_a_tcp_stream_back)
{
    int fds[2];
    tcp_pair(fds);
    stream_to_a_slow_reader(fds, 10000);
}

ON_BOTH(a_paused_side_rests_until_it_is_read)
{
    int fds[2];
    stream_pair(fds);
    struct inbox inbox = {.rx.unread_max = 5000};
    inbox_arm(&inbox, fds[1]);
    size_t sent = fill(fds[0]);
    TURN_UNTIL(inbox.rx.paused);
    for (int i = 0; i < 10; i++)
        weir__backend_turn(backend, 0);
    size_t unread = inbox.rx.unread_bytes;
    int events = inbox.event_count;
    for (int i = 0; i < 10; i++)
        weir__backend_turn(backend, 1 * WEIR_MS);
    EXPECT_EQ(unread, inbox.rx.unread_bytes);
    EXPECT_EQ(events, inbox.event_count);
    EXPECT(unread <= 5000 + overshoot());

    inbox.reads = true;
    inbox.read_bytes = inbox_read(&inbox, NULL, SIZE_MAX);
    TURN_UNTIL(inbox.read_bytes == sent);
    inbox_close(&inbox);
    close_fd(fds[0]);
}

/* --- the pool --------------------------------------------------------------------------------- */

enum { CROWD = 2000, CROWD_BUFFERS = 1024 };

static size_t total_unread(const struct inbox *crowd)
{
    size_t total = 0;
    for (int i = 0; i < CROWD; i++)
        total += crowd[i].rx.unread_bytes;
    return total;
}

static uint64_t total_read(const struct inbox *crowd)
{
    uint64_t total = 0;
    for (int i = 0; i < CROWD; i++)
        total += crowd[i].read_bytes;
    return total;
}

ON_BOTH(two_thousand_connections_share_fewer_buffers_and_none_is_forgotten)
{
    raise_fd_limit();
    weir__rx_pool_limit(backend->pool, CROWD_BUFFERS);
    static struct inbox crowd[CROWD];
    static int fds[CROWD][2];
    for (int i = 0; i < CROWD; i++) {
        stream_pair(fds[i]);
        inbox_arm(&crowd[i], fds[i][1]);
    }
    weir__backend_turn(backend, 0);
    for (int i = 0; i < CROWD; i++)
        put(fds[i][0], &i, sizeof i);
    TURN_UNTIL(total_unread(crowd) == (size_t)CROWD_BUFFERS * sizeof(int));
    for (int i = 0; i < 20; i++)
        weir__backend_turn(backend, 1 * WEIR_MS);
    EXPECT_EQ((size_t)CROWD_BUFFERS * sizeof(int), total_unread(crowd));
    EXPECT(backend->stats.rx_starved > 0);
    EXPECT_EQ(0, weir__rx_pool_available(backend->pool));

    // It does not spin while nothing is free: a turn waits.
    uint64_t calls = call_count();
    weir__backend_turn(backend, 20 * WEIR_MS);
    EXPECT(call_count() - calls <= 2);

    for (int i = 0; i < CROWD; i++) {
        crowd[i].reads = true;
        crowd[i].read_bytes = inbox_read(&crowd[i], NULL, SIZE_MAX);
    }
    TURN_UNTIL(total_read(crowd) == (uint64_t)CROWD * sizeof(int));
    for (int i = 0; i < CROWD; i++) {
        EXPECT_EQ(sizeof(int), crowd[i].read_bytes);
        EXPECT_EQ(0, crowd[i].rx.error);
    }
    // All are armed again.
    for (int i = 0; i < CROWD; i++)
        put(fds[i][0], &i, sizeof i);
    TURN_UNTIL(total_read(crowd) == 2 * (uint64_t)CROWD * sizeof(int));
    for (int i = 0; i < CROWD; i++) {
        inbox_close(&crowd[i]);
        close_fd(fds[i][0]);
    }
}

ON_BOTH(a_starved_side_can_be_stopped)
{
    enum { COUNT = 3 };
    weir__rx_pool_limit(backend->pool, 1);
    struct inbox inboxes[COUNT] = {0};
    int fds[COUNT][2];
    for (int i = 0; i < COUNT; i++) {
        stream_pair(fds[i]);
        inbox_arm(&inboxes[i], fds[i][1]);
        put(fds[i][0], "x", 1);
    }
    TURN_UNTIL(backend->stats.rx_starved >= 2);
    for (int i = COUNT - 1; i >= 0; i--) {
        inbox_close(&inboxes[i]);
        close_fd(fds[i][0]);
    }
}

ON_BOTH(a_peer_that_sends_single_bytes_pins_few_buffers)
{
    enum { BYTES = 6000 };
    int fds[2];
    stream_pair(fds);
    struct inbox inbox = {0};
    inbox_arm(&inbox, fds[1]);
    weir__backend_turn(backend, 0);
    uint32_t out = backend->pool->out;
    static char sent[BYTES], got[BYTES];
    fill_with_pattern((unsigned char *)sent, BYTES);
    for (int i = 0; i < BYTES; i++) {
        put(fds[0], &sent[i], 1);
        TURN_UNTIL(inbox.rx.unread_bytes == (size_t)i + 1);
    }
    EXPECT(backend->pool->out <= out + 3);
    EXPECT_EQ(BYTES, inbox_read(&inbox, got, BYTES));
    EXPECT_BYTES(sent, got, BYTES);
    inbox_close(&inbox);
    close_fd(fds[0]);
}

/* --- ends ------------------------------------------------------------------------------------- */

ON_BOTH(a_half_closed_peer_can_still_be_answered)
{
    int fds[2];
    tcp_pair(fds);
    struct inbox inbox = {0};
    inbox_arm(&inbox, fds[1]);
    weir__backend_turn(backend, 0);
    put(fds[0], "question", 8);
    shutdown(fds[0], SHUT_WR);
    TURN_UNTIL(inbox.rx.eof);
    EXPECT_EQ(8, inbox.rx.unread_bytes);
    EXPECT_EQ(0, inbox.rx.error);
    struct job job;
    EXPECT_EQ(6, job_run(&job, send_op(fds[1], "answer", 6)));
    char buffer[16];
    EXPECT_EQ(6, recv(fds[0], buffer, sizeof buffer, 0));
    EXPECT_EQ(8, inbox_read(&inbox, buffer, sizeof buffer));
    EXPECT_BYTES("question", buffer, 8);
    EXPECT(inbox.rx.eof); // sticky
    inbox_close(&inbox);
    close_fd(fds[0]);
}

ON_BOTH(an_end_after_exactly_full_buffers_is_seen)
{
    static const size_t sizes[] = {WEIR__RX_BUFFER_BYTES, 16 * WEIR__RX_BUFFER_BYTES,
                                   16 * WEIR__RX_BUFFER_BYTES - 1};
    static char data[16 * WEIR__RX_BUFFER_BYTES];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int fds[2];
        stream_pair(fds);
        struct inbox inbox = {.rx.unread_max = 1 << 20};
        inbox_arm(&inbox, fds[1]);
        weir__backend_turn(backend, 0);
        put(fds[0], data, sizes[i]);
        close_fd(fds[0]); // before we looked: one edge for both
        TURN_UNTIL(inbox.rx.eof);
        EXPECT_EQ(sizes[i], inbox.rx.unread_bytes);
        inbox_close(&inbox);
    }
}

ON_BOTH(an_end_behind_a_pause_is_seen_after_reading)
{
    int fds[2];
    stream_pair(fds);
    struct inbox inbox = {.rx.unread_max = 1000};
    inbox_arm(&inbox, fds[1]);
    weir__backend_turn(backend, 0);
    size_t sent = fill(fds[0]);
    TURN_UNTIL(inbox.rx.paused);
    close_fd(fds[0]);
    inbox.reads = true;
    inbox.read_bytes = inbox_read(&inbox, NULL, SIZE_MAX);
    TURN_UNTIL(inbox.rx.eof);
    EXPECT_EQ(sent, inbox.read_bytes);
    inbox_close(&inbox);
}

ON_BOTH(a_reset_is_an_error_and_what_came_before_stays_readable)
{
    int fds[2];
    tcp_pair(fds);
    struct inbox inbox = {0};
    inbox_arm(&inbox, fds[1]);
    put(fds[0], "last words", 10);
    TURN_UNTIL(inbox.rx.unread_bytes == 10);
    struct linger linger = {.l_onoff = 1};
    setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close_fd(fds[0]);
    TURN_UNTIL(inbox.rx.error != 0);
    EXPECT_RC(-ECONNRESET, inbox.rx.error);
    EXPECT(!inbox.rx.eof);
    char buffer[16];
    EXPECT_EQ(10, inbox_read(&inbox, buffer, sizeof buffer));
    EXPECT_BYTES("last words", buffer, 10);
    int events = inbox.event_count;
    for (int i = 0; i < 5; i++)
        weir__backend_turn(backend, 0);
    EXPECT_EQ(events, inbox.event_count);
    EXPECT_RC(-ECONNRESET, inbox.rx.error);
    inbox_close(&inbox);
}

ON_BOTH(our_own_shutdown_ends_receiving)
{
    int fds[2];
    tcp_pair(fds);
    struct inbox inbox = {0};
    inbox_arm(&inbox, fds[1]);
    weir__backend_turn(backend, 0);
    shutdown(fds[1], SHUT_RD);
    TURN_UNTIL(inbox.rx.eof);
    inbox_close(&inbox);
    close_fd(fds[0]);
}

/* --- stopping --------------------------------------------------------------------------------- */

ON_BOTH(stopping_ends_a_receive_that_waits)
{
    int fds[2];
    stream_pair(fds);
    struct inbox inbox = {0};
    inbox_arm(&inbox, fds[1]);
    weir__backend_turn(backend, 0);
    inbox_close(&inbox);
    EXPECT_EQ(0, inbox.event_count);
    close_fd(fds[0]);
}

ON_BOTH(stopping_before_the_first_turn_works)
{
    int fds[2];
    stream_pair(fds);
    struct inbox inbox = {0};
    inbox_arm(&inbox, fds[1]);
    inbox_close(&inbox);
    close_fd(fds[0]);
}

ON_BOTH(stopping_with_bytes_unread_and_more_under_way_gives_all_buffers_back)
{
    weir__backend_turn(backend, 0);
    uint32_t out = backend->pool->out;
    for (int i = 0; i < 200; i++) {
        int fds[2];
        stream_pair(fds);
        struct inbox inbox = {.rx.unread_max = (size_t)(1 + i * 500)};
        inbox_arm(&inbox, fds[1]);
        fill(fds[0]);
        for (int turns = i % 4; turns > 0; turns--)
            weir__backend_turn(backend, 0);
        inbox_close(&inbox);
        close_fd(fds[0]);
    }
    weir__backend_turn(backend, 0); // the ring is filled up again at the beginning of a turn
    EXPECT_EQ(out, backend->pool->out);
}

static struct inbox rivals[2];

static void stop_the_other(struct weir__rx *rx)
{
    struct inbox *inbox = rx->owner;
    struct inbox *other = &rivals[inbox == &rivals[0] ? 1 : 0];
    inbox->event_count++;
    if (!other->rx.stopping && other->rx.armed)
        weir__backend_rx_stop(backend, &other->rx);
}

ON_BOTH(a_side_stopped_by_another_ones_event_is_silent)
{
    int fds[2][2];
    for (int i = 0; i < 2; i++) {
        stream_pair(fds[i]);
        rivals[i] = (struct inbox){0};
        inbox_arm(&rivals[i], fds[i][1]);
        rivals[i].rx.event = stop_the_other;
    }
    weir__backend_turn(backend, 0);
    put(fds[0][0], "x", 1);
    put(fds[1][0], "x", 1);
    TURN_UNTIL(rivals[0].stopped_count + rivals[1].stopped_count == 1);
    EXPECT_EQ(1, rivals[0].event_count + rivals[1].event_count);
    int stopped = rivals[0].stopped_count == 1 ? 0 : 1;
    EXPECT_EQ(0, rivals[stopped].event_count);
    close_fd(fds[stopped][1]);
    inbox_close(&rivals[1 - stopped]);
    close_fd(fds[0][0]);
    close_fd(fds[1][0]);
}

ON_BOTH(a_memory_can_be_armed_again_after_it_was_stopped)
{
    struct inbox inbox;
    for (int i = 0; i < 300; i++) {
        int fds[2];
        stream_pair(fds);
        inbox = (struct inbox){0};
        inbox_arm(&inbox, fds[1]);
        if (i % 3 != 0)
            weir__backend_turn(backend, 0);
        put(fds[0], &i, sizeof i);
        if (i % 2 == 0) {
            TURN_UNTIL(inbox.rx.unread_bytes > 0);
            int number = -1;
            EXPECT_EQ(sizeof number, inbox_read(&inbox, &number, sizeof number));
            EXPECT_EQ(i, number);
        }
        inbox_close(&inbox);
        close_fd(fds[0]);
    }
}

ON_BOTH(a_fault_in_arming_is_told_as_an_error_of_receiving)
{
    int fds[2];
    stream_pair(fds);
    struct inbox inbox = {0};
    weir__base_fault_arm(WEIR__FAULT_RING, 1, -ENOMEM, false);
    inbox_arm(&inbox, fds[1]);
    weir__base_fault_disarm();
    EXPECT_EQ(0, inbox.event_count);
    weir__backend_turn(backend, WEIR_FOREVER);
    EXPECT_EQ(1, inbox.event_count);
    EXPECT_RC(-ENOMEM, inbox.rx.error);
    inbox_close(&inbox);
    close_fd(fds[0]);
}

/* --- many at once ----------------------------------------------------------------------------- */

/* The kernel finishes at most 20 deferred completions in one enter; a turn must not stop there. */
ON_BOTH(a_turn_tells_of_all_that_is_ready)
{
    enum { COUNT = 200 }; // fewer than there are buffers with the kernel
    raise_fd_limit();
    static struct inbox inboxes[COUNT];
    static int fds[COUNT][2];
    for (int i = 0; i < COUNT; i++) {
        stream_pair(fds[i]);
        inbox_arm(&inboxes[i], fds[i][1]);
    }
    weir__backend_turn(backend, 0);
    for (int i = 0; i < COUNT; i++)
        put(fds[i][0], "x", 1);
    weir__backend_turn(backend, WEIR_FOREVER);
    int announced = 0;
    for (int i = 0; i < COUNT; i++)
        announced += inboxes[i].event_count;
    EXPECT_EQ(COUNT, announced);
    for (int i = 0; i < COUNT; i++) {
        inbox_close(&inboxes[i]);
        close_fd(fds[i][0]);
    }
}

ON_BOTH(a_flood_on_one_connection_does_not_hide_another)
{
    int flood[2], quiet[2];
    stream_pair(flood);
    stream_pair(quiet);
    struct inbox flooded = {.reads = true, .rx.unread_max = 1 << 20}, other = {0};
    inbox_arm(&flooded, flood[1]);
    inbox_arm(&other, quiet[1]);
    weir__backend_turn(backend, 0);
    fill(flood[0]);
    put(quiet[0], "me", 2);
    weir__backend_turn(backend, WEIR_FOREVER);
    if (other.event_count == 0)
        weir__backend_turn(backend, 0);
    EXPECT_EQ(1, other.event_count);
    inbox_close(&flooded);
    inbox_close(&other);
    close_fd(flood[0]);
    close_fd(quiet[0]);
}

/* --- what it costs ---------------------------------------------------------------------------- */

ON_BOTH(a_request_and_its_answer_cost_few_calls_and_no_allocation)
{
    enum { ROUNDS = 1000 };
    int fds[2];
    tcp_pair(fds);
    struct inbox inbox = {.reads = true};
    inbox_arm(&inbox, fds[1]);
    weir__backend_turn(backend, 0);
    char buffer[16];
    struct weir__alloc_stats before, after;
    weir__base_alloc_stats(&before);
    uint64_t calls = call_count();
    for (int i = 0; i < ROUNDS; i++) {
        put(fds[0], "request", 7);
        uint64_t want = inbox.read_bytes + 7;
        while (inbox.read_bytes < want)
            weir__backend_turn(backend, WEIR_FOREVER);
        struct job job;
        job_start(&job, send_op(fds[1], "answer", 6));
        while (job.done_count == 0)
            weir__backend_turn(backend, WEIR_FOREVER);
        EXPECT_EQ(6, recv(fds[0], buffer, sizeof buffer, 0));
    }
    calls = call_count() - calls;
    weir__base_alloc_stats(&after);
    EXPECT_EQ(before.allocated_count, after.allocated_count);
    // One connection alone shares its calls with nobody: enter to wait, enter to send; or
    // epoll_wait, recv, send.
    EXPECT(calls <= (rig_on_uring() ? 2 : 3) * ROUNDS + 4);
    inbox_close(&inbox);
    close_fd(fds[0]);
}

ON_BOTH(many_requests_at_once_share_their_calls)
{
    enum { COUNT = 64, ROUNDS = 50 };
    static struct inbox inboxes[COUNT];
    static struct job jobs[COUNT];
    static int fds[COUNT][2];
    for (int i = 0; i < COUNT; i++) {
        tcp_pair(fds[i]);
        inboxes[i].reads = true;
        inbox_arm(&inboxes[i], fds[i][1]);
    }
    weir__backend_turn(backend, 0);
    uint64_t calls = call_count();
    for (int round = 1; round <= ROUNDS; round++) {
        for (int i = 0; i < COUNT; i++)
            put(fds[i][0], "request", 7);
        for (int i = 0; i < COUNT; i++)
            TURN_UNTIL(inboxes[i].read_bytes == 7 * (uint64_t)round);
        for (int i = 0; i < COUNT; i++)
            job_start(&jobs[i], send_op(fds[i][1], "answer", 6));
        for (int i = 0; i < COUNT; i++) {
            job_wait(&jobs[i]);
            EXPECT_EQ(6, drain(fds[i][0]));
        }
    }
    calls = call_count() - calls;
    uint64_t requests = (uint64_t)COUNT * ROUNDS;
    if (rig_on_uring())
        EXPECT(calls * 5 < requests); // a fifth of a call each, and less
    else
        EXPECT(calls < requests * 21 / 10); // recv, send, a share of epoll_wait
    for (int i = 0; i < COUNT; i++) {
        inbox_close(&inboxes[i]);
        close_fd(fds[i][0]);
    }
}
