/*
 * events.c - a check as server-sent events: what is there, then what comes, then how it ended
 *
 * The database is asked and the shared event only says when to ask again: nothing is shown that a
 * crash could take back, and a client that reconnects goes on where it was (Last-Event-ID).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linkcheck.h"

struct watch {
    weir_request *request;
    weir_sqlite *db;
    weir_arena *arena; /* for one look; emptied after it */
    int64_t id;
    int64_t last_seq;
};

static int send_json(struct watch *watch, const char *event, const char *id,
                     const weir_model *model, const void *value)
{
    weir_str json;
    int rc = weir_model_encode(model, value, watch->arena, &json, NULL);
    return rc < 0 ? rc : weir_sse_send(watch->request, event, id, json.data);
}

/* Everything since the last look. 1: there may be more; 0: not now. */
static int send_progress(struct watch *watch)
{
    progress_list rows;
    int rc = store_progress(watch->db, watch->id, watch->last_seq, watch->arena, &rows);
    for (size_t i = 0; rc == 0 && i < rows.count; i++) {
        char id[24];
        snprintf(id, sizeof id, "%lld", (long long)rows.items[i].seq);
        rc = send_json(watch, "progress", id, WEIR_MODEL_OF(check_progress), &rows.items[i]);
        watch->last_seq = rows.items[i].seq;
    }
    return rc < 0 ? rc : rows.count > 0;
}

/* 1: the check has ended and `done` was sent. */
static int send_end(struct watch *watch)
{
    check_summary summary;
    int rc = store_summary(watch->db, watch->id, watch->arena, &summary);
    if (rc < 0 || strcmp(summary.status, "running") == 0)
        return rc;
    /* Results that came between the last look and the end are shown first. */
    while ((rc = send_progress(watch)) > 0) {
    }
    if (rc == 0)
        rc = send_json(watch, "done", NULL, WEIR_MODEL_OF(check_summary), &summary);
    return rc < 0 ? rc : 1;
}

static int watch_running(struct watch *watch, struct running *running)
{
    for (;;) {
        uint64_t seen = running == NULL ? 0 : weir_shared_event_count(running->changed);
        weir_arena_reset(watch->arena);
        int rc = send_progress(watch);
        if (rc > 0)
            continue;
        if (rc == 0)
            rc = send_end(watch);
        if (rc != 0)
            return rc < 0 ? rc : 0;
        if (weir_request_draining(watch->request))
            return 0; /* the client comes back to whoever serves next, with its Last-Event-ID */
        if (running == NULL)
            return 0; /* stored as running, but nobody runs it: it is about to begin or has just
                         ended */
        rc = weir_shared_event_wait(running->changed, seen, NULL);
        if (rc < 0)
            return rc;
    }
}

static int64_t last_seen(weir_request *request)
{
    const char *text = weir_request_header(request, "Last-Event-ID");
    if (text == NULL || strspn(text, "0123456789") != strlen(text) || strlen(text) > 18)
        return 0;
    return strtoll(text, NULL, 10);
}

int watch_check(weir_request *request)
{
    struct watch watch = {.request = request,
                          .db = weir_request_state(request),
                          .id = WEIR_PARAMS(request, check_path)->id,
                          .last_seq = last_seen(request)};
    struct running *running = running_find(watch.id);
    check_summary summary;
    int rc = store_summary(watch.db, watch.id, weir_request_arena(request), &summary);
    if (rc == -ENOENT) {
        rc = weir_http_problem(request, 404, "there is no check %lld", (long long)watch.id);
        goto release;
    }
    if (rc < 0)
        goto release;
    watch.arena = weir_arena_new(1024 * 1024);
    if (watch.arena == NULL) {
        rc = -ENOMEM;
        goto release;
    }
    rc = weir_sse_begin(request);
    if (rc == 0)
        rc = watch_running(&watch, running);
    weir_arena_free(watch.arena);

release:
    running_release(running);
    return rc;
}
