/*
 * left_open_test.c - pipes, readers and writers that are never closed are told at the end of the
 * run, and closed all the same (I4, W401)
 */
#include <string.h>
#include <weir/stream.h>
#include <weir/task.h>

#include "base/sys.h"
#include "core/core.h"
#include "core/observe.h"
#include "tests/support/test.h"

static int pipes_told, readers_told, empty_told, filled_told;

static void note(const struct weir__finding *finding)
{
    if (finding->kind != WEIR__FINDING_LEFT_OPEN)
        return;
    pipes_told += strcmp(finding->what, "pipe") == 0;
    readers_told += strcmp(finding->what, "reader") == 0;
    empty_told += strcmp(finding->what, "writer") == 0;
    filled_told += strcmp(finding->what, "writer with unwritten bytes") == 0;
}

static int close_nothing(void *arg)
{
    (void)arg;
    weir_pipe *in, *out;
    weir_reader *reader;
    weir_writer *empty, *filled;
    int rc = weir_pipe_open(&in, &out);
    if (rc == 0)
        rc = weir_pipe_open_reader(in, NULL, &reader);
    if (rc == 0)
        rc = weir_pipe_open_writer(out, NULL, &empty);
    if (rc == 0)
        rc = weir_pipe_open_writer(out, NULL, &filled);
    if (rc == 0)
        rc = weir_writer_format(empty, "%d", 1);
    if (rc == 0)
        rc = weir_writer_flush(empty);
    return rc < 0 ? rc : weir_writer_format(filled, "%d", 2);
}

static void run_on(const char *backend)
{
    pipes_told = readers_told = empty_told = filled_told = 0;
    weir__core_observe(note);
    int fds = weir__sys_open_fd_count();
    weir_run_options options = {.backend = backend};
    EXPECT_RC(0, weir__core_run(&options, close_nothing, NULL, false));
    EXPECT_EQ(2, pipes_told);
    EXPECT_EQ(1, readers_told);
    EXPECT_EQ(1, empty_told);
    EXPECT_EQ(1, filled_told);
    EXPECT_EQ(fds, weir__sys_open_fd_count());
}

TEST(what_is_left_open_is_told_and_closed_on_epoll)
{
    run_on("epoll");
}

TEST(what_is_left_open_is_told_and_closed_on_io_uring)
{
    if (test_why_no_uring() != NULL)
        test_skip(test_why_no_uring());
    else
        run_on("uring");
}
