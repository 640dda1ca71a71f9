/*
 * rig.h - what the tests of sqlite share: a folder that goes away, and a database in it
 */
#ifndef WEIR_TESTS_SQLITE_RIG_H
#define WEIR_TESTS_SQLITE_RIG_H

#include <weir/sqlite.h>
#include <weir/weir.h>

#include "tests/support/test.h"

struct rig {
    char folder[64];
    char path[96];
    weir_sqlite *db;
    weir_arena *arena;
};

/* A folder; no database yet. */
void rig_begin(struct rig *rig);
/* A folder and a database with a table `notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL
 * UNIQUE)`. */
void rig_open(struct rig *rig);
/* Closes the database if it is open, and removes the folder. */
void rig_end(struct rig *rig);

/* The only number that a query gives. */
int64_t number(struct rig *rig, const char *sql);

#endif
