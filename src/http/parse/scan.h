/*
 * scan.h - the structure of a head: lines, names, values; private to http/parse
 *
 * One pass over blocks of 64 bytes. For each block bit masks are made, all bytes at once, and the
 * structure is then walked from bit to bit. The walk is the same for all; the masks are made by
 * AVX2, SSE2, NEON or plain 64-bit arithmetic. No load touches a byte outside the input.
 *
 * What is refused, and at which byte, depends on the bytes before it only: a head that comes in
 * pieces gets the same answer as in one. Meaning (Host, lengths, codings) is decided by head.c,
 * after the structure is known to be good.
 */
#ifndef WEIR__HTTP_PARSE_SCAN_H
#define WEIR__HTTP_PARSE_SCAN_H

#include "http/parse/head.h"

/* Bit i stands for byte i of a block of 64. */
struct masks {
    uint64_t stop;   /* controls and DEL: what ends a value, the CR among them, and HTAB */
    uint64_t delim;  /* what cannot be in a name, the colon that ends it among them */
    uint64_t target; /* what ends a request target or its path: '?' '#' blank, control, non-ASCII */
};

/*
 * One class for each byte by two 16-byte shuffles: rows[low half of the byte] has a bit for each
 * high half with which it belongs to a class, columns[high half] has the bits of that high half;
 * both together leave bits 0 to 5 for a token character of the rows 0x20 to 0x70, bit 6 for DEL,
 * bit 7 for a control, nothing for the rest. With host_rows instead, bits 0 to 5 stand for letters,
 * digits, '-', '.', '_', '~', and there are no others.
 *
 * Everything is here twice, for registers of 32 bytes, and is loaded from memory: compilers that
 * know the values make each constant anew for every block, which costs more than the work itself.
 */
struct weir__http_scan_table {
    uint8_t rows[32], columns[32], host_rows[32], low_half[32];
    uint8_t blank[32], question[32], hash[32];
} __attribute__((aligned(32)));
extern const struct weir__http_scan_table weir__http_scan_table;

/*
 * The whole parse, `limits` having no zeros; `resume` is NULL or zeros, and stays so but for
 * -EAGAIN. Each ends in weir__http_judge_request or _response, as its last act: so a parse is one
 * function deep.
 */
typedef ssize_t weir__http_scan_request_fn(const char *data, size_t size,
                                           const struct weir__http_head_limits *limits,
                                           struct weir__http_request_head *head,
                                           struct weir__http_resume *resume,
                                           struct weir__http_fail *fail);
typedef ssize_t weir__http_scan_response_fn(const char *data, size_t size,
                                            const struct weir__http_head_limits *limits,
                                            const struct weir__http_asked *asked,
                                            struct weir__http_response_head *head,
                                            struct weir__http_resume *resume,
                                            struct weir__http_fail *fail);

weir__http_scan_request_fn weir__http_scan_request_swar;
weir__http_scan_response_fn weir__http_scan_response_swar;
#if defined(__x86_64__)
weir__http_scan_request_fn weir__http_scan_request_sse2;
weir__http_scan_response_fn weir__http_scan_response_sse2;
weir__http_scan_request_fn weir__http_scan_request_avx2;
weir__http_scan_response_fn weir__http_scan_response_avx2;
#elif defined(__aarch64__)
weir__http_scan_request_fn weir__http_scan_request_neon;
weir__http_scan_response_fn weir__http_scan_response_neon;
#endif

/*
 * What a head of good structure means; head.c. `size` is that of the head, and what is returned
 * when nothing is wrong. A request comes with fields, minor, method_text, target, path and query
 * (as in origin form), and with host when that is of the usual form (else host.text.data is NULL);
 * a response with fields, minor, status and reason.
 */
ssize_t weir__http_judge_request(const char *data, size_t size,
                                 struct weir__http_request_head *head,
                                 struct weir__http_fail *fail);
ssize_t weir__http_judge_response(const char *data, size_t size,
                                  const struct weir__http_asked *asked,
                                  struct weir__http_response_head *head,
                                  struct weir__http_fail *fail);

/* --- the parts that need no masks; scan.c ---------------------------------------------------- */

/*
 * -EAGAIN, and what to know when there is more: a CR at the very end is looked at again, with what
 * comes behind it; an input of `limit_at` bytes passes a limit.
 */
int weir__http_need_more(struct weir__http_resume *resume, const char *data, size_t size,
                         size_t limit_at) __attribute__((cold));

/* Index of the first byte of data[from..size) that no value may contain, or `size`. */
size_t weir__http_find_stop(const char *data, size_t size, size_t from);

/*
 * The first line, byte by byte: for the unusual ones, and for saying what is wrong. Return the
 * offset behind its CR LF, -EAGAIN or -EBADMSG as above.
 */
ssize_t weir__http_request_line(const char *data, size_t size,
                                const struct weir__http_head_limits *limits,
                                struct weir__http_request_head *head,
                                struct weir__http_resume *resume, struct weir__http_fail *fail)
    __attribute__((cold));
ssize_t weir__http_status_line(const char *data, size_t size,
                               const struct weir__http_head_limits *limits,
                               struct weir__http_response_head *head,
                               struct weir__http_resume *resume, struct weir__http_fail *fail);

/*
 * The line that starts at `start` does not begin with a token and a colon. Says so once the line is
 * complete; -EAGAIN before.
 */
int weir__http_name_problem(const char *data, size_t size, size_t start, bool first,
                            struct weir__http_fail *fail) __attribute__((cold));
/* data[at] may not be in a value and does not end it. -EAGAIN when it is a CR at the very end. */
int weir__http_value_problem(const char *data, size_t size, size_t at, struct weir__http_fail *fail)
    __attribute__((cold));

#endif
