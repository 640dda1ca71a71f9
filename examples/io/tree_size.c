/*
 * tree_size.c - how much is in each folder of a tree, from one walk; then the tree is saved and
 * removed
 *
 * The names come many at a time with their sizes, so the walk costs a few jobs and not one for each
 * file. The answer is written in the place of the last one: who reads it sees the old or the new.
 */
#include <stdio.h>
#include <string.h>
#include <weir/weir.h>

enum { FOLDERS = 3 };
static const char *const folders[FOLDERS] = {"docs", "docs/old", "src"};

static int plant(weir_folder *root)
{
    char name[64], data[1000] = {0};
    int rc = 0;
    for (int i = 0; i < FOLDERS && rc == 0; i++) {
        rc = weir_folder_make_all(root, folders[i], 0);
        for (int n = 1; n <= 4 && rc == 0; n++) {
            weir_file *file;
            snprintf(name, sizeof name, "%s/%d.txt", folders[i], n);
            weir_file_options options = {
                .access = WEIR_FILE_WRITE, .exclusive = true, .folder = root};
            rc = weir_file_open(name, &options, &file);
            if (rc < 0)
                break;
            rc = weir_file_write(file, data, (size_t)n * 100, 0, NULL);
            int closed = weir_file_close(file);
            if (rc == 0)
                rc = closed;
        }
    }
    return rc;
}

static int sum(weir_folder *root, int64_t *out_bytes)
{
    weir_walk *walk;
    const weir_walk_entry *entry;
    int rc = weir_walk_open(root, ".", &(weir_walk_options){.stat = true}, &walk);
    if (rc < 0)
        return rc;
    while ((rc = weir_walk_next(walk, &entry)) == 1) {
        if (entry->error < 0) // a folder that could not be entered: not a reason to stop
            printf("%s: %s\n", entry->path, weir_code_text(entry->error));
        if (entry->kind != WEIR_FILE_KIND_REGULAR)
            continue;
        for (int i = 0; i < FOLDERS; i++) {
            size_t size = strlen(folders[i]);
            if (strncmp(entry->path, folders[i], size) == 0 && entry->path[size] == '/')
                out_bytes[i] += entry->stat.size;
        }
    }
    weir_walk_close(walk);
    return rc;
}

static int save(weir_folder *root, const int64_t *bytes)
{
    weir_replacement *report;
    int rc = weir_replacement_open(root, "sizes", &report);
    if (rc < 0)
        return rc;
    for (int i = 0; i < FOLDERS && rc == 0; i++) {
        char line[80];
        int size = snprintf(line, sizeof line, "%6lld %s\n", (long long)bytes[i], folders[i]);
        rc = weir_replacement_write(report, line, (size_t)size);
    }
    if (rc == 0)
        return weir_replacement_commit(report);
    weir_replacement_drop(report);
    return rc;
}

static int measure(weir_folder *root, const char *path)
{
    int64_t bytes[FOLDERS] = {0};
    weir_bytes report = {0};
    char sizes[128];
    int rc = plant(root);
    if (rc == 0)
        rc = sum(root, bytes);
    if (rc == 0)
        rc = save(root, bytes);
    snprintf(sizes, sizeof sizes, "%s/sizes", path);
    if (rc == 0)
        rc = weir_file_read_all(sizes, 0, &report);
    if (rc == 0)
        printf("%s", (const char *)report.data);
    weir_bytes_free(&report);
    if (rc == 0)
        rc = weir_folder_remove_file(root, "../sizes") == -EXDEV ? 0 : -EIO;
    if (rc == 0)
        printf("a name that leads out of the folder is refused\n");
    return rc;
}

static int app(void *arg)
{
    const char *path = arg;
    weir_folder *root = NULL;
    uint64_t removed = 0;
    int rc = weir_folder_make(NULL, path, 0);
    if (rc == 0)
        rc = weir_folder_open(NULL, path, &root);
    if (rc < 0)
        return rc;
    rc = measure(root, path);
    weir_folder_close(root);
    int gone = weir_folder_remove_tree(NULL, path, &removed);
    printf("%llu names removed\n", (unsigned long long)removed);
    return rc == 0 ? gone : rc;
}

int main(int argc, char **argv)
{
    return weir_run(app, argc > 1 ? argv[1] : "tree.tmp");
}
