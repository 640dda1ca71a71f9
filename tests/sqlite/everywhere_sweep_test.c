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
