/*
 * connect.c - from a name or an address to a connection
 *
 * Several addresses are tried in a staggered race (RFC 8305, "Happy Eyeballs"): an attempt starts
 * 250 ms after the one before, or at once when that has failed, and the first that has a connection
 * cancels the rest. The race waits for all, so no attempt and no descriptor outlives the call.
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
    const weir_address *address;
    int64_t write_stall_ns;
    int fd; /* -1: none */
    int rc;
};

static int run_attempt(void *arg)
{
    struct attempt *attempt = arg;
    attempt->rc = connect_to(attempt->address, attempt->write_stall_ns, &attempt->fd);
    return attempt->rc;
}

static bool has_failed(const struct attempt *attempt)
{
    return attempt->rc < 0 && attempt->rc != -ECANCELED;
}

static bool is_for_want_of_a_route(int rc)
{
    return rc == -ENETUNREACH || rc == -EHOSTUNREACH || rc == -EADDRNOTAVAIL || rc == -EAFNOSUPPORT;
}

/* What to tell when all have failed: that one family has no route here is the least of it. `count`
 * when none has. */
static size_t most_telling(const struct attempt *attempts, size_t count)
{
    size_t found = count;
    for (size_t i = 0; i < count; i++) {
        if (!has_failed(&attempts[i]))
            continue;
        if (!is_for_want_of_a_route(attempts[i].rc))
            return i;
        if (found == count)
            found = i;
    }
    return found;
}

/* The race has failed with rc: why, and `fail_at` says which address it belongs to. */
static int explain(const struct attempt *attempts, size_t count, int rc, size_t *fail_at)
{
    size_t at = most_telling(attempts, count);
    if (at == count)
        return rc;
    weir_failures_free(weir_failures_take()); // each is one address's; one code is told for all
    if (weir_cancelled())
        return -ECANCELED; // those that were cut might have come through
    *fail_at = at;
    return attempts[at].rc;
}

static int run_race(struct attempt *attempts, size_t count, int *out_fd, size_t *out_at)
{
    weir_call calls[WEIR_ADDRESSES_MAX];
    for (size_t i = 0; i < count; i++)
        calls[i] = (weir_call){run_attempt, &attempts[i]};
    weir_race_options options = {.stagger_ns = weir__net_stagger_ns, .name = "connect"};
    size_t winner = count;
    int rc = weir_race(calls, count, &options, NULL, &winner);
    for (size_t i = 0; i < count; i++) {
        if (attempts[i].fd >= 0 && i != winner) // several came in one turn
            weir__io_close(attempts[i].fd);
    }
    if (rc < 0)
        return explain(attempts, count, rc, out_at);
    *out_fd = attempts[winner].fd;
    *out_at = winner;
    return 0;
}

/* `out_codes` says of each address what came of it when all have failed; 0: it was not tried. */
static int connect_any(const weir_addresses *addresses, int64_t write_stall_ns, int *out_fd,
                       size_t *out_at, int out_codes[WEIR_ADDRESSES_MAX])
{
    *out_at = 0;
    if (addresses->count == 1)
        return connect_to(&addresses->at[0], write_stall_ns, out_fd);
    struct attempt attempts[WEIR_ADDRESSES_MAX];
    for (size_t i = 0; i < addresses->count; i++)
        attempts[i] = (struct attempt){
            .address = &addresses->at[i], .write_stall_ns = write_stall_ns, .fd = -1};
    int rc = run_race(attempts, addresses->count, out_fd, out_at);
    for (size_t i = 0; i < addresses->count; i++)
        out_codes[i] = attempts[i].rc;
    return rc;
}

/* --- messages --------------------------------------------------------------------------------- */

/* A host asked for by name is told with the address that stands for it. */
struct target {
    const char *host; /* NULL: an address was given */
    uint16_t port;
    const weir_addresses *addresses;
    size_t at;
    int codes[WEIR_ADDRESSES_MAX]; /* what came of each, when there are several and all failed */
    int64_t timeout_ns;
    bool connecting; /* the name has been looked up */
};

enum { OTHERS_BYTES = 128, TARGET_BYTES = 256 + WEIR_ADDRESS_TEXT_BYTES };

/* Behind the address that the message is about: others that came to something else, by name, and
 * how many there are besides. */
static void format_others(const struct target *target, char *out_text, size_t size)
{
    size_t used = 0;
    size_t more = 0;
    out_text[0] = '\0';
    for (size_t i = 0; i < target->addresses->count; i++) {
        int code = target->codes[i];
        if (i == target->at)
            continue;
        char address[WEIR_ADDRESS_TEXT_BYTES];
        weir_address_format(&target->addresses->at[i], address);
        const char *what = code == -ECANCELED ? "silent" : weir_code_name(code);
        if (code == 0 || code == target->codes[target->at] ||
            used + strlen(address) + strlen(what) + 24 > size)
            more++;
        else
            used += (size_t)snprintf(out_text + used, size - used, "; %s %s", address, what);
    }
    if (more > 0)
        snprintf(out_text + used, size - used, "%s and %zu more", used > 0 ? ";" : "", more);
}

static const char *format_target(const struct target *target, char out_text[TARGET_BYTES])
{
    char address[WEIR_ADDRESS_TEXT_BYTES] = "";
    char others[OTHERS_BYTES] = "";
    weir_address literal;
    if (target->connecting) {
        weir_address_format(&target->addresses->at[target->at], address);
        format_others(target, others, sizeof others);
    }
    if (target->host == NULL ||
        weir__net_address_literal(weir__str_from(target->host), 0, &literal) == 0)
        snprintf(out_text, TARGET_BYTES, "%s", address);
    else if (target->connecting)
        snprintf(out_text, TARGET_BYTES, "%.120s:%u (%s%s)", target->host, (unsigned)target->port,
                 address, others);
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

static int read_options(const weir_connect_options *options, int64_t *out_connect_ns,
                        struct weir__net_how *out_how)
{
    static const weir_connect_options defaults;
    if (options == NULL)
        options = &defaults;
    int rc = weir__net_limit(options->connect_timeout_ns, WEIR__NET_CONNECT_NS, out_connect_ns);
    return rc < 0 ? weir_fail(rc, "a time limit is negative")
                  : weir__net_read_how(options, out_how);
}

/* Looks up when there is a name, connects; on success *out_fd is the caller's. */
static int find_and_connect(struct target *target, weir_addresses *addresses,
                            int64_t write_stall_ns, int *out_fd)
{
    if (target->host != NULL) {
        weir_resolve_options options = {.timeout_ns = target->timeout_ns == WEIR_FOREVER
                                                          ? WEIR_FOREVER
                                                          : 0 /* what is left is the scope's */};
        int rc = weir_resolve_with(target->host, target->port, &options, addresses);
        if (rc < 0)
            return rc;
    }
    target->connecting = true;
    return connect_any(addresses, write_stall_ns, out_fd, &target->at, target->codes);
}

static int connect_within(struct target *target, weir_addresses *addresses,
                          const struct weir__net_how *how, weir_conn **out_conn)
{
    target->addresses = addresses;
    int fd = -1;
    weir_scope scope = {0};
    bool limited = target->timeout_ns != WEIR_FOREVER &&
                   !weir_cancelled(); // a refusal belongs to the scope around: C12 counts it there
    int rc = limited ? weir_timeout_enter(&scope, target->timeout_ns) : 0;
    if (rc < 0)
        return rc;
    rc = find_and_connect(target, addresses, how->write_stall_ns, &fd);
    if (limited)
        rc = weir_scope_leave(&scope, rc);
    if (rc < 0) // what the resolver says, it says itself
        return target->connecting || rc == -ETIME ? fail_connect(target, rc) : rc;
    rc = weir__net_conn_open(fd, &addresses->at[target->at], how, out_conn);
    return rc < 0 ? fail_connect(target, rc) : 0;
}

int weir_connect(const char *host, uint16_t port, const weir_connect_options *options,
                 weir_conn **out_conn)
{
    struct target target = {.host = host, .port = port};
    struct weir__net_how how;
    int rc = read_options(options, &target.timeout_ns, &how);
    if (rc < 0)
        return rc;
    if (host == NULL || port == 0)
        return weir_fail(-EINVAL, "a host and a port are needed to connect");
    weir_addresses addresses;
    rc = connect_within(&target, &addresses, &how, out_conn);
    if (rc == 0)
        weir__net_conn_register(*out_conn, __builtin_return_address(0));
    return rc;
}

int weir_connect_address(const weir_address *address, const weir_connect_options *options,
                         weir_conn **out_conn)
{
    struct target target = {0};
    struct weir__net_how how;
    int rc = read_options(options, &target.timeout_ns, &how);
    if (rc < 0)
        return rc;
    if (address == NULL || address->size == 0)
        return weir_fail(-EINVAL, "there is no address to connect to");
    weir_addresses addresses;
    addresses.count = 1;
    addresses.at[0] = *address;
    rc = connect_within(&target, &addresses, &how, out_conn);
    if (rc == 0)
        weir__net_conn_register(*out_conn, __builtin_return_address(0));
    return rc;
}
