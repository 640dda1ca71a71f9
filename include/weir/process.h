/*
 * weir/process.h - running other programs
 *
 *     weir_process_result result;
 *     int rc = weir_process_run(
 *         &(weir_process_options){.arguments = (const char *[]){"git", "rev-parse", "HEAD", NULL}},
 *         (weir_str){0}, &result);
 *
 * A process belongs to whoever started it: it ends at the latest when its handle is closed, with
 * all that it has started in its process group (SIGTERM, after a while SIGKILL), and is always
 * reaped. It starts with what a new program expects: no signal blocked or ignored, and no
 * descriptor but the three that are named here. A program that cannot be started is an error with
 * its own code, not an exit code.
 */
#ifndef WEIR_PROCESS_H
#define WEIR_PROCESS_H

#include <weir/base.h>
#include <weir/pipe.h>
#include <weir/task.h>

/** A program that was started. */
typedef struct weir_process weir_process;

/** Where one of its three streams leads. */
typedef enum weir_process_stdio_kind {
    WEIR_PROCESS_STDIO_DEFAULT, /* input: nothing to read; output: where ours goes; in
                                   weir_process_run() output is collected */
    WEIR_PROCESS_STDIO_INHERIT, /* ours */
    WEIR_PROCESS_STDIO_NULL,    /* nothing to read, and what is written is dropped */
    WEIR_PROCESS_STDIO_PIPE,    /* see weir_process_input() and the like */
    WEIR_PROCESS_STDIO_FD,      /* `fd`, which is duplicated */
    WEIR_PROCESS_STDIO_JOINED,  /* standard error: to the same place as standard output */
} weir_process_stdio_kind;

/** One of its three streams. */
typedef struct weir_process_stdio {
    weir_process_stdio_kind kind;
    int fd; /* borrowed for the call that starts it */
} weir_process_stdio;

/** Whom it runs as; needs the right to become that. All other groups are dropped. */
typedef struct weir_process_identity {
    uint32_t uid, gid;
} weir_process_identity;

/** A limit of its resources, see setrlimit(2). */
typedef struct weir_process_limit {
    int resource; /* RLIMIT_... of <sys/resource.h> */
    uint64_t soft, hard;
} weir_process_limit;

/** What to start, and how. All is borrowed for the call. Zero is the default of each field. */
typedef struct weir_process_options {
    const char *const *arguments; /* the first names the program; closed with NULL */
    const char *program;          /* when it is not the first argument. Without a slash it is looked
                                     for in our $PATH */
    const char *const *environment; /* all of it, closed with NULL; NULL: ours */
    const char *const *changes;     /* to it, closed with NULL: "NAME=value" sets, "NAME" removes;
                                       the last one for a name counts */
    const char *folder;             /* it starts there, a relative program is looked for there */
    weir_process_stdio input, output, errors;
    bool shares_group; /* no process group of its own: Ctrl-C of our terminal is for it as well,
                               and only itself is ended, not what it has started */
    bool
        dies_with_parent; /* the kernel kills it when the thread of this loop ends, however it ends;
                               starting it keeps the loop waiting, instead of another thread */
    int64_t stop_budget_ns; /* how long close waits between SIGTERM and SIGKILL; 0: 5 s */
    const weir_process_identity *identity; /* NULL: ours */
    const weir_process_limit *limits;
    size_t limit_count;
    size_t output_bytes_max; /* of weir_process_run(), for each of both; 0: 16 MiB */
} weir_process_options;

/** How it ended, and what it took. */
typedef struct weir_process_status {
    int exit_code; /* 0 to 255; -1: a signal ended it */
    int signal;    /* that ended it; 0: none did */
    bool core_dumped;
    int64_t cpu_ns;           /* its own and that of children that it has waited for */
    int64_t memory_bytes_max; /* of real memory */
} weir_process_status;

/** What weir_process_run() has collected. */
typedef struct weir_process_result {
    weir_process_status status;
    weir_bytes output; /* a NUL that is not counted stands behind each; empty: not collected */
    weir_bytes errors;
} weir_process_result;

WEIR_BEGIN_DECLS

/**
 * Start a program.
 *
 * It has begun to run when this returns 0. The kernel's part of it (reading the program from disk)
 * is done on a thread of the default pool.
 *
 * @param options      borrowed
 * @param out_process  to be closed with weir_process_close(); used on this loop only
 *
 * Returns     0 or a negative errno; weir_failure_message() names the program and the step
 * Errors      -ENOENT      there is no such program, or no such folder
 *             -EACCES      it may not be run
 *             -EINVAL      no arguments, or options that contradict each other
 *             -EAGAIN      the limit of processes is reached
 *             -ENOMEM      no memory
 *             -EMFILE      no descriptors
 *             -EOPNOTSUPP  on the simulated backend
 *             -ECANCELED   the caller's scope is cancelled; nothing was started
 *             others       as execve(2)
 * Checkpoint  always
 * Thread      a loop's, in a task
 * Source      rules O4, O5; clone(2), execve(2)
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_process_spawn(const weir_process_options *options,
                                                                weir_process **out_process);

/**
 * Wait until it has ended. It goes on when the caller is cancelled. Several tasks may wait, and
 * once it has ended the answer stays the same.
 *
 * @param process     open
 * @param out_status  written on success; may be NULL
 *
 * Returns     0 or a negative errno
 * Errors      -ECANCELED  the caller's scope is cancelled
 *             -ECHILD     how it ended is lost: SIGCHLD is ignored, or other code of this program
 *                         has waited for it
 *             -EPERM      called outside a task, or on another loop
 * Checkpoint  always
 * Thread      the loop that started it, in a task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_process_wait(weir_process *process,
                                                               weir_process_status *out_status);

/**
 * Send it a signal.
 *
 * @param process        open
 * @param signal_number  SIGTERM, ...; 0 only asks whether it runs
 *
 * Returns     0 or a negative errno
 * Errors      -ESRCH   it has ended
 *             -EPERM   it runs as somebody else now, or this is another loop
 *             -EINVAL  no such signal
 * Checkpoint  no
 * Thread      the loop that started it
 */
WEIR_API WEIR_MUST_CHECK int weir_process_kill(weir_process *process, int signal_number);

/**
 * Send a signal to its whole process group: it, and what it has started and not put elsewhere. Also
 * after it has ended by itself, as long as the handle is open.
 *
 * @param process        open, with a group of its own
 * @param signal_number  SIGTERM, ...
 *
 * Returns     0 or a negative errno
 * Errors      -ESRCH   nobody is left in it
 *             -EINVAL  no such signal, or it shares our group
 *             -EPERM   they run as somebody else now, or this is another loop
 * Checkpoint  no
 * Thread      the loop that started it
 */
WEIR_API WEIR_MUST_CHECK int weir_process_kill_group(weir_process *process, int signal_number);

/**
 * Its number.
 *
 * @param process  open
 *
 * Returns     the number; it cannot be another process's before the handle is closed
 * Checkpoint  no
 * Thread      the loop that started it
 */
WEIR_API int weir_process_pid(const weir_process *process);

/**
 * Our end of the pipe to its standard input, to write to.
 *
 * @param process  open
 *
 * Returns     the pipe, which is closed by weir_process_finish_input() or with the process, and by
 *             nobody else; NULL: there is none, or it was closed
 * Checkpoint  no
 * Thread      the loop that started it
 */
WEIR_API weir_pipe *weir_process_input(const weir_process *process);

/**
 * Our end of the pipe from its standard output, to read from.
 *
 * @param process  open
 *
 * Returns     the pipe, which is closed with the process and by nobody else; NULL: there is none
 * Checkpoint  no
 * Thread      the loop that started it
 */
WEIR_API weir_pipe *weir_process_output(const weir_process *process);

/**
 * Our end of the pipe from its standard error, to read from.
 *
 * @param process  open
 *
 * Returns     the pipe, which is closed with the process and by nobody else; NULL: there is none
 * Checkpoint  no
 * Thread      the loop that started it
 */
WEIR_API weir_pipe *weir_process_errors(const weir_process *process);

/**
 * Close its standard input: it reads the end.
 *
 * @param process  a second time does nothing
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      the loop that started it
 * Source      rule O8
 */
WEIR_API void weir_process_finish_input(weir_process *process);

/**
 * End it and let it go. Its pipes are closed; if it still runs, its group gets SIGTERM, and SIGKILL
 * when its stop budget is used up; whoever of its group is left then is killed; it is reaped. It
 * cannot be left early: cancellation does not shorten it. Whoever reads or writes its pipes gets
 * -EBADF.
 *
 * @param process  taken; NULL does nothing
 *
 * Returns     nothing; a process that even SIGKILL does not end is reported (W401)
 * Checkpoint  while it still runs: other tasks go on
 * Thread      the loop that started it, in a task
 * Source      rule O8
 */
WEIR_API WEIR_CHECKPOINT void weir_process_close(weir_process *process);

/**
 * Run a program to its end: feed its standard input, collect what it says, all at once, so that no
 * full pipe can stop it. When the caller is cancelled, a deadline passes or a limit is reached, it
 * is ended as by weir_process_close().
 *
 * What it says ends when the last one who holds its output has closed it: a program that it leaves
 * running in the background is waited for too. A WEIR_TIMEOUT() around the call is the way out.
 *
 * @param options     borrowed; output and errors that are WEIR_PROCESS_STDIO_DEFAULT are collected
 * @param input       borrowed; what it reads, if anything; needs options->input to be the default.
 *                    That it did not read all of it is no failure
 * @param out_result  written when it ended; released with weir_process_result_free()
 *
 * Returns     its exit code, 0 to 255; 128 and the signal that ended it; or a negative errno
 * Errors      -EFBIG      it said more than options->output_bytes_max
 *             -EINVAL     input where there is no pipe for it, or a pipe for somebody else
 *             -ECANCELED  the caller's scope is cancelled
 *             others      as weir_process_spawn() and weir_process_wait()
 * Checkpoint  always
 * Thread      a loop's, in a task
 */
WEIR_API WEIR_CHECKPOINT WEIR_MUST_CHECK int weir_process_run(const weir_process_options *options,
                                                              weir_str input,
                                                              weir_process_result *out_result);

/**
 * Release what weir_process_run() has collected.
 *
 * @param result  emptied; NULL does nothing
 *
 * Returns     nothing
 * Checkpoint  no
 * Thread      any
 */
WEIR_API void weir_process_result_free(weir_process_result *result);

WEIR_END_DECLS

#endif
