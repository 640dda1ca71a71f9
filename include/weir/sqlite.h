/*
 * weir/sqlite.h - SQLite on a thread of its own, with answers as structs
 *
 *     typedef struct { int64_t id; const char *url; WEIR_OPT(int32_t) status; } result;
 *     WEIR_MODEL(result, WEIR_FIELD(id), WEIR_FIELD(url), WEIR_FIELD(status))
 *
 *     static const char *const schema[] = {
 *         "CREATE TABLE results (id INTEGER PRIMARY KEY, url TEXT NOT NULL, status INTEGER)",
 *         NULL,
 *     };
 *     rc = weir_sqlite_open("data/results.db", &(weir_sqlite_options){.schema = schema}, &db);
 *
 *     changed = weir_sqlite_run(db, "INSERT INTO results (url) VALUES (?1)", WEIR_SQL(url));
 *
 *     WEIR_LIST(result) rows;
 *     rc = WEIR_SQLITE_SELECT(db, "SELECT * FROM results WHERE id > ?1", WEIR_SQL(last), arena,
 *                             result, &rows);
 *
 * Only the calling task waits. When a call has returned success, its change is on the disk and
 * survives a crash of the process and of the machine (write-ahead log, synchronous=FULL). Changes
 * that wait at the same time are committed together: a thousand small ones need a few writes to the
 * disk, not a thousand. Each succeeds or fails by itself all the same.
 *
 * A cancelled caller leaves the queue, and nothing was changed. A change that is being made is
 * waited for and its result returned; a query that is running is interrupted.
 *
 * The text of an error is SQLite's: weir_failure_message().
 */
#ifndef WEIR_SQLITE_H
#define WEIR_SQLITE_H

#include <weir/arena.h>
#include <weir/base.h>
#include <weir/model.h>

/** A database; tasks of all loops may use it. */
typedef struct weir_sqlite weir_sqlite;

/** A transaction, inside the function of weir_sqlite_transaction(). */
typedef struct weir_sqlite_tx weir_sqlite_tx;

/** Changes and queries that happen together or not at all; runs on the database's thread. */
typedef int weir_sqlite_tx_fn(weir_sqlite_tx *tx, void *arg);

/** When a change counts as made. */
typedef enum weir_sqlite_sync {
    WEIR_SQLITE_SYNC_FULL,   /* it survives a power loss */
    WEIR_SQLITE_SYNC_NORMAL, /* the last ones may be lost with the power, not with the process */
} weir_sqlite_sync;

/** How to open a database. Zero is the default of each field. */
typedef struct weir_sqlite_options {
    const char *const
        *schema;           /* steps that make the tables, ended by NULL: each runs once in the life
                                  of the file (user_version counts them). Only add to the end */
    weir_sqlite_sync sync; /* default WEIR_SQLITE_SYNC_FULL */
    int64_t busy_timeout_ns; /* waiting for another process that writes; 0: 5 s */
    size_t answer_bytes_max; /* of one query; 0: 64 MiB; more is -EMSGSIZE */
    const char *name;        /* kept, of its thread; 15 bytes are used; NULL: "sqlite" */
    bool read_only;
} weir_sqlite_options;

/** What a value is. */
typedef enum weir_sqlite_kind {
    WEIR_SQLITE_NULL,
    WEIR_SQLITE_INT,
    WEIR_SQLITE_DOUBLE,
    WEIR_SQLITE_TEXT,
    WEIR_SQLITE_BLOB,
} weir_sqlite_kind;

/** One value for a `?`; made by WEIR_SQL(). */
typedef struct weir_sqlite_value {
    weir_sqlite_kind kind;
    int64_t number;
    double real;
    const void *data; /* kept until the call returns */
    size_t size;
} weir_sqlite_value;

/** The values of a statement; made by WEIR_SQL(). */
typedef struct weir_sqlite_values {
    const weir_sqlite_value *items;
    size_t count;
} weir_sqlite_values;

/** A snapshot of a database. */
typedef struct weir_sqlite_stats {
    size_t queued;         /* calls that wait, the running ones included */
    uint64_t calls;        /* ended */
    uint64_t failed;       /* of them */
    uint64_t transactions; /* commits that were tried: fewer than changes when they came together */
    size_t together_max;   /* most calls in one of them */
    int64_t longest_ns;    /* commit */
} weir_sqlite_stats;

static inline weir_sqlite_value weir__sql_int(int64_t number)
{
    weir_sqlite_value value = {WEIR_SQLITE_INT, number, 0, NULL, 0};
    return value;
}
static inline weir_sqlite_value weir__sql_double(double real)
{
    weir_sqlite_value value = {WEIR_SQLITE_DOUBLE, 0, real, NULL, 0};
    return value;
}
static inline weir_sqlite_value weir__sql_text(const char *text)
{
    weir_sqlite_value value = {text == NULL ? WEIR_SQLITE_NULL : WEIR_SQLITE_TEXT, 0, 0, text,
                               text == NULL ? 0 : __builtin_strlen(text)};
    return value;
}
static inline weir_sqlite_value weir__sql_str(weir_str text)
{
    weir_sqlite_value value = {WEIR_SQLITE_TEXT, 0, 0, text.data == NULL ? "" : text.data,
                               text.size};
    return value;
}
static inline weir_sqlite_value weir__sql_bytes(weir_bytes bytes)
{
    weir_sqlite_value value = {WEIR_SQLITE_BLOB, 0, 0, bytes.data, bytes.size};
    return value;
}
static inline weir_sqlite_value weir__sql_self(weir_sqlite_value value)
{
    return value;
}

/** NULL as a value of WEIR_SQL(); so is a `char *` that is NULL. */
#define WEIR_SQL_NULL ((weir_sqlite_value){.kind = WEIR_SQLITE_NULL})

/** A number of type WEIR_OPT(): its value, or NULL when it is absent. */
#define WEIR_SQL_OPT(opt) ((opt).present ? WEIR__SQL_VALUE((opt).value) : WEIR_SQL_NULL)

/**
 * The values of a statement, in the order of ?1, ?2 …: integers, bool, double, `char *`, weir_str
 * (text), weir_bytes (blob), or a weir_sqlite_value. At most 32; none: `WEIR_SQL()`.
 */
#define WEIR_SQL(...)                                                                              \
    ((weir_sqlite_values){.items = (const weir_sqlite_value[]){__VA_OPT__(                         \
                              WEIR__SQL_EACH(__VA_ARGS__)) WEIR_SQL_NULL},                         \
                          .count = sizeof((const weir_sqlite_value[]){                             \
                                       __VA_OPT__(WEIR__SQL_EACH(__VA_ARGS__)) WEIR_SQL_NULL}) /   \
                                       sizeof(weir_sqlite_value) -                                 \
                                   1})

/* clang-format off */
#define WEIR__SQL_VALUE(value)                                                                     \
    _Generic((value),                                                                              \
        float: weir__sql_double, double: weir__sql_double,                                         \
        char *: weir__sql_text, const char *: weir__sql_text,                                      \
        weir_str: weir__sql_str, weir_bytes: weir__sql_bytes,                                      \
        weir_sqlite_value: weir__sql_self,                                                         \
        default: weir__sql_int)(value)
#define WEIR__SQL_EACH(...)                                                                        \
    WEIR__SQL_PICK(__VA_ARGS__, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17,    \
                   16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1)(__VA_ARGS__)
#define WEIR__SQL_PICK(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, \
                       a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32,  \
                       n, ...) WEIR__SQL_##n
#define WEIR__SQL_1(a) WEIR__SQL_VALUE(a),
#define WEIR__SQL_2(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_1(__VA_ARGS__)
#define WEIR__SQL_3(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_2(__VA_ARGS__)
#define WEIR__SQL_4(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_3(__VA_ARGS__)
#define WEIR__SQL_5(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_4(__VA_ARGS__)
#define WEIR__SQL_6(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_5(__VA_ARGS__)
#define WEIR__SQL_7(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_6(__VA_ARGS__)
#define WEIR__SQL_8(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_7(__VA_ARGS__)
#define WEIR__SQL_9(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_8(__VA_ARGS__)
#define WEIR__SQL_10(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_9(__VA_ARGS__)
#define WEIR__SQL_11(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_10(__VA_ARGS__)
#define WEIR__SQL_12(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_11(__VA_ARGS__)
#define WEIR__SQL_13(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_12(__VA_ARGS__)
#define WEIR__SQL_14(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_13(__VA_ARGS__)
#define WEIR__SQL_15(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_14(__VA_ARGS__)
#define WEIR__SQL_16(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_15(__VA_ARGS__)
#define WEIR__SQL_17(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_16(__VA_ARGS__)
#define WEIR__SQL_18(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_17(__VA_ARGS__)
#define WEIR__SQL_19(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_18(__VA_ARGS__)
#define WEIR__SQL_20(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_19(__VA_ARGS__)
#define WEIR__SQL_21(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_20(__VA_ARGS__)
#define WEIR__SQL_22(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_21(__VA_ARGS__)
#define WEIR__SQL_23(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_22(__VA_ARGS__)
#define WEIR__SQL_24(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_23(__VA_ARGS__)
#define WEIR__SQL_25(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_24(__VA_ARGS__)
#define WEIR__SQL_26(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_25(__VA_ARGS__)
#define WEIR__SQL_27(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_26(__VA_ARGS__)
#define WEIR__SQL_28(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_27(__VA_ARGS__)
#define WEIR__SQL_29(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_28(__VA_ARGS__)
#define WEIR__SQL_30(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_29(__VA_ARGS__)
#define WEIR__SQL_31(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_30(__VA_ARGS__)
#define WEIR__SQL_32(a, ...) WEIR__SQL_VALUE(a), WEIR__SQL_31(__VA_ARGS__)
/* clang-format on */

WEIR_BEGIN_DECLS

/**
 * Open a database, make it if it is not there, and bring its tables up to date.
 *
 * The file uses a write-ahead log, and foreign keys are enforced. A file system that cannot have
 * such a log (some network ones) is refused, because what is promised here could not be kept there.
 *
 * @param path     of the file, its folder exists; ":memory:" for one that goes with the process
 * @param options  borrowed; NULL for the defaults
 * @param out_db   closed with weir_sqlite_close()
 *
 * Returns     0 or a negative errno; weir_failure_message() names the file
 * Errors      -ENOENT      the folder is not there, or read_only and the file
 *             -EACCES      no right to use it
 *             -EBADMSG     not a database, or damaged
 *             -EOPNOTSUPP  no write-ahead log is possible there, or a newer program made its tables
 *             -EBUSY       another process holds it
 *             -EINVAL      an option or a step of the schema is wrong
 *             -ENOMEM, -ENOSPC, -EIO  as they say
 *             -EAGAIN      no thread could be started
 *             -ECANCELED   the caller's scope is cancelled
 *             -EPERM       called outside a task
 * Checkpoint  always
 * Thread      any loop's, in a task
 * Source      sqlite.org/wal.html
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_sqlite_open(const char *path,
                                                              const weir_sqlite_options *options,
                                                              weir_sqlite **out_db);

/**
 * Close a database after everything that waits for it has been done. It cannot be left early.
 *
 * @param db  taken; NULL does nothing. Nobody may begin to use it any more
 *
 * Returns     nothing
 * Checkpoint  always; other tasks go on. Outside a task it blocks the thread
 * Thread      any
 * Source      rule O8
 */
WEIR_API WEIR_CHECKPOINT void weir_sqlite_close(weir_sqlite *db);

/**
 * Run one statement that changes something.
 *
 * @param db      open
 * @param sql     one statement, with ?1, ?2 … where values go; it is prepared once and kept. Not
 *                BEGIN or its kind: see weir_sqlite_transaction()
 * @param values  as many as the statement takes; kept until this returns
 *
 * Returns     how many rows were changed, on the disk by now; or a negative errno
 * Errors      -EEXIST     it is there already (UNIQUE, PRIMARY KEY)
 *             -EINVAL     another rule of the table forbids it, or the statement is wrong
 *             -EBUSY      another process held the file for too long
 *             -ENOSPC     the disk is full
 *             -EIO        the disk failed
 *             -EROFS      opened read-only, or the file is
 *             -EBADMSG    the file is damaged
 *             -EMSGSIZE   a value is too large
 *             -ENOMEM     no memory
 *             -ESHUTDOWN  the database is being closed
 *             -ECANCELED  the caller's scope is cancelled, and nothing was changed
 *             -EPERM      called outside a task
 * Checkpoint  always
 * Thread      any loop's, in a task
 * Source      rules X5, O4
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK ssize_t weir_sqlite_run(weir_sqlite *db, const char *sql,
                                                                 weir_sqlite_values values);

/**
 * Run statements by themselves, not together with others: tables, PRAGMA, VACUUM.
 *
 * @param db      open
 * @param script  any number of statements; the first that fails ends it, what was before stays
 *
 * Returns     0 or a negative errno
 * Errors      as weir_sqlite_run(); -EINVAL also when it leaves a transaction open, which is undone
 * Checkpoint  always
 * Thread      any loop's, in a task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_sqlite_exec(weir_sqlite *db, const char *script);

/**
 * Run one statement and read its rows into structs; what WEIR_SQLITE_SELECT() calls.
 *
 * A column goes to the field of its name (in JSON). NULL fits a WEIR_OPT and an `.optional` string;
 * a string takes text, a number takes numbers within its range, a bool 0 and 1. Columns without a
 * field are skipped, unless the model is strict; a field without a column takes its `.or_else`, or
 * is absent if it may be. Lists and nested structs are read from JSON text.
 *
 * @param db         open
 * @param sql        one statement; one with RETURNING changes something, and is then on the disk
 * @param values     as many as the statement takes; kept until this returns
 * @param arena      the rows and their strings are taken from it
 * @param model      of the rows
 * @param out_items  an array of structs; NULL when there is none
 * @param out_count  how many
 *
 * Returns     0 or a negative errno
 * Errors      as weir_sqlite_run(), and
 *             -EMSGSIZE   more than answer_bytes_max
 *             -EDOM       a column does not fit its field, or a field has no column: the message
 *                         says which. What the statement changed stays
 *             -ECANCELED  also while it ran, if it only reads
 * Checkpoint  always
 * Thread      any loop's, in a task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_sqlite_query(weir_sqlite *db, const char *sql,
                                                               weir_sqlite_values values,
                                                               weir_arena *arena,
                                                               const weir_model *model,
                                                               void **out_items, size_t *out_count);

/**
 * The same for one row.
 *
 * @param db         open
 * @param sql        one statement
 * @param values     as many as the statement takes; kept until this returns
 * @param arena      the strings of the row are taken from it
 * @param model      of the row
 * @param out_value  the struct; written on success only
 *
 * Returns     0 or a negative errno
 * Errors      as weir_sqlite_query(), and
 *             -ENOENT  there is no row
 *             -EINVAL  there are several
 * Checkpoint  always
 * Thread      any loop's, in a task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_sqlite_get(weir_sqlite *db, const char *sql,
                                                             weir_sqlite_values values,
                                                             weir_arena *arena,
                                                             const weir_model *model,
                                                             void *out_value);

/**
 * Do several things together or not at all.
 *
 * The function runs on the database's thread, while the caller waits: it uses the weir_sqlite_tx
 * calls, and no call marked WEIR_CHECKPOINT. Everybody else's changes wait for it, so it should be
 * short.
 *
 * @param db   open
 * @param fn   returns 0 to keep what it did, or a negative errno to undo it
 * @param arg  passed to fn; on the caller's stack if you like
 *
 * Returns     0: it is on the disk; or what fn returned, with its message; or a negative errno
 * Errors      as weir_sqlite_run()
 * Checkpoint  always
 * Thread      any loop's, in a task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_sqlite_transaction(weir_sqlite *db,
                                                                     weir_sqlite_tx_fn *fn,
                                                                     void *arg);

/**
 * weir_sqlite_run() inside a transaction.
 *
 * @param tx      the function's
 * @param sql     as weir_sqlite_run()
 * @param values  as weir_sqlite_run()
 *
 * Returns     how many rows were changed, or a negative errno; the function may go on after it
 * Errors      as weir_sqlite_run()
 * Checkpoint  no: it blocks the database's thread
 * Thread      the database's, inside the function
 */
WEIR_API WEIR_MUST_CHECK ssize_t weir_sqlite_tx_run(weir_sqlite_tx *tx, const char *sql,
                                                    weir_sqlite_values values);

/**
 * weir_sqlite_query() inside a transaction.
 *
 * @param tx         the function's
 * @param sql        as weir_sqlite_query()
 * @param values     as weir_sqlite_query()
 * @param arena      from weir_arena_new(), used by nobody else meanwhile; never that of a request,
 *                   whose memory belongs to its loop
 * @param model      as weir_sqlite_query()
 * @param out_items  as weir_sqlite_query()
 * @param out_count  as weir_sqlite_query()
 *
 * Returns     0 or a negative errno
 * Errors      as weir_sqlite_query(); -EINVAL also for the arena of a request
 * Checkpoint  no: it blocks the database's thread
 * Thread      the database's, inside the function
 */
WEIR_API WEIR_MUST_CHECK int weir_sqlite_tx_query(weir_sqlite_tx *tx, const char *sql,
                                                  weir_sqlite_values values, weir_arena *arena,
                                                  const weir_model *model, void **out_items,
                                                  size_t *out_count);

/**
 * The row that the last INSERT of the transaction made.
 *
 * @param tx  the function's
 *
 * Returns     its rowid
 * Checkpoint  no
 * Thread      the database's, inside the function
 */
WEIR_API int64_t weir_sqlite_tx_last_id(weir_sqlite_tx *tx);

/**
 * What a database did so far.
 *
 * @param db         open
 * @param out_stats  written
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any
 */
WEIR_API void weir_sqlite_stats_get(weir_sqlite *db, weir_sqlite_stats *out_stats);

WEIR_END_DECLS

/**
 * Rows as a WEIR_LIST(a_type), whose model is declared: `list` is a pointer to it. A checkpoint.
 */
#define WEIR_SQLITE_SELECT(db, sql, values, arena, a_type, list)                                   \
    weir_sqlite_query((db), (sql), (values), (arena), WEIR_MODEL_OF(a_type),                       \
                      _Generic((list)->items, a_type *                                             \
                               : (void **)(void *)&(list)->items),                                 \
                      &(list)->count)

/** One row as an `a_type`, whose model is declared. -ENOENT: there is none. A checkpoint. */
#define WEIR_SQLITE_SELECT_ONE(db, sql, values, arena, a_type, out_value)                          \
    weir_sqlite_get((db), (sql), (values), (arena), WEIR_MODEL_OF(a_type),                         \
                    _Generic((out_value), a_type *                                                 \
                             : (void *)(out_value)))

#endif
