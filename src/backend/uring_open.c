/*
 * uring_open.c - the backend on io_uring: what this kernel can do; the ring and its buffers
 *
 * Runs on  the loop's own thread.
 */
#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>

#include "backend/pool.h"
#include "backend/uring.h"
#include "base/alloc.h"
#include "base/sys.h"
#include "base/tsan.h"

struct weir__uring_step {
    unsigned flags;
    const char *detail;
};

/* Rings of several loops: the memory of one that was closed may be that of the next. */
static char ring_memory;

/* From the newest kernel down; the first that the kernel takes. */
static const struct weir__uring_step ladder[] = {
    {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
     "single issuer, deferred task work"}, // Linux 6.1
    {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
     "single issuer, cooperative task work"},                                         // Linux 6.0
    {IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG, "cooperative task work"}, // Linux 5.19
};

static int set_up_ring(struct weir__uring *uring)
{
    int rc = -EINVAL;
    size_t first = (size_t)weir__uring_age; // a step of the ladder each
    for (size_t i = first; i < sizeof ladder / sizeof ladder[0] && rc == -EINVAL; i++) {
        struct io_uring_params params = {
            .flags = ladder[i].flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP |
                     IORING_SETUP_SUBMIT_ALL,
            .cq_entries = WEIR__URING_CQ_ENTRIES,
        };
        rc = io_uring_queue_init_params(WEIR__URING_SQ_ENTRIES, &uring->ring, &params);
        uring->step = &ladder[i];
    }
    if (rc < 0)
        return rc == -EINVAL ? -ENOSYS : rc; // an io_uring of before 5.19
    weir__sys_count_opened();
    weir__tsan_begins(&ring_memory);
    for (unsigned i = 0; i < uring->ring.sq.ring_entries; i++)
        uring->ring.sq.array[i] = i; // slots are used in order
    return 0;
}

static void tear_down_ring(struct weir__uring *uring)
{
    weir__tsan_gone(&ring_memory);
    io_uring_queue_exit(&uring->ring);
    weir__sys_count_closed();
}

static int check_opcodes(struct weir__uring *uring)
{
    static const unsigned char needed[] = {
        IORING_OP_RECV,   IORING_OP_SEND,     IORING_OP_SENDMSG, IORING_OP_RECVMSG,
        IORING_OP_ACCEPT, IORING_OP_CONNECT,  IORING_OP_READ,    IORING_OP_WRITE,
        IORING_OP_FSYNC,  IORING_OP_POLL_ADD, IORING_OP_OPENAT,  IORING_OP_ASYNC_CANCEL,
    };
    static const size_t probe_bytes =
        sizeof(struct io_uring_probe) + 256 * sizeof(struct io_uring_probe_op);
    struct io_uring_probe *probe = weir__base_alloc_zero(probe_bytes);
    if (probe == NULL)
        return -ENOMEM;
    int rc = io_uring_register_probe(&uring->ring, probe, 256);
    for (size_t i = 0; i < sizeof needed && rc == 0; i++) {
        if (!io_uring_opcode_supported(probe, needed[i]))
            rc = -EOPNOTSUPP;
    }
    if (rc == 0)
        uring->base.features.file_kinds = weir__uring_file_kinds(probe);
    weir__base_free(probe);
    return rc;
}

/*
 * What this kernel's receive can do: multishot (Linux 6.0), and with a cap (6.17). It looks at its
 * arguments before it looks at the descriptor, so something that is no socket tells: -EINVAL for
 * what it does not know, else -ENOTSOCK.
 */
static bool receive_takes(struct weir__uring *uring, unsigned cap_bytes)
{
    struct io_uring_sqe *sqe = weir__uring_take_slot(uring);
    if (sqe == NULL)
        return false;
    io_uring_prep_recv_multishot(sqe, uring->wake_fd, NULL, 0, 0);
    sqe->file_index = cap_bytes;
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = WEIR__URING_BUFFER_GROUP;
    sqe->user_data = WEIR__URING_TAG_RX_CANCEL; // looked at by nobody, should it come late
    weir__uring_enter(uring, WEIR_SEC);
    if (!weir__uring_has_completions(uring))
        return false;
    const struct io_uring_cq *cq = &uring->ring.cq;
    int result = cq->cqes[*cq->khead & cq->ring_mask].res;
    io_uring_smp_store_release(cq->khead, *cq->khead + 1);
    return result == -ENOTSOCK;
}

static void probe_receive(struct weir__uring *uring)
{
    uring->multishot = weir__uring_age < WEIR__URING_LINUX_5_19 && receive_takes(uring, 0);
    uring->capped = weir__uring_age < WEIR__URING_LINUX_6_0 && receive_takes(uring, 4096);
    snprintf(uring->base.features.detail, sizeof uring->base.features.detail, "%s, %s receive",
             uring->step->detail,
             uring->capped      ? "capped multishot"
             : uring->multishot ? "multishot"
                                : "single");
}

static size_t buffer_ring_bytes(void)
{
    return WEIR__URING_RING_BUFFERS * sizeof(struct io_uring_buf);
}

static int set_up_buffers(struct weir__uring *uring)
{
    void *memory;
    int rc = weir__sys_map(buffer_ring_bytes(), &memory);
    if (rc < 0)
        return rc;
    // The kernel holds on to these very pages: a copy made by fork would part us.
    weir_ignore(weir__sys_advise(memory, buffer_ring_bytes(), MADV_DONTFORK), "a child only execs");
    struct io_uring_buf_reg reg = {
        .ring_addr = (uint64_t)(uintptr_t)memory,
        .ring_entries = WEIR__URING_RING_BUFFERS,
        .bgid = WEIR__URING_BUFFER_GROUP,
    };
    rc = io_uring_register_buf_ring(&uring->ring, &reg, 0);
    if (rc < 0) {
        weir__sys_unmap(memory, buffer_ring_bytes());
        return rc;
    }
    uring->buffer_ring = memory;
    io_uring_buf_ring_init(uring->buffer_ring);
    return 0;
}

void weir__uring_close(struct weir__backend *backend)
{
    struct weir__uring *uring = weir__uring_of(backend);
    assert(!weir__report_pending(&uring->report) && backend->stats.rx_armed == 0);
    tear_down_ring(uring);
    weir__sys_unmap(uring->buffer_ring, buffer_ring_bytes());
    weir_ignore(weir__sys_close(uring->wake_fd), "an eventfd has nothing to lose");
    weir__rx_pool_close(backend->pool);
    weir__base_free(uring);
}

int weir__uring_open(struct weir__backend **out_backend)
{
    struct weir__uring *uring = weir__base_alloc_zero(sizeof *uring);
    if (uring == NULL)
        return -ENOMEM;
    uring->base.table = &weir__uring_table;
    uring->base.features.name = "io_uring";
    uring->base.features.file_ops = true;
    weir__report_init(&uring->report);
    weir__list_init(&uring->postponed);
    weir__list_init(&uring->cancels);
    weir__list_init(&uring->rx_cancels);
    weir__list_init(&uring->starved);
    uring->buffers_wanted = WEIR__URING_BUFFERS_FIRST;
    weir__list_init(&uring->to_arm);

    int rc = weir__rx_pool_open(&uring->base.pool);
    if (rc < 0)
        goto free_uring;
    rc = set_up_ring(uring);
    if (rc < 0)
        goto close_pool;
    rc = check_opcodes(uring);
    if (rc < 0)
        goto tear_down;
    rc = set_up_buffers(uring);
    if (rc < 0)
        goto tear_down;
    rc = uring->wake_fd = weir__sys_eventfd();
    if (rc < 0)
        goto unmap_buffers;
    // Both spare something and are no loss where the kernel says no.
    if (io_uring_register_ring_fd(&uring->ring) == 1)
        uring->enter_flags = IORING_ENTER_REGISTERED_RING;
    weir_ignore(io_uring_ring_dontfork(&uring->ring), "a child only execs");
    probe_receive(uring);
    *out_backend = &uring->base;
    return 0;

unmap_buffers:
    // The ring goes first: it holds on to the buffers.
    tear_down_ring(uring);
    weir__sys_unmap(uring->buffer_ring, buffer_ring_bytes());
    goto close_pool;
tear_down:
    tear_down_ring(uring);
close_pool:
    weir__rx_pool_close(uring->base.pool);
free_uring:
    weir__base_free(uring);
    return rc;
}
