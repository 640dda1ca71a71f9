/*
 * date.c - dates as HTTP writes them
 *
 * Days are counted from the first of March of year 0, so that the leap day is the last of its year
 * and the lengths of the months follow one rule: 153 days in any five from March or August on.
 *
 * Runs on  any thread. Pure functions.
 */
#include "http/parse/date.h"

#include <string.h>

enum {
    DAY_SECONDS = 86400,
    ERA_DAYS = 146097,     /* of 400 years */
    DAYS_TO_1970 = 719468, /* from 0000-03-01 to 1970-01-01 */
    FEW_YEARS_AHEAD = 50,
};

struct date {
    int64_t year;
    unsigned month; /* 0 to 11 */
    unsigned day;   /* 1 to 31 */
};

static const char weekdays[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const long_weekdays[7] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                             "Thursday", "Friday", "Saturday"};
static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static bool is_leap_year(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static unsigned month_days(int64_t year, unsigned month)
{
    static const unsigned char days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month] + (month == 1 && is_leap_year(year));
}

/* Days since 1970-01-01; year 0 to 9999. */
static int64_t days_from_date(struct date date)
{
    const int64_t year = date.year - (date.month < 2); /* it starts in March */
    const int64_t month = (date.month + 10) % 12;
    const int64_t era = (year >= 0 ? year : year - 399) / 400;
    const int64_t year_of_era = year - era * 400;
    const int64_t day_of_year = (153 * month + 2) / 5 + date.day - 1;
    const int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * ERA_DAYS + day_of_era - DAYS_TO_1970;
}

static struct date date_from_days(int64_t days)
{
    days += DAYS_TO_1970;
    const int64_t era = (days >= 0 ? days : days - (ERA_DAYS - 1)) / ERA_DAYS;
    const int64_t day_of_era = days - era * ERA_DAYS;
    /* Take the leap days out; the last day of 4, 100 and 400 years would start a year too many. */
    const int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t month = (5 * day_of_year + 2) / 153; /* from March */
    struct date date = {
        .year = year_of_era + era * 400 + (month >= 10),
        .month = (unsigned)((month + 2) % 12),
        .day = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1),
    };
    return date;
}

static unsigned weekday_from_days(int64_t days)
{
    return (unsigned)(((days + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
}

/* --- writing --------------------------------------------------------------------------------- */

static void put_digits(char *text, unsigned count, uint64_t value)
{
    while (count-- > 0) {
        text[count] = (char)('0' + value % 10);
        value /= 10;
    }
}

int weir__http_date_format(int64_t seconds, char out_text[WEIR__HTTP_DATE_BYTES])
{
    int64_t days = seconds / DAY_SECONDS;
    int64_t rest = seconds % DAY_SECONDS;
    if (rest < 0) {
        rest += DAY_SECONDS;
        days--;
    }
    if (days < days_from_date((struct date){0, 0, 1}) ||
        days > days_from_date((struct date){9999, 11, 31}))
        return -ERANGE;
    const struct date date = date_from_days(days);
    memcpy(out_text, "www, dd mmm yyyy hh:mm:ss GMT", WEIR__HTTP_DATE_BYTES);
    memcpy(out_text, weekdays[weekday_from_days(days)], 3);
    put_digits(out_text + 5, 2, date.day);
    memcpy(out_text + 8, months[date.month], 3);
    put_digits(out_text + 12, 4, (uint64_t)date.year);
    put_digits(out_text + 17, 2, (uint64_t)rest / 3600);
    put_digits(out_text + 20, 2, (uint64_t)rest / 60 % 60);
    put_digits(out_text + 23, 2, (uint64_t)rest % 60);
    return 0;
}

/* --- reading --------------------------------------------------------------------------------- */

/* What is left of the text; `bad` sticks, so that a form is read in one go and checked once. */
struct reader {
    weir_str rest;
    bool bad;
};

static const char *take(struct reader *reader, size_t count)
{
    static const char nothing[16] = "";
    if (reader->bad || reader->rest.size < count) {
        reader->bad = true;
        return nothing;
    }
    const char *text = reader->rest.data;
    reader->rest.data += count;
    reader->rest.size -= count;
    return text;
}

static void take_text(struct reader *reader, const char *expected)
{
    const size_t size = strlen(expected);
    reader->bad |= memcmp(take(reader, size), expected, size) != 0;
}

static unsigned take_digits(struct reader *reader, unsigned count)
{
    const char *text = take(reader, count);
    unsigned value = 0;
    for (unsigned i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            reader->bad = true;
        value = 10 * value + (unsigned)(text[i] - '0');
    }
    return reader->bad ? 0 : value;
}

/* Index of one of `count` names of three letters. */
static unsigned take_name(struct reader *reader, const char (*names)[4], unsigned count)
{
    const char *text = take(reader, 3);
    for (unsigned i = 0; i < count; i++)
        if (memcmp(text, names[i], 3) == 0)
            return i;
    reader->bad = true;
    return 0;
}

static unsigned take_long_weekday(struct reader *reader)
{
    for (unsigned i = 0; i < 7; i++) {
        const size_t size = strlen(long_weekdays[i]);
        if (reader->rest.size > size && memcmp(reader->rest.data, long_weekdays[i], size) == 0 &&
            reader->rest.data[size] == ',') {
            take(reader, size);
            return i;
        }
    }
    reader->bad = true;
    return 0;
}

static int64_t take_time(struct reader *reader)
{
    const unsigned hour = take_digits(reader, 2);
    take_text(reader, ":");
    const unsigned minute = take_digits(reader, 2);
    take_text(reader, ":");
    const unsigned second = take_digits(reader, 2);
    reader->bad |= hour > 23 || minute > 59 || second > 60;
    return (int64_t)hour * 3600 + minute * 60 + second;
}

/* RFC 9110: a year that seems more than 50 years ahead is the last one that ended the same. */
static int64_t full_year(unsigned two_digits, int64_t now_seconds)
{
    const int64_t this_year = date_from_days(now_seconds / DAY_SECONDS).year;
    int64_t year = this_year - this_year % 100 + two_digits;
    if (year > this_year + FEW_YEARS_AHEAD)
        year -= 100;
    return year;
}

int weir__http_date_parse(weir_str text, int64_t now_seconds, int64_t *out_seconds)
{
    struct reader reader = {.rest = text};
    struct date date = {0, 0, 0};
    unsigned weekday;
    int64_t time;
    if (text.size == WEIR__HTTP_DATE_BYTES && text.data[3] == ',') {
        weekday = take_name(&reader, weekdays, 7);
        take_text(&reader, ", ");
        date.day = take_digits(&reader, 2);
        take_text(&reader, " ");
        date.month = take_name(&reader, months, 12);
        take_text(&reader, " ");
        date.year = take_digits(&reader, 4);
        take_text(&reader, " ");
        time = take_time(&reader);
        take_text(&reader, " GMT");
    } else if (text.size == 24) {
        weekday = take_name(&reader, weekdays, 7);
        take_text(&reader, " ");
        date.month = take_name(&reader, months, 12);
        take_text(&reader, " ");
        if (reader.rest.size > 0 && reader.rest.data[0] == ' ') {
            take(&reader, 1);
            date.day = take_digits(&reader, 1);
        } else {
            date.day = take_digits(&reader, 2);
            reader.bad |= date.day < 10; /* those are written with a blank */
        }
        take_text(&reader, " ");
        time = take_time(&reader);
        take_text(&reader, " ");
        date.year = take_digits(&reader, 4);
    } else {
        weekday = take_long_weekday(&reader);
        take_text(&reader, ", ");
        date.day = take_digits(&reader, 2);
        take_text(&reader, "-");
        date.month = take_name(&reader, months, 12);
        take_text(&reader, "-");
        date.year = full_year(take_digits(&reader, 2), now_seconds);
        take_text(&reader, " ");
        time = take_time(&reader);
        take_text(&reader, " GMT");
    }
    if (reader.bad || reader.rest.size != 0 || date.day < 1 ||
        date.day > month_days(date.year, date.month))
        return -EINVAL;
    const int64_t days = days_from_date(date);
    if (weekday != weekday_from_days(days))
        return -EINVAL;
    *out_seconds = days * DAY_SECONDS + time;
    return 0;
}
