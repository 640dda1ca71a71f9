/*
 * fuzz.h - what the fuzz targets share: a property that must hold, and a main without libFuzzer
 *
 * With libFuzzer:       clang -fsanitize=fuzzer,address,undefined -DWEIR_LIBFUZZER ...
 * Without, as a replay: <target> FILE...  (or bytes on standard input)
 *
 * A target includes this once, after it has defined check(): the input is handed to it in memory of
 * exactly its size, so that a sanitizer sees the first byte read beyond it.
 */
#ifndef WEIR_FUZZ_FUZZ_H
#define WEIR_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOLDS(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static void check(const char *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size == 0 ? 1 : size);
    HOLDS(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    check(copy, size);
    free(copy);
    return 0;
}

#ifndef WEIR_LIBFUZZER
static void replay(FILE *file)
{
    enum { BYTES_MAX = 1 << 20 };
    uint8_t *data = malloc(BYTES_MAX);
    HOLDS(data != NULL);
    size_t size = fread(data, 1, BYTES_MAX, file);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        replay(stdin);
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (file == NULL) {
            perror(argv[i]);
            return 1;
        }
        replay(file);
        fclose(file);
    }
    printf("%d files replayed\n", argc < 2 ? 1 : argc - 1);
    return 0;
}
#endif

#endif
