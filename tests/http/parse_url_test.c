/*
 * parse_url_test.c - URLs, paths, queries, percent coding
 */
#include "http/parse/url.h"

#include "tests/http/parse_cases.h"

static int parse_url(const char *data, size_t size, struct weir__http_url *url,
                     struct weir__http_fail *fail)
{
    return weir__http_url_parse((weir_str){at_the_guard(data, size), size}, url, fail);
}

TEST(urls_are_taken_apart)
{
    static const struct {
        const char *text, *host, *path, *query, *field, *target;
        int port;
        bool https, is_ipv6;
    } cases[] = {
        {"http://a", "a", "/", NULL, "a", "/", 80, false, false},
        {"https://a", "a", "/", NULL, "a", "/", 443, true, false},
        {"HTTPS://Example.COM/", "Example.COM", "/", NULL, "Example.COM", "/", 443, true, false},
        {"http://a:80/b", "a", "/b", NULL, "a", "/b", 80, false, false},
        {"http://a:443/b", "a", "/b", NULL, "a:443", "/b", 443, false, false},
        {"https://a:80/b", "a", "/b", NULL, "a:80", "/b", 80, true, false},
        {"http://a:/b", "a", "/b", NULL, "a", "/b", 80, false, false},
        {"http://a:65535", "a", "/", NULL, "a:65535", "/", 65535, false, false},
        {"http://a/b/c?d=e&f", "a", "/b/c", "d=e&f", "a", "/b/c?d=e&f", 80, false, false},
        {"http://a?d", "a", "/", "d", "a", "/?d", 80, false, false},
        {"http://a/?", "a", "/", "", "a", "/?", 80, false, false},
        {"http://a/b#frag", "a", "/b", NULL, "a", "/b", 80, false, false},
        {"http://a#frag?x/y", "a", "/", NULL, "a", "/", 80, false, false},
        {"http://a/?q#f", "a", "/", "q", "a", "/?q", 80, false, false},
        {"http://a/b#\xc3\xa4 anything", "a", "/b", NULL, "a", "/b", 80, false, false},
        {"http://[::1]:8080/x", "::1", "/x", NULL, "[::1]:8080", "/x", 8080, false, true},
        {"https://[fe80::1]", "fe80::1", "/", NULL, "[fe80::1]", "/", 443, true, true},
        {"http://1.2.3.4/", "1.2.3.4", "/", NULL, "1.2.3.4", "/", 80, false, false},
        {"http://a//b/%20?%C3%A4", "a", "//b/%20", "%C3%A4", "a", "//b/%20?%C3%A4", 80, false,
         false},
        {"http://a/x:y@z", "a", "/x:y@z", NULL, "a", "/x:y@z", 80, false, false},
        {"http://a?x@y", "a", "/", "x@y", "a", "/?x@y", 80, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir__http_url url;
        struct weir__http_fail fail;
        char text[128];
        REQUIRE_RC(0, parse_url(cases[i].text, strlen(cases[i].text), &url, &fail));
        EXPECT_SLICE(cases[i].host, url.host);
        EXPECT_SLICE(cases[i].path, url.path);
        if (cases[i].query == NULL)
            EXPECT(url.query.data == NULL);
        else
            EXPECT_SLICE(cases[i].query, url.query);
        EXPECT_EQ(cases[i].port, url.port);
        EXPECT_EQ(cases[i].https, url.https);
        EXPECT_EQ(cases[i].is_ipv6, url.is_ipv6);
        ssize_t size = weir__http_url_write_host(&url, text, sizeof text);
        REQUIRE(size > 0);
        EXPECT_SLICE(cases[i].field, ((weir_str){text, (size_t)size}));
        EXPECT_RC(-ENOSPC, weir__http_url_write_host(&url, text, (size_t)size - 1));
        EXPECT_EQ(size, weir__http_url_write_host(&url, text, (size_t)size));
        size = weir__http_url_write_target(&url, text, sizeof text);
        REQUIRE(size > 0);
        EXPECT_SLICE(cases[i].target, ((weir_str){text, (size_t)size}));
        EXPECT_RC(-ENOSPC, weir__http_url_write_target(&url, text, (size_t)size - 1));
        EXPECT_RC(-ENOSPC, weir__http_url_write_target(&url, text, 0));
    }
}

TEST(urls_that_mean_nothing_or_two_things_are_refused_with_a_sentence)
{
    static const struct {
        struct text url;
        const char *part;
    } cases[] = {
        {T(""), "empty"},
        {T("a"), "no scheme"},
        {T("a/b"), "no scheme"},
        {T("/b"), "no scheme"},
        {T("//a/b"), "no scheme"},
        {T("a.b/c:d"), "no scheme"},
        {T("localhost:80"), "neither http nor https"},
        {T("ftp://a/"), "neither http nor https"},
        {T("file:///etc/passwd"), "neither http nor https"},
        {T("javascript:alert(1)"), "neither http nor https"},
        {T(" http://a/"), "neither http nor https"},
        {T("httpx://a/"), "neither http nor https"},
        {T("http:/a"), "no //"},
        {T("http:a"), "no //"},
        {T("http:"), "no //"},
        {T("http:\\\\a\\b"), "no //"},
        {T("http://"), "empty"},
        {T("http:///b"), "empty"},
        {T("http://:80/"), "empty"},
        {T("http://?q"), "empty"},
        {T("http://#f"), "empty"},
        {T("http://u@a/"), "user information"},
        {T("http://u:p@a/"), "user information"},
        {T("http://a@"), "user information"},
        {T("http://good.example@evil.example/"), "user information"},
        {T("http://a:b/"), "port"},
        {T("http://a:-1/"), "port"},
        {T("http://a:65536/"), "port"},
        {T("http://a:0/"), "port 0"},
        {T("http://a:1:2/"), "port"},
        {T("http://a b/"), "not allowed"},
        {T("http://a\\b/"), "backslash"},
        {T("http://a\tb/"), "not allowed"},
        {T("http://a%20b/"), "not allowed"},
        {T("http://\xc3\xa4/"), "not allowed"},
        {T("http://[::1/"), "not closed"},
        {T("http://[::x]/"), "IPv6"},
        {T("http://[::1]x/"), "not allowed"},
        {T("http://[fe80::1%25eth0]/"), "IPv6"},
        {T("http://a/b c"), "percent-encoded"},
        {T("http://a/b\r\nX: y"), "percent-encoded"},
        {T("http://a/\xc3\xa4"), "percent-encoded"},
        {T("http://a/\x7f"), "percent-encoded"},
        {T("http://a/b\0c"), "percent-encoded"},
        {T("http://a\0b/"), "NUL"},
        {T("http://a/%"), "hexadecimal"},
        {T("http://a/%2"), "hexadecimal"},
        {T("http://a/%2x"), "hexadecimal"},
        {T("http://a/?%zz"), "hexadecimal"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir__http_url url = {.port = 12345};
        struct weir__http_fail fail = {0, 0, ""};
        EXPECT_RC(-EBADMSG, parse_url(cases[i].url.data, cases[i].url.size, &url, &fail));
        EXPECT_CONTAINS(cases[i].part, fail.reason);
        EXPECT(fail.offset <= cases[i].url.size);
        EXPECT_EQ(12345, url.port); /* written on success only */
        EXPECT_RC(-EBADMSG, parse_url(cases[i].url.data, cases[i].url.size, &url, NULL));
    }
}

TEST(percent_decoding_gives_utf8_without_nul_or_nothing)
{
    static const struct {
        struct text in;
        const char *out; /* NULL: refused */
        unsigned flags;
    } cases[] = {
        {T(""), "", 0},
        {T("abc"), "abc", 0},
        {T("a%20b"), "a b", 0},
        {T("a+b"), "a+b", 0},
        {T("a+b%2B"), "a b+", WEIR__HTTP_DECODE_PLUS},
        {T("%41%61%7a%7A"), "Aazz", 0},
        {T("%C3%a4"), "\xc3\xa4", 0},
        {T("\xc3\xa4"), "\xc3\xa4", 0},
        {T("%252e"), "%2e", 0}, /* once */
        {T("%0d%0a"), "\r\n", 0},
        {T("%00"), NULL, 0},
        {T("a%00b"), NULL, 0},
        {T("a\0b"), NULL, 0},
        {T("%"), NULL, 0},
        {T("%4"), NULL, 0},
        {T("%g0"), NULL, 0},
        {T("%0g"), NULL, 0},
        {T("%%41"), NULL, 0},
        {T("% 41"), NULL, 0},
        {T("%u0041"), NULL, 0},
        {T("%c0%ae"), NULL, 0},       /* an overlong dot */
        {T("%e0%80%af"), NULL, 0},    /* an overlong slash */
        {T("%f0%80%80%af"), NULL, 0}, /* and longer */
        {T("%ed%a0%80"), NULL, 0},    /* half of a surrogate pair */
        {T("%f4%90%80%80"), NULL, 0}, /* beyond Unicode */
        {T("%80"), NULL, 0},
        {T("%c3"), NULL, 0},
        {T("%ff"), NULL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[64];
        struct weir__http_fail fail = {0, 0, ""};
        const weir_str in = {at_the_guard(cases[i].in.data, cases[i].in.size), cases[i].in.size};
        ssize_t size = weir__http_decode(in, cases[i].flags, out, sizeof out, &fail);
        if (cases[i].out == NULL) {
            EXPECT_RC(-EBADMSG, size);
            EXPECT_EQ(400, fail.status);
            continue;
        }
        REQUIRE(size >= 0);
        EXPECT_SLICE(cases[i].out, ((weir_str){out, (size_t)size}));
        if (size > 0)
            EXPECT_RC(-ENOSPC, weir__http_decode(in, cases[i].flags, out, (size_t)size - 1, &fail));
        /* In place. */
        memcpy(out, in.data, in.size);
        EXPECT_EQ(size,
                  weir__http_decode((weir_str){out, in.size}, cases[i].flags, out, in.size, &fail));
        EXPECT_SLICE(cases[i].out, ((weir_str){out, (size_t)size}));
    }
}

TEST(what_was_encoded_decodes_to_the_same)
{
    char all[255], encoded[3 * sizeof all], decoded[3 * sizeof all];
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)(i % 127 + 1);
    const weir_str text = {all, sizeof all};
    for (int set = WEIR__HTTP_ENCODE_COMPONENT; set <= WEIR__HTTP_ENCODE_PATH; set++) {
        ssize_t size =
            weir__http_encode(text, (enum weir__http_encode_set)set, encoded, sizeof encoded);
        REQUIRE(size > 0);
        EXPECT_RC(-ENOSPC, weir__http_encode(text, (enum weir__http_encode_set)set, encoded,
                                             (size_t)size - 1));
        for (ssize_t i = 0; i < size; i++)
            EXPECT(encoded[i] == '%' || encoded[i] == '/' ||
                   weir__http_is(encoded[i], WEIR__HTTP_PCHAR));
        ssize_t back =
            weir__http_decode((weir_str){encoded, (size_t)size}, 0, decoded, sizeof decoded, NULL);
        EXPECT_EQ(sizeof all, back);
        EXPECT_BYTES(all, decoded, sizeof all);
    }
    char text_out[64];
    ssize_t size = weir__http_encode(WEIR_STR("a b/c?d=e&\xc3\xa4~"), WEIR__HTTP_ENCODE_COMPONENT,
                                     text_out, sizeof text_out);
    EXPECT_SLICE("a%20b%2Fc%3Fd%3De%26%C3%A4~", ((weir_str){text_out, (size_t)size}));
    size =
        weir__http_encode(WEIR_STR("a b/c?d=e"), WEIR__HTTP_ENCODE_PATH, text_out, sizeof text_out);
    EXPECT_SLICE("a%20b/c%3Fd=e", ((weir_str){text_out, (size_t)size}));
    size =
        weir__http_encode(WEIR_STR("a/b:c"), WEIR__HTTP_ENCODE_SEGMENT, text_out, sizeof text_out);
    EXPECT_SLICE("a%2Fb:c", ((weir_str){text_out, (size_t)size}));
}

TEST(queries_are_walked_pair_by_pair)
{
    static const struct {
        const char *query;
        const char *pairs[4][2];
        size_t count;
    } cases[] = {
        {"", {{0}}, 0},
        {"&&&", {{0}}, 0},
        {"a=b", {{"a", "b"}}, 1},
        {"a", {{"a", NULL}}, 1},
        {"a=", {{"a", ""}}, 1},
        {"=b", {{"", "b"}}, 1},
        {"=", {{"", ""}}, 1},
        {"a=b&c=d&a=e", {{"a", "b"}, {"c", "d"}, {"a", "e"}}, 3},
        {"&a=b&&c", {{"a", "b"}, {"c", NULL}}, 2},
        {"a+b=c%20d&e%26=%3D%3d", {{"a b", "c d"}, {"e&", "=="}}, 2},
        {"a=b=c", {{"a", "b=c"}}, 1},
        {"a;b=c", {{"a;b", "c"}}, 1},
        {"%C3%A4=\xc3\xb6", {{"\xc3\xa4", "\xc3\xb6"}}, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char buffer[64];
        const size_t size = strlen(cases[i].query);
        weir_str rest = {at_the_guard(cases[i].query, size), size}, name, value;
        for (size_t pair = 0; pair < cases[i].count; pair++) {
            REQUIRE_RC(1, weir__http_query_next(&rest, buffer, rest.size, &name, &value, NULL));
            EXPECT_SLICE(cases[i].pairs[pair][0], name);
            if (cases[i].pairs[pair][1] == NULL)
                EXPECT(value.data == NULL);
            else
                EXPECT_SLICE(cases[i].pairs[pair][1], value);
        }
        EXPECT_RC(0, weir__http_query_next(&rest, buffer, 0, &name, &value, NULL));
        EXPECT_RC(0, weir__http_query_next(&rest, buffer, 0, &name, &value, NULL));
    }
    static const char *const bad[] = {"%=b", "a=%", "a=%00", "%00=b", "a=%ff", "a=%c0%80&b=c"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char buffer[64];
        struct weir__http_fail fail = {0, 0, ""};
        weir_str rest = {bad[i], strlen(bad[i])}, name, value;
        EXPECT_RC(-EBADMSG,
                  weir__http_query_next(&rest, buffer, sizeof buffer, &name, &value, &fail));
        EXPECT_EQ(400, fail.status);
    }
    weir_str rest = WEIR_STR("abc=def"), name, value;
    char buffer[8];
    EXPECT_RC(-ENOSPC, weir__http_query_next(&rest, buffer, 5, &name, &value, NULL));
}

TEST(paths_are_walked_segment_by_segment)
{
    static const struct {
        const char *path;
        const char *segments[5];
    } cases[] = {
        {"", {0}},
        {"/", {""}},
        {"/a", {"a"}},
        {"/a/b", {"a", "b"}},
        {"/a/", {"a", ""}},
        {"//", {"", ""}},
        {"/%2f/x", {"%2f", "x"}},
        {"a/b", {0}},
        {"*", {0}},
        {"/a//b", {"a", "", "b"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const size_t size = strlen(cases[i].path);
        weir_str rest = {at_the_guard(cases[i].path, size), size}, segment;
        size_t count = 0;
        while (weir__http_path_next(&rest, &segment)) {
            REQUIRE(count < 5 && cases[i].segments[count] != NULL);
            EXPECT_SLICE(cases[i].segments[count], segment);
            count++;
        }
        EXPECT(cases[i].segments[count] == NULL);
    }
}

TEST(paths_for_files_stay_below_their_root)
{
    static const struct {
        const char *path, *out;
    } good[] = {
        {"/", ""},
        {"/a", "a"},
        {"/a/b.txt", "a/b.txt"},
        {"/a/", "a/"},
        {"/a%20b", "a b"},
        {"/...", "..."},
        {"/.hidden", ".hidden"},
        {"/a..b", "a..b"},
        {"/%C3%A4", "\xc3\xa4"},
        {"/%252e%252e/x", "%2e%2e/x"},
        {"/..a/b..", "..a/b.."},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char out[64];
        const size_t size = strlen(good[i].path);
        const weir_str raw = {at_the_guard(good[i].path, size), size};
        ssize_t written = weir__http_path_decode(raw, out, sizeof out, NULL);
        REQUIRE(written >= 0);
        EXPECT_SLICE(good[i].out, ((weir_str){out, (size_t)written}));
        if (written > 0)
            EXPECT_RC(-ENOSPC, weir__http_path_decode(raw, out, (size_t)written - 1, NULL));
    }
    static const char *const bad[] = {"",
                                      "a",
                                      "*",
                                      "/..",
                                      "/../",
                                      "/../etc/passwd",
                                      "/a/../../b",
                                      "/a/..",
                                      "/.",
                                      "/./a",
                                      "/a/./b",
                                      "/%2e%2e/x",
                                      "/%2E%2e",
                                      "/.%2e/x",
                                      "/%2e./x",
                                      "/%2e",
                                      "/..%2fetc",
                                      "/%2e%2e%2fetc",
                                      "/a%2fb",
                                      "/a%2Fb",
                                      "//",
                                      "//etc/passwd",
                                      "/a//b",
                                      "/..\\x",
                                      "/a\\b",
                                      "/%5c",
                                      "/..%5c..%5cx",
                                      "/%00",
                                      "/a%00.txt",
                                      "/..%00/",
                                      "/%c0%ae%c0%ae/x",
                                      "/%e0%80%ae/x",
                                      "/%c0%af",
                                      "/%ff",
                                      "/%",
                                      "/%2",
                                      "/%zz"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char out[64];
        struct weir__http_fail fail = {0, 0, ""};
        const size_t size = strlen(bad[i]);
        const weir_str raw = {at_the_guard(bad[i], size), size};
        EXPECT_RC(-EBADMSG, weir__http_path_decode(raw, out, sizeof out, &fail));
        EXPECT_EQ(400, fail.status);
        EXPECT(fail.offset <= size);
    }
}
