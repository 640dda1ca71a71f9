/*
 * log.h - the log inside the library: reports of many lines, draining, counts
 */
#ifndef WEIR__BASE_LOG_H
#define WEIR__BASE_LOG_H

#include <weir/log.h>

/* Text that is formed already, such as a report of many lines: goes out whole and in order,
 * whatever level and format are set. A newline is added when the last one is missing. Copied. */
void weir__log_raw(const char *text, size_t size);

/*
 * Waits, on this thread, until what is queued now is written: 0, or -ETIMEDOUT when nobody took a
 * byte for `stall_ns`. weir_log_flush() and the end of the process do this with four seconds.
 */
int weir__log_drain(int64_t stall_ns) WEIR_MUST_CHECK;

weir_log_format weir__log_format(void);
weir_log_level weir__log_level(void);

struct weir__log_stats {
    uint64_t queued_bytes;        /* now */
    uint64_t written_bytes;       /* since start, as all below */
    uint64_t dropped_count;       /* lines that found no room or no memory */
    uint64_t dropped_debug_count; /* those of them that were of level debug */
    uint64_t lost_bytes;          /* queued, but the descriptor refused them */
};
void weir__log_stats(struct weir__log_stats *out_stats);

#endif
