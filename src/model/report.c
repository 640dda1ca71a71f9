/*
 * report.c - what is wrong with what came in, each with its JSON pointer
 *
 * Runs on  any thread; the arena belongs to it.
 * Holds    1. errors->count <= errors->total; only the first count_max of all are kept.
 *          2. Nothing in the list refers to the bytes that were read: they may be gone by then.
 */
#include "model/model.h"

#include "base/str.h"

enum { CAPACITY_MIN = 4 };

/* --- JSON pointer: RFC 6901 ------------------------------------------------------------------- */

static size_t escaped_size(weir_str name)
{
    size_t size = name.size;
    for (size_t i = 0; i < name.size; i++)
        size += name.data[i] == '~' || name.data[i] == '/';
    return size;
}

/* Writes backwards, as the steps are linked from the inside out. Returns where it begins. */
static char *write_step(char *end, const struct weir__model_place *place)
{
    if (place->name.data == NULL) {
        char digits[20];
        size_t size = weir__str_format_uint(digits, place->index);
        end -= size;
        memcpy(end, digits, size);
    } else {
        for (size_t i = place->name.size; i-- > 0;) {
            char c = place->name.data[i];
            if (c == '~' || c == '/') {
                *--end = c == '~' ? '0' : '1';
                c = '~';
            }
            *--end = c;
        }
    }
    *--end = '/';
    return end;
}

static const char *make_pointer(weir_arena *arena, const struct weir__model_place *place)
{
    size_t size = 1;
    for (const struct weir__model_place *step = place; step != NULL; step = step->outer) {
        size_t more = step->name.data == NULL ? 20 : escaped_size(step->name);
        if (__builtin_add_overflow(size, more + 1, &size))
            return NULL;
    }
    char *room = weir__arena_alloc(arena, size);
    if (room == NULL)
        return NULL;
    char *at = room + size;
    *--at = '\0';
    for (const struct weir__model_place *step = place; step != NULL; step = step->outer)
        at = write_step(at, step);
    return at;
}

/* --- the list --------------------------------------------------------------------------------- */

static int make_room(weir_arena *arena, weir_model_errors *errors)
{
    if (errors->count < errors->capacity)
        return 0;
    size_t capacity = errors->capacity == 0 ? CAPACITY_MIN : errors->capacity;
    if (__builtin_mul_overflow(capacity, 2, &capacity))
        return -ENOMEM;
    weir_model_error *items = weir__arena_alloc_array(arena, capacity, sizeof *items);
    if (items == NULL)
        return -ENOMEM;
    if (errors->count > 0)
        memcpy(items, errors->items, errors->count * sizeof *items);
    errors->items = items;
    errors->capacity = capacity;
    return 0;
}

int weir__model_report(struct weir__model_report *report, const struct weir__model_place *place,
                       const char *type, const char *format, ...)
{
    report->found++;
    weir_model_errors *errors = report->errors;
    if (errors == NULL)
        return 0;
    size_t count_max = errors->count_max == 0 ? WEIR_MODEL_ERRORS_MAX : errors->count_max;
    if (errors->count >= count_max) {
        errors->total++;
        return 0;
    }

    int rc = make_room(report->arena, errors);
    if (rc < 0)
        return rc;
    const char *pointer = make_pointer(report->arena, place);
    if (pointer == NULL)
        return -ENOMEM;
    va_list args;
    va_start(args, format);
    const char *message = weir__arena_vprintf(report->arena, format, args);
    va_end(args);
    if (message == NULL)
        return -ENOMEM;

    errors->items[errors->count++] = (weir_model_error){report->in, pointer, type, message};
    errors->total++;
    return 0;
}

static void append_member(struct weir__buffer *buffer, const char *key, const char *text)
{
    weir__buffer_append_str(buffer, key);
    weir__json_append_string(buffer, text, strlen(text));
}

void weir__model_append_errors(struct weir__buffer *buffer, const weir_model_errors *errors)
{
    weir__buffer_append_char(buffer, '[');
    for (size_t i = 0; i < errors->count; i++) {
        const weir_model_error *error = &errors->items[i];
        append_member(buffer, i == 0 ? "{\"in\":" : ",{\"in\":", error->in);
        append_member(buffer, ",\"loc\":", error->pointer);
        append_member(buffer, ",\"type\":", error->type);
        append_member(buffer, ",\"msg\":", error->message);
        weir__buffer_append_char(buffer, '}');
    }
    if (errors->total > errors->count) {
        weir__buffer_append_str(buffer, errors->count == 0 ? "" : ",");
        weir__buffer_append_str(buffer, "{\"in\":\"\",\"loc\":\"\",\"type\":\"more\",\"msg\":\"");
        weir__buffer_append_uint(buffer, errors->total - errors->count);
        weir__buffer_append_str(buffer, errors->total - errors->count == 1
                                            ? " more error is not listed\"}"
                                            : " more errors are not listed\"}");
    }
    weir__buffer_append_char(buffer, ']');
}

int weir_model_errors_encode(const weir_model_errors *errors, weir_arena *arena, weir_str *out_json)
{
    struct weir__buffer buffer;
    weir__buffer_init(&buffer);
    weir__model_append_errors(&buffer, errors);
    return weir__json_move(&buffer, arena, out_json);
}
