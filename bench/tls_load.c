/*
 * tls_load.c - the load of the TLS figures, with bare OpenSSL; no part of weir is in it
 *
 *     bench_tls_load full <port> <threads> <seconds>      connect, handshake, one request, close
 *     bench_tls_load resumed <port> <threads> <seconds>   the same with the session of before
 *     bench_tls_load requests <port> <threads> <seconds>  requests one after another, a connection
 *                                                         for each thread
 *     bench_tls_load bulk <port> <count> <seconds>        the large answer, so many times
 *     bench_tls_load idle <port> <count>                  so many connections, one request each;
 *                                                         `ready`; until the end of its input
 *
 * The certificate is not checked against any root: that is the client's work.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

static const char hello_request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
static const char large_request[] = "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n";

static struct sockaddr_in address;
static SSL_CTX *context;
static int64_t end_ns;
static bool resume;
static bool keep;

static void fail(const char *what)
{
    fprintf(stderr, "bench_tls_load: %s: ", what);
    ERR_print_errors_fp(stderr);
    perror("");
    exit(1);
}

static SSL *open_one(SSL_SESSION *session)
{
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    SSL *ssl = SSL_new(context);
    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 || SSL_set_tlsext_host_name(ssl, "localhost") != 1)
        fail("SSL_new");
    if (session != NULL)
        SSL_set_session(ssl, session);
    if (SSL_connect(ssl) != 1)
        fail("handshake");
    return ssl;
}

/* With a reset: tens of thousands in TIME_WAIT would use up the ports. */
static void close_one(SSL *ssl)
{
    struct linger now = {.l_onoff = 1};
    int fd = SSL_get_fd(ssl);
    SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); // the session stays good
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    SSL_free(ssl);
    close(fd);
}

static void ask(SSL *ssl)
{
    char answer[1024];
    size_t size = 0;
    if (SSL_write(ssl, hello_request, sizeof hello_request - 1) <= 0)
        fail("write");
    do {
        int got = SSL_read(ssl, answer + size, (int)(sizeof answer - 1 - size));
        if (got <= 0)
            fail("read");
        size += (size_t)got;
        answer[size] = '\0';
    } while (strstr(answer, "Hello, World!") == NULL);
}

struct worker {
    pthread_t thread;
    size_t count;
    size_t resumed;
};

static void *run_worker(void *arg)
{
    struct worker *worker = arg;
    SSL_SESSION *session = NULL;
    SSL *kept = keep ? open_one(NULL) : NULL;
    while (bench_now_ns() < end_ns) {
        SSL *ssl = keep ? kept : open_one(session);
        ask(ssl);
        worker->count++;
        if (keep)
            continue;
        worker->resumed += SSL_session_reused(ssl) == 1;
        SSL_SESSION_free(session);
        session = resume ? SSL_get1_session(ssl) : NULL;
        close_one(ssl);
    }
    if (keep)
        close_one(kept);
    SSL_SESSION_free(session);
    return NULL;
}

static int run_workers(size_t count, size_t seconds)
{
    struct worker *workers = calloc(count, sizeof *workers);
    size_t total = 0;
    size_t resumed = 0;
    bench_must(workers == NULL ? -ENOMEM : 0, "workers");
    int64_t begun_ns = bench_now_ns();
    end_ns = begun_ns + (int64_t)seconds * 1000000000;
    for (size_t i = 0; i < count; i++)
        bench_must(-pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]), "a thread");
    for (size_t i = 0; i < count; i++) {
        pthread_join(workers[i].thread, NULL);
        total += workers[i].count;
        resumed += workers[i].resumed;
    }
    if (resume ? resumed + count < total : resumed > 0)
        bench_must(-EPROTO, resume ? "sessions were not resumed" : "sessions were resumed");
    bench_figure("messages", (double)total, "n");
    bench_figure("rate", (double)total * 1e9 / (double)(bench_now_ns() - begun_ns), "per_s");
    free(workers);
    return 0;
}

static int run_bulk(size_t count)
{
    static char answer[256 * 1024];
    SSL *ssl = open_one(NULL);
    size_t total = 0;
    int64_t begun_ns = bench_now_ns();
    for (size_t i = 0; i < count; i++) {
        size_t wanted = (256u << 20) + 1; // and a head, whose end is looked for
        if (SSL_write(ssl, large_request, sizeof large_request - 1) <= 0)
            fail("write");
        for (size_t size = 0; size < wanted;) {
            int got = SSL_read(ssl, answer, sizeof answer);
            if (got <= 0)
                fail("read");
            const char *end = size == 0 ? memmem(answer, (size_t)got, "\r\n\r\n", 4) : NULL;
            if (size == 0 && end == NULL)
                fail("the head comes in pieces");
            if (end != NULL)
                wanted = (256u << 20) + (size_t)(end + 4 - answer);
            size += (size_t)got;
        }
        total += wanted;
    }
    bench_figure("messages", (double)(total >> 20), "n");
    bench_figure("bulk", (double)total / (double)(bench_now_ns() - begun_ns), "GBps");
    close_one(ssl);
    return 0;
}

static int run_idle(size_t count)
{
    SSL **all = calloc(count, sizeof(SSL *));
    bench_must(all == NULL ? -ENOMEM : 0, "connections");
    for (size_t i = 0; i < count; i++) {
        all[i] = open_one(NULL);
        ask(all[i]);
    }
    printf("ready\n");
    fflush(stdout);
    while (getchar() != EOF) {
    }
    for (size_t i = 0; i < count; i++)
        close_one(all[i]);
    free(all);
    return 0;
}

int main(int argc, char **argv)
{
    size_t port = argc > 3 ? bench_number(argv[2], 0) : 0;
    size_t count = argc > 3 ? bench_number(argv[3], 0) : 0;
    size_t seconds = argc > 4 ? bench_number(argv[4], 0) : 0;
    bench_raise_files();
    signal(SIGPIPE, SIG_IGN);
    address = (struct sockaddr_in){.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL)
        fail("SSL_CTX_new");
    if (port > 0 && count > 0 && strcmp(argv[1], "idle") == 0)
        return run_idle(count);
    if (port > 0 && count > 0 && seconds > 0) {
        resume = strcmp(argv[1], "resumed") == 0;
        keep = strcmp(argv[1], "requests") == 0;
        if (resume || keep || strcmp(argv[1], "full") == 0)
            return run_workers(count, seconds);
        if (strcmp(argv[1], "bulk") == 0)
            return run_bulk(count);
    }
    fprintf(stderr, "usage: bench_tls_load full|resumed|requests|bulk <port> <count> <seconds> |"
                    " idle <port> <count>\n");
    return 64;
}
