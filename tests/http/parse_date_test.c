/*
 * parse_date_test.c - dates as HTTP writes them
 */
#include "http/parse/date.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/support/test.h"

static int parse(const char *text, int64_t now, int64_t *out_seconds)
{
    return weir__http_date_parse((weir_str){text, strlen(text)}, now, out_seconds);
}

TEST(the_three_forms_are_the_same_date)
{
    static const char *const forms[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    };
    for (size_t i = 0; i < 3; i++) {
        int64_t seconds = 0;
        EXPECT_RC(0, parse(forms[i], 784111777, &seconds));
        EXPECT_EQ(784111777, seconds);
    }
}

TEST(dates_are_written_as_libc_would)
{
    /* Each day of some centuries at a different time of day, leap years and their exceptions. */
    for (int64_t day = -719528; day<2932896; day += day> - 800 && day < 60000 ? 1 : 97) {
        char ours[WEIR__HTTP_DATE_BYTES + 1] = "", theirs[64];
        const int64_t seconds = day * 86400 + (day * 7919 % 86400 + 86400) % 86400;
        const time_t time = (time_t)seconds;
        struct tm parts;
        static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        static const char *const names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        REQUIRE(gmtime_r(&time, &parts) != NULL);
        snprintf(theirs, sizeof theirs, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[parts.tm_wday],
                 parts.tm_mday, names[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour,
                 parts.tm_min, parts.tm_sec);
        REQUIRE_RC(0, weir__http_date_format(seconds, ours));
        REQUIRE(strcmp(theirs, ours) == 0);
        int64_t back = 0;
        REQUIRE_RC(0, parse(ours, 0, &back));
        REQUIRE(back == seconds);
    }
}

TEST(years_of_more_or_less_than_four_digits_are_refused)
{
    char text[WEIR__HTTP_DATE_BYTES];
    memset(text, 'x', sizeof text);
    static const int64_t beyond[] = {INT64_MIN, -62167219201, 253402300800, INT64_MAX};
    for (size_t i = 0; i < sizeof beyond / sizeof beyond[0]; i++) {
        EXPECT_RC(-ERANGE, weir__http_date_format(beyond[i], text));
        EXPECT_EQ('x', text[0]);
    }
    EXPECT_RC(0, weir__http_date_format(-62167219200, text));
    EXPECT_BYTES("Sat, 01 Jan 0000 00:00:00 GMT", text, sizeof text);
    EXPECT_RC(0, weir__http_date_format(253402300799, text));
    EXPECT_BYTES("Fri, 31 Dec 9999 23:59:59 GMT", text, sizeof text);
}

TEST(years_of_two_digits_are_at_most_50_years_ahead)
{
    const int64_t in_2026 = 1767225600 + 86400; /* 2 January 2026 */
    static const struct {
        const char *text;
        int64_t year_start;
    } cases[] = {
        {"Saturday, 01-Jan-00 00:00:00 GMT", 946684800},   /* 2000 */
        {"Wednesday, 01-Jan-76 00:00:00 GMT", 3345062400}, /* 2076: 50 years, not more */
        {"Saturday, 01-Jan-77 00:00:00 GMT", 220924800},   /* 1977 */
        {"Friday, 01-Jan-99 00:00:00 GMT", 915148800},     /* 1999 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t seconds = 0;
        EXPECT_RC(0, parse(cases[i].text, in_2026, &seconds));
        EXPECT_EQ(cases[i].year_start, seconds);
    }
}

TEST(leap_days_and_leap_seconds_are_dates)
{
    int64_t seconds = 0;
    EXPECT_RC(0, parse("Tue, 29 Feb 2000 00:00:00 GMT", 0, &seconds));
    EXPECT_EQ(951782400, seconds);
    EXPECT_RC(-EINVAL, parse("Mon, 29 Feb 2100 00:00:00 GMT", 0, &seconds));
    EXPECT_RC(-EINVAL, parse("Wed, 29 Feb 2023 00:00:00 GMT", 0, &seconds));
    EXPECT_RC(0, parse("Sat, 31 Dec 2016 23:59:60 GMT", 0, &seconds));
    EXPECT_EQ(1483228800, seconds);
}

TEST(everything_else_is_no_date)
{
    static const char *const texts[] = {
        "",
        " ",
        "0",
        "784111777",
        "now",
        "Sun",
        "Sunday",
        "Sunday,",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun,  6 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Mon, 06 Nov 1994 08:49:37 GMT",
        "Xyz, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Xyz 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Thu, 31 Nov 1994 08:49:37 GMT",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 08-49-37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun, +6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov -994 08:49:37 GMT",
        "Sun, 06 Nov 19a4 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 EST",
        "Sunday, 6-Nov-94 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Monday, 06-Nov-94 08:49:37 GMT",
        "Sunday 06-Nov-94 08:49:37 GMT",
        "Sunday, 06 Nov 94 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMTx",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov 06 08:49:37 1994",
        "Sun Nov  6 08:49:37 94",
        "Sun Nov  6 08:49:37 1994 ",
        "Mon Nov  6 08:49:37 1994",
        "Sun Nov  0 08:49:37 1994",
        "Sun, Nov  6 08:49:37 1994",
        "1994-11-06T08:49:37Z",
        "Sun Nov 31 08:49:37 1994",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int64_t seconds = 77;
        const int rc = parse(texts[i], 784111777, &seconds);
        if (rc != -EINVAL)
            fprintf(stderr, "'%s'\n", texts[i]);
        EXPECT_RC(-EINVAL, rc);
        EXPECT_EQ(77, seconds);
    }
}

TEST(no_part_of_a_date_is_a_date)
{
    static const char *const forms[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    };
    for (size_t i = 0; i < 3; i++) {
        int64_t seconds;
        for (size_t size = 0; size < strlen(forms[i]); size++)
            EXPECT_RC(-EINVAL, weir__http_date_parse((weir_str){forms[i], size}, 0, &seconds));
    }
}
