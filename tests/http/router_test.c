/*
 * router_test.c - from method and path to a route, and routes that cannot be
 */
#include <stdio.h>
#include <string.h>

#include <weir/failure.h>

#include "base/str.h"
#include "http/router.h"
#include "tests/support/test.h"

static int handle(weir_request *request)
{
    (void)request;
    return 0;
}

typedef struct {
    int32_t count;
} broken;
WEIR_MODEL(broken, WEIR_FIELD(count, .min = 5, .max = 1))

WEIR_HANDLER(take_broken, broken, weir_none)
{
    return 0;
}

static const weir_route routes[] = {
    WEIR_GET("/", handle),
    WEIR_GET("/checks", handle),
    WEIR_POST("/checks", handle),
    WEIR_GET("/checks/{id}", handle),
    WEIR_DELETE("/checks/{id}", handle),
    WEIR_POST("/checks/upload", handle),
    WEIR_GET("/checks/{id}/events", handle),
    WEIR_GET("/a/{one}/b/{two}", handle),
    WEIR_GET("/a/x/b/y", handle),
    WEIR_GET("/a/{one}/c", handle),
    WEIR_GET("/trailing/", handle),
    WEIR_ROUTE("PURGE", "/checks", handle),
    {0},
};

static weir_router *router;
static struct weir__http_match match;

/* The path of the route that takes it, or why there is none. */
static const char *found(const char *method, const char *path)
{
    weir_str method_str = weir__str_from(method);
    weir__http_router_match(router, weir__http_method_from(method_str), method_str,
                            weir__str_from(path), &match);
    if (match.route != NULL)
        return match.route->public->path;
    return match.path_known ? "405" : "404";
}

static bool param_is(size_t index, const char *text)
{
    return weir__str_equal(match.params[index], weir__str_from(text));
}

TEST(a_path_finds_its_route)
{
    REQUIRE_RC(0, weir_router_new(routes, &router));
    EXPECT_STR("/", found("GET", "/"));
    EXPECT_STR("/checks", found("GET", "/checks"));
    EXPECT_STR("/checks", found("PURGE", "/checks"));
    EXPECT_STR("POST",
               match.route == NULL ? "" : (found("POST", "/checks"), match.route->public->method));
    EXPECT_STR("/checks/{id}", found("GET", "/checks/17"));
    EXPECT(param_is(0, "17"));
    EXPECT_STR("/checks/{id}", found("DELETE", "/checks/upload"));
    EXPECT_STR("/checks/{id}/events", found("GET", "/checks/17/events"));
    EXPECT_STR("/trailing/", found("GET", "/trailing/"));
    weir_router_free(router);
}

TEST(slashes_and_letters_are_exact)
{
    REQUIRE_RC(0, weir_router_new(routes, &router));
    EXPECT_STR("404", found("GET", "/checks/"));
    EXPECT_STR("404", found("GET", "/trailing"));
    EXPECT_STR("404", found("GET", "//"));
    EXPECT_STR("404", found("GET", "//checks"));
    EXPECT_STR("404", found("GET", "/Checks"));
    EXPECT_STR("404", found("GET", "/checks/17/"));
    EXPECT_STR("404", found("GET", "/checks//events"));
    EXPECT_STR("404", found("GET", "/checks/17/events/more"));
    EXPECT_STR("404", found("GET", ""));
    EXPECT_STR("404", found("OPTIONS", "*"));
    weir_router_free(router);
}

TEST(a_literal_goes_before_a_name_unless_it_has_no_route_for_the_method)
{
    REQUIRE_RC(0, weir_router_new(routes, &router));
    EXPECT_STR("/checks/upload", found("POST", "/checks/upload"));
    EXPECT_STR("/checks/{id}", found("GET", "/checks/upload"));
    EXPECT(param_is(0, "upload"));
    EXPECT_STR("/a/x/b/y", found("GET", "/a/x/b/y"));
    EXPECT_STR("/a/{one}/b/{two}", found("GET", "/a/x/b/z"));
    EXPECT(param_is(0, "x") && param_is(1, "z"));
    EXPECT_STR("/a/{one}/c", found("GET", "/a/x/c"));
    weir_router_free(router);
}

TEST(segments_are_compared_decoded)
{
    REQUIRE_RC(0, weir_router_new(routes, &router));
    EXPECT_STR("/checks", found("GET", "/%63hecks"));
    EXPECT_STR("/checks/upload", found("POST", "/checks/uplo%61d"));
    EXPECT_STR("404", found("GET", "/checks%2F17"));
    EXPECT_STR("404", found("GET", "/check%"));
    EXPECT_STR("404", found("GET", "/check%7"));
    EXPECT_STR("404", found("GET", "/check%zz"));
    EXPECT_STR("/checks/{id}", found("GET", "/checks/a%2Fb"));
    EXPECT(param_is(0, "a%2Fb"));
    weir_router_free(router);
}

TEST(a_path_without_the_method_says_which_it_takes)
{
    char allow[WEIR__HTTP_ALLOW_BYTES];
    REQUIRE_RC(0, weir_router_new(routes, &router));
    EXPECT_STR("405", found("PUT", "/checks"));
    EXPECT_STR("405", found("get", "/checks"));
    EXPECT_STR("405", found("PATCH", "/checks/17"));
    EXPECT_STR("/checks", found("HEAD", "/checks"));
    weir__http_router_allow(router, WEIR_STR("/checks"), allow);
    EXPECT_STR("GET, POST, PURGE, HEAD, OPTIONS", allow);
    weir__http_router_allow(router, WEIR_STR("/checks/upload"), allow);
    EXPECT_STR("POST, GET, DELETE, HEAD, OPTIONS", allow);
    weir__http_router_allow(router, WEIR_STR("/nothing"), allow);
    EXPECT_STR("OPTIONS", allow);
    weir_router_free(router);
}

TEST(many_routes_are_found_each)
{
    enum { COUNT = 500 };
    static char paths[COUNT][32];
    static weir_route many[COUNT + 1];
    for (int i = 0; i < COUNT; i++) {
        snprintf(paths[i], sizeof paths[i], "/path/number/%d", i);
        many[i] = (weir_route){.method = "GET", .path = paths[i], .fn = handle};
    }
    REQUIRE_RC(0, weir_router_new(NULL, &router));
    EXPECT_STR("404", found("GET", "/path/number/1"));
    REQUIRE_RC(0, weir_router_add(router, many));
    for (int i = 0; i < COUNT; i++) {
        EXPECT_STR(paths[i], found("GET", paths[i]));
        EXPECT(weir_router_at(router, (size_t)i) == &many[i]);
    }
    EXPECT_STR("404", found("GET", "/path/number/500"));
    EXPECT(weir_router_at(router, COUNT) == NULL);
    weir_router_free(router);
}

TEST(routes_that_cannot_be_are_refused)
{
    static const weir_route bad[] = {
        {.method = "GET", .path = "checks", .fn = handle},
        {.method = "GET", .path = "", .fn = handle},
        {.method = "GET", .path = "/a b", .fn = handle},
        {.method = "GET", .path = "/a?b", .fn = handle},
        {.method = "GET", .path = "/%61", .fn = handle},
        {.method = "GET", .path = "/{}", .fn = handle},
        {.method = "GET", .path = "/{a b}", .fn = handle},
        {.method = "GET", .path = "/{a}/{a}", .fn = handle},
        {.method = "GET", .path = "/x{a}", .fn = handle},
        {.method = "GET", .path = "/{a}x", .fn = handle},
        {.method = "G T", .path = "/", .fn = handle},
        {.method = "CONNECT", .path = "/", .fn = handle},
        {.method = "GET", .path = "/"},
        {.method = "GET", .path = "/", .fn = handle, .handler = &take_broken},
        {.method = "GET", .path = "/", .fn = handle, .status = 100},
        {.method = "GET", .path = "/", .fn = handle, .status = 600},
        {.method = "GET",
         .path = "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}/{p}/{q}",
         .fn = handle},
        {.method = "GET", .fn = handle},
        {.path = "/", .fn = handle},
        {.method = "POST", .path = "/", .handler = &take_broken, .stream_body = true},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        weir_route table[] = {bad[i], {0}};
        int rc = weir_router_new(table, &router);
        EXPECT_RC(-EINVAL, rc);
        if (rc == 0)
            printf("route %zu\n", i);
    }
}

TASK_TEST(a_route_that_is_there_already_or_has_a_broken_model_is_refused_with_the_reason)
{
    const weir_route twice[] = {WEIR_GET("/x", handle), WEIR_GET("/x", handle), {0}};
    EXPECT_RC(-EEXIST, weir_router_new(twice, &router));
    EXPECT_CONTAINS("route GET /x: ", weir_failure_message(-EEXIST));
    const weir_route wrong[] = {WEIR_POST("/y", take_broken), {0}};
    EXPECT_RC(-EDOM, weir_router_new(wrong, &router));
    EXPECT_CONTAINS("route POST /y: model broken", weir_failure_message(-EDOM));
}
