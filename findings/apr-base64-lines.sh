#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# apr_base64_decode is to "decode a string". Base64 mostly comes in lines: MIME and
# PEM have them, and Apple writes the <data> of property lists so, indented.
#
# Expected: white space is skipped, as MIME (RFC 2045, 6.8) has it, or the length
#   that is returned says that the text is none.
# Observed: decoding ends at the first line end. apr_base64_decode_len and
#   apr_base64_decode both say how long the first line is, so that a caller cannot
#   see that more came, and a token, certificate or profile is cut
#   (libaprutil1 1.6.3-1+deb12u1).
set -u
VERSION=1.6.3-1+deb12u1

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
for tool in gcc openssl; do
    command -v $tool > /dev/null || { echo "needs $tool" >&2; exit 2; }
done
apt-get download "libaprutil1=$VERSION" "libaprutil1-dev=$VERSION" libapr1 \
    libapr1-dev > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download APR-util $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
lib=$(dirname "$(find "$work/root" -name 'libaprutil-1.so.0')")

cat > lines.c <<'C'
#include <apr_base64.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    char text[4096], plain[4096];
    size_t n = fread(text, 1, sizeof text - 1, stdin);

    text[n] = '\0';
    printf("%d of a buffer for %d", apr_base64_decode(plain, text),
           apr_base64_decode_len(text));
    return 0;
}
C
gcc -D_GNU_SOURCE -Iroot/usr/include/apr-1.0 -o lines lines.c \
    "$lib/libaprutil-1.so.0" "$lib/libapr-1.so.0" || exit 2
head -c 300 /dev/zero > plain
decoded() { LD_LIBRARY_PATH=$lib ./lines; }
one=$(openssl base64 -A -in plain | decoded)
lines=$(openssl base64 -in plain | decoded)
indented=$(openssl base64 -in plain | sed 's/^/    /' | decoded)
echo "expected: 300 bytes each time"
echo "observed: in one line: $one; in lines of 64: $lines; indented: $indented"
[ "${one%% *}/${lines%% *}/${indented%% *}" = "300/48/0" ]
