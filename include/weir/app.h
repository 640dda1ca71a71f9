/*
 * weir/app.h - the frame of a service: settings, start, serving on every CPU, background work,
 * shutdown
 *
 *     struct settings { const char *data; int32_t fetches_max; };
 *     static struct settings settings;
 *
 *     static const weir_app_option options[] = {
 *         WEIR_APP_OPTION(struct settings, data, .value = "DIR", .or_else = "data"),
 *         WEIR_APP_OPTION(struct settings, fetches_max, .or_else = "32", .min = 1, .max = 256),
 *         {0},
 *     };
 *
 *     static int lifespan(weir_app *app)
 *     {
 *         ...                               // start-up: open what the service needs
 *         int rc = weir_app_serve(app);     // returns when the drain is over
 *         ...                               // shutdown: requests and background tasks have ended
 *         return rc;
 *     }
 *
 *     int main(int argc, char **argv)
 *     {
 *         return weir_app_main(argc, argv, &(weir_app_options){
 *             .name = "orders", .routes = routes, .lifespan = lifespan,
 *             .options = options, .settings = &settings});
 *     }
 *
 * A service has N workers: threads with a loop and an HTTP server each, which share the port. The
 * lifespan runs on worker 0. What belongs to a loop (an HTTP client, a semaphore) is opened once
 * for each worker, by `.worker`; what all share must be safe between threads.
 *
 * Work that outlives its request is owned by the app: WEIR_BACKGROUND(request, fulfil, .order =
 * *in). Nobody keeps a handle; a failure is logged when it happens; the drain waits for it.
 *
 * SIGTERM and SIGINT drain: /readyz answers 503, nothing new is accepted, requests and background
 * tasks go on until 80 % of the drain time, then they are cancelled, and at its end forced; the log
 * says who is waited for and why. A second signal cancels at once, a third ends the process. Exit
 * status:
 *
 *     0    all ended by itself          75   something was cut, the log names it
 *     1    start-up or a worker failed  124  a loop was stuck beyond the drain time
 *     64   a wrong option               128+n  ended by the third signal, n
 *
 * Every service has /livez, /readyz, /startupz, /metrics (Prometheus), /openapi.json and /docs. A
 * service manager that set $NOTIFY_SOCKET (systemd, `Type=notify`) hears when the service is ready
 * and when it stops, and its watchdog hears as long as no loop is stuck.
 */
#ifndef WEIR_APP_H
#define WEIR_APP_H

#include <weir/base.h>
#include <weir/group.h>
#include <weir/http.h>
#include <weir/task.h>

/** A running service. */
typedef struct weir_app weir_app;
/** One of its threads: a loop, a server, and the background tasks started there. */
typedef struct weir_app_worker weir_app_worker;

/** Start-up, weir_app_serve(), shutdown; 0 or a negative errno. */
typedef int weir_app_fn(weir_app *app);
/** The same for each worker, around weir_app_worker_serve(). */
typedef int weir_app_worker_fn(weir_app_worker *worker);

/** What the text of an option becomes; found from the type of the member. */
typedef enum weir_app_option_kind {
    WEIR_APP_OPTION_BOOL, /* --name, --name on, --name off (true, false, yes, no, 1, 0) */
    WEIR_APP_OPTION_INT32,
    WEIR_APP_OPTION_INT64,
    WEIR_APP_OPTION_UINT32,
    WEIR_APP_OPTION_UINT64, /* size_t too */
    WEIR_APP_OPTION_DOUBLE,
    WEIR_APP_OPTION_TEXT,
    WEIR_APP_OPTION_DURATION, /* int64_t with .duration = true: 25s, 500ms, 2m, 1h */
} weir_app_option_kind;

/** An option of the service's own; made by WEIR_APP_OPTION(). */
typedef struct weir_app_option {
    const char *member;
    size_t offset;
    weir_app_option_kind kind;

    const char *name;    /* without dashes; NULL: the member's, with `-` for `_` */
    const char *value;   /* what stands for it in --help; NULL: a word for its kind */
    const char *doc;     /* one line for --help */
    const char *or_else; /* read when the option is not given; NULL: the member stays as it is */
    const char *one_of;  /* texts: `fast|thorough` */
    int64_t min;         /* least number; with max 0 too: no limits. Of a duration in ns */
    int64_t max;         /* greatest */
    bool duration;       /* an int64_t in nanoseconds, written 25s, 500ms, 2m, 1h */
    bool required;       /* without it the service does not start */
} weir_app_option;

/**
 * Something that has to be well for the service to be ready. The function runs in a task on worker
 * 0, from the time the service accepts until it drains, and /readyz answers with what came of it
 * last.
 */
typedef struct weir_app_check {
    const char *name;   /* as in /readyz: "database" */
    weir_app_fn *fn;    /* 0: it is well; a negative errno: /readyz answers 503 */
    int64_t every_ns;   /* 0: 5 s between two runs */
    int64_t timeout_ns; /* 0: 2 s for one */
} weir_app_check;

/** A service. Zero is the default of each field. */
typedef struct weir_app_options {
    const char *name;         /* letters, digits and `-`; of the process in logs and reports; NULL:
                                "app" */
    const char *version;      /* NULL: "0.0.0" */
    const char *doc;          /* one line about it, for --help and the docs page */
    const weir_route *routes; /* ends with an entry of zeros */
    weir_app_fn *lifespan;    /* NULL: only weir_app_serve() */
    weir_app_worker_fn *worker;     /* NULL: only weir_app_worker_serve() */
    const weir_app_option *options; /* of the service's own; ends with an entry of zeros */
    void *settings;                 /* the struct that they are read into */
    const weir_app_check *checks;   /* ends with an entry of zeros; NULL: none */
    const char *env_prefix;         /* of environment variables; NULL: the name, ORDERS_LISTEN for
                                --listen */

    /* What the built-in options are when nobody gives them. */
    const char *listen;       /* NULL: "127.0.0.1:8080" */
    unsigned workers;         /* 0: one for each CPU that the process may use */
    int64_t drain_timeout_ns; /* 0: 25 s */

    weir_http_server_options
        http;         /* limits of connections and requests are those of the whole process;
                                      name, context and hooks are set by the app */
    bool docs_hidden; /* no /openapi.json, no /docs */
} weir_app_options;

WEIR_BEGIN_DECLS

/**
 * Run a service from its start to its end. What main() returns.
 *
 * Options come from the command line, then from the environment, then from `options`; --help lists
 * them. Descriptors 0 to 2 are made safe, SIGPIPE is ignored, SIGTERM and SIGINT belong to the app.
 *
 * @param argc     as main() got it
 * @param argv     as main() got it; kept
 * @param options  kept until this returns, with all that it points to
 *
 * Returns     an exit status, see above
 * Checkpoint  no: it blocks the thread; not to be called from a task
 * Thread      the first of the process
 * Source      rules W1 to W6; sysexits(3) for 64 and 75
 */
WEIR_API WEIR_MUST_CHECK int weir_app_main(int argc, char **argv, const weir_app_options *options);

/**
 * Serve: start the workers, accept, and go on until a signal (or weir_app_stop()) and the drain
 * after it. Requests and background tasks have ended when this returns.
 *
 * @param app  the lifespan's; once
 *
 * Returns     0 when all ended by itself, or a negative errno
 * Errors      -EINTR      the drain had to cut something; the log says what
 *             -EALREADY   called before
 *             -ECANCELED  a signal came during start-up
 *             others      a worker could not start, or failed: weir_failure_message() says why
 * Checkpoint  always
 * Thread      worker 0, in the lifespan's task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_app_serve(weir_app *app);

/**
 * Serve on this worker, between what `.worker` opens and what it closes.
 *
 * @param worker  the one that `.worker` was called with; once
 *
 * Returns     0 when all ended by itself, or a negative errno
 * Errors      -EINTR    the drain had to cut something
 *             -EALREADY  called before
 *             others    the worker could not start: weir_failure_message() says why
 * Checkpoint  always
 * Thread      the worker's, in the task of `.worker`
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_app_worker_serve(weir_app_worker *worker);

/**
 * Begin the drain, as SIGTERM would. Doing it twice changes nothing.
 *
 * @param app     running
 * @param reason  kept: usually a literal; for the log
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any; not from a signal handler
 */
WEIR_API void weir_app_stop(weir_app *app, const char *reason);

/**
 * Whether the drain has begun: a good moment for long work to come to an end.
 *
 * @param app  running
 *
 * Returns     true once it has
 * Checkpoint  no
 * Thread      any
 * Source      rule W2
 */
WEIR_API bool weir_app_stopping(const weir_app *app);

/**
 * Wait until the drain begins.
 *
 * @param app  running
 *
 * Returns     0 when it has begun, or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      any loop's, in a task
 * Source      rule W2
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_app_wait_stopping(weir_app *app);

/**
 * Set the service's state: what handlers reach with weir_request_state(). Before weir_app_serve().
 *
 * @param app    running
 * @param state  kept; all workers use it: it must be safe between threads
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      worker 0, in the lifespan
 */
WEIR_API void weir_app_set_state(weir_app *app, void *state);

/**
 * The service's state.
 *
 * @param app  running
 *
 * Returns     what weir_app_set_state() set, or NULL
 * Checkpoint  no
 * Thread      any
 */
WEIR_API void *weir_app_state(const weir_app *app);

/**
 * The settings that options were read into.
 *
 * @param app  running
 *
 * Returns     weir_app_options.settings
 * Checkpoint  no
 * Thread      any
 */
WEIR_API void *weir_app_settings(const weir_app *app);

/**
 * The name of the service.
 *
 * @param app  running
 *
 * Returns     the text
 * Checkpoint  no
 * Thread      any
 */
WEIR_API const char *weir_app_name(const weir_app *app);

/**
 * Where the service listens, as a URL with the real port.
 *
 * @param app  running
 *
 * Returns     such as "http://127.0.0.1:8080"
 * Checkpoint  no
 * Thread      any
 */
WEIR_API const char *weir_app_url(const weir_app *app);

/**
 * How many workers there are.
 *
 * @param app  running
 *
 * Returns     a count, at least 1
 * Checkpoint  no
 * Thread      any
 */
WEIR_API unsigned weir_app_worker_count(const weir_app *app);

/* --- workers ---------------------------------------------------------------------------------- */

/**
 * The worker of the calling thread.
 *
 * Returns     the worker, or NULL on a thread that is none
 * Checkpoint  no
 * Thread      any
 */
WEIR_API weir_app_worker *weir_app_worker_self(void);

/**
 * The service that a worker belongs to.
 *
 * @param worker  any
 *
 * Returns     the app
 * Checkpoint  no
 * Thread      any
 */
WEIR_API weir_app *weir_app_worker_app(const weir_app_worker *worker);

/**
 * Which worker it is.
 *
 * @param worker  any
 *
 * Returns     from 0 to weir_app_worker_count() - 1
 * Checkpoint  no
 * Thread      any
 */
WEIR_API unsigned weir_app_worker_index(const weir_app_worker *worker);

/**
 * Set the worker's own state: what belongs to its loop. Before weir_app_worker_serve().
 *
 * @param worker  the caller's
 * @param state   kept
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the worker's
 */
WEIR_API void weir_app_worker_set_state(weir_app_worker *worker, void *state);

/**
 * The worker's own state.
 *
 * @param worker  the caller's
 *
 * Returns     what weir_app_worker_set_state() set, or NULL
 * Checkpoint  no
 * Thread      the worker's
 */
WEIR_API void *weir_app_worker_state(const weir_app_worker *worker);

/* --- from a request --------------------------------------------------------------------------- */

/**
 * The service that a request came to.
 *
 * @param request  the handler's; of a server that the app opened
 *
 * Returns     the app
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API weir_app *weir_request_app(const weir_request *request);

/**
 * The worker that a request came to.
 *
 * @param request  the handler's; of a server that the app opened
 *
 * Returns     the worker
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API weir_app_worker *weir_request_worker(const weir_request *request);

/**
 * The service's state: weir_app_state() of weir_request_app().
 *
 * @param request  the handler's; of a server that the app opened
 *
 * Returns     what weir_app_set_state() set, or NULL
 * Checkpoint  no
 * Thread      the request's loop
 */
WEIR_API void *weir_request_state(const weir_request *request);

/* --- background work -------------------------------------------------------------------------- */

/** How many background tasks a worker, or the whole app, had. */
typedef struct weir_background_stats {
    size_t running; /* now */
    uint64_t started;
    uint64_t failed; /* each was logged when it happened */
    uint64_t cancelled;
    uint64_t refused; /* while draining */
} weir_background_stats;

/**
 * Count the background tasks of all workers.
 *
 * @param app        running
 * @param out_stats  filled
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any
 */
WEIR_API void weir_background_stats_get(const weir_app *app, weir_background_stats *out_stats);

/* The doors of WEIR_BACKGROUND(); not called by hand. */
WEIR_API WEIR_MUST_CHECK int weir__background_copy(weir_request *request, weir_task_fn *fn,
                                                   const void *arg, size_t arg_bytes,
                                                   const weir_site *site);
WEIR_API WEIR_MUST_CHECK int weir__background_here(weir_task_fn *fn, const void *arg,
                                                   size_t arg_bytes, const weir_site *site);

WEIR_END_DECLS

/**
 * Start work that outlives its request: `task` is a function that takes a pointer to the struct of
 * the same name, which is copied into it. The app owns it: it runs on this worker's loop, is not
 * cancelled with the request, and is waited for when the service drains. A failure is logged when
 * it happens, with the id of the request, and touches nobody else.
 *
 *     struct fulfil { order order; };
 *     static int fulfil(struct fulfil *a) { ... }
 *
 *     rc = WEIR_BACKGROUND(request, fulfil, .order = *in);
 *
 * To let others cancel it, it opens a weir_token on itself (weir_token_open()) in its first lines
 * and leaves it where they find it. What the struct points to must outlive the request: its arena
 * does not.
 *
 * Returns 0, or a negative errno: -ESHUTDOWN while the service drains (returned from a handler it
 * becomes 503 with Retry-After), -ENOMEM, -EAGAIN as weir_spawn(). Never a checkpoint.
 */
#define WEIR_BACKGROUND(request, task, ...)                                                        \
    weir__background_copy((request), WEIR__TASK_FN(task), &(struct task){__VA_ARGS__},             \
                          sizeof(struct task), WEIR__SITE(#task))

/**
 * The same without a request: from the lifespan's worker function, or from another background task.
 */
#define WEIR_BACKGROUND_HERE(task, ...)                                                            \
    weir__background_here(WEIR__TASK_FN(task), &(struct task){__VA_ARGS__}, sizeof(struct task),   \
                          WEIR__SITE(#task))

/* The formatter takes `type *: value` for a product. */
/* clang-format off */

/**
 * An option read into a member of the settings struct; fields of weir_app_option by name. The
 * member is a bool, int32_t, int64_t, uint32_t, uint64_t, size_t, double or const char *.
 */
#define WEIR_APP_OPTION(a_type, a_member, ...)                                                     \
    {                                                                                              \
        .member = #a_member, .offset = __builtin_offsetof(a_type, a_member),                       \
        .kind = _Generic(&((a_type *)0)->a_member,                                                 \
                         bool *: WEIR_APP_OPTION_BOOL,                                             \
                         int32_t *: WEIR_APP_OPTION_INT32,                                         \
                         long *: WEIR_APP_OPTION_INT64,                                            \
                         long long *: WEIR_APP_OPTION_INT64,                                       \
                         uint32_t *: WEIR_APP_OPTION_UINT32,                                       \
                         unsigned long *: WEIR_APP_OPTION_UINT64,                                  \
                         unsigned long long *: WEIR_APP_OPTION_UINT64,                             \
                         double *: WEIR_APP_OPTION_DOUBLE,                                         \
                         char **: WEIR_APP_OPTION_TEXT,                                            \
                         const char **: WEIR_APP_OPTION_TEXT),                                     \
        __VA_ARGS__                                                                                \
    }

/* clang-format on */

#endif
