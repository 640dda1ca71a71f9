/*
 * app.h - the frame of a service: what its parts share
 *
 *     settings.c    options from the command line and the environment, --help
 *     limits.c      --limits
 *     main.c        weir_app_main(): from the process as it was started to its exit status
 *     supervisor.c  a thread that hears signals and holds the last deadline
 *     worker.c      one thread's part: a loop, a server, and their end
 *     background.c  tasks that outlive their request
 *     serve.c       weir_app_serve(): start the workers, wait, drain them, say what came of it
 *     drain.c       the phases of a drain and its lines in the log
 *     survey.c      asking every worker how it is, without waiting for one that is stuck
 *     access.c      counting requests, the access log, limits that were hit
 *     metrics.c     what was counted, as Prometheus text
 *     routes.c      probes, metrics, the documents
 *     checks.c      what has to be well for the service to be ready
 *     notify.c      telling the service manager
 *     openapi.c     the document itself
 *
 * Threads  The supervisor and N workers. Worker 0 runs the lifespan and weir_app_serve() as its
 *          main task, and its own serving as a task beside it. What a worker owns is touched by its
 *          thread only; others send it a command (a post) or ask it (a survey). Shared is what says
 *          "atomic".
 * Holds    1. Commands reach a worker in the order go, retire, drain, cancel, force, each at most
 *          once.
 *          2. A worker's background count is 0 when weir_app_worker_serve() returns.
 *          3. Whatever is stuck, the process ends two seconds after the drain's budget.
 */
#ifndef WEIR__APP_H
#define WEIR__APP_H

#include <weir/app.h>
#include <weir/sync.h>

#include "base/buffer.h"
#include "base/thread.h"
#include "core/core.h"
#include "debug/debug.h"
#include "http/peers.h"

enum {
    WEIR__APP_WORKERS_MAX = 256,
    WEIR__APP_MESSAGE_BYTES = 256,
    WEIR__APP_BUCKETS = 14,
};

enum weir__app_exit {
    WEIR__APP_EXIT_FAILED = 1,
    WEIR__APP_EXIT_USAGE = 64,
    WEIR__APP_EXIT_CUT = 75,
    WEIR__APP_EXIT_STUCK = 124,
    WEIR__APP_EXIT_SIGNAL = 128, /* plus its number */
};

/* --- settings.c ------------------------------------------------------------------------------- */

/* What the built-in options are read into. */
struct weir__app_settings {
    const char *listen;
    uint32_t workers;
    int64_t drain_timeout_ns;
    const char *backend;
    const char *log;
    const char *log_level;
    bool access_log;
    bool edge;
    uint64_t connections_per_address; /* 0: none, at the edge the server's default */
    int64_t queue_delay_ns;
    bool limits; /* print them */
};

/* 0: go on; 1: all is said (--help, --version); -EINVAL: what is wrong is on standard error. */
int weir__app_settings_read(int argc, char **argv, const weir_app_options *options,
                            struct weir__app_settings *out_settings) WEIR_MUST_CHECK;

void weir__app_format_duration(int64_t ns, char *out, size_t size); /* `25s`, `500ms` */

/* --- limits.c --------------------------------------------------------------------------------- */

/* -EINVAL: one that the service set is impossible. */
int weir__app_print_limits(const weir_app_options *options,
                           const struct weir__app_settings *settings) WEIR_MUST_CHECK;

/* --- counters --------------------------------------------------------------------------------- */

/* Of one route on one worker; written by it, read by anybody (atomic, relaxed). */
struct weir__app_route_counts {
    uint64_t by_class[6]; /* [0]: ended before an answer */
    uint64_t buckets[WEIR__APP_BUCKETS + 1];
    uint64_t duration_us;
};

/* A counter with one writer: a plain addition that others may look at. */
static inline void weir__app_add(uint64_t *counter, uint64_t amount)
{
    uint64_t now = __atomic_load_n(counter, __ATOMIC_RELAXED);
    __atomic_store_n(counter, now + amount, __ATOMIC_RELAXED);
}
static inline uint64_t weir__app_read(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* --- workers ---------------------------------------------------------------------------------- */

enum weir__app_command_kind {
    WEIR__APP_GO,     /* accept */
    WEIR__APP_RETIRE, /* ask clients to leave, go on accepting */
    WEIR__APP_DRAIN,  /* take nothing new */
    WEIR__APP_CANCEL,
    WEIR__APP_FORCE,
    WEIR__APP_COMMAND_COUNT
};

struct weir__app_command {
    struct weir__post post;
    weir_app_worker *worker;
    enum weir__app_command_kind kind;
};

enum weir__app_worker_state {
    WEIR__APP_STARTING,
    WEIR__APP_READY, /* listens and waits for go */
    WEIR__APP_SERVING,
    WEIR__APP_DRAINED, /* its server is closed, its background tasks have ended */
    WEIR__APP_ENDED,
};

struct weir_app_worker {
    weir_app *app;
    unsigned index;
    char name[24];
    void *user_state;

    /* shared */
    int state;           /* atomic: enum weir__app_worker_state */
    int listening;       /* atomic: accepts */
    weir_loop *loop;     /* atomic: NULL before it runs; referenced until the app ends */
    int64_t asked_at_ns; /* atomic: when a ping went out that has no answer; 0: none is out */
    struct weir__post ping;
    struct weir__app_command commands[WEIR__APP_COMMAND_COUNT];
    int rc; /* of ENDED, written before that state */
    char message[WEIR__APP_MESSAGE_BYTES];
    bool begun;                            /* its loop (worker 0: its task) was started */
    struct weir__app_route_counts *routes; /* one for each, and one for requests without */
    uint64_t requests_ended;               /* this and all below: one writer, see weir__app_add() */
    uint64_t requests_cut;                 /* after the cancel, failed or cut */
    uint64_t requests_finished;            /* since the drain began */
    uint64_t idle_closed;                  /* connections, by the drain */
    uint64_t background_started, background_failed, background_cancelled, background_refused;
    uint64_t background_cut;
    uint64_t background_running;

    /* the worker's own */
    weir_listener *listener; /* worker 0 has it from the start */
    weir_http_server *server;
    weir_group *background;
    weir_task *main_task;
    weir_task *keeper_task;
    int keeper_rc;
    bool keeper_ended;
    weir_task *quiet_waiter; /* waits until no background task runs */
    weir_scope *serve_scope; /* while it serves */
    weir_event go, drain, over;
    bool serve_called, going, draining, cancelling;
    int64_t limit_told_at_ns[WEIR_HTTP_LIMIT_COUNT];
    uint64_t limit_quiet[WEIR_HTTP_LIMIT_COUNT]; /* hits since it was told */
};

/* Everything of a worker, in its main task. */
int weir__app_worker_main(weir_app_worker *worker) WEIR_MUST_CHECK;
/* To a worker, from any thread. */
void weir__app_command(weir_app_worker *worker, enum weir__app_command_kind kind);
/* The listener of worker 0: settles the port and whether it is free. */
int weir__app_listen_first(weir_app *app) WEIR_MUST_CHECK;
void weir__app_worker_set_state(weir_app_worker *worker, enum weir__app_worker_state state);
static inline enum weir__app_worker_state weir__app_worker_state_of(const weir_app_worker *worker)
{
    return (enum weir__app_worker_state)__atomic_load_n(&worker->state, __ATOMIC_ACQUIRE);
}

/* The task that owns the group of background tasks, so that it can be cancelled by itself. */
int weir__app_keep_background(void *worker);
/* Parks until no background task runs; cannot be left early. */
void weir__app_wait_background(weir_app_worker *worker);

/* --- checks.c --------------------------------------------------------------------------------- */

enum weir__app_check_state {
    WEIR__APP_CHECK_UNKNOWN, /* it has not run */
    WEIR__APP_CHECK_OK,
    WEIR__APP_CHECK_FAILED,
};

struct weir__app_checked {
    weir_app *app;
    const weir_app_check *check;
    weir_task_id task;
    int state; /* atomic: enum weir__app_check_state; written by worker 0 */
};

extern const char weir__app_check_name[]; /* of their tasks */
int weir__app_start_checks(weir_app *app, weir_group *group) WEIR_MUST_CHECK;
void weir__app_stop_checks(weir_app *app);
/* False: the first one that is not well is written to out_text. */
bool weir__app_checks_ok(const weir_app *app, char *out_text, size_t size) WEIR_MUST_CHECK;

/* --- notify.c --------------------------------------------------------------------------------- */

/* `READY=1`, ...; does nothing when nobody wants to know. */
void weir__app_notify(const char *message);
/* How often the manager's watchdog wants to hear from us; WEIR_NEVER: it does not. */
int64_t weir__app_watchdog_ns(void);

/* --- the app ---------------------------------------------------------------------------------- */

/* Why and when the drain began; written once by the supervisor, before `stopping`. */
struct weir__app_stop {
    int64_t at_ns; /* weir__base_kernel_now() */
    int signal;    /* 0: weir_app_stop() */
    int pid;       /* of the sender; 0: unknown */
    const char *reason;
};

struct weir_app {
    const weir_app_options *options;
    struct weir__app_settings settings;
    const char *name;
    const char *version;
    weir_router *router;
    size_t route_count;
    size_t own_count; /* of them, those of the service; they come first */
    weir_filter_fn **filters;
    struct weir__buffer openapi;
    void *user_state;
    char url[WEIR__APP_MESSAGE_BYTES];
    char address[WEIR__APP_MESSAGE_BYTES];
    int64_t started_wall_ns;
    bool in_pod;

    weir_app_worker *workers;
    unsigned worker_count;
    weir_shared_event *changed;     /* posted when a worker's state, or a signal, is news */
    weir_shared_event *stopped;     /* posted once, when the drain begins */
    struct weir__http_peers *peers; /* connections of each address, over all workers; NULL: no
                                       limit */

    int stopping;      /* atomic */
    int hurrying;      /* atomic: a second signal came */
    int serving;       /* atomic: /readyz */
    int started;       /* atomic: the workers run */
    int64_t end_at_ns; /* atomic: the process ends then at the latest; 0: no drain yet */
    int tearing_down;  /* atomic: the drain is over, the lifespan's end runs */
    struct weir__app_stop stop;
    const char *stop_reason; /* atomic: of weir_app_stop() */

    /* main.c */
    weir_task *main_task;
    int first_failed; /* atomic: 1 + the index of the worker that failed first; 0: none did */
    struct weir__app_checked *checks;
    size_t check_count;
    weir_group *worker_group; /* worker 0's serving beside the lifespan */
    bool serve_called;
    int exit_status; /* 0 until something was cut */
};

static inline bool weir__app_stopping(const weir_app *app)
{
    return __atomic_load_n(&app->stopping, __ATOMIC_ACQUIRE) != 0;
}

/* --- supervisor.c ----------------------------------------------------------------------------- */

int weir__app_supervise(weir_app *app) WEIR_MUST_CHECK;
void weir__app_unsupervise(void);
/* From any thread: as a signal would. */
void weir__app_ask_to_stop(weir_app *app, const char *reason);
/* Ends the process: what is logged is written first. */
_Noreturn void weir__app_end_process(int status);

/* --- survey.c --------------------------------------------------------------------------------- */

enum { WEIR__APP_TASKS_SHOWN = 10 };

/* One task that somebody waits for. */
struct weir__app_seen_task {
    char name[80];    /* `run_check #12.3` */
    char spawned[80]; /* `check.c:144`, or empty */
    const char *waits_for;
    char counterpart[120];    /* `held by work #4.1`, or empty */
    struct weir__calls calls; /* to where it waits */
    int64_t since_ns;
};

/* How one worker is. */
struct weir__app_report {
    int answered; /* atomic: the rest is written */
    bool ended;   /* there was nobody to ask */
    weir_http_server_stats http;
    size_t task_count; /* without those of the frame itself */
    size_t loop_tasks; /* all of the loop */
    size_t background_running;
    size_t seen_count;
    struct weir__app_seen_task seen[WEIR__APP_TASKS_SHOWN]; /* the longest waiting first */
};

struct weir__app_survey {
    int refs; /* atomic: the asker's and one for each worker that has not answered */
    unsigned count;
    bool with_tasks;
    weir_shared_event *answer;
    struct weir__app_question *questions;
    struct weir__app_report reports[];
};

/* How long a loop has owed an answer; it is asked if it owes none. Any thread. */
int64_t weir__app_owed_ns(weir_app_worker *worker);
/* The first worker whose loop has been stuck for ten seconds; NULL: none. Any thread. */
const weir_app_worker *weir__app_stuck_worker(weir_app *app, int64_t *out_owed_ns);
/* Checkpoint: asks all workers, waits for at most `patience_ns`. A report that did not come has
 * answered == 0. Released with weir__app_survey_free(). NULL: no memory. */
struct weir__app_survey *weir__app_survey(weir_app *app, bool with_tasks, int64_t patience_ns)
    WEIR_MUST_CHECK;
void weir__app_survey_free(struct weir__app_survey *survey);
static inline bool weir__app_answered(const struct weir__app_report *report)
{
    return __atomic_load_n(&report->answered, __ATOMIC_ACQUIRE) != 0;
}

/* --- drain.c ---------------------------------------------------------------------------------- */

/* Checkpoint: from the first signal until every worker has ended, or the process has. */
void weir__app_drain(weir_app *app);

/* --- access.c, metrics.c, routes.c ------------------------------------------------------------ */

void weir__app_set_hooks(weir_app_worker *worker, weir_http_server_options *options);
extern const int64_t weir__app_bucket_us[WEIR__APP_BUCKETS];
size_t weir__app_route_index(const weir_app *app, const weir_route *route);

void weir__app_write_metrics(weir_app *app, const struct weir__app_survey *survey,
                             struct weir__buffer *out);

/* Adds the routes of the frame, and makes the document. */
int weir__app_add_routes(weir_app *app) WEIR_MUST_CHECK;

#endif
