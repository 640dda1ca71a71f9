/*
 * service.c - a small service in a process of its own, and a client that talks to it
 */
#include "tests/app/service.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weir/exec.h>
#include <weir/log.h>
#include <weir/mutex.h>
#include <weir/scope.h>
#include <weir/stop.h>
#include <weir/task.h>

#include "base/clock.h"
#include "base/str.h"
#include "tests/support/test.h"

enum { PATIENCE_S = 20 };

/* --- what it serves --------------------------------------------------------------------------- */

typedef struct {
    int64_t ms;
    const char *then;
} wish;
WEIR_MODEL(wish, WEIR_FIELD(ms, .min = 0, .or_else = "0"), WEIR_FIELD(then, .or_else = "\"ok\""))

static int hello(weir_request *request)
{
    return weir_respond_text(request, 200, "hello\n");
}

static int slow(weir_request *request)
{
    weir_log_info("slow begins");
    int rc = weir_sleep(WEIR_QUERY(request, wish)->ms * WEIR_MS);
    weir_log_info("slow ends", WEIR_KV("rc", rc), WEIR_KV("stopping", weir_stopping()));
    return rc < 0 ? rc : weir_respond_text(request, 200, "slow\n");
}

static int sleep_in_shield(int64_t ms)
{
    int rc = 0;
    WEIR_SHIELD(rc, ms * WEIR_MS)
    {
        rc = weir_sleep(WEIR_HOUR);
    }
    return rc == -ETIME ? 0 : rc;
}

static int stubborn(weir_request *request)
{
    weir_log_info("stubborn begins");
    int rc = sleep_in_shield(WEIR_QUERY(request, wish)->ms);
    if (rc < 0)
        weir_log_info("stubborn cleans up", WEIR_KV("rc", rc));
    return rc < 0 ? rc : weir_respond_text(request, 200, "stubborn\n");
}

static void log_cause(const char *what, int rc)
{
    weir_cancel_cause cause = {0};
    weir_ignore(weir_cancelled_because(&cause), "then it stays empty");
    weir_log_info(what, WEIR_KV("rc", rc),
                  WEIR_KV("cause", cause.kind == WEIR_CANCEL_SHUTDOWN ? "shutdown" : "other"));
}

/* Work whose last step must not be cut. */
static int commit(weir_request *request)
{
    weir_log_info("commit begins");
    int rc = weir_sleep(WEIR_HOUR), committed = 0;
    log_cause("commit is cut", rc);
    WEIR_SHIELD(committed, WEIR_MIN)
    {
        committed = weir_sleep(50 * WEIR_MS);
    }
    weir_log_info("committed", WEIR_KV("rc", committed));
    return rc < 0 ? rc : weir_respond_text(request, 200, "commit\n");
}

/* More than any client reads. */
static int flood(weir_request *request)
{
    static const char piece[16384];
    weir_log_info("flood begins");
    int rc = weir_stream_begin(request, 200, NULL);
    while (rc == 0)
        rc = weir_stream_write(request, piece, sizeof piece);
    log_cause("flood is cut", rc);
    return rc;
}

static weir_mutex chair = {0};

/* The first holds what the second waits for. */
static int sit(weir_request *request)
{
    weir_log_info("sit begins");
    int rc = weir_mutex_lock(&chair);
    if (rc < 0)
        return rc;
    rc = weir_sleep(WEIR_HOUR);
    weir_mutex_unlock(&chair);
    return rc < 0 ? rc : weir_respond_text(request, 200, "sat\n");
}

static int block(weir_request *request)
{
    weir_log_info("block begins");
    int64_t until_ns = weir__base_kernel_now() + WEIR_QUERY(request, wish)->ms * WEIR_MS;
    while (weir__base_kernel_now() < until_ns)
        ;
    return weir_respond_text(request, 200, "block\n");
}

/* The same by the CPU's clock: on a busy machine it takes longer, and it is the task's own
 * doing. */
static int spin(weir_request *request)
{
    weir_log_info("spin begins");
    int64_t until_ns = weir__base_cpu_now() + WEIR_QUERY(request, wish)->ms * WEIR_MS;
    while (weir__base_cpu_now() < until_ns)
        ;
    return weir_respond_text(request, 200, "spin\n");
}

static int fail(weir_request *request)
{
    (void)request;
    return weir_fail(-EIO, "the disk is gone");
}

static int events(weir_request *request)
{
    int rc = weir_sse_begin(request);
    if (rc == 0)
        rc = weir_sse_send(request, "first", NULL, "data");
    return rc < 0 ? rc : weir_sleep(WEIR_HOUR);
}

static int who(weir_request *request)
{
    char text[64];
    const weir_app *app = weir_request_app(request);
    snprintf(text, sizeof text, "%u of %u, state %s of %s%s\n",
             weir_app_worker_index(weir_request_worker(request)), weir_app_worker_count(app),
             (const char *)weir_request_state(request), weir_app_name(app),
             weir_app_state(app) == weir_request_state(request) ? "" : " (two states)");
    return weir_respond_text(request, 200, text);
}

static int block_thread(void *arg)
{
    usleep((useconds_t)(*(int64_t *)arg * 1000));
    return 0;
}

struct work {
    int64_t ms;
    char then;
};
static int help(void *arg)
{
    int rc = weir_sleep(100 * WEIR_MS);
    weir_log_info("the helper ends", WEIR_KV("rc", rc), WEIR_KV("stopping", weir_stopping()));
    (void)arg;
    return rc;
}

/* Its second half has a task of its own. */
static int work_with_help(int64_t first_ms)
{
    weir_group *group;
    int rc = weir_sleep(first_ms * WEIR_MS);
    if (rc == 0)
        rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    return weir_group_close(group, weir_spawn(group, help, NULL));
}

static int work(struct work *a)
{
    if (a->then == 'h')
        return work_with_help(a->ms);
    if (a->then == 'b')
        return weir_offload(NULL, block_thread, &a->ms);
    int rc = a->then == 'i' ? sleep_in_shield(a->ms) : weir_sleep(a->ms * WEIR_MS);
    if (rc < 0)
        return rc;
    return a->then == 'f' ? weir_fail(-EPROTO, "the work went wrong") : 0;
}

/* What was said of background work so far. */
static int show_work(weir_request *request)
{
    weir_background_stats stats;
    weir_background_stats_get(weir_request_app(request), &stats);
    char text[128];
    snprintf(text, sizeof text,
             "running %zu started %llu failed %llu cancelled %llu refused %llu\n", stats.running,
             (unsigned long long)stats.started, (unsigned long long)stats.failed,
             (unsigned long long)stats.cancelled, (unsigned long long)stats.refused);
    return weir_respond_text(request, 200, text);
}

static int start_work(weir_request *request)
{
    const wish *wanted = WEIR_QUERY(request, wish);
    int rc = WEIR_BACKGROUND(request, work, .ms = wanted->ms, .then = wanted->then[0]);
    return rc < 0 ? rc : weir_respond_text(request, 202, "started\n");
}

/* Waits a little, then starts work: by then the service may be draining. */
static int start_late(weir_request *request)
{
    weir_log_info("late begins");
    int rc = weir_sleep(WEIR_QUERY(request, wish)->ms * WEIR_MS);
    if (rc == 0)
        rc = WEIR_BACKGROUND(request, work, .ms = 0, .then = 'o');
    return rc < 0 ? rc : weir_respond_text(request, 202, "started\n");
}

static int stop(weir_request *request)
{
    weir_app_stop(weir_request_app(request), "POST /stop");
    return weir_respond_text(request, 200, "stopping\n");
}

static int get_order(weir_request *request)
{
    return weir_respond_text(request, 200, weir_request_param(request, "id"));
}

typedef struct {
    char *item;
    int32_t count;
} order;
WEIR_MODEL(order, WEIR_FIELD(item, .min_len = 1, .max_len = 120, .doc = "what to buy"),
           WEIR_FIELD(count, .min = 1, .max = 100, .or_else = "1"))

typedef struct {
    const char *status;
} started;
WEIR_MODEL(started, WEIR_FIELD(status))

WEIR_HANDLER(post_order, order, started)
{
    *out = (started){.status = in->count > 1 ? "many" : "one"};
    return 0;
}

#define WISH .query = WEIR_MODEL_OF(wish)
static const weir_route routes[] = {
    WEIR_GET("/hello", hello),
    WEIR_GET("/slow", slow, WISH),
    WEIR_GET("/stubborn", stubborn, WISH),
    WEIR_GET("/sit", sit),
    WEIR_GET("/block", block, WISH),
    WEIR_GET("/spin", spin, WISH),
    WEIR_GET("/fail", fail),
    WEIR_GET("/commit", commit),
    WEIR_GET("/flood", flood),
    WEIR_GET("/events", events),
    WEIR_GET("/who", who),
    WEIR_GET("/work", show_work),
    WEIR_POST("/work", start_work, WISH, .status = 202),
    WEIR_POST("/late", start_late, WISH, .status = 202),
    WEIR_POST("/stop", stop),
    WEIR_POST("/orders", post_order, .status = 202, .summary = "Order something", .tag = "orders"),
    WEIR_GET("/orders/{id}", get_order, .tag = "orders"),
    {0},
};

static int lifespan(weir_app *app)
{
    weir_log_info("lifespan starts");
    weir_app_set_state(app, (void *)(uintptr_t) "shared");
    int rc = weir_app_serve(app);
    weir_log_info("lifespan ends", WEIR_KV("rc", rc));
    return rc;
}

static int serve_worker(weir_app_worker *worker)
{
    weir_log_info("worker starts", WEIR_KV("index", weir_app_worker_index(worker)));
    int rc = weir_app_worker_serve(worker);
    weir_log_info("worker ends", WEIR_KV("index", weir_app_worker_index(worker)));
    return rc;
}

const weir_app_options service_options = {
    .name = "test-service",
    .version = "1.2.3",
    .doc = "does what tests ask",
    .routes = routes,
    .lifespan = lifespan,
    .worker = serve_worker,
};

/* --- its process ------------------------------------------------------------------------------ */

bool service_streams_closed;

static _Noreturn void run_service(int log_fd, const weir_app_options *options,
                                  const char *const *arguments)
{
    char *argv[32] = {(char *)(uintptr_t) "service"};
    int argc = 1;
    while (arguments[argc - 1] != NULL && argc < 31) {
        argv[argc] = (char *)(uintptr_t)arguments[argc - 1];
        argc++;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(log_fd, 2);
    dup2(log_fd, 1);
    close(log_fd);
    if (service_streams_closed) {
        close(0);
        close(1);
    }
    exit(weir_app_main(argc, argv, options)); /* exit: what leaks is found */
}

bool service_launch(struct service *service, const weir_app_options *options,
                    const char *const *arguments)
{
    memset(service, 0, sizeof *service);
    int fds[2];
    if (pipe(fds) < 0)
        return false;
    fflush(NULL);
    service->pid = fork();
    if (service->pid == 0) {
        close(fds[0]);
        run_service(fds[1], options, arguments);
    }
    close(fds[1]);
    service->log_fd = fds[0];
    return service->pid > 0;
}

/* One read; false at the end of the log, or when nothing came. */
static bool read_log(struct service *service, int64_t until_ns)
{
    struct pollfd watched = {.fd = service->log_fd, .events = POLLIN};
    int64_t left_ms = (until_ns - weir__base_kernel_now()) / WEIR_MS;
    if (left_ms <= 0)
        return false;
    int ready = poll(&watched, 1, (int)left_ms);
    if (ready < 0 && errno == EINTR)
        return true;
    if (ready <= 0)
        return false;
    size_t room = sizeof service->log - 1 - service->log_size;
    ssize_t count = read(service->log_fd, service->log + service->log_size, room);
    if (count < 0 && errno == EINTR)
        return true;
    if (count <= 0)
        return false;
    service->log_size += (size_t)count;
    service->log[service->log_size] = '\0';
    return true;
}

bool service_log_until(struct service *service, const char *text)
{
    int64_t until_ns = weir__base_kernel_now() + PATIENCE_S * WEIR_SEC;
    while (strstr(service->log, text) == NULL) {
        if (!read_log(service, until_ns))
            return test_expect_contains(text, service->log, "the log", __FILE__, __LINE__);
    }
    return true;
}

bool service_start(struct service *service, const weir_app_options *options,
                   const char *const *arguments)
{
    if (!service_launch(service, options, arguments) ||
        !service_log_until(service, "listening url=http://127.0.0.1:"))
        return false;
    const char *port = strstr(service->log, "127.0.0.1:") + strlen("127.0.0.1:");
    while (*port >= '0' && *port <= '9')
        service->port = service->port * 10 + (*port++ - '0');
    return true;
}

size_t service_log_count(const struct service *service, const char *text)
{
    size_t count = 0;
    for (const char *at = service->log; (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

int service_wait(struct service *service)
{
    int64_t until_ns = weir__base_kernel_now() + PATIENCE_S * WEIR_SEC;
    while (read_log(service, until_ns))
        ;
    if (weir__base_kernel_now() >= until_ns)
        kill(service->pid, SIGKILL); /* the status tells */
    int status;
    while (waitpid(service->pid, &status, 0) < 0 && errno == EINTR)
        ;
    close(service->log_fd);
    service->ended = true;
    service->status = WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
    return service->status;
}

void service_signal(struct service *service, int number)
{
    EXPECT_EQ(0, kill(service->pid, number));
}

void service_end(struct service *service, int expected_status)
{
    service_signal(service, SIGTERM);
    EXPECT_EQ(expected_status, service_wait(service));
    if (test_failed())
        fprintf(stderr, "--- log of the service\n%s---\n", service->log);
}

/* --- the client ------------------------------------------------------------------------------- */

int client_connect(const struct service *service)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval patience = {.tv_sec = PATIENCE_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)service->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

void client_send(int fd, const char *text)
{
    size_t size = strlen(text);
    EXPECT_EQ((ssize_t)size, send(fd, text, size, MSG_NOSIGNAL));
}

/* A ring that this process had (to see whether it may) still interrupts calls for a while. */
ssize_t client_receive(int fd, void *buffer, size_t size)
{
    ssize_t count;
    do
        count = recv(fd, buffer, size, 0);
    while (count < 0 && errno == EINTR);
    return count;
}

const char *client_read_all(int fd)
{
    static char answer[1024 * 1024];
    size_t size = 0;
    ssize_t count;
    while (size < sizeof answer - 1 &&
           (count = client_receive(fd, answer + size, sizeof answer - 1 - size)) > 0)
        size += (size_t)count;
    answer[size] = '\0';
    close(fd);
    return answer;
}

static void send_request(int fd, const char *what)
{
    char request[512];
    bool post = strncmp(what, "POST", 4) == 0;
    snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n%s\r\n",
             what, post ? "Content-Length: 0\r\n" : "");
    client_send(fd, request);
}

const char *client_ask(const struct service *service, const char *what)
{
    int fd = client_connect(service);
    if (fd < 0)
        return "";
    send_request(fd, what);
    return client_read_all(fd);
}

int status_of(const char *answer)
{
    return strncmp(answer, "HTTP/1.1 ", 9) != 0
               ? 0
               : (answer[9] - '0') * 100 + (answer[10] - '0') * 10 + (answer[11] - '0');
}

const char *body_of(const char *answer)
{
    const char *body = strstr(answer, "\r\n\r\n");
    return body == NULL ? "" : body + 4;
}
