#!/bin/sh
# A role and a database for each service, and the role of the standbys; what is there already stays, but for the
# passwords, which become those of SECRETS. Run on the primary with the administrator's PGHOST, PGPORT, PGUSER….
set -eu
SECRETS=${SECRETS:-/run/secrets}
export SECRETS
# There may be no standby yet that could confirm a commit.
export PGOPTIONS='-c synchronous_commit=local -c client_min_messages=warning'

psql -v ON_ERROR_STOP=1 -qX -d postgres <<'SQL'
select 'create role replicator replication login'
where not exists (select from pg_roles where rolname = 'replicator') \gexec
\set password `cat "$SECRETS/replicator_password"`
alter role replicator password :'password';
SQL

for name in ${DATABASES:-auth calendar notification activity}; do
    psql -v ON_ERROR_STOP=1 -qX -d postgres -v name="$name" <<'SQL'
\setenv NAME :name
select format('create role %I login', :'name')
where not exists (select from pg_roles where rolname = :'name') \gexec
\set password `cat "$SECRETS/${NAME}_password"`
alter role :"name" password :'password';
-- To see how far the standbys are behind; nothing else.
grant pg_read_all_stats to :"name";
select format('create database %I owner %I', :'name', :'name')
where not exists (select from pg_database where datname = :'name') \gexec
revoke all on database :"name" from public;
SQL
done
