#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A program makes a pool with apr_pool_create_unmanaged(), takes 100 bytes of it and
# destroys it, a thousand times; then the same with a pool below another one.
#
# Expected: an allocator takes its memory from malloc() and gives it back to free(), as
#   apr_allocator.h has it ("allocate a block of mem"); so either way costs no system
#   call once the process has the memory.
# Observed: Debian's APR maps memory for each unmanaged pool and unmaps it when the pool
#   is destroyed, which in a server with many threads interrupts all of them; the other
#   thousand need none (libapr1 1.7.2-3+deb12u1).
set -u
VERSION=1.7.2-3+deb12u1

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
apt-get download "libapr1=$VERSION" "libapr1-dev=$VERSION" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download APR $VERSION" >&2; exit 2; }
for package in *.deb; do dpkg -x "$package" apr || exit 2; done
command -v gcc > /dev/null || { echo "needs gcc" >&2; exit 2; }

cat > maps.c <<'C'
#include <apr_general.h>
#include <apr_pools.h>
#include <apr_version.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int mapped, unmapped;

/* What the library calls: that of the program comes first. */
void *mmap(void *at, size_t len, int protection, int flags, int fd, off_t from)
{
    mapped++;
    return (void *)syscall(SYS_mmap, at, len, protection, flags, fd, from);
}

int munmap(void *at, size_t len)
{
    unmapped++;
    return (int)syscall(SYS_munmap, at, len);
}

static int use(apr_pool_t *p)
{
    int ok = p && apr_palloc(p, 100);

    apr_pool_destroy(p);
    return ok;
}

int main(void)
{
    apr_pool_t *parent, *p;
    int i, own, below;

    apr_initialize();
    apr_pool_create(&parent, NULL);
    apr_pool_create(&p, parent);
    use(p);
    mapped = unmapped = 0;
    for (i = 0; i < 1000; i++) {
        apr_pool_create_unmanaged(&p);
        use(p);
    }
    own = unmapped;
    printf("apr %s, unmanaged pools: %d times mmap, %d times munmap\n",
           apr_version_string(), mapped, unmapped);
    mapped = unmapped = 0;
    for (i = 0; i < 1000; i++) {
        apr_pool_create(&p, parent);
        use(p);
    }
    below = mapped + unmapped;
    printf("pools below another: %d times mmap, %d times munmap\n", mapped,
           unmapped);
    return own == 1000 && !below ? 0 : 1;
}
C
lib=$(dirname "$(find apr -name 'libapr-1.so.0' | head -n 1)")
gcc -O2 -D_GNU_SOURCE -Iapr/usr/include/apr-1.0 -o maps maps.c \
    "$lib/libapr-1.so.0" || exit 2
echo "expected: no system call for any of them"
echo "observed:"
LD_LIBRARY_PATH=$lib ./maps
