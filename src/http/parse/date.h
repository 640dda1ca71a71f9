/*
 * date.h - dates as HTTP writes them
 *
 * Source: RFC 9110 section 5.6.7. No locale, no time zone files, no libc calendar.
 */
#ifndef WEIR__HTTP_PARSE_DATE_H
#define WEIR__HTTP_PARSE_DATE_H

#include <weir/base.h>

enum { WEIR__HTTP_DATE_BYTES = 29 };

/*
 * `Sun, 06 Nov 1994 08:49:37 GMT`, 29 bytes, no NUL. -ERANGE when the year is not 0 to 9999; then
 * nothing is written.
 */
int weir__http_date_format(int64_t seconds, char out_text[WEIR__HTTP_DATE_BYTES]) WEIR_MUST_CHECK;

/*
 * All three forms: the one above, `Sunday, 06-Nov-94 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`.
 * Strict: the weekday must be the date's, a leap second (60) counts as the next one. A year of two
 * digits is one of the century of `now_seconds`, or of the one before when that is more than 50
 * years ahead.
 *
 * Returns     0
 * Errors      -EINVAL  any other text: a recipient treats the field as if it were not there
 */
int weir__http_date_parse(weir_str text, int64_t now_seconds, int64_t *out_seconds) WEIR_MUST_CHECK;

#endif
