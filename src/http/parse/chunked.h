/*
 * chunked.h - the chunked coding: where the pieces of a body lie, and where it ends
 *
 * Source: RFC 9112 section 7.1. Incremental: it takes what has come and hands out slices of it, in
 * the order of the body; nothing is copied or kept but a few counters.
 *
 *     struct weir__http_chunked chunked = {0};
 *     for (;;) {                                     // until there is no input left
 *         rc = weir__http_chunked_feed(&chunked, data, size, &used, &body, &fail);
 *         if (rc < 0) ...                            // answer fail.status, close
 *         take(body);                                // may be empty
 *         data += used, size -= used;
 *         if (rc == 1) ...                           // the body is complete; data is what follows
 *         if (size == 0) ...                         // more input is needed
 *     }
 *
 * Strict: a size is 1 to 16 hexadecimal digits and nothing else; what follows a piece is CR LF and
 * nothing else; trailers are checked like fields, counted, and dropped.
 */
#ifndef WEIR__HTTP_PARSE_CHUNKED_H
#define WEIR__HTTP_PARSE_CHUNKED_H

#include "http/parse/syntax.h"

enum {
    WEIR__HTTP_CHUNK_OVERHEAD_BYTES_MAX = 16 * 1024, /* and an eighth of the data so far */
    WEIR__HTTP_TRAILER_BYTES_MAX = 8 * 1024,
};

enum weir__http_chunked_state {
    WEIR__HTTP_CHUNKED_SIZE, /* first digit of a size: where a struct of zeros starts */
    WEIR__HTTP_CHUNKED_SIZE_MORE,
    WEIR__HTTP_CHUNKED_EXTENSION,
    WEIR__HTTP_CHUNKED_SIZE_LF,
    WEIR__HTTP_CHUNKED_DATA,
    WEIR__HTTP_CHUNKED_DATA_CR,
    WEIR__HTTP_CHUNKED_DATA_LF,
    WEIR__HTTP_CHUNKED_TRAILER, /* at the start of a trailer line or of the empty one */
    WEIR__HTTP_CHUNKED_TRAILER_NAME,
    WEIR__HTTP_CHUNKED_TRAILER_VALUE,
    WEIR__HTTP_CHUNKED_TRAILER_LF,
    WEIR__HTTP_CHUNKED_END_LF,
    WEIR__HTTP_CHUNKED_DONE,
    WEIR__HTTP_CHUNKED_REFUSED,
};

struct weir__http_chunked {
    enum weir__http_chunked_state state;
    uint64_t left; /* of the chunk at hand; while its size is read, the size so far */
    uint64_t
        announced_bytes; /* sum of all sizes read: compare it with the body limit to stop early */
    uint64_t data_bytes; /* handed out */
    uint64_t overhead_bytes; /* sizes, extensions, line ends */
    uint64_t consumed_bytes; /* all input so far; offsets of a refusal count in it */
    uint32_t trailer_bytes;
    uint8_t digit_count;
    uint8_t name_size; /* of the trailer name at hand, as far as it fits in `name` */
    char name[20];     /* lower case */
};

/*
 * Take the next step through data[0..size).
 *
 * @param out_consumed  how much of the input is done with; at least 1 when size > 0
 * @param out_body      a slice of it that belongs to the body; empty when there was none
 *
 * Returns     1   the body is complete; the rest of the input belongs to the next message
 *             0   go on with what is left of the input, or with more
 * Errors      -EBADMSG  refused; fail->offset counts from the first byte of the coded body
 *             -EINVAL   called again after the end or a refusal
 */
int weir__http_chunked_feed(struct weir__http_chunked *chunked, const char *data, size_t size,
                            size_t *out_consumed, weir_str *out_body, struct weir__http_fail *fail)
    WEIR_MUST_CHECK;

#endif
