#!/bin/sh
# A result that is ignored is a warning without any option, and an error with
# -Werror=unused-result: examples/pitfalls/never_awaited.c, compiled with -DWRONG, shows two.
# (Rule O11, case 268.)
# usage: ignored.sh <compiler> <root of the project>
compiler=$1
root=$2
source=$root/examples/pitfalls/never_awaited.c
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

check() { # check <what> <command...>
    what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "ok $what"
    else
        failed=$((failed + 1))
        echo "FAIL $what"
        sed 's/^/    /' "$work/log"
    fi
}
compiles() {
    "$compiler" -std=gnu17 -O1 -I "$root/include" "$@" -c "$source" -o "$work/out.o" 2>"$work/log"
}
refuses() { ! compiles "$@"; }
says_at() { # says_at <call>: the compiler names the line of the call
    line=$(grep -n "$1" "$source" | sed -n 's/^\([0-9]*\):    '"$1"'.*/\1/p')
    grep -q "never_awaited.c:$line:.*ignoring return value" "$work/log"
}

check "right, it compiles without a warning" compiles -Wall -Wextra -Werror
check "wrong, it compiles without any option" compiles -DWRONG
check "with a warning at the sleep" says_at weir_sleep
check "and at the close" says_at weir_group_close
check "with -Werror=unused-result it does not compile" refuses -DWRONG -Werror=unused-result
check "because of the sleep" says_at weir_sleep
check "and of the close" says_at weir_group_close
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
