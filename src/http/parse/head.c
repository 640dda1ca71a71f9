/*
 * head.c - what a head means: target, host, framing, the fate of the connection
 *
 * scan_body.h finds the structure; here it is judged, once it is complete. What is judged depends
 * on the fields that are there: a bit says whether one is, another whether it is there twice, so a
 * plain GET passes with a handful of tests.
 *
 * Runs on  any thread. Pure functions over the bytes given.
 * Holds    1. framing is written in frame_request and frame_response and nowhere else.
 *          2. The same bytes give the same result, in one piece or octet by octet.
 */
#include "http/parse/head.h"

#include "base/str.h"
#include "http/parse/scan.h"

/* --- which scan ------------------------------------------------------------------------------ */

static const struct {
    weir__http_scan_request_fn *request;
    weir__http_scan_response_fn *response;
} scans[WEIR__HTTP_SCAN_KIND_COUNT] = {
    [WEIR__HTTP_SCAN_SWAR] = {weir__http_scan_request_swar, weir__http_scan_response_swar},
#if defined(__x86_64__)
    [WEIR__HTTP_SCAN_SSE2] = {weir__http_scan_request_sse2, weir__http_scan_response_sse2},
    [WEIR__HTTP_SCAN_AVX2] = {weir__http_scan_request_avx2, weir__http_scan_response_avx2},
#elif defined(__aarch64__)
    [WEIR__HTTP_SCAN_NEON] = {weir__http_scan_request_neon, weir__http_scan_response_neon},
#endif
};

/* The compiler's table of CPU features is filled in before main; asking it is a load and a test. */
static inline enum weir__http_scan_kind best_scan(void)
{
#if defined(__x86_64__)
    if (__builtin_expect(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
                             __builtin_cpu_supports("bmi2"),
                         1))
        return WEIR__HTTP_SCAN_AVX2;
    return WEIR__HTTP_SCAN_SSE2;
#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return WEIR__HTTP_SCAN_NEON;
#else
    return WEIR__HTTP_SCAN_SWAR;
#endif
}

bool weir__http_scan_available(enum weir__http_scan_kind kind)
{
    if (kind == WEIR__HTTP_SCAN_AUTO)
        return true;
    if ((unsigned)kind >= WEIR__HTTP_SCAN_KIND_COUNT || scans[kind].request == NULL)
        return false;
    return kind != WEIR__HTTP_SCAN_AVX2 || best_scan() == WEIR__HTTP_SCAN_AVX2;
}

const char *weir__http_scan_name(enum weir__http_scan_kind kind)
{
    static const char *const names[] = {"auto", "swar", "sse2", "avx2", "neon"};
    if (kind == WEIR__HTTP_SCAN_AUTO)
        kind = best_scan();
    return (unsigned)kind < WEIR__HTTP_SCAN_KIND_COUNT ? names[kind] : "unknown";
}

/* --- limits and resumption ------------------------------------------------------------------- */

static const struct weir__http_head_limits defaults = {
    WEIR__HTTP_LINE_BYTES_MAX, WEIR__HTTP_FIELDS_BYTES_MAX, WEIR__HTTP_FIELD_COUNT_MAX};

/* Fills the zeros in, and heeds the room for fields. */
static struct weir__http_head_limits complete(const struct weir__http_head_limits *limits,
                                              size_t room)
{
    struct weir__http_head_limits own = limits == NULL ? defaults : *limits;
    if (own.line_bytes_max == 0)
        own.line_bytes_max = defaults.line_bytes_max;
    if (own.fields_bytes_max == 0)
        own.fields_bytes_max = defaults.fields_bytes_max;
    if (own.field_count_max == 0)
        own.field_count_max = defaults.field_count_max;
    if (own.field_count_max > room)
        own.field_count_max = room;
    if (own.field_count_max > UINT16_MAX)
        own.field_count_max = UINT16_MAX; /* first[] has 16 bits */
    return own;
}

/* Whether the limits can be used as they are, which saves a copy for each head. */
static inline bool is_complete(const struct weir__http_head_limits *limits, size_t room)
{
    return limits->line_bytes_max != 0 && limits->fields_bytes_max != 0 &&
           limits->field_count_max != 0 && limits->field_count_max <= room &&
           limits->field_count_max <= UINT16_MAX;
}

/*
 * Whether more input can change the last answer, which was -EAGAIN: it can when a line ends in it,
 * when it has a byte that is in no line, or when it passes a limit.
 */
static bool is_worth_parsing(struct weir__http_resume *resume, const char *data, size_t size)
{
    if (size < resume->scanned || size >= resume->limit_at)
        return true;
    size_t stop = weir__http_find_stop(data, size, resume->scanned);
    if (stop < size && (stop + 1 < size || data[stop] != '\r'))
        return true;
    resume->scanned = stop;
    return false;
}

/* False when there is nothing to do; else the place is taken back, for the parse to set anew. */
static inline bool take_place(struct weir__http_resume *resume, const char *data, size_t size)
{
    if (__builtin_expect(resume->scanned != 0, 0) && !is_worth_parsing(resume, data, size))
        return false;
    *resume = (struct weir__http_resume){0, 0};
    return true;
}

/* --- lists that decide about the connection -------------------------------------------------- */

static size_t offset_of(const char *data, weir_str text)
{
    return (size_t)(text.data - data);
}

static weir_str name_of(enum weir__http_field_id id)
{
    return weir__http_field_name(id);
}

struct connection_options {
    bool close;
    bool keep_alive;
    bool upgrade;
};

/* All Connection lines; each element must be a token, empty ones are allowed. */
static int read_connection(const char *data, const struct weir__http_fields *fields,
                           struct connection_options *out_options, struct weir__http_fail *fail)
{
    *out_options = (struct connection_options){false, false, false};
    const struct weir__http_field *field =
        weir__http_fields_get(fields, WEIR__HTTP_FIELD_CONNECTION);
    while (field != NULL) {
        weir_str rest = field->value, element;
        while (weir__http_list_next(&rest, &element)) {
            if (element.size == 0)
                continue;
            if (!weir__http_token_valid(element))
                return weir__http_refuse(fail, 400, offset_of(data, element),
                                         "an option of Connection is not a token");
            if (weir__str_equal_nocase(element, WEIR_STR("close")))
                out_options->close = true;
            else if (weir__str_equal_nocase(element, WEIR_STR("keep-alive")))
                out_options->keep_alive = true;
            else if (weir__str_equal_nocase(element, WEIR_STR("upgrade")))
                out_options->upgrade = true;
        }
        field = weir__http_fields_next(fields, field, name_of(WEIR__HTTP_FIELD_CONNECTION));
    }
    return 0;
}

/* RFC 9112 section 9.3. */
static bool stays_open(const struct connection_options *options, unsigned minor)
{
    return !options->close && (minor >= 1 || options->keep_alive);
}

/* One Upgrade line of a 1.1 message whose Connection speaks of it; else nothing was offered. */
static weir_str read_upgrade(const struct weir__http_fields *fields,
                             const struct connection_options *options, unsigned minor)
{
    const struct weir__http_field *field = weir__http_fields_get(fields, WEIR__HTTP_FIELD_UPGRADE);
    if (field == NULL || minor < 1 || !options->upgrade ||
        weir__http_fields_has_twice(fields, WEIR__HTTP_FIELD_UPGRADE))
        return (weir_str){NULL, 0};
    return field->value;
}

/* One line, digits only, at most INT64_MAX: a list of equal values is refused like any other. */
static int read_content_length(const char *data, const struct weir__http_fields *fields,
                               uint64_t *out_length, struct weir__http_fail *fail)
{
    const struct weir__http_field *field =
        weir__http_fields_get(fields, WEIR__HTTP_FIELD_CONTENT_LENGTH);
    if (weir__http_fields_has_twice(fields, WEIR__HTTP_FIELD_CONTENT_LENGTH)) {
        field = weir__http_fields_next(fields, field, name_of(WEIR__HTTP_FIELD_CONTENT_LENGTH));
        return weir__http_refuse(fail, 400, offset_of(data, field->name),
                                 "Content-Length is there twice");
    }
    int rc = weir__str_parse_uint(field->value, INT64_MAX, out_length);
    if (rc == -ERANGE)
        return weir__http_refuse(fail, 400, offset_of(data, field->value),
                                 "Content-Length is too large to be true");
    if (rc < 0)
        return weir__http_refuse(fail, 400, offset_of(data, field->value),
                                 "Content-Length is not a number of digits only");
    return 0;
}

/*
 * All Transfer-Encoding lines. 0 when they say exactly `chunked`: alone, once, without parameters.
 * RFC 9112 section 6.1: what is unknown is not implemented (501); the rest is malformed (400).
 */
static int read_transfer_encoding(const char *data, const struct weir__http_fields *fields,
                                  struct weir__http_fail *fail)
{
    const weir_str name = name_of(WEIR__HTTP_FIELD_TRANSFER_ENCODING);
    const struct weir__http_field *field =
        weir__http_fields_get(fields, WEIR__HTTP_FIELD_TRANSFER_ENCODING);
    const size_t begin = offset_of(data, field->name);
    bool chunked = false, unknown = false;
    for (; field != NULL; field = weir__http_fields_next(fields, field, name)) {
        weir_str rest = field->value, element;
        while (weir__http_list_next(&rest, &element)) {
            const size_t at = offset_of(data, element);
            const size_t coding = weir__http_span(element.data, element.size, 0, WEIR__HTTP_TOKEN);
            if (coding == 0)
                return weir__http_refuse(fail, 400, at, "a transfer coding is not a token");
            if (chunked)
                return weir__http_refuse(fail, 400, at, "a transfer coding behind chunked");
            const weir_str parameters =
                weir__http_trim((weir_str){element.data + coding, element.size - coding});
            if (parameters.size > 0 && parameters.data[0] != ';')
                return weir__http_refuse(fail, 400, at, "a transfer coding is not a token");
            if (!weir__str_equal_nocase((weir_str){element.data, coding}, WEIR_STR("chunked")))
                unknown = true;
            else if (parameters.size > 0)
                return weir__http_refuse(fail, 400, at, "chunked has no parameters");
            else
                chunked = true;
        }
    }
    if (unknown)
        return weir__http_refuse(fail, 501, begin, "only the transfer coding chunked is known");
    return 0;
}

/* What the two length fields say together. Kind is NONE when neither is there. */
static int read_lengths(const char *data, const struct weir__http_fields *fields, unsigned minor,
                        struct weir__http_framing *framing, struct weir__http_fail *fail)
{
    framing->kind = WEIR__HTTP_BODY_NONE;
    framing->length = 0;
    const bool length = weir__http_fields_has(fields, WEIR__HTTP_FIELD_CONTENT_LENGTH);
    if (weir__http_fields_has(fields, WEIR__HTTP_FIELD_TRANSFER_ENCODING)) {
        const size_t at = offset_of(
            data, weir__http_fields_get(fields, WEIR__HTTP_FIELD_TRANSFER_ENCODING)->name);
        if (length)
            return weir__http_refuse(fail, 400, at,
                                     "Transfer-Encoding and Content-Length in one message");
        if (minor < 1)
            return weir__http_refuse(fail, 400, at, "Transfer-Encoding in HTTP/1.0");
        framing->kind = WEIR__HTTP_BODY_CHUNKED;
        return read_transfer_encoding(data, fields, fail);
    }
    if (!length)
        return 0;
    framing->kind = WEIR__HTTP_BODY_LENGTH;
    return read_content_length(data, fields, &framing->length, fail);
}

/* --- requests -------------------------------------------------------------------------------- */

static const char *const method_names[WEIR__HTTP_METHOD_COUNT] = {
    "", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};

const char *weir__http_method_name(enum weir__http_method method)
{
    return (unsigned)method < WEIR__HTTP_METHOD_COUNT ? method_names[method] : "";
}

enum weir__http_method weir__http_method_from(weir_str text)
{
    enum weir__http_method method = WEIR__HTTP_METHOD_OTHER;
    if (text.size < 3)
        return method;
    switch (text.data[0]) {
    case 'G':
        method = WEIR__HTTP_METHOD_GET;
        break;
    case 'H':
        method = WEIR__HTTP_METHOD_HEAD;
        break;
    case 'P':
        method = text.data[1] == 'O'   ? WEIR__HTTP_METHOD_POST
                 : text.data[1] == 'U' ? WEIR__HTTP_METHOD_PUT
                                       : WEIR__HTTP_METHOD_PATCH;
        break;
    case 'D':
        method = WEIR__HTTP_METHOD_DELETE;
        break;
    case 'C':
        method = WEIR__HTTP_METHOD_CONNECT;
        break;
    case 'O':
        method = WEIR__HTTP_METHOD_OPTIONS;
        break;
    case 'T':
        method = WEIR__HTTP_METHOD_TRACE;
        break;
    default:
        return method;
    }
    const weir_str known = weir__str_from(method_names[method]);
    return text.size == known.size && memcmp(text.data, known.data, known.size) == 0
               ? method
               : WEIR__HTTP_METHOD_OTHER;
}

static int refuse_at(struct weir__http_fail *fail, size_t base, int rc)
{
    if (rc == -EBADMSG && fail != NULL)
        fail->offset += base;
    return rc;
}

/* http://authority[/path][?query]: the authority is the host, whatever the Host field says. */
static int read_absolute_target(const char *data, struct weir__http_request_head *head,
                                struct weir__http_fail *fail)
{
    const weir_str target = head->target;
    const size_t base = offset_of(data, target);
    size_t scheme = 0;
    if (target.size > 7 && weir__str_equal_nocase((weir_str){target.data, 7}, WEIR_STR("http://")))
        scheme = 4;
    else if (target.size > 8 &&
             weir__str_equal_nocase((weir_str){target.data, 8}, WEIR_STR("https://")))
        scheme = 5;
    else
        return weir__http_refuse(fail, 400, base,
                                 "the target is neither a path nor an http or https URL");
    size_t from = scheme + 3, end = from;
    while (end < target.size && target.data[end] != '/' && target.data[end] != '?')
        end++;
    const weir_str authority = {target.data + from, end - from};
    int rc = weir__http_host_parse(authority, &head->host, fail);
    if (rc < 0)
        return refuse_at(fail, base + from, rc);

    head->form = WEIR__HTTP_TARGET_ABSOLUTE;
    head->scheme = (weir_str){target.data, scheme};
    const char *mark = head->query.data == NULL ? target.data + target.size : head->query.data - 1;
    head->path = (weir_str){target.data + end, (size_t)(mark - (target.data + end))};
    if (head->path.size == 0)
        head->path = WEIR_STR("/");
    return 0;
}

static int read_unusual_target(const char *data, struct weir__http_request_head *head,
                               struct weir__http_fail *fail)
{
    const size_t base = offset_of(data, head->target);
    if (head->method == WEIR__HTTP_METHOD_CONNECT) {
        int rc = weir__http_host_parse(head->target, &head->host, fail);
        if (rc < 0)
            return refuse_at(fail, base, rc);
        if (!head->host.has_port)
            return weir__http_refuse(fail, 400, base, "the target of CONNECT has no port");
        head->form = WEIR__HTTP_TARGET_AUTHORITY;
        head->path = (weir_str){"", 0};
        return 0;
    }
    if (head->target.data[0] == '*' && head->target.size == 1) {
        if (head->method != WEIR__HTTP_METHOD_OPTIONS)
            return weir__http_refuse(fail, 400, base, "the target * is for OPTIONS only");
        head->form = WEIR__HTTP_TARGET_ASTERISK;
        return 0;
    }
    return read_absolute_target(data, head, fail);
}

/* Exactly one valid Host in 1.1, at most one in 1.0; a host in the target goes before it. */
static __attribute__((noinline)) int read_host(const char *data,
                                               struct weir__http_request_head *head,
                                               struct weir__http_fail *fail)
{
    const struct weir__http_field *field =
        weir__http_fields_get(&head->fields, WEIR__HTTP_FIELD_HOST);
    if (field == NULL) {
        if (head->minor >= 1)
            return weir__http_refuse(fail, 400, 0, "a request without a Host field");
        if (head->host.text.data == NULL)
            head->host = (struct weir__http_host){.text = {NULL, 0}};
        return 0; /* HTTP/1.0 */
    }
    if (weir__http_fields_has_twice(&head->fields, WEIR__HTTP_FIELD_HOST)) {
        field = weir__http_fields_next(&head->fields, field, name_of(WEIR__HTTP_FIELD_HOST));
        return weir__http_refuse(fail, 400, offset_of(data, field->name), "Host is there twice");
    }
    struct weir__http_host host;
    int rc = weir__http_host_parse(field->value, &host, fail);
    if (rc < 0)
        return refuse_at(fail, offset_of(data, field->value), rc);
    if (head->form == WEIR__HTTP_TARGET_ORIGIN || head->form == WEIR__HTTP_TARGET_ASTERISK)
        head->host = host;
    return 0;
}

/* RFC 9110 section 10.1.1: known is `100-continue` alone, and only since 1.1. */
static enum weir__http_expect read_expect(const struct weir__http_request_head *head)
{
    const struct weir__http_field *field =
        weir__http_fields_get(&head->fields, WEIR__HTTP_FIELD_EXPECT);
    if (field == NULL || head->minor < 1)
        return WEIR__HTTP_EXPECT_NONE;
    if (weir__http_fields_has_twice(&head->fields, WEIR__HTTP_FIELD_EXPECT) ||
        !weir__str_equal_nocase(field->value, WEIR_STR("100-continue")))
        return WEIR__HTTP_EXPECT_UNKNOWN;
    return WEIR__HTTP_EXPECT_CONTINUE;
}

enum {
    /* Fields with a word on framing or the connection; without them the defaults hold. */
    FRAMING_FIELDS = 1 << WEIR__HTTP_FIELD_CONTENT_LENGTH |
                     1 << WEIR__HTTP_FIELD_TRANSFER_ENCODING | 1 << WEIR__HTTP_FIELD_CONNECTION |
                     1 << WEIR__HTTP_FIELD_EXPECT | 1 << WEIR__HTTP_FIELD_UPGRADE,
    CONNECTION_ONLY = 1 << WEIR__HTTP_FIELD_CONNECTION,
};

/*
 * Most requests: nothing about framing but maybe `Connection: keep-alive` as browsers write it,
 * which frame_request would judge the same.
 */
static inline bool is_usual_framing(const struct weir__http_fields *fields)
{
    const uint64_t named = fields->present & FRAMING_FIELDS;
    if (named == 0)
        return true;
    if (named != CONNECTION_ONLY || (fields->repeated & CONNECTION_ONLY) != 0)
        return false;
    const weir_str value = fields->items[fields->first[WEIR__HTTP_FIELD_CONNECTION]].value;
    return value.size == 10 && memcmp(value.data, "keep-alive", 10) == 0;
}

/* The one place where a request's framing is decided (RFC 9112 section 6.3). */
static __attribute__((noinline)) int frame_request(const char *data,
                                                   struct weir__http_request_head *head,
                                                   struct weir__http_fail *fail)
{
    int rc = read_lengths(data, &head->fields, head->minor, &head->framing, fail);
    if (rc < 0)
        return rc;
    struct connection_options options;
    rc = read_connection(data, &head->fields, &options, fail);
    if (rc < 0)
        return rc;
    head->framing.keep_alive = stays_open(&options, head->minor);
    head->expect = read_expect(head);
    head->upgrade = read_upgrade(&head->fields, &options, head->minor);
    return 0;
}

ssize_t weir__http_judge_request(const char *data, size_t size,
                                 struct weir__http_request_head *head, struct weir__http_fail *fail)
{
    /* A method is followed by a blank, so there are four bytes. */
    if (memcmp(head->method_text.data, "GET ", 4) == 0)
        head->method = WEIR__HTTP_METHOD_GET;
    else
        head->method = weir__http_method_from(head->method_text);
    head->form = WEIR__HTTP_TARGET_ORIGIN;
    head->scheme = (weir_str){NULL, 0};
    /* The scan has found Host to be a usual one; what is left is that it is alone. */
    const bool host_good = head->host.text.data != NULL &&
                           !weir__http_fields_has_twice(&head->fields, WEIR__HTTP_FIELD_HOST);
    int rc = 0;
    if (__builtin_expect(head->target.data[0] != '/', 0) ||
        head->method == WEIR__HTTP_METHOD_CONNECT)
        rc = read_unusual_target(data, head, fail);
    if (rc < 0)
        return rc;
    head->framing.kind = WEIR__HTTP_BODY_NONE;
    head->framing.length = 0;
    head->expect = WEIR__HTTP_EXPECT_NONE;
    head->upgrade = (weir_str){NULL, 0};
    if (__builtin_expect(head->minor >= 1 && is_usual_framing(&head->fields), 1))
        head->framing.keep_alive = true;
    else
        rc = frame_request(data, head, fail);
    if (rc == 0 && !host_good)
        rc = read_host(data, head, fail);
    return rc < 0 ? rc : (ssize_t)size;
}

/* With limits that have to be put together. */
static __attribute__((noinline)) ssize_t parse_request(enum weir__http_scan_kind kind,
                                                       struct weir__http_resume *resume,
                                                       const char *data, size_t size,
                                                       const struct weir__http_head_limits *limits,
                                                       struct weir__http_request_head *head,
                                                       struct weir__http_fail *fail)
{
    const struct weir__http_head_limits own = complete(limits, head->fields.count_max);
    return scans[kind].request(data, size, &own, head, resume, fail);
}

ssize_t weir__http_parse_request(struct weir__http_resume *resume, const char *data, size_t size,
                                 const struct weir__http_head_limits *limits,
                                 struct weir__http_request_head *head, struct weir__http_fail *fail)
{
    if (head->fields.items == NULL || head->fields.count_max == 0)
        return -EINVAL;
    if (resume != NULL && !take_place(resume, data, size))
        return -EAGAIN;
    if (limits == NULL)
        limits = &defaults;
    if (__builtin_expect(!is_complete(limits, head->fields.count_max), 0))
        return parse_request(best_scan(), resume, data, size, limits, head, fail);
    return scans[best_scan()].request(data, size, limits, head, resume, fail);
}

ssize_t weir__http_parse_request_with(enum weir__http_scan_kind kind, const char *data, size_t size,
                                      const struct weir__http_head_limits *limits,
                                      struct weir__http_request_head *head,
                                      struct weir__http_fail *fail)
{
    if (head->fields.items == NULL || head->fields.count_max == 0 ||
        !weir__http_scan_available(kind))
        return -EINVAL;
    if (kind == WEIR__HTTP_SCAN_AUTO)
        kind = best_scan();
    return parse_request(kind, NULL, data, size, limits, head, fail);
}

/* --- responses ------------------------------------------------------------------------------- */

/* Statuses that never have a body, whatever the fields say (RFC 9112 section 6.3, 1). */
static bool has_no_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

/* The one place where a response's framing is decided. */
static int frame_response(const char *data, const struct weir__http_asked *asked,
                          struct weir__http_response_head *head, struct weir__http_fail *fail)
{
    struct weir__http_framing *framing = &head->framing;
    struct connection_options options;
    int rc = read_lengths(data, &head->fields, head->minor, framing, fail);
    if (rc < 0)
        return rc;
    rc = read_connection(data, &head->fields, &options, fail);
    if (rc < 0)
        return rc;
    framing->keep_alive = stays_open(&options, head->minor);
    head->upgrade = read_upgrade(&head->fields, &options, head->minor);
    head->has_content_length = framing->kind == WEIR__HTTP_BODY_LENGTH;
    head->content_length = framing->length;

    if (head->status == 101 && (!asked->upgrade || head->upgrade.size == 0))
        return weir__http_refuse(fail, 502, 9, "the protocol is switched, but nobody asked for it");
    if (asked->head || has_no_body(head->status) ||
        (asked->connect && head->status >= 200 && head->status < 300)) {
        /* 1xx, 204 with a length: its sender may think that a body follows. */
        if (!asked->head && head->status != 304 &&
            (framing->kind == WEIR__HTTP_BODY_CHUNKED || framing->length > 0))
            framing->keep_alive = false;
        framing->kind = WEIR__HTTP_BODY_NONE;
        framing->length = 0;
    } else if (framing->kind == WEIR__HTTP_BODY_NONE) {
        framing->kind = WEIR__HTTP_BODY_UNTIL_CLOSE;
        framing->keep_alive = false;
    }
    return 0;
}

ssize_t weir__http_judge_response(const char *data, size_t size,
                                  const struct weir__http_asked *asked,
                                  struct weir__http_response_head *head,
                                  struct weir__http_fail *fail)
{
    int rc = frame_response(data, asked, head, fail);
    return rc < 0 ? rc : (ssize_t)size;
}

static ssize_t parse_response(enum weir__http_scan_kind kind, struct weir__http_resume *resume,
                              const char *data, size_t size,
                              const struct weir__http_head_limits *limits,
                              const struct weir__http_asked *asked,
                              struct weir__http_response_head *head, struct weir__http_fail *fail)
{
    const struct weir__http_head_limits own = complete(limits, head->fields.count_max);
    ssize_t rc = scans[kind].response(data, size, &own, asked, head, resume, fail);
    if (rc == -EBADMSG && fail != NULL)
        fail->status = 502;
    return rc;
}

ssize_t weir__http_parse_response(struct weir__http_resume *resume, const char *data, size_t size,
                                  const struct weir__http_head_limits *limits,
                                  const struct weir__http_asked *asked,
                                  struct weir__http_response_head *head,
                                  struct weir__http_fail *fail)
{
    if (head->fields.items == NULL || head->fields.count_max == 0)
        return -EINVAL;
    if (resume != NULL && !take_place(resume, data, size))
        return -EAGAIN;
    return parse_response(best_scan(), resume, data, size, limits, asked, head, fail);
}

ssize_t weir__http_parse_response_with(enum weir__http_scan_kind kind, const char *data,
                                       size_t size, const struct weir__http_head_limits *limits,
                                       const struct weir__http_asked *asked,
                                       struct weir__http_response_head *head,
                                       struct weir__http_fail *fail)
{
    if (head->fields.items == NULL || head->fields.count_max == 0 ||
        !weir__http_scan_available(kind))
        return -EINVAL;
    if (kind == WEIR__HTTP_SCAN_AUTO)
        kind = best_scan();
    return parse_response(kind, NULL, data, size, limits, asked, head, fail);
}
