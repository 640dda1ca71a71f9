/*
 * listener_inherit.c - sockets that the service manager has opened for us
 *
 * systemd puts them at 3 and up, says how many in LISTEN_FDS, for which process in LISTEN_PID, and
 * their names in LISTEN_FDNAMES. The variables stay, so a child finds them too: it is not the
 * process that is meant. Nothing is closed that nobody asks for.
 *
 * Runs on  the loop's own thread.
 * Holds    1. Each of the sockets is given out once: its number may be another one's later.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "net/net.h"

enum { FD_FIRST = 3, FDS_MAX = 64 };

static uint64_t given_out; /* atomic: a bit for each */

static uint64_t number_in(const char *variable)
{
    const char *text = getenv(variable);
    uint64_t value;
    if (text == NULL || weir__str_parse_uint(weir__str_from(text), UINT32_MAX, &value) < 0)
        return 0;
    return value;
}

size_t weir_listener_inherited_count(void)
{
    uint64_t count = number_in("LISTEN_FDS");
    if (number_in("LISTEN_PID") != (uint64_t)getpid())
        return 0;
    return count > FDS_MAX ? FDS_MAX : (size_t)count;
}

/* Names stand in order, with colons between; without the variable each is "unknown". */
static weir_str take_name(const char **rest)
{
    if (*rest == NULL)
        return WEIR_STR("unknown");
    weir_str name = {*rest, strcspn(*rest, ":")};
    *rest = (*rest)[name.size] == '\0' ? *rest + name.size : *rest + name.size + 1;
    return name;
}

/* Which of them is the index-th with that name; -1: none. */
static int find_socket(const char *name, size_t index)
{
    const char *names = getenv("LISTEN_FDNAMES");
    size_t count = weir_listener_inherited_count();
    for (size_t i = 0; i < count; i++) {
        weir_str found = take_name(&names);
        if (name != NULL && !weir__str_equal(found, weir__str_from(name)))
            continue;
        if (index-- == 0)
            return (int)i;
    }
    return -1;
}

int weir_listener_inherit(const char *name, size_t index, const weir_listener_options *options,
                          weir_listener **out_listener)
{
    int at = find_socket(name, index);
    if (at < 0)
        return weir_fail(-ENOENT,
                         "no socket%s%s at place %zu: the service manager has passed %zu in all",
                         name == NULL ? "" : " named ", name == NULL ? "" : name, index,
                         weir_listener_inherited_count());
    uint64_t bit = UINT64_C(1) << at;
    if ((__atomic_fetch_or(&given_out, bit, __ATOMIC_SEQ_CST) & bit) != 0)
        return weir_fail(-EBUSY, "the passed socket %s (descriptor %d) was taken before",
                         name == NULL ? "" : name, FD_FIRST + at);
    return weir__net_listener_adopt(FD_FIRST + at, options, __builtin_return_address(0),
                                    out_listener);
}
