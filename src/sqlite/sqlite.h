/*
 * sqlite.h - the room sqlite: calls of tasks, the thread that carries them out, and what is read
 * back
 *
 *     open.c       opening and closing; the settings and the schema of a file
 *     call.c       the side of the tasks: queueing a call, waiting for it, leaving when cancelled
 *     lane.c       the side of the thread: rounds, and many changes in one transaction
 *     statement.c  prepared statements, values, errors in words
 *     rows.c       what a query gave, as bytes, and from there into structs
 *
 * The thread alone touches the connection, so SQLite takes no locks. A call lives on the stack of
 * the task that waits for it. Rows come back as bytes in memory of their own, because the arena
 * they end up in belongs to the task's loop.
 *
 * Holds  1. A call is in a queue exactly while QUEUED. The lock guards queues and states.
 *        2. From RUNNING on, only the thread touches a call, until it sends it home by post; then
 *           it does not touch it again. Its task is parked meanwhile, so its loop is alive.
 *        3. A call that came home with success is on the disk (synchronous=FULL).
 *        4. A transaction is open only inside a batch of the thread.
 */
#ifndef WEIR__SQLITE_H
#define WEIR__SQLITE_H

#include <sqlite3.h>
#include <weir/sqlite.h>

#include "base/buffer.h"
#include "base/list.h"
#include "base/thread.h"
#include "core/core.h"

enum weir__sqlite_call_kind {
    WEIR__SQLITE_OPEN,
    WEIR__SQLITE_RUN,
    WEIR__SQLITE_QUERY,
    WEIR__SQLITE_TRANSACTION,
    WEIR__SQLITE_EXEC,
    WEIR__SQLITE_CLOSE,
};

enum weir__sqlite_call_state {
    WEIR__SQLITE_QUEUED,
    WEIR__SQLITE_RUNNING,
    WEIR__SQLITE_DONE,
    WEIR__SQLITE_REMOVED, /* cancelled before it began */
};

/* What a query gave: the names of the columns, then rows of values, see rows.c. */
struct weir__sqlite_answer {
    struct weir__buffer bytes;
    size_t column_count;
    size_t row_count;
};

/* Several tasks ask for things; each is one of these. */
struct weir__sqlite_call {
    struct weir__list link;
    struct weir__post post;
    weir_sqlite *db;
    weir_loop *loop; /* NULL: close from outside a task */
    weir_task *task;
    enum weir__sqlite_call_kind kind;
    enum weir__sqlite_call_state state;
    bool cancelled; /* atomic: nobody wants the result any more */
    bool moved;     /* a query that changes something: it waits among the changes */

    const char *sql;
    weir_sqlite_values values;
    weir_sqlite_tx_fn *fn;
    void *arg;

    struct weir__sqlite_answer answer;
    int64_t changed;
    int rc;
    struct weir__detail *detail; /* text about rc, allocated; or NULL */
};

/* A prepared statement that is kept. */
struct weir__sqlite_kept {
    char *sql;
    sqlite3_stmt *statement;
    uint64_t used_at; /* of the database's counter */
    bool in_use;
};

enum { WEIR__SQLITE_KEPT_MAX = 64, WEIR__SQLITE_TOGETHER_MAX = 1000 };

enum weir__sqlite_own {
    WEIR__SQLITE_BEGIN,
    WEIR__SQLITE_COMMIT,
    WEIR__SQLITE_ROLLBACK,
    WEIR__SQLITE_SAVE,
    WEIR__SQLITE_RELEASE,
    WEIR__SQLITE_BACK,
    WEIR__SQLITE_OWN_COUNT
};

struct weir_sqlite {
    struct weir__mutex lock;
    struct weir__cond work;  /* the thread waits here */
    struct weir__cond quiet; /* close outside a task waits here */
    struct weir__list queries;
    struct weir__list changes; /* and everything else */
    size_t query_count;
    size_t change_count;
    bool closing;
    weir_sqlite_stats stats;

    struct weir__thread thread;
    weir_sqlite_options options;
    char *path;

    /* the thread's own */
    sqlite3 *handle;
    sqlite3_stmt *own[WEIR__SQLITE_OWN_COUNT];
    struct weir__sqlite_kept kept[WEIR__SQLITE_KEPT_MAX];
    uint64_t use_count;
    bool control_allowed;                    /* BEGIN and its kind */
    struct weir__sqlite_call *running_query; /* may be interrupted */
    struct weir__detail said;                /* by weir_fail() on this thread */
};

struct weir_sqlite_tx {
    weir_sqlite *db;
};

/* --- call.c ----------------------------------------------------------------------------------- */

/* Checkpoint: queue a call, wait until it is done. Its rc, with its text. */
int weir__sqlite_call(weir_sqlite *db, struct weir__sqlite_call *call) WEIR_MUST_CHECK;
/* The same without the checkpoint, and not to be left early: for close. */
void weir__sqlite_call_shielded(weir_sqlite *db, struct weir__sqlite_call *call);

/* --- lane.c ----------------------------------------------------------------------------------- */

void *weir__sqlite_lane(void *db);

/* --- open.c ----------------------------------------------------------------------------------- */

/* On the thread. */
int weir__sqlite_file_open(weir_sqlite *db) WEIR_MUST_CHECK;
void weir__sqlite_file_close(weir_sqlite *db);

/* --- statement.c ------------------------------------------------------------------------------ */

/* All on the thread. Failures leave their text with weir_fail(). */
/* One of our own statements; 0 or a negative errno. */
int weir__sqlite_do(weir_sqlite *db, enum weir__sqlite_own own) WEIR_MUST_CHECK;
int weir__sqlite_prepare_own(weir_sqlite *db) WEIR_MUST_CHECK;
/* A statement ready to step, with its values; weir__sqlite_finish() ends it. */
int weir__sqlite_prepare(weir_sqlite *db, const char *sql, weir_sqlite_values values,
                         struct weir__sqlite_kept *scratch, struct weir__sqlite_kept **out_kept)
    WEIR_MUST_CHECK;
/* Step to the end; rows go to the answer unless it is NULL. */
int weir__sqlite_step_all(weir_sqlite *db, sqlite3_stmt *statement,
                          struct weir__sqlite_answer *answer, int64_t *out_changed) WEIR_MUST_CHECK;
void weir__sqlite_finish(weir_sqlite *db, struct weir__sqlite_kept *kept);
void weir__sqlite_drop_kept(weir_sqlite *db);
/* Prepare, step, finish. */
int weir__sqlite_statement(weir_sqlite *db, const char *sql, weir_sqlite_values values,
                           struct weir__sqlite_answer *answer, int64_t *out_changed)
    WEIR_MUST_CHECK;
/* The code for what SQLite said, and its text by weir_fail(). `what` may be NULL. */
int weir__sqlite_fail(weir_sqlite *db, int result, const char *what);

/* --- rows.c ----------------------------------------------------------------------------------- */

void weir__sqlite_answer_init(struct weir__sqlite_answer *answer, size_t bytes_max);
void weir__sqlite_answer_deinit(struct weir__sqlite_answer *answer);
void weir__sqlite_answer_clear(struct weir__sqlite_answer *answer);
void weir__sqlite_add_columns(struct weir__sqlite_answer *answer, sqlite3_stmt *statement);
int weir__sqlite_add_row(struct weir__sqlite_answer *answer, sqlite3_stmt *statement)
    WEIR_MUST_CHECK;
/* Into structs; any thread that owns the arena. */
int weir__sqlite_decode(const struct weir__sqlite_answer *answer, const weir_model *model,
                        weir_arena *arena, void **out_items) WEIR_MUST_CHECK;

#endif
