/*
 * serve_test.c - start-up, lifespan, workers, what is logged, and starts that come to nothing
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/log.h>
#include <weir/scope.h>
#include <weir/signal.h>

#include "tests/app/both.h"
#include "tests/app/service.h"

static struct service service;

static void expect_order(const char *first, const char *second)
{
    const char *at = strstr(service.log, first);
    const char *then = strstr(service.log, second);
    EXPECT_CONTAINS(first, service.log);
    EXPECT_CONTAINS(second, service.log);
    EXPECT(at != NULL && then != NULL && at < then);
}

TEST_ON_BOTH(start_up_serving_and_shutdown_come_in_order)
{
    REQUIRE(service_start(&service, &service_options,
                          ARGUMENTS("--backend", backend, "--workers", "2")));
    EXPECT_STR("hello\n", body_of(client_ask(&service, "GET /hello")));
    service_end(&service, 0);
    expect_order("lifespan starts", "worker starts index=0");
    expect_order("lifespan starts", "worker starts index=1");
    expect_order("worker starts index=1", "listening");
    expect_order("drain began", "worker ends index=0");
    expect_order("worker ends index=1", "drain complete");
    expect_order("drain complete", "lifespan ends rc=0");
}

TEST_ON_BOTH(the_line_at_the_start_says_what_runs_where)
{
    REQUIRE(service_start(&service, &service_options, ARGUMENTS("--backend", backend)));
    char pid[32];
    snprintf(pid, sizeof pid, "pid=%d", (int)service.pid);
    EXPECT_CONTAINS("name=test-service version=1.2.3", service.log);
    EXPECT_CONTAINS(strcmp(backend, "uring") == 0 ? "backend=io_uring" : "backend=epoll",
                    service.log);
    EXPECT_CONTAINS(pid, service.log);
    EXPECT_EQ(1, service_log_count(&service, "listening"));
    service_end(&service, 0);
}

TEST(several_workers_share_the_port_and_the_state)
{
    REQUIRE(service_start(&service, &service_options, ARGUMENTS("--workers", "3")));
    unsigned seen = 0;
    for (int i = 0; i < 200 && seen != 7; i++) {
        const char *answer = client_ask(&service, "GET /who");
        EXPECT_EQ(200, status_of(answer));
        EXPECT_CONTAINS(" of 3, state shared of test-service\n", body_of(answer));
        seen |= 1u << (body_of(answer)[0] - '0');
    }
    EXPECT_EQ(7, seen); /* each had a turn */
    service_end(&service, 0);
}

static int only_hello(weir_request *request)
{
    return weir_respond_text(request, 200, "hi");
}

TEST(a_service_of_routes_alone_serves)
{
    static const weir_route routes[] = {WEIR_GET("/", only_hello), {0}};
    static const weir_app_options plain = {.routes = routes};
    REQUIRE(service_start(&service, &plain, ARGUMENTS()));
    EXPECT_STR("hi", body_of(client_ask(&service, "GET /")));
    EXPECT_CONTAINS("name=app", service.log);
    service_end(&service, 0);
}

TEST(a_failed_handler_is_logged_and_its_text_stays_inside)
{
    REQUIRE(service_start(&service, &service_options, ARGUMENTS()));
    const char *answer = client_ask(&service, "GET /fail");
    EXPECT_EQ(500, status_of(answer));
    EXPECT(strstr(answer, "disk") == NULL);
    service_log_until(&service, "handler failed");
    service_end(&service, 0);
    EXPECT_CONTAINS(
        "ERROR handler failed method=GET route=/fail code=EIO message=\"the disk is gone\"",
        service.log);
}

TEST(each_request_is_a_line_of_the_access_log)
{
    REQUIRE(service_start(&service, &service_options, ARGUMENTS()));
    client_ask(&service, "GET /orders/17");
    client_ask(&service, "GET /nowhere");
    client_ask(&service, "GET /livez");
    service_end(&service, 0);
    EXPECT_CONTAINS("request method=GET route=/orders/{id} path=/orders/17 status=200 bytes=",
                    service.log);
    EXPECT_CONTAINS("request method=GET route=\"\" path=/nowhere status=404", service.log);
    EXPECT_EQ(2, service_log_count(&service, "INFO request "));
}

TEST(the_access_log_can_be_switched_off)
{
    REQUIRE(service_start(&service, &service_options, ARGUMENTS("--access-log", "off")));
    EXPECT_EQ(200, status_of(client_ask(&service, "GET /hello")));
    service_end(&service, 0);
    EXPECT_EQ(0, service_log_count(&service, "INFO request "));
}

TEST(the_log_can_be_json)
{
    REQUIRE(service_launch(&service, &service_options, ARGUMENTS("--log", "json")));
    service_log_until(&service, "\"msg\":\"listening\"");
    service_end(&service, 0);
    for (const char *line = service.log; *line != '\0';) {
        const char *end = strchrnul(line, '\n');
        EXPECT(line[0] == '{' && end[-1] == '}');
        line = *end == '\0' ? end : end + 1;
    }
}

/* --- starts that come to nothing -------------------------------------------------------------- */

static void expect_port_in_use(const char *workers_of_first, const char *workers_of_second)
{
    static struct service second;
    REQUIRE(service_start(&service, &service_options, ARGUMENTS("--workers", workers_of_first)));
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%d", service.port);
    const char *const arguments[] = {"--listen", address, "--workers", workers_of_second, NULL};
    REQUIRE(service_launch(&second, &service_options, arguments));
    EXPECT_EQ(1, service_wait(&second));
    EXPECT_CONTAINS("cannot start", second.log);
    EXPECT_CONTAINS("stop the one that has it, or give another --listen", second.log);
    EXPECT_CONTAINS(address, second.log);
    EXPECT(strstr(second.log, "lifespan starts") == NULL);
    EXPECT_STR("hello\n", body_of(client_ask(&service, "GET /hello")));
    service_end(&service, 0);
}

TEST(a_port_that_is_in_use_is_told)
{
    expect_port_in_use("1", "1");
}

TEST(a_port_that_is_in_use_is_told_although_workers_share_ports)
{
    expect_port_in_use("2", "2");
}

TEST(a_wrong_option_ends_with_64_before_anything_is_started)
{
    REQUIRE(service_launch(&service, &service_options, ARGUMENTS("--workers", "lots")));
    EXPECT_EQ(64, service_wait(&service));
    EXPECT_CONTAINS("'lots' is not a whole number", service.log);
    EXPECT(strstr(service.log, "lifespan") == NULL);
}

static int fail_to_start(weir_app *app)
{
    (void)app;
    return weir_fail(-EACCES, "the vault is locked");
}

TEST(a_start_up_that_fails_ends_with_1_and_its_words)
{
    weir_app_options options = service_options;
    options.lifespan = fail_to_start;
    REQUIRE(service_launch(&service, &options, ARGUMENTS()));
    EXPECT_EQ(1, service_wait(&service));
    EXPECT_CONTAINS("cannot start name=test-service code=EACCES message=\"the vault is locked\"",
                    service.log);
    EXPECT(strstr(service.log, "listening") == NULL);
}

/* What was opened is closed in the opposite order, on every way out. */
static int open_three_things(weir_app *app)
{
    weir_log_info("opens 1");
    weir_log_info("opens 2");
    int rc = weir_fail(-ECONNREFUSED, "no queue at port 5672");
    if (rc == 0) {
        rc = weir_app_serve(app);
        weir_log_info("closes 3");
    }
    weir_log_info("closes 2");
    weir_log_info("closes 1");
    return rc;
}

/* W5, case 258 */
TEST_ON_BOTH(a_start_up_that_fails_on_the_way_takes_back_what_it_did)
{
    weir_app_options options = service_options;
    options.lifespan = open_three_things;
    REQUIRE(service_launch(&service, &options, ARGUMENTS("--backend", backend)));
    EXPECT_EQ(1, service_wait(&service));
    expect_order("opens 1", "opens 2");
    expect_order("opens 2", "closes 2");
    expect_order("closes 2", "closes 1");
    expect_order("closes 1", "cannot start");
    EXPECT(strstr(service.log, "listening") == NULL);
    EXPECT(strstr(service.log, "worker starts") == NULL);
}

/* Q6, case 292 */
TEST_ON_BOTH(work_that_blocks_is_told_with_its_route_and_delays_others_without_losing_them)
{
    REQUIRE(service_start(&service, &service_options,
                          ARGUMENTS("--backend", backend, "--workers", "1")));
    int fd = client_connect(&service);
    client_send(fd, "GET /spin?ms=400 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    service_log_until(&service, "spin begins");
    EXPECT_STR("hello\n", body_of(client_ask(&service, "GET /hello")));
    EXPECT_STR("spin\n", body_of(client_read_all(fd)));
    service_end(&service, 0);
    EXPECT_CONTAINS("W104", service.log);
    EXPECT_CONTAINS("by GET /spin #", service.log);
}

static int fail_on_second(weir_app_worker *worker)
{
    if (weir_app_worker_index(worker) == 1)
        return weir_fail(-ENOSPC, "no room for a client");
    return weir_app_worker_serve(worker);
}

TEST_ON_BOTH(a_worker_that_cannot_start_fails_the_start_up)
{
    weir_app_options options = service_options;
    options.worker = fail_on_second;
    REQUIRE(service_launch(&service, &options, ARGUMENTS("--workers", "3", "--backend", backend)));
    EXPECT_EQ(1, service_wait(&service));
    EXPECT_CONTAINS("worker 1: no room for a client", service.log);
    EXPECT(strstr(service.log, "listening") == NULL);
    EXPECT_CONTAINS("lifespan ends", service.log); /* what it opened is closed */
}

static int forget_to_serve(weir_app_worker *worker)
{
    (void)worker;
    return 0;
}

TEST(a_worker_that_does_not_serve_is_told)
{
    weir_app_options options = service_options;
    options.worker = forget_to_serve;
    REQUIRE(service_launch(&service, &options, ARGUMENTS("--workers", "2")));
    EXPECT_EQ(1, service_wait(&service));
    EXPECT_CONTAINS(".worker has to call weir_app_worker_serve()", service.log);
}

TEST(a_unix_socket_is_served_by_one_worker)
{
    char path[64];
    snprintf(path, sizeof path, "unix:@weir-app-test-%d", (int)getpid());
    const char *const arguments[] = {"--listen", path, "--workers", "3", NULL};
    REQUIRE(service_launch(&service, &service_options, arguments));
    service_log_until(&service, "workers=1");
    EXPECT_CONTAINS(path, service.log);
    service_end(&service, 0);
}

static int fail_later(weir_app_worker *worker)
{
    if (weir_app_worker_index(worker) != 1)
        return weir_app_worker_serve(worker);
    int rc = 0;
    WEIR_TIMEOUT(rc, 200 * WEIR_MS)
    {
        rc = weir_app_worker_serve(worker);
    }
    return rc < 0 ? rc : weir_fail(-EPROTO, "gave up serving");
}

TEST(a_worker_that_fails_while_serving_drains_the_service)
{
    weir_app_options options = service_options;
    options.worker = fail_later;
    REQUIRE(service_start(&service, &options, ARGUMENTS("--workers", "2")));
    EXPECT_EQ(1, service_wait(&service));
    EXPECT_CONTAINS("a worker failed; the service drains worker=1", service.log);
    EXPECT_CONTAINS("drain began: a worker failed", service.log);
    EXPECT_CONTAINS("lifespan ends", service.log);
}

TEST(two_routes_of_one_name_are_told)
{
    static const weir_route routes[] = {WEIR_GET("/livez", only_hello), {0}};
    static const weir_app_options clash = {.routes = routes};
    REQUIRE(service_launch(&service, &clash, ARGUMENTS()));
    EXPECT_EQ(1, service_wait(&service));
    EXPECT_CONTAINS("/livez", service.log);
}

static int wait_for_ever(weir_app *app)
{
    weir_log_info("waiting for the database");
    int rc = weir_sleep(WEIR_HOUR);
    weir_log_info("start-up gives back what it has");
    return rc < 0 ? rc : weir_app_serve(app);
}

/* W5, case 260 */
TEST(a_signal_during_start_up_cancels_it)
{
    weir_app_options options = service_options;
    options.lifespan = wait_for_ever;
    REQUIRE(service_launch(&service, &options, ARGUMENTS()));
    service_log_until(&service, "waiting for the database");
    service_end(&service, 0);
    EXPECT_CONTAINS("start-up gives back what it has", service.log);
    EXPECT_CONTAINS("stopped during start-up", service.log);
}

static int take_sigterm(weir_app *app)
{
    weir_signal *signal;
    int rc = weir_signal_open((const int[]){SIGTERM}, 1, &signal);
    weir_log_info("sigterm", WEIR_KV("rc", rc), WEIR_KV("why", weir_failure_message(rc)));
    rc = weir_signal_open((const int[]){SIGHUP}, 1, &signal);
    if (rc == 0)
        rc = weir_app_serve(app);
    weir_signal_close(signal);
    return rc;
}

TEST(the_signals_of_a_service_have_an_owner_and_others_are_free)
{
    weir_app_options options = service_options;
    options.lifespan = take_sigterm;
    REQUIRE(service_start(&service, &options, ARGUMENTS()));
    kill(service.pid, SIGHUP); /* nobody waits for it, but it ends nobody either */
    EXPECT_STR("hello\n", body_of(client_ask(&service, "GET /hello")));
    service_end(&service, 0);
    EXPECT_CONTAINS("has an owner already: weir_app, to end the service", service.log);
}

static int do_something_else(weir_app *app)
{
    weir_log_info("no serving today", WEIR_KV("url", weir_app_url(app)));
    return 0;
}

TEST(a_lifespan_may_decide_not_to_serve)
{
    weir_app_options options = service_options;
    options.lifespan = do_something_else;
    REQUIRE(service_launch(&service, &options, ARGUMENTS()));
    EXPECT_EQ(0, service_wait(&service));
    EXPECT_CONTAINS("no serving today url=http://127.0.0.1:", service.log);
}

static int look_at_streams(weir_app *app)
{
    (void)app;
    for (int fd = 0; fd <= 1; fd++) {
        char link[32], target[64] = "";
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        weir_ignore(readlink(link, target, sizeof target - 1), "empty, then");
        weir_log_info("stream", WEIR_KV("fd", fd), WEIR_KV("is", target));
    }
    return 0;
}

TEST(closed_standard_streams_become_dev_null)
{
    weir_app_options options = service_options;
    options.lifespan = look_at_streams;
    service_streams_closed = true;
    REQUIRE(service_launch(&service, &options, ARGUMENTS()));
    EXPECT_EQ(0, service_wait(&service));
    EXPECT_CONTAINS("stream fd=0 is=/dev/null", service.log);
    EXPECT_CONTAINS("stream fd=1 is=/dev/null", service.log);
}
