/*
 * report_test.c - the list of errors and its JSON
 */
#include "model/model.h"

#include "tests/support/test.h"

TEST(a_pointer_is_built_from_names_and_indices)
{
    weir_arena *arena = weir_arena_new(0);
    weir_model_errors errors = {0};
    struct weir__model_report report = {.arena = arena, .errors = &errors, .in = "body"};
    struct weir__model_place list = {.name = WEIR_STR("a/b~c")};
    struct weir__model_place item = {.outer = &list, .index = SIZE_MAX};
    struct weir__model_place nothing = {.outer = &item, .name = WEIR_STR("")};
    EXPECT_RC(0, weir__model_report(&report, &nothing, "type", "one %d", 1));
    EXPECT_RC(0, weir__model_report(&report, &list, "type", "two"));
    EXPECT_RC(0, weir__model_report(&report, NULL, "type", "three"));
    EXPECT_EQ(3, report.found);
    EXPECT_EQ(3, errors.count);
    EXPECT_STR("/a~1b~0c/18446744073709551615/", errors.items[0].pointer);
    EXPECT_STR("one 1", errors.items[0].message);
    EXPECT_STR("/a~1b~0c", errors.items[1].pointer);
    EXPECT_STR("", errors.items[2].pointer);
    weir_arena_free(arena);
}

TEST(the_list_grows_to_its_limit_and_counts_on)
{
    weir_arena *arena = weir_arena_new(0);
    weir_model_errors errors = {.count_max = 9};
    struct weir__model_report report = {.arena = arena, .errors = &errors, .in = "body"};
    for (int i = 0; i < 20; i++)
        EXPECT_RC(0, weir__model_report(&report, NULL, "type", "%d", i));
    EXPECT_EQ(9, errors.count);
    EXPECT_EQ(20, errors.total);
    EXPECT_STR("8", errors.items[8].message);
    weir_arena_free(arena);
}

TEST(errors_are_written_as_a_problem_document_wants_them)
{
    weir_arena *arena = weir_arena_new(0);
    weir_model_errors errors = {.count_max = 2};
    struct weir__model_report report = {.arena = arena, .errors = &errors, .in = "body"};
    weir_str json;
    REQUIRE_RC(0, weir_model_errors_encode(&errors, arena, &json));
    EXPECT_STR("[]", json.data);
    struct weir__model_place place = {.name = WEIR_STR("\"x\"")};
    EXPECT_RC(0, weir__model_report(&report, &place, "unknown", "no \"x\""));
    report.in = "query";
    EXPECT_RC(0, weir__model_report(&report, NULL, "type", "two"));
    REQUIRE_RC(0, weir_model_errors_encode(&errors, arena, &json));
    EXPECT_STR(
        "[{\"in\":\"body\",\"loc\":\"/\\\"x\\\"\",\"type\":\"unknown\",\"msg\":\"no \\\"x\\\"\"},"
        "{\"in\":\"query\",\"loc\":\"\",\"type\":\"type\",\"msg\":\"two\"}]",
        json.data);
    EXPECT_RC(0, weir__model_report(&report, NULL, "type", "three"));
    REQUIRE_RC(0, weir_model_errors_encode(&errors, arena, &json));
    EXPECT_CONTAINS(
        ",{\"in\":\"\",\"loc\":\"\",\"type\":\"more\",\"msg\":\"1 more error is not listed\"}]",
        json.data);
    EXPECT_EQ(strlen(json.data), json.size);
    weir_arena_free(arena);
}
