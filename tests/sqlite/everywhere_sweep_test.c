/*
 * everywhere_sweep_test.c - a database, cancelled and failed at every place: rules O5, X5, I4
 */
#include <stdio.h>

#include "tests/sqlite/rig.h"
#include "tests/support/everywhere.h"

typedef struct {
    int64_t id;
    char *text;
} note;
WEIR_MODEL(note, WEIR_FIELD(id), WEIR_FIELD(text))

static int insert_two(weir_sqlite_tx *tx, void *arg)
{
    (void)arg;
    ssize_t changed = weir_sqlite_tx_run(tx, "INSERT INTO notes (text) VALUES ('a')", WEIR_SQL());
    if (changed >= 0)
        changed = weir_sqlite_tx_run(tx, "INSERT INTO notes (text) VALUES ('b')", WEIR_SQL());
    return changed < 0 ? (int)changed : 0;
}

static int use_database(void *arg)
{
    static const char *const schema[] = {
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)", NULL};
    struct rig *rig = arg;
    weir_sqlite *db;
    int rc = weir_sqlite_open(rig->path, &(weir_sqlite_options){.schema = schema}, &db);
    if (rc < 0)
        return rc;
    rc = weir_sqlite_transaction(db, insert_two, NULL);
    weir_arena *arena = rc == 0 ? weir_arena_new(0) : NULL;
    WEIR_LIST(note) notes = {0};
    if (rc == 0)
        rc = arena == NULL ? -ENOMEM
                           : WEIR_SQLITE_SELECT(db, "SELECT id, text FROM notes", WEIR_SQL(), arena,
                                                note, &notes);
    if (rc == 0)
        WEIR_TEST_EXPECT(notes.count == 2); /* both or none */
    weir_arena_free(arena);
    if (rc == 0) {
        ssize_t changed = weir_sqlite_run(db, "DELETE FROM notes", WEIR_SQL());
        rc = changed < 0 ? (int)changed : 0;
        if (rc == 0)
            WEIR_TEST_EXPECT(changed == 2);
    }
    weir_sqlite_close(db);
    return rc;
}

static bool is_all_or_nothing(const weir_test_round *round, void *arg)
{
    struct rig *rig = arg;
    bool fault = round->struck && (round->kind & WEIR_TEST_ALL_FAULTS) != 0;
    EXPECT(round->rc >= 0 || fault);
    remove(rig->path);
    char other[128];
    snprintf(other, sizeof other, "%s-wal", rig->path);
    remove(other);
    snprintf(other, sizeof other, "%s-shm", rig->path);
    remove(other);
    return !test_failed();
}

TEST(a_database_everywhere) /* X5, I4 */
{
    struct rig rig;
    rig_begin(&rig);
    everywhere_real("database", (struct everywhere){use_database, &rig, is_all_or_nothing, 12});
    rig_end(&rig);
}

/* --- transactions ----------------------------------------------------------------------------- */

static const char fill[] = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n"
                           " WHERE i < 50) INSERT INTO notes (text) SELECT 'n' || i FROM n";

struct move {
    weir_arena *arena;
    int then; /* what the transaction comes to */
    bool ran;
};

static int move_all(weir_sqlite_tx *tx, void *arg)
{
    struct move *move = arg;
    void *items;
    size_t count;
    move->ran = true;
    int rc = weir_sqlite_tx_query(tx, "SELECT id, text FROM notes ORDER BY id", WEIR_SQL(),
                                  move->arena, &note_weir_model, &items, &count);
    const note *notes = items;
    ssize_t changed = 0;
    for (size_t i = 0; rc == 0 && i < count; i += 10) {
        changed = weir_sqlite_tx_run(tx, "DELETE FROM notes WHERE id = ?1", WEIR_SQL(notes[i].id));
        if (changed >= 0)
            changed = weir_sqlite_tx_run(tx, "INSERT INTO moved (text) VALUES (?1)",
                                         WEIR_SQL(notes[i].text));
        rc = changed < 0 ? (int)changed : 0;
    }
    return rc < 0 ? rc : move->then;
}

typedef struct {
    int64_t notes;
    int64_t moved;
} counts;
WEIR_MODEL(counts, WEIR_FIELD(notes), WEIR_FIELD(moved))

static int count_both(weir_sqlite *db, weir_arena *arena, counts *out)
{
    return weir_sqlite_get(db,
                           "SELECT (SELECT count(*) FROM notes) AS notes,"
                           " (SELECT count(*) FROM moved) AS moved",
                           WEIR_SQL(), arena, &counts_weir_model, out);
}

/* What the transaction did is all there, or nothing; looked at when the cut is over. */
static void look(weir_sqlite *db, weir_arena *arena, int64_t moved_min, int64_t moved_max)
{
    int rc = 0;
    WEIR_SHIELD(rc, 20 * WEIR_SEC)
    {
        counts found = {0};
        rc = count_both(db, arena, &found);
        if (rc == 0) {
            WEIR_TEST_EXPECT(found.notes + found.moved == 50);
            WEIR_TEST_EXPECT(found.moved == moved_min || found.moved == moved_max);
        }
    }
}

static int move_in_tasks(weir_sqlite *db, weir_arena *arena)
{
    struct move undone = {arena, -EPROTO, false};
    int rc = weir_sqlite_transaction(db, move_all, &undone);
    if (rc < 0)
        look(db, arena, 0, 0);
    if (rc != -EPROTO)
        return rc;
    struct move done = {arena, 0, false};
    rc = weir_sqlite_transaction(db, move_all, &done);
    look(db, arena, rc == 0 ? 5 : 0, rc == 0 || rc == -EIO ? 5 : 0);
    if (rc == -ECANCELED)
        WEIR_TEST_EXPECT(!done.ran); /* O4: what began is waited for */
    return rc;
}

static int use_transactions(void *arg)
{
    static const char *const schema[] = {
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)",
        "CREATE TABLE moved (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)", NULL};
    struct rig *rig = arg;
    weir_arena *arena = weir_arena_new(0);
    if (arena == NULL)
        return -ENOMEM;
    weir_sqlite *db = NULL;
    int rc = weir_sqlite_open(
        rig->path, &(weir_sqlite_options){.schema = schema, .sync = WEIR_SQLITE_SYNC_NORMAL}, &db);
    if (rc == 0) {
        ssize_t changed = weir_sqlite_run(db, fill, WEIR_SQL());
        rc = changed < 0 ? (int)changed : 0;
    }
    if (rc == 0)
        rc = move_in_tasks(db, arena);
    weir_sqlite_close(db);
    weir_arena_free(arena);
    return rc;
}

TEST(transactions_everywhere) /* O4, X5, I4 */
{
    struct rig rig;
    rig_begin(&rig);
    everywhere_real("transactions",
                    (struct everywhere){use_transactions, &rig, is_all_or_nothing, 12});
    rig_end(&rig);
}
