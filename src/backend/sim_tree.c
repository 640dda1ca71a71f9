/*
 * sim_tree.c - names and contents of a simulated disk: those seen, and those that are safe
 *
 * Runs on  any thread, with the disk's lock.
 */
#include <string.h>

#include "backend/sim_disk.h"
#include "base/alloc.h"
#include "base/clock.h"

/* --- nodes ------------------------------------------------------------------------------------ */

struct sim_node *weir__sim_node_new(struct sim_tree *tree, mode_t mode)
{
    struct sim_node *node = weir__base_alloc_zero(sizeof *node);
    if (node == NULL)
        return NULL;
    node->number = ++tree->next_number;
    node->mode = mode;
    weir__list_init(&node->names);
    weir__list_init(&node->safe_names);
    weir__list_append(&tree->nodes, &node->link);
    return node;
}

void weir__sim_hold(struct sim_node *node)
{
    node->holds++;
}

static void free_names(struct sim_tree *tree, struct weir__list *names)
{
    struct weir__list *at;
    while ((at = weir__list_take_first(names)) != NULL) {
        struct sim_name *name = WEIR__CONTAINER(at, struct sim_name, link);
        weir__sim_release(tree, name->node);
        weir__base_free(name);
    }
}

void weir__sim_release(struct sim_tree *tree, struct sim_node *node)
{
    if (node == NULL || --node->holds > 0)
        return;
    weir__list_remove(&node->link);
    free_names(tree, &node->names);
    free_names(tree, &node->safe_names);
    weir__base_free(node->now.bytes);
    weir__base_free(node->safe.bytes);
    weir__base_free(node);
}

/* --- names ------------------------------------------------------------------------------------ */

static struct sim_name *find_name(const struct weir__list *names, const char *text)
{
    for (struct weir__list *at = names->next; at != names; at = at->next) {
        struct sim_name *name = WEIR__CONTAINER(at, struct sim_name, link);
        if (strcmp(name->text, text) == 0)
            return name;
    }
    return NULL;
}

struct sim_node *weir__sim_child(const struct sim_node *folder, const char *text)
{
    const struct sim_name *name = find_name(&folder->names, text);
    return name == NULL ? NULL : name->node;
}

static void drop_name(struct sim_tree *tree, struct sim_name *name)
{
    if (name == NULL)
        return;
    weir__list_remove(&name->link);
    weir__sim_release(tree, name->node);
    weir__base_free(name);
}

/* To one of the two lists of names of its folder. False: no memory, and nothing has changed. */
static bool apply(struct sim_tree *tree, struct weir__list *names, const struct sim_edit *edit)
{
    struct sim_name *name = NULL;
    if (edit->node != NULL) {
        name = weir__base_alloc_zero(sizeof *name);
        if (name == NULL)
            return false;
        memcpy(name->text, edit->text, sizeof name->text);
        name->node = edit->node;
        weir__sim_hold(edit->node);
    }
    drop_name(tree, find_name(names, edit->text));
    if (name != NULL)
        weir__list_append(names, &name->link);
    return true;
}

static void count_names(const struct sim_edit *edit)
{
    struct sim_node *before = weir__sim_child(edit->folder, edit->text);
    if (before != NULL)
        before->name_count--;
    if (edit->node != NULL)
        edit->node->name_count++;
}

static void free_change(struct sim_tree *tree, struct sim_change *change)
{
    weir__list_remove(&change->link);
    for (size_t i = 0; i < change->count; i++) {
        weir__sim_release(tree, change->edits[i].folder);
        weir__sim_release(tree, change->edits[i].node);
    }
    weir__base_free(change);
}

int weir__sim_change(struct sim_tree *tree, const struct sim_edit *edits, size_t count)
{
    struct sim_change *change = weir__base_alloc_zero(sizeof *change);
    if (change == NULL)
        return -ENOMEM;
    weir__list_append(&tree->journal, &change->link);
    change->count = count;
    for (size_t i = 0; i < count; i++) {
        change->edits[i] = edits[i];
        weir__sim_hold(edits[i].folder);
        if (edits[i].node != NULL)
            weir__sim_hold(edits[i].node);
    }
    for (size_t i = 0; i < count; i++) {
        count_names(&change->edits[i]);
        if (!apply(tree, &edits[i].folder->names, &change->edits[i]))
            return -ENOMEM; /* of the machine that simulates: the run is over anyway */
    }
    return 0;
}

/* The first change of the journal is safe. */
static void commit_first(struct sim_tree *tree)
{
    struct sim_change *change = WEIR__CONTAINER(tree->journal.next, struct sim_change, link);
    for (size_t i = 0; i < change->count; i++)
        apply(tree, &change->edits[i].folder->safe_names, &change->edits[i]);
    free_change(tree, change);
}

static bool touches(const struct sim_change *change, const struct sim_node *folder)
{
    for (size_t i = 0; i < change->count; i++)
        if (change->edits[i].folder == folder)
            return true;
    return false;
}

/* Names are kept in order: what was changed before the last change of this folder is safe too. */
static void commit_folder(struct sim_tree *tree, const struct sim_node *folder)
{
    size_t count = 0, last = 0;
    for (struct weir__list *at = tree->journal.next; at != &tree->journal; at = at->next) {
        count++;
        if (touches(WEIR__CONTAINER(at, struct sim_change, link), folder))
            last = count;
    }
    while (last-- > 0)
        commit_first(tree);
}

/* --- contents --------------------------------------------------------------------------------- */

int weir__sim_resize(struct sim_content *content, size_t size)
{
    if (size > content->capacity) {
        size_t capacity = content->capacity == 0 ? SIM_SECTOR_BYTES : content->capacity;
        while (capacity < size)
            capacity *= 2;
        char *bytes = weir__base_realloc(content->bytes, capacity);
        if (bytes == NULL)
            return -ENOMEM;
        content->bytes = bytes;
        content->capacity = capacity;
    }
    if (size > content->size)
        memset(content->bytes + content->size, 0, size - content->size);
    content->size = size;
    return 0;
}

static int copy_content(struct sim_content *to, const struct sim_content *from)
{
    to->size = 0;
    int rc = weir__sim_resize(to, from->size);
    if (rc == 0 && from->size > 0)
        memcpy(to->bytes, from->bytes, from->size);
    return rc;
}

int weir__sim_make_safe(struct sim_tree *tree, struct sim_node *node)
{
    if (S_ISDIR(node->mode)) {
        commit_folder(tree, node);
        return 0;
    }
    int rc = node->dirty ? copy_content(&node->safe, &node->now) : 0;
    if (rc == 0)
        node->dirty = false;
    return rc;
}

/* --- a crash ---------------------------------------------------------------------------------- */

static uint64_t draw(struct sim_tree *tree, uint64_t limit)
{
    return weir__base_random_next(&tree->random) % limit;
}

/* Nothing of it, all of it, or some sectors and one of the two sizes. */
static void tear(struct sim_tree *tree, struct sim_node *node)
{
    uint64_t kind = draw(tree, 3);
    if (kind == 0) {
        weir_ignore(copy_content(&node->now, &node->safe), "it is not larger than it was");
    } else if (kind == 2) {
        size_t size = draw(tree, 2) == 0 ? node->safe.size : node->now.size;
        for (size_t at = 0; at < node->now.size; at += SIM_SECTOR_BYTES) {
            if (draw(tree, 2) == 0)
                continue; /* this sector was written */
            size_t end =
                at + SIM_SECTOR_BYTES < node->now.size ? at + SIM_SECTOR_BYTES : node->now.size;
            size_t known = end < node->safe.size ? end : node->safe.size;
            memset(node->now.bytes + at, 0, end - at);
            if (known > at)
                memcpy(node->now.bytes + at, node->safe.bytes + at, known - at);
        }
        weir_ignore(weir__sim_resize(&node->now, size), "a run without memory is over anyway");
    }
    weir_ignore(copy_content(&node->safe, &node->now), "as above");
    node->dirty = false;
}

static void see_safe_names(struct sim_tree *tree, struct sim_node *folder)
{
    free_names(tree, &folder->names);
    for (struct weir__list *at = folder->safe_names.next; at != &folder->safe_names;
         at = at->next) {
        const struct sim_name *name = WEIR__CONTAINER(at, struct sim_name, link);
        struct sim_edit edit = {.folder = folder, .node = name->node};
        memcpy(edit.text, name->text, sizeof edit.text);
        name->node->name_count++;
        apply(tree, &folder->names, &edit);
    }
}

void weir__sim_crash(struct sim_tree *tree)
{
    size_t count = 0;
    for (struct weir__list *at = tree->journal.next; at != &tree->journal; at = at->next)
        count++;
    for (uint64_t kept = draw(tree, count + 1); kept > 0; kept--)
        commit_first(tree);
    while (!weir__list_empty(&tree->journal))
        free_change(tree, WEIR__CONTAINER(tree->journal.next, struct sim_change, link));

    for (struct weir__list *at = tree->nodes.next; at != &tree->nodes; at = at->next)
        weir__sim_hold(WEIR__CONTAINER(at, struct sim_node, link)); /* none goes meanwhile */
    for (struct weir__list *at = tree->nodes.next; at != &tree->nodes; at = at->next)
        WEIR__CONTAINER(at, struct sim_node, link)->name_count = 0;
    for (struct weir__list *at = tree->nodes.next; at != &tree->nodes; at = at->next) {
        struct sim_node *node = WEIR__CONTAINER(at, struct sim_node, link);
        if (S_ISDIR(node->mode))
            see_safe_names(tree, node);
        else if (node->dirty)
            tear(tree, node);
    }
    struct weir__list held;
    weir__list_init(&held);
    weir__list_splice(&held, &tree->nodes);
    while (!weir__list_empty(&held)) {
        struct weir__list *first = weir__list_take_first(&held);
        weir__list_append(&tree->nodes, first);
        weir__sim_release(tree, WEIR__CONTAINER(first, struct sim_node, link));
    }
}

uint64_t weir__sim_bytes(const struct sim_tree *tree)
{
    uint64_t bytes = 0;
    for (struct weir__list *at = tree->nodes.next; at != &tree->nodes; at = at->next)
        bytes += WEIR__CONTAINER(at, struct sim_node, link)->now.size;
    return bytes;
}

/* --- open and close --------------------------------------------------------------------------- */

int weir__sim_tree_init(struct sim_tree *tree, uint64_t seed)
{
    *tree = (struct sim_tree){.random = seed};
    weir__list_init(&tree->nodes);
    weir__list_init(&tree->journal);
    tree->root = weir__sim_node_new(tree, S_IFDIR | 0755);
    if (tree->root == NULL)
        return -ENOMEM;
    weir__sim_hold(tree->root);
    tree->root->name_count = 1;
    return 0;
}

void weir__sim_tree_deinit(struct sim_tree *tree)
{
    while (!weir__list_empty(&tree->journal))
        free_change(tree, WEIR__CONTAINER(tree->journal.next, struct sim_change, link));
    weir__sim_release(tree, tree->root);
}
