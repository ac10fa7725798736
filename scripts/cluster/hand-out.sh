#!/bin/sh
# In Compose's service `secrets`: makes what is missing of the secrets in /secrets/all, and gives each service a copy of
# those it needs, readable by its user alone: 65532 is that of our image, 999 that of PostgreSQL's.
set -eu
sh /opt/cluster/secrets.sh /secrets/all
sh /opt/cluster/certs.sh /secrets/all/tls

give() {
    file=$1 folder=/secrets/$2 user=$3 as=${4:-$1}
    install -m 0400 -o "$user" -g "$user" "/secrets/all/$file" "$folder/$as"
}

for service in gateway auth calendar notification activity; do
    chown 65532:65532 "/secrets/$service"
    chmod 0500 "/secrets/$service"
    give service_token "$service" 65532
    give tls/ca.crt "$service" 65532 ca.crt
    give "tls/$service.crt" "$service" 65532 tls.crt
    give "tls/$service.key" "$service" 65532 tls.key
done
for service in auth calendar notification activity; do
    give "$service.pgpass" "$service" 65532 pgpass
done
give auth.key auth 65532

chown 999:999 /secrets/postgres
chmod 0500 /secrets/postgres
for name in postgres replicator auth calendar notification activity; do
    give "${name}_password" postgres 999
done
give replicator.pgpass postgres 999
