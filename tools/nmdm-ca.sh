#!/bin/sh
# Makes a CA that issues identities of devices: RSA of 3072 bits, ten years,
# with the key usages that Apple's SCEP client asks for. It is for MDM alone:
# never the company's.
#
#   nmdm-ca.sh DIR NAME    writes DIR/issuer.pem and DIR/issuer.key
#
# Nothing that is there is overwritten. The key is readable by its owner alone;
# httpd reads it while it starts as root.
set -eu

if [ $# -ne 2 ] || [ -z "$2" ]; then
    echo "usage: nmdm-ca.sh DIR NAME" >&2
    exit 2
fi
dir=$1
name=$2
for file in "$dir/issuer.pem" "$dir/issuer.key"; do
    if [ -e "$file" ]; then
        echo "$file is there already; nothing was made" >&2
        exit 1
    fi
done
mkdir -p "$dir"

# A slash or an equals sign in the name would be one of the subject's syntax.
config=$(mktemp)
trap 'rm -f "$config"' EXIT
escaped=$(printf '%s' "$name" | sed 's/[\\$"#;]/\\&/g')
cat > "$config" <<EOF
[req]
prompt = no
utf8 = yes
string_mask = utf8only
distinguished_name = name
x509_extensions = ca
[name]
CN = $escaped
[ca]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, digitalSignature, keyEncipherment, keyCertSign, cRLSign
subjectKeyIdentifier = hash
EOF
umask 077
openssl req -new -x509 -config "$config" -newkey rsa:3072 -noenc -sha256 \
    -days 3650 -keyout "$dir/issuer.key" -out "$dir/issuer.pem" 2> /dev/null || {
    rm -f "$dir/issuer.key" "$dir/issuer.pem"
    echo "openssl req could not make the CA" >&2
    exit 1
}
chmod 600 "$dir/issuer.key"
chmod 644 "$dir/issuer.pem"
cat <<EOF
$dir/issuer.pem and $dir/issuer.key; in the configuration of httpd:
    NanoMDMCACertificateFile     $dir/issuer.pem
    NanoMDMIssuerCertificateFile $dir/issuer.pem
    NanoMDMIssuerKeyFile         $dir/issuer.key
EOF
