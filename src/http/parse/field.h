/*
 * field.h - field lines: the names that weir knows by number, and the table of one message
 *
 * A name is recognised while its line is parsed, by a perfect hash over its last eight letters and
 * its length and one comparison; after that a lookup is an index, and "is it there, is it there
 * twice" is a bit.
 */
#ifndef WEIR__HTTP_PARSE_FIELD_H
#define WEIR__HTTP_PARSE_FIELD_H

#include <string.h>

#include "http/parse/syntax.h"

/* Those that decide about framing and the connection come first. At most 63, 30 letters each;
 * a change needs a new multiplier and table in field.c (its test says so). */
#define WEIR__HTTP_FIELDS(X)                                                                       \
    X(HOST, "host")                                                                                \
    X(CONTENT_LENGTH, "content-length")                                                            \
    X(TRANSFER_ENCODING, "transfer-encoding")                                                      \
    X(CONNECTION, "connection")                                                                    \
    X(EXPECT, "expect")                                                                            \
    X(UPGRADE, "upgrade")                                                                          \
    X(TE, "te")                                                                                    \
    X(TRAILER, "trailer")                                                                          \
    X(KEEP_ALIVE, "keep-alive")                                                                    \
    X(CONTENT_TYPE, "content-type")                                                                \
    X(CONTENT_ENCODING, "content-encoding")                                                        \
    X(CONTENT_DISPOSITION, "content-disposition")                                                  \
    X(CONTENT_RANGE, "content-range")                                                              \
    X(ACCEPT, "accept")                                                                            \
    X(ACCEPT_ENCODING, "accept-encoding")                                                          \
    X(ACCEPT_LANGUAGE, "accept-language")                                                          \
    X(ACCEPT_CHARSET, "accept-charset")                                                            \
    X(ACCEPT_RANGES, "accept-ranges")                                                              \
    X(USER_AGENT, "user-agent")                                                                    \
    X(REFERER, "referer")                                                                          \
    X(ORIGIN, "origin")                                                                            \
    X(COOKIE, "cookie")                                                                            \
    X(SET_COOKIE, "set-cookie")                                                                    \
    X(AUTHORIZATION, "authorization")                                                              \
    X(WWW_AUTHENTICATE, "www-authenticate")                                                        \
    X(PROXY_AUTHORIZATION, "proxy-authorization")                                                  \
    X(PROXY_CONNECTION, "proxy-connection")                                                        \
    X(IF_MATCH, "if-match")                                                                        \
    X(IF_NONE_MATCH, "if-none-match")                                                              \
    X(IF_MODIFIED_SINCE, "if-modified-since")                                                      \
    X(IF_UNMODIFIED_SINCE, "if-unmodified-since")                                                  \
    X(IF_RANGE, "if-range")                                                                        \
    X(RANGE, "range")                                                                              \
    X(ETAG, "etag")                                                                                \
    X(LAST_MODIFIED, "last-modified")                                                              \
    X(DATE, "date")                                                                                \
    X(AGE, "age")                                                                                  \
    X(CACHE_CONTROL, "cache-control")                                                              \
    X(EXPIRES, "expires")                                                                          \
    X(PRAGMA, "pragma")                                                                            \
    X(VARY, "vary")                                                                                \
    X(LOCATION, "location")                                                                        \
    X(RETRY_AFTER, "retry-after")                                                                  \
    X(SERVER, "server")                                                                            \
    X(ALLOW, "allow")                                                                              \
    X(LINK, "link")                                                                                \
    X(VIA, "via")                                                                                  \
    X(FORWARDED, "forwarded")                                                                      \
    X(X_FORWARDED_FOR, "x-forwarded-for")                                                          \
    X(X_FORWARDED_PROTO, "x-forwarded-proto")                                                      \
    X(X_FORWARDED_HOST, "x-forwarded-host")                                                        \
    X(X_REQUEST_ID, "x-request-id")                                                                \
    X(TRACEPARENT, "traceparent")                                                                  \
    X(SEC_WEBSOCKET_KEY, "sec-websocket-key")                                                      \
    X(SEC_WEBSOCKET_VERSION, "sec-websocket-version")                                              \
    X(SEC_WEBSOCKET_PROTOCOL, "sec-websocket-protocol")                                            \
    X(SEC_WEBSOCKET_EXTENSIONS, "sec-websocket-extensions")                                        \
    X(SEC_WEBSOCKET_ACCEPT, "sec-websocket-accept")                                                \
    X(LAST_EVENT_ID, "last-event-id")                                                              \
    X(IDEMPOTENCY_KEY, "idempotency-key")                                                          \
    X(ACCESS_CONTROL_REQUEST_METHOD, "access-control-request-method")                              \
    X(ACCESS_CONTROL_REQUEST_HEADERS, "access-control-request-headers")                            \
    X(STRICT_TRANSPORT_SECURITY, "strict-transport-security")

enum weir__http_field_id {
    WEIR__HTTP_FIELD_OTHER, /* a name that is not in the list */
#define WEIR__HTTP_FIELD_ENUM(id, name) WEIR__HTTP_FIELD_##id,
    WEIR__HTTP_FIELDS(WEIR__HTTP_FIELD_ENUM)
#undef WEIR__HTTP_FIELD_ENUM
        WEIR__HTTP_FIELD_COUNT
};

/* One field line; both slices lie in the input, the value without blanks around it. */
struct weir__http_field {
    weir_str name;
    weir_str value;
    enum weir__http_field_id id;
};

/*
 * The field section of one message. The caller provides `items` and `count_max` before the parse;
 * the rest is written by it.
 */
struct weir__http_fields {
    struct weir__http_field *items;
    size_t count_max; /* room in `items` */
    size_t count;
    uint64_t present;                       /* bit id: at least one line has this name */
    uint64_t repeated;                      /* bit id: at least two lines have this name */
    uint16_t first[WEIR__HTTP_FIELD_COUNT]; /* index into items; valid when the bit is set */
};

static inline bool weir__http_fields_has(const struct weir__http_fields *fields,
                                         enum weir__http_field_id id)
{
    return (fields->present >> id & 1) != 0;
}

static inline bool weir__http_fields_has_twice(const struct weir__http_fields *fields,
                                               enum weir__http_field_id id)
{
    return (fields->repeated >> id & 1) != 0;
}

/* First line with this name, NULL when there is none; `id` is not WEIR__HTTP_FIELD_OTHER. */
static inline const struct weir__http_field *weir__http_fields_get(
    const struct weir__http_fields *fields, enum weir__http_field_id id)
{
    return weir__http_fields_has(fields, id) ? &fields->items[fields->first[id]] : NULL;
}

/* Next line with this name behind `after` (NULL: from the start); NULL when there is none. */
const struct weir__http_field *weir__http_fields_next(const struct weir__http_fields *fields,
                                                      const struct weir__http_field *after,
                                                      weir_str name);

/* Number of a name in any case of letters, anywhere in memory. */
enum weir__http_field_id weir__http_field_id(weir_str name);
/* Its lower-case text; empty for WEIR__HTTP_FIELD_OTHER. */
weir_str weir__http_field_name(enum weir__http_field_id id);

/* --- for the scanner ------------------------------------------------------------------------- */

enum { WEIR__HTTP_KNOWN_NAME_MAX = 30 };

struct weir__http_known_name {
    char text[WEIR__HTTP_KNOWN_NAME_MAX + 1]; /* lower case, NUL padded */
    uint8_t size;
};

extern const struct weir__http_known_name weir__http_known_names[WEIR__HTTP_FIELD_COUNT];
extern const uint8_t weir__http_known_slots[256]; /* hash to id */

#define WEIR__HTTP_KNOWN_FACTOR UINT64_C(0x2d859392e7a11177)
#define WEIR__HTTP_LOWER UINT64_C(0x2020202020202020)

static inline uint64_t weir__http_load64(const char *data)
{
    uint64_t value;
    memcpy(&value, data, sizeof value);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    return value;
}

/*
 * Number of the name name[0..size), a token of at least one byte: setting bit 5 folds case exactly,
 * of all tchar only letters become letters by it, and only '-' becomes '-'. Reads the eight
 * bytes before the end of the name even when it is shorter: the caller knows that they are there.
 */
static inline enum weir__http_field_id weir__http_field_id_at(const char *name, size_t size)
{
    uint64_t tail = weir__http_load64(name + size - 8);
    if (size < 8)
        tail >>= 8 * (8 - size);
    tail |= WEIR__HTTP_LOWER;
    const unsigned id = weir__http_known_slots[((tail ^ size) * WEIR__HTTP_KNOWN_FACTOR) >> 56];
    const struct weir__http_known_name *known = &weir__http_known_names[id];
    if (known->size != size)
        return WEIR__HTTP_FIELD_OTHER;
    if (size < 8)
        return tail == (weir__http_load64(known->text) | WEIR__HTTP_LOWER)
                   ? (enum weir__http_field_id)id
                   : WEIR__HTTP_FIELD_OTHER;
    uint64_t difference = tail ^ weir__http_load64(known->text + size - 8);
    for (size_t i = 0; i + 8 < size; i += 8)
        difference |=
            (weir__http_load64(name + i) | WEIR__HTTP_LOWER) ^ weir__http_load64(known->text + i);
    return difference == 0 ? (enum weir__http_field_id)id : WEIR__HTTP_FIELD_OTHER;
}

#endif
