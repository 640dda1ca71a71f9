/*
 * buffer.h - bytes that grow at the end
 *
 * Failure is sticky: after an allocation failed, appends do nothing and weir__buffer_error() says
 * -ENOMEM, so that writers need one check at the end. There is always room for a closing NUL.
 */
#ifndef WEIR__BASE_BUFFER_H
#define WEIR__BASE_BUFFER_H

#include <stdarg.h>
#include <weir/base.h>

struct weir__buffer {
    char *data;
    size_t size;
    size_t capacity;
    size_t size_max; /* 0: no limit of its own; beyond it error becomes -EMSGSIZE */
    int error;       /* 0, -ENOMEM or -EMSGSIZE */
};

void weir__buffer_init(struct weir__buffer *buffer); /* empty; allocates at the first append */
void weir__buffer_deinit(struct weir__buffer *buffer);
void weir__buffer_clear(struct weir__buffer *buffer); /* size 0, error 0, memory kept */
/* Room for `size` more bytes; returns where they go, or NULL. The caller then adds to ->size. */
char *weir__buffer_reserve(struct weir__buffer *buffer, size_t size);
void weir__buffer_append(struct weir__buffer *buffer, const void *data, size_t size);
void weir__buffer_append_str(struct weir__buffer *buffer, const char *text);
void weir__buffer_append_char(struct weir__buffer *buffer, char c);
void weir__buffer_append_uint(struct weir__buffer *buffer, uint64_t value);
void weir__buffer_append_int(struct weir__buffer *buffer, int64_t value);
void weir__buffer_printf(struct weir__buffer *buffer, const char *format, ...) WEIR_PRINTF(2, 3);
void weir__buffer_vprintf(struct weir__buffer *buffer, const char *format, va_list args)
    WEIR_PRINTF(2, 0);
/* The text so far, closed with a NUL that is not counted; "" when nothing could be stored. */
const char *weir__buffer_text(struct weir__buffer *buffer);
/* Text as the inside of a JSON string, without the quotes around it; what is not UTF-8 becomes
 * U+FFFD. */
void weir__buffer_append_json(struct weir__buffer *buffer, const char *text, size_t size);

static inline int weir__buffer_error(const struct weir__buffer *buffer)
{
    return buffer->error;
}

#endif
