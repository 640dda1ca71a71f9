/*
 * open_test.c - opening, settings, schema, closing
 */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/sqlite/rig.h"

TASK_TEST(a_new_file_has_a_write_ahead_log_full_sync_and_foreign_keys)
{
    struct rig rig;
    rig_open(&rig);
    EXPECT_EQ(2, number(&rig, "SELECT synchronous AS number FROM pragma_synchronous"));
    EXPECT_EQ(1, number(&rig, "SELECT foreign_keys AS number FROM pragma_foreign_keys"));
    EXPECT_EQ(1, number(&rig, "SELECT journal_mode = 'wal' AS number FROM pragma_journal_mode"));
    rig_end(&rig);
}

TASK_TEST(a_folder_that_is_not_there_is_told_with_the_path)
{
    weir_sqlite *db = NULL;
    EXPECT_RC(-ENOENT, weir_sqlite_open("/nowhere/at/all.db", NULL, &db));
    EXPECT_CONTAINS("/nowhere/at/all.db", weir_failure_message(-ENOENT));
    EXPECT(db == NULL);
}

TASK_TEST(a_file_that_is_no_database_is_refused)
{
    struct rig rig;
    rig_begin(&rig);
    FILE *file = fopen(rig.path, "w");
    REQUIRE(file != NULL);
    for (int i = 0; i < 200; i++)
        fputs("this is a letter, not a database\n", file);
    fclose(file);
    EXPECT_RC(-EBADMSG, weir_sqlite_open(rig.path, NULL, &rig.db));
    EXPECT_CONTAINS("not a database", weir_failure_message(-EBADMSG));
    rig_end(&rig);
}

TASK_TEST(schema_steps_run_once_each_and_new_ones_when_they_are_added)
{
    struct rig rig;
    rig_begin(&rig);
    const char *const one[] = {"CREATE TABLE a (x); INSERT INTO a VALUES (1)", NULL};
    const char *const two[] = {one[0], "INSERT INTO a VALUES (2)", NULL};
    REQUIRE_RC(0, weir_sqlite_open(rig.path, &(weir_sqlite_options){.schema = one}, &rig.db));
    weir_sqlite_close(rig.db);
    rig.db = NULL;
    for (int i = 0; i < 2; i++) {
        REQUIRE_RC(0, weir_sqlite_open(rig.path, &(weir_sqlite_options){.schema = two}, &rig.db));
        EXPECT_EQ(2, number(&rig, "SELECT count(*) AS number FROM a"));
        weir_sqlite_close(rig.db);
        rig.db = NULL;
    }
    EXPECT_RC(-EOPNOTSUPP,
              weir_sqlite_open(rig.path, &(weir_sqlite_options){.schema = one}, &rig.db));
    EXPECT_CONTAINS("newer program", weir_failure_message(-EOPNOTSUPP));
    rig_end(&rig);
}

TASK_TEST(a_schema_step_that_fails_leaves_the_file_as_it_was)
{
    struct rig rig;
    rig_begin(&rig);
    const char *const wrong[] = {"CREATE TABLE a (x)", "CREATE TABLE b (", NULL};
    EXPECT_RC(-EINVAL,
              weir_sqlite_open(rig.path, &(weir_sqlite_options){.schema = wrong}, &rig.db));
    EXPECT_CONTAINS("step 2 of the schema", weir_failure_message(-EINVAL));
    REQUIRE_RC(0, weir_sqlite_open(rig.path, NULL, &rig.db));
    EXPECT_EQ(0, number(&rig, "SELECT count(*) AS number FROM sqlite_schema"));
    rig_end(&rig);
}

TASK_TEST(closing_writes_the_log_back_and_removes_it)
{
    struct rig rig;
    rig_open(&rig);
    EXPECT_EQ(1, weir_sqlite_run(rig.db, "INSERT INTO notes (text) VALUES (?1)", WEIR_SQL("a")));
    char log_path[128];
    snprintf(log_path, sizeof log_path, "%s-wal", rig.path);
    EXPECT_EQ(0, access(log_path, F_OK));
    weir_sqlite_close(rig.db);
    rig.db = NULL;
    EXPECT_EQ(-1, access(log_path, F_OK));
    rig_end(&rig);
}

TASK_TEST(a_read_only_database_refuses_changes)
{
    struct rig rig;
    rig_open(&rig);
    weir_sqlite *reader = NULL;
    REQUIRE_RC(0, weir_sqlite_open(rig.path, &(weir_sqlite_options){.read_only = true}, &reader));
    EXPECT_RC(-EROFS, weir_sqlite_run(reader, "INSERT INTO notes (text) VALUES ('x')", WEIR_SQL()));
    weir_sqlite_close(reader);
    rig_end(&rig);
}

TASK_TEST(opening_in_a_cancelled_scope_leaves_nothing)
{
    weir_scope scope = {0};
    weir_sqlite *db = NULL;
    weir_scope_cancel(&scope, "test");
    REQUIRE_RC(0, weir_scope_enter(&scope));
    int rc = weir_sqlite_open(":memory:", NULL, &db);
    EXPECT_RC(-ECANCELED, rc);
    EXPECT(db == NULL);
    EXPECT_RC(WEIR_CAUGHT, weir_scope_leave(&scope, rc));
}

/* Opened in a task, closed after the loop is gone. */
static weir_sqlite *left_open;

static int open_it(void *arg)
{
    return weir_sqlite_open(arg, NULL, &left_open);
}

TEST(a_database_can_be_closed_outside_of_any_task)
{
    char folder[] = "/tmp/weir-sqlite-XXXXXX";
    REQUIRE(mkdtemp(folder) != NULL);
    char path[64];
    snprintf(path, sizeof path, "%s/x.db", folder);
    REQUIRE_RC(0, weir_run_with(NULL, open_it, path));
    weir_sqlite_close(left_open);
    weir_sqlite_close(NULL);
    unlink(path);
    rmdir(folder);
}
