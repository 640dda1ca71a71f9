/*
 * settings_test.c - options from the command line and the environment
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "tests/support/test.h"

struct own {
    const char *data;
    int32_t fetches_max;
    int64_t wait_ns;
    bool thorough;
    uint64_t size;
    double share;
    const char *mode;
};
static struct own own;

static const weir_app_option own_options[] = {
    WEIR_APP_OPTION(struct own, data, .value = "DIR", .or_else = "data", .doc = "where it is kept"),
    WEIR_APP_OPTION(struct own, fetches_max, .or_else = "32", .min = 1, .max = 256),
    WEIR_APP_OPTION(struct own, wait_ns, .name = "wait", .duration = true, .or_else = "2s",
                    .min = WEIR_MS, .max = WEIR_MIN),
    WEIR_APP_OPTION(struct own, thorough),
    WEIR_APP_OPTION(struct own, size),
    WEIR_APP_OPTION(struct own, share, .or_else = "0.5"),
    WEIR_APP_OPTION(struct own, mode, .or_else = "fast", .one_of = "fast|slow"),
    {0},
};

static const weir_app_options options = {
    .name = "my-shop", .doc = "sells things", .options = own_options, .settings = &own};

static struct weir__app_settings settings;
static char said[16 * 1024];

/* Runs the reader; what it printed is in `said`. */
static int read_with(const weir_app_options *which, const char *line)
{
    static char words[1024];
    snprintf(words, sizeof words, "%s", line);
    char *argv[32] = {(char *)(uintptr_t) "shop"};
    int argc = 1;
    for (char *word = strtok(words, " "); word != NULL && argc < 31; word = strtok(NULL, " "))
        argv[argc++] = word;

    own = (struct own){0};
    FILE *file = tmpfile();
    fflush(NULL);
    int out = dup(1), err = dup(2);
    dup2(fileno(file), 1);
    dup2(fileno(file), 2);
    int rc = weir__app_settings_read(argc, argv, which, &settings);
    fflush(NULL);
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    rewind(file);
    said[fread(said, 1, sizeof said - 1, file)] = '\0';
    fclose(file);
    return rc;
}

static int read_line(const char *line)
{
    return read_with(&options, line);
}

static void expect_refused(const char *line, const char *message)
{
    EXPECT_RC(-EINVAL, read_line(line));
    EXPECT_STR(message, said);
}

TEST(without_arguments_every_option_has_its_default)
{
    EXPECT_RC(0, read_line(""));
    EXPECT_STR("", said);
    EXPECT_STR("127.0.0.1:8080", settings.listen);
    EXPECT(settings.workers >= 1);
    EXPECT_EQ(25 * WEIR_SEC, settings.drain_timeout_ns);
    EXPECT(settings.backend == NULL);
    EXPECT_STR("text", settings.log);
    EXPECT(settings.access_log);
    EXPECT(!settings.edge);
    EXPECT_EQ(0, settings.connections_per_address);
    EXPECT_EQ(500 * WEIR_MS, settings.queue_delay_ns);
    EXPECT_STR("data", own.data);
    EXPECT_EQ(32, own.fetches_max);
    EXPECT_EQ(2 * WEIR_SEC, own.wait_ns);
    EXPECT(!own.thorough);
    EXPECT(own.share == 0.5);
}

TEST(the_service_may_set_other_defaults)
{
    weir_app_options other = {
        .listen = "[::1]:99", .workers = 7, .drain_timeout_ns = 90 * WEIR_SEC};
    EXPECT_RC(0, read_with(&other, ""));
    EXPECT_STR("[::1]:99", settings.listen);
    EXPECT_EQ(7, settings.workers);
    EXPECT_EQ(90 * WEIR_SEC, settings.drain_timeout_ns);
    other.http = (weir_http_server_options){
        .edge = true, .limits = {.address_connections_max = 9, .queue_delay_max_ns = 2 * WEIR_SEC}};
    EXPECT_RC(0, read_with(&other, "--queue-delay 20ms"));
    EXPECT(settings.edge);
    EXPECT_EQ(9, settings.connections_per_address);
    EXPECT_EQ(20 * WEIR_MS, settings.queue_delay_ns);
    EXPECT_RC(1, read_with(&other, "--help"));
    EXPECT_CONTAINS("(default: 90s)", said);
}

TEST(options_are_read_with_a_blank_or_an_equals_sign)
{
    EXPECT_RC(0, read_line("--listen 0.0.0.0:80 --workers=3 --drain-timeout 500ms --backend epoll "
                           "--log=json --access-log off --data /srv/x --fetches-max 256 --wait=1m "
                           "--thorough --size 18 --share -2.5e1 --mode slow"));
    EXPECT_STR("", said);
    EXPECT_STR("0.0.0.0:80", settings.listen);
    EXPECT_EQ(3, settings.workers);
    EXPECT_EQ(500 * WEIR_MS, settings.drain_timeout_ns);
    EXPECT_STR("epoll", settings.backend);
    EXPECT_STR("json", settings.log);
    EXPECT(!settings.access_log);
    EXPECT_STR("/srv/x", own.data);
    EXPECT_EQ(256, own.fetches_max);
    EXPECT_EQ(WEIR_MIN, own.wait_ns);
    EXPECT(own.thorough);
    EXPECT_EQ(18, own.size);
    EXPECT(own.share == -25.0);
    EXPECT_STR("slow", own.mode);
}

TEST(a_switch_may_stand_alone_or_have_a_value)
{
    EXPECT_RC(0, read_line("--thorough --access-log no"));
    EXPECT(own.thorough);
    EXPECT(!settings.access_log);
    EXPECT_RC(0, read_line("--thorough=off"));
    EXPECT(!own.thorough);
}

TEST(the_environment_is_read_and_the_command_line_wins)
{
    setenv("MY_SHOP_LISTEN", "127.0.0.1:1", 1);
    setenv("MY_SHOP_FETCHES_MAX", "9", 1);
    setenv("MY_SHOP_ACCESS_LOG", "off", 1);
    EXPECT_RC(0, read_line("--fetches-max 10"));
    EXPECT_STR("127.0.0.1:1", settings.listen);
    EXPECT_EQ(10, own.fetches_max);
    EXPECT(!settings.access_log);
}

TEST(a_wrong_value_is_told_with_its_place_and_what_would_be_right)
{
    expect_refused("--workers 0", "my-shop: --workers: '0' is not a whole number from 1 to 256\n");
    expect_refused("--workers 2x",
                   "my-shop: --workers: '2x' is not a whole number from 1 to 256\n");
    expect_refused("--fetches-max=257",
                   "my-shop: --fetches-max: '257' is not a whole number from 1 to 256\n");
    expect_refused("--size -1",
                   "my-shop: --size: '-1' is not a whole number from 0 to 9223372036854775807\n");
    expect_refused("--drain-timeout 5",
                   "my-shop: --drain-timeout: '5' is no duration: write 25s, 500ms, 2m or 1h\n");
    expect_refused("--wait 2m", "my-shop: --wait: '2m' is not from 1ms to 1m\n");
    expect_refused("--share 0x1", "my-shop: --share: '0x1' is not a number\n");
    expect_refused("--thorough=maybe", "my-shop: --thorough: 'maybe' is neither on nor off\n");
    expect_refused("--mode medium", "my-shop: --mode: 'medium' is none of fast|slow\n");
    expect_refused("--listen 8080",
                   "my-shop: --listen: '8080' is no address: write 127.0.0.1:8080, 0.0.0.0:8080, "
                   "[::]:8080 or unix:/run/my.sock\n");
}

TEST(a_wrong_value_in_the_environment_names_the_variable)
{
    setenv("MY_SHOP_WAIT", "soon", 1);
    expect_refused("",
                   "my-shop: MY_SHOP_WAIT in the environment: 'soon' is no duration: write 25s, "
                   "500ms, 2m or 1h\n");
}

TEST(every_mistake_is_told_at_once)
{
    EXPECT_RC(-EINVAL, read_line("--workers none --mode x --nothing"));
    EXPECT_CONTAINS("--workers: 'none'", said);
    EXPECT_CONTAINS("--mode: 'x'", said);
    EXPECT_CONTAINS("there is no option --nothing", said);
}

TEST(an_unknown_option_is_told_and_the_one_that_was_meant)
{
    expect_refused("--lisen 1:2", "my-shop: there is no option --lisen; is --listen meant?\n");
    expect_refused("--fetch-max=2",
                   "my-shop: there is no option --fetch-max=2; is --fetches-max meant?\n");
    expect_refused("--colour", "my-shop: there is no option --colour; --help lists them\n");
    expect_refused("data", "my-shop: 'data' is no option; --help lists them\n");
    expect_refused("--data", "my-shop: --data wants a value: --data DIR\n");
    expect_refused("--data --thorough", "my-shop: --data wants a value: --data DIR\n");
}

TEST(a_required_option_that_is_missing_is_told)
{
    static const weir_app_option needs[] = {
        WEIR_APP_OPTION(struct own, data, .value = "DIR", .required = true), {0}};
    weir_app_options strict = {.name = "strict", .options = needs, .settings = &own};
    EXPECT_RC(-EINVAL, read_with(&strict, ""));
    EXPECT_STR("strict: --data DIR is required (or STRICT_DATA in the environment)\n", said);
    EXPECT_RC(0, read_with(&strict, "--data x"));
}

TEST(every_limit_is_shown_as_it_is_here)
{
    weir_app_options other = {
        .http.limits = {.body_bytes_max = 77, .idle_timeout_ns = WEIR_FOREVER}};
    EXPECT_RC(1, read_with(&other, "--limits --edge --queue-delay 20ms"));
    EXPECT_CONTAINS("body_bytes_max           77 bytes\n", said);
    EXPECT_CONTAINS("idle_timeout             none\n", said);
    EXPECT_CONTAINS("address_connections_max  256\n", said);
    EXPECT_CONTAINS("queue_delay_max          20ms\n", said);
    EXPECT_CONTAINS("handler_timeout          30s\n", said);
    EXPECT_CONTAINS("in_flight_max            2048\n", said);
    EXPECT_RC(1, read_with(&other, "--limits"));
    EXPECT_CONTAINS("address_connections_max  none\n", said);
    other.http.limits.head_timeout_ns = -1;
    EXPECT_RC(-EINVAL, read_with(&other, "--limits"));
}

TEST(help_lists_everything_and_starts_nothing)
{
    EXPECT_RC(1, read_line("--workers nonsense --help"));
    EXPECT_CONTAINS("my-shop 0.0.0 - sells things\n", said);
    EXPECT_CONTAINS("--data DIR", said);
    EXPECT_CONTAINS("where it is kept (default: data)", said);
    EXPECT_CONTAINS("--wait TIME", said);
    EXPECT_CONTAINS("--mode fast|slow", said);
    EXPECT_CONTAINS("--listen ADDRESS", said);
    EXPECT_CONTAINS("(default: 25s)", said);
    EXPECT_CONTAINS("MY_SHOP_LISTEN", said);
    EXPECT_CONTAINS("75 something was cut", said);
    EXPECT_RC(1, read_line("--version"));
    EXPECT_STR("my-shop 0.0.0\n", said);
}
