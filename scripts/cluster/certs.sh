#!/bin/sh
# certs.sh FOLDER [DAYS]: makes the certificates of a system that are not there yet, each with its key (0600).
# In FOLDER: ca.crt, which has signed all of them, and NAME.crt with NAME.key for every service, which name it; and
# public.crt with public.key, for localhost, to try the gateway's TLS with. Remove a NAME.crt to have it made anew.
set -eu
folder=$1
days=${2:-825}
umask 077
mkdir -p "$folder"
cd "$folder"

key() {
    [ -s "$1.key" ] || { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key.new" 2>/dev/null && mv "$1.key.new" "$1.key"; }
}

# NAME, SUBJECT ALTERNATIVE NAMES, USAGE. The certificate is moved to its place when it is whole.
certificate() {
    [ ! -s "$1.crt" ] || return 0
    key "$1"
    openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
    printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=%s\nsubjectAltName=%s\n' "$3" "$2" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -set_serial "0x$(openssl rand -hex 16)" \
        -days "$days" -sha256 -extfile "$1.ext" -out "$1.crt.new" 2>/dev/null
    rm "$1.csr" "$1.ext"
    mv "$1.crt.new" "$1.crt"
}

if [ ! -s ca.crt ]; then
    key ca
    printf '[req]\ndistinguished_name=name\nx509_extensions=ca\n[name]\n[ca]\nbasicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n' >ca.cnf
    openssl req -x509 -new -key ca.key -config ca.cnf -subj "/CN=Shared Calendar services" -days 3650 -sha256 -out ca.crt.new
    rm ca.cnf
    mv ca.crt.new ca.crt
fi
for name in gateway auth calendar notification activity; do
    certificate "$name" "DNS:$name" serverAuth,clientAuth
done
certificate public DNS:localhost,IP:127.0.0.1 serverAuth
