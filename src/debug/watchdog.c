/*
 * watchdog.c - sees a step or a callback that holds its loop, while it still holds it
 *
 * A thread looks at each loop's counters of steps and turns every quarter of the limit. When they
 * have not moved for the limit and the loop does not wait for news, something on it runs or blocks:
 * a task, or a callback outside tasks (a post, an alarm, an event of a connection). The loop's
 * thread is asked, by signal, to note its task and its call stack; the handler does nothing else.
 * Names are looked up here, and the report goes out at once; when the loop moves on, how long it
 * took follows. A step that was only waiting for a CPU is the machine's doing, and not told.
 *
 * Runs on  a thread of its own, and for the sample in a signal handler on the loop's thread.
 * Costs    nothing on the loop's path but the counter it keeps anyway.
 */
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/str.h"
#include "base/sys.h"
#include "base/thread.h"
#include "core/task.h"
#include "debug/debug.h"

enum {
    FRAMES_MAX = 32,
    LOOPS_MAX = 256,
    KNOWN_MAX = 64,
    SAMPLE_WAIT_MS = 50,       /* for a thread that does not answer: it blocks signals */
    SAMPLE_WAIT_MOST_MS = 500, /* for one that would, had it a CPU */
    LOOKS_MIN = 3,             /* a watchdog that was late itself proves nothing */
};
#define STEP_LIMIT_DEFAULT (100 * WEIR_MS)
#define REPEAT_AFTER (60 * WEIR_SEC)

/* Filled by the handler; one at a time. */
static struct {
    int wanted; /* atomic: the thread that is asked; 0: none, or it has begun to answer */
    int taken;  /* atomic */
    void *frames[FRAMES_MAX];
    int frame_count;
    const char *name;
    weir_task_fn *fn;
    uint32_t index, generation;
    const weir_site *site;
    const void *spawn_address;
    bool in_task;
} sample;

/* One loop, as this thread saw it last. */
struct watched {
    weir_loop *loop;
    uint64_t progress; /* its steps and turns */
    int64_t since_ns;
    int64_t cpu_ns;      /* its thread's, at since_ns */
    int64_t waited_ns;   /* its thread, for a CPU: when the same step was seen again */
    unsigned looks;      /* that found the same step or callback */
    int64_t reported_ns; /* 0: not reported */
    char who[96];
};

static struct {
    struct weir__mutex starting; /* around start and stop as a whole, taken before lock */
    struct weir__mutex lock;
    struct weir__cond changed;
    bool changed_ready; /* made once: who says something may be late, and signals after a stop */
    struct weir__thread thread;
    bool running, stopping;
    bool woken; /* atomic: something was said */
    int users;
    struct watched watched[LOOPS_MAX];
    size_t watched_count;
    struct {
        const void *what;
        int64_t told_ns;
        uint64_t count;
    } known[KNOWN_MAX];
} dog = {.starting = {PTHREAD_MUTEX_INITIALIZER}, .lock = {PTHREAD_MUTEX_INITIALIZER}};

static int64_t step_limit_ns; /* atomic; 0: the default */
static uint64_t stall_count;  /* atomic */
static int64_t longest_ns;    /* atomic */

static void note_sample(int signal_number)
{
    (void)signal_number;
    int saved = errno;
    int self = weir__sys_gettid();
    if (!__atomic_compare_exchange_n(&sample.wanted, &self, 0, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE))
        return;
    weir_loop *loop = weir__core_loop();
    weir_task *task = loop == NULL ? NULL : loop->current;
    sample.in_task = task != NULL;
    if (task != NULL) {
        sample.name = task->name;
        sample.fn = task->fn;
        sample.index = task->index;
        sample.generation = loop->hot[task->index].generation / 2;
        sample.site = weir__task_spawn_site(task);
        sample.spawn_address = weir__task_spawn_address(task);
    }
    sample.frame_count = backtrace(sample.frames, FRAMES_MAX);
    __atomic_store_n(&sample.taken, 1, __ATOMIC_RELEASE);
    errno = saved;
}

/* What /proc says of a thread; empty when it says nothing. */
static void read_of_thread(int tid, const char *file, char *out, size_t size)
{
    char path[64];
    out[0] = '\0';
    snprintf(path, sizeof path, "/proc/self/task/%d/%s", tid, file);
    int fd = weir__sys_open(path, O_RDONLY, 0);
    if (fd < 0)
        return;
    ssize_t got = weir__sys_read(fd, out, size - 1);
    weir__sys_close(fd);
    out[got < 0 ? 0 : got] = '\0';
}

/* R: the thread runs, or would if it had a CPU. */
static bool is_runnable(int tid)
{
    char text[256];
    read_of_thread(tid, "stat", text, sizeof text);
    const char *name_end = strrchr(text, ')'); /* the name may hold anything */
    return name_end != NULL && strncmp(name_end, ") R", 3) == 0;
}

static bool take_sample(int tid)
{
    __atomic_store_n(&sample.taken, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&sample.wanted, tid, __ATOMIC_RELEASE);
    bool taken = false;
    if (syscall(SYS_tgkill, getpid(), tid, SIGURG) == 0) {
        for (int i = 0; i < SAMPLE_WAIT_MOST_MS && !taken; i++) {
            struct timespec pause = {0, 1000000};
            nanosleep(&pause, NULL);
            taken = __atomic_load_n(&sample.taken, __ATOMIC_ACQUIRE);
            if (i >= SAMPLE_WAIT_MS && !is_runnable(tid))
                break;
        }
    }
    int asked = tid;
    if (!taken && !__atomic_compare_exchange_n(&sample.wanted, &asked, 0, false, __ATOMIC_ACQ_REL,
                                               __ATOMIC_ACQUIRE)) {
        /* The handler has just begun: it writes into the sample until it says so. */
        while (!__atomic_load_n(&sample.taken, __ATOMIC_ACQUIRE))
            weir__base_thread_pause();
        taken = true;
    }
    return taken;
}

/* How long it has waited for a CPU; a wait that still lasts is not in it. 0 where the kernel does
 * not count. */
static int64_t waited_for_cpu(int tid)
{
    char text[96];
    read_of_thread(tid, "schedstat", text, sizeof text); /* running, waiting, how often */
    const char *second = strchr(text, ' ');
    const char *end = second == NULL ? NULL : strchr(second + 1, ' ');
    uint64_t waited_ns = 0;
    if (end == NULL || weir__str_parse_uint(weir__str_of(second + 1, (size_t)(end - second - 1)),
                                            INT64_MAX, &waited_ns) < 0)
        return 0;
    return (int64_t)waited_ns;
}

/*
 * The machine did not let the step run (F22: told apart from code). Either waits for a CPU that are
 * over explain it; or it has not used the limit, and is in such a wait now. The second may also be
 * a step that blocked before and runs at this moment: it is told a few looks later, when it blocks
 * again or has run for the limit.
 */
static bool lost_to_host(const struct watched *watched, int64_t now_ns, int64_t limit_ns)
{
    int tid = watched->loop->tid;
    int64_t waited_ns = waited_for_cpu(tid) - watched->waited_ns;
    if (now_ns - watched->since_ns - waited_ns < limit_ns)
        return true;
    int64_t used_ns = weir__base_thread_cpu_now(tid) - watched->cpu_ns;
    return used_ns < limit_ns && is_runnable(tid);
}

/* What stalls again and again is told once a minute, with a count. */
static bool worth_telling(const void *what, int64_t now_ns, uint64_t *out_count)
{
    size_t free_slot = 0;
    for (size_t i = 0; i < KNOWN_MAX; i++) {
        if (dog.known[i].what == what) {
            *out_count = ++dog.known[i].count;
            if (now_ns - dog.known[i].told_ns < REPEAT_AFTER)
                return false;
            dog.known[i].told_ns = now_ns;
            return true;
        }
        if (dog.known[i].told_ns < dog.known[free_slot].told_ns)
            free_slot = i;
    }
    dog.known[free_slot].what = what;
    dog.known[free_slot].told_ns = now_ns;
    *out_count = dog.known[free_slot].count = 1;
    return true;
}

/* The first frames are the handler and the return from the signal. */
static int first_frame(void)
{
    return sample.frame_count > 2 ? 2 : 0;
}

static void append_stack(struct weir__buffer *out)
{
    int first = first_frame();
    for (int i = first; i < sample.frame_count; i++) {
        weir__buffer_append_str(out, i == first ? "  at        " : "            <- ");
        weir__debug_append_place(out, sample.frames[i], i > first);
        weir__buffer_append_char(out, '\n');
    }
}

/* Where in the program's own code a callback is that runs outside tasks: in the function that weir
 * called. */
static const void *callback_address(void)
{
    int first = first_frame(), i = first;
    while (i < sample.frame_count && !weir__debug_is_ours(sample.frames[i]))
        i++;
    if (first == sample.frame_count)
        return NULL;
    return sample.frames[i == first || i == sample.frame_count ? first : i - 1];
}

/* What is told once a minute. */
static const void *what_stalls(void)
{
    return sample.in_task ? (const void *)(uintptr_t)sample.fn : callback_address();
}

static void append_who(struct weir__buffer *out)
{
    if (!sample.in_task) {
        const void *address = callback_address();
        weir__buffer_append_str(out, address == NULL ? "a callback" : "callback ");
        if (address != NULL)
            weir__debug_append_function(out, address);
        return;
    }
    if (sample.name != NULL)
        weir__buffer_append_str(out, sample.name);
    else
        weir__debug_append_function(out, (const void *)(uintptr_t)sample.fn);
    weir__buffer_printf(out, " #%u.%u", sample.index, sample.generation);
}

static void report_stall(struct watched *watched, int64_t now_ns)
{
    watched->reported_ns = now_ns;
    __atomic_fetch_add(&stall_count, 1, __ATOMIC_RELAXED);
    bool sampled = take_sample(watched->loop->tid);
    uint64_t count = 1;
    if (!worth_telling(sampled ? what_stalls() : NULL, now_ns, &count)) {
        watched->who[0] = '\0';
        return;
    }
    struct weir__buffer text, who;
    weir__buffer_init(&text);
    weir__buffer_init(&who);
    if (sampled)
        append_who(&who);
    else
        weir__buffer_append_str(&who, "a task that could not be sampled");
    snprintf(watched->who, sizeof watched->who, "%s", weir__buffer_text(&who));
    weir__buffer_printf(&text, "weir W104 loop %s has been blocked for %lld ms by %s\n",
                        watched->loop->name, (long long)((now_ns - watched->since_ns) / WEIR_MS),
                        watched->who);
    if (sampled) {
        append_stack(&text);
        weir__debug_append_spawned(&text, sample.site, sample.spawn_address);
    }
    weir__buffer_append_str(&text,
                            "  fix       weir_offload() for what blocks or computes, weir_yield() "
                            "in long loops");
    if (count > 1)
        weir__buffer_printf(&text, "; seen %llu times", (unsigned long long)count);
    weir__buffer_append_char(&text, '\n');
    weir__debug_say(&text);
    weir__buffer_deinit(&text);
    weir__buffer_deinit(&who);
}

static void report_end(struct watched *watched, int64_t now_ns)
{
    int64_t lasted_ns = now_ns - watched->since_ns;
    if (lasted_ns > __atomic_load_n(&longest_ns, __ATOMIC_RELAXED))
        __atomic_store_n(&longest_ns, lasted_ns, __ATOMIC_RELAXED);
    if (watched->who[0] == '\0')
        return;
    struct weir__buffer text;
    weir__buffer_init(&text);
    weir__buffer_printf(&text, "weir W104 loop %s goes on after %lld ms; it was %s\n",
                        watched->loop->name, (long long)(lasted_ns / WEIR_MS), watched->who);
    weir__debug_say(&text);
    weir__buffer_deinit(&text);
}

static struct watched *find_watched(weir_loop *loop)
{
    for (size_t i = 0; i < dog.watched_count; i++)
        if (dog.watched[i].loop == loop)
            return &dog.watched[i];
    return NULL;
}

/* Runs under the lock of the list of loops: a loop cannot end meanwhile. */
static void look_at(weir_loop *loop, void *arg)
{
    int64_t now_ns = *(const int64_t *)arg;
    struct watched *watched = find_watched(loop);
    if (watched == NULL) {
        if (dog.watched_count == LOOPS_MAX)
            return;
        watched = &dog.watched[dog.watched_count++];
        *watched = (struct watched){.loop = loop, .since_ns = now_ns};
    }
    uint64_t progress = __atomic_load_n(&loop->step_count, __ATOMIC_RELAXED) +
                        __atomic_load_n(&loop->backend->stats.turns, __ATOMIC_RELAXED);
    bool idle = __atomic_load_n(&loop->backend->waiting, __ATOMIC_RELAXED) != 0 ||
                __atomic_load_n(&loop->closing, __ATOMIC_RELAXED) != 0;
    if (progress != watched->progress || idle) {
        if (watched->reported_ns != 0)
            report_end(watched, now_ns);
        watched->reported_ns = 0;
        watched->progress = progress;
        watched->since_ns = now_ns;
        watched->cpu_ns = weir__base_thread_cpu_now(loop->tid);
        watched->looks = 0;
        return;
    }
    if (++watched->looks == 1) /* not earlier: of steps that end in time nothing is read */
        watched->waited_ns = waited_for_cpu(loop->tid);
    int64_t limit_ns = __atomic_load_n(&step_limit_ns, __ATOMIC_RELAXED);
    if (limit_ns == 0)
        limit_ns = STEP_LIMIT_DEFAULT;
    if (watched->reported_ns == 0 && watched->looks >= LOOKS_MIN &&
        now_ns - watched->since_ns >= limit_ns && !lost_to_host(watched, now_ns, limit_ns))
        report_stall(watched, now_ns);
}

static int64_t look_every_ns(void)
{
    int64_t limit_ns = __atomic_load_n(&step_limit_ns, __ATOMIC_RELAXED);
    if (limit_ns == 0)
        limit_ns = STEP_LIMIT_DEFAULT;
    int64_t every_ns = limit_ns / 4;
    return every_ns < 5 * WEIR_MS ? 5 * WEIR_MS : every_ns > WEIR_SEC ? WEIR_SEC : every_ns;
}

static void *watch(void *arg)
{
    (void)arg;
    weir__base_fault_exempt(true);
    weir__base_mutex_lock(&dog.lock);
    while (!dog.stopping) {
        int64_t now_ns = weir__base_now();
        weir__core_each_loop(look_at, &now_ns);
        __atomic_store_n(&dog.woken, false, __ATOMIC_RELAXED);
        weir__base_mutex_unlock(&dog.lock);
        while (weir__debug_say_next()) {
        }
        weir__base_mutex_lock(&dog.lock);
        if (__atomic_load_n(&dog.woken, __ATOMIC_ACQUIRE) || dog.stopping)
            continue;
        weir_ignore(weir__base_cond_wait_until(&dog.changed, &dog.lock, now_ns + look_every_ns()),
                    "a look is due either way");
    }
    weir__base_mutex_unlock(&dog.lock);
    return NULL;
}

/* Without the lock, which the one who says something may hold: a wake that is lost costs a look's
 * time. */
static void wake_dog(void)
{
    __atomic_store_n(&dog.woken, true, __ATOMIC_RELEASE);
    weir__base_cond_signal(&dog.changed);
}

/* A loop that ends takes its record along, so that the next one at this address starts afresh. */
void weir__watchdog_forget(weir_loop *loop)
{
    weir__base_mutex_lock(&dog.lock);
    struct watched *watched = find_watched(loop);
    if (watched != NULL) {
        if (watched->reported_ns != 0)
            report_end(watched, weir__base_now());
        *watched = dog.watched[--dog.watched_count];
    }
    weir__base_mutex_unlock(&dog.lock);
}

int weir__watchdog_start(void)
{
    weir__base_mutex_lock(&dog.starting);
    weir__base_mutex_lock(&dog.lock);
    int rc = 0;
    if (dog.users++ == 0) {
        /* Loads the unwinder now: the first call of backtrace() allocates. */
        void *frame;
        backtrace(&frame, 1);
        struct sigaction action = {.sa_handler = note_sample, .sa_flags = SA_RESTART | SA_ONSTACK};
        sigemptyset(&action.sa_mask);
        sigaction(SIGURG, &action, NULL);
        if (!dog.changed_ready)
            weir__base_cond_init(&dog.changed);
        dog.changed_ready = true;
        dog.stopping = false;
        rc = weir__base_thread_start(&dog.thread, "weir-watchdog", watch, NULL);
        dog.running = rc == 0;
        if (rc == 0)
            weir__debug_say_begin(wake_dog);
    }
    weir__base_mutex_unlock(&dog.lock);
    weir__base_mutex_unlock(&dog.starting);
    return rc;
}

void weir__watchdog_stop(void)
{
    weir__base_mutex_lock(&dog.starting);
    weir__base_mutex_lock(&dog.lock);
    bool last = --dog.users == 0 && dog.running;
    if (last) {
        dog.stopping = true;
        weir__base_cond_broadcast(&dog.changed);
    }
    weir__base_mutex_unlock(&dog.lock);
    if (last) {
        weir__base_thread_join(&dog.thread);
        weir__debug_say_end();
        dog.running = false;
        dog.watched_count = 0;
    }
    weir__base_mutex_unlock(&dog.starting);
}

void weir_debug_set_step_limit(int64_t limit_ns)
{
    __atomic_store_n(&step_limit_ns, limit_ns, __ATOMIC_RELAXED);
}

void weir_debug_stats_get(weir_debug_stats *out_stats)
{
    out_stats->stalls = __atomic_load_n(&stall_count, __ATOMIC_RELAXED);
    out_stats->longest_stall_ns = __atomic_load_n(&longest_ns, __ATOMIC_RELAXED);
    out_stats->findings = weir__debug_finding_count();
}
