/*
 * scan_swar.c - masks of 64 bytes by plain 64-bit arithmetic, for any CPU
 *
 * Eight bytes at a time; every formula is exact for each byte, no carry crosses into a neighbour.
 *
 * Runs on  any thread.
 * Holds    See scan_body.h.
 */
#include "http/parse/scan.h"

#define SCAN(name) name##_swar
#define SCAN_TARGET
#define SCAN_EXACT 0
#define SCAN_BLOCK 8

#define INLINE static inline __attribute__((always_inline))

static const uint64_t ones = UINT64_C(0x0101010101010101);
static const uint64_t tops = UINT64_C(0x8080808080808080);

/* Each returns the top bit of every byte that is so, and no other bit. */
INLINE uint64_t is_below_swar(uint64_t v, unsigned limit) /* limit <= 0x80 */
{
    return ~((v & ~tops) + (0x80 - limit) * ones) & ~v & tops;
}

INLINE uint64_t is_equal_swar(uint64_t v, unsigned value)
{
    uint64_t difference = v ^ value * ones;
    return ~((difference & ~tops) + ~tops) & ~difference & tops;
}

/* Top bits to bit 0 to 7, first byte lowest. */
INLINE uint64_t gather_swar(uint64_t mask)
{
    return (mask >> 7) * UINT64_C(0x0102040810204080) >> 56;
}

INLINE struct masks block_small_swar(const char *p)
{
    uint64_t v = weir__http_load64(p);
    uint64_t stop = is_below_swar(v, 0x20) | is_equal_swar(v, 0x7f);
    uint64_t delim = stop | is_equal_swar(v, ':') | is_equal_swar(v, ' ');
    uint64_t target = is_below_swar(v, 0x21) | (v & tops) | is_equal_swar(v, 0x7f) |
                      is_equal_swar(v, '?') | is_equal_swar(v, '#');
    return (struct masks){gather_swar(stop), gather_swar(delim), gather_swar(target)};
}

INLINE struct masks block64_swar(const char *p)
{
    struct masks masks = {0, 0, 0};
    for (unsigned i = 0; i < 64; i += 8) {
        struct masks block = block_small_swar(p + i);
        masks.stop |= block.stop << i;
        masks.delim |= block.delim << i;
        masks.target |= block.target << i;
    }
    return masks;
}

#include "http/parse/scan_body.h"
