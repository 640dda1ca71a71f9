/*
 * weir/log.h - structured log lines: a message and named values
 *
 *     weir_log_info("listening", WEIR_KV("address", text), WEIR_KV("port", port));
 *
 * Lines go to standard error as text or JSON (one object a line), written by a thread of their own
 * so that a slow reader never blocks a loop. What does not fit its queue is counted, and the count
 * is logged.
 */
#ifndef WEIR_LOG_H
#define WEIR_LOG_H

#include <weir/base.h>

typedef enum weir_log_level {
    WEIR_LOG_DEBUG,
    WEIR_LOG_INFO,
    WEIR_LOG_WARN,
    WEIR_LOG_ERROR,
} weir_log_level;

typedef enum weir_log_format {
    WEIR_LOG_TEXT,
    WEIR_LOG_JSON,
} weir_log_format;

typedef enum weir_log_kind {
    WEIR_LOG_KIND_INT,
    WEIR_LOG_KIND_UINT,
    WEIR_LOG_KIND_DOUBLE,
    WEIR_LOG_KIND_BOOL,
    WEIR_LOG_KIND_TEXT,
} weir_log_kind;

/** One named value of a line; made by WEIR_KV(). */
typedef struct weir_log_value {
    const char *key;
    weir_log_kind kind;
    union {
        int64_t i;
        uint64_t u;
        double d;
        bool b;
        const char *s;
    } as;
} weir_log_value;

static inline weir_log_value weir__log_int(const char *key, int64_t value)
{
    weir_log_value kv;
    kv.key = key;
    kv.kind = WEIR_LOG_KIND_INT;
    kv.as.i = value;
    return kv;
}
static inline weir_log_value weir__log_uint(const char *key, uint64_t value)
{
    weir_log_value kv;
    kv.key = key;
    kv.kind = WEIR_LOG_KIND_UINT;
    kv.as.u = value;
    return kv;
}
static inline weir_log_value weir__log_double(const char *key, double value)
{
    weir_log_value kv;
    kv.key = key;
    kv.kind = WEIR_LOG_KIND_DOUBLE;
    kv.as.d = value;
    return kv;
}
static inline weir_log_value weir__log_bool(const char *key, bool value)
{
    weir_log_value kv;
    kv.key = key;
    kv.kind = WEIR_LOG_KIND_BOOL;
    kv.as.b = value;
    return kv;
}
static inline weir_log_value weir__log_text(const char *key, const char *value)
{
    weir_log_value kv;
    kv.key = key;
    kv.kind = WEIR_LOG_KIND_TEXT;
    kv.as.s = value;
    return kv;
}

/** A named value of a log line: integer, double, bool or string, told apart by its type. */
#define WEIR_KV(name, value)                                                                       \
    _Generic((value),                                                                              \
        bool: weir__log_bool,                                                                      \
        char *: weir__log_text,                                                                    \
        const char *: weir__log_text,                                                              \
        float: weir__log_double,                                                                   \
        double: weir__log_double,                                                                  \
        unsigned char: weir__log_uint,                                                             \
        unsigned short: weir__log_uint,                                                            \
        unsigned int: weir__log_uint,                                                              \
        unsigned long: weir__log_uint,                                                             \
        unsigned long long: weir__log_uint,                                                        \
        default: weir__log_int)("" name, (value))

#define weir__log(level, message, ...)                                                             \
    weir_log_write((level), (message),                                                             \
                   (const weir_log_value[]){__VA_ARGS__ __VA_OPT__(, )(weir_log_value){0}})

/* Each takes a message and any number of WEIR_KV(). */
#define weir_log_debug(message, ...) weir__log(WEIR_LOG_DEBUG, message __VA_OPT__(, ) __VA_ARGS__)
#define weir_log_info(message, ...) weir__log(WEIR_LOG_INFO, message __VA_OPT__(, ) __VA_ARGS__)
#define weir_log_warn(message, ...) weir__log(WEIR_LOG_WARN, message __VA_OPT__(, ) __VA_ARGS__)
#define weir_log_error(message, ...) weir__log(WEIR_LOG_ERROR, message __VA_OPT__(, ) __VA_ARGS__)

WEIR_BEGIN_DECLS

/**
 * Write one line. The macros above are the usual way to call it.
 *
 * @param level    lines below the set level are dropped at once
 * @param message  one sentence or a short name; copied
 * @param values   ends with an entry whose key is NULL; copied
 *
 * Returns     nothing: a line that cannot be queued is counted and the count is logged later
 * Checkpoint  no
 * Thread      any
 */
WEIR_API void weir_log_write(weir_log_level level, const char *message,
                             const weir_log_value *values);

/**
 * Set the form of the lines and the least level that is written.
 *
 * @param format  text (default) or JSON
 * @param level   default WEIR_LOG_INFO
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any
 */
WEIR_API void weir_log_configure(weir_log_format format, weir_log_level level);

/**
 * Wait, on this thread, until every line queued so far is written. For the end of a program; exit()
 * does it too. A reader that takes nothing for four seconds is not waited for any longer.
 *
 * Returns     nothing
 * Checkpoint  no: it blocks the thread; never call it from a task that serves anybody
 * Thread      any
 */
WEIR_API void weir_log_flush(void);

/**
 * Send the lines to another descriptor than standard error.
 *
 * Lines that are still queued go there too. Waits (at most four seconds) until the earlier
 * descriptor is no longer in use, so that it may be closed afterwards.
 *
 * @param fd  kept: open until the process ends or another one is set
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any
 */
WEIR_API void weir_log_set_fd(int fd);

WEIR_END_DECLS

#endif
