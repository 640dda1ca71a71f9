/*
 * statement.c - prepared statements, the values in them, and errors in words
 *
 * The 64 statements used last stay prepared. What begins or ends a transaction is ours alone: the
 * authorizer refuses it in the statements of callers, because theirs share one.
 *
 * Runs on  the database's thread.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "sqlite/sqlite.h"

/* --- errors ----------------------------------------------------------------------------------- */

static int code_of_constraint(int extended)
{
    switch (extended) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        return -EEXIST;
    default:
        return -EINVAL;
    }
}

static int code_of_open(int system_error)
{
    switch (system_error) {
    case EACCES:
    case EPERM:
        return -EACCES;
    case EROFS:
        return -EROFS;
    case EMFILE:
    case ENFILE:
        return -system_error;
    default:
        return -ENOENT;
    }
}

static int code_of(int extended, int system_error)
{
    if (extended == SQLITE_IOERR_NOMEM)
        return -ENOMEM;
    switch (extended & 0xff) {
    case SQLITE_CONSTRAINT:
        return code_of_constraint(extended);
    case SQLITE_CANTOPEN:
        return code_of_open(system_error);
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_IOERR:
        return system_error == ENOSPC || system_error == EDQUOT ? -ENOSPC : -EIO;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_PERM:
        return -EACCES;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EBADMSG;
    case SQLITE_TOOBIG:
        return -EMSGSIZE;
    case SQLITE_INTERRUPT:
        return -EINTR;
    case SQLITE_PROTOCOL:
        return -EBUSY;
    default:
        return -EINVAL;
    }
}

int weir__sqlite_fail(weir_sqlite *db, int result, const char *what)
{
    int extended = db->handle == NULL ? result : sqlite3_extended_errcode(db->handle);
    if ((extended & 0xff) != (result & 0xff))
        extended = result;
    int system_error = db->handle == NULL ? 0 : sqlite3_system_errno(db->handle);
    const char *text = db->handle == NULL ? sqlite3_errstr(result) : sqlite3_errmsg(db->handle);
    int code = code_of(extended, system_error);
    if (code == -EIO)
        return weir_fail(code, "%s%s%s (%s)", what == NULL ? "" : what, what == NULL ? "" : ": ",
                         text, weir_code_text(-system_error));
    return weir_fail(code, "%s%s%s", what == NULL ? "" : what, what == NULL ? "" : ": ", text);
}

/* --- our own statements ----------------------------------------------------------------------- */

static const char *const own_sql[WEIR__SQLITE_OWN_COUNT] = {
    [WEIR__SQLITE_BEGIN] = "BEGIN IMMEDIATE", [WEIR__SQLITE_COMMIT] = "COMMIT",
    [WEIR__SQLITE_ROLLBACK] = "ROLLBACK",     [WEIR__SQLITE_SAVE] = "SAVEPOINT weir",
    [WEIR__SQLITE_RELEASE] = "RELEASE weir",  [WEIR__SQLITE_BACK] = "ROLLBACK TO weir",
};

int weir__sqlite_prepare_own(weir_sqlite *db)
{
    db->control_allowed = true;
    int result = SQLITE_OK;
    for (int i = 0; result == SQLITE_OK && i < WEIR__SQLITE_OWN_COUNT; i++)
        result = sqlite3_prepare_v3(db->handle, own_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &db->own[i], NULL);
    db->control_allowed = false;
    return result == SQLITE_OK ? 0 : weir__sqlite_fail(db, result, NULL);
}

int weir__sqlite_do(weir_sqlite *db, enum weir__sqlite_own own)
{
    db->control_allowed = true; /* a changed schema makes SQLite prepare it again */
    int result = sqlite3_step(db->own[own]);
    int rc = result == SQLITE_DONE ? 0 : weir__sqlite_fail(db, result, own_sql[own]);
    sqlite3_reset(db->own[own]);
    db->control_allowed = false;
    return rc;
}

/* --- statements that are kept ----------------------------------------------------------------- */

static void unprepare(struct weir__sqlite_kept *kept)
{
    sqlite3_finalize(kept->statement);
    weir__base_free(kept->sql);
    *kept = (struct weir__sqlite_kept){0};
}

void weir__sqlite_drop_kept(weir_sqlite *db)
{
    for (size_t i = 0; i < WEIR__SQLITE_KEPT_MAX; i++)
        unprepare(&db->kept[i]);
    for (size_t i = 0; i < WEIR__SQLITE_OWN_COUNT; i++) {
        sqlite3_finalize(db->own[i]);
        db->own[i] = NULL;
    }
}

/* The kept statement of this text, or the place that was used longest ago; NULL: all are in use. */
static struct weir__sqlite_kept *find_kept(weir_sqlite *db, const char *sql)
{
    struct weir__sqlite_kept *oldest = NULL;
    for (size_t i = 0; i < WEIR__SQLITE_KEPT_MAX; i++) {
        struct weir__sqlite_kept *kept = &db->kept[i];
        if (kept->in_use)
            continue;
        if (kept->sql != NULL && strcmp(kept->sql, sql) == 0)
            return kept;
        if (oldest == NULL || kept->used_at < oldest->used_at)
            oldest = kept;
    }
    return oldest;
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n;")] == '\0';
}

static int prepare_new(weir_sqlite *db, const char *sql, struct weir__sqlite_kept *kept)
{
    char *copy = weir__base_strdup(sql);
    if (copy == NULL)
        return -ENOMEM;
    const char *rest = "";
    sqlite3_stmt *statement = NULL;
    int result =
        sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, &rest);
    int rc = result == SQLITE_OK ? 0 : weir__sqlite_fail(db, result, NULL);
    if (rc == 0 && statement == NULL)
        rc = weir_fail(-EINVAL, "there is no statement in '%.60s'", sql);
    if (rc == 0 && !is_blank(rest))
        rc = weir_fail(-EINVAL, "one statement at a time: '%.60s' follows the first", rest);
    if (rc < 0) {
        sqlite3_finalize(statement);
        weir__base_free(copy);
        return rc;
    }
    unprepare(kept);
    kept->sql = copy;
    kept->statement = statement;
    return 0;
}

/* --- values ----------------------------------------------------------------------------------- */

static int bind_one(sqlite3_stmt *statement, int index, const weir_sqlite_value *value)
{
    switch (value->kind) {
    case WEIR_SQLITE_INT:
        return sqlite3_bind_int64(statement, index, value->number);
    case WEIR_SQLITE_DOUBLE:
        return sqlite3_bind_double(statement, index, value->real);
    case WEIR_SQLITE_TEXT:
        return sqlite3_bind_text64(statement, index, value->data, value->size, SQLITE_STATIC,
                                   SQLITE_UTF8);
    case WEIR_SQLITE_BLOB:
        return sqlite3_bind_blob64(statement, index, value->size == 0 ? "" : value->data,
                                   value->size, SQLITE_STATIC);
    case WEIR_SQLITE_NULL:
        break;
    }
    return sqlite3_bind_null(statement, index);
}

static int bind_values(weir_sqlite *db, sqlite3_stmt *statement, weir_sqlite_values values)
{
    size_t wanted = (size_t)sqlite3_bind_parameter_count(statement);
    if (wanted != values.count)
        return weir_fail(-EINVAL, "the statement takes %zu value%s, %zu %s given: %.80s", wanted,
                         wanted == 1 ? "" : "s", values.count, values.count == 1 ? "is" : "are",
                         sqlite3_sql(statement));
    for (size_t i = 0; i < values.count; i++) {
        int result = bind_one(statement, (int)i + 1, &values.items[i]);
        if (result != SQLITE_OK)
            return weir__sqlite_fail(db, result, NULL);
    }
    return 0;
}

/* --- running one ------------------------------------------------------------------------------ */

int weir__sqlite_prepare(weir_sqlite *db, const char *sql, weir_sqlite_values values,
                         struct weir__sqlite_kept *scratch, struct weir__sqlite_kept **out_kept)
{
    *scratch = (struct weir__sqlite_kept){0};
    struct weir__sqlite_kept *kept = find_kept(db, sql);
    if (kept == NULL)
        kept = scratch;
    int rc = 0;
    if (kept->sql == NULL || strcmp(kept->sql, sql) != 0)
        rc = prepare_new(db, sql, kept);
    if (rc < 0)
        return rc;
    kept->used_at = ++db->use_count;
    kept->in_use = true;
    rc = bind_values(db, kept->statement, values);
    if (rc < 0) {
        weir__sqlite_finish(db, kept);
        return rc;
    }
    *out_kept = kept;
    return 0;
}

void weir__sqlite_finish(weir_sqlite *db, struct weir__sqlite_kept *kept)
{
    sqlite3_reset(kept->statement);
    sqlite3_clear_bindings(kept->statement); /* the values are the caller's */
    kept->in_use = false;
    if (kept < db->kept || kept >= db->kept + WEIR__SQLITE_KEPT_MAX)
        unprepare(kept);
}

int weir__sqlite_step_all(weir_sqlite *db, sqlite3_stmt *statement,
                          struct weir__sqlite_answer *answer, int64_t *out_changed)
{
    int64_t before = sqlite3_total_changes64(db->handle);
    int result = sqlite3_step(statement);
    /* After the first step: it prepares the statement again when the tables have changed. */
    if (answer != NULL && (result == SQLITE_ROW || result == SQLITE_DONE))
        weir__sqlite_add_columns(answer, statement);
    for (; result == SQLITE_ROW; result = sqlite3_step(statement)) {
        int rc = answer == NULL ? 0 : weir__sqlite_add_row(answer, statement);
        if (rc < 0)
            return rc;
    }
    if (result != SQLITE_DONE)
        return weir__sqlite_fail(db, result, NULL);
    /* changes() keeps the count of an earlier statement when this one was not about rows. */
    *out_changed =
        sqlite3_total_changes64(db->handle) == before ? 0 : sqlite3_changes64(db->handle);
    return 0;
}

int weir__sqlite_statement(weir_sqlite *db, const char *sql, weir_sqlite_values values,
                           struct weir__sqlite_answer *answer, int64_t *out_changed)
{
    struct weir__sqlite_kept scratch;
    struct weir__sqlite_kept *kept;
    int rc = weir__sqlite_prepare(db, sql, values, &scratch, &kept);
    if (rc < 0)
        return rc;
    rc = weir__sqlite_step_all(db, kept->statement, answer, out_changed);
    weir__sqlite_finish(db, kept);
    return rc;
}
