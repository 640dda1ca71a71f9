/*
 * driven.c - a program of weir that does what it is told, for tests that play its peers
 *
 *     system_driven CONTROL [MS]   CONTROL: a Unix socket on which somebody listens; MS: limits of
 *                                  time of the HTTP server
 *
 * Each line that comes from there is a command, which runs as a task of its own; its answer is one
 * line `<id> <code> <count> <text>`. At the end of the input all that is left is cancelled and
 * closed, and the program ends as every program of weir does: with its ledgers checked. Commands
 * are in `verbs` below, conns, listeners and servers are places in tables, durations are in ms (0:
 * the default, -1: for ever).
 */
#include <weir/http.h>
#include <weir/http_client.h>
#ifdef DRIVEN_TLS
#include <weir/tls.h>
#endif
#include <weir/weir.h>

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/system/driven.h"

enum {
    PLACES = 512,
    COMMANDS = 512,
    LINE_BYTES = 512,
    WORDS = 8,
    TEXT_BYTES = 400,
    TICK_MS = 5,
};

struct place {
    weir_conn *conn;
    weir_listener *listener;
    size_t sent; /* so far, where the pattern goes on */
    size_t received;
};

struct command {
    long id; /* 0: this place is free */
    weir_task_id task;
    char line[LINE_BYTES];
    char *word[WORDS];
    size_t count;          /* for the answer */
    char text[TEXT_BYTES]; /* for the answer */
};

static struct {
    weir_conn *control;
    weir_mutex answering;
    weir_group *group;
    weir_http_client *client;
    struct driven_server server;
    uint64_t ticks;
    struct command commands[COMMANDS];
    struct place places[PLACES];
} all;

/* --- words ------------------------------------------------------------------------------------ */

static long number(const struct command *command, size_t at)
{
    const char *text = command->word[at];
    long value = 0;
    bool negative = text != NULL && *text == '-';
    for (text += negative; text != NULL && *text >= '0' && *text <= '9'; text++)
        value = value * 10 + (*text - '0');
    return negative ? -value : value;
}

static int64_t duration(const struct command *command, size_t at)
{
    long ms = number(command, at);
    return ms < 0 ? WEIR_FOREVER : ms * WEIR_MS;
}

static struct place *place(const struct command *command, size_t at)
{
    return &all.places[(size_t)number(command, at) % PLACES];
}

static void say(struct command *command, const char *format, ...) WEIR_PRINTF(2, 3);
static void say(struct command *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(command->text, sizeof command->text, format, args);
    va_end(args);
}

/* --- connections ------------------------------------------------------------------------------ */

/* connect PLACE HOST PORT CONNECT READ WRITE */
static int run_connect(struct command *command)
{
    weir_connect_options options = {.connect_timeout_ns = duration(command, 5),
                                    .read_idle_timeout_ns = duration(command, 6),
                                    .write_stall_timeout_ns = duration(command, 7)};
    struct place *at = place(command, 2);
    *at = (struct place){0};
    int rc = weir_connect(command->word[3], (uint16_t)number(command, 4), &options, &at->conn);
    if (rc == 0) {
        char peer[WEIR_ADDRESS_TEXT_BYTES];
        say(command, "%s", weir_address_format(weir_conn_peer_address(at->conn), peer));
    }
    return rc;
}

/* listen PLACE ADDRESS READ WRITE */
static int run_listen(struct command *command)
{
    weir_listener_options options = {.address = command->word[3],
                                     .read_idle_timeout_ns = duration(command, 4),
                                     .write_stall_timeout_ns = duration(command, 5)};
    struct place *at = place(command, 2);
    int rc = weir_listener_open(&options, &at->listener);
    if (rc == 0)
        command->count = weir_address_port(weir_listener_address(at->listener));
    return rc;
}

/* accept LISTENER PLACE */
static int run_accept(struct command *command)
{
    struct place *at = place(command, 3);
    at->sent = at->received = 0;
    return weir_listener_accept(place(command, 2)->listener, &at->conn);
}

/* tune PLACE IDLE_S INTERVAL_S COUNT USER_TIMEOUT_MS: a peer that is gone is noticed sooner. */
static int run_tune(struct command *command)
{
    weir_conn *conn = place(command, 2)->conn;
    int rc = weir_conn_set_option(conn, WEIR_CONN_KEEPALIVE_IDLE_NS, number(command, 3) * WEIR_SEC);
    if (rc == 0)
        rc = weir_conn_set_option(conn, WEIR_CONN_KEEPALIVE_INTERVAL_NS,
                                  number(command, 4) * WEIR_SEC);
    if (rc == 0)
        rc = weir_conn_set_option(conn, WEIR_CONN_KEEPALIVE_COUNT, number(command, 5));
    if (rc == 0)
        rc = weir_conn_set_option(conn, WEIR_CONN_USER_TIMEOUT_NS, number(command, 6) * WEIR_MS);
    return rc;
}

/* limits PLACE READ WRITE */
static int run_limits(struct command *command)
{
    return weir_conn_set_limits(place(command, 2)->conn, duration(command, 3),
                                duration(command, 4));
}

/* ask PLACE PATH: a request for it, by hand; nobody reads the answer */
static int run_ask(struct command *command)
{
    char request[LINE_BYTES];
    int size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: here\r\n\r\n",
                        command->word[3]);
    return weir_conn_write_all(place(command, 2)->conn, request, (size_t)size, NULL);
}

#ifdef DRIVEN_TLS
static int open_config(const struct command *command, bool server, weir_tls_config **out_config)
{
    const char *chain = command->word[4];
    weir_tls_certificate certificate = {.chain_file = chain, .key_file = command->word[5]};
    weir_tls_options options = {.role = server ? WEIR_TLS_SERVER : WEIR_TLS_CLIENT,
                                .certificates = server ? &certificate : NULL,
                                .certificate_count = server,
                                .trust_file = server ? NULL : chain,
                                .handshake_timeout_ns = duration(command, 6)};
    return weir_tls_config_open(&options, out_config);
}

/* secure PLACE server|client CHAIN KEY LIMIT: TLS from here on; a client trusts that chain only */
static int run_secure(struct command *command)
{
    weir_conn *conn = place(command, 2)->conn;
    bool server = strcmp(command->word[3], "server") == 0;
    weir_tls_config *config;
    int rc = open_config(command, server, &config);
    if (rc < 0)
        return rc;
    rc = server ? weir_tls_accept(conn, config) : weir_tls_client(conn, config, "localhost");
    weir_tls_config_close(config);
    return rc;
}
#else
static int run_secure(struct command *command)
{
    say(command, "no TLS");
    return -EOPNOTSUPP;
}
#endif

/* send PLACE BYTES: of the pattern, going on where the last one ended */
static int run_send(struct command *command)
{
    struct place *at = place(command, 2);
    size_t left = (size_t)number(command, 3);
    int rc = 0;
    while (left > 0 && rc == 0) {
        char piece[16 * 1024];
        size_t size = left < sizeof piece ? left : sizeof piece;
        size_t written = 0;
        driven_fill(piece, size, at->sent);
        rc = weir_conn_write_all(at->conn, piece, size, &written);
        at->sent += written;
        command->count += written;
        left -= written;
    }
    return rc;
}

/* recv PLACE BYTES: exactly so many, checked; BYTES 0: until the end */
static int run_recv(struct command *command)
{
    struct place *at = place(command, 2);
    size_t wanted = (size_t)number(command, 3);
    while (wanted == 0 || command->count < wanted) {
        char piece[16 * 1024];
        size_t left = wanted == 0 ? sizeof piece : wanted - command->count;
        ssize_t got = weir_conn_read(at->conn, piece, left < sizeof piece ? left : sizeof piece);
        if (got <= 0)
            return got < 0 || wanted == 0 ? (int)got : weir_fail(-EPIPE, "ended before");
        if (!driven_is_filled(piece, (size_t)got, at->received))
            return weir_fail(-EBADMSG, "other bytes came than were sent");
        at->received += (size_t)got;
        command->count += (size_t)got;
    }
    return 0;
}

/* echo PLACE: until the end, then finish */
static int run_echo(struct command *command)
{
    weir_conn *conn = place(command, 2)->conn;
    for (;;) {
        char piece[16 * 1024];
        ssize_t got = weir_conn_read(conn, piece, sizeof piece);
        if (got <= 0)
            return got < 0 ? (int)got : weir_conn_finish(conn);
        size_t written = 0;
        int rc = weir_conn_write_all(conn, piece, (size_t)got, &written);
        command->count += written;
        if (rc < 0)
            return rc;
    }
}

static int run_finish(struct command *command)
{
    return weir_conn_finish(place(command, 2)->conn);
}

static int run_close(struct command *command)
{
    struct place *at = place(command, 2);
    weir_conn_close(at->conn);
    weir_listener_close(at->listener);
    *at = (struct place){0};
    return 0;
}

/* --- many at once ----------------------------------------------------------------------------- */

/* Serves one connection of a crowd, which has no place. */
static int echo_until_end(void *arg)
{
    weir_conn *conn = arg;
    char piece[4096];
    ssize_t got;
    int rc = 0;
    while (rc == 0 && (got = weir_conn_read(conn, piece, sizeof piece)) > 0)
        rc = weir_conn_write_all(conn, piece, (size_t)got, NULL);
    weir_conn_close(conn);
    return 0;
}

/* crowd LISTENER: accept for ever, each connection is echoed by a task of its own */
static int run_crowd(struct command *command)
{
    for (;;) {
        weir_conn *conn;
        int rc = weir_listener_accept(place(command, 2)->listener, &conn);
        if (rc < 0)
            return rc;
        rc = weir_spawn(all.group, echo_until_end, conn);
        if (rc < 0) {
            weir_conn_close(conn);
            return rc;
        }
        command->count++;
    }
}

/* --- names and HTTP --------------------------------------------------------------------------- */

/* resolve HOST */
static int run_resolve(struct command *command)
{
    weir_addresses addresses;
    int rc = weir_resolve(command->word[2], 80, &addresses);
    if (rc < 0)
        return rc;
    size_t size = 0;
    command->count = addresses.count;
    for (size_t i = 0; i < addresses.count && size < sizeof command->text; i++) {
        char text[WEIR_ADDRESS_TEXT_BYTES];
        size += (size_t)snprintf(command->text + size, sizeof command->text - size, "%s ",
                                 weir_address_format(&addresses.at[i], text));
    }
    return 0;
}

/* serve ADDRESS */
static int run_serve(struct command *command)
{
    int rc = driven_serve(&all.server, command->word[2]);
    command->count = all.server.port;
    return rc;
}

/* get URL TOTAL BODY: `count` bytes of the pattern came; BODY > 0: that many are sent, by POST */
static int run_get(struct command *command)
{
    size_t body_bytes = (size_t)number(command, 4);
    char *body = body_bytes > 0 ? malloc(body_bytes) : NULL;
    if (body != NULL)
        driven_fill(body, body_bytes, 0);
    weir_http_call call = {.url = command->word[2],
                           .body = body,
                           .body_bytes = body == NULL ? 0 : body_bytes,
                           .content_type = "application/octet-stream",
                           .total_timeout_ns = duration(command, 3)};
    weir_http_response *response;
    int rc = weir_http_fetch(all.client, &call, &response);
    free(body);
    if (rc < 0)
        return rc;
    weir_str got = weir_http_response_body(response);
    int status = weir_http_response_status(response);
    command->count = got.size;
    if (status == 200 && !driven_is_filled(got.data, got.size, 0))
        rc = weir_fail(-EBADMSG, "another body came than was sent");
    say(command, "%d", status);
    weir_http_response_free(response);
    return rc;
}

/* --- what is seen ----------------------------------------------------------------------------- */

static size_t count_descriptors(void)
{
    size_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder != NULL && readdir(folder) != NULL)
        count++;
    if (folder != NULL)
        closedir(folder);
    return count < 3 ? 0 : count - 3; // `.`, `..` and the folder itself
}

static int run_look(struct command *command)
{
    weir_resolver_stats names;
    weir_http_client_stats client;
    weir_http_server_stats server = {0};
    weir_debug_stats debug;
    weir_resolver_stats_get(&names);
    weir_http_client_stats_get(all.client, &client);
    weir_debug_stats_get(&debug);
    if (all.server.server != NULL)
        weir_http_server_stats_get(all.server.server, &server);
    say(command,
        "ticks=%llu fds=%zu asked=%llu hits=%llu joined=%llu conns=%zu in_flight=%zu idle=%zu "
        "findings=%llu reused=%llu accepted=%llu",
        (unsigned long long)all.ticks, count_descriptors(), (unsigned long long)names.asked,
        (unsigned long long)names.hits, (unsigned long long)names.joined, server.conn_count,
        server.in_flight_count, client.conns_in_use + client.conns_idle,
        (unsigned long long)debug.findings, (unsigned long long)client.reused,
        (unsigned long long)server.accepted_count);
    return 0;
}

/* listener PLACE: how often it found no descriptor */
static int run_listener(struct command *command)
{
    weir_listener_stats stats;
    weir_listener_stats_get(place(command, 2)->listener, &stats);
    command->count = stats.exhausted;
    say(command, "accepted=%llu", (unsigned long long)stats.accepted);
    return 0;
}

static int run_cancel(struct command *command)
{
    long id = number(command, 2);
    for (size_t i = 0; i < COMMANDS; i++) {
        if (all.commands[i].id == id)
            return weir_task_cancel(all.commands[i].task, "told to");
    }
    return -ENOENT;
}

static int run_sleep(struct command *command)
{
    return weir_sleep(duration(command, 2));
}

/* --- commands --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int (*run)(struct command *command);
    size_t words; /* at least, after the name */
} verbs[] = {
    {"connect", run_connect, 6},   {"listen", run_listen, 4}, {"accept", run_accept, 2},
    {"tune", run_tune, 5},         {"limits", run_limits, 3}, {"send", run_send, 2},
    {"recv", run_recv, 2},         {"echo", run_echo, 1},     {"finish", run_finish, 1},
    {"close", run_close, 1},       {"crowd", run_crowd, 1},   {"resolve", run_resolve, 1},
    {"serve", run_serve, 1},       {"get", run_get, 3},       {"look", run_look, 0},
    {"ask", run_ask, 2},           {"secure", run_secure, 5}, {"cancel", run_cancel, 1},
    {"listener", run_listener, 1}, {"sleep", run_sleep, 1},
};

static void split(struct command *command)
{
    char *rest = NULL;
    char *word = strtok_r(command->line, " ", &rest);
    for (size_t i = 0; i < WORDS; i++) {
        command->word[i] = word;
        word = word == NULL ? NULL : strtok_r(NULL, " ", &rest);
    }
}

static int run(struct command *command)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (command->word[1] == NULL || strcmp(command->word[1], verbs[i].name) != 0)
            continue;
        if (verbs[i].words > 0 && command->word[verbs[i].words + 1] == NULL)
            return weir_fail(-EINVAL, "words are missing");
        return verbs[i].run(command);
    }
    return weir_fail(-EINVAL, "no such command");
}

static int answer(const struct command *command, int rc)
{
    char line[LINE_BYTES + TEXT_BYTES];
    const char *text = rc < 0 ? weir_failure_message(rc) : command->text;
    snprintf(line, sizeof line, "%ld %s %zu %s", command->id, rc < 0 ? weir_code_name(rc) : "0",
             command->count, text == NULL ? "" : text);
    for (char *at = line; *at != '\0'; at++)
        *at = *at == '\n' ? ' ' : *at;
    int told = weir_mutex_lock(&all.answering);
    if (told < 0)
        return told;
    weir_str parts[] = {{line, strlen(line)}, {"\n", 1}};
    told = weir_conn_write_parts(all.control, parts, 2, NULL);
    weir_mutex_unlock(&all.answering);
    return told;
}

static int run_command(void *arg)
{
    struct command *command = arg;
    int told = 0;
    command->task = weir_task_self();
    int rc = run(command);
    WEIR_SHIELD(told, 5 * WEIR_SEC)
    told = answer(command, rc);
    *command = (struct command){0};
    return rc == -ECANCELED ? rc : told;
}

static int start(const char *line, size_t size)
{
    struct command *command = all.commands;
    while (command->id != 0 && command < all.commands + COMMANDS - 1)
        command++;
    if (command->id != 0 || size >= LINE_BYTES)
        return weir_fail(-EOVERFLOW, "too many commands, or one that is too long");
    memcpy(command->line, line, size);
    split(command);
    command->id = number(command, 0);
    return weir_spawn(all.group, run_command, command);
}

static int listen_to_control(void)
{
    char buffer[LINE_BYTES * 8];
    size_t there = 0;
    for (;;) {
        ssize_t got = weir_conn_read(all.control, buffer + there, sizeof buffer - there);
        if (got <= 0)
            return (int)got;
        there += (size_t)got;
        char *line = buffer;
        char *end;
        while ((end = memchr(line, '\n', there - (size_t)(line - buffer))) != NULL) {
            int rc = start(line, (size_t)(end - line));
            if (rc < 0)
                return rc;
            line = end + 1;
        }
        there -= (size_t)(line - buffer);
        memmove(buffer, line, there);
    }
}

/* --- the program ------------------------------------------------------------------------------ */

static int tick(void *arg)
{
    int rc = 0;
    for (; rc == 0; rc = weir_sleep(TICK_MS * WEIR_MS))
        all.ticks++;
    return arg == NULL ? rc : 0;
}

static int obey(void)
{
    int rc = weir_group_open(&all.group, NULL);
    if (rc < 0)
        return rc;
    rc = weir_spawn(all.group, tick, NULL);
    if (rc == 0)
        rc = listen_to_control();
    weir_group_cancel(all.group, "the input has ended");
    return weir_group_close(all.group, rc);
}

static int be_driven(void *arg)
{
    weir_address address;
    weir_connect_options forever = {.read_idle_timeout_ns = WEIR_FOREVER};
    char **argv = arg;
    int64_t server_ms = argv[2] == NULL ? 0 : number(&(struct command){.word = {argv[2]}}, 0);
    int rc = weir_address_parse(argv[1], &address);
    if (rc == 0)
        rc = weir_connect_address(&address, &forever, &all.control);
    if (rc < 0)
        return rc;
    rc = weir_http_client_open(NULL, &all.client);
    if (rc == 0)
        rc = driven_open(&all.server, server_ms * WEIR_MS);
    if (rc == 0)
        rc = obey();
    for (size_t i = 0; i < PLACES; i++) {
        weir_conn_close(all.places[i].conn);
        weir_listener_close(all.places[i].listener);
    }
    driven_close(&all.server);
    weir_http_client_close(all.client);
    weir_conn_close(all.control);
    return rc == -ECANCELED ? 0 : rc;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: %s unix:<control socket> [ms]\n", argv[0]);
        return 64;
    }
    return weir_run(be_driven, argv);
}
