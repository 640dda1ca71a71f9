/*
 * guarded.c - a copy of some bytes that ends exactly at a page nobody may touch
 *
 * Runs on  any thread.
 * Holds    1. data + size is the first byte of a page without access.
 */
#include "tests/support/guarded.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guarded guarded_copy(const void *data, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t room = (size + page - 1) / page * page;
    struct guarded guarded = {.size = size, .mapping_bytes = room + page};
    guarded.mapping = mmap(NULL, guarded.mapping_bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (guarded.mapping == MAP_FAILED ||
        mprotect((char *)guarded.mapping + room, page, PROT_NONE) < 0) {
        perror("guarded_copy");
        abort();
    }
    guarded.data = (char *)guarded.mapping + room - size;
    if (size > 0)
        memcpy(guarded.data, data, size);
    return guarded;
}

void guarded_free(struct guarded *guarded)
{
    munmap(guarded->mapping, guarded->mapping_bytes);
    *guarded = (struct guarded){0};
}
