/*
 * listener.c - taking connections
 *
 * Runs on  the loop's own thread.
 * Holds    1. An accept in flight is in `accepts`; the descriptor is closed only when that is
 *             empty, and the memory goes when no task is inside a call.
 *          2. What accept refuses for a while is waited out with a pause, so that it never spins.
 *          3. A connection the kernel handed over is handed on or closed (I4).
 */
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "net/net.h"

static const char address_default[] = "127.0.0.1:0";

struct weir_listener {
    struct weir__ledger_entry entry;
    weir_loop *loop;
    int fd;
    unsigned users;
    bool closed;
    struct weir__list accepts;
    weir_address address;
    struct weir__net_how how; /* of accepted connections */
    weir_listener_stats stats;
};

/* --- open ------------------------------------------------------------------------------------- */

static int fail_on(const char *what, const weir_address *address, int rc)
{
    char text[WEIR_ADDRESS_TEXT_BYTES];
    return weir_fail(rc, "cannot %s %s: %s", what, weir_address_format(address, text),
                     weir_code_text(rc));
}

static int bind_socket(int fd, const weir_listener_options *options, const weir_address *address)
{
    int family = weir__net_family(address);
    int rc = 0;
    if (family != AF_UNIX) // or a restarted service waits a minute for its own last connections
        rc = weir__sys_setsockopt_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (rc == 0 && options->reuse_port)
        rc = weir__sys_setsockopt_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (rc == 0 && family == AF_INET6) // said always: the default is a setting of the machine
        rc = weir__sys_setsockopt_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, options->ipv6_only);
    if (rc == 0)
        rc = weir__net_bind(fd, SOCK_STREAM, address, options->unix_mode);
    return rc;
}

static int open_socket(const weir_listener_options *options, int *out_fd)
{
    const char *text = options->address == NULL ? address_default : options->address;
    weir_address address;
    int rc = weir_address_parse(text, &address);
    if (rc < 0)
        return weir_fail(
            rc, "cannot listen on '%s': an address looks like 127.0.0.1:8080 or [::]:80", text);
    int fd = weir__sys_socket(weir__net_family(&address), SOCK_STREAM, 0);
    if (fd < 0)
        return fail_on("listen on", &address, fd);
    rc = bind_socket(fd, options, &address);
    if (rc < 0) {
        weir__io_close(fd);
        return fail_on("listen on", &address, rc);
    }
    *out_fd = fd;
    return 0;
}

static int begin_listening(weir_listener *listener, const weir_listener_options *options)
{
    int rc = weir__net_local_address(listener->fd, &listener->address);
    if (rc < 0)
        return weir_fail(rc, "cannot listen on descriptor %d: %s", listener->fd,
                         weir_code_text(rc));
    weir__net_tune(listener->fd, weir__net_family(&listener->address),
                   listener->how.write_stall_ns);
    rc = weir__sys_listen(listener->fd,
                          options->backlog == 0 ? WEIR__NET_BACKLOG : options->backlog);
    if (rc < 0)
        return fail_on("listen on", &listener->address, rc);
    // With port 0 and SO_REUSEPORT it is only now that nobody else can get the same one.
    return weir__net_local_address(listener->fd, &listener->address);
}

static int new_listener(const weir_listener_options *options, weir_listener **out_listener)
{
    struct weir__net_how how = {.takes_fds = options->takes_fds};
    int rc =
        weir__net_limit(options->read_idle_timeout_ns, WEIR__NET_SERVER_READ_NS, &how.read_idle_ns);
    if (rc == 0)
        rc = weir__net_limit(options->write_stall_timeout_ns, WEIR__NET_SERVER_WRITE_NS,
                             &how.write_stall_ns);
    if (rc < 0 || options->backlog < 0 || options->unix_mode > 0777)
        return -EINVAL;
    if (weir__core_loop() == NULL)
        return -EPERM;
    weir_listener *listener = weir__base_alloc_zero(sizeof *listener);
    if (listener == NULL)
        return -ENOMEM;
    listener->loop = weir__core_loop();
    listener->how = how;
    weir__list_init(&listener->accepts);
    *out_listener = listener;
    return 0;
}

static void close_left_open(struct weir__ledger_entry *entry)
{
    weir_listener_close(WEIR__CONTAINER(entry, weir_listener, entry));
}

/* Takes fd, also on failure. */
static int open_on(int fd, const weir_listener_options *options, const void *opener,
                   weir_listener **out_listener)
{
    weir_listener *listener;
    int rc = new_listener(options, &listener);
    if (rc < 0)
        goto close_fd;
    listener->fd = fd;
    rc = begin_listening(listener, options);
    if (rc == 0 && options->takes_fds && weir__net_family(&listener->address) != AF_UNIX)
        rc = weir_fail(-EINVAL, "only a Unix listener takes descriptors");
    if (rc < 0)
        goto free_listener;
    weir__ledger_add(&listener->entry, "listener", opener, close_left_open);
    *out_listener = listener;
    return 0;

free_listener:
    weir__base_free(listener);
close_fd:
    weir__io_close(fd);
    return rc;
}

/* From elsewhere: it listens already; listen(2) again only sets the backlog. */
int weir__net_listener_adopt(int fd, const weir_listener_options *options, const void *opener,
                             weir_listener **out_listener)
{
    static const weir_listener_options defaults;
    if (fd < 0)
        return -EBADF;
    weir__sys_count_opened();
    int rc = weir__net_check_socket(fd, true);
    if (rc < 0) {
        weir__io_close(fd);
        return rc;
    }
    return open_on(fd, options == NULL ? &defaults : options, opener, out_listener);
}

int weir_listener_adopt(int fd, const weir_listener_options *options, weir_listener **out_listener)
{
    return weir__net_listener_adopt(fd, options, __builtin_return_address(0), out_listener);
}

int weir_listener_open(const weir_listener_options *options, weir_listener **out_listener)
{
    static const weir_listener_options defaults;
    if (options == NULL)
        options = &defaults;
    if (options->inherited_fd < 0)
        return -EINVAL;
    if (options->inherited_fd > 0)
        return weir__net_listener_adopt(options->inherited_fd, options, __builtin_return_address(0),
                                        out_listener);
    int fd;
    int rc = open_socket(options, &fd);
    return rc < 0 ? rc : open_on(fd, options, __builtin_return_address(0), out_listener);
}

/* --- close ------------------------------------------------------------------------------------ */

static void settle_closed(weir_listener *listener)
{
    if (!listener->closed)
        return;
    if (listener->fd >= 0 && weir__list_empty(&listener->accepts)) {
        weir__io_close(listener->fd);
        listener->fd = -1;
    }
    if (listener->users == 0)
        weir__base_free(listener);
}

void weir_listener_close(weir_listener *listener)
{
    if (listener == NULL || listener->closed)
        return;
    listener->closed = true;
    weir__ledger_remove(&listener->entry);
    weir__net_calls_cancel(&listener->accepts);
    settle_closed(listener);
}

void weir__net_listener_hold(weir_listener *listener)
{
    listener->users++;
}

void weir__net_listener_release(weir_listener *listener)
{
    listener->users--;
    settle_closed(listener);
}

/* --- giving way ------------------------------------------------------------------------------- */

static _Thread_local struct weir__list spares; /* of this thread's loop */

void weir__net_spare_add(struct weir__net_spare *spare)
{
    if (spares.next == NULL)
        weir__list_init(&spares);
    weir__list_append(&spares, &spare->link);
}

void weir__net_spare_remove(struct weir__net_spare *spare)
{
    weir__list_remove(&spare->link);
}

/* One descriptor comes free, in this turn or the next. */
static bool somebody_gives_way(void)
{
    if (spares.next == NULL)
        return false;
    for (struct weir__list *node = spares.next; node != &spares; node = node->next) {
        struct weir__net_spare *spare = WEIR__CONTAINER(node, struct weir__net_spare, link);
        if (spare->give_way(spare))
            return true;
    }
    return false;
}

/* --- accept ----------------------------------------------------------------------------------- */

/* The connection was gone before we had it: accept(2), "Error handling". */
static bool is_about_the_peer(int rc)
{
    switch (rc) {
    case -ECONNABORTED:
    case -ECONNRESET:
    case -EPROTO:
    case -ENOPROTOOPT:
    case -ENETDOWN:
    case -ENETUNREACH:
    case -EHOSTDOWN:
    case -EHOSTUNREACH:
    case -ENONET:
    case -ETIMEDOUT:
    case -EPERM: // a firewall's rule
        return true;
    default:
        return false;
    }
}

static bool is_shortage(int rc)
{
    return rc == -EMFILE || rc == -ENFILE || rc == -ENOBUFS || rc == -ENOMEM;
}

static int accept_once(weir_listener *listener, weir_address *out_peer)
{
    weir_address peer = {.size = sizeof peer.storage};
    struct weir__net_call accepting = {.op = {.kind = WEIR__OP_ACCEPT,
                                              .fd = listener->fd,
                                              .address = (struct sockaddr *)(void *)&peer.storage,
                                              .address_size = &peer.size}};
    weir__list_append(&listener->accepts, &accepting.link);
    int fd = (int)weir__io_run(&accepting.op);
    weir__list_remove(&accepting.link);
    if (fd >= 0) {
        listener->stats.accepted++;
        *out_peer = peer;
    }
    return fd;
}

static int pause_for_shortage(weir_listener *listener, int rc)
{
    listener->stats.exhausted++;
    bool given = (rc == -EMFILE || rc == -ENFILE) && somebody_gives_way();
    return weir_sleep((given ? WEIR__NET_GIVEN_MS : WEIR__NET_PAUSE_MS) * WEIR_MS);
}

static int accept_lasting(weir_listener *listener, weir_address *out_peer)
{
    while (!listener->closed) {
        int rc = accept_once(listener, out_peer);
        if (rc >= 0 || rc == -ECANCELED)
            return rc; // the result wins: a connection that came with the close is still handed on
        if (listener->closed)
            break;
        if (is_shortage(rc)) {
            rc = pause_for_shortage(listener, rc);
            if (rc < 0)
                return rc;
        } else if (is_about_the_peer(rc)) {
            listener->stats.aborted++;
        } else {
            return fail_on("accept on", &listener->address, rc);
        }
    }
    return weir_fail(-EBADF, "the listener was closed by another task");
}

static int enter_call(weir_listener *listener)
{
    if (weir__core_task() == NULL || listener->loop != weir__core_loop())
        return -EPERM;
    weir__net_listener_hold(listener);
    return 0;
}

int weir__net_accept_fd(weir_listener *listener, weir_address *out_peer)
{
    int rc = enter_call(listener);
    if (rc < 0)
        return rc;
    rc = accept_lasting(listener, out_peer);
    weir__net_listener_release(listener);
    return rc;
}

int weir__net_accept_pause(weir_listener *listener)
{
    int rc = enter_call(listener);
    if (rc < 0)
        return rc;
    rc = pause_for_shortage(listener, -ENOMEM);
    weir__net_listener_release(listener);
    return rc;
}

static int accept_conn(weir_listener *listener, weir_conn **out_conn)
{
    for (;;) {
        weir_address peer;
        int fd = accept_lasting(listener, &peer);
        if (fd < 0)
            return fd;
        int rc = weir__net_conn_open(fd, &peer, &listener->how, out_conn);
        if (rc == 0)
            return 0;
        rc = pause_for_shortage(listener, rc); // the peer sees its connection closed
        if (rc < 0)
            return rc;
    }
}

int weir_listener_accept(weir_listener *listener, weir_conn **out_conn)
{
    int rc = enter_call(listener);
    if (rc < 0)
        return rc;
    rc = accept_conn(listener, out_conn);
    if (rc == 0)
        weir__net_conn_register(*out_conn, __builtin_return_address(0));
    weir__net_listener_release(listener);
    return rc;
}

int weir_listener_accept_fd(weir_listener *listener, weir_address *out_peer, int *out_fd)
{
    weir_address peer;
    int fd = weir__net_accept_fd(listener, &peer);
    if (fd < 0)
        return fd;
    weir__sys_count_closed(); // it goes out of our door
    if (out_peer != NULL)
        *out_peer = peer;
    *out_fd = fd;
    return 0;
}

/* --- what it is ------------------------------------------------------------------------------- */

const weir_address *weir_listener_address(const weir_listener *listener)
{
    return &listener->address;
}

void weir_listener_stats_get(const weir_listener *listener, weir_listener_stats *out_stats)
{
    *out_stats = listener->stats;
}

int weir_listener_fd(const weir_listener *listener)
{
    return listener->fd;
}
