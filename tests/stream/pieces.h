/*
 * pieces.h - a source that gives its bytes in pieces of chosen sizes, and fails where it is told
 */
#ifndef WEIR_TESTS_STREAM_PIECES_H
#define WEIR_TESTS_STREAM_PIECES_H

#include <string.h>
#include <weir/stream.h>
#include <weir/task.h>

struct pieces {
    const char *data;
    size_t size;
    size_t at;
    size_t piece;   /* bytes at once; 0: drawn from `state` */
    uint64_t state; /* of the drawing */
    size_t fail_at; /* offset at which `code` is returned once; 0: never */
    int code;
    bool parks; /* a checkpoint, as a real source is */
    int calls;
    int closed;
};

static inline uint64_t pieces_draw(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static inline ssize_t pieces_read(void *out_buffer, size_t size, void *arg)
{
    struct pieces *p = arg;
    p->calls++;
    if (p->parks) {
        int rc = weir_yield();
        if (rc < 0)
            return rc;
    }
    if (p->fail_at != 0 && p->at >= p->fail_at) {
        p->fail_at = 0;
        return p->code;
    }
    size_t n = p->piece != 0 ? p->piece : (size_t)(pieces_draw(&p->state) % 40) + 1;
    if (n > p->size - p->at)
        n = p->size - p->at;
    if (n > size)
        n = size;
    if (n > 0)
        memcpy(out_buffer, p->data + p->at, n);
    p->at += n;
    return (ssize_t)n;
}

static inline void pieces_close(void *arg)
{
    ((struct pieces *)arg)->closed++;
}

static inline weir_source pieces_source(struct pieces *pieces)
{
    return (weir_source){pieces_read, pieces_close, pieces};
}

#endif
