/*
 * connect.c - from a name or an address to a connection
 *
 * Several addresses are tried in a race (RFC 8305, "Happy Eyeballs"): each attempt is a task of one
 * group; it starts the next one, which waits for 250 ms or until the one before has failed, and
 * then connects. The first that has a connection cancels the group. The group's close waits for
 * all, so no attempt and no descriptor outlives the call.
 *
 * Runs on  the loop's own thread.
 * Costs    one address: no task, no allocation but the connection's record.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/sys.h"
#include "net/net.h"

int64_t weir__net_stagger_ns = 250 * WEIR_MS;

/* --- one attempt ------------------------------------------------------------------------------ */

/*
 * A connect to a local port that nobody listens on can be given that very port as its own, and TCP
 * then connects the socket with itself. It looks like success, and would be an echo.
 */
static bool is_its_own_peer(int fd, const weir_address *address)
{
    weir_address local = {.size = sizeof local.storage};
    int rc =
        weir__net_family(address) == AF_UNIX
            ? -EOPNOTSUPP
            : weir__sys_getsockname(fd, (struct sockaddr *)(void *)&local.storage, &local.size);
    return rc == 0 && weir_address_equal(&local, address);
}

static int connect_to(const weir_address *address, int64_t write_stall_ns, int *out_fd)
{
    int family = weir__net_family(address);
    int fd = weir__sys_socket(family, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    weir__net_tune(fd, family, write_stall_ns);
    int rc = weir__io_connect(fd, weir__net_sockaddr(address), address->size);
    if (rc == 0 && is_its_own_peer(fd, address))
        rc = -ECONNREFUSED;
    if (rc < 0) {
        weir__io_close(fd);
        return rc;
    }
    *out_fd = fd;
    return 0;
}

/* --- the race --------------------------------------------------------------------------------- */

struct attempt {
    struct race *race;
    weir_scope pause; /* ended early when the attempt before has failed */
    int rc;
};

struct race {
    const weir_addresses *addresses;
    int64_t write_stall_ns;
    weir_group *group;
    int fd; /* of the winner; -1: none yet */
    size_t winner;
    struct attempt attempts[WEIR_ADDRESSES_MAX];
};

static int wait_for_turn(struct attempt *attempt)
{
    if (weir__net_stagger_ns == 0) // a test wants them side by side
        return 0;
    int rc = weir_scope_enter(&attempt->pause);
    if (rc < 0)
        return rc;
    rc = weir_sleep(weir__net_stagger_ns);
    rc = weir_scope_leave(&attempt->pause, rc);
    return rc == WEIR_CAUGHT ? 0 : rc;
}

static int run_attempt(void *arg);

/* Of an attempt that is alone, or of one in a race; its failure is kept in its place. */
static void take_part(struct race *race, size_t index)
{
    struct attempt *attempt = &race->attempts[index];
    struct attempt *next = index + 1 < race->addresses->count ? attempt + 1 : NULL;
    if (next != NULL)
        next->rc = weir_spawn(race->group, run_attempt, next);

    int fd;
    attempt->rc = connect_to(&race->addresses->at[index], race->write_stall_ns, &fd);
    if (attempt->rc < 0) {
        if (next != NULL)
            weir_scope_cancel(&next->pause, "the attempt before has failed");
        return;
    }
    if (race->fd >= 0) { // both came in one turn
        weir__io_close(fd);
        return;
    }
    race->fd = fd;
    race->winner = index;
    weir_group_cancel(race->group, "another address has answered");
}

static int run_attempt(void *arg)
{
    struct attempt *attempt = arg;
    struct race *race = attempt->race;
    size_t index = (size_t)(attempt - race->attempts);
    attempt->rc = index == 0 ? 0 : wait_for_turn(attempt);
    if (attempt->rc == 0)
        take_part(race, index);
    return attempt->rc == -ECANCELED ? -ECANCELED : 0; // a failure is one address's, not the race's
}

static bool is_for_want_of_a_route(int rc)
{
    return rc == -ENETUNREACH || rc == -EHOSTUNREACH || rc == -EADDRNOTAVAIL || rc == -EAFNOSUPPORT;
}

/* What to tell when all have failed: that one family has no route here is the least of it. */
static size_t most_telling(const struct race *race)
{
    for (size_t i = 0; i < race->addresses->count; i++) {
        if (!is_for_want_of_a_route(race->attempts[i].rc))
            return i;
    }
    return 0;
}

/* Failure: `fail_at` says which address the code belongs to. */
static int run_race(struct race *race, size_t *fail_at)
{
    int rc = weir_group_open(&race->group, &(weir_group_options){.name = "connect"});
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < race->addresses->count; i++)
        race->attempts[i].race = race;
    rc = weir_spawn(race->group, run_attempt, &race->attempts[0]);
    rc = weir_group_close(race->group, rc);
    if (race->fd >= 0 || rc < 0)
        return race->fd >= 0 ? 0 : rc; // O4: a connection that is there wins over a cancellation
    *fail_at = most_telling(race);
    return race->attempts[*fail_at].rc;
}

static int connect_any(const weir_addresses *addresses, int64_t write_stall_ns, int *out_fd,
                       size_t *out_at)
{
    *out_at = 0;
    if (addresses->count == 1)
        return connect_to(&addresses->at[0], write_stall_ns, out_fd);
    struct race race = {.addresses = addresses, .write_stall_ns = write_stall_ns, .fd = -1};
    int rc = run_race(&race, out_at);
    if (rc < 0)
        return rc;
    *out_fd = race.fd;
    *out_at = race.winner;
    return 0;
}

/* --- messages --------------------------------------------------------------------------------- */

/* A host asked for by name is told with the address that stands for it. */
struct target {
    const char *host; /* NULL: an address was given */
    uint16_t port;
    const weir_addresses *addresses;
    size_t at;
    int64_t timeout_ns;
    bool connecting; /* the name has been looked up */
};

enum { TARGET_BYTES = 256 + WEIR_ADDRESS_TEXT_BYTES };

static const char *format_target(const struct target *target, char out_text[TARGET_BYTES])
{
    char address[WEIR_ADDRESS_TEXT_BYTES] = "";
    weir_address literal;
    if (target->connecting)
        weir_address_format(&target->addresses->at[target->at], address);
    if (target->host == NULL ||
        weir__net_address_literal(weir__str_from(target->host), 0, &literal) == 0)
        snprintf(out_text, TARGET_BYTES, "%s", address);
    else if (target->connecting && target->addresses->count == 1)
        snprintf(out_text, TARGET_BYTES, "%.120s:%u (%s)", target->host, (unsigned)target->port,
                 address);
    else if (target->connecting)
        snprintf(out_text, TARGET_BYTES, "%.120s:%u (%s and %zu more)", target->host,
                 (unsigned)target->port, address, target->addresses->count - 1);
    else
        snprintf(out_text, TARGET_BYTES, "%.120s:%u", target->host, (unsigned)target->port);
    return out_text;
}

static int fail_connect(const struct target *target, int rc)
{
    char text[TARGET_BYTES];
    char duration[WEIR__NET_DURATION_BYTES];
    format_target(target, text);
    switch (rc) {
    case -ECANCELED:
        return rc;
    case -ETIME:
        return weir_fail(-ETIMEDOUT, "timed out %s %s after %s",
                         target->connecting ? "connecting to" : "looking up", text,
                         weir__net_duration(target->timeout_ns, duration));
    case -ECONNREFUSED:
        return weir_fail(rc, "connection refused by %s", text);
    case -ETIMEDOUT:
        return weir_fail(rc, "timed out connecting to %s", text);
    case -ENETUNREACH:
    case -EHOSTUNREACH:
        return weir_fail(rc, "no route to %s", text);
    case -EADDRNOTAVAIL:
        return weir_fail(rc, "no local port left to connect to %s, or no route", text);
    default:
        return weir_fail(rc, "cannot connect to %s: %s", text, weir_code_text(rc));
    }
}

/* --- the calls -------------------------------------------------------------------------------- */

struct limits {
    int64_t connect_ns;
    int64_t read_idle_ns;
    int64_t write_stall_ns;
};

static int read_options(const weir_connect_options *options, struct limits *out_limits)
{
    static const weir_connect_options defaults;
    if (options == NULL)
        options = &defaults;
    int rc =
        weir__net_limit(options->connect_timeout_ns, WEIR__NET_CONNECT_NS, &out_limits->connect_ns);
    if (rc == 0)
        rc = weir__net_limit(options->read_idle_timeout_ns, WEIR__NET_CLIENT_READ_NS,
                             &out_limits->read_idle_ns);
    if (rc == 0)
        rc = weir__net_limit(options->write_stall_timeout_ns, WEIR__NET_CLIENT_WRITE_NS,
                             &out_limits->write_stall_ns);
    return rc < 0 ? weir_fail(rc, "a time limit is negative") : 0;
}

/* Looks up when there is a name, connects; on success *out_fd is the caller's. */
static int find_and_connect(struct target *target, weir_addresses *addresses,
                            int64_t write_stall_ns, int *out_fd)
{
    if (target->host != NULL) {
        int rc = weir_resolve(target->host, target->port, addresses);
        if (rc < 0)
            return rc;
    }
    target->connecting = true;
    return connect_any(addresses, write_stall_ns, out_fd, &target->at);
}

static int connect_within(struct target *target, weir_addresses *addresses,
                          const struct limits *limits, weir_conn **out_conn)
{
    target->addresses = addresses;
    target->timeout_ns = limits->connect_ns;
    int fd = -1;
    weir_scope scope = {0};
    bool limited = limits->connect_ns != WEIR_FOREVER &&
                   !weir_cancelled(); // a refusal belongs to the scope around: C12 counts it there
    int rc = limited ? weir_timeout_enter(&scope, limits->connect_ns) : 0;
    if (rc < 0)
        return rc;
    rc = find_and_connect(target, addresses, limits->write_stall_ns, &fd);
    if (limited)
        rc = weir_scope_leave(&scope, rc);
    if (rc < 0) // what the resolver says, it says itself
        return target->connecting || rc == -ETIME ? fail_connect(target, rc) : rc;
    rc = weir__net_conn_open(fd, &addresses->at[target->at], limits->read_idle_ns,
                             limits->write_stall_ns, out_conn);
    return rc < 0 ? fail_connect(target, rc) : 0;
}

int weir_connect(const char *host, uint16_t port, const weir_connect_options *options,
                 weir_conn **out_conn)
{
    struct limits limits;
    int rc = read_options(options, &limits);
    if (rc < 0)
        return rc;
    if (host == NULL || port == 0)
        return weir_fail(-EINVAL, "a host and a port are needed to connect");
    weir_addresses addresses;
    struct target target = {.host = host, .port = port};
    rc = connect_within(&target, &addresses, &limits, out_conn);
    if (rc == 0)
        weir__net_conn_register(*out_conn, __builtin_return_address(0));
    return rc;
}

int weir_connect_address(const weir_address *address, const weir_connect_options *options,
                         weir_conn **out_conn)
{
    struct limits limits;
    int rc = read_options(options, &limits);
    if (rc < 0)
        return rc;
    if (address == NULL || address->size == 0)
        return weir_fail(-EINVAL, "there is no address to connect to");
    weir_addresses addresses;
    addresses.count = 1;
    addresses.at[0] = *address;
    struct target target = {0};
    rc = connect_within(&target, &addresses, &limits, out_conn);
    if (rc == 0)
        weir__net_conn_register(*out_conn, __builtin_return_address(0));
    return rc;
}
