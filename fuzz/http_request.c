/*
 * http_request.c - fuzz target: any bytes as the head of a request
 *
 * Properties, besides "no crash and nothing read beyond the end":
 *   1. Every way to scan comes to the same.
 *   2. Octet by octet, and in two pieces, the answer is the same as in one, at the same octet.
 *   3. All slices lie in the head; names are tokens, values are fit to be sent again.
 *   4. A head put together from what was parsed is parsed to the same.
 */
#include "fuzz/fuzz.h"

#include "http/parse/head.h"

enum { FIELDS = 100, PIECES_MAX = 600 };

struct parsed {
    ssize_t rc;
    struct weir__http_fail fail;
    struct weir__http_request_head head;
    struct weir__http_field items[FIELDS];
};

static void parse(enum weir__http_scan_kind kind, struct weir__http_resume *resume,
                  const char *data, size_t size, struct parsed *out)
{
    memset(&out->head, 0xa5, sizeof out->head);
    out->head.fields.items = out->items;
    out->head.fields.count_max = FIELDS;
    out->fail = (struct weir__http_fail){0, 0, ""};
    if (kind == WEIR__HTTP_SCAN_AUTO)
        out->rc = weir__http_parse_request(resume, data, size, NULL, &out->head, &out->fail);
    else
        out->rc = weir__http_parse_request_with(kind, data, size, NULL, &out->head, &out->fail);
}

static bool same_str(weir_str a, weir_str b)
{
    return a.data == b.data && (a.data == NULL || a.size == b.size);
}

static bool same_text(weir_str a, weir_str b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* `equal` compares two slices: the same place, or the same text. */
static void check_same(const struct parsed *a, const struct parsed *b,
                       bool (*equal)(weir_str, weir_str))
{
    HOLDS(a->rc == b->rc);
    if (a->rc == -EBADMSG) {
        HOLDS(a->fail.status == b->fail.status);
        HOLDS(a->fail.offset == b->fail.offset);
        HOLDS(strcmp(a->fail.reason, b->fail.reason) == 0);
    }
    if (a->rc <= 0)
        return;
    const struct weir__http_request_head *x = &a->head, *y = &b->head;
    HOLDS(x->method == y->method && x->form == y->form && x->expect == y->expect);
    HOLDS(x->minor == y->minor && x->framing.kind == y->framing.kind);
    HOLDS(x->framing.keep_alive == y->framing.keep_alive);
    HOLDS(x->framing.length == y->framing.length);
    HOLDS(equal(x->method_text, y->method_text) && equal(x->target, y->target));
    HOLDS(equal(x->path, y->path) && equal(x->query, y->query) && equal(x->scheme, y->scheme));
    HOLDS(equal(x->host.text, y->host.text) && equal(x->upgrade, y->upgrade));
    HOLDS(x->host.text.data == NULL || equal(x->host.name, y->host.name));
    HOLDS(x->host.port == y->host.port && x->host.has_port == y->host.has_port);
    HOLDS(x->host.is_ipv6 == y->host.is_ipv6);
    HOLDS(x->fields.count == y->fields.count && x->fields.present == y->fields.present);
    HOLDS(x->fields.repeated == y->fields.repeated);
    for (size_t i = 0; i < x->fields.count; i++) {
        HOLDS(equal(x->fields.items[i].name, y->fields.items[i].name));
        HOLDS(equal(x->fields.items[i].value, y->fields.items[i].value));
        HOLDS(x->fields.items[i].id == y->fields.items[i].id);
    }
}

static bool lies_in(weir_str text, const char *data, ssize_t size)
{
    return text.data == NULL || (text.data >= data && text.data + text.size <= data + size);
}

static void check_slices(const struct parsed *parsed, const char *data)
{
    const struct weir__http_request_head *head = &parsed->head;
    HOLDS(lies_in(head->method_text, data, parsed->rc) && lies_in(head->target, data, parsed->rc));
    HOLDS(head->path.size <= 1 || lies_in(head->path, data, parsed->rc));
    HOLDS(lies_in(head->query, data, parsed->rc) && lies_in(head->host.text, data, parsed->rc));
    HOLDS(head->form == WEIR__HTTP_TARGET_AUTHORITY || head->path.size > 0);
    HOLDS(head->minor == 0 || head->host.text.size > 0);
    HOLDS(weir__http_token_valid(head->method_text));
    for (size_t i = 0; i < head->fields.count; i++) {
        const struct weir__http_field *field = &head->fields.items[i];
        HOLDS(lies_in(field->name, data, parsed->rc) && lies_in(field->value, data, parsed->rc));
        HOLDS(weir__http_field_valid(field->name, field->value));
        HOLDS(weir__http_field_id(field->name) == field->id);
        if (field->id != WEIR__HTTP_FIELD_OTHER) {
            HOLDS(weir__http_fields_has(&head->fields, field->id));
            HOLDS(head->fields.first[field->id] <= i);
        }
    }
}

/* Data of the head again, blanks in one form; never longer than it was, but for a blank a field. */
static void check_written_again(const struct parsed *parsed)
{
    static struct parsed again;
    const struct weir__http_request_head *head = &parsed->head;
    const size_t room = (size_t)parsed->rc + 2 * head->fields.count + 64;
    char *text = malloc(room);
    HOLDS(text != NULL);
    int size =
        snprintf(text, room, "%.*s %.*s HTTP/1.%u\r\n", (int)head->method_text.size,
                 head->method_text.data, (int)head->target.size, head->target.data, head->minor);
    for (size_t i = 0; i < head->fields.count; i++)
        size += snprintf(text + size, room - (size_t)size, "%.*s: %.*s\r\n",
                         (int)head->fields.items[i].name.size, head->fields.items[i].name.data,
                         (int)head->fields.items[i].value.size, head->fields.items[i].value.data);
    size += snprintf(text + size, room - (size_t)size, "\r\n");
    HOLDS((size_t)size < room);
    parse(WEIR__HTTP_SCAN_AUTO, NULL, text, (size_t)size, &again);
    /* One more blank for each field may take it beyond the limit of all fields. */
    if (again.rc != -EBADMSG || again.fail.status != 431) {
        HOLDS(again.rc == size);
        again.rc = parsed->rc;
        check_same(parsed, &again, same_text);
    }
    free(text);
}

static void check_pieces(const struct parsed *whole, const char *data, size_t size)
{
    static struct parsed part, resumed;
    struct weir__http_resume octets = {0, 0};
    for (size_t cut = 0; cut <= size; cut++) {
        char *piece = malloc(cut == 0 ? 1 : cut);
        HOLDS(piece != NULL);
        memcpy(piece, data, cut);
        parse(WEIR__HTTP_SCAN_AUTO, NULL, piece, cut, &part);
        parse(WEIR__HTTP_SCAN_AUTO, &octets, piece, cut, &resumed);
        check_same(&part, &resumed, same_str);
        if (part.rc != -EAGAIN) {
            check_same(whole, &part, same_text);
            free(piece);
            return;
        }
        free(piece);
    }
    HOLDS(whole->rc == -EAGAIN);
}

static void check(const char *data, size_t size)
{
    static struct parsed whole, other;
    parse(WEIR__HTTP_SCAN_AUTO, NULL, data, size, &whole);
    for (int kind = 1; kind < WEIR__HTTP_SCAN_KIND_COUNT; kind++) {
        if (!weir__http_scan_available((enum weir__http_scan_kind)kind))
            continue;
        parse((enum weir__http_scan_kind)kind, NULL, data, size, &other);
        check_same(&whole, &other, same_str);
    }
    HOLDS(whole.rc > 0 || whole.rc == -EAGAIN || whole.rc == -EBADMSG);
    HOLDS(whole.rc <= (ssize_t)size);
    if (whole.rc == -EBADMSG)
        HOLDS(whole.fail.offset <= size && whole.fail.status >= 400 && whole.fail.status <= 505);
    if (whole.rc > 0) {
        check_slices(&whole, data);
        check_written_again(&whole);
    }
    if (size <= PIECES_MAX)
        check_pieces(&whole, data, size);
}
