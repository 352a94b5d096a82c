#!/bin/sh
# Documents: the map of docs/internals.md names every folder of src/ and no
# other, versions agree, C sources keep to 80 columns without tabs, and
# `apache2 -t` takes the README's smallest configuration and all of
# conf/nanomdm.conf, with temporary files in place of their paths.
#
#   check_docs.sh [CHECKOUT]     the module is $MODULE, or mod_nanomdm.so
set -eu
cd "${1:-$(dirname "$0")/..}"
failed=0

say() { echo "$*" >&2; failed=1; }

# ---- the map ----

for folder in src/*/; do
    grep -qF "| \`${folder%/}\` |" docs/internals.md ||
        say "docs/internals.md: the map of the source lacks ${folder%/}"
done
for folder in $(grep -oE '^\| `src/[a-z]+`' docs/internals.md | tr -d '|` '); do
    [ -d "$folder" ] || say "docs/internals.md: there is no $folder"
done

# ---- versions ----

version=$(sed -nE 's/^#define NMDM_VERSION "(.*)"/\1/p' src/base/version.h)
said=$(sed -nE 's/^Version ([0-9.]+[0-9]).*/\1/p' README.md)
changed=$(sed -nE 's/^([0-9.]+) \([0-9]{4}-[0-9]{2}-[0-9]{2}\)$/\1/p' CHANGES |
          head -1)
[ -n "$version" ] || say "src/base/version.h: no NMDM_VERSION"
[ "$said" = "$version" ] ||
    say "README.md: Version \"$said\" is not NMDM_VERSION \"$version\""
[ "$changed" = "$version" ] ||
    say "CHANGES: the newest version \"$changed\" is not \"$version\""
described=$(sed -nE 's/^  version: (.*)/\1/p' docs/openapi.yaml)
[ "$described" = "$version" ] ||
    say "docs/openapi.yaml: version \"$described\" is not \"$version\""
steers=$(sed -nE 's/^VERSION = "(.*)".*/\1/p' tools/nanomdm_ctl/__init__.py)
[ "$steers" = "$version" ] ||
    say "tools/nanomdm_ctl/__init__.py: version \"$steers\" is not \"$version\""
packaged=$(sed -nE '1s/^.* \((.*)-[0-9]+\) .*/\1/p' debian/changelog)
[ "$packaged" = "$version" ] ||
    say "debian/changelog: version \"$packaged\" is not \"$version\""
grep -nE '"version":"' README.md docs/*.md |
    grep -vF "\"version\":\"$version\"" >&2 &&
    say "these lines show another version than $version"

# ---- the form of C ----

grep -nP '\t' mod_nanomdm.c src/*/*.[ch] >&2 && say "these lines have tabs"
LC_ALL=C.UTF-8 grep -nE '^.{81}' mod_nanomdm.c src/*/*.[ch] >&2 &&
    say "these lines have more than 80 columns"

# ---- the configurations ----

httpd=$(command -v apache2 || command -v httpd || echo /usr/sbin/apache2)
modules=$(${APXS:-apxs} -q LIBEXECDIR)
module=$(realpath "${MODULE:-mod_nanomdm.so}")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

if ! [ -f "$module" ]; then
    say "no $module; run make first"
    exit 1
fi
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -subj /CN=localhost -keyout "$tmp/server.key" -out "$tmp/device-ca.pem" \
    2>/dev/null
cat "$tmp/device-ca.pem" "$tmp/server.key" > "$tmp/server.pem"
cp "$tmp/device-ca.pem" "$tmp/device-intermediates.pem"
sh tools/nmdm-ca.sh "$tmp/ca" "Test CA" > /dev/null
mv "$tmp/ca/issuer.pem" "$tmp/ca/issuer.key" "$tmp"
cat "$tmp/issuer.pem" >> "$tmp/device-ca.pem"
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=recipient \
    -CA "$tmp/issuer.pem" -CAkey "$tmp/issuer.key" \
    -addext keyUsage=critical,digitalSignature,keyEncipherment \
    -addext basicConstraints=critical,CA:FALSE \
    -keyout "$tmp/recipient.key" -out "$tmp/recipient.pem" 2>/dev/null
echo secret > "$tmp/api.key"
openssl rand -hex 32 > "$tmp/storage.key"
echo token > "$tmp/maid.token"
for plist in return-to-service shared; do
    echo '<plist><dict><key>ReturnToService</key><dict/></dict></plist>' \
        > "$tmp/$plist.plist"
done
for key in webhook dm-send dm-receive; do echo secret > "$tmp/$key.key"; done
for ca in apns upstream server apple-device; do
    cp "$tmp/device-ca.pem" "$tmp/$ca-ca.pem"
done
echo '<plist><dict/></plist>' > "$tmp/enroll.plist"
(umask 077; cat "$tmp/server.pem" > "$tmp/signer.pem")

# try_configuration NAME: that file of $tmp, as part of a server that has
# httpd's standard modules and no more.
try_configuration() {
    {
        echo "ServerRoot $tmp
              DefaultRuntimeDir $tmp
              PidFile $tmp/httpd.pid
              ServerName localhost
              ErrorLog $tmp/error.log"
        for name in mpm_event authn_core authz_core authz_user auth_basic \
                    authn_file; do
            echo "LoadModule ${name}_module $modules/mod_$name.so"
        done
        sed -e "s|modules/mod_nanomdm.so|$module|" -e "s| modules/| $modules/|" \
            -e "s|/etc/nanomdm/|$tmp/|" -e "s|/var/lib/nanomdm/|$tmp/|" "$tmp/$1"
    } > "$tmp/httpd.conf"
    said=$("$httpd" -t -d "$tmp" -f "$tmp/httpd.conf" 2>&1) ||
        say "$1: $httpd -t says: $said"
}

awk '/^## The smallest working/ { here = 1 }
     here && /^```apache/ { inside = 1; next }
     inside && /^```/ { exit }
     inside' README.md > "$tmp/README.md"
if ! grep -q SetHandler "$tmp/README.md"; then
    say "README.md: no smallest working configuration in an apache block"
fi
try_configuration README.md

# Inert as it is; and with every line of configuration in force.
cp conf/nanomdm.conf "$tmp/nanomdm.conf"
grep -nE '^[^#]' "$tmp/nanomdm.conf" >&2 &&
    say "conf/nanomdm.conf: these lines are in force"
{
    echo "LoadModule dbd_module modules/mod_dbd.so"
    echo "LoadModule ssl_module modules/mod_ssl.so"
    echo "LoadModule nanomdm_module modules/mod_nanomdm.so"
    sed -nE 's/^#([^ ]|    +[A-Z<])/\1/p' conf/nanomdm.conf
} > "$tmp/conf-nanomdm.conf"
try_configuration conf-nanomdm.conf
exit $failed
