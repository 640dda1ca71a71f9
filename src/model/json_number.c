/*
 * json_number.c - decimal text to double and back, exactly
 *
 * The C library's functions for this look at the locale, where the point may be a comma. Three ways
 * lead from text to the nearest double, the first that fits is taken: one floating point operation
 * when all parts are exact; one of 128 bits when the power of ten is small; and the quotient or
 * product of large integers for everything else. All three round once, ties to even.
 *
 * Runs on  any thread. Pure functions over the bytes given.
 * Holds    Nothing here depends on the locale; only the first way depends on the rounding mode.
 */
#include "model/json.h"

#include <float.h>
#include <stdio.h>

#include "base/str.h"

__extension__ typedef unsigned __int128 uint128;

enum { POW5_MAX = 27 }; /* 5^27 is the last that fits 64 bits */
static const uint64_t pow5[POW5_MAX + 1] = {
    UINT64_C(1),
    UINT64_C(5),
    UINT64_C(25),
    UINT64_C(125),
    UINT64_C(625),
    UINT64_C(3125),
    UINT64_C(15625),
    UINT64_C(78125),
    UINT64_C(390625),
    UINT64_C(1953125),
    UINT64_C(9765625),
    UINT64_C(48828125),
    UINT64_C(244140625),
    UINT64_C(1220703125),
    UINT64_C(6103515625),
    UINT64_C(30517578125),
    UINT64_C(152587890625),
    UINT64_C(762939453125),
    UINT64_C(3814697265625),
    UINT64_C(19073486328125),
    UINT64_C(95367431640625),
    UINT64_C(476837158203125),
    UINT64_C(2384185791015625),
    UINT64_C(11920928955078125),
    UINT64_C(59604644775390625),
    UINT64_C(298023223876953125),
    UINT64_C(1490116119384765625),
    UINT64_C(7450580596923828125),
};

enum { TENS_MAX = 22 }; /* 10^22 is the last that a double holds exactly */
static const double tens[TENS_MAX + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

#define EXACT_MAX (UINT64_C(1) << DBL_MANT_DIG) /* every integer up to here is a double */

/* --- the last step of every exact way --------------------------------------------------------- */

/* The double nearest to mantissa * 2^exponent, where `more` says that a little is missing from the
 * mantissa. Only integers are used: the sum of both halves is a bit pattern, and a carry out of the
 * mantissa is the right exponent by itself. */
static int assemble(uint64_t mantissa, int64_t exponent, bool more, double *out_value)
{
    int zeros = __builtin_clzll(mantissa);
    mantissa <<= zeros;
    exponent = exponent - zeros + 63; /* of the highest bit */
    if (exponent > DBL_MAX_EXP - 1)
        return -ERANGE;

    uint64_t bits = 0;
    int64_t drop = 64 - DBL_MANT_DIG;
    if (exponent >= DBL_MIN_EXP - 1)
        bits = (uint64_t)(exponent - DBL_MIN_EXP + 1) << (DBL_MANT_DIG - 1);
    else
        drop += DBL_MIN_EXP - 1 - exponent; /* subnormal: fewer bits are left */
    if (drop <= 64) {
        uint64_t kept = drop == 64 ? 0 : mantissa >> drop;
        uint64_t rest = drop == 64 ? mantissa : mantissa & ((UINT64_C(1) << drop) - 1);
        uint64_t half = UINT64_C(1) << (drop - 1);
        bits += kept + (rest > half || (rest == half && (more || (kept & 1) != 0)));
    }
    if (bits >= UINT64_C(0x7ff) << (DBL_MANT_DIG - 1))
        return -ERANGE;
    memcpy(out_value, &bits, sizeof *out_value);
    return 0;
}

/* --- 128 bits: |exponent| <= POW5_MAX --------------------------------------------------------- */

static int scale_128(uint64_t mantissa, int exponent, double *out_value)
{
    int zeros = __builtin_clzll(mantissa);
    mantissa <<= zeros;
    if (exponent >= 0) {
        uint128 product = (uint128)mantissa * pow5[exponent];
        int shift = 0;
        while (product >> (64 + shift) != 0)
            shift++;
        uint64_t high = (uint64_t)(product >> shift);
        bool more = shift > 0 && (product & (((uint128)1 << shift) - 1)) != 0;
        return assemble(high, exponent - zeros + shift, more, out_value);
    }
    int divisor_zeros = __builtin_clzll(pow5[-exponent]);
    uint64_t divisor = pow5[-exponent] << divisor_zeros;
    uint128 dividend = (uint128)mantissa
                       << 63; /* both begin with a 1: the quotient has 63 or 64 bits */
    uint64_t quotient = (uint64_t)(dividend / divisor);
    bool more = dividend % divisor != 0;
    return assemble(quotient, (int64_t)divisor_zeros - zeros + exponent - 63, more, out_value);
}

/* --- large integers --------------------------------------------------------------------------- */

/* A double lies halfway between two decimals of 767 digits at most: what is behind the first 800
 * can only tell "exactly half" from "more than half", and is replaced by one digit. */
enum {
    DIGITS_MAX = 800,
    ORDER_MAX = 310,  /* from 10^310 on, everything is infinite */
    ORDER_MIN = -330, /* below 10^-330, everything is zero */
    BIG_LIMBS = 96,   /* 801 digits, or 5^1131, and 64 bits to divide: 2760 bits */
};

struct big {
    size_t count; /* limbs in use, the highest is not 0 */
    uint32_t limb[BIG_LIMBS];
};

static void big_multiply_add(struct big *big, uint32_t factor, uint32_t addend)
{
    uint64_t carry = addend;
    for (size_t i = 0; i < big->count; i++) {
        carry += (uint64_t)big->limb[i] * factor;
        big->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0)
        big->limb[big->count++] = (uint32_t)carry;
}

static void big_multiply_pow5(struct big *big, int64_t power)
{
    enum { STEP = 13 }; /* 5^13 is the last that fits 32 bits */
    for (; power >= STEP; power -= STEP)
        big_multiply_add(big, (uint32_t)pow5[STEP], 0);
    big_multiply_add(big, (uint32_t)pow5[power], 0);
}

static size_t big_bits(const struct big *big)
{
    return big->count * 32 - (size_t)__builtin_clz(big->limb[big->count - 1]);
}

static void big_shift_left(struct big *big, size_t bits)
{
    size_t limbs = bits / 32, rest = bits % 32;
    size_t count = big->count + limbs + 1;
    uint32_t *limb = big->limb;
    limb[big->count] = 0;
    for (size_t i = big->count + 1; i-- > 0;) {
        uint64_t pair = (uint64_t)limb[i] << 32 | (i > 0 ? limb[i - 1] : 0);
        limb[i + limbs] = (uint32_t)(pair << rest >> 32);
    }
    memset(limb, 0, limbs * sizeof *limb);
    big->count = limb[count - 1] == 0 ? count - 1 : count;
}

/* One digit of the quotient: dividend[0..n] / divisor[0..n-1], which is below 2^32; the remainder
 * takes the dividend's place. Knuth, The Art of Computer Programming 2, 4.3.1, algorithm D. */
static uint32_t divide_step(uint32_t *dividend, const uint32_t *divisor, size_t n)
{
    uint64_t top = (uint64_t)dividend[n] << 32 | dividend[n - 1];
    uint64_t guess = top / divisor[n - 1];
    uint64_t rest = top % divisor[n - 1];
    while (guess >> 32 != 0 || guess * divisor[n - 2] > (rest << 32 | dividend[n - 2])) {
        guess--;
        rest += divisor[n - 1];
        if (rest >> 32 != 0)
            break;
    }

    uint64_t carry = 0;
    uint32_t borrow = 0;
    for (size_t i = 0; i <= n; i++) {
        carry += i < n ? guess * divisor[i] : 0;
        uint64_t difference = (uint64_t)dividend[i] - (uint32_t)carry - borrow;
        dividend[i] = (uint32_t)difference;
        borrow = (uint32_t)(difference >> 32) & 1;
        carry >>= 32;
    }
    if (borrow != 0) { /* the guess was one too large */
        guess--;
        carry = 0;
        for (size_t i = 0; i <= n; i++) {
            carry += (uint64_t)dividend[i] + (i < n ? divisor[i] : 0);
            dividend[i] = (uint32_t)carry;
            carry >>= 32;
        }
    }
    return (uint32_t)guess;
}

/* dividend / divisor as 64 bits of quotient and a power of two. */
static int big_divide(struct big *dividend, struct big *divisor, int64_t exponent,
                      double *out_value)
{
    /* The divisor is moved to fill its highest limb, the dividend to be 63 bits longer. */
    size_t dividend_bits = big_bits(dividend), divisor_bits = big_bits(divisor);
    size_t n = (divisor_bits + 31) / 32;
    if (dividend_bits > 63 && n < (dividend_bits - 63 + 31) / 32)
        n = (dividend_bits - 63 + 31) / 32;
    if (n < 2)
        n = 2;
    size_t divisor_shift = n * 32 - divisor_bits;
    size_t dividend_shift = n * 32 + 63 - dividend_bits;
    big_shift_left(divisor, divisor_shift);
    big_shift_left(dividend, dividend_shift);

    uint64_t quotient = divide_step(dividend->limb + 1, divisor->limb, n);
    quotient = quotient << 32 | divide_step(dividend->limb, divisor->limb, n);
    bool more = false;
    for (size_t i = 0; i < n; i++)
        more |= dividend->limb[i] != 0;
    exponent += (int64_t)divisor_shift - (int64_t)dividend_shift;
    return assemble(quotient, exponent, more, out_value);
}

/* The highest 64 bits and a power of two. */
static int big_assemble(struct big *big, int64_t exponent, double *out_value)
{
    size_t bits = big_bits(big);
    if (bits < 64)
        big_shift_left(big, 64 - bits);
    else if (bits % 32 != 0)
        big_shift_left(big, 32 - bits % 32);
    exponent -= bits < 64 ? 64 - (int64_t)bits : bits % 32 != 0 ? 32 - (int64_t)(bits % 32) : 0;
    size_t low = big->count - 2;
    uint64_t mantissa = (uint64_t)big->limb[low + 1] << 32 | big->limb[low];
    bool more = false;
    for (size_t i = 0; i < low; i++)
        more |= big->limb[i] != 0;
    return assemble(mantissa, exponent + (int64_t)low * 32, more, out_value);
}

/* The digits of the text as a large integer, times 10^out_exponent. Returns how many digits. */
static int64_t read_big(const struct weir__json_number *number, struct big *out_big,
                        int64_t *out_exponent)
{
    out_big->count = 0;
    int64_t count = 0, dropped = 0;
    bool more = false;
    for (size_t i = number->negative; i < number->size; i++) {
        char c = number->data[i];
        if (c == 'e' || c == 'E')
            break;
        if (c == '.' || (c == '0' && count == 0))
            continue;
        if (count < DIGITS_MAX) {
            big_multiply_add(out_big, 10, (uint32_t)(c - '0'));
            count++;
        } else {
            dropped++;
            more |= c != '0';
        }
    }
    if (more) {
        big_multiply_add(out_big, 10, 1);
        count++;
        dropped--;
    }
    *out_exponent = number->exponent + dropped;
    return count;
}

static int scale_big(const struct weir__json_number *number, double *out_value)
{
    struct big big;
    int64_t exponent;
    int64_t count = read_big(number, &big, &exponent);
    if (count == 0 || count + exponent < ORDER_MIN) {
        *out_value = 0;
        return 0;
    }
    if (count + exponent > ORDER_MAX)
        return -ERANGE;
    if (exponent >= 0) {
        big_multiply_pow5(&big, exponent);
        return big_assemble(&big, exponent, out_value);
    }
    struct big divisor = {.count = 1};
    divisor.limb[0] = 1;
    big_multiply_pow5(&divisor, -exponent);
    return big_divide(&big, &divisor, exponent, out_value);
}

int weir__json_to_double(const struct weir__json_number *number, double *out_value)
{
    double value;
    int rc = 0;
    uint64_t mantissa = number->mantissa;
    int64_t exponent = number->exponent;
    if (!number->exact)
        rc = scale_big(number, &value);
    else if (mantissa == 0)
        value = 0;
    else if (mantissa <= EXACT_MAX && exponent >= 0 && exponent <= TENS_MAX)
        value = (double)mantissa * tens[exponent];
    else if (mantissa <= EXACT_MAX && exponent < 0 && exponent >= -TENS_MAX)
        value = (double)mantissa / tens[-exponent];
    else if (exponent >= -POW5_MAX && exponent <= POW5_MAX)
        rc = scale_128(mantissa, (int)exponent, &value);
    else
        rc = scale_big(number, &value);
    if (rc < 0)
        return rc;
    *out_value = number->negative ? -value : value;
    return 0;
}

/* --- double to text --------------------------------------------------------------------------- */

static bool reads_back(double read, double value, bool narrow)
{
    return narrow ? (float)read == (float)value : read == value;
}

/* Integers, and decimals with few digits such as prices: by integer arithmetic. 0: not one. */
static size_t format_short(double value, bool narrow, char *out_text)
{
    char digits[20];
    for (size_t places = 0; places <= TENS_MAX; places++) {
        double scaled = value * tens[places];
        if (scaled >= (double)EXACT_MAX)
            return 0;
        uint64_t number = (uint64_t)(scaled + 0.5);
        if (!reads_back((double)number / tens[places], value, narrow))
            continue;
        size_t size = weir__str_format_uint(digits, number);
        if (places == 0) {
            memcpy(out_text, digits, size);
            return size;
        }
        /* 5 with three places is 0.005: zeros in front, then the point goes in */
        size_t zeros = size > places ? 0 : places + 1 - size;
        if (zeros > 6)
            return 0; /* shorter with an exponent */
        size_t whole = size + zeros - places;
        char text[32];
        memset(text, '0', zeros);
        memcpy(text + zeros, digits, size);
        memcpy(out_text, text, whole);
        out_text[whole] = '.';
        memcpy(out_text + whole + 1, text + whole, places);
        return size + zeros + 1;
    }
    return 0;
}

/* `precision` digits. The locale's point, whatever it is, becomes a point. */
static size_t format_precision(double value, int precision, char out_text[WEIR__JSON_DOUBLE_MAX])
{
    char text[64];
    int length = snprintf(text, sizeof text, "%.*g", precision, value);
    size_t size = 0;
    for (int i = 0; i < length && size < WEIR__JSON_DOUBLE_MAX; i++) {
        char c = text[i];
        if ((c >= '0' && c <= '9') || c == 'e' || c == '-' || c == '+')
            out_text[size++] = c;
        else if (size > 0 && out_text[size - 1] != '.')
            out_text[size++] = '.';
    }
    return size;
}

static bool precision_reads_back(double value, int precision, bool narrow)
{
    char text[WEIR__JSON_DOUBLE_MAX];
    struct weir__json json;
    struct weir__json_number number;
    double read;
    weir__json_init(&json, weir__str_of(text, format_precision(value, precision, text)));
    return weir__json_read_number(&json, &number) == 0 &&
           weir__json_to_double(&number, &read) == 0 && reads_back(read, value, narrow);
}

/* The least precision that reads back; it is near the top for almost every number that gets
 * here. */
static int least_precision(double value, bool narrow)
{
    int likely = narrow ? FLT_DIG : DBL_DIG;
    int most = narrow ? FLT_DECIMAL_DIG : DBL_DECIMAL_DIG; /* always reads back */
    if (!precision_reads_back(value, likely, narrow)) {
        for (likely++; likely < most; likely++)
            if (precision_reads_back(value, likely, narrow))
                break;
        return likely;
    }
    int least = 1;
    while (least < likely) {
        int middle = (least + likely) / 2;
        if (precision_reads_back(value, middle, narrow))
            likely = middle;
        else
            least = middle + 1;
    }
    return least;
}

static size_t format(double value, bool narrow, char out_text[WEIR__JSON_DOUBLE_MAX])
{
    size_t sign = __builtin_signbit(value) != 0;
    if (sign) {
        *out_text = '-';
        value = -value;
    }
    size_t size = format_short(value, narrow, out_text + sign);
    if (size != 0)
        return sign + size;
    char text[WEIR__JSON_DOUBLE_MAX];
    size = format_precision(value, least_precision(value, narrow), text);
    memcpy(out_text + sign, text, size < WEIR__JSON_DOUBLE_MAX - sign ? size : 0);
    return sign + size;
}

size_t weir__json_format_double(double value, char out_text[WEIR__JSON_DOUBLE_MAX])
{
    return format(value, false, out_text);
}

size_t weir__json_format_float(float value, char out_text[WEIR__JSON_DOUBLE_MAX])
{
    return format((double)value, true, out_text);
}
