/*
 * debug.c - what is reported without asking, and what WEIR_DEBUG=1 adds
 *
 * The article  asyncio.run(main(), debug=True) logs coroutines that were never awaited, slow steps
 *              and resources that are not closed. It is slow, so it is off where things go wrong.
 * weir         The checks are always on. Something left open is told with the line that opened it,
 *              and closed; a stack overflow says which task it was, instead of corrupting another.
 *              WEIR_DEBUG=1 ends the process where something is misused, for the debugger to look,
 *              and tells how much of a stack was needed.
 *
 * usage: debug open | misuse | overflow
 */
#include <stdio.h>
#include <string.h>
#include <weir/file.h>
#include <weir/weir.h>

static int leave_open(void)
{
    weir_file *file;
    return weir_file_open("/etc/passwd", NULL, &file); // and never closed
}

static int misuse(void)
{
    int rc = 0;
    WEIR_TIMEOUT(rc, 1 * WEIR_SEC)
    {
        return weir_sleep(1 * WEIR_MS); // a return out of the block: its code is not translated
    }
    return rc;
}

static int descend(int depth)
{
    volatile char frame[1024]; // without end: 112 KiB are enough for about a hundred of these
    frame[0] = (char)depth;
    return depth < 0 ? 0 : descend(depth + 1) + frame[0];
}

struct descent {
    int depth;
};
static int descent(struct descent *a)
{
    return descend(a->depth);
}

static int overflow(void)
{
    weir_group *group;
    int rc = weir_group_open(&group, NULL);
    if (rc == 0)
        rc = WEIR_SPAWN(group, descent, .depth = 0);
    return weir_group_close(group, rc);
}

static int app(void *arg)
{
    const char *what = arg;
    if (strcmp(what, "open") == 0)
        return leave_open();
    return strcmp(what, "misuse") == 0 ? misuse() : overflow();
}

int main(int argc, char **argv)
{
    return weir_run(app, argc > 1 ? argv[1] : "open");
}
