/*
 * debug.h - always-on checks: findings in words, the watchdog, overflow and crash reports
 *
 * The room hears of findings through core/observe.h and of stalls through a thread of its own that
 * looks at every loop's step counter 40 times a second. Nothing here runs on the path of a healthy
 * task.
 *
 * Every finding has a stable code (W104, W202 ...), one sentence, and fixed fields;
 * docs/diagnosis.md lists them.
 */
#ifndef WEIR__DEBUG_H
#define WEIR__DEBUG_H

#include <weir/debug.h>

#include "base/buffer.h"
#include "core/core.h"
#include "core/observe.h"

/* --- names for addresses, symbol.c ------------------------------------------------------------ */

/* Both leave a mark in the text that weir__debug_resolve() turns into words later: looking up a
 * name takes a debugger's library more stack than a task has, and the first time 100 ms. */

/* `function file.c:12`. is_return: the address follows a call, so the line is that of the call. */
void weir__debug_append_place(struct weir__buffer *out, const void *address, bool is_return);
/* The function's name alone. */
void weir__debug_append_function(struct weir__buffer *out, const void *address);
/* What a task calls, innermost first: return addresses. */
enum { WEIR__CALLS_MAX = 20 };
struct weir__calls {
    size_t count;
    const void *addresses[WEIR__CALLS_MAX];
};
/* The place of the first call that is not in weir's own code: `function file.c:12`. When all are,
 * that of the innermost. */
void weir__debug_append_caller(struct weir__buffer *out, const struct weir__calls *calls);
/* The same as a line `  at        place`; nothing when all are in weir's own code. */
void weir__debug_append_caller_line(struct weir__buffer *out, const struct weir__calls *calls);
/* Whether the code that a return address, or that of an interrupted instruction, lies in is weir's.
 * Looks names up. */
bool weir__debug_is_ours(const void *address);
/* Copies text to out with every mark replaced: by names, which is not for a task's stack, or by the
 * bare address. Not in a signal handler. */
void weir__debug_resolve(struct weir__buffer *out, const char *text, size_t size, bool with_names);
void weir__debug_symbols_open(void); /* would happen with the first address */
void weir__debug_symbols_close(void);

/* --- calls, walk.c ---------------------------------------------------------------------------- */

/* Of a task that is parked; none when it is not. */
void weir__debug_calls_of(const weir_loop *loop, const weir_task *task, struct weir__calls *out);
/* Of the task that runs now; none outside a task. */
void weir__debug_calls_here(const weir_loop *loop, struct weir__calls *out);

/* --- reports, report.c ------------------------------------------------------------------------ */

void weir__debug_report(const struct weir__finding *finding);
/* Its text, with marks for the addresses. */
void weir__debug_append_finding(struct weir__buffer *out, const struct weir__finding *finding);
/* `task main #0.0 waits for a sleep at ... since 5 ms`, a line for each task of the loop. */
void weir__debug_append_tasks(struct weir__buffer *out, weir_loop *loop);
/* `name #index.generation` of a live task. */
void weir__debug_append_task(struct weir__buffer *out, const weir_loop *loop,
                             const weir_task *task);
/* ` waits for a mutex at ... since 12 ms, held by ...`, of one that is blocked. */
void weir__debug_append_wait(struct weir__buffer *out, weir_loop *loop, const weir_task *task);
/* `held by name #1.0`, or what else is known of the other side; nothing when it is not known. */
void weir__debug_append_counterpart(struct weir__buffer *out, weir_loop *loop,
                                    const weir_task *task);
void weir__debug_append_spawned(struct weir__buffer *out, const weir_site *site,
                                const void *address);
uint64_t weir__debug_finding_count(void);

/* --- saying it, say.c ------------------------------------------------------------------------- */

/* Counts a finding and hands its text to the reporting thread: marks are resolved there, and it
 * goes to the log whole. Never blocks; without a thread it is said at once, with bare addresses. */
void weir__debug_say(struct weir__buffer *text);
/* Names will be needed: the reporting thread loads what looking them up takes. */
void weir__debug_names_soon(void);
/* Waits until all that was said is in the log. */
void weir__debug_say_flush(void);
/* The reporting thread's part: one text, if there is one. */
bool weir__debug_say_next(void);
void weir__debug_say_begin(void (*wake)(void)); /* a thread is there; wake() makes it look */
void weir__debug_say_end(void);

/* --- watchdog, watchdog.c --------------------------------------------------------------------- */

int weir__watchdog_start(void) WEIR_MUST_CHECK;
void weir__watchdog_stop(void);
void weir__watchdog_forget(weir_loop *loop); /* it ends */

/* --- crashes, crash.c ------------------------------------------------------------------------- */

void weir__crash_handlers_install(void);
/* A line that closes every report, until it is set to NULL: what to do to see this crash again. It
 * is read when it happens. */
void weir__crash_set_note(const char *line);
void weir__crash_loop_started(weir_loop *loop); /* an alternate stack for this thread */
void weir__crash_loop_ended(weir_loop *loop);

/* WEIR_DEBUG=1: adds what costs (deep checks at each end of a task, misuse aborts). */
bool weir__debug_on(void);

#endif
