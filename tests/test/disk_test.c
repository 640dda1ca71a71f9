/*
 * disk_test.c - what a crash leaves of files on the simulated disk, and a disk that says no
 */
#include <string.h>
#include <weir/test.h>
#include <weir/weir.h>

#include "tests/support/test.h"

enum { SEEDS = 40, SIZE = 3000 /* several sectors */ };

static weir_test_report report;
static const weir_test_disk disk = {.path = "/data"};

static int run(weir_task_fn *body, void *arg, weir_test_options options)
{
    options.report = &report;
    if (options.disk == NULL)
        options.disk = &disk;
    return weir_test_run(body, arg, &options);
}

static void expect_passes(weir_task_fn *body, void *arg, weir_test_options options)
{
    EXPECT_RC(0, run(body, arg, options));
    EXPECT_STR("", report.what);
}

static char old_text[SIZE], new_text[SIZE + 1000];

static void fill_texts(void)
{
    memset(old_text, 'o', sizeof old_text);
    memset(new_text, 'n', sizeof new_text);
}

/* --- replacing a file ------------------------------------------------------------------------- */

typedef int replace_fn(const char *path, const void *data, size_t size);

enum found { OLD, NEW, NEITHER };

static enum found look(void)
{
    weir_bytes bytes;
    enum found found = NEITHER;
    if (weir_file_read_all("/data/config", 0, &bytes) < 0)
        return NEITHER;
    if (bytes.size == sizeof old_text && memcmp(bytes.data, old_text, bytes.size) == 0)
        found = OLD;
    if (bytes.size == sizeof new_text && memcmp(bytes.data, new_text, bytes.size) == 0)
        found = NEW;
    weir_bytes_free(&bytes);
    return found;
}

/* The machine stops at each place of a replace in turn. */
static int crash_at_each_place(void *arg)
{
    replace_fn *const *replace = arg;
    int rc = weir_file_replace("/data/config", old_text, sizeof old_text);
    bool stopped = true;
    for (uint64_t place = 0; rc == 0 && stopped; place++) {
        rc = weir_test_disk_stop_after(place);
        if (rc < 0)
            break;
        int replaced = (*replace)("/data/config", new_text, sizeof new_text);
        stopped = weir_test_disk_stopped();
        WEIR_TEST_EXPECT(stopped || replaced == 0);
        rc = weir_test_disk_crash();
        enum found found = look();
        if (found == NEITHER)
            weir_test_fail("stopped at %d: neither old nor new", (int)place);
        else if (replaced == 0 && found == OLD)
            weir_test_fail("stopped at %d: told to be done, and it was not", (int)place);
        if (rc == 0)
            rc = weir_file_replace("/data/config", old_text, sizeof old_text);
    }
    return rc;
}

TEST(a_replaced_file_is_the_old_one_or_the_new_one_wherever_the_machine_stops)
{
    fill_texts();
    replace_fn *replace = weir_file_replace;
    expect_passes(crash_at_each_place, &replace, (weir_test_options){.seeds = SEEDS});
}

/* --- replacing it wrong ----------------------------------------------------------------------- */

static int write_to(const char *path, const void *data, size_t size, bool sync)
{
    weir_file *file;
    int rc = weir_file_open(
        path, &(weir_file_options){.access = WEIR_FILE_WRITE, .create = true, .truncate = true},
        &file);
    if (rc < 0)
        return rc;
    rc = weir_file_write(file, data, size, 0, NULL);
    if (rc == 0 && sync)
        rc = weir_file_sync(file);
    int closed = weir_file_close(file);
    return rc < 0 ? rc : closed;
}

static int sync_data_folder(void)
{
    return weir_folder_sync(NULL, "/data");
}

static int replace_in_place(const char *path, const void *data, size_t size)
{
    return write_to(path, data, size, true);
}

static int replace_without_sync(const char *path, const void *data, size_t size)
{
    int rc = write_to("/data/config.tmp", data, size, false);
    if (rc == 0)
        rc = weir_file_rename("/data/config.tmp", path, WEIR_RENAME_REPLACE);
    return rc < 0 ? rc : sync_data_folder();
}

static int replace_without_folder(const char *path, const void *data, size_t size)
{
    int rc = write_to("/data/config.tmp", data, size, true);
    return rc < 0 ? rc : weir_file_rename("/data/config.tmp", path, WEIR_RENAME_REPLACE);
}

static int replace_right(const char *path, const void *data, size_t size)
{
    int rc = write_to("/data/config.tmp", data, size, true);
    if (rc == 0)
        rc = weir_file_rename("/data/config.tmp", path, WEIR_RENAME_REPLACE);
    return rc < 0 ? rc : sync_data_folder();
}

static void expect_found(replace_fn *replace, const char *what)
{
    weir_test_options options = {.name = "wrong", .seeds = SEEDS, .quiet = true};
    EXPECT_RC(-EUCLEAN, run(crash_at_each_place, &replace, options));
    EXPECT_CONTAINS(what, report.what);
}

TEST(each_step_that_is_left_out_of_a_replace_is_found) /* so that the test above can fail */
{
    fill_texts();
    replace_fn *right = replace_right;
    expect_passes(crash_at_each_place, &right, (weir_test_options){.seeds = SEEDS});
    expect_found(replace_in_place, "neither old nor new");
    expect_found(replace_without_sync, "neither old nor new");
    expect_found(replace_without_folder, "told to be done, and it was not");
}

/* --- what is safe ----------------------------------------------------------------------------- */

static int write_and_crash(void *arg)
{
    const bool *sync = arg;
    weir_bytes bytes;
    int rc = write_to("/data/log", "begun", 5, true);
    if (rc == 0)
        rc = sync_data_folder();
    if (rc == 0)
        rc = write_to("/data/log", "begun and ended", 15, *sync);
    if (rc == 0)
        rc = weir_test_disk_crash();
    if (rc == 0)
        rc = weir_file_read_all("/data/log", 0, &bytes);
    if (rc < 0)
        return rc;
    bool whole = bytes.size == 15 && memcmp(bytes.data, "begun and ended", 15) == 0;
    weir_bytes_free(&bytes);
    return whole ? 0 : -ENODATA;
}

TEST(what_was_synced_survives_and_what_was_not_may_be_lost)
{
    bool sync = true;
    expect_passes(write_and_crash, &sync, (weir_test_options){.seeds = SEEDS});
    sync = false;
    EXPECT_RC(-ENODATA,
              run(write_and_crash, &sync, (weir_test_options){.seeds = SEEDS, .quiet = true}));
}

static int go_on_after_a_crash(void *arg)
{
    (void)arg;
    weir_file *file;
    char byte;
    size_t got;
    int rc = write_to("/data/a", "x", 1, true);
    if (rc == 0)
        rc = sync_data_folder();
    if (rc == 0)
        rc = weir_file_open("/data/a", NULL, &file);
    if (rc < 0)
        return rc;
    WEIR_TEST_EXPECT(weir_test_disk_crash() == 0);
    WEIR_TEST_EXPECT(weir_file_read(file, &byte, 1, 0, &got) == -EIO); /* of another life */
    WEIR_TEST_EXPECT(weir_file_close(file) == 0);
    rc = weir_file_open("/data/a", NULL, &file);
    if (rc < 0)
        return rc;
    WEIR_TEST_EXPECT(weir_file_read(file, &byte, 1, 0, &got) == 0 && got == 1 && byte == 'x');
    return weir_file_close(file);
}

TEST(open_files_do_not_survive_a_crash_and_their_names_do)
{
    expect_passes(go_on_after_a_crash, NULL, (weir_test_options){0});
}

/* --- a disk that says no ---------------------------------------------------------------------- */

static int fill_the_disk(void *arg)
{
    (void)arg;
    static const weir_test_disk small = {.path = "/data", .bytes_max = 4000};
    int rc = weir_file_replace("/data/config", old_text, sizeof old_text);
    if (rc == 0)
        rc = weir_test_disk_set(&small);
    if (rc < 0)
        return rc;
    WEIR_TEST_EXPECT(weir_file_replace("/data/config", new_text, sizeof new_text) == -ENOSPC);
    WEIR_TEST_EXPECT(look() == OLD);
    rc = weir_test_disk_set(&disk);
    if (rc == 0)
        rc = weir_file_replace("/data/config", new_text, sizeof new_text);
    WEIR_TEST_EXPECT(look() == NEW);
    static const weir_test_disk locked = {.path = "/data", .read_only = true};
    WEIR_TEST_EXPECT(weir_test_disk_set(&locked) == 0);
    WEIR_TEST_EXPECT(weir_file_replace("/data/config", old_text, sizeof old_text) == -EROFS);
    WEIR_TEST_EXPECT(weir_file_remove("/data/config") == -EROFS);
    WEIR_TEST_EXPECT(look() == NEW);
    return rc;
}

TEST(a_disk_that_is_full_or_read_only_says_so_and_keeps_what_it_has)
{
    fill_texts();
    expect_passes(fill_the_disk, NULL, (weir_test_options){0});
}

static int leave_one_open(void *arg)
{
    (void)arg;
    weir_file *file;
    return weir_file_open("/data/a",
                          &(weir_file_options){.access = WEIR_FILE_WRITE, .create = true}, &file);
}

TEST(a_file_of_the_simulated_disk_that_is_left_open_is_found)
{
    EXPECT_RC(-EUCLEAN, run(leave_one_open, NULL, (weir_test_options){.quiet = true}));
    EXPECT_CONTAINS("left open", report.what);
}

static int without_a_disk(void *arg)
{
    (void)arg;
    WEIR_TEST_EXPECT(weir_test_disk_crash() == -EPERM);
    WEIR_TEST_EXPECT(weir_test_disk_stop_after(1) == -EPERM);
    WEIR_TEST_EXPECT(weir_test_disk_set(&disk) == -EPERM);
    WEIR_TEST_EXPECT(!weir_test_disk_stopped());
    weir_bytes bytes;
    WEIR_TEST_EXPECT(weir_file_read_all("/data/config", 0, &bytes) == -ENOENT);
    return 0;
}

TEST(without_a_simulated_disk_files_are_real)
{
    weir_test_options options = {.report = &report};
    EXPECT_RC(0, weir_test_run(without_a_disk, NULL, &options));
    EXPECT_RC(-EPERM, weir_test_disk_crash());
    static const weir_test_disk bad = {.path = "data/"};
    options.disk = &bad;
    EXPECT_RC(-EINVAL, weir_test_run(without_a_disk, NULL, &options));
}

/* --- everywhere ------------------------------------------------------------------------------- */

static int replace_and_read(void *arg)
{
    (void)arg;
    int rc = weir_file_replace("/data/config", old_text, sizeof old_text);
    if (rc == 0)
        rc = weir_file_replace("/data/config", new_text, sizeof new_text);
    weir_bytes bytes;
    int read = weir_file_read_all("/data/config", 0, &bytes);
    if (read == 0) {
        WEIR_TEST_EXPECT(bytes.size == sizeof old_text || bytes.size == sizeof new_text);
        weir_bytes_free(&bytes);
    }
    return rc < 0 ? rc : read;
}

TEST(a_file_is_replaced_or_kept_whatever_fails_or_is_cancelled) /* C5, O4 */
{
    fill_texts();
    weir_test_options options = {.name = "replace", .disk = &disk, .report = &report};
    EXPECT_RC(0, weir_test_cancel_everywhere(replace_and_read, NULL, &options));
    EXPECT(report.round_count > 20);
}

/* --- time ------------------------------------------------------------------------------------- */

static int note_time(void *arg)
{
    int64_t *ticks = arg;
    int rc;
    while ((rc = weir_sleep(1 * WEIR_SEC)) == 0)
        ++*ticks;
    return rc;
}

static int sync_slowly(void *arg)
{
    (void)arg;
    int64_t ticks = 0;
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc < 0)
        return rc;
    rc = weir_spawn_with(group, &(weir_spawn_options){.service = true}, note_time, &ticks, NULL);
    int64_t began_ns = weir_now();
    if (rc == 0)
        rc = weir_file_replace("/data/config", "x", 1);
    WEIR_TEST_EXPECT(weir_now() - began_ns >= 20 * WEIR_SEC); // its file, and its folder
    WEIR_TEST_EXPECT(ticks >= 19);                            // only who asked has waited
    return weir_group_close(group, rc);
}

TEST(a_slow_disk_holds_up_nobody_but_who_waits_for_it)
{
    static const weir_test_disk slow = {.path = "/data", .sync_ns = 10 * WEIR_SEC};
    expect_passes(sync_slowly, NULL, (weir_test_options){.disk = &slow});
}

static int replace_under_a_deadline(void *arg)
{
    (void)arg;
    weir_scope limit = {0};
    int rc = weir_timeout_enter(&limit, 1 * WEIR_SEC);
    if (rc < 0)
        return rc;
    int64_t began_ns = weir_now();
    rc = weir_scope_leave(&limit, weir_file_replace("/data/config", "x", 1));
    WEIR_TEST_EXPECT(rc == 0);                                // what was done is told
    WEIR_TEST_EXPECT(weir_now() - began_ns >= 20 * WEIR_SEC); // and was waited for: O7
    return rc;
}

TEST(a_sync_that_has_begun_is_waited_for) /* O4, O7 */
{
    static const weir_test_disk slow = {.path = "/data", .sync_ns = 10 * WEIR_SEC};
    expect_passes(replace_under_a_deadline, NULL, (weir_test_options){.disk = &slow});
}

static int copy_back_and_forth(void *arg)
{
    (void)arg;
    int rc = 0;
    for (int i = 0; i < 5 && rc == 0; i++) {
        weir_bytes bytes;
        rc = weir_file_replace("/data/a", new_text, sizeof new_text);
        if (rc == 0)
            rc = weir_file_read_all("/data/a", 0, &bytes);
        if (rc == 0)
            weir_bytes_free(&bytes);
    }
    return rc;
}

TEST(a_seed_is_one_run_with_a_disk_too) /* Q4 */
{
    uint64_t traces[2];
    for (size_t i = 0; i < 2; i++) {
        expect_passes(copy_back_and_forth, NULL, (weir_test_options){.seed = 5});
        traces[i] = report.round.trace;
    }
    EXPECT(traces[0] == traces[1]);
    weir_test_options options = {.name = "swarm", .disk = &disk, .report = &report};
    EXPECT_RC(0, weir_test_swarm(replace_and_read, NULL, &options)); /* every eighth twice */
}
