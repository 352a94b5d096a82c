#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# jansson's json_unpack reads members by a format: "i" puts a JSON integer into an
# int, "I" into a json_int_t of 64 bits. It checks types: a string, a real or a
# null for "i" is an error, with JSON_STRICT also a member that is not named.
#
# Expected: an integer that does not fit an int is an error too.
# Observed: 5000000000 becomes 705032704, json_unpack_ex answers 0, also with
#   JSON_STRICT (libjansson4 2.14-2).
set -u
VERSION=2.14-2

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
command -v gcc > /dev/null || { echo "needs gcc" >&2; exit 2; }
apt-get download "libjansson4=$VERSION" "libjansson-dev=$VERSION" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download jansson $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
lib=$(dirname "$(find "$work/root" -name 'libjansson.so.4')")

cat > unpack.c <<'C'
#include <jansson.h>
#include <stdio.h>

int main(void)
{
    json_error_t error;
    json_t *size = json_loads("{\"size\": 5000000000}", 0, &error);
    json_t *text = json_loads("{\"size\": \"5\"}", 0, &error);
    int n = 0, m = 0, rv, other;

    rv = json_unpack_ex(size, &error, JSON_STRICT, "{s:i}", "size", &n);
    other = json_unpack_ex(text, &error, JSON_STRICT, "{s:i}", "size", &m);
    printf("5000000000: status %d, value %d; \"5\": status %d\n", rv, n, other);
    json_decref(size);
    json_decref(text);
    return rv == 0 && n == 705032704 && other == -1 ? 0 : 1;
}
C
gcc -Iroot/usr/include -o unpack unpack.c "$lib/libjansson.so.4" || exit 2
echo 'expected: 5000000000: status -1; "5": status -1'
printf 'observed: '
LD_LIBRARY_PATH=$lib ./unpack
