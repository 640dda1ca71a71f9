/*
 * interface_test.c - the addresses of this machine
 */
#include <net/if.h>
#include <string.h>
#include <weir/interface.h>

#include "base/fault.h"
#include "tests/support/fault_loop.h"
#include "tests/support/test.h"

enum { ROOM = 64 };

TEST(the_loopback_interface_is_listed_with_its_address_and_network)
{
    static weir_interface list[ROOM];
    size_t count = 0, found = 0;
    REQUIRE_RC(0, weir_interfaces(list, ROOM, &count));
    EXPECT(count > 0);
    for (size_t i = 0; i < count && i < ROOM; i++) {
        char text[WEIR_ADDRESS_TEXT_BYTES];
        weir_address_format(&list[i].address, text);
        EXPECT(list[i].name[0] != '\0');
        EXPECT_EQ(if_nametoindex(list[i].name), list[i].index);
        if (strcmp(text, "127.0.0.1:0") != 0)
            continue;
        found++;
        EXPECT_EQ(8, list[i].prefix_bits);
        EXPECT(list[i].loopback && list[i].up && !list[i].point_to_point);
    }
    EXPECT_EQ(1, found);
}

TEST(what_does_not_fit_is_counted)
{
    size_t all = 0, count = 0;
    weir_interface one, none = {.index = 77};
    EXPECT_RC(0, weir_interfaces(NULL, 0, &all));
    EXPECT(all > 0);
    EXPECT_RC(0, weir_interfaces(&one, 1, &count));
    EXPECT_EQ(all, count);
    EXPECT(one.index != 0);
    weir__base_fault_arm(WEIR__FAULT_SYSCALL, 1, -EMFILE, false);
    EXPECT_RC(-EMFILE, weir_interfaces(&none, 1, &count));
    weir__base_fault_disarm();
    EXPECT_EQ(77, none.index);
}
