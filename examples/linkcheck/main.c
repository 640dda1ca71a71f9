/*
 * main.c - linkcheck: checks lists of URLs concurrently and keeps the results
 */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "linkcheck.h"

static struct settings settings;
static int folder_lock;      /* of --data */
static weir_tls_config *tls; /* for https, of all workers; NULL: the system's roots are unusable */

static const weir_app_option options[] = {
    WEIR_APP_OPTION(struct settings, data, .value = "DIR", .or_else = "linkcheck-data",
                    .doc = "where results (SQLite) and uploads are kept; made if it is not there"),
    {0},
};

/* Around each worker's serving: what belongs to its loop. */
struct wake_watchers {
    weir_app *app;
};
static int wake_watchers(struct wake_watchers *a)
{
    int rc = weir_app_wait_stopping(a->app);
    running_wake_all(); /* event streams end when the drain begins */
    return rc;
}

static int work(weir_app_worker *worker)
{
    struct worker_state state;
    /* Checks bring their own limits: URLs at a time and time for each, up to 256 and 60 s. */
    weir_http_client_options limits = {
        .conns_max = 2048,
        .conns_per_origin_max = CONCURRENCY_MAX,
        .pool_wait_ns = WEIR_FOREVER,
        .connect_timeout_ns = TIMEOUT_MS_MAX * WEIR_MS,
        .idle_timeout_ns = TIMEOUT_MS_MAX * WEIR_MS,
        .user_agent = "linkcheck (weir)",
        .tls = tls,
    };
    int rc = weir_http_client_open(&limits, &state.client);
    if (rc < 0)
        return rc;
    weir_app_worker_set_state(worker, &state);
    if (weir_app_worker_index(worker) == 0)
        rc = WEIR_BACKGROUND_HERE(wake_watchers, .app = weir_app_worker_app(worker));
    if (rc == 0)
        rc = weir_app_worker_serve(worker);
    weir_http_client_close(state.client);
    return rc;
}

/* A job: it blocks a thread of the pool, not the loop. The lock is the process's until it ends, in
 * whatever way: two services would call each other's checks interrupted. */
static int claim_folder(void *arg)
{
    const char *path = arg;
    if (mkdir(path, 0750) < 0 && errno != EEXIST)
        return weir_fail(-errno, "--data %s: the folder cannot be made: %s", path, strerror(errno));
    folder_lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_lock < 0)
        return weir_fail(-errno, "--data %s: the folder cannot be opened: %s", path,
                         strerror(errno));
    if (flock(folder_lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    int rc = -errno;
    close(folder_lock);
    if (rc == -EWOULDBLOCK)
        return weir_fail(-EBUSY, "--data %s: the folder is used by another linkcheck", path);
    return weir_fail(rc, "--data %s: the folder cannot be locked: %s", path, strerror(-rc));
}

/* A job: it reads the system's store of roots. */
static int open_tls(void *arg)
{
    (void)arg;
    int rc = weir_tls_config_open(NULL, &tls);
    if (rc < 0)
        weir_log_warn("https URLs cannot be checked", WEIR_KV("why", weir_failure_message(rc)));
    return 0;
}

static int lifespan(weir_app *app)
{
    weir_sqlite *db;
    int rc = weir_offload(NULL, claim_folder, (void *)(uintptr_t)settings.data);
    if (rc < 0)
        return rc;
    rc = weir_offload(NULL, open_tls, NULL);
    if (rc < 0)
        goto unlock;
    rc = store_open(settings.data, &db);
    if (rc < 0)
        goto close_tls;
    rc = store_recover(db);
    if (rc > 0)
        weir_log_warn("checks were cut when the service ended last time; they are interrupted now",
                      WEIR_KV("count", rc));
    if (rc >= 0) {
        weir_app_set_state(app, db);
        rc = weir_app_serve(app);
    }
    /* Requests and checks have ended: nobody uses the database any more. */
    weir_sqlite_close(db);

close_tls:
    weir_tls_config_close(tls);
unlock:
    close(folder_lock);
    return rc;
}

int main(int argc, char **argv)
{
    return weir_app_main(argc, argv,
                         &(weir_app_options){
                             .name = "linkcheck",
                             .version = "0.1.0",
                             .doc = "checks lists of URLs concurrently and keeps the results",
                             .routes = linkcheck_routes,
                             .lifespan = lifespan,
                             .worker = work,
                             .options = options,
                             .settings = &settings,
                         });
}
