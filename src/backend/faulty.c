/*
 * faulty.c - a backend whose operations are short or begin late, in front of any other
 *
 * For rounds of weir/test.h, on every backend: where a plan of faults strikes, a transfer is handed
 * on as one of a single byte, or an operation is held back for some turns, so that those behind it
 * complete first. Nothing fails of it that would not fail otherwise.
 *
 * Runs on  the loop's own thread; one loop in a process at a time.
 * Holds    1. An op that is held is WORKING to its owner, and not known to the backend behind.
 *          2. Held ops are begun or ended in a turn; a turn does not wait while there are any.
 */
#include "backend/faulty.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include "base/fault.h"
#include "base/sys.h"

enum { HELD_TURNS = 3 };

static struct {
    const struct weir__backend_table *behind;
    struct weir__backend_table table;
    struct weir__list held; /* the last has HELD_TURNS to go, at most */
    size_t held_count;
} faulty;

/* --- short ------------------------------------------------------------------------------------ */

static bool is_stream(int fd)
{
    int type = 0;
    bool before = weir__base_fault_exempt(true);
    int rc = weir__sys_getsockopt_int(fd, SOL_SOCKET, SO_TYPE, &type);
    weir__base_fault_exempt(before);
    return rc == 0 && type == SOCK_STREAM;
}

/* The first byte of a message, as a send of its own. */
static void shorten_message(struct weir__op *op)
{
    const struct msghdr *message = op->message;
    if (message->msg_controllen > 0 || !is_stream(op->fd))
        return;
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        if (message->msg_iov[i].iov_len == 0)
            continue;
        op->kind = WEIR__OP_SEND;
        op->buffer = message->msg_iov[i].iov_base;
        op->size = 1;
        return;
    }
}

/* At a position: what has none may be a queue of records, which are whole or -EINVAL. */
static bool is_file_transfer(const struct weir__op *op)
{
    return (op->kind == WEIR__OP_READ || op->kind == WEIR__OP_WRITE) && op->offset >= 0;
}

static void shorten(struct weir__op *op)
{
    bool moves_bytes = op->kind == WEIR__OP_SEND || op->kind == WEIR__OP_SENDMSG ||
                       op->kind == WEIR__OP_RECV || is_file_transfer(op);
    if (!moves_bytes || weir__base_fault(WEIR__FAULT_SHORT) == 0)
        return;
    if (op->kind == WEIR__OP_SENDMSG)
        shorten_message(op);
    else if (op->size > 1 && (is_file_transfer(op) || is_stream(op->fd)))
        op->size = 1;
}

/* --- late ------------------------------------------------------------------------------------- */

static int submit(struct weir__backend *backend, struct weir__op *op)
{
    shorten(op);
    if (weir__base_fault(WEIR__FAULT_LATER) == 0)
        return faulty.behind->submit(backend, op);
    weir__list_init(&op->link);
    weir__list_append(&faulty.held, &op->link);
    faulty.held_count++;
    op->submitted = true;
    op->cancelling = false;
    op->place = WEIR__OP_HELD;
    op->turns_left = HELD_TURNS;
    return 0;
}

static void cancel(struct weir__backend *backend, struct weir__op *op)
{
    if (op->submitted && op->place == WEIR__OP_HELD)
        op->cancelling = true; /* it ends in the next turn */
    else
        faulty.behind->cancel(backend, op);
}

static void let_go(struct weir__backend *backend, struct weir__op *op)
{
    weir__list_remove(&op->link);
    faulty.held_count--;
    op->submitted = false;
    op->place = WEIR__OP_OUTSIDE;
    int rc = op->cancelling ? -ECANCELED : faulty.behind->submit(backend, op);
    if (rc == 0)
        return;
    if (rc < 0)
        op->result = rc;
    op->done(op);
}

static void begin_held(struct weir__backend *backend)
{
    struct weir__list now;
    weir__list_init(&now);
    weir__list_splice(&now, &faulty.held);
    struct weir__list *node;
    while ((node = weir__list_take_first(&now)) != NULL) {
        struct weir__op *op = WEIR__CONTAINER(node, struct weir__op, link);
        weir__list_append(&faulty.held, &op->link);
        if (op->cancelling || --op->turns_left == 0)
            let_go(backend, op);
    }
}

static void turn(struct weir__backend *backend, int64_t timeout_ns)
{
    faulty.behind->turn(backend, faulty.held_count > 0 ? 0 : timeout_ns);
    begin_held(backend);
}

static bool pending(struct weir__backend *backend)
{
    return faulty.held_count > 0 || faulty.behind->pending(backend);
}

/* A turn is due at once while something is held. */
static int64_t next_ns(const struct weir__backend *backend)
{
    return faulty.held_count > 0 ? 0 : faulty.behind->next_ns(backend);
}

void weir__faulty_install(struct weir__backend *backend)
{
    faulty.behind = backend->table;
    faulty.table = *backend->table;
    faulty.table.submit = submit;
    faulty.table.cancel = cancel;
    faulty.table.turn = turn;
    faulty.table.pending = pending;
    if (backend->table->next_ns != NULL)
        faulty.table.next_ns = next_ns;
    weir__list_init(&faulty.held);
    faulty.held_count = 0;
    backend->table = &faulty.table;
}
