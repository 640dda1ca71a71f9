/*
 * left_open_test.c - what is never closed is told at the end of the run, and closed all the same
 * (I4)
 */
#include <string.h>
#include <weir/net.h>

#include "base/sys.h"
#include "core/core.h"
#include "core/observe.h"
#include "tests/support/test.h"

static int connections_told, listeners_told, datagrams_told, places_told;

static void note(const struct weir__finding *finding)
{
    if (finding->kind != WEIR__FINDING_LEFT_OPEN)
        return;
    connections_told += strcmp(finding->what, "connection") == 0;
    listeners_told += strcmp(finding->what, "listener") == 0;
    datagrams_told += strcmp(finding->what, "datagram socket") == 0;
    places_told += finding->address != NULL;
}

static int close_nothing(void *arg)
{
    (void)arg;
    weir_listener *listener;
    int rc = weir_listener_open(NULL, &listener);
    if (rc < 0)
        return rc;
    weir_conn *ours, *theirs;
    rc = weir_connect_address(weir_listener_address(listener), NULL, &ours);
    weir_datagram *datagram;
    if (rc == 0)
        rc = weir_datagram_open(NULL, &datagram);
    weir_conn *a, *b;
    if (rc == 0)
        rc = weir_conn_pair(&(weir_connect_options){.takes_fds = true}, &a, &b);
    return rc < 0 ? rc : weir_listener_accept(listener, &theirs);
}

static int close_everything(void *arg)
{
    (void)arg;
    weir_listener *listener;
    int rc = weir_listener_open(NULL, &listener);
    if (rc < 0)
        return rc;
    weir_conn *ours;
    rc = weir_connect_address(weir_listener_address(listener), NULL, &ours);
    if (rc == 0)
        weir_conn_close(ours);
    weir_listener_close(listener);
    return rc;
}

static void run_on(const char *backend)
{
    connections_told = listeners_told = datagrams_told = places_told = 0;
    weir__core_observe(note);
    int fds = weir__sys_open_fd_count();
    weir_run_options options = {.backend = backend};
    EXPECT_RC(0, weir__core_run(&options, close_nothing, NULL, false));
    EXPECT_EQ(4, connections_told);
    EXPECT_EQ(1, listeners_told);
    EXPECT_EQ(1, datagrams_told);
    EXPECT_EQ(6, places_told);
    EXPECT_EQ(fds, weir__sys_open_fd_count());
    EXPECT_RC(0, weir__core_run(&options, close_everything, NULL, false));
    EXPECT_EQ(5, connections_told + listeners_told);
}

TEST(connections_and_listeners_left_open_are_told_and_closed_on_epoll)
{
    run_on("epoll");
}

TEST(connections_and_listeners_left_open_are_told_and_closed_on_io_uring)
{
    if (test_why_no_uring() == NULL)
        run_on("uring");
    else
        test_skip(test_why_no_uring());
}
