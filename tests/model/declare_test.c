/*
 * declare_test.c - what the compiler says to a wrong declaration
 *
 * A declaration is checked by the compiler that the tests were built with, or `cc`; where there is
 * none, the tests are skipped. Every message must name the member or the way out.
 */
#include <weir/model.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/test.h"

#ifndef WEIR_TEST_SOURCE_DIR
#define WEIR_TEST_SOURCE_DIR "."
#endif

static const char prologue[] =
    "#include <weir/model.h>\n"
    "typedef struct { int id; } address;\n"
    "WEIR_MODEL(address, WEIR_FIELD(id))\n"
    "typedef struct { int id; } other;\n"
    "WEIR_MODEL(other, WEIR_FIELD(id))\n"
    "typedef struct { int id; } bare;\n"
    "typedef struct {\n"
    "    char *item; char fixed[8]; char letter; int *pointer; address home; address *work;\n"
    "    WEIR_LIST(other) others; WEIR_LIST(char *) names; WEIR_OPT(int32_t) maybe; bare naked;\n"
    "    struct { size_t count; int *items; } reversed;\n"
    "} order;\n";

/* What the compiler says, all of it; "" when it is content. NULL: there is no compiler. */
static const char *compile(const char *declaration)
{
    static char output[100000];
    char path[] = "/tmp/weir-declare-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (file == NULL)
        return NULL;
    fprintf(file, "%s%s\n", prologue, declaration);
    fclose(file);

    char command[1000];
    const char *compiler =
#ifdef __clang__
        "clang";
#else
        "gcc";
#endif
    snprintf(
        command, sizeof command,
        "cc=%s; command -v $cc >/dev/null || cc=cc; command -v $cc >/dev/null || exit 9; LC_ALL=C "
        "$cc -std=gnu17 -Wall -Wextra -Werror -fsyntax-only -I%s/include -x c %s 2>&1",
        compiler, WEIR_TEST_SOURCE_DIR, path);
    FILE *pipe = popen(command, "r");
    size_t size = pipe == NULL ? 0 : fread(output, 1, sizeof output - 1, pipe);
    int status = pipe == NULL ? 9 << 8 : pclose(pipe);
    unlink(path);
    output[size] = '\0';
    if (status == 9 << 8)
        return NULL;
    EXPECT((status == 0) == (size == 0));
    return output;
}

static bool expect_said(const char *declaration, const char *expected)
{
    const char *said = compile(declaration);
    if (said == NULL) {
        test_skip("there is no compiler here");
        return false;
    }
    if (expected == NULL)
        EXPECT_STR("", said);
    else
        EXPECT_CONTAINS(expected, said);
    return true;
}

TEST(a_right_declaration_compiles_without_a_warning)
{
    expect_said(
        "WEIR_MODEL_WITH(order, (.strict = true, .doc = \"d\"),\n"
        "    WEIR_FIELD(item, .min_len = 1), WEIR_FIELD(names, .item_max_len = 3),\n"
        "    WEIR_FIELD(maybe, .min = 0, .max = 1), WEIR_NESTED(home, address, .doc = \"d\"),\n"
        "    WEIR_NESTED(work, address, .optional = true), WEIR_NESTED(others, other))",
        NULL);
    expect_said("WEIR_MODEL(order, WEIR_FIELD(item))", NULL);
}

TEST(a_wrong_declaration_is_refused_with_a_sentence)
{
    static const struct {
        const char *field;
        const char *said;
    } wrong[] = {
        {"WEIR_FIELD(itm)", "did you mean"},
        {"WEIR_FIELD(item, .minlen = 1)", "minlen"},
        {"WEIR_FIELD(item, .min = \"1\")", "incompatible type"},
        {"WEIR_FIELD(fixed)", "this type has no form in JSON"},
        {"WEIR_FIELD(letter)", "this type has no form in JSON"},
        {"WEIR_FIELD(pointer)", "this type has no form in JSON"},
        {"WEIR_FIELD(home)", "see WEIR_NESTED(member, type)"},
        {"WEIR_FIELD(work)", "this type has no form in JSON"},
        {"WEIR_FIELD(reversed)", "a list is declared with WEIR_LIST(type)"},
        {"WEIR_FIELD(others)", "other"},
        {"WEIR_NESTED(home, other)", "address"},
        {"WEIR_NESTED(work, other)", "WEIR_NESTED takes the struct"},
        {"WEIR_NESTED(others, address)", "other"},
        {"WEIR_NESTED(item, address)", "WEIR_NESTED takes the struct"},
        {"WEIR_NESTED(naked, bare)", "bare_weir_model"},
    };
    char declaration[200];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(declaration, sizeof declaration, "WEIR_MODEL(order, %s)", wrong[i].field);
        if (!expect_said(declaration, wrong[i].said))
            return;
    }
}
