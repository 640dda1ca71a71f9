/*
 * tsan.h - what ThreadSanitizer has to be told, since it cannot see it
 *
 * A library that maps and unmaps memory by system calls of its own hides from it that one thread's
 * memory has gone before another thread's begins at the same address.
 */
#ifndef WEIR__BASE_TSAN_H
#define WEIR__BASE_TSAN_H

#if defined(__SANITIZE_THREAD__)
#define WEIR__TSAN_TOLD 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEIR__TSAN_TOLD 1
#endif
#endif

#ifdef WEIR__TSAN_TOLD
#include <sanitizer/tsan_interface.h>
#endif

/* What was done before `gone` in one thread comes before what follows `begins` in another. */
static inline void weir__tsan_gone(void *place)
{
#ifdef WEIR__TSAN_TOLD
    __tsan_release(place);
#else
    (void)place;
#endif
}
static inline void weir__tsan_begins(void *place)
{
#ifdef WEIR__TSAN_TOLD
    __tsan_acquire(place);
#else
    (void)place;
#endif
}

#endif
