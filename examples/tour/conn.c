/* conn.c - an echo server and a client, in one program */
#include <stdio.h>
#include <weir/weir.h>

struct echo {
    weir_conn *conn;
};

static int echo(struct echo *a) // a task for each connection
{
    char buffer[4096];
    ssize_t n;
    while ((n = weir_conn_read(a->conn, buffer, sizeof buffer)) > 0) {
        n = weir_conn_write_all(a->conn, buffer, (size_t)n, NULL);
        if (n < 0)
            break;
    }
    weir_conn_close(a->conn);
    return weir_code_is_network((int)n) ? 0 : (int)n; // a peer that hangs up fails nobody else
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
    return weir_group_close(group, rc); // those that are connected end first
}

static int ask(const weir_address *address)
{
    weir_conn *conn;
    int rc = weir_connect_address(address, NULL, &conn);
    if (rc < 0)
        return rc;
    char answer[6] = "";
    rc = weir_conn_write_all(conn, "hello", 5, NULL);
    if (rc == 0)
        rc = weir_conn_read_exact(conn, answer, 5, NULL); // 10 s of silence: -ETIMEDOUT
    printf("the echo: %s\n", answer);
    weir_conn_close(conn);
    return rc;
}

static int app(void *arg)
{
    (void)arg;
    weir_listener *listener;
    int rc = weir_listener_open(NULL, &listener); // a free port of 127.0.0.1
    if (rc < 0)
        return rc;
    weir_group *group = NULL;
    rc = weir_group_open(&group, NULL);
    if (rc == 0)
        rc = WEIR_SPAWN(group, serve, .listener = listener);
    if (rc == 0)
        rc = ask(weir_listener_address(listener));
    if (group != NULL)
        weir_group_cancel(group, "the client has its answer");
    rc = weir_group_close(group, rc);
    weir_listener_close(listener);
    return rc;
}

int main(void)
{
    return weir_run(app, NULL);
}
