/*
 * host.h - host and port as they stand in Host, in a target and in a URL
 *
 * Source: RFC 3986 section 3.2, RFC 9110 section 4.2. A host is a registered name, an IPv4 address
 * or an IPv6 address in brackets; percent triplets, zones and user information are refused, since
 * programs disagree about them.
 */
#ifndef WEIR__HTTP_PARSE_HOST_H
#define WEIR__HTTP_PARSE_HOST_H

#include "http/parse/syntax.h"

enum { WEIR__HTTP_HOST_NAME_MAX = 255 };

struct weir__http_host {
    weir_str text; /* all of it, as it came: `example.com:8080` */
    weir_str name; /* without port and brackets */
    uint16_t port; /* 0 when none is given */
    bool has_port; /* a port with at least one digit */
    bool is_ipv6;  /* name was in brackets */
};

/* 0, or -EBADMSG with offsets in `fail` that count from the start of `text`; then *out_host means
 * nothing. */
int weir__http_host_parse(weir_str text, struct weir__http_host *out_host,
                          struct weir__http_fail *fail) WEIR_MUST_CHECK;

#endif
