/*
 * disk_model_test.c - the same calls, drawn from a seed, on a real folder and on the simulated
 * disk: every one must come to the same
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/test.h>
#include <weir/weir.h>

#include "tests/support/test.h"

enum { CALLS = 60, SEEDS = 40, LOG_BYTES = 16384, DATA_BYTES = 5000 };

struct log {
    const char *root;
    uint64_t seed;
    char text[LOG_BYTES];
    size_t size;
};

static void note(struct log *log, const char *format, ...) WEIR_PRINTF(2, 3);
static void note(struct log *log, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(log->text + log->size, LOG_BYTES - log->size, format, args);
    va_end(args);
    if (size > 0 && log->size + (size_t)size < LOG_BYTES)
        log->size += (size_t)size;
}

/* splitmix64: the same on both */
static uint64_t draw(struct log *log, uint64_t limit)
{
    uint64_t z = (log->seed += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % limit;
}

static const char *draw_name(struct log *log)
{
    static const char *const names[] = {"a", "b", "d", "d/a", "d/b", "e", "e/a", "d/e", "a/x"};
    return names[draw(log, sizeof names / sizeof names[0])];
}

static uint64_t hash(uint64_t state, const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        state = (state ^ ((const unsigned char *)data)[i]) * UINT64_C(0x100000001b3);
    return state;
}

/* --- calls ------------------------------------------------------------------------------------ */

static int change_content(struct log *log, const char *path)
{
    static char data[DATA_BYTES];
    weir_file_options options = {.access = (weir_file_access)(1 + draw(log, 3)),
                                 .create = draw(log, 2) == 0,
                                 .truncate = draw(log, 4) == 0,
                                 .exclusive = draw(log, 8) == 0};
    size_t size = draw(log, DATA_BYTES), at = draw(log, 3000);
    memset(data, (int)('a' + draw(log, 26)), size);
    int64_t resized = draw(log, 4) == 0 ? (int64_t)draw(log, 6000) : -1;
    weir_file *file;
    int rc = weir_file_open(path, &options, &file);
    if (rc < 0)
        return rc;
    size_t written = 0;
    if (options.access == WEIR_FILE_APPEND)
        rc = weir_file_append(file, data, size, &written);
    else
        rc = weir_file_write(file, data, size, (int64_t)at, &written);
    if (rc == 0 && resized >= 0)
        rc = weir_file_truncate(file, resized);
    int64_t now = -1;
    int sized = weir_file_size(file, &now);
    note(log, "[%zu %lld %d] ", written, (long long)now, sized);
    int closed = weir_file_close(file);
    return rc < 0 ? rc : closed;
}

static int read_whole(struct log *log, const char *path)
{
    weir_bytes bytes;
    int rc = weir_file_read_all(path, 0, &bytes);
    if (rc < 0)
        return rc;
    note(log, "[%zu %llx] ", bytes.size, (unsigned long long)hash(0, bytes.data, bytes.size));
    weir_bytes_free(&bytes);
    return 0;
}

static int call_once(struct log *log, weir_folder *root)
{
    char path[200], other[200];
    const char *name = draw_name(log), *to = draw_name(log);
    snprintf(path, sizeof path, "%s/%s", log->root, name);
    snprintf(other, sizeof other, "%s/%s", log->root, to);
    uint64_t kind = draw(log, 10);
    note(log, "%d %s %s ", (int)kind, name, to);
    switch (kind) {
    case 0:
    case 1:
        return change_content(log, path);
    case 2:
        return read_whole(log, path);
    case 3:
        return weir_file_replace(path, to, strlen(to));
    case 4:
        return weir_file_rename(path, other, (weir_rename_mode)draw(log, 3));
    case 5:
        return weir_folder_make(root, name, 0);
    case 6:
        return weir_folder_remove(root, name);
    case 7:
        return weir_folder_remove_file(root, name);
    case 8:
        return weir_folder_rename(root, name, root, to, (weir_rename_mode)draw(log, 3));
    default:
        return weir_folder_link(root, name, root, to);
    }
}

/* All names, kinds, sizes and links, in no order. */
static int note_all(struct log *log)
{
    uint64_t sum = 0, count = 0;
    weir_walk *walk;
    const weir_walk_entry *entry;
    int rc = weir_walk_open(NULL, log->root, &(weir_walk_options){.stat = true}, &walk);
    if (rc < 0)
        return rc;
    while ((rc = weir_walk_next(walk, &entry)) == 1) {
        uint64_t one = hash(7, entry->path, strlen(entry->path));
        int64_t facts[3] = {entry->kind, 0, 0};
        if (entry->kind == WEIR_FILE_KIND_REGULAR) {
            facts[1] = entry->stat.size;
            facts[2] = entry->stat.link_count;
        }
        sum += hash(one, facts, sizeof facts);
        count++;
    }
    weir_walk_close(walk);
    note(log, "=> %llu names, %llx\n", (unsigned long long)count, (unsigned long long)sum);
    return rc;
}

static int make_calls(void *arg)
{
    struct log *log = arg;
    weir_folder *root;
    int rc = weir_folder_open(NULL, log->root, &root);
    for (int i = 0; i < CALLS && rc == 0; i++) {
        int came_to = call_once(log, root);
        note(log, "%s ", came_to == 0 ? "0" : weir_code_name(came_to));
        rc = note_all(log);
    }
    weir_folder_close(root);
    if (rc == 0 && log->root[1] == 't') { /* the real one is cleaned */
        uint64_t removed;
        rc = weir_folder_remove_tree(NULL, log->root, &removed);
    }
    return rc;
}

/* The first line that differs. */
static void expect_same(const char *real_text, const char *simulated_text)
{
    char lines[2][300];
    while (*real_text != '\0' || *simulated_text != '\0') {
        const char *texts[2] = {real_text, simulated_text};
        size_t sizes[2];
        for (int i = 0; i < 2; i++) {
            sizes[i] = strcspn(texts[i], "\n");
            snprintf(lines[i], sizeof lines[i], "%.*s", (int)sizes[i], texts[i]);
        }
        EXPECT_STR(lines[0], lines[1]);
        if (strcmp(lines[0], lines[1]) != 0)
            return;
        real_text += sizes[0] + (real_text[sizes[0]] == '\n');
        simulated_text += sizes[1] + (simulated_text[sizes[1]] == '\n');
    }
}

TEST(the_simulated_disk_answers_as_a_real_one) /* V8 */
{
    static struct log real, simulated;
    static const weir_test_disk disk = {.path = "/disk"};
    for (uint64_t seed = 1; seed <= (uint64_t)test_rounds(SEEDS); seed++) {
        char folder[] = "/tmp/weir-disk-XXXXXX";
        REQUIRE(mkdtemp(folder) != NULL);
        real = (struct log){.root = folder, .seed = seed};
        simulated = (struct log){.root = "/disk", .seed = seed};
        EXPECT_RC(0, weir_test_run(make_calls, &real, &(weir_test_options){.backend = "epoll"}));
        EXPECT_RC(0, weir_test_run(make_calls, &simulated, &(weir_test_options){.disk = &disk}));
        expect_same(real.text, simulated.text);
    }
}
