/*
 * weir/model.h - typed bodies: a struct declared once, checked wherever bytes become it
 *
 *     typedef struct { char *item; int32_t count; } order;
 *     WEIR_MODEL(order,
 *         WEIR_FIELD(item,  .min_len = 1, .max_len = 120, .doc = "what to buy"),
 *         WEIR_FIELD(count, .min = 1, .max = 100, .or_else = "1"))
 *
 * From this one table come decoding with every error at once, encoding and JSON Schema. There is no
 * tree in between: the reader writes straight into the struct.
 *
 * What a member may be, and what it is in JSON:
 *
 *     bool, int, long, int8_t … uint64_t      true, 12; with a fraction or exponent it is refused
 *     float, double                           any number
 *     char *, const char *                    a string, UTF-8, ends with NUL, none inside
 *     WEIR_OPT(int32_t)                       a number or null; {bool present; int32_t value;}
 *     WEIR_LIST(char *), WEIR_LIST(double)    an array; {T *items; size_t count;}
 *     other, other *, WEIR_LIST(other)        an object or an array of them: use WEIR_NESTED
 *
 * A field must be given unless it has `.or_else`, is a WEIR_OPT, or is a pointer or list with
 * `.optional = true`; then null and absent give NULL (or a list whose items are NULL).
 *
 * The macros need C; the functions may be called from C++ as well.
 */
#ifndef WEIR_MODEL_H
#define WEIR_MODEL_H

#include <weir/arena.h>
#include <weir/base.h>

/** Most fields that one model may have. */
#define WEIR_MODEL_FIELDS_MAX 256
/** Deepest nesting of objects and arrays, in what is read and in what is written. */
#define WEIR_MODEL_DEPTH_MAX 64
/**
 * Items a list may have when its field gives no `.max_len`; WEIR_UNLIMITED takes the limit away.
 */
#define WEIR_MODEL_ITEMS_MAX 10000
/** Errors kept by one weir_model_errors when its `count_max` is 0; further ones are counted. */
#define WEIR_MODEL_ERRORS_MAX 100

/** What a value is; the compiler finds it from the type of the member. */
typedef enum weir_model_kind {
    WEIR_KIND_NONE,
    WEIR_KIND_BOOL,
    WEIR_KIND_INT8,
    WEIR_KIND_INT16,
    WEIR_KIND_INT32,
    WEIR_KIND_INT64,
    WEIR_KIND_UINT8,
    WEIR_KIND_UINT16,
    WEIR_KIND_UINT32,
    WEIR_KIND_UINT64,
    WEIR_KIND_FLOAT,
    WEIR_KIND_DOUBLE,
    WEIR_KIND_TEXT,
    WEIR_KIND_MODEL,
} weir_model_kind;

/** How a member holds its value. */
typedef enum weir_model_shape {
    WEIR_SHAPE_PLAIN,   /* the value itself */
    WEIR_SHAPE_OPT,     /* WEIR_OPT(): present, value */
    WEIR_SHAPE_LIST,    /* WEIR_LIST(): items, count */
    WEIR_SHAPE_POINTER, /* pointer to a nested struct */
} weir_model_shape;

typedef struct weir_model weir_model;

/**
 * A check of one string beyond length and choice: NULL when it is fine, else what it must be, such
 * as "must be an even number of letters". Pure, and never parks: it runs in the middle of decoding.
 */
typedef const char *weir_model_check_fn(const char *text, size_t size);

/** One field of a model. The first part is made by WEIR_FIELD, the rest are options, by name. */
typedef struct weir_field {
    const char *member; /* name of the member */
    const char *key;    /* `,"member":` */
    size_t member_size;
    size_t key_size;
    size_t offset;
    weir_model_kind kind; /* of the value, of the items if it is a list */
    weir_model_shape shape;
    const weir_model *model; /* nested */

    const char *name;    /* in JSON, if it differs from the member's */
    const char *doc;     /* description in the schema */
    const char *or_else; /* JSON text that is read when the field is absent */
    bool optional;       /* pointers and lists: may be absent or null */
    bool omit_absent;    /* write nothing instead of null */

    long double min; /* least number; exact for every integer type */
    long double max;
    size_t min_len;     /* strings in code points, lists in items */
    size_t max_len;     /* 0: strings as the body's limit allows, lists WEIR_MODEL_ITEMS_MAX */
    const char *one_of; /* strings: `running|done|cancelled` */
    const char *format; /* strings: uri, http-url, email, uuid, date, date-time, ipv4 */
    weir_model_check_fn *check;

    long double item_min; /* the same for each item of a list */
    long double item_max;
    size_t item_min_len;
    size_t item_max_len;
    const char *item_one_of;
    const char *item_format;
    weir_model_check_fn *item_check;
} weir_field;

/**
 * The fields of a model, in the order of their declaration, which is the order they are written.
 */
typedef struct weir_model_table {
    const weir_field *fields;
    size_t count;
} weir_model_table;

/** A declared struct; made by WEIR_MODEL(), found with WEIR_MODEL_OF(). */
struct weir_model {
    const char *name; /* of the type, and of its schema */
    size_t size;
    const weir_model_table *(*table)(void);

    const char *doc; /* description in the schema */
    bool strict;     /* fields the model does not know are errors; else they are skipped */
};

/** One thing that is wrong with what came in. */
typedef struct weir_model_error {
    const char *in;      /* body, query, path, … : as the caller named it */
    const char *pointer; /* JSON pointer (RFC 6901), such as /urls/3 */
    /* stable, for machines: missing, type, min, max, min_len, max_len, one_of, format, unknown,
     * duplicate, json */
    const char *type;
    const char *message; /* for people: "must be at most 100, is 250" */
} weir_model_error;

/** Everything that is wrong; starts from zero, grows in the arena of the call that fills it. */
typedef struct weir_model_errors {
    weir_model_error *items;
    size_t count;     /* kept in items */
    size_t total;     /* found */
    size_t count_max; /* 0: WEIR_MODEL_ERRORS_MAX */
    size_t capacity;
    /* where malformed JSON stopped the reader: line and column from 1, offset in bytes from 0 */
    size_t line;
    size_t column;
    size_t offset;
} weir_model_errors;

/** A name and a value as they stand in a query string or a path, already percent-decoded. */
typedef struct weir_model_pair {
    weir_str name;
    weir_str value;
} weir_model_pair;

/* --- member types ---------------------------------------------------------------------------- */

/** A list: `WEIR_LIST(char *) urls;` has `urls.items` and `urls.count`. */
#define WEIR_LIST(type)                                                                            \
    struct {                                                                                       \
        type *items;                                                                               \
        size_t count;                                                                              \
    }

/**
 * A bool or number that may be absent or null: `WEIR_OPT(int32_t) limit;` has `.present`, `.value`.
 */
#define WEIR_OPT(type) struct weir_opt_##type

/** Give a WEIR_OPT its value: `WEIR_SET(out->limit, 20);` */
#define WEIR_SET(opt, number) ((void)((opt).value = (number), (opt).present = true))

#define WEIR__OPT_DECLARE(type)                                                                    \
    struct weir_opt_##type {                                                                       \
        bool present;                                                                              \
        type value;                                                                                \
    }
struct weir_opt_bool { /* spelled out: `bool` is a macro in C, and would be expanded */
    bool present;
    bool value;
};
WEIR__OPT_DECLARE(int);
WEIR__OPT_DECLARE(long);
WEIR__OPT_DECLARE(int8_t);
WEIR__OPT_DECLARE(int16_t);
WEIR__OPT_DECLARE(int32_t);
WEIR__OPT_DECLARE(int64_t);
WEIR__OPT_DECLARE(uint8_t);
WEIR__OPT_DECLARE(uint16_t);
WEIR__OPT_DECLARE(uint32_t);
WEIR__OPT_DECLARE(uint64_t);
WEIR__OPT_DECLARE(size_t);
WEIR__OPT_DECLARE(float);
WEIR__OPT_DECLARE(double);
#undef WEIR__OPT_DECLARE

/* --- declaring a model ----------------------------------------------------------------------- */

/** The table of a type that was declared with WEIR_MODEL(); an address constant. */
#define WEIR_MODEL_OF(type) (&type##_weir_model)

/**
 * Declare the model of a struct type: its name, then a WEIR_FIELD or WEIR_NESTED for each field.
 */
#define WEIR_MODEL(type, ...) WEIR_MODEL_WITH(type, (.strict = false), __VA_ARGS__)

/* The formatter takes `type *: value` for a product. */
/* clang-format off */

/**
 * The same with options of the model: `WEIR_MODEL_WITH(order, (.strict = true), WEIR_FIELD(item))`.
 */
#define WEIR_MODEL_WITH(type, options, ...)                                                        \
    static const weir_model type##_weir_model;                                                     \
    __attribute__((unused)) static inline const weir_model_table *type##_weir_table(void)          \
    {                                                                                              \
        typedef type weir__type;                                                                   \
        /* the defaults that WEIR_FIELD sets for .min and .max are there to be overridden */       \
        _Pragma("GCC diagnostic push")                                                             \
        _Pragma("GCC diagnostic ignored \"-Woverride-init\"")                                      \
        static const weir_field fields[] = {__VA_ARGS__};                                          \
        _Pragma("GCC diagnostic pop")                                                              \
        _Static_assert(sizeof fields / sizeof *fields <= WEIR_MODEL_FIELDS_MAX,                    \
                       "a model has at most WEIR_MODEL_FIELDS_MAX fields");                        \
        static const weir_model_table table = {fields, sizeof fields / sizeof *fields};            \
        return &table;                                                                             \
    }                                                                                              \
    __attribute__((unused)) static const weir_model type##_weir_model = {                          \
        .name = #type, .size = sizeof(type), .table = type##_weir_table, WEIR__UNPACK options};

/** A field that is a bool, number, string, WEIR_OPT, or a list of those; options by name. */
#define WEIR_FIELD(a_member, ...)                                                                  \
    {                                                                                              \
        .member = #a_member,                                                                       \
        .member_size = sizeof #a_member - 1 +                                                      \
                       WEIR__ASSERT(WEIR__HAS_KIND(a_member) || WEIR__IS_STRUCT(a_member),         \
                                    "this type has no form in JSON: see the top of weir/model.h"), \
        .kind = WEIR__KIND(a_member), .shape = WEIR__SHAPE(a_member),                              \
        .offset = __builtin_offsetof(weir__type, a_member) +                                       \
                  WEIR__ASSERT_LIST(WEIR__AS_LIST(a_member)),                                      \
        WEIR__FIELD_DEFAULTS(a_member), __VA_ARGS__                                                \
    }

/** A field that is a struct with a model of its own, a pointer to one, or a list of them. */
#define WEIR_NESTED(a_member, a_type, ...)                                                         \
    {                                                                                              \
        .member = #a_member,                                                                       \
        .member_size =                                                                             \
            sizeof #a_member - 1 +                                                                 \
            WEIR__ASSERT(WEIR__IS_STRUCT(a_member) ||                                              \
                             _Generic(&WEIR__MEMBER(a_member), a_type **: 1, default: 0),          \
                         "WEIR_NESTED takes the struct, a pointer to it, or a WEIR_LIST of it"),   \
        .kind = _Generic(WEIR__ITEMS(WEIR__AS_NESTED_LIST(a_member, a_type)),                      \
                         a_type *: WEIR_KIND_MODEL),                                               \
        .shape = _Generic(&WEIR__MEMBER(a_member), a_type *: WEIR_SHAPE_PLAIN,                     \
                          a_type **: WEIR_SHAPE_POINTER, default: WEIR_SHAPE_LIST),                \
        .model = WEIR_MODEL_OF(a_type),                                                            \
        .offset = __builtin_offsetof(weir__type, a_member) +                                       \
                  WEIR__ASSERT_LIST(WEIR__AS_NESTED_LIST(a_member, a_type)),                       \
        WEIR__FIELD_DEFAULTS(a_member), __VA_ARGS__                                                \
    }

/* How a type becomes a kind. Addresses are compared, not values: an array (`char name[32]`) must
 * not pass for the pointer it decays to. Every branch of a selection has to compile for every type,
 * so what is not a list is exchanged for a list that is never looked at. What has to hold is
 * asserted first, for its message to be the first one. */
#define WEIR__UNPACK(...) __VA_ARGS__
#define WEIR__ASSERT(condition, message)                                                           \
    (0 * sizeof(struct {                                                                           \
         _Static_assert(condition, message);                                                       \
         char weir__nothing;                                                                       \
     }))
#define WEIR__FIELD_DEFAULTS(a_member)                                                             \
    .key = ",\"" #a_member "\":", .key_size = sizeof(",\"" #a_member "\":") - 1,                   \
    .min = -__builtin_infl(), .max = __builtin_infl(), .item_min = -__builtin_infl(),              \
    .item_max = __builtin_infl()
#define WEIR__MEMBER(a_member) (((weir__type *)0)->a_member)
#define WEIR__PLAIN_KINDS                                                                          \
    bool *: WEIR_KIND_BOOL, signed char *: WEIR_KIND_INT8, short *: WEIR_KIND_INT16,               \
        int *: WEIR_KIND_INT32, long *: WEIR_KIND_INT64, long long *: WEIR_KIND_INT64,             \
        unsigned char *: WEIR_KIND_UINT8, unsigned short *: WEIR_KIND_UINT16,                      \
        unsigned int *: WEIR_KIND_UINT32, unsigned long *: WEIR_KIND_UINT64,                       \
        unsigned long long *: WEIR_KIND_UINT64, float *: WEIR_KIND_FLOAT,                          \
        double *: WEIR_KIND_DOUBLE, char **: WEIR_KIND_TEXT, const char **: WEIR_KIND_TEXT
#define WEIR__OPT_KINDS                                                                            \
    struct weir_opt_bool *: WEIR_KIND_BOOL, struct weir_opt_int *: WEIR_KIND_INT32,                \
        struct weir_opt_long *: WEIR_KIND_INT64, struct weir_opt_int8_t *: WEIR_KIND_INT8,         \
        struct weir_opt_int16_t *: WEIR_KIND_INT16, struct weir_opt_int32_t *: WEIR_KIND_INT32,    \
        struct weir_opt_int64_t *: WEIR_KIND_INT64, struct weir_opt_uint8_t *: WEIR_KIND_UINT8,    \
        struct weir_opt_uint16_t *: WEIR_KIND_UINT16,                                              \
        struct weir_opt_uint32_t *: WEIR_KIND_UINT32,                                              \
        struct weir_opt_uint64_t *: WEIR_KIND_UINT64, struct weir_opt_size_t *: WEIR_KIND_UINT64,  \
        struct weir_opt_float *: WEIR_KIND_FLOAT, struct weir_opt_double *: WEIR_KIND_DOUBLE
#define WEIR__HAS_KIND(a_member)                                                                   \
    (_Generic(&WEIR__MEMBER(a_member), WEIR__PLAIN_KINDS, WEIR__OPT_KINDS,                         \
              default: WEIR_KIND_NONE) != WEIR_KIND_NONE)
#define WEIR__IS_PLAIN(a_member)                                                                   \
    (_Generic(&WEIR__MEMBER(a_member), WEIR__PLAIN_KINDS, default: WEIR_KIND_NONE) !=              \
     WEIR_KIND_NONE)
#define WEIR__IS_STRUCT(a_member) (__builtin_classify_type(WEIR__MEMBER(a_member)) == 12)
#define WEIR__IS_LIST(a_member) (!WEIR__HAS_KIND(a_member) && WEIR__IS_STRUCT(a_member))
#define WEIR__SHAPE(a_member)                                                                      \
    (WEIR__IS_PLAIN(a_member)  ? WEIR_SHAPE_PLAIN                                                  \
     : WEIR__IS_LIST(a_member) ? WEIR_SHAPE_LIST                                                   \
                               : WEIR_SHAPE_OPT)
#define WEIR__AS_LIST(a_member)                                                                    \
    __builtin_choose_expr(WEIR__IS_LIST(a_member), WEIR__MEMBER(a_member),                         \
                          (*(struct weir__any_list *)0))
#define WEIR__AS_NESTED_LIST(a_member, a_type)                                                     \
    __builtin_choose_expr(                                                                         \
        _Generic(&WEIR__MEMBER(a_member), a_type *: 0, default: WEIR__IS_STRUCT(a_member)),        \
        WEIR__MEMBER(a_member), (*(WEIR_LIST(a_type) *)0))
#define WEIR__ITEMS(list) list.items /* not a list? then see WEIR_NESTED(member, type) */
#define WEIR__KIND(a_member)                                                                       \
    _Generic(&WEIR__MEMBER(a_member), WEIR__PLAIN_KINDS, WEIR__OPT_KINDS,                          \
             default: _Generic(&*WEIR__ITEMS(WEIR__AS_LIST(a_member)), WEIR__PLAIN_KINDS))
#define WEIR__ASSERT_LIST(list)                                                                    \
    WEIR__ASSERT(__builtin_offsetof(__typeof__(list), items) == 0 &&                               \
                     __builtin_offsetof(__typeof__(list), count) == sizeof(void *) &&              \
                     sizeof(list) == 2 * sizeof(void *),                                           \
                 "a list is declared with WEIR_LIST(type)")

/* clang-format on */

struct weir__any_list {
    int *items;
    size_t count;
};

WEIR_BEGIN_DECLS

/**
 * Read a JSON object into a struct.
 *
 * Every value that is wrong is found, not only the first. Malformed JSON (also invalid UTF-8, half
 * surrogate pairs, nesting beyond WEIR_MODEL_DEPTH_MAX) ends the reading, and is then the only
 * error of this call. A key that stands twice is an error of type `duplicate`. Strings, lists and
 * nested structs are copied into the arena; nothing of `json` is used afterwards.
 *
 * @param model      of the type of `out_value`
 * @param json       the whole text
 * @param arena      what the values and the errors are taken from
 * @param out_value  written on success only
 * @param errors     what is wrong is added to it, with `in` = "body"; NULL when nobody asks
 *
 * Returns     0, or a negative errno
 * Errors      -EINVAL   well-formed, but values are wrong: `errors` has them all
 *             -EBADMSG  malformed: `errors` says what and where
 *             -ENOMEM   memory or the arena's limit is used up
 *             -EDOM     the declaration itself is wrong: see weir_model_check()
 * Checkpoint  no
 * Thread      any; the arena belongs to it
 * Source      RFC 8259, RFC 6901
 */
WEIR_API WEIR_MUST_CHECK int weir_model_decode(const weir_model *model, weir_str json,
                                               weir_arena *arena, void *out_value,
                                               weir_model_errors *errors);

/**
 * Read names and values, such as those of a query string, into a struct by the same rules.
 *
 * Numbers are written as in JSON, a bool is true, false, 1 or 0, a string is taken as it is. A
 * field that is a list takes every pair of its name, any other only one. Nested structs are not
 * possible.
 *
 * @param model      of the type of `out_value`
 * @param pairs      in the order they came
 * @param count      how many
 * @param in         what the errors call the place: "query", "path", "header", "cookie"; kept by
 *                   them
 * @param arena      what the values and the errors are taken from
 * @param out_value  written on success only
 * @param errors     what is wrong is added to it; NULL when nobody asks
 *
 * Returns     0, or a negative errno
 * Errors      -EINVAL  values are wrong: `errors` has them all
 *             -ENOMEM  memory or the arena's limit is used up
 *             -EDOM    the declaration itself is wrong: see weir_model_check()
 * Checkpoint  no
 * Thread      any; the arena belongs to it
 */
WEIR_API WEIR_MUST_CHECK int weir_model_decode_pairs(const weir_model *model,
                                                     const weir_model_pair *pairs, size_t count,
                                                     const char *in, weir_arena *arena,
                                                     void *out_value, weir_model_errors *errors);

/**
 * Read one text into one field of a struct by the rules of that field.
 *
 * @param model   of the type of `value`
 * @param index   of the field, from weir_model_find()
 * @param text    the value; a field that is a list gets it as a further item
 * @param in      what the error calls the place; kept by it
 * @param arena   what the value and the error are taken from
 * @param value   the struct; only this field changes, and only on success
 * @param errors  what is wrong is added to it; NULL when nobody asks
 *
 * Returns     0, or a negative errno
 * Errors      -EINVAL  the text does not fit the field
 *             -ENOMEM  memory or the arena's limit is used up
 *             -EDOM    a nested struct, or an index that is none
 * Checkpoint  no
 * Thread      any; the arena belongs to it
 */
WEIR_API WEIR_MUST_CHECK int weir_model_decode_text(const weir_model *model, size_t index,
                                                    weir_str text, const char *in,
                                                    weir_arena *arena, void *value,
                                                    weir_model_errors *errors);

/**
 * The field of a JSON name.
 *
 * @param model  where to look
 * @param name   as it stands in JSON
 *
 * Returns     its index in the table, or -ENOENT
 * Checkpoint  no
 * Thread      any
 */
WEIR_API WEIR_MUST_CHECK ssize_t weir_model_find(const weir_model *model, weir_str name);

/**
 * Write a struct as JSON, without blanks, in the order of the declaration.
 *
 * Limits are not checked on the way out. Bytes of a string that are not UTF-8 become U+FFFD. A
 * double is written with the fewest digits that read back as the same double.
 *
 * @param model     of the type of `value`
 * @param value     the struct
 * @param arena     what the text and the error are taken from
 * @param out_json  the text, valid as long as the arena; a NUL follows that is not counted
 * @param errors    what is wrong is added to it, with `in` = "value"; NULL when nobody asks
 *
 * Returns     0, or a negative errno
 * Errors      -EINVAL  something JSON cannot say: NaN, infinity, NULL in a field that is not
 *                      optional, nesting beyond WEIR_MODEL_DEPTH_MAX (a pointer to itself?)
 *             -ENOMEM  memory or the arena's limit is used up
 * Checkpoint  no
 * Thread      any; the arena belongs to it
 */
WEIR_API WEIR_MUST_CHECK int weir_model_encode(const weir_model *model, const void *value,
                                               weir_arena *arena, weir_str *out_json,
                                               weir_model_errors *errors);

/**
 * The JSON Schema of a model, as OpenAPI 3.1 wants it: nested models are references to
 * `#/components/schemas/NAME`, to be put there with weir_model_visit().
 *
 * @param model       what to describe
 * @param arena       what the text is taken from
 * @param out_schema  a JSON object, valid as long as the arena
 *
 * Returns     0, or -ENOMEM
 * Checkpoint  no
 * Thread      any; the arena belongs to it
 * Source      JSON Schema 2020-12
 */
WEIR_API WEIR_MUST_CHECK int weir_model_schema(const weir_model *model, weir_arena *arena,
                                               weir_str *out_schema);

/** Sees a model; anything but 0 ends the visit. */
typedef int weir_model_visit_fn(const weir_model *model, void *arg);

/**
 * Call a function for a model and for every model nested in it, each once, also when they nest in
 * a circle.
 *
 * @param model  where to start; it is visited first
 * @param visit  called for each
 * @param arg    handed to it
 *
 * Returns     0, what `visit` returned when that was not 0, or -ENOMEM
 * Checkpoint  no
 * Thread      any
 */
WEIR_API WEIR_MUST_CHECK int weir_model_visit(const weir_model *model, weir_model_visit_fn *visit,
                                              void *arg);

/**
 * Look for mistakes in a declaration that the compiler cannot see: limits that contradict each
 * other or do not belong to the type, a default that is not JSON or outside the limits, names that
 * stand twice, an unknown format. For tests, and once at the start of a service.
 *
 * @param model   checked with everything nested in it
 * @param arena   what the errors are taken from
 * @param errors  what is wrong is added to it, with `in` = the name of the model; NULL when nobody
 *                asks
 *
 * Returns     0, or a negative errno
 * Errors      -EDOM    something is wrong with the declaration
 *             -ENOMEM  memory or the arena's limit is used up
 * Checkpoint  no
 * Thread      any; the arena belongs to it
 */
WEIR_API WEIR_MUST_CHECK int weir_model_check(const weir_model *model, weir_arena *arena,
                                              weir_model_errors *errors);

/**
 * Write the errors as a JSON array of objects with `in`, `loc`, `type` and `msg`, fit for the
 * `errors` member of a problem document (RFC 9457). When there are more than were kept, a last
 * entry of type `more` says how many.
 *
 * @param errors    what to write
 * @param arena     what the text is taken from
 * @param out_json  the text, valid as long as the arena
 *
 * Returns     0, or -ENOMEM
 * Checkpoint  no
 * Thread      any; the arena belongs to it
 */
WEIR_API WEIR_MUST_CHECK int weir_model_errors_encode(const weir_model_errors *errors,
                                                      weir_arena *arena, weir_str *out_json);

WEIR_END_DECLS

#endif
