/*
 * notify.c - telling the service manager how things are, in systemd's words
 *
 * Each message is a datagram to the socket that $NOTIFY_SOCKET names; nobody answers, and without
 * the variable nothing is sent. READY=1 once connections are accepted, STOPPING=1 when the drain
 * begins, WATCHDOG=1 twice in each interval that the manager asks for, for as long as no loop is
 * stuck.
 *
 * Runs on  any thread.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/app.h"
#include "base/str.h"
#include "base/sys.h"

/* `/run/x`, or `@x` for one without a file. False: nobody listens. */
static bool read_address(struct sockaddr_un *out, socklen_t *out_size)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t size = path == NULL ? 0 : strnlen(path, sizeof out->sun_path);
    if (size < 2 || size >= sizeof out->sun_path || (path[0] != '/' && path[0] != '@'))
        return false;
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(out->sun_path, path, size);
    if (path[0] == '@')
        out->sun_path[0] = '\0';
    *out_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    return true;
}

void weir__app_notify(const char *message)
{
    struct sockaddr_un address;
    socklen_t size;
    if (!read_address(&address, &size))
        return;
    int fd = weir__sys_socket(AF_UNIX, SOCK_DGRAM, 0);
    if (fd < 0)
        return; // the manager has a limit of time for what it does not hear
    int rc = weir__sys_connect(fd, (const struct sockaddr *)(const void *)&address, size);
    if (rc == 0)
        weir_ignore(weir__sys_send(fd, message, strlen(message), 0), "as above");
    weir__sys_close(fd);
}

static bool read_number(const char *variable, int64_t *out_value)
{
    const char *text = getenv(variable);
    return text != NULL &&
           weir__str_parse_int(weir__str_from(text), 1, INT64_MAX / WEIR_US, out_value) == 0;
}

int64_t weir__app_watchdog_ns(void)
{
    int64_t pid, interval_us;
    if (getenv("NOTIFY_SOCKET") == NULL || !read_number("WATCHDOG_USEC", &interval_us))
        return WEIR_NEVER;
    if (getenv("WATCHDOG_PID") != NULL && (!read_number("WATCHDOG_PID", &pid) || pid != getpid()))
        return WEIR_NEVER; // meant for another process
    return interval_us * WEIR_US / 2;
}
