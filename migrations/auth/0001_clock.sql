-- The one clock that decides what is due, leased or expired.
--
-- Roles: `auth-service migrate` runs as the owner of the database. The service
-- itself needs no more than the following, given by the operator after it:
--
--   -- `create` is for the migrator's `create table if not exists` alone.
--   grant usage, create on schema public to auth_service;
--   grant select, insert, update, delete on all tables in schema public to auth_service;
--   grant usage on all sequences in schema public to auth_service;
--   revoke insert, update, delete on app_clock, _sqlx_migrations from auth_service;

-- A shift that only tests set: they move time instead of sleeping. One row.
create table app_clock (
    only_row boolean primary key default true check (only_row),
    shift interval not null default interval '0'
);
insert into app_clock default values;

-- `stable`, so that an index may serve `… <= app_now()`; asked once a statement.
create function app_now() returns timestamptz
    language sql stable parallel safe
    as 'select clock_timestamp() + (select shift from app_clock)';
