/*
 * echo_server.c - a TCP echo server that SIGTERM or SIGINT ends: nobody new is taken, and those who
 * are connected have 3 s to end. Without an address two clients and a SIGTERM of its own follow.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <weir/weir.h>

struct echo {
    weir_conn *conn;
};

static int talk(struct echo *a)
{
    ssize_t n;
    while ((n = weir_conn_wait_readable(a->conn)) > 0) {
        weir_str bytes = weir_conn_peek(a->conn); // where they lie: no copy on the way in
        n = weir_conn_write_all(a->conn, bytes.data, bytes.size, NULL);
        if (n == 0)
            n = weir_conn_skip(a->conn, bytes.size);
        if (n < 0)
            break;
    }
    if (n < 0) {
        weir_conn_abort(a->conn); // the peer hears a reset, and not an end that looks complete
        return (int)n;
    }
    return weir_conn_shutdown(a->conn, 0); // until the peer has everything
}

static int echo(struct echo *a) // a task for each connection
{
    int rc = talk(a);
    return weir_code_is_network(rc) ? 0 : rc; // a peer that hangs up is no failure of the server
}

struct serve {
    weir_listener *listener;
};

static int serve(struct serve *a)
{
    weir_group *group;
    int rc = weir_group_open(&group, &(weir_group_options){.policy = WEIR_COLLECT_ALL});
    while (rc == 0) {
        weir_conn *conn;
        rc = weir_listener_accept(a->listener, &conn);
        if (rc == 0 && (rc = WEIR_SPAWN(group, echo, .conn = conn)) < 0)
            weir_conn_close(conn);
    }
    if (rc == -EBADF) // the listener was closed: nobody new
        rc = 0;
    return weir_group_close(group, rc); // those that are connected end first
}

static int say(const weir_address *address, const char *words, size_t size)
{
    weir_conn *conn;
    int rc = weir_connect_address(address, NULL, &conn);
    if (rc < 0)
        return rc;
    char answer[64];
    size_t answered = 0;
    rc = weir_conn_write_all(conn, words, size, NULL);
    if (rc == 0)
        rc = weir_conn_finish(conn); // that was all: half a connection is left
    while (rc == 0) {
        ssize_t n = weir_conn_read(conn, answer + answered, sizeof answer - answered);
        if (n <= 0) {
            rc = (int)n;
            break;
        }
        answered += (size_t)n;
    }
    if (rc == 0)
        printf("echo: %.*s\n", (int)answered, answer);
    weir_conn_close(conn);
    return rc;
}

static int two_clients(const weir_address *address)
{
    int rc = say(address, "hello", 5);
    if (rc == 0)
        rc = say(address, "and good bye", 12);
    kill(getpid(), SIGTERM); // the service manager, usually
    return rc;
}

static int serve_until(weir_signal *stop, const char *address)
{
    weir_listener *listener;
    int rc = weir_listener_open(&(weir_listener_options){.address = address}, &listener);
    if (rc < 0)
        return rc;
    weir_group *group = NULL;
    weir_scope scope = {0}; // around the group, so that it can have a deadline later
    rc = weir_scope_enter(&scope);
    if (rc < 0)
        goto close;
    rc = weir_group_open(&group, NULL);
    if (rc == 0)
        rc = WEIR_SPAWN(group, serve, .listener = listener);
    if (rc == 0 && address == NULL)
        rc = two_clients(weir_listener_address(listener));
    if (rc == 0)
        rc = weir_signal_wait(stop, NULL);
    weir_listener_close(listener);
    listener = NULL;
    weir_scope_set_deadline(&scope, weir_now() + 3 * WEIR_SEC);
    rc = weir_scope_leave(&scope, weir_group_close(group, rc)); // -ETIME: somebody was cut
close:
    weir_listener_close(listener);
    return rc;
}

static int app(void *arg)
{
    weir_signal *stop;
    int rc = weir_signal_open((const int[]){SIGTERM, SIGINT}, 2, &stop);
    if (rc < 0)
        return rc;
    rc = serve_until(stop, arg);
    weir_signal_close(stop);
    return rc;
}

int main(int argc, char **argv)
{
    return weir_run(app, argc > 1 ? argv[1] : NULL); // such as 127.0.0.1:7000
}
