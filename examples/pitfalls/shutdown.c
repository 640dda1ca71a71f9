/*
 * shutdown.c - SIGTERM while work is under way
 *
 * The article  When a pod ends or a new version is rolled out, tasks in progress must complete. The
 *              lifespan shown there waits for those it knew of, without a limit.
 * weir         The lifespan is an ordinary function around weir_app_serve(), which returns when the
 *              drain is over: nothing new is taken, what runs gets its time, then it is cancelled
 *              and named. The exit status says which it was.
 *
 * usage: shutdown                         the report is written within the drain time: status 0
 *        shutdown --drain-timeout 200ms   it is not: it is cut, the log names it, status 75
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <weir/app.h>
#include <weir/weir.h>

struct write_report {
    int pages;
};
static int write_report(struct write_report *a)
{
    int rc = 0;
    for (int page = 0; rc == 0 && page < a->pages; page++)
        rc = weir_sleep(100 * WEIR_MS);
    printf("the report is %s\n", rc == 0 ? "written" : "cut");
    return rc;
}

struct end_the_pod {
    int64_t after_ns;
};
static int end_the_pod(struct end_the_pod *a)
{
    int rc = weir_sleep(a->after_ns);
    kill(getpid(), SIGTERM);
    return rc;
}

static int work(weir_app_worker *worker)
{
    int rc = WEIR_BACKGROUND_HERE(write_report, .pages = 5);
    if (rc == 0)
        rc = WEIR_BACKGROUND_HERE(end_the_pod, .after_ns = 50 * WEIR_MS);
    return rc < 0 ? rc : weir_app_worker_serve(worker);
}

static int lifespan(weir_app *app)
{
    printf("start-up: open what the service needs\n");
    int rc = weir_app_serve(app);
    printf("shutdown: nobody uses it any more\n");
    return rc;
}

int main(int argc, char **argv)
{
    return weir_app_main(argc, argv,
                         &(weir_app_options){.name = "shutdown",
                                             .lifespan = lifespan,
                                             .worker = work,
                                             .workers = 1,
                                             .listen = "127.0.0.1:0"});
}
