/*
 * many_loops.c - three loops that share a port, count together, and stop together
 */
#include <stdio.h>
#include <weir/weir.h>

enum { LOOPS = 3, CLIENTS = 30 };

struct service {
    char address[WEIR_ADDRESS_TEXT_BYTES];
    weir_shared_event *listening;
    weir_shared_channel *answered; // the index of the loop, for each connection
};

struct answer_all {
    struct service *service;
    weir_listener *listener;
    size_t index;
};
static int answer_all(struct answer_all *a)
{
    weir_conn *conn;
    int rc;
    while ((rc = weir_listener_accept(a->listener, &conn)) == 0) {
        rc = weir_conn_write_all(conn, "hello", 5, NULL);
        weir_conn_close(conn);
        if (rc == 0)
            rc = weir_shared_channel_send(a->service->answered, &a->index);
        if (rc < 0)
            break;
    }
    return rc;
}

// The main task of each loop: it serves until all are told to stop.
static int serve(size_t index, void *arg)
{
    struct service *service = arg;
    weir_listener *listener;
    const weir_listener_options options = {.address = service->address, .reuse_port = true};
    int rc = weir_listener_open(&options, &listener);
    if (rc < 0)
        return rc;
    weir_shared_event_post(service->listening);
    weir_group *group;
    rc = weir_group_open(&group, NULL);
    if (rc == 0) {
        rc =
            WEIR_SPAWN(group, answer_all, .service = service, .listener = listener, .index = index);
        if (rc == 0)
            rc = weir_wait_stopping();
        weir_group_cancel(group, "the service stops");
        rc = weir_group_close(group, rc);
    }
    weir_listener_close(listener);
    return rc;
}

static int say_hello(const weir_address *address)
{
    weir_conn *conn;
    int rc = weir_connect_address(address, NULL, &conn);
    if (rc < 0)
        return rc;
    char text[5];
    rc = weir_conn_read_exact(conn, text, sizeof text, NULL);
    weir_conn_close(conn);
    return rc;
}

static int use(struct service *service, weir_loops *loops)
{
    weir_address address;
    int rc = weir_address_parse(service->address, &address);
    size_t answers = 0;
    while (answers < CLIENTS && rc == 0) {
        size_t index;
        rc = say_hello(&address);
        if (rc == 0)
            rc = weir_shared_channel_recv(service->answered, &index);
        answers += rc == 0 && index < weir_loops_count(loops);
    }
    if (rc == 0)
        printf("%zu connections were answered by %zu loops\n", answers, weir_loops_count(loops));
    return rc;
}

static int run_service(struct service *service)
{
    // Finds a port for all of them, and keeps it until they listen.
    weir_listener *first;
    int rc = weir_listener_open(&(weir_listener_options){.reuse_port = true}, &first);
    if (rc < 0)
        return rc;
    weir_address_format(weir_listener_address(first), service->address);

    weir_loops *loops;
    rc = weir_loops_open(&(weir_loops_options){.count = LOOPS}, serve, service, &loops);
    if (rc < 0) {
        weir_listener_close(first);
        return rc;
    }
    uint64_t seen = 0;
    while (seen < LOOPS && rc == 0)
        rc = weir_shared_event_wait(service->listening, seen, &seen);
    weir_listener_close(first);
    if (rc == 0)
        rc = use(service, loops);

    weir_loops_stop(loops, 5 * WEIR_SEC, "the work is done");
    rc = weir_loops_close(loops, rc);
    printf("every loop has ended\n");
    return rc;
}

static int app(void *arg)
{
    (void)arg;
    struct service service = {.address = ""};
    const weir_channel_options options = {.item_bytes = sizeof(size_t), .capacity = 8};
    int rc = weir_shared_event_new(&service.listening);
    if (rc == 0)
        rc = weir_shared_channel_new(&options, &service.answered);
    if (rc == 0)
        rc = run_service(&service);
    weir_shared_channel_release(service.answered);
    weir_shared_event_release(service.listening);
    return rc;
}

int main(void)
{
    return weir_run(app, NULL);
}
