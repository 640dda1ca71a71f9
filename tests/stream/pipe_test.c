/*
 * pipe_test.c - pipes and other descriptors in order, on both backends
 */
#include "stream/pipe.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weir/weir.h>

#include "base/fault.h"
#include "base/sys.h"
#include "tests/stream/bytes.h"
#include "tests/support/everywhere.h"
#include "tests/support/test.h"

enum { PIPE_BYTES = 65536, MUCH = 300000 };

struct ends {
    weir_pipe *reader;
    weir_pipe *writer;
};

static struct ends open_ends(void)
{
    struct ends ends = {0};
    EXPECT_RC(0, weir_pipe_open(&ends.reader, &ends.writer));
    /* Not so by itself where pages are large, or the user has many pipes. */
    EXPECT_EQ(PIPE_BYTES, weir__sys_set_pipe_size(ends.writer->fd, PIPE_BYTES));
    return ends;
}

static void close_ends(struct ends *ends)
{
    weir_pipe_close(ends->reader);
    weir_pipe_close(ends->writer);
}

IO_TEST(what_is_written_is_read_in_order_and_then_comes_the_end)
{
    struct ends ends = open_ends();
    char buffer[16] = "";
    size_t written;
    EXPECT_RC(0, weir_pipe_write_all(ends.writer, "one two", 7, &written));
    EXPECT_EQ(7, written);
    EXPECT_RC(3, weir_pipe_read(ends.reader, buffer, 3));
    EXPECT_BYTES("one", buffer, 3);
    EXPECT_RC(4, weir_pipe_read(ends.reader, buffer, sizeof buffer));
    EXPECT_BYTES(" two", buffer, 4);
    weir_pipe_close(ends.writer);
    ends.writer = NULL;
    EXPECT_RC(0, weir_pipe_read(ends.reader, buffer, sizeof buffer));
    EXPECT_RC(0, weir_pipe_read(ends.reader, buffer, sizeof buffer)); // the end stays the end
    EXPECT_RC(-EINVAL, weir_pipe_read(ends.reader, buffer, 0));
    close_ends(&ends);
}

struct transfer {
    weir_pipe *pipe;
    char *data;
    size_t size;
    size_t done;
    int rc;
};

static int write_all(void *arg)
{
    struct transfer *w = arg;
    w->rc = weir_pipe_write_all(w->pipe, w->data, w->size, &w->done);
    return 0;
}

static void read_to_the_end(weir_pipe *pipe, char *out, size_t size, size_t *out_got)
{
    ssize_t n;
    while (*out_got < size && (n = weir_pipe_read(pipe, out + *out_got, size - *out_got)) > 0)
        *out_got += (size_t)n;
}

IO_TEST(a_writer_waits_for_its_reader_and_the_bytes_are_the_same)
{
    struct ends ends = open_ends();
    struct transfer w = {.pipe = ends.writer, .data = malloc(MUCH), .size = MUCH};
    char *back = malloc(MUCH);
    bytes_fill(w.data, MUCH, 0);
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, write_all, &w));
    size_t got = 0;
    read_to_the_end(ends.reader, back, MUCH, &got);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(MUCH, got);
    EXPECT_EQ(MUCH, w.done);
    EXPECT(bytes_are(back, MUCH, 0));
    free(w.data);
    free(back);
    close_ends(&ends);
}

/* O6 */
IO_TEST(a_writer_that_is_cancelled_at_a_full_pipe_knows_how_far_it_came)
{
    struct ends ends = open_ends();
    char *data = malloc(MUCH);
    bytes_fill(data, MUCH, 0);
    size_t written = 1;
    int rc = 0;
    WEIR_TIMEOUT(rc, 5 * WEIR_MS)
    {
        rc = weir_pipe_write_all(ends.writer, data, MUCH, &written);
        EXPECT_RC(-ECANCELED, rc);
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_EQ(PIPE_BYTES, written);
    weir_pipe_close(ends.writer);
    ends.writer = NULL;
    size_t got = 0;
    memset(data, 0, MUCH);
    read_to_the_end(ends.reader, data, MUCH, &got);
    EXPECT_EQ(PIPE_BYTES, got);
    EXPECT(bytes_are(data, got, 0));
    free(data);
    close_ends(&ends);
}

/* O4 */
IO_TEST(a_reader_that_is_cancelled_loses_no_byte)
{
    struct ends ends = open_ends();
    char buffer[8] = "";
    int rc = 0;
    WEIR_TIMEOUT(rc, 2 * WEIR_MS)
    {
        rc = (int)weir_pipe_read(ends.reader, buffer, sizeof buffer);
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_RC(0, weir_pipe_write_all(ends.writer, "kept", 4, NULL));
    EXPECT_RC(4, weir_pipe_read(ends.reader, buffer, sizeof buffer));
    EXPECT_BYTES("kept", buffer, 4);
    close_ends(&ends);
}

IO_TEST(a_write_that_nobody_will_read_is_a_code_and_no_signal) /* SIGPIPE would end this process */
{
    struct ends ends = open_ends();
    EXPECT(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    weir_pipe_close(ends.reader);
    ends.reader = NULL;
    size_t written = 1;
    EXPECT_RC(-EPIPE, weir_pipe_write_all(ends.writer, "x", 1, &written));
    EXPECT_EQ(0, written);
    close_ends(&ends);
}

static int read_one(void *arg)
{
    char byte;
    return (int)weir_pipe_read(arg, &byte, 1) == -EBADF ? 0 : -EIO;
}

IO_TEST(a_close_ends_the_wait_of_another_task)
{
    struct ends ends = open_ends();
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, read_one, ends.reader));
    EXPECT_RC(0, weir_yield());
    char byte;
    EXPECT_RC(-EBUSY, weir_pipe_read(ends.reader, &byte, 1));
    weir_pipe_close(ends.reader);
    ends.reader = NULL;
    EXPECT_RC(0, weir_group_close(group, 0));
    close_ends(&ends);
}

IO_TEST(a_borrowed_descriptor_keeps_its_flags_and_stays_open)
{
    int fds[2];
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    weir_pipe *in;
    REQUIRE_RC(0, weir_pipe_open_fd(fds[0], &(weir_pipe_options){.borrowed = true}, &in));
    EXPECT_EQ(WEIR__PIPE_OWN, in->kind);
    EXPECT((fcntl(fds[0], F_GETFL) & O_NONBLOCK) == 0);
    char buffer[8];
    int rc = 0;
    WEIR_TIMEOUT(rc, 1 * WEIR_MS)
    {
        rc = (int)weir_pipe_read(in, buffer, sizeof buffer); // it would block for ever
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT(write(fds[1], "abc", 3) == 3);
    EXPECT_RC(3, weir_pipe_read(in, buffer, sizeof buffer));
    weir_pipe_close(in);
    EXPECT(write(fds[1], "d", 1) == 1);
    EXPECT(read(fds[0], buffer, 1) == 1);
    close(fds[0]);
    close(fds[1]);
}

/* Where it cannot be opened again, as in a sandbox without /proc. */
static weir_pipe *open_shared(int fd)
{
    weir_pipe *pipe = NULL;
    weir__base_fault_arm(WEIR__FAULT_SYSCALL, 3, -EACCES, false); // fstat, fcntl, open
    EXPECT_RC(0, weir_pipe_open_fd(fd, &(weir_pipe_options){.borrowed = true}, &pipe));
    weir__base_fault_disarm();
    EXPECT_EQ(WEIR__PIPE_SHARED, pipe->kind);
    return pipe;
}

IO_TEST(a_descriptor_that_must_stay_blocking_does_not_block_the_loop)
{
    int fds[2];
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    struct ends ends = {open_shared(fds[0]), open_shared(fds[1])};
    EXPECT((fcntl(fds[0], F_GETFL) & O_NONBLOCK) == 0);
    struct transfer w = {.pipe = ends.writer, .data = malloc(MUCH), .size = MUCH};
    char *back = malloc(MUCH);
    bytes_fill(w.data, MUCH, 3);
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, weir_spawn(group, write_all, &w));
    size_t got = 0;
    read_to_the_end(ends.reader, back, MUCH, &got);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(MUCH, got);
    EXPECT(bytes_are(back, MUCH, 3));
    int rc = 0;
    WEIR_TIMEOUT(rc, 1 * WEIR_MS)
    {
        rc = (int)weir_pipe_read(ends.reader, back, MUCH); // waits on the loop: can be cancelled
    }
    EXPECT_RC(-ETIME, rc);
    free(w.data);
    free(back);
    close_ends(&ends);
    close(fds[0]);
    close(fds[1]);
}

static struct {
    weir_pipe *pipe;
    int fd;
    int is_reading; // atomic: a thread is about to
    int is_closed;  // atomic
} stolen;

/* On the thread: somebody else was faster, and the pipe has been closed meanwhile. */
static int find_nothing(enum weir__fault_point point)
{
    if (point != WEIR__FAULT_SYSCALL || weir__core_loop() != NULL ||
        __atomic_exchange_n(&stolen.is_reading, 1, __ATOMIC_SEQ_CST) != 0)
        return 0;
    while (__atomic_load_n(&stolen.is_closed, __ATOMIC_SEQ_CST) == 0)
        sched_yield();
    return -EAGAIN;
}

static int steal_and_close(void *arg)
{
    (void)arg;
    char byte;
    while (__atomic_load_n(&stolen.is_reading, __ATOMIC_SEQ_CST) == 0)
        EXPECT_RC(0, weir_yield());
    EXPECT_EQ(1, read(stolen.fd, &byte, 1));
    weir_pipe_close(stolen.pipe);
    __atomic_store_n(&stolen.is_closed, 1, __ATOMIC_SEQ_CST);
    return 0;
}

IO_TEST(a_close_while_a_thread_tries_in_vain_is_the_end)
{
    int fds[2];
    REQUIRE(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
    stolen.pipe = open_shared(fds[0]);
    stolen.fd = fds[0];
    EXPECT_EQ(1, write(fds[1], "x", 1));
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    weir__base_fault_arm_with(find_nothing);
    EXPECT_RC(0, weir_spawn(group, steal_and_close, NULL));
    char byte;
    EXPECT_RC(-EBADF, weir_pipe_read(stolen.pipe, &byte, 1));
    EXPECT_RC(0, weir_group_close(group, 0));
    weir__base_fault_disarm();
    close(fds[0]);
    close(fds[1]);
}

IO_TEST(a_socket_is_never_made_non_blocking_and_never_blocks)
{
    int fds[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    weir_pipe *pipe;
    REQUIRE_RC(0, weir_pipe_open_fd(fds[0], &(weir_pipe_options){.borrowed = true}, &pipe));
    char buffer[8] = "";
    int rc = 0;
    WEIR_TIMEOUT(rc, 1 * WEIR_MS)
    {
        rc = (int)weir_pipe_read(pipe, buffer, sizeof buffer);
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_RC(0, weir_pipe_write_parts(
                     pipe, (weir_str[]){WEIR_STR("a"), WEIR_STR(""), WEIR_STR("bc")}, 3, NULL));
    EXPECT(read(fds[1], buffer, sizeof buffer) == 3);
    EXPECT_BYTES("abc", buffer, 3);
    EXPECT(write(fds[1], "de", 2) == 2);
    EXPECT_RC(2, weir_pipe_read(pipe, buffer, sizeof buffer));
    weir_pipe_close(pipe);
    close(fds[0]);
    close(fds[1]);
}

IO_TEST(standard_input_may_be_a_file)
{
    char path[] = "/tmp/weir-pipe-XXXXXX";
    int fd = mkstemp(path);
    REQUIRE(fd >= 0);
    unlink(path);
    EXPECT(write(fd, "hello", 5) == 5);
    EXPECT(lseek(fd, 1, SEEK_SET) == 1);
    weir_pipe *pipe;
    REQUIRE_RC(0, weir_pipe_open_fd(fd, NULL, &pipe));
    char buffer[8] = "";
    EXPECT_RC(3, weir_pipe_read(pipe, buffer, 3));
    EXPECT_BYTES("ell", buffer, 3);
    EXPECT_RC(1, weir_pipe_read(pipe, buffer, sizeof buffer));
    EXPECT_RC(0, weir_pipe_read(pipe, buffer, sizeof buffer));
    EXPECT_RC(0, weir_pipe_write_all(pipe, " world", 6, NULL));
    weir_pipe_close(pipe);
}

IO_TEST(what_is_no_stream_is_refused)
{
    weir_pipe *pipe;
    EXPECT_RC(-EBADF, weir_pipe_open_fd(-1, NULL, &pipe));
    EXPECT_RC(-EBADF, weir_pipe_open_fd(999, &(weir_pipe_options){.borrowed = true}, &pipe));
    int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    EXPECT_RC(-EISDIR, weir_pipe_open_fd(folder, NULL, &pipe)); // and closed: it was taken
    EXPECT(fcntl(folder, F_GETFD) < 0);
    weir_pipe_close(NULL);
}

static int write_and_close(void *arg)
{
    struct transfer *w = arg;
    int rc = weir_pipe_write_all(w->pipe, w->data, w->size, &w->done);
    weir_pipe_close(w->pipe); // whatever it came to: the reader would wait for ever
    w->pipe = NULL;
    return rc == -EPIPE ? 0 : rc;
}

static int through(void *arg)
{
    static char data[PIPE_BYTES + 1000], back[PIPE_BYTES + 1000];
    (void)arg;
    struct ends ends;
    int rc = weir_pipe_open(&ends.reader, &ends.writer);
    if (rc < 0)
        return rc;
    bytes_fill(data, sizeof data, 0);
    struct transfer w = {.pipe = ends.writer, .data = data, .size = sizeof data};
    size_t got = 0;
    weir_group *group = NULL;
    rc = weir_group_open(&group, NULL);
    if (rc == 0) {
        rc = weir_spawn(group, write_and_close, &w);
        ssize_t n = rc;
        while (n >= 0 && got < sizeof data) {
            n = weir_pipe_read(ends.reader, back + got, sizeof data - got);
            if (n == 0)
                break;
            got += n > 0 ? (size_t)n : 0;
        }
        weir_pipe_close(ends.reader); // the writer would wait for us
        ends.reader = NULL;
        rc = weir_group_close(group, n < 0 ? (int)n : rc);
    }
    weir_pipe_close(ends.reader);
    weir_pipe_close(w.pipe);
    WEIR_TEST_EXPECT(got <= sizeof data && bytes_are(back, got, 0)); // O6
    WEIR_TEST_EXPECT(rc < 0 || got == sizeof data);
    return rc;
}

TEST(a_pipe_everywhere) /* O4 to O6, I4 */
{
    everywhere_real("pipe", (struct everywhere){through, NULL, NULL, 5});
}
