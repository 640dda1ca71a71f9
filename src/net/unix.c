/*
 * unix.c - binding, and what the name of a Unix socket is beside it: a file
 *
 * The file outlives the socket. One that nobody has open any more is in the way of the next start,
 * so it is removed; one that answers is in use, whoever made it. A file that is no socket is never
 * touched.
 *
 * Runs on  the loop's own thread.
 * Costs    a bind: one call; a stale file in the way five more.
 */
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/sys.h"
#include "net/net.h"

/* The path, closed with a NUL; NULL for an abstract name and for other families. */
static const char *path_of(const weir_address *address, struct sockaddr_un *un)
{
    if (weir__net_family(address) != AF_UNIX)
        return NULL;
    memcpy(un, &address->storage, sizeof *un);
    return un->sun_path[0] == '\0' ? NULL : un->sun_path;
}

/* Nobody has it open: connecting is refused. A queue that is full says -EAGAIN. */
static bool is_stale(const char *path, int type, const weir_address *address)
{
    struct stat found;
    if (weir__sys_stat(path, &found) < 0 || !S_ISSOCK(found.st_mode))
        return false;
    int fd = weir__sys_socket(AF_UNIX, type, 0);
    if (fd < 0)
        return false;
    int rc = weir__sys_connect(fd, weir__net_sockaddr(address), address->size);
    weir__io_close(fd);
    return rc == -ECONNREFUSED;
}

static int bind_anew(int fd, int type, const weir_address *address, const char *path)
{
    int rc = weir__sys_bind(fd, weir__net_sockaddr(address), address->size);
    if (rc != -EADDRINUSE || path == NULL || !is_stale(path, type, address))
        return rc;
    rc = weir__sys_unlink(path);
    return rc < 0 ? rc : weir__sys_bind(fd, weir__net_sockaddr(address), address->size);
}

int weir__net_bind(int fd, int type, const weir_address *address, unsigned unix_mode)
{
    struct sockaddr_un un;
    const char *path = path_of(address, &un);
    if (path == NULL || unix_mode == 0)
        return bind_anew(fd, type, address, path);
    // The file takes the socket's mode, less the umask: so it is never more open than asked for.
    int rc = weir__sys_fchmod(fd, unix_mode);
    if (rc == 0)
        rc = bind_anew(fd, type, address, path);
    return rc < 0 ? rc : weir__sys_chmod(path, unix_mode);
}
