#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# APR-util has two clients of one shape, apr_memcache and apr_redis; httpd's
# mod_socache_memcache and mod_socache_redis use them. getp gives a value and its
# length; a key that is not there is APR_NOTFOUND.
#
# Expected: with both, a key of an empty value gives APR_SUCCESS, length 0 and a
#   pointer to "", as a value of five bytes gives five bytes and a NUL.
# Observed: apr_memcache does; apr_redis gives APR_SUCCESS, length 0 and NULL
#   (libaprutil1 1.6.3-1+deb12u1, Redis 7.0.15, memcached 1.6.18).
set -u
VERSION=1.6.3-1+deb12u1
REDIS=5:7.0.15-1~deb12u10
MEMCACHED=1.6.18-1+deb12u1
PORT=${PORT:-19379}

work=$(mktemp -d) || exit 2
servers=
trap '[ -z "$servers" ] || kill $servers; wait; rm -rf "$work"' EXIT
cd "$work" || exit 2
command -v gcc > /dev/null || { echo "needs gcc" >&2; exit 2; }
apt-get download "libaprutil1=$VERSION" "libaprutil1-dev=$VERSION" libapr1 \
    libapr1-dev "redis-server=$REDIS" "redis-tools=$REDIS" \
    "memcached=$MEMCACHED" libevent-2.1-7 libsasl2-2 libatomic1 libjemalloc2 \
    liblzf1 > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download APR-util $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" root || exit 2; done
lib=$(dirname "$(find "$work/root" -name 'libaprutil-1.so.0')")

cat > get.c <<'C'
#include <apr_general.h>
#include <apr_memcache.h>
#include <apr_redis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int show(const char *name, apr_status_t rv, const char *value,
                apr_size_t len)
{
    printf("%s: status %d, length %d, pointer %s\n", name, rv, (int)len,
           value == NULL ? "NULL" : "set");
    return value == NULL;
}

int main(int argc, char **argv)
{
    apr_pool_t *p;
    apr_memcache_t *mc;
    apr_memcache_server_t *mcs;
    apr_redis_t *rc;
    apr_redis_server_t *rcs;
    apr_port_t port = (apr_port_t)atoi(argv[1]);
    const char *values[] = { "hello", "" };
    int i, left = 0;

    apr_initialize();
    apr_pool_create(&p, NULL);
    apr_memcache_create(p, 1, 0, &mc);
    apr_memcache_server_create(p, "127.0.0.1", port + 1, 0, 1, 1, 60000000,
                               &mcs);
    apr_memcache_add_server(mc, mcs);
    apr_redis_create(p, 1, 0, &rc);
    apr_redis_server_create(p, "127.0.0.1", port, 0, 1, 1, 60000000, 5, &rcs);
    apr_redis_add_server(rc, rcs);
    for (i = 0; i < 2; i++) {
        char *v = "unset", *w = "unset";
        apr_size_t n = 99, m = 99, len = strlen(values[i]);
        apr_status_t rv;

        if (apr_memcache_set(mc, "k", (char *)values[i], len, 0, 0) ||
            apr_redis_set(rc, "k", (char *)values[i], len, 0))
            return 2;
        printf("\"%s\": ", values[i]);
        rv = apr_memcache_getp(mc, p, "k", &v, &n, NULL);
        left = left * 2 + show("memcache", rv, v, n);
        printf("\"%s\": ", values[i]);
        rv = apr_redis_getp(rc, p, "k", &w, &m, NULL);
        left = left * 2 + show("redis", rv, w, m);
        if (rv)
            return 1;
    }
    return left == 1 ? 0 : 1;
}
C
gcc -D_GNU_SOURCE -Iroot/usr/include/apr-1.0 -o get get.c \
    "$lib/libaprutil-1.so.0" "$lib/libapr-1.so.0" || exit 2
as=
[ "$(id -u)" -ne 0 ] ||
    { chmod 755 "$work"; as="setpriv --reuid=65534 --regid=65534 --clear-groups"; }
export LD_LIBRARY_PATH=$lib
$as root/usr/bin/redis-server --bind 127.0.0.1 --port "$PORT" --save "" \
    > log 2>&1 &
servers=$!
$as root/usr/bin/memcached -l 127.0.0.1 -p $((PORT + 1)) -U 0 > log2 2>&1 &
servers="$servers $!"
echo "expected: for \"\" as for \"hello\": status 0 and the pointer set"
for _ in $(seq 50); do
    ./get "$PORT" > observed; rv=$?
    [ $rv -ne 2 ] && break
    sleep 0.2
done
sed 's/^/observed: /' observed
exit $rv
