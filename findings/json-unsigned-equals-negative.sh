#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two JSON libraries for C++ have integers of 64 bits with and without a sign. In
# both, values are compared by ==, and nlohmann's "diff" makes a JSON Patch
# (RFC 6902) that turns one document into another. Property lists and status
# reports have both -1 and 18446744073709551615, which mean "none" and "no bound".
#
# Expected: they differ, as 9007199254740993 and 9007199254740992 do.
# Observed: -1 == 18446744073709551615, with both libraries and also inside of
#   objects: a program that stores what has changed sees no change, and nlohmann's
#   patch from the one to the other is empty (nlohmann-json3-dev 3.11.2-2,
#   rapidjson-dev 1.1.0+dfsg2-7.1).
set -u
NLOHMANN=3.11.2-2
RAPIDJSON=1.1.0+dfsg2-7.1

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
command -v g++ > /dev/null || { echo "needs g++" >&2; exit 2; }
apt-get download "nlohmann-json3-dev=$NLOHMANN" "rapidjson-dev=$RAPIDJSON" \
    > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download $NLOHMANN, $RAPIDJSON" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done

cat > equal.cpp <<'CPP'
#include <cstdio>
#include <nlohmann/json.hpp>
#include <rapidjson/document.h>

using nlohmann::json;

static int equal(const char *a, const char *b, bool expected)
{
    json one = json::parse(a), other = json::parse(b);
    rapidjson::Document first, second;
    first.Parse(a);
    second.Parse(b);
    bool n = one == other, r = first == second;
    std::printf("expected: %s %s %s; observed: nlohmann %s, patch %s; "
                "RapidJSON %s\n", a, expected ? "==" : "!=", b,
                n ? "==" : "!=", json::diff(one, other).dump().c_str(),
                r ? "==" : "!=");
    return n + r + json::diff(one, other).empty();
}

int main()
{
    int same = equal("{\"n\":1}", "{\"n\":1}", true);
    int large = equal("{\"n\":9007199254740993}", "{\"n\":9007199254740992}",
                      false);
    int sign = equal("{\"n\":-1}", "{\"n\":18446744073709551615}", false);
    int far = equal("{\"n\":-9223372036854775808}",
                    "{\"n\":9223372036854775808}", false);
    int small = equal("{\"n\":-1}", "{\"n\":4294967295}", false);

    return same == 3 && large == 0 && sign == 3 && far == 3 && small == 0
               ? 0 : 1;
}
CPP
g++ -w -Iroot/usr/include -o equal equal.cpp || exit 2
./equal
