/*
 * without_uring.c - run a command as in a container that may not use io_uring
 *
 * usage: without_uring <command> [argument]...
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/deny_uring.h"

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s <command> [argument]...\n", argv[0]);
        return 64;
    }
    int rc = test_deny_uring(EPERM);
    if (rc < 0) {
        fprintf(stderr, "%s: the filter is refused: %s\n", argv[0], strerror(-rc));
        return 71;
    }
    execvp(argv[1], argv + 1);
    fprintf(stderr, "%s: %s: %s\n", argv[0], argv[1], strerror(errno));
    return 127;
}
