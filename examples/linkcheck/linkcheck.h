/*
 * linkcheck.h - the parts of the service and how they hold together
 *
 *     main.c     settings, start and end
 *     routes.c   handlers and routes
 *     check.c    one check, in the background
 *     fetch.c    one URL: what came of it, in words
 *     store.c    SQLite: what is acknowledged or shown is there first
 *     running.c  the checks that run now, for cancelling and watching them from any worker
 *     events.c   server-sent events of a check
 *     upload.c   a list of URLs as a file
 */
#ifndef LINKCHECK_H
#define LINKCHECK_H

#include <weir/app.h>
#include <weir/http_client.h>
#include <weir/sqlite.h>
#include <weir/tls.h>
#include <weir/weir.h>

#include "models.h"

/* --- running.c: shared by all workers --------------------------------------------------------- */

/* A check that runs. Counted: its task and each watcher hold one reference. */
struct running {
    int64_t id;
    weir_shared_event *changed; /* posted for each result and at the end */
    weir_token *token;          /* of its task; NULL before it has begun */
    bool cancelled;             /* somebody asked for its end */
    int refs;
    struct running *next;
};

struct running *running_add(int64_t id); /* NULL: no memory; the reference is the task's */
struct running *running_find(int64_t id);
void running_release(struct running *running);
void running_remove(struct running *running); /* it has ended; the reference stays */
/* The task has begun: from here on it can be cancelled, or it was already. */
void running_set_token(struct running *running, weir_token *token);
bool running_cancel(struct running *running);
bool running_was_cancelled(struct running *running);
void running_wake_all(void); /* watchers look again: the service is stopping */

/* --- store.c ---------------------------------------------------------------------------------- */

int store_open(const char *folder, weir_sqlite **out_db);
/* Checks that ran when the process ended are `interrupted`. Returns how many. */
int store_recover(weir_sqlite *db);
int store_add_check(weir_sqlite *db, int64_t total, weir_arena *arena, const char **out_id);
int store_end_check(weir_sqlite *db, int64_t id, const char *status);
int store_add_result(weir_sqlite *db, int64_t id, const check_result *result);
int store_summary(weir_sqlite *db, int64_t id, weir_arena *arena, check_summary *out_summary);
int store_view(weir_sqlite *db, int64_t id, weir_arena *arena, check_view *out_view);
int store_list(weir_sqlite *db, int32_t limit, weir_arena *arena, check_list *out_list);

typedef WEIR_LIST(check_progress) progress_list;
int store_progress(weir_sqlite *db, int64_t id, int64_t after_seq, weir_arena *arena,
                   progress_list *out_list);

/* --- fetch.c ---------------------------------------------------------------------------------- */

/* Fetches a URL and fills the result; -ECANCELED when the check was cut meanwhile: then there is
 * none. `error_text` is where the sentence of a failure is kept. */
int fetch_url(weir_http_client *client, const char *url, int32_t timeout_ms, char error_text[256],
              check_result *out_result);

/* --- check.c ---------------------------------------------------------------------------------- */

/* Stores a check and starts it in the background; the URLs are copied. */
int start_check(weir_request *request, const check_request *what, check_started *out_started);

/* --- the rest --------------------------------------------------------------------------------- */

extern const weir_route linkcheck_routes[]; /* routes.c */
int watch_check(weir_request *request);     /* events.c */
int upload_check(weir_request *request);    /* upload.c */

struct settings {
    const char *data;
};

/* What every worker has of its own. */
struct worker_state {
    weir_http_client *client;
};

#endif
