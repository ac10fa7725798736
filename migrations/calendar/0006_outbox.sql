-- What other services must hear, written with the change it follows, sent in
-- order per key, at least once.
create table outbox (
    outbox_id bigint generated always as identity primary key,
    -- The order is kept among rows of one key: the event they are about.
    key uuid not null,
    -- Which handler; see the service's outbox.
    kind text not null,
    payload jsonb not null,
    attempts integer not null default 0,
    next_attempt_at timestamptz not null default app_now(),
    lease_until timestamptz,
    fence bigint not null default 0,
    created_at timestamptz not null default app_now(),
    delivered_at timestamptz
);
create index outbox_key on outbox (key, outbox_id) where delivered_at is null;
create index outbox_due on outbox (next_attempt_at) where delivered_at is null;
create index outbox_delivered on outbox (delivered_at) where delivered_at is not null;
