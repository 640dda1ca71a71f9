/*
 * url.h - URLs of the client, paths and queries of the server, percent coding
 *
 * Source: RFC 3986, RFC 9110 section 4.2, and application/x-www-form-urlencoded for queries.
 * Decoded text is for C strings and file names: it is valid UTF-8 and has no NUL, or it is refused.
 */
#ifndef WEIR__HTTP_PARSE_URL_H
#define WEIR__HTTP_PARSE_URL_H

#include "http/parse/host.h"

/* An absolute http or https URL; slices into its text. A fragment is left out. */
struct weir__http_url {
    bool https;
    bool is_ipv6;
    uint16_t port;      /* as given, else 80 or 443 */
    bool default_port;  /* port is the one of the scheme: leave it out of Host */
    weir_str scheme;    /* as spelled */
    weir_str host;      /* name or address without brackets */
    weir_str path;      /* raw, starts with '/'; "/" when there was none */
    weir_str query;     /* raw, without the '?'; data is NULL when there was none */
    weir_str authority; /* host and port as they came */
};

/*
 * Returns 0, or -EBADMSG with a sentence for the user in `fail`: no scheme, another scheme, user
 * information, a bad host or port, characters that must be percent-encoded, a broken triplet.
 */
int weir__http_url_parse(weir_str text, struct weir__http_url *out_url,
                         struct weir__http_fail *fail) WEIR_MUST_CHECK;

/* The value of a Host field: `example.com:8080`, `[::1]`; -ENOSPC when it does not fit. */
ssize_t weir__http_url_write_host(const struct weir__http_url *url, char *out_text, size_t size)
    WEIR_MUST_CHECK;
/* The target for a request line: path, '?', query; -ENOSPC when it does not fit. */
ssize_t weir__http_url_write_target(const struct weir__http_url *url, char *out_text, size_t size)
    WEIR_MUST_CHECK;

enum weir__http_decode_flags {
    WEIR__HTTP_DECODE_PLUS = 1, /* '+' is a blank: queries and forms */
};

/*
 * Percent-decode `text` into out_text, which is never longer than text.size and may be the same
 * memory. Returns the bytes written, -EBADMSG with `fail` for a broken triplet, NUL, or bytes that
 * are no UTF-8 (overlong forms included), -ENOSPC.
 */
ssize_t weir__http_decode(weir_str text, unsigned flags, char *out_text, size_t size,
                          struct weir__http_fail *fail) WEIR_MUST_CHECK;

/*
 * Take the next `name=value` off the front of *rest, decoded into buffer[0..size), `+` being a
 * blank; rest->size bytes are always enough. Empty pairs are skipped; a pair without '=' has an
 * empty value, out_value->data being NULL.
 *
 * Returns 1 with a pair, 0 at the end, or -EBADMSG, -ENOSPC as above. The slices lie in `buffer`,
 * one behind the other: the next pair may go behind them.
 */
int weir__http_query_next(weir_str *rest, char *buffer, size_t size, weir_str *out_name,
                          weir_str *out_value, struct weir__http_fail *fail) WEIR_MUST_CHECK;

/*
 * Take the next segment off the front of a raw path, without its slash: "/a/b" gives "a", then "b";
 * "/" gives one empty segment. False at the end. Not decoded: a router compares or decodes it.
 */
bool weir__http_path_next(weir_str *rest, weir_str *out_segment);

/*
 * Decode a raw path for opening a file beneath a folder: relative, without the first slash, `a/b`
 * or `a/b/` or "" for "/". Refused with 400: what weir__http_decode refuses, and after decoding `.`
 * and `..` segments, empty ones but the last, an encoded slash, a backslash in any form.
 * Returns the bytes written, -EBADMSG, -ENOSPC. The caller opens beneath its root all the same.
 */
ssize_t weir__http_path_decode(weir_str raw, char *out_text, size_t size,
                               struct weir__http_fail *fail) WEIR_MUST_CHECK;

enum weir__http_encode_set {
    WEIR__HTTP_ENCODE_COMPONENT, /* all but letters, digits and -._~: a query name or value */
    WEIR__HTTP_ENCODE_SEGMENT,   /* what a path segment may have stays: also !$&'()*+,;=:@ */
    WEIR__HTTP_ENCODE_PATH,      /* the same, and the slash */
};

/* Percent-encode; three bytes for each of `text` are always enough. Bytes written or -ENOSPC. */
ssize_t weir__http_encode(weir_str text, enum weir__http_encode_set set, char *out_text,
                          size_t size) WEIR_MUST_CHECK;

#endif
