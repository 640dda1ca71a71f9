/*
 * resolve.c - from names to addresses, without ever blocking a loop
 *
 * What needs no asking is answered here: literals, `localhost` and `invalid` (RFC 6761), what the
 * cache has. All else is a question (resolve_question.c) to the system (resolve_system.c).
 *
 * Runs on  the loop's own thread.
 */
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "net/resolve.h"

/* --- counters --------------------------------------------------------------------------------- */

struct weir__net_counters weir__net_counters;

static uint64_t read_counter(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void weir_resolver_stats_get(weir_resolver_stats *out_stats)
{
    *out_stats = (weir_resolver_stats){
        .literals = read_counter(&weir__net_counters.literals),
        .hits = read_counter(&weir__net_counters.hits),
        .joined = read_counter(&weir__net_counters.joined),
        .asked = read_counter(&weir__net_counters.asked),
        .failed = read_counter(&weir__net_counters.failed),
        .timeouts = read_counter(&weir__net_counters.timeouts),
        .evicted = read_counter(&weir__net_counters.evicted),
        .kept = weir__net_cache_count(weir__base_kernel_now()),
        .kept_max = WEIR__NET_NAMES_MAX,
    };
}

void weir_resolver_clear(void)
{
    weir__net_cache_clear();
}

/* --- hosts ------------------------------------------------------------------------------------ */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* What names and literals are made of; an interface may stand behind a percent sign. */
static bool may_stand_in_host(char c)
{
    c = lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c != '\0' && strchr("-_.:%", c));
}

/*
 * getaddrinfo takes `2130706433`, `0x7f.1` and `127.1` for 127.0.0.1, which nobody means and
 * filters overlook. A name whose last label is a number is none (URL standard, section 3.5).
 */
static bool ends_in_a_number(weir_str host)
{
    if (host.size > 0 && host.data[host.size - 1] == '.')
        host.size--;
    size_t start = host.size;
    while (start > 0 && host.data[start - 1] != '.')
        start--;
    weir_str label = weir__str_of(host.data + start, host.size - start);
    uint64_t value;
    if (label.size > 0 && weir__str_parse_uint(label, UINT64_MAX, &value) != -EINVAL)
        return true;
    return label.size >= 2 && label.data[0] == '0' && label.data[1] == 'x';
}

/* `example.com:80`, `example.com:http`: a literal of IPv6 has two colons. */
static bool has_port(weir_str host)
{
    const char *colon = memchr(host.data, ':', host.size);
    size_t rest = colon == NULL ? 0 : host.size - (size_t)(colon - host.data) - 1;
    return colon != NULL && memchr(colon + 1, ':', rest) == NULL;
}

/* The host in lower case, or -EINVAL. */
static int read_host(const char *host, char out_host[WEIR_HOST_BYTES])
{
    size_t size = host == NULL ? 0 : strnlen(host, WEIR_HOST_BYTES);
    if (size == 0)
        return weir_fail(-EINVAL, "a host name is empty");
    if (size == WEIR_HOST_BYTES)
        return weir_fail(-EINVAL, "a host name is longer than 253 bytes: %.60s...", host);
    for (size_t i = 0; i < size; i++) {
        if (!may_stand_in_host(host[i]))
            return weir_fail(-EINVAL, "a host name has a byte %#x, which none can have",
                             (unsigned)(unsigned char)host[i]);
        out_host[i] = lower(host[i]);
    }
    out_host[size] = '\0';
    return 0;
}

/* `localhost` is `domain`, and so are `localhost.` and `db.localhost`. */
static bool is_below(weir_str host, weir_str domain)
{
    if (host.size > 0 && host.data[host.size - 1] == '.')
        host.size--;
    if (host.size < domain.size)
        return false;
    size_t rest = host.size - domain.size;
    return weir__str_equal(weir__str_of(host.data + rest, domain.size), domain) &&
           (rest == 0 || host.data[rest - 1] == '.');
}

/* --- answers that need no asking -------------------------------------------------------------- */

static void answer_localhost(struct weir__net_answer *out_answer)
{
    weir_addresses *addresses = &out_answer->addresses;
    weir_ignore(weir__net_address_literal(WEIR_STR("127.0.0.1"), 0, &addresses->at[0]),
                "a literal of our own");
    weir_ignore(weir__net_address_literal(WEIR_STR("::1"), 0, &addresses->at[1]), "as above");
    addresses->count = 2;
    out_answer->rc = 0;
}

static bool answer_at_once(const char *host, bool fresh, struct weir__net_answer *out_answer)
{
    weir_str name = weir__str_from(host);
    out_answer->rc = 0;
    if (weir__net_address_literal(name, 0, &out_answer->addresses.at[0]) == 0) {
        out_answer->addresses.count = 1;
    } else if (is_below(name, WEIR_STR("localhost"))) {
        answer_localhost(out_answer);
    } else if (is_below(name, WEIR_STR("invalid"))) {
        out_answer->rc = weir__net_lookup_code(EAI_NONAME, &out_answer->why);
    } else {
        bool kept = !fresh && weir__net_cache_find(host, weir__base_kernel_now(), out_answer);
        if (kept)
            weir__net_count(&weir__net_counters.hits);
        return kept;
    }
    weir__net_count(&weir__net_counters.literals);
    return true;
}

/* --- the call --------------------------------------------------------------------------------- */

static int fail_resolve(const char *host, int64_t limit_ns, int rc, const char *why)
{
    char duration[WEIR__NET_DURATION_BYTES];
    switch (rc) {
    case -ECANCELED:
        return rc;
    case -ETIME:
        weir__net_count(&weir__net_counters.timeouts);
        return weir_fail(-ETIMEDOUT, "no answer for %s looking up name: %s",
                         weir__net_duration(limit_ns, duration), host);
    default:
        return why != NULL ? weir_fail(rc, "%s: %s", why, host)
                           : weir_fail(rc, "cannot look up %s: %s", host, weir_code_text(rc));
    }
}

static int read_options(const weir_resolve_options *options, int64_t *out_limit_ns)
{
    int rc = weir__net_limit(options->timeout_ns, weir__net_resolve_ns, out_limit_ns);
    return rc < 0 ? weir_fail(rc, "a time limit is negative") : 0;
}

/* -EINVAL with its message; what else the asking came to, or 0. */
static int find_answer(const char *name, bool fresh, int64_t limit_ns,
                       struct weir__net_answer *out_answer)
{
    int rc = weir__net_answer_simulated(name, limit_ns, out_answer);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    if (answer_at_once(name, fresh, out_answer)) {
        weir__core_completed_at_once();
        return 0;
    }
    if (ends_in_a_number(weir__str_from(name)))
        return weir_fail(-EINVAL, "looks like an address, and is none: %s", name);
    if (has_port(weir__str_from(name)))
        return weir_fail(-EINVAL, "a name is looked up without a port or service: %s", name);
    return weir__net_ask(name, limit_ns, out_answer);
}

int weir_resolve_with(const char *host, uint16_t port, const weir_resolve_options *options,
                      weir_addresses *out_addresses)
{
    static const weir_resolve_options defaults;
    if (options == NULL)
        options = &defaults;
    int64_t limit_ns;
    char name[WEIR_HOST_BYTES];
    int rc = weir__core_checkpoint();
    if (rc == 0)
        rc = read_options(options, &limit_ns);
    if (rc == 0)
        rc = read_host(host, name);
    if (rc < 0)
        return rc;

    struct weir__net_answer answer = {0};
    rc = find_answer(name, options->fresh, limit_ns, &answer);
    if (rc == -EINVAL)
        return rc;
    if (rc < 0)
        return fail_resolve(name, limit_ns, rc, NULL);
    if (answer.rc < 0)
        return fail_resolve(name, limit_ns, answer.rc, answer.why);

    for (size_t i = 0; i < answer.addresses.count; i++)
        weir_address_set_port(&answer.addresses.at[i], port);
    *out_addresses = answer.addresses;
    return 0;
}

int weir_resolve(const char *host, uint16_t port, weir_addresses *out_addresses)
{
    return weir_resolve_with(host, port, NULL, out_addresses);
}

int weir_resolve_name(const weir_address *address, char out_host[WEIR_HOST_BYTES])
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    int family = address == NULL ? AF_UNSPEC : weir__net_family(address);
    if (family != AF_INET && family != AF_INET6)
        return weir_fail(-EINVAL, "only an address of IPv4 or IPv6 has a name");
    char text[WEIR_ADDRESS_TEXT_BYTES];
    const char *why = NULL;
    rc = weir__net_ask_name(address, out_host, &why);
    return rc < 0 ? fail_resolve(weir_address_format(address, text), weir__net_resolve_ns, rc, why)
                  : 0;
}
