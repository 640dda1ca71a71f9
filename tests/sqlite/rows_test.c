/*
 * rows_test.c - columns become fields
 */
#include <math.h>

#include "tests/sqlite/rig.h"

typedef struct {
    int64_t id;
    const char *text;
} note;
WEIR_MODEL(note, WEIR_FIELD(id), WEIR_FIELD(text))

typedef struct {
    bool yes;
    int8_t tiny;
    uint16_t port;
    int64_t wide;
    double real;
    float narrow;
    const char *text;
} plain;
WEIR_MODEL(plain, WEIR_FIELD(yes), WEIR_FIELD(tiny), WEIR_FIELD(port), WEIR_FIELD(wide),
           WEIR_FIELD(real), WEIR_FIELD(narrow), WEIR_FIELD(text))

typedef struct {
    WEIR_OPT(int32_t) number;
    const char *text;
    int32_t limit;
} absent;
WEIR_MODEL(absent, WEIR_FIELD(number), WEIR_FIELD(text, .optional = true),
           WEIR_FIELD(limit, .or_else = "32"))

typedef struct {
    const char *name;
    WEIR_LIST(char *) urls;
    note inner;
} deep;
WEIR_MODEL(deep, WEIR_FIELD(name), WEIR_FIELD(urls), WEIR_NESTED(inner, note))

typedef struct {
    int64_t id;
} exact;
WEIR_MODEL_WITH(exact, (.strict = true), WEIR_FIELD(id))

TASK_TEST(rows_become_a_list_of_structs_in_order)
{
    struct rig rig;
    rig_open(&rig);
    for (int i = 1; i <= 3; i++)
        EXPECT_EQ(1, weir_sqlite_run(rig.db, "INSERT INTO notes VALUES (?1, ?2)",
                                     WEIR_SQL(i, i == 1   ? "one"
                                                 : i == 2 ? "two"
                                                          : "three")));
    WEIR_LIST(note) rows;
    REQUIRE_RC(0, WEIR_SQLITE_SELECT(rig.db, "SELECT text, id FROM notes ORDER BY id DESC",
                                     WEIR_SQL(), rig.arena, note, &rows));
    REQUIRE(rows.count == 3);
    EXPECT_EQ(3, rows.items[0].id);
    EXPECT_STR("three", rows.items[0].text);
    EXPECT_STR("one", rows.items[2].text);
    rig_end(&rig);
}

TASK_TEST(no_rows_are_an_empty_list)
{
    struct rig rig;
    rig_open(&rig);
    WEIR_LIST(note) rows = {(note *)8, 8};
    EXPECT_RC(
        0, WEIR_SQLITE_SELECT(rig.db, "SELECT * FROM notes", WEIR_SQL(), rig.arena, note, &rows));
    EXPECT(rows.items == NULL);
    EXPECT_EQ(0, rows.count);
    note one;
    EXPECT_RC(-ENOENT, WEIR_SQLITE_SELECT_ONE(rig.db, "SELECT * FROM notes", WEIR_SQL(), rig.arena,
                                              note, &one));
    rig_end(&rig);
}

TASK_TEST(every_kind_of_value_goes_in_and_comes_out)
{
    struct rig rig;
    rig_open(&rig);
    REQUIRE_RC(0,
               weir_sqlite_exec(rig.db, "CREATE TABLE plain (yes, tiny, port, wide, real, narrow, "
                                        "text)"));
    bool yes = true;
    int8_t tiny = -128;
    uint16_t port = 65535;
    EXPECT_EQ(1, weir_sqlite_run(rig.db, "INSERT INTO plain VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                                 WEIR_SQL(yes, tiny, port, INT64_MIN, 0.1, 2, WEIR_STR("grün"))));
    plain row;
    REQUIRE_RC(0, WEIR_SQLITE_SELECT_ONE(rig.db, "SELECT * FROM plain", WEIR_SQL(), rig.arena,
                                         plain, &row));
    EXPECT(row.yes);
    EXPECT_EQ(-128, row.tiny);
    EXPECT_EQ(65535, row.port);
    EXPECT(row.wide == INT64_MIN);
    EXPECT(row.real == 0.1);
    EXPECT(row.narrow == 2.0f);
    EXPECT_STR("grün", row.text);
    rig_end(&rig);
}

TASK_TEST(null_and_missing_columns_are_absent_where_they_may_be)
{
    struct rig rig;
    rig_open(&rig);
    absent row;
    REQUIRE_RC(0, WEIR_SQLITE_SELECT_ONE(rig.db, "SELECT NULL AS number, NULL AS text", WEIR_SQL(),
                                         rig.arena, absent, &row));
    EXPECT(!row.number.present);
    EXPECT(row.text == NULL);
    EXPECT_EQ(32, row.limit);
    REQUIRE_RC(0, WEIR_SQLITE_SELECT_ONE(rig.db, "SELECT ?1 AS number, ?2 AS text, 5 AS \"limit\"",
                                         WEIR_SQL(7, "x"), rig.arena, absent, &row));
    EXPECT(row.number.present);
    EXPECT_EQ(7, row.number.value);
    EXPECT_EQ(5, row.limit);
    struct weir_opt_int32_t none = {0};
    REQUIRE_RC(0, WEIR_SQLITE_SELECT_ONE(rig.db, "SELECT ?1 AS number",
                                         WEIR_SQL(WEIR_SQL_OPT(none)), rig.arena, absent, &row));
    EXPECT(!row.number.present);
    rig_end(&rig);
}

TASK_TEST(lists_and_structs_are_kept_as_json)
{
    struct rig rig;
    rig_open(&rig);
    deep row;
    REQUIRE_RC(0, WEIR_SQLITE_SELECT_ONE(rig.db, "SELECT 'n' AS name, ?1 AS urls, ?2 AS \"inner\"",
                                         WEIR_SQL("[\"a\",\"b\"]", "{\"id\":4,\"text\":\"t\"}"),
                                         rig.arena, deep, &row));
    REQUIRE(row.urls.count == 2);
    EXPECT_STR("b", row.urls.items[1]);
    EXPECT_EQ(4, row.inner.id);
    EXPECT_RC(-EDOM,
              WEIR_SQLITE_SELECT_ONE(rig.db, "SELECT 'n' AS name, '[1]' AS urls, '{}' AS \"inner\"",
                                     WEIR_SQL(), rig.arena, deep, &row));
    rig_end(&rig);
}

static void expect_misfit(struct rig *rig, const char *sql, const char *part)
{
    plain row = {.tiny = 77};
    EXPECT_RC(-EDOM, WEIR_SQLITE_SELECT_ONE(rig->db, sql, WEIR_SQL(), rig->arena, plain, &row));
    EXPECT_CONTAINS(part, weir_failure_message(-EDOM));
    EXPECT_EQ(77, row.tiny); /* written on success only */
}

TASK_TEST(what_does_not_fit_is_told_with_its_column)
{
    struct rig rig;
    rig_open(&rig);
#define REST ", 1 AS port, 1 AS wide, 1 AS real, 1 AS narrow"
    expect_misfit(&rig, "SELECT 2 AS yes, 1 AS tiny, 't' AS text" REST, "yes");
    expect_misfit(&rig, "SELECT 1 AS yes, 128 AS tiny, 't' AS text" REST,
                  "128 does not fit plain.tiny");
    expect_misfit(&rig, "SELECT 1 AS yes, 'x' AS tiny, 't' AS text" REST,
                  "column 'tiny' is a text");
    expect_misfit(&rig, "SELECT 1 AS yes, 1.5 AS tiny, 't' AS text" REST,
                  "column 'tiny' is a real");
    expect_misfit(&rig, "SELECT 1 AS yes, 1 AS tiny, NULL AS text" REST, "column 'text' is NULL");
    expect_misfit(&rig, "SELECT 1 AS yes, 1 AS tiny, x'00' AS text" REST,
                  "column 'text' is a blob");
    expect_misfit(&rig, "SELECT 1 AS yes, 1 AS tiny, 'a' || char(0) AS text" REST, "NUL");
    expect_misfit(&rig, "SELECT 1 AS yes, 't' AS text" REST, "gives no column 'tiny'");
    exact row;
    EXPECT_RC(-EDOM, WEIR_SQLITE_SELECT_ONE(rig.db, "SELECT 1 AS id, 2 AS more", WEIR_SQL(),
                                            rig.arena, exact, &row));
    EXPECT_CONTAINS("more", weir_failure_message(-EDOM));
    rig_end(&rig);
}

TASK_TEST(an_answer_beyond_its_limit_is_refused)
{
    struct rig rig;
    rig_begin(&rig);
    REQUIRE_RC(
        0, weir_sqlite_open(":memory:", &(weir_sqlite_options){.answer_bytes_max = 1000}, &rig.db));
    note row;
    EXPECT_RC(0, WEIR_SQLITE_SELECT_ONE(rig.db, "SELECT 1 AS id, hex(zeroblob(400)) AS text",
                                        WEIR_SQL(), rig.arena, note, &row));
    EXPECT_RC(-EMSGSIZE,
              WEIR_SQLITE_SELECT_ONE(rig.db, "SELECT 1 AS id, hex(zeroblob(500)) AS text",
                                     WEIR_SQL(), rig.arena, note, &row));
    rig_end(&rig);
}

TASK_TEST(a_returning_statement_changes_and_answers)
{
    struct rig rig;
    rig_open(&rig);
    note row;
    REQUIRE_RC(0, WEIR_SQLITE_SELECT_ONE(rig.db, "INSERT INTO notes (text) VALUES (?1) RETURNING *",
                                         WEIR_SQL("new"), rig.arena, note, &row));
    EXPECT_EQ(1, row.id);
    EXPECT_EQ(1, number(&rig, "SELECT count(*) AS number FROM notes"));
    weir_sqlite_stats stats;
    weir_sqlite_stats_get(rig.db, &stats);
    EXPECT_EQ(1, stats.transactions);
    EXPECT_EQ(0, stats.queued);
    rig_end(&rig);
}
