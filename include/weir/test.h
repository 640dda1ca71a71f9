/*
 * weir/test.h - testing programs of tasks: virtual time, seeds, cancellation and faults everywhere
 *
 *     static int gives_up_after_30_s(void *arg)
 *     {
 *         int rc = weir_timeout(30 * WEIR_SEC, ask_a_server_that_is_silent, arg);
 *         return rc == -ETIME ? 0 : -EIO;
 *     }
 *     ...
 *     failed += weir_test_run(gives_up_after_30_s, NULL, NULL) < 0; // takes no time
 *
 * A body runs as the main task of a loop of its own. On the simulated backend, the default, time
 * is virtual: it jumps to the next instant when every task waits. A *round* is one such run; after
 * it the books must balance: no failure, no finding of the always-on checks, nothing left open,
 * and memory and descriptors of weir as before. A round that fails is told on standard error, with
 * one line that repeats it: run the program again with WEIR_TEST_REPLAY set to what it says.
 *
 * WEIR_TEST_REPLAY  only this round, of the test with this name
 * WEIR_TEST_ROUNDS  1: name each round before it runs; the last line tells where it crashed
 *
 * Link weir::test (CMake) or weir-test (pkg-config). One test at a time in a process.
 */
#ifndef WEIR_TEST_H
#define WEIR_TEST_H

#include <weir/base.h>
#include <weir/task.h>

/** How time passes in a round. */
typedef enum weir_test_clock {
    WEIR_TEST_CLOCK_JUMPS,   /* virtual: jumps when every task waits and nothing real is under way;
                                on a real backend too */
    WEIR_TEST_CLOCK_BY_HAND, /* virtual: moves only by weir_test_advance() */
    WEIR_TEST_CLOCK_REAL,    /* the machine's; not on the simulated backend */
} weir_test_clock;

/** What a round does to its body; to be combined with `|`. */
enum weir_test_kind {
    WEIR_TEST_CANCEL = 1,      /* its scope is cancelled right before the n-th checkpoint */
    WEIR_TEST_CANCEL_LATE = 2, /* its scope is cancelled together with the n-th result: that
                                   wins */
    WEIR_TEST_NO_MEMORY = 4,   /* the n-th allocation of weir fails */
    WEIR_TEST_KERNEL = 8,      /* the n-th call of the kernel fails */
    WEIR_TEST_OPERATION = 16,  /* the n-th operation handed to the backend fails */
    WEIR_TEST_NO_THREAD = 32,  /* the n-th thread cannot be started */
    WEIR_TEST_ALL_FAULTS = 60, /* the last four */
    /* Of these nothing may fail: */
    WEIR_TEST_SHORT = 64,   /* the n-th transfer moves one byte only */
    WEIR_TEST_LATER = 1024, /* the n-th operation begins some turns later: others overtake it */
    /* On the simulated network: */
    WEIR_TEST_LATE = 128,        /* the n-th packet takes up to two seconds longer */
    WEIR_TEST_RESET = 256,       /* the n-th packet breaks its connection */
    WEIR_TEST_PARTITION = 512,   /* from the n-th packet on its two hosts are cut off from each
                                    other, for up to 40 s */
    WEIR_TEST_ALL_NETWORK = 896, /* the last three */
};

/** What a round came to. */
typedef struct weir_test_round {
    const char *how; /* "cancelled at checkpoint 3", "seed 7" */
    unsigned kind;   /* enum weir_test_kind; 0: nothing was done to it; several in a swarm */
    uint64_t number; /* of the checkpoint, allocation, ...; 0: nothing was done to it */
    bool struck;     /* it happened: the body got that far */
    uint64_t seed;   /* of the order of ready tasks; 0: first in, first out */
    int rc;          /* what the body came to; WEIR_CAUGHT: it returned the -ECANCELED of its
                          cancel */
    uint64_t points; /* checkpoints that were passed */
    uint64_t trace;  /* hash of who ran when; the same for the same seed, wherever it runs */
} weir_test_round;

/** Whether what a round came to is right; called after it, outside of its loop. */
typedef bool weir_test_verify_fn(const weir_test_round *round, void *arg);

/** What all rounds of a call came to. */
typedef struct weir_test_report {
    uint64_t round_count;
    weir_test_round round; /* the last; that is the one that failed, if any did */
    char replay[200];      /* of the one that failed; empty: none did */
    char what[200];        /* the first thing that was wrong with it */
} weir_test_report;

/**
 * The simulated network of a round: what is between sockets on the simulated backend. Zero is the
 * default of each field; every field is for each connection and each direction.
 */
typedef struct weir_test_network {
    int64_t latency_ns;         /* of each packet; 0: 100 us */
    int64_t jitter_ns;          /* up to so much is added, drawn for each packet */
    uint64_t bytes_per_second;  /* 0: no limit */
    size_t segment_bytes_max;   /* bytes arrive in pieces of 1 to so many, drawn; 0: as they were
                                     sent */
    size_t window_bytes;        /* what a receiver holds unread; 0: 64 KiB */
    size_t send_buffer_bytes;   /* what a sender's kernel holds; 0: 64 KiB */
    uint32_t loss_per_million;  /* packets that are lost: TCP sends them again, later */
    uint32_t twice_per_million; /* datagrams that come twice */
    size_t sockets_max;         /* then -EMFILE; 0: 20,000 */
} weir_test_network;

/** The simulated disk of a round. Zero is the default of each field. */
typedef struct weir_test_disk {
    const char *path;   /* the folder it is: absolute; NULL: "/disk" */
    uint64_t bytes_max; /* in all files together; then -ENOSPC; 0: no limit */
    int64_t call_ns;    /* what each call takes of virtual time */
    int64_t sync_ns;    /* and a sync besides */
    bool read_only;     /* changes are -EROFS */
} weir_test_disk;

/** How to test. Zero is the default of each field. */
typedef struct weir_test_options {
    const char *name;    /* in reports and replays; NULL: "test" */
    const char *backend; /* "sim", "uring", "epoll"; NULL: "sim" */
    weir_test_clock clock;
    uint64_t seed;  /* the first; 0: first in, first out, or from 1 when `seeds` asks
                                    for more than one */
    size_t seeds;   /* how many in a row; 0: 1, in a swarm 100 */
    unsigned kinds; /* enum weir_test_kind; 0: what the call does by itself */
    const weir_test_network *network; /* on the simulated backend; NULL: the defaults */
    const weir_test_disk *disk; /* names beneath its path are files of it; on the simulated backend;
                                   NULL: files are real */
    int kernel_code;            /* what calls and operations fail with; 0: -EIO */
    int64_t finish_ns;          /* a body that was cancelled or met a fault must end within this
                                    much of its time; 0: an hour, 10 s when time is real */
    weir_test_verify_fn *verify; /* NULL: a round is right when the body came to 0 or more, or, in
                                    one that met a fault, to any code */
    weir_test_report *report;    /* filled; may be NULL */
    bool quiet;                  /* says nothing: the report is enough */
} weir_test_options;

/** A plain function for weir_test_fault_each(); `nth` is 0 in the first run, which meets no
 * fault. */
typedef void weir_test_fault_fn(void *arg, uint64_t nth);

WEIR_BEGIN_DECLS

/* --- running --------------------------------------------------------------------------------- */

/**
 * Run a body on the simulated backend, once for each seed.
 *
 * With a seed the ready tasks of each turn run in an order drawn from it: code that depends on the
 * order fails on one of many. The same seed gives the same run, and the same hash.
 *
 * @param body     the main task; 0 or more: as it should be
 * @param arg      passed to body
 * @param options  borrowed; NULL for the defaults
 *
 * Returns     0, or what was wrong with the first round that failed, as a negative errno
 * Errors      -EUCLEAN   the body was fine; something was left open, found, or refused by `verify`
 *             -EDEADLK   every task waited for something that could never come
 *             -EINVAL    options that make no sense, or a WEIR_TEST_REPLAY that cannot be read
 *             -EPERM     this thread runs a loop already
 *             any other  what the body returned
 * Checkpoint  no: it blocks the thread; not to be called from a task
 * Thread      any that runs no loop
 * Source      rules Q1, Q2, Q4
 */
WEIR_API WEIR_MUST_CHECK int weir_test_run(weir_task_fn *body, void *arg,
                                           const weir_test_options *options);

/**
 * Run a body again and again: its scope is cancelled before its first checkpoint, before its
 * second, until a round has none left; then each allocation fails in turn, each call of the kernel,
 * each operation and each thread. `kinds` chooses among these.
 *
 * @param body     a whole: it opens what it needs and closes it again, however it ends
 * @param arg      passed to body
 * @param options  borrowed; NULL for the defaults
 *
 * Returns     0, or what was wrong with the first round that failed, as a negative errno
 * Errors      as weir_test_run()
 * Checkpoint  no: it blocks the thread; not to be called from a task
 * Thread      any that runs no loop
 * Source      rules C5, T2, I1 to I11
 */
WEIR_API WEIR_MUST_CHECK int weir_test_cancel_everywhere(weir_task_fn *body, void *arg,
                                                         const weir_test_options *options);

/**
 * The same, where each cancel comes together with a result: the result wins, and nothing that was
 * handed out with it may be lost.
 *
 * @param body     a whole: it opens what it needs and closes it again, however it ends
 * @param arg      passed to body
 * @param options  borrowed; NULL for the defaults
 *
 * Returns     0, or what was wrong with the first round that failed, as a negative errno
 * Errors      as weir_test_run()
 * Checkpoint  no: it blocks the thread; not to be called from a task
 * Thread      any that runs no loop
 * Source      rules O4, I5
 */
WEIR_API WEIR_MUST_CHECK int weir_test_cancel_everywhere_and_result_wins(
    weir_task_fn *body, void *arg, const weir_test_options *options);

/**
 * Run a body once for each seed with several faults at once, drawn from the seed. Each seed leaves
 * some kinds of fault out, so that rare combinations come up. After the last fault the body must
 * end within `finish_ns`. A run that fails is made smaller: faults that it fails without are taken
 * out, and what is left is the line to replay. Every eighth seed runs twice: its hashes must agree.
 *
 * @param body     a whole: it opens what it needs and closes it again, however it ends
 * @param arg      passed to body
 * @param options  borrowed; NULL for the defaults; `kinds` limits what is drawn from
 *
 * Returns     0, or what was wrong with the first round that failed, as a negative errno
 * Errors      as weir_test_run()
 * Checkpoint  no: it blocks the thread; not to be called from a task
 * Thread      any that runs no loop
 */
WEIR_API WEIR_MUST_CHECK int weir_test_swarm(weir_task_fn *body, void *arg,
                                             const weir_test_options *options);

/**
 * Call a plain function again and again, outside of any loop or inside a task: the first call that
 * can fail fails, then the second, until a run has none left. Memory and descriptors of weir must
 * be level after each.
 *
 * @param kind           one of the faults of enum weir_test_kind
 * @param code           what fails with it: a negative errno
 * @param from_there_on  all calls after the n-th fail too
 * @param fn             copes with a failure anywhere
 * @param arg            passed to fn
 * @param out_count      how many faults were met; may be NULL
 *
 * Returns     0 or a negative errno
 * Errors      -EUCLEAN  a run did not give back what it took; it is told on standard error
 *             -EINVAL   not a kind of fault, or not a code
 * Checkpoint  no, but what fn does
 * Thread      any, one at a time in a process
 */
WEIR_API WEIR_MUST_CHECK int weir_test_fault_each(unsigned kind, int code, bool from_there_on,
                                                  weir_test_fault_fn *fn, void *arg,
                                                  uint64_t *out_count);

/* --- inside a body --------------------------------------------------------------------------- */

/**
 * Wait until every other task of the loop waits for something.
 *
 * Time does not move meanwhile. Tasks may wake each other as often as they like before.
 *
 * Returns     0 or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled
 *             -EPERM      called outside the tasks of a test
 * Checkpoint  always
 * Thread      a test's loop, in a task
 * Source      rule Q3
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_test_settle(void);

/**
 * Let virtual time pass: whatever is due meanwhile happens in the order of time, each at its own
 * instant, and what it sets off has come to rest before the next.
 *
 * @param duration_ns  0 or less: only what is due now
 *
 * Returns     0 when that much time has passed, or a negative errno
 * Errors      -ECANCELED   the caller's scope is cancelled; time stands where it stood then
 *             -EOPNOTSUPP  this test's time is real
 *             -EPERM       called outside the tasks of a test
 * Checkpoint  always
 * Thread      a test's loop, in a task
 * Source      rule Q1
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_test_advance(int64_t duration_ns);

/**
 * A random number from the seed of the round: the same in each replay.
 *
 * Returns     any 64 bits; 0 outside the tasks of a test
 * Checkpoint  no
 * Thread      a test's loop, in a task
 */
WEIR_API uint64_t weir_test_random(void);

/* --- the simulated network, inside a body ----------------------------------------------------- */

/**
 * Give a host of the simulated network a name. From the first one on, names are answered from this
 * table only; a name that is not in it does not exist.
 *
 * Whoever binds an address is on the host with that address; 127.0.0.1, ::1, 10.0.0.1 and fd00::1
 * are one host, where wildcards listen.
 *
 * @param name      as weir_resolve() will be asked for it, in lower case
 * @param address   an IPv4 or IPv6 address without a port, one more of this host (up to 4); NULL:
 *                  none
 * @param delay_ns  what a look-up takes
 * @param rc        what a look-up comes to: 0, or a negative errno
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL  no address, or a name that is too long
 *             -ENOMEM  no memory for it
 *             -ENOSPC  it has 4 addresses already
 *             -EPERM   this is not a test on the simulated backend
 * Checkpoint  no
 * Thread      a test's loop, in a task
 */
WEIR_API WEIR_MUST_CHECK int weir_test_host(const char *name, const char *address, int64_t delay_ns,
                                            int rc);

/**
 * Cut two hosts off from each other: from now on every packet between them is lost without a word,
 * until weir_test_heal().
 *
 * @param a  a host: its name or its address; NULL: all
 * @param b  the other; NULL: all
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL  no such host
 *             -ENOMEM  no memory for it
 *             -EPERM   this is not a test on the simulated backend
 * Checkpoint  no
 * Thread      a test's loop, in a task
 */
WEIR_API WEIR_MUST_CHECK int weir_test_partition(const char *a, const char *b);

/**
 * End all partitions. What was lost meanwhile is sent again, as TCP does it: within a minute.
 *
 * Returns     0, or -EPERM: this is not a test on the simulated backend
 * Checkpoint  no
 * Thread      a test's loop, in a task
 */
WEIR_API WEIR_MUST_CHECK int weir_test_heal(void);

/**
 * Break all connections of a host, as a router does that has lost its memory: both sides hear
 * -ECONNRESET.
 *
 * @param host  its name or its address; NULL: all
 *
 * Returns     0 or a negative errno
 * Errors      -EINVAL  no such host
 *             -EPERM   this is not a test on the simulated backend
 * Checkpoint  no
 * Thread      a test's loop, in a task
 */
WEIR_API WEIR_MUST_CHECK int weir_test_reset_connections(const char *host);

/* --- the simulated disk, inside a body -------------------------------------------------------- */

/**
 * Change how the disk is: full, read-only, slow, or as before.
 *
 * @param disk  borrowed; its path is not looked at
 *
 * Returns     0, or -EPERM: this round has no simulated disk
 * Checkpoint  no
 * Thread      a test's loop, in a task
 */
WEIR_API WEIR_MUST_CHECK int weir_test_disk_set(const weir_test_disk *disk);

/**
 * Let the machine stop: after so many more changes of the disk (a write, a sync, a new name) every
 * call on it is -EIO, until weir_test_disk_crash().
 *
 * @param changes  0: the next one does not happen any more
 *
 * Returns     0, or -EPERM: this round has no simulated disk
 * Checkpoint  no
 * Thread      a test's loop, in a task
 */
WEIR_API WEIR_MUST_CHECK int weir_test_disk_stop_after(uint64_t changes);

/**
 * Whether the machine has stopped.
 *
 * Returns     false also when this round has no simulated disk
 * Checkpoint  no
 * Thread      a test's loop, in a task
 */
WEIR_API bool weir_test_disk_stopped(void);

/**
 * Lose power, and start again: what was synced is there, and of the rest a part drawn from the
 * seed. Names are safe when their folder was synced; else the first few changes of them survive,
 * in their order. Of a file that was not synced since its last change any sectors of 512 bytes may
 * be old, and so may its size. Files that are open are -EIO from now on; close them.
 *
 * Returns     0, or -EPERM: this round has no simulated disk
 * Checkpoint  no
 * Thread      a test's loop, in a task
 */
WEIR_API WEIR_MUST_CHECK int weir_test_disk_crash(void);

/* --- a verdict, inside a body ----------------------------------------------------------------- */

/**
 * Say that something is wrong; the round goes on, and fails at its end.
 *
 * @param format  as for printf, one line
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      a test's loop, in a task
 */
WEIR_API void weir_test_fail(const char *format, ...) WEIR_PRINTF(1, 2);

WEIR_END_DECLS

/** The round fails when the condition does not hold; it goes on meanwhile. */
#define WEIR_TEST_EXPECT(condition)                                                                \
    ((condition) ? (void)0 : weir_test_fail("%s:%d: %s", __FILE__, __LINE__, #condition))

#endif
