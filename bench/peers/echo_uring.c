/*
 * echo_uring.c - the server of echo.c on a bare ring: the least that io_uring can do
 *
 *     echo_uring <port>
 *
 * Multishot accept, multishot receive into a ring of buffers; each is sent back from where it lies
 * and given back after that. No limits, hardly a check: a floor, no server.
 */
#include <arpa/inet.h>
#include <liburing.h>
#include <netinet/tcp.h>

#include "../bench.h"

enum { ENTRIES = 4096, BUFFERS = 8192, BUFFER_BYTES = 1024, GROUP = 1 };
enum kind { ACCEPT_ECHO = 1, ACCEPT_SINK, ECHO, SINK, SEND, DATAGRAM, DATAGRAM_SENT };

static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static char *memory;

static int check(int rc, const char *what)
{
    bench_must(rc, what);
    return rc;
}

/* What an operation is: kind, buffer and descriptor. */
static uint64_t tag(enum kind kind, unsigned buffer, int fd)
{
    return (uint64_t)kind << 56 | (uint64_t)buffer << 32 | (uint32_t)fd;
}

static struct io_uring_sqe *get(void)
{
    struct io_uring_sqe *sqe;
    while ((sqe = io_uring_get_sqe(&ring)) == NULL)
        check(io_uring_submit(&ring), "submit");
    return sqe;
}

static void receive(int fd, enum kind kind)
{
    struct io_uring_sqe *sqe = get();
    io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    sqe->user_data = tag(kind, 0, fd);
}

static void accept_all(int fd, enum kind kind)
{
    struct io_uring_sqe *sqe = get();
    io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
    sqe->user_data = tag(kind, 0, fd);
}

static void give_back(unsigned buffer)
{
    io_uring_buf_ring_add(buffers, memory + (size_t)buffer * BUFFER_BYTES, BUFFER_BYTES,
                          (unsigned short)buffer, io_uring_buf_ring_mask(BUFFERS), 0);
    io_uring_buf_ring_advance(buffers, 1);
}

static int open_socket(size_t port, int type)
{
    int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        (type == SOCK_STREAM && listen(fd, 4096) < 0))
        check(-errno, "socket");
    return fd;
}

/* --- datagrams: one at a time ----------------------------------------------------------------- */

static struct sockaddr_in from;
static char datagram[2048];
static struct iovec part = {datagram, sizeof datagram};
static struct msghdr message = {.msg_name = &from, .msg_iov = &part, .msg_iovlen = 1};

static void receive_datagram(int fd)
{
    struct io_uring_sqe *sqe = get();
    message.msg_namelen = sizeof from;
    part.iov_len = sizeof datagram;
    io_uring_prep_recvmsg(sqe, fd, &message, 0);
    sqe->user_data = tag(DATAGRAM, 0, fd);
}

static void send_datagram(int fd, int size)
{
    struct io_uring_sqe *sqe = get();
    part.iov_len = (size_t)size;
    io_uring_prep_sendmsg(sqe, fd, &message, 0);
    sqe->user_data = tag(DATAGRAM_SENT, 0, fd);
}

/* --- what has come ---------------------------------------------------------------------------- */

static void came(const struct io_uring_cqe *cqe, enum kind kind, int fd)
{
    unsigned buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
    if (cqe->res > 0 && kind == ECHO) {
        struct io_uring_sqe *sqe = get();
        io_uring_prep_send(sqe, fd, memory + (size_t)buffer * BUFFER_BYTES, (size_t)cqe->res,
                           MSG_NOSIGNAL);
        sqe->user_data = tag(SEND, buffer, fd);
    } else if (cqe->flags & IORING_CQE_F_BUFFER) {
        give_back(buffer);
    }
    if (cqe->res > 0 || cqe->res == -ENOBUFS) {
        if (!(cqe->flags & IORING_CQE_F_MORE))
            receive(fd, kind);
        return;
    }
    if (cqe->res == 0 && kind == SINK)
        send(fd, ".", 1, MSG_NOSIGNAL);
    close(fd);
}

static void look_at(const struct io_uring_cqe *cqe)
{
    enum kind kind = (enum kind)(cqe->user_data >> 56);
    int fd = (int)(uint32_t)cqe->user_data;
    int one = 1;
    switch (kind) {
    case ACCEPT_ECHO:
    case ACCEPT_SINK:
        if (cqe->res >= 0) {
            setsockopt(cqe->res, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            receive(cqe->res, kind == ACCEPT_ECHO ? ECHO : SINK);
        }
        if (!(cqe->flags & IORING_CQE_F_MORE))
            accept_all(fd, kind);
        break;
    case ECHO:
    case SINK:
        came(cqe, kind, fd);
        break;
    case SEND:
        give_back((unsigned)(cqe->user_data >> 32) & 0xffff);
        break;
    case DATAGRAM:
        if (cqe->res >= 0)
            send_datagram(fd, cqe->res);
        else
            receive_datagram(fd);
        break;
    case DATAGRAM_SENT:
        receive_datagram(fd);
        break;
    }
}

int main(int argc, char **argv)
{
    size_t port = argc == 2 ? bench_number(argv[1], 0) : 0;
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER |
                                              IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
                                     .cq_entries = 4 * ENTRIES};
    struct io_uring_buf_reg registration = {.ring_entries = BUFFERS, .bgid = GROUP};
    if (port == 0)
        return 64;
    bench_raise_files();
    check(io_uring_queue_init_params(ENTRIES, &ring, &params), "io_uring_setup");
    if (posix_memalign((void **)&buffers, 4096, BUFFERS * sizeof(struct io_uring_buf)) != 0 ||
        posix_memalign((void **)&memory, 4096, (size_t)BUFFERS * BUFFER_BYTES) != 0)
        check(-ENOMEM, "buffers");
    registration.ring_addr = (uint64_t)(uintptr_t)buffers;
    check(io_uring_register_buf_ring(&ring, &registration, 0), "a ring of buffers");
    io_uring_buf_ring_init(buffers);
    for (unsigned i = 0; i < BUFFERS; i++)
        give_back(i);
    accept_all(open_socket(port, SOCK_STREAM), ACCEPT_ECHO);
    accept_all(open_socket(port + 1, SOCK_STREAM), ACCEPT_SINK);
    receive_datagram(open_socket(port, SOCK_DGRAM));
    for (;;) {
        struct io_uring_cqe *cqe;
        unsigned head;
        unsigned count = 0;
        int rc = io_uring_submit_and_wait(&ring, 1);
        if (rc < 0 && rc != -EINTR)
            check(rc, "submit and wait");
        io_uring_for_each_cqe(&ring, head, cqe)
        {
            look_at(cqe);
            count++;
        }
        io_uring_cq_advance(&ring, count);
    }
}
