/*
 * ready.c - see ready.h
 *
 * Costs    a request and its answer on a kept connection: recv and send, one copy each (the
 *          kernel's); no allocation. A new descriptor: memory only when its number is the highest
 *          so far.
 * Runs on  the loop's own thread.
 */
#include "backend/ready.h"

#include <assert.h>
#include <poll.h>
#include <sys/epoll.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "base/sys.h"

enum {
    READS_MAX = 16, /* buffers a connection may fill in one turn before others get theirs */
    CHUNK_WATCHES = 256
};

/* What is known of one descriptor number. */
struct weir__watch {
    struct weir__rx *rx;
    struct weir__list reading; /* ops in order of arrival */
    struct weir__list writing;
    struct weir__list polling;
    uint32_t generation; /* tells events of a closed descriptor from those of its successor */
    bool registered;
};

static struct weir__ready *ready_of(struct weir__backend *backend)
{
    return WEIR__CONTAINER(backend, struct weir__ready, base);
}

/* --- watches ---------------------------------------------------------------------------------- */

static struct weir__watch *find_watch(const struct weir__ready *ready, int fd)
{
    size_t place = (size_t)fd - (size_t)ready->fd_first;
    size_t index = place / CHUNK_WATCHES;
    if (fd < ready->fd_first || index >= ready->chunk_count || ready->chunks[index] == NULL)
        return NULL;
    return &ready->chunks[index][place % CHUNK_WATCHES];
}

static int grow_chunks(struct weir__ready *ready, size_t count)
{
    size_t wanted = ready->chunk_count * 2 > count ? ready->chunk_count * 2 : count;
    struct weir__watch **chunks = weir__base_alloc_array(wanted, sizeof(struct weir__watch *));
    if (chunks == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < wanted; i++)
        chunks[i] = i < ready->chunk_count ? ready->chunks[i] : NULL;
    weir__base_free(ready->chunks);
    ready->chunks = chunks;
    ready->chunk_count = wanted;
    return 0;
}

static int make_watch(struct weir__ready *ready, int fd, struct weir__watch **out_watch)
{
    if (fd < ready->fd_first)
        return -EBADF;
    size_t place = (size_t)fd - (size_t)ready->fd_first;
    size_t index = place / CHUNK_WATCHES;
    if (index >= ready->chunk_count) {
        int rc = grow_chunks(ready, index + 1);
        if (rc < 0)
            return rc;
    }
    if (ready->chunks[index] == NULL) {
        struct weir__watch *chunk = weir__base_alloc_zero(CHUNK_WATCHES * sizeof *chunk);
        if (chunk == NULL)
            return -ENOMEM;
        for (size_t i = 0; i < CHUNK_WATCHES; i++) {
            weir__list_init(&chunk[i].reading);
            weir__list_init(&chunk[i].writing);
            weir__list_init(&chunk[i].polling);
        }
        ready->chunks[index] = chunk;
    }
    *out_watch = &ready->chunks[index][place % CHUNK_WATCHES];
    return 0;
}

/* After this, whatever is ready now or later is told as an edge. */
static int register_watch(struct weir__ready *ready, int fd, struct weir__watch *watch)
{
    if (watch->registered)
        return 0;
    int rc = ready->watch(ready, fd, watch->generation, false);
    if (rc == 0)
        watch->registered = true;
    return rc;
}

void weir__ready_forget_fd(struct weir__backend *backend, int fd)
{
    struct weir__watch *watch = find_watch(ready_of(backend), fd);
    if (watch == NULL)
        return;
    assert(watch->rx == NULL && weir__list_empty(&watch->reading) &&
           weir__list_empty(&watch->writing) && weir__list_empty(&watch->polling));
    watch->registered = false;
    watch->generation++;
}

/* --- operations ------------------------------------------------------------------------------- */

static struct weir__list *queue_of(struct weir__watch *watch, const struct weir__op *op)
{
    switch (op->kind) {
    case WEIR__OP_RECV:
    case WEIR__OP_RECVMSG:
    case WEIR__OP_ACCEPT:
        return &watch->reading;
    case WEIR__OP_POLL:
        return &watch->polling;
    default:
        return &watch->writing;
    }
}

static ssize_t accept_one(struct weir__ready *ready, struct weir__op *op)
{
    int fd = weir__sys_accept(op->fd, op->address, op->address_size);
    if (fd >= 0) // should somebody have closed this number without a word, it is a new one now
        weir__ready_forget_fd(&ready->base, fd);
    return fd;
}

static ssize_t finish_connect(const struct weir__op *op)
{
    int error;
    int rc = weir__sys_getsockopt_int(op->fd, SOL_SOCKET, SO_ERROR, &error);
    return rc < 0 ? rc : -error;
}

/* The result of the call, which may be that it would block. */
static ssize_t attempt(struct weir__ready *ready, struct weir__op *op)
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
    case WEIR__OP_RECVMSG:
        result = weir__sys_recvmsg(op->fd, op->message, op->flags | MSG_DONTWAIT);
        break;
    case WEIR__OP_ACCEPT:
        result = accept_one(ready, op);
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
           (op->kind == WEIR__OP_RECV || op->kind == WEIR__OP_SEND ||
            op->kind == WEIR__OP_SENDMSG || op->kind == WEIR__OP_RECVMSG);
}

/* Whether an edge will tell that trying again has a chance. */
static bool would_block(const struct weir__op *op, ssize_t result)
{
    if (op->kind == WEIR__OP_CONNECT) // EAGAIN is a full Unix listener: no edge comes of that
        return result == -EINPROGRESS;
    return result == -EAGAIN && !wants_no_wait(op);
}

static int completed_at_once(struct weir__ready *ready, struct weir__op *op, ssize_t result)
{
    op->result = result;
    op->submitted = false;
    ready->base.stats.ops_submitted++;
    ready->base.stats.ops_completed++;
    return 1;
}

/* An edge may have gone by before: ask for the present state to be told again. */
static int submit_poll(struct weir__ready *ready, struct weir__op *op, struct weir__watch *watch)
{
    int rc = watch->registered ? ready->watch(ready, op->fd, watch->generation, true)
                               : register_watch(ready, op->fd, watch);
    if (rc == -EPERM) // a regular file: always ready
        return completed_at_once(ready, op, op->flags & (POLLIN | POLLOUT));
    if (rc < 0)
        return rc;
    weir__report_take(&ready->base, &ready->report, op);
    weir__list_append(&watch->polling, &op->link);
    return 0;
}

static int submit_call(struct weir__ready *ready, struct weir__op *op, struct weir__watch *watch)
{
    struct weir__list *queue = queue_of(watch, op);
    if (weir__list_empty(queue)) {
        op->submitted = false; // attempt() asks it which half of a connect is due
        ssize_t result = attempt(ready, op);
        if (!would_block(op, result))
            return completed_at_once(ready, op, result);
    }
    int rc = register_watch(ready, op->fd, watch);
    if (rc < 0)
        return rc;
    weir__report_take(&ready->base, &ready->report, op);
    weir__list_append(queue, &op->link);
    return 0;
}

int weir__ready_submit(struct weir__backend *backend, struct weir__op *op)
{
    struct weir__ready *ready = ready_of(backend);
    if (op->kind >= WEIR__OP_READ && op->kind <= WEIR__OP_TRUNCATE)
        return -EOPNOTSUPP;

    int fault = weir__base_fault(WEIR__FAULT_RING);
    if (fault != 0) {
        weir__report_take(backend, &ready->report, op);
        weir__report_op(&ready->report, op, fault);
        return 0;
    }
    struct weir__watch *watch;
    int rc = make_watch(ready, op->fd, &watch);
    if (rc < 0)
        return rc;
    return op->kind == WEIR__OP_POLL ? submit_poll(ready, op, watch)
                                     : submit_call(ready, op, watch);
}

void weir__ready_cancel(struct weir__backend *backend, struct weir__op *op)
{
    if (!op->submitted || op->cancelling)
        return;
    op->cancelling = true;
    backend->stats.aborts_requested++;
    if (op->place == WEIR__OP_COMPLETED)
        return; // the result was first
    weir__list_remove(&op->link);
    weir__report_op(&ready_of(backend)->report, op, -ECANCELED);
}

/* --- receiving -------------------------------------------------------------------------------- */

/* Holds 2: the kernel may have bytes for it. */
static void read_soon(struct weir__ready *ready, struct weir__rx *rx)
{
    rx->readable = true;
    if (!rx->paused && !rx->eof && rx->error == 0 && weir__list_empty(&rx->link))
        weir__list_append(&ready->to_read, &rx->link);
}

int weir__ready_rx_arm(struct weir__backend *backend, struct weir__rx *rx)
{
    struct weir__ready *ready = ready_of(backend);
    struct weir__watch *watch;
    int rc = make_watch(ready, rx->fd, &watch);
    if (rc < 0)
        return rc;
    assert(watch->rx == NULL);
    bool known = watch->registered;
    rc = register_watch(ready, rx->fd, watch);
    if (rc < 0)
        return rc;
    weir__report_arm(backend, rx);
    watch->rx = rx;
    if (known)
        read_soon(ready, rx); // its edge may have gone by

    int fault = weir__base_fault(WEIR__FAULT_RING);
    rx->error = fault == -ECANCELED ? -EIO : fault; // N1, as for a real one
    if (rx->error != 0)
        weir__report_rx(&ready->report, rx);
    return 0;
}

void weir__ready_rx_stop(struct weir__backend *backend, struct weir__rx *rx)
{
    struct weir__ready *ready = ready_of(backend);
    struct weir__watch *watch = find_watch(ready, rx->fd);
    weir__report_stop(backend, &ready->report, rx);
    weir__list_remove(&rx->link);
    watch->rx = NULL;
    weir__report_stopped(&ready->report, rx);
}

void weir__ready_rx_resume(struct weir__backend *backend, struct weir__rx *rx)
{
    rx->paused = false;
    if (rx->readable)
        read_soon(ready_of(backend), rx);
}

/* Read into one buffer; true when there may be more at once. */
static bool read_piece(struct weir__ready *ready, struct weir__rx *rx)
{
    int32_t buffer = weir__rx_pool_take(ready->base.pool);
    if (buffer < 0) {
        ready->base.stats.rx_starved++;
        weir__list_append(&ready->starved, &rx->link);
        return false;
    }
    ssize_t got = weir__sys_recv(rx->fd, weir__rx_pool_memory(ready->base.pool, buffer),
                                 WEIR__RX_BUFFER_BYTES, MSG_DONTWAIT);
    if (got > 0) {
        weir__rx_attach(ready->base.pool, rx, buffer, (size_t)got);
        weir__report_rx(&ready->report, rx);
        if (got == WEIR__RX_BUFFER_BYTES || rx->hung_up)
            return true;
        rx->readable = false;
        return false;
    }
    weir__rx_pool_give(ready->base.pool, buffer);
    rx->readable = false;
    if (got == -EAGAIN)
        return false;
    if (got == 0)
        rx->eof = true;
    else
        rx->error = got == -ECANCELED ? -EIO : (int)got;
    weir__report_rx(&ready->report, rx);
    return false;
}

static void read_rx(struct weir__ready *ready, struct weir__rx *rx)
{
    for (int i = 0; i < READS_MAX; i++) {
        if (rx->unread_bytes >= weir__rx_unread_max(rx)) {
            rx->paused = true;
            return;
        }
        if (!read_piece(ready, rx))
            return;
    }
    weir__list_append(&ready->to_read, &rx->link); // others first
}

/* As many as there are buffers: waking all for one buffer would be a stampede. */
static void feed_starved(struct weir__ready *ready)
{
    if (weir__list_empty(&ready->starved))
        return;
    for (uint32_t n = weir__rx_pool_available(ready->base.pool); n > 0; n--) {
        struct weir__list *node = weir__list_take_first(&ready->starved);
        if (node == NULL)
            return;
        weir__list_append(&ready->to_read, node);
    }
}

static void read_all(struct weir__ready *ready)
{
    feed_starved(ready);
    struct weir__list now;
    weir__list_init(&now);
    weir__list_splice(&now, &ready->to_read);
    struct weir__list *node;
    while ((node = weir__list_take_first(&now)) != NULL)
        read_rx(ready, WEIR__CONTAINER(node, struct weir__rx, link));
}

/* --- a turn ----------------------------------------------------------------------------------- */

static void serve_calls(struct weir__ready *ready, struct weir__list *queue)
{
    while (!weir__list_empty(queue)) {
        struct weir__op *op = WEIR__CONTAINER(queue->next, struct weir__op, link);
        ssize_t result = attempt(ready, op);
        if (would_block(op, result))
            return;
        weir__list_remove(&op->link);
        weir__report_op(&ready->report, op, result);
    }
}

static void serve_polls(struct weir__ready *ready, struct weir__watch *watch, uint32_t events)
{
    struct weir__list *node = watch->polling.next;
    while (node != &watch->polling) {
        struct weir__op *op = WEIR__CONTAINER(node, struct weir__op, link);
        node = node->next;
        uint32_t matching = events & ((uint32_t)op->flags | EPOLLERR | EPOLLHUP);
        if (matching == 0)
            continue;
        weir__list_remove(&op->link);
        weir__report_op(&ready->report, op, (ssize_t)matching);
    }
}

void weir__ready_edge(struct weir__ready *ready, int fd, uint32_t generation, uint32_t events)
{
    struct weir__watch *watch = find_watch(ready, fd);
    if (watch == NULL || watch->generation != generation)
        return; // of a descriptor that was closed meanwhile

    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        if (watch->rx != NULL) {
            if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
                watch->rx->hung_up = true;
            read_soon(ready, watch->rx);
        }
        serve_calls(ready, &watch->reading);
    }
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0)
        serve_calls(ready, &watch->writing);
    serve_polls(ready, watch, events);
}

bool weir__ready_due(const struct weir__ready *ready)
{
    return weir__report_due(&ready->report) || !weir__list_empty(&ready->to_read) ||
           (!weir__list_empty(&ready->starved) && weir__rx_pool_available(ready->base.pool) > 0);
}

void weir__ready_finish_turn(struct weir__ready *ready)
{
    read_all(ready);
    weir__report_all(&ready->base, &ready->report);
}

bool weir__ready_pending(struct weir__backend *backend)
{
    struct weir__ready *ready = ready_of(backend);
    return weir__report_pending(&ready->report) || !weir__list_empty(&ready->to_read);
}

/* --- open and close --------------------------------------------------------------------------- */

void weir__ready_init(struct weir__ready *ready,
                      int (*watch)(struct weir__ready *, int, uint32_t, bool))
{
    weir__report_init(&ready->report);
    weir__list_init(&ready->to_read);
    weir__list_init(&ready->starved);
    ready->watch = watch;
}

void weir__ready_deinit(struct weir__ready *ready)
{
    assert(!weir__report_pending(&ready->report) && ready->base.stats.rx_armed == 0);
    for (size_t i = 0; i < ready->chunk_count; i++)
        weir__base_free(ready->chunks[i]);
    weir__base_free(ready->chunks);
}
