/*
 * rig.c - what the tests of sqlite share
 */
#include "tests/sqlite/rig.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct {
    int64_t number;
} one_number;
WEIR_MODEL(one_number, WEIR_FIELD(number))

void rig_begin(struct rig *rig)
{
    *rig = (struct rig){.folder = "/tmp/weir-sqlite-XXXXXX"};
    EXPECT(mkdtemp(rig->folder) != NULL);
    snprintf(rig->path, sizeof rig->path, "%s/test.db", rig->folder);
    rig->arena = weir_arena_new(0);
    EXPECT(rig->arena != NULL);
}

void rig_open(struct rig *rig)
{
    static const char *const schema[] = {
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)", NULL};
    rig_begin(rig);
    EXPECT_RC(0, weir_sqlite_open(rig->path, &(weir_sqlite_options){.schema = schema}, &rig->db));
}

void rig_end(struct rig *rig)
{
    weir_sqlite_close(rig->db);
    weir_arena_free(rig->arena);
    DIR *folder = opendir(rig->folder);
    if (folder != NULL) {
        struct dirent *entry;
        while ((entry = readdir(folder)) != NULL)
            unlinkat(dirfd(folder), entry->d_name, 0);
        closedir(folder);
    }
    rmdir(rig->folder);
}

int64_t number(struct rig *rig, const char *sql)
{
    one_number row = {-1};
    EXPECT_RC(0, WEIR_SQLITE_SELECT_ONE(rig->db, sql, WEIR_SQL(), rig->arena, one_number, &row));
    return row.number;
}
