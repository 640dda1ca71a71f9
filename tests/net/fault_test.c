/*
 * fault_test.c - a connection's life with each of its calls failing once
 *
 * Whatever fails, the body ends, says so in a code, and leaves nothing behind; when nothing was
 * told to fail, the bytes came back.
 */
#include <stdlib.h>
#include <string.h>
#include <weir/failure.h>
#include <weir/group.h>
#include <weir/net.h>
#include <weir/scope.h>

#include "net/resolve.h"
#include "tests/net/peer.h"
#include "tests/support/fault_loop.h"
#include "tests/support/test.h"

enum { SIZE = 20000 };

struct visit {
    weir_listener *listener;
    int client_rc;
    int server_rc;
    bool equal;
};

static int serve(void *arg)
{
    struct visit *visit = arg;
    static _Thread_local char buffer[3000];
    weir_conn *conn;
    visit->server_rc = weir_listener_accept(visit->listener, &conn);
    if (visit->server_rc < 0)
        return 0;
    ssize_t got;
    while ((got = weir_conn_read(conn, buffer, sizeof buffer)) > 0) {
        visit->server_rc = weir_conn_write_all(conn, buffer, (size_t)got, NULL);
        if (visit->server_rc < 0)
            break;
    }
    if (got < 0)
        visit->server_rc = (int)got;
    weir_conn_close(conn);
    return 0;
}

static int talk(struct visit *visit, weir_conn *conn)
{
    static char data[SIZE], back[SIZE];
    fill_pattern(data, SIZE, 7);
    memset(back, 0, SIZE);
    weir_str parts[2] = {{data, 100}, {data + 100, SIZE - 100}};
    size_t count = 0;
    int rc = weir_conn_write_parts(conn, parts, 2, &count);
    EXPECT(count <= SIZE && (rc < 0 || count == SIZE));
    if (rc < 0)
        return rc;
    rc = weir_conn_finish(conn);
    if (rc < 0)
        return rc;
    rc = weir_conn_read_exact(conn, back, SIZE, &count);
    EXPECT(count <= SIZE && (rc < 0 || count == SIZE));
    EXPECT(memcmp(data, back, count) == 0); // O6: what is said to be there is there
    visit->equal = rc == 0;
    return rc;
}

static int visit_by(struct visit *visit)
{
    // Limits that a test can wait for: what fails on one side is silence on the other.
    weir_connect_options options = {.connect_timeout_ns = 300 * WEIR_MS,
                                    .read_idle_timeout_ns = 300 * WEIR_MS,
                                    .write_stall_timeout_ns = 300 * WEIR_MS};
    weir_conn *conn;
    int rc = weir_connect("localhost", weir_address_port(weir_listener_address(visit->listener)),
                          &options, &conn);
    if (rc < 0)
        return rc;
    rc = talk(visit, conn);
    weir_conn_close(conn);
    return rc;
}

static int serve_and_visit(struct visit *visit)
{
    weir_listener_options options = {.read_idle_timeout_ns = 300 * WEIR_MS,
                                     .write_stall_timeout_ns = 300 * WEIR_MS};
    int rc = weir_listener_open(&options, &visit->listener);
    if (rc < 0)
        return rc;
    weir_group *group;
    rc = weir_group_open(&group, NULL);
    if (rc == 0) {
        rc = weir_spawn(group, serve, visit);
        if (rc == 0)
            rc = visit_by(visit);
        weir_group_cancel(group, "the visit is over");
        int closed = weir_group_close(group, rc);
        if (rc == 0 && closed < 0)
            rc = closed;
    }
    weir_listener_close(visit->listener);
    return rc;
}

/* In a task of its own: so its messages go with it. */
static int run_visit(void *arg)
{
    struct visit *visit = arg;
    visit->client_rc = serve_and_visit(visit);
    EXPECT((visit->client_rc == 0) == visit->equal);
    EXPECT(visit->client_rc != -ECANCELED && visit->client_rc != -EAGAIN);
    return 0;
}

static void visit_once(void *arg)
{
    (void)arg;
    struct visit visit = {0};
    weir_group *group;
    if (weir_group_open(&group, NULL) < 0)
        return;
    int rc = weir_spawn(group, run_visit, &visit);
    rc = weir_group_close(group, rc);
    if (fault_loop_nth == 0) {
        EXPECT_RC(0, rc);
        EXPECT(visit.equal);
    }
    // What was closed is given back in later turns: a few, when one of them is disturbed.
    for (int i = 0; i < 8; i++)
        weir_ignore(weir_sleep(1 * WEIR_MS), "a fault may hit it too");
}

ANY_TEST(memory_may_run_out_anywhere)
{
    EXPECT(fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, visit_once, NULL) >= 3);
}

ANY_TEST(memory_may_run_out_and_stay_out)
{
    EXPECT(fault_loop_from(WEIR__FAULT_ALLOC, -ENOMEM, visit_once, NULL) >= 3);
}

ANY_TEST(any_system_call_may_fail)
{
    EXPECT(fault_loop(WEIR__FAULT_SYSCALL, -EIO, visit_once, NULL) >= 10);
}

ANY_TEST(any_system_call_may_be_short_of_something)
{
    EXPECT(fault_loop(WEIR__FAULT_SYSCALL, -ENOBUFS, visit_once, NULL) >= 10);
}

ANY_TEST(any_operation_may_fail)
{
    EXPECT(fault_loop(WEIR__FAULT_RING, -ECONNRESET, visit_once, NULL) >= 5);
}

ANY_TEST(any_operation_may_be_cancelled_by_an_accident_of_the_kernel)
{
    EXPECT(fault_loop(WEIR__FAULT_RING, -ECANCELED, visit_once, NULL) >= 5); // N1
}

/* --- names ------------------------------------------------------------------------------------ */

static int answer_always(const char *host, weir_addresses *out_addresses, const char **out_why)
{
    (void)host, (void)out_why;
    out_addresses->count = 2;
    int rc = weir__net_address_literal(WEIR_STR("127.0.0.1"), 0, &out_addresses->at[0]);
    return rc < 0 ? rc : weir__net_address_literal(WEIR_STR("::1"), 0, &out_addresses->at[1]);
}

static int look_up(void *arg)
{
    weir_addresses found;
    int *rc = arg;
    *rc = weir_resolve("some.example", 80, &found);
    return 0;
}

static void look_up_once(void *arg)
{
    (void)arg;
    int looked_up = 1;
    weir_group *group;
    weir__net_cache_clear();
    if (weir_group_open(&group, NULL) < 0)
        return;
    int rc = weir_spawn(group, look_up, &looked_up);
    rc = weir_group_close(group, rc);
    if (fault_loop_nth == 0) {
        EXPECT_RC(0, rc);
        EXPECT_RC(0, looked_up);
    } else {
        EXPECT(looked_up <= 1 && looked_up != -ECANCELED && looked_up != -EAGAIN);
    }
}

ANY_TEST(memory_may_run_out_anywhere_in_a_lookup)
{
    weir__net_lookup = answer_always;
    EXPECT(fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, look_up_once, NULL) >= 2);
}
