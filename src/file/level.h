/*
 * level.h - one folder of a tree that is gone through, on the thread of a job
 *
 * A level is opened without following a symbolic link and named by its descriptor from then on, so
 * whoever moves things meanwhile cannot lead a walk or a removal elsewhere.
 */
#ifndef WEIR__FILE_LEVEL_H
#define WEIR__FILE_LEVEL_H

#include "base/sys_folder.h"

enum { WEIR__LEVEL_BYTES = 8192 };

struct weir__level {
    struct weir__level *above;
    int fd;
    unsigned depth;   /* of the names in it: 1 in the folder that is gone through */
    size_t path_size; /* the walker's */
    unsigned passes;  /* the remover's */
    size_t at, size;  /* in the block */
    char name[256];   /* in the level above */
    _Alignas(8) char block[WEIR__LEVEL_BYTES];
};

/* Takes fd, also on failure. */
int weir__level_new(struct weir__level *above, int fd, const char *name,
                    struct weir__level **out_level) WEIR_MUST_CHECK;
/* Beneath `above`. Blocks. */
int weir__level_enter(struct weir__level *above, const char *name, struct weir__level **out_level)
    WEIR_MUST_CHECK;
/* Returns the one above. */
struct weir__level *weir__level_leave(struct weir__level *level);
/* Blocks. 1: a name, never "." or ".."; 0: no more; or a negative errno. Valid until the next. */
int weir__level_next(struct weir__level *level, const struct weir__sys_entry **out_entry)
    WEIR_MUST_CHECK;
int weir__level_rewind(struct weir__level *level) WEIR_MUST_CHECK;

#endif
