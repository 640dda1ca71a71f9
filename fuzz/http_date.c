/*
 * http_date.c - fuzz target: any bytes as a date, any number as seconds
 *
 * Properties, besides "no crash and nothing read beyond the end": a date that is read is written as
 * one that means the same, and a number that is written is read back.
 */
#include "fuzz/fuzz.h"

#include "http/parse/date.h"

static void check_there_and_back(int64_t seconds)
{
    char text[WEIR__HTTP_DATE_BYTES];
    int64_t back;
    if (weir__http_date_format(seconds, text) < 0) {
        HOLDS(seconds < -62167219200 || seconds > 253402300799);
        return;
    }
    HOLDS(weir__http_date_parse((weir_str){text, sizeof text}, 0, &back) == 0);
    HOLDS(back == seconds);
}

static void check(const char *data, size_t size)
{
    int64_t now = 784111777, seconds;
    if (size >= sizeof now)
        memcpy(&now, data + size - sizeof now, sizeof now);
    check_there_and_back(now);
    check_there_and_back(now % 300000000000);
    if (weir__http_date_parse((weir_str){data, size}, now, &seconds) == 0)
        check_there_and_back(seconds);
}
