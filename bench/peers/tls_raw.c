/*
 * tls_raw.c - the server of tls.c as bare calls of OpenSSL: the floor
 *
 *     tls_raw <port> <chain> <key>
 *
 * Blocking, a thread for each connection of eight that are there before; no limits.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../bench.h"

enum { THREADS = 8, LARGE_BYTES = 256 << 20, PIECE_BYTES = 256 * 1024 };

static const char hello[] = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!";
static const char large[] = "HTTP/1.1 200 OK\r\nContent-Length: 268435456\r\n\r\n";
static char piece[PIECE_BYTES];
static SSL_CTX *context;
static int listener;

static void answer_all(SSL *ssl)
{
    char request[256];
    int got;
    while ((got = SSL_read(ssl, request, sizeof request)) > 0) {
        if (got > 10 && memcmp(request, "GET /large", 10) == 0) {
            SSL_write(ssl, large, sizeof large - 1);
            for (size_t left = LARGE_BYTES; left > 0; left -= PIECE_BYTES) {
                if (SSL_write(ssl, piece, PIECE_BYTES) <= 0)
                    return;
            }
        } else if (SSL_write(ssl, hello, sizeof hello - 1) <= 0) {
            return;
        }
    }
}

static void *serve(void *arg)
{
    int one = 1;
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            bench_must(-errno, "accept");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        SSL *ssl = SSL_new(context);
        if (ssl != NULL && SSL_set_fd(ssl, fd) == 1 && SSL_accept(ssl) == 1)
            answer_all(ssl);
        SSL_free(ssl);
        close(fd);
    }
    return arg;
}

int main(int argc, char **argv)
{
    size_t port = argc == 4 ? bench_number(argv[1], 0) : 0;
    int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (port == 0)
        return 64;
    signal(SIGPIPE, SIG_IGN);
    context = SSL_CTX_new(TLS_server_method());
    if (context == NULL || SSL_CTX_use_certificate_chain_file(context, argv[2]) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, argv[3], SSL_FILETYPE_PEM) != 1)
        bench_must(-EINVAL, "the certificate");
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, 4096) < 0)
        bench_must(-errno, "listen");
    for (int i = 1; i < THREADS; i++) {
        pthread_t thread;
        bench_must(-pthread_create(&thread, NULL, serve, NULL), "a thread");
    }
    serve(NULL);
    return 0;
}
