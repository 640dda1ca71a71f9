/*
 * weir/base.h - marks, units and limits that every other header uses
 *
 * Conventions of all headers: `int` is 0 (or a count) or a negative errno, `ssize_t` a count or a
 * negative errno; nothing is reported through `errno`. Every pointer is borrowed for the call
 * unless its line says *kept* or *taken*. Durations and instants are nanoseconds in `int64_t`.
 */
#ifndef WEIR_BASE_H
#define WEIR_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
#define WEIR_BEGIN_DECLS extern "C" {
#define WEIR_END_DECLS }
#else
#define WEIR_BEGIN_DECLS
#define WEIR_END_DECLS
#endif

/** Exported from the library; everything without it is hidden from the linker. */
#define WEIR_API __attribute__((visibility("default")))
/** May park the calling task, and notices cancellation: what other languages show as `await`. */
#define WEIR_CHECKPOINT
/** The result says whether it worked: the compiler warns when it is dropped, and refuses with
 * -Werror=unused-result, which every program should be built with. See weir_ignore(). */
#define WEIR_MUST_CHECK __attribute__((warn_unused_result))
/** Arguments are checked like those of printf. */
#define WEIR_PRINTF(format, first) __attribute__((__format__(__printf__, format, first)))

/* --- time: nanoseconds on the monotonic clock ------------------------------------------------ */

#define WEIR_NS INT64_C(1)
#define WEIR_US INT64_C(1000)
#define WEIR_MS INT64_C(1000000)
#define WEIR_SEC INT64_C(1000000000)
#define WEIR_MIN (60 * WEIR_SEC)
#define WEIR_HOUR (60 * WEIR_MIN)

/** An instant that never comes: a deadline that is not there. */
#define WEIR_NEVER INT64_MAX
/** A duration without end. Where it is given, somebody meant it: zero is the safe default. */
#define WEIR_FOREVER INT64_MAX
/** A size or count without limit. Where it is given, somebody meant it. */
#define WEIR_UNLIMITED SIZE_MAX

/** Result of leaving a scope or group that absorbed an explicit cancel (rule C7). */
#define WEIR_CAUGHT 1

/**
 * Drop a result by name, with the reason; a cast to void still warns under gcc.
 *
 *     weir_ignore(weir_conn_finish(conn), "the peer may be gone; we close either way");
 */
#define weir_ignore(expression, reason)                                                            \
    do {                                                                                           \
        __auto_type weir__ignored = (expression);                                                  \
        (void)weir__ignored;                                                                       \
        (void)("" reason);                                                                         \
    } while (0)

/** Where in the program something was declared or spawned; macros make them, nobody frees them. */
typedef struct weir_site {
    const char *file;
    const char *function;
    int line;
} weir_site;

/** A stretch of characters that ends where `size` says; not terminated, never owned. */
typedef struct weir_str {
    const char *data;
    size_t size;
} weir_str;

/** A weir_str over a string literal. */
#define WEIR_STR(literal) ((weir_str){("" literal), sizeof(literal) - 1})

/** Bytes the caller owns; release them with weir_bytes_free(). */
typedef struct weir_bytes {
    void *data;
    size_t size;
} weir_bytes;

WEIR_BEGIN_DECLS

/**
 * Release bytes that a call handed out, and leave the struct empty.
 *
 * @param bytes  emptied; NULL and an empty one do nothing
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any
 */
WEIR_API void weir_bytes_free(weir_bytes *bytes);

/**
 * Time of the monotonic clock in nanoseconds, read now; a test clock answers when one is installed.
 *
 * Returns     nanoseconds since some point in the past
 * Checkpoint  no
 * Thread      any
 * Source      clock_gettime(2), CLOCK_MONOTONIC; rule Q1
 */
WEIR_API int64_t weir_now(void);

/**
 * Short name and sentence of a code of weir: `EIO: input/output error`; knows weir's own meanings.
 *
 * @param rc  a negative errno, 0 or WEIR_CAUGHT
 *
 * Returns     a static string, never NULL
 * Checkpoint  no
 * Thread      any
 */
WEIR_API const char *weir_code_text(int rc);

/**
 * Short name of a code of weir, such as `EIO`.
 *
 * @param rc  a negative errno, 0 or WEIR_CAUGHT
 *
 * Returns     a static string, never NULL
 * Checkpoint  no
 * Thread      any
 */
WEIR_API const char *weir_code_name(int rc);

/**
 * Whether a code says that the network or the peer failed, so that another try may help: refused,
 * reset, unreachable, hung up, timed out.
 *
 * @param rc  a negative errno; anything else is none
 *
 * Returns     true for those codes
 * Checkpoint  no
 * Thread      any
 * Source      rule F5
 */
WEIR_API bool weir_code_is_network(int rc);

/**
 * Whether a code says that time was up: a scope's own deadline (-ETIME), or the limit of the
 * kernel, a peer or a connection (-ETIMEDOUT).
 *
 * @param rc  a negative errno; anything else is none
 *
 * Returns     true for these two
 * Checkpoint  no
 * Thread      any
 * Source      rule F5
 */
WEIR_API bool weir_code_is_timeout(int rc);

WEIR_END_DECLS

#endif
