/*
 * fault_test.c - a service that starts, serves and drains while one thing after another fails
 *
 * Each run is a process of its own, in which the n-th allocation (system call, thread) fails. It
 * may fail to start and say so, or go on; it must not crash, hang, leak, or end without a word.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "tests/app/both.h"
#include "tests/app/service.h"

#if defined(__SANITIZE_THREAD__)
#define SLOW 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SLOW 1
#endif
#endif
#ifdef SLOW
enum { STEP = 7 }; /* a process with it takes half a second */
#else
enum { STEP = 1 };
#endif
enum { RUNS_MAX = 5000, STUCK_S = 20 };

struct stop_it {
    weir_app *app;
};
static int stop_it(struct stop_it *a)
{
    weir_app_stop(a->app, "that was all");
    return 0;
}

/* The service stops itself, once it runs. */
static int serve_shortly(weir_app_worker *worker)
{
    int rc = 0;
    if (weir_app_worker_index(worker) == 0)
        rc = WEIR_BACKGROUND_HERE(stop_it, .app = weir_app_worker_app(worker));
    return rc < 0 ? rc : weir_app_worker_serve(worker);
}

static _Noreturn void run(enum weir__fault_point point, uint64_t nth, int rc, const char *backend)
{
    weir_app_options options = service_options;
    options.worker = serve_shortly;
    char *argv[] = {(char *)"service",     (char *)"--listen",  (char *)"127.0.0.1:0",
                    (char *)"--workers",   (char *)"2",         (char *)"--drain-timeout",
                    (char *)"3s",          (char *)"--backend", (char *)(uintptr_t)backend,
                    (char *)"--log-level", (char *)"error"};
    alarm(STUCK_S);
    weir__base_fault_arm(point, nth, rc, false);
    int status = weir_app_main(sizeof argv / sizeof *argv, argv, &options);
    bool delivered = weir__base_fault_delivered();
    weir__base_fault_disarm();
    /* 2 and 3: the fault lies beyond the end of the run. */
    exit(delivered ? status : status == 0 ? 2 : 3);
}

static int run_in_process(enum weir__fault_point point, uint64_t nth, int rc, const char *backend)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        run(point, nth, rc, backend);
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

/* Returns how many faults there were. */
static int fail_each(enum weir__fault_point point, int rc, const char *backend)
{
    for (int nth = 1; nth < RUNS_MAX; nth += STEP) {
        int status = run_in_process(point, (uint64_t)nth, rc, backend);
        if (status == 2)
            return nth - 1;
        if (status != 0 && status != 1) {
            fprintf(stderr, "with the %d. failing, it ended with %d\n", nth, status);
            EXPECT(status == 0 || status == 1);
            return -1;
        }
    }
    return -1;
}

TEST_ON_BOTH(every_allocation_may_fail)
{
    EXPECT(fail_each(WEIR__FAULT_ALLOC, -ENOMEM, backend) > 30);
}

TEST_ON_BOTH(every_system_call_may_fail)
{
    EXPECT(fail_each(WEIR__FAULT_SYSCALL, -EMFILE, backend) > 20);
}

TEST_ON_BOTH(every_thread_may_fail_to_start)
{
    EXPECT(fail_each(WEIR__FAULT_THREAD, -EAGAIN, backend) >= 3);
}
