#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs test programs that speak TAP (cmocka does when asked to) and adds up.
#
#   count.sh RESULT PROGRAM...
#
# Writes "PASSED FAILED" to the file RESULT and the output of each program to
# PROGRAM.tap; shows what failed. Three programs run at a time: those of net/
# wait more than they work. A test that a crash kept from running counts as
# failed, and so does a program whose tests pass but which then reports a leak.
# Returns 1 if anything failed.
set -u
result=$1
shift
passed=0
failed=0

printf '%s\n' "$@" | xargs -P 3 -I '{}' sh -c \
    'CMOCKA_MESSAGE_OUTPUT=TAP "$0" > "$0.tap" 2> "$0.err"; echo $? > "$0.code"' \
    '{}'

for program in "$@"; do
    code=$(cat "$program.code")
    ok=$(grep -c '^ok ' "$program.tap")
    planned=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$program.tap" | head -n 1)
    bad=$((${planned:-0} - ok))
    if [ "$bad" -le 0 ]; then
        bad=$((code != 0))
    fi
    passed=$((passed + ok))
    failed=$((failed + bad))
    printf '%s: %d passed, %d failed\n' "${program#*/}" "$ok" "$bad"
    if [ "$bad" -gt 0 ]; then
        grep -A 3 '^not ok' "$program.tap"
        cat "$program.err"
        printf '%s: exit status %d\n' "${program#*/}" "$code"
    fi
done

printf '%d %d\n' "$passed" "$failed" > "$result"
printf 'unit tests: %d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
