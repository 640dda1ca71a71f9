/*
 * check.c - one check: stored, started in the background, run with a limit, its end stored
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linkcheck.h"

/* What a check works on; on the heap, since it outlives the request that brought it. */
struct job {
    int64_t id;
    struct running *running;
    weir_sqlite *db;
    weir_http_client *client;
    int32_t timeout_ms;
    int32_t concurrency;
    size_t url_count;
    char **urls; /* the strings follow in the same block */
};

static struct job *job_new(const check_request *what)
{
    size_t bytes = sizeof(struct job) + what->urls.count * sizeof(char *);
    for (size_t i = 0; i < what->urls.count; i++)
        bytes += strlen(what->urls.items[i]) + 1;
    struct job *job = malloc(bytes);
    if (job == NULL)
        return NULL;
    *job = (struct job){.timeout_ms = what->timeout_ms,
                        .concurrency = what->concurrency,
                        .url_count = what->urls.count,
                        .urls = (char **)(job + 1)};
    char *text = (char *)(job->urls + job->url_count);
    for (size_t i = 0; i < job->url_count; i++) {
        size_t size = strlen(what->urls.items[i]) + 1;
        job->urls[i] = memcpy(text, what->urls.items[i], size);
        text += size;
    }
    return job;
}

/* --- running a check -------------------------------------------------------------------------- */

struct check_url {
    struct job *job;
    const char *url;
};

static int check_url(struct check_url *a)
{
    struct job *job = a->job;
    check_result result;
    char error_text[256];
    int rc = fetch_url(job->client, a->url, job->timeout_ms, error_text, &result);
    if (rc == 0)
        rc = store_add_result(job->db, job->id, &result);
    if (rc == 0)
        weir_shared_event_post(job->running->changed);
    return rc;
}

static int check_all(struct job *job)
{
    weir_group *group;
    int rc = weir_group_open(
        &group, &(weir_group_options){.name = "check", .running_max = (size_t)job->concurrency});
    if (rc < 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < job->url_count; i++)
        rc = WEIR_SPAWN(group, check_url, .job = job, .url = job->urls[i]);
    if (rc == -ESHUTDOWN) /* the group was cancelled while we filled it: close says why */
        rc = 0;
    return weir_group_close(group, rc);
}

static const char *final_status(const struct job *job, int rc)
{
    if (rc == 0)
        return "done";
    return running_was_cancelled(job->running) ? "cancelled" : "interrupted";
}

/* How a check ended is stored under a shield, since its task may be cancelled by now. A disk that
 * is full may not be for long: it is tried again until the service stops; whatever is still
 * `running` in the database then is `interrupted` at the next start. */
static int store_end(struct job *job, const char *status)
{
    const weir_app *app = weir_app_worker_app(weir_app_worker_self());
    int rc;
    bool told = false;
    do {
        rc = 0;
        WEIR_SHIELD(rc, 10 * WEIR_SEC)
        {
            rc = store_end_check(job->db, job->id, status);
            if (rc < 0 && !told)
                weir_log_error("the end of a check cannot be stored; trying again",
                               WEIR_KV("check", job->id), WEIR_KV("why", weir_failure_message(rc)));
            told = true;
            if (rc < 0 && !weir_app_stopping(app))
                weir_ignore(weir_sleep(WEIR_SEC), "the next try may come sooner");
        }
    } while (rc < 0 && !weir_app_stopping(app));
    return rc;
}

struct run_check {
    struct job *job;
};

static int run_check(struct run_check *a)
{
    struct job *job = a->job;
    weir_token *token;
    int rc = weir_token_open(&token);
    if (rc == 0) {
        running_set_token(job->running, token);
        rc = check_all(job);
    }
    int stored = store_end(job, final_status(job, rc));
    running_remove(job->running);
    running_release(job->running);
    free(job);
    return stored < 0 ? stored : rc;
}

/* --- starting one ----------------------------------------------------------------------------- */

/* The check could not be started after all: nobody will ever run it. */
static int give_up(weir_sqlite *db, struct job *job, int rc)
{
    weir_ignore(store_end_check(db, job->id, "interrupted"),
                "the first failure is the one to tell");
    if (job->running != NULL) {
        running_remove(job->running);
        running_release(job->running);
    }
    free(job);
    return rc;
}

int start_check(weir_request *request, const check_request *what, check_started *out_started)
{
    weir_sqlite *db = weir_request_state(request);
    struct worker_state *worker = weir_app_worker_state(weir_request_worker(request));
    struct job *job = job_new(what);
    if (job == NULL)
        return -ENOMEM;
    const char *id;
    int rc = store_add_check(db, (int64_t)job->url_count, weir_request_arena(request), &id);
    if (rc < 0) {
        free(job);
        return rc;
    }
    job->id = strtoll(id, NULL, 10); /* our own digits, from the database */
    job->db = db;
    job->client = worker->client;
    job->running = running_add(job->id);
    if (job->running == NULL)
        return give_up(db, job, -ENOMEM);
    size_t total = job->url_count;
    rc = WEIR_BACKGROUND(request, run_check, .job = job);
    if (rc < 0)
        return give_up(db, job, rc);

    char location[64];
    snprintf(location, sizeof location, "/checks/%s", id);
    *out_started = (check_started){.id = id, .status = "running", .total = (int64_t)total};
    return weir_respond_header(request, "Location", location);
}
