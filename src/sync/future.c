/*
 * future.c - a value, or a failure, that comes once
 *
 * Runs on  the loop that the future belongs to.
 * Holds    1. Nobody waits once there is something to hear.
 *          2. A value is held while the state is VALUE; it is taken or destroyed once (I5).
 *          3. Nobody touches the future after being woken: it may be gone by then.
 */
#include "sync/future.h"

#include "core/handle.h"

enum { STATE_EMPTY, STATE_VALUE, STATE_FAILED };

static const char stranger[] = "a future of another loop was used; nothing was changed";

static void tell(const void *object, struct weir__wait_facts *out)
{
    const struct weir__arm *arm = object;
    const weir_future *future = arm->object;
    out->relation = "made by";
    out->task = future->weir__made_by;
}

void weir_future_init(weir_future *future, void (*destroy)(void *value))
{
    *future = (weir_future){.weir__destroy = destroy, .weir__made_by = weir_task_self()};
}

int weir__future_get(const weir_future *future, void **out_value)
{
    if (future->weir__state == STATE_FAILED)
        return future->weir__rc;
    if (out_value != NULL)
        *out_value = future->weir__value;
    return 0;
}

static void settle(weir_future *future, unsigned char state, void *value, int rc)
{
    future->weir__state = state;
    future->weir__value = value;
    future->weir__rc = rc;
    struct weir__list *waiters = weir__sync_waiters(&future->weir__waiting);
    for (struct weir__arm *arm; (arm = weir__sync_take_first(waiters)) != NULL;)
        weir__sync_grant(arm, weir__future_get(future, arm->item));
}

void weir_future_deinit(weir_future *future)
{
    if (future == NULL)
        return;
    if (!weir__sync_at_home(&future->weir__home)) {
        weir_ignore(weir__sync_stranger(stranger, __builtin_return_address(0)),
                    "it is reported; there is nobody to return it to");
        return;
    }
    void *value = future->weir__value;
    bool held = future->weir__state == STATE_VALUE;
    settle(future, STATE_FAILED, NULL, -EPIPE);
    if (held)
        weir__result_destroy(weir__core_loop(), value, future->weir__destroy);
}

int weir_future_set(weir_future *future, void *value)
{
    if (!weir__sync_at_home(&future->weir__home))
        return weir__sync_stranger(stranger, __builtin_return_address(0));
    if (future->weir__state != STATE_EMPTY)
        return -EALREADY;
    settle(future, STATE_VALUE, value, 0);
    return 0;
}

int weir_future_fail(weir_future *future, int code)
{
    if (!weir__sync_at_home(&future->weir__home))
        return weir__sync_stranger(stranger, __builtin_return_address(0));
    if (code >= 0)
        return -EINVAL;
    if (future->weir__state != STATE_EMPTY)
        return -EALREADY;
    settle(future, STATE_FAILED, NULL, code == -ECANCELED ? -ECHILD : code);
    return 0;
}

int weir_future_wait(weir_future *future, void **out_value)
{
    int rc = weir__core_checkpoint();
    if (rc < 0)
        return rc;
    if (!weir__sync_at_home(&future->weir__home))
        return weir__sync_stranger(stranger, __builtin_return_address(0));
    if (future->weir__state != STATE_EMPTY) {
        rc = weir__future_get(future, out_value);
        weir__core_completed_at_once();
        return rc;
    }
    weir__core_tell_waits(WEIR_WAIT_FUTURE, tell);
    return weir__sync_wait(weir__sync_waiters(&future->weir__waiting), WEIR_WAIT_FUTURE, future,
                           (void *)out_value);
}

int weir_future_take(weir_future *future, void **out_value)
{
    if (!weir__sync_at_home(&future->weir__home))
        return weir__sync_stranger(stranger, __builtin_return_address(0));
    if (future->weir__state == STATE_EMPTY)
        return -EAGAIN;
    int rc = weir__future_get(future, out_value);
    if (rc == 0) { // for everybody who comes later it has been taken
        future->weir__state = STATE_FAILED;
        future->weir__value = NULL;
        future->weir__rc = -ESTALE;
    }
    return rc;
}

bool weir_future_is_set(const weir_future *future)
{
    return future->weir__state != STATE_EMPTY;
}
