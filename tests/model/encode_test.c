/*
 * encode_test.c - struct to JSON, and there and back again
 */
#include <weir/model.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "model/model.h"
#include "tests/support/fault_loop.h"
#include "tests/support/test.h"

typedef struct {
    char *street;
    const char *zip;
} address;
WEIR_MODEL(address, WEIR_FIELD(street), WEIR_FIELD(zip, .optional = true, .omit_absent = true))

typedef struct everything everything;
struct everything {
    bool flag;
    int8_t i8;
    int16_t i16;
    int32_t i32;
    int64_t i64;
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    float f;
    double d;
    char *text;
    char *maybe;
    WEIR_OPT(bool) oflag;
    WEIR_OPT(int64_t) o64;
    WEIR_OPT(uint8_t) o8;
    WEIR_OPT(double) od;
    WEIR_LIST(char *) words;
    WEIR_LIST(int16_t) shorts;
    WEIR_LIST(bool) flags;
    WEIR_LIST(double) doubles;
    address home;
    address *work;
    WEIR_LIST(address) past;
    everything *next;
};
WEIR_MODEL(everything, WEIR_FIELD(flag), WEIR_FIELD(i8), WEIR_FIELD(i16), WEIR_FIELD(i32),
           WEIR_FIELD(i64), WEIR_FIELD(u8), WEIR_FIELD(u16), WEIR_FIELD(u32), WEIR_FIELD(u64),
           WEIR_FIELD(f), WEIR_FIELD(d), WEIR_FIELD(text, .name = "the \"text\""),
           WEIR_FIELD(maybe, .optional = true), WEIR_FIELD(oflag), WEIR_FIELD(o64),
           WEIR_FIELD(o8, .omit_absent = true), WEIR_FIELD(od), WEIR_FIELD(words),
           WEIR_FIELD(shorts, .optional = true), WEIR_FIELD(flags), WEIR_FIELD(doubles),
           WEIR_NESTED(home, address), WEIR_NESTED(work, address, .optional = true),
           WEIR_NESTED(past, address), WEIR_NESTED(next, everything, .optional = true))

typedef struct {
    double d;
    float f;
} numbers;
WEIR_MODEL(numbers, WEIR_FIELD(d), WEIR_FIELD(f))

typedef struct {
    const char *text;
} message;
WEIR_MODEL(message, WEIR_FIELD(text))

typedef struct {
    WEIR_OPT(int) a;
    WEIR_OPT(int) b;
} omitted;
WEIR_MODEL(omitted, WEIR_FIELD(a, .omit_absent = true), WEIR_FIELD(b, .omit_absent = true))

typedef struct nest nest;
struct nest {
    nest *in;
    WEIR_LIST(nest) list;
};
WEIR_MODEL(nest, WEIR_NESTED(in, nest, .optional = true, .omit_absent = true),
           WEIR_NESTED(list, nest, .optional = true, .omit_absent = true))

typedef struct {
    address *must;
} pointing;
WEIR_MODEL(pointing, WEIR_NESTED(must, address))

static void expect_json(const char *expected, const weir_model *model, const void *value)
{
    weir_arena *arena = weir_arena_new(0);
    weir_str json = {0};
    EXPECT_RC(0, weir_model_encode(model, value, arena, &json, NULL));
    EXPECT_STR(expected, json.data);
    EXPECT_EQ(strlen(expected), json.size);
    weir_arena_free(arena);
}

TEST(a_struct_is_written_in_the_order_of_its_declaration)
{
    address home = {"Main \"St\"\n", NULL};
    char *words[] = {(char *)(uintptr_t) "a", (char *)(uintptr_t) "b\\"};
    bool flags[] = {true, false};
    double doubles[] = {0.1, -2, 1e300};
    everything value = {
        .flag = true,
        .i8 = INT8_MIN,
        .i16 = INT16_MIN,
        .i32 = INT32_MIN,
        .i64 = INT64_MIN,
        .u8 = UINT8_MAX,
        .u16 = UINT16_MAX,
        .u32 = UINT32_MAX,
        .u64 = UINT64_MAX,
        .f = 0.1f,
        .d = 0.1,
        .text = (char *)(uintptr_t) "t\xc3\xa9\xf0\x9f\x98\x80\x01",
        .words = {words, 2},
        .flags = {flags, 2},
        .doubles = {doubles, 3},
        .home = home,
    };
    WEIR_SET(value.o64, -5);
    expect_json(
        "{\"flag\":true,\"i8\":-128,\"i16\":-32768,\"i32\":-2147483648,"
        "\"i64\":-9223372036854775808,\"u8\":255,\"u16\":65535,\"u32\":4294967295,"
        "\"u64\":18446744073709551615,\"f\":0.1,\"d\":0.1,"
        "\"the \\\"text\\\"\":\"t\xc3\xa9\xf0\x9f\x98\x80\\u0001\",\"maybe\":null,"
        "\"oflag\":null,\"o64\":-5,\"od\":null,\"words\":[\"a\",\"b\\\\\"],\"shorts\":null,"
        "\"flags\":[true,false],\"doubles\":[0.1,-2,1e+300],"
        "\"home\":{\"street\":\"Main \\\"St\\\"\\n\"},\"work\":null,\"past\":[],\"next\":null}",
        WEIR_MODEL_OF(everything), &value);
}

TEST(what_is_absent_can_be_left_out)
{
    omitted value = {0};
    expect_json("{}", WEIR_MODEL_OF(omitted), &value);
    WEIR_SET(value.b, 1);
    expect_json("{\"b\":1}", WEIR_MODEL_OF(omitted), &value);
    WEIR_SET(value.a, 0);
    expect_json("{\"a\":0,\"b\":1}", WEIR_MODEL_OF(omitted), &value);
}

TEST(bytes_that_are_not_utf8_are_replaced)
{
    message value = {"a\xff\xc3(\xed\xa0\x80z"};
    weir_arena *arena = weir_arena_new(0);
    weir_str json;
    message back;
    REQUIRE_RC(0, weir_model_encode(WEIR_MODEL_OF(message), &value, arena, &json, NULL));
    EXPECT_RC(0, weir_model_decode(WEIR_MODEL_OF(message), json, arena, &back, NULL));
    EXPECT_STR("a\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz", back.text);
    weir_arena_free(arena);
}

static void expect_refused(const weir_model *model, const void *value, const char *pointer,
                           const char *type, const char *why)
{
    weir_arena *arena = weir_arena_new(0);
    weir_model_errors errors = {0};
    weir_str json = {"before", 6};
    EXPECT_RC(-EINVAL, weir_model_encode(model, value, arena, &json, &errors));
    EXPECT_STR("before", json.data);
    if (errors.count == 1) {
        EXPECT_STR("value", errors.items[0].in);
        EXPECT_STR(pointer, errors.items[0].pointer);
        EXPECT_STR(type, errors.items[0].type);
        EXPECT_STR(why, errors.items[0].message);
    }
    EXPECT_EQ(1, errors.total);
    EXPECT_RC(-EINVAL, weir_model_encode(model, value, arena, &json, NULL));
    weir_arena_free(arena);
}

TEST(what_json_cannot_say_is_refused)
{
    numbers value = {.d = NAN};
    expect_refused(WEIR_MODEL_OF(numbers), &value, "/d", "type",
                   "is not a number (NaN), which JSON cannot say");
    value = (numbers){.f = -INFINITY};
    expect_refused(WEIR_MODEL_OF(numbers), &value, "/f", "type",
                   "is infinite, which JSON cannot say");
    message text = {NULL};
    expect_refused(WEIR_MODEL_OF(message), &text, "/text", "missing",
                   "is NULL, and the field is not optional");
    pointing point = {NULL};
    expect_refused(WEIR_MODEL_OF(pointing), &point, "/must", "missing",
                   "is NULL, and the field is not optional");
    address street = {NULL, NULL};
    point.must = &street;
    expect_refused(WEIR_MODEL_OF(pointing), &point, "/must/street", "missing",
                   "is NULL, and the field is not optional");
    char *words[] = {NULL};
    everything whole = {.text = (char *)(uintptr_t) "", .words = {words, 1}};
    expect_refused(WEIR_MODEL_OF(everything), &whole, "/words/0", "missing",
                   "is NULL, and the field is not optional");
    whole.words.items = NULL;
    expect_refused(WEIR_MODEL_OF(everything), &whole, "/words", "missing",
                   "counts items, but they are NULL");
}

TEST(pointers_that_form_a_circle_come_to_an_end)
{
    nest circle = {0};
    circle.in = &circle;
    weir_arena *arena = weir_arena_new(0);
    weir_model_errors errors = {0};
    weir_str json;
    EXPECT_RC(-EINVAL, weir_model_encode(WEIR_MODEL_OF(nest), &circle, arena, &json, &errors));
    EXPECT_STR("is nested too deep, more than 64 levels", errors.items[0].message);
    circle = (nest){.list = {&circle, 1}};
    EXPECT_RC(-EINVAL, weir_model_encode(WEIR_MODEL_OF(nest), &circle, arena, &json, &errors));
    weir_arena_free(arena);
}

TEST(what_is_written_at_the_depth_limit_can_be_read)
{
    static nest nests[WEIR_MODEL_DEPTH_MAX + 1];
    for (size_t i = 0; i + 1 < WEIR_MODEL_DEPTH_MAX; i++)
        nests[i].in = &nests[i + 1];
    weir_arena *arena = weir_arena_new(0);
    weir_str json;
    nest back;
    REQUIRE_RC(0, weir_model_encode(WEIR_MODEL_OF(nest), nests, arena, &json, NULL));
    EXPECT_RC(0, weir_model_decode(WEIR_MODEL_OF(nest), json, arena, &back, NULL));
    nests[WEIR_MODEL_DEPTH_MAX - 1].in = &nests[WEIR_MODEL_DEPTH_MAX];
    EXPECT_RC(-EINVAL, weir_model_encode(WEIR_MODEL_OF(nest), nests, arena, &json, NULL));
    weir_arena_free(arena);
}

/* --- there and back again --------------------------------------------------------------------- */

static uint64_t random_below(uint64_t *seed, uint64_t end)
{
    return weir__base_random_next(seed) % end;
}

static char *random_text(uint64_t *seed, weir_arena *arena)
{
    static const char *const pieces[] = {
        "a",        "word",         " ",    "\"",       "\\",           "/",
        "\n",       "\x01",         "\x7f", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
        "12345678", "\xef\xbf\xbd", "{}",   "~1",
    };
    size_t count = random_below(seed, 12);
    char *text = weir_arena_alloc(arena, count * 8 + 1);
    char *at = text;
    for (size_t i = 0; i < count; i++)
        at = stpcpy(at, pieces[random_below(seed, sizeof pieces / sizeof *pieces)]);
    *at = '\0';
    return text;
}

static double random_double(uint64_t *seed)
{
    double value;
    uint64_t bits = weir__base_random_next(seed);
    memcpy(&value, &bits, sizeof value);
    return isfinite(value) ? value : (double)random_below(seed, 1000000) / 100;
}

static int64_t random_int(uint64_t *seed)
{
    return (int64_t)weir__base_random_next(seed) >> random_below(seed, 64);
}

static address random_address(uint64_t *seed, weir_arena *arena)
{
    return (address){random_text(seed, arena),
                     random_below(seed, 2) ? random_text(seed, arena) : NULL};
}

static everything *random_everything(uint64_t *seed, weir_arena *arena, int depth)
{
    everything *value = weir_arena_alloc_array(arena, 1, sizeof *value);
    value->flag = random_below(seed, 2);
    value->i8 = (int8_t)random_int(seed);
    value->i16 = (int16_t)random_int(seed);
    value->i32 = (int32_t)random_int(seed);
    value->i64 = random_int(seed);
    value->u8 = (uint8_t)random_int(seed);
    value->u16 = (uint16_t)random_int(seed);
    value->u32 = (uint32_t)random_int(seed);
    value->u64 = (uint64_t)random_int(seed);
    value->d = random_double(seed);
    value->f = (float)random_below(seed, 100000) / 7;
    value->text = random_text(seed, arena);
    value->maybe = random_below(seed, 2) ? random_text(seed, arena) : NULL;
    if (random_below(seed, 2))
        WEIR_SET(value->oflag, random_below(seed, 2) != 0);
    if (random_below(seed, 2))
        WEIR_SET(value->o64, random_int(seed));
    if (random_below(seed, 2))
        WEIR_SET(value->o8, (uint8_t)random_int(seed));
    if (random_below(seed, 2))
        WEIR_SET(value->od, random_double(seed));
    value->words.count = random_below(seed, 20);
    value->words.items = weir_arena_alloc_array(arena, value->words.count, sizeof(char *));
    for (size_t i = 0; i < value->words.count; i++)
        value->words.items[i] = random_text(seed, arena);
    if (random_below(seed, 2)) {
        value->shorts.count = random_below(seed, 20);
        value->shorts.items = weir_arena_alloc_array(arena, value->shorts.count, sizeof(int16_t));
        for (size_t i = 0; i < value->shorts.count; i++)
            value->shorts.items[i] = (int16_t)random_int(seed);
    }
    value->doubles.count = random_below(seed, 6);
    value->doubles.items = weir_arena_alloc_array(arena, value->doubles.count, sizeof(double));
    for (size_t i = 0; i < value->doubles.count; i++)
        value->doubles.items[i] = random_double(seed);
    value->home = random_address(seed, arena);
    if (random_below(seed, 2)) {
        value->work = weir_arena_alloc(arena, sizeof *value->work);
        *value->work = random_address(seed, arena);
    }
    value->past.count = random_below(seed, 5);
    value->past.items = weir_arena_alloc_array(arena, value->past.count, sizeof(address));
    for (size_t i = 0; i < value->past.count; i++)
        value->past.items[i] = random_address(seed, arena);
    if (depth > 0 && random_below(seed, 2))
        value->next = random_everything(seed, arena, depth - 1);
    return value;
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_bits(const void *a, const void *b, size_t size)
{
    return size == 0 || memcmp(a, b, size) == 0;
}

static bool same_address(const address *a, const address *b)
{
    return a == NULL || b == NULL ? a == b
                                  : same_text(a->street, b->street) && same_text(a->zip, b->zip);
}

#define SAME(member) (memcmp(&a->member, &b->member, sizeof a->member) == 0)
#define SAME_OPT(member)                                                                           \
    (a->member.present == b->member.present &&                                                     \
     (!a->member.present ||                                                                        \
      memcmp(&a->member.value, &b->member.value, sizeof a->member.value) == 0))
#define SAME_LIST(member)                                                                          \
    (a->member.count == b->member.count &&                                                         \
     (a->member.items == NULL) == (b->member.items == NULL) &&                                     \
     same_bits(a->member.items, b->member.items, a->member.count * sizeof *a->member.items))

static bool same(const everything *a, const everything *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    bool good = SAME(flag) && SAME(i8) && SAME(i16) && SAME(i32) && SAME(i64) && SAME(u8) &&
                SAME(u16) && SAME(u32) && SAME(u64) && SAME(f) && SAME(d) &&
                same_text(a->text, b->text) && same_text(a->maybe, b->maybe) && SAME_OPT(oflag) &&
                SAME_OPT(o64) && SAME_OPT(o8) && SAME_OPT(od) && SAME_LIST(shorts) &&
                SAME_LIST(doubles) && same_address(&a->home, &b->home) &&
                same_address(a->work, b->work) && a->words.count == b->words.count &&
                a->past.count == b->past.count;
    for (size_t i = 0; good && i < a->words.count; i++)
        good = same_text(a->words.items[i], b->words.items[i]);
    for (size_t i = 0; good && i < a->past.count; i++)
        good = same_address(&a->past.items[i], &b->past.items[i]);
    return good && same(a->next, b->next);
}

TEST(what_is_written_is_read_back_as_the_same_value)
{
    weir_arena *arena = weir_arena_new(0);
    for (uint64_t first = 1; first <= 1500; first++) {
        uint64_t seed = first;
        everything *value = random_everything(&seed, arena, 3);
        weir_str json;
        everything back;
        weir_model_errors errors = {0};
        int rc = weir_model_encode(WEIR_MODEL_OF(everything), value, arena, &json, &errors);
        if (rc == 0)
            rc = weir_model_decode(WEIR_MODEL_OF(everything), json, arena, &back, &errors);
        if (rc != 0 || !same(value, &back)) {
            printf("seed %llu: rc %d %s %s\n", (unsigned long long)first, rc,
                   errors.count > 0 ? errors.items[0].pointer : "",
                   errors.count > 0 ? errors.items[0].message : "");
            EXPECT(false);
            break;
        }
        weir_arena_reset(arena);
    }
    weir_arena_free(arena);
}

/* --- memory ----------------------------------------------------------------------------------- */

static void encode_from_the_heap(void *arg)
{
    weir_arena *arena = weir_arena_new(0);
    if (arena == NULL)
        return;
    weir_str json;
    int rc = weir_model_encode(WEIR_MODEL_OF(everything), arg, arena, &json, NULL);
    EXPECT(rc == 0 || (rc == -ENOMEM && fault_loop_nth > 0));
    weir_arena_free(arena);
}

TEST(a_heap_that_runs_out_leaves_nothing_behind)
{
    uint64_t seed = 7;
    weir_arena *arena = weir_arena_new(0);
    everything *value = random_everything(&seed, arena, 3);
    EXPECT(fault_loop(WEIR__FAULT_ALLOC, -ENOMEM, encode_from_the_heap, value) > 1);
    weir_arena_free(arena);
}

TEST(an_arena_that_is_too_small_is_always_told)
{
    uint64_t seed = 8;
    weir_arena *arena = weir_arena_new(0);
    everything *value = random_everything(&seed, arena, 3);
    int failed = 0, finished = 0;
    for (size_t limit = 1; limit < 20000; limit += 100) {
        weir_arena *small = weir_arena_new(limit);
        weir_str json;
        int rc = weir_model_encode(WEIR_MODEL_OF(everything), value, small, &json, NULL);
        failed += rc == -ENOMEM;
        finished += rc == 0;
        weir_arena_free(small);
    }
    EXPECT(failed > 0 && finished > 0 && failed + finished == 200);
    weir_arena_free(arena);
}

TEST(a_buffer_with_a_limit_says_that_the_answer_is_too_large)
{
    struct weir__buffer buffer;
    weir__buffer_init(&buffer);
    buffer.size_max = 10;
    message value = {"abcdefghijklmnop"};
    EXPECT_RC(-EMSGSIZE,
              weir__model_encode_to(&buffer, WEIR_MODEL_OF(message), &value, NULL, NULL));
    weir__buffer_deinit(&buffer);
}
