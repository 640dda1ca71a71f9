/*
 * driven.h - what the driven program has apart from its commands: a pattern of bytes, and a server
 */
#ifndef TESTS_SYSTEM_DRIVEN_H
#define TESTS_SYSTEM_DRIVEN_H

#include <weir/http.h>
#include <weir/net.h>

/* A long text that looks nowhere like a piece of itself moved by a few bytes. */
static inline char driven_byte(size_t at)
{
    return (char)((at * 131 + (at >> 8) * 17 + (at >> 16) * 7 + 7) & 0xff);
}

static inline void driven_fill(char *out, size_t size, size_t from)
{
    for (size_t i = 0; i < size; i++)
        out[i] = driven_byte(from + i);
}

static inline bool driven_is_filled(const char *data, size_t size, size_t from)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] != driven_byte(from + i))
            return false;
    }
    return true;
}

/* GET /bytes/N, GET /stream/N, GET /slow/MS (waits, then 5 bytes), POST /echo */
struct driven_server {
    weir_router *router;
    weir_http_server *server;
    weir_listener *listener;
    uint16_t port;
};

/* Every limit of time that a client can hit is `timeout_ns`; 0: the defaults. */
int driven_open(struct driven_server *server, int64_t timeout_ns) WEIR_MUST_CHECK;
int driven_serve(struct driven_server *server, const char *address) WEIR_MUST_CHECK;
/* By the task that opened it. */
void driven_close(struct driven_server *server);

#endif
