/*
 * sim_disk.h - a simulated disk: files in memory, and what a crash leaves of them
 *
 *   sim_disk.c  open files, as the calls of base/sys.h know them
 *   sim_tree.c  names and contents: those that programs see, and those that are safe
 *
 * There are two of everything. What programs see changes with each call. What is *safe* changes
 * when somebody syncs: a file's sync makes its content safe, a folder's the names in it, and the
 * changes of names that were made before (names are kept in a journal, in their order). A crash
 * leaves what is safe, and of the rest a part drawn from the seed: the first few changes of names,
 * and of each unsynced file some sectors of 512 bytes. That is what POSIX allows a file system to
 * do; most are kinder.
 *
 * Runs on  any thread; there is one lock.
 * Holds    1. A node is freed when no name, no safe name, no change and no open file holds it.
 *          2. Applying all changes of the journal to the safe names gives the names.
 */
#ifndef WEIR__BACKEND_SIM_DISK_H
#define WEIR__BACKEND_SIM_DISK_H

#include <sys/stat.h>
#include <weir/test.h>

#include "base/list.h"
#include "base/thread.h"
#include "base/virtual_disk.h"

enum { SIM_SECTOR_BYTES = 512, SIM_NAME_BYTES = 256 };

struct sim_content {
    char *bytes;
    size_t size, capacity;
};

/* A file or a folder. */
struct sim_node {
    struct weir__list link; /* in tree->nodes */
    uint64_t number;
    unsigned holds; /* Holds 1 */
    mode_t mode;    /* S_IFDIR or S_IFREG, and permissions */
    struct sim_content now, safe;
    bool dirty;                   /* now differs from safe */
    struct weir__list names;      /* of a folder: struct sim_name */
    struct weir__list safe_names; /* as a crash finds them, but for the journal */
    unsigned name_count;          /* of this node, in all folders, as programs see it */
};

struct sim_name {
    struct weir__list link;
    struct sim_node *node;
    char text[SIM_NAME_BYTES];
};

/* Afterwards `text` in `folder` is `node`; NULL: it is gone. */
struct sim_edit {
    struct sim_node *folder, *node;
    char text[SIM_NAME_BYTES];
};
/* A rename has two edits, and happens whole or not at all. */
struct sim_change {
    struct weir__list link;
    size_t count;
    struct sim_edit edits[2];
};

struct sim_tree {
    struct weir__list nodes;
    struct weir__list journal; /* changes that are not safe yet, in order */
    struct sim_node *root;
    uint64_t next_number;
    uint64_t random;
};

int weir__sim_tree_init(struct sim_tree *tree, uint64_t seed) WEIR_MUST_CHECK;
void weir__sim_tree_deinit(struct sim_tree *tree); /* no open file may be left */
void weir__sim_hold(struct sim_node *node);
void weir__sim_release(struct sim_tree *tree, struct sim_node *node); /* NULL does nothing */
struct sim_node *weir__sim_child(const struct sim_node *folder, const char *text);
/* Adds a node that nothing holds yet. */
struct sim_node *weir__sim_node_new(struct sim_tree *tree, mode_t mode);
/* One or two edits at once; programs see them from now on. */
int weir__sim_change(struct sim_tree *tree, const struct sim_edit *edits, size_t count)
    WEIR_MUST_CHECK;
int weir__sim_resize(struct sim_content *content, size_t size) WEIR_MUST_CHECK;
/* What is safe afterwards: a file's content; a folder's names. */
int weir__sim_make_safe(struct sim_tree *tree, struct sim_node *node) WEIR_MUST_CHECK;
/* Programs see what a crash leaves from now on. */
void weir__sim_crash(struct sim_tree *tree);
uint64_t weir__sim_bytes(const struct sim_tree *tree); /* in all files */

/* --- for the test room ------------------------------------------------------------------------ */

/* Whether a disk can be mounted at this path; NULL: at the default one. */
bool weir__sim_disk_may_be(const char *path);
int weir__sim_disk_mount(const weir_test_disk *settings, uint64_t seed) WEIR_MUST_CHECK;
void weir__sim_disk_unmount(void); /* does nothing when none is mounted */
/* All of these: -EPERM when none is mounted. */
int weir__sim_disk_set(const weir_test_disk *settings) WEIR_MUST_CHECK;
int weir__sim_disk_stop_after(uint64_t changes) WEIR_MUST_CHECK;
int weir__sim_disk_crash(void) WEIR_MUST_CHECK;
bool weir__sim_disk_stopped(void);

#endif
