/*
 * lane.c - the thread of a database: rounds of queries, and many changes in one transaction
 *
 * A round takes the queries that are there, one after another, then the changes that are there.
 * These run in one transaction, each in a savepoint of its own, so that one that fails takes back
 * only itself; then one commit writes all of them to the disk, and only then they come home. What
 * arrives meanwhile waits for the next round: the slower the disk, the more share a write of it.
 *
 * Some failures (disk full, I/O) make SQLite undo the whole transaction. Then statements that had
 * worked before are run again, each by itself; a caller's function cannot be run twice, so it fails
 * with the reason.
 *
 * Runs on  the database's thread.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "sqlite/sqlite.h"

/* --- results ---------------------------------------------------------------------------------- */

/* The code, and what weir_fail() said about it on this thread. */
static void set_result(weir_sqlite *db, struct weir__sqlite_call *call, int rc)
{
    weir__base_free(call->detail);
    call->detail = NULL;
    call->rc = rc;
    if (rc >= 0 || db->said.code != rc)
        return;
    call->detail = weir__base_alloc(sizeof *call->detail);
    if (call->detail != NULL) /* without it the code alone is told */
        *call->detail = db->said;
}

static void begin_result(weir_sqlite *db)
{
    db->said.code = 0; /* what was said about an earlier call is not about this one */
}

static void come_home(struct weir__post *post)
{
    struct weir__sqlite_call *call = WEIR__CONTAINER(post, struct weir__sqlite_call, post);
    weir__core_external_end(call->loop);
    weir__core_wake(call->task, WEIR__SQLITE_DONE);
}

static void send_home(weir_sqlite *db, struct weir__sqlite_call *call)
{
    weir_loop *loop = call->loop;
    weir__base_mutex_lock(&db->lock);
    call->state = WEIR__SQLITE_DONE;
    db->stats.calls++;
    db->stats.failed += call->rc < 0;
    db->stats.queued--;
    if (loop == NULL)
        weir__base_cond_broadcast(&db->quiet);
    weir__base_mutex_unlock(&db->lock);
    if (loop == NULL)
        return;
    call->post.run = come_home;
    weir_ignore(weir__core_post(loop, &call->post), "its task is parked, so the loop is there");
}

/* --- queries ---------------------------------------------------------------------------------- */

static struct weir__sqlite_call *take(weir_sqlite *db, struct weir__list *queue, size_t *count)
{
    weir__base_mutex_lock(&db->lock);
    struct weir__list *node = weir__list_take_first(queue);
    struct weir__sqlite_call *call = NULL;
    if (node != NULL) {
        call = WEIR__CONTAINER(node, struct weir__sqlite_call, link);
        call->state = WEIR__SQLITE_RUNNING;
        --*count;
    }
    weir__base_mutex_unlock(&db->lock);
    return call;
}

/* It changes something after all (RETURNING): it waits for the others that do. */
static void move_to_changes(weir_sqlite *db, struct weir__sqlite_call *call)
{
    weir__base_mutex_lock(&db->lock);
    call->state = WEIR__SQLITE_QUEUED;
    call->moved = true;
    weir__list_prepend(&db->changes, &call->link);
    db->change_count++;
    weir__base_mutex_unlock(&db->lock);
}

static void run_query(weir_sqlite *db, struct weir__sqlite_call *call)
{
    struct weir__sqlite_kept scratch;
    struct weir__sqlite_kept *kept;
    begin_result(db);
    int rc = weir__sqlite_prepare(db, call->sql, call->values, &scratch, &kept);
    if (rc == 0 && !sqlite3_stmt_readonly(kept->statement)) {
        weir__sqlite_finish(db, kept);
        move_to_changes(db, call);
        return;
    }
    if (rc == 0) {
        db->running_query = call;
        rc = weir__sqlite_step_all(db, kept->statement, &call->answer, &call->changed);
        db->running_query = NULL;
        weir__sqlite_finish(db, kept);
    }
    set_result(db, call, rc);
    send_home(db, call);
}

static void run_queries(weir_sqlite *db, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct weir__sqlite_call *call = take(db, &db->queries, &db->query_count);
        if (call == NULL)
            return;
        run_query(db, call);
    }
}

/* --- changes ---------------------------------------------------------------------------------- */

/* Each change in its savepoint: what it left undone at its end is an error of its own, not of the
 * commit. */
static int check_left(weir_sqlite *db)
{
    int owed = 0, unused = 0;
    sqlite3_db_status(db->handle, SQLITE_DBSTATUS_DEFERRED_FKS, &owed, &unused, 0);
    return owed > 0 ? weir_fail(-EINVAL, "FOREIGN KEY constraint failed") : 0;
}

static int run_content(weir_sqlite *db, struct weir__sqlite_call *call)
{
    switch (call->kind) {
    case WEIR__SQLITE_RUN:
        return weir__sqlite_statement(db, call->sql, call->values, NULL, &call->changed);
    case WEIR__SQLITE_QUERY:
        weir__sqlite_answer_clear(&call->answer);
        return weir__sqlite_statement(db, call->sql, call->values, &call->answer, &call->changed);
    default: {
        struct weir_sqlite_tx tx = {db};
        int rc = call->fn(&tx, call->arg);
        return rc > 0 ? 0 : rc;
    }
    }
}

/* Inside a transaction. True: it stands; false: SQLite has undone the whole transaction. */
static bool run_change(weir_sqlite *db, struct weir__sqlite_call *call)
{
    begin_result(db);
    int rc = weir__sqlite_do(db, WEIR__SQLITE_SAVE);
    bool saved = rc == 0;
    if (rc == 0)
        rc = run_content(db, call);
    if (rc == 0 && !sqlite3_get_autocommit(db->handle))
        rc = check_left(db);
    set_result(db, call, rc);
    if (sqlite3_get_autocommit(db->handle)) {
        if (rc == 0) /* cannot be: statements that end transactions are refused */
            set_result(db, call, weir_fail(-EIO, "the transaction ended under way"));
        return false;
    }
    if (saved && rc < 0)
        rc = weir__sqlite_do(db, WEIR__SQLITE_BACK);
    if (saved && rc == 0)
        rc = weir__sqlite_do(db, WEIR__SQLITE_RELEASE);
    if (rc < 0 && call->rc == 0)
        set_result(db, call, rc);
    return !sqlite3_get_autocommit(db->handle);
}

static void undo(weir_sqlite *db)
{
    if (sqlite3_get_autocommit(db->handle))
        return;
    weir_ignore(weir__sqlite_do(db, WEIR__SQLITE_ROLLBACK), "what failed before is what is told");
}

static int commit(weir_sqlite *db, size_t together)
{
    int64_t begun_ns = weir__base_kernel_now();
    int rc = weir__sqlite_do(db, WEIR__SQLITE_COMMIT);
    int64_t took_ns = weir__base_kernel_now() - begun_ns;
    if (rc < 0)
        undo(db);
    weir__base_mutex_lock(&db->lock);
    db->stats.transactions++;
    if (together > db->stats.together_max)
        db->stats.together_max = together;
    if (took_ns > db->stats.longest_ns)
        db->stats.longest_ns = took_ns;
    weir__base_mutex_unlock(&db->lock);
    return rc;
}

/* One change in a transaction that is its alone. */
static void run_alone(weir_sqlite *db, struct weir__sqlite_call *call)
{
    begin_result(db);
    int rc = weir__sqlite_do(db, WEIR__SQLITE_BEGIN);
    if (rc < 0) {
        set_result(db, call, rc);
        return;
    }
    if (!run_change(db, call) || call->rc < 0) {
        undo(db);
        return;
    }
    begin_result(db);
    rc = commit(db, 1);
    if (rc < 0)
        set_result(db, call, rc);
}

/* SQLite has undone everything of this transaction; those that had worked are undone too. */
static void run_again(weir_sqlite *db, struct weir__list *done,
                      const struct weir__sqlite_call *culprit)
{
    for (struct weir__list *node = done->next; node != done; node = node->next) {
        struct weir__sqlite_call *call = WEIR__CONTAINER(node, struct weir__sqlite_call, link);
        if (call == culprit || call->rc < 0)
            continue;
        if (call->kind == WEIR__SQLITE_TRANSACTION) {
            begin_result(db);
            set_result(db, call,
                       weir_fail(culprit->rc, "undone with another change that failed: %s",
                                 culprit->detail == NULL ? weir_code_text(culprit->rc)
                                                         : culprit->detail->message));
        } else {
            run_alone(db, call);
        }
    }
}

static void fail_all(weir_sqlite *db, struct weir__list *done, int rc)
{
    for (struct weir__list *node = done->next; node != done; node = node->next) {
        struct weir__sqlite_call *call = WEIR__CONTAINER(node, struct weir__sqlite_call, link);
        if (call->rc >= 0)
            set_result(db, call, rc);
    }
}

static void send_all_home(weir_sqlite *db, struct weir__list *done)
{
    struct weir__list *node;
    while ((node = weir__list_take_first(done)) != NULL)
        send_home(db, WEIR__CONTAINER(node, struct weir__sqlite_call, link));
}

static bool stands_alone(const struct weir__sqlite_call *call)
{
    return call->kind == WEIR__SQLITE_OPEN || call->kind == WEIR__SQLITE_EXEC ||
           call->kind == WEIR__SQLITE_CLOSE;
}

/* The next change that may share a transaction; NULL: none, or one that stands alone is first. */
static struct weir__sqlite_call *take_sharing(weir_sqlite *db)
{
    weir__base_mutex_lock(&db->lock);
    struct weir__sqlite_call *call = NULL;
    if (!weir__list_empty(&db->changes)) {
        call = WEIR__CONTAINER(db->changes.next, struct weir__sqlite_call, link);
        if (stands_alone(call))
            call = NULL;
    }
    if (call != NULL) {
        weir__list_remove(&call->link);
        call->state = WEIR__SQLITE_RUNNING;
        db->change_count--;
    }
    weir__base_mutex_unlock(&db->lock);
    return call;
}

static void run_together(weir_sqlite *db, size_t count)
{
    struct weir__list done;
    weir__list_init(&done);
    begin_result(db);
    int rc = weir__sqlite_do(db, WEIR__SQLITE_BEGIN);
    size_t taken = 0;
    bool stands = rc == 0;
    struct weir__sqlite_call *call = NULL;
    while (taken < count && (rc < 0 || stands) && (call = take_sharing(db)) != NULL) {
        taken++;
        weir__list_append(&done, &call->link);
        if (rc < 0)
            set_result(db, call, rc); /* nobody can write now */
        else
            stands = run_change(db, call);
    }
    if (rc == 0 && !stands) {
        run_again(db, &done, call);
    } else if (rc == 0) {
        begin_result(db);
        rc = commit(db, taken);
        if (rc < 0)
            fail_all(db, &done, rc);
    }
    send_all_home(db, &done);
}

/* --- what stands alone ------------------------------------------------------------------------ */

static int run_script(weir_sqlite *db, const char *script)
{
    db->control_allowed = true;
    int result = sqlite3_exec(db->handle, script, NULL, NULL, NULL);
    db->control_allowed = false;
    int rc = result == SQLITE_OK ? 0 : weir__sqlite_fail(db, result, NULL);
    if (sqlite3_get_autocommit(db->handle))
        return rc;
    undo(db);
    return rc < 0 ? rc
                  : weir_fail(-EINVAL, "the script left a transaction open, which has been undone");
}

/* True: that was the end. */
static bool run_lone(weir_sqlite *db, struct weir__sqlite_call *call)
{
    bool last = call->kind == WEIR__SQLITE_CLOSE;
    begin_result(db);
    int rc = 0;
    if (call->kind == WEIR__SQLITE_OPEN) {
        rc = weir__sqlite_file_open(db);
        last = rc < 0;
    } else if (call->kind == WEIR__SQLITE_EXEC) {
        rc = run_script(db, call->sql);
    }
    if (last)
        weir__sqlite_file_close(db);
    set_result(db, call, rc);
    send_home(db, call);
    return last;
}

/* --- rounds ----------------------------------------------------------------------------------- */

static void wait_for_work(weir_sqlite *db, size_t *out_queries, size_t *out_changes)
{
    weir__base_mutex_lock(&db->lock);
    while (db->query_count == 0 && db->change_count == 0)
        weir__base_cond_wait(&db->work, &db->lock);
    *out_queries = db->query_count;
    *out_changes = db->change_count;
    weir__base_mutex_unlock(&db->lock);
}

/* The first change, if it is one of those; close waits until every query has been answered. */
static struct weir__sqlite_call *take_lone(weir_sqlite *db)
{
    weir__base_mutex_lock(&db->lock);
    struct weir__sqlite_call *call = NULL;
    if (!weir__list_empty(&db->changes))
        call = WEIR__CONTAINER(db->changes.next, struct weir__sqlite_call, link);
    if (call != NULL &&
        (!stands_alone(call) || (call->kind == WEIR__SQLITE_CLOSE && db->query_count > 0)))
        call = NULL;
    if (call != NULL) {
        weir__list_remove(&call->link);
        call->state = WEIR__SQLITE_RUNNING;
        db->change_count--;
    }
    weir__base_mutex_unlock(&db->lock);
    return call;
}

void *weir__sqlite_lane(void *arg)
{
    weir_sqlite *db = arg;
    weir__job_detail = &db->said;
    for (bool last = false; !last;) {
        size_t queries, changes;
        wait_for_work(db, &queries, &changes);
        run_queries(db, queries); /* nobody has one before open is done */
        struct weir__sqlite_call *lone = take_lone(db);
        if (lone != NULL)
            last = run_lone(db, lone);
        else if (changes > 0)
            run_together(db,
                         changes < WEIR__SQLITE_TOGETHER_MAX ? changes : WEIR__SQLITE_TOGETHER_MAX);
    }
    weir__job_detail = NULL;
    return NULL;
}
