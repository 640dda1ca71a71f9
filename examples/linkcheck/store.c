/*
 * store.c - checks and their results in SQLite
 *
 * A check is stored before its POST is answered, a result before anybody can see it, so a kill -9
 * loses nothing that was acknowledged or shown. Results that end at the same time are committed
 * together.
 */
#include <stdio.h>
#include <time.h>

#include "linkcheck.h"

static const char *const schema[] = {
    "CREATE TABLE checks ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " status TEXT NOT NULL,"
    " total INTEGER NOT NULL,"
    " created_at INTEGER NOT NULL,"
    " ended_at INTEGER)",
    "CREATE TABLE results ("
    " seq INTEGER PRIMARY KEY AUTOINCREMENT,"
    " check_id INTEGER NOT NULL REFERENCES checks (id),"
    " url TEXT NOT NULL,"
    " status INTEGER,"
    " ms INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL,"
    " error TEXT)",
    "CREATE INDEX results_of_check ON results (check_id, seq)",
    NULL,
};

#define SUMMARY_COLUMNS                                                                            \
    "SELECT CAST(c.id AS TEXT) AS id, c.status AS status, c.total AS total, COUNT(r.seq) AS done," \
    " COALESCE(SUM(r.status < 400), 0) AS ok,"                                                     \
    " COUNT(r.seq) - COALESCE(SUM(r.status < 400), 0) AS failed"                                   \
    " FROM checks c LEFT JOIN results r ON r.check_id = c.id"

int store_open(const char *folder, weir_sqlite **out_db)
{
    char path[1024];
    int size = snprintf(path, sizeof path, "%s/linkcheck.db", folder);
    if (size < 0 || (size_t)size >= sizeof path)
        return weir_fail(-ENAMETOOLONG, "--data %.60s...: the path is too long", folder);
    return weir_sqlite_open(path, &(weir_sqlite_options){.schema = schema}, out_db);
}

int store_recover(weir_sqlite *db)
{
    ssize_t count = weir_sqlite_run(
        db, "UPDATE checks SET status = 'interrupted', ended_at = ?1 WHERE status = 'running'",
        WEIR_SQL((int64_t)time(NULL)));
    return (int)count;
}

typedef struct {
    const char *id;
} new_id;
WEIR_MODEL(new_id, WEIR_FIELD(id))

int store_add_check(weir_sqlite *db, int64_t total, weir_arena *arena, const char **out_id)
{
    new_id row;
    int rc = WEIR_SQLITE_SELECT_ONE(db,
                                    "INSERT INTO checks (status, total, created_at)"
                                    " VALUES ('running', ?1, ?2) RETURNING CAST(id AS TEXT) AS id",
                                    WEIR_SQL(total, (int64_t)time(NULL)), arena, new_id, &row);
    if (rc == 0)
        *out_id = row.id;
    return rc;
}

int store_end_check(weir_sqlite *db, int64_t id, const char *status)
{
    ssize_t count = weir_sqlite_run(
        db, "UPDATE checks SET status = ?2, ended_at = ?3 WHERE id = ?1 AND status = 'running'",
        WEIR_SQL(id, status, (int64_t)time(NULL)));
    return count < 0 ? (int)count : 0;
}

int store_add_result(weir_sqlite *db, int64_t id, const check_result *result)
{
    ssize_t count = weir_sqlite_run(db,
                                    "INSERT INTO results (check_id, url, status, ms, bytes, error)"
                                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                                    WEIR_SQL(id, result->url, WEIR_SQL_OPT(result->status),
                                             result->ms, result->bytes, result->error));
    return count < 0 ? (int)count : 0;
}

int store_summary(weir_sqlite *db, int64_t id, weir_arena *arena, check_summary *out_summary)
{
    return WEIR_SQLITE_SELECT_ONE(db, SUMMARY_COLUMNS " WHERE c.id = ?1 GROUP BY c.id",
                                  WEIR_SQL(id), arena, check_summary, out_summary);
}

int store_view(weir_sqlite *db, int64_t id, weir_arena *arena, check_view *out_view)
{
    check_summary summary;
    int rc = store_summary(db, id, arena, &summary);
    if (rc < 0)
        return rc;
    *out_view = (check_view){.id = summary.id,
                             .status = summary.status,
                             .total = summary.total,
                             .done = summary.done,
                             .ok = summary.ok,
                             .failed = summary.failed};
    /* As many results as were counted: what came in between belongs to the next look. */
    return WEIR_SQLITE_SELECT(db,
                              "SELECT url, status, ms, bytes, error FROM results"
                              " WHERE check_id = ?1 ORDER BY seq LIMIT ?2",
                              WEIR_SQL(id, summary.done), arena, check_result, &out_view->results);
}

int store_list(weir_sqlite *db, int32_t limit, weir_arena *arena, check_list *out_list)
{
    return WEIR_SQLITE_SELECT(db, SUMMARY_COLUMNS " GROUP BY c.id ORDER BY c.id DESC LIMIT ?1",
                              WEIR_SQL(limit), arena, check_summary, &out_list->checks);
}

int store_progress(weir_sqlite *db, int64_t id, int64_t after_seq, weir_arena *arena,
                   progress_list *out_list)
{
    return WEIR_SQLITE_SELECT(
        db,
        "SELECT r.seq, r.url, r.status, r.ms, r.bytes, r.error, r.done, c.total FROM"
        " (SELECT *, ROW_NUMBER() OVER (ORDER BY seq) AS done FROM results WHERE check_id = ?1) r,"
        " checks c WHERE c.id = ?1 AND r.seq > ?2 ORDER BY r.seq LIMIT 100",
        WEIR_SQL(id, after_seq), arena, check_progress, out_list);
}
