/*
 * testing.c - tests of a small program of tasks, for docs/testing.md
 *
 * usage: testing timeout | byhand | seeds | everywhere | forgets | bytes | cutoff | power |
 *        crash
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/test.h>
#include <weir/weir.h>

/* --- a limit of 30 seconds, tested in a millisecond ------------------------------------------- */

static int ask_a_silent_server(void *arg)
{
    weir_event *answer = arg; /* never comes */
    return weir_event_wait(answer);
}

static int gives_up_after_30_s(void *arg)
{
    (void)arg;
    weir_event answer = {0};
    int64_t began_ns = weir_now();
    int rc = weir_timeout(30 * WEIR_SEC, ask_a_silent_server, &answer);
    WEIR_TEST_EXPECT(rc == -ETIME);
    WEIR_TEST_EXPECT(weir_now() - began_ns == 30 * WEIR_SEC);
    return 0;
}

static int test_timeout(void)
{
    return weir_test_run(gives_up_after_30_s, NULL, NULL);
}

/* --- time by hand ----------------------------------------------------------------------------- */

static int tick(void *arg)
{
    int *ticks = arg;
    int rc;
    while ((rc = weir_sleep(10 * WEIR_SEC)) == 0)
        ++*ticks;
    return rc;
}

static int ticks_every_10_s(void *arg)
{
    (void)arg;
    int ticks = 0;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    rc = weir_spawn(group, tick, &ticks);
    if (rc == 0)
        rc = weir_test_advance(35 * WEIR_SEC);
    WEIR_TEST_EXPECT(ticks == 3);
    weir_group_cancel(group, "seen enough");
    return weir_group_close(group, rc);
}

static int test_by_hand(void)
{
    return weir_test_run(ticks_every_10_s, NULL,
                         &(weir_test_options){.clock = WEIR_TEST_CLOCK_BY_HAND});
}

/* --- an order that nobody promised ------------------------------------------------------------ */

struct load {
    int *loaded;
    int number;
};
static int load(struct load *a)
{
    int rc = weir_sleep(1 * WEIR_SEC);
    if (rc == 0)
        *a->loaded = *a->loaded * 10 + a->number;
    return rc;
}

static int loads_in_order(void *arg)
{
    (void)arg;
    int loaded = 0;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc == 0)
        rc = WEIR_SPAWN(group, load, .loaded = &loaded, .number = 1);
    if (rc == 0)
        rc = WEIR_SPAWN(group, load, .loaded = &loaded, .number = 2);
    rc = weir_group_close(group, rc);
    return rc == 0 && loaded != 12 ? weir_fail(-EPROTO, "loaded in the order %d", loaded) : rc;
}

static int test_seeds(void)
{
    return weir_test_run(loads_in_order, NULL, &(weir_test_options){.name = "order", .seeds = 100});
}

/* --- cancelled everywhere, and every fault ---------------------------------------------------- */

static char path[] = "/proc/self/status";

static int reads_its_file(void *arg)
{
    weir_bytes bytes = {0};
    int rc = weir_file_read_all(arg, 0, &bytes);
    if (rc == 0)
        rc = weir_sleep(1 * WEIR_MS);
    weir_bytes_free(&bytes);
    return rc;
}

static int test_everywhere(void)
{
    return weir_test_cancel_everywhere(reads_its_file, path,
                                       &(weir_test_options){.name = "reads", .backend = "epoll"});
}

static int forgets_its_file(void *arg)
{
    weir_file *file;
    int rc = weir_file_open(arg, NULL, &file);
    if (rc == 0)
        rc = weir_sleep(1 * WEIR_MS);
    return rc < 0 ? rc : weir_file_close(file); /* the mistake */
}

static int forgets_its_bytes(void *arg)
{
    weir_bytes bytes;
    int rc = weir_file_read_all(arg, 0, &bytes);
    if (rc == 0)
        rc = weir_sleep(1 * WEIR_MS);
    if (rc < 0)
        return rc; /* the mistake, when the sleep was cancelled */
    weir_bytes_free(&bytes);
    return 0;
}

static int test_bytes(void)
{
    return weir_test_cancel_everywhere(forgets_its_bytes, path,
                                       &(weir_test_options){.name = "bytes", .backend = "epoll"});
}

static int test_forgets(void)
{
    return weir_test_cancel_everywhere(forgets_its_file, path,
                                       &(weir_test_options){.name = "forgets", .backend = "epoll"});
}

/* --- a host that is cut off ------------------------------------------------------------------- */

/* A piece of the program under test: asks another host how it is. */
static int ask_status(char *out_text, size_t bytes)
{
    weir_conn *conn;
    int rc = weir_connect("status.example", 7000, NULL, &conn);
    if (rc < 0)
        return rc;
    rc = weir_conn_set_limits(conn, 30 * WEIR_SEC, 30 * WEIR_SEC);
    if (rc == 0)
        rc = weir_conn_write_all(conn, "how are you?\n", 13, NULL);
    ssize_t got = rc < 0 ? rc : weir_conn_read(conn, out_text, bytes - 1);
    weir_conn_close(conn);
    if (got < 0)
        return (int)got;
    out_text[got] = '\0';
    return 0;
}

/* The other host, played by a task: it thinks for 5 s. */
static int answer(weir_conn *conn)
{
    char line[64];
    ssize_t got = weir_conn_read(conn, line, sizeof line);
    int rc = got < 0 ? (int)got : weir_sleep(5 * WEIR_SEC);
    return rc < 0 ? rc : weir_conn_write_all(conn, "fine", 4, NULL);
}

static int answer_all(void *arg)
{
    weir_conn *conn;
    int rc;
    while ((rc = weir_listener_accept(arg, &conn)) == 0) {
        weir_ignore(answer(conn), "whoever asked may be gone");
        weir_conn_close(conn);
    }
    return rc;
}

static int cut_off_after_1_s(void *arg)
{
    (void)arg;
    int rc = weir_sleep(1 * WEIR_SEC);
    return rc < 0 ? rc : weir_test_partition("status.example", NULL);
}

static int ask_twice(weir_group *group)
{
    char text[64];
    int rc = ask_status(text, sizeof text);
    WEIR_TEST_EXPECT(rc == 0 && strcmp(text, "fine") == 0);
    if (rc == 0)
        rc = weir_spawn(group, cut_off_after_1_s, NULL);
    if (rc < 0)
        return rc;
    int64_t began_ns = weir_now();
    WEIR_TEST_EXPECT(ask_status(text, sizeof text) == -ETIMEDOUT);
    WEIR_TEST_EXPECT(weir_now() - began_ns < 31 * WEIR_SEC);
    return 0;
}

static int with_another_host(void *arg)
{
    (void)arg;
    weir_listener *listener;
    int rc = weir_test_host("status.example", "10.0.0.2", 20 * WEIR_MS, 0);
    if (rc == 0)
        rc = weir_listener_open(&(weir_listener_options){.address = "10.0.0.2:7000"}, &listener);
    if (rc < 0)
        return rc;
    weir_group *group;
    rc = weir_group_open(&group, NULL);
    if (rc == 0)
        rc = weir_spawn_with(group, &(weir_spawn_options){.service = true}, answer_all, listener,
                             NULL);
    if (rc == 0)
        rc = weir_group_close(group, ask_twice(group));
    weir_listener_close(listener);
    return rc;
}

static int test_cut_off(void)
{
    return weir_test_run(with_another_host, NULL, NULL);
}

/* --- a crash in the middle -------------------------------------------------------------------- */

static int survives_a_crash_anywhere(void *arg)
{
    (void)arg;
    int rc = weir_file_replace("/disk/config", "old", 3);
    for (uint64_t place = 0; rc == 0 && place < 20; place++) {
        rc = weir_test_disk_stop_after(place);
        int replaced = weir_file_replace("/disk/config", "new", 3);
        if (rc == 0)
            rc = weir_test_disk_crash(); /* power is gone, and comes back */
        weir_bytes bytes;
        if (rc == 0)
            rc = weir_file_read_all("/disk/config", 0, &bytes);
        if (rc < 0)
            return rc;
        bool is_new = strcmp(bytes.data, "new") == 0;
        WEIR_TEST_EXPECT(is_new || (replaced < 0 && strcmp(bytes.data, "old") == 0));
        weir_bytes_free(&bytes);
        rc = weir_file_replace("/disk/config", "old", 3);
    }
    return rc;
}

static int test_power(void)
{
    static const weir_test_disk disk = {.path = "/disk"};
    return weir_test_run(survives_a_crash_anywhere, NULL,
                         &(weir_test_options){.disk = &disk, .seeds = 20});
}

/* --- the end of the process ------------------------------------------------------------------- */

static int crashes_when_cancelled(void *arg)
{
    (void)arg;
    int rc = weir_sleep(1 * WEIR_MS);
    if (rc == 0)
        rc = weir_sleep(1 * WEIR_MS);
    if (rc < 0)
        abort(); /* an assertion, say */
    return rc;
}

static int test_crash(void)
{
    return weir_test_cancel_everywhere(crashes_when_cancelled, NULL,
                                       &(weir_test_options){.name = "crashes"});
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } tests[] = {{"timeout", test_timeout},       {"byhand", test_by_hand},  {"seeds", test_seeds},
                 {"everywhere", test_everywhere}, {"forgets", test_forgets}, {"bytes", test_bytes},
                 {"cutoff", test_cut_off},        {"power", test_power},     {"crash", test_crash}};
    for (size_t i = 0; argc == 2 && i < sizeof tests / sizeof tests[0]; i++) {
        if (strcmp(argv[1], tests[i].name) != 0)
            continue;
        int rc = tests[i].run();
        printf("%s\n", rc == 0 ? "passed" : weir_code_name(rc));
        return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    fprintf(stderr,
            "usage: testing timeout | byhand | seeds | everywhere | forgets | bytes | cutoff | "
            "power | "
            "crash\n");
    return 64;
}
