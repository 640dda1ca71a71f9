/*
 * parse_cases.h - heads for the tests of http/parse, taken in every way they can arrive
 *
 * The input of a parser ends at a page that nobody may touch. One head is parsed in one piece by
 * every way to scan, cut at every place, and octet by octet in a buffer that moves; all must come
 * to the same, and the answer to a part must be "more", or what the whole was refused for.
 */
#ifndef WEIR_TESTS_HTTP_PARSE_CASES_H
#define WEIR_TESTS_HTTP_PARSE_CASES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/parse/head.h"
#include "tests/support/guarded.h"
#include "tests/support/test.h"

struct text {
    const char *data;
    size_t size;
};
/* For initialisers: a literal may have NUL bytes inside. */
#define T(literal)                                                                                 \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }

/* Records a failure that was found by other means than one expectation. */
#define FAILED(what) ((void)test_expect(false, what, __FILE__, __LINE__))

enum { DESCRIPTION_BYTES = 32 * 1024, ROOM = 128 * 1024 };

/* What one parse came to, and its fields; too large for a stack. */
struct outcome {
    ssize_t rc;
    struct weir__http_fail fail;
    struct weir__http_request_head request;
    struct weir__http_response_head response;
    struct weir__http_field items[WEIR__HTTP_FIELD_COUNT_MAX];
    char description[DESCRIPTION_BYTES];
};

struct way {
    bool response;
    struct weir__http_asked asked;
    const struct weir__http_head_limits *limits;
};

/* Bytes that end at a guarded page, in one mapping that is used again and again. */
static inline const char *at_the_guard(const char *data, size_t size)
{
    static struct guarded guarded;
    if (guarded.data == NULL) {
        char *empty = calloc(1, ROOM);
        guarded = guarded_copy(empty, ROOM);
        free(empty);
    }
    if (size > ROOM)
        abort();
    char *place = guarded.data + ROOM - size;
    memset(guarded.data, 'G', ROOM - size); /* what is left of an earlier one must not help */
    if (size > 0)
        memcpy(place, data, size);
    return place;
}

static inline void describe_str(FILE *file, const char *data, const char *label, weir_str text)
{
    if (text.data == NULL)
        fprintf(file, "%s none\n", label);
    else if (text.data >= data && text.data <= data + ROOM)
        fprintf(file, "%s %zu+%zu\n", label, (size_t)(text.data - data), text.size);
    else
        fprintf(file, "%s '%.*s'\n", label, (int)text.size, text.data);
}

static inline void describe_fields(FILE *file, const char *data,
                                   const struct weir__http_fields *fields)
{
    fprintf(file, "fields %zu present %llx repeated %llx\n", fields->count,
            (unsigned long long)fields->present, (unsigned long long)fields->repeated);
    for (size_t i = 0; i < fields->count; i++) {
        const struct weir__http_field *field = &fields->items[i];
        describe_str(file, data, "name", field->name);
        describe_str(file, data, "value", field->value);
        fprintf(file, "id %d\n", field->id);
    }
    for (unsigned id = 1; id < WEIR__HTTP_FIELD_COUNT; id++)
        if (weir__http_fields_has(fields, (enum weir__http_field_id)id))
            fprintf(file, "first of %u is %u\n", id, fields->first[id]);
}

/* All that a parse has to say, with offsets instead of pointers. */
static inline void describe(const struct way *way, const char *data, struct outcome *outcome)
{
    FILE *file = fmemopen(outcome->description, sizeof outcome->description, "w");
    if (file == NULL)
        abort();
    fprintf(file, "rc %zd\n", outcome->rc);
    if (outcome->rc == -EBADMSG) {
        fprintf(file, "%d at %zu: %s\n", outcome->fail.status, outcome->fail.offset,
                outcome->fail.reason);
    } else if (outcome->rc > 0 && way->response) {
        const struct weir__http_response_head *head = &outcome->response;
        fprintf(file, "status %d minor %u body %d keep %d length %llu\n", head->status, head->minor,
                head->framing.kind, head->framing.keep_alive,
                (unsigned long long)head->framing.length);
        fprintf(file, "content length %d %llu\n", head->has_content_length,
                (unsigned long long)head->content_length);
        describe_str(file, data, "reason", head->reason);
        describe_str(file, data, "upgrade", head->upgrade);
        describe_fields(file, data, &head->fields);
    } else if (outcome->rc > 0) {
        const struct weir__http_request_head *head = &outcome->request;
        fprintf(file, "method %d form %d expect %d minor %u body %d keep %d length %llu\n",
                head->method, head->form, head->expect, head->minor, head->framing.kind,
                head->framing.keep_alive, (unsigned long long)head->framing.length);
        describe_str(file, data, "method", head->method_text);
        describe_str(file, data, "target", head->target);
        describe_str(file, data, "path", head->path);
        describe_str(file, data, "query", head->query);
        describe_str(file, data, "scheme", head->scheme);
        describe_str(file, data, "upgrade", head->upgrade);
        describe_str(file, data, "host", head->host.text);
        describe_str(file, data, "name", head->host.name);
        fprintf(file, "port %d %d ipv6 %d\n", head->host.has_port, head->host.port,
                head->host.is_ipv6);
        describe_fields(file, data, &head->fields);
    }
    fclose(file);
}

/* One parse of data[0..size). `kind` AUTO goes through `resume` (may be NULL). */
static inline void parse_once(const struct way *way, enum weir__http_scan_kind kind,
                              struct weir__http_resume *resume, const char *data, size_t size,
                              struct outcome *outcome)
{
    memset(&outcome->request, 0xa5, sizeof outcome->request); /* nothing may rely on zeros */
    memset(&outcome->response, 0xa5, sizeof outcome->response);
    outcome->request.fields.items = outcome->response.fields.items = outcome->items;
    outcome->request.fields.count_max = outcome->response.fields.count_max =
        WEIR__HTTP_FIELD_COUNT_MAX;
    outcome->fail = (struct weir__http_fail){0, 0, ""};
    const bool automatic = kind == WEIR__HTTP_SCAN_AUTO;
    if (way->response && automatic)
        outcome->rc = weir__http_parse_response(resume, data, size, way->limits, &way->asked,
                                                &outcome->response, &outcome->fail);
    else if (way->response)
        outcome->rc = weir__http_parse_response_with(kind, data, size, way->limits, &way->asked,
                                                     &outcome->response, &outcome->fail);
    else if (automatic)
        outcome->rc = weir__http_parse_request(resume, data, size, way->limits, &outcome->request,
                                               &outcome->fail);
    else
        outcome->rc = weir__http_parse_request_with(kind, data, size, way->limits,
                                                    &outcome->request, &outcome->fail);
    describe(way, data, outcome);
}

/* Says which text it was when the two differ. */
static inline bool same(const struct outcome *expected, const struct outcome *actual,
                        const char *data, size_t size, const char *what, size_t where)
{
    if (strcmp(expected->description, actual->description) == 0)
        return true;
    fprintf(stderr, "%s at %zu of <<%.*s>>\n--- one\n%s--- the other\n%s\n", what, where,
            (int)(size < 300 ? size : 300), data, expected->description, actual->description);
    FAILED("the two ways agree");
    return false;
}

/* data[0..size) in one piece at the guard, by every way to scan; all must agree. */
static inline void parse_whole(const struct way *way, const char *data, size_t size,
                               struct outcome *outcome)
{
    static struct outcome other;
    const char *guarded = at_the_guard(data, size);
    parse_once(way, WEIR__HTTP_SCAN_AUTO, NULL, guarded, size, outcome);
    for (int kind = 1; kind < WEIR__HTTP_SCAN_KIND_COUNT; kind++) {
        if (!weir__http_scan_available((enum weir__http_scan_kind)kind))
            continue;
        parse_once(way, (enum weir__http_scan_kind)kind, NULL, guarded, size, &other);
        if (!same(outcome, &other, data, size,
                  weir__http_scan_name((enum weir__http_scan_kind)kind), size))
            return;
    }
    /* `other` used the same items: leave those of the first. */
    parse_once(way, WEIR__HTTP_SCAN_AUTO, NULL, guarded, size, outcome);
}

/*
 * The whole, every part of it, octet by octet, and every cut into two. The outcome of the whole is
 * left in *outcome; its slices are valid until the next parse.
 */
static inline void parse_every_way(const struct way *way, const char *data, size_t size,
                                   struct outcome *outcome)
{
    static struct outcome part, resumed;
    parse_whole(way, data, size, outcome);
    struct weir__http_resume octets = {0, 0};
    bool ended = false;
    for (size_t cut = 0; cut <= size && !ended; cut++) {
        parse_whole(way, data, cut, &part);
        if (part.rc != -EAGAIN && !same(outcome, &part, data, size, "a part", cut))
            return;
        ended = part.rc != -EAGAIN;

        /* Octet by octet: the same answer at the same octet. */
        parse_once(way, WEIR__HTTP_SCAN_AUTO, &octets, at_the_guard(data, cut), cut, &resumed);
        if (!same(&part, &resumed, data, size, "octet by octet", cut))
            return;
        if (ended && (octets.scanned != 0 || octets.limit_at != 0))
            FAILED("the place is forgotten when the head has ended");

        /* Two pieces. */
        struct weir__http_resume pieces = {0, 0};
        parse_once(way, WEIR__HTTP_SCAN_AUTO, &pieces, at_the_guard(data, cut), cut, &resumed);
        if (resumed.rc == -EAGAIN)
            parse_once(way, WEIR__HTTP_SCAN_AUTO, &pieces, at_the_guard(data, size), size,
                       &resumed);
        if (!same(outcome, &resumed, data, size, "two pieces", cut))
            return;
    }
    EXPECT(ended || outcome->rc == -EAGAIN);
    parse_whole(way, data, size, outcome);
}

static const struct way request_way = {.response = false};

/* Bytes that a head is likely to be followed by: they must make no difference. */
static inline void expect_refused(int status, const char *data, size_t size)
{
    static struct outcome outcome;
    parse_every_way(&request_way, data, size, &outcome);
    if (outcome.rc != -EBADMSG || outcome.fail.status != status) {
        fprintf(stderr, "<<%.*s>> gave %zd, %d %s\n", (int)size, data, outcome.rc,
                outcome.rc == -EBADMSG ? outcome.fail.status : 0,
                outcome.rc == -EBADMSG ? outcome.fail.reason : "");
        FAILED("refused with the right status");
    }
    EXPECT(outcome.rc != -EBADMSG || outcome.fail.offset <= size);
}

/* Parsed; the outcome is static and valid until the next call. */
static inline struct outcome *expect_parsed(const char *data, size_t size)
{
    static struct outcome outcome;
    parse_every_way(&request_way, data, size, &outcome);
    if (outcome.rc <= 0) {
        fprintf(stderr, "<<%.*s>> gave %zd, %s\n", (int)size, data, outcome.rc,
                outcome.rc == -EBADMSG ? outcome.fail.reason : "");
        FAILED("parsed");
    }
    return &outcome;
}

/* A request made of format with one %.*s, which may hold NUL bytes: `before`, text, `after`. */
struct request_text {
    char data[ROOM];
    size_t size;
};

static inline struct request_text *put_together(const char *before, struct text text,
                                                const char *after)
{
    static struct request_text request;
    request.size = 0;
    const struct text parts[] = {{before, strlen(before)}, text, {after, strlen(after)}};
    for (size_t i = 0; i < 3; i++) {
        if (request.size + parts[i].size > sizeof request.data)
            abort();
        if (parts[i].size > 0)
            memcpy(request.data + request.size, parts[i].data, parts[i].size);
        request.size += parts[i].size;
    }
    return &request;
}

#define EXPECT_SLICE(expected, slice)                                                              \
    do {                                                                                           \
        const weir_str slice_ = (slice);                                                           \
        EXPECT_EQ(strlen(expected), slice_.size);                                                  \
        if (slice_.size == strlen(expected))                                                       \
            EXPECT_BYTES((expected), slice_.data, slice_.size);                                    \
    } while (0)

#endif
