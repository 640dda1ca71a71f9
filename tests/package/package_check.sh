#!/bin/sh
# Installs weir into a folder of its own and builds a program on it, with find_package and with
# pkg-config.
# usage: package_check.sh <cmake> <build directory> <this directory> <compiler> <components>
cmake=$1
build=$2
here=$3
compiler=$4
components=$5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
passed=0

check() { # check <what> <command...>
    what=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        passed=$((passed + 1))
        echo "ok $what"
    else
        failed=$((failed + 1))
        echo "FAIL $what"
        sed 's/^/    /' "$work/log"
    fi
}
says_two() { [ "$("$1")" = "2 tasks" ]; }
configure() {
    "$cmake" -G Ninja -S "$here/consumer" -B "$work/$1" -DCMAKE_C_COMPILER="$compiler" \
        -DCMAKE_PREFIX_PATH="$work/prefix" "-DCOMPONENTS=$2"
}
refuses() { ! configure "$@"; }
compile() {
    # shellcheck disable=SC2046
    "$compiler" -std=c17 "$here/consumer/consumer.c" -o "$work/plain" \
        $(pkg-config --cflags --libs "$@")
}
bound_at_start() { readelf -d "$work/plain" | grep -q 'FLAGS.*NOW'; }

check "it installs" "$cmake" --install "$build" --prefix "$work/prefix"
check "find_package finds the components: $components" \
    configure cmake "$(echo "$components" | tr ' ' ';')"
check "a program builds on them" "$cmake" --build "$work/cmake"
check "it runs" says_two "$work/cmake/consumer"
check "the core is enough for it" configure core core
check "a component that is not there is refused" refuses nothing "core;nothing"

PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name weir.pc)"):$PKG_CONFIG_PATH
export PKG_CONFIG_PATH
check "pkg-config finds weir" pkg-config --print-errors --exists weir
for component in $components; do
    [ "$component" = core ] && package=weir || package=weir-$component
    check "a program builds with pkg-config $package" compile "$package"
    check "it runs as well" says_two "$work/plain"
done
check "its calls are bound at the start, not on a task's stack" bound_at_start

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
