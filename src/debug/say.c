/*
 * say.c - from the place of a finding to the log
 *
 * Runs on  any thread up to the queue; the reporting thread (watchdog.c) from there.
 * Holds    texts reach the log in the order they were said.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/thread.h"
#include "debug/debug.h"

struct saying {
    struct saying *next;
    size_t size;
    char text[];
};

static struct {
    struct weir__mutex lock;
    struct saying *first, *last;
    int under_way; /* taken from the queue, not in the log yet */
    void (*wake)(void);
    uint64_t count;
    bool names_wanted; /* atomic */
} said = {.lock = {PTHREAD_MUTEX_INITIALIZER}};

uint64_t weir__debug_finding_count(void)
{
    return __atomic_load_n(&said.count, __ATOMIC_RELAXED);
}

static void say_now(const char *text, size_t size, bool with_names)
{
    struct weir__buffer resolved;
    weir__buffer_init(&resolved);
    weir__debug_resolve(&resolved, text, size, with_names);
    if (resolved.size > 0)
        weir__log_raw(resolved.data, resolved.size);
    weir__buffer_deinit(&resolved);
}

void weir__debug_say(struct weir__buffer *text)
{
    __atomic_fetch_add(&said.count, 1, __ATOMIC_RELAXED);
    if (text->size == 0)
        return;
    struct saying *saying = weir__base_alloc(sizeof *saying + text->size);
    if (saying == NULL) {
        say_now(text->data, text->size, false); /* ahead of others: better than not at all */
        return;
    }
    saying->next = NULL;
    saying->size = text->size;
    memcpy(saying->text, text->data, text->size);

    weir__base_mutex_lock(&said.lock);
    if (said.wake == NULL) {
        weir__base_mutex_unlock(&said.lock);
        say_now(saying->text, saying->size, false);
        weir__base_free(saying);
        return;
    }
    if (said.last == NULL)
        said.first = saying;
    else
        said.last->next = saying;
    said.last = saying;
    void (*wake)(void) = said.wake;
    weir__base_mutex_unlock(&said.lock);
    wake();
}

void weir__debug_names_soon(void)
{
    __atomic_store_n(&said.names_wanted, true, __ATOMIC_RELAXED);
    weir__base_mutex_lock(&said.lock);
    void (*wake)(void) = said.wake;
    weir__base_mutex_unlock(&said.lock);
    if (wake != NULL)
        wake();
}

bool weir__debug_say_next(void)
{
    if (__atomic_exchange_n(&said.names_wanted, false, __ATOMIC_RELAXED))
        weir__debug_symbols_open();
    weir__base_mutex_lock(&said.lock);
    struct saying *saying = said.first;
    if (saying != NULL) {
        said.first = saying->next;
        if (said.first == NULL)
            said.last = NULL;
        said.under_way++;
    }
    weir__base_mutex_unlock(&said.lock);
    if (saying == NULL)
        return false;
    say_now(saying->text, saying->size, true);
    weir__base_free(saying);
    weir__base_mutex_lock(&said.lock);
    said.under_way--;
    weir__base_mutex_unlock(&said.lock);
    return true;
}

void weir__debug_say_flush(void)
{
    for (;;) {
        weir__base_mutex_lock(&said.lock);
        bool quiet = said.first == NULL && said.under_way == 0;
        void (*wake)(void) = said.wake;
        weir__base_mutex_unlock(&said.lock);
        if (quiet || wake == NULL)
            return;
        wake();
        weir__base_thread_pause();
    }
}

void weir__debug_say_begin(void (*wake)(void))
{
    weir__base_mutex_lock(&said.lock);
    said.wake = wake;
    weir__base_mutex_unlock(&said.lock);
}

/* The thread has gone: what it left is said here, on a thread's own stack. */
void weir__debug_say_end(void)
{
    weir__base_mutex_lock(&said.lock);
    said.wake = NULL;
    weir__base_mutex_unlock(&said.lock);
    while (weir__debug_say_next()) {
    }
}
