/*
 * model_json.c - fuzz target: any bytes into a struct, and back
 *
 * With libFuzzer:      clang -fsanitize=fuzzer,address,undefined -DWEIR_LIBFUZZER ...
 * Without, as a replay: model_json FILE...  (or bytes on standard input)
 *
 * Properties, besides "no crash and nothing read beyond the end":
 *   1. Decoding calls a text malformed exactly when walking over it does.
 *   2. What was decoded can be encoded, is decoded again, and is then encoded to the same text.
 *   3. A number means what strtod says.
 *   4. The errors, encoded, are JSON.
 */
#include <weir/model.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/json.h"

typedef struct item item;
struct item {
    char *name;
    const char *kind;
    int8_t i8;
    uint64_t u64;
    int64_t i64;
    double d;
    float f;
    bool flag;
    WEIR_OPT(int32_t) maybe;
    WEIR_LIST(char *) urls;
    WEIR_LIST(double) numbers;
    item *next;
    WEIR_LIST(item) items;
};
WEIR_MODEL_WITH(item, (.strict = true),
                WEIR_FIELD(name, .min_len = 1, .max_len = 20, .or_else = "\"x\""),
                WEIR_FIELD(kind, .one_of = "a|b|c", .optional = true),
                WEIR_FIELD(i8, .min = -100, .or_else = "0"), WEIR_FIELD(u64, .or_else = "0"),
                WEIR_FIELD(i64, .or_else = "0"), WEIR_FIELD(d, .or_else = "0.1"),
                WEIR_FIELD(f, .or_else = "0"), WEIR_FIELD(flag, .or_else = "false"),
                WEIR_FIELD(maybe, .min = 0, .max = 9),
                WEIR_FIELD(urls, .max_len = 3, .or_else = "[]", .item_format = "http-url"),
                WEIR_FIELD(numbers, .optional = true), WEIR_NESTED(next, item, .optional = true),
                WEIR_NESTED(items, item, .max_len = 4, .or_else = "[]"))

typedef struct {
    char *uri, *email, *date, *date_time, *uuid, *ipv4;
} texts;
WEIR_MODEL(texts, WEIR_FIELD(uri, .format = "uri"), WEIR_FIELD(email, .format = "email"),
           WEIR_FIELD(date, .format = "date"), WEIR_FIELD(date_time, .format = "date-time"),
           WEIR_FIELD(uuid, .format = "uuid"), WEIR_FIELD(ipv4, .format = "ipv4"))

#define HOLDS(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static bool is_json(weir_str text)
{
    struct weir__json json;
    weir__json_init(&json, text);
    return weir__json_peek(&json) > 0 && weir__json_skip(&json) == 0 &&
           weir__json_finish(&json) == 0;
}

static void check_number(weir_str text)
{
    struct weir__json json;
    struct weir__json_number number;
    weir__json_init(&json, text);
    if (weir__json_peek(&json) != WEIR__JSON_NUMBER || weir__json_read_number(&json, &number) < 0)
        return;
    char *copy = strndup(number.data, number.size);
    HOLDS(copy != NULL);
    double expected = strtod(copy, NULL), value = 0;
    int rc = weir__json_to_double(&number, &value);
    HOLDS(isinf(expected) ? rc == -ERANGE
                          : rc == 0 && memcmp(&value, &expected, sizeof value) == 0);
    free(copy);
}

static void check_decode(weir_str text)
{
    weir_arena *arena = weir_arena_new(0);
    weir_model_errors errors = {0};
    item value;
    int rc = weir_model_decode(WEIR_MODEL_OF(item), text, arena, &value, &errors);
    HOLDS(rc == 0 || rc == -EINVAL || rc == -EBADMSG || rc == -ENOMEM);
    HOLDS(rc == -ENOMEM || (rc == -EBADMSG) == !is_json(text));
    HOLDS((rc == 0) == (errors.total == 0) || rc == -ENOMEM);

    weir_str json, again;
    if (weir_model_errors_encode(&errors, arena, &json) == 0)
        HOLDS(is_json(json));
    if (rc == 0 && weir_model_encode(WEIR_MODEL_OF(item), &value, arena, &json, NULL) == 0) {
        HOLDS(is_json(json));
        HOLDS(weir_model_decode(WEIR_MODEL_OF(item), json, arena, &value, &errors) == 0);
        HOLDS(weir_model_encode(WEIR_MODEL_OF(item), &value, arena, &again, NULL) == 0);
        HOLDS(json.size == again.size && memcmp(json.data, again.data, json.size) == 0);
    }
    weir_arena_free(arena);
}

static void check_texts(weir_str text)
{
    weir_arena *arena = weir_arena_new(0);
    item value = {0};
    texts forms = {0};
    for (size_t i = 0; i < WEIR_MODEL_OF(item)->table()->count; i++) {
        int rc = weir_model_decode_text(WEIR_MODEL_OF(item), i, text, "query", arena, &value, NULL);
        HOLDS(rc == 0 || rc == -EINVAL || rc == -EDOM || rc == -ENOMEM);
    }
    for (size_t i = 0; i < WEIR_MODEL_OF(texts)->table()->count; i++) {
        int rc =
            weir_model_decode_text(WEIR_MODEL_OF(texts), i, text, "query", arena, &forms, NULL);
        HOLDS(rc == 0 || rc == -EINVAL || rc == -ENOMEM);
    }
    weir_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* of its exact size, so that the sanitizer sees a byte read too many */
    char *copy = malloc(size == 0 ? 1 : size);
    HOLDS(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    weir_str text = {copy, size};
    check_number(text);
    check_decode(text);
    check_texts(text);
    free(copy);
    return 0;
}

#ifndef WEIR_LIBFUZZER
static void replay(FILE *file)
{
    enum { BYTES_MAX = 1 << 20 };
    uint8_t *data = malloc(BYTES_MAX);
    HOLDS(data != NULL);
    size_t size = fread(data, 1, BYTES_MAX, file);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        replay(stdin);
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (file == NULL) {
            perror(argv[i]);
            return 1;
        }
        replay(file);
        fclose(file);
    }
    printf("%d files replayed\n", argc < 2 ? 1 : argc - 1);
    return 0;
}
#endif
