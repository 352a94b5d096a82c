#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A table of three rows without an index is asked for one of them, once as the server
# begins a session and once after SET enable_seqscan = off.
#
# Expected: the setting chooses between plans. Where a sequential scan is the only one,
#   it runs as before.
# Observed: the plan's reckoned cost becomes 10000000000, which is above each threshold
#   of jit_above_cost, so PostgreSQL compiles the statement with all optimizations before
#   it reads three rows, at each execution (postgresql-15 15.20-0+deb12u1).
set -u
VERSION=15.20-0+deb12u1

work=$(mktemp -d) || exit 2
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$work"' EXIT
cd "$work" || exit 2
# With what Debian 12 may lack of their libraries, in its own version.
apt-get download "postgresql-15=$VERSION" "postgresql-client-15=$VERSION" \
    "libpq5=$VERSION" libllvm14 libxml2 libicu72 libxslt1.1 libz3-4 libedit2 \
    libbsd0 libmd0 libtinfo6 > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download PostgreSQL $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
LD_LIBRARY_PATH=$(find "$work/root" -name '*.so.*' -printf '%h\n' | sort -u |
                  paste -sd:)
export LD_LIBRARY_PATH
as=
if [ "$(id -u)" -eq 0 ]; then
    chown -R nobody "$work"
    as="setpriv --reuid=nobody --regid=nogroup --clear-groups"
fi
bin=$work/root/usr/lib/postgresql/15/bin
$as "$bin/initdb" --pgdata="$work/data" --username=tester --auth=trust \
    --no-sync --locale=C > log 2>&1 || { tail -n 5 log >&2; exit 2; }
$as "$bin/postgres" -D "$work/data" -k "$work" -c listen_addresses= \
    > log 2>&1 &
server=$!
sql() { "$bin/psql" -X -q -t -A -h "$work" -U tester -d postgres "$@"; }
for _ in $(seq 100); do sql -c "SELECT" > /dev/null 2>&1 && break; sleep 0.2; done
sql -c "CREATE TABLE t (a integer, b text)" \
    -c "INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'z')" || exit 2

plan() { sql -c "$1" -c "EXPLAIN ANALYZE SELECT b FROM t WHERE a = 2"; }
sql -c "SELECT version()"
before=$(plan "SET enable_seqscan = on"); after=$(plan "SET enable_seqscan = off")
echo "expected, as a session begins:"; echo "$before"
echo "observed after SET enable_seqscan = off:"; echo "$after"
! grep -q '^JIT:' <<< "$before" && grep -q '^JIT:' <<< "$after" &&
    grep -q 'Inlining true' <<< "$after"
