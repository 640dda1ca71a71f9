/*
 * head.h - heads of HTTP/1.1 messages: first line, fields, and what they mean for the connection
 *
 * Source: RFC 9112, RFC 9110. The framing decision is made here and nowhere else: how long the body
 * is, how it is coded, whether the connection may be used again. A head in which two programs could
 * see two lengths is refused.
 *
 * All slices lie in the input, and live as long as it does. Nothing is copied, nothing allocated.
 */
#ifndef WEIR__HTTP_PARSE_HEAD_H
#define WEIR__HTTP_PARSE_HEAD_H

#include "http/parse/field.h"
#include "http/parse/host.h"

enum {
    WEIR__HTTP_LINE_BYTES_MAX = 8 * 1024,
    WEIR__HTTP_FIELDS_BYTES_MAX = 32 * 1024,
    WEIR__HTTP_FIELD_COUNT_MAX = 100,
};

/* Limits of a head; a zero field is its default above, WEIR_UNLIMITED is none. */
struct weir__http_head_limits {
    size_t line_bytes_max;   /* first line without its CR LF; beyond it 414 */
    size_t fields_bytes_max; /* all field lines with their CR LF; beyond it 431 */
    size_t field_count_max;  /* beyond it, or beyond the room in fields.items, 431 */
};

/*
 * How far an incomplete head has been looked at: start it with zeros, hand it in again with more
 * data, in the same buffer or another. Then input that comes octet by octet is looked at once, and
 * parsed once for each line that ends in it. It is zeros again when the head is complete or
 * refused.
 */
struct weir__http_resume {
    size_t scanned;
    size_t limit_at;
};

enum weir__http_method {
    WEIR__HTTP_METHOD_OTHER, /* a valid token that is none of these */
    WEIR__HTTP_METHOD_GET,
    WEIR__HTTP_METHOD_HEAD,
    WEIR__HTTP_METHOD_POST,
    WEIR__HTTP_METHOD_PUT,
    WEIR__HTTP_METHOD_DELETE,
    WEIR__HTTP_METHOD_CONNECT,
    WEIR__HTTP_METHOD_OPTIONS,
    WEIR__HTTP_METHOD_TRACE,
    WEIR__HTTP_METHOD_PATCH,
    WEIR__HTTP_METHOD_COUNT
};

enum weir__http_target_form {
    WEIR__HTTP_TARGET_ORIGIN,    /* /path?query */
    WEIR__HTTP_TARGET_ABSOLUTE,  /* http://host/path?query; its host wins over the Host field */
    WEIR__HTTP_TARGET_AUTHORITY, /* host:port, CONNECT only */
    WEIR__HTTP_TARGET_ASTERISK,  /* *, OPTIONS only */
};

enum weir__http_body_kind {
    WEIR__HTTP_BODY_NONE,        /* the message ends with its head */
    WEIR__HTTP_BODY_LENGTH,      /* exactly `length` bytes */
    WEIR__HTTP_BODY_CHUNKED,     /* chunked.h says where it ends */
    WEIR__HTTP_BODY_UNTIL_CLOSE, /* responses only: it ends with the connection */
};

struct weir__http_framing {
    enum weir__http_body_kind kind;
    bool keep_alive; /* the connection may carry another message after this one */
    uint64_t length; /* for WEIR__HTTP_BODY_LENGTH; at most INT64_MAX */
};

enum weir__http_expect {
    WEIR__HTTP_EXPECT_NONE,
    WEIR__HTTP_EXPECT_CONTINUE, /* `100-continue`; never in HTTP/1.0, which does not know it */
    WEIR__HTTP_EXPECT_UNKNOWN,  /* to be answered 417 */
};

struct weir__http_request_head {
    /* Before the call the caller sets fields.items and fields.count_max. */
    struct weir__http_fields fields;
    enum weir__http_method method;
    enum weir__http_target_form form;
    enum weir__http_expect expect;
    unsigned minor; /* of the version: 0, or 1 for 1.1 and above */
    struct weir__http_framing framing;
    weir_str method_text;
    weir_str target;             /* as it came */
    weir_str path;               /* raw, never empty but in authority form; "*" in asterisk form */
    weir_str query;              /* raw, behind the '?'; data is NULL when there was no '?' */
    struct weir__http_host host; /* of the target, else of the field; text.data NULL: none (1.0) */
    weir_str scheme;             /* absolute form only */
    weir_str upgrade;            /* offered by Upgrade and Connection: upgrade in 1.1, else empty */
};

/* What the response answers. */
struct weir__http_asked {
    bool head;    /* the request was HEAD: no body whatever the fields say */
    bool connect; /* CONNECT: 2xx opens a tunnel, no body */
    bool upgrade; /* an Upgrade was offered; otherwise 101 is refused */
};

struct weir__http_response_head {
    struct weir__http_fields fields; /* as above */
    int status;                      /* 100 to 599 */
    unsigned minor;
    struct weir__http_framing framing;
    bool has_content_length;
    uint64_t content_length; /* what the field says, also where there is no body (HEAD, 304) */
    weir_str reason;
    weir_str upgrade;
};

/*
 * Parse the head of a request that starts at data[0]. One empty line before it is skipped.
 *
 * @param resume  NULL when there will be no second call
 * @param limits  NULL for the defaults
 * @param head    complete when the result is > 0; otherwise its contents mean nothing
 * @param fail    written when the result is -EBADMSG; may be NULL
 *
 * Returns     bytes of the head, its empty line included; the body starts there
 * Errors      -EAGAIN   not complete: call again with the same bytes and more
 *             -EBADMSG  refused; answer fail->status and close
 *             -EINVAL   no room for fields at all
 */
ssize_t weir__http_parse_request(struct weir__http_resume *resume, const char *data, size_t size,
                                 const struct weir__http_head_limits *limits,
                                 struct weir__http_request_head *head, struct weir__http_fail *fail)
    WEIR_MUST_CHECK;

/* The same for a response; fail->status is 502. Interim responses (1xx) are heads of their own. */
ssize_t weir__http_parse_response(struct weir__http_resume *resume, const char *data, size_t size,
                                  const struct weir__http_head_limits *limits,
                                  const struct weir__http_asked *asked,
                                  struct weir__http_response_head *head,
                                  struct weir__http_fail *fail) WEIR_MUST_CHECK;

/* `GET`; "" for WEIR__HTTP_METHOD_OTHER. Methods are case-sensitive. */
const char *weir__http_method_name(enum weir__http_method method);
enum weir__http_method weir__http_method_from(weir_str text);

/* The ways to scan; AUTO is what a call uses. Tests and benchmarks name the others. */
enum weir__http_scan_kind {
    WEIR__HTTP_SCAN_AUTO,
    WEIR__HTTP_SCAN_SWAR,
    WEIR__HTTP_SCAN_SSE2,
    WEIR__HTTP_SCAN_AVX2,
    WEIR__HTTP_SCAN_NEON,
    WEIR__HTTP_SCAN_KIND_COUNT
};
bool weir__http_scan_available(enum weir__http_scan_kind kind);
const char *weir__http_scan_name(enum weir__http_scan_kind kind);
/* The scan alone, as the two calls above with a kind that is available; without resumption. */
ssize_t weir__http_parse_request_with(enum weir__http_scan_kind kind, const char *data, size_t size,
                                      const struct weir__http_head_limits *limits,
                                      struct weir__http_request_head *head,
                                      struct weir__http_fail *fail) WEIR_MUST_CHECK;
ssize_t weir__http_parse_response_with(enum weir__http_scan_kind kind, const char *data,
                                       size_t size, const struct weir__http_head_limits *limits,
                                       const struct weir__http_asked *asked,
                                       struct weir__http_response_head *head,
                                       struct weir__http_fail *fail) WEIR_MUST_CHECK;

#endif
