/*
 * model_bench.c - nanoseconds of CPU time for a typed decode and encode
 *
 *     model_bench [rounds]
 *
 * Prints one line for each body: its size and, over the rounds, the fastest and the median time.
 * The arena is reset between two decodes, as the server does between two requests.
 */
#include <weir/model.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/model.h"

typedef struct {
    char *id;
    char *item;
    int32_t count;
    double price;
    bool express;
} order;
WEIR_MODEL(order, WEIR_FIELD(id, .min_len = 1, .max_len = 64),
           WEIR_FIELD(item, .min_len = 1, .max_len = 120),
           WEIR_FIELD(count, .min = 1, .max = 100, .or_else = "1"), WEIR_FIELD(price, .min = 0),
           WEIR_FIELD(express, .or_else = "false"))

typedef struct {
    char *customer;
    char *note;
    WEIR_LIST(order) orders;
    WEIR_LIST(char *) tags;
    WEIR_OPT(int64_t) voucher;
} basket;
WEIR_MODEL(basket, WEIR_FIELD(customer, .max_len = 100), WEIR_FIELD(note, .optional = true),
           WEIR_NESTED(orders, order, .max_len = 100), WEIR_FIELD(tags, .item_max_len = 50),
           WEIR_FIELD(voucher))

typedef struct {
    WEIR_LIST(char *) urls;
    int32_t timeout_ms;
    int32_t concurrency;
} check;
WEIR_MODEL(check,
           WEIR_FIELD(urls, .min_len = 1, .max_len = 1000, .item_max_len = 2048,
                      .item_format = "http-url"),
           WEIR_FIELD(timeout_ms, .min = 1, .max = 60000, .or_else = "10000"),
           WEIR_FIELD(concurrency, .min = 1, .max = 256, .or_else = "32"))

enum { CALLS = 2000, ROUNDS_MAX = 1000 };

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

static void print(const char *what, const char *name, size_t bytes, double *rounds, size_t count)
{
    qsort(rounds, count, sizeof *rounds, by_value);
    printf("%-7s %-9s %6zu bytes   best %8.1f ns   median %8.1f ns   %7.1f MB/s\n", what, name,
           bytes, rounds[0], rounds[count / 2], (double)bytes * 1000 / rounds[count / 2]);
}

static void measure(const char *name, const weir_model *model, weir_str json, size_t round_count)
{
    static double rounds[ROUNDS_MAX];
    weir_arena *arena = weir_arena_new(0);
    void *value = calloc(1, model->size);
    weir_model_errors errors = {0};
    struct weir__buffer buffer;
    weir__buffer_init(&buffer);
    if (arena == NULL || value == NULL)
        abort();

    for (size_t round = 0; round < round_count; round++) {
        int64_t start = now_ns();
        for (int i = 0; i < CALLS; i++) {
            weir_arena_reset(arena);
            if (weir_model_decode(model, json, arena, value, &errors) != 0)
                abort();
        }
        rounds[round] = (double)(now_ns() - start) / CALLS;
    }
    print("decode", name, json.size, rounds, round_count);

    for (size_t round = 0; round < round_count; round++) {
        int64_t start = now_ns();
        for (int i = 0; i < CALLS; i++) {
            weir__buffer_clear(&buffer);
            if (weir__model_encode_to(&buffer, model, value, arena, &errors) != 0)
                abort();
        }
        rounds[round] = (double)(now_ns() - start) / CALLS;
    }
    print("encode", name, buffer.size, rounds, round_count);

    weir__buffer_deinit(&buffer);
    free(value);
    weir_arena_free(arena);
}

#define ORDER                                                                                      \
    "{\"id\":\"0190163d-8694-739b\",\"item\":\"a book about weirs\",\"count\":3,\"price\":19.99,"  \
    "\"express\":true}"

int main(int argc, char **argv)
{
    size_t rounds = 200;
    if (argc > 1) {
        rounds = 0;
        for (const char *at = argv[1]; *at >= '0' && *at <= '9' && rounds < ROUNDS_MAX; at++)
            rounds = rounds * 10 + (size_t)(*at - '0');
        rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    }

    static char large[4096], urls[8192];
    size_t size =
        (size_t)sprintf(large, "{\"customer\":\"Ada Lovelace\",\"note\":\"leave it at the "
                               "door, \\\"please\\\"\\n\",\"tags\":[\"a\",\"bb\",\"ccc\"],"
                               "\"voucher\":123456789012,\"orders\":[");
    for (int i = 0; i < 18; i++)
        size += (size_t)sprintf(large + size, "%s%s", i == 0 ? "" : ",", ORDER);
    size += (size_t)sprintf(large + size, "]}");
    size_t urls_size = (size_t)sprintf(urls, "{\"urls\":[");
    for (int i = 0; i < 50; i++)
        urls_size += (size_t)sprintf(urls + urls_size, "%s\"https://www.example.org/path/%d?q=1\"",
                                     i == 0 ? "" : ",", i);
    urls_size += (size_t)sprintf(urls + urls_size, "],\"timeout_ms\":3000}");

    measure("order", WEIR_MODEL_OF(order), WEIR_STR(ORDER), rounds);
    measure("basket", WEIR_MODEL_OF(basket), (weir_str){large, size}, rounds);
    measure("check", WEIR_MODEL_OF(check), (weir_str){urls, urls_size}, rounds);
    return 0;
}
