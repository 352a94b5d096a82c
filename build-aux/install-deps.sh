#!/bin/sh
# Installs what building, the demo and the tests need on Debian, where it is
# missing. Says what it does; needs root only when something is missing.
#
#   install-deps.sh build|deb|demo|check|bench|faults|platforms|packages
set -eu
umask 022

BUILD="make gcc libc6-dev apache2-bin apache2-dev libexpat1-dev
       libplist-dev libjansson-dev libssl-dev libcurl4-openssl-dev
       libnghttp2-dev"
DEB="$BUILD build-essential debhelper dh-python dpkg-dev python3"
DEMO="$BUILD libaprutil1-dbd-sqlite3 openssl python3 python3-cryptography
      python3-psycopg2 python3-pymysql python3-h2"
CHECK="$DEMO $DEB lintian
       libaprutil1-dbd-pgsql libaprutil1-dbd-mysql libcmocka-dev
       clang libclang-rt-dev curl postgresql pgbouncer mariadb-server python3-pytest
       python3-pytest-xdist
       sqlite3 procps strongswan-pki libstrongswan-standard-plugins
       libstrongswan-extra-plugins scep certmonger
       valgrind apache2 apache2-utils nginx haproxy python3-yaml python3-jsonschema
       openapi-specification prometheus zsh logrotate slapd caddy
       libapache2-mod-auth-openidc"
BENCH="$CHECK libpq-dev libmariadb-dev libsqlite3-dev"
FAULTS="$CHECK galera-4 rsync mount"
PLATFORMS="debootstrap iproute2 util-linux python3 git"
PACKAGES="$PLATFORMS buildah"

case "${1:-check}" in
build) wanted=$BUILD ;;
deb) wanted=$DEB ;;
demo) wanted=$DEMO ;;
check) wanted=$CHECK ;;
bench) wanted=$BENCH ;;
faults) wanted=$FAULTS ;;
platforms) wanted=$PLATFORMS ;;
packages) wanted=$PACKAGES ;;
*) echo "usage: install-deps.sh build|deb|demo|check|bench|faults|platforms|packages" >&2; exit 2 ;;
esac

missing=
for package in $wanted; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null ||
            true)
    [ "$state" = installed ] || missing="$missing $package"
done

# apache2 may be newer than the OpenSSL beside it: its dependency allows that,
# and mod_ssl then complains at every start (AH01882).
status_of() {
    dpkg-query -W -f "\${$1}" "$2" 2>/dev/null || true
}
is_older_than_mod_ssl() {
    built=$(grep -a -o 'OpenSSL [0-9][0-9.]*' /usr/lib/apache2/modules/mod_ssl.so \
                2>/dev/null | sort -V | tail -n 1)
    [ -n "$built" ] &&
        dpkg --compare-versions "$(status_of Version "$1")" lt "${built#* }"
}
for package in libssl3 libssl3t64 openssl; do
    if [ "$(status_of db:Status-Status "$package")" = installed ] &&
       is_older_than_mod_ssl "$package"; then
        missing="$missing $package"
    fi
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "missing:$missing; install them as root, or run this as root" >&2
    exit 1
fi
echo "installing:$missing"
# No service of a package is to start: the tests run their own servers.
policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
    made_policy=yes
    trap 'rm -f "$policy"' EXIT
fi
log=$(mktemp)
if ! { apt-get update &&
       DEBIAN_FRONTEND=noninteractive apt-get install -y \
           --no-install-recommends $missing; } > "$log" 2>&1; then
    cat "$log" >&2
    echo "could not install:$missing" >&2
    exit 1
fi
rm -f "$log"
