/*
 * backend.c - which backend a loop gets, and why not the other one
 *
 * io_uring is denied in many places that run services: the default seccomp profiles of container
 * runtimes, kernel.io_uring_disabled, old kernels. Falling back is normal, and said in one sentence
 * that names the reason as far as it can be found out, so that whoever wants the ring knows what to
 * change.
 *
 * Runs on  the thread that will own the loop.
 * Holds    1. Only "auto" falls back. A backend asked for by name is that one, or an error.
 */
#include "backend/backend.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/sys.h"

enum weir__uring_age weir__uring_age = WEIR__URING_ANY;

#ifdef WEIR_NO_URING
int weir__uring_open(struct weir__backend **out_backend)
{
    (void)out_backend;
    return -EPROTONOSUPPORT; // built without liburing: told apart from what a kernel says
}
#endif

/* The value of kernel.io_uring_disabled (Linux 6.6), or -1 when there is none to read. */
static int read_disabled_setting(void)
{
    int fd = weir__sys_open("/proc/sys/kernel/io_uring_disabled", O_RDONLY, 0);
    if (fd < 0)
        return -1;
    char digit;
    ssize_t got = weir__sys_read(fd, &digit, 1);
    weir_ignore(weir__sys_close(fd), "nothing was written");
    return got == 1 && digit >= '0' && digit <= '2' ? digit - '0' : -1;
}

static void explain(int rc, char *out, size_t size)
{
    int disabled = rc == -EPERM ? read_disabled_setting() : -1;
    switch (rc) {
    case -EPERM:
    case -EACCES:
        if (disabled > 0)
            snprintf(out, size,
                     "io_uring is denied (%s): kernel.io_uring_disabled is %d; epoll is used",
                     weir_code_name(rc), disabled);
        else
            snprintf(out, size,
                     "io_uring is denied (%s), probably by the seccomp profile of the container: "
                     "it must allow io_uring_setup, io_uring_enter and io_uring_register; "
                     "epoll is used",
                     weir_code_name(rc));
        break;
    case -EPROTONOSUPPORT:
        snprintf(out, size, "this build has no io_uring (WEIR_URING is off); epoll is used");
        break;
    case -ENOSYS:
        snprintf(
            out, size,
            "io_uring is missing (ENOSYS): it takes Linux 5.19 or later, and a seccomp profile "
            "that does not hide it; epoll is used");
        break;
    case -ENOMEM:
        snprintf(out, size,
                 "io_uring could not get its memory (ENOMEM): see RLIMIT_MEMLOCK (ulimit -l) and "
                 "the memory limit of the container; epoll is used");
        break;
    case -EMFILE:
    case -ENFILE:
        snprintf(out, size,
                 "io_uring could not be opened (%s): see RLIMIT_NOFILE (ulimit -n); epoll is used",
                 weir_code_name(rc));
        break;
    case -EOPNOTSUPP:
        snprintf(out, size,
                 "io_uring lacks operations that are needed (EOPNOTSUPP): it takes Linux 5.19 or "
                 "later; epoll is used");
        break;
    default:
        snprintf(out, size, "io_uring could not be opened (%s); epoll is used", weir_code_text(rc));
        break;
    }
}

static int open_auto(struct weir__backend **out_backend, char *out_why_not, size_t why_not_bytes)
{
    int rc = weir__uring_open(out_backend);
    if (rc == 0)
        return 0;
    if (out_why_not != NULL && why_not_bytes > 0)
        explain(rc, out_why_not, why_not_bytes);
    return weir__epoll_open(out_backend);
}

int weir__backend_open(const char *want, struct weir__backend **out_backend, char *out_why_not,
                       size_t why_not_bytes)
{
    if (out_why_not != NULL && why_not_bytes > 0)
        out_why_not[0] = '\0';
    if (want == NULL || strcmp(want, "auto") == 0)
        return open_auto(out_backend, out_why_not, why_not_bytes);
    if (strcmp(want, "uring") == 0)
        return weir__uring_open(out_backend);
    if (strcmp(want, "epoll") == 0)
        return weir__epoll_open(out_backend);
    if (strcmp(want, "sim") == 0)
        return weir__sim_open(out_backend);
    return -EINVAL;
}

void weir__backend_close(struct weir__backend *backend)
{
    if (backend != NULL)
        backend->table->close(backend);
}
