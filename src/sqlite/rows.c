/*
 * rows.c - what a query gave: as bytes on the database's thread, into structs on the task's
 *
 * An answer is the names of the columns, each closed by NUL, then the rows one after another. A
 * value is a byte for its kind and its content: eight bytes of a number; for text and blobs eight
 * bytes of size, the bytes, and a NUL.
 *
 * Runs on  the database's thread while it is filled, that of the caller afterwards; never both.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "model/model.h"
#include "sqlite/sqlite.h"

void weir__sqlite_answer_init(struct weir__sqlite_answer *answer, size_t bytes_max)
{
    *answer = (struct weir__sqlite_answer){0};
    weir__buffer_init(&answer->bytes);
    answer->bytes.size_max = bytes_max;
}

void weir__sqlite_answer_deinit(struct weir__sqlite_answer *answer)
{
    weir__buffer_deinit(&answer->bytes);
}

void weir__sqlite_answer_clear(struct weir__sqlite_answer *answer)
{
    weir__buffer_clear(&answer->bytes);
    answer->column_count = 0;
    answer->row_count = 0;
}

/* --- filling it ------------------------------------------------------------------------------- */

void weir__sqlite_add_columns(struct weir__sqlite_answer *answer, sqlite3_stmt *statement)
{
    int count = sqlite3_column_count(statement);
    for (int i = 0; i < count; i++) {
        const char *name = sqlite3_column_name(statement, i);
        if (name == NULL)
            name = ""; /* no memory: it will fit no field, and that is said */
        weir__buffer_append(&answer->bytes, name, strlen(name) + 1);
    }
    answer->column_count = (size_t)count;
}

static void add_sized(struct weir__buffer *bytes, const void *data, size_t size)
{
    uint64_t wide = size;
    weir__buffer_append(bytes, &wide, sizeof wide);
    if (size > 0)
        weir__buffer_append(bytes, data, size);
    weir__buffer_append_char(bytes, '\0');
}

static void add_value(struct weir__buffer *bytes, sqlite3_stmt *statement, int column)
{
    int type = sqlite3_column_type(statement, column);
    switch (type) {
    case SQLITE_INTEGER: {
        int64_t number = sqlite3_column_int64(statement, column);
        weir__buffer_append_char(bytes, WEIR_SQLITE_INT);
        weir__buffer_append(bytes, &number, sizeof number);
        break;
    }
    case SQLITE_FLOAT: {
        double real = sqlite3_column_double(statement, column);
        weir__buffer_append_char(bytes, WEIR_SQLITE_DOUBLE);
        weir__buffer_append(bytes, &real, sizeof real);
        break;
    }
    case SQLITE_TEXT:
    case SQLITE_BLOB: {
        const void *data = type == SQLITE_TEXT
                               ? (const void *)sqlite3_column_text(statement, column)
                               : sqlite3_column_blob(statement, column);
        size_t size = (size_t)sqlite3_column_bytes(statement, column);
        if (data == NULL && size > 0) {
            bytes->error = -ENOMEM;
            return;
        }
        weir__buffer_append_char(bytes, type == SQLITE_TEXT ? WEIR_SQLITE_TEXT : WEIR_SQLITE_BLOB);
        add_sized(bytes, data, size);
        break;
    }
    default:
        weir__buffer_append_char(bytes, WEIR_SQLITE_NULL);
        break;
    }
}

int weir__sqlite_add_row(struct weir__sqlite_answer *answer, sqlite3_stmt *statement)
{
    int count = sqlite3_data_count(statement);
    for (int i = 0; i < count; i++)
        add_value(&answer->bytes, statement, i);
    int rc = weir__buffer_error(&answer->bytes);
    if (rc == -EMSGSIZE)
        return weir_fail(
            rc, "the answer is larger than %zu bytes; ask for less, or raise answer_bytes_max",
            answer->bytes.size_max);
    if (rc == 0)
        answer->row_count++;
    return rc;
}

/* --- into structs ----------------------------------------------------------------------------- */

struct value {
    weir_sqlite_kind kind;
    int64_t number;
    double real;
    const char *data;
    size_t size;
};

/* Takes one value off the bytes; they are our own, so they are not doubted. */
static const char *take_value(const char *at, struct value *out_value)
{
    *out_value = (struct value){.kind = (weir_sqlite_kind)*at++};
    uint64_t size;
    switch (out_value->kind) {
    case WEIR_SQLITE_INT:
        memcpy(&out_value->number, at, sizeof out_value->number);
        return at + sizeof out_value->number;
    case WEIR_SQLITE_DOUBLE:
        memcpy(&out_value->real, at, sizeof out_value->real);
        return at + sizeof out_value->real;
    case WEIR_SQLITE_TEXT:
    case WEIR_SQLITE_BLOB:
        memcpy(&size, at, sizeof size);
        out_value->data = at + sizeof size;
        out_value->size = (size_t)size;
        return out_value->data + size + 1;
    case WEIR_SQLITE_NULL:
        break;
    }
    return at;
}

static const char *const kind_names[] = {
    [WEIR_SQLITE_NULL] = "NULL",     [WEIR_SQLITE_INT] = "an integer",
    [WEIR_SQLITE_DOUBLE] = "a real", [WEIR_SQLITE_TEXT] = "a text",
    [WEIR_SQLITE_BLOB] = "a blob",
};

struct place {
    const weir_model *model;
    const weir_field *field;
    size_t row;
};

static int refuse(const struct place *place, const struct value *value)
{
    weir_str name = weir__model_field_name(place->field);
    return weir_fail(-EDOM, "row %zu: column '%.*s' is %s, and %s.%s wants %s", place->row + 1,
                     (int)name.size, name.data, kind_names[value->kind], place->model->name,
                     place->field->member, weir__model_kind_wanted(place->field->kind));
}

static int store_integer(const struct place *place, weir_model_kind kind, int64_t number,
                         void *slot)
{
    long double least, greatest;
    weir__model_kind_range(kind, &least, &greatest);
    if ((long double)number < least || (long double)number > greatest)
        return weir_fail(-EDOM, "row %zu: %lld does not fit %s.%s", place->row + 1,
                         (long long)number, place->model->name, place->field->member);
    size_t bytes = weir__model_kind_bytes(kind, NULL);
    uint64_t bits = (uint64_t)number;
    switch (bytes) {
    case 1:
        *(uint8_t *)slot = (uint8_t)bits;
        break;
    case 2:
        memcpy(slot, &(uint16_t){(uint16_t)bits}, 2);
        break;
    case 4:
        memcpy(slot, &(uint32_t){(uint32_t)bits}, 4);
        break;
    default:
        memcpy(slot, &bits, 8);
        break;
    }
    return 0;
}

static void store_real(weir_model_kind kind, double real, void *slot)
{
    if (kind == WEIR_KIND_FLOAT) {
        float narrow = (float)real;
        memcpy(slot, &narrow, sizeof narrow);
    } else {
        memcpy(slot, &real, sizeof real);
    }
}

static int store_number(const struct place *place, const struct value *value, void *slot)
{
    weir_model_kind kind = place->field->kind;
    if (kind == WEIR_KIND_BOOL) {
        if (value->kind != WEIR_SQLITE_INT || value->number < 0 || value->number > 1)
            return refuse(place, value);
        *(bool *)slot = value->number != 0;
        return 0;
    }
    if (kind == WEIR_KIND_FLOAT || kind == WEIR_KIND_DOUBLE) {
        if (value->kind != WEIR_SQLITE_INT && value->kind != WEIR_SQLITE_DOUBLE)
            return refuse(place, value);
        store_real(kind, value->kind == WEIR_SQLITE_INT ? (double)value->number : value->real,
                   slot);
        return 0;
    }
    if (value->kind != WEIR_SQLITE_INT)
        return refuse(place, value);
    return store_integer(place, kind, value->number, slot);
}

static int store_text(const struct place *place, const struct value *value, weir_arena *arena,
                      char *slot)
{
    if (value->kind != WEIR_SQLITE_TEXT)
        return refuse(place, value);
    if (memchr(value->data, '\0', value->size) != NULL)
        return weir_fail(-EDOM, "row %zu: the text for %s.%s has a NUL inside", place->row + 1,
                         place->model->name, place->field->member);
    char *copy = weir__arena_strndup(arena, value->data, value->size);
    if (copy == NULL)
        return -ENOMEM;
    memcpy(slot, &copy, sizeof copy);
    return 0;
}

/* A list or a struct, kept as JSON: read as if it were the field's default. */
static int store_json(const struct place *place, const struct value *value, weir_arena *arena,
                      char *base)
{
    if (value->kind != WEIR_SQLITE_TEXT)
        return refuse(place, value);
    weir_field as_default = *place->field;
    as_default.or_else = value->data;
    struct weir__model_report report = {.arena = arena, .in = "column"};
    struct weir__model_place where = {.name = weir__model_field_name(place->field)};
    int rc = weir__model_absent(&report, &where, &as_default, 1, base);
    if (rc == -EDOM)
        return weir_fail(rc, "row %zu: the text for %s.%s is not the JSON it should be",
                         place->row + 1, place->model->name, place->field->member);
    return rc;
}

static int store_null(const struct place *place, const struct value *value)
{
    const weir_field *field = place->field;
    bool may_be_absent = field->shape == WEIR_SHAPE_OPT || field->optional;
    return may_be_absent ? 0 : refuse(place, value); /* the struct began as zero */
}

static int store(const struct place *place, const struct value *value, weir_arena *arena,
                 char *base)
{
    const weir_field *field = place->field;
    char *slot = base + field->offset;
    if (value->kind == WEIR_SQLITE_NULL)
        return store_null(place, value);
    if (field->shape == WEIR_SHAPE_LIST || field->kind == WEIR_KIND_MODEL)
        return store_json(place, value, arena, base);
    if (field->shape == WEIR_SHAPE_OPT) {
        int rc = store_number(place, value, slot + weir__model_opt_offset(field->kind));
        if (rc == 0)
            *(bool *)slot = true;
        return rc;
    }
    if (field->kind == WEIR_KIND_TEXT)
        return store_text(place, value, arena, slot);
    return store_number(place, value, slot);
}

/* For each column its field, or -1. `given` says which fields have a column. */
static int match_columns(const struct weir__sqlite_answer *answer, const weir_model *model,
                         weir_arena *arena, ssize_t **out_fields, bool **out_given,
                         const char **out_rows)
{
    size_t field_count = model->table()->count;
    ssize_t *fields = weir__arena_alloc_array(arena, answer->column_count, sizeof *fields);
    bool *given = weir__arena_alloc_array(arena, field_count, sizeof *given);
    if (fields == NULL || given == NULL)
        return -ENOMEM;
    const char *name = answer->bytes.data;
    for (size_t i = 0; i < answer->column_count; i++) {
        weir_str text = {name, strlen(name)};
        fields[i] = weir_model_find(model, text);
        if (fields[i] < 0 && model->strict)
            return weir_fail(-EDOM, "column '%s' is no field of %s", name, model->name);
        if (fields[i] >= 0) {
            if (given[fields[i]])
                return weir_fail(-EDOM, "two columns are called '%s'", name);
            given[fields[i]] = true;
        }
        name += text.size + 1;
    }
    *out_fields = fields;
    *out_given = given;
    *out_rows = name;
    return 0;
}

/* Every field that must have a column has one; said even when there is no row, so that it is found
 * early. */
static int check_given(const weir_model *model, const bool *given)
{
    const weir_model_table *table = model->table();
    for (size_t i = 0; i < table->count; i++) {
        const weir_field *field = &table->fields[i];
        if (given[i] || !weir__model_field_required(field))
            continue;
        weir_str name = weir__model_field_name(field);
        return weir_fail(-EDOM, "the query gives no column '%.*s' for %s.%s", (int)name.size,
                         name.data, model->name, field->member);
    }
    return 0;
}

static int fill_absent(const weir_model *model, const bool *given, weir_arena *arena, char *base)
{
    const weir_model_table *table = model->table();
    struct weir__model_report report = {.arena = arena, .in = "column"};
    for (size_t i = 0; i < table->count; i++) {
        if (given[i])
            continue;
        struct weir__model_place place = {.name = weir__model_field_name(&table->fields[i])};
        int rc = weir__model_absent(&report, &place, &table->fields[i], 1, base);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int decode_row(const struct weir__sqlite_answer *answer, const weir_model *model,
                      const ssize_t *fields, size_t row, weir_arena *arena, const char **at,
                      char *base)
{
    for (size_t i = 0; i < answer->column_count; i++) {
        struct value value;
        *at = take_value(*at, &value);
        if (fields[i] < 0)
            continue;
        struct place place = {model, &model->table()->fields[fields[i]], row};
        int rc = store(&place, &value, arena, base);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int weir__sqlite_decode(const struct weir__sqlite_answer *answer, const weir_model *model,
                        weir_arena *arena, void **out_items)
{
    char *items = NULL;
    ssize_t *fields = NULL;
    bool *given = NULL;
    const char *at = NULL;
    int rc = 0;
    if (answer->column_count > 0)
        rc = match_columns(answer, model, arena, &fields, &given, &at);
    if (rc == 0 && given != NULL)
        rc = check_given(model, given);
    if (rc < 0)
        return rc;
    if (answer->row_count > 0) {
        items = weir__arena_alloc_array(arena, answer->row_count, model->size);
        if (items == NULL)
            return -ENOMEM;
    }
    for (size_t row = 0; row < answer->row_count; row++) {
        char *base = items + row * model->size;
        rc = decode_row(answer, model, fields, row, arena, &at, base);
        if (rc == 0)
            rc = fill_absent(model, given, arena, base);
        if (rc < 0)
            return rc;
    }
    *out_items = items;
    return 0;
}
