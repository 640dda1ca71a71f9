/*
 * schema_test.c - JSON Schema of a declaration, and the walk over nested models
 */
#include <weir/model.h>

#include <stdio.h>
#include <string.h>

#include "model/model.h"
#include "tests/support/fault_loop.h"
#include "tests/support/test.h"

typedef struct {
    char *item;
    int32_t count;
} order;
WEIR_MODEL_WITH(order, (.strict = true, .doc = "an \"order\""),
                WEIR_FIELD(item, .min_len = 1, .max_len = 120, .doc = "what to buy"),
                WEIR_FIELD(count, .min = 1, .max = 100, .or_else = "1"))

typedef struct address address;
typedef struct person person;
struct address {
    char *street;
    person *owner;
};
struct person {
    address home;
    address *work;
    WEIR_LIST(address) past;
    WEIR_LIST(order) orders;
    WEIR_LIST(char *) urls;
    WEIR_OPT(double) ratio;
    bool flag;
    uint8_t small;
    uint64_t large;
    int64_t wide;
    float f;
    char *state;
    WEIR_LIST(int) numbers;
};
static const weir_model person_weir_model;
WEIR_MODEL(address, WEIR_FIELD(street), WEIR_NESTED(owner, person, .optional = true))
WEIR_MODEL(person, WEIR_NESTED(home, address, .doc = "where"),
           WEIR_NESTED(work, address, .optional = true), WEIR_NESTED(past, address, .max_len = 4),
           WEIR_NESTED(orders, order, .max_len = WEIR_UNLIMITED),
           WEIR_FIELD(urls, .min_len = 1, .max_len = 1000, .item_max_len = 2048,
                      .item_format = "http-url"),
           WEIR_FIELD(ratio, .min = 0, .max = 0.5), WEIR_FIELD(flag, .or_else = "true"),
           WEIR_FIELD(small), WEIR_FIELD(large), WEIR_FIELD(wide, .max = 9007199254740991),
           WEIR_FIELD(f, .name = "f/loat"), WEIR_FIELD(state, .one_of = "a|b\"", .optional = true),
           WEIR_FIELD(numbers, .optional = true, .or_else = "not json"))

typedef struct {
    int unused;
} bare;
WEIR_MODEL(bare, WEIR_FIELD(unused, .or_else = "0"))

TEST(the_schema_says_what_the_decoder_enforces)
{
    weir_arena *arena = weir_arena_new(0);
    weir_str schema;
    REQUIRE_RC(0, weir_model_schema(WEIR_MODEL_OF(order), arena, &schema));
    EXPECT_STR("{\"type\":\"object\",\"title\":\"order\",\"description\":\"an \\\"order\\\"\","
               "\"properties\":{"
               "\"item\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":120,"
               "\"description\":\"what to buy\"},"
               "\"count\":{\"type\":\"integer\",\"format\":\"int32\",\"minimum\":1,\"maximum\":100,"
               "\"default\":1}},\"required\":[\"item\"],\"additionalProperties\":false}",
               schema.data);
    REQUIRE_RC(0, weir_model_schema(WEIR_MODEL_OF(person), arena, &schema));
    EXPECT_STR(
        "{\"type\":\"object\",\"title\":\"person\",\"properties\":{"
        "\"home\":{\"$ref\":\"#/components/schemas/address\",\"description\":\"where\"},"
        "\"work\":{\"anyOf\":[{\"$ref\":\"#/components/schemas/address\"},{\"type\":\"null\"}]},"
        "\"past\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/"
        "address\"},\"maxItems\":4},"
        "\"orders\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/order\"}},"
        "\"urls\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"maxLength\":2048,\"format\":"
        "\"uri\","
        "\"pattern\":\"^[Hh][Tt][Tt][Pp][Ss]?://\"},\"minItems\":1,\"maxItems\":1000},"
        "\"ratio\":{\"type\":[\"number\",\"null\"],\"format\":\"double\",\"minimum\":0,\"maximum\":"
        "0.5},"
        "\"flag\":{\"type\":\"boolean\",\"default\":true},"
        "\"small\":{\"type\":\"integer\",\"format\":\"uint8\",\"minimum\":0,\"maximum\":255},"
        "\"large\":{\"type\":\"integer\",\"format\":\"uint64\",\"minimum\":0},"
        "\"wide\":{\"type\":\"integer\",\"format\":\"int64\",\"maximum\":9007199254740991},"
        "\"f/loat\":{\"type\":\"number\",\"format\":\"float\"},"
        "\"state\":{\"type\":[\"string\",\"null\"],\"enum\":[\"a\",\"b\\\"\",null]},"
        "\"numbers\":{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"integer\",\"format\":"
        "\"int32\"},"
        "\"maxItems\":10000}},"
        "\"required\":[\"home\",\"past\",\"orders\",\"urls\",\"small\",\"large\",\"wide\",\"f/"
        "loat\"]}",
        schema.data);
    REQUIRE_RC(0, weir_model_schema(WEIR_MODEL_OF(bare), arena, &schema));
    EXPECT_STR(
        "{\"type\":\"object\",\"title\":\"bare\",\"properties\":{\"unused\":{\"type\":\"integer\","
        "\"format\":\"int32\",\"default\":0}}}",
        schema.data);
    weir_arena_free(arena);
}

TEST(a_schema_is_json)
{
    weir_arena *arena = weir_arena_new(0);
    const weir_model *models[] = {WEIR_MODEL_OF(order), WEIR_MODEL_OF(person),
                                  WEIR_MODEL_OF(address)};
    for (size_t i = 0; i < 3; i++) {
        weir_str schema;
        struct weir__json json;
        REQUIRE_RC(0, weir_model_schema(models[i], arena, &schema));
        weir__json_init(&json, schema);
        EXPECT_EQ(WEIR__JSON_OBJECT, weir__json_peek(&json));
        EXPECT_RC(0, weir__json_skip(&json));
        EXPECT_RC(0, weir__json_finish(&json));
    }
    weir_arena_free(arena);
}

static int note_name(const weir_model *model, void *arg)
{
    char *names = arg;
    strcat(strcat(names, model->name), " ");
    return 0;
}

static int stop_at_second(const weir_model *model, void *arg)
{
    (void)model;
    return ++*(int *)arg == 2 ? -ECANCELED : 0;
}

TEST(every_nested_model_is_visited_once_also_in_a_circle)
{
    char names[200] = "";
    EXPECT_RC(0, weir_model_visit(WEIR_MODEL_OF(person), note_name, names));
    EXPECT_STR("person address order ", names);
    names[0] = '\0';
    EXPECT_RC(0, weir_model_visit(WEIR_MODEL_OF(order), note_name, names));
    EXPECT_STR("order ", names);
    int count = 0;
    EXPECT_RC(-ECANCELED, weir_model_visit(WEIR_MODEL_OF(person), stop_at_second, &count));
    EXPECT_EQ(2, count);
}

static void describe(void *arg)
{
    (void)arg;
    int count = 0;
    weir_arena *arena = weir_arena_new(0);
    if (arena == NULL)
        return;
    weir_str schema;
    int rc = weir_model_schema(WEIR_MODEL_OF(person), arena, &schema);
    EXPECT(rc == 0 || (rc == -ENOMEM && fault_loop_nth > 0));
    rc = weir_model_visit(WEIR_MODEL_OF(person), stop_at_second, &count);
    EXPECT(rc == -ECANCELED || (rc == -ENOMEM && fault_loop_nth > 0));
    weir_arena_free(arena);
}

TEST(a_heap_that_runs_out_leaves_nothing_behind)
{
    EXPECT(fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, describe, NULL) > 2);
}
