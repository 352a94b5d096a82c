#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# apr_pstrmemdup(p, s, n) is documented to return "a copy of the first n bytes,
# null-terminated", and allocates n + 1 bytes. Its declaration has the attribute
# alloc_size(3), which tells the compiler that it allocates n. Reading the NUL is
# then beyond the object: __builtin_object_size says n, _FORTIFY_SOURCE reckons
# with it, and gcc 14's -fsanitize=object-size reports code that is right.
#
# Expected: an object of n + 1 bytes, since the NUL is part of the promise.
# Observed: n (libapr1-dev 1.7.2-3+deb12u1; the same line is in 1.7.5 and 1.7.6).
set -u
VERSION=1.7.2-3+deb12u1

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
apt-get download "libapr1=$VERSION" "libapr1-dev=$VERSION" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download APR $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" apr || exit 2; done
command -v gcc > /dev/null || { echo "needs gcc" >&2; exit 2; }

cat > size.c <<'C'
#include <apr_general.h>
#include <apr_pools.h>
#include <apr_strings.h>
#include <stdio.h>

int main(void)
{
    apr_pool_t *p;
    char *copy;

    apr_initialize();
    apr_pool_create(&p, NULL);
    copy = apr_pstrmemdup(p, "abcdef", 3);
    printf("apr %s: \"%s\", object of %zu bytes\n", apr_version_string(),
           copy, __builtin_object_size(copy, 0));
    return __builtin_object_size(copy, 0) == 3 && copy[3] == '\0' ? 0 : 1;
}
C
sed -i 's/#include <stdio.h>/#include <apr_version.h>\n&/' size.c
lib=$(dirname "$(find apr -name 'libapr-1.so.0' | head -n 1)")
gcc -O2 -D_GNU_SOURCE -Iapr/usr/include/apr-1.0 -o size size.c \
    "$lib/libapr-1.so.0" || exit 2
echo "expected: object of 4 bytes, of which the last is the NUL"
printf 'observed: '
LD_LIBRARY_PATH=$lib ./size
