/*
 * uring_test.c - what only the ring has: queues that fill up, and a kernel that shares them by fork
 */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/backend/rig.h"

/* B5: completions beyond the size of the queue are kept by the kernel, and all come. */
ON_URING(more_completions_than_the_queue_holds_all_come)
{
    enum { COUNT = 20000 };
    static struct job jobs[COUNT];
    static char bytes[COUNT];
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < COUNT; i++) {
        bytes[i] = 1;
        job_start(&jobs[i], (struct weir__op){
                                .kind = WEIR__OP_READ, .fd = fd, .buffer = &bytes[i], .size = 1});
    }
    TURN_UNTIL(!weir__backend_pending(backend));
    for (int i = 0; i < COUNT; i++) {
        EXPECT_EQ(1, jobs[i].done_count);
        EXPECT_EQ(1, jobs[i].result);
        EXPECT_EQ(0, bytes[i]);
    }
    EXPECT(backend->stats.overflows > 0);
    close_fd(fd);
}

ON_URING(a_wake_is_heard_after_an_overflow)
{
    enum { COUNT = 20000 };
    static struct job jobs[COUNT];
    static char byte;
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    weir__backend_turn(backend, 0);
    for (int i = 0; i < COUNT; i++)
        job_start(&jobs[i],
                  (struct weir__op){.kind = WEIR__OP_READ, .fd = fd, .buffer = &byte, .size = 1});
    weir__backend_wake(backend); // its completion finds the queue full: the poll may end there
    TURN_UNTIL(!weir__backend_pending(backend));
    for (int i = 0; i < 10; i++) {
        weir__backend_turn(backend, 0);
        backend->wake_requested = 0; // only the bell
        weir__backend_wake(backend);
        backend->wake_requested = 0;
        weir__backend_turn(backend, WEIR_FOREVER);
    }
    close_fd(fd);
}

/*
 * The child of a fork must not be able to take the parent's completions: it has no ring to look at.
 */
ON_URING(a_forked_child_leaves_the_ring_alone)
{
    int fds[2];
    stream_pair(fds);
    struct inbox inbox = {0};
    inbox_arm(&inbox, fds[1]);
    weir__backend_turn(backend, 0);
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    int status = -1;
    EXPECT_EQ(child, waitpid(child, &status, 0));
    EXPECT_EQ(0, status);
    for (int i = 0; i < 3000; i++) { // more than the ring of buffers holds
        put(fds[0], &i, sizeof i);
        TURN_UNTIL(inbox.rx.unread_bytes == sizeof i);
        int number = -1;
        inbox_read(&inbox, &number, sizeof number);
        EXPECT_EQ(i, number);
    }
    inbox_close(&inbox);
    close_fd(fds[0]);
}
