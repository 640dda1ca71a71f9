/*
 * log_line.h - the form of a log line, written into a ring of bytes
 *
 * Apart from the queue (log.c) so that it can be tested as what it is: a pure function of its
 * arguments. It uses a few hundred bytes of stack and neither the heap nor printf, since it runs on
 * the stacks of tasks.
 */
#ifndef WEIR__BASE_LOG_LINE_H
#define WEIR__BASE_LOG_LINE_H

#include <weir/log.h>

/* Where a line goes: bytes `at` up to `limit` of a ring, both counted on and on. */
struct weir__log_line {
    char *ring;
    size_t ring_bytes; /* a power of two */
    uint64_t at;
    uint64_t limit;
    bool cut; /* it did not fit: what was written is to be forgotten */
};

void weir__log_line_put(struct weir__log_line *line, const char *data, size_t size);
/* The whole line with its newline. `wall_ns` is nanoseconds since 1970. */
void weir__log_line_format(struct weir__log_line *line, weir_log_format format,
                           weir_log_level level, int64_t wall_ns, const char *message,
                           const weir_log_value *values);

#endif
