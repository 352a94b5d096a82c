#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# micromdm's scepclient gets a certificate from a SCEP server. Its help says of
# -private-key and -certificate that they are made where there are none, and of
# -challenge, -cn and -ou that they are what is asked with.
#
# Expected: a call that was refused for its challenge can be repeated with the
#   right one: -challenge, -cn and -ou of each call are those that are sent.
# Observed: the first call leaves its request in csr.pem beside the key, of which
#   the help has no word, and each later one sends that again, with its first
#   challenge and names; the new options are ignored silently, and the server goes
#   on refusing. Once csr.pem is removed, the same call succeeds
#   (scep 2.1.0-3+b4: scepclient, and scepserver as the server).
set -u
VERSION=2.1.0-3+b4
PORT=${PORT:-19810}

work=$(mktemp -d) || exit 2
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$work"' EXIT
cd "$work" || exit 2
for tool in curl openssl; do
    command -v $tool > /dev/null || { echo "needs $tool" >&2; exit 2; }
done
apt-get download "scep=$VERSION" > log 2>&1 ||
    { tail -n 1 log >&2; echo "cannot download scep $VERSION" >&2; exit 2; }
dpkg -x scep_*.deb root || exit 2
PATH=$work/root/usr/bin:$PATH

scepserver ca -init -keySize 2048 > log 2>&1 || { tail -n 1 log >&2; exit 2; }
scepserver -depot depot -port "$PORT" -challenge right > server.log 2>&1 &
server=$!
url=http://127.0.0.1:$PORT/scep
for _ in $(seq 50); do
    curl -s "$url?operation=GetCACaps" > caps && break
    sleep 0.2
done
[ -s caps ] || { tail -n 1 server.log >&2; exit 2; }

mkdir client
enroll() {
    timeout 60 scepclient -server-url "$url" -private-key client/key.pem \
        -certificate client/cert.pem "$@" > log 2>&1
    if [ -e client/cert.pem ]; then
        openssl x509 -in client/cert.pem -noout -subject -nameopt RFC2253
    else
        grep -o 'failInfo: [a-zA-Z]*' log
    fi
}
wrong=$(enroll -challenge wrong -cn first)
right=$(enroll -challenge right -cn second)
kept=$(openssl req -in client/csr.pem -noout -subject -nameopt RFC2253)
rm -f client/csr.pem
again=$(enroll -challenge right -cn second)
echo "expected: a wrong challenge is refused, the right one then is not"
echo "observed: -challenge wrong -cn first:  $wrong"
echo "observed: -challenge right -cn second: $right; csr.pem: $kept"
echo "observed: the same without csr.pem:    $again"
case "$wrong/$right/$kept/$again" in
*badRequest/*badRequest/*CN=first*/*CN=second*) exit 0 ;;
*) exit 1 ;;
esac
