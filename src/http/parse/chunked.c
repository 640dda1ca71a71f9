/*
 * chunked.c - the chunked coding, one byte at a time outside the data
 *
 * Runs on  any thread. A state machine over the bytes given.
 * Holds    1. Each framing byte changes the state or is refused; so it makes no difference how the
 *             input is cut.
 *          2. left <= INT64_MAX, and so is the sum of all sizes.
 */
#include "http/parse/chunked.h"

#include <string.h>

#include "base/str.h"

static unsigned hex_value(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a') + 10;
}

/* A byte of framing: within its allowance? */
static const char *count_overhead(struct weir__http_chunked *chunked)
{
    chunked->overhead_bytes++;
    if (chunked->overhead_bytes > WEIR__HTTP_CHUNK_OVERHEAD_BYTES_MAX + chunked->data_bytes / 8)
        return "the chunks are more framing than data";
    return NULL;
}

/* The line of a size has ended: data, or the trailers. */
static const char *begin_chunk(struct weir__http_chunked *chunked)
{
    chunked->digit_count = 0;
    if (chunked->left == 0) {
        chunked->state = WEIR__HTTP_CHUNKED_TRAILER;
        return NULL;
    }
    if (chunked->left > (uint64_t)INT64_MAX - chunked->announced_bytes)
        return "the chunks are too large to be true";
    chunked->announced_bytes += chunked->left;
    chunked->state = WEIR__HTTP_CHUNKED_DATA;
    return NULL;
}

static const char *step_size(struct weir__http_chunked *chunked, char c)
{
    if (weir__http_is(c, WEIR__HTTP_HEX)) {
        if (chunked->digit_count == 16)
            return "a chunk size has more than 16 digits";
        chunked->digit_count++;
        chunked->left = chunked->left << 4 | hex_value(c);
        chunked->state = WEIR__HTTP_CHUNKED_SIZE_MORE;
        return NULL;
    }
    if (chunked->digit_count == 0)
        return "a chunk size does not start with a hexadecimal digit";
    if (c == ';')
        chunked->state = WEIR__HTTP_CHUNKED_EXTENSION;
    else if (c == '\r')
        chunked->state = WEIR__HTTP_CHUNKED_SIZE_LF;
    else
        return "a chunk size is followed by neither CR LF nor an extension";
    return NULL;
}

static const char *step_extension(struct weir__http_chunked *chunked, char c)
{
    if (c == '\r')
        chunked->state = WEIR__HTTP_CHUNKED_SIZE_LF;
    else if (!weir__http_is(c, WEIR__HTTP_VALUE))
        return "a chunk extension has a control character or a bare line feed";
    return NULL;
}

/* Fields that would change how the message is read or routed, had they been in its head. */
static bool is_forbidden_trailer(const struct weir__http_chunked *chunked)
{
    const weir_str name = {chunked->name, chunked->name_size};
    return weir__str_equal(name, WEIR_STR("content-length")) ||
           weir__str_equal(name, WEIR_STR("transfer-encoding")) ||
           weir__str_equal(name, WEIR_STR("host"));
}

static const char *step_trailer_name(struct weir__http_chunked *chunked, char c)
{
    if (weir__http_is(c, WEIR__HTTP_TOKEN)) {
        /* A longer name than any forbidden one fills `name` and so equals none of them. */
        if (chunked->name_size < sizeof chunked->name)
            chunked->name[chunked->name_size++] =
                c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
        chunked->state = WEIR__HTTP_CHUNKED_TRAILER_NAME;
        return NULL;
    }
    if (c != ':' || chunked->name_size == 0)
        return "a trailer line does not start with a field name and a colon";
    if (is_forbidden_trailer(chunked))
        return "a trailer may not be Content-Length, Transfer-Encoding or Host";
    chunked->state = WEIR__HTTP_CHUNKED_TRAILER_VALUE;
    return NULL;
}

static const char *expect(struct weir__http_chunked *chunked, char c, char expected,
                          enum weir__http_chunked_state next, const char *reason)
{
    if (c != expected)
        return reason;
    chunked->state = next;
    return NULL;
}

/* One byte outside the data. NULL, or why it is refused. */
static const char *step(struct weir__http_chunked *chunked, char c)
{
    switch (chunked->state) {
    case WEIR__HTTP_CHUNKED_SIZE:
    case WEIR__HTTP_CHUNKED_SIZE_MORE:
        return step_size(chunked, c);
    case WEIR__HTTP_CHUNKED_EXTENSION:
        return step_extension(chunked, c);
    case WEIR__HTTP_CHUNKED_SIZE_LF:
        if (c != '\n')
            return "a bare carriage return behind a chunk size";
        return begin_chunk(chunked);
    case WEIR__HTTP_CHUNKED_DATA_CR:
        return expect(chunked, c, '\r', WEIR__HTTP_CHUNKED_DATA_LF,
                      "the data of a chunk is not followed by CR LF");
    case WEIR__HTTP_CHUNKED_DATA_LF:
        return expect(chunked, c, '\n', WEIR__HTTP_CHUNKED_SIZE,
                      "the data of a chunk is not followed by CR LF");
    case WEIR__HTTP_CHUNKED_TRAILER:
        chunked->name_size = 0;
        if (c != '\r')
            return step_trailer_name(chunked, c);
        chunked->state = WEIR__HTTP_CHUNKED_END_LF;
        return NULL;
    case WEIR__HTTP_CHUNKED_TRAILER_NAME:
        return step_trailer_name(chunked, c);
    case WEIR__HTTP_CHUNKED_TRAILER_VALUE:
        if (c == '\r')
            chunked->state = WEIR__HTTP_CHUNKED_TRAILER_LF;
        else if (!weir__http_is(c, WEIR__HTTP_VALUE))
            return "a trailer has a control character or a bare line feed";
        return NULL;
    case WEIR__HTTP_CHUNKED_TRAILER_LF:
        return expect(chunked, c, '\n', WEIR__HTTP_CHUNKED_TRAILER,
                      "a bare carriage return in a trailer");
    case WEIR__HTTP_CHUNKED_END_LF:
        return expect(chunked, c, '\n', WEIR__HTTP_CHUNKED_DONE,
                      "a bare carriage return behind the last chunk");
    case WEIR__HTTP_CHUNKED_DATA:
    case WEIR__HTTP_CHUNKED_DONE:
    case WEIR__HTTP_CHUNKED_REFUSED:
        break;
    }
    return "no byte is expected here";
}

static bool is_trailer(enum weir__http_chunked_state state)
{
    return state >= WEIR__HTTP_CHUNKED_TRAILER && state <= WEIR__HTTP_CHUNKED_TRAILER_LF;
}

static int refuse(struct weir__http_chunked *chunked, int status, size_t consumed,
                  const char *reason, struct weir__http_fail *fail)
{
    chunked->state = WEIR__HTTP_CHUNKED_REFUSED;
    return weir__http_refuse(fail, status, (size_t)chunked->consumed_bytes + consumed, reason);
}

/* The framing bytes up to the next data or the end. Returns how many there were, or -EBADMSG. */
static ssize_t walk_framing(struct weir__http_chunked *chunked, const char *data, size_t size,
                            struct weir__http_fail *fail)
{
    size_t i = 0;
    while (i < size && chunked->state != WEIR__HTTP_CHUNKED_DATA &&
           chunked->state != WEIR__HTTP_CHUNKED_DONE) {
        const bool trailer = is_trailer(chunked->state);
        const char *reason = step(chunked, data[i]);
        if (reason == NULL && !trailer)
            reason = count_overhead(chunked);
        if (reason != NULL)
            return refuse(chunked, 400, i, reason, fail);
        /* The empty line at the end is no trailer. */
        if (trailer && chunked->state != WEIR__HTTP_CHUNKED_END_LF &&
            ++chunked->trailer_bytes > WEIR__HTTP_TRAILER_BYTES_MAX)
            return refuse(chunked, 431, i, "the trailers are too long", fail);
        i++;
    }
    return (ssize_t)i;
}

int weir__http_chunked_feed(struct weir__http_chunked *chunked, const char *data, size_t size,
                            size_t *out_consumed, weir_str *out_body, struct weir__http_fail *fail)
{
    if (chunked->state >= WEIR__HTTP_CHUNKED_DONE)
        return -EINVAL;
    if (size == 0) {
        *out_consumed = 0;
        *out_body = (weir_str){data, 0};
        return 0;
    }
    ssize_t framing = walk_framing(chunked, data, size, fail);
    if (framing < 0)
        return (int)framing;

    weir_str body = {data + framing, 0};
    if (chunked->state == WEIR__HTTP_CHUNKED_DATA) {
        const size_t rest = size - (size_t)framing;
        body.size = chunked->left < rest ? (size_t)chunked->left : rest;
        chunked->left -= body.size;
        chunked->data_bytes += body.size;
        if (chunked->left == 0)
            chunked->state = WEIR__HTTP_CHUNKED_DATA_CR;
    }
    chunked->consumed_bytes += (size_t)framing + body.size;
    *out_consumed = (size_t)framing + body.size;
    *out_body = body;
    return chunked->state == WEIR__HTTP_CHUNKED_DONE;
}
