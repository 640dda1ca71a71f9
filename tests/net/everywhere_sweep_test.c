/*
 * everywhere_sweep_test.c - a connection from its start to its end, cancelled and failed at every
 * place: rules O4, O5, O6, I4, cases 293, 294, 296
 */
#include <weir/weir.h>

#include "tests/net/peer.h"
#include "tests/support/everywhere.h"

enum { SIZE = 300000 /* more than fits the buffers of the kernel at once */ };

static char sent[SIZE];

struct echo {
    weir_listener *listener;
};
static int echo(struct echo *a)
{
    static char buffer[20000];
    weir_conn *conn;
    int rc = weir_listener_accept(a->listener, &conn);
    if (rc < 0)
        return rc;
    ssize_t got;
    while ((got = weir_conn_read(conn, buffer, sizeof buffer)) > 0) {
        size_t written = 0;
        rc = weir_conn_write_all(conn, buffer, (size_t)got, &written);
        WEIR_TEST_EXPECT(written <= (size_t)got && (rc < 0 || written == (size_t)got)); /* O6 */
        if (rc < 0)
            break;
    }
    weir_conn_close(conn);
    return got < 0 ? (int)got : rc;
}

struct writer {
    weir_conn *conn;
};
static int writer(struct writer *a)
{
    weir_str parts[3] = {{sent, 1}, {sent + 1, 1000}, {sent + 1001, SIZE - 1001}};
    size_t written = 0;
    int rc = weir_conn_write_parts(a->conn, parts, 3, &written);
    WEIR_TEST_EXPECT(written <= SIZE && (rc < 0 || written == SIZE)); /* O6 */
    return rc < 0 ? rc : weir_conn_finish(a->conn);
}

static int read_back(weir_conn *conn)
{
    static char back[SIZE];
    size_t got = 0;
    int rc = weir_conn_read_exact(conn, back, SIZE, &got);
    WEIR_TEST_EXPECT(got <= SIZE && (rc < 0 || got == SIZE));
    WEIR_TEST_EXPECT(memcmp(back, sent, got) == 0);
    return rc;
}

static int talk(void *arg)
{
    (void)arg;
    weir_listener *listener;
    int rc = weir_listener_open(NULL, &listener);
    if (rc < 0)
        return rc;
    weir_conn *conn = NULL;
    weir_group *group;
    rc = weir_group_open(&group, NULL);
    if (rc == 0) {
        rc = WEIR_SPAWN(group, echo, .listener = listener);
        if (rc == 0)
            rc = weir_connect("127.0.0.1", weir_address_port(weir_listener_address(listener)), NULL,
                              &conn);
        if (rc == 0)
            rc = WEIR_SPAWN(group, writer, .conn = conn);
        if (rc == 0)
            rc = read_back(conn);
        if (rc == -ESHUTDOWN)
            rc = weir_check();
        rc = weir_group_close(group, rc);
    }
    weir_conn_close(conn);
    weir_listener_close(listener);
    return rc;
}

TEST(a_connection_everywhere) /* O4, O5, O6, I4 */
{
    fill_pattern(sent, SIZE, 3);
    everywhere_real("talk", (struct everywhere){.body = talk, .rounds_min = 20});
}

TEST(a_connection_everywhere_on_the_simulated_network) /* O4, O5, O6, I4, Q4 */
{
    fill_pattern(sent, SIZE, 3);
    everywhere_simulated("talk", (struct everywhere){.body = talk, .rounds_min = 20});
}
