/*
 * parse_chunked_test.c - the chunked coding, whole, cut anywhere, and abused
 */
#include "http/parse/chunked.h"

#include "tests/http/parse_cases.h"

/* What a coded body came to, fed in pieces of `step` bytes, each ending at a guarded page. */
struct decoded {
    int rc; /* 1 done, 0 more is needed, or -EBADMSG */
    size_t consumed;
    size_t body_size;
    struct weir__http_fail fail;
    char body[ROOM];
};

static void decode(const char *data, size_t size, size_t first, size_t step, struct decoded *out)
{
    struct weir__http_chunked chunked = {0};
    size_t at = 0;
    out->rc = 0;
    out->body_size = 0;
    out->fail = (struct weir__http_fail){0, 0, ""};
    size_t piece = first;
    while (at < size && out->rc == 0) {
        size_t left = size - at < piece ? size - at : piece;
        const char *input = at_the_guard(data + at, left);
        piece = step;
        while (left > 0 && out->rc == 0) {
            size_t used = 0;
            weir_str body = {NULL, 0};
            out->rc = weir__http_chunked_feed(&chunked, input, left, &used, &body, &out->fail);
            if (out->rc < 0)
                break;
            if (used == 0 || used > left || body.size > used ||
                (body.size > 0 && (body.data < input || body.data + body.size > input + used))) {
                FAILED("a slice of the input, and progress");
                return;
            }
            memcpy(out->body + out->body_size, body.data, body.size);
            out->body_size += body.size;
            input += used;
            left -= used;
            at += used;
        }
    }
    out->consumed = at;
    if (out->rc == 1)
        EXPECT_EQ(out->body_size, chunked.data_bytes);
    if (out->rc != 0) {
        size_t used;
        weir_str body;
        EXPECT_RC(-EINVAL, weir__http_chunked_feed(&chunked, "0", 1, &used, &body, NULL));
    }
}

static bool equal(const struct decoded *a, const struct decoded *b)
{
    return a->rc == b->rc && a->body_size == b->body_size &&
           (a->rc < 0 || a->consumed == b->consumed) &&
           memcmp(a->body, b->body, a->body_size) == 0 && a->fail.status == b->fail.status &&
           a->fail.offset == b->fail.offset && strcmp(a->fail.reason, b->fail.reason) == 0;
}

/* Whole, in steps of 1 to 9 bytes, cut into two at every place. The whole one is returned. */
static struct decoded *decode_every_way(const char *data, size_t size)
{
    static struct decoded whole, other;
    decode(data, size, size, size, &whole);
    for (size_t step = 1; step < 10; step++) {
        decode(data, size, step, step, &other);
        if (!equal(&whole, &other)) {
            fprintf(stderr, "in steps of %zu: <<%.*s>>\n", step, (int)(size < 200 ? size : 200),
                    data);
            FAILED("the same in steps");
        }
    }
    for (size_t cut = 1; cut < size && size < 2000; cut++) {
        decode(data, size, cut, size, &other);
        if (!equal(&whole, &other)) {
            fprintf(stderr, "cut at %zu: <<%.*s>>\n", cut, (int)(size < 200 ? size : 200), data);
            FAILED("the same in two pieces");
        }
    }
    return &whole;
}

static void expect_body(const char *body, const char *data, size_t size, size_t rest)
{
    struct decoded *decoded = decode_every_way(data, size);
    if (decoded->rc != 1)
        fprintf(stderr, "<<%.*s>>: %d %s\n", (int)size, data, decoded->rc, decoded->fail.reason);
    EXPECT_EQ(1, decoded->rc);
    EXPECT_EQ(size - rest, decoded->consumed);
    EXPECT_EQ(strlen(body), decoded->body_size);
    if (decoded->body_size == strlen(body))
        EXPECT_BYTES(body, decoded->body, decoded->body_size);
}

static void expect_refused_body(int status, const char *data, size_t size)
{
    struct decoded *decoded = decode_every_way(data, size);
    if (decoded->rc != -EBADMSG || decoded->fail.status != status)
        fprintf(stderr, "<<%.*s>>: %d %d %s\n", (int)(size < 200 ? size : 200), data, decoded->rc,
                decoded->fail.status, decoded->fail.reason);
    EXPECT_RC(-EBADMSG, decoded->rc);
    EXPECT_EQ(status, decoded->fail.status);
    EXPECT(decoded->fail.offset < size);
}

TEST(good_bodies_come_out_and_what_follows_stays)
{
    static const struct {
        struct text coded;
        const char *body;
        size_t rest;
    } cases[] = {
        {T("0\r\n\r\n"), "", 0},
        {T("5\r\nhello\r\n0\r\n\r\n"), "hello", 0},
        {T("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), "hello world", 0},
        {T("5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n"), "hello", 16},
        {T("00000005\r\nhello\r\n000\r\n\r\n"), "hello", 0},
        {T("0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n"), "hello", 0},
        {T("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"), "01234567890123456789", 0},
        {T("5;a=b\r\nhello\r\n0;c\r\n\r\n"), "hello", 0},
        {T("5;a=\"b;\tc \xc3\xa4\"\r\nhello\r\n0\r\n\r\n"), "hello", 0},
        {T("2\r\n\r\n\r\n0\r\n\r\n"), "\r\n", 0},
        {T("5\r\n0\r\n\r\n\r\n0\r\n\r\n"), "0\r\n\r\n", 0},
        {T("1\r\na\r\n0\r\nX-Sum: 1\r\nY:\r\nx: \t\xc3\xa4 \r\n\r\n"), "a", 0},
        {T("0\r\nContent-Lengt: 5\r\nHosts: x\r\nContent-Length-And-More: 7\r\n\r\n"), "", 0},
        {T("0\r\nTransfer-Encoding-Or-Something-Longer: 5\r\n\r\n"), "", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_body(cases[i].body, cases[i].coded.data, cases[i].coded.size, cases[i].rest);
}

TEST(chunk_sizes_are_hexadecimal_digits_and_nothing_else)
{
    static const struct text sizes[] = {T(""),
                                        T(" 5"),
                                        T("5 "),
                                        T("\t5"),
                                        T("5\t"),
                                        T("+5"),
                                        T("-5"),
                                        T("-0"),
                                        T("0x5"),
                                        T("0X5"),
                                        T("x5"),
                                        T("5x"),
                                        T("5g"),
                                        T("5_"),
                                        T("_5"),
                                        T("0_5"),
                                        T("5,"),
                                        T("5."),
                                        T("5.0"),
                                        T("5h"),
                                        T("'5'"),
                                        T("5\0"),
                                        T("\0"
                                          "5"),
                                        T("5\v"),
                                        T("5 ;a"),
                                        T("5\t;a"),
                                        T(";a"),
                                        T("5:"),
                                        T("\xef\xbc\x95"),
                                        T("5\x7f"),
                                        T("g"),
                                        T("5 5"),
                                        T("5#"),
                                        T("5="),
                                        T("00000000000000005"), /* 17 digits */
                                        T("10000000000000005"), /* 2^64 + 5 */
                                        T("ffffffffffffffff5"),
                                        T("100000000000000000000000000000005"),
                                        T("8000000000000000"), /* 2^63 */
                                        T("ffffffffffffffff"),
                                        T("FFFFFFFFFFFFFFFB")};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct request_text *body = put_together("", sizes[i], "\r\nhello\r\n0\r\n\r\n");
        expect_refused_body(400, body->data, body->size);
        /* As the second chunk, and with data before it. */
        body = put_together("5\r\nhello\r\n", sizes[i], "\r\nhello\r\n0\r\n\r\n");
        expect_refused_body(400, body->data, body->size);
    }
}

TEST(a_size_without_a_digit_is_not_the_last_one)
{
    static const struct text texts[] = {T("\r\n\r\n"), T(";a\r\n\r\n"), T("1\r\na\r\n\r\n\r\n")};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        expect_refused_body(400, texts[i].data, texts[i].size);
}

TEST(a_size_beyond_32_bits_is_what_it_says)
{
    static const char text[] = "100000005\r\nhello\r\n0\r\n\r\n"; /* 2^32 + 5 */
    struct decoded *decoded = decode_every_way(text, sizeof text - 1);
    EXPECT_EQ(0, decoded->rc); /* all of it is data, and more is to come */
    EXPECT_EQ(sizeof text - 1 - 11, decoded->body_size);
    struct weir__http_chunked chunked = {0};
    size_t used;
    weir_str body;
    EXPECT_RC(0, weir__http_chunked_feed(&chunked, text, sizeof text - 1, &used, &body, NULL));
    EXPECT_EQ(INT64_C(4294967301), chunked.announced_bytes);
}

TEST(sizes_whose_sum_overflows_are_refused)
{
    static const char text[] = "1\r\na\r\n7fffffffffffffff\r\nb";
    expect_refused_body(400, text, sizeof text - 1);
    static const char most[] = "1\r\na\r\n7ffffffffffffffe\r\nb";
    EXPECT_EQ(0, decode_every_way(most, sizeof most - 1)->rc);
}

/* TERM.SPILL: data is followed by CR LF exactly; two other octets would be swallowed elsewhere. */
TEST(chunk_data_is_followed_by_cr_lf)
{
    static const struct text texts[] = {T("5\r\nhello0\r\n\r\n"),
                                        T("5\r\nhello\n0\r\n\r\n"),
                                        T("5\r\nhello\r0\r\n\r\n"),
                                        T("5\r\nhelloxx0\r\n\r\n"),
                                        T("5\r\nhello\r\r0\r\n\r\n"),
                                        T("5\r\nhello\n\n0\r\n\r\n"),
                                        T("5\r\nhello \r\n0\r\n\r\n"),
                                        T("5\r\nhello!\r\n0\r\n\r\n"),
                                        T("5\r\nhello\rX0\r\n\r\n"),
                                        T("4\r\nhello\r\n0\r\n\r\n"),
                                        T("6\r\nhello\r\n0\r\n\r\n"),
                                        T("5\r\nhello\0\0"
                                          "0\r\n\r\n"),
                                        T("5\r\nhello\n\r0\r\n\r\n")};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        expect_refused_body(400, texts[i].data, texts[i].size);
}

/* TERM.EXT: a line end inside an extension, as another program may see it. */
TEST(extensions_have_no_line_ends_or_controls)
{
    static const struct text texts[] = {T("5;\nhello\r\n0\r\n\r\n"),
                                        T("5;a\nb\r\nhello\r\n0\r\n\r\n"),
                                        T("5;a\rb\r\nhello\r\n0\r\n\r\n"),
                                        T("5;a\0b\r\nhello\r\n0\r\n\r\n"),
                                        T("5;\"a\r\nb\"\r\nhello\r\n0\r\n\r\n"),
                                        T("5;\"a\nb\"\r\nhello\r\n0\r\n\r\n"),
                                        T("5;a\x01\r\nhello\r\n0\r\n\r\n"),
                                        T("5;a\x7f\r\nhello\r\n0\r\n\r\n"),
                                        T("5;a\n\r\nhello\r\n0\r\n\r\n"),
                                        T("5\nhello\r\n0\r\n\r\n"),
                                        T("5\rhello\r\n0\r\n\r\n"),
                                        T("5\r\r\nhello\r\n0\r\n\r\n"),
                                        T("0;\n\r\n\r\n"),
                                        T("5;a\r\r\nhello\r\n0\r\n\r\n")};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        expect_refused_body(400, texts[i].data, texts[i].size);
}

TEST(the_end_is_an_empty_line_with_cr_lf)
{
    static const struct text texts[] = {T("0\n\n"),        T("0\r\n\n"),    T("0\r\n\rX"),
                                        T("0\r\n\r\r\n"),  T("0\r\n \r\n"), T("0\r\n\0\r\n"),
                                        T("0\r\n\x0b\r\n")};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        expect_refused_body(400, texts[i].data, texts[i].size);
}

TEST(trailers_are_checked_like_fields_and_dropped)
{
    static const struct text lines[] = {T("X"),
                                        T("X : y"),
                                        T(" X: y"),
                                        T("\tX: y"),
                                        T(": y"),
                                        T("X: y\nZ: w"),
                                        T("X: y\rZ: w"),
                                        T("X: \0"),
                                        T("X: \x01"),
                                        T("X: \x7f"),
                                        T("X\x80: y"),
                                        T("X: y\r\n folded"),
                                        T("X y: z"),
                                        T("(X): y"),
                                        T("Content-Length: 5"),
                                        T("content-LENGTH:5"),
                                        T("Transfer-Encoding: chunked"),
                                        T("transfer-encoding:"),
                                        T("Host: a"),
                                        T("hOST: a"),
                                        T("Y: z\r\nHost: a"),
                                        T("X: y\n"),
                                        T("X: y\r")};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct request_text *body = put_together("5\r\nhello\r\n0\r\n", lines[i], "\r\n\r\n");
        expect_refused_body(400, body->data, body->size);
    }
}

/* A last chunk and trailer lines of exactly `bytes` together. */
static struct request_text *body_with_trailers_of(size_t bytes, size_t each)
{
    static struct request_text body;
    char *p = stpcpy(body.data, "0\r\n");
    while (bytes > 0) {
        size_t line = bytes > each + 5 ? each : bytes;
        p = stpcpy(p, "X:");
        memset(p, 'v', line - 4);
        p = stpcpy(p + line - 4, "\r\n");
        bytes -= line;
    }
    p = stpcpy(p, "\r\n");
    body.size = (size_t)(p - body.data);
    return &body;
}

TEST(trailers_have_at_most_8_kib)
{
    static const size_t each[] = {5, 100, 100000};
    for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
        struct request_text *body = body_with_trailers_of(8192, each[i]);
        expect_body("", body->data, body->size, 0);
        body = body_with_trailers_of(8193, each[i]);
        expect_refused_body(431, body->data, body->size);
    }
    static char endless[20000];
    memset(endless, 'v', sizeof endless);
    memcpy(endless, "0\r\nX:", 5);
    expect_refused_body(431, endless, sizeof endless);
    memset(endless + 3, 'n', 10);
    expect_refused_body(431, endless, sizeof endless);
}

TEST(framing_is_at_most_16_kib_and_an_eighth_of_the_data)
{
    static char text[ROOM];
    /* One extension: "1;" and CR LF, of 16 KiB together. */
    memset(text, 'e', sizeof text);
    memcpy(text, "1;", 2);
    memcpy(text + 16384 - 2, "\r\n", 2);
    EXPECT_EQ(0, decode_every_way(text, 16384)->rc);
    memcpy(text + 16384 - 2, "ee", 2);
    EXPECT_EQ(0, decode_every_way(text, 16384)->rc);
    expect_refused_body(400, text, 16385);
    EXPECT_EQ(16384, decode_every_way(text, 16385)->fail.offset);

    /* Chunks of one byte: 5 bytes of framing for each, an eighth allowed. */
    size_t size = 0;
    while (size + 6 < sizeof text) {
        memcpy(text + size, "1\r\na\r\n", 6);
        size += 6;
    }
    struct decoded *decoded = decode_every_way(text, size);
    EXPECT_RC(-EBADMSG, decoded->rc);
    const size_t count = decoded->body_size, allowed = 16384 + count / 8;
    EXPECT(5 * count - 2 <= allowed && 5 * count + 3 > allowed);

    /* Chunks of 64 bytes: 6 bytes for each, for ever. */
    size = 0;
    while (size + 70 < sizeof text) {
        memcpy(text + size, "40\r\n", 4);
        memset(text + size + 4, 'd', 64);
        memcpy(text + size + 68, "\r\n", 2);
        size += 70;
    }
    EXPECT_EQ(0, decode_every_way(text, size)->rc);
}

TEST(trailers_and_framing_are_counted_apart)
{
    static char text[ROOM];
    memset(text, 'e', sizeof text);
    memcpy(text, "0;", 2);
    size_t size = 16000;
    memcpy(text + size, "\r\nX:", 4);
    size += 4 + 8000;
    memcpy(text + size, "\r\n\r\n", 4);
    expect_body("", text, size + 4, 0);
}

TEST(a_body_that_is_cut_short_is_never_complete)
{
    static const char text[] = "5;a=b\r\nhello\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n";
    for (size_t size = 0; size < sizeof text - 1; size++) {
        static struct decoded decoded;
        decode(text, size, size, size, &decoded);
        EXPECT_EQ(0, decoded.rc);
        EXPECT_EQ(size, decoded.consumed);
    }
}

TEST(no_input_is_no_progress)
{
    struct weir__http_chunked chunked = {0};
    size_t used = 9;
    weir_str body = {"x", 1};
    EXPECT_RC(0, weir__http_chunked_feed(&chunked, NULL, 0, &used, &body, NULL));
    EXPECT_EQ(0, used);
    EXPECT_EQ(0, body.size);
}
