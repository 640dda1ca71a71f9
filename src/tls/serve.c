/*
 * serve.c - a listener whose connections shake hands, so many at a time
 *
 * A handshake costs more than hundreds of requests, and anybody can ask for one. So the next
 * connection is accepted only when a place for its handshake is free; until then it waits with the
 * kernel, whose queue is bounded.
 *
 * Runs on  the listener's loop: one task that accepts, and one for each connection.
 * Holds    1. A connection has a place from before it is accepted until its handshake is over.
 *          2. A connection that fails takes nobody with it.
 */
#include <weir/semaphore.h>

#include "base/alloc.h"
#include "tls/tls.h"

struct serving {
    weir_listener *listener;
    weir_tls_config *config;
    weir_tls_handler_fn *handler;
    weir_tls_failed_fn *failed;
    void *arg;
    weir_semaphore places;
};

struct served {
    struct serving *serving;
    weir_conn *conn;
};

static int serve_conn(void *arg)
{
    struct served served = *(struct served *)arg;
    struct serving *serving = served.serving;
    weir__base_free(arg);
    int rc = weir_tls_accept(served.conn, serving->config);
    weir_ignore(weir_semaphore_release(&serving->places, 1), "it was acquired for us");
    if (rc == 0)
        rc = serving->handler(served.conn, serving->arg);
    if (rc < 0 && rc != -ECANCELED && serving->failed != NULL)
        serving->failed(weir_conn_peer_address(served.conn), rc, weir_failure_message(rc),
                        serving->arg);
    weir_conn_close(served.conn);
    return rc == -ECANCELED ? rc : 0;
}

static int accept_one(struct serving *serving, weir_group *group)
{
    weir_conn *conn;
    int rc = weir_listener_accept(serving->listener, &conn);
    if (rc < 0)
        return rc;
    struct served *served = weir__base_alloc(sizeof *served);
    rc = served == NULL ? -ENOMEM : 0;
    if (rc == 0) {
        *served = (struct served){serving, conn};
        rc = weir_spawn(group, serve_conn, served);
    }
    if (rc == 0)
        return 0;
    weir__base_free(served);
    weir_conn_close(conn);
    weir_ignore(weir_semaphore_release(&serving->places, 1), "it was acquired for this one");
    return rc == -ENOMEM ? weir__net_accept_pause(serving->listener) : rc;
}

static int accept_all(struct serving *serving, weir_group *group)
{
    int rc;
    do {
        rc = weir_semaphore_acquire(&serving->places, 1);
        if (rc == 0)
            rc = accept_one(serving, group);
    } while (rc == 0);
    return rc == -EBADF ? 0 : rc; // closed: that is how it is stopped
}

int weir_tls_serve(weir_listener *listener, weir_tls_config *config,
                   const weir_tls_serve_options *options, weir_tls_handler_fn *handler, void *arg)
{
    static const weir_tls_serve_options defaults;
    if (options == NULL)
        options = &defaults;
    if (config == NULL || config->options.role != WEIR_TLS_SERVER || handler == NULL)
        return weir_fail(-EINVAL, "TLS: to serve takes a handler and a configuration of its kind");
    struct serving serving = {.listener = listener,
                              .config = config,
                              .handler = handler,
                              .failed = options->failed,
                              .arg = arg};
    weir_semaphore_init(&serving.places, options->handshakes_max == 0 ? WEIR__TLS_HANDSHAKES_MAX
                                                                      : options->handshakes_max);
    weir_group *group;
    weir_group_options group_options = {
        .name = "TLS",
        .running_max = options->conns_max == 0 ? WEIR__TLS_CONNS_MAX : options->conns_max};
    int rc = weir_group_open(&group, &group_options);
    if (rc < 0)
        return rc;
    weir__net_listener_hold(listener);
    rc = accept_all(&serving, group);
    rc = weir_group_close(group, rc);
    weir__net_listener_release(listener);
    return rc;
}
