/*
 * decode_text_test.c - query strings and parts of a path to struct
 */
#include <weir/model.h>

#include <stdio.h>
#include <string.h>

#include "tests/support/guarded.h"
#include "tests/support/test.h"

typedef struct {
    int32_t limit;
    WEIR_OPT(double) ratio;
    bool verbose;
    char *search;
    WEIR_LIST(uint16_t) ids;
    WEIR_LIST(char *) tags;
    char *state;
} query;
WEIR_MODEL_WITH(query, (.strict = true), WEIR_FIELD(limit, .min = 1, .max = 100, .or_else = "20"),
                WEIR_FIELD(ratio, .min = 0, .max = 1), WEIR_FIELD(verbose, .or_else = "false"),
                WEIR_FIELD(search, .name = "q", .min_len = 1, .max_len = 5, .optional = true),
                WEIR_FIELD(ids, .min_len = 2, .max_len = 3, .optional = true),
                WEIR_FIELD(tags, .optional = true, .item_max_len = 4),
                WEIR_FIELD(state, .one_of = "running|done", .optional = true))

typedef struct {
    int id;
} path;
WEIR_MODEL(path, WEIR_FIELD(id))

typedef struct {
    path nested;
} outer;
WEIR_MODEL(outer, WEIR_NESTED(nested, path))

/* "a=1&b=2" to pairs; only what a test needs, no escapes. Ends at a guarded page. */
struct request {
    struct guarded text;
    weir_model_pair pairs[20];
    size_t count;
};

static struct request make_request(const char *text)
{
    struct request request = {.text = guarded_copy(text, strlen(text))};
    const char *at = request.text.data, *end = at + request.text.size;
    while (at < end) {
        const char *next = memchr(at, '&', (size_t)(end - at));
        next = next == NULL ? end : next;
        const char *equals = memchr(at, '=', (size_t)(next - at));
        equals = equals == NULL ? next : equals;
        const char *value = equals == next ? next : equals + 1;
        request.pairs[request.count++] =
            (weir_model_pair){{at, (size_t)(equals - at)}, {value, (size_t)(next - value)}};
        at = next == end ? end : next + 1;
    }
    return request;
}

static int try(const char *text, weir_arena *arena, query *out, weir_model_errors *errors)
{
    struct request request = make_request(text);
    int rc = weir_model_decode_pairs(WEIR_MODEL_OF(query), request.pairs, request.count, "query",
                                     arena, out, errors);
    guarded_free(&request.text);
    return rc;
}

static void expect_errors(const char *text, const char *expected)
{
    weir_arena *arena = weir_arena_new(0);
    weir_model_errors errors = {0};
    query value;
    EXPECT_RC(-EINVAL, try(text, arena, &value, &errors));
    char found[1000] = "";
    size_t size = 0;
    for (size_t i = 0; i < errors.count; i++) {
        EXPECT_STR("query", errors.items[i].in);
        size += (size_t)snprintf(found + size, sizeof found - size, "%s%s %s %s",
                                 i == 0 ? "" : "\n", errors.items[i].pointer, errors.items[i].type,
                                 errors.items[i].message);
    }
    EXPECT_STR(expected, found);
    weir_arena_free(arena);
}

TEST(absent_parameters_take_their_defaults)
{
    weir_arena *arena = weir_arena_new(0);
    query value;
    REQUIRE_RC(0, try("", arena, &value, NULL));
    EXPECT_EQ(20, value.limit);
    EXPECT(!value.ratio.present && !value.verbose && value.search == NULL);
    EXPECT(value.ids.count == 0 && value.ids.items == NULL);
    EXPECT(value.tags.count == 0 && value.tags.items == NULL);
    weir_arena_free(arena);
}

TEST(parameters_are_read_by_the_rules_of_their_fields)
{
    weir_arena *arena = weir_arena_new(0);
    query value;
    REQUIRE_RC(
        0,
        try("ids=1&limit=100&ratio=0.25&verbose=1&q=a%20b&ids=65535&tags=x&ids=0&tags=&state=done",
            arena, &value, NULL));
    EXPECT_EQ(100, value.limit);
    EXPECT(value.ratio.present && value.ratio.value == 0.25);
    EXPECT(value.verbose);
    EXPECT_STR("a%20b", value.search);
    EXPECT_EQ(3, value.ids.count);
    EXPECT_EQ(65535, value.ids.items[1]);
    EXPECT_EQ(2, value.tags.count);
    EXPECT_STR("x", value.tags.items[0]);
    EXPECT_STR("", value.tags.items[1]);
    EXPECT_STR("done", value.state);
    REQUIRE_RC(0, try("verbose=true", arena, &value, NULL));
    EXPECT(value.verbose);
    REQUIRE_RC(0, try("verbose=false&limit=1", arena, &value, NULL));
    EXPECT(!value.verbose);
    REQUIRE_RC(0, try("verbose=0", arena, &value, NULL));
    EXPECT(!value.verbose);
    weir_arena_free(arena);
}

TEST(every_parameter_that_is_wrong_is_named)
{
    expect_errors("limit=0&ratio=1.5&verbose=yes&q=&ids=1&tags=abcde&state=x&extra=1&extra=2",
                  "/limit min must be at least 1, is 0\n"
                  "/ratio max must be at most 1, is 1.5\n"
                  "/verbose type must be true or false, is \"yes\"\n"
                  "/q min_len must have at least 1 character, has 0\n"
                  "/ids min_len must have at least 2 items, has 1\n"
                  "/tags/0 max_len must have at most 4 characters, has 5\n"
                  "/state one_of must be one of running, done\n"
                  "/extra unknown is not a parameter that is known\n"
                  "/extra unknown is not a parameter that is known");
    expect_errors("limit=101", "/limit max must be at most 100, is 101");
    expect_errors("limit=1&limit=2", "/limit duplicate must be given only once");
    expect_errors("ids=1&ids=2&ids=3&ids=4", "/ids max_len must have at most 3 items, has 4");
    expect_errors("ids=1&ids=65536&ids=x", "/ids/1 max must be at most 65535, is 65536\n"
                                           "/ids/2 type must be an integer, is \"x\"");
    expect_errors("search=a", "/search unknown is not a parameter that is known");
    expect_errors("=1", "/ unknown is not a parameter that is known");
}

TEST(a_number_is_written_as_in_json_and_nothing_else)
{
    static const char *const wrong[] = {"",      " 1",  "1 ",  "+1",  "01",   "0x1",
                                        "1_0",   "1.5", "1e1", "1,0", "true", "null",
                                        "\"1\"", "1\n", "--1", "one", "-"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[40];
        snprintf(text, sizeof text, "limit=%s", wrong[i]);
        weir_arena *arena = weir_arena_new(0);
        weir_model_errors errors = {0};
        query value;
        EXPECT_RC(-EINVAL, try(text, arena, &value, &errors));
        EXPECT_STR("type", errors.items[0].type);
        weir_arena_free(arena);
    }
}

TEST(bytes_that_are_no_text_are_refused)
{
    expect_errors("q=\xff", "/q format must be UTF-8");
    weir_arena *arena = weir_arena_new(0);
    weir_model_errors errors = {0};
    query value;
    weir_model_pair pair = {WEIR_STR("q"), {"a\0b", 3}};
    EXPECT_RC(-EINVAL, weir_model_decode_pairs(WEIR_MODEL_OF(query), &pair, 1, "query", arena,
                                               &value, &errors));
    EXPECT_STR("must not contain the character U+0000", errors.items[0].message);
    weir_arena_free(arena);
}

TEST(what_is_shown_of_a_long_text_is_cut_between_two_characters)
{
    /* 39 letters, then one of two bytes across the place of the cut */
    expect_errors("verbose=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa9zzz",
                  "/verbose type must be true or false, is "
                  "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\"");
}

TEST(nothing_that_was_not_given_is_a_missing_field)
{
    weir_arena *arena = weir_arena_new(0);
    weir_model_errors errors = {0};
    path value;
    EXPECT_RC(-EINVAL, weir_model_decode_pairs(WEIR_MODEL_OF(path), NULL, 0, "path", arena, &value,
                                               &errors));
    EXPECT_STR("path", errors.items[0].in);
    EXPECT_STR("/id", errors.items[0].pointer);
    EXPECT_STR("missing", errors.items[0].type);
    weir_arena_free(arena);
}

TEST(a_model_that_is_not_strict_skips_what_it_does_not_know)
{
    weir_arena *arena = weir_arena_new(0);
    path value;
    weir_model_pair pairs[] = {{WEIR_STR("x"), WEIR_STR("y")}, {WEIR_STR("id"), WEIR_STR("-7")}};
    EXPECT_RC(0,
              weir_model_decode_pairs(WEIR_MODEL_OF(path), pairs, 2, "path", arena, &value, NULL));
    EXPECT_EQ(-7, value.id);
    weir_arena_free(arena);
}

TEST(a_nested_struct_cannot_come_from_a_text)
{
    weir_arena *arena = weir_arena_new(0);
    outer value;
    weir_model_pair pair = {WEIR_STR("nested"), WEIR_STR("{}")};
    EXPECT_RC(-EDOM, weir_model_decode_pairs(WEIR_MODEL_OF(outer), &pair, 1, "query", arena, &value,
                                             NULL));
    EXPECT_RC(-EDOM, weir_model_decode_text(WEIR_MODEL_OF(outer), 0, WEIR_STR("{}"), "query", arena,
                                            &value, NULL));
    weir_arena_free(arena);
}

/* --- one text into one field ------------------------------------------------------------------ */

TEST(one_text_changes_one_field_and_only_on_success)
{
    weir_arena *arena = weir_arena_new(0);
    weir_model_errors errors = {0};
    query value = {.limit = 5, .verbose = true};
    const weir_model *model = WEIR_MODEL_OF(query);
    EXPECT_RC(0, weir_model_decode_text(model, 0, WEIR_STR("7"), "query", arena, &value, &errors));
    EXPECT_EQ(7, value.limit);
    EXPECT_RC(-EINVAL,
              weir_model_decode_text(model, 0, WEIR_STR("700"), "query", arena, &value, &errors));
    EXPECT_EQ(7, value.limit);
    EXPECT_RC(-EINVAL,
              weir_model_decode_text(model, 1, WEIR_STR("2"), "query", arena, &value, &errors));
    EXPECT(!value.ratio.present);
    EXPECT_RC(0, weir_model_decode_text(model, 1, WEIR_STR("1"), "query", arena, &value, &errors));
    EXPECT(value.ratio.present && value.ratio.value == 1);
    EXPECT_RC(-EINVAL, weir_model_decode_text(model, 3, WEIR_STR("too long"), "query", arena,
                                              &value, &errors));
    EXPECT(value.search == NULL);
    EXPECT_RC(0,
              weir_model_decode_text(model, 3, WEIR_STR("fits"), "query", arena, &value, &errors));
    EXPECT_STR("fits", value.search);
    EXPECT(value.verbose);
    EXPECT_EQ(3, errors.total);
    EXPECT_STR("/q", errors.items[2].pointer);
    EXPECT_RC(-EDOM,
              weir_model_decode_text(model, 7, WEIR_STR("1"), "query", arena, &value, &errors));
    weir_arena_free(arena);
}

TEST(a_text_becomes_a_further_item_of_a_list)
{
    weir_arena *arena = weir_arena_new(0);
    weir_model_errors errors = {0};
    query value = {0};
    const weir_model *model = WEIR_MODEL_OF(query);
    for (int i = 0; i < 3; i++) {
        char text[2] = {(char)('1' + i), '\0'};
        EXPECT_RC(0, weir_model_decode_text(model, 4, (weir_str){text, 1}, "query", arena, &value,
                                            &errors));
    }
    EXPECT_RC(-EINVAL,
              weir_model_decode_text(model, 4, WEIR_STR("4"), "query", arena, &value, &errors));
    EXPECT_EQ(3, value.ids.count);
    EXPECT_EQ(3, value.ids.items[2]);
    EXPECT_STR("max_len", errors.items[0].type);
    EXPECT_RC(-EINVAL,
              weir_model_decode_text(model, 5, WEIR_STR("abcde"), "query", arena, &value, &errors));
    EXPECT_STR("/tags/0", errors.items[1].pointer);
    EXPECT_EQ(0, value.tags.count);
    weir_arena_free(arena);
}

TEST(an_arena_that_is_too_small_is_always_told)
{
    int finished = 0;
    for (size_t limit = 1; limit < 4000; limit += 16) {
        weir_arena *arena = weir_arena_new(limit);
        weir_model_errors errors = {0};
        query value = {0};
        int rc = try("ids=1&ids=2&tags=a&tags=b&q=abc&limit=0&limit=x", arena, &value, &errors);
        EXPECT(rc == -ENOMEM || rc == -EINVAL);
        finished += rc == -EINVAL;
        rc = weir_model_decode_text(WEIR_MODEL_OF(query), 5, WEIR_STR("abc"), "query", arena,
                                    &value, &errors);
        EXPECT(rc == -ENOMEM || rc == 0);
        weir_arena_free(arena);
    }
    EXPECT(finished > 0);
}
