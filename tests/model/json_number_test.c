/*
 * json_number_test.c - decimal text and doubles: to the last bit, both ways
 *
 * The C library's strtod is exact and serves as the other opinion.
 */
#include "model/json.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"
#include "tests/support/test.h"

static int read_double(const char *text, size_t size, double *out_value)
{
    struct weir__json json;
    struct weir__json_number number;
    weir__json_init(&json, weir__str_of(text, size));
    if (weir__json_peek(&json) != WEIR__JSON_NUMBER || weir__json_read_number(&json, &number) < 0 ||
        number.size != size)
        return -EBADMSG;
    return weir__json_to_double(&number, out_value);
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Without the mathematical library: the doubles above zero are in the order of their bits. */
static double from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static bool expect_as_strtod(const char *text)
{
    double expected = strtod(text, NULL);
    double value = 0;
    int rc = read_double(text, strlen(text), &value);
    bool good = isinf(expected) ? rc == -ERANGE : rc == 0 && bits_of(value) == bits_of(expected);
    if (!good)
        printf("%s: rc %d, %.17g, strtod %.17g\n", text, rc, value, expected);
    EXPECT(good);
    return good;
}

TEST(numbers_that_are_hard_to_round_are_rounded_right)
{
    static const char *const texts[] = {
        "0",
        "-0",
        "0.0",
        "-0.0",
        "0e400",
        "1",
        "-1",
        "0.1",
        "0.2",
        "0.3",
        "1e22",
        "1e23",
        "1e-22",
        "1e-23",
        "123456789012345678",
        "9007199254740991",
        "9007199254740992",
        "9007199254740993",
        "9007199254740994",
        "9007199254740995",
        "9007199254740993.0000000000000000000000000000001",
        "9007199254740992.9999999999999999999999999999999",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.797693134862315807e308",
        "1.797693134862315808e308",
        "1.7976931348623159e308",
        "1e308",
        "1e309",
        "-1e309",
        "1e400",
        "1e99999999999",
        "2.2250738585072014e-308",
        "2.2250738585072011e-308",
        "2.2250738585072012e-308",
        "2.225073858507201136e-308",
        "4.9406564584124654e-324",
        "4.9e-324",
        "5e-324",
        "2.5e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "2.47e-324",
        "1e-324",
        "1e-400",
        "1e-99999999999",
        "6.631236846766476e-316",
        "3.2378839133029012895883524125015321748630e-319",
        "8.41e21",
        "9.5e-27",
        "1.5e-28",
        "18446744073709551615",
        "18446744073709551616",
        "18446744073709551615e27",
        "18446744073709551615e-27",
        "18446744073709551615e28",
        "7205759403792793200001e-5",
        "1090544144181609348835077142190",
        "0.000001",
        "1e-7",
        "10000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "0",
        "0.00000000000000000000000000000000000000000000000000000000000000000000000000000000000001",
        "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017"
        "977"
        "587207096330286416692887910946555547851940402630657488671505820681908902000708383676273854"
        "845"
        "817711531764475730270069855571366959622842914819860834936475292719074168444365510704342711"
        "559"
        "699508093042880177904174497791",
        "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017"
        "977"
        "587207096330286416692887910946555547851940402630657488671505820681908902000708383676273854"
        "845"
        "817711531764475730270069855571366959622842914819860834936475292719074168444365510704342711"
        "559"
        "699508093042880177904174497792",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        expect_as_strtod(texts[i]);
}

TEST(the_digit_that_decides_may_stand_far_behind)
{
    /* 1 + 2^-53 lies halfway between two doubles; its decimal has 53 places. */
    static const char half[] = "1.00000000000000011102230246251565404236316680908203125";
    char text[3000];
    double value;
    for (size_t zeros = 0; zeros < 1500; zeros += 37) {
        int size = snprintf(text, sizeof text, "%s%0*d", half, (int)zeros + 1, 0);
        EXPECT_RC(0, read_double(text, (size_t)size, &value));
        EXPECT(value == 1.0);
        text[size - 1] = '1';
        EXPECT_RC(0, read_double(text, (size_t)size, &value));
        EXPECT(value == 1.0 + DBL_EPSILON);
        expect_as_strtod(text);
    }
}

static double random_double(uint64_t *seed)
{
    for (;;) {
        double value = from_bits(weir__base_random_next(seed));
        if (isfinite(value))
            return value;
    }
}

TEST(random_texts_are_read_as_the_c_library_reads_them)
{
    uint64_t seed = 1;
    char text[1200];
    for (int i = 0; i < 30000; i++) {
        double value = random_double(&seed);
        int precision = (int)(weir__base_random_next(&seed) % 25) + 1;
        snprintf(text, sizeof text, "%.*e", precision, value);
        if (!expect_as_strtod(text))
            return;
        uint64_t mantissa = weir__base_random_next(&seed) >> weir__base_random_next(&seed) % 64;
        int exponent = (int)(weir__base_random_next(&seed) % 80) - 40;
        snprintf(text, sizeof text, "%llue%d", (unsigned long long)mantissa, exponent);
        if (!expect_as_strtod(text))
            return;
    }
}

TEST(texts_halfway_between_two_doubles_go_to_the_even_one)
{
    uint64_t seed = 2;
    char text[1200];
    for (int i = 0; i < 3000; i++) {
        double value = __builtin_fabs(random_double(&seed));
        double next = from_bits(bits_of(value) + 1);
        if (!isfinite(next))
            continue;
        /* the C library prints every digit of a long double that is asked for, and here it is exact
         * but for subnormal ones; those end in a different double, which is as good a test */
        long double half = ((long double)value + (long double)next) / 2;
        snprintf(text, sizeof text, "%.800Le", half);
        if (!expect_as_strtod(text))
            return;
    }
}

TEST(every_power_of_ten_and_of_two_is_read_right)
{
    char text[64];
    for (int exponent = -345; exponent <= 312; exponent++) {
        snprintf(text, sizeof text, "1e%d", exponent);
        expect_as_strtod(text);
        snprintf(text, sizeof text, "9.999999999999999999999e%d", exponent);
        expect_as_strtod(text);
    }
    for (int shift = 0; shift < 52 + 2046; shift++) { /* subnormal ones first */
        uint64_t bits = shift < 52 ? UINT64_C(1) << shift : (uint64_t)(shift - 51) << 52;
        snprintf(text, sizeof text, "%.17g", from_bits(bits));
        expect_as_strtod(text);
        snprintf(text, sizeof text, "%.40g", from_bits(bits - 1));
        expect_as_strtod(text);
    }
}

/* --- to text ---------------------------------------------------------------------------------- */

static void expect_text(const char *expected, double value)
{
    char text[WEIR__JSON_DOUBLE_MAX + 1];
    size_t size = weir__json_format_double(value, text);
    text[size] = '\0';
    EXPECT_STR(expected, text);
}

static void expect_float_text(const char *expected, float value)
{
    char text[WEIR__JSON_DOUBLE_MAX + 1];
    size_t size = weir__json_format_float(value, text);
    text[size] = '\0';
    EXPECT_STR(expected, text);
}

TEST(a_double_is_written_with_the_fewest_digits)
{
    expect_text("0", 0.0);
    expect_text("-0", -0.0);
    expect_text("1", 1.0);
    expect_text("-1", -1.0);
    expect_text("0.1", 0.1);
    expect_text("0.30000000000000004", 0.1 + 0.2);
    expect_text("19.99", 19.99);
    expect_text("-273.15", -273.15);
    expect_text("0.005", 0.005);
    expect_text("0.000001", 1e-6);
    expect_text("1e-07", 1e-7);
    expect_text("123456.789", 123456.789);
    expect_text("9007199254740991", 9007199254740991.0);
    expect_text("9007199254740992", 9007199254740992.0);
    expect_text("1e+23", 1e23);
    expect_text("1.7976931348623157e+308", DBL_MAX);
    expect_text("2.2250738585072014e-308", DBL_MIN);
    expect_text("5e-324", 4.9406564584124654e-324);
    expect_text("3.141592653589793", 3.141592653589793);
    expect_text("1e-300", 1e-300);
    expect_float_text("0.1", 0.1f);
    expect_float_text("3.4028235e+38", FLT_MAX);
    expect_float_text("16777216", 16777216.0f);
    expect_float_text("1e-45", 1e-45f);
    expect_float_text("0.33333334", 1.0f / 3);
}

TEST(what_is_written_is_read_back_bit_by_bit)
{
    uint64_t seed = 3;
    char text[WEIR__JSON_DOUBLE_MAX];
    for (int i = 0; i < 20000; i++) {
        double value = random_double(&seed);
        if (i % 3 == 0)
            value = (double)(int64_t)(weir__base_random_next(&seed) % 100000000) / 10000;
        double back = 0;
        size_t size = weir__json_format_double(value, text);
        EXPECT(size <= sizeof text);
        EXPECT_RC(0, read_double(text, size, &back));
        if (bits_of(value) != bits_of(back)) {
            printf("%.17g -> %.*s -> %.17g\n", value, (int)size, text, back);
            EXPECT(false);
            return;
        }
    }
    for (int i = 0; i < 20000; i++) {
        uint32_t bits = (uint32_t)weir__base_random_next(&seed);
        float value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        double back = 0;
        size_t size = weir__json_format_float(value, text);
        EXPECT_RC(0, read_double(text, size, &back));
        EXPECT((float)back == value);
    }
}

TEST(prices_are_written_as_people_write_them)
{
    char expected[64], text[WEIR__JSON_DOUBLE_MAX + 1];
    for (int cents = 0; cents < 100000; cents += 7) {
        int size = snprintf(expected, sizeof expected, "%d.%02d", cents / 100, cents % 100);
        double value = strtod(expected, NULL);
        while (expected[size - 1] == '0')
            size--;
        size -= expected[size - 1] == '.';
        expected[size] = '\0';
        text[weir__json_format_double(value, text)] = '\0';
        if (strcmp(expected, text) != 0)
            EXPECT_STR(expected, text);
    }
}

TEST(the_locale_changes_nothing)
{
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL && setlocale(LC_NUMERIC, "de_DE") == NULL &&
        setlocale(LC_NUMERIC, "fr_FR.UTF-8") == NULL) {
        test_skip("no locale with a decimal comma is installed");
        return;
    }
    expect_text("2.2250738585072014e-308", DBL_MIN);
    expect_text("0.1", 0.1);
    double value = 0;
    EXPECT_RC(0, read_double("1.5e-300", 8, &value));
    EXPECT(value == 1.5e-300);
}
