/*
 * report.c - findings in words: a code, a sentence, and always the same fields
 *
 * Runs on  the thread that found it; nothing here parks.
 * Holds    a report goes to the log whole, never between the lines of another one.
 */
#include <stdlib.h>
#include <weir/log.h>

#include "core/task.h"
#include "debug/debug.h"

enum {
    FAILURES_SHOWN = 16, /* of one set */
    CAUSES_SHOWN = 8,    /* deep */
    LINES_SHOWN = 64,    /* of a tree; each level that is cut then has two more */
    TALLY_CODES = 8,
};

static const char *const codes[WEIR__FINDING_KIND_COUNT] = {
    [WEIR__FINDING_FAILURES] = "W202",      [WEIR__FINDING_STRAY] = "W309",
    [WEIR__FINDING_SWALLOWED] = "W304",     [WEIR__FINDING_SCOPE_ESCAPED] = "W311",
    [WEIR__FINDING_MISNESTED] = "W204",     [WEIR__FINDING_DEADLOCK] = "W601",
    [WEIR__FINDING_LEFT_OPEN] = "W401",     [WEIR__FINDING_CLEANUP] = "W305",
    [WEIR__FINDING_LOCK] = "W205",          [WEIR__FINDING_STRANGER] = "W206",
    [WEIR__FINDING_STARTED_TWICE] = "W207", [WEIR__FINDING_FORCED] = "W208",
    [WEIR__FINDING_FORKED] = "W210",
};

void weir__debug_append_task(struct weir__buffer *out, const weir_loop *loop, const weir_task *task)
{
    if (task->name != NULL)
        weir__buffer_append_str(out, task->name);
    else
        weir__debug_append_function(out, (const void *)(uintptr_t)task->fn);
    weir__buffer_printf(out, " #%u.%u", task->index, loop->hot[task->index].generation / 2);
}

void weir__debug_append_spawned(struct weir__buffer *out, const weir_site *site,
                                const void *address)
{
    if (site != NULL)
        weir__buffer_printf(out, "  spawned   %s:%d\n", site->file, site->line);
    else if (address != NULL) {
        weir__buffer_append_str(out, "  spawned   ");
        weir__debug_append_place(out, address, true);
        weir__buffer_append_char(out, '\n');
    }
}

/* --- failures, as a tree ---------------------------------------------------------------------- */

static const char *who_failed(weir_failure_origin origin)
{
    switch (origin) {
    case WEIR_FAILURE_BODY:
        return "body of";
    case WEIR_FAILURE_DEFER:
        return "deferred function of";
    case WEIR_FAILURE_START:
        return "start of";
    case WEIR_FAILURE_JOB:
        return "job";
    case WEIR_FAILURE_CALLBACK:
        return "callback on";
    case WEIR_FAILURE_CHILD:
        break;
    }
    return "task";
}

static void append_failure(struct weir__buffer *out, const weir_failure *failure, int depth)
{
    weir__buffer_printf(out, "%*s%s ", 2 + 2 * depth, "", who_failed(failure->origin));
    if (failure->task_name != NULL)
        weir__buffer_append_str(out, failure->task_name);
    else
        weir__debug_append_function(out, failure->task_fn);
    if (failure->group_name != NULL)
        weir__buffer_printf(out, " in group %s", failure->group_name);
    if (failure->loop_name != NULL)
        weir__buffer_printf(out, " on loop \"%s\"", failure->loop_name);
    weir__buffer_printf(out, ": %s", weir_code_name(failure->code));
    if (failure->message[0] != '\0')
        weir__buffer_printf(out, " \"%s\"", failure->message);
    if (failure->fail_address != NULL) {
        weir__buffer_append_str(out, " at ");
        weir__debug_append_place(out, failure->fail_address, true);
    }
    if (failure->spawn_site != NULL) {
        weir__buffer_printf(out, ", spawned %s:%d", failure->spawn_site->file,
                            failure->spawn_site->line);
    } else if (failure->spawn_address != NULL) {
        weir__buffer_append_str(out, ", spawned ");
        weir__debug_append_place(out, failure->spawn_address, true);
    }
    weir__buffer_append_char(out, '\n');
}

/* How many records have which code; codes beyond the table are counted together. */
struct tally {
    struct {
        int code;
        size_t count;
    } codes[TALLY_CODES];
    size_t others;
};

static void count_code(struct tally *tally, int code)
{
    for (size_t i = 0; i < TALLY_CODES; i++) {
        if (tally->codes[i].count == 0)
            tally->codes[i].code = code;
        if (tally->codes[i].code == code) {
            tally->codes[i].count++;
            return;
        }
    }
    tally->others++;
}

static void append_tally(struct weir__buffer *out, const struct tally *tally)
{
    for (size_t i = 0; i < TALLY_CODES && tally->codes[i].count > 0; i++)
        weir__buffer_printf(out, "%s%zu %s", i == 0 ? "" : ", ", tally->codes[i].count,
                            weir_code_name(tally->codes[i].code));
    if (tally->others > 0)
        weir__buffer_printf(out, ", %zu others", tally->others);
}

/* The place of a walk in a set of the tree. */
struct level {
    const struct weir__failure_record *next;
    size_t shown;
    bool open_only;
};

/* What a level does not show any more: counted, and the last one said. */
static void append_more(struct weir__buffer *out, const struct level *level, int depth)
{
    struct tally tally = {0};
    const struct weir__failure_record *last = NULL;
    size_t count = 0;
    for (const struct weir__failure_record *record = level->next; record != NULL;
         record = record->next) {
        if (level->open_only && record->settled)
            continue;
        count_code(&tally, record->public.code);
        count++;
        last = record;
    }
    if (last == NULL)
        return;
    weir__buffer_printf(out, "%*sand %zu more (", 2 + 2 * depth, "", count);
    append_tally(out, &tally);
    weir__buffer_append_str(out, "), the last of them:\n");
    append_failure(out, &last->public, depth);
}

/* A record before its causes. Bounded in every direction: so many of a set, so deep, so many lines;
 * what is left out is counted. Not recursive: this may be a task's stack. */
static void append_failures(struct weir__buffer *out, const weir_failures *failures, bool open_only)
{
    struct level levels[CAUSES_SHOWN + 1] = {{failures->first, 0, open_only}};
    int depth = 0;
    size_t lines = 0;
    while (depth >= 0) {
        struct level *level = &levels[depth];
        const struct weir__failure_record *record = level->next;
        while (record != NULL && level->open_only && record->settled)
            record = record->next;
        level->next = record;
        if (record == NULL || level->shown == FAILURES_SHOWN || lines >= LINES_SHOWN) {
            append_more(out, level, depth--);
            continue;
        }
        append_failure(out, &record->public, depth);
        level->next = record->next;
        level->shown++;
        lines++;
        const weir_failures *causes = record->public.causes;
        if (causes != NULL && depth < CAUSES_SHOWN)
            levels[++depth] = (struct level){.next = causes->first};
        else if (causes != NULL)
            weir__buffer_printf(out, "%*swith causes further down\n", 4 + 2 * depth, "");
    }
}

/* --- what a parked task waits for ------------------------------------------------------------- */

static void append_age(struct weir__buffer *out, int64_t since_ns)
{
    weir__buffer_printf(out, " since %lld ms", (long long)((weir_now() - since_ns) / WEIR_MS));
}

static void append_task_by_id(struct weir__buffer *out, weir_loop *loop, weir_task_id id)
{
    const weir_task *task = weir__core_owns_id(loop, id) ? weir__core_task_by_id(loop, id) : NULL;
    if (task != NULL) {
        weir__debug_append_task(out, loop, task);
        return;
    }
    weir__buffer_printf(out, "#%u.%u%s", (unsigned)(id & 0xffffff), (unsigned)(id >> 40),
                        weir__core_owns_id(loop, id) ? ", which has ended" : " of another loop");
}

void weir__debug_append_counterpart(struct weir__buffer *out, weir_loop *loop,
                                    const weir_task *task)
{
    struct weir__wait_facts facts;
    weir__core_wait_facts(loop, task, &facts);
    if (facts.detail[0] != '\0')
        weir__buffer_append_str(out, facts.detail);
    if (facts.relation == NULL || facts.task == 0)
        return;
    weir__buffer_printf(out, "%s%s ", out->size > 0 ? ", " : "", facts.relation);
    append_task_by_id(out, loop, facts.task);
}

void weir__debug_append_wait(struct weir__buffer *out, weir_loop *loop, const weir_task *task)
{
    const struct weir__hot *hot = &loop->hot[task->index];
    struct weir__wait_facts facts;
    weir__core_wait_facts(loop, task, &facts);
    weir__buffer_printf(out, " waits for %s",
                        weir__core_wait_text((enum weir_wait_kind)hot->wait_kind));
    if (facts.detail[0] != '\0')
        weir__buffer_printf(out, " (%s)", facts.detail);
    struct weir__calls calls;
    weir__debug_calls_of(loop, task, &calls);
    if (calls.count > 0) {
        weir__buffer_append_str(out, " at ");
        weir__debug_append_caller(out, &calls);
    }
    append_age(out, hot->since_ns);
    if (facts.relation == NULL || facts.task == 0)
        return;
    weir__buffer_printf(out, ", %s ", facts.relation);
    append_task_by_id(out, loop, facts.task);
    if (facts.address != NULL) {
        weir__buffer_append_str(out, " at ");
        weir__debug_append_place(out, facts.address, true);
    }
    if (facts.since_ns != 0)
        append_age(out, facts.since_ns);
}

struct listing {
    struct weir__buffer *out;
    weir_loop *loop;
    size_t shown;
};

static void append_waiting_task(weir_task *task, void *arg)
{
    struct listing *listing = arg;
    if (listing->shown++ >= FAILURES_SHOWN)
        return;
    weir__buffer_append_str(listing->out, "  task      ");
    weir__debug_append_task(listing->out, listing->loop, task);
    if (weir__cleanup_finishing(task))
        weir__buffer_append_str(listing->out, ", finishing,");
    weir__debug_append_wait(listing->out, listing->loop, task);
    weir__buffer_append_char(listing->out, '\n');
}

void weir__debug_append_tasks(struct weir__buffer *out, weir_loop *loop)
{
    struct listing listing = {out, loop, 0};
    weir__core_each_task(loop, append_waiting_task, &listing);
    if (listing.shown > FAILURES_SHOWN)
        weir__buffer_printf(out, "  and %zu more\n", listing.shown - FAILURES_SHOWN);
}

/* --- one finding ------------------------------------------------------------------------------ */

static void append_address(struct weir__buffer *out, const char *label, const void *address)
{
    if (address == NULL)
        return;
    weir__buffer_printf(out, "  %-9s ", label);
    weir__debug_append_place(out, address, true);
    weir__buffer_append_char(out, '\n');
}

/* Where the task that runs now called weir; nothing when its function has returned already. */
static void append_here(struct weir__buffer *out, const weir_loop *loop)
{
    struct weir__calls calls;
    weir__debug_calls_here(loop, &calls);
    if (calls.count > 0)
        weir__debug_append_caller_line(out, &calls);
}

static void append_body(struct weir__buffer *out, const struct weir__finding *finding)
{
    weir_loop *loop = finding->loop;
    switch (finding->kind) {
    case WEIR__FINDING_FAILURES:
        if (finding->failures != NULL)
            append_failures(out, finding->failures, finding->open_only);
        break;
    case WEIR__FINDING_DEADLOCK:
        weir__debug_append_tasks(out, loop);
        break;
    case WEIR__FINDING_LEFT_OPEN:
        append_address(out, "opened", finding->address);
        break;
    case WEIR__FINDING_MISNESTED:
        append_address(out, "opened", finding->address);
        append_here(out, loop);
        break;
    case WEIR__FINDING_SWALLOWED:
        append_here(out, loop);
        break;
    case WEIR__FINDING_CLEANUP:
        weir__buffer_append_str(out, "  function  ");
        weir__debug_append_function(out, finding->address);
        weir__buffer_append_char(out, '\n');
        break;
    case WEIR__FINDING_LOCK:
        append_address(out, "locked", finding->address);
        break;
    case WEIR__FINDING_STRANGER:
        weir__buffer_printf(out, "  here      %s\n",
                            loop == NULL ? "a thread without a loop" : loop->name);
        append_address(out, "at", finding->address);
        break;
    default:
        append_address(out, "at", finding->address);
        break;
    }
    if (finding->task == NULL)
        return;
    weir__buffer_append_str(out, "  task      ");
    weir__debug_append_task(out, loop, finding->task);
    weir__buffer_append_char(out, '\n');
    weir__debug_append_spawned(out, weir__task_spawn_site(finding->task),
                               weir__task_spawn_address(finding->task));
    weir_cancel_cause cause;
    if (finding->kind == WEIR__FINDING_SWALLOWED &&
        weir__scope_cause(finding->task->active, &cause)) {
        static const char *const kinds[] = {
            "nobody",          "its deadline",       "an explicit cancel", "a failed sibling",
            "its failed body", "the end of the run", "the shutdown",       "another thread"};
        weir__buffer_printf(out, "  cancelled by %s", kinds[cause.kind]);
        if (cause.reason != NULL)
            weir__buffer_printf(out, " (%s)", cause.reason);
        weir__buffer_printf(out, ", %lld ms ago\n",
                            (long long)((weir_now() - cause.at_ns) / WEIR_MS));
    }
}

void weir__debug_append_finding(struct weir__buffer *out, const struct weir__finding *finding)
{
    weir__buffer_printf(out, "weir %s ", codes[finding->kind]);
    if (finding->kind == WEIR__FINDING_LEFT_OPEN && finding->address != NULL)
        weir__buffer_printf(out, "%s left open at the end of the run; it is closed now",
                            finding->what);
    else
        weir__buffer_append_str(out, finding->what);
    if (finding->count > 1)
        weir__buffer_printf(out, " (%zu)", finding->count);
    weir__buffer_append_char(out, '\n');
    append_body(out, finding);
}

void weir__debug_report(const struct weir__finding *finding)
{
    struct weir__buffer text;
    weir__buffer_init(&text);
    weir__debug_append_finding(&text, finding);
    weir__debug_say(&text);
    weir__buffer_deinit(&text);
    /* Misuse: with WEIR_DEBUG=1 the process ends where it happens, for the debugger to look at. */
    bool misuse = finding->kind == WEIR__FINDING_MISNESTED ||
                  finding->kind == WEIR__FINDING_SCOPE_ESCAPED ||
                  finding->kind == WEIR__FINDING_STARTED_TWICE ||
                  finding->kind == WEIR__FINDING_LOCK || finding->kind == WEIR__FINDING_STRANGER;
    if (finding->fatal || (misuse && weir__debug_on())) {
        weir__debug_say_flush();
        weir_log_flush();
        abort();
    }
}
