-- A row a device: how far the rules have come with it, and whose turn it is.
create table devices (
    account_id uuid not null,
    device_id text not null,
    -- Events that concern rules: received, and seen by them. More received than
    -- seen: the device waits.
    received bigint not null,
    processed bigint not null default 0,
    -- The span of event time in which there is something new; null: nothing.
    new_from timestamptz,
    new_to timestamptz,
    -- Since when there has been something new: whatever arrived before was seen.
    waiting_since timestamptz not null,
    -- A claim sets the lease and the next fencing token; what a claim has found
    -- out is written only while the token is still its own.
    lease_until timestamptz,
    fence bigint not null default 0,
    primary key (account_id, device_id)
);
create index device_waiting on devices (waiting_since) where received > processed;
