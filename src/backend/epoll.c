/*
 * epoll.c - the backend for kernels and containers without io_uring
 *
 * A descriptor is registered once, edge-triggered for everything, and stays so until it is closed
 * (forget_fd). An operation is tried at once; only one that would block waits for an edge, in the
 * queue of its side of the descriptor. Receiving sides are read when an edge says so, until a short
 * read: a stream socket that gave less than was asked for is empty, and the next byte is a new
 * edge. After the peer's FIN there may be no further edge, so from then on (hung_up) reading goes
 * on until the end.
 *
 * Costs    a request and its answer on a kept connection: recv and send, one copy each (the
 *          kernel's), and a share of one epoll_wait for all descriptors that are ready; no
 *          allocation. A new descriptor: one epoll_ctl, and memory only when its number is the
 *          highest so far.
 * Runs on  the loop's own thread; only wake() is called by others.
 * Holds    1. An op in a queue was refused with EAGAIN after its descriptor was registered, or the
 *             registration was made later: either way the edge it waits for is still to come.
 *          2. An rx with `readable` set is in to_read or starved, or it is paused, or at its end.
 *          3. A read never waits: every call carries MSG_DONTWAIT or is on a non-blocking
 *             descriptor.
 */
#include <assert.h>
#include <poll.h>
#include <sys/epoll.h>

#include "backend/backend.h"
#include "backend/pool.h"
#include "backend/report.h"
#include "base/alloc.h"
#include "base/fault.h"
#include "base/sys.h"

enum {
    EVENTS_MAX = 512, /* a turn's harvest; the rest is ready in the next one */
    READS_MAX = 16,   /* buffers a connection may fill in one turn before others get theirs */
    CHUNK_WATCHES = 256
};

static const uint64_t wake_key = UINT64_MAX;
static const uint32_t all_edges = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET;

/* What is known of one descriptor number. */
struct watch {
    struct weir__rx *rx;
    struct weir__list reading; /* ops in order of arrival */
    struct weir__list writing;
    struct weir__list polling;
    uint32_t generation; /* tells events of a closed descriptor from those of its successor */
    bool registered;
};

struct epoll {
    struct weir__backend base;
    struct weir__report report;
    int epoll_fd;
    int wake_fd;
    struct watch **chunks; /* by fd / CHUNK_WATCHES; watches never move: lists point at them */
    size_t chunk_count;
    struct weir__list to_read; /* rx to read in the next turn, without waiting for an edge */
    struct weir__list starved; /* rx that found no buffer */
    struct epoll_event events[EVENTS_MAX];
};

static struct epoll *epoll_of(struct weir__backend *backend)
{
    return WEIR__CONTAINER(backend, struct epoll, base);
}

/* --- watches ---------------------------------------------------------------------------------- */

static struct watch *find_watch(const struct epoll *epoll, int fd)
{
    size_t index = (size_t)fd / CHUNK_WATCHES;
    if (fd < 0 || index >= epoll->chunk_count || epoll->chunks[index] == NULL)
        return NULL;
    return &epoll->chunks[index][(size_t)fd % CHUNK_WATCHES];
}

static int grow_chunks(struct epoll *epoll, size_t count)
{
    size_t wanted = epoll->chunk_count * 2 > count ? epoll->chunk_count * 2 : count;
    struct watch **chunks = weir__base_alloc_array(wanted, sizeof(struct watch *));
    if (chunks == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < wanted; i++)
        chunks[i] = i < epoll->chunk_count ? epoll->chunks[i] : NULL;
    weir__base_free(epoll->chunks);
    epoll->chunks = chunks;
    epoll->chunk_count = wanted;
    return 0;
}

static int make_watch(struct epoll *epoll, int fd, struct watch **out_watch)
{
    if (fd < 0)
        return -EBADF;
    size_t index = (size_t)fd / CHUNK_WATCHES;
    if (index >= epoll->chunk_count) {
        int rc = grow_chunks(epoll, index + 1);
        if (rc < 0)
            return rc;
    }
    if (epoll->chunks[index] == NULL) {
        struct watch *chunk = weir__base_alloc_zero(CHUNK_WATCHES * sizeof *chunk);
        if (chunk == NULL)
            return -ENOMEM;
        for (size_t i = 0; i < CHUNK_WATCHES; i++) {
            weir__list_init(&chunk[i].reading);
            weir__list_init(&chunk[i].writing);
            weir__list_init(&chunk[i].polling);
        }
        epoll->chunks[index] = chunk;
    }
    *out_watch = &epoll->chunks[index][(size_t)fd % CHUNK_WATCHES];
    return 0;
}

static int control(struct epoll *epoll, int command, int fd, const struct watch *watch)
{
    struct epoll_event event = {
        .events = all_edges,
        .data.u64 = (uint64_t)watch->generation << 32 | (uint32_t)fd,
    };
    return weir__sys_epoll_ctl(epoll->epoll_fd, command, fd, &event);
}

/* After this, whatever is ready now or later is told as an edge. */
static int register_watch(struct epoll *epoll, int fd, struct watch *watch)
{
    if (watch->registered)
        return 0;
    int rc = control(epoll, EPOLL_CTL_ADD, fd, watch);
    if (rc == -EEXIST) // forgotten, but not closed after all
        rc = control(epoll, EPOLL_CTL_MOD, fd, watch);
    if (rc == 0)
        watch->registered = true;
    return rc;
}

static void epoll_forget_fd(struct weir__backend *backend, int fd)
{
    struct watch *watch = find_watch(epoll_of(backend), fd);
    if (watch == NULL)
        return;
    assert(watch->rx == NULL && weir__list_empty(&watch->reading) &&
           weir__list_empty(&watch->writing) && weir__list_empty(&watch->polling));
    watch->registered = false;
    watch->generation++;
}

/* --- operations ------------------------------------------------------------------------------- */

static struct weir__list *queue_of(struct watch *watch, const struct weir__op *op)
{
    switch (op->kind) {
    case WEIR__OP_RECV:
    case WEIR__OP_ACCEPT:
        return &watch->reading;
    case WEIR__OP_POLL:
        return &watch->polling;
    default:
        return &watch->writing;
    }
}

static ssize_t accept_one(struct epoll *epoll, struct weir__op *op)
{
    int fd = weir__sys_accept(op->fd, op->address, op->address_size);
    if (fd >= 0) // should somebody have closed this number without a word, it is a new one now
        epoll_forget_fd(&epoll->base, fd);
    return fd;
}

static ssize_t finish_connect(const struct weir__op *op)
{
    int error;
    int rc = weir__sys_getsockopt_int(op->fd, SOL_SOCKET, SO_ERROR, &error);
    return rc < 0 ? rc : -error;
}

/* The result of the call, which may be that it would block. */
static ssize_t attempt(struct epoll *epoll, struct weir__op *op)
{
    ssize_t result;
    switch (op->kind) {
    case WEIR__OP_RECV:
        result = weir__sys_recv(op->fd, op->buffer, op->size, op->flags | MSG_DONTWAIT);
        break;
    case WEIR__OP_SEND:
        result =
            weir__sys_send(op->fd, op->buffer, op->size, op->flags | MSG_DONTWAIT | MSG_NOSIGNAL);
        break;
    case WEIR__OP_SENDMSG:
        result = weir__sys_sendmsg(op->fd, op->message, op->flags | MSG_DONTWAIT | MSG_NOSIGNAL);
        break;
    case WEIR__OP_ACCEPT:
        result = accept_one(epoll, op);
        break;
    case WEIR__OP_CONNECT:
        result = op->submitted ? finish_connect(op)
                               : weir__sys_connect(op->fd, op->address, *op->address_size);
        break;
    default:
        result = -EOPNOTSUPP;
        break;
    }
    return result == -ECANCELED ? -EIO : result; // N1: that word is for scopes
}

static bool wants_no_wait(const struct weir__op *op)
{
    return (op->flags & MSG_DONTWAIT) != 0 &&
           (op->kind == WEIR__OP_RECV || op->kind == WEIR__OP_SEND || op->kind == WEIR__OP_SENDMSG);
}

/* Whether an edge will tell that trying again has a chance. */
static bool would_block(const struct weir__op *op, ssize_t result)
{
    if (op->kind == WEIR__OP_CONNECT) // EAGAIN is a full Unix listener: no edge comes of that
        return result == -EINPROGRESS;
    return result == -EAGAIN && !wants_no_wait(op);
}

static int completed_at_once(struct epoll *epoll, struct weir__op *op, ssize_t result)
{
    op->result = result;
    op->submitted = false;
    epoll->base.stats.ops_submitted++;
    epoll->base.stats.ops_completed++;
    return 1;
}

/* An edge may have gone by before: ask for the present state to be told again. */
static int submit_poll(struct epoll *epoll, struct weir__op *op, struct watch *watch)
{
    int rc = watch->registered ? control(epoll, EPOLL_CTL_MOD, op->fd, watch)
                               : register_watch(epoll, op->fd, watch);
    if (rc == -EPERM) // a regular file: always ready, and epoll does not take it
        return completed_at_once(epoll, op, op->flags & (POLLIN | POLLOUT));
    if (rc < 0)
        return rc;
    weir__report_take(&epoll->base, &epoll->report, op);
    weir__list_append(&watch->polling, &op->link);
    return 0;
}

static int submit_call(struct epoll *epoll, struct weir__op *op, struct watch *watch)
{
    struct weir__list *queue = queue_of(watch, op);
    if (weir__list_empty(queue)) {
        op->submitted = false; // attempt() asks it which half of a connect is due
        ssize_t result = attempt(epoll, op);
        if (!would_block(op, result))
            return completed_at_once(epoll, op, result);
    }
    int rc = register_watch(epoll, op->fd, watch);
    if (rc < 0)
        return rc;
    weir__report_take(&epoll->base, &epoll->report, op);
    weir__list_append(queue, &op->link);
    return 0;
}

static int epoll_submit(struct weir__backend *backend, struct weir__op *op)
{
    struct epoll *epoll = epoll_of(backend);
    if (op->kind == WEIR__OP_READ || op->kind == WEIR__OP_WRITE || op->kind == WEIR__OP_FSYNC ||
        op->kind == WEIR__OP_OPEN)
        return -EOPNOTSUPP;

    int fault = weir__base_fault(WEIR__FAULT_RING);
    if (fault != 0) {
        weir__report_take(backend, &epoll->report, op);
        weir__report_op(&epoll->report, op, fault);
        return 0;
    }
    struct watch *watch;
    int rc = make_watch(epoll, op->fd, &watch);
    if (rc < 0)
        return rc;
    return op->kind == WEIR__OP_POLL ? submit_poll(epoll, op, watch)
                                     : submit_call(epoll, op, watch);
}

static void epoll_cancel(struct weir__backend *backend, struct weir__op *op)
{
    if (!op->submitted || op->cancelling)
        return;
    op->cancelling = true;
    backend->stats.aborts_requested++;
    if (op->place == WEIR__OP_COMPLETED)
        return; // the result was first
    weir__list_remove(&op->link);
    weir__report_op(&epoll_of(backend)->report, op, -ECANCELED);
}

/* --- receiving -------------------------------------------------------------------------------- */

/* Holds 2: the kernel may have bytes for it. */
static void read_soon(struct epoll *epoll, struct weir__rx *rx)
{
    rx->readable = true;
    if (!rx->paused && !rx->eof && rx->error == 0 && weir__list_empty(&rx->link))
        weir__list_append(&epoll->to_read, &rx->link);
}

static int epoll_rx_arm(struct weir__backend *backend, struct weir__rx *rx)
{
    struct epoll *epoll = epoll_of(backend);
    struct watch *watch;
    int rc = make_watch(epoll, rx->fd, &watch);
    if (rc < 0)
        return rc;
    assert(watch->rx == NULL);
    bool known = watch->registered;
    rc = register_watch(epoll, rx->fd, watch);
    if (rc < 0)
        return rc;
    weir__report_arm(backend, rx);
    watch->rx = rx;
    if (known)
        read_soon(epoll, rx); // its edge may have gone by

    int fault = weir__base_fault(WEIR__FAULT_RING);
    rx->error = fault == -ECANCELED ? -EIO : fault; // N1, as for a real one
    if (rx->error != 0)
        weir__report_rx(&epoll->report, rx);
    return 0;
}

static void epoll_rx_stop(struct weir__backend *backend, struct weir__rx *rx)
{
    struct epoll *epoll = epoll_of(backend);
    struct watch *watch = find_watch(epoll, rx->fd);
    weir__report_stop(backend, &epoll->report, rx);
    weir__list_remove(&rx->link);
    watch->rx = NULL;
    weir__report_stopped(&epoll->report, rx);
}

static void epoll_rx_resume(struct weir__backend *backend, struct weir__rx *rx)
{
    rx->paused = false;
    if (rx->readable)
        read_soon(epoll_of(backend), rx);
}

/* Read into one buffer; true when there may be more at once. */
static bool read_piece(struct epoll *epoll, struct weir__rx *rx)
{
    int32_t buffer = weir__rx_pool_take(epoll->base.pool);
    if (buffer < 0) {
        epoll->base.stats.rx_starved++;
        weir__list_append(&epoll->starved, &rx->link);
        return false;
    }
    ssize_t got = weir__sys_recv(rx->fd, weir__rx_pool_memory(epoll->base.pool, buffer),
                                 WEIR__RX_BUFFER_BYTES, MSG_DONTWAIT);
    if (got > 0) {
        weir__rx_attach(epoll->base.pool, rx, buffer, (size_t)got);
        weir__report_rx(&epoll->report, rx);
        if (got == WEIR__RX_BUFFER_BYTES || rx->hung_up)
            return true;
        rx->readable = false;
        return false;
    }
    weir__rx_pool_give(epoll->base.pool, buffer);
    rx->readable = false;
    if (got == -EAGAIN)
        return false;
    if (got == 0)
        rx->eof = true;
    else
        rx->error = got == -ECANCELED ? -EIO : (int)got;
    weir__report_rx(&epoll->report, rx);
    return false;
}

static void read_rx(struct epoll *epoll, struct weir__rx *rx)
{
    for (int i = 0; i < READS_MAX; i++) {
        if (rx->unread_bytes >= weir__rx_unread_max(rx)) {
            rx->paused = true;
            return;
        }
        if (!read_piece(epoll, rx))
            return;
    }
    weir__list_append(&epoll->to_read, &rx->link); // others first
}

/* As many as there are buffers: waking all for one buffer would be a stampede. */
static void feed_starved(struct epoll *epoll)
{
    for (uint32_t n = weir__rx_pool_available(epoll->base.pool); n > 0; n--) {
        struct weir__list *node = weir__list_take_first(&epoll->starved);
        if (node == NULL)
            return;
        weir__list_append(&epoll->to_read, node);
    }
}

static void read_all(struct epoll *epoll)
{
    feed_starved(epoll);
    struct weir__list now;
    weir__list_init(&now);
    weir__list_splice(&now, &epoll->to_read);
    struct weir__list *node;
    while ((node = weir__list_take_first(&now)) != NULL)
        read_rx(epoll, WEIR__CONTAINER(node, struct weir__rx, link));
}

/* --- a turn ----------------------------------------------------------------------------------- */

static void serve_calls(struct epoll *epoll, struct weir__list *queue)
{
    while (!weir__list_empty(queue)) {
        struct weir__op *op = WEIR__CONTAINER(queue->next, struct weir__op, link);
        ssize_t result = attempt(epoll, op);
        if (would_block(op, result))
            return;
        weir__list_remove(&op->link);
        weir__report_op(&epoll->report, op, result);
    }
}

static void serve_polls(struct epoll *epoll, struct watch *watch, uint32_t events)
{
    struct weir__list *node = watch->polling.next;
    while (node != &watch->polling) {
        struct weir__op *op = WEIR__CONTAINER(node, struct weir__op, link);
        node = node->next;
        uint32_t matching = events & ((uint32_t)op->flags | EPOLLERR | EPOLLHUP);
        if (matching == 0)
            continue;
        weir__list_remove(&op->link);
        weir__report_op(&epoll->report, op, (ssize_t)matching);
    }
}

static void take_event(struct epoll *epoll, const struct epoll_event *event)
{
    if (event->data.u64 == wake_key)
        return; // it has done its work: we are awake
    struct watch *watch = find_watch(epoll, (int)(uint32_t)event->data.u64);
    if (watch == NULL || watch->generation != (uint32_t)(event->data.u64 >> 32))
        return; // of a descriptor that was closed meanwhile

    uint32_t events = event->events;
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        if (watch->rx != NULL) {
            if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
                watch->rx->hung_up = true;
            read_soon(epoll, watch->rx);
        }
        serve_calls(epoll, &watch->reading);
    }
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0)
        serve_calls(epoll, &watch->writing);
    serve_polls(epoll, watch, events);
}

static bool must_not_wait(struct epoll *epoll)
{
    return weir__report_due(&epoll->report) || !weir__list_empty(&epoll->to_read) ||
           (!weir__list_empty(&epoll->starved) && weir__rx_pool_available(epoll->base.pool) > 0) ||
           __atomic_load_n(&epoll->base.wake_requested, __ATOMIC_SEQ_CST) != 0;
}

static void epoll_turn(struct weir__backend *backend, int64_t timeout_ns)
{
    struct epoll *epoll = epoll_of(backend);
    weir__backend_count_turn(backend);

    if (timeout_ns < 0 || must_not_wait(epoll))
        timeout_ns = 0;
    weir__backend_set_waiting(backend, timeout_ns != 0);
    int count = weir__sys_epoll_wait(epoll->epoll_fd, epoll->events, EVENTS_MAX,
                                     timeout_ns == WEIR_FOREVER ? -1 : timeout_ns);
    weir__backend_set_waiting(backend, 0);
    weir__backend_take_wake(backend);
    for (int i = 0; i < count; i++)
        take_event(epoll, &epoll->events[i]);
    read_all(epoll);
    weir__report_all(backend, &epoll->report);
}

static bool epoll_pending(struct weir__backend *backend)
{
    struct epoll *epoll = epoll_of(backend);
    return weir__report_pending(&epoll->report) || !weir__list_empty(&epoll->to_read);
}

static void epoll_wake(struct weir__backend *backend)
{
    weir__backend_ring_bell(epoll_of(backend)->wake_fd);
}

/* --- open and close --------------------------------------------------------------------------- */

static void epoll_close(struct weir__backend *backend)
{
    struct epoll *epoll = epoll_of(backend);
    assert(!weir__report_pending(&epoll->report) && backend->stats.rx_armed == 0);
    weir_ignore(weir__sys_close(epoll->wake_fd), "an eventfd has nothing to lose");
    weir_ignore(weir__sys_close(epoll->epoll_fd), "as above");
    weir__rx_pool_close(backend->pool);
    for (size_t i = 0; i < epoll->chunk_count; i++)
        weir__base_free(epoll->chunks[i]);
    weir__base_free(epoll->chunks);
    weir__base_free(epoll);
}

static const struct weir__backend_table epoll_table = {
    .submit = epoll_submit,
    .cancel = epoll_cancel,
    .rx_arm = epoll_rx_arm,
    .rx_stop = epoll_rx_stop,
    .rx_resume = epoll_rx_resume,
    .forget_fd = epoll_forget_fd,
    .pending = epoll_pending,
    .turn = epoll_turn,
    .wake = epoll_wake,
    .close = epoll_close,
};

int weir__epoll_open(struct weir__backend **out_backend)
{
    struct epoll *epoll = weir__base_alloc_zero(sizeof *epoll);
    if (epoll == NULL)
        return -ENOMEM;
    epoll->base.table = &epoll_table;
    epoll->base.features = (struct weir__backend_features){
        .name = "epoll",
        .detail = "edge-triggered, files through the executor",
    };
    weir__report_init(&epoll->report);
    weir__list_init(&epoll->to_read);
    weir__list_init(&epoll->starved);

    int rc = weir__rx_pool_open(&epoll->base.pool);
    if (rc < 0)
        goto free_epoll;
    rc = epoll->epoll_fd = weir__sys_epoll_create();
    if (rc < 0)
        goto close_pool;
    rc = epoll->wake_fd = weir__sys_eventfd();
    if (rc < 0)
        goto close_epoll_fd;
    // Edge-triggered and never read: every write is an edge, so a wake costs this side nothing.
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = wake_key};
    rc = weir__sys_epoll_ctl(epoll->epoll_fd, EPOLL_CTL_ADD, epoll->wake_fd, &event);
    if (rc < 0)
        goto close_wake_fd;
    *out_backend = &epoll->base;
    return 0;

close_wake_fd:
    weir_ignore(weir__sys_close(epoll->wake_fd), "an eventfd has nothing to lose");
close_epoll_fd:
    weir_ignore(weir__sys_close(epoll->epoll_fd), "as above");
close_pool:
    weir__rx_pool_close(epoll->base.pool);
free_epoll:
    weir__base_free(epoll);
    return rc;
}
