#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SQLite has PostgreSQL's operators -> and ->> for JSON, and takes, as PostgreSQL does,
# a plain key to the right of them in place of a path. Keys of this field have points
# (device.model.family, com.apple.mcx), and JSON may write any character of a key as
# \uXXXX, which Python's json.dumps does for all beyond ASCII.
#
# Expected: '{"device.model": "Mac"}' ->> 'device.model' is Mac, as in PostgreSQL,
#   and '{"Ger\u00e4t": 1}' ->> 'Gerät' is 1, as '{"Gerät": 1}' ->> 'Gerät' is.
# Observed: both are NULL. A key with a point is taken for a path: of
#   {"device.model": "Mac", "device": {"model": "other"}} it finds "other". Keys are
#   compared as they are written, so that one with an escape has to be asked for
#   with that escape, by -> and ->> as by json_extract (sqlite3 3.40.1-2+deb12u2).
set -u
VERSION=3.40.1-2+deb12u2

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
apt-get download "sqlite3=$VERSION" "libsqlite3-0=$VERSION" libreadline8 \
    libtinfo6 > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download SQLite $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
LD_LIBRARY_PATH=$(find "$work/root" -name '*.so.*' -printf '%h\n' | sort -u |
                  paste -sd:)
export LD_LIBRARY_PATH

cat > keys.sql <<'SQL'
.nullvalue NULL
.separator " "
SELECT '{"device.model": "Mac"}' ->> 'device.model',
       '{"device.model": "Mac", "device": {"model": "other"}}' ->> 'device.model',
       '{"device.model": "Mac"}' ->> '$."device.model"',
       '{"Gerät": 1}' ->> 'Gerät',
       '{"Ger\u00e4t": 1}' ->> 'Gerät',
       json_extract('{"Ger\u00e4t": 1}', '$.Gerät'),
       json_extract('{"Ger\u00e4t": 1}', '$.Ger\u00e4t');
SQL
observed=$(root/usr/bin/sqlite3 -batch -init /dev/null :memory: < keys.sql 2> log) ||
    { tail -n 1 log >&2; exit 2; }
echo "expected: Mac Mac Mac 1 1 1 NULL"
echo "observed: $observed"
[ "$observed" = "NULL other Mac 1 NULL NULL 1" ]
