/*
 * service.h - a small service in a process of its own, and a client that talks to it, for tests of
 * app
 *
 * The service is started with a command line as a user would; what it logs is kept. The client
 * blocks: it is the outside world.
 */
#ifndef WEIR_TESTS_APP_SERVICE_H
#define WEIR_TESTS_APP_SERVICE_H

#include <sys/types.h>
#include <weir/app.h>

struct service {
    pid_t pid;
    int log_fd;
    char log[256 * 1024];
    size_t log_size;
    int port;
    int status; /* of its exit, once it has ended; 256 + n: by signal n */
    bool ended;
};

/*
 * Routes of the service:
 *     GET  /hello          answers hello
 *     GET  /slow?ms=       answers after a sleep
 *     GET  /stubborn?ms=   sleeps on and on in a shield for that long, whatever is asked of it
 *     GET  /block?ms=      holds the loop that long
 *     GET  /fail           fails with EIO "the disk is gone"
 *     GET  /events         server-sent events until the service drains
 *     GET  /who            the worker's index, of how many
 *     POST /work?ms=&then= a background task that sleeps, then is `ok` or
 *                          `fail`s, or `ignore`s its cancel, or `block`s a thread of the executor
 *     POST /late?ms=       sleeps, then starts a background task
 *     POST /stop           weir_app_stop()
 */
extern const weir_app_options service_options;
/* Start it with descriptors 0 and 1 closed. */
extern bool service_streams_closed;

/* Starts it with these arguments (ended by NULL) and waits until it listens (or has ended). */
bool service_start(struct service *service, const weir_app_options *options,
                   const char *const *arguments);
/* The same without waiting for anything. */
bool service_launch(struct service *service, const weir_app_options *options,
                    const char *const *arguments);
/* Reads the log until this text is in it. False, and a failed test: it did not come in 20 s. */
bool service_log_until(struct service *service, const char *text);
/* How often a text stands in the log so far. */
size_t service_log_count(const struct service *service, const char *text);
/* Waits for the end; its exit status. */
int service_wait(struct service *service);
void service_signal(struct service *service, int number);
/* SIGTERM, and the end with this status. */
void service_end(struct service *service, int expected_status);

/* A blocking connection; -1 when it is refused. */
int client_connect(const struct service *service);
void client_send(int fd, const char *text);
/* One receive; the size, 0 at the end, or below. */
ssize_t client_receive(int fd, void *buffer, size_t size);
/* All that comes until the connection ends (or 20 s); closes it. "" for nothing. Static memory of 1
 * MiB. */
const char *client_read_all(int fd);
/* Send a request with Connection: close, read all. `what`: "GET /hello". */
const char *client_ask(const struct service *service, const char *what);
/* The status in an answer; 0: none. */
int status_of(const char *answer);
const char *body_of(const char *answer);

#endif
