/*
 * http_chunked.c - fuzz target: any bytes as a chunked body
 *
 * The first byte says how the input is cut. Properties, besides "no crash and nothing read beyond
 * the end":
 *   1. However it is cut, the same body, the same end, the same refusal at the same octet.
 *   2. The body is never longer than the input, and each slice lies in it.
 *   3. A body that came out is coded again and comes out again.
 */
#include "fuzz/fuzz.h"

#include "http/parse/chunked.h"

struct decoded {
    int rc;
    size_t consumed;
    size_t body_size;
    char *body;
    struct weir__http_fail fail;
};

static void decode(const char *data, size_t size, size_t step, struct decoded *out)
{
    struct weir__http_chunked chunked = {0};
    *out = (struct decoded){.body = malloc(size + 1)};
    HOLDS(out->body != NULL);
    out->fail.reason = "";
    for (size_t at = 0; at < size && out->rc == 0;) {
        const size_t end = size - at < step ? size : at + step;
        while (at < end && out->rc == 0) {
            size_t used = 0;
            weir_str body = {NULL, 0};
            out->rc =
                weir__http_chunked_feed(&chunked, data + at, end - at, &used, &body, &out->fail);
            if (out->rc < 0)
                break;
            HOLDS(used > 0 && used <= end - at && body.size <= used);
            HOLDS(body.size == 0 ||
                  (body.data >= data + at && body.data + body.size <= data + at + used));
            HOLDS(out->body_size + body.size <= size);
            memcpy(out->body + out->body_size, body.data, body.size);
            out->body_size += body.size;
            at += used;
            out->consumed = at;
        }
    }
    HOLDS(chunked.data_bytes == out->body_size);
    HOLDS(chunked.data_bytes <= chunked.announced_bytes);
    HOLDS(chunked.announced_bytes <= INT64_MAX);
    HOLDS(out->rc != 1 || chunked.data_bytes == chunked.announced_bytes);
}

static void check_same(const struct decoded *a, const struct decoded *b)
{
    HOLDS(a->rc == b->rc && a->body_size == b->body_size);
    HOLDS(memcmp(a->body, b->body, a->body_size) == 0);
    HOLDS(a->rc < 0 || a->consumed == b->consumed);
    HOLDS(a->fail.status == b->fail.status && a->fail.offset == b->fail.offset);
    HOLDS(strcmp(a->fail.reason, b->fail.reason) == 0);
}

static void check_coded_again(const struct decoded *decoded)
{
    char head[32];
    const size_t room = decoded->body_size + 64;
    char *coded = malloc(room);
    HOLDS(coded != NULL);
    size_t size = 0;
    if (decoded->body_size > 0) {
        size = (size_t)snprintf(head, sizeof head, "%zx\r\n", decoded->body_size);
        memcpy(coded, head, size);
        memcpy(coded + size, decoded->body, decoded->body_size);
        size += decoded->body_size;
        memcpy(coded + size, "\r\n", 2);
        size += 2;
    }
    memcpy(coded + size, "0\r\n\r\n", 5);
    size += 5;
    struct decoded again;
    decode(coded, size, size, &again);
    HOLDS(again.rc == 1 && again.consumed == size && again.body_size == decoded->body_size);
    HOLDS(memcmp(again.body, decoded->body, again.body_size) == 0);
    free(again.body);
    free(coded);
}

static void check(const char *data, size_t size)
{
    if (size == 0)
        return;
    const size_t step = (unsigned char)data[0] % 13 + 1;
    data++;
    size--;
    struct decoded whole, other;
    decode(data, size, size + 1, &whole);
    decode(data, size, 1, &other);
    check_same(&whole, &other);
    free(other.body);
    decode(data, size, step, &other);
    check_same(&whole, &other);
    free(other.body);
    if (whole.rc == 1)
        check_coded_again(&whole);
    free(whole.body);
}
