/*
 * failures.c - sets of failures: walking, matching, splitting and handling them
 *
 * Runs on  the loop's own thread, for whoever took the set; on a task's stack, so without
 *          recursion.
 * Holds    1. A record with causes has the code of the first of them, also when others were taken
 *             out.
 *          2. No set among causes is empty: a record whose causes are all gone goes with them.
 */
#include "base/alloc.h"
#include "core/core.h"

/* --- records in a set, and the tree below ----------------------------------------------------- */

void weir__failures_append(weir_failures *set, struct weir__failure_record *record)
{
    record->set = set;
    record->next = NULL;
    record->prev = set->last;
    if (set->last == NULL)
        set->first = record;
    else
        set->last->next = record;
    set->last = record;
    set->count++;
}

static void unlink_record(struct weir__failure_record *record)
{
    weir_failures *set = record->set;
    if (record->prev == NULL)
        set->first = record->next;
    else
        record->prev->next = record->next;
    if (record->next == NULL)
        set->last = record->prev;
    else
        record->next->prev = record->prev;
    set->count--;
    set->cursor = NULL;
}

static struct weir__failure_record *first_cause(const struct weir__failure_record *record)
{
    return record->public.causes == NULL ? NULL : record->public.causes->first;
}

/* The next that is not among the causes of this one. */
static struct weir__failure_record *skip(const weir_failures *set,
                                         const struct weir__failure_record *record)
{
    while (record->next == NULL) {
        if (record->set == set)
            return NULL;
        record = record->set->owner;
    }
    return record->next;
}

struct weir__failure_record *weir__failures_next(const weir_failures *set,
                                                 const struct weir__failure_record *record)
{
    struct weir__failure_record *cause = first_cause(record);
    return cause != NULL ? cause : skip(set, record);
}

size_t weir__failures_settle(weir_failures *set)
{
    size_t open_count = 0;
    for (struct weir__failure_record *record = set->first; record != NULL; record = record->next) {
        open_count += !record->settled;
        record->settled = true;
    }
    return open_count;
}

void weir__failures_release(weir_failures *set)
{
    struct weir__failure_record *record = set == NULL ? NULL : set->first;
    weir__base_free(set);
    while (record != NULL) {
        struct weir__failure_record *next = record->next;
        weir_failures *causes = record->public.causes;
        if (causes != NULL && causes->last != NULL) { /* they go next */
            causes->last->next = next;
            next = causes->first;
        }
        weir__base_free(causes);
        weir__base_free(record);
        record = next;
    }
}

/* --- looking ---------------------------------------------------------------------------------- */

size_t weir_failures_count(const weir_failures *failures)
{
    return failures == NULL ? 0 : failures->count;
}

const weir_failure *weir_failures_at(const weir_failures *failures, size_t index)
{
    if (failures == NULL || index >= failures->count)
        return NULL;
    /* Going on from the last one asked for makes a loop over all of them linear. */
    struct weir__failure_record *record = failures->cursor;
    size_t at = failures->cursor_index;
    if (record == NULL || at > index) {
        record = failures->first;
        at = 0;
    }
    for (; at < index; at++)
        record = record->next;
    weir_failures *set = record->set;
    if (set != NULL) {
        set->cursor = record;
        set->cursor_index = index;
    }
    return &record->public;
}

static bool has_code(const weir_failure *failure, void *arg)
{
    return failure->code == *(const int *)arg;
}

const weir_failure *weir_failures_match(const weir_failures *failures, int code)
{
    return weir_failures_match_fn(failures, has_code, &code);
}

const weir_failure *weir_failures_match_fn(const weir_failures *failures, weir_failure_fn *fn,
                                           void *arg)
{
    struct weir__failure_record *record = failures == NULL ? NULL : failures->first;
    while (record != NULL && !fn(&record->public, arg))
        record = weir__failures_next(failures, record);
    return record == NULL ? NULL : &record->public;
}

/* --- taking, and giving back ------------------------------------------------------------------ */

weir_failures *weir_failures_take(void)
{
    weir_task *task = weir__core_task();
    weir_failures *set = task == NULL ? NULL : task->last_failures;
    if (set == NULL)
        return NULL;
    task->last_failures = NULL;
    set->inspected = true;
    return set;
}

int weir_failures_fail(weir_failures *failures)
{
    if (failures == NULL)
        return 0;
    if (failures->count == 0) {
        weir__failures_release(failures);
        return 0;
    }
    struct weir__failure_record *first = failures->first;
    int code = first->public.code;
    failures->loop->failures_delivered += !first->settled;
    first->settled = true;
    failures->code = code;
    failures->inspected = false; /* what nobody handled is nobody's if the code gets lost */
    weir_task *task = weir__core_task();
    if (task == NULL) {
        weir__failures_discard(failures, true);
    } else {
        weir__failure_settle_last(task);
        task->last_failures = failures;
    }
    return code;
}

void weir_failures_free(weir_failures *failures)
{
    if (failures != NULL)
        weir__failures_discard(failures, false);
}

/* --- taking records out ----------------------------------------------------------------------- */

/* Owners say the code of their first cause. */
static void renew_codes(struct weir__failure_record *owner)
{
    while (owner != NULL) {
        int code = first_cause(owner)->public.code;
        if (owner->public.code == code)
            return;
        owner->public.code = code;
        owner = owner->set->owner;
    }
}

/* A record without causes goes, and so does every owner that has none left. Returns how many of
 * them were not settled; a twin takes over what is owed for its original. */
static size_t take_out(struct weir__failure_record *record)
{
    size_t open_count = 0;
    for (;;) {
        weir_failures *set = record->set;
        unlink_record(record);
        if (record->twin != NULL)
            record->twin->settled = record->settled;
        else
            open_count += !record->settled;
        weir__base_free(record);
        record = set->owner;
        if (record == NULL || set->count > 0)
            break;
        record->public.causes = NULL;
        weir__base_free(set);
    }
    renew_codes(record);
    return open_count;
}

size_t weir_failures_handle(weir_failures *failures, int code, weir_failure_fn *fn, void *arg)
{
    size_t handled_count = 0;
    struct weir__failure_record *record = failures == NULL ? NULL : failures->first;
    while (record != NULL) {
        struct weir__failure_record *next = weir__failures_next(failures, record);
        record->twin = NULL; /* of an earlier split */
        if (first_cause(record) == NULL && record->public.code == code &&
            (fn == NULL || fn(&record->public, arg))) {
            failures->loop->failures_handled += take_out(record);
            handled_count++;
        }
        record = next;
    }
    return handled_count;
}

/* --- splitting -------------------------------------------------------------------------------- */

static weir_failures *new_like(const weir_failures *set)
{
    weir_failures *like = weir__base_alloc_zero(sizeof *like);
    if (like != NULL) {
        like->loop = set->loop;
        like->code = set->code;
        like->inspected = true;
        like->primary_only = set->primary_only;
    }
    return like;
}

static struct weir__failure_record *new_twin(struct weir__failure_record *record)
{
    struct weir__failure_record *twin = weir__base_alloc(sizeof *twin);
    if (twin == NULL)
        return NULL;
    *twin = *record;
    twin->public.message = twin->message;
    twin->public.causes = NULL;
    twin->twin = NULL;
    twin->settled = true; /* as long as the original is there */
    record->twin = twin;
    return twin;
}

/* Asks fn about every record without causes, and marks those it wants with all their owners. */
static void mark(weir_failures *set, weir_failure_fn *fn, void *arg)
{
    struct weir__failure_record *record;
    for (record = set->first; record != NULL; record = weir__failures_next(set, record)) {
        record->matched = false;
        record->twin = NULL;
        if (first_cause(record) != NULL || !fn(&record->public, arg))
            continue;
        struct weir__failure_record *up = record;
        while (up != NULL && !up->matched) {
            up->matched = true;
            up = up->set->owner;
        }
    }
}

/* What is marked, once more; the twin of an owner is there before those of its causes. */
static int copy_marked(const weir_failures *set, weir_failures *matched)
{
    struct weir__failure_record *record;
    for (record = set->first; record != NULL; record = weir__failures_next(set, record)) {
        if (!record->matched)
            continue;
        struct weir__failure_record *twin = new_twin(record);
        if (twin == NULL)
            return -ENOMEM;
        const struct weir__failure_record *owner = record->set->owner;
        weir_failures *into = owner == NULL ? matched : owner->twin->public.causes;
        weir__failures_append(into, twin);
        if (first_cause(record) != NULL) {
            twin->public.causes = new_like(record->public.causes);
            if (twin->public.causes == NULL)
                return -ENOMEM;
            twin->public.causes->owner = twin;
        }
        renew_codes(into->owner);
    }
    return 0;
}

static void take_out_marked(weir_failures *set)
{
    struct weir__failure_record *record = set->first;
    while (record != NULL) {
        struct weir__failure_record *next = weir__failures_next(set, record);
        if (record->matched && first_cause(record) == NULL)
            take_out(record);
        record = next;
    }
}

/* An empty set is told as NULL. */
static weir_failures *unless_empty(weir_failures *set)
{
    if (set->count > 0)
        return set;
    weir__failures_release(set);
    return NULL;
}

int weir_failures_split(weir_failures *failures, weir_failure_fn *fn, void *arg,
                        weir_failures **out_matched, weir_failures **out_rest)
{
    if (failures == NULL) {
        *out_matched = *out_rest = NULL;
        return 0;
    }
    weir_failures *matched = new_like(failures);
    if (matched == NULL)
        return -ENOMEM;
    mark(failures, fn, arg);
    int rc = copy_marked(failures, matched);
    if (rc < 0) {
        weir__failures_release(matched); /* the originals still answer for everything */
        return rc;
    }
    take_out_marked(failures);
    *out_matched = unless_empty(matched);
    *out_rest = unless_empty(failures);
    return 0;
}
