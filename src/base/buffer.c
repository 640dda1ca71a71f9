/*
 * buffer.c - bytes that grow at the end
 *
 * Runs on  any thread, one at a time for each buffer.
 * Holds    1. Once data is there, capacity > size: a closing NUL always fits.
 *          2. When error is set, size and data are those of the last append that worked.
 */
#include "base/buffer.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

enum { CAPACITY_MIN = 64 };

void weir__buffer_init(struct weir__buffer *buffer)
{
    *buffer = (struct weir__buffer){0};
}

void weir__buffer_deinit(struct weir__buffer *buffer)
{
    if (buffer == NULL)
        return;
    weir__base_free(buffer->data);
    weir__buffer_init(buffer);
}

void weir__buffer_clear(struct weir__buffer *buffer)
{
    buffer->size = 0;
    buffer->error = 0;
}

/* Twice the old capacity, or what is needed when that is more; never past the limit and its NUL. */
static size_t next_capacity(const struct weir__buffer *buffer, size_t needed)
{
    size_t capacity = buffer->capacity < CAPACITY_MIN / 2 ? CAPACITY_MIN / 2 : buffer->capacity;
    if (__builtin_mul_overflow(capacity, 2, &capacity) || capacity < needed)
        capacity = needed;
    if (buffer->size_max != 0 && capacity - 1 > buffer->size_max)
        capacity = buffer->size_max + 1;
    return capacity;
}

char *weir__buffer_reserve(struct weir__buffer *buffer, size_t size)
{
    if (buffer->error != 0)
        return NULL;

    size_t total;
    size_t needed;
    if (__builtin_add_overflow(buffer->size, size, &total) ||
        (buffer->size_max != 0 && total > buffer->size_max)) {
        buffer->error = -EMSGSIZE;
        return NULL;
    }
    if (__builtin_add_overflow(total, 1, &needed)) {
        buffer->error = -ENOMEM;
        return NULL;
    }
    if (needed > buffer->capacity) {
        size_t capacity = next_capacity(buffer, needed);
        char *data = weir__base_realloc(buffer->data, capacity);
        if (data == NULL) {
            buffer->error = -ENOMEM;
            return NULL;
        }
        buffer->data = data;
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->size;
}

void weir__buffer_append(struct weir__buffer *buffer, const void *data, size_t size)
{
    if (size == 0)
        return;
    char *to = weir__buffer_reserve(buffer, size);
    if (to == NULL)
        return;
    memcpy(to, data, size);
    buffer->size += size;
}

void weir__buffer_append_str(struct weir__buffer *buffer, const char *text)
{
    weir__buffer_append(buffer, text, strlen(text));
}

void weir__buffer_append_char(struct weir__buffer *buffer, char c)
{
    weir__buffer_append(buffer, &c, 1);
}

void weir__buffer_append_uint(struct weir__buffer *buffer, uint64_t value)
{
    char digits[20];
    size_t size = weir__str_format_uint(digits, value);
    weir__buffer_append(buffer, digits, size);
}

void weir__buffer_append_int(struct weir__buffer *buffer, int64_t value)
{
    char text[21];
    size_t sign = value < 0;
    text[0] = '-';
    /* 0 - value in unsigned: the least value has no positive of its own. */
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    size_t size = weir__str_format_uint(text + sign, magnitude);
    weir__buffer_append(buffer, text, sign + size);
}

void weir__buffer_printf(struct weir__buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    weir__buffer_vprintf(buffer, format, args);
    va_end(args);
}

void weir__buffer_vprintf(struct weir__buffer *buffer, const char *format, va_list args)
{
    if (buffer->error != 0)
        return;

    va_list again;
    va_copy(again, args);
    size_t room = buffer->capacity - buffer->size;
    int wanted = vsnprintf(room == 0 ? NULL : buffer->data + buffer->size, room, format, args);
    if (wanted < 0) {
        buffer->error = -EMSGSIZE; /* longer than an int can say */
    } else if ((size_t)wanted < room &&
               (buffer->size_max == 0 || buffer->size + (size_t)wanted <= buffer->size_max)) {
        buffer->size += (size_t)wanted;
    } else {
        char *to = weir__buffer_reserve(buffer, (size_t)wanted);
        if (to != NULL) {
            vsnprintf(to, (size_t)wanted + 1, format, again);
            buffer->size += (size_t)wanted;
        }
    }
    va_end(again);
}

const char *weir__buffer_text(struct weir__buffer *buffer)
{
    if (buffer->data == NULL)
        return "";
    buffer->data[buffer->size] = '\0';
    return buffer->data;
}

void weir__buffer_append_json(struct weir__buffer *buffer, const char *text, size_t size)
{
    while (size > 0) {
        char scratch[WEIR__STR_ESCAPE_MAX];
        weir_str piece;
        size_t taken = weir__str_escape_next(text, size, WEIR__STR_ESCAPE_JSON, scratch, &piece);
        weir__buffer_append(buffer, piece.data, piece.size);
        text += taken;
        size -= taken;
    }
}
