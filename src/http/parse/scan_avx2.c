/*
 * scan_avx2.c - masks of 64 bytes in two AVX2 registers
 *
 * Compiled for every x86-64, called only where the CPU has AVX2 (head.c asks).
 *
 * Runs on  any thread.
 * Holds    See scan_body.h.
 */
#include "http/parse/scan.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define SCAN(name) name##_avx2
#define SCAN_TARGET __attribute__((target("avx2,bmi,bmi2")))
#define SCAN_EXACT 1
#define SCAN_BLOCK 16
#define SCAN_HAS_BLOCK32 1
#define SCAN_HAS_HOST 1

#define INLINE SCAN_TARGET static inline __attribute__((always_inline))

#define TABLE32(name) _mm256_load_si256((const void *)weir__http_scan_table.name)
#define TABLE16(name) _mm_load_si128((const void *)weir__http_scan_table.name)

INLINE __m256i classes32_avx2(__m256i v, __m256i rows)
{
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(v, 4), TABLE32(low_half));
    return _mm256_and_si256(_mm256_shuffle_epi8(rows, v),
                            _mm256_shuffle_epi8(TABLE32(columns), high));
}

INLINE struct masks block32_avx2(const char *p)
{
    __m256i v = _mm256_loadu_si256((const void *)p);
    __m256i class = classes32_avx2(v, TABLE32(rows));
    /* As signed numbers: a token character and DEL are above 0, a visible one is above ' '. */
    __m256i token = _mm256_cmpgt_epi8(class, _mm256_setzero_si256());
    __m256i visible = _mm256_cmpgt_epi8(v, TABLE32(blank));
    __m256i mark = _mm256_or_si256(_mm256_cmpeq_epi8(v, TABLE32(question)),
                                   _mm256_cmpeq_epi8(v, TABLE32(hash)));
    /* Twice the class moves the bit of DEL to the top. */
    uint32_t stop =
        (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(class, _mm256_add_epi8(class, class)));
    return (struct masks){stop, stop | ~(uint32_t)_mm256_movemask_epi8(token),
                          stop | ~(uint32_t)_mm256_movemask_epi8(visible) |
                              (uint32_t)_mm256_movemask_epi8(mark)};
}

INLINE struct masks block_small_avx2(const char *p)
{
    __m128i v = _mm_loadu_si128((const void *)p);
    __m128i high = _mm_and_si128(_mm_srli_epi16(v, 4), TABLE16(low_half));
    __m128i class =
        _mm_and_si128(_mm_shuffle_epi8(TABLE16(rows), v), _mm_shuffle_epi8(TABLE16(columns), high));
    __m128i token = _mm_cmpgt_epi8(class, _mm_setzero_si128());
    __m128i visible = _mm_cmpgt_epi8(v, TABLE16(blank));
    __m128i mark =
        _mm_or_si128(_mm_cmpeq_epi8(v, TABLE16(question)), _mm_cmpeq_epi8(v, TABLE16(hash)));
    uint32_t stop = (uint32_t)_mm_movemask_epi8(_mm_or_si128(class, _mm_add_epi8(class, class)));
    return (struct masks){stop, stop | (~(uint32_t)_mm_movemask_epi8(token) & 0xffff),
                          stop | (~(uint32_t)_mm_movemask_epi8(visible) & 0xffff) |
                              (uint32_t)_mm_movemask_epi8(mark)};
}

INLINE uint64_t host_end32_avx2(const char *p)
{
    __m256i v = _mm256_loadu_si256((const void *)p);
    __m256i class = classes32_avx2(v, TABLE32(host_rows));
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(class, _mm256_setzero_si256()));
}

INLINE struct masks block64_avx2(const char *p)
{
    struct masks low = block32_avx2(p), high = block32_avx2(p + 32);
    return (struct masks){low.stop | high.stop << 32, low.delim | high.delim << 32,
                          low.target | high.target << 32};
}

#include "http/parse/scan_body.h"

#endif
