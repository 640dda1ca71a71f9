/*
 * scan_sse2.c - masks of 64 bytes in four SSE2 registers, what every x86-64 has
 *
 * There is no byte shuffle in SSE2, so names are checked by table after their colon is found.
 *
 * Runs on  any thread.
 * Holds    See scan_body.h.
 */
#include "http/parse/scan.h"

#if defined(__x86_64__)

#include <emmintrin.h>

#define SCAN(name) name##_sse2
#define SCAN_TARGET
#define SCAN_EXACT 0
#define SCAN_BLOCK 16

#define INLINE static inline __attribute__((always_inline))

INLINE struct masks block_small_sse2(const char *p)
{
    __m128i v = _mm_loadu_si128((const void *)p);
    __m128i stop = _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v),
                                _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)));
    __m128i delim = _mm_or_si128(stop, _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(':')),
                                                    _mm_cmpeq_epi8(v, _mm_set1_epi8(' '))));
    __m128i end = _mm_or_si128(
        _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)),
        _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('?')), _mm_cmpeq_epi8(v, _mm_set1_epi8('#'))));
    __m128i good = _mm_cmpgt_epi8(v, _mm_set1_epi8(0x20)); /* signed: 0x21 to 0x7f */
    return (struct masks){(uint32_t)_mm_movemask_epi8(stop), (uint32_t)_mm_movemask_epi8(delim),
                          (uint32_t)((_mm_movemask_epi8(end) | ~_mm_movemask_epi8(good)) & 0xffff)};
}

INLINE struct masks block64_sse2(const char *p)
{
    struct masks masks = {0, 0, 0};
    for (unsigned i = 0; i < 64; i += 16) {
        struct masks block = block_small_sse2(p + i);
        masks.stop |= block.stop << i;
        masks.delim |= block.delim << i;
        masks.target |= block.target << i;
    }
    return masks;
}

#include "http/parse/scan_body.h"

#endif
