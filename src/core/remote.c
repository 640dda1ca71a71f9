/*
 * remote.c - mail from other threads: posts, tokens, and the loop's references
 *
 * A post is pushed onto a lock-free stack; the loop takes the whole stack once a turn and runs it
 * oldest first, a bounded number a turn so that posts cannot starve tasks (X4). A sender wakes the
 * loop only if it says it is asleep: a push to a busy loop costs one exchange, a wake 1000 times
 * that.
 *
 * Runs on  any thread up to the push; the loop's own after it.
 * Holds    1. A post that was taken is run exactly once, also when the loop ends meanwhile.
 *          2. After the inbox is closed nobody touches the backend: close waits for senders under
 *             way.
 */

#include "base/alloc.h"
#include "base/thread.h"
#include "core/core.h"

enum { POSTS_A_TURN = 256 };

static struct weir__post closed_mark;
#define INBOX_CLOSED (&closed_mark)

int weir__core_post(weir_loop *loop, struct weir__post *post)
{
    __atomic_fetch_add(&loop->senders, 1, __ATOMIC_SEQ_CST);
    struct weir__post *head = __atomic_load_n(&loop->inbox, __ATOMIC_RELAXED);
    do {
        if (head == INBOX_CLOSED) {
            __atomic_fetch_sub(&loop->senders, 1, __ATOMIC_SEQ_CST);
            return -ESHUTDOWN;
        }
        post->next = head;
    } while (!__atomic_compare_exchange_n(&loop->inbox, &head, post, true, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
    if (__atomic_load_n(&loop->asleep, __ATOMIC_SEQ_CST))
        weir__backend_wake(loop->backend);
    __atomic_fetch_sub(&loop->senders, 1, __ATOMIC_SEQ_CST);
    return 0;
}

bool weir__core_has_ended(const weir_loop *loop)
{
    return __atomic_load_n(&loop->inbox, __ATOMIC_SEQ_CST) == INBOX_CLOSED;
}

/* Takes everything that was pushed, oldest first, behind what an earlier turn left; NULL or the
 * mark of a closed inbox stays in its place. */
static void collect(weir_loop *loop, struct weir__post *left_behind)
{
    struct weir__post *newest = __atomic_exchange_n(&loop->inbox, left_behind, __ATOMIC_SEQ_CST);
    struct weir__post *oldest = NULL;
    while (newest != NULL) {
        struct weir__post *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    struct weir__post **end = &loop->inbox_rest;
    while (*end != NULL)
        end = &(*end)->next;
    *end = oldest;
}

static bool run_one(weir_loop *loop)
{
    struct weir__post *post = loop->inbox_rest;
    if (post == NULL)
        return false;
    loop->inbox_rest = post->next;
    post->run(post);
    return true;
}

void weir__remote_drain(weir_loop *loop)
{
    if (loop->inbox_rest == NULL && __atomic_load_n(&loop->inbox, __ATOMIC_RELAXED) != NULL)
        collect(loop, NULL);
    for (int i = 0; i < POSTS_A_TURN && run_one(loop); i++) {
    }
}

void weir__remote_close(weir_loop *loop)
{
    collect(loop, INBOX_CLOSED); /* first: who posts without a pause would keep us here for ever */
    while (run_one(loop)) {
    }
    while (__atomic_load_n(&loop->senders, __ATOMIC_SEQ_CST) > 0)
        weir__base_thread_pause();
}

/* --- references ------------------------------------------------------------------------------- */

weir_loop *weir_loop_retain_self(void)
{
    weir_loop *loop = weir__loop;
    if (loop != NULL)
        __atomic_fetch_add(&loop->refs, 1, __ATOMIC_RELAXED);
    return loop;
}

void weir_loop_release(weir_loop *loop)
{
    if (loop != NULL && __atomic_sub_fetch(&loop->refs, 1, __ATOMIC_ACQ_REL) == 0)
        weir__base_free(loop);
}

struct function_post {
    struct weir__post post;
    weir_post_fn *fn;
    void *arg;
};

static void run_function(struct weir__post *post)
{
    struct function_post copy = *WEIR__CONTAINER(post, struct function_post, post);
    weir__base_free(WEIR__CONTAINER(post, struct function_post, post));
    copy.fn(copy.arg);
}

int weir_remote_post(weir_loop *loop, weir_post_fn *fn, void *arg)
{
    struct function_post *call = weir__base_alloc(sizeof *call);
    if (call == NULL)
        return -ENOMEM;
    *call = (struct function_post){.post.run = run_function, .fn = fn, .arg = arg};
    int rc = weir__core_post(loop, &call->post);
    if (rc < 0)
        weir__base_free(call);
    return rc;
}

/* --- tokens ----------------------------------------------------------------------------------- */

struct weir_token {
    int refs;          /* atomic */
    weir_loop *loop;   /* referenced */
    weir_scope *scope; /* loop's thread only; NULL once the scope has ended */
    int ended;         /* atomic: the same fact, for other threads */
};

struct cancel_post {
    struct weir__post post;
    weir_token *token;
    const char *reason;
};

int weir_token_open(weir_token **out_token)
{
    weir_task *task = weir__core_task();
    if (task == NULL)
        return -EPERM;
    weir_scope *scope = task->active;
    weir_token *token = scope->weir__token;
    if (token == NULL) {
        token = weir__base_alloc_zero(sizeof *token);
        if (token == NULL)
            return -ENOMEM;
        token->refs = 1; /* the scope's */
        token->loop = weir_loop_retain_self();
        token->scope = scope;
        scope->weir__token = token;
    }
    *out_token = weir_token_retain(token);
    return 0;
}

weir_token *weir_token_retain(weir_token *token)
{
    __atomic_fetch_add(&token->refs, 1, __ATOMIC_RELAXED);
    return token;
}

void weir_token_release(weir_token *token)
{
    if (token == NULL || __atomic_sub_fetch(&token->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    weir_loop_release(token->loop);
    weir__base_free(token);
}

void weir__token_detach_now(weir_scope *scope)
{
    weir_token *token = scope->weir__token;
    scope->weir__token = NULL;
    token->scope = NULL;
    __atomic_store_n(&token->ended, 1, __ATOMIC_RELEASE);
    weir_token_release(token);
}

static void run_cancel(struct weir__post *post)
{
    struct cancel_post *cancel = WEIR__CONTAINER(post, struct cancel_post, post);
    weir_token *token = cancel->token;
    if (token->scope != NULL)
        weir__scope_cancel_level(token->loop, token->scope, WEIR__LEVEL_CANCEL, WEIR_CANCEL_REMOTE,
                                 cancel->reason, NULL);
    weir__base_free(cancel);
    weir_token_release(token);
}

int weir_token_cancel(weir_token *token, const char *reason)
{
    if (__atomic_load_n(&token->ended, __ATOMIC_ACQUIRE))
        return -ESTALE;
    struct cancel_post *cancel = weir__base_alloc(sizeof *cancel);
    if (cancel == NULL)
        return -ENOMEM;
    *cancel = (struct cancel_post){
        .post.run = run_cancel, .token = weir_token_retain(token), .reason = reason};
    int rc = weir__core_post(token->loop, &cancel->post);
    if (rc < 0) {
        weir_token_release(token);
        weir__base_free(cancel);
    }
    return rc;
}
