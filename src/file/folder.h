/*
 * folder.h - an open folder inside the library, and names beneath it
 */
#ifndef WEIR__FILE_FOLDER_H
#define WEIR__FILE_FOLDER_H

#include <linux/openat2.h>
#include <string.h>
#include <weir/folder.h>

#include "core/io.h"
#include "core/ledger.h"

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20 /* since Linux 5.12 */
#endif

/* How every name beneath an open folder is resolved. */
enum { WEIR__BENEATH = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };

static inline bool weir__name_is_dots(const char *name)
{
    return strcmp(name, "..") == 0;
}

struct weir_folder {
    struct weir__ledger_entry entry;
    int refs; /* atomic: the opener's, and one for each call under way */
    int fd;
};

/* NULL is where the process is: never closed. */
int weir__folder_fd(const weir_folder *folder);
void weir__folder_hold(weir_folder *folder);
void weir__folder_let_go(weir_folder *folder);

/* A checkpoint. Returns a descriptor; the name cannot lead out of the folder, which is not NULL. */
int weir__folder_open_beneath(weir_folder *folder, const char *name, int flags, unsigned mode)
    WEIR_MUST_CHECK;

/* In words: why a name could not be used, beneath an open folder or not. */
const char *weir__folder_why(bool beneath, int rc);

/*
 * A name, found on the thread of a job: the folder that holds it, and its last part. Beneath an
 * open folder that is an open one of its own when the name has several parts.
 */
struct weir__place {
    int fd;
    bool opened;
    const char *name;
};
/* Blocks. After 0 the place is to be left. */
int weir__place_find(int folder, const char *name, struct weir__place *out_place) WEIR_MUST_CHECK;
void weir__place_leave(struct weir__place *place);
/* Blocks: a folder, opened to be read; beneath `folder` unless that is AT_FDCWD. */
int weir__place_open_folder(int folder, const char *name) WEIR_MUST_CHECK;

#endif
