/*
 * scan_neon.c - masks of 64 bytes in four NEON registers, what every aarch64 has
 *
 * Runs on  any thread.
 * Holds    See scan_body.h.
 */
#include "http/parse/scan.h"

#if defined(__aarch64__)

#include <arm_neon.h>

#define SCAN(name) name##_neon
#define SCAN_TARGET
#define SCAN_EXACT 1
#define SCAN_BLOCK 16

#define INLINE static inline __attribute__((always_inline))

static const uint8_t lane_bit[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};

INLINE uint8x16_t class_neon(uint8x16_t v)
{
    const struct weir__http_scan_table *table = &weir__http_scan_table;
    return vandq_u8(vqtbl1q_u8(vld1q_u8(table->rows), vandq_u8(v, vdupq_n_u8(0x0f))),
                    vqtbl1q_u8(vld1q_u8(table->columns), vshrq_n_u8(v, 4)));
}

INLINE uint8x16_t stop_neon(uint8x16_t class)
{
    return vcgeq_u8(class, vdupq_n_u8(0x40));
}

INLINE uint8x16_t delim_neon(uint8x16_t class)
{
    return vceqq_u8(vandq_u8(class, vdupq_n_u8(0x3f)), vdupq_n_u8(0));
}

INLINE uint8x16_t target_neon(uint8x16_t v)
{
    uint8x16_t end = vorrq_u8(vcleq_u8(v, vdupq_n_u8(0x20)), vcgeq_u8(v, vdupq_n_u8(0x7f)));
    return vorrq_u8(end, vorrq_u8(vceqq_u8(v, vdupq_n_u8('?')), vceqq_u8(v, vdupq_n_u8('#'))));
}

/* One bit for each lane of four registers: lanes keep their own bit, pairs are added up. */
INLINE uint64_t bits64_neon(uint8x16_t a, uint8x16_t b, uint8x16_t c, uint8x16_t d)
{
    uint8x16_t bit = vld1q_u8(lane_bit);
    uint8x16_t low = vpaddq_u8(vandq_u8(a, bit), vandq_u8(b, bit));
    uint8x16_t high = vpaddq_u8(vandq_u8(c, bit), vandq_u8(d, bit));
    uint8x16_t sum = vpaddq_u8(low, high);
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(sum, sum)), 0);
}

INLINE uint64_t bits16_neon(uint8x16_t a)
{
    uint8x16_t zero = vdupq_n_u8(0);
    return bits64_neon(a, zero, zero, zero);
}

INLINE struct masks block_small_neon(const char *p)
{
    uint8x16_t v = vld1q_u8((const uint8_t *)p);
    return (struct masks){bits16_neon(stop_neon(class_neon(v))),
                          bits16_neon(delim_neon(class_neon(v))), bits16_neon(target_neon(v))};
}

INLINE struct masks block64_neon(const char *p)
{
    const uint8_t *u = (const uint8_t *)p;
    uint8x16_t a = vld1q_u8(u), b = vld1q_u8(u + 16), c = vld1q_u8(u + 32), d = vld1q_u8(u + 48);
    uint8x16_t ca = class_neon(a), cb = class_neon(b), cc = class_neon(c), cd = class_neon(d);
    return (struct masks){
        bits64_neon(stop_neon(ca), stop_neon(cb), stop_neon(cc), stop_neon(cd)),
        bits64_neon(delim_neon(ca), delim_neon(cb), delim_neon(cc), delim_neon(cd)),
        bits64_neon(target_neon(a), target_neon(b), target_neon(c), target_neon(d))};
}

#include "http/parse/scan_body.h"

#endif
