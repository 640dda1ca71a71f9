/*
 * supervisor.c - hears signals, and holds the last deadline
 *
 * Signal handlers write a note into a pipe and do nothing else; a thread that runs no loop reads
 * it. So a signal is heard, and the drain's time runs, even when every loop is stuck; two seconds
 * after the drain's budget that thread ends the process, whatever the others do. The third signal
 * ends it from within the handler: there is nobody left to trust.
 *
 * Runs on  a thread of its own; the handlers on whatever thread the kernel picks, usually the
 *          first.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <weir/log.h>

#include "app/app.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sys.h"
#include "process/signal.h"

#define GRACE_NS (2 * WEIR_SEC)
#define LOG_PATIENCE_NS (WEIR_SEC / 2)
enum { NOTE_STOP = 0, NOTE_QUIT = -1, SIGNALS_MAX = 3, WRITES_MAX = 3 };

/* One write, less than PIPE_BUF: never torn. */
struct note {
    int what; /* a signal's number, or one of the above */
    int pid;
};

static struct {
    weir_app *app;
    struct weir__thread thread;
    int pipe[2];
    int epoll_fd;
    struct sigaction before[2];
    struct weir__post start_up_post;
    bool asked;       /* the drain has begun */
    int signal_count; /* by the thread */
} supervisor = {.pipe = {-1, -1}, .epoll_fd = -1};

static const int signals[2] = {SIGTERM, SIGINT};
static int note_fd = -1;   /* atomic: where handlers write */
static int signals_caught; /* atomic: by the handlers */

/* --- handlers --------------------------------------------------------------------------------- */

static void send_note(int what, int pid)
{
    struct note note = {what, pid};
    int fd = __atomic_load_n(&note_fd, __ATOMIC_ACQUIRE);
    ssize_t rc = -EBADF;
    for (int i = 0; i < WRITES_MAX && fd >= 0 && rc < 0 && rc != -EAGAIN; i++)
        rc = weir__sys_write(fd, &note, sizeof note); /* full: it holds notes enough */
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)context;
    int saved = errno;
    if (__atomic_add_fetch(&signals_caught, 1, __ATOMIC_RELAXED) >= SIGNALS_MAX)
        _exit(WEIR__APP_EXIT_SIGNAL + number);
    send_note(number, info->si_code <= 0 ? (int)info->si_pid : 0);
    errno = saved;
}

void weir__app_ask_to_stop(weir_app *app, const char *reason)
{
    const char *none = NULL;
    if (__atomic_compare_exchange_n(&app->stop_reason, &none, reason, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_RELAXED))
        send_note(NOTE_STOP, 0);
}

/* --- the thread ------------------------------------------------------------------------------- */

_Noreturn void weir__app_end_process(int status)
{
    weir_ignore(weir__log_drain(LOG_PATIENCE_NS), "nobody may read it; we end either way");
    _exit(status);
}

/* On worker 0's loop: a start-up that is under way is cancelled, there is nothing to drain. */
static void cancel_start_up(struct weir__post *post)
{
    (void)post;
    weir_app *app = supervisor.app;
    if (app->main_task != NULL && !app->serve_called)
        weir__scope_cancel_level(weir__core_loop(), &app->main_task->scope, WEIR__LEVEL_CANCEL,
                                 WEIR_CANCEL_SHUTDOWN, "a signal during start-up", NULL);
}

static void begin_stop(weir_app *app, const struct note *note)
{
    int64_t now_ns = weir__base_kernel_now();
    const char *reason = __atomic_load_n(&app->stop_reason, __ATOMIC_ACQUIRE);
    app->stop = (struct weir__app_stop){
        .at_ns = now_ns, .signal = note->what, .pid = note->pid, .reason = reason};
    __atomic_store_n(&app->end_at_ns,
                     weir__base_add_ns(now_ns, app->settings.drain_timeout_ns + GRACE_NS),
                     __ATOMIC_RELEASE);
    __atomic_store_n(&app->stopping, 1, __ATOMIC_SEQ_CST);
    weir_shared_event_post(app->stopped);
    weir_shared_event_post(app->changed);
    weir__app_notify("STOPPING=1\nSTATUS=draining");
    weir_loop *loop = __atomic_load_n(&app->workers[0].loop, __ATOMIC_SEQ_CST);
    supervisor.start_up_post.run = cancel_start_up;
    if (loop != NULL)
        weir_ignore(weir__core_post(loop, &supervisor.start_up_post), "it has ended, then");
}

static const char *signal_text(int number)
{
    return number == SIGINT ? "SIGINT" : number == SIGTERM ? "SIGTERM" : "signal";
}

/* Returns true when the app is done with us. */
static bool take_note(weir_app *app, const struct note *note)
{
    if (note->what == NOTE_QUIT)
        return true;
    if (note->what != NOTE_STOP)
        supervisor.signal_count++;
    if (!supervisor.asked) {
        supervisor.asked = true;
        begin_stop(app, note);
    } else if (note->what != NOTE_STOP && supervisor.signal_count >= 2 &&
               !__atomic_exchange_n(&app->hurrying, 1, __ATOMIC_ACQ_REL)) {
        weir_log_warn(
            "weir W803 a second signal: what is running is cancelled now; a third ends the "
            "process at once",
            WEIR_KV("signal", signal_text(note->what)), WEIR_KV("from_pid", note->pid));
        weir_shared_event_post(app->changed);
    }
    return false;
}

static bool take_notes(weir_app *app)
{
    struct note note;
    while (weir__sys_read(supervisor.pipe[0], &note, sizeof note) == (ssize_t)sizeof note)
        if (take_note(app, &note))
            return true;
    return false;
}

/* Every loop had its time; the one who holds the exit is named as far as can be seen from here. */
static _Noreturn void end_stuck(weir_app *app)
{
    if (__atomic_load_n(&app->tearing_down, __ATOMIC_ACQUIRE)) {
        weir_log_error("weir W806 forced exit: the end of the lifespan took too long",
                       WEIR_KV("exit", WEIR__APP_EXIT_STUCK));
        weir__app_end_process(WEIR__APP_EXIT_STUCK);
    }
    for (unsigned i = 0; i < app->worker_count; i++) {
        weir_app_worker *worker = &app->workers[i];
        if (weir__app_worker_state_of(worker) == WEIR__APP_ENDED)
            continue;
        weir_log_error("weir W806 a worker did not end", WEIR_KV("worker", i),
                       WEIR_KV("requests_ended", weir__app_read(&worker->requests_ended)),
                       WEIR_KV("background_tasks", weir__app_read(&worker->background_running)));
    }
    weir_log_error(
        "weir W806 forced exit: the drain's time is over and a loop is stuck; the reports of "
        "blocked loops above (W104) name the line",
        WEIR_KV("exit", WEIR__APP_EXIT_STUCK));
    weir__app_end_process(WEIR__APP_EXIT_STUCK);
}

/* A manager that hears nothing ends the process: so a stuck loop is not spoken for. */
static void feed_watchdog(weir_app *app, int64_t every_ns, int64_t *next_at_ns)
{
    int64_t now_ns = weir__base_kernel_now(), owed_ns;
    if (now_ns < *next_at_ns)
        return;
    *next_at_ns = weir__base_add_ns(now_ns, every_ns);
    if (weir__app_stuck_worker(app, &owed_ns) == NULL)
        weir__app_notify("WATCHDOG=1");
}

static void *supervise(void *arg)
{
    weir_app *app = arg;
    int64_t watchdog_ns = weir__app_watchdog_ns();
    int64_t watchdog_at_ns = watchdog_ns == WEIR_NEVER ? WEIR_NEVER : 0;
    for (;;) {
        int64_t end_at_ns = __atomic_load_n(&app->end_at_ns, __ATOMIC_ACQUIRE);
        feed_watchdog(app, watchdog_ns, &watchdog_at_ns);
        int64_t wake_at_ns =
            end_at_ns != 0 && end_at_ns < watchdog_at_ns ? end_at_ns : watchdog_at_ns;
        int64_t left_ns = -1;
        if (wake_at_ns != WEIR_NEVER) {
            left_ns = wake_at_ns - weir__base_kernel_now();
            if (end_at_ns != 0 && end_at_ns <= weir__base_kernel_now())
                end_stuck(app);
            if (left_ns < 0)
                left_ns = 0;
        }
        struct epoll_event event;
        weir_ignore(weir__sys_epoll_wait(supervisor.epoll_fd, &event, 1, left_ns),
                    "the pipe is read in any case");
        if (take_notes(app))
            return NULL;
    }
}

/* --- beginning and end ------------------------------------------------------------------------ */

static int open_pipe(void)
{
    int rc = weir__sys_pipe(supervisor.pipe);
    if (rc < 0)
        return rc;
    supervisor.epoll_fd = weir__sys_epoll_create();
    rc = supervisor.epoll_fd;
    struct epoll_event event = {.events = EPOLLIN};
    if (rc >= 0)
        rc = weir__sys_epoll_ctl(supervisor.epoll_fd, EPOLL_CTL_ADD, supervisor.pipe[0], &event);
    return rc < 0 ? rc : 0;
}

static void close_pipe(void)
{
    int *const fds[] = {&supervisor.pipe[0], &supervisor.pipe[1], &supervisor.epoll_fd};
    for (size_t i = 0; i < 3; i++) {
        if (*fds[i] >= 0)
            weir__sys_close(*fds[i]);
        *fds[i] = -1;
    }
}

/* So that weir_signal_open() says who has them. Not opened by it: there must be a way out when no
 * loop runs any more, the third signal. */
static int claim_signals(void)
{
    int rc = weir__signal_claim(signals[0], "weir_app, to end the service");
    if (rc < 0)
        return rc;
    rc = weir__signal_claim(signals[1], "weir_app, to end the service");
    if (rc < 0)
        weir__signal_disclaim(signals[0]);
    return rc;
}

static void disclaim_signals(void)
{
    for (size_t i = 0; i < 2; i++)
        weir__signal_disclaim(signals[i]);
}

int weir__app_supervise(weir_app *app)
{
    supervisor.app = app;
    supervisor.asked = false;
    supervisor.signal_count = 0;
    int rc = claim_signals();
    if (rc < 0)
        return rc;
    rc = open_pipe();
    if (rc == 0)
        rc = weir__base_thread_start(&supervisor.thread, "supervisor", supervise, app);
    if (rc < 0) {
        close_pipe();
        disclaim_signals();
        return rc;
    }
    __atomic_store_n(&signals_caught, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&note_fd, supervisor.pipe[1], __ATOMIC_RELEASE);
    struct sigaction action = {.sa_sigaction = on_signal,
                               .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    for (size_t i = 0; i < 2; i++)
        sigaction(signals[i], &action, &supervisor.before[i]);
    return 0;
}

void weir__app_unsupervise(void)
{
    for (size_t i = 0; i < 2; i++)
        sigaction(signals[i], &supervisor.before[i], NULL);
    send_note(NOTE_QUIT, 0);
    weir__base_thread_join(&supervisor.thread);
    __atomic_store_n(&note_fd, -1, __ATOMIC_RELEASE);
    close_pipe();
    disclaim_signals();
}
