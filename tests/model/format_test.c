/*
 * format_test.c - named formats: what passes and what does not
 */
#include "model/model.h"

#include <stdio.h>

#include "tests/support/guarded.h"
#include "tests/support/test.h"

static void expect_form(const char *name, bool good, const char *const *texts)
{
    const struct weir__model_format *format = weir__model_find_format(name);
    REQUIRE(format != NULL);
    for (; *texts != NULL; texts++) {
        struct guarded copy = guarded_copy(*texts, strlen(*texts));
        const char *fault = format->check(copy.data, copy.size);
        if ((fault == NULL) != good)
            printf("%s: %s: %s\n", name, *texts, fault == NULL ? "passes" : fault);
        EXPECT_EQ(good, fault == NULL);
        guarded_free(&copy);
    }
}
#define PASSES(name, ...) expect_form(name, true, (const char *const[]){__VA_ARGS__, NULL})
#define FAILS(name, ...) expect_form(name, false, (const char *const[]){__VA_ARGS__, NULL})

TEST(a_uri_has_a_scheme_and_only_allowed_characters)
{
    PASSES("uri", "http://a", "urn:isbn:0451450523", "mailto:a@b", "a+b-c.1:x", "x:/%20?a=b&c=[]#f",
           "ftp://user@host:1/");
    FAILS("uri", "", ":", "a:", "a", "1a:x", "/path", "http:// a", "http://a/%2", "http://a/%zz",
          "http://a/<b>", "http://\xc3\xa9", "a:b#c#d", "a:\\b", "a:b\"", "-a:b", "a:b\x7f");
}

TEST(an_http_url_has_a_host_that_can_be_asked)
{
    PASSES("http-url", "http://a", "https://a", "HTTP://A", "HttpS://a.b.c/", "http://a:1",
           "http://a:65535/x", "http://127.0.0.1:8080/a?b#c", "http://[::1]", "http://[::1]:80/",
           "http://[2001:db8::1]/x", "http://[::ffff:192.0.2.1]", "http://[1:2:3:4:5:6:7:8]",
           "http://a?b", "http://a#b", "http://xn--nxasmq6b.example/", "http://a_b",
           "http://a/%20/b", "http://a/@b");
    FAILS("http-url", "", "a", "http", "http:", "http:/", "http://", "http:///x", "http:a", "//a",
          "ftp://a", "httpx://a", " http://a", "http://a b", "http://:80",
          "http://a:", "http://a:0", "http://a:65536", "http://a:+80", "http://a:8a",
          "http://a:80:80", "http://u@a", "http://u:p@a", "http://[", "http://[]", "http://[::1",
          "http://[::1]x", "http://[:1]", "http://[1]", "http://[::1::]",
          "http://[1:2:3:4:5:6:7:8:9]", "http://[::12345]", "http://[::g]",
          "http://[1:2:3:4:5:6:7::8]x", "http://[::256.0.0.1]", "http://[1:]", "http://\xc3\xa9/",
          "http://a/\xc3\xa9", "http://a/b c", "http://a\n", "http://a/\x01", "http://a%",
          "http://a\\b", "http://[::1]:", "http://[::1%25eth0]");
}

TEST(a_host_has_a_longest_length)
{
    char url[400];
    for (size_t size = 255; size <= 256; size++) {
        memcpy(url, "http://", 7);
        memset(url + 7, 'a', size);
        url[7 + size] = '\0';
        const struct weir__model_format *format = weir__model_find_format("http-url");
        EXPECT_EQ(size == 255, format->check(url, strlen(url)) == NULL);
    }
}

TEST(dates_are_days_that_exist)
{
    PASSES("date", "2024-02-29", "2000-02-29", "2023-12-31", "0001-01-01", "9999-12-31");
    FAILS("date", "", "2023-02-29", "1900-02-29", "2024-13-01", "2024-00-01", "2024-01-00",
          "2024-01-32", "2024-04-31", "24-01-01", "2024-1-1", "2024/01/01", "2024-01-01T",
          " 2024-01-01", "2024-0a-01");
    PASSES("date-time", "2024-02-29T12:30:00Z", "2024-02-29t23:59:60z",
           "2024-02-29T00:00:00.123456789Z", "2024-02-29T12:30:00+02:00",
           "2024-02-29T12:30:00.5-11:59");
    FAILS("date-time", "", "2024-02-29", "2024-02-29T12:30:00", "2024-02-29 12:30:00Z",
          "2024-02-30T12:30:00Z", "2024-02-29T24:00:00Z", "2024-02-29T12:60:00Z",
          "2024-02-29T12:30:61Z", "2024-02-29T12:30:00.Z", "2024-02-29T12:30:00+0200",
          "2024-02-29T12:30:00+24:00", "2024-02-29T12:30:00ZZ", "2024-02-29T12:30Z",
          "2024-02-29T12:30:00.5", "2024-02-29T12-30-00Z+", "2024-02-29T12:30-00Z");
}

TEST(uuids_addresses_and_mailboxes_have_their_form)
{
    PASSES("uuid", "0190163d-8694-739b-aea5-966c26f8ad91", "00000000-0000-0000-0000-000000000000",
           "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF");
    FAILS("uuid", "", "0190163d8694739baea5966c26f8ad91", "0190163d-8694-739b-aea5-966c26f8ad9",
          "0190163d-8694-739b-aea5-966c26f8ad911", "0190163g-8694-739b-aea5-966c26f8ad91",
          "{190163d-8694-739b-aea5-966c26f8ad9}");
    PASSES("ipv4", "0.0.0.0", "255.255.255.255", "192.0.2.1");
    FAILS("ipv4", "", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1.2.3.", "1..2.3", "1.2.3.4 ",
          "a.b.c.d", "1.2.3.1000");
    PASSES("email", "a@b", "first.last+tag@sub.example.org", "x_y@a-b.c");
    FAILS("email", "", "a", "@", "a@", "@b", "a@b@c", ".a@b", "a.@b", "a..b@c", "a b@c", "a@b..c",
          "a@.b", "a@b.", "a@-b", "a@b-", "a@b-.c", "a@b_c", "\xc3\xa9@b",
          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b",
          "a@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
}

TEST(a_format_nobody_knows_is_not_found)
{
    EXPECT(weir__model_find_format("urll") == NULL);
    EXPECT(weir__model_find_format("") == NULL);
}
