/*
 * failure.c - failures: their records, sets, and the account of where each one went
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

const char *weir_failure_message(int code)
{
    weir_task *task = weir__core_task();
    if (task == NULL && weir__job_detail != NULL && weir__job_detail->code == code)
        return weir__job_detail->message;
    if (task != NULL) {
        const struct weir__detail *detail = weir__failure_detail(task, code);
        if (detail != NULL)
            return detail->message;
        const weir_failure *failure = weir_failures_match(task->last_failures, code);
        while (failure != NULL && failure->message[0] == '\0' && failure->causes != NULL)
            failure = weir_failures_match(failure->causes, code);
        if (failure != NULL && failure->message[0] != '\0')
            return failure->message;
    }
    return weir_code_text(code);
}

/* --- records and sets ------------------------------------------------------------------------- */

static weir_failures *set_new(weir_group *group)
{
    weir_failures *set = weir__base_alloc_zero(sizeof *set);
    if (set != NULL) {
        set->loop = group->loop;
        set->primary_only = group->primary_only;
    }
    return set;
}

static void take_message(struct weir__failure_record *record, weir_task *task, int code)
{
    const struct weir__detail *detail = weir__failure_detail(task, code);
    record->message[0] = '\0';
    record->public.message = record->message;
    if (detail == NULL)
        return;
    memcpy(record->message, detail->message, sizeof record->message);
    record->public.fail_address = detail->address;
}

weir_failures *weir__failure_claim_causes(weir_task *task, int code)
{
    weir_failures *set = task->last_failures;
    if (set == NULL || set->first == NULL || set->first->public.code != code)
        return NULL;
    set->loop->failures_delivered += set->count + set->lost_count - 1;
    task->last_failures = NULL;
    return set;
}

static void fill_record(struct weir__failure_record *record, weir_failure_origin origin,
                        weir_task *task, const weir_group *group, int code)
{
    weir_loop *loop = group->loop;
    record->public = (weir_failure){
        .code = code,
        .origin = origin,
        .task = weir__core_task_id(loop, task),
        .task_name = task->name,
        .task_fn = (const void *)(uintptr_t)task->fn,
        .group_name = group->name,
        .spawn_site = weir__task_spawn_site(task),
        .spawn_address = weir__task_spawn_address(task),
        .at_ns = weir_now(),
        .sequence = ++loop->failure_sequence,
    };
    take_message(record, task, code);
}

int weir__failure_add(weir_group *group, weir_failure_origin origin, weir_task *task, int code)
{
    weir_loop *loop = group->loop;
    loop->failures_created++;
    if (group->first_code == 0)
        group->first_code = code;
    if (group->failures == NULL)
        group->failures = set_new(group);
    struct weir__failure_record *record =
        group->failures == NULL ? NULL : weir__base_alloc_zero(sizeof *record);
    if (record == NULL) {
        /* No memory for the story; the code is kept, and the account stays right. */
        if (group->failures != NULL)
            group->failures->lost_count++;
        else
            loop->failures_reported++;
        return code;
    }
    fill_record(record, origin, task, group, code);
    record->public.causes = weir__failure_claim_causes(task, code);
    weir_failures *set = group->failures;
    if (set->last == NULL)
        set->first = record;
    else
        set->last->next = record;
    set->last = record;
    set->count++;
    return code;
}

/* Causes are as deep as groups are nested, and this runs on a task's stack: no recursion. */
static void set_free(weir_failures *set)
{
    struct weir__failure_record *record = set->first;
    weir__base_free(set);
    while (record != NULL) {
        struct weir__failure_record *next = record->next;
        weir_failures *causes = record->public.causes;
        if (causes != NULL && causes->last != NULL) {
            causes->last->next = next;
            next = causes->first;
        }
        weir__base_free(causes);
        weir__base_free(record);
        record = next;
    }
}

void weir__failures_free_causes(weir_failures *causes)
{
    if (causes != NULL)
        set_free(causes);
}

void weir__failure_report(weir_task *task, weir_failure_origin origin, int code,
                          weir_failures *causes, const char *what)
{
    weir_loop *loop = task->group->loop;
    struct weir__failure_record record = {0};
    fill_record(&record, origin, task, task->group, code);
    record.public.causes = causes;
    weir_failures set = {.first = &record, .last = &record, .count = 1, .loop = loop};
    loop->failures_reported++;
    weir__core_find(&(struct weir__finding){
        .kind = WEIR__FINDING_FAILURES, .loop = loop, .failures = &set, .count = 1, .what = what});
    weir__failures_free_causes(causes);
}

/* The first record went with the return code of close. The rest is reported unless somebody
 * looked. */
void weir__failures_discard(weir_failures *set, bool report_rest)
{
    weir_loop *loop = set->loop;
    size_t rest = set->count + set->lost_count - 1; /* a set is made for its first failure */
    if (rest > 0 && report_rest && !set->inspected && !set->primary_only) {
        weir__core_find(&(struct weir__finding){.kind = WEIR__FINDING_FAILURES,
                                                .loop = loop,
                                                .failures = set,
                                                .skip_first = true,
                                                .count = rest,
                                                .what = "failures beyond the first, which nobody "
                                                        "looked at"});
        loop->failures_reported += rest;
    } else {
        loop->failures_handled += rest;
    }
    set_free(set);
}

void weir__failures_absorb(weir_failures *set)
{
    set->loop->failures_handled++;
    weir__failures_discard(set, false);
}

/* --- the public view -------------------------------------------------------------------------- */

size_t weir_failures_count(const weir_failures *failures)
{
    return failures == NULL ? 0 : failures->count;
}

const weir_failure *weir_failures_at(const weir_failures *failures, size_t index)
{
    const struct weir__failure_record *record = failures == NULL ? NULL : failures->first;
    while (record != NULL && index-- > 0)
        record = record->next;
    return record == NULL ? NULL : &record->public;
}

const weir_failure *weir_failures_match(const weir_failures *failures, int code)
{
    const struct weir__failure_record *record = failures == NULL ? NULL : failures->first;
    while (record != NULL) {
        if (record->public.code == code)
            return &record->public;
        const weir_failures *causes = record->public.causes;
        if (record->next == NULL && causes != NULL) {
            record = causes->first; /* the usual chain of single causes, as deep as groups are
                                       nested */
            continue;
        }
        const weir_failure *cause = weir_failures_match(causes, code);
        if (cause != NULL)
            return cause;
        record = record->next;
    }
    return NULL;
}

void weir_failures_free(weir_failures *failures)
{
    if (failures == NULL)
        return;
    failures->inspected = true;
    weir__failures_discard(failures, false);
}
