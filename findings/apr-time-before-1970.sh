#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# apr_time_t counts microseconds from 1970 and has a sign: dates of property lists
# lie before that, too. apr_time_exp_t has tm_usec, "microseconds past tm_sec", and
# apr_time_exp_gmt_get leads back.
#
# Expected: a quarter of a second after 1969-12-31 00:00:00 is that, 00:00:00 and
#   250000, and comes back as it was.
# Observed: it is 00:00:01 and -750000; so apr_rfc822_date says a second too much,
#   of each time that is no whole second. The way back refuses all that is a second
#   or more before 1970, the whole ones as well, with APR_EBADDATE
#   (libapr1 1.7.2-3+deb12u1).
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

cat > before.c <<'C'
#include <apr_errno.h>
#include <apr_time.h>
#include <stdio.h>

static void show(apr_time_t when)
{
    apr_time_exp_t parts;
    apr_time_t back = 0;
    char text[APR_RFC822_DATE_LEN];
    apr_status_t rv;

    apr_time_exp_gmt(&parts, when);
    apr_rfc822_date(text, when);
    rv = apr_time_exp_gmt_get(&back, &parts);
    printf("%02d:%02d:%02d %d, %s, %s\n", parts.tm_hour, parts.tm_min,
           parts.tm_sec, parts.tm_usec, text,
           rv == APR_EBADDATE ? "APR_EBADDATE" : back == when ? "back" : "lost");
}

int main(void)
{
    show(apr_time_from_sec(-86400));
    show(apr_time_from_sec(-86400) + 250000);
    return 0;
}
C
gcc -D_GNU_SOURCE -Iroot/usr/include/apr-1.0 -o before before.c \
    "$lib/libapr-1.so.0" || exit 2
observed=$(LD_LIBRARY_PATH=$lib ./before)
echo "expected: 00:00:00 0, Wed, 31 Dec 1969 00:00:00 GMT, back"
echo "          00:00:00 250000, Wed, 31 Dec 1969 00:00:00 GMT, back"
echo "observed: $observed"
[ "$observed" = "00:00:00 0, Wed, 31 Dec 1969 00:00:00 GMT, APR_EBADDATE
00:00:01 -750000, Wed, 31 Dec 1969 00:00:01 GMT, APR_EBADDATE" ]
