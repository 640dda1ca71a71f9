/*
 * parse_bench.c - what parsing a request head costs
 *
 * Prints nanoseconds of CPU time for each head, the best and the median of several rounds, for
 * every way to scan that this CPU has. Pin it to one core: taskset -c 1 parse_bench
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http/parse/head.h"

enum { ROUNDS = 15, HEADS_MIN = 200000 };

static const char plain[] = "GET / HTTP/1.1\r\n"
                            "Host: 127.0.0.1:8080\r\n"
                            "\r\n";

static const char browser[] =
    "GET /plaintext HTTP/1.1\r\n"
    "Host: server:8080\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20130501 Firefox/30.0 AppleWebKit/600.00 "
    "Chrome/30.0.0000.0\r\n"
    "Cookie: uid=12345678901234567890; __utma=1.1234567890.1234567890.1234567890.1234567890.12; "
    "wd=2560x1600\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Connection: keep-alive\r\n"
    "\r\n";

static const char cookies[] =
    "GET /wp-content/uploads/2010/03/hello-kitty-darth-vader-pink.jpg HTTP/1.1\r\n"
    "Host: www.example.com\r\n"
    "User-Agent: Mozilla/5.0 (Macintosh; U; Intel Mac OS X 10.6; ja-JP-mac; rv:1.9.2.3) "
    "Gecko/20100401 Firefox/3.6.3\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: ja,en-us;q=0.7,en;q=0.3\r\n"
    "Accept-Encoding: gzip,deflate\r\n"
    "Accept-Charset: Shift_JIS,utf-8;q=0.7,*;q=0.7\r\n"
    "Keep-Alive: 115\r\n"
    "Connection: keep-alive\r\n"
    "Cookie: wp_ozh_wsa_visits=2; wp_ozh_wsa_visit_lasttime=xxxxxxxxxx; "
    "__utma=xxxxxxxxx.xxxxxxxxxx.xxxxxxxxxx.xxxxxxxxxx.xxxxxxxxxx.x; "
    "__utmz=xxxxxxxxx.xxxxxxxxxx.x.x.utmccn=(referral)|utmcsr=reader.livedoor.com|"
    "utmcct=/reader/|utmcmd=referral\r\n"
    "\r\n";

static double now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static int measure(enum weir__http_scan_kind kind, const char *text)
{
    static struct weir__http_field items[WEIR__HTTP_FIELD_COUNT_MAX];
    struct weir__http_request_head head = {.fields = {.items = items, .count_max = 100}};
    struct weir__http_fail fail = {0};
    size_t size = strlen(text);
    char *data = malloc(size); /* exactly: the parser needs no room behind the head */
    double rounds[ROUNDS];
    ssize_t rc = 0;
    if (data == NULL)
        return -ENOMEM;
    memcpy(data, text, size);
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (int i = 0; i < HEADS_MIN; i++) {
            __asm__ volatile("" ::: "memory");
            if (kind == WEIR__HTTP_SCAN_AUTO)
                rc = weir__http_parse_request(NULL, data, size, NULL, &head, &fail);
            else
                rc = weir__http_parse_request_with(kind, data, size, NULL, &head, &fail);
        }
        rounds[round] = (now_ns() - start) / HEADS_MIN;
    }
    qsort(rounds, ROUNDS, sizeof rounds[0], compare);
    printf("%-4s  %4zu bytes %2zu fields  best %6.1f ns  median %6.1f ns  %5.2f GB/s\n",
           kind == WEIR__HTTP_SCAN_AUTO ? "auto" : weir__http_scan_name(kind), size,
           head.fields.count, rounds[0], rounds[ROUNDS / 2], (double)size / rounds[0]);
    free(data);
    return rc == (ssize_t)size ? 0 : -EBADMSG;
}

int main(void)
{
    static const char *const heads[] = {plain, browser, cookies};
    int rc = 0;
    printf("auto is %s\n", weir__http_scan_name(WEIR__HTTP_SCAN_AUTO));
    for (int kind = 0; kind < WEIR__HTTP_SCAN_KIND_COUNT; kind++) {
        if (!weir__http_scan_available((enum weir__http_scan_kind)kind))
            continue;
        for (size_t i = 0; i < sizeof heads / sizeof heads[0] && rc == 0; i++)
            rc = measure((enum weir__http_scan_kind)kind, heads[i]);
    }
    if (rc != 0)
        fprintf(stderr, "a head was refused: %d\n", rc);
    return rc != 0;
}
