/*
 * parse_response_test.c - heads of responses, and how long their bodies are
 */
#include "http/parse/head.h"

#include "tests/http/parse_cases.h"

static const struct weir__http_asked plain = {false, false, false};

static struct outcome *parse_response(const struct weir__http_asked *asked, const char *data,
                                      size_t size)
{
    static struct outcome outcome;
    const struct way way = {.response = true, .asked = *asked};
    parse_every_way(&way, data, size, &outcome);
    return &outcome;
}

static void expect_response_refused(const char *data, size_t size)
{
    struct outcome *outcome = parse_response(&plain, data, size);
    if (outcome->rc != -EBADMSG || outcome->fail.status != 502) {
        fprintf(stderr, "<<%.*s>> gave %zd\n", (int)size, data, outcome->rc);
        FAILED("refused");
    }
}

static struct outcome *parse_lines(const struct weir__http_asked *asked, const char *status,
                                   const char *lines)
{
    static char text[2048];
    int size = snprintf(text, sizeof text, "%s\r\n%s\r\n", status, lines);
    return parse_response(asked, text, (size_t)size);
}

TEST(a_response_is_taken_apart)
{
    static const char text[] = "HTTP/1.1 404 Not Found here\r\n"
                               "Content-Type: text/plain\r\n"
                               "content-length: 12\r\n"
                               "\r\n"
                               "not found...";
    struct outcome *outcome = parse_response(&plain, text, sizeof text - 1);
    const struct weir__http_response_head *head = &outcome->response;
    EXPECT_EQ(sizeof text - 1 - 12, outcome->rc);
    EXPECT_EQ(404, head->status);
    EXPECT_EQ(1, head->minor);
    EXPECT_SLICE("Not Found here", head->reason);
    EXPECT_EQ(WEIR__HTTP_BODY_LENGTH, head->framing.kind);
    EXPECT_EQ(12, head->framing.length);
    EXPECT(head->framing.keep_alive);
    EXPECT(head->has_content_length);
    EXPECT_EQ(2, head->fields.count);
}

TEST(status_lines_may_do_without_a_reason)
{
    static const struct {
        const char *line, *reason;
        int status;
    } cases[] = {
        {"HTTP/1.1 200 OK", "OK", 200},
        {"HTTP/1.1 200 ", "", 200},
        {"HTTP/1.1 200", "", 200},
        {"HTTP/1.0 599 a\tb c", "a\tb c", 599},
        {"HTTP/1.9 100 \xc3\xa4", "\xc3\xa4", 100},
        {"HTTP/1.1 299  x", " x", 299},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct outcome *outcome = parse_lines(&plain, cases[i].line, "A: b\r\n");
        EXPECT(outcome->rc > 0);
        EXPECT_EQ(cases[i].status, outcome->response.status);
        EXPECT_SLICE(cases[i].reason, outcome->response.reason);
    }
}

TEST(the_shortest_responses_are_parsed)
{
    static const char none[] = "HTTP/1.0 200\r\n\r\n";
    EXPECT_EQ(16, parse_response(&plain, none, sizeof none - 1)->rc);
    static const char one[] = "HTTP/1.0 200\r\na:\r\n\r\n";
    EXPECT_EQ(sizeof one - 1, parse_response(&plain, one, sizeof one - 1)->rc);
}

TEST(malformed_status_lines_are_refused)
{
    static const struct text lines[] = {T("HTTP/1.1"),
                                        T("HTTP/1.1 "),
                                        T("HTTP/1.1 20"),
                                        T("HTTP/1.1 2000"),
                                        T("HTTP/1.1 200OK"),
                                        T("HTTP/1.1  200 OK"),
                                        T("HTTP/1.1\t200 OK"),
                                        T("HTTP/1.1 +20 OK"),
                                        T("HTTP/1.1 2x0 OK"),
                                        T("HTTP/1.1 099 x"),
                                        T("HTTP/1.1 000 x"),
                                        T("HTTP/1.1 600 x"),
                                        T("HTTP/1.1 999 x"),
                                        T("HTTP/1.1 -20 x"),
                                        T("HTTP/9.1 200 OK"),
                                        T("HTTP/2.0 200 OK"),
                                        T("HTTP/0.9 200 OK"),
                                        T("HTTP/2 200"),
                                        T("HTTP/1 200 OK"),
                                        T("HTTP/1.10 200 OK"),
                                        T("HTTP/1.x 200 OK"),
                                        T("http/1.1 200 OK"),
                                        T("ICY 200 OK"),
                                        T("HTTP 200 OK"),
                                        T("SSH-2.0-OpenSSH_9.2"),
                                        T("220 mail ready"),
                                        T(" HTTP/1.1 200 OK"),
                                        T("\r\nHTTP/1.1 200 OK"),
                                        T("<html>"),
                                        T("\0"),
                                        T("HTTP/1.1 200 O\0K"),
                                        T("HTTP/1.1 200 O\rK"),
                                        T("HTTP/1.1 200 O\nK"),
                                        T("HTTP/1.1 200 \x7f"),
                                        T("HTTP/1.1 200\tOK"),
                                        T("HTTP/1.1 200-OK"),
                                        T("")};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct request_text *text = put_together("", lines[i], "\r\nA: b\r\n\r\n");
        expect_response_refused(text->data, text->size);
    }
}

TEST(what_is_no_http_is_known_at_its_first_wrong_byte)
{
    static const char text[] = "HTTQ";
    struct outcome *outcome = parse_response(&plain, text, 4);
    EXPECT_RC(-EBADMSG, outcome->rc);
    EXPECT_EQ(3, outcome->fail.offset);
    EXPECT_CONTAINS("not an HTTP response", outcome->fail.reason);
}

TEST(malformed_fields_of_a_response_are_refused)
{
    static const struct text lines[] = {T("X : y"),
                                        T(" X: y"),
                                        T("X"),
                                        T(": y"),
                                        T("X: y\r\n folded"),
                                        T("X: y\rz"),
                                        T("X: y\nZ: w"),
                                        T("X: y\0"),
                                        T("X\x80: y"),
                                        T("Content-Length: +12"),
                                        T("Content-Length: 12, 12"),
                                        T("Content-Length: 12\r\nContent-Length: 12"),
                                        T("Content-Length: 12\r\nContent-Length: 13"),
                                        T("Content-Length: "),
                                        T("Content-Length: 0x10"),
                                        T("Content-Length: 1_0"),
                                        T("Content-Length: -1"),
                                        T("Content-Length: 9223372036854775808"),
                                        T("Content-Length: 99999999999999999999"),
                                        T("Content-Length: 12x"),
                                        T("Transfer-Encoding: chunked\r\nContent-Length: 5"),
                                        T("Transfer-Encoding: gzip"),
                                        T("Transfer-Encoding: gzip, chunked"),
                                        T("Transfer-Encoding: chunked, chunked"),
                                        T("Transfer-Encoding: identity"),
                                        T("Transfer-Encoding: "),
                                        T("Transfer-Encoding: xchunked"),
                                        T("Connection: a b")};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct request_text *text = put_together("HTTP/1.1 200 OK\r\n", lines[i], "\r\n\r\n");
        expect_response_refused(text->data, text->size);
    }
    struct request_text *old = put_together(
        "HTTP/1.0 200 OK\r\n", (struct text)T("Transfer-Encoding: chunked"), "\r\n\r\n");
    expect_response_refused(old->data, old->size);
}

/* RFC 9112 section 6.3. */
TEST(the_length_of_a_body_depends_on_request_status_and_fields)
{
    static const struct weir__http_asked head = {.head = true}, connect = {.connect = true};
    static const struct {
        const struct weir__http_asked *asked;
        const char *status, *lines;
        enum weir__http_body_kind kind;
        uint64_t length;
        bool keep_alive;
    } cases[] = {
        {&plain, "HTTP/1.1 200 x", "", WEIR__HTTP_BODY_UNTIL_CLOSE, 0, false},
        {&plain, "HTTP/1.0 200 x", "", WEIR__HTTP_BODY_UNTIL_CLOSE, 0, false},
        {&plain, "HTTP/1.0 200 x", "Connection: keep-alive\r\n", WEIR__HTTP_BODY_UNTIL_CLOSE, 0,
         false},
        {&plain, "HTTP/1.1 200 x", "Content-Length: 0\r\n", WEIR__HTTP_BODY_LENGTH, 0, true},
        {&plain, "HTTP/1.1 200 x", "Content-Length: 7\r\n", WEIR__HTTP_BODY_LENGTH, 7, true},
        {&plain, "HTTP/1.1 200 x", "Content-Length: 7\r\nConnection: close\r\n",
         WEIR__HTTP_BODY_LENGTH, 7, false},
        {&plain, "HTTP/1.0 200 x", "Content-Length: 7\r\n", WEIR__HTTP_BODY_LENGTH, 7, false},
        {&plain, "HTTP/1.0 200 x", "Content-Length: 7\r\nConnection: keep-alive\r\n",
         WEIR__HTTP_BODY_LENGTH, 7, true},
        {&plain, "HTTP/1.1 200 x", "Transfer-Encoding: chunked\r\n", WEIR__HTTP_BODY_CHUNKED, 0,
         true},
        {&plain, "HTTP/1.1 204 x", "", WEIR__HTTP_BODY_NONE, 0, true},
        {&plain, "HTTP/1.1 204 x", "Content-Length: 0\r\n", WEIR__HTTP_BODY_NONE, 0, true},
        {&plain, "HTTP/1.1 204 x", "Content-Length: 7\r\n", WEIR__HTTP_BODY_NONE, 0, false},
        {&plain, "HTTP/1.1 204 x", "Transfer-Encoding: chunked\r\n", WEIR__HTTP_BODY_NONE, 0,
         false},
        {&plain, "HTTP/1.1 304 x", "Content-Length: 7\r\n", WEIR__HTTP_BODY_NONE, 0, true},
        {&plain, "HTTP/1.1 304 x", "Transfer-Encoding: chunked\r\n", WEIR__HTTP_BODY_NONE, 0, true},
        {&plain, "HTTP/1.1 100 x", "", WEIR__HTTP_BODY_NONE, 0, true},
        {&plain, "HTTP/1.1 103 x", "Link: y\r\n", WEIR__HTTP_BODY_NONE, 0, true},
        {&plain, "HTTP/1.1 100 x", "Content-Length: 7\r\n", WEIR__HTTP_BODY_NONE, 0, false},
        {&head, "HTTP/1.1 200 x", "Content-Length: 7\r\n", WEIR__HTTP_BODY_NONE, 0, true},
        {&head, "HTTP/1.1 200 x", "Transfer-Encoding: chunked\r\n", WEIR__HTTP_BODY_NONE, 0, true},
        {&head, "HTTP/1.1 200 x", "", WEIR__HTTP_BODY_NONE, 0, true},
        {&connect, "HTTP/1.1 200 x", "", WEIR__HTTP_BODY_NONE, 0, true},
        {&connect, "HTTP/1.1 407 x", "Content-Length: 7\r\n", WEIR__HTTP_BODY_LENGTH, 7, true},
        {&plain, "HTTP/1.1 500 x", "", WEIR__HTTP_BODY_UNTIL_CLOSE, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct outcome *outcome = parse_lines(cases[i].asked, cases[i].status, cases[i].lines);
        EXPECT(outcome->rc > 0);
        EXPECT_EQ(cases[i].kind, outcome->response.framing.kind);
        EXPECT_EQ(cases[i].length, outcome->response.framing.length);
        EXPECT_EQ(cases[i].keep_alive, outcome->response.framing.keep_alive);
    }
}

TEST(a_length_that_frames_nothing_is_still_told)
{
    static const struct weir__http_asked head = {.head = true};
    struct outcome *outcome = parse_lines(&head, "HTTP/1.1 200 x", "Content-Length: 7\r\n");
    EXPECT(outcome->response.has_content_length);
    EXPECT_EQ(7, outcome->response.content_length);
    outcome = parse_lines(&plain, "HTTP/1.1 200 x", "");
    EXPECT(!outcome->response.has_content_length);
}

TEST(a_switch_of_protocols_that_nobody_asked_for_is_refused)
{
    static const char lines[] = "Connection: upgrade\r\nUpgrade: websocket\r\n";
    static const struct weir__http_asked upgrade = {.upgrade = true};
    EXPECT_RC(-EBADMSG, parse_lines(&plain, "HTTP/1.1 101 x", lines)->rc);
    EXPECT_RC(-EBADMSG, parse_lines(&upgrade, "HTTP/1.1 101 x", "")->rc);
    struct outcome *outcome = parse_lines(&upgrade, "HTTP/1.1 101 x", lines);
    EXPECT(outcome->rc > 0);
    EXPECT_SLICE("websocket", outcome->response.upgrade);
    EXPECT_EQ(WEIR__HTTP_BODY_NONE, outcome->response.framing.kind);
}

TEST(endless_response_heads_are_refused)
{
    static char text[60000];
    static struct outcome outcome;
    const struct way way = {.response = true};
    int size = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nX: ");
    memset(text + size, 'v', sizeof text - (size_t)size);
    parse_whole(&way, text, sizeof text, &outcome);
    EXPECT_RC(-EBADMSG, outcome.rc);
    EXPECT_EQ(502, outcome.fail.status);
    size = snprintf(text, sizeof text, "HTTP/1.1 200 ");
    memset(text + size, 'r', sizeof text - (size_t)size);
    parse_whole(&way, text, sizeof text, &outcome);
    EXPECT_RC(-EBADMSG, outcome.rc);
    parse_whole(&way, text, 8192, &outcome);
    EXPECT_RC(-EAGAIN, outcome.rc);
}

TEST(a_real_response_is_the_same_cut_at_every_place)
{
    static const char text[] = "HTTP/1.1 200 OK\r\n"
                               "Server: nginx/1.22.1\r\n"
                               "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                               "Content-Type: text/html; charset=utf-8\r\n"
                               "Transfer-Encoding: chunked\r\n"
                               "Connection: keep-alive\r\n"
                               "Set-Cookie: a=b; Path=/; HttpOnly\r\n"
                               "Set-Cookie: c=d; Path=/; Secure; SameSite=Lax; Max-Age=31536000\r\n"
                               "ETag: W/\"5e9f-18f\"\r\n"
                               "\r\n"
                               "5\r\nhello\r\n0\r\n\r\n";
    struct outcome *outcome = parse_response(&plain, text, sizeof text - 1);
    EXPECT_EQ(sizeof text - 1 - 15, outcome->rc);
    EXPECT(weir__http_fields_has_twice(&outcome->response.fields, WEIR__HTTP_FIELD_SET_COOKIE));
}
