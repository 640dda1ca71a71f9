/*
 * resolve.c - from names to addresses, without ever blocking a loop
 *
 * What needs no asking is answered here: literals, `localhost` and `invalid` (RFC 6761), what the
 * cache has. All else goes to getaddrinfo on threads of its own. A question is a task of the loop's
 * root group, so that it belongs to nobody who asks: who wants the same name waits with it, who is
 * cancelled leaves it, and its answer goes to the cache in any case.
 *
 * Runs on  the loop's own thread, but for ask_system() and look_up(), which run on the lane's.
 * Holds    1. A loop asks for one name once at a time.
 *          2. A question is in loop_names.questions exactly until it has its answer.
 *          3. What a lane's thread touches is its job's, which outlives a caller that has left.
 */
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <weir/exec.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/thread.h"
#include "exec/pool.h"
#include "net/net.h"

/* --- the system's answer ---------------------------------------------------------------------- */

static int code_of(int result, const char **out_why)
{
    int system_error = errno;
    switch (result) {
    case EAI_NONAME:
        *out_why = "name does not exist";
        return -ENXIO;
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        *out_why = "name has no address";
        return -ENXIO;
    case EAI_AGAIN: // a final word here: the caller does not know when to try again either
        *out_why = "no name server answered for name";
        return -EHOSTUNREACH;
    case EAI_FAIL:
        *out_why = "the name server could not answer for name";
        return -EHOSTUNREACH;
    case EAI_MEMORY:
        *out_why = "no memory to look up name";
        return -ENOMEM;
    case EAI_SYSTEM:
        *out_why = "the system could not look up name";
        return system_error > 0 && system_error != EAGAIN && system_error != ECANCELED
                   ? -system_error
                   : -EIO;
    default:
        *out_why = gai_strerror(result);
        return -EIO;
    }
}

static bool has_address(const weir_addresses *addresses, const weir_address *wanted)
{
    for (size_t i = 0; i < addresses->count; i++) {
        if (weir_address_equal(&addresses->at[i], wanted))
            return true;
    }
    return false;
}

/* The next of `family` (or of any other, when `other`) at or after `info`. */
static const struct addrinfo *find_family(const struct addrinfo *info, int family, bool other)
{
    while (info != NULL && ((info->ai_family != AF_INET && info->ai_family != AF_INET6) ||
                            (info->ai_family == family) == other))
        info = info->ai_next;
    return info;
}

static void add_address(weir_addresses *addresses, const struct addrinfo *info)
{
    weir_address address = {.size = info->ai_addrlen};
    if (addresses->count == WEIR_ADDRESSES_MAX || info->ai_addrlen > sizeof address.storage)
        return;
    memcpy(&address.storage, info->ai_addr, info->ai_addrlen);
    weir_address_set_port(&address, 0);
    if (!has_address(addresses, &address))
        addresses->at[addresses->count++] = address;
}

/* The families in turn, beginning with the system's first choice: RFC 8305 section 4. */
static void collect(const struct addrinfo *list, weir_addresses *out_addresses)
{
    int family = list->ai_family;
    const struct addrinfo *same = find_family(list, family, false);
    const struct addrinfo *other = find_family(list, family, true);
    while (same != NULL || other != NULL) {
        if (same != NULL) {
            add_address(out_addresses, same);
            same = find_family(same->ai_next, family, false);
        }
        if (other != NULL) {
            add_address(out_addresses, other);
            other = find_family(other->ai_next, family, true);
        }
    }
}

static int ask_system(const char *host, weir_addresses *out_addresses, const char **out_why)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    out_addresses->count = 0;
    int result = getaddrinfo(host, NULL, &hints, &list);
    if (result != 0)
        return code_of(result, out_why);
    collect(list, out_addresses);
    freeaddrinfo(list);
    return out_addresses->count > 0 ? 0 : code_of(EAI_NODATA, out_why);
}

weir__net_lookup_fn *weir__net_lookup = ask_system;
int64_t weir__net_resolve_ns = 5 * WEIR_SEC;

/* --- counters --------------------------------------------------------------------------------- */

static struct {
    uint64_t literals, hits, joined, asked, failed, timeouts; /* atomic, relaxed */
} counters;

static void count(uint64_t *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static uint64_t read_counter(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void weir_resolver_stats_get(weir_resolver_stats *out_stats)
{
    *out_stats = (weir_resolver_stats){
        .literals = read_counter(&counters.literals),
        .hits = read_counter(&counters.hits),
        .joined = read_counter(&counters.joined),
        .asked = read_counter(&counters.asked),
        .failed = read_counter(&counters.failed),
        .timeouts = read_counter(&counters.timeouts),
        .kept = weir__net_cache_count(weir__base_kernel_now()),
    };
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

/* The host in lower case, or -EINVAL. */
static int read_host(const char *host, char out_host[WEIR__NET_HOST_BYTES])
{
    size_t size = host == NULL ? 0 : strnlen(host, WEIR__NET_HOST_BYTES);
    if (size == 0)
        return weir_fail(-EINVAL, "a host name is empty");
    if (size == WEIR__NET_HOST_BYTES)
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

static bool answer_at_once(const char *host, struct weir__net_answer *out_answer)
{
    weir_str name = weir__str_from(host);
    out_answer->rc = 0;
    if (weir__net_address_literal(name, 0, &out_answer->addresses.at[0]) == 0) {
        out_answer->addresses.count = 1;
    } else if (is_below(name, WEIR_STR("localhost"))) {
        answer_localhost(out_answer);
    } else if (is_below(name, WEIR_STR("invalid"))) {
        out_answer->rc = code_of(EAI_NONAME, &out_answer->why);
    } else {
        bool kept = weir__net_cache_find(host, weir__base_kernel_now(), out_answer);
        if (kept)
            count(&counters.hits);
        return kept;
    }
    count(&counters.literals);
    return true;
}

/* --- the lane --------------------------------------------------------------------------------- */

/*
 * A few threads for all loops of the process: a name server that is silent holds one of them for
 * each name, for as long as getaddrinfo likes. Made for the first question, gone with the last loop
 * that asked.
 */
static struct {
    struct weir__mutex lock;
    weir_pool *pool;
    size_t loop_count;
} lane = {.lock = WEIR__MUTEX_INIT};

static int join_lane(weir_pool **out_pool)
{
    static const weir_pool_options options = {
        .name = "resolve",
        .threads_max = WEIR__NET_RESOLVE_THREADS,
        .close_budget_ns = WEIR__NET_LANE_CLOSE_NS,
    };
    weir__base_mutex_lock(&lane.lock);
    int rc = 0;
    if (lane.pool == NULL) {
        rc = weir_pool_open(&options, &lane.pool);
        if (rc == 0)
            weir__exec_leave_quietly(lane.pool);
    }
    if (rc == 0) {
        lane.loop_count++;
        *out_pool = lane.pool;
    }
    weir__base_mutex_unlock(&lane.lock);
    return rc;
}

static void leave_lane(void)
{
    weir_pool *pool = NULL;
    weir__base_mutex_lock(&lane.lock);
    if (--lane.loop_count == 0) {
        pool = lane.pool;
        lane.pool = NULL;
    }
    weir__base_mutex_unlock(&lane.lock);
    weir_pool_close(pool); // waits for questions that were left behind, for a moment
}

/* What a thread works on; it belongs to the question's task until that leaves it behind. */
struct job {
    char host[WEIR__NET_HOST_BYTES];
    struct weir__net_answer answer;
};

/* A shortage here says nothing about the name. */
static bool is_worth_keeping(int rc)
{
    return rc == 0 || rc == -ENXIO || rc == -EHOSTUNREACH;
}

/* On a thread of the lane. */
static int look_up(void *arg)
{
    struct job *job = arg;
    count(&counters.asked);
    job->answer.rc = weir__net_lookup(job->host, &job->answer.addresses, &job->answer.why);
    if (job->answer.rc < 0) {
        job->answer.addresses.count = 0;
        count(&counters.failed);
    }
    if (is_worth_keeping(job->answer.rc))
        weir__net_cache_keep(job->host, weir__base_kernel_now(), &job->answer);
    return 0;
}

/* --- questions -------------------------------------------------------------------------------- */

/* One name that a loop asks for, and all who wait for it. */
struct question {
    struct weir__list link;
    struct weir__list waiters;
    unsigned users; /* those who wait, and its task */
    struct weir__net_answer answer;
    char host[WEIR__NET_HOST_BYTES];
};

/* In weir_loop.locals[WEIR__LOCAL_NET]. */
struct loop_names {
    struct weir__list questions;
    weir_pool *lane;
};

static void free_names(void *local)
{
    leave_lane();
    weir__base_free(local);
}

static int names_of(weir_loop *loop, struct loop_names **out_names)
{
    struct loop_names *names = loop->locals[WEIR__LOCAL_NET];
    if (names == NULL) {
        names = weir__base_alloc(sizeof *names);
        int rc = names == NULL ? -ENOMEM : join_lane(&names->lane);
        if (rc < 0) {
            weir__base_free(names);
            return rc;
        }
        weir__list_init(&names->questions);
        weir__core_at_loop_end(WEIR__LOCAL_NET, free_names);
        loop->locals[WEIR__LOCAL_NET] = names;
    }
    *out_names = names;
    return 0;
}

static void leave_question(struct question *question)
{
    if (--question->users == 0)
        weir__base_free(question);
}

/* No answer came: what to tell those who wait. */
static int fail_question(struct question *question, int rc, const char *why)
{
    question->answer.rc = rc;
    question->answer.why = why;
    return rc;
}

static int ask_lane(struct question *question, weir_pool *pool)
{
    struct job *job = weir__base_alloc_zero(sizeof *job);
    if (job == NULL)
        return fail_question(question, -ENOMEM, "no memory to look up name");
    memcpy(job->host, question->host, sizeof job->host);
    weir_offload_options options = {
        .name = "resolve", .try_only = true, .abandon = weir__base_free};
    int rc = weir_offload_with(pool, &options, look_up, job);
    if (rc == -ECANCELED) { // the job is the lane's; its answer goes to the cache
        weir_ignore(fail_question(question, -ESHUTDOWN, "the loop is ending; not looked up: name"),
                    "the cancellation is what this task returns");
        return rc;
    }
    if (rc == 0)
        question->answer = job->answer;
    else if (rc == -EAGAIN)
        rc = fail_question(question, -EBUSY, "no thread could be started to look up name");
    else
        rc = fail_question(question, rc, "too busy to look up name");
    weir__base_free(job);
    return rc;
}

/* The task of a question: nobody who waits can end it, so it is nobody's. */
static int ask(void *arg)
{
    struct question *question = arg;
    struct loop_names *names = weir__core_loop()->locals[WEIR__LOCAL_NET];
    int rc = ask_lane(question, names->lane);
    weir__list_remove(&question->link);
    while (weir__core_wake_first(&question->waiters, 0)) {
    }
    leave_question(question);
    return rc == -ECANCELED ? rc : 0; // what was answered is the waiters' business
}

static struct question *find_question(struct loop_names *names, const char *host)
{
    for (struct weir__list *node = names->questions.next; node != &names->questions;
         node = node->next) {
        struct question *question = WEIR__CONTAINER(node, struct question, link);
        if (strcmp(question->host, host) == 0)
            return question;
    }
    return NULL;
}

static int start_question(weir_loop *loop, struct loop_names *names, const char *host,
                          struct question **out_question)
{
    struct question *question = weir__base_alloc_zero(sizeof *question);
    if (question == NULL)
        return -ENOMEM;
    weir__list_init(&question->waiters);
    weir__list_append(&names->questions, &question->link);
    memcpy(question->host, host, strlen(host) + 1);
    question->users = 1;
    int rc = weir__core_spawn(loop->root, "resolve", ask, question, NULL);
    if (rc < 0) {
        weir__list_remove(&question->link);
        weir__base_free(question);
        return rc;
    }
    *out_question = question;
    return 0;
}

static int join_question(weir_loop *loop, const char *host, struct question **out_question)
{
    struct loop_names *names;
    int rc = names_of(loop, &names);
    if (rc < 0)
        return rc;
    *out_question = find_question(names, host);
    if (*out_question == NULL)
        return start_question(loop, names, host, out_question);
    count(&counters.joined);
    return 0;
}

static int wait_for_answer(struct question *question, struct weir__net_answer *out_answer)
{
    weir_scope limit = {0};
    question->users++;
    int rc = weir_timeout_enter(&limit, weir__net_resolve_ns);
    if (rc == 0) {
        rc = weir__core_park_in(&question->waiters, WEIR_WAIT_JOB);
        rc = weir_scope_leave(&limit, rc);
    }
    if (rc == 0)
        *out_answer = question->answer;
    leave_question(question);
    return rc;
}

/* --- the call --------------------------------------------------------------------------------- */

static int fail_resolve(const char *host, int rc, const char *why)
{
    char duration[WEIR__NET_DURATION_BYTES];
    switch (rc) {
    case -ECANCELED:
        return rc;
    case -ETIME:
        count(&counters.timeouts);
        return weir_fail(-ETIMEDOUT, "no answer for %s looking up name: %s",
                         weir__net_duration(weir__net_resolve_ns, duration), host);
    default:
        return why != NULL ? weir_fail(rc, "%s: %s", why, host)
                           : weir_fail(rc, "cannot look up %s: %s", host, weir_code_text(rc));
    }
}

static int wait_for_host(const char *host, struct weir__net_answer *out_answer)
{
    struct question *question;
    int rc = join_question(weir__core_loop(), host, &question);
    if (rc == 0)
        rc = wait_for_answer(question, out_answer);
    return rc;
}

int weir_resolve(const char *host, uint16_t port, weir_addresses *out_addresses)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    char name[WEIR__NET_HOST_BYTES];
    rc = read_host(host, name);
    if (rc < 0)
        return rc;

    struct weir__net_answer answer = {0};
    rc = weir__net_answer_simulated(name, &answer);
    if (rc > 0)
        rc = 0;
    else if (rc < 0)
        ; // told below
    else if (answer_at_once(name, &answer))
        weir__core_completed_at_once();
    else if (ends_in_a_number(weir__str_from(name)))
        return weir_fail(-EINVAL, "looks like an address, and is none: %s", name);
    else
        rc = wait_for_host(name, &answer);
    if (rc < 0)
        return fail_resolve(name, rc, NULL);
    if (answer.rc < 0)
        return fail_resolve(name, answer.rc, answer.why);

    for (size_t i = 0; i < answer.addresses.count; i++)
        weir_address_set_port(&answer.addresses.at[i], port);
    *out_addresses = answer.addresses;
    return 0;
}
