/*
 * scan.c - first lines byte by byte, and what is wrong with a line
 *
 * The usual first line is recognised by scan_body.h at once. What is unusual or wrong comes here:
 * this file is the whole truth about first lines, the other only a short way to the same result.
 *
 * Runs on  any thread. Pure functions over the bytes given.
 * Holds    1. A refusal depends on the bytes up to its offset, on the end of the line and on the
 *             limits; never on how much input there is behind.
 *          2. -EAGAIN means that more input can still make the line good.
 */
#include "http/parse/scan.h"

/* --- classes by halves of a byte ------------------------------------------------------------- */

/* clang-format off */
#define ROWS                                                                                       \
    0xba, 0xbf, 0xbe, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf,                                                \
    0xbe, 0xbe, 0xbd, 0x95, 0xb4, 0x95, 0xbd, 0xdc
#define COLUMNS                                                                                    \
    0x80, 0x80, 0x01, 0x02, 0x04, 0x08, 0x10, 0x60,                                                \
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00
#define HOST_ROWS                                                                                  \
    0x2a, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e,                                                \
    0x3e, 0x3e, 0x3c, 0x14, 0x14, 0x15, 0x35, 0x1c
#define TWICE(...) {__VA_ARGS__, __VA_ARGS__}
#define FILLED(byte) [0 ... 31] = byte
/* clang-format on */

const struct weir__http_scan_table weir__http_scan_table = {
    .rows = TWICE(ROWS),
    .columns = TWICE(COLUMNS),
    .host_rows = TWICE(HOST_ROWS),
    .low_half = {FILLED(0x0f)},
    .blank = {FILLED(' ')},
    .question = {FILLED('?')},
    .hash = {FILLED('#')},
};

/* --- lines ----------------------------------------------------------------------------------- */

size_t weir__http_find_stop(const char *data, size_t size, size_t from)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    for (;;) {
        while (size - from >= 8) {
            uint64_t v = weir__http_load64(data + from);
            uint64_t del = v ^ 0x7f * ones;
            uint64_t control = ~((v & ~tops) + 0x60 * ones) & ~v;
            uint64_t is_del = ~((del & ~tops) + ~tops) & ~del;
            if (((control | is_del) & tops) != 0)
                break;
            from += 8;
        }
        /* At most seven bytes are left, or one of the next eight is a control: maybe a HTAB. */
        size_t end = size - from < 8 ? size : from + 8;
        from = weir__http_span(data, end, from, WEIR__HTTP_VALUE);
        if (from < end || from == size)
            return from;
    }
}

int weir__http_need_more(struct weir__http_resume *resume, const char *data, size_t size,
                         size_t limit_at)
{
    if (resume != NULL && size > 0) {
        resume->scanned = data[size - 1] == '\r' ? size - 1 : size;
        resume->limit_at = limit_at;
    }
    return -EAGAIN;
}

int weir__http_value_problem(const char *data, size_t size, size_t at, struct weir__http_fail *fail)
{
    const char *reason = "a control character";
    if (data[at] == '\r') {
        if (at + 1 == size)
            return -EAGAIN;
        reason = "a bare carriage return; lines end with CR LF";
    } else if (data[at] == '\n') {
        reason = "a bare line feed; lines end with CR LF";
    } else if (data[at] == '\0') {
        reason = "a NUL byte";
    }
    return weir__http_refuse(fail, 400, at, reason);
}

/* Whether the line from `start` on is complete: where its CR stands, -EAGAIN or -EBADMSG. */
static ssize_t find_line_end(const char *data, size_t size, size_t start,
                             struct weir__http_fail *fail)
{
    size_t stop = weir__http_find_stop(data, size, start);
    if (stop == size)
        return -EAGAIN;
    if (data[stop] == '\r' && stop + 1 < size && data[stop + 1] == '\n')
        return (ssize_t)stop;
    return weir__http_value_problem(data, size, stop, fail);
}

int weir__http_name_problem(const char *data, size_t size, size_t start, bool first,
                            struct weir__http_fail *fail)
{
    ssize_t end = find_line_end(data, size, start, fail);
    if (end < 0)
        return (int)end;
    size_t at = weir__http_span(data, (size_t)end, start, WEIR__HTTP_TOKEN);
    const char *reason = "a field name has a character that is not allowed there";
    if (at == (size_t)end)
        reason = "a field line without a colon";
    else if (data[at] == ':')
        reason = "a field line without a name";
    else if (data[at] == ' ' || data[at] == '\t')
        reason = at > start ? "white space before the colon of a field line"
                 : first    ? "white space before the first field line"
                            : "a folded field line";
    return weir__http_refuse(fail, 400, at, reason);
}

/*
 * The bounds of a first line: *out_end is its CR, and the CR LF is there. -EAGAIN, or a refusal for
 * what cannot be in any line and for one that is too long.
 */
static int bound_line(const char *data, size_t size, size_t start,
                      const struct weir__http_head_limits *limits, size_t *out_end,
                      struct weir__http_resume *resume, struct weir__http_fail *fail)
{
    size_t cap; /* where the CR stands in the longest line */
    if (__builtin_add_overflow(start, limits->line_bytes_max, &cap) || cap == SIZE_MAX)
        cap = SIZE_MAX - 1;
    size_t seen = size > cap ? cap + 1 : size;
    size_t stop = weir__http_find_stop(data, seen, start);
    if (stop < seen) {
        if (data[stop] == '\r' && stop + 1 < size && data[stop + 1] == '\n') {
            *out_end = stop;
            return 0;
        }
        int rc = weir__http_value_problem(data, size, stop, fail);
        if (rc != -EAGAIN)
            return rc;
    } else if (size > cap) {
        return weir__http_refuse(fail, 414, cap, "the first line is too long");
    }
    return weir__http_need_more(resume, data, size, cap + 1);
}

/* `HTTP/` digit `.` digit, all of data[from..end). */
static int parse_version(const char *data, size_t from, size_t end, unsigned *out_minor,
                         struct weir__http_fail *fail)
{
    const char *text = data + from;
    if (end - from != 8 || memcmp(text, "HTTP/", 5) != 0 || text[5] < '0' || text[5] > '9' ||
        text[6] != '.' || text[7] < '0' || text[7] > '9')
        return weir__http_refuse(fail, 400, from, "the version is not HTTP/1.1 or HTTP/1.0");
    if (text[5] != '1')
        return weir__http_refuse(fail, 505, from, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    *out_minor = text[7] == '0' ? 0 : 1;
    return 0;
}

/* The parts of the complete request line data[start..end). */
static int split_request_line(const char *data, size_t start, size_t end,
                              struct weir__http_request_head *head, struct weir__http_fail *fail)
{
    if (start == end)
        return weir__http_refuse(fail, 400, start, "two empty lines before the request line");
    size_t at = weir__http_span(data, end, start, WEIR__HTTP_TOKEN);
    if (at == end)
        return weir__http_refuse(fail, 400, at, "the request line has no target");
    if (at == start || data[at] != ' ')
        return weir__http_refuse(fail, 400, at, "the method has a character that is not allowed");
    head->method_text = (weir_str){data + start, at - start};

    const size_t target = at + 1;
    at = weir__http_span(data, end, target, WEIR__HTTP_TARGET);
    if (at == end)
        return weir__http_refuse(fail, 400, at, "the request line has no version");
    if (data[at] == '#')
        return weir__http_refuse(fail, 400, at, "the target has a fragment");
    if (data[at] != ' ')
        return weir__http_refuse(fail, 400, at,
                                 "the target has a character that must be percent-encoded");
    if (at == target)
        return weir__http_refuse(fail, 400, at,
                                 "the parts of the request line are separated by "
                                 "more than one blank");
    head->target = (weir_str){data + target, at - target};
    head->path = head->target;
    head->query = (weir_str){NULL, 0};
    const char *mark = memchr(data + target, '?', at - target);
    if (mark != NULL) {
        head->path.size = (size_t)(mark - head->path.data);
        head->query = (weir_str){mark + 1, (size_t)(data + at - mark) - 1};
    }
    return parse_version(data, at + 1, end, &head->minor, fail);
}

ssize_t weir__http_request_line(const char *data, size_t size,
                                const struct weir__http_head_limits *limits,
                                struct weir__http_request_head *head,
                                struct weir__http_resume *resume, struct weir__http_fail *fail)
{
    /* RFC 9112 section 2.2: an empty line before the request line is skipped; weir skips one. */
    const size_t start = size >= 2 && data[0] == '\r' && data[1] == '\n' ? 2 : 0;
    size_t end;
    int rc = bound_line(data, size, start, limits, &end, resume, fail);
    if (rc == -EBADMSG && fail != NULL && fail->status == 400 && data[0] == 0x16)
        fail->reason = "a TLS record where plain HTTP is spoken";
    if (rc < 0)
        return rc;
    rc = split_request_line(data, start, end, head, fail);
    return rc < 0 ? rc : (ssize_t)(end + 2);
}

/* `HTTP/1.1 200 reason`, the blank before an empty reason being optional (as it often is). */
static int split_status_line(const char *data, size_t end, struct weir__http_response_head *head,
                             struct weir__http_fail *fail)
{
    if (end < 9 || data[8] != ' ')
        return weir__http_refuse(fail, 502, end < 8 ? end : 8,
                                 "the status line is not a version, a blank and a status");
    int rc = parse_version(data, 0, 8, &head->minor, fail);
    if (rc < 0)
        return rc;
    int status = 0;
    for (size_t i = 9; i < 12; i++) {
        if (i >= end || data[i] < '0' || data[i] > '9')
            return weir__http_refuse(fail, 502, i, "the status is not three digits");
        status = 10 * status + (data[i] - '0');
    }
    if (status < 100 || status > 599)
        return weir__http_refuse(fail, 502, 9, "the status is not between 100 and 599");
    if (end > 12 && data[12] != ' ')
        return weir__http_refuse(fail, 502, 12, "the status is not three digits");
    head->status = status;
    head->reason = end > 13 ? (weir_str){data + 13, end - 13} : (weir_str){data + end, 0};
    return 0;
}

ssize_t weir__http_status_line(const char *data, size_t size,
                               const struct weir__http_head_limits *limits,
                               struct weir__http_response_head *head,
                               struct weir__http_resume *resume, struct weir__http_fail *fail)
{
    static const char start[] = {'H', 'T', 'T', 'P', '/'};
    size_t known = size < sizeof start ? size : sizeof start;
    for (size_t i = 0; i < known; i++)
        if (data[i] != start[i])
            return weir__http_refuse(fail, 502, i, "this is not an HTTP response");
    if (known < sizeof start) /* each of these bytes is worth a look */
        return weir__http_need_more(resume, data, size, size + 1);
    size_t end;
    int rc = bound_line(data, size, 0, limits, &end, resume, fail);
    if (rc < 0)
        return rc;
    rc = split_status_line(data, end, head, fail);
    return rc < 0 ? rc : (ssize_t)(end + 2);
}
