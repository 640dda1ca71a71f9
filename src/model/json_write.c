/*
 * json_write.c - strings as JSON, and finished text on its way to an arena
 *
 * Runs on  any thread. Failure is that of the buffer, and sticky.
 */
#include "model/json.h"

#include "base/str.h"

void weir__json_append_string(struct weir__buffer *buffer, const char *text, size_t size)
{
    const unsigned char *start = (const unsigned char *)text;
    size_t plain = (size_t)(weir__json_plain_end(start, start + size) - start);

    /* Nearly every string is plain to its end: one piece of memory, one copy. */
    char *to = plain > SIZE_MAX - 2 ? NULL : weir__buffer_reserve(buffer, plain + 2);
    if (to == NULL)
        return;
    to[0] = '"';
    if (plain > 0)
        memcpy(to + 1, text, plain);
    buffer->size += plain + 1;
    if (plain < size)
        weir__buffer_append_json(buffer, text + plain, size - plain);
    weir__buffer_append_char(buffer, '"');
}

int weir__json_move(struct weir__buffer *buffer, struct weir__arena *arena, weir_str *out_text)
{
    int rc = weir__buffer_error(buffer);
    if (rc == 0) {
        char *copy = weir__arena_strndup(arena, weir__buffer_text(buffer), buffer->size);
        if (copy == NULL)
            rc = -ENOMEM;
        else
            *out_text = weir__str_of(copy, buffer->size);
    }
    weir__buffer_deinit(buffer);
    return rc;
}
