/*
 * open.c - opening and closing a database; the settings and the schema of its file
 *
 * A file is opened with a write-ahead log and synchronous=FULL: a commit is one write and one
 * fsync, readers do not stop it, and nothing that came home is lost with the power.
 *
 * Runs on  weir_sqlite_open() and _close() in a task, the rest on the database's thread.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "sqlite/sqlite.h"

#define BUSY_TIMEOUT_DEFAULT (5 * WEIR_SEC)
enum { STEPS_BETWEEN_LOOKS = 1000 };

/* --- callbacks of SQLite ---------------------------------------------------------------------- */

/* Between BEGIN and COMMIT there may be the changes of many; only we set these marks. */
static int authorize(void *arg, int action, const char *a, const char *b, const char *c,
                     const char *d)
{
    (void)a, (void)b, (void)c, (void)d;
    const weir_sqlite *db = arg;
    bool control = action == SQLITE_TRANSACTION || action == SQLITE_SAVEPOINT ||
                   action == SQLITE_ATTACH || action == SQLITE_DETACH;
    return control && !db->control_allowed ? SQLITE_DENY : SQLITE_OK;
}

/* Called every so many steps: ends a query that nobody waits for any more. */
static int look_for_cancel(void *arg)
{
    const weir_sqlite *db = arg;
    return db->running_query != NULL &&
           __atomic_load_n(&db->running_query->cancelled, __ATOMIC_RELAXED);
}

/* --- settings --------------------------------------------------------------------------------- */

static int script(weir_sqlite *db, const char *sql)
{
    int result = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return result == SQLITE_OK ? 0 : weir__sqlite_fail(db, result, NULL);
}

/* The first column of the only row, as text. */
static int ask(weir_sqlite *db, const char *sql, char *out_text, size_t size)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_step(statement);
    int rc = 0;
    if (result == SQLITE_ROW)
        snprintf(out_text, size, "%s", (const char *)sqlite3_column_text(statement, 0));
    else
        rc = weir__sqlite_fail(db, result, NULL);
    sqlite3_finalize(statement);
    return rc;
}

static int set_journal(weir_sqlite *db)
{
    if (db->options.read_only)
        return 0;
    char mode[16];
    int rc = ask(db, "PRAGMA journal_mode=WAL", mode, sizeof mode);
    if (rc < 0)
        return rc;
    if (strcmp(mode, "wal") == 0 || strcmp(mode, "memory") == 0)
        return 0;
    return weir_fail(
        -EOPNOTSUPP,
        "no write-ahead log is possible here (journal mode stays '%s'); put the file on a "
        "local disk",
        mode);
}

static int configure(weir_sqlite *db)
{
    int64_t busy_ns =
        db->options.busy_timeout_ns == 0 ? BUSY_TIMEOUT_DEFAULT : db->options.busy_timeout_ns;
    int64_t busy_ms = busy_ns / WEIR_MS;
    sqlite3_busy_timeout(db->handle, busy_ms > INT_MAX ? INT_MAX : (int)busy_ms);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    int rc = set_journal(db);
    if (rc == 0)
        rc = script(db, db->options.sync == WEIR_SQLITE_SYNC_NORMAL ? "PRAGMA synchronous=NORMAL"
                                                                    : "PRAGMA synchronous=FULL");
    /* Savepoints keep old pages in memory; the log shrinks again after a large change. */
    if (rc == 0)
        rc = script(db,
                    "PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF;"
                    "PRAGMA journal_size_limit=16777216");
    return rc;
}

/* --- schema ----------------------------------------------------------------------------------- */

static int read_version(weir_sqlite *db, int *out_version)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(db->handle, "PRAGMA user_version", -1, &statement, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_step(statement);
    int rc = 0;
    if (result == SQLITE_ROW)
        *out_version = sqlite3_column_int(statement, 0);
    else
        rc = weir__sqlite_fail(db, result, NULL);
    sqlite3_finalize(statement);
    return rc;
}

static int run_step(weir_sqlite *db, const char *step, int number)
{
    char what[40];
    char set[48];
    snprintf(what, sizeof what, "step %d of the schema", number);
    snprintf(set, sizeof set, "PRAGMA user_version=%d", number);
    int result = sqlite3_exec(db->handle, step, NULL, NULL, NULL);
    if (result != SQLITE_OK)
        return weir__sqlite_fail(db, result, what);
    if (sqlite3_get_autocommit(db->handle))
        return weir_fail(-EINVAL, "%s ends the transaction it runs in; leave COMMIT out", what);
    return script(db, set);
}

/* All steps in one transaction: after a crash the file has the old tables or the new ones. */
static int bring_up_to_date(weir_sqlite *db)
{
    int count = 0;
    while (db->options.schema != NULL && db->options.schema[count] != NULL)
        count++;
    int version;
    int rc = read_version(db, &version);
    if (rc < 0 || version == count || db->options.schema == NULL)
        return rc;
    if (version > count)
        return weir_fail(
            -EOPNOTSUPP,
            "a newer program made these tables: they are at step %d, this one knows %d", version,
            count);
    rc = script(db, "BEGIN IMMEDIATE");
    if (rc == 0)
        rc = read_version(db, &version); /* another process may have been first */
    for (int i = version; rc == 0 && i < count; i++)
        rc = run_step(db, db->options.schema[i], i + 1);
    if (rc == 0)
        rc = script(db, "COMMIT");
    if (rc < 0 && !sqlite3_get_autocommit(db->handle))
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

/* --- on the thread ---------------------------------------------------------------------------- */

static int open_handle(weir_sqlite *db)
{
    int flags =
        SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
        (db->options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    int result = sqlite3_open_v2(db->path, &db->handle, flags, NULL);
    if (result != SQLITE_OK)
        return weir__sqlite_fail(db, result, NULL);
    return 0;
}

int weir__sqlite_file_open(weir_sqlite *db)
{
    int rc = open_handle(db);
    if (rc == 0)
        rc = configure(db);
    if (rc == 0)
        rc = bring_up_to_date(db);
    if (rc == 0) {
        sqlite3_set_authorizer(db->handle, authorize, db);
        sqlite3_progress_handler(db->handle, STEPS_BETWEEN_LOOKS, look_for_cancel, db);
        rc = weir__sqlite_prepare_own(db);
    }
    if (rc < 0)
        return weir_fail(rc, "cannot open database '%s': %s", db->path, weir_failure_message(rc));
    return 0;
}

void weir__sqlite_file_close(weir_sqlite *db)
{
    weir__sqlite_drop_kept(db);
    sqlite3_close_v2(db->handle); /* writes the log back into the file and removes it */
    db->handle = NULL;
}

/* --- in a task -------------------------------------------------------------------------------- */

static void free_database(weir_sqlite *db)
{
    weir__base_cond_deinit(&db->quiet);
    weir__base_cond_deinit(&db->work);
    weir__base_mutex_deinit(&db->lock);
    weir__base_free(db->path);
    weir__base_free(db);
}

static int new_database(const char *path, const weir_sqlite_options *options, weir_sqlite **out_db)
{
    static const weir_sqlite_options defaults;
    if (options == NULL)
        options = &defaults;
    if (options->busy_timeout_ns < 0)
        return weir_fail(-EINVAL, "busy_timeout_ns is negative");
    weir_sqlite *db = weir__base_alloc_zero(sizeof *db);
    if (db == NULL)
        return -ENOMEM;
    db->path = weir__base_strdup(path);
    if (db->path == NULL) {
        weir__base_free(db);
        return -ENOMEM;
    }
    db->options = *options;
    weir__base_mutex_init(&db->lock);
    weir__base_cond_init(&db->work);
    weir__base_cond_init(&db->quiet);
    weir__list_init(&db->queries);
    weir__list_init(&db->changes);
    *out_db = db;
    return 0;
}

int weir_sqlite_open(const char *path, const weir_sqlite_options *options, weir_sqlite **out_db)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    weir_sqlite *db = NULL;
    rc = new_database(path, options, &db);
    if (rc < 0)
        return rc;
    rc = weir__base_thread_start(
        &db->thread, options == NULL || options->name == NULL ? "sqlite" : options->name,
        weir__sqlite_lane, db);
    if (rc < 0) {
        free_database(db);
        return weir_fail(rc, "cannot open database '%s': no thread could be started", path);
    }
    struct weir__sqlite_call call = {.kind = WEIR__SQLITE_OPEN};
    rc = weir__sqlite_call(db, &call);
    if (rc == 0) {
        *out_db = db;
        return 0;
    }
    if (call.state == WEIR__SQLITE_DONE) { /* the thread ends when it could not open the file */
        weir__base_thread_join(&db->thread);
        free_database(db);
    } else { /* left before the thread came to it */
        weir_sqlite_close(db);
    }
    return rc;
}

void weir_sqlite_close(weir_sqlite *db)
{
    if (db == NULL)
        return;
    struct weir__sqlite_call call = {.kind = WEIR__SQLITE_CLOSE};
    weir__sqlite_call_shielded(db, &call);
    weir__base_thread_join(&db->thread);
    free_database(db);
}
