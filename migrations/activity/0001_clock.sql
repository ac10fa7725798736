-- The one clock that decides what is due, leased or expired.

-- A shift that only tests set: they move time instead of sleeping. One row.
-- The role of a production service has no right to write here.
create table app_clock (
    only_row boolean primary key default true check (only_row),
    shift interval not null default interval '0'
);
insert into app_clock default values;

-- `stable`, so that an index may serve `… <= app_now()`; asked once a statement.
create function app_now() returns timestamptz
    language sql stable parallel safe
    as 'select clock_timestamp() + (select shift from app_clock)';
