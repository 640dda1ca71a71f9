/*
 * checks_test.c - what has to be well for the service to be ready
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <weir/log.h>
#include <weir/scope.h>

#include "tests/app/both.h"
#include "tests/app/service.h"

static struct service service;

static void start(const weir_app_check *checks, const char *backend)
{
    weir_app_options options = service_options;
    options.checks = checks;
    service_start(&service, &options, ARGUMENTS("--backend", backend, "--workers", "2"));
}

static const char *ready_body(void)
{
    return body_of(client_ask(&service, "GET /readyz"));
}

static const char *ready_body_until(const char *wanted)
{
    const char *body = "";
    for (int i = 0; i < 2000 && strcmp(body, wanted) != 0; i++)
        body = ready_body();
    return body;
}

static int runs;

static int be_well(weir_app *app)
{
    (void)app;
    weir_log_info("the first check runs");
    return 0;
}

static int fail_twice(weir_app *app)
{
    (void)app;
    weir_log_info("the second check runs");
    return runs++ < 2 ? weir_fail(-ECONNREFUSED, "nobody at port 5432") : 0;
}

TEST_ON_BOTH(a_service_is_ready_when_all_its_checks_are_well)
{
    static const weir_app_check checks[] = {
        {.name = "cache", .fn = be_well, .every_ns = WEIR_HOUR},
        {.name = "database", .fn = fail_twice, .every_ns = 500 * WEIR_MS},
        {0},
    };
    start(checks, backend);
    EXPECT_STR("check database failed\n", ready_body_until("check database failed\n"));
    EXPECT_EQ(503, status_of(client_ask(&service, "GET /readyz")));
    const char *metrics = client_ask(&service, "GET /metrics");
    EXPECT_CONTAINS("weir_check_ok{check=\"cache\"} 1\n", metrics);
    EXPECT_CONTAINS("weir_check_ok{check=\"database\"} 0\n", metrics);
    EXPECT_EQ(200, status_of(client_ask(&service, "GET /livez")));
    service_log_until(&service, "a check is well again check=database");
    EXPECT_STR("ready\n", ready_body_until("ready\n"));
    service_end(&service, 0);
    EXPECT_CONTAINS("not ready: a check failed check=database code=ECONNREFUSED "
                    "message=\"nobody at port 5432\"",
                    service.log);
    EXPECT_EQ(1, service_log_count(&service, "not ready:"));           // once for two failures
    EXPECT_EQ(1, service_log_count(&service, "the first check runs")); // however often it was asked
}

static int hang(weir_app *app)
{
    (void)app;
    return weir_sleep(WEIR_HOUR);
}

TEST_ON_BOTH(a_check_that_hangs_has_failed)
{
    static const weir_app_check checks[] = {
        {.name = "slow", .fn = hang, .timeout_ns = 10 * WEIR_MS}, {0}};
    start(checks, backend);
    EXPECT_STR("check slow failed\n", ready_body_until("check slow failed\n"));
    service_end(&service, 0);
    EXPECT_CONTAINS("code=ETIMEDOUT message=\"it took too long\"", service.log);
}

TEST_ON_BOTH(a_check_under_way_does_not_hold_the_exit_and_nobody_waits_for_it)
{
    static const weir_app_check checks[] = {{.name = "slow", .fn = hang, .timeout_ns = WEIR_HOUR},
                                            {0}};
    start(checks, backend);
    EXPECT_STR("check slow has not run yet\n", ready_body());
    service_end(&service, 0);
    EXPECT_CONTAINS("0 tasks, 0 requests in flight", service.log);
}

TEST(a_check_without_a_function_is_told)
{
    static const weir_app_check checks[] = {{.name = "empty"}, {0}};
    weir_app_options options = service_options;
    options.checks = checks;
    REQUIRE(service_launch(&service, &options, ARGUMENTS("--workers", "2")));
    EXPECT_EQ(1, service_wait(&service));
    EXPECT_CONTAINS("the check empty has no function", service.log);
    EXPECT(strstr(service.log, "listening") == NULL);
}
