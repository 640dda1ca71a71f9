/*
 * drain_test.c - from the signal to the exit: what is waited for, what is cut, and what is said
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/log.h>
#include <weir/scope.h>

#include "base/clock.h"
#include "tests/app/both.h"
#include "tests/app/service.h"

/* Between "at once" and the 20 s and more that the work or the budget would take: a machine that
 * many share stalls for seconds. */
enum { SOON_S = 15 };

static struct service service;

/* A request that is under way when this returns. */
static int begin(const char *what, const char *logged)
{
    char request[256];
    snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: t\r\n\r\n", what);
    int fd = client_connect(&service);
    client_send(fd, request);
    service_log_until(&service, logged);
    return fd;
}

static void start(const char *backend, const char *workers, const char *drain_timeout)
{
    service_start(
        &service, &service_options,
        ARGUMENTS("--backend", backend, "--workers", workers, "--drain-timeout", drain_timeout));
}

/* Seconds from the signal to the exit, the status aside. */
static double end_and_time(int signal_number, int expected_status)
{
    int64_t begun_ns = weir__base_kernel_now();
    service_signal(&service, signal_number);
    EXPECT_EQ(expected_status, service_wait(&service));
    if (test_failed())
        fprintf(stderr, "--- log of the service\n%s---\n", service.log);
    return (double)(weir__base_kernel_now() - begun_ns) / 1e9;
}

/* --- what ends by itself ---------------------------------------------------------------------- */

/* W1, W2, case 250 */
static void request_in_flight(const char *backend, const char *workers)
{
    start(backend, workers, "20s");
    int fd = begin("GET /slow?ms=400", "slow begins");
    service_signal(&service, SIGTERM);
    const char *answer = client_read_all(fd);
    EXPECT_EQ(200, status_of(answer));
    EXPECT_CONTAINS("Connection: close", answer);
    EXPECT_STR("slow\n", body_of(answer));
    EXPECT_EQ(0, service_wait(&service));
    EXPECT_CONTAINS("slow ends rc=0 stopping=true", service.log);
    EXPECT_CONTAINS("drain began: SIGTERM from pid", service.log);
    EXPECT_CONTAINS("1 request in flight, 0 background tasks", service.log);
    EXPECT_CONTAINS("drain complete", service.log);
    EXPECT_CONTAINS(
        "finished 1 request, 0 background tasks; cut 0 requests, 0 background tasks; left 0",
        service.log);
}

TEST_ON_BOTH(a_request_in_flight_is_answered)
{
    request_in_flight(backend, "1");
}

TEST_ON_BOTH(a_request_in_flight_is_answered_with_three_workers)
{
    request_in_flight(backend, "3");
}

/* W2, case 251: what is accepted lives on, and may still have helpers. New work is refused in
 * background_test.c. */
TEST_ON_BOTH(a_background_task_may_start_a_task_of_its_own_during_the_drain)
{
    start(backend, "2", "20s");
    EXPECT_EQ(202, status_of(client_ask(&service, "POST /work?ms=300&then=help")));
    end_and_time(SIGTERM, 0);
    EXPECT_CONTAINS("the helper ends rc=0 stopping=true", service.log);
    EXPECT_CONTAINS("finished 0 requests, 1 background task; cut 0", service.log);
}

TEST_ON_BOTH(sigint_drains_as_well)
{
    start(backend, "3", "20s");
    EXPECT_EQ(202, status_of(client_ask(&service, "POST /work?ms=200")));
    end_and_time(SIGINT, 0);
    EXPECT_CONTAINS("drain began: SIGINT from pid", service.log);
    EXPECT_CONTAINS("finished 0 requests, 1 background task", service.log);
}

TEST_ON_BOTH(connections_that_say_nothing_do_not_hold_the_exit)
{
    start(backend, "3", "20s");
    int fds[8];
    for (int i = 0; i < 8; i++)
        fds[i] = client_connect(&service);
    EXPECT_EQ(200, status_of(client_ask(&service, "GET /hello"))); /* they have been accepted */
    EXPECT(end_and_time(SIGTERM, 0) < SOON_S);
    for (int i = 0; i < 8; i++)
        EXPECT_STR("", client_read_all(fds[i]));
}

TEST_ON_BOTH(a_kept_connection_does_not_hold_the_exit)
{
    start(backend, "1", "20s");
    int fd = client_connect(&service);
    client_send(fd, "GET /hello HTTP/1.1\r\nHost: t\r\n\r\n");
    char byte;
    EXPECT_EQ(1, client_receive(fd, &byte, 1));
    EXPECT(end_and_time(SIGTERM, 0) < SOON_S);
    client_read_all(fd);
}

TEST_ON_BOTH(a_stream_of_events_ends_when_the_drain_begins)
{
    start(backend, "2", "20s");
    int fd = client_connect(&service);
    client_send(fd, "GET /events HTTP/1.1\r\nHost: t\r\n\r\n");
    char first[16];
    EXPECT(client_receive(fd, first, sizeof first) > 0);
    EXPECT(end_and_time(SIGTERM, 0) < SOON_S);
    EXPECT_CONTAINS("retry:", client_read_all(fd));
}

TEST(after_the_signal_nobody_is_accepted)
{
    start("epoll", "2", "20s");
    int fd = begin("GET /slow?ms=600", "slow begins");
    service_signal(&service, SIGTERM);
    service_log_until(&service, "listeners closed");
    int late = 0;
    for (int i = 0; i < 100 && late >= 0; i++) { /* the kernel lets go of an accept in flight
                                                    first */
        late = client_connect(&service);
        if (late >= 0)
            client_read_all(late);
    }
    EXPECT_EQ(-1, late);
    EXPECT_EQ(200, status_of(client_read_all(fd)));
    EXPECT_EQ(0, service_wait(&service));
}

TEST_ON_BOTH(in_a_pod_it_goes_on_accepting_for_a_while_and_is_not_ready)
{
    setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1", 1);
    start(backend, "2", "4s"); /* it lingers for a quarter */
    service_signal(&service, SIGTERM);
    service_log_until(&service, "still accepting");
    const char *answer = client_ask(&service, "GET /readyz");
    EXPECT_EQ(503, status_of(answer));
    EXPECT_STR("draining\n", body_of(answer));
    EXPECT_EQ(200, status_of(client_ask(&service, "GET /livez")));
    EXPECT_EQ(200, status_of(client_ask(&service, "GET /startupz")));
    int fd = client_connect(&service);
    client_send(fd, "GET /hello HTTP/1.1\r\nHost: t\r\n\r\n");
    answer = client_read_all(fd);
    EXPECT_EQ(200, status_of(answer));
    EXPECT_CONTAINS("Connection: close", answer);
    EXPECT_EQ(503, status_of(client_ask(&service, "POST /work")));
    EXPECT_EQ(0, service_wait(&service));
    static const char complete[] = "weir W800 drain complete in ";
    const char *said = strstr(service.log, complete);
    REQUIRE(said != NULL);
    EXPECT(strtod(said + sizeof complete - 1, NULL) >= 1.0);
}

TEST(a_service_can_stop_itself)
{
    start("epoll", "2", "20s");
    EXPECT_EQ(200, status_of(client_ask(&service, "POST /stop")));
    EXPECT_EQ(0, service_wait(&service));
    EXPECT_CONTAINS("drain began: POST /stop; budget 20.0 s", service.log);
}

/* --- what is cut ------------------------------------------------------------------------------ */

static void cut_request(const char *backend, const char *workers)
{
    start(backend, workers, "1s");
    int fd = begin("GET /slow?ms=60000", "slow begins");
    double took_s = end_and_time(SIGTERM, 75);
    EXPECT(took_s > 0.7 && took_s < SOON_S);
    EXPECT_EQ(503, status_of(client_read_all(fd)));
    EXPECT_CONTAINS(
        "weir W803 cancelling 1 request and 0 background tasks (80 % of the budget is used)",
        service.log);
    EXPECT_CONTAINS("waits for task=\"GET /slow #", service.log);
    EXPECT_CONTAINS("which_waits_for=\"a sleep\"", service.log);
    EXPECT_CONTAINS("weir W805 drain INCOMPLETE", service.log);
    EXPECT_CONTAINS("cut 1 request, 0 background tasks", service.log);
    EXPECT_CONTAINS("exit 75", service.log);
    EXPECT_CONTAINS("lifespan ends", service.log);
}

TEST_ON_BOTH(it_says_who_holds_what_a_request_waits_for)
{
    start(backend, "1", "1s");
    int first = begin("GET /sit", "sit begins");
    int second = begin("GET /sit", "sit begins");
    EXPECT(end_and_time(SIGTERM, 75) < SOON_S);
    client_read_all(first);
    client_read_all(second);
    EXPECT_CONTAINS("counterpart=\"held by GET /sit #", service.log);
}

TEST_ON_BOTH(a_request_beyond_the_time_is_cancelled_and_named)
{
    cut_request(backend, "1");
}

TEST_ON_BOTH(a_request_beyond_the_time_is_cancelled_with_three_workers)
{
    cut_request(backend, "3");
}

TEST_ON_BOTH(background_tasks_beyond_the_time_are_cancelled_and_named)
{
    start(backend, "3", "2s");
    for (int i = 0; i < 20; i++)
        EXPECT_EQ(202, status_of(client_ask(&service, "POST /work?ms=60000")));
    EXPECT_EQ(202, status_of(client_ask(&service, "POST /work?ms=300")));
    EXPECT(end_and_time(SIGTERM, 75) < SOON_S);
    EXPECT_CONTAINS("0 requests in flight, 21 background tasks", service.log);
    EXPECT_CONTAINS("cancelling 0 requests and 20 background tasks", service.log);
    EXPECT_CONTAINS("waits for task=\"work #", service.log);
    EXPECT_CONTAINS("weir W801 and for 10 more", service.log);
    EXPECT_CONTAINS("finished 0 requests, 1 background task; cut 0 requests, 20 background tasks",
                    service.log);
}

TEST_ON_BOTH(while_it_waits_it_says_for_whom)
{
    start(backend, "1", "6s");
    EXPECT_EQ(202, status_of(client_ask(&service, "POST /work?ms=1500")));
    end_and_time(SIGTERM, 0);
    EXPECT_CONTAINS("weir W801 waiting for 1 task; ", service.log);
    EXPECT_CONTAINS(" s left, cancel in ", service.log);
    EXPECT_CONTAINS("weir W801 waits for task=\"work #", service.log);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* slow to find names */
    EXPECT_CONTAINS("which_waits_for=\"a sleep\" at=\"work app/service.c:", service.log);
#endif
    EXPECT_CONTAINS("spawned=", service.log);
}

/* W3, case 252 */
TEST_ON_BOTH(what_is_cancelled_hears_why_and_its_shielded_end_is_not_cut)
{
    start(backend, "2", "30s");
    int fd = begin("GET /commit", "commit begins");
    service_signal(&service, SIGTERM);
    service_log_until(&service, "listeners closed");
    EXPECT(end_and_time(SIGTERM, 75) < SOON_S); /* the time is up by a second signal: W1 */
    client_read_all(fd);
    EXPECT_CONTAINS("commit is cut rc=-125 cause=shutdown", service.log);
    EXPECT_CONTAINS("committed rc=0", service.log);
}

/* W2, W3, case 291 */
TEST_ON_BOTH(a_stream_to_a_slow_reader_goes_on_until_the_drain_cancels_it)
{
    start(backend, "1", "1s");
    int fd = begin("GET /flood", "flood begins");
    double took_s = end_and_time(SIGTERM, 75);
    EXPECT(took_s > 0.7 && took_s < SOON_S);
    EXPECT_CONTAINS("flood is cut rc=-125 cause=shutdown", service.log);
    const char *cancelling = strstr(service.log, "W803 cancelling"),
               *cut = strstr(service.log, "flood is cut");
    EXPECT(cancelling != NULL && cut > cancelling);
    close(fd);
}

/* W4, case 253; the lifespan's own end runs after it: W5, case 259 */
TEST_ON_BOTH(a_shield_ends_with_the_budget)
{
    start(backend, "2", "1s");
    int fd = begin("GET /stubborn?ms=60000", "stubborn begins");
    EXPECT_EQ(202, status_of(client_ask(&service, "POST /work?ms=60000&then=ignore")));
    EXPECT(end_and_time(SIGTERM, 75) < SOON_S);
    client_read_all(fd);
    EXPECT_CONTAINS("weir W804 forcing what is left", service.log);
    EXPECT_CONTAINS("stubborn cleans up rc=-125", service.log);
    EXPECT_CONTAINS("cut 1 request, 1 background task; left 0", service.log);
    EXPECT_CONTAINS("lifespan ends", service.log);
}

TEST_ON_BOTH(what_cannot_be_cancelled_is_left_and_named)
{
    start(backend, "2", "1s");
    EXPECT_EQ(202, status_of(client_ask(&service, "POST /work?ms=60000&then=block")));
    double took_s = end_and_time(SIGTERM, 75);
    EXPECT(took_s > 1.5 && took_s < SOON_S);
    EXPECT_CONTAINS("weir W804 abandoning 1 task that did not end", service.log);
    EXPECT_CONTAINS("which_waits_for=\"a job on an executor thread\"", service.log);
    EXPECT_CONTAINS("left 0 requests, 1 background task; exit 75", service.log);
}

/* --- a second and a third signal -------------------------------------------------------------- */

/* W1, case 254; a third does not force but end the process: there is nobody left to trust. */
TEST_ON_BOTH(a_second_signal_cancels_at_once)
{
    start(backend, "3", "30s");
    EXPECT_EQ(202, status_of(client_ask(&service, "POST /work?ms=60000")));
    service_signal(&service, SIGTERM);
    service_log_until(&service, "listeners closed");
    EXPECT(end_and_time(SIGTERM, 75) < SOON_S);
    EXPECT_CONTAINS("a second signal", service.log);
    EXPECT_CONTAINS("cut 0 requests, 1 background task", service.log);
}

static void third_signal(int number, int status)
{
    start("epoll", "2", "30s");
    EXPECT_EQ(202, status_of(client_ask(&service, "POST /work?ms=60000&then=ignore")));
    service_signal(&service, number);
    service_log_until(&service, "listeners closed");
    service_signal(&service, number);
    service_log_until(&service, "W803 cancelling");
    EXPECT(end_and_time(number, status) < SOON_S);
}

TEST(a_third_sigint_ends_the_process)
{
    third_signal(SIGINT, 130);
}

TEST(a_third_sigterm_ends_the_process)
{
    third_signal(SIGTERM, 143);
}

/* --- stuck loops ------------------------------------------------------------------------------ */

/* W5, case 255 */
static void stuck_loop(const char *backend, const char *workers)
{
    start(backend, workers, "1s");
    int fd = begin("GET /block?ms=60000", "block begins");
    double took_s = end_and_time(SIGTERM, 124);
    EXPECT(took_s > 1.5 && took_s < SOON_S);
    EXPECT_CONTAINS("W806", service.log);
    client_read_all(fd);
}

TEST_ON_BOTH(a_stuck_loop_cannot_hold_the_exit)
{
    stuck_loop(backend, "1");
}

TEST_ON_BOTH(a_stuck_loop_of_three_cannot_hold_the_exit)
{
    stuck_loop(backend, "3");
}

static int never_end(weir_app *app)
{
    int rc = weir_app_serve(app);
    weir_log_info("lifespan has served");
    weir_ignore(weir_sleep(WEIR_HOUR), "never comes");
    return rc;
}

TEST(an_end_of_the_lifespan_that_takes_for_ever_is_cut)
{
    weir_app_options options = service_options;
    options.lifespan = never_end;
    REQUIRE(service_start(&service, &options, ARGUMENTS("--drain-timeout", "500ms")));
    EXPECT(end_and_time(SIGTERM, 124) < SOON_S);
    EXPECT_CONTAINS("lifespan has served", service.log);
    EXPECT_CONTAINS("W806 forced exit: the end of the lifespan took too long", service.log);
}
