/*
 * lock.c - locks on whole files, between processes
 *
 * Linux tells nobody when such a lock becomes free: a thread can only sit in the call, and cannot
 * be called back from there. So nobody sits: each try is a short job that does not wait, and
 * between two tries the task sleeps, 1 ms at first and 64 ms at most. A cancelled caller leaves at
 * once, no thread is held, and who comes first is not told from who comes last.
 *
 * Runs on  any loop, in a task; the tries on threads of the default pool, because of network file
 *          systems, which ask a server.
 */
#include <sys/file.h>
#include <weir/task.h>

#include "base/sys_folder.h"
#include "file/call.h"
#include "file/file.h"

enum { DELAY_FIRST_MS = 1, DELAY_MAX_MS = 64 };

int weir_file_try_lock(weir_file *file, weir_file_lock_mode mode)
{
    if (mode != WEIR_FILE_LOCK_SHARED && mode != WEIR_FILE_LOCK_EXCLUSIVE)
        return -EINVAL;
    int operation = mode == WEIR_FILE_LOCK_SHARED ? LOCK_SH : LOCK_EX;
    return (int)weir__file_call_on(file,
                                   (struct weir__op){.kind = (enum weir__op_kind)WEIR__FILE_LOCK,
                                                     .flags = operation | LOCK_NB});
}

int weir_file_lock(weir_file *file, weir_file_lock_mode mode)
{
    int64_t delay_ms = DELAY_FIRST_MS;
    weir__file_hold(file);
    int rc = weir_file_try_lock(file, mode);
    while (rc == -EAGAIN) {
        rc = weir_sleep(delay_ms * WEIR_MS);
        if (rc == 0)
            rc = weir_file_try_lock(file, mode);
        if (delay_ms < DELAY_MAX_MS)
            delay_ms *= 2;
    }
    weir_ignore(weir__file_let_go(file), "whoever closed it has been told");
    return rc;
}

int weir_file_unlock(weir_file *file)
{
    return weir__sys_flock(file->fd, LOCK_UN);
}
