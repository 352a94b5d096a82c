#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# apr_psprintf is a "printf-style style printing routine", whose formats the
# compiler checks as printf's. A JSON or property list writer of an httpd module
# is likely to give doubles to it.
#
# Expected: what they write reads back as the same number: 1e+100 for 1e100 with
#   %g, %e and %.17g.
# Observed: from 1e80 on the digits are gone and the exponent stays at 79: 1e100
#   is "0.e+79" with %g and %.17g, "0.000000e+79" with %e. They read back as 0.
#   Below that %g and %e are right (libapr1 1.7.2-3+deb12u1).
set -u
VERSION=1.7.2-3+deb12u1

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
command -v gcc > /dev/null || { echo "needs gcc" >&2; exit 2; }
apt-get download "libapr1=$VERSION" "libapr1-dev=$VERSION" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download APR $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
lib=$(dirname "$(find "$work/root" -name 'libapr-1.so.0')")

cat > double.c <<'C'
#include <apr_general.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    static const double numbers[] = { 0.93, 1e70, 1e80, 1e100, 1e300 };
    static const char *const formats[] = { "%g", "%.17g", "%e" };
    int zeros = 0, equal = 0;
    apr_pool_t *p;

    apr_initialize();
    apr_pool_create(&p, NULL);
    for (int n = 0; n < 5; n++) {
        for (int f = 0; f < 3; f++) {
            const char *text = apr_psprintf(p, formats[f], numbers[n]);
            char libc[64];

            snprintf(libc, sizeof libc, formats[f], numbers[n]);
            printf("expected: %s of %g: what reads back as %s; observed: %s\n",
                   formats[f], numbers[n], libc, text);
            equal += strtod(text, NULL) == strtod(libc, NULL);
            zeros += strtod(text, NULL) == 0;
        }
    }
    printf("observed: %d of 15 read back right, %d as 0\n", equal, zeros);
    return zeros == 8 && equal == 5 ? 0 : 1;
}
C
gcc -D_GNU_SOURCE -Iroot/usr/include/apr-1.0 -o double double.c \
    "$lib/libapr-1.so.0" || exit 2
LD_LIBRARY_PATH=$lib ./double
