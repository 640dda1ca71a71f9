/*
 * race.c - two addresses, the first to answer wins, and the loser's socket is closed
 *
 * The next call starts when the one before has failed or has kept us waiting for 30 ms. When one
 * has succeeded the others are cancelled and waited for: their sockets are closed before the race
 * returns, and a connection that was made in that very moment is closed by its destructor.
 */
#include <stdio.h>
#include <weir/weir.h>

struct server {
    const char *name;
    weir_listener *listener;
};

static void close_conn(void *conn)
{
    weir_conn_close(conn);
}

static int connect_to(void *arg)
{
    struct server *server = arg;
    weir_conn *conn;
    int rc = weir_connect_address(weir_listener_address(server->listener), NULL, &conn);
    if (rc < 0)
        return rc;
    char hello[16];
    ssize_t got = weir_conn_read(conn, hello, sizeof hello); // one of them never says it
    if (got <= 0) {
        printf("%s: %s, its socket is closed\n", server->name, weir_code_name((int)got));
        weir_conn_close(conn);
        return got < 0 ? (int)got : weir_fail(-ECONNRESET, "%s said nothing", server->name);
    }
    return weir_task_set_result(conn, close_conn);
}

static int greet(void *arg)
{
    weir_conn *conn;
    int rc = weir_listener_accept(((struct server *)arg)->listener, &conn);
    if (rc < 0)
        return rc;
    rc = weir_conn_write_all(conn, "hello", 5, NULL);
    weir_conn_close(conn);
    return rc;
}

static int race(struct server *silent, struct server *friendly)
{
    const weir_call calls[] = {{connect_to, silent}, {connect_to, friendly}};
    const weir_race_options options = {.stagger_ns = 30 * WEIR_MS};
    weir_outcome outcomes[2];
    size_t winner;
    int rc = weir_race(calls, 2, &options, outcomes, &winner);
    if (rc < 0)
        return rc;
    printf("%s won\n", winner == 0 ? silent->name : friendly->name);
    weir_outcomes_release(outcomes, 2); // closes the connection of the winner as well
    return 0;
}

static int app(void *arg)
{
    (void)arg;
    struct server silent = {.name = "silent"}, friendly = {.name = "friendly"};
    weir_group *group;
    int rc = weir_listener_open(NULL, &silent.listener);
    if (rc < 0)
        return rc;
    rc = weir_listener_open(NULL, &friendly.listener);
    if (rc < 0)
        goto close_silent;
    rc = weir_group_open(&group, NULL);
    if (rc < 0)
        goto close_friendly;
    rc = weir_spawn(group, greet, &friendly);
    if (rc == 0)
        rc = race(&silent, &friendly);
    rc = weir_group_close(group, rc);

close_friendly:
    weir_listener_close(friendly.listener);
close_silent:
    weir_listener_close(silent.listener);
    return rc;
}

int main(void)
{
    return weir_run(app, NULL);
}
