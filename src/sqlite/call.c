/*
 * call.c - the side of the tasks: queueing a call, waiting for it, leaving when cancelled
 *
 * Runs on  the loops that use a database; what a transaction's function calls, on its thread.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "sqlite/sqlite.h"

enum { ANSWER_BYTES_MAX = 64 * 1024 * 1024 };

/* --- waiting ---------------------------------------------------------------------------------- */

static int enqueue(weir_sqlite *db, struct weir__sqlite_call *call)
{
    call->db = db;
    call->state = WEIR__SQLITE_QUEUED;
    int rc = 0;
    weir__base_mutex_lock(&db->lock);
    if (db->closing) {
        rc = -ESHUTDOWN;
    } else {
        db->closing = call->kind == WEIR__SQLITE_CLOSE;
        bool query = call->kind == WEIR__SQLITE_QUERY;
        weir__list_append(query ? &db->queries : &db->changes, &call->link);
        ++*(query ? &db->query_count : &db->change_count);
        db->stats.queued++;
        weir__base_cond_signal(&db->work);
    }
    weir__base_mutex_unlock(&db->lock);
    return rc < 0 ? weir_fail(rc, "the database is being closed") : 0;
}

/* The caller is cancelled: out of the queue; or, when it has begun, only its query is
 * interrupted. */
static void leave(weir_task *task, void *object)
{
    struct weir__sqlite_call *call = object;
    weir_sqlite *db = call->db;
    bool removed = false;
    weir__base_mutex_lock(&db->lock);
    __atomic_store_n(&call->cancelled, true, __ATOMIC_RELAXED);
    if (call->state == WEIR__SQLITE_QUEUED) {
        /* A query that turned out to change something waits among the changes. */
        bool query = call->kind == WEIR__SQLITE_QUERY && !call->moved;
        weir__list_remove(&call->link);
        --*(query ? &db->query_count : &db->change_count);
        db->stats.queued--;
        call->state = WEIR__SQLITE_REMOVED;
        removed = true;
    }
    weir__base_mutex_unlock(&db->lock);
    if (removed) {
        weir__core_external_end(call->loop);
        weir__core_wake(task, WEIR__SQLITE_REMOVED);
    }
}

/* Puts the thread's text with the calling task. */
static int take_result(struct weir__sqlite_call *call)
{
    if (call->detail != NULL) {
        weir__failure_adopt(weir__core_task(), call->detail);
        call->detail = NULL;
    }
    return call->rc;
}

int weir__sqlite_call(weir_sqlite *db, struct weir__sqlite_call *call)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    call->loop = weir__core_loop();
    call->task = weir__core_task();
    rc = enqueue(db, call);
    if (rc < 0)
        return rc;
    weir__core_external_begin(call->loop);
    if (weir__core_park(WEIR_WAIT_JOB, call, leave) == WEIR__SQLITE_REMOVED)
        return weir__core_cancelled_result(call->task);
    rc = take_result(call);
    if (rc == -EINTR && call->cancelled)
        return weir__core_cancelled_result(call->task);
    return rc;
}

void weir__sqlite_call_shielded(weir_sqlite *db, struct weir__sqlite_call *call)
{
    call->loop = weir__core_loop();
    call->task = weir__core_task();
    if (call->task == NULL)
        call->loop = NULL;
    if (enqueue(db, call) < 0)
        return;
    if (call->task != NULL) {
        weir__core_external_begin(call->loop);
        weir__core_park(WEIR_WAIT_JOB, call, NULL);
    } else {
        weir__base_mutex_lock(&db->lock);
        while (call->state != WEIR__SQLITE_DONE)
            weir__base_cond_wait(&db->quiet, &db->lock);
        weir__base_mutex_unlock(&db->lock);
    }
    weir__base_free(call->detail);
    call->detail = NULL;
}

/* --- statements ------------------------------------------------------------------------------- */

ssize_t weir_sqlite_run(weir_sqlite *db, const char *sql, weir_sqlite_values values)
{
    struct weir__sqlite_call call = {.kind = WEIR__SQLITE_RUN, .sql = sql, .values = values};
    int rc = weir__sqlite_call(db, &call);
    return rc < 0 ? rc : (ssize_t)call.changed;
}

int weir_sqlite_exec(weir_sqlite *db, const char *script)
{
    struct weir__sqlite_call call = {.kind = WEIR__SQLITE_EXEC, .sql = script};
    return weir__sqlite_call(db, &call);
}

static size_t answer_max(const weir_sqlite *db)
{
    return db->options.answer_bytes_max == WEIR_UNLIMITED ? 0
           : db->options.answer_bytes_max == 0            ? ANSWER_BYTES_MAX
                                                          : db->options.answer_bytes_max;
}

int weir_sqlite_query(weir_sqlite *db, const char *sql, weir_sqlite_values values,
                      weir_arena *arena, const weir_model *model, void **out_items,
                      size_t *out_count)
{
    struct weir__sqlite_call call = {.kind = WEIR__SQLITE_QUERY, .sql = sql, .values = values};
    weir__sqlite_answer_init(&call.answer, answer_max(db));
    int rc = weir__sqlite_call(db, &call);
    if (rc == 0)
        rc = weir__sqlite_decode(&call.answer, model, arena, out_items);
    if (rc == 0)
        *out_count = call.answer.row_count;
    weir__sqlite_answer_deinit(&call.answer);
    return rc;
}

int weir_sqlite_get(weir_sqlite *db, const char *sql, weir_sqlite_values values, weir_arena *arena,
                    const weir_model *model, void *out_value)
{
    void *items;
    size_t count;
    int rc = weir_sqlite_query(db, sql, values, arena, model, &items, &count);
    if (rc < 0)
        return rc;
    if (count == 0)
        return weir_fail(-ENOENT, "there is no such row");
    if (count > 1)
        return weir_fail(-EINVAL, "one row was asked for, and there are %zu", count);
    memcpy(out_value, items, model->size);
    return 0;
}

/* --- transactions ----------------------------------------------------------------------------- */

int weir_sqlite_transaction(weir_sqlite *db, weir_sqlite_tx_fn *fn, void *arg)
{
    struct weir__sqlite_call call = {.kind = WEIR__SQLITE_TRANSACTION, .fn = fn, .arg = arg};
    return weir__sqlite_call(db, &call);
}

ssize_t weir_sqlite_tx_run(weir_sqlite_tx *tx, const char *sql, weir_sqlite_values values)
{
    int64_t changed;
    int rc = weir__sqlite_statement(tx->db, sql, values, NULL, &changed);
    return rc < 0 ? rc : (ssize_t)changed;
}

int weir_sqlite_tx_query(weir_sqlite_tx *tx, const char *sql, weir_sqlite_values values,
                         weir_arena *arena, const weir_model *model, void **out_items,
                         size_t *out_count)
{
    if (arena->pool != NULL) /* its blocks are shared with other arenas of a loop */
        return weir_fail(-EINVAL, "the arena of a request belongs to its loop; make one with "
                                  "weir_arena_new()");
    struct weir__sqlite_answer answer;
    weir__sqlite_answer_init(&answer, answer_max(tx->db));
    int64_t changed;
    int rc = weir__sqlite_statement(tx->db, sql, values, &answer, &changed);
    if (rc == 0)
        rc = weir__sqlite_decode(&answer, model, arena, out_items);
    if (rc == 0)
        *out_count = answer.row_count;
    weir__sqlite_answer_deinit(&answer);
    return rc;
}

int64_t weir_sqlite_tx_last_id(weir_sqlite_tx *tx)
{
    return sqlite3_last_insert_rowid(tx->db->handle);
}

void weir_sqlite_stats_get(weir_sqlite *db, weir_sqlite_stats *out_stats)
{
    weir__base_mutex_lock(&db->lock);
    *out_stats = db->stats;
    weir__base_mutex_unlock(&db->lock);
}
