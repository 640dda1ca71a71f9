/*
 * failure.c - failures: the words beside a code, the records, and the account of where each one
 * went
 *
 * A record is made when a task or a group's body fails. It is then delivered (its code is returned
 * by a close), handled (somebody took the set), or reported (a finding): created == delivered +
 * handled + reported when the loop ends (F6).
 *
 * A close leaves its set with the task that closed it. When that task fails with the same code, the
 * set becomes the causes of the new record; otherwise what nobody saw is reported (F4).
 *
 * Runs on  the loop's own thread.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "core/core.h"
#include "core/observe.h"
#include "core/task.h"

/* --- the text beside a code ------------------------------------------------------------------- */

_Thread_local struct weir__detail *weir__job_detail;

/* Where the task's text goes; NULL: no memory. */
static struct weir__detail *detail_of(weir_task *task)
{
    struct weir__extra *extra = weir__task_extra(task);
    if (extra != NULL && extra->detail == NULL)
        extra->detail = weir__base_alloc(sizeof *extra->detail);
    return extra == NULL ? NULL : extra->detail;
}

int(weir_fail)(int code, const char *format, ...)
{
    weir_task *task = weir__core_task();
    struct weir__detail *detail = task == NULL ? weir__job_detail : detail_of(task);
    if (detail == NULL)
        return code; /* the code itself is not lost */
    va_list args;
    va_start(args, format);
    /* A message may quote the one before it: format beside it first. */
    char text[sizeof detail->message];
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(detail->message, text, sizeof text);
    detail->code = code;
    detail->address = __builtin_return_address(0);
    return code;
}

int weir__failure_say(int code, const void *address, const char *text)
{
    weir_task *task = weir__core_task();
    struct weir__detail *detail = task == NULL ? NULL : detail_of(task);
    if (detail == NULL)
        return code;
    snprintf(detail->message, sizeof detail->message, "%s", text);
    detail->code = code;
    detail->address = address;
    return code;
}

void weir__failure_adopt(weir_task *task, struct weir__detail *detail)
{
    struct weir__extra *extra = weir__task_extra(task);
    if (extra == NULL) {
        weir__base_free(detail); /* the code itself is not lost */
        return;
    }
    weir__base_free(extra->detail);
    extra->detail = detail;
}

static bool says(const weir_failure *failure, void *arg)
{
    return failure->code == *(const int *)arg && failure->message[0] != '\0';
}

const char *weir_failure_message(int code)
{
    weir_task *task = weir__core_task();
    if (task == NULL && weir__job_detail != NULL && weir__job_detail->code == code)
        return weir__job_detail->message;
    if (task != NULL) {
        const struct weir__detail *detail = weir__failure_detail(task, code);
        if (detail != NULL)
            return detail->message;
        const weir_failure *failure = weir_failures_match_fn(task->last_failures, says, &code);
        if (failure != NULL)
            return failure->message;
    }
    return weir_code_text(code);
}

/* --- records ---------------------------------------------------------------------------------- */

static weir_failures *set_new(weir_loop *loop)
{
    weir_failures *set = weir__base_alloc_zero(sizeof *set);
    if (set != NULL)
        set->loop = loop;
    return set;
}

static weir_failures *set_of(weir_group *group)
{
    if (group->failures == NULL)
        group->failures = set_new(group->loop);
    if (group->failures != NULL)
        group->failures->primary_only = group->primary_only;
    return group->failures;
}

static void take_message(struct weir__failure_record *record, const struct weir__detail *detail)
{
    record->public.message = record->message;
    if (detail == NULL)
        return;
    memcpy(record->message, detail->message, sizeof record->message);
    record->public.fail_address = detail->address;
}

/* F4 */
weir_failures *weir__failure_claim_causes(weir_task *task, int code)
{
    weir_failures *set = task->last_failures;
    if (set == NULL || set->code != code)
        return NULL;
    set->loop->failures_delivered += weir__failures_settle(set);
    task->last_failures = NULL;
    return set;
}

void weir__failure_about(weir_failure *failure, weir_failure_origin origin, weir_task *task,
                         const weir_group *group)
{
    *failure = (weir_failure){
        .origin = origin,
        .task = weir__core_task_id(group->loop, task),
        .task_name = task->name,
        .task_fn = (const void *)(uintptr_t)task->fn,
        .group_name = group->name,
        .spawn_site = weir__task_spawn_site(task),
        .spawn_address = weir__task_spawn_address(task),
    };
}

static void complete(weir_loop *loop, struct weir__failure_record *record, int code,
                     const struct weir__detail *detail, weir_failures *causes)
{
    record->public.code = code;
    record->public.at_ns = weir_now();
    record->public.sequence = ++loop->failure_sequence;
    take_message(record, detail);
    record->public.causes = causes;
    if (causes != NULL)
        causes->owner = record;
}

void weir__failure_fill(struct weir__failure_record *record, weir_failure_origin origin,
                        weir_task *task, const weir_group *group, int code)
{
    weir__failure_about(&record->public, origin, task, group);
    complete(group->loop, record, code, weir__failure_detail(task, code),
             weir__failure_claim_causes(task, code));
}

int weir__failure_add(weir_group *group, weir_failure_origin origin, weir_task *task, int code)
{
    weir_loop *loop = group->loop;
    loop->failures_created++;
    group->failed = true;
    bool first = group->first_code == 0;
    if (first)
        group->first_code = code;
    weir_failures *set = set_of(group);
    struct weir__failure_record *record =
        set == NULL ? NULL : weir__base_alloc_zero(sizeof *record);
    if (record == NULL) {
        /* No memory for the story: the code of the first is returned all the same, and the rest
         * are counted and told at the close. */
        first = first && !group->first_lost;
        group->first_lost |= first;
        group->lost_count += !first;
        return code;
    }
    weir__failure_fill(record, origin, task, group, code);
    weir__failures_append(set, record);
    return code;
}

/* --- to another loop -------------------------------------------------------------------------- */

weir_failures *weir__failure_send(weir_task *task, int code)
{
    weir_failures *set = set_new(NULL);
    struct weir__failure_record *record =
        set == NULL ? NULL : weir__base_alloc_zero(sizeof *record);
    if (record == NULL) {
        weir__base_free(set);
        return NULL;
    }
    weir__failure_fill(record, WEIR_FAILURE_CHILD, task, task->group, code);
    record->public.group_name = NULL;
    record->public.loop_name = task->group->loop->name;
    record->settled = true;
    weir__failures_append(set, record);
    set->code = code;
    return set;
}

void weir__failure_receive(weir_task *task, weir_failures *failures)
{
    if (failures == NULL)
        return;
    const char *from = failures->first->public.loop_name;
    failures->loop = task->group->loop;
    for (struct weir__failure_record *at = failures->first; at != NULL;
         at = weir__failures_next(failures, at)) {
        at->set->loop = task->group->loop;
        if (at->public.loop_name == NULL)
            at->public.loop_name = from;
    }
    weir__failure_settle_last(task);
    task->last_failures = failures;
}

/* --- failures that wait for the set they belong in -------------------------------------------- */

void weir__late_add(weir_loop *loop, struct weir__late *late, weir_failure_origin origin,
                    weir_task *task, int code)
{
    loop->failures_created++;
    bool first = late->code == 0;
    if (first)
        late->code = code;
    if (late->failures == NULL)
        late->failures = set_new(loop);
    struct weir__failure_record *record =
        late->failures == NULL ? NULL : weir__base_alloc_zero(sizeof *record);
    if (record == NULL) {
        late->first_lost |= first;
        late->lost_count += !first;
        return;
    }
    weir__failure_fill(record, origin, task, task->group, code);
    weir__failures_append(late->failures, record);
}

static void move_records(weir_failures *to, weir_failures *from)
{
    struct weir__failure_record *record = from->first;
    while (record != NULL) {
        struct weir__failure_record *next = record->next;
        weir__failures_append(to, record);
        record = next;
    }
    from->first = from->last = NULL;
    weir__failures_release(from);
}

void weir__late_join(struct weir__late *late, struct weir__late *more)
{
    if (late->code == 0) {
        *late = *more;
        return;
    }
    late->lost_count += more->lost_count + more->first_lost;
    if (late->failures == NULL)
        late->failures = more->failures;
    else if (more->failures != NULL)
        move_records(late->failures, more->failures);
}

void weir__late_hand_in(weir_group *group, const struct weir__late *late)
{
    group->failed = true;
    bool first = group->first_code == 0;
    if (first)
        group->first_code = late->code;
    bool first_lost = late->first_lost && first && !group->first_lost;
    group->lost_count += late->lost_count + (late->first_lost && !first_lost);
    group->first_lost |= first_lost;
    if (late->failures == NULL)
        return;
    for (struct weir__failure_record *at = late->failures->first; at != NULL; at = at->next)
        at->public.group_name = group->name;
    if (group->failures != NULL) {
        move_records(group->failures, late->failures);
        return;
    }
    group->failures = late->failures;
    group->failures->primary_only = group->primary_only;
}

void weir__late_return(weir_loop *loop, weir_task *task, const struct weir__late *late)
{
    weir__failure_settle_last(task);
    loop->failures_delivered++;
    weir__failures_tell_lost(loop, task, late->lost_count);
    weir_failures *set = late->failures;
    if (set == NULL || set->count == 0) { /* maybe memory for the set, and none for a record */
        weir__failures_release(set);
        return;
    }
    set->code = late->code;
    set->first->settled |= !late->first_lost;
    task->last_failures = set;
}

/* --- where they go ---------------------------------------------------------------------------- */

void weir__failures_tell_lost(weir_loop *loop, weir_task *task, size_t count)
{
    if (count == 0)
        return;
    weir__core_find(&(struct weir__finding){
        .kind = WEIR__FINDING_FAILURES,
        .loop = loop,
        .task = task,
        .count = count,
        .what = "failures that there was no memory to keep: only their number is known"});
    loop->failures_reported += count;
}

void weir__failures_deliver(weir_group *group, weir_task *task, weir_failures **out_failures)
{
    weir_failures *set = group->failures;
    bool won = group->goal == WEIR__GOAL_WON;
    if (won && group->first_code == 0 && out_failures == NULL) {
        weir__failures_absorb(group);
        return;
    }
    size_t lost_count = group->lost_count;
    if (group->first_code == 0)
        lost_count += group->first_lost;
    else
        group->loop->failures_delivered++;
    if (won || group->primary_only)
        group->loop->failures_handled += lost_count;
    else
        weir__failures_tell_lost(group->loop, task, lost_count);
    if (set == NULL || set->count == 0) { /* maybe memory for the set, and none for a record */
        weir__failures_release(set);
        return;
    }
    set->code = group->first_code;
    set->first->settled |= group->first_code != 0 && !group->first_lost;
    set->inspected |= out_failures != NULL || won;
    if (out_failures != NULL)
        *out_failures = set;
    else
        task->last_failures = set;
}

void weir__failures_absorb(weir_group *group)
{
    group->loop->failures_handled += group->lost_count + group->first_lost;
    group->lost_count = 0;
    group->first_lost = false;
    if (group->failures != NULL)
        weir__failures_discard(group->failures, false);
    group->failures = NULL;
}

void weir__failure_tell(weir_loop *loop, const weir_failure *about, int code,
                        const struct weir__detail *detail, weir_failures *causes, const char *what)
{
    struct weir__failure_record record = {.public = *about};
    complete(loop, &record, code, detail, causes);
    weir_failures set = {.code = code, .loop = loop};
    weir__failures_append(&set, &record);
    loop->failures_reported++;
    weir__core_find(&(struct weir__finding){
        .kind = WEIR__FINDING_FAILURES, .loop = loop, .failures = &set, .count = 1, .what = what});
    weir__failures_release(causes);
}

void weir__failure_report(weir_task *task, weir_failure_origin origin, int code,
                          weir_failures *causes, const char *what)
{
    weir_failure about;
    weir__failure_about(&about, origin, task, task->group);
    weir__failure_tell(task->group->loop, &about, code, weir__failure_detail(task, code), causes,
                       what);
}

void weir__failures_discard(weir_failures *set, bool report_rest)
{
    weir_loop *loop = set->loop;
    size_t open_count = 0;
    for (const struct weir__failure_record *record = set->first; record != NULL;
         record = record->next)
        open_count += !record->settled;
    if (open_count > 0 && report_rest && !set->inspected && !set->primary_only) {
        weir__core_find(&(struct weir__finding){.kind = WEIR__FINDING_FAILURES,
                                                .loop = loop,
                                                .failures = set,
                                                .open_only = true,
                                                .count = open_count,
                                                .what = "failures beyond the first, which nobody "
                                                        "looked at"});
        loop->failures_reported += open_count;
    } else {
        loop->failures_handled += open_count;
    }
    weir__failures_release(set);
}
