/*
 * model.h - the room model: bytes become structs and structs become bytes, by one table
 *
 *     json.h         a strict reader without a tree, numbers both ways, strings out
 *     report.c       the list of errors, each with its JSON pointer
 *     value.c        the rules of single values: ranges, lengths, choices; what is stored
 *     format.c       named formats such as uri and date
 *     decode.c       JSON to struct
 *     decode_text.c  query strings and paths to struct
 *     encode.c       struct to JSON
 *     schema.c       JSON Schema, and the walk over nested models
 *     check.c        mistakes in a declaration
 *
 * Everything here is a pure function over bytes: no I/O, no tasks, no state between calls. Memory
 * of values and errors is the arena of the caller.
 *
 * Values that are wrong are reported and reading goes on; a function returns a negative errno only
 * for what ends the reading at once (-EBADMSG, -ENOMEM, -EDOM).
 */
#ifndef WEIR__MODEL_MODEL_H
#define WEIR__MODEL_MODEL_H

#include <weir/model.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "model/json.h"

/* --- for the rooms above ---------------------------------------------------------------------- */

/* weir_model_encode() into a buffer of the caller; what was written before an error stays there. */
int weir__model_encode_to(struct weir__buffer *buffer, const weir_model *model, const void *value,
                          weir_arena *arena, weir_model_errors *errors) WEIR_MUST_CHECK;
/* Failure is the buffer's, and sticky. */
void weir__model_append_errors(struct weir__buffer *buffer, const weir_model_errors *errors);
void weir__model_append_schema(struct weir__buffer *buffer, const weir_model *model);
/* The schema of one field alone, for parameters in OpenAPI. */
void weir__model_append_field_schema(struct weir__buffer *buffer, const weir_field *field);

static inline weir_str weir__model_field_name(const weir_field *field)
{
    weir_str name = {field->member, field->member_size};
    if (field->name != NULL) {
        name.data = field->name;
        name.size = strlen(field->name);
    }
    return name;
}

/* Whether it must be given. */
static inline bool weir__model_field_required(const weir_field *field)
{
    return field->or_else == NULL && !field->optional && field->shape != WEIR_SHAPE_OPT;
}

/* --- inside the room: where a value stands, and what is wrong with it ------------------------- */

/* One step from the outermost value to the one at hand; lives on the stack of the reader. */
struct weir__model_place {
    const struct weir__model_place *outer; /* NULL: directly in the outermost */
    weir_str name;                         /* data NULL: an item */
    size_t index;
};

struct weir__model_report {
    weir_arena *arena;
    weir_model_errors *errors; /* NULL: only counted */
    const char *in;
    size_t found; /* by this call */
};

/* Adds an error. 0, or -ENOMEM. `place` NULL is the outermost value. */
int weir__model_report(struct weir__model_report *report, const struct weir__model_place *place,
                       const char *type, const char *format, ...) WEIR_PRINTF(4, 5) WEIR_MUST_CHECK;

/* --- inside the room: single values ----------------------------------------------------------- */

/* What a value has to keep to: those of a field, or of the items of its list. */
struct weir__model_rules {
    long double min;
    long double max;
    size_t min_len;
    size_t max_len; /* never 0: no limit is SIZE_MAX */
    const char *one_of;
    const char *format;
    weir_model_check_fn *check;
};

void weir__model_value_rules(const weir_field *field, struct weir__model_rules *out_rules);
size_t weir__model_kind_bytes(weir_model_kind kind, const weir_model *model);
/* Where in a WEIR_OPT of this kind the value stands. */
size_t weir__model_opt_offset(weir_model_kind kind);
/* Most items the list may have. */
size_t weir__model_items_max(const weir_field *field);
/* "an integer", "a string", … */
const char *weir__model_kind_wanted(weir_model_kind kind);
bool weir__model_kind_is_number(weir_model_kind kind);
bool weir__model_kind_is_integer(weir_model_kind kind);
/* Least and greatest value of an integer or floating type. */
void weir__model_kind_range(weir_model_kind kind, long double *out_min, long double *out_max);

enum { WEIR__MODEL_BOUND_MAX = 40 };
/* A limit as people write it, in JSON's form; ends with NUL. */
const char *weir__model_format_bound(long double bound, char out_text[WEIR__MODEL_BOUND_MAX]);

/* Check a number and store it, or report. `kind` is one of the number kinds. */
int weir__model_store_number(struct weir__model_report *report,
                             const struct weir__model_place *place, weir_model_kind kind,
                             const struct weir__model_rules *rules,
                             const struct weir__json_number *number, void *slot) WEIR_MUST_CHECK;
/* Check a string, and report. `text` ends with NUL; it is UTF-8 without a NUL inside. */
int weir__model_check_text(struct weir__model_report *report, const struct weir__model_place *place,
                           const struct weir__model_rules *rules, const char *text, size_t size,
                           size_t code_points) WEIR_MUST_CHECK;
int weir__model_check_count(struct weir__model_report *report,
                            const struct weir__model_place *place, const weir_field *field,
                            size_t count) WEIR_MUST_CHECK;
/* A field that was not there: its default, nothing, or a report. */
int weir__model_absent(struct weir__model_report *report, const struct weir__model_place *place,
                       const weir_field *field, unsigned depth, char *base) WEIR_MUST_CHECK;

struct weir__model_format {
    const char *name;
    weir_model_check_fn *check;
    const char *schema_format;
    const char *schema_pattern; /* JSON text of it, or NULL */
};
/* NULL: there is none of this name. */
const struct weir__model_format *weir__model_find_format(const char *name);

#endif
