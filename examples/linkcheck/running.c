/*
 * running.c - the checks that run now
 *
 * Workers are threads, so this little list has a lock. It is held for a few instructions and never
 * over a checkpoint: a task that parked with it would stop every other worker.
 */
#include <pthread.h>
#include <stdlib.h>

#include "linkcheck.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct running *first;

struct running *running_add(int64_t id)
{
    struct running *running = calloc(1, sizeof *running);
    if (running == NULL)
        return NULL;
    if (weir_shared_event_new(&running->changed) < 0) {
        free(running);
        return NULL;
    }
    running->id = id;
    running->refs = 1;
    pthread_mutex_lock(&lock);
    running->next = first;
    first = running;
    pthread_mutex_unlock(&lock);
    return running;
}

struct running *running_find(int64_t id)
{
    pthread_mutex_lock(&lock);
    struct running *running = first;
    while (running != NULL && running->id != id)
        running = running->next;
    if (running != NULL)
        running->refs++;
    pthread_mutex_unlock(&lock);
    return running;
}

void running_release(struct running *running)
{
    if (running == NULL)
        return;
    pthread_mutex_lock(&lock);
    bool last = --running->refs == 0;
    pthread_mutex_unlock(&lock);
    if (!last)
        return;
    weir_shared_event_release(running->changed);
    weir_token_release(running->token);
    free(running);
}

void running_remove(struct running *running)
{
    pthread_mutex_lock(&lock);
    struct running **at = &first;
    while (*at != NULL && *at != running)
        at = &(*at)->next;
    if (*at != NULL)
        *at = running->next;
    pthread_mutex_unlock(&lock);
    weir_shared_event_post(running->changed);
}

void running_set_token(struct running *running, weir_token *token)
{
    pthread_mutex_lock(&lock);
    running->token = token;
    bool cancelled = running->cancelled;
    pthread_mutex_unlock(&lock);
    if (cancelled)
        weir_ignore(weir_token_cancel(token, "deleted before it began"), "it is this task's own");
}

bool running_cancel(struct running *running)
{
    pthread_mutex_lock(&lock);
    running->cancelled = true;
    weir_token *token = running->token == NULL ? NULL : weir_token_retain(running->token);
    pthread_mutex_unlock(&lock);
    if (token == NULL)
        return true; /* it has not begun: running_set_token() will see it */
    int rc = weir_token_cancel(token, "deleted by a client");
    weir_token_release(token);
    return rc == 0;
}

bool running_was_cancelled(struct running *running)
{
    pthread_mutex_lock(&lock);
    bool cancelled = running->cancelled;
    pthread_mutex_unlock(&lock);
    return cancelled;
}

void running_wake_all(void)
{
    pthread_mutex_lock(&lock);
    for (struct running *running = first; running != NULL; running = running->next)
        weir_shared_event_post(running->changed);
    pthread_mutex_unlock(&lock);
}
