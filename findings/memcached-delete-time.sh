#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# apr_memcache_delete(mc, key, timeout) of APR-util takes a "time for the delete
# to stop other clients from adding", which the memcached protocol once had.
#
# Expected: memcached, which has dropped that time, deletes the key and ignores
#   the number.
# Observed: memcached answers "CLIENT_ERROR bad command line format" and keeps the
#   key for any time but 0; apr_memcache_delete returns APR_EGENERAL (20014), so
#   a session that was to be removed is still served (libaprutil1
#   1.6.3-1+deb12u1, memcached 1.6.18-1+deb12u1).
set -u
VERSION=1.6.3-1+deb12u1
MEMCACHED=1.6.18-1+deb12u1
PORT=${PORT:-19211}

work=$(mktemp -d) || exit 2
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$work"' EXIT
cd "$work" || exit 2
command -v gcc > /dev/null || { echo "needs gcc" >&2; exit 2; }
apt-get download "libaprutil1=$VERSION" "libaprutil1-dev=$VERSION" libapr1 \
    libapr1-dev "memcached=$MEMCACHED" libevent-2.1-7 libsasl2-2 > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download APR-util $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
lib=$(dirname "$(find "$work/root" -name 'libaprutil-1.so.0')")

cat > delete.c <<'C'
#include <apr_general.h>
#include <apr_memcache.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    static const apr_uint32_t times[] = { 0, 5 };
    apr_status_t deleted[2], found[2];
    apr_memcache_server_t *server;
    apr_memcache_t *mc;
    apr_pool_t *p;
    apr_size_t len;
    char *value;
    int i;

    apr_initialize();
    apr_pool_create(&p, NULL);
    apr_memcache_create(p, 1, 0, &mc);
    apr_memcache_server_create(p, "127.0.0.1", (apr_port_t)atoi(argv[1]), 0, 1,
                               1, 60000000, &server);
    apr_memcache_add_server(mc, server);
    for (i = 0; i < 2; i++) {
        if (apr_memcache_set(mc, "session", "x", 1, 0, 0))
            return 2;
        deleted[i] = apr_memcache_delete(mc, "session", times[i]);
        found[i] = apr_memcache_getp(mc, p, "session", &value, &len, NULL);
        printf("delete with time %u: status %d, then the key is %s\n",
               times[i], deleted[i], found[i] ? "gone" : "still there");
    }
    return !deleted[0] && found[0] == APR_NOTFOUND &&
           deleted[1] == APR_EGENERAL && !found[1] ? 0 : 1;
}
C
gcc -D_GNU_SOURCE -Iroot/usr/include/apr-1.0 -o delete delete.c \
    "$lib/libaprutil-1.so.0" "$lib/libapr-1.so.0" || exit 2
as=
[ "$(id -u)" -ne 0 ] ||
    { chmod 755 "$work"; as="setpriv --reuid=65534 --regid=65534 --clear-groups"; }
export LD_LIBRARY_PATH=$lib
$as root/usr/bin/memcached -l 127.0.0.1 -p "$PORT" -U 0 > log 2>&1 &
server=$!
echo "expected: status 0 and the key is gone, for both"
for _ in $(seq 50); do
    ./delete "$PORT" > observed; rv=$?
    [ $rv -ne 2 ] && break
    sleep 0.2
done
sed 's/^/observed: /' observed
exit $rv
