/*
 * relay.c - two connections, each copied to the other
 *
 * One task for each way. Bytes are read into a buffer of the relay and written from there: the loop
 * receives for its connections whether anybody reads or not, so a splice between the two sockets
 * would first have to stop that.
 *
 * Runs on  the loop of the connections.
 * Costs    one allocation and one task for a relay; one send for each buffer full.
 * Holds    1. At most a buffer full is read and not written, for each way.
 */
#include <weir/group.h>
#include <weir/relay.h>

#include "base/alloc.h"
#include "net/net.h"
#include "stream/stream.h"

struct relay {
    int64_t moved_at_ns; /* the last byte, either way */
};

struct way {
    struct relay *relay;
    weir_conn *from, *to;
    char *buffer;
    size_t size;
    uint64_t *moved;
};

/* Nothing came this way for as long as the limit, but the other way is alive. A peer that the
 * kernel has given up is told at once, and again by each read: that is the end. */
static bool other_way_moves(const struct way *way, int64_t waited_since_ns)
{
    int64_t now_ns = weir_now();
    return now_ns - waited_since_ns >= way->from->read_idle_ns &&
           now_ns - way->relay->moved_at_ns < way->from->read_idle_ns;
}

static ssize_t read_some(const struct way *way)
{
    for (;;) {
        int64_t waited_since_ns = weir_now();
        ssize_t n = weir_conn_read(way->from, way->buffer, way->size);
        if (n != -ETIMEDOUT || !other_way_moves(way, waited_since_ns))
            return n;
    }
}

static int run_way(void *arg)
{
    struct way *way = arg;
    for (;;) {
        ssize_t n = read_some(way);
        if (n <= 0)
            return n < 0 ? (int)n : weir_conn_finish(way->to);
        size_t written;
        int rc = weir_conn_write_all(way->to, way->buffer, (size_t)n, &written);
        *way->moved += written;
        way->relay->moved_at_ns = weir_now();
        if (rc < 0)
            return rc;
    }
}

static int run_both(struct way *forth, struct way *back)
{
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    rc = weir_spawn(group, run_way, back);
    if (rc == 0)
        rc = run_way(forth);
    return weir_group_close(group, rc);
}

int weir_relay(weir_conn *first, weir_conn *second, const weir_relay_options *options,
               weir_relay_counts *out_counts)
{
    weir_relay_counts counts = {0};
    size_t size;
    int rc = weir__stream_buffer_bytes(options == NULL ? 0 : options->buffer_bytes, &size);
    if (rc == 0) {
        char *buffers = weir__base_alloc(2 * size);
        struct relay relay = {weir_now()};
        struct way forth = {&relay, first, second, buffers, size, &counts.forth};
        struct way back = {&relay, second, first, buffers + size, size, &counts.back};
        rc = buffers == NULL ? -ENOMEM : run_both(&forth, &back);
        weir__base_free(buffers);
    }
    if (out_counts != NULL)
        *out_counts = counts;
    return rc;
}
