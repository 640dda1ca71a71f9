/*
 * run.c - one round, from the loop that is made for it to the verdict
 *
 * Runs on  the thread of the test; decide() on any.
 * Holds    1. Text is put together with the calling thread exempt from faults.
 *          2. What a round said is printed once, after its loop has gone: names are looked up on a
 *             thread's own stack. Only what ends the process is printed at once.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/failure.h>
#include <weir/log.h>

#include "backend/faulty.h"
#include "backend/sim.h"
#include "backend/sim_disk.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/thread.h"
#include "debug/debug.h"
#include "test/blocks.h"
#include "test/test.h"

enum { POINTS_MAX = 200000 /* after a strike, without coming to an end */ };

static struct weir__round *playing; /* atomic: faults strike on any thread */

static struct weir__round *round_of(struct weir__probe *probe)
{
    return WEIR__CONTAINER(probe, struct weir__round, probe);
}

/* --- what is said ----------------------------------------------------------------------------- */

static void append_line(struct weir__round *round, const char *line, size_t size)
{
    round->failed = true;
    if (round->first[0] == '\0') {
        snprintf(round->first, sizeof round->first, "%.*s", (int)size, line);
        return;
    }
    weir__buffer_append_str(&round->said, "    ");
    weir__buffer_append(&round->said, line, size);
    weir__buffer_append_char(&round->said, '\n');
}

static void append_text(struct weir__round *round, const struct weir__buffer *text)
{
    const char *at = text->data, *end = text->data + text->size;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (line_end == NULL)
            line_end = end;
        append_line(round, at, (size_t)(line_end - at));
        at = line_end + 1;
    }
}

void weir__test_say(struct weir__round *round, const char *format, ...)
{
    char line[200];
    bool exempt = weir__base_fault_exempt(true);
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    append_line(round, line, strlen(line));
    weir__base_fault_exempt(exempt);
}

/* What really happened, as a plan of its own. */
static struct weir__test_plan plan_of(struct weir__round *round)
{
    struct weir__test_plan plan = round->plan;
    if (!plan.drawn)
        return plan;
    plan.drawn = false;
    plan.count = __atomic_load_n(&round->struck_count, __ATOMIC_RELAXED);
    memcpy(plan.strikes, round->struck, sizeof plan.strikes);
    return plan;
}

static void print_lines(const struct weir__test *test, const struct weir__test_plan *plan,
                        const char *first, const struct weir__buffer *rest, bool with_names)
{
    char how[120], replay[200];
    weir__test_plan_tell(plan, how, sizeof how);
    weir__test_plan_write(plan, test->name, replay, sizeof replay);
    struct weir__buffer text, resolved;
    weir__buffer_init(&text);
    weir__buffer_init(&resolved);
    weir__buffer_printf(&text, "weir test: %s, %s: %s\n", test->name, how, first);
    if (rest != NULL)
        weir__buffer_append(&text, rest->data, rest->size);
    weir__buffer_printf(&text, "    replay with WEIR_TEST_REPLAY='%s'\n", replay);
    weir__debug_resolve(&resolved, text.data, text.size, with_names);
    weir__log_raw(resolved.data, resolved.size);
    weir__buffer_deinit(&resolved);
    weir__buffer_deinit(&text);
    weir_log_flush();
}

/* When the process ends here and now. Any thread, for a strike. */
static void note_replay(struct weir__round *round)
{
    static struct weir__mutex lock = WEIR__MUTEX_INIT;
    char replay[200];
    weir__base_mutex_lock(&lock);
    struct weir__test_plan plan = plan_of(round);
    weir__test_plan_write(&plan, round->test->name, replay, sizeof replay);
    snprintf(round->note, sizeof round->note, "weir test: replay with WEIR_TEST_REPLAY='%s'",
             replay);
    weir__base_mutex_unlock(&lock);
}

static void print(struct weir__round *round, bool with_names)
{
    struct weir__test_plan plan = plan_of(round);
    print_lines(round->test, &plan, round->first, &round->said, with_names);
}

void weir__test_tell_verdict(const struct weir__test *test, const struct weir__verdict *verdict)
{
    print_lines(test, &verdict->plan, verdict->what, NULL, true);
}

static void give_up(struct weir__round *round)
{
    print(round, false);
    abort();
}

/* --- what the loop's probe hears -------------------------------------------------------------- */

static void mix(struct weir__round *round, uint64_t value)
{
    uint64_t state = round->trace ^ value;
    round->trace = weir__base_random_next(&state);
}

static void mix_now(struct weir__round *round, const weir_loop *loop)
{
    if (!round->test->real_clock)
        mix(round, (uint64_t)(loop->now_ns - round->began_at_ns));
}

static void force_end(struct weir__round *round)
{
    struct weir__buffer tasks;
    weir__test_say(round, "it does not come to an end; these tasks are left");
    weir__buffer_init(&tasks);
    weir__debug_append_tasks(&tasks, round->loop);
    append_text(round, &tasks);
    weir__buffer_deinit(&tasks);
    round->forced = true;
    round->points_at_force = round->points;
    weir__core_force(round->loop, "a test that did not end");
}

/* After the last fault or cancel everything has to come to an end. */
static void watch_end(struct weir__round *round)
{
    size_t count = __atomic_load_n(&round->struck_count, __ATOMIC_RELAXED);
    if (count == 0)
        return;
    if (count != round->seen_count) {
        if (round->plan.drawn)
            note_replay(round);
        round->seen_count = count;
        round->points_at_strike = round->points;
        int64_t finish_ns = round->test->options->finish_ns;
        if (!round->test->real_clock)
            round->must_end_at_ns =
                weir__base_add_ns(weir_now(), finish_ns > 0 ? finish_ns : 1 * WEIR_HOUR);
    }
    if (round->forced) {
        if (round->points - round->points_at_force > POINTS_MAX) {
            weir__test_say(round, "it goes on although it was forced: there is no way on");
            give_up(round);
        }
    } else if (round->points - round->points_at_strike > POINTS_MAX ||
               weir_now() > round->must_end_at_ns) {
        force_end(round);
    }
}

static void end_is_due(struct weir__alarm *alarm)
{
    force_end(WEIR__CONTAINER(alarm, struct weir__round, alarm));
}

static void cancel_body(struct weir__round *round)
{
    weir__scope_cancel_level(round->loop, &round->scope, WEIR__LEVEL_CANCEL, WEIR_CANCEL_EXPLICIT,
                             "a test", NULL);
}

static void at_checkpoint(struct weir__probe *probe, weir_loop *loop, weir_task *task)
{
    struct weir__round *round = round_of(probe);
    if (!round->running)
        return;
    bool exempt = weir__base_fault_exempt(true);
    round->points++;
    mix(round, ((uint64_t)task->index << 32) | loop->hot[task->index].generation);
    mix_now(round, loop);
    if (weir__test_strikes(round, WEIR__TEST_CANCEL))
        cancel_body(round);
    watch_end(round);
    weir__base_fault_exempt(exempt);
}

/* A task that was woken from a wait with something in its hands. */
static bool has_result(const struct weir__hot *hot)
{
    return hot->wait_kind != WEIR_WAIT_NONE && hot->result != -ECANCELED;
}

static void at_turn(struct weir__probe *probe, weir_loop *loop)
{
    struct weir__round *round = round_of(probe);
    if (!round->running)
        return;
    bool exempt = weir__base_fault_exempt(true);
    bool cancel = false;
    mix_now(round, loop);
    for (uint32_t i = loop->ready.head; i != WEIR__NO_TASK; i = loop->hot[i].next) {
        mix(round, i);
        if (has_result(&loop->hot[i]) && weir__test_strikes(round, WEIR__TEST_CANCEL_LATE))
            cancel = true;
    }
    if (cancel)
        cancel_body(round);
    watch_end(round);
    weir__base_fault_exempt(exempt);
}

/* Failures that nobody looked at are part of a round that meets faults. */
static bool is_wrong(const struct weir__round *round, const struct weir__finding *finding)
{
    return finding->kind != WEIR__FINDING_FAILURES ||
           __atomic_load_n(&round->struck_count, __ATOMIC_RELAXED) == 0;
}

static bool at_finding(struct weir__probe *probe, const struct weir__finding *finding)
{
    struct weir__round *round = round_of(probe);
    if (!is_wrong(round, finding))
        return true;
    bool exempt = weir__base_fault_exempt(true);
    struct weir__buffer text;
    weir__buffer_init(&text);
    weir__debug_append_finding(&text, finding);
    append_text(round, &text);
    weir__buffer_deinit(&text);
    if (finding->fatal)
        print(round, false);
    weir__base_fault_exempt(exempt);
    return true;
}

/* --- faults ----------------------------------------------------------------------------------- */

static int decide(enum weir__fault_point point)
{
    static const enum weir__test_kind kinds[] = {
        [WEIR__FAULT_ALLOC] = WEIR__TEST_NO_MEMORY,     [WEIR__FAULT_SYSCALL] = WEIR__TEST_KERNEL,
        [WEIR__FAULT_THREAD] = WEIR__TEST_NO_THREAD,    [WEIR__FAULT_RING] = WEIR__TEST_OPERATION,
        [WEIR__FAULT_SHORT] = WEIR__TEST_SHORT,         [WEIR__FAULT_LATE] = WEIR__TEST_LATE,
        [WEIR__FAULT_LATER] = WEIR__TEST_LATER,         [WEIR__FAULT_RESET] = WEIR__TEST_RESET,
        [WEIR__FAULT_PARTITION] = WEIR__TEST_PARTITION,
    };
    struct weir__round *round = __atomic_load_n(&playing, __ATOMIC_ACQUIRE);
    if (round == NULL || !weir__test_strikes(round, kinds[point]))
        return 0;
    if (round->plan.drawn)
        note_replay(round);
    if (point == WEIR__FAULT_ALLOC)
        return -ENOMEM;
    if (point == WEIR__FAULT_THREAD)
        return -EAGAIN;
    int code = round->test->options->kernel_code;
    return code < 0 ? code : -EIO;
}

/* --- the main task ---------------------------------------------------------------------------- */

/* Whether its plan has faults of this kind. */
static bool meets(const struct weir__round *round, enum weir__test_kind kind)
{
    const struct weir__test_plan *plan = &round->plan;
    bool listed = plan->drawn && (plan->kinds & (1u << kind)) != 0;
    for (size_t i = 0; i < plan->count; i++)
        listed = listed || plan->strikes[i].kind == kind;
    return listed;
}

static void begin(struct weir__round *round)
{
    int64_t finish_ns = round->test->options->finish_ns;
    round->began_at_ns = weir_now();
    if (round->test->simulated) {
        static const weir_test_network defaults;
        const weir_test_network *network = round->test->options->network;
        weir_ignore(weir__sim_network(network == NULL ? &defaults : network, round->plan.seed),
                    "this loop has a simulated backend");
    }
    round->alarm.fire = end_is_due;
    if (round->test->real_clock && (round->plan.count > 0 || round->plan.drawn))
        weir__core_alarm_set(
            round->loop, &round->alarm,
            weir__base_add_ns(weir_now(), finish_ns > 0 ? finish_ns : 10 * WEIR_SEC));
    if (meets(round, WEIR__TEST_SHORT) || meets(round, WEIR__TEST_LATER))
        weir__faulty_install(round->loop->backend);
    round->running = true;
    __atomic_store_n(&playing, round, __ATOMIC_RELEASE);
    weir__base_fault_arm_with(decide);
}

static void end(struct weir__round *round)
{
    weir__base_fault_disarm();
    __atomic_store_n(&playing, NULL, __ATOMIC_RELEASE);
    round->running = false;
    weir__core_alarm_clear(round->loop, &round->alarm);
}

static bool met_a_fault(const struct weir__round *round)
{
    size_t count = __atomic_load_n(&round->struck_count, __ATOMIC_RELAXED);
    for (size_t i = 0; i < count; i++)
        if ((WEIR_TEST_ALL_FAULTS | WEIR_TEST_ALL_NETWORK) & (1u << round->struck[i].kind))
            return true;
    return false;
}

/* The open group whose scope this is; the pointer is not followed: a plain scope that was left
 * entered lay in a frame that is gone. */
static weir_group *open_group_of(weir_loop *loop, const weir_scope *scope)
{
    for (struct weir__list *at = loop->groups.next; at != &loop->groups; at = at->next) {
        weir_group *group = WEIR__CONTAINER(at, weir_group, registered);
        if (&group->scope == scope)
            return group;
    }
    return NULL;
}

/* What the body opened last and did not close, with its place, and the tasks that are there. */
static void tell_left_open(struct weir__round *round, const weir_task *task)
{
    weir_group *group = open_group_of(round->loop, task->active);
    struct weir__buffer text;
    weir__buffer_init(&text);
    if (group == NULL) {
        weir__test_say(round, "the body ended with a scope still entered: there is no way on");
        give_up(round);
    }
    weir__buffer_append_str(&text, "the body ended with a group still open, opened ");
    weir__debug_append_place(&text, group->open_address, true);
    weir__buffer_append_char(&text, '\n');
    weir__debug_append_tasks(&text, round->loop);
    append_text(round, &text);
    weir__buffer_deinit(&text);
}

static int main_task(void *arg)
{
    struct weir__round *round = arg;
    struct weir__test *test = round->test;
    round->loop = weir__core_loop();
    int rc = weir_scope_enter(&round->scope);
    if (rc < 0)
        return rc;
    begin(round);
    rc = test->body(test->arg);
    end(round);
    weir_task *task = weir__core_task();
    if (task->active != &round->scope)
        tell_left_open(round, task);
    round->rc = rc = weir_scope_leave(&round->scope, rc);
    /* When it was found to wait for ever, or forced, that is what is wrong. */
    if (rc < 0 && !round->failed && test->options->verify == NULL && !met_a_fault(round)) {
        const char *words = weir_failure_message(rc);
        if (strcmp(words, weir_code_text(rc)) == 0)
            weir__test_say(round, "the body came to %s", words);
        else
            weir__test_say(round, "the body came to %s: %s", weir_code_name(rc), words);
    }
    return 0;
}

/* --- the round -------------------------------------------------------------------------------- */

struct weir__round *weir__test_round(void)
{
    weir_loop *loop = weir__core_loop();
    if (loop == NULL || loop->current == NULL || loop->probe == NULL ||
        loop->probe->turn != at_turn)
        return NULL;
    return round_of(loop->probe);
}

static void judge_level(struct weir__round *round, struct weir__test_level before)
{
    struct weir__test_level after;
    before.blocks += round->said.data != NULL; /* our own text */
    if (weir__test_level_is_kept(before, &after))
        return;
    weir__test_say(round, "left behind: %" PRId64 " blocks of memory, %d descriptors",
                   (int64_t)(after.blocks - before.blocks), after.fds - before.fds);
    struct weir__buffer blocks;
    weir__buffer_init(&blocks);
    if (after.blocks > before.blocks)
        weir__test_blocks_tell(&blocks);
    append_text(round, &blocks);
    weir__buffer_deinit(&blocks);
}

static weir_test_round describe(const struct weir__round *round, const struct weir__test_plan *plan,
                                const char *how)
{
    weir_test_round told = {
        .how = how,
        .number = plan->count == 1 && !round->plan.drawn ? plan->strikes[0].number : 0,
        .struck = __atomic_load_n(&round->struck_count, __ATOMIC_RELAXED) > 0,
        .seed = plan->seed,
        .rc = round->rc,
        .points = round->points,
        .trace = round->trace,
    };
    for (size_t i = 0; i < plan->count; i++)
        told.kind |= 1u << plan->strikes[i].kind;
    return told;
}

static void copy_resolved(const char *text, char *out_text, size_t bytes)
{
    struct weir__buffer resolved;
    weir__buffer_init(&resolved);
    weir__debug_resolve(&resolved, text, strlen(text), true);
    snprintf(out_text, bytes, "%s", weir__buffer_text(&resolved));
    weir__buffer_deinit(&resolved);
}

static void name_round(const struct weir__test *test, const char *how)
{
    struct weir__buffer line;
    weir__buffer_init(&line);
    weir__buffer_printf(&line, "weir test: %s, %s\n", test->name, how);
    weir__log_raw(line.data, line.size);
    weir__buffer_deinit(&line);
    weir_log_flush();
}

void weir__test_play(struct weir__test *test, const struct weir__test_plan *plan, bool quiet,
                     struct weir__verdict *out_verdict)
{
    struct weir__round round = {
        .test = test,
        .plan = *plan,
        .probe = {.checkpoint = at_checkpoint,
                  .turn = at_turn,
                  .found = at_finding,
                  .virtual_clock = !test->real_clock,
                  .by_hand = test->options->clock == WEIR_TEST_CLOCK_BY_HAND},
        .random = plan->seed,
        .must_end_at_ns = WEIR_NEVER,
    };
    weir__buffer_init(&round.said);
    struct weir__verdict *verdict = out_verdict;
    *verdict = (struct weir__verdict){0};
    weir__test_plan_tell(plan, verdict->how, sizeof verdict->how);
    if (weir__test_rounds_are_named())
        name_round(test, verdict->how);
    test->round_count++;

    weir_run_options options = {.backend =
                                    test->options->backend == NULL ? "sim" : test->options->backend,
                                .name = test->name,
                                .shuffle_seed = plan->seed};
    struct weir__test_level before = weir__test_level_now();
    bool has_disk = test->options->disk != NULL;
    if (has_disk && weir__sim_disk_mount(test->options->disk, plan->seed) < 0)
        weir__test_say(&round, "there is no memory for a disk");
    weir__test_blocks_watch();
    note_replay(&round);
    weir__crash_handlers_install();
    weir__crash_loop_started(NULL);
    weir__crash_set_note(round.note);
    int rc = weir__core_run_probed(&options, &round.probe, main_task, &round, false);
    if (rc < 0 && round.loop == NULL)
        weir__test_say(&round, "no loop could be made: %s", weir_code_text(rc));
    if (has_disk)
        weir__sim_disk_unmount();
    judge_level(&round, before);
    weir__test_blocks_stop();
    weir__crash_set_note(NULL);
    weir__crash_loop_ended(NULL);

    verdict->plan = plan_of(&round);
    weir__test_plan_tell(&verdict->plan, verdict->how, sizeof verdict->how);
    verdict->round = describe(&round, &verdict->plan, verdict->how);
    if (test->options->verify != NULL && round.loop != NULL &&
        !test->options->verify(&verdict->round, test->arg))
        weir__test_say(&round, "verify refused it; the body came to %s", weir_code_name(round.rc));
    verdict->failed = round.failed;
    verdict->rc = rc < 0 ? rc : round.rc < 0 ? round.rc : -EUCLEAN;
    copy_resolved(round.first, verdict->what, sizeof verdict->what);
    if (round.failed && !quiet)
        print(&round, true);
    weir__buffer_deinit(&round.said);
    weir__debug_symbols_close();
}

/* --- a call ----------------------------------------------------------------------------------- */

int weir__test_init(struct weir__test *test, weir_task_fn *body, void *arg,
                    const weir_test_options *options)
{
    static const weir_test_options defaults;
    if (options == NULL)
        options = &defaults;
    bool simulated = options->backend == NULL || strcmp(options->backend, "sim") == 0;
    if ((simulated && options->clock == WEIR_TEST_CLOCK_REAL) || options->kernel_code > 0 ||
        options->kinds >= 1u << WEIR__TEST_KIND_COUNT ||
        (options->disk != NULL && (!simulated || !weir__sim_disk_may_be(options->disk->path))))
        return -EINVAL;
    if (weir__core_loop() != NULL)
        return -EPERM;
    *test = (struct weir__test){.options = options,
                                .name = options->name == NULL ? "test" : options->name,
                                .body = body,
                                .arg = arg,
                                .simulated = simulated,
                                .real_clock = options->clock == WEIR_TEST_CLOCK_REAL};
    return 0;
}

int weir__test_settle_report(const struct weir__test *test, const struct weir__verdict *verdict)
{
    weir_test_report *report = test->options->report;
    if (report != NULL) {
        *report = (weir_test_report){.round_count = test->round_count, .round = verdict->round};
        report->round.how = verdict->failed ? "see what" : "as it should be";
        if (verdict->failed) {
            weir__test_plan_write(&verdict->plan, test->name, report->replay,
                                  sizeof report->replay);
            snprintf(report->what, sizeof report->what, "%s", verdict->what);
        }
    }
    return verdict->failed ? verdict->rc : 0;
}

int weir__test_replay(struct weir__test *test, struct weir__verdict *out_verdict)
{
    struct weir__test_plan plan;
    int rc = weir__test_plan_replayed(test->name, &plan);
    if (rc == 1)
        weir__test_play(test, &plan, test->options->quiet, out_verdict);
    return rc;
}

int weir_test_run(weir_task_fn *body, void *arg, const weir_test_options *options)
{
    struct weir__test test;
    struct weir__verdict verdict = {0};
    int rc = weir__test_init(&test, body, arg, options);
    if (rc == 0)
        rc = weir__test_replay(&test, &verdict);
    if (rc < 0)
        return rc;
    options = test.options;
    size_t count = options->seeds == 0 ? 1 : options->seeds;
    uint64_t first = options->seed == 0 && count > 1 ? 1 : options->seed;
    for (size_t i = 0; rc == 0 && i < count && !verdict.failed; i++) {
        struct weir__test_plan plan = {.seed = first + i};
        weir__test_play(&test, &plan, options->quiet, &verdict);
    }
    return weir__test_settle_report(&test, &verdict);
}
