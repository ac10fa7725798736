-- The relay's stream: how far it is, and everything needed to go on from there.

-- One row. Whoever leads writes it together with the snapshot's parts.
create table relay_state (
    only_row boolean primary key default true check (only_row),
    -- One more each time a processor takes the lead: an older one that does not know yet can write nothing.
    epoch bigint not null default 0,
    -- One more with each reset by hand: the processor that leads forgets what it holds.
    generation bigint not null default 0,
    -- For people: the snapshot itself says all of this.
    position bigint not null default 0,
    waiting integer not null default 0,
    bytes bigint not null default 0,
    taken_at timestamptz
);
insert into relay_state default values;

-- The last snapshot, cut so that no statement takes long. Rewritten often and worth nothing when old.
create table relay_snapshot_parts (
    part integer primary key,
    body bytea not null
);
-- Compressing it costs more than it saves.
alter table relay_snapshot_parts alter column body set storage external;
