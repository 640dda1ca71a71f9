/* model.c - a struct that is declared once: read from JSON, checked, written */
#include <stdio.h>
#include <weir/model.h>

typedef struct {
    char *item;
    int32_t count;
    WEIR_LIST(char *) tags;
} order;
WEIR_MODEL(order, WEIR_FIELD(item, .min_len = 1, .doc = "what to buy"),
           WEIR_FIELD(count, .min = 1, .max = 100, .or_else = "1"),
           WEIR_FIELD(tags, .optional = true, .max_len = 3))

static void read_order(weir_arena *arena, weir_str json)
{
    order value;
    weir_model_errors errors = {0};
    int rc = weir_model_decode(WEIR_MODEL_OF(order), json, arena, &value, &errors);
    for (size_t i = 0; i < errors.count; i++)
        printf("%s %s\n", errors.items[i].pointer, errors.items[i].message);
    weir_str again;
    if (rc == 0 && weir_model_encode(WEIR_MODEL_OF(order), &value, arena, &again, NULL) == 0)
        printf("%s\n", again.data);
}

int main(void)
{
    weir_arena *arena = weir_arena_new(0); // of a request, in a service; here our own
    if (arena == NULL)
        return 1;
    read_order(arena, WEIR_STR("{\"item\": \"tea\", \"tags\": [\"hot\"]}"));
    read_order(arena, WEIR_STR("{\"item\": \"\", \"count\": 250, \"tags\": [1, 2]}"));
    weir_arena_free(arena);
    return 0;
}
