/*
 * code_test.c - every code has a name and a sentence
 */
#include <limits.h>
#include <string.h>
#include <weir/base.h>

#include "tests/support/test.h"

TEST(codes_have_the_names_of_errno)
{
    EXPECT_STR("EIO", weir_code_name(-EIO));
    EXPECT_STR("ECANCELED", weir_code_name(-ECANCELED));
    EXPECT_STR("EAGAIN", weir_code_name(-EWOULDBLOCK));
    EXPECT_STR("OK", weir_code_name(0));
    EXPECT_STR("OK", weir_code_name(17)); // a count
    EXPECT_STR("CAUGHT", weir_code_name(WEIR_CAUGHT));
    EXPECT_STR("EUNKNOWN", weir_code_name(-9999));
    EXPECT_STR("EUNKNOWN", weir_code_name(INT32_MIN));
}

TEST(names_agree_with_those_of_the_c_library)
{
    for (int code = 1; code < 200; code++) {
        const char *name = weir_code_name(-code);
        if (strcmp(name, "EUNKNOWN") == 0)
            continue;
        EXPECT_STR(strerrorname_np(code), name);
    }
}

TEST(a_sentence_begins_with_the_name)
{
    for (int code = -200; code <= 1; code++) {
        const char *name = weir_code_name(code);
        const char *text = weir_code_text(code);
        EXPECT(strncmp(text, name, strlen(name)) == 0);
        EXPECT(code == 0 || strncmp(text + strlen(name), ": ", 2) == 0);
    }
    EXPECT_STR("EIO: input/output error", weir_code_text(-EIO));
}

TEST(codes_with_a_meaning_of_weirs_own_say_that_meaning)
{
    EXPECT_CONTAINS("scope", weir_code_text(-ECANCELED)); // semantics: reserved codes
    EXPECT_CONTAINS("scope", weir_code_text(-ETIME));
    EXPECT_CONTAINS("network", weir_code_text(-ETIMEDOUT));
    EXPECT_CONTAINS("no new work", weir_code_text(-ESHUTDOWN));
    EXPECT_CONTAINS("handle", weir_code_text(-ESTALE));
}

TEST(codes_of_the_network_and_of_time_are_told_from_others) /* F5 */
{
    EXPECT(weir_code_is_network(-ECONNRESET) && weir_code_is_network(-EHOSTUNREACH));
    EXPECT(weir_code_is_network(-ETIMEDOUT) && weir_code_is_timeout(-ETIMEDOUT));
    EXPECT(weir_code_is_timeout(-ETIME) && !weir_code_is_network(-ETIME)); // our own deadline
    EXPECT(!weir_code_is_network(-ECANCELED) && !weir_code_is_timeout(-ECANCELED));
    EXPECT(!weir_code_is_network(ECONNRESET) && !weir_code_is_timeout(ETIME));
    EXPECT(!weir_code_is_network(0) && !weir_code_is_network(INT_MIN));
}
