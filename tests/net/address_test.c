/*
 * address_test.c - addresses as text and as values
 */
#include <string.h>
#include <weir/net.h>

#include "net/net.h"
#include "tests/support/test.h"

TEST(the_text_of_an_address_is_what_it_was_parsed_from)
{
    static const char *const texts[] = {
        "127.0.0.1:8080",
        "0.0.0.0:0",
        "255.255.255.255:65535",
        "[::]:80",
        "[::1]:0",
        "[2001:db8::8a2e:370:7334]:443",
        "[fe80::1%2]:80",
        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535",
        "[::ffff:192.0.2.1]:1",
        "unix:/run/x.sock",
        "unix:relative",
        "unix:@abstract name",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        weir_address address;
        char text[WEIR_ADDRESS_TEXT_BYTES];
        EXPECT_RC(0, weir_address_parse(texts[i], &address));
        EXPECT_STR(texts[i], weir_address_format(&address, text));
    }
}

TEST(what_is_no_address_is_refused_and_nothing_is_written)
{
    static const char *const texts[] = {
        "",
        ":",
        ":80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:000080",
        "127.0.0.1:+80",
        "127.0.0.1: 80",
        "127.0.0.1:80 ",
        " 127.0.0.1:80",
        "127.0.0.1:0x50",
        "127.1:80",
        "2130706433:80",
        "0177.0.0.1:80",
        "localhost:80",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::1:80",
        "::1]:80",
        "[]:80",
        "[127.0.0.1]:80",
        "[::1%]:80",
        "[::1%lo]:80",
        "[::1%4294967296]:80",
        "[1:2:3:4:5:6:7:8:9]:80",
        "[0000:0000:0000:0000:0000:0000:0000:0000:0000]:80",
        "unix:",
        "unix:@",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        weir_address address = {.size = 77};
        if (weir_address_parse(texts[i], &address) != -EINVAL)
            EXPECT_STR("refused", texts[i]);
        EXPECT_EQ(77, address.size);
    }
    weir_address address;
    EXPECT_RC(-EINVAL, weir_address_parse(NULL, &address));
}

TEST(a_unix_path_may_be_as_long_as_the_kernel_takes_and_no_longer)
{
    char text[160] = "unix:";
    memset(text + 5, 'p', 107);
    weir_address address;
    char back[WEIR_ADDRESS_TEXT_BYTES];
    EXPECT_RC(0, weir_address_parse(text, &address));
    EXPECT_STR(text, weir_address_format(&address, back));
    text[5 + 107] = 'p';
    EXPECT_RC(-EINVAL, weir_address_parse(text, &address));
    text[5] = '@'; // an abstract name needs no NUL
    EXPECT_RC(0, weir_address_parse(text, &address));
    EXPECT_STR(text, weir_address_format(&address, back));
}

TEST(no_address_has_a_text_too)
{
    char text[WEIR_ADDRESS_TEXT_BYTES];
    weir_address none = {0};
    EXPECT_STR("(no address)", weir_address_format(NULL, text));
    EXPECT_STR("(no address)", weir_address_format(&none, text));
    weir_address unnamed = {.storage.ss_family = AF_UNIX, .size = sizeof(sa_family_t)};
    EXPECT_STR("unix:", weir_address_format(&unnamed, text));
}

TEST(a_port_can_be_read_and_set)
{
    weir_address v4, v6, local;
    REQUIRE_RC(0, weir_address_parse("192.0.2.1:80", &v4));
    REQUIRE_RC(0, weir_address_parse("[::1]:443", &v6));
    REQUIRE_RC(0, weir_address_parse("unix:/x", &local));
    EXPECT_EQ(80, weir_address_port(&v4));
    EXPECT_EQ(443, weir_address_port(&v6));
    EXPECT_EQ(0, weir_address_port(&local));

    char text[WEIR_ADDRESS_TEXT_BYTES];
    weir_address_set_port(&v4, 65535);
    weir_address_set_port(&v6, 1);
    weir_address_set_port(&local, 9);
    EXPECT_STR("192.0.2.1:65535", weir_address_format(&v4, text));
    EXPECT_STR("[::1]:1", weir_address_format(&v6, text));
    EXPECT_STR("unix:/x", weir_address_format(&local, text));
}

TEST(addresses_are_equal_when_they_are_the_same_place)
{
    static const char *const texts[] = {"127.0.0.1:80", "127.0.0.1:81", "127.0.0.2:80", "[::1]:80",
                                        "[::1]:81",     "[::1%1]:80",   "[::2]:80",     "unix:/a",
                                        "unix:/b",      "unix:@/a"};
    enum { COUNT = sizeof texts / sizeof texts[0] };
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t k = 0; k < COUNT; k++) {
            weir_address a, b;
            REQUIRE_RC(0, weir_address_parse(texts[i], &a));
            REQUIRE_RC(0, weir_address_parse(texts[k], &b));
            EXPECT_EQ(i == k, weir_address_equal(&a, &b));
        }
    }
}

TEST(durations_read_like_people_write_them)
{
    char text[WEIR__NET_DURATION_BYTES];
    EXPECT_STR("10 s", weir__net_duration(10 * WEIR_SEC, text));
    EXPECT_STR("1 s", weir__net_duration(1 * WEIR_SEC, text));
    EXPECT_STR("250 ms", weir__net_duration(250 * WEIR_MS, text));
    EXPECT_STR("1500 ms", weir__net_duration(1500 * WEIR_MS, text));
    EXPECT_STR("1 ms", weir__net_duration(1, text));
}
