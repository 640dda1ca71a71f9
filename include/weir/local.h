/*
 * weir/local.h - values that go with a task and with all it starts
 *
 *     static weir_local request_id = WEIR_LOCAL_INIT(NULL);
 *
 *     rc = weir_local_set(&request_id, id);            // here, and in what is spawned from here on
 *     const char *id = weir_local_get(&request_id);    // anywhere below
 *
 * A task inherits what its spawner sees at that moment. What either of them sets afterwards, the
 * other does not see. Tasks without locals pay nothing for them.
 */
#ifndef WEIR_LOCAL_H
#define WEIR_LOCAL_H

#include <weir/base.h>
#include <weir/task.h>

/** The key of a value; a static variable, made with WEIR_LOCAL_INIT(). */
typedef struct weir_local {
    weir_destroy_fn *weir__destroy;
} weir_local;

/**
 * Initializer of a key. `destroy` is called with each value, not NULL, when the last task that sees
 * it has ended or set another: on a loop, or on an executor's thread whose job was abandoned. It
 * must not park. NULL: values need none.
 */
#define WEIR_LOCAL_INIT(destroy)                                                                   \
    {                                                                                              \
        destroy                                                                                    \
    }

WEIR_BEGIN_DECLS

/**
 * Set a value for the calling task, and for what it spawns and offloads from here on.
 *
 * @param local  the key; static
 * @param value  taken when this returns 0; NULL hides what was inherited
 *
 * Returns     0 or a negative errno
 * Errors      -ENOMEM  no memory; all is as before
 *             -EPERM   called outside a task
 * Checkpoint  no
 * Thread      a loop's, in a task
 * Source      rule R5
 */
WEIR_API WEIR_MUST_CHECK int weir_local_set(const weir_local *local, void *value);

/**
 * The value that the calling task sees, or the job: a job sees what its caller saw.
 *
 * @param local  the key
 *
 * Returns     the value, valid as long as the task sees it; NULL when there is none
 * Checkpoint  no
 * Thread      any; NULL outside tasks and jobs
 * Source      rule R5
 */
WEIR_API void *weir_local_get(const weir_local *local);

WEIR_END_DECLS

#endif
