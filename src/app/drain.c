/*
 * drain.c - the phases of a drain and its lines in the log
 *
 *     0        /readyz answers 503; answers carry Connection: close; no new background tasks
 *     linger   5 s in a pod, else 0: still accepting, for those who have not heard
 *     drain    listeners and idle connections closed; what is running goes on
 *     80 %     what still runs is cancelled (at once after a second signal)
 *     100 %    and forced: shields no longer hold
 *     + 1 s    whoever is alive is named, and the process ends
 *
 * Each phase says what ended and what is left; the last line is the verdict, and its counts add up.
 * While it waits, at most one look a second at all workers is logged, with the ten tasks that have
 * waited longest.
 *
 * Runs on  worker 0, in the lifespan's task, inside a shield.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <weir/exec.h>
#include <weir/log.h>
#include <weir/scope.h>

#include "app/app.h"
#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/thread.h"

#define LINGER_NS (5 * WEIR_SEC)
#define LOOK_NS (1 * WEIR_SEC)
#define REPEAT_NS (5 * WEIR_SEC)
#define PATIENCE_NS (250 * WEIR_MS)
#define AFTER_FORCE_NS (1 * WEIR_SEC)
#define TEAR_DOWN_NS (3 * WEIR_SEC)

/* What all workers together have. */
struct totals {
    size_t tasks;
    size_t in_flight;
    size_t background;
    size_t idle_connections;
    size_t silent_loops; /* that did not answer */
    struct weir__app_seen_task seen[WEIR__APP_TASKS_SHOWN];
    size_t seen_count;
};

struct draining {
    weir_app *app;
    int64_t begun_at_ns;
    int64_t budget_ns;
    int64_t cancel_at_ns;
    int64_t force_at_ns;
    enum weir__app_command_kind phase;
    size_t first_in_flight;
    size_t first_background;
    uint64_t told_hash;
    int64_t told_at_ns;
};

static double seconds(int64_t ns)
{
    return (double)(ns < 0 ? 0 : ns) / (double)WEIR_SEC;
}

/* Every line opens alike, so that one search finds them all. */
static void say(weir_log_level level, const char *format, ...) WEIR_PRINTF(2, 3);
static void say(weir_log_level level, const char *format, ...)
{
    char text[WEIR__APP_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    weir_log_write(level, text, &(weir_log_value){0});
}

struct words {
    char text[48];
};

/* `1 request`, `2 requests`. */
static struct words counted(uint64_t count, const char *what)
{
    struct words words;
    snprintf(words.text, sizeof words.text, "%llu %s%s", (unsigned long long)count, what,
             count == 1 ? "" : "s");
    return words;
}

/* --- looking ---------------------------------------------------------------------------------- */

static void add_seen(struct totals *totals, const struct weir__app_seen_task *task)
{
    size_t at = totals->seen_count;
    while (at > 0 && totals->seen[at - 1].since_ns > task->since_ns)
        at--;
    if (at == WEIR__APP_TASKS_SHOWN)
        return;
    if (totals->seen_count < WEIR__APP_TASKS_SHOWN)
        totals->seen_count++;
    memmove(&totals->seen[at + 1], &totals->seen[at],
            (totals->seen_count - 1 - at) * sizeof totals->seen[0]);
    totals->seen[at] = *task;
}

static void look(weir_app *app, bool with_tasks, struct totals *out_totals)
{
    *out_totals = (struct totals){0};
    struct weir__app_survey *survey = weir__app_survey(app, with_tasks, PATIENCE_NS);
    for (unsigned i = 0; survey != NULL && i < survey->count; i++) {
        const struct weir__app_report *report = &survey->reports[i];
        if (report->ended)
            continue;
        if (!weir__app_answered(report)) {
            out_totals->silent_loops++;
            out_totals->background += weir__app_read(&app->workers[i].background_running);
            continue;
        }
        out_totals->tasks += report->task_count;
        out_totals->in_flight += report->http.in_flight_count;
        out_totals->background += report->background_running;
        out_totals->idle_connections += report->http.idle_count;
        for (size_t t = 0; t < report->seen_count; t++)
            add_seen(out_totals, &report->seen[t]);
    }
    weir__app_survey_free(survey);
}

static uint64_t hash_of(const struct totals *totals)
{
    uint64_t hash = UINT64_C(1469598103934665603) ^ totals->tasks ^ (totals->silent_loops << 32);
    for (size_t i = 0; i < totals->seen_count; i++)
        for (const char *c = totals->seen[i].name; *c != '\0'; c++)
            hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
    return hash;
}

/* `function file.c:12` of each wait. */
struct places {
    size_t count;
    struct weir__calls calls[WEIR__APP_TASKS_SHOWN];
    char text[WEIR__APP_TASKS_SHOWN][96];
};

static int name_places(void *arg)
{
    struct places *places = arg;
    for (size_t i = 0; i < places->count; i++) {
        struct weir__buffer marked, named;
        weir__buffer_init(&marked);
        weir__buffer_init(&named);
        weir__debug_append_caller(&marked, &places->calls[i]);
        weir__debug_resolve(&named, weir__buffer_text(&marked), marked.size, true);
        snprintf(places->text[i], sizeof places->text[i], "%s", weir__buffer_text(&named));
        weir__buffer_deinit(&marked);
        weir__buffer_deinit(&named);
    }
    return 0;
}

static void *name_places_on_thread(void *arg)
{
    name_places(arg);
    return NULL;
}

static void free_places(void *arg)
{
    weir__base_free(arg);
}

/* Looking a name up takes more stack than a task has, and time the first time; so a thread does it,
 * and lines go out without places when it takes a twentieth of the budget. At the end of all
 * nothing else will run on this loop, and it is waited for. NULL: no places. */
static struct places *find_places(const struct totals *totals, int64_t patience_ns)
{
    struct places *places = weir__base_alloc_zero(sizeof *places);
    if (places == NULL)
        return NULL;
    places->count = totals->seen_count;
    for (size_t i = 0; i < places->count; i++)
        places->calls[i] = totals->seen[i].calls;
    struct weir__thread thread;
    if (patience_ns == WEIR_FOREVER) {
        if (weir__base_thread_start(&thread, "weir-names", name_places_on_thread, places) == 0)
            weir__base_thread_join(&thread);
        return places;
    }
    int rc = 0;
    WEIR_TIMEOUT(rc, patience_ns)
    {
        weir_offload_options options = {.name = "names of places", .abandon = free_places};
        rc = weir_offload_with(NULL, &options, name_places, places);
        if (rc == -ECANCELED)
            places = NULL; /* the job's now */
    }
    return places;
}

static void say_task(weir_log_level level, const struct weir__app_seen_task *task, const char *at,
                     int64_t waited_ns)
{
    weir_log_value values[] = {
        WEIR_KV("task", task->name),
        WEIR_KV("which_waits_for", task->waits_for),
        WEIR_KV("at", at),
        WEIR_KV("since_s", (double)(waited_ns / WEIR_MS) / 1000.0),
        WEIR_KV("spawned", task->spawned),
        {0}, /* for what is not always known */
        {0},
    };
    if (task->counterpart[0] != '\0')
        values[5] = WEIR_KV("counterpart", task->counterpart);
    weir_log_write(level, "weir W801 waits for", values);
}

static void say_tasks(const struct totals *totals, weir_log_level level, int64_t patience_ns)
{
    struct places *places = totals->seen_count == 0 ? NULL : find_places(totals, patience_ns);
    int64_t now_ns = weir_now();
    for (size_t i = 0; i < totals->seen_count; i++) {
        const struct weir__app_seen_task *task = &totals->seen[i];
        say_task(level, task, places == NULL ? "" : places->text[i], now_ns - task->since_ns);
    }
    weir__base_free(places);
    if (totals->tasks > totals->seen_count)
        say(level, "weir W801 and for %zu more", totals->tasks - totals->seen_count);
}

static int64_t names_patience(const struct draining *draining)
{
    int64_t patience_ns = draining->budget_ns / 20;
    return patience_ns < PATIENCE_NS ? patience_ns : PATIENCE_NS;
}

/* The same as a few seconds ago is not said again at once. */
static void say_waiting(struct draining *draining)
{
    struct totals totals;
    look(draining->app, true, &totals);
    int64_t now_ns = weir__base_kernel_now();
    uint64_t hash = hash_of(&totals);
    if (hash == draining->told_hash && now_ns - draining->told_at_ns < REPEAT_NS)
        return;
    draining->told_hash = hash;
    draining->told_at_ns = now_ns;
    int64_t left_ns = draining->begun_at_ns + draining->budget_ns - now_ns;
    char next[48] = "";
    if (draining->phase < WEIR__APP_CANCEL)
        snprintf(next, sizeof next, ", cancel in %.1f s", seconds(draining->cancel_at_ns - now_ns));
    else if (draining->phase < WEIR__APP_FORCE)
        snprintf(next, sizeof next, ", force in %.1f s", seconds(draining->force_at_ns - now_ns));
    say(WEIR_LOG_INFO, "weir W801 waiting for %s; %.1f s left%s",
        counted(totals.tasks, "task").text, seconds(left_ns), next);
    say_tasks(&totals, WEIR_LOG_INFO, names_patience(draining));
    if (totals.silent_loops > 0)
        say(WEIR_LOG_WARN,
            "weir W801 %zu of %u loops did not answer: a task holds each of them (W104 "
            "names the line)",
            totals.silent_loops, draining->app->worker_count);
}

/* --- phases ----------------------------------------------------------------------------------- */

static bool all_ended(const weir_app *app)
{
    for (unsigned i = 0; i < app->worker_count; i++)
        if (weir__app_worker_state_of(&app->workers[i]) != WEIR__APP_ENDED)
            return false;
    return true;
}

static bool is_hurrying(const weir_app *app)
{
    return __atomic_load_n(&app->hurrying, __ATOMIC_ACQUIRE) != 0;
}

/* All that was ordered so far, to each; a worker that was still starting hears it now. */
static void command_all(struct draining *draining)
{
    for (unsigned i = 0; i < draining->app->worker_count; i++)
        for (int kind = WEIR__APP_RETIRE; kind <= (int)draining->phase; kind++)
            weir__app_command(&draining->app->workers[i], (enum weir__app_command_kind)kind);
}

/* True: all have ended. False: the time is up, or a second signal came (`until_hurry`). */
static bool wait_until(struct draining *draining, int64_t until_ns, bool until_hurry, bool tell)
{
    weir_app *app = draining->app;
    uint64_t seen = weir_shared_event_count(app->changed);
    int64_t look_at_ns = weir__base_add_ns(weir__base_kernel_now(), LOOK_NS);
    for (;;) {
        command_all(draining);
        int64_t now_ns = weir__base_kernel_now();
        if (all_ended(app))
            return true;
        if (now_ns >= until_ns || (until_hurry && is_hurrying(app)))
            return false;
        if (tell && now_ns >= look_at_ns) {
            say_waiting(draining);
            look_at_ns = weir__base_add_ns(look_at_ns, LOOK_NS);
            continue;
        }
        int64_t wake_ns = tell && look_at_ns < until_ns ? look_at_ns : until_ns;
        int rc = 0;
        WEIR_TIMEOUT(rc, wake_ns - now_ns)
        {
            rc = weir_shared_event_wait(app->changed, seen, &seen);
        }
        if (rc == -ECANCELED)
            return false; /* even the shield is used up */
    }
}

static void say_begin(struct draining *draining)
{
    const weir_app *app = draining->app;
    const struct weir__app_stop *stop = &app->stop;
    struct totals totals;
    look(draining->app, false, &totals);
    draining->first_in_flight = totals.in_flight;
    draining->first_background = totals.background;
    char who[96];
    if (stop->signal == 0)
        snprintf(who, sizeof who, "%s", stop->reason != NULL ? stop->reason : "weir_app_stop()");
    else if (stop->pid == 0) /* the terminal's, or the kernel's */
        snprintf(who, sizeof who, "%s", stop->signal == SIGINT ? "SIGINT" : "SIGTERM");
    else
        snprintf(who, sizeof who, "%s from pid %d", stop->signal == SIGINT ? "SIGINT" : "SIGTERM",
                 stop->pid);
    say(WEIR_LOG_INFO, "weir W800 drain began: %s; budget %.1f s; %s, %s in flight, %s", who,
        seconds(draining->budget_ns), counted(totals.tasks, "task").text,
        counted(totals.in_flight, "request").text,
        counted(totals.background, "background task").text);
}

static bool linger(struct draining *draining)
{
    draining->phase = WEIR__APP_RETIRE;
    int64_t linger_ns = draining->app->in_pod ? LINGER_NS : 0;
    if (linger_ns > draining->budget_ns / 4)
        linger_ns = draining->budget_ns / 4;
    if (linger_ns == 0)
        return false;
    say(WEIR_LOG_INFO, "weir W800 readyz answers 503; still accepting for %.1f s",
        seconds(linger_ns));
    return wait_until(draining, draining->begun_at_ns + linger_ns, true, false);
}

static uint64_t sum(const weir_app *app, size_t offset)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < app->worker_count; i++)
        total += weir__app_read(
            (const uint64_t *)(const void *)((const char *)&app->workers[i] + offset));
    return total;
}
#define SUM(app, field) sum((app), offsetof(weir_app_worker, field))

static bool any_listening(const weir_app *app)
{
    for (unsigned i = 0; i < app->worker_count; i++)
        if (__atomic_load_n(&app->workers[i].listening, __ATOMIC_ACQUIRE))
            return true;
    return false;
}

/* What the next line says is true then; a loop that is stuck is not waited for. */
static void wait_until_closed(struct draining *draining)
{
    weir_app *app = draining->app;
    uint64_t seen = weir_shared_event_count(app->changed);
    int rc = 0;
    WEIR_TIMEOUT(rc, PATIENCE_NS)
    {
        while (rc == 0 && any_listening(app))
            rc = weir_shared_event_wait(app->changed, seen, &seen);
    }
}

static bool finish(struct draining *draining)
{
    draining->phase = WEIR__APP_DRAIN;
    command_all(draining);
    wait_until_closed(draining);
    struct totals totals;
    look(draining->app, false, &totals);
    say(WEIR_LOG_INFO, "weir W800 listeners closed; %s closed; %s in flight, %s",
        counted(SUM(draining->app, idle_closed), "idle connection").text,
        counted(totals.in_flight, "request").text,
        counted(totals.background, "background task").text);
    if (totals.tasks > 0)
        weir__debug_names_soon(); /* they may have to be named */
    return wait_until(draining, draining->cancel_at_ns, true, true);
}

static bool cancel(struct draining *draining)
{
    struct totals totals;
    look(draining->app, true, &totals);
    int64_t now_ns = weir__base_kernel_now();
    int64_t end_ns = draining->begun_at_ns + draining->budget_ns;
    int64_t window_ns = draining->budget_ns / 5;
    draining->force_at_ns = now_ns + window_ns < end_ns ? now_ns + window_ns : end_ns;
    say(WEIR_LOG_WARN, "weir W803 cancelling %s and %s (%s)",
        counted(totals.in_flight, "request").text,
        counted(totals.background, "background task").text,
        is_hurrying(draining->app) ? "a second signal" : "80 % of the budget is used");
    say_tasks(&totals, WEIR_LOG_WARN, names_patience(draining));
    draining->phase = WEIR__APP_CANCEL;
    return wait_until(draining, draining->force_at_ns, false, true);
}

static bool force(struct draining *draining)
{
    say(WEIR_LOG_WARN, "weir W804 forcing what is left: shields no longer hold");
    draining->phase = WEIR__APP_FORCE;
    return wait_until(draining, draining->force_at_ns + AFTER_FORCE_NS, false, false);
}

/* --- the verdict ------------------------------------------------------------------------------ */

static void conclude(struct draining *draining, const struct totals *left)
{
    weir_app *app = draining->app;
    uint64_t requests = SUM(app, requests_finished);
    uint64_t requests_cut = SUM(app, requests_cut);
    uint64_t background_cut = SUM(app, background_cut);
    size_t background_left = left == NULL ? 0 : left->background;
    size_t requests_left = left == NULL ? 0 : left->in_flight;
    uint64_t background = draining->first_background;
    uint64_t gone = background_cut + background_left;
    background = background > gone ? background - gone : 0;
    bool complete = requests_cut + background_cut == 0 && left == NULL;
    if (!complete)
        app->exit_status = WEIR__APP_EXIT_CUT;
    if (left != NULL && left->silent_loops > 0)
        app->exit_status = WEIR__APP_EXIT_STUCK;
    double took_s = seconds(weir__base_kernel_now() - draining->begun_at_ns);
    say(complete ? WEIR_LOG_INFO : WEIR_LOG_ERROR,
        "weir %s drain %s in %.1f s of %.1f s: finished %s, %s; cut %s, %s; left %s, %s; exit %d",
        complete ? "W800" : "W805", complete ? "complete" : "INCOMPLETE", took_s,
        seconds(draining->budget_ns), counted(requests, "request").text,
        counted(background, "background task").text, counted(requests_cut, "request").text,
        counted(background_cut, "background task").text, counted(requests_left, "request").text,
        counted(background_left, "background task").text, app->exit_status);
}

/* Nothing that we can do ends them: they are named, and the process goes. */
static _Noreturn void abandon(struct draining *draining)
{
    struct totals left;
    look(draining->app, true, &left);
    say(WEIR_LOG_ERROR, "weir W804 abandoning %s that did not end",
        counted(left.tasks, "task").text);
    say_tasks(&left, WEIR_LOG_ERROR, WEIR_FOREVER);
    if (left.silent_loops > 0)
        say(WEIR_LOG_ERROR, "weir W806 %zu of %u loops are stuck (W104 names the line)",
            left.silent_loops, draining->app->worker_count);
    conclude(draining, &left);
    weir__app_end_process(draining->app->exit_status);
}

void weir__app_drain(weir_app *app)
{
    struct draining draining = {
        .app = app,
        .begun_at_ns = app->stop.at_ns,
        .budget_ns = app->settings.drain_timeout_ns,
    };
    draining.cancel_at_ns = draining.begun_at_ns + draining.budget_ns / 5 * 4;
    draining.force_at_ns = draining.begun_at_ns + draining.budget_ns;
    __atomic_store_n(&app->serving, 0, __ATOMIC_RELEASE);
    say_begin(&draining);
    bool ended = linger(&draining) || finish(&draining) || cancel(&draining) || force(&draining);
    if (!ended)
        abandon(&draining);
    conclude(&draining, NULL);
    /* What the lifespan does now has a little time of its own. */
    int64_t now_ns = weir__base_kernel_now();
    int64_t end_ns = draining.begun_at_ns + draining.budget_ns;
    __atomic_store_n(&app->tearing_down, 1, __ATOMIC_RELEASE);
    __atomic_store_n(&app->end_at_ns, (end_ns > now_ns ? end_ns : now_ns) + TEAR_DOWN_NS,
                     __ATOMIC_RELEASE);
}
