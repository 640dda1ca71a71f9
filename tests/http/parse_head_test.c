/*
 * parse_head_test.c - heads of requests: what is served, what is refused, and where it is cut
 */
#include "http/parse/head.h"

#include "tests/http/parse_cases.h"

/* --- what is served -------------------------------------------------------------------------- */

TEST(a_plain_get_is_taken_apart)
{
    static const char text[] = "GET /a/b?x=1&y=2 HTTP/1.1\r\n"
                               "Host: example.com:8080\r\n"
                               "User-Agent: \t tester \t \r\n"
                               "X-Empty:\r\n"
                               "X-Blank: \t \r\n"
                               "x-HIGH: caf\xc3\xa9\tand more\r\n"
                               "\r\n";
    struct outcome *outcome = expect_parsed(text, sizeof text - 1);
    const struct weir__http_request_head *head = &outcome->request;
    EXPECT_EQ(sizeof text - 1, outcome->rc);
    EXPECT_EQ(WEIR__HTTP_METHOD_GET, head->method);
    EXPECT_EQ(WEIR__HTTP_TARGET_ORIGIN, head->form);
    EXPECT_EQ(1, head->minor);
    EXPECT_SLICE("GET", head->method_text);
    EXPECT_SLICE("/a/b?x=1&y=2", head->target);
    EXPECT_SLICE("/a/b", head->path);
    EXPECT_SLICE("x=1&y=2", head->query);
    EXPECT_SLICE("example.com:8080", head->host.text);
    EXPECT_SLICE("example.com", head->host.name);
    EXPECT(head->host.has_port);
    EXPECT_EQ(8080, head->host.port);
    EXPECT(!head->host.is_ipv6);
    EXPECT(head->scheme.data == NULL);
    EXPECT(head->upgrade.size == 0);
    EXPECT_EQ(WEIR__HTTP_BODY_NONE, head->framing.kind);
    EXPECT(head->framing.keep_alive);
    EXPECT_EQ(WEIR__HTTP_EXPECT_NONE, head->expect);
    REQUIRE(head->fields.count == 5);
    const struct weir__http_field *agent =
        weir__http_fields_get(&head->fields, WEIR__HTTP_FIELD_USER_AGENT);
    REQUIRE(agent != NULL);
    EXPECT_SLICE("User-Agent", agent->name);
    EXPECT_SLICE("tester", agent->value);
    EXPECT_SLICE("", head->fields.items[2].value);
    EXPECT_SLICE("", head->fields.items[3].value);
    EXPECT_SLICE("caf\xc3\xa9\tand more", head->fields.items[4].value);
    EXPECT_EQ(WEIR__HTTP_FIELD_OTHER, head->fields.items[4].id);
    EXPECT(weir__http_fields_get(&head->fields, WEIR__HTTP_FIELD_COOKIE) == NULL);
}

TEST(what_follows_a_head_is_left_alone)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\n";
    static struct outcome outcome;
    parse_whole(&request_way, text, sizeof text - 1, &outcome);
    EXPECT_EQ(27, outcome.rc);
    /* Not even when it could never be a head. */
    static const char body[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n\0\n\r\x7f";
    parse_whole(&request_way, body, sizeof body - 1, &outcome);
    EXPECT_EQ(27, outcome.rc);
}

TEST(every_method_has_its_number_and_an_unknown_token_is_other)
{
    for (int method = 1; method < WEIR__HTTP_METHOD_COUNT; method++) {
        const char *name = weir__http_method_name((enum weir__http_method)method);
        EXPECT_EQ(method, weir__http_method_from((weir_str){name, strlen(name)}));
        if (method == WEIR__HTTP_METHOD_CONNECT)
            continue;
        struct request_text *request =
            put_together("", (struct text){name, strlen(name)}, " / HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_EQ(method, expect_parsed(request->data, request->size)->request.method);
    }
    static const struct text others[] = {
        T("get"),
        T("Get"),
        T("GETS"),
        T("GE"),
        T("G"),
        T("PURGE"),
        T("M-SEARCH"),
        T("!#$%&'*+-.^_`|~9"),
        T("PATC"),
        T("POSTED"),
        T("OPTION"),
        T("DELETEX"),
        T("HEADS"),
        T("TRACER"),
        T("AVERYLONGMETHODNAMETHATGOESONANDONANDONANDONANDONANDONANDONANDONANDON")};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct request_text *request =
            put_together("", others[i], " / HTTP/1.1\r\nHost: a\r\n\r\n");
        struct outcome *outcome = expect_parsed(request->data, request->size);
        EXPECT_EQ(WEIR__HTTP_METHOD_OTHER, outcome->request.method);
        EXPECT_EQ(others[i].size, outcome->request.method_text.size);
    }
}

TEST(the_two_versions_of_http_1_and_later_minors_are_served)
{
    static const struct {
        const char *version;
        unsigned minor;
        bool keep_alive;
    } cases[] = {{"HTTP/1.1", 1, true},
                 {"HTTP/1.0", 0, false},
                 {"HTTP/1.2", 1, true},
                 {"HTTP/1.9", 1, true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct request_text *request =
            put_together("GET / ", (struct text){cases[i].version, 8}, "\r\nHost: a\r\n\r\n");
        struct outcome *outcome = expect_parsed(request->data, request->size);
        EXPECT_EQ(cases[i].minor, outcome->request.minor);
        EXPECT_EQ(cases[i].keep_alive, outcome->request.framing.keep_alive);
    }
}

TEST(one_empty_line_before_a_request_is_skipped_and_a_second_is_not)
{
    static const char one[] = "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    struct outcome *outcome = expect_parsed(one, sizeof one - 1);
    EXPECT_EQ(sizeof one - 1, outcome->rc);
    EXPECT_SLICE("GET", outcome->request.method_text);
    static const char two[] = "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    expect_refused(400, two, sizeof two - 1);
    static const char bare[] = "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    expect_refused(400, bare, sizeof bare - 1);
    static const char bare_cr[] = "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    expect_refused(400, bare_cr, sizeof bare_cr - 1);
}

TEST(the_shortest_heads_are_parsed)
{
    static const char shortest[] = "A / HTTP/1.0\r\n\r\n";
    EXPECT_EQ(16, expect_parsed(shortest, 16)->rc);
    static const char one_letter[] = "A / HTTP/1.0\r\nA:\r\n\r\n";
    EXPECT_EQ(sizeof one_letter - 1, expect_parsed(one_letter, sizeof one_letter - 1)->rc);
    static const char known[] = "A / HTTP/1.0\r\nTE:\r\n\r\n";
    struct outcome *outcome = expect_parsed(known, sizeof known - 1);
    EXPECT(weir__http_fields_has(&outcome->request.fields, WEIR__HTTP_FIELD_TE));
}

/* Every length of target, name, value and query around the blocks of the scan. */
TEST(heads_of_every_size_are_parsed_the_same_by_every_scan)
{
    static struct request_text request;
    static struct outcome outcome;
    for (size_t pad = 1; pad < 200; pad++) {
        for (int place = 0; place < 4; place++) {
            char filler[256];
            memset(filler, 'x', sizeof filler);
            filler[pad] = '\0';
            request.size = (size_t)snprintf(
                request.data, sizeof request.data,
                "GET /%s%s HTTP/1.1\r\nHost: a\r\n%s: v\r\nX: %s\tz\r\nAccept: */*\r\n\r\n",
                place == 0 ? filler : "", place == 3 ? "?q" : "", place == 1 ? filler : "n",
                place == 2 ? filler : "");
            parse_whole(&request_way, request.data, request.size, &outcome);
            REQUIRE(outcome.rc == (ssize_t)request.size);
            EXPECT_EQ(4, outcome.request.fields.count);
            EXPECT_EQ(place == 0 ? pad + 1 : 1, outcome.request.path.size);
            EXPECT_EQ(place == 1 ? pad : 1, outcome.request.fields.items[1].name.size);
            EXPECT_EQ(place == 2 ? pad + 2 : 1, outcome.request.fields.items[2].value.size);
            EXPECT(weir__http_fields_has(&outcome.request.fields, WEIR__HTTP_FIELD_ACCEPT));
        }
    }
}

/* --- the request line ------------------------------------------------------------------------ */

TEST(malformed_request_lines_are_refused)
{
    static const struct text lines[] = {T("GET"),
                                        T("GET "),
                                        T("GET /"),
                                        T("GET / "),
                                        T("GET  / HTTP/1.1"),
                                        T("GET /  HTTP/1.1"),
                                        T("GET\t/ HTTP/1.1"),
                                        T("GET /\tHTTP/1.1"),
                                        T(" GET / HTTP/1.1"),
                                        T("\tGET / HTTP/1.1"),
                                        T("GET / HTTP/1.1 "),
                                        T("GET / HTTP/1.1\t"),
                                        T("GET / HTTP/1.1 x"),
                                        T("GET / x HTTP/1.1"),
                                        T("/ HTTP/1.1"),
                                        T(" / HTTP/1.1"),
                                        T("GET HTTP/1.1"),
                                        T("GET  HTTP/1.1"),
                                        T("HTTP/1.1"),
                                        T("GET/ HTTP/1.1"),
                                        T("GET /HTTP/1.1"),
                                        T("G\0T / HTTP/1.1"),
                                        T("GET /\0 HTTP/1.1"),
                                        T("GET / HTTP/1.1\0"),
                                        T("\0"),
                                        T("GET /\x0b HTTP/1.1"),
                                        T("GET /\x7f HTTP/1.1"),
                                        T("GET\x0c/ HTTP/1.1"),
                                        T("GET / HTTP/1.1\x01"),
                                        T("host: a")};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct request_text *request = put_together("", lines[i], "\r\nHost: a\r\n\r\n");
        expect_refused(400, request->data, request->size);
    }
}

TEST(eighteen_bad_versions_are_refused)
{
    static const struct {
        const char *version;
        int status;
    } cases[] = {
        {"HTTP/2.0", 505},  {"HTTP/0.9", 505},  {"HTTP/3.0", 505}, {"HTTP/9.1", 505},
        {"HTTP/1", 400},    {"HTTP/1.", 400},   {"HTTP/.1", 400},  {"HTTP/1.10", 400},
        {"HTTP/1.01", 400}, {"HTTP/01.1", 400}, {"HTTP/1,1", 400}, {"HTTP/1.1.", 400},
        {"http/1.1", 400},  {"HTTP 1.1", 400},  {"HTTP-1.1", 400}, {"HTP/1.1", 400},
        {"HTTP/+1.1", 400}, {"HTTP/1.x", 400},  {"HTTP/x.1", 400}, {"HTTPS/1.1", 400},
        {"HTTP/11", 400},   {"HTTP//1.1", 400}, {"HTTP/", 400},    {"HTTP/-1.1", 400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct request_text *request =
            put_together("GET / ", (struct text){cases[i].version, strlen(cases[i].version)},
                         "\r\nHost: a\r\n\r\n");
        expect_refused(cases[i].status, request->data, request->size);
    }
}

TEST(the_preface_of_http_2_is_refused_as_another_version)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    expect_refused(505, preface, sizeof preface - 1);
}

TEST(every_byte_that_no_method_may_have_is_refused_in_it)
{
    for (int c = 0; c < 256; c++) {
        char line[] = "G?T / HTTP/1.1\r\nHost: a\r\n\r\n";
        line[1] = (char)c;
        if (weir__http_is((char)c, WEIR__HTTP_TOKEN))
            expect_parsed(line, sizeof line - 1);
        else
            expect_refused(400, line, sizeof line - 1);
    }
}

TEST(every_byte_that_no_target_may_have_is_refused_in_it)
{
    for (int c = 0; c < 256; c++) {
        char line[] = "GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n";
        line[5] = (char)c;
        if (c > 0x20 && c < 0x7f && c != '#')
            expect_parsed(line, sizeof line - 1);
        else
            expect_refused(400, line, sizeof line - 1);
    }
}

/* --- targets --------------------------------------------------------------------------------- */

static struct outcome *parse_target(const char *method, const char *target, int status)
{
    static char text[1024];
    int size =
        snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: field:1\r\n\r\n", method, target);
    if (status != 0) {
        expect_refused(status, text, (size_t)size);
        return NULL;
    }
    return expect_parsed(text, (size_t)size);
}

TEST(an_absolute_target_is_served_and_its_host_wins)
{
    static const struct {
        const char *target, *host, *path, *query;
    } cases[] = {
        {"http://target:2/p/q?r=s", "target:2", "/p/q", "r=s"},
        {"HTTP://target/", "target", "/", NULL},
        {"https://target", "target", "/", NULL},
        {"hTTpS://[::1]:8/x", "[::1]:8", "/x", NULL},
        {"http://target?q", "target", "/", "q"},
        {"http://target/?", "target", "/", ""},
        {"http://1.2.3.4:/", "1.2.3.4:", "/", NULL},
        {"http://target//double?x=http://y/", "target", "//double", "x=http://y/"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct outcome *outcome = parse_target("GET", cases[i].target, 0);
        EXPECT_EQ(WEIR__HTTP_TARGET_ABSOLUTE, outcome->request.form);
        EXPECT_SLICE(cases[i].host, outcome->request.host.text);
        EXPECT_SLICE(cases[i].path, outcome->request.path);
        if (cases[i].query == NULL)
            EXPECT(outcome->request.query.data == NULL);
        else
            EXPECT_SLICE(cases[i].query, outcome->request.query);
        EXPECT(outcome->request.scheme.size == 4 || outcome->request.scheme.size == 5);
    }
}

TEST(an_absolute_target_does_not_excuse_a_bad_or_missing_host_field)
{
    static const struct text texts[] = {
        T("GET http://a/ HTTP/1.1\r\n\r\n"),
        T("GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n"),
        T("GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
        T("GET http://a/ HTTP/1.1\r\nHost:\r\n\r\n"),
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        expect_refused(400, texts[i].data, texts[i].size);
    static const char old[] = "GET http://a:5/ HTTP/1.0\r\n\r\n";
    EXPECT_EQ(5, expect_parsed(old, sizeof old - 1)->request.host.port);
}

TEST(targets_that_are_neither_path_nor_url_are_refused)
{
    static const char *const targets[] = {"a",
                                          "a/b",
                                          "?q",
                                          "*",
                                          "**",
                                          "ftp://a/",
                                          "http:/a/",
                                          "http:a",
                                          "http://",
                                          "http:///x",
                                          "http://u@a/",
                                          "http://u:p@a/",
                                          "http://a b/",
                                          "http://a:x/",
                                          "http://a:65536/",
                                          "http://[::1/",
                                          "http://[:::]/",
                                          "//",
                                          "a:80",
                                          "mailto:a@b",
                                          "javascript:alert(1)",
                                          "http://a\\b/",
                                          "http://a%00/",
                                          "/a#b",
                                          "http://a/#f",
                                          "#",
                                          "\\",
                                          "http://:80/"};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        if (strcmp(targets[i], "//") == 0)
            continue;
        parse_target("GET", targets[i], 400);
    }
}

TEST(an_asterisk_is_for_options_only)
{
    struct outcome *outcome = parse_target("OPTIONS", "*", 0);
    EXPECT_EQ(WEIR__HTTP_TARGET_ASTERISK, outcome->request.form);
    EXPECT_SLICE("*", outcome->request.path);
    EXPECT_SLICE("field:1", outcome->request.host.text);
    parse_target("OPTIONS", "*x", 400);
    parse_target("OPTIONS", "*?x", 400);
    parse_target("HEAD", "*", 400);
}

TEST(an_authority_is_for_connect_only_and_has_a_port)
{
    struct outcome *outcome = parse_target("CONNECT", "target:443", 0);
    EXPECT_EQ(WEIR__HTTP_TARGET_AUTHORITY, outcome->request.form);
    EXPECT_EQ(443, outcome->request.host.port);
    EXPECT_SLICE("target", outcome->request.host.name);
    EXPECT_EQ(0, outcome->request.path.size);
    static const char *const targets[] = {"target",     "target:",      "/",
                                          "*",          "http://a:80/", "a@b:80",
                                          "target:80/", "target:80?x",  ":80"};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        parse_target("CONNECT", targets[i], 400);
}

TEST(a_path_that_starts_with_two_slashes_stays_a_path)
{
    struct outcome *outcome = parse_target("GET", "//evil.example/x", 0);
    EXPECT_EQ(WEIR__HTTP_TARGET_ORIGIN, outcome->request.form);
    EXPECT_SLICE("//evil.example/x", outcome->request.path);
    EXPECT_SLICE("field:1", outcome->request.host.text);
}

TEST(only_the_first_question_mark_starts_the_query)
{
    struct outcome *outcome = parse_target("GET", "/a?b?c", 0);
    EXPECT_SLICE("/a", outcome->request.path);
    EXPECT_SLICE("b?c", outcome->request.query);
    outcome = parse_target("GET", "/?", 0);
    EXPECT_SLICE("/", outcome->request.path);
    EXPECT(outcome->request.query.data != NULL && outcome->request.query.size == 0);
    outcome = parse_target("PUT", "/????", 0);
    EXPECT_SLICE("???", outcome->request.query);
}

/* --- Host ------------------------------------------------------------------------------------ */

TEST(a_request_of_1_1_has_exactly_one_host)
{
    static const char none[] = "GET / HTTP/1.1\r\nAccept: a\r\n\r\n";
    expect_refused(400, none, sizeof none - 1);
    static const char nothing[] = "GET / HTTP/1.1\r\n\r\n";
    expect_refused(400, nothing, sizeof nothing - 1);
    static const char two[] = "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    expect_refused(400, two, sizeof two - 1);
    static const char equal[] = "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhOST: a\r\n\r\n";
    expect_refused(400, equal, sizeof equal - 1);
    static const char two_old[] = "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n";
    expect_refused(400, two_old, sizeof two_old - 1);
    static const char later[] = "GET / HTTP/1.2\r\n\r\n";
    expect_refused(400, later, sizeof later - 1);
}

TEST(a_request_of_1_0_needs_no_host_but_a_good_one)
{
    static const char none[] = "GET / HTTP/1.0\r\n\r\n";
    struct outcome *outcome = expect_parsed(none, sizeof none - 1);
    EXPECT(outcome->request.host.text.data == NULL);
    EXPECT_EQ(0, outcome->request.host.port);
    static const char bad[] = "GET / HTTP/1.0\r\nHost: a/b\r\n\r\n";
    expect_refused(400, bad, sizeof bad - 1);
}

TEST(bad_host_values_are_refused)
{
    static const struct text values[] = {
        T(""),
        T("a b"),
        T("a/b"),
        T("a?b"),
        T("a#b"),
        T("u@a"),
        T("u:p@a"),
        T("http://a"),
        T("a:b"),
        T("a:80x"),
        T("a:-1"),
        T("a:+1"),
        T("a: 80"),
        T("a:80:80"),
        T("a:65536"),
        T("a:99999999999999999999"),
        T(":80"),
        T("[::1"),
        T("::1"),
        T("[::1]x"),
        T("[::1]:x"),
        T("[]"),
        T("[g::]"),
        T("[1:2:3:4:5:6:7]"),
        T("[1:2:3:4:5:6:7:8:9]"),
        T("[12345::]"),
        T("[::1%25eth0]"),
        T("[v1.a]"),
        T("[127.0.0.1]"),
        T("[::1.2.3]"),
        T("[::256.1.1.1]"),
        T("[1::2::3]"),
        T("[:1]"),
        T("[1:]"),
        T("a\tb"),
        T("a,b c"),
        T("a\\b"),
        T("\"a\""),
        T("<a>"),
        T("a%00b"),
        T("a%41b"),
        T("a\xc3\xa4"),
        T("a\x80"),
        T("a^b"),
        T("{a}"),
        T("a|b"),
        T("a`b"),
        T("a[b]"),
        T("a:\x38\x30 ")}; /* the last one is good once its blank is trimmed */
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct request_text *request =
            put_together("GET / HTTP/1.1\r\nHost: ", values[i], "\r\n\r\n");
        if (i + 1 == sizeof values / sizeof values[0])
            expect_parsed(request->data, request->size);
        else
            expect_refused(400, request->data, request->size);
    }
}

TEST(good_host_values_are_taken_apart)
{
    static const struct {
        const char *value, *name;
        int port;
        bool has_port, is_ipv6;
    } cases[] = {
        {"a", "a", 0, false, false},
        {"EXAMPLE.com.", "EXAMPLE.com.", 0, false, false},
        {"a_b-c~d.1", "a_b-c~d.1", 0, false, false},
        {"127.0.0.1:1", "127.0.0.1", 1, true, false},
        {"a:", "a", 0, false, false},
        {"a:0", "a", 0, true, false},
        {"a:65535", "a", 65535, true, false},
        {"a:00080", "a", 80, true, false},
        {"a:0000000000080", "a", 80, true, false},
        {"a!$&'()*+,;=b", "a!$&'()*+,;=b", 0, false, false},
        {"[::]", "::", 0, false, true},
        {"[::1]:80", "::1", 80, true, true},
        {"[1:2:3:4:5:6:7:8]", "1:2:3:4:5:6:7:8", 0, false, true},
        {"[fe80::ABCD]", "fe80::ABCD", 0, false, true},
        {"[1::]", "1::", 0, false, true},
        {"[::ffff:1.2.3.4]:9", "::ffff:1.2.3.4", 9, true, true},
        {"[1:2:3:4:5:6:255.0.0.1]", "1:2:3:4:5:6:255.0.0.1", 0, false, true},
        {"abcdefghijklmnopqrstuvwxyz.abcdef", "abcdefghijklmnopqrstuvwxyz.abcdef", 0, false, false},
        {"abcdefghijklmnopqrstuvwxyz:65534", "abcdefghijklmnopqrstuvwxyz", 65534, true, false},
        {"abcdefghijklmnopqrstuvwxyzabcdef", "abcdefghijklmnopqrstuvwxyzabcdef", 0, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct request_text *request = put_together(
            "GET / HTTP/1.1\r\nHost:", (struct text){cases[i].value, strlen(cases[i].value)},
            "\r\n\r\n");
        struct outcome *outcome = expect_parsed(request->data, request->size);
        const struct weir__http_host *host = &outcome->request.host;
        EXPECT_SLICE(cases[i].value, host->text);
        EXPECT_SLICE(cases[i].name, host->name);
        EXPECT_EQ(cases[i].port, host->port);
        EXPECT_EQ(cases[i].has_port, host->has_port);
        EXPECT_EQ(cases[i].is_ipv6, host->is_ipv6);
    }
}

TEST(a_host_name_has_at_most_255_bytes)
{
    char name[257];
    memset(name, 'a', sizeof name);
    struct request_text *request =
        put_together("GET / HTTP/1.1\r\nHost: ", (struct text){name, 255}, "\r\n\r\n");
    expect_parsed(request->data, request->size);
    request = put_together("GET / HTTP/1.1\r\nHost: ", (struct text){name, 256}, "\r\n\r\n");
    expect_refused(400, request->data, request->size);
}

/* --- field lines ----------------------------------------------------------------------------- */

TEST(malformed_field_lines_are_refused)
{
    static const struct text lines[] = {T("X : y"),
                                        T("X\t: y"),
                                        T(" X: y"),
                                        T("\tX: y"),
                                        T("X"),
                                        T("X y"),
                                        T(": y"),
                                        T(":"),
                                        T("X\0: y"),
                                        T("X: y\0z"),
                                        T("X: \x01"),
                                        T("X: \x1f"),
                                        T("X: \x7f"),
                                        T("X: y\x0bz"),
                                        T("X: y\rz"),
                                        T("X: y\nz"),
                                        T("X: y\r"),
                                        T("X: y\n"),
                                        T("X(: y"),
                                        T("X\"Y: y"),
                                        T("X/Y: y"),
                                        T("X@Y: y"),
                                        T("X[Y: y"),
                                        T("X\\Y: y"),
                                        T("{X}: y"),
                                        T("X,Y: y"),
                                        T("X;Y: y"),
                                        T("X=Y: y"),
                                        T("\xc3\xa4: y"),
                                        T("X\x80: y"),
                                        T("X\x7fY: y"),
                                        T("X Y: z"),
                                        T("\0X: y"),
                                        T("\x0b"),
                                        T("X: y\r\n continued"),
                                        T("X: y\r\n\tcontinued"),
                                        T("X: y\r\n "),
                                        T("X:\r\n y"),
                                        T("X: y\r\r"),
                                        T("\r"),
                                        T("\n"),
                                        T("X: y\n\r\nZ: w"),
                                        T("Content-Length : 5"),
                                        T("Transfer-Encoding : chunked")};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct request_text *request =
            put_together("GET / HTTP/1.1\r\nHost: a\r\n", lines[i], "\r\n\r\n");
        expect_refused(400, request->data, request->size);
        /* As the first field line as well. */
        request = put_together("GET / HTTP/1.1\r\n", lines[i], "\r\nHost: a\r\n\r\n");
        expect_refused(400, request->data, request->size);
    }
}

TEST(lines_end_with_cr_lf_and_nothing_else)
{
    static const struct text texts[] = {
        T("GET / HTTP/1.1\nHost: a\r\n\r\n"),     T("GET / HTTP/1.1\r\nHost: a\n\r\n"),
        T("GET / HTTP/1.1\r\nHost: a\r\n\n"),     T("GET / HTTP/1.1\nHost: a\n\n"),
        T("GET / HTTP/1.1\rHost: a\r\r"),         T("GET / HTTP/1.1\r\nHost: a\r\n\rX"),
        T("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"), T("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
        T("GET / HTTP/1.1\r\nHost: a\r\n\r\r\n"), T("GET / HTTP/1.1\n\r\nHost: a\r\n\r\n")};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        expect_refused(400, texts[i].data, texts[i].size);
}

TEST(every_byte_is_in_a_name_and_in_a_value_or_refused_there)
{
    for (int c = 0; c < 256; c++) {
        char name[] = "GET / HTTP/1.1\r\nHost: a\r\nXx?xxxxxxxxxx: y\r\n\r\n";
        name[27] = (char)c;
        if (weir__http_is((char)c, WEIR__HTTP_TOKEN) || c == ':')
            expect_parsed(name, sizeof name - 1);
        else
            expect_refused(400, name, sizeof name - 1);
        char value[] = "GET / HTTP/1.1\r\nHost: a\r\nX: y?z\r\n\r\n";
        value[29] = (char)c;
        if (c == '\t' || (c >= 0x20 && c != 0x7f))
            expect_parsed(value, sizeof value - 1);
        else
            expect_refused(400, value, sizeof value - 1);
    }
}

TEST(look_alikes_of_framing_fields_are_plain_fields)
{
    static const char text[] = "POST / HTTP/1.1\r\nHost: a\r\n"
                               "Content_Length: 5\r\nTransfer_Encoding: chunked\r\n"
                               "Content-Lengt: 5\r\nContent-Lengthh: 5\r\nXContent-Length: 5\r\n"
                               "Transfer-Encodin: chunked\r\nTransfer-Encodings: chunked\r\n"
                               "Content.Length: 5\r\nTransfer+Encoding: chunked\r\n"
                               "Content^Length: 5\r\n\r\n";
    struct outcome *outcome = expect_parsed(text, sizeof text - 1);
    EXPECT_EQ(WEIR__HTTP_BODY_NONE, outcome->request.framing.kind);
    EXPECT(!weir__http_fields_has(&outcome->request.fields, WEIR__HTTP_FIELD_CONTENT_LENGTH));
    EXPECT(!weir__http_fields_has(&outcome->request.fields, WEIR__HTTP_FIELD_TRANSFER_ENCODING));
}

/* --- Content-Length and Transfer-Encoding ---------------------------------------------------- */

TEST(bad_content_lengths_are_refused)
{
    static const struct text values[] = {T(""),
                                         T("-1"),
                                         T("+5"),
                                         T("5 5"),
                                         T("5,5"),
                                         T("5, 5"),
                                         T("5, 6"),
                                         T(",5"),
                                         T("5,"),
                                         T("0x5"),
                                         T("5x"),
                                         T("x5"),
                                         T("5.0"),
                                         T("5e0"),
                                         T("5_0"),
                                         T("0_5"),
                                         T("'5'"),
                                         T("\"5\""),
                                         T("5;"),
                                         T("5;x"),
                                         T("\xd9\xa5"),
                                         T("5\xa0"),
                                         T("five"),
                                         T("chunked"),
                                         T("- 5"),
                                         T("--5"),
                                         T("0b1"),
                                         T("0o5"),
                                         T("9223372036854775808"),
                                         T("18446744073709551615"),
                                         T("18446744073709551616"),
                                         T("18446744073709551621"),
                                         T("340282366920938463463374607431768211461"),
                                         T("99999999999999999999999999999999999999999999"),
                                         T("4294967301 "),
                                         T("5\v"),
                                         T("5\0")};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct request_text *request = put_together(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ", values[i], "\r\n\r\nhello");
        if (strcmp(values[i].data, "4294967301 ") == 0) {
            /* A good one: 2^32 + 5 is 2^32 + 5, and the blank behind it is no part of it. */
            static struct outcome outcome;
            parse_whole(&request_way, request->data, request->size, &outcome);
            EXPECT_EQ(INT64_C(4294967301), outcome.request.framing.length);
            continue;
        }
        expect_refused(400, request->data, request->size);
    }
}

TEST(a_good_content_length_frames_the_body)
{
    static const struct {
        const char *value;
        uint64_t length;
    } cases[] = {{"0", 0},
                 {"5", 5},
                 {"007", 7},
                 {"9223372036854775807", INT64_MAX},
                 {"0000000000000000000000000000000000000012", 12}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct request_text *request =
            put_together("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ",
                         (struct text){cases[i].value, strlen(cases[i].value)}, "\r\n\r\n");
        struct outcome *outcome = expect_parsed(request->data, request->size);
        EXPECT_EQ(WEIR__HTTP_BODY_LENGTH, outcome->request.framing.kind);
        EXPECT_EQ(cases[i].length, outcome->request.framing.length);
        EXPECT(outcome->request.framing.keep_alive);
    }
}

TEST(two_content_lengths_are_refused_even_when_they_agree)
{
    static const struct text texts[] = {
        T("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"),
        T("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX: y\r\ncontent-length: 6\r\n\r\n"),
        T("GET / HTTP/1.0\r\nContent-Length: 0\r\nCONTENT-LENGTH: 0\r\n\r\n")};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        expect_refused(400, texts[i].data, texts[i].size);
}

TEST(chunked_alone_frames_the_body)
{
    static const struct text values[] = {T("chunked"), T("Chunked"), T("CHUNKED"), T("  chunked\t"),
                                         T("\tcHuNkEd ")};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct request_text *request =
            put_together("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:", values[i], "\r\n\r\n");
        EXPECT_EQ(WEIR__HTTP_BODY_CHUNKED,
                  expect_parsed(request->data, request->size)->request.framing.kind);
    }
}

/* TE.TE: one program sees chunked, the other does not. */
TEST(every_other_transfer_encoding_is_refused)
{
    static const struct {
        struct text line;
        int status;
    } cases[] = {
        {T("Transfer-Encoding: xchunked"), 501},
        {T("Transfer-Encoding: chunkedx"), 501},
        {T("Transfer-Encoding: identity"), 501},
        {T("Transfer-Encoding: gzip"), 501},
        {T("Transfer-Encoding: gzip, chunked"), 501},
        {T("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"), 501},
        {T("Transfer-Encoding: identity, chunked"), 501},
        {T("Transfer-Encoding: cow"), 501},
        {T("Transfer-Encoding: gzip;q=1"), 501},
        {T("Transfer-Encoding: chunked, gzip"), 400},
        {T("Transfer-Encoding: chunked, identity"), 400},
        {T("Transfer-Encoding: chunked, chunked"), 400},
        {T("Transfer-Encoding: chunked,chunked"), 400},
        {T("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400},
        {T("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"), 400},
        {T("Transfer-Encoding: chunked\r\nTransfer-encoding: cow"), 400},
        {T("Transfer-Encoding:"), 400},
        {T("Transfer-Encoding: ,"), 400},
        {T("Transfer-Encoding: ,chunked"), 400},
        {T("Transfer-Encoding: chunked,"), 400},
        {T("Transfer-Encoding: \"chunked\""), 400},
        {T("Transfer-Encoding: 'chunked'"), 501},
        {T("Transfer-Encoding: chun ked"), 400},
        {T("Transfer-Encoding: chunked;"), 400},
        {T("Transfer-Encoding: chunked;a=b"), 400},
        {T("Transfer-Encoding: chunked ;a"), 400},
        {T("Transfer-Encoding: chunked=1"), 400},
        {T("Transfer-Encoding: \x0b"
           "chunked"),
         400},
        {T("Transfer-Encoding: chunked\x0b"), 400},
        {T("Transfer-Encoding: \0chunked"), 400},
        {T("Transfer-Encoding: chunked\0"), 400},
        {T("Transfer-Encoding: \x7f"
           "chunked"),
         400},
        {T("Transfer-Encoding: \xa0"
           "chunked"),
         400},
        {T("Transfer-Encoding: chunk\xc3\xa9"
           "d"),
         400},
        {T("Transfer-Encoding : chunked"), 400},
        {T("Transfer-Encoding\t: chunked"), 400},
        {T(" Transfer-Encoding: chunked"), 400},
        {T("Transfer-Encoding\0: chunked"), 400},
        {T("Transfer-Encoding:\r\n chunked"), 400},
        {T("Transfer-Encoding: x\r\n\tchunked"), 400},
        {T("X: y\nTransfer-Encoding: chunked"), 400},
        {T("X: y\rTransfer-Encoding: chunked"), 400},
        {T("\nTransfer-Encoding: chunked"), 400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct request_text *request =
            put_together("POST / HTTP/1.1\r\nHost: a\r\n", cases[i].line, "\r\n\r\n");
        expect_refused(cases[i].status, request->data, request->size);
    }
}

TEST(content_length_with_transfer_encoding_is_refused)
{
    static const struct text texts[] = {
        T("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
        T("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
        T("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"),
        T("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\nContent-Length: 5\r\n\r\n"),
        T("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\nContent-Length: 5\r\n\r\n"),
        T("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: x\r\n\r\n")};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        expect_refused(400, texts[i].data, texts[i].size);
}

TEST(transfer_encoding_in_1_0_is_refused)
{
    static const struct text texts[] = {
        T("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        T("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"),
        T("GET / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: identity\r\n\r\n")};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        expect_refused(400, texts[i].data, texts[i].size);
}

/* --- Connection, Expect, Upgrade ------------------------------------------------------------- */

TEST(connection_decides_whether_the_connection_stays)
{
    static const struct {
        const char *lines;
        bool in_1_1, in_1_0;
    } cases[] = {
        {"", true, false},
        {"Connection: close\r\n", false, false},
        {"Connection: keep-alive\r\n", true, true},
        {"connection: CLOSE\r\n", false, false},
        {"CONNECTION: Keep-Alive\r\n", true, true},
        {"Connection: x, close\r\n", false, false},
        {"Connection: keep-alive, close\r\n", false, false},
        {"Connection: close, keep-alive\r\n", false, false},
        {"Connection: ,, close ,\r\n", false, false},
        {"Connection: \r\n", true, false},
        {"Connection: keep-alive\r\nConnection: close\r\n", false, false},
        {"Connection: x\r\nConnection: keep-alive\r\n", true, true},
        {"Connection: closed\r\n", true, false},
        {"Connection: Upgrade\r\n", true, false},
        {"Proxy-Connection: close\r\n", true, false},
        {"Keep-Alive: timeout=5\r\n", true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct text lines = {cases[i].lines, strlen(cases[i].lines)};
        struct request_text *request = put_together("GET / HTTP/1.1\r\nHost: a\r\n", lines, "\r\n");
        EXPECT_EQ(cases[i].in_1_1,
                  expect_parsed(request->data, request->size)->request.framing.keep_alive);
        request = put_together("GET / HTTP/1.0\r\nHost: a\r\n", lines, "\r\n");
        EXPECT_EQ(cases[i].in_1_0,
                  expect_parsed(request->data, request->size)->request.framing.keep_alive);
    }
}

TEST(an_option_of_connection_that_is_no_token_is_refused)
{
    static const struct text values[] = {T("close;x"), T("\"close\""),    T("close keep-alive"),
                                         T("close/1"), T("cl\xc3\xb6se"), T("=")};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct request_text *request =
            put_together("GET / HTTP/1.1\r\nHost: a\r\nConnection: ", values[i], "\r\n\r\n");
        expect_refused(400, request->data, request->size);
    }
}

TEST(expect_is_known_unknown_or_of_no_meaning_in_1_0)
{
    static const struct {
        const char *lines;
        enum weir__http_expect expect;
    } cases[] = {
        {"", WEIR__HTTP_EXPECT_NONE},
        {"Expect: 100-continue\r\n", WEIR__HTTP_EXPECT_CONTINUE},
        {"expect: 100-CONTINUE\r\n", WEIR__HTTP_EXPECT_CONTINUE},
        {"Expect: 100-continue, x\r\n", WEIR__HTTP_EXPECT_UNKNOWN},
        {"Expect: 200-ok\r\n", WEIR__HTTP_EXPECT_UNKNOWN},
        {"Expect:\r\n", WEIR__HTTP_EXPECT_UNKNOWN},
        {"Expect: 100-continue;q=1\r\n", WEIR__HTTP_EXPECT_UNKNOWN},
        {"Expect: 100-continue\r\nExpect: 100-continue\r\n", WEIR__HTTP_EXPECT_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct text lines = {cases[i].lines, strlen(cases[i].lines)};
        struct request_text *request =
            put_together("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n", lines, "\r\n");
        EXPECT_EQ(cases[i].expect, expect_parsed(request->data, request->size)->request.expect);
        request = put_together("POST / HTTP/1.0\r\nContent-Length: 5\r\n", lines, "\r\n");
        EXPECT_EQ(WEIR__HTTP_EXPECT_NONE,
                  expect_parsed(request->data, request->size)->request.expect);
    }
    static const char folded[] =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect:\r\n 100-continue\r\n\r\n";
    expect_refused(400, folded, sizeof folded - 1);
}

TEST(an_upgrade_is_offered_only_with_connection_and_in_1_1)
{
    static const char offered[] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, "
                                  "Upgrade\r\nUpgrade: websocket\r\n\r\n";
    EXPECT_SLICE("websocket", expect_parsed(offered, sizeof offered - 1)->request.upgrade);
    static const struct text ignored[] = {
        T("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"),
        T("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nUpgrade: websocket\r\n\r\n"),
        T("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n"),
        T("GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
        T("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n\r\n")};
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        EXPECT_EQ(0, expect_parsed(ignored[i].data, ignored[i].size)->request.upgrade.size);
}

/* --- limits ---------------------------------------------------------------------------------- */

/* Parsed whole and in pieces of several sizes: octet by octet would take long here. */
static ssize_t parse_large(const struct weir__http_head_limits *limits, const char *data,
                           size_t size, int *out_status)
{
    static struct outcome outcome, resumed;
    const struct way way = {.limits = limits};
    parse_whole(&way, data, size, &outcome);
    static const size_t steps[] = {1, 7, 64, 1000, 4096};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct weir__http_resume resume = {0, 0};
        size_t got = 0;
        do {
            got += size - got < steps[i] ? size - got : steps[i];
            outcome.request.fields.items = outcome.items;
            resumed.request.fields.items = resumed.items;
            resumed.request.fields.count_max = WEIR__HTTP_FIELD_COUNT_MAX;
            resumed.rc = weir__http_parse_request(&resume, data, got, limits, &resumed.request,
                                                  &resumed.fail);
        } while (resumed.rc == -EAGAIN && got < size);
        EXPECT_EQ(outcome.rc, resumed.rc);
        if (outcome.rc == -EBADMSG) {
            EXPECT_EQ(outcome.fail.status, resumed.fail.status);
            EXPECT_EQ(outcome.fail.offset, resumed.fail.offset);
            EXPECT_STR(outcome.fail.reason, resumed.fail.reason);
        }
    }
    *out_status = outcome.rc == -EBADMSG ? outcome.fail.status : 0;
    return outcome.rc;
}

static struct request_text *request_with_line_of(size_t line_bytes)
{
    static struct request_text request;
    static const char before[] = "GET /", after[] = " HTTP/1.1";
    char *p = request.data;
    memcpy(p, before, sizeof before - 1);
    p += sizeof before - 1;
    size_t pad = line_bytes - (sizeof before - 1) - (sizeof after - 1);
    memset(p, 'a', pad);
    p += pad;
    p = stpcpy(p, after);
    p = stpcpy(p, "\r\nHost: a\r\n\r\n");
    request.size = (size_t)(p - request.data);
    return &request;
}

TEST(a_request_line_has_at_most_8_kib)
{
    int status;
    struct request_text *request = request_with_line_of(8192);
    EXPECT_EQ(request->size, parse_large(NULL, request->data, request->size, &status));
    request = request_with_line_of(8193);
    EXPECT_RC(-EBADMSG, parse_large(NULL, request->data, request->size, &status));
    EXPECT_EQ(414, status);
    request = request_with_line_of(100000);
    EXPECT_RC(-EBADMSG, parse_large(NULL, request->data, request->size, &status));
    EXPECT_EQ(414, status);
    /* A target of 8,000 octets must be served (RFC 9112 section 3). */
    request = request_with_line_of(8000 + 13);
    EXPECT_EQ(request->size, parse_large(NULL, request->data, request->size, &status));
}

TEST(a_line_without_an_end_is_refused_at_the_limit_and_not_before)
{
    static char text[9000];
    memset(text, 'a', sizeof text);
    memcpy(text, "GET /", 5);
    int status;
    EXPECT_RC(-EAGAIN, parse_large(NULL, text, 8192, &status));
    EXPECT_RC(-EBADMSG, parse_large(NULL, text, 8193, &status));
    EXPECT_EQ(414, status);
    /* What is beyond the limit is not looked at. */
    text[8195] = '\0';
    EXPECT_RC(-EBADMSG, parse_large(NULL, text, 9000, &status));
    EXPECT_EQ(414, status);
    text[8190] = '\0';
    EXPECT_RC(-EBADMSG, parse_large(NULL, text, 9000, &status));
    EXPECT_EQ(400, status);
}

/* Field lines of exactly `bytes` together, `each` at most for one. */
static struct request_text *request_with_fields_of(size_t bytes, size_t each)
{
    static struct request_text request;
    char *p = stpcpy(request.data, "GET / HTTP/1.0\r\n");
    while (bytes > 0) {
        size_t line = bytes > each + 5 ? each : bytes; /* the rest must have room for one */
        p = stpcpy(p, "X:");
        memset(p, 'v', line - 4);
        p = stpcpy(p + line - 4, "\r\n");
        bytes -= line;
    }
    p = stpcpy(p, "\r\n");
    request.size = (size_t)(p - request.data);
    return &request;
}

TEST(all_fields_have_at_most_32_kib_together)
{
    static const size_t each[] = {400, 4096, 100000};
    int status;
    for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
        struct request_text *request = request_with_fields_of(32768, each[i]);
        EXPECT_EQ(request->size, parse_large(NULL, request->data, request->size, &status));
        request = request_with_fields_of(32769, each[i]);
        EXPECT_RC(-EBADMSG, parse_large(NULL, request->data, request->size, &status));
        EXPECT_EQ(431, status);
        request = request_with_fields_of(32770, each[i]);
        EXPECT_RC(-EBADMSG, parse_large(NULL, request->data, request->size, &status));
        EXPECT_EQ(431, status);
        request = request_with_fields_of(32771, each[i]);
        EXPECT_RC(-EBADMSG, parse_large(NULL, request->data, request->size, &status));
        EXPECT_EQ(431, status);
    }
}

TEST(a_field_without_an_end_is_refused_at_the_limit)
{
    static char text[60000];
    int head = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    memset(text + head, 'v', sizeof text - (size_t)head);
    int status;
    const size_t begin = 16;
    EXPECT_RC(-EAGAIN, parse_large(NULL, text, begin + 32768 + 1, &status));
    EXPECT_RC(-EBADMSG, parse_large(NULL, text, begin + 32768 + 2, &status));
    EXPECT_EQ(431, status);
    EXPECT_RC(-EBADMSG, parse_large(NULL, text, sizeof text, &status));
    EXPECT_EQ(431, status);
    memset(text + 25, 'n', 50000); /* a name */
    EXPECT_RC(-EBADMSG, parse_large(NULL, text, sizeof text, &status));
    EXPECT_EQ(431, status);
}

TEST(there_are_at_most_100_fields)
{
    int status;
    for (int count = 99; count <= 102; count++) {
        static struct request_text request;
        char *p = stpcpy(request.data, "GET / HTTP/1.0\r\n");
        for (int i = 0; i < count; i++)
            p += sprintf(p, "X-%d: v\r\n", i);
        p = stpcpy(p, "\r\n");
        request.size = (size_t)(p - request.data);
        ssize_t rc = parse_large(NULL, request.data, request.size, &status);
        if (count <= 100) {
            EXPECT_EQ(request.size, rc);
        } else {
            EXPECT_RC(-EBADMSG, rc);
            EXPECT_EQ(431, status);
        }
    }
}

TEST(limits_can_be_set_and_zero_is_the_default)
{
    static const char text[] = "GET /1234 HTTP/1.0\r\nA: b\r\nC: d\r\n\r\n";
    const size_t size = sizeof text - 1;
    static const struct {
        struct weir__http_head_limits limits;
        int status;
    } cases[] = {
        {{0, 0, 0}, 0},     {{18, 12, 2}, 0},
        {{0, 12, 2}, 0},    {{18, 0, 2}, 0},
        {{18, 12, 0}, 0},   {{17, 0, 0}, 414},
        {{17, 12, 2}, 414}, {{18, 11, 2}, 431},
        {{18, 12, 1}, 431}, {{WEIR_UNLIMITED, WEIR_UNLIMITED, WEIR_UNLIMITED}, 0},
        {{1, 1, 1}, 414},   {{18, 1, 1}, 431},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static struct outcome outcome;
        const struct way way = {.limits = &cases[i].limits};
        parse_every_way(&way, text, size, &outcome);
        EXPECT_EQ(cases[i].status, outcome.rc == -EBADMSG ? outcome.fail.status : 0);
    }
}

TEST(without_a_limit_an_octet_still_costs_one_look)
{
    static char text[70000];
    memset(text, 'a', sizeof text);
    const struct weir__http_head_limits limits = {WEIR_UNLIMITED, WEIR_UNLIMITED, WEIR_UNLIMITED};
    struct weir__http_field items[1];
    struct weir__http_request_head head = {.fields = {.items = items, .count_max = 1}};
    struct weir__http_resume resume = {0, 0};
    for (size_t size = 1000; size < sizeof text; size += 1000) {
        EXPECT_RC(-EAGAIN, weir__http_parse_request(&resume, text, size, &limits, &head, NULL));
        EXPECT_EQ(size, resume.scanned);
        EXPECT(resume.limit_at > sizeof text);
    }
}

TEST(the_room_for_fields_is_a_limit_as_well)
{
    static const char text[] = "GET / HTTP/1.0\r\nA: b\r\nC: d\r\n\r\n";
    struct weir__http_field items[2];
    struct weir__http_request_head head = {.fields = {.items = items, .count_max = 2}};
    struct weir__http_fail fail;
    EXPECT_EQ(sizeof text - 1,
              weir__http_parse_request(NULL, text, sizeof text - 1, NULL, &head, &fail));
    head.fields.count_max = 1;
    EXPECT_RC(-EBADMSG, weir__http_parse_request(NULL, text, sizeof text - 1, NULL, &head, &fail));
    EXPECT_EQ(431, fail.status);
    head.fields.count_max = 0;
    EXPECT_RC(-EINVAL, weir__http_parse_request(NULL, text, sizeof text - 1, NULL, &head, &fail));
    head.fields = (struct weir__http_fields){.count_max = 2};
    EXPECT_RC(-EINVAL, weir__http_parse_request(NULL, text, sizeof text - 1, NULL, &head, NULL));
}

/* --- pieces ---------------------------------------------------------------------------------- */

TEST(a_browsers_head_is_the_same_cut_at_every_place)
{
    static const char text[] =
        "POST /wp-content/uploads/2010/03/hello-kitty-darth-vader-pink.jpg?a=b&c=%20 HTTP/1.1\r\n"
        "Host: www.kittyhell.example:80\r\n"
        "User-Agent: Mozilla/5.0 (Macintosh; U; Intel Mac OS X 10.6; ja-JP-mac; rv:1.9.2.3)\r\n"
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
        "Accept-Language: ja,en-us;q=0.7,en;q=0.3\r\n"
        "Connection: keep-alive, x\r\n"
        "Content-Length: 12345\r\n"
        "Expect: 100-continue\r\n"
        "Cookie: a=b; c=d\r\n"
        "\r\n";
    struct outcome *outcome = expect_parsed(text, sizeof text - 1);
    EXPECT_EQ(12345, outcome->request.framing.length);
    EXPECT_EQ(WEIR__HTTP_EXPECT_CONTINUE, outcome->request.expect);
}

TEST(nothing_is_asked_of_an_empty_input)
{
    struct weir__http_field items[1];
    struct weir__http_request_head head = {.fields = {.items = items, .count_max = 1}};
    struct weir__http_resume resume = {0, 0};
    EXPECT_RC(-EAGAIN, weir__http_parse_request(&resume, NULL, 0, NULL, &head, NULL));
    EXPECT_RC(-EAGAIN, weir__http_parse_request(NULL, "", 0, NULL, &head, NULL));
}

TEST(a_refusal_needs_no_place_for_its_reason)
{
    struct weir__http_field items[1];
    struct weir__http_request_head head = {.fields = {.items = items, .count_max = 1}};
    static const char text[] = "\x16\x03\x01\x02\x00 a TLS record";
    EXPECT_RC(-EBADMSG, weir__http_parse_request(NULL, text, sizeof text - 1, NULL, &head, NULL));
}

TEST(a_refusal_says_where_and_why)
{
    static const struct {
        const char *text;
        int status;
        size_t offset;
        const char *part;
    } cases[] = {
        {"\x16\x03\x01", 400, 0, "TLS"},
        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, 20, "before the colon"},
        {"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400, 25, "folded"},
        {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, 16, "first field line"},
        {"GET / HTTP/1.1\r\nHost: a\n", 400, 23, "line feed"},
        {"GET / HTTP/1.1\r\nHost: a\rx", 400, 23, "carriage return"},
        {"GET / HTTP/1.1\r\nHost\r\n", 400, 20, "without a colon"},
        {"GET / HTTP/1.1\r\n: a\r\n", 400, 16, "without a name"},
        {"GET /a#b HTTP/1.1\r\n", 400, 6, "fragment"},
        {"GET /a b HTTP/1.1\r\n", 400, 7, "version"},
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5x\r\n\r\n", 400, 41, "Content-Length"},
        {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400, 23, "user information"},
        {"GET / HTTP/1.1\r\nX: y\r\n\r\n", 400, 0, "Host"},
        {"GET http://u@b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, 12, "user information"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static struct outcome outcome;
        char text[200];
        parse_every_way(&request_way, cases[i].text, strlen(cases[i].text), &outcome);
        EXPECT_RC(-EBADMSG, outcome.rc);
        EXPECT_EQ(cases[i].status, outcome.fail.status);
        EXPECT_EQ(cases[i].offset, outcome.fail.offset);
        EXPECT_CONTAINS(cases[i].part, outcome.fail.reason);
        weir__http_fail_text(&outcome.fail, text, sizeof text);
        EXPECT_CONTAINS("byte ", text);
        EXPECT_CONTAINS(outcome.fail.reason, text);
    }
}

/* Seeded changes to good heads; every way must agree, and nothing beyond the input is touched. */
TEST(changed_heads_are_judged_the_same_by_every_way)
{
    static const char *const seeds[] = {
        "GET /a?b HTTP/1.1\r\nHost: a:80\r\nConnection: close\r\n\r\n",
        "POST http://x/y HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 10\r\nExpect: 100\r\n\r\n",
        "PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nX: \t y \t\r\n\r\n",
    };
    static const char spice[] = "\r\n\0\t :\x7f\x80\xff,;/?#@[]ahHCT1";
    uint32_t random = 12345;
    for (int round = 0; round < 1500; round++) {
        char text[256];
        const char *seed = seeds[round % 3];
        size_t size = strlen(seed);
        memcpy(text, seed, size);
        for (int changes = 1 + round % 3; changes > 0; changes--) {
            random = random * 1664525 + 1013904223;
            size_t at = (random >> 8) % size;
            random = random * 1664525 + 1013904223;
            const char c = spice[(random >> 8) % (sizeof spice - 1)];
            if ((random & 64) != 0) {
                memmove(text + at + 1, text + at, size - at);
                size++;
            }
            text[at] = c;
        }
        static struct outcome outcome;
        parse_every_way(&request_way, text, size, &outcome);
        if (test_failed())
            return;
    }
}
