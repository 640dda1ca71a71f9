/*
 * shed_test.c - when a queue stands, and who is refused then
 *
 * The clock is a number.
 */
#include "http/shed.h"

#include "tests/support/test.h"

#define AT(ms) ((ms)*WEIR_MS)

static struct weir__http_shed shed;

static void reset(void)
{
    shed = (struct weir__http_shed){.delay_max_ns = 500 * WEIR_MS, .sustain_ns = WEIR_SEC};
}

/* One request in each 100 ms from `from_ms` on, each of which waited for `delay_ms`. */
static void run(int64_t from_ms, int64_t to_ms, int64_t delay_ms)
{
    for (int64_t at_ms = from_ms; at_ms <= to_ms; at_ms += 100)
        weir__http_shed_note(&shed, AT(at_ms - delay_ms), AT(at_ms));
}

static bool refuses_any(void)
{
    return weir__http_shed_refuses(&shed, WEIR_PRIORITY_LOW) ||
           weir__http_shed_refuses(&shed, WEIR_PRIORITY_NORMAL) ||
           weir__http_shed_refuses(&shed, WEIR_PRIORITY_HIGH);
}

TEST(nobody_is_refused_before_delays_were_too_long_for_a_second)
{
    reset();
    run(10000, 10900, 600);
    EXPECT(!refuses_any());
    run(11000, 11000, 600);
    EXPECT(refuses_any());
}

TEST(one_short_delay_ends_the_second)
{
    reset();
    run(10000, 10800, 600);
    run(10900, 10900, 499);
    run(11000, 11900, 600);
    EXPECT(!refuses_any());
    run(12000, 12000, 600);
    EXPECT(refuses_any());
}

/* Nobody came in between: there may have been no queue. */
TEST(two_long_delays_far_apart_are_no_standing_queue)
{
    reset();
    run(10000, 10000, 600);
    run(20000, 20000, 600);
    EXPECT(!refuses_any());
    run(20100, 20900, 600);
    EXPECT(!refuses_any());
    run(21000, 21000, 600);
    EXPECT(refuses_any());
}

TEST(low_priority_goes_first_and_high_priority_last)
{
    reset();
    run(10000, 11000, 500);
    EXPECT(weir__http_shed_refuses(&shed, WEIR_PRIORITY_LOW));
    EXPECT(weir__http_shed_refuses(&shed, WEIR_PRIORITY_NORMAL));
    EXPECT(weir__http_shed_refuses(&shed, WEIR_PRIORITY_HIGH));
    run(11100, 11100, 499);
    EXPECT(weir__http_shed_refuses(&shed, WEIR_PRIORITY_LOW));
    EXPECT(weir__http_shed_refuses(&shed, WEIR_PRIORITY_NORMAL));
    EXPECT(!weir__http_shed_refuses(&shed, WEIR_PRIORITY_HIGH));
    run(11200, 11200, 250);
    EXPECT(weir__http_shed_refuses(&shed, WEIR_PRIORITY_NORMAL));
}

TEST(overload_ends_when_the_delay_is_halved)
{
    reset();
    run(10000, 11000, 600);
    run(11100, 11100, 249);
    EXPECT(!refuses_any());
    run(11200, 12100, 600); /* and begins anew only after another second */
    EXPECT(!refuses_any());
    run(12200, 12200, 600);
    EXPECT(refuses_any());
}
