/*
 * json.h - JSON as bytes: a reader that is asked for what is wanted next, and numbers both ways
 *
 * The reader (RFC 8259, strict) builds no tree and allocates nothing. Whoever reads asks for the
 * kind of the next value and then takes or skips it; every byte is checked in either case. A fault
 * is sticky: it is noted once, with its place, and every further call returns -EBADMSG.
 *
 * Stricter than the grammar where the grammar leaves a hole: escapes that make half a surrogate
 * pair are refused, a byte order mark is refused, nesting is limited. Names are not compared with
 * each other here: what a name that stands twice means is known one floor up.
 */
#ifndef WEIR__MODEL_JSON_H
#define WEIR__MODEL_JSON_H

#include <string.h>
#include <weir/base.h>

#include "base/arena.h"
#include "base/buffer.h"

enum weir__json_type {
    WEIR__JSON_OBJECT = 1,
    WEIR__JSON_ARRAY,
    WEIR__JSON_STRING,
    WEIR__JSON_NUMBER,
    WEIR__JSON_TRUE,
    WEIR__JSON_FALSE,
    WEIR__JSON_NULL,
};

struct weir__json {
    const unsigned char *start;
    const unsigned char *at;
    const unsigned char *end;
    unsigned depth;
    const char *fault; /* NULL, or a sentence without its place */
    const unsigned char *fault_at;
};

/* A string as it stands between its quotes, checked, and what it comes to. */
struct weir__json_string {
    const char *data;
    size_t raw_size;
    size_t size;        /* of the text that is meant, in UTF-8 */
    size_t code_points; /* of the same */
    bool escaped;       /* else the raw bytes are the text */
    bool has_nul;
};

/* A number as it stands, checked. Its value is mantissa * 10^exponent when `exact`. */
struct weir__json_number {
    const char *data;
    size_t size;
    uint64_t mantissa;
    int64_t exponent;
    bool negative;
    bool integral; /* neither fraction nor exponent is written */
    bool exact;    /* all digits fit into the mantissa */
};

void weir__json_init(struct weir__json *json, weir_str text);

/* Type of the next value (enum weir__json_type, always above 0), or -EBADMSG. Takes nothing but
 * blanks. What follows must be read, entered or skipped by the function for that type. */
int weir__json_peek(struct weir__json *json) WEIR_MUST_CHECK;

/* Into an object or array; then next_name or next_item until it returns 0. */
int weir__json_enter(struct weir__json *json) WEIR_MUST_CHECK;
/* 1: a name was read, its value is next. 0: the object has ended. `first`: right after enter. */
int weir__json_next_name(struct weir__json *json, bool first, struct weir__json_string *out_name)
    WEIR_MUST_CHECK;
/* 1: an item is next. 0: the array has ended. */
int weir__json_next_item(struct weir__json *json, bool first) WEIR_MUST_CHECK;

int weir__json_read_string(struct weir__json *json, struct weir__json_string *out_string)
    WEIR_MUST_CHECK;
int weir__json_read_number(struct weir__json *json, struct weir__json_number *out_number)
    WEIR_MUST_CHECK;
/* true, false or null, as `type` says. */
int weir__json_read_word(struct weir__json *json, enum weir__json_type type) WEIR_MUST_CHECK;
/* Any value, whole. Takes no more stack for deep values than for flat ones. */
int weir__json_skip(struct weir__json *json) WEIR_MUST_CHECK;
/* Nothing but blanks may follow. */
int weir__json_finish(struct weir__json *json) WEIR_MUST_CHECK;

/* Write the text that a string means: string->size bytes, no NUL. */
void weir__json_unescape(const struct weir__json_string *string, char *out_text);

/* Line and column from 1, in characters; the offset in bytes from 0. */
void weir__json_place(const struct weir__json *json, size_t *out_line, size_t *out_column,
                      size_t *out_offset);

/* The nearest double, ties to even. -ERANGE when that is an infinity; too small gives 0. */
int weir__json_to_double(const struct weir__json_number *number, double *out_value) WEIR_MUST_CHECK;

enum { WEIR__JSON_DOUBLE_MAX = 32 };
/* The fewest digits that read back as `value`, which is finite; no NUL; returns how many bytes. */
size_t weir__json_format_double(double value, char out_text[WEIR__JSON_DOUBLE_MAX]);
/* The same for a value that is read back as a float. */
size_t weir__json_format_float(float value, char out_text[WEIR__JSON_DOUBLE_MAX]);

/* With quotes and escapes. Bytes that are not UTF-8 become U+FFFD. */
void weir__json_append_string(struct weir__buffer *buffer, const char *text, size_t size);
/* What was written goes to the arena, closed with a NUL; the buffer ends here, also on failure. */
int weir__json_move(struct weir__buffer *buffer, struct weir__arena *arena, weir_str *out_text)
    WEIR_MUST_CHECK;

/* Bytes from `at` that need no look one by one: ASCII, no quote, backslash or control character. */
static inline const unsigned char *weir__json_plain_end(const unsigned char *at,
                                                        const unsigned char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    while (end - at >= 8) {
        uint64_t eight;
        memcpy(&eight, at, sizeof eight);
        /* The top bit of each byte that is special. A borrow can spoil only bytes above one that
         * is special, so that the lowest is right, and it is the only one that counts. */
        uint64_t special = ((eight - ones * 0x20) | ((eight ^ (ones * '"')) - ones) |
                            ((eight ^ (ones * '\\')) - ones) | eight) &
                           (ones * 0x80);
        if (special != 0) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
            return at + __builtin_ctzll(special) / 8;
#else
            break;
#endif
        }
        at += 8;
    }
    while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\')
        at++;
    return at;
}

#endif
