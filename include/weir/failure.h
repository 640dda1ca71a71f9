/*
 * weir/failure.h - what went wrong, where, and why
 *
 * Codes travel as negative errno. What they mean here and now travels beside them: weir_fail() puts
 * a message and its own place next to the code, and the record goes up with it through groups.
 * Every failure ends returned, handled or reported; none is lost, none is told twice.
 */
#ifndef WEIR_FAILURE_H
#define WEIR_FAILURE_H

#include <weir/base.h>
#include <weir/task.h>

/** Where a failure came from. */
typedef enum weir_failure_origin {
    WEIR_FAILURE_CHILD,    /* a task of the group */
    WEIR_FAILURE_BODY,     /* the code between open and close */
    WEIR_FAILURE_DEFER,    /* a deferred function */
    WEIR_FAILURE_START,    /* a task that ended before it had started */
    WEIR_FAILURE_JOB,      /* work on an executor's thread, whose caller had left */
    WEIR_FAILURE_CALLBACK, /* a callback that heard of a task's end, or a supervisor's handler */
} weir_failure_origin;

/** One failure; read only. */
typedef struct weir_failure {
    int code; /* the negative errno */
    weir_failure_origin origin;
    weir_task_id task;
    const char *task_name;       /* or NULL: then task_fn says more */
    const void *task_fn;         /* the function the task ran */
    const char *group_name;      /* or NULL */
    const weir_site *spawn_site; /* where WEIR_SPAWN() stood, or NULL */
    const void *spawn_address;   /* code that called weir_spawn(), or NULL */
    const void *fail_address;    /* code that called weir_fail(), or NULL */
    const char *message;         /* what weir_fail() said; never NULL, may be empty */
    int64_t at_ns;
    uint64_t sequence;            /* order of completion within the loop */
    struct weir_failures *causes; /* the set it came from, or NULL */
    const char *loop_name;        /* of another loop on which it happened, or NULL: this one */
} weir_failure;

/** Every failure of a group, in order of completion. */
typedef struct weir_failures weir_failures;

/** Asks about one failure; the `arg` is the caller's. */
typedef bool weir_failure_fn(const weir_failure *failure, void *arg);

WEIR_BEGIN_DECLS

/**
 * Say what a code means here, and return it: `return weir_fail(-EIO, "disk %d is gone", disk);`
 *
 * The message stays with the calling task until it fails with another one; it is what reports,
 * weir_failure_message() and the group of the task show.
 *
 * @param code    a negative errno
 * @param format  as printf; 200 bytes are kept
 *
 * Returns     code
 * Checkpoint  no
 * Thread      any; outside a task and a job the message is dropped
 * Source      rule F2
 */
WEIR_API int weir_fail(int code, const char *format, ...) WEIR_PRINTF(2, 3);

/* `return weir_fail(...)` would be compiled into a jump, and the place of the failure would be its
 * caller's. This keeps the frame, and costs no instruction. */
static inline __attribute__((always_inline)) int weir__failed_here(int code)
{
    __asm__ volatile("");
    return code;
}
#define weir_fail(...) weir__failed_here(weir_fail(__VA_ARGS__))

/**
 * What is known about the code that a call just returned to this task: the message of weir_fail(),
 * or of the failure that came up through a group; else the general text of the code.
 *
 * @param code  what was returned
 *
 * Returns     text, valid until the task calls anything that can fail
 * Checkpoint  no
 * Thread      any
 */
WEIR_API const char *weir_failure_message(int code);

/**
 * How many failures a set holds.
 *
 * @param failures  NULL holds none
 *
 * Returns     a count
 * Checkpoint  no
 * Thread      the set's owner
 */
WEIR_API size_t weir_failures_count(const weir_failures *failures);

/**
 * One failure of a set, in order of completion.
 *
 * @param failures  the set
 * @param index     from zero
 *
 * Returns     valid as long as the set, or NULL when there is none at that index
 * Checkpoint  no
 * Thread      the set's owner
 */
WEIR_API const weir_failure *weir_failures_at(const weir_failures *failures, size_t index);

/**
 * The first failure with a code, here or among the causes: what `except*` is elsewhere.
 *
 * @param failures  the set; NULL has none
 * @param code      a negative errno; it equals itself only
 *
 * Returns     valid as long as the set, or NULL
 * Checkpoint  no
 * Thread      the set's owner
 * Source      rule F5
 */
WEIR_API const weir_failure *weir_failures_match(const weir_failures *failures, int code);

/**
 * The first failure that a function says yes to, here or among the causes.
 *
 * @param failures  the set; NULL has none
 * @param fn        asked about each, a failure before its causes, until it says true
 * @param arg       passed to fn
 *
 * Returns     valid as long as the set, or NULL
 * Checkpoint  no
 * Thread      the set's owner
 * Source      rule F5
 */
WEIR_API const weir_failure *weir_failures_match_fn(const weir_failures *failures,
                                                    weir_failure_fn *fn, void *arg);

/**
 * Take the failures of the group that this task closed last, if that failed. Without this call they
 * become the cause of what the task returns, or are reported.
 *
 *     rc = weir_group_close(group, rc);
 *     weir_failures *failures = weir_failures_take();
 *     if (failures == NULL)
 *         return rc;                          // well, or cut: -ECANCELED, -ETIME
 *     weir_failures_handle(failures, -ENOENT, NULL, NULL);
 *     return weir_failures_fail(failures);
 *
 * Returns     the set, to be given to weir_failures_free() or weir_failures_fail(); NULL when
 *             nothing failed, or it was taken already
 * Checkpoint  no
 * Thread      a loop's, in a task
 * Source      rule F5
 */
WEIR_API WEIR_MUST_CHECK weir_failures *weir_failures_take(void);

/**
 * Handle the failures with a code: they leave the set, wherever in it they are, and with them those
 * that had no other cause. Only failures without causes are asked about: the others say what the
 * first of their causes says.
 *
 * @param failures  NULL holds none; may be empty afterwards
 * @param code      a negative errno; it equals itself only
 * @param fn        called for each, in order; says false when the failure stays in the set; NULL:
 *                  all are handled
 * @param arg       passed to fn
 *
 * Returns     how many were handled
 * Checkpoint  no, unless fn parks
 * Thread      the set's owner
 * Source      rules F5, F6
 */
WEIR_API size_t weir_failures_handle(weir_failures *failures, int code, weir_failure_fn *fn,
                                     void *arg);

/**
 * Split a set in two. Both halves keep the shape of the whole: a failure with causes stands in both
 * when some of them match and some do not; branches without any are left out.
 *
 * @param failures     taken on success; NULL gives two times NULL
 * @param fn           asked once about each failure without causes, in order
 * @param arg          passed to fn
 * @param out_matched  those fn said true to, owned by the caller; NULL when there are none
 * @param out_rest     the others, likewise
 *
 * Returns     0 or a negative errno
 * Errors      -ENOMEM  no memory; the set is the caller's as before
 * Checkpoint  no
 * Thread      the set's owner
 * Source      rules F5, F6
 */
WEIR_API WEIR_MUST_CHECK int weir_failures_split(weir_failures *failures, weir_failure_fn *fn,
                                                 void *arg, weir_failures **out_matched,
                                                 weir_failures **out_rest);

/**
 * Fail with what is in a set: `return weir_failures_fail(rest);` The set becomes the cause of the
 * failure of this task or body, as it would have without being taken.
 *
 * @param failures  taken; NULL or an empty one is a success
 *
 * Returns     the code of the first failure of the set, or 0
 * Checkpoint  no
 * Thread      the set's owner
 * Source      rules F4, F5, F6
 */
WEIR_API WEIR_MUST_CHECK int weir_failures_fail(weir_failures *failures);

/**
 * Release a set; its failures count as handled.
 *
 * @param failures  taken; NULL does nothing
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the set's owner
 * Source      rule F6
 */
WEIR_API void weir_failures_free(weir_failures *failures);

WEIR_END_DECLS

#endif
