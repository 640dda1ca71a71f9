/*
 * server.c - opening, accepting, draining, closing; what the connections of a server share
 *
 * Runs on  the loop's own thread. An acceptor is a task of the server's group, as requests are.
 * Holds    1. The lists idle and busy hold every connection whose record is in use.
 *          2. A drain never begins again: retiring, draining and closing only become true.
 */
#include <assert.h>
#include <string.h>

#include <weir/failure.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/sys.h"
#include "http/request.h"
#include "http/server.h"
#include "net/net.h"

enum {
    DESCRIPTORS_PERCENT = 80,
    DESCRIPTORS_KEPT_MIN = 32,
    SERVER_HEADER_MAX = 64,
    ADDRESS_CONNECTIONS = 256, /* of one address, at the edge */
};
_Static_assert(WEIR__HTTP_COMMON_BYTES >= 6 + WEIR__HTTP_DATE_BYTES + 2 + 8 + SERVER_HEADER_MAX + 2,
               "the lines that all answers share have room");

static const weir_model_table *no_fields(void)
{
    static const weir_model_table table = {NULL, 0};
    return &table;
}

const weir_model weir_none_weir_model = {
    .name = "weir_none", .size = sizeof(weir_none), .table = no_fields};

/* --- what all answers share ------------------------------------------------------------------- */

static void write_common(weir_http_server *server)
{
    int64_t wall_ns = weir__base_wall_now();
    char *at = server->common;
    server->common_until_ns = server->loop->now_ns + WEIR_SEC - wall_ns % WEIR_SEC;
    // Beyond the year 9999 RFC 9110 section 6.6.1 allows to say nothing.
    if (weir__http_date_format(wall_ns / WEIR_SEC, at + 6) == 0) {
        memcpy(at, "Date: ", 6);
        memcpy(at + 6 + WEIR__HTTP_DATE_BYTES, "\r\n", 2);
        at += 6 + WEIR__HTTP_DATE_BYTES + 2;
    }
    size_t name_size =
        server->options.server_header == NULL ? 0 : strlen(server->options.server_header);
    if (name_size > 0) {
        memcpy(at, "Server: ", 8);
        memcpy(at + 8, server->options.server_header, name_size);
        memcpy(at + 8 + name_size, "\r\n", 2);
        at += 8 + name_size + 2;
    }
    server->common_size = (size_t)(at - server->common);
}

weir_str weir__http_common_lines(weir_http_server *server)
{
    if (server->loop->now_ns >= server->common_until_ns)
        write_common(server);
    return (weir_str){server->common, server->common_size};
}

static void tell_limit(weir_http_server *server, weir_http_limit limit, const char *peer)
{
    const weir_http_hooks *hooks = &server->options.hooks;
    server->stats.limit_count[limit]++;
    if (hooks->limit_hit != NULL)
        hooks->limit_hit(hooks->arg, limit, peer);
}

void weir__http_limit_hit(weir_http_server *server, weir_http_limit limit,
                          struct weir__http_conn *conn)
{
    char peer[WEIR__HTTP_PEER_BYTES] = "";
    if (conn != NULL && server->options.hooks.limit_hit != NULL)
        weir__http_conn_peer(conn, peer);
    tell_limit(server, limit, peer);
}

const char *weir_http_limit_name(weir_http_limit limit)
{
    static const char *const names[WEIR_HTTP_LIMIT_COUNT] = {
        [WEIR_HTTP_LIMIT_CONNECTIONS] = "connections",
        [WEIR_HTTP_LIMIT_IN_FLIGHT] = "in_flight",
        [WEIR_HTTP_LIMIT_FIRST_BYTE] = "first_byte",
        [WEIR_HTTP_LIMIT_HEAD_TIME] = "head_time",
        [WEIR_HTTP_LIMIT_LINE_BYTES] = "line_bytes",
        [WEIR_HTTP_LIMIT_HEAD_BYTES] = "head_bytes",
        [WEIR_HTTP_LIMIT_QUERY_COUNT] = "query_count",
        [WEIR_HTTP_LIMIT_BODY_BYTES] = "body_bytes",
        [WEIR_HTTP_LIMIT_BODY_IDLE] = "body_idle",
        [WEIR_HTTP_LIMIT_BODY_RATE] = "body_rate",
        [WEIR_HTTP_LIMIT_HANDLER_TIME] = "handler_time",
        [WEIR_HTTP_LIMIT_WRITE_STALL] = "write_stall",
        [WEIR_HTTP_LIMIT_IDLE] = "idle",
        [WEIR_HTTP_LIMIT_CONN_REQUESTS] = "conn_requests",
        [WEIR_HTTP_LIMIT_CONN_AGE] = "conn_age",
        [WEIR_HTTP_LIMIT_PIPELINE] = "pipeline",
        [WEIR_HTTP_LIMIT_ARENA_BYTES] = "arena_bytes",
        [WEIR_HTTP_LIMIT_ADDRESS_CONNECTIONS] = "address_connections",
        [WEIR_HTTP_LIMIT_QUEUE_DELAY] = "queue_delay",
    };
    return (unsigned)limit < WEIR_HTTP_LIMIT_COUNT ? names[limit] : "";
}

static void flush_dirty(struct weir__alarm *alarm)
{
    weir_http_server *server = WEIR__CONTAINER(alarm, weir_http_server, flush_alarm);
    struct weir__list *node;
    while ((node = weir__list_take_first(&server->dirty)) != NULL)
        weir__http_out_start(WEIR__CONTAINER(node, struct weir__http_conn, dirty));
}

/* --- limits ----------------------------------------------------------------------------------- */

static int set_size(size_t *limit, size_t otherwise)
{
    if (*limit == 0)
        *limit = otherwise;
    return 0;
}

static int set_time(int64_t *limit_ns, int64_t otherwise_ns)
{
    if (*limit_ns < 0)
        return -EINVAL;
    if (*limit_ns == 0)
        *limit_ns = otherwise_ns;
    return 0;
}

static size_t connections_default(void)
{
    size_t descriptors = (size_t)weir__sys_raise_fd_limit();
    size_t kept = descriptors - descriptors * DESCRIPTORS_PERCENT / 100;
    if (kept < DESCRIPTORS_KEPT_MIN) // listeners, loops, files: without them nobody is let in
        kept = DESCRIPTORS_KEPT_MIN;
    size_t least = descriptors / 4;
    size_t most = descriptors > kept + least ? descriptors - kept : least;
    return most > 0 && most < 10000 ? most : 10000;
}

int weir__http_limits_fill(weir_http_limits *limits, bool edge)
{
    set_size(&limits->connections_max, connections_default());
    set_size(&limits->address_connections_max, edge ? ADDRESS_CONNECTIONS : WEIR_UNLIMITED);
    set_size(&limits->in_flight_max, 2048);
    set_size(&limits->line_bytes_max, 8 * 1024);
    set_size(&limits->head_bytes_max, 32 * 1024);
    set_size(&limits->head_fields_max, WEIR__HTTP_FIELD_COUNT_MAX);
    set_size(&limits->query_params_max, 1000);
    set_size(&limits->body_bytes_max, 1024 * 1024);
    set_size(&limits->body_discard_max, 256 * 1024);
    set_size(&limits->body_rate_min, 240);
    set_size(&limits->arena_bytes_max, 4 * 1024 * 1024);
    set_size(&limits->conn_requests_max, 10000);
    set_size(&limits->pipeline_bytes_max, 16 * 1024);
    if (limits->head_fields_max > WEIR__HTTP_FIELD_COUNT_MAX)
        return weir_fail(-EINVAL, "head_fields_max is at most %d", WEIR__HTTP_FIELD_COUNT_MAX);
    const struct {
        int64_t *limit_ns;
        int64_t otherwise_ns;
    } times[] = {
        {&limits->first_byte_timeout_ns, 10 * WEIR_SEC},
        {&limits->head_timeout_ns, 10 * WEIR_SEC},
        {&limits->body_idle_timeout_ns, 15 * WEIR_SEC},
        {&limits->body_rate_grace_ns, 10 * WEIR_SEC},
        {&limits->handler_timeout_ns, 30 * WEIR_SEC},
        {&limits->write_timeout_ns, 30 * WEIR_SEC},
        {&limits->idle_timeout_ns, 75 * WEIR_SEC},
        {&limits->conn_age_max_ns, WEIR_HOUR},
        {&limits->linger_timeout_ns, 2 * WEIR_SEC},
        {&limits->heartbeat_ns, 15 * WEIR_SEC},
        {&limits->queue_delay_max_ns, 500 * WEIR_MS},
        {&limits->queue_delay_sustain_ns, WEIR_SEC},
        {&limits->drain_grace_ns, 200 * WEIR_MS},
    };
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        if (set_time(times[i].limit_ns, times[i].otherwise_ns) < 0)
            return weir_fail(-EINVAL, "a limit of time is negative");
    return 0;
}

static int check_server_header(const char *value)
{
    if (value == NULL)
        return 0;
    if (strlen(value) > SERVER_HEADER_MAX ||
        !weir__http_field_valid(WEIR_STR("Server"), weir__str_from(value)))
        return weir_fail(-EINVAL, "server_header is no value of a field, or has more than %d bytes",
                         SERVER_HEADER_MAX);
    return 0;
}

/* --- opening ---------------------------------------------------------------------------------- */

static void end_silence(struct weir__alarm *alarm);

int weir_http_server_open(const weir_router *router, const weir_http_server_options *options,
                          weir_http_server **out_server)
{
    if (weir__core_task() == NULL)
        return -EPERM;
    weir_http_server *server = weir__base_alloc_zero(sizeof *server);
    if (server == NULL)
        return -ENOMEM;
    server->loop = weir__core_loop();
    server->router = router;
    if (options != NULL)
        server->options = *options;
    if (server->options.name == NULL)
        server->options.name = "http";
    int rc = check_server_header(server->options.server_header);
    if (rc == 0)
        rc = weir__http_limits_fill(&server->options.limits, server->options.edge);
    if (rc < 0)
        goto free_server;
    const weir_http_limits *limits = &server->options.limits;
    if (limits->address_connections_max != WEIR_UNLIMITED)
        rc = weir__http_peers_new(limits->address_connections_max, &server->peers);
    if (rc < 0)
        goto free_server;
    server->shed.delay_max_ns = limits->queue_delay_max_ns;
    server->shed.sustain_ns = limits->queue_delay_sustain_ns;
    server->loop->sleeps_timed |= limits->queue_delay_max_ns != WEIR_FOREVER;
    server->head_limits = (struct weir__http_head_limits){
        .line_bytes_max = limits->line_bytes_max,
        .fields_bytes_max = limits->head_bytes_max,
        .field_count_max = limits->head_fields_max,
    };
    weir__list_init(&server->idle);
    weir__list_init(&server->busy);
    weir__list_init(&server->dirty);
    weir__list_init(&server->acceptors);
    weir__list_init(&server->room_waiters);
    weir__list_init(&server->quiet_waiters);
    server->flush_alarm.fire = flush_dirty;
    server->drain_alarm.fire = end_silence;
    weir__buffer_init(&server->json);
    weir__base_random_bytes(&server->random_state, sizeof server->random_state);
    rc = weir_group_open(&server->group, &(weir_group_options){.policy = WEIR_COLLECT_ALL,
                                                               .name = server->options.name});
    if (rc < 0)
        goto free_peers;
    *out_server = server;
    return 0;

free_peers:
    weir__http_peers_free(server->peers);
free_server:
    weir__base_free(server);
    return rc;
}

void weir__http_server_share_peers(weir_http_server *server, struct weir__http_peers *peers)
{
    assert(server->stats.conn_count == 0);
    weir__http_peers_free(server->peers);
    server->peers = peers;
    server->peers_shared = true;
}

/* --- accepting -------------------------------------------------------------------------------- */

/* What the kernel says of a peer, as the socket calls want it. */
static const struct sockaddr *sockaddr_of(const struct sockaddr_storage *storage)
{
    return (const struct sockaddr *)(const void *)storage;
}

/* One more of its address. Beyond the limit it is the newcomer who goes. */
static int count_peer(weir_http_server *server, const weir_address *peer,
                      struct weir__http_peer **out_counted)
{
    int rc = weir__http_peers_enter(server->peers, sockaddr_of(&peer->storage), out_counted);
    if (rc == -EUSERS) {
        char text[WEIR_ADDRESS_TEXT_BYTES];
        tell_limit(server, WEIR_HTTP_LIMIT_ADDRESS_CONNECTIONS, weir_address_format(peer, text));
    }
    return rc;
}

/* Make room by closing the connection that has been idle for the longest time. */
static void close_oldest(weir_http_server *server)
{
    if (weir__list_empty(&server->idle))
        return;
    weir__http_conn_drop(WEIR__CONTAINER(server->idle.next, struct weir__http_conn, link));
}

/* Checkpoint: until one more connection is allowed. Meanwhile newcomers wait in the kernel's
 * queue. */
static int wait_for_room(weir_http_server *server)
{
    if (server->stats.conn_count < server->options.limits.connections_max)
        return 0;
    weir__http_limit_hit(server, WEIR_HTTP_LIMIT_CONNECTIONS, NULL);
    while (server->stats.conn_count >= server->options.limits.connections_max) {
        close_oldest(server);
        int rc = weir__core_checkpoint();
        if (rc == 0)
            rc = weir__core_park_in(&server->room_waiters, WEIR_WAIT_OTHER);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int accept_one(struct weir__http_acceptor *acceptor)
{
    weir_http_server *server = acceptor->server;
    weir_address peer;
    int fd = weir__net_accept_fd(acceptor->listener, &peer);
    if (fd == -EBADF || fd == -ECANCELED) // its listener was closed, or the server drains
        return fd;
    if (fd < 0) // whatever it is: a server that stops accepting for good is of no use
        return weir__net_accept_pause(acceptor->listener);
    struct weir__http_peer *counted;
    int rc = count_peer(server, &peer, &counted);
    if (rc < 0) { // no memory: the peer sees its connection closed
        weir__io_close(fd);
        return rc == -EUSERS ? 0 : weir__net_accept_pause(acceptor->listener);
    }
    rc = wait_for_room(server);
    if (rc < 0) {
        weir__http_peers_leave(server->peers, counted);
        weir__io_close(fd);
        return rc;
    }
    rc = weir__http_conn_open(server, fd, sockaddr_of(&peer.storage), counted);
    return rc < 0 ? weir__net_accept_pause(acceptor->listener) : 0;
}

static int accept_connections(void *arg)
{
    struct weir__http_acceptor *acceptor = arg;
    int rc = 0;
    while (rc == 0)
        rc = accept_one(acceptor);
    weir__list_remove(&acceptor->link);
    weir__net_listener_release(acceptor->listener);
    weir__base_free(acceptor);
    weir_ignore(rc, "the listener was closed, or the server drains: no failure of this task");
    return 0;
}

int weir_http_server_listen(weir_http_server *server, weir_listener *listener)
{
    if (server->draining)
        return -ESHUTDOWN;
    struct weir__http_acceptor *acceptor = weir__base_alloc(sizeof *acceptor);
    if (acceptor == NULL)
        return -ENOMEM;
    *acceptor = (struct weir__http_acceptor){.server = server, .listener = listener};
    weir__list_init(&acceptor->link);
    int rc = weir__core_spawn(server->group, "http accept", accept_connections, acceptor,
                              &acceptor->task);
    if (rc < 0) {
        weir__base_free(acceptor);
        return rc;
    }
    weir__net_listener_hold(listener); // it may be closed before the acceptor's first step
    weir__list_append(&server->acceptors, &acceptor->link);
    return 0;
}

int weir_http_server_adopt(weir_http_server *server, int fd)
{
    int rc = 0;
    if (server->draining)
        rc = -ESHUTDOWN;
    else if (server->stats.conn_count >= server->options.limits.connections_max)
        rc = -EBUSY;
    if (rc < 0) {
        weir__io_close(fd);
        return rc;
    }
    weir_address peer = {.size = sizeof peer.storage};
    struct weir__http_peer *counted;
    bool known =
        weir__sys_getpeername(fd, (struct sockaddr *)(void *)&peer.storage, &peer.size) == 0;
    rc = count_peer(server, &peer, &counted);
    if (rc < 0) {
        weir__io_close(fd);
        return rc == -EUSERS ? -EBUSY : rc;
    }
    return weir__http_conn_open(server, fd, known ? sockaddr_of(&peer.storage) : NULL, counted);
}

/* --- draining --------------------------------------------------------------------------------- */

static void each_conn(struct weir__list *list, void (*fn)(struct weir__http_conn *conn))
{
    struct weir__list *next;
    for (struct weir__list *node = list->next; node != list; node = next) {
        next = node->next; // the connection may leave the list
        fn(WEIR__CONTAINER(node, struct weir__http_conn, link));
    }
}

static void retire_conn(struct weir__http_conn *conn)
{
    if (conn->request != NULL)
        weir__http_sse_retire(conn->request);
}

void weir_http_server_retire(weir_http_server *server)
{
    if (server->retiring)
        return;
    server->retiring = true;
    each_conn(&server->busy, retire_conn);
}

static void close_idle(struct weir__http_conn *conn)
{
    if (!conn->sending)
        weir__http_conn_drop(conn);
}

static void close_silent(struct weir__http_conn *conn)
{
    if (weir__http_conn_is_silent(conn))
        close_idle(conn);
}

static void end_silence(struct weir__alarm *alarm)
{
    each_conn(&WEIR__CONTAINER(alarm, weir_http_server, drain_alarm)->idle, close_idle);
}

static void stop_accepting(weir_http_server *server)
{
    struct weir__list *node;
    for (node = server->acceptors.next; node != &server->acceptors; node = node->next)
        weir_ignore(weir_task_cancel(WEIR__CONTAINER(node, struct weir__http_acceptor, link)->task,
                                     "the server drains"),
                    "it has ended, then");
}

void weir_http_server_drain(weir_http_server *server)
{
    weir_http_server_retire(server);
    if (server->draining)
        return;
    server->draining = true;
    server->stats.draining = true;
    stop_accepting(server);
    each_conn(&server->idle, close_silent);
    if (!weir__list_empty(&server->idle))
        weir__core_alarm_set(
            server->loop, &server->drain_alarm,
            weir__base_add_ns(server->loop->now_ns, server->options.limits.drain_grace_ns));
}

/* Who still waits in wait_idle when the server is closed looks at it once more. */
static void free_when_unused(weir_http_server *server)
{
    if (server->closed && server->user_count == 0)
        weir__base_free(server);
}

int weir_http_server_wait_idle(weir_http_server *server)
{
    server->user_count++;
    int rc = weir__core_checkpoint();
    if (rc == 0 && server->working_count == 0)
        weir__core_completed_at_once();
    while (rc == 0 && server->working_count > 0)
        rc = weir__core_park_in(&server->quiet_waiters, WEIR_WAIT_OTHER);
    server->user_count--;
    free_when_unused(server);
    return rc;
}

/* --- closing ---------------------------------------------------------------------------------- */

static int may_close(const weir_http_server *server)
{
    const weir_task *task = weir__core_task();
    if (task == NULL || server->loop != weir__core_loop())
        return -EPERM;
    if (server->group->owner == task)
        return 0;
    return task->group == server->group ? -EDEADLK : -EPERM;
}

/* A release: it cannot be left early. */
static void wait_until_gone(weir_http_server *server)
{
    while (server->stats.conn_count > 0) {
        struct weir__waiter waiter = {.task = weir__core_task()};
        weir__list_append(&server->quiet_waiters, &waiter.link);
        weir__core_park(WEIR_WAIT_OTHER, server, NULL);
    }
}

int weir_http_server_close(weir_http_server *server)
{
    if (server == NULL)
        return 0;
    int rc = may_close(server);
    if (rc < 0)
        return rc;
    weir_http_server_drain(server);
    server->closing = true;
    if (server->group->scope.weir__effective == WEIR__LEVEL_NONE)
        weir_group_cancel(server->group, "the server closes"); // else there is a better reason
    // Tasks answer their failures themselves; what the group says is that it was cancelled.
    weir_ignore(weir_group_close(server->group, 0), "as above");
    each_conn(&server->idle, weir__http_conn_drop);
    each_conn(&server->busy, weir__http_conn_drop);
    wait_until_gone(server);
    weir__core_alarm_clear(server->loop, &server->flush_alarm);
    weir__core_alarm_clear(server->loop, &server->drain_alarm);
    weir__http_free_lists(server);
    if (!server->peers_shared)
        weir__http_peers_free(server->peers);
    server->closed = true;
    free_when_unused(server);
    return 0;
}

void weir_http_server_stats_get(const weir_http_server *server, weir_http_server_stats *out_stats)
{
    *out_stats = server->stats;
    out_stats->queue_delay_ns = server->shed.delay_ns;
    out_stats->shedding = server->shed.on;
}
