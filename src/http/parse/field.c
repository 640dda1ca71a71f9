/*
 * field.c - the names that weir knows by number
 *
 * Runs on  any thread. Constant tables, pure functions.
 * Holds    Every known name hashes to a slot of its own (tests/http/parse_field_test.c).
 */
#include "http/parse/field.h"

#include "base/str.h"

const struct weir__http_known_name weir__http_known_names[WEIR__HTTP_FIELD_COUNT] = {
    {"", 0},
#define WEIR__HTTP_FIELD_TEXT(id, name) {name, sizeof(name) - 1},
    WEIR__HTTP_FIELDS(WEIR__HTTP_FIELD_TEXT)
#undef WEIR__HTTP_FIELD_TEXT
};

/* `present` and `repeated` are 64 bits wide. */
_Static_assert(WEIR__HTTP_FIELD_COUNT <= 64, "a field id is a bit of uint64_t");

/* The factor was found by trying odd numbers until no two names shared a slot. */
const uint8_t weir__http_known_slots[256] = {
    0,  0,  31, 0,  47, 8,  0,  0,  0,  0,  0,  0,  0,  0,  18, 21, //
    54, 0,  0,  0,  0,  0,  24, 0,  0,  0,  44, 0,  57, 0,  0,  0,  //
    1,  63, 0,  0,  0,  0,  0,  0,  42, 0,  0,  0,  0,  0,  41, 0,  //
    0,  0,  0,  40, 0,  0,  0,  0,  0,  0,  0,  0,  46, 0,  0,  0,  //
    0,  0,  0,  0,  0,  39, 0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  //
    0,  0,  48, 59, 0,  0,  0,  0,  0,  0,  0,  5,  0,  0,  0,  0,  //
    0,  14, 0,  0,  61, 0,  0,  0,  52, 43, 0,  0,  0,  0,  0,  10, //
    13, 0,  0,  0,  0,  0,  0,  0,  49, 0,  0,  62, 0,  0,  0,  0,  //
    51, 0,  0,  50, 23, 0,  0,  0,  0,  0,  53, 0,  0,  0,  0,  27, //
    9,  0,  0,  0,  0,  0,  0,  0,  0,  0,  16, 20, 0,  35, 0,  0,  //
    0,  0,  0,  7,  29, 0,  0,  30, 36, 0,  0,  56, 0,  0,  0,  0,  //
    0,  0,  0,  0,  0,  0,  0,  3,  0,  0,  0,  0,  0,  0,  0,  0,  //
    26, 0,  0,  0,  0,  0,  0,  32, 0,  0,  25, 12, 0,  0,  28, 17, //
    0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  33, 0,  0,  //
    22, 0,  0,  0,  11, 0,  37, 0,  0,  0,  38, 0,  60, 0,  0,  4,  //
    15, 34, 0,  45, 6,  0,  58, 0,  0,  0,  0,  2,  0,  55, 19, 0,  //
};

enum weir__http_field_id weir__http_field_id(weir_str name)
{
    /* The lookup reads eight bytes back from the end of the name; give it a copy that has them. */
    char copy[8 + WEIR__HTTP_KNOWN_NAME_MAX] = {0};
    if (name.size > WEIR__HTTP_KNOWN_NAME_MAX || !weir__http_token_valid(name))
        return WEIR__HTTP_FIELD_OTHER;
    memcpy(copy + 8, name.data, name.size);
    return weir__http_field_id_at(copy + 8, name.size);
}

weir_str weir__http_field_name(enum weir__http_field_id id)
{
    if ((unsigned)id >= WEIR__HTTP_FIELD_COUNT)
        return (weir_str){"", 0};
    return (weir_str){weir__http_known_names[id].text, weir__http_known_names[id].size};
}

const struct weir__http_field *weir__http_fields_next(const struct weir__http_fields *fields,
                                                      const struct weir__http_field *after,
                                                      weir_str name)
{
    size_t i = after == NULL ? 0 : (size_t)(after - fields->items) + 1;
    for (; i < fields->count; i++)
        if (weir__str_equal_nocase(fields->items[i].name, name))
            return &fields->items[i];
    return NULL;
}
