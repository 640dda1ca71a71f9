/*
 * survey.c - asking every worker how it is, without waiting for one that is stuck
 *
 * A question is posted to each loop; it is answered between two tasks, into memory that belongs to
 * the survey. A worker that is stuck answers later, or never: the survey is counted, and is
 * released by whoever is last.
 *
 * Runs on  the asker's loop, and each answer on its worker's.
 */
#include <stdio.h>
#include <string.h>
#include <weir/remote.h>
#include <weir/scope.h>

#include "app/app.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "core/observe.h"
#include "core/task.h"

#define STUCK_NS (10 * WEIR_SEC)

struct weir__app_question {
    struct weir__post post;
    struct weir__app_survey *survey;
    weir_app_worker *worker;
    struct weir__app_report *report;
};

void weir__app_survey_free(struct weir__app_survey *survey)
{
    if (survey == NULL || __atomic_sub_fetch(&survey->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    weir_shared_event_release(survey->answer);
    weir__base_free(survey->questions);
    weir__base_free(survey);
}

/* --- an answer -------------------------------------------------------------------------------- */

struct looking {
    weir_app_worker *worker;
    struct weir__app_report *report;
    bool with_tasks;
};

/* Tasks that the frame itself runs; nobody waits for them. */
static bool is_ours(const weir_app_worker *worker, const weir_task *task)
{
    bool attends = weir__core_hot(weir__core_loop(), task)->wait_kind == WEIR_WAIT_LOOP;
    return attends || task->group == worker->app->worker_group || task == worker->main_task ||
           task == worker->keeper_task || task == worker->app->main_task ||
           task->name == weir__app_check_name ||
           (task->name != NULL && strcmp(task->name, "http accept") == 0);
}

static void describe_counterpart(weir_loop *loop, const weir_task *task,
                                 struct weir__app_seen_task *out)
{
    struct weir__buffer text;
    weir__buffer_init(&text);
    weir__debug_append_counterpart(&text, loop, task);
    snprintf(out->counterpart, sizeof out->counterpart, "%s", weir__buffer_text(&text));
    weir__buffer_deinit(&text);
}

static void describe(weir_loop *loop, const weir_task *task, struct weir__app_seen_task *out)
{
    const struct weir__hot *hot = weir__core_hot(loop, task);
    const weir_site *site = weir__task_spawn_site(task);
    snprintf(out->name, sizeof out->name, "%s #%u.%u", task->name == NULL ? "task" : task->name,
             task->index, hot->generation / 2);
    out->spawned[0] = '\0';
    if (site != NULL)
        snprintf(out->spawned, sizeof out->spawned, "%s:%d", site->file, site->line);
    bool waits = hot->state == WEIR_TASK_BLOCKED || hot->state == WEIR_TASK_ABORTING;
    out->waits_for = waits ? weir__core_wait_text((enum weir_wait_kind)hot->wait_kind) : "its turn";
    out->counterpart[0] = '\0';
    if (waits)
        describe_counterpart(loop, task, out);
    weir__debug_calls_of(loop, task, &out->calls);
    out->since_ns = hot->since_ns;
}

/* Keeps the tasks that have waited longest, in order. */
static void see(weir_task *task, void *arg)
{
    struct looking *looking = arg;
    struct weir__app_report *report = looking->report;
    weir_loop *loop = weir__core_loop();
    report->loop_tasks++;
    if (is_ours(looking->worker, task))
        return;
    report->task_count++;
    if (!looking->with_tasks)
        return;
    int64_t since_ns = weir__core_hot(loop, task)->since_ns;
    size_t at = report->seen_count;
    while (at > 0 && report->seen[at - 1].since_ns > since_ns)
        at--;
    if (at == WEIR__APP_TASKS_SHOWN)
        return;
    if (report->seen_count < WEIR__APP_TASKS_SHOWN)
        report->seen_count++;
    memmove(&report->seen[at + 1], &report->seen[at],
            (report->seen_count - 1 - at) * sizeof *report->seen);
    describe(loop, task, &report->seen[at]);
}

static void answer(struct weir__post *post)
{
    struct weir__app_question *question = WEIR__CONTAINER(post, struct weir__app_question, post);
    struct weir__app_survey *survey = question->survey;
    weir_app_worker *worker = question->worker;
    struct weir__app_report *report = question->report;
    if (worker->server != NULL)
        weir_http_server_stats_get(worker->server, &report->http);
    report->background_running = (size_t)weir__app_read(&worker->background_running);
    struct looking looking = {worker, report, survey->with_tasks};
    weir__core_each_task(weir__core_loop(), see, &looking);
    __atomic_store_n(&report->answered, 1, __ATOMIC_RELEASE);
    weir_shared_event_post(survey->answer);
    weir__app_survey_free(survey);
}

/* --- one question for life -------------------------------------------------------------------- */

static void pong(struct weir__post *post)
{
    weir_app_worker *worker = WEIR__CONTAINER(post, weir_app_worker, ping);
    __atomic_store_n(&worker->asked_at_ns, 0, __ATOMIC_RELEASE);
}

int64_t weir__app_owed_ns(weir_app_worker *worker)
{
    weir_loop *loop = __atomic_load_n(&worker->loop, __ATOMIC_ACQUIRE);
    if (loop == NULL || weir__app_worker_state_of(worker) == WEIR__APP_ENDED)
        return 0;
    int64_t now_ns = weir__base_kernel_now();
    int64_t asked_ns = 0;
    if (!__atomic_compare_exchange_n(&worker->asked_at_ns, &asked_ns, now_ns, false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return now_ns - asked_ns;
    worker->ping.run = pong;
    if (weir__core_post(loop, &worker->ping) < 0)
        __atomic_store_n(&worker->asked_at_ns, 0, __ATOMIC_RELEASE);
    return 0;
}

const weir_app_worker *weir__app_stuck_worker(weir_app *app, int64_t *out_owed_ns)
{
    for (unsigned i = 0; i < app->worker_count; i++) {
        *out_owed_ns = weir__app_owed_ns(&app->workers[i]);
        if (*out_owed_ns >= STUCK_NS)
            return &app->workers[i];
    }
    return NULL;
}

/* --- the questions ---------------------------------------------------------------------------- */

static struct weir__app_survey *new_survey(weir_app *app, bool with_tasks)
{
    struct weir__app_survey *survey =
        weir__base_alloc_zero(sizeof *survey + app->worker_count * sizeof survey->reports[0]);
    if (survey == NULL)
        return NULL;
    survey->refs = 1;
    survey->count = app->worker_count;
    survey->with_tasks = with_tasks;
    survey->questions = weir__base_alloc_array(app->worker_count, sizeof *survey->questions);
    if (survey->questions == NULL || weir_shared_event_new(&survey->answer) < 0) {
        weir__base_free(survey->questions);
        weir__base_free(survey);
        return NULL;
    }
    return survey;
}

/* How many will answer. */
static uint64_t ask(weir_app *app, struct weir__app_survey *survey)
{
    uint64_t asked = 0;
    for (unsigned i = 0; i < app->worker_count; i++) {
        struct weir__app_question *question = &survey->questions[i];
        weir_app_worker *worker = &app->workers[i];
        weir_loop *loop = __atomic_load_n(&worker->loop, __ATOMIC_ACQUIRE);
        *question = (struct weir__app_question){
            .post.run = answer, .survey = survey, .worker = worker, .report = &survey->reports[i]};
        if (loop == NULL || weir__app_worker_state_of(worker) == WEIR__APP_ENDED) {
            survey->reports[i].ended = true;
            continue;
        }
        __atomic_add_fetch(&survey->refs, 1, __ATOMIC_RELAXED);
        if (weir__core_post(loop, &question->post) == 0) {
            asked++;
            continue;
        }
        __atomic_sub_fetch(&survey->refs, 1, __ATOMIC_RELAXED);
        survey->reports[i].ended = true;
    }
    return asked;
}

struct weir__app_survey *weir__app_survey(weir_app *app, bool with_tasks, int64_t patience_ns)
{
    struct weir__app_survey *survey = new_survey(app, with_tasks);
    if (survey == NULL)
        return NULL;
    uint64_t asked = ask(app, survey);
    uint64_t answers = 0;
    int rc = 0;
    WEIR_TIMEOUT(rc, patience_ns)
    {
        while (rc == 0 && answers < asked)
            rc = weir_shared_event_wait(survey->answer, answers, &answers);
    }
    return survey; /* what is not there by now is not there */
}
