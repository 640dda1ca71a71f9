/*
 * background_test.c - tasks that outlive their request: owned, told when they fail, drained,
 * refused
 */
#include <signal.h>
#include <string.h>

#include "tests/app/both.h"
#include "tests/app/service.h"

static struct service service;

TEST_ON_BOTH(a_background_task_outlives_its_request_and_is_drained)
{
    REQUIRE(service_start(&service, &service_options, ARGUMENTS("--backend", backend)));
    const char *answer = client_ask(&service, "POST /work?ms=300");
    EXPECT_EQ(202, status_of(answer));
    service_end(&service, 0);
    EXPECT_CONTAINS("1 background task", service.log);
    EXPECT_CONTAINS("weir W801 a background task finished task=work", service.log);
    EXPECT_CONTAINS("finished 0 requests, 1 background task; cut 0", service.log);
}

TEST_ON_BOTH(a_failure_is_told_when_it_happens_and_touches_nobody)
{
    REQUIRE(service_start(&service, &service_options,
                          ARGUMENTS("--backend", backend, "--workers", "1")));
    EXPECT_EQ(202, status_of(client_ask(&service, "POST /work?ms=2000")));
    for (int i = 0; i < 5; i++)
        EXPECT_EQ(202, status_of(client_ask(&service, "POST /work?then=fail")));
    service_log_until(&service, "background task failed");
    EXPECT_CONTAINS("task=work code=EPROTO message=\"the work went wrong\" spawned=", service.log);
    EXPECT_CONTAINS("service.c:", service.log);
    EXPECT_CONTAINS(" request=0", service.log); /* the id of where it came from: case 283 */
    const char *metrics = client_ask(&service, "GET /metrics");
    EXPECT_CONTAINS("weir_background_tasks 1\n", metrics);
    EXPECT_CONTAINS("weir_background_started_total 6\n", metrics);
    EXPECT_CONTAINS("weir_background_ended_total{outcome=\"failed\"} 5\n", metrics);
    EXPECT_STR("running 1 started 6 failed 5 cancelled 0 refused 0\n",
               body_of(client_ask(&service, "GET /work")));
    service_end(&service, 0);
    EXPECT_EQ(5, service_log_count(&service, "background task failed"));
    EXPECT_CONTAINS("finished 0 requests, 1 background task; cut 0", service.log);
}

/* W2, case 251 */
TEST_ON_BOTH(while_draining_new_ones_are_refused_with_503)
{
    REQUIRE(service_start(&service, &service_options, ARGUMENTS("--backend", backend)));
    int fd = client_connect(&service);
    client_send(fd, "POST /late?ms=500 HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n");
    service_log_until(&service, "late begins");
    service_signal(&service, SIGTERM);
    const char *answer = client_read_all(fd);
    EXPECT_EQ(503, status_of(answer));
    EXPECT_CONTAINS("Retry-After: 1", answer);
    EXPECT_CONTAINS("shutting down", body_of(answer));
    EXPECT_EQ(0, service_wait(&service));
}
