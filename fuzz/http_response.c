/*
 * http_response.c - fuzz target: any bytes as the head of a response
 *
 * The first byte says what was asked for. Properties, besides "no crash and nothing read beyond the
 * end": every way to scan, and every way to cut, comes to the same; slices lie in the head; a body
 * is framed in one of the ways that RFC 9112 section 6.3 knows.
 */
#include "fuzz/fuzz.h"

#include "http/parse/head.h"

enum { FIELDS = 100, PIECES_MAX = 600 };

struct parsed {
    ssize_t rc;
    struct weir__http_fail fail;
    struct weir__http_response_head head;
    struct weir__http_field items[FIELDS];
};

static struct weir__http_asked asked;

static void parse(enum weir__http_scan_kind kind, struct weir__http_resume *resume,
                  const char *data, size_t size, struct parsed *out)
{
    memset(&out->head, 0xa5, sizeof out->head);
    out->head.fields.items = out->items;
    out->head.fields.count_max = FIELDS;
    out->fail = (struct weir__http_fail){0, 0, ""};
    if (kind == WEIR__HTTP_SCAN_AUTO)
        out->rc =
            weir__http_parse_response(resume, data, size, NULL, &asked, &out->head, &out->fail);
    else
        out->rc =
            weir__http_parse_response_with(kind, data, size, NULL, &asked, &out->head, &out->fail);
}

static bool same_text(weir_str a, weir_str b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static void check_same(const struct parsed *a, const struct parsed *b)
{
    HOLDS(a->rc == b->rc);
    if (a->rc == -EBADMSG) {
        HOLDS(a->fail.status == 502 && b->fail.status == 502);
        HOLDS(a->fail.offset == b->fail.offset);
        HOLDS(strcmp(a->fail.reason, b->fail.reason) == 0);
    }
    if (a->rc <= 0)
        return;
    const struct weir__http_response_head *x = &a->head, *y = &b->head;
    HOLDS(x->status == y->status && x->minor == y->minor);
    HOLDS(x->framing.kind == y->framing.kind && x->framing.length == y->framing.length);
    HOLDS(x->framing.keep_alive == y->framing.keep_alive);
    HOLDS(x->has_content_length == y->has_content_length);
    HOLDS(x->content_length == y->content_length);
    HOLDS(same_text(x->reason, y->reason) && same_text(x->upgrade, y->upgrade));
    HOLDS(x->fields.count == y->fields.count && x->fields.present == y->fields.present);
    for (size_t i = 0; i < x->fields.count; i++) {
        HOLDS(same_text(x->fields.items[i].name, y->fields.items[i].name));
        HOLDS(same_text(x->fields.items[i].value, y->fields.items[i].value));
    }
}

static void check_meaning(const struct parsed *parsed, const char *data)
{
    const struct weir__http_response_head *head = &parsed->head;
    HOLDS(head->status >= 100 && head->status <= 599);
    HOLDS(head->reason.data >= data && head->reason.data + head->reason.size <= data + parsed->rc);
    if (asked.head || head->status < 200 || head->status == 204 || head->status == 304)
        HOLDS(head->framing.kind == WEIR__HTTP_BODY_NONE);
    if (head->framing.kind == WEIR__HTTP_BODY_UNTIL_CLOSE)
        HOLDS(!head->framing.keep_alive);
    if (head->framing.kind == WEIR__HTTP_BODY_LENGTH)
        HOLDS(head->has_content_length && head->framing.length <= INT64_MAX);
    if (head->status == 101)
        HOLDS(asked.upgrade && head->upgrade.size > 0);
    for (size_t i = 0; i < head->fields.count; i++)
        HOLDS(weir__http_field_valid(head->fields.items[i].name, head->fields.items[i].value));
}

static void check(const char *data, size_t size)
{
    static struct parsed whole, other, resumed;
    if (size == 0)
        return;
    asked = (struct weir__http_asked){data[0] & 1, data[0] & 2, data[0] & 4};
    data++;
    size--;
    parse(WEIR__HTTP_SCAN_AUTO, NULL, data, size, &whole);
    for (int kind = 1; kind < WEIR__HTTP_SCAN_KIND_COUNT; kind++) {
        if (!weir__http_scan_available((enum weir__http_scan_kind)kind))
            continue;
        parse((enum weir__http_scan_kind)kind, NULL, data, size, &other);
        check_same(&whole, &other);
    }
    if (whole.rc > 0)
        check_meaning(&whole, data);
    struct weir__http_resume octets = {0, 0};
    for (size_t cut = 0; cut <= size && size <= PIECES_MAX; cut++) {
        parse(WEIR__HTTP_SCAN_AUTO, NULL, data, cut, &other);
        parse(WEIR__HTTP_SCAN_AUTO, &octets, data, cut, &resumed);
        check_same(&other, &resumed);
        if (other.rc != -EAGAIN) {
            check_same(&whole, &other);
            break;
        }
    }
}
