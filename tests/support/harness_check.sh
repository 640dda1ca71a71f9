#!/bin/sh
# Runs the sample program of tests and compares what the harness says with what it must say.
# usage: harness_check.sh <program> <the program without_uring>
program=$1
without_uring=$2
failed=0
passed=0

check() { # check <what> <condition command...>
    what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "ok $what"
    else
        failed=$((failed + 1))
        echo "FAIL $what"
    fi
}
says() { printf '%s\n' "$output" | grep -qF -- "$1"; }
is_silent_about() { ! says "$1"; }

output=$("$program" 2>&1)
status=$?
check "a run with failures exits with 1" [ "$status" -eq 1 ]
closing=$(printf '%s\n' "$output" | tail -n 1)
if says "(uring): io_uring_setup refused"; then
    check "the closing line counts" [ "$closing" = "3 passed, 8 failed, 2 skipped" ]
else
    check "the closing line counts" [ "$closing" = "4 passed, 8 failed, 1 skipped" ]
fi
check "a test that holds passes" says "ok what holds passes and its output stays hidden"
check "output of a passed test stays hidden" is_silent_about "hidden output"
check "output of a failed test is shown" says "shown output"
check "a test goes on after a failed expectation" says "went on"
check "a condition is quoted" says "expected: 1 + 1 == 3"
check "numbers are shown" says "expected 7, got 8"
check "codes have names" says "expected -EIO (-5), got -EINVAL (-22)"
check "strings are shown" says "got:      dam"
check "the first wrong byte is shown" says "byte 2 of 3: expected 0x63, got 0x64"
check "a failed requirement ends the test" is_silent_about "not reached"
check "a signal has a name" says "FAIL a crash is named: killed by SIGTERM"
check "an exit status is told" says "FAIL an exit status counts: exit status 3"
check "a limit is told" says "FAIL a test that hangs is ended: its 1 s were up (WEIR_TEST_TIMEOUT)"
check "a grandchild does no harm" says "ok a grandchild does not keep the harness waiting"
check "a failure in a thread counts" says "FAIL a failure in another thread counts"
check "a skipped test says why" says "skip a test can say that it cannot run here: there is no sea here"
check "a task test's run is looked at" says "the run that the test's task belongs to: expected 0, got -EIO (-5)"
check "what a task test leaves open is listed" says "descriptors open before the run"
check "an I/O test runs on epoll" says "ok an io test runs on both backends (epoll)"
check "a guarded buffer ends where it says" says "FAIL reading beyond a guarded buffer is a crash: killed by SIG"

output=$("$program" "what holds" 2>&1)
status=$?
check "a filter selects" [ "$status" -eq 0 ]
check "only the selected ones ran" says "1 passed, 0 failed"
output=$("$program" no_such_test 2>&1)
check "a filter without a match is a failure" [ $? -eq 1 ]
output=$("$without_uring" "$program" "io test" 2>&1)
check "without io_uring it says so" says \
    "skip an io test runs on both backends (uring): io_uring_setup refused (EPERM)"
check "and runs on epoll" says "1 passed, 0 failed, 1 skipped"
output=$(WEIR_TEST_BACKEND=sim "$program" "io test" 2>&1)
check "WEIR_TEST_BACKEND selects" says "0 passed, 0 failed"
list=$(mktemp)
echo "an_io_test_runs_on_both_backends (epoll): no water today" >"$list"
output=$(WEIR_TEST_SKIP=$list "$program" "io test" 2>&1)
rm -f "$list"
check "a list of tests to leave out gives its reason" says "(epoll): no water today"
check "and leaves out no other" is_silent_about "(uring): no water today"
output=$("$program" --list)
check "--list prints names" [ "$(printf '%s\n' "$output" | wc -l)" -eq 12 ]

[ "$failed" -eq 0 ] || "$program"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
