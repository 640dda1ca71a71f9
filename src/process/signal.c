/*
 * signal.c - signals become notes in a pipe, and a task reads them
 *
 * Not signalfd: it wants the signal blocked in every thread, also in those of other libraries, and
 * in whatever they start. A handler asks for nothing but one thread that has it open.
 *
 * Runs on  the loop that opened it; the handler on whatever thread the kernel picks.
 * Holds    1. The handler reads one number and writes one note; it takes no lock and allocates
 *             nothing.
 *          2. A descriptor is closed only when no handler can still write to its number.
 */
#include "process/signal.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "base/sys.h"
#include "base/sys_signal.h"
#include "base/thread.h"
#include "core/io.h"
#include "core/ledger.h"

enum { SIGNALS = 64, WHO_BYTES = 48 };

struct weir_signal {
    struct weir__ledger_entry entry;
    weir_loop *loop;
    int refs; /* the opener's, and one for each call under way */
    int pipe[2];
    bool closed;
    struct weir__list waiters;
    size_t count;
    struct caught {
        int number;
        bool was_blocked;
        struct sigaction before;
    } caught[];
};

struct waiter {
    struct weir__list link;
    struct weir__op op;
};

/* --- owners ----------------------------------------------------------------------------------- */

static struct {
    struct weir__mutex lock;
    char who[SIGNALS + 1][WHO_BYTES]; /* empty: nobody */
} owners = {.lock = WEIR__MUTEX_INIT};

static bool can_be_owned(int number)
{
    static const int never[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE,
                                SIGILL,  SIGTRAP, SIGSYS,  SIGABRT};
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        if (number == never[i])
            return false;
    return number >= 1 && number <= SIGNALS;
}

int weir__signal_claim(int number, const char *who)
{
    if (!can_be_owned(number))
        return weir_fail(-EINVAL, "signal %d cannot be waited for", number);
    if (number == SIGURG)
        return weir_fail(-EBUSY, "signal %d is the watchdog's, for its samples of stacks", number);
    char owner[WHO_BYTES];
    weir__base_mutex_lock(&owners.lock);
    snprintf(owner, sizeof owner, "%s", owners.who[number]);
    if (owner[0] == '\0')
        snprintf(owners.who[number], WHO_BYTES, "%s", who);
    weir__base_mutex_unlock(&owners.lock);
    if (owner[0] != '\0')
        return weir_fail(-EBUSY, "signal %d has an owner already: %s", number, owner);
    return 0;
}

void weir__signal_disclaim(int number)
{
    weir__base_mutex_lock(&owners.lock);
    owners.who[number][0] = '\0';
    weir__base_mutex_unlock(&owners.lock);
}

/* --- the handler ------------------------------------------------------------------------------ */

static int note_fds[SIGNALS + 1]; /* atomic: 1 + where to write; 0: nowhere */
static int handlers_running;      /* atomic */

static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)context;
    int saved = errno;
    bool was_exempt = weir__base_fault_exempt(true);
    __atomic_add_fetch(&handlers_running, 1, __ATOMIC_SEQ_CST);
    int fd = __atomic_load_n(&note_fds[number], __ATOMIC_SEQ_CST) - 1;
    bool sent = info->si_code <= 0; /* by somebody, with kill() and the like */
    weir_signal_info note = {.number = number,
                             .pid = sent ? (int)info->si_pid : 0,
                             .uid = sent ? info->si_uid : 0,
                             .value = info->si_code == SI_QUEUE ? (intptr_t)info->si_value.sival_ptr
                                                                : 0};
    if (fd >= 0)
        weir_ignore(weir__sys_write(fd, &note, sizeof note), "full: some thousands wait already");
    __atomic_sub_fetch(&handlers_running, 1, __ATOMIC_SEQ_CST);
    weir__base_fault_exempt(was_exempt);
    errno = saved;
}

/* --- open and close --------------------------------------------------------------------------- */

static int catch_one(weir_signal *signal, int number, const char *who)
{
    int rc = weir__signal_claim(number, who);
    if (rc < 0)
        return rc;
    struct caught *caught = &signal->caught[signal->count];
    caught->number = number;
    __atomic_store_n(&note_fds[number], signal->pipe[1] + 1, __ATOMIC_SEQ_CST);
    rc = weir__sys_signal_catch(number, on_signal, &caught->before);
    if (rc < 0) {
        __atomic_store_n(&note_fds[number], 0, __ATOMIC_SEQ_CST);
        weir__signal_disclaim(number);
        return rc;
    }
    caught->was_blocked = weir__sys_signal_unblock(number);
    signal->count++;
    return 0;
}

/* The last one first, as in a stack. */
static void release_all(weir_signal *signal)
{
    while (signal->count > 0) {
        struct caught *caught = &signal->caught[--signal->count];
        if (caught->was_blocked)
            weir__sys_signal_block(caught->number);
        weir__sys_signal_restore(caught->number, &caught->before);
        __atomic_store_n(&note_fds[caught->number], 0, __ATOMIC_SEQ_CST);
        weir__signal_disclaim(caught->number);
    }
    while (__atomic_load_n(&handlers_running, __ATOMIC_SEQ_CST) > 0)
        weir__base_thread_pause(); /* a write each */
}

static void let_go(weir_signal *signal)
{
    if (--signal->refs > 0)
        return;
    weir__io_close(signal->pipe[0]);
    weir__sys_close(signal->pipe[1]);
    weir__base_free(signal);
}

static void close_forgotten(struct weir__ledger_entry *entry)
{
    weir_signal_close(WEIR__CONTAINER(entry, weir_signal, entry));
}

int weir_signal_open(const int *signals, size_t count, weir_signal **out_signal)
{
    weir_task *task = weir__core_task();
    if (task == NULL)
        return -EPERM;
    if (count == 0 || count > SIGNALS)
        return weir_fail(-EINVAL, "%zu signals to wait for: between 1 and %d", count, SIGNALS);
    weir_signal *signal = weir__base_alloc_zero(sizeof *signal + count * sizeof signal->caught[0]);
    if (signal == NULL)
        return -ENOMEM;
    int rc = weir__sys_pipe(signal->pipe);
    if (rc < 0) {
        weir__base_free(signal);
        return rc;
    }
    signal->loop = weir__core_loop();
    signal->refs = 1;
    weir__list_init(&signal->waiters);
    char who[WHO_BYTES];
    snprintf(who, sizeof who, "task %s of loop %u", task->name == NULL ? "-" : task->name,
             signal->loop->number);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = catch_one(signal, signals[i], who);
    if (rc < 0) {
        release_all(signal);
        let_go(signal);
        return rc;
    }
    weir__ledger_add(&signal->entry, "signal", __builtin_return_address(0), close_forgotten);
    *out_signal = signal;
    return 0;
}

void weir_signal_close(weir_signal *signal)
{
    if (signal == NULL || signal->loop != weir__core_loop())
        return;
    weir__ledger_remove(&signal->entry);
    signal->closed = true;
    release_all(signal);
    struct weir__list *node;
    while ((node = weir__list_take_first(&signal->waiters)) != NULL)
        weir__io_cancel(&WEIR__CONTAINER(node, struct waiter, link)->op);
    let_go(signal);
}

/* --- wait ------------------------------------------------------------------------------------- */

static int wait_for_note(weir_signal *signal)
{
    struct waiter waiter = {.op = {.kind = WEIR__OP_POLL, .fd = signal->pipe[0], .flags = POLLIN}};
    weir__list_append(&signal->waiters, &waiter.link);
    int rc = (int)weir__io_run(&waiter.op);
    weir__list_remove(&waiter.link);
    return signal->closed && rc != -ECANCELED ? -EBADF : rc;
}

int weir_signal_wait(weir_signal *signal, weir_signal_info *out_info)
{
    if (signal->loop != weir__core_loop())
        return -EPERM;
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    weir_signal_info note;
    signal->refs++;
    ssize_t n;
    while (rc >= 0 && (n = weir__sys_read(signal->pipe[0], &note, sizeof note)) < 0)
        rc = n == -EAGAIN ? wait_for_note(signal) : (int)n;
    let_go(signal);
    if (rc < 0)
        return rc;
    weir__core_completed_at_once();
    if (out_info != NULL)
        *out_info = note;
    return 0;
}
