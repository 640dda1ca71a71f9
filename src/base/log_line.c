/*
 * log_line.c - the form of a log line
 *
 *     2026-01-31T14:02:11.123Z INFO listening address=127.0.0.1 note="two words"
 *     {"time":"2026-01-31T14:02:11.123Z","level":"info","msg":"listening","address":"127.0.0.1"}
 *
 * Runs on  any thread, also on the stack of a task: no printf, no heap, no recursion.
 * Holds    Whatever the message and the values contain, the line is one line and valid UTF-8, and
 *          in JSON form one object.
 */
#include "base/log_line.h"

#include <math.h>
#include <string.h>

#include "base/str.h"

void weir__log_line_put(struct weir__log_line *line, const char *data, size_t size)
{
    if (line->cut || size > line->limit - line->at) {
        line->cut = true;
        return;
    }
    size_t offset = (size_t)line->at & (line->ring_bytes - 1);
    size_t to_end = line->ring_bytes - offset;
    size_t first = size < to_end ? size : to_end;
    memcpy(line->ring + offset, data, first);
    memcpy(line->ring, data + first, size - first);
    line->at += size;
}

static void put_str(struct weir__log_line *line, weir_str text)
{
    weir__log_line_put(line, text.data, text.size);
}

static void put_escaped(struct weir__log_line *line, const char *text, size_t size,
                        enum weir__str_escape how)
{
    while (size > 0 && !line->cut) {
        char scratch[WEIR__STR_ESCAPE_MAX];
        weir_str piece;
        size_t taken = weir__str_escape_next(text, size, how, scratch, &piece);
        put_str(line, piece);
        text += taken;
        size -= taken;
    }
}

static void put_uint(struct weir__log_line *line, uint64_t value)
{
    char digits[20];
    weir__log_line_put(line, digits, weir__str_format_uint(digits, value));
}

static void put_int(struct weir__log_line *line, int64_t value)
{
    if (value < 0)
        put_str(line, WEIR_STR("-"));
    put_uint(line, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* --- time ------------------------------------------------------------------------------------ */

static void write_digits(char *out_text, int64_t value, int width)
{
    while (width-- > 0) {
        out_text[width] = (char)('0' + value % 10);
        value /= 10;
    }
}

static int64_t divide_down(int64_t value, int64_t by)
{
    return value / by - (value % by < 0);
}

/*
 * UTC with milliseconds. The calendar repeats every 400 years of 146097 days; counted from the 1st
 * of March, the leap day is the last day of its year and months of 31 and 30 days alternate in
 * fives.
 */
static void put_time(struct weir__log_line *line, int64_t wall_ns)
{
    int64_t ms = divide_down(wall_ns, WEIR_MS);
    int64_t day = divide_down(ms, 86400000);
    int64_t ms_of_day = ms - day * 86400000;

    int64_t day_since_0 = day + 719468; /* 1970-01-01, counted from 0000-03-01 */
    int64_t era = divide_down(day_since_0, 146097);
    int64_t day_of_era = day_since_0 - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int64_t day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    int64_t year = era * 400 + year_of_era + (month <= 2);

    char text[] = "0000-00-00T00:00:00.000Z";
    write_digits(text, year, 4); /* an int64_t of nanoseconds ends in 2262 */
    write_digits(text + 5, month, 2);
    write_digits(text + 8, day_of_month, 2);
    write_digits(text + 11, ms_of_day / 3600000, 2);
    write_digits(text + 14, ms_of_day / 60000 % 60, 2);
    write_digits(text + 17, ms_of_day / 1000 % 60, 2);
    write_digits(text + 20, ms_of_day % 1000, 3);
    weir__log_line_put(line, text, sizeof text - 1);
}

/* --- values ---------------------------------------------------------------------------------- */

enum { DOUBLE_DIGITS = 15 }; /* what every double keeps; for people, not to read it back */

/*
 * `value` (finite, above 0) as 15 decimal digits and the power of ten of the first one. The scaling
 * is done in long double: its rounding lies three digits behind the last one shown.
 */
static uint64_t split_double(double value, int *out_exponent)
{
    static const long double powers[] = {1e1L,  1e2L,  1e4L,   1e8L,  1e16L,
                                         1e32L, 1e64L, 1e128L, 1e256L};
    long double scaled = value;
    int exponent = 0;
    for (int i = 8; i >= 0; i--) {
        if (scaled >= powers[i]) {
            scaled /= powers[i];
            exponent += 1 << i;
        }
    }
    for (int i = 8; i >= 0; i--) {
        if (scaled * powers[i] < 10.0L) {
            scaled *= powers[i];
            exponent -= 1 << i;
        }
    }
    uint64_t digits = (uint64_t)(scaled * 1e14L + 0.5L);
    if (digits >= UINT64_C(1000000000000000)) { /* 9.99… rounded up to 10 */
        digits /= 10;
        exponent++;
    }
    *out_exponent = exponent;
    return digits;
}

static void put_double(struct weir__log_line *line, double value)
{
    if (signbit(value) && value != 0)
        put_str(line, WEIR_STR("-"));
    value = fabs(value);
    if (value < 1e15 && value == (double)(uint64_t)value) {
        put_uint(line, (uint64_t)value);
        return;
    }

    int exponent;
    char digits[20];
    size_t count = weir__str_format_uint(digits, split_double(value, &exponent));
    while (count > 1 && digits[count - 1] == '0')
        count--;

    if (exponent < -5 || exponent >= DOUBLE_DIGITS) { /* d.ddde-7 */
        weir__log_line_put(line, digits, 1);
        if (count > 1)
            put_str(line, WEIR_STR("."));
        weir__log_line_put(line, digits + 1, count - 1);
        put_str(line, WEIR_STR("e"));
        put_int(line, exponent);
    } else if (exponent < 0) { /* 0.00ddd */
        weir__log_line_put(line, "0.0000", (size_t)(1 - exponent));
        weir__log_line_put(line, digits, count);
    } else { /* ddd.ddd: never whole, that was written above */
        size_t whole = (size_t)exponent + 1;
        weir__log_line_put(line, digits, whole < count ? whole : count);
        for (size_t i = count; i < whole; i++)
            put_str(line, WEIR_STR("0"));
        if (whole < count) {
            put_str(line, WEIR_STR("."));
            weir__log_line_put(line, digits + whole, count - whole);
        }
    }
}

/* Whether a text can stand in a line for people without quotes. */
static bool is_plain_word(const char *text, size_t size)
{
    if (size == 0)
        return false;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return true;
}

static void put_text(struct weir__log_line *line, weir_log_format format, const char *text)
{
    size_t size = strlen(text);
    if (format == WEIR_LOG_TEXT && is_plain_word(text, size)) {
        weir__log_line_put(line, text, size);
        return;
    }
    put_str(line, WEIR_STR("\""));
    put_escaped(line, text, size,
                format == WEIR_LOG_JSON ? WEIR__STR_ESCAPE_JSON : WEIR__STR_ESCAPE_QUOTED);
    put_str(line, WEIR_STR("\""));
}

static void put_value(struct weir__log_line *line, weir_log_format format,
                      const weir_log_value *value)
{
    switch (value->kind) {
    case WEIR_LOG_KIND_INT:
        put_int(line, value->as.i);
        return;
    case WEIR_LOG_KIND_UINT:
        put_uint(line, value->as.u);
        return;
    case WEIR_LOG_KIND_BOOL:
        put_str(line, value->as.b ? WEIR_STR("true") : WEIR_STR("false"));
        return;
    case WEIR_LOG_KIND_DOUBLE:
        if (isfinite(value->as.d))
            put_double(line, value->as.d);
        else if (format == WEIR_LOG_JSON) /* RFC 8259 has no number for them */
            put_str(line, WEIR_STR("null"));
        else if (isnan(value->as.d))
            put_str(line, WEIR_STR("nan"));
        else
            put_str(line, value->as.d < 0 ? WEIR_STR("-inf") : WEIR_STR("inf"));
        return;
    case WEIR_LOG_KIND_TEXT:
        if (value->as.s != NULL) {
            put_text(line, format, value->as.s);
            return;
        }
        break;
    }
    put_str(line, WEIR_STR("null"));
}

/* --- lines ----------------------------------------------------------------------------------- */

static weir_str level_name(weir_log_format format, weir_log_level level)
{
    static const weir_str upper[] = {{"DEBUG", 5}, {"INFO", 4}, {"WARN", 4}, {"ERROR", 5}};
    static const weir_str lower[] = {{"debug", 5}, {"info", 4}, {"warn", 4}, {"error", 5}};
    unsigned index = (unsigned)level <= WEIR_LOG_ERROR ? (unsigned)level : WEIR_LOG_ERROR;
    return format == WEIR_LOG_JSON ? lower[index] : upper[index];
}

static void format_text(struct weir__log_line *line, weir_log_level level, int64_t wall_ns,
                        const char *message, const weir_log_value *values)
{
    put_time(line, wall_ns);
    put_str(line, WEIR_STR(" "));
    put_str(line, level_name(WEIR_LOG_TEXT, level));
    put_str(line, WEIR_STR(" "));
    put_escaped(line, message, strlen(message), WEIR__STR_ESCAPE_PLAIN);
    for (; values != NULL && values->key != NULL; values++) {
        put_str(line, WEIR_STR(" "));
        put_text(line, WEIR_LOG_TEXT, values->key);
        put_str(line, WEIR_STR("="));
        put_value(line, WEIR_LOG_TEXT, values);
    }
    put_str(line, WEIR_STR("\n"));
}

static void format_json(struct weir__log_line *line, weir_log_level level, int64_t wall_ns,
                        const char *message, const weir_log_value *values)
{
    put_str(line, WEIR_STR("{\"time\":\""));
    put_time(line, wall_ns);
    put_str(line, WEIR_STR("\",\"level\":\""));
    put_str(line, level_name(WEIR_LOG_JSON, level));
    put_str(line, WEIR_STR("\",\"msg\":"));
    put_text(line, WEIR_LOG_JSON, message);
    for (; values != NULL && values->key != NULL; values++) {
        put_str(line, WEIR_STR(","));
        put_text(line, WEIR_LOG_JSON, values->key);
        put_str(line, WEIR_STR(":"));
        put_value(line, WEIR_LOG_JSON, values);
    }
    put_str(line, WEIR_STR("}\n"));
}

void weir__log_line_format(struct weir__log_line *line, weir_log_format format,
                           weir_log_level level, int64_t wall_ns, const char *message,
                           const weir_log_value *values)
{
    if (message == NULL)
        message = "";
    if (format == WEIR_LOG_JSON)
        format_json(line, level, wall_ns, message, values);
    else
        format_text(line, level, wall_ns, message, values);
}
