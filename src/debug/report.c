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

enum { FAILURES_SHOWN = 16, CAUSES_SHOWN = 8 /* deep */ };

static const char *const codes[WEIR__FINDING_KIND_COUNT] = {
    [WEIR__FINDING_FAILURES] = "W202",  [WEIR__FINDING_STRAY] = "W309",
    [WEIR__FINDING_SWALLOWED] = "W304", [WEIR__FINDING_SCOPE_ESCAPED] = "W311",
    [WEIR__FINDING_MISNESTED] = "W204", [WEIR__FINDING_DEADLOCK] = "W601",
    [WEIR__FINDING_LEFT_OPEN] = "W401",
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

static void append_failures(struct weir__buffer *out, const weir_failures *failures, size_t skip,
                            int depth);

static void append_failure(struct weir__buffer *out, const weir_failure *failure, int depth)
{
    weir__buffer_printf(out, "%*s%s ", 2 + 2 * depth, "",
                        failure->origin == WEIR_FAILURE_BODY ? "body of" : "task");
    if (failure->task_name != NULL)
        weir__buffer_append_str(out, failure->task_name);
    else
        weir__debug_append_function(out, failure->task_fn);
    if (failure->group_name != NULL)
        weir__buffer_printf(out, " in group %s", failure->group_name);
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
    if (failure->causes == NULL)
        return;
    if (depth < CAUSES_SHOWN)
        append_failures(out, failure->causes, 0, depth + 1);
    else
        weir__buffer_printf(out, "%*swith causes further down\n", 4 + 2 * depth, "");
}

static void append_failures(struct weir__buffer *out, const weir_failures *failures, size_t skip,
                            int depth)
{
    size_t count = weir_failures_count(failures);
    const struct weir__failure_record *record = failures->first;
    for (size_t i = 0; record != NULL; i++, record = record->next) {
        if (i < skip)
            continue;
        if (i - skip == FAILURES_SHOWN) {
            weir__buffer_printf(out, "%*sand %zu more, the last of them:\n", 2 + 2 * depth, "",
                                count - i);
            append_failure(out, &failures->last->public, depth);
            break;
        }
        append_failure(out, &record->public, depth);
    }
    if (failures->lost_count > 0)
        weir__buffer_printf(out, "%*sand %zu that there was no memory to keep\n", 2 + 2 * depth, "",
                            failures->lost_count);
}

/* --- what a parked task waits for ------------------------------------------------------------- */

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
    const struct weir__hot *hot = &listing->loop->hot[task->index];
    weir__buffer_append_str(listing->out, "  task      ");
    weir__debug_append_task(listing->out, listing->loop, task);
    weir__buffer_printf(listing->out, " waits for %s",
                        weir__core_wait_text((enum weir_wait_kind)hot->wait_kind));
    if (hot->wait_address != NULL) {
        weir__buffer_append_str(listing->out, " at ");
        weir__debug_append_place(listing->out, hot->wait_address, true);
    }
    weir__buffer_printf(listing->out, " since %lld ms\n",
                        (long long)((weir_now() - hot->since_ns) / WEIR_MS));
}

static void append_all_tasks(struct weir__buffer *out, weir_loop *loop)
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

static void append_body(struct weir__buffer *out, const struct weir__finding *finding)
{
    weir_loop *loop = finding->loop;
    switch (finding->kind) {
    case WEIR__FINDING_FAILURES:
        append_failures(out, finding->failures, finding->skip_first ? 1 : 0, 0);
        break;
    case WEIR__FINDING_DEADLOCK:
        append_all_tasks(out, loop);
        break;
    case WEIR__FINDING_LEFT_OPEN:
    case WEIR__FINDING_MISNESTED:
        append_address(out, "opened", finding->address);
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

void weir__debug_report(const struct weir__finding *finding)
{
    struct weir__buffer text;
    weir__buffer_init(&text);
    weir__buffer_printf(&text, "weir %s ", codes[finding->kind]);
    if (finding->kind == WEIR__FINDING_LEFT_OPEN && finding->address != NULL)
        weir__buffer_printf(&text, "%s left open at the end of the run; it is closed now",
                            finding->what);
    else
        weir__buffer_append_str(&text, finding->what);
    if (finding->count > 1)
        weir__buffer_printf(&text, " (%zu)", finding->count);
    weir__buffer_append_char(&text, '\n');
    append_body(&text, finding);
    weir__debug_say(&text);
    weir__buffer_deinit(&text);
    /* Misuse: with WEIR_DEBUG=1 the process ends where it happens, for the debugger to look at. */
    bool misuse =
        finding->kind == WEIR__FINDING_MISNESTED || finding->kind == WEIR__FINDING_SCOPE_ESCAPED;
    if (finding->fatal || (misuse && weir__debug_on())) {
        weir__debug_say_flush();
        weir_log_flush();
        abort();
    }
}
