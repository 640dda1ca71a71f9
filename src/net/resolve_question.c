/*
 * resolve_question.c - questions to the system, asked once however many want the answer
 *
 * A question is a task of the loop's root group, so that it belongs to nobody who asks: who wants
 * the same name waits with it, who is cancelled leaves it, and its answer goes to the cache in any
 * case.
 *
 * Runs on  the loop's own thread, but for look_up() and look_up_name(), which run on the lane's.
 * Holds    1. A loop asks for one name once at a time.
 *          2. A question is in loop_names.questions exactly until it has its answer.
 *          3. What a lane's thread touches is its job's, which outlives a caller that has left.
 */
#include <string.h>
#include <weir/exec.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/thread.h"
#include "exec/pool.h"
#include "net/resolve.h"

int64_t weir__net_resolve_ns = 5 * WEIR_SEC;

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
    char host[WEIR_HOST_BYTES];
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
    weir__net_count(&weir__net_counters.asked);
    job->answer.rc = weir__net_lookup(job->host, &job->answer.addresses, &job->answer.why);
    if (job->answer.rc < 0) {
        job->answer.addresses.count = 0;
        weir__net_count(&weir__net_counters.failed);
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
    char host[WEIR_HOST_BYTES];
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
    weir__net_count(&weir__net_counters.joined);
    return 0;
}

static int wait_for_answer(struct question *question, int64_t limit_ns,
                           struct weir__net_answer *out_answer)
{
    weir_scope limit = {0};
    question->users++;
    bool limited = limit_ns != WEIR_FOREVER;
    int rc = limited ? weir_timeout_enter(&limit, limit_ns) : 0;
    if (rc == 0) {
        rc = weir__core_park_in(&question->waiters, WEIR_WAIT_JOB);
        if (limited)
            rc = weir_scope_leave(&limit, rc);
    }
    if (rc == 0)
        *out_answer = question->answer;
    leave_question(question);
    return rc;
}

int weir__net_ask(const char *host, int64_t limit_ns, struct weir__net_answer *out_answer)
{
    struct question *question;
    int rc = join_question(weir__core_loop(), host, &question);
    if (rc == 0)
        rc = wait_for_answer(question, limit_ns, out_answer);
    return rc;
}

/* --- names of addresses ----------------------------------------------------------------------- */

/* Nobody shares it: a log that wants names asks for one address at a time. */
struct name_job {
    weir_address address;
    int rc;
    const char *why;
    char host[WEIR_HOST_BYTES];
};

/* On a thread of the lane. */
static int look_up_name(void *arg)
{
    struct name_job *job = arg;
    job->rc = weir__net_lookup_name(&job->address, job->host, &job->why);
    return 0;
}

static int run_name_job(weir_pool *pool, struct name_job *job)
{
    weir_offload_options options = {
        .name = "resolve", .try_only = true, .abandon = weir__base_free};
    int rc = 0;
    WEIR_TIMEOUT(rc, weir__net_resolve_ns)
    {
        rc = weir_offload_with(pool, &options, look_up_name, job);
    }
    return rc;
}

int weir__net_ask_name(const weir_address *address, char out_host[WEIR_HOST_BYTES],
                       const char **out_why)
{
    struct loop_names *names;
    int rc = names_of(weir__core_loop(), &names);
    if (rc < 0)
        return rc;
    struct name_job *job = weir__base_alloc_zero(sizeof *job);
    if (job == NULL)
        return -ENOMEM;
    job->address = *address;
    rc = run_name_job(names->lane, job);
    if (rc == -ECANCELED || rc == -ETIME)
        return rc; // the job is the lane's, or free
    if (rc == -EAGAIN)
        rc = -EBUSY; // no thread for it
    if (rc == 0 && (rc = job->rc) == 0)
        memcpy(out_host, job->host, sizeof job->host);
    else
        *out_why = job->why;
    weir__base_free(job);
    return rc;
}
