/*
 * epoll_test.c - what only epoll has: descriptor numbers that come again, and shared open files
 */
#include <unistd.h>

#include "base/sys.h"
#include "tests/backend/rig.h"

ON_EPOLL(a_number_that_comes_again_is_another_descriptor)
{
    int number = -1;
    for (int i = 0; i < 100; i++) {
        int fds[2];
        stream_pair(fds);
        if (number >= 0)
            EXPECT_EQ(number, fds[0]);
        number = fds[0];
        char byte = 0;
        struct job job;
        job_start(&job, recv_op(fds[0], &byte, 1)); // registers it
        weir__backend_turn(backend, 0);
        put(fds[1], "x", 1);
        job_wait(&job);
        close_fd(fds[0]);
        close_fd(fds[1]);
    }
}

/*
 * A duplicate keeps the old registration alive in the kernel; its events carry an old generation.
 */
ON_EPOLL(events_of_a_closed_number_that_lives_on_elsewhere_are_ignored)
{
    int old[2], fresh[2];
    stream_pair(old);
    struct inbox inbox = {0};
    inbox_arm(&inbox, old[0]);
    int twin = dup(old[0]);
    inbox_close(&inbox);
    stream_pair(fresh);
    EXPECT_EQ(old[0], fresh[0]);
    struct inbox heir = {0};
    inbox_arm(&heir, fresh[0]);
    put(old[1], "stray", 5);
    for (int i = 0; i < 5; i++)
        weir__backend_turn(backend, 1 * WEIR_MS);
    EXPECT_EQ(0, heir.event_count);
    put(fresh[1], "mine", 4);
    TURN_UNTIL(heir.event_count == 1);
    EXPECT_EQ(4, heir.rx.unread_bytes);
    inbox_close(&heir);
    close(twin);
    close_fd(old[1]);
    close_fd(fresh[1]);
}

ON_EPOLL(a_forgotten_descriptor_that_stays_open_can_be_used_again)
{
    int fds[2];
    stream_pair(fds);
    struct inbox inbox = {0};
    for (int i = 0; i < 3; i++) {
        inbox = (struct inbox){0};
        inbox_arm(&inbox, fds[0]);
        put(fds[1], "x", 1);
        TURN_UNTIL(inbox.rx.unread_bytes == 1);
        weir__backend_rx_stop(backend, &inbox.rx);
        TURN_UNTIL(inbox.stopped_count == 1);
        weir__backend_forget_fd(backend, fds[0]);
    }
    close_fd(fds[0]);
    close_fd(fds[1]);
}

ON_EPOLL(a_connection_registers_once_for_its_life)
{
    int fds[2];
    stream_pair(fds);
    struct inbox inbox = {.reads = true};
    inbox_arm(&inbox, fds[1]);
    weir__backend_turn(backend, 0);
    uint64_t calls = call_count();
    put(fds[0], "x", 1);
    weir__backend_turn(backend, WEIR_FOREVER);
    EXPECT_EQ(calls + 2, call_count()); // epoll_wait and recv
    EXPECT_EQ(1, inbox.read_bytes);
    inbox_close(&inbox);
    close_fd(fds[0]);
}
