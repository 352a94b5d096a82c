#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The npm package cert-info tells when a certificate ends. RFC 5280 (4.1.2.5) has
# dates from 2050 on written with four digits for the year; root certificates and
# device identities with such dates are common.
#
# Expected: expiresAt is the end date, as it is for one in 2040.
# Observed: the four digits are read as year and month: a certificate that ends
#   in July 2051 is said to end in March 2024 (month 51 of 2020), so it seems to
#   have expired (cert-info 1.5.1).
set -u
VERSION=1.5.1

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
for tool in node npm openssl; do
    command -v $tool > /dev/null || { echo "needs $tool" >&2; exit 2; }
done
npm install --prefix . --no-audit --no-fund --ignore-scripts \
    "cert-info@$VERSION" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot install cert-info $VERSION" >&2; exit 2; }

result=
for year in 2040 2051; do
    days=$((($(date -d "$year-07-19" +%s) - $(date +%s)) / 86400))
    openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert.pem \
        -subj /CN=device -days $days 2> log || exit 2
    expected=$(openssl x509 -in cert.pem -noout -enddate | cut -d= -f2)
    observed=$(node -e '
        const info = require("cert-info");
        const pem = require("fs").readFileSync("cert.pem", "utf8");
        console.log(new Date(info.info(pem).expiresAt).toISOString())') ||
        exit 2
    echo "expected: $(date -u -d "$expected" +%FT%TZ)"
    echo "observed: $observed"
    result="$result ${observed%%-*}"
done
[ "$result" = " 2040 2024" ]
