/*
 * lane_test.c - changes that commit together, transactions, errors, cancellation
 */
#include <stdio.h>
#include <string.h>

#include "base/thread.h"
#include "tests/sqlite/rig.h"
#include "tests/support/fault_loop.h"

#define ADD "INSERT INTO notes (text) VALUES (?1)"

TASK_TEST(a_change_says_how_many_rows)
{
    struct rig rig;
    rig_open(&rig);
    EXPECT_EQ(1, weir_sqlite_run(rig.db, ADD, WEIR_SQL("a")));
    EXPECT_EQ(1, weir_sqlite_run(rig.db, ADD, WEIR_SQL("b")));
    EXPECT_EQ(2, weir_sqlite_run(rig.db, "UPDATE notes SET text = text || ?1", WEIR_SQL("!")));
    EXPECT_EQ(0, weir_sqlite_run(rig.db, "DELETE FROM notes WHERE id = ?1", WEIR_SQL(99)));
    EXPECT_EQ(0, weir_sqlite_run(rig.db, "CREATE TABLE other (x)", WEIR_SQL()));
    EXPECT_EQ(2, weir_sqlite_run(rig.db, "DELETE FROM notes", WEIR_SQL()));
    rig_end(&rig);
}

TASK_TEST(errors_come_with_the_words_of_sqlite)
{
    struct rig rig;
    rig_open(&rig);
    EXPECT_EQ(1, weir_sqlite_run(rig.db, ADD, WEIR_SQL("a")));
    EXPECT_RC(-EEXIST, weir_sqlite_run(rig.db, ADD, WEIR_SQL("a")));
    EXPECT_STR("UNIQUE constraint failed: notes.text", weir_failure_message(-EEXIST));
    EXPECT_RC(-EINVAL, weir_sqlite_run(rig.db, ADD, WEIR_SQL(WEIR_SQL_NULL)));
    EXPECT_CONTAINS("NOT NULL", weir_failure_message(-EINVAL));
    EXPECT_RC(-EINVAL, weir_sqlite_run(rig.db, "INSERT INTO nowhere VALUES (1)", WEIR_SQL()));
    EXPECT_CONTAINS("no such table: nowhere", weir_failure_message(-EINVAL));
    EXPECT_RC(-EINVAL, weir_sqlite_run(rig.db, ADD, WEIR_SQL()));
    EXPECT_CONTAINS("takes 1 value, 0 are given", weir_failure_message(-EINVAL));
    EXPECT_RC(-EINVAL, weir_sqlite_run(rig.db, "DELETE FROM notes; DROP TABLE notes", WEIR_SQL()));
    EXPECT_CONTAINS("one statement at a time", weir_failure_message(-EINVAL));
    EXPECT_RC(-EINVAL, weir_sqlite_run(rig.db, "  ", WEIR_SQL()));
    EXPECT_EQ(1, number(&rig, "SELECT count(*) AS number FROM notes"));
    rig_end(&rig);
}

TASK_TEST(statements_cannot_begin_or_end_a_transaction)
{
    struct rig rig;
    rig_open(&rig);
    const char *const control[] = {"BEGIN",       "COMMIT",       "ROLLBACK",
                                   "SAVEPOINT x", "RELEASE weir", "ROLLBACK TO weir"};
    for (size_t i = 0; i < sizeof control / sizeof *control; i++) {
        EXPECT_RC(-EINVAL, weir_sqlite_run(rig.db, control[i], WEIR_SQL()));
        EXPECT_CONTAINS("not authorized", weir_failure_message(-EINVAL));
    }
    EXPECT_RC(0, weir_sqlite_exec(rig.db, "BEGIN; INSERT INTO notes (text) VALUES ('x'); COMMIT"));
    EXPECT_RC(-EINVAL, weir_sqlite_exec(rig.db, "BEGIN; INSERT INTO notes (text) VALUES ('y')"));
    EXPECT_CONTAINS("transaction open", weir_failure_message(-EINVAL));
    EXPECT_EQ(1, number(&rig, "SELECT count(*) AS number FROM notes"));
    rig_end(&rig);
}

TASK_TEST(values_are_values_whatever_they_look_like)
{
    struct rig rig;
    rig_open(&rig);
    const char *evil = "'); DROP TABLE notes; --";
    EXPECT_EQ(1, weir_sqlite_run(rig.db, ADD, WEIR_SQL(evil)));
    EXPECT_EQ(1, number(&rig, "SELECT count(*) AS number FROM notes WHERE text LIKE '%DROP%'"));
    rig_end(&rig);
}

/* --- together --------------------------------------------------------------------------------- */

/* Holds the database's thread inside a transaction until it is opened. */
struct gate {
    struct weir__mutex lock;
    struct weir__cond changed;
    bool entered;
    bool open;
};

static int wait_at_gate(weir_sqlite_tx *tx, void *arg)
{
    (void)tx;
    struct gate *gate = arg;
    weir__base_mutex_lock(&gate->lock);
    gate->entered = true;
    while (!gate->open)
        weir__base_cond_wait(&gate->changed, &gate->lock);
    weir__base_mutex_unlock(&gate->lock);
    return 0;
}

static void gate_init(struct gate *gate)
{
    *gate = (struct gate){0};
    weir__base_mutex_init(&gate->lock);
    weir__base_cond_init(&gate->changed);
}

static void gate_open(struct gate *gate)
{
    weir__base_mutex_lock(&gate->lock);
    gate->open = true;
    weir__base_cond_broadcast(&gate->changed);
    weir__base_mutex_unlock(&gate->lock);
}

struct hold {
    weir_sqlite *db;
    struct gate *gate;
};
static int hold(struct hold *a)
{
    return weir_sqlite_transaction(a->db, wait_at_gate, a->gate);
}

static void until_entered(struct gate *gate)
{
    for (bool entered = false; !entered;) {
        weir__base_mutex_lock(&gate->lock);
        entered = gate->entered;
        weir__base_mutex_unlock(&gate->lock);
        EXPECT_RC(0, weir_yield());
        weir__base_thread_pause();
    }
}

static void until_queued(weir_sqlite *db, size_t count)
{
    weir_sqlite_stats stats = {0};
    while (stats.queued < count) {
        EXPECT_RC(0, weir_yield());
        weir__base_thread_pause();
        weir_sqlite_stats_get(db, &stats);
    }
}

struct add {
    weir_sqlite *db;
    int number;
    ssize_t *out;
};
static int add(struct add *a)
{
    char text[32];
    snprintf(text, sizeof text, "note %d", a->number);
    *a->out = weir_sqlite_run(a->db, ADD, WEIR_SQL(text));
    return *a->out < 0 && *a->out != -EEXIST ? (int)*a->out : 0;
}

#if defined(__SANITIZE_THREAD__)
enum { MANY = 100 }; /* it takes milliseconds for each stack, and many more on a busy machine */
#else
enum { MANY = 1000 };
#endif

IO_TEST(a_thousand_small_changes_need_a_few_commits)
{
    struct rig rig;
    rig_open(&rig);
    struct gate gate;
    gate_init(&gate);
    static ssize_t results[MANY];
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, hold, rig.db, &gate)); /* a slow disk */
    until_entered(&gate);
    for (int i = 0; i < MANY; i++)
        EXPECT_RC(0, WEIR_SPAWN(group, add, rig.db, i, &results[i]));
    until_queued(rig.db, MANY + 1);
    gate_open(&gate);
    EXPECT_RC(0, weir_group_close(group, 0));
    for (int i = 0; i < MANY; i++)
        EXPECT_EQ(1, results[i]);
    EXPECT_EQ(MANY, number(&rig, "SELECT count(*) AS number FROM notes"));
    weir_sqlite_stats stats;
    weir_sqlite_stats_get(rig.db, &stats);
    EXPECT_EQ(MANY, stats.together_max);
    EXPECT_EQ(2, stats.transactions); /* the one that was held, and all the others */
    rig_end(&rig);
}

IO_TEST(of_changes_that_commit_together_only_the_wrong_one_fails)
{
    struct rig rig;
    rig_open(&rig);
    struct gate gate;
    gate_init(&gate);
    ssize_t results[10];
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, hold, rig.db, &gate));
    until_entered(&gate);
    for (int i = 0; i < 10; i++)
        EXPECT_RC(0, WEIR_SPAWN(group, add, rig.db, i == 7 ? 3 : i, &results[i]));
    until_queued(rig.db, 11);
    gate_open(&gate);
    EXPECT_RC(0, weir_group_close(group, 0));
    for (int i = 0; i < 10; i++)
        EXPECT_EQ(i == 7 ? -EEXIST : 1, results[i]);
    EXPECT_EQ(9, number(&rig, "SELECT count(*) AS number FROM notes"));
    weir_sqlite_stats stats;
    weir_sqlite_stats_get(rig.db, &stats);
    EXPECT_EQ(10, stats.together_max);
    rig_end(&rig);
}

TASK_TEST(a_foreign_key_owed_at_the_end_fails_its_own_change_only)
{
    struct rig rig;
    rig_open(&rig);
    REQUIRE_RC(0, weir_sqlite_exec(
                      rig.db, "CREATE TABLE child (note INTEGER REFERENCES notes (id) DEFERRABLE "
                              "INITIALLY DEFERRED)"));
    struct gate gate;
    gate_init(&gate);
    ssize_t result;
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, hold, rig.db, &gate));
    until_entered(&gate);
    EXPECT_RC(0, WEIR_SPAWN(group, add, rig.db, 1, &result));
    EXPECT_RC(0, weir_yield());
    gate_open(&gate);
    EXPECT_RC(-EINVAL, weir_sqlite_run(rig.db, "INSERT INTO child VALUES (99)", WEIR_SQL()));
    EXPECT_CONTAINS("FOREIGN KEY", weir_failure_message(-EINVAL));
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(1, result);
    EXPECT_EQ(0, number(&rig, "SELECT count(*) AS number FROM child"));
    rig_end(&rig);
}

/* `INSERT OR ROLLBACK` makes SQLite undo the whole transaction, as a full disk does. */
IO_TEST(changes_undone_with_a_stranger_are_made_again)
{
    struct rig rig;
    rig_open(&rig);
    struct gate gate;
    gate_init(&gate);
    ssize_t results[4];
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, hold, rig.db, &gate));
    until_entered(&gate);
    for (int i = 0; i < 4; i++)
        EXPECT_RC(0, WEIR_SPAWN(group, add, rig.db, i, &results[i]));
    until_queued(rig.db, 5);
    gate_open(&gate);
    EXPECT_RC(-EEXIST,
              weir_sqlite_run(rig.db, "INSERT OR ROLLBACK INTO notes VALUES (1, 'x')", WEIR_SQL()));
    EXPECT_RC(0, weir_group_close(group, 0));
    for (int i = 0; i < 4; i++)
        EXPECT_EQ(1, results[i]);
    EXPECT_EQ(4, number(&rig, "SELECT count(*) AS number FROM notes"));
    EXPECT_EQ(1, weir_sqlite_run(rig.db, ADD, WEIR_SQL("after")));
    rig_end(&rig);
}

/* --- transactions ----------------------------------------------------------------------------- */

typedef struct {
    int64_t id;
    const char *text;
} note;
WEIR_MODEL(note, WEIR_FIELD(id), WEIR_FIELD(text))

struct pair {
    const char *first;
    const char *second;
    weir_arena *arena;
    int64_t last_id;
    size_t seen;
};

static int add_pair(weir_sqlite_tx *tx, void *arg)
{
    struct pair *pair = arg;
    ssize_t rc = weir_sqlite_tx_run(tx, ADD, WEIR_SQL(pair->first));
    if (rc < 0)
        return (int)rc;
    pair->last_id = weir_sqlite_tx_last_id(tx);
    WEIR_LIST(note) notes;
    int found = weir_sqlite_tx_query(tx, "SELECT * FROM notes", WEIR_SQL(), pair->arena,
                                     WEIR_MODEL_OF(note), (void **)&notes.items, &notes.count);
    if (found < 0)
        return found;
    pair->seen = notes.count;
    rc = weir_sqlite_tx_run(tx, ADD, WEIR_SQL(pair->second));
    return rc < 0 ? (int)rc : 0;
}

TASK_TEST(a_transaction_happens_as_a_whole_or_not_at_all)
{
    struct rig rig;
    rig_open(&rig);
    struct pair pair = {"a", "b", rig.arena, 0, 0};
    EXPECT_RC(0, weir_sqlite_transaction(rig.db, add_pair, &pair));
    EXPECT_EQ(1, pair.last_id);
    EXPECT_EQ(1, pair.seen);
    pair = (struct pair){"c", "a", rig.arena, 0, 0};
    EXPECT_RC(-EEXIST, weir_sqlite_transaction(rig.db, add_pair, &pair));
    EXPECT_CONTAINS("UNIQUE", weir_failure_message(-EEXIST));
    EXPECT_EQ(2, number(&rig, "SELECT count(*) AS number FROM notes"));
    rig_end(&rig);
}

static int say_no(weir_sqlite_tx *tx, void *arg)
{
    (void)arg;
    ssize_t rc = weir_sqlite_tx_run(tx, ADD, WEIR_SQL("z"));
    return rc < 0 ? (int)rc : weir_fail(-EPROTO, "the sum is %d", 7);
}

TASK_TEST(what_a_transaction_says_reaches_its_caller)
{
    struct rig rig;
    rig_open(&rig);
    EXPECT_RC(-EPROTO, weir_sqlite_transaction(rig.db, say_no, NULL));
    EXPECT_STR("the sum is 7", weir_failure_message(-EPROTO));
    EXPECT_EQ(0, number(&rig, "SELECT count(*) AS number FROM notes"));
    rig_end(&rig);
}

static int park_inside(weir_sqlite_tx *tx, void *arg)
{
    (void)tx;
    (void)arg;
    return weir_sleep(WEIR_MS);
}

TASK_TEST(a_checkpoint_inside_a_transaction_is_refused)
{
    struct rig rig;
    rig_open(&rig);
    EXPECT_RC(-EPERM, weir_sqlite_transaction(rig.db, park_inside, NULL));
    rig_end(&rig);
}

/* --- cancellation: X5 ------------------------------------------------------------------------- */

IO_TEST(a_cancelled_caller_leaves_the_queue_and_nothing_was_changed)
{
    struct rig rig;
    rig_open(&rig);
    struct gate gate;
    gate_init(&gate);
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, hold, rig.db, &gate));
    until_entered(&gate);
    int rc = 0;
    WEIR_TIMEOUT(rc, WEIR_MS)
    {
        rc = (int)weir_sqlite_run(rig.db, ADD, WEIR_SQL("never"));
    }
    EXPECT_RC(-ETIME, rc);
    gate_open(&gate);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(0, number(&rig, "SELECT count(*) AS number FROM notes"));
    rig_end(&rig);
}

IO_TEST(a_change_that_has_begun_is_waited_for_and_its_result_wins)
{
    struct rig rig;
    rig_open(&rig);
    struct gate gate;
    gate_init(&gate);
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, hold, rig.db, &gate));
    until_entered(&gate);
    weir_group_cancel(group, "test");
    gate_open(&gate);
    EXPECT_RC(0, weir_group_close(group, 0)); /* the transaction committed: its task returned 0 */
    rig_end(&rig);
}

#define ENDLESS                                                                                    \
    "WITH RECURSIVE t (number) AS (VALUES (1) UNION ALL SELECT number + 1 FROM t) "                \
    "SELECT count(*) AS number FROM t"

IO_TEST(a_query_that_runs_too_long_is_interrupted)
{
    struct rig rig;
    rig_open(&rig);
    void *items;
    size_t count;
    int rc = 0;
    WEIR_TIMEOUT(rc, 5 * WEIR_MS)
    {
        rc = weir_sqlite_query(rig.db, ENDLESS, WEIR_SQL(), rig.arena, WEIR_MODEL_OF(note), &items,
                               &count);
    }
    EXPECT_RC(-ETIME, rc);
    EXPECT_EQ(1, weir_sqlite_run(rig.db, ADD, WEIR_SQL("after")));
    rig_end(&rig);
}

TASK_TEST(in_a_cancelled_scope_nothing_is_begun)
{
    struct rig rig;
    rig_open(&rig);
    weir_scope scope = {0};
    weir_scope_cancel(&scope, "test");
    REQUIRE_RC(0, weir_scope_enter(&scope));
    int rc = (int)weir_sqlite_run(rig.db, ADD, WEIR_SQL("x"));
    EXPECT_RC(-ECANCELED, rc);
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, rc));
    EXPECT_EQ(0, number(&rig, "SELECT count(*) AS number FROM notes"));
    rig_end(&rig);
}

/* --- closing, other processes, shortage ------------------------------------------------------- */

IO_TEST(close_waits_for_what_is_queued_and_refuses_the_rest)
{
    struct rig rig;
    rig_open(&rig);
    struct gate gate;
    gate_init(&gate);
    static ssize_t results[20];
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, hold, rig.db, &gate));
    until_entered(&gate);
    for (int i = 0; i < 20; i++)
        EXPECT_RC(0, WEIR_SPAWN(group, add, rig.db, i, &results[i]));
    until_queued(rig.db, 21);
    gate_open(&gate);
    weir_sqlite_close(rig.db);
    EXPECT_RC(0, weir_group_close(group, 0));
    for (int i = 0; i < 20; i++)
        EXPECT_EQ(1, results[i]);
    REQUIRE_RC(0, weir_sqlite_open(rig.path, NULL, &rig.db));
    EXPECT_EQ(20, number(&rig, "SELECT count(*) AS number FROM notes"));
    rig_end(&rig);
}

struct late {
    weir_sqlite *db;
};
static int late(struct late *a)
{
    EXPECT_RC(-ESHUTDOWN, weir_sqlite_run(a->db, ADD, WEIR_SQL("late")));
    return 0;
}

struct close_it {
    weir_sqlite *db;
};
static int close_it(struct close_it *a)
{
    weir_sqlite_close(a->db);
    return 0;
}

IO_TEST(a_call_after_the_close_began_is_refused)
{
    struct rig rig;
    rig_open(&rig);
    struct gate gate;
    gate_init(&gate);
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, hold, rig.db, &gate));
    until_entered(&gate);
    EXPECT_RC(0, WEIR_SPAWN(group, close_it, rig.db));
    EXPECT_RC(0, WEIR_SPAWN(group, late, rig.db));
    until_queued(rig.db, 2);
    EXPECT_RC(0, weir_yield());
    gate_open(&gate);
    EXPECT_RC(0, weir_group_close(group, 0));
    rig.db = NULL;
    rig_end(&rig);
}

TASK_TEST(another_process_that_writes_is_waited_for_and_then_told)
{
    struct rig rig;
    rig_open(&rig);
    weir_sqlite *other = NULL;
    REQUIRE_RC(0, weir_sqlite_open(rig.path, &(weir_sqlite_options){.busy_timeout_ns = 5 * WEIR_MS},
                                   &other));
    struct gate gate;
    gate_init(&gate);
    weir_group *group;
    REQUIRE_RC(0, weir_group_open(&group, NULL));
    EXPECT_RC(0, WEIR_SPAWN(group, hold, rig.db, &gate));
    until_entered(&gate);
    EXPECT_RC(-EBUSY, weir_sqlite_run(other, ADD, WEIR_SQL("x")));
    EXPECT_CONTAINS("locked", weir_failure_message(-EBUSY));
    gate_open(&gate);
    EXPECT_RC(0, weir_group_close(group, 0));
    EXPECT_EQ(1, weir_sqlite_run(other, ADD, WEIR_SQL("x")));
    weir_sqlite_close(other);
    rig_end(&rig);
}

TASK_TEST(a_full_database_says_so_and_works_again)
{
    struct rig rig;
    rig_open(&rig);
    EXPECT_RC(0, weir_sqlite_exec(rig.db, "PRAGMA max_page_count=20"));
    ssize_t rc;
    int made = 0;
    do {
        rc = weir_sqlite_run(rig.db, "INSERT INTO notes (text) VALUES (hex(randomblob(2000)))",
                             WEIR_SQL());
        made += rc == 1;
    } while (rc == 1 && made < 100);
    EXPECT_RC(-ENOSPC, rc);
    EXPECT_CONTAINS("full", weir_failure_message(-ENOSPC));
    EXPECT_EQ(made, number(&rig, "SELECT count(*) AS number FROM notes"));
    EXPECT_EQ(made, weir_sqlite_run(rig.db, "DELETE FROM notes", WEIR_SQL()));
    EXPECT_EQ(1, weir_sqlite_run(rig.db, ADD, WEIR_SQL("x")));
    rig_end(&rig);
}

static void use_it(void *arg)
{
    struct rig *rig = arg;
    weir_sqlite *db;
    if (weir_sqlite_open(":memory:", NULL, &db) < 0)
        return;
    int rc = (int)weir_sqlite_run(db, "CREATE TABLE t (id INTEGER, text TEXT)", WEIR_SQL());
    if (rc >= 0)
        rc = (int)weir_sqlite_run(db, "INSERT INTO t VALUES (1, ?1)", WEIR_SQL("x"));
    if (rc >= 0) {
        void *items;
        size_t count;
        rc = weir_sqlite_query(db, "SELECT * FROM t", WEIR_SQL(), rig->arena, WEIR_MODEL_OF(note),
                               &items, &count);
        EXPECT(rc == -ENOMEM || (rc == 0 && count == 1));
    }
    weir_sqlite_close(db);
}

TASK_TEST(it_gives_everything_back_wherever_memory_runs_out)
{
    struct rig rig;
    rig_begin(&rig);
    EXPECT(fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, use_it, &rig) > 5);
    rig_end(&rig);
}
