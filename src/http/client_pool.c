/*
 * client_pool.c - the client's connections: places, waiting for one, keeping idle ones
 *
 * A place is a connection that exists or is being made. There are conns_max of them, and
 * conns_per_origin_max to one origin. Whoever finds none waits in one line; a place that comes free
 * goes to the first in the line that can use it. An idle connection to another origin is closed to
 * make room.
 *
 * Runs on  the client's loop.
 * Holds    1. places_taken == connections in use + idle + being made, over all and for each origin.
 *          2. A place handed to a waiter is counted before the waiter runs, so nobody overtakes.
 */
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "http/client.h"

struct place_waiter {
    struct weir__list link;
    weir_task *task;
    struct weir__origin *origin;
    struct weir__client_conn *conn; /* given along with the place, when one to the same origin was
                                       free */
};

/* --- origins ---------------------------------------------------------------------------------- */

static struct weir__origin *find_origin(weir_http_client *client,
                                        const struct weir__client_target *target)
{
    for (struct weir__list *node = client->origins.next; node != &client->origins;
         node = node->next) {
        struct weir__origin *origin = WEIR__CONTAINER(node, struct weir__origin, link);
        if (origin->port == target->port && origin->https == target->https &&
            strcasecmp(origin->host, target->host) == 0)
            return origin;
    }
    return NULL;
}

static struct weir__origin *origin_for(weir_http_client *client,
                                       const struct weir__client_target *target)
{
    struct weir__origin *origin = find_origin(client, target);
    if (origin != NULL) {
        weir__list_remove(&origin->link); /* recently used ones are found soonest */
        weir__list_prepend(&client->origins, &origin->link);
        return origin;
    }
    size_t size = strlen(target->host) + 1;
    origin = weir__base_alloc_zero(sizeof *origin + size);
    if (origin == NULL)
        return NULL;
    origin->port = target->port;
    origin->https = target->https;
    memcpy(origin->host, target->host, size);
    weir__list_prepend(&client->origins, &origin->link);
    return origin;
}

static bool is_wanted(weir_http_client *client, const struct weir__origin *origin)
{
    for (struct weir__list *node = client->waiters.next; node != &client->waiters;
         node = node->next)
        if (WEIR__CONTAINER(node, struct place_waiter, link)->origin == origin)
            return true;
    return false;
}

static void forget_unused(struct weir__origin *origin)
{
    if (origin->places_taken > 0 || origin->askers > 0)
        return;
    weir__list_remove(&origin->link);
    weir__base_free(origin);
}

/* --- places ----------------------------------------------------------------------------------- */

static void take_place(weir_http_client *client, struct weir__origin *origin)
{
    client->places_taken++;
    origin->places_taken++;
}

static void close_conn(weir_http_client *client, struct weir__client_conn *conn)
{
    weir_conn_close(conn->conn);
    conn->origin->places_taken--;
    client->places_taken--;
    weir__base_free(conn);
}

/* The least recently used idle connection goes. */
static bool drop_oldest_idle(weir_http_client *client)
{
    if (weir__list_empty(&client->idle))
        return false;
    struct weir__client_conn *conn =
        WEIR__CONTAINER(client->idle.prev, struct weir__client_conn, link);
    struct weir__origin *origin = conn->origin;
    weir__list_remove(&conn->link);
    client->stats.conns_idle--;
    close_conn(client, conn);
    forget_unused(origin);
    return true;
}

static bool has_place(weir_http_client *client, const struct weir__origin *origin)
{
    if (origin->places_taken >= client->limits.conns_per_origin_max)
        return false;
    return client->places_taken < client->limits.conns_max || drop_oldest_idle(client);
}

/* A place may have come free: the first in the line that can use it gets it. */
static void offer_places(weir_http_client *client)
{
    struct weir__list *node = client->waiters.next;
    while (node != &client->waiters) {
        struct place_waiter *waiter = WEIR__CONTAINER(node, struct place_waiter, link);
        node = node->next;
        if (!has_place(client, waiter->origin))
            continue;
        take_place(client, waiter->origin);
        weir__list_remove(&waiter->link);
        client->stats.waiting--;
        weir__core_wake(waiter->task, 0);
    }
}

static void leave_line(weir_task *task, void *object)
{
    struct place_waiter *waiter = object;
    weir__list_remove(&waiter->link);
    weir__core_wake(task, -ECANCELED);
}

static int wait_in_line(weir_http_client *client, struct weir__origin *origin,
                        struct weir__client_conn **out_conn)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    struct place_waiter waiter = {.task = weir__core_task(), .origin = origin};
    weir__list_append(&client->waiters, &waiter.link);
    client->stats.waiting++;
    rc = weir__core_park(WEIR_WAIT_CONN, &waiter, leave_line);
    if (rc < 0) {
        client->stats.waiting--;
        return weir__core_cancelled_result(weir__core_task());
    }
    *out_conn = waiter.conn;
    return 0;
}

/* *out_conn stays NULL when the place comes without a connection. */
static int wait_for_place(weir_http_client *client, struct weir__origin *origin,
                          struct weir__client_conn **out_conn)
{
    /* Nobody overtakes those who wait for the same origin. */
    if (!is_wanted(client, origin) && has_place(client, origin)) {
        take_place(client, origin);
        return 0;
    }
    int rc = 0;
    WEIR_TIMEOUT(rc, client->limits.pool_wait_ns)
    {
        rc = wait_in_line(client, origin, out_conn);
    }
    if (rc == -ETIME)
        return weir_fail(-EBUSY, "no connection to %s:%u came free in time: %zu of %zu in use",
                         origin->host, (unsigned)origin->port, origin->places_taken,
                         client->limits.conns_per_origin_max);
    return rc;
}

/* --- idle ones -------------------------------------------------------------------------------- */

static struct weir__client_conn *take_idle(weir_http_client *client, struct weir__origin *origin)
{
    struct weir__list *node = client->idle.next;
    while (node != &client->idle) {
        struct weir__client_conn *conn = WEIR__CONTAINER(node, struct weir__client_conn, link);
        node = node->next;
        if (conn->origin != origin)
            continue;
        weir__list_remove(&conn->link);
        client->stats.conns_idle--;
        if (weir__net_conn_at_rest(conn->conn))
            return conn;
        close_conn(client, conn); /* the server has closed it, or said something unasked */
    }
    return NULL;
}

static void sweep(struct weir__alarm *alarm)
{
    weir_http_client *client = WEIR__CONTAINER(alarm, weir_http_client, sweep);
    int64_t now_ns = client->loop->now_ns;
    while (!weir__list_empty(&client->idle)) {
        struct weir__client_conn *oldest =
            WEIR__CONTAINER(client->idle.prev, struct weir__client_conn, link);
        if (oldest->kept_until_ns > now_ns) {
            weir__core_alarm_set(client->loop, &client->sweep, oldest->kept_until_ns);
            return;
        }
        drop_oldest_idle(client);
    }
}

static void keep(weir_http_client *client, struct weir__client_conn *conn)
{
    conn->used_before = true;
    conn->kept_until_ns =
        client->limits.kept_ns == WEIR_FOREVER ? WEIR_NEVER : weir_now() + client->limits.kept_ns;
    if (weir__list_empty(&client->idle)) {
        client->sweep.fire = sweep;
        weir__core_alarm_set(client->loop, &client->sweep, conn->kept_until_ns);
    }
    weir__list_prepend(&client->idle, &conn->link);
    client->stats.conns_idle++;
}

/* --- the two doors ---------------------------------------------------------------------------- */

/* The handshake, within what is left of the time to connect. */
static int secure_conn(weir_http_client *client, const struct weir__origin *origin, weir_conn *conn,
                       int64_t begun_ns)
{
    int64_t limit_ns = client->limits.connect_timeout_ns;
    if (limit_ns == WEIR_FOREVER)
        return client->secure->client(conn, client->secure, origin->host);
    weir_scope limit = {0};
    bool limited = !weir_cancelled();
    int rc = limited ? weir_deadline_enter(&limit, weir__base_add_ns(begun_ns, limit_ns)) : 0;
    if (rc < 0)
        return rc;
    rc = client->secure->client(conn, client->secure, origin->host);
    if (limited)
        rc = weir_scope_leave(&limit, rc);
    if (rc != -ETIME)
        return rc;
    char duration[WEIR__NET_DURATION_BYTES];
    return weir_fail(-ETIMEDOUT, "no TLS connection to %s:%u within %s", origin->host,
                     (unsigned)origin->port, weir__net_duration(limit_ns, duration));
}

static int connect_new(weir_http_client *client, struct weir__origin *origin,
                       struct weir__client_conn **out_conn)
{
    struct weir__client_conn *conn = weir__base_alloc_zero(sizeof *conn);
    if (conn == NULL)
        return -ENOMEM;
    weir_connect_options options = {
        .connect_timeout_ns = client->limits.connect_timeout_ns,
        .read_idle_timeout_ns = client->limits.idle_timeout_ns,
        .write_stall_timeout_ns = client->limits.idle_timeout_ns,
    };
    int64_t begun_ns = weir_now();
    int rc = weir_connect(origin->host, origin->port, &options, &conn->conn);
    if (rc < 0)
        goto free_conn;
    if (origin->https)
        rc = secure_conn(client, origin, conn->conn, begun_ns);
    if (rc < 0)
        goto close_conn;
    conn->origin = origin;
    weir__list_init(&conn->link);
    client->stats.connected++;
    *out_conn = conn;
    return 0;

close_conn:
    weir_conn_close(conn->conn);
free_conn:
    weir__base_free(conn);
    return rc;
}

int weir__client_acquire(weir_http_client *client, const struct weir__client_target *target,
                         bool fresh, struct weir__client_conn **out_conn)
{
    struct weir__origin *origin = origin_for(client, target);
    if (origin == NULL)
        return -ENOMEM;
    struct weir__client_conn *idle;
    while ((idle = take_idle(client, origin)) != NULL) {
        if (!fresh) {
            client->stats.reused++;
            client->stats.conns_in_use++;
            *out_conn = idle;
            return 0;
        }
        close_conn(client, idle); /* the others of that age are as suspect as the one that failed */
    }
    struct weir__client_conn *given = NULL;
    origin->askers++;
    int rc = wait_for_place(client, origin, &given);
    origin->askers--;
    if (rc < 0) {
        forget_unused(origin);
        return rc;
    }
    if (given != NULL) {
        client->stats.reused++;
        client->stats.conns_in_use++;
        *out_conn = given;
        return 0;
    }
    rc = connect_new(client, origin, out_conn);
    if (rc < 0) {
        origin->places_taken--;
        client->places_taken--;
        offer_places(client);
        forget_unused(origin);
        return rc;
    }
    client->stats.conns_in_use++;
    return 0;
}

/* The first who waits for this origin gets the connection itself. */
static bool hand_over(weir_http_client *client, struct weir__client_conn *conn)
{
    for (struct weir__list *node = client->waiters.next; node != &client->waiters;
         node = node->next) {
        struct place_waiter *waiter = WEIR__CONTAINER(node, struct place_waiter, link);
        if (waiter->origin != conn->origin)
            continue;
        waiter->conn = conn;
        conn->used_before = true;
        weir__list_remove(&waiter->link);
        client->stats.waiting--;
        weir__core_wake(waiter->task, 0);
        return true;
    }
    return false;
}

void weir__client_release(weir_http_client *client, struct weir__client_conn *conn, bool reusable)
{
    struct weir__origin *origin = conn->origin;
    client->stats.conns_in_use--;
    if (reusable && weir__net_conn_at_rest(conn->conn)) {
        if (!hand_over(client, conn))
            keep(client, conn);
    } else {
        close_conn(client, conn);
    }
    offer_places(client);
    forget_unused(origin);
}

static bool give_way(struct weir__net_spare *spare)
{
    weir_http_client *client = WEIR__CONTAINER(spare, weir_http_client, spare);
    if (!drop_oldest_idle(client))
        return false;
    client->stats.gave_way++;
    offer_places(client);
    return true;
}

void weir__client_pool_open(weir_http_client *client)
{
    weir__list_init(&client->origins);
    weir__list_init(&client->idle);
    weir__list_init(&client->waiters);
    client->spare.give_way = give_way;
    weir__net_spare_add(&client->spare);
}

void weir__client_pool_close(weir_http_client *client)
{
    weir__net_spare_remove(&client->spare);
    while (drop_oldest_idle(client)) {
    }
    weir__core_alarm_clear(client->loop, &client->sweep);
}
