/*
 * log.c - the queue of log lines and the thread that writes them
 *
 * Lines are formatted in place into a ring of 8 MiB, under one mutex, and written by a thread of
 * their own that starts with the first line: a reader that does not read costs lines, never a
 * loop's time. The ring is mapped once and only the part in use has memory. When it fills, debug
 * lines are refused first, then info, so that warnings and errors still find room; what was refused
 * is counted and the count becomes a line.
 *
 * Where no thread can be had, the caller writes.
 *
 * Runs on  any thread and any stack; write_out() on the writer, or on the caller while there is
 *          none.
 * Holds    1. Bytes head up to tail of the ring are queued; both count on and on, and
 *             tail - head <= QUEUE_BYTES.
 *          2. While `writing`, its one writer reads queued bytes without the lock: nobody else
 *             moves head, and nobody touches the bytes between head and tail.
 *          3. A batch ends at the end of a line, so descriptors change between lines.
 *          4. Nothing here can fail the caller: what cannot be queued is counted.
 */
#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log_line.h"
#include "base/sys.h"
#include "base/thread.h"

enum {
    QUEUE_BYTES = 8 << 20,
    QUEUE_DEBUG_BYTES = 6 << 20,
    QUEUE_INFO_BYTES = 7 << 20,
    REPORT_BELOW_BYTES = 4 << 20, /* the count of drops waits until the flood is over */
    RELEASE_ABOVE_BYTES = 1 << 20,
    WRITE_BYTES_MAX = 64 << 10, /* one call: head moves, and with it room and progress */
    WRITABLE_WAIT_MS = 1000,
};
#define STALL_NS (4 * WEIR_SEC)

static weir_log_format set_format = WEIR_LOG_TEXT; /* both atomic, read before the lock */
static weir_log_level set_level = WEIR_LOG_INFO;

static struct {
    struct weir__mutex lock;
    struct weir__cond work;     /* the writer waits for lines */
    struct weir__cond progress; /* the others wait for the writer */
    char *ring;                 /* NULL until the first line; then for good */
    uint64_t head;
    uint64_t tail;
    uint64_t origin; /* what lies at ring[0]; moved while empty, so that little memory is used */
    uint64_t in_use; /* most bytes of the ring used since memory was released */
    int fd;
    bool prepared; /* conditions, exit and fork handlers */
    bool started;  /* the writer exists */
    bool idle;     /* the writer waits, or is about to, and must be woken */
    bool writing;
    bool mid_line; /* the last byte written was no newline */
    bool torn;     /* and the rest of that line was lost */
    int last_error;
    uint64_t written_bytes;
    uint64_t dropped_count;
    uint64_t dropped_debug_count;
    uint64_t lost_bytes;
    uint64_t reported_dropped;
    uint64_t reported_lost;
} queue = {.lock = WEIR__MUTEX_INIT, .fd = 2};

/* --- set-up ---------------------------------------------------------------------------------- */

static void drain_at_exit(void)
{
    weir_ignore(weir__log_drain(STALL_NS), "nobody reads, and the process ends now");
}

static void before_fork(void)
{
    weir__base_mutex_lock(&queue.lock);
}

static void after_fork_in_parent(void)
{
    weir__base_mutex_unlock(&queue.lock);
}

/* The writer stayed behind, and with it the lines that were queued: they are the parent's. */
static void after_fork_in_child(void)
{
    weir__base_cond_init(&queue.work);
    weir__base_cond_init(&queue.progress);
    queue.started = false;
    queue.idle = false;
    queue.writing = false;
    queue.mid_line = false;
    queue.torn = false;
    queue.head = queue.tail;
    queue.origin = queue.tail;
    weir__base_mutex_unlock(&queue.lock);
}

static bool prepare_queue(void)
{
    if (!queue.prepared) {
        queue.prepared = true;
        weir__base_cond_init(&queue.work);
        weir__base_cond_init(&queue.progress);
        weir_ignore(
            weir__base_thread_at_fork(before_fork, after_fork_in_parent, after_fork_in_child),
            "without it a forked child may wait for a writer it does not have");
        weir_ignore(atexit(drain_at_exit), "the last lines may be lost; the program goes on");
    }
    if (queue.ring == NULL) {
        void *ring;
        int rc = weir__sys_map(QUEUE_BYTES, &ring);
        if (rc < 0)
            return false;
        queue.ring = ring;
    }
    return true;
}

/* --- putting lines in ------------------------------------------------------------------------ */

static struct weir__log_line begin_line(uint64_t queue_max)
{
    return (struct weir__log_line){
        .ring = queue.ring,
        .ring_bytes = QUEUE_BYTES,
        .at = queue.tail - queue.origin,
        .limit = queue.head - queue.origin + queue_max,
        /* More than this level may use is queued already: at is past limit, nothing fits. */
        .cut = queue.tail - queue.head > queue_max,
    };
}

static bool end_line(const struct weir__log_line *line)
{
    if (line->cut)
        return false;
    queue.tail = line->at + queue.origin;
    if (line->at > queue.in_use)
        queue.in_use = line->at;
    return true;
}

static void count_dropped(weir_log_level level)
{
    queue.dropped_count++;
    queue.dropped_debug_count += level == WEIR_LOG_DEBUG;
}

/* What was refused or lost since the last such line, as a line. */
static void report_drops(void)
{
    uint64_t dropped = queue.dropped_count - queue.reported_dropped;
    uint64_t lost = queue.lost_bytes - queue.reported_lost;
    if ((dropped == 0 && lost == 0) || queue.tail - queue.head > REPORT_BELOW_BYTES)
        return;

    const weir_log_value values[] = {
        WEIR_KV("dropped", dropped),
        WEIR_KV("dropped_total", queue.dropped_count),
        WEIR_KV("dropped_debug_total", queue.dropped_debug_count),
        WEIR_KV("lost_bytes", lost),
        WEIR_KV("last_error", weir_code_name(queue.last_error)),
        {0},
    };
    struct weir__log_line line = begin_line(QUEUE_BYTES);
    weir__log_line_format(&line, weir__log_format(), WEIR_LOG_WARN, weir__base_wall_now(),
                          "log lines lost", values);
    if (end_line(&line)) {
        queue.reported_dropped = queue.dropped_count;
        queue.reported_lost = queue.lost_bytes;
    }
}

static uint64_t queue_max_for(weir_log_level level)
{
    switch (level) {
    case WEIR_LOG_DEBUG:
        return QUEUE_DEBUG_BYTES;
    case WEIR_LOG_INFO:
        return QUEUE_INFO_BYTES;
    default:
        return QUEUE_BYTES;
    }
}

/* --- taking lines out ------------------------------------------------------------------------ */

/* Positions start over while the ring is empty; memory of a flood that is over goes back. */
static void rewind_when_empty(void)
{
    if (queue.head != queue.tail)
        return;
    queue.origin = queue.tail;
    if (queue.in_use > RELEASE_ABOVE_BYTES)
        weir_ignore(weir__sys_advise(queue.ring, QUEUE_BYTES, MADV_DONTNEED),
                    "the memory stays in use until the next flood is over");
    queue.in_use = 0;
}

static void lose_batch(uint64_t end, int rc)
{
    queue.lost_bytes += end - queue.head;
    queue.last_error = rc;
    queue.torn |= queue.mid_line;
    queue.mid_line = false;
    queue.head = end;
}

/* One call to the kernel, without the lock. A full pipe that does not block is waited for. */
static ssize_t write_some(int fd, const char *data, size_t size, int wait_ms)
{
    ssize_t rc = weir__sys_write(fd, data, size);
    if (rc != -EAGAIN || wait_ms == 0)
        return rc;
    int waited = weir__sys_wait_writable(fd, wait_ms);
    return waited < 0 ? waited : waited == 0 ? -EAGAIN : -EINTR;
}

/*
 * Write what is queued now. Returns with the lock held as it came, but gives it up meanwhile. Less
 * is written only when the descriptor does not block and nobody made room for `wait_ms`.
 */
static void write_out(int wait_ms)
{
    queue.writing = true;
    int fd = queue.fd;
    uint64_t end = queue.tail;
    while (queue.head < end) {
        size_t offset = (size_t)(queue.head - queue.origin) & (QUEUE_BYTES - 1);
        size_t size = (size_t)(end - queue.head);
        if (size > QUEUE_BYTES - offset)
            size = QUEUE_BYTES - offset;
        if (size > WRITE_BYTES_MAX)
            size = WRITE_BYTES_MAX;
        bool torn = queue.torn;
        const char *data = torn ? "\n" : queue.ring + offset;

        weir__base_mutex_unlock(&queue.lock);
        ssize_t rc = write_some(fd, data, torn ? 1 : size, wait_ms);
        weir__base_mutex_lock(&queue.lock);

        if (rc == -EINTR)
            continue; /* there is room now */
        if (rc == -EAGAIN)
            break;
        if (rc <= 0) {
            lose_batch(end, rc == 0 ? -EIO : (int)rc);
        } else if (torn) {
            queue.torn = false;
        } else {
            queue.mid_line = data[rc - 1] != '\n';
            queue.head += (uint64_t)rc;
            queue.written_bytes += (uint64_t)rc;
        }
        weir__base_cond_broadcast(&queue.progress);
    }
    rewind_when_empty();
    queue.writing = false;
    weir__base_cond_broadcast(&queue.progress);
}

static void wake_writer(void)
{
    if (queue.started && queue.idle && queue.head != queue.tail) {
        queue.idle = false;
        weir__base_cond_signal(&queue.work);
    }
}

static void *run_writer(void *arg)
{
    (void)arg;
    weir__base_fault_exempt(true);
    weir__base_mutex_lock(&queue.lock);
    for (;;) {
        while (queue.head == queue.tail || queue.writing) {
            queue.idle = true;
            weir__base_cond_wait(&queue.work, &queue.lock);
        }
        queue.idle = false;
        uint64_t lost_before = queue.lost_bytes;
        write_out(WRITABLE_WAIT_MS);
        if (queue.lost_bytes == lost_before) /* else the report would be lost too, and again … */
            report_drops();
    }
    return NULL;
}

/* Without a thread the caller writes, and a broken pipe must not kill it. */
static void write_out_here(int wait_ms)
{
    struct weir__sigpipe held;
    weir__base_sigpipe_hold(&held);
    uint64_t before;
    do { /* also what others queued meanwhile: they saw `writing` and left it to us */
        before = queue.head;
        write_out(wait_ms);
    } while (queue.head != queue.tail && queue.head != before);
    weir__base_sigpipe_release(&held);
}

static void get_written(void)
{
    if (!queue.started) {
        struct weir__thread writer;
        int rc = weir__base_thread_start(&writer, "weir-log", run_writer, NULL);
        queue.started = rc == 0;
        queue.idle = false;
    }
    if (!queue.started && !queue.writing)
        write_out_here(0);
    wake_writer(); /* the one that was started, here or by another thread while we wrote */
}

/* --- the doors ------------------------------------------------------------------------------- */

void weir_log_write(weir_log_level level, const char *message, const weir_log_value *values)
{
    if (level < weir__log_level())
        return;

    weir__base_mutex_lock(&queue.lock);
    if (!prepare_queue()) {
        count_dropped(level);
        goto unlock;
    }
    report_drops();
    struct weir__log_line line = begin_line(queue_max_for(level));
    weir__log_line_format(&line, weir__log_format(), level, weir__base_wall_now(), message, values);
    if (!end_line(&line))
        count_dropped(level);
    get_written();
unlock:
    weir__base_mutex_unlock(&queue.lock);
}

void weir__log_raw(const char *text, size_t size)
{
    if (size == 0)
        return;

    weir__base_mutex_lock(&queue.lock);
    if (!prepare_queue()) {
        count_dropped(WEIR_LOG_ERROR);
        goto unlock;
    }
    report_drops();
    struct weir__log_line line = begin_line(QUEUE_BYTES);
    weir__log_line_put(&line, text, size);
    if (text[size - 1] != '\n')
        weir__log_line_put(&line, "\n", 1);
    if (!end_line(&line))
        count_dropped(WEIR_LOG_ERROR);
    get_written();
unlock:
    weir__base_mutex_unlock(&queue.lock);
}

int weir__log_drain(int64_t stall_ns)
{
    int rc = 0;
    weir__base_mutex_lock(&queue.lock);
    uint64_t target = queue.tail;
    uint64_t seen = queue.head;
    int64_t deadline_ns = weir__base_add_ns(weir__base_kernel_now(), stall_ns);
    while (queue.head < target) {
        if (!queue.started && !queue.writing) {
            int64_t wait_ms =
                stall_ns / WEIR_MS < WRITABLE_WAIT_MS ? stall_ns / WEIR_MS : WRITABLE_WAIT_MS;
            write_out_here((int)wait_ms);
            rc = weir__base_kernel_now() < deadline_ns ? 0 : -ETIMEDOUT;
        } else {
            rc = weir__base_cond_wait_until(&queue.progress, &queue.lock, deadline_ns);
        }
        if (queue.head != seen) {
            seen = queue.head;
            deadline_ns = weir__base_add_ns(weir__base_kernel_now(), stall_ns);
            rc = 0;
        } else if (rc < 0) {
            break;
        }
    }
    weir__base_mutex_unlock(&queue.lock);
    return rc;
}

void weir_log_flush(void)
{
    weir_ignore(weir__log_drain(STALL_NS), "nobody reads, as the header says");
}

void weir_log_configure(weir_log_format format, weir_log_level level)
{
    __atomic_store_n(&set_format, format, __ATOMIC_RELAXED);
    __atomic_store_n(&set_level, level, __ATOMIC_RELAXED);
}

void weir_log_set_fd(int fd)
{
    weir__base_mutex_lock(&queue.lock);
    queue.fd = fd;
    queue.torn = false;
    /* The caller may close the old one when we return: the batch under way has to leave it. */
    int64_t deadline_ns = weir__base_kernel_now() + STALL_NS;
    while (queue.writing &&
           weir__base_cond_wait_until(&queue.progress, &queue.lock, deadline_ns) == 0)
        continue;
    weir__base_mutex_unlock(&queue.lock);
}

weir_log_format weir__log_format(void)
{
    return __atomic_load_n(&set_format, __ATOMIC_RELAXED);
}

weir_log_level weir__log_level(void)
{
    return __atomic_load_n(&set_level, __ATOMIC_RELAXED);
}

void weir__log_stats(struct weir__log_stats *out_stats)
{
    weir__base_mutex_lock(&queue.lock);
    *out_stats = (struct weir__log_stats){
        .queued_bytes = queue.tail - queue.head,
        .written_bytes = queue.written_bytes,
        .dropped_count = queue.dropped_count,
        .dropped_debug_count = queue.dropped_debug_count,
        .lost_bytes = queue.lost_bytes,
    };
    weir__base_mutex_unlock(&queue.lock);
}
