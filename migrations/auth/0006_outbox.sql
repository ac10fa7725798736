-- What other services must hear, written with the change it follows, sent in
-- order per key, at least once. Delivered rows are deleted.
create table outbox (
    outbox_id bigint generated always as identity primary key,
    -- The order is kept among rows of one key: the account they are about.
    key uuid not null,
    -- Which message; see the service's outbox.
    kind text not null check (kind in ('account_removed')),
    attempts integer not null default 0,
    next_attempt_at timestamptz not null default app_now(),
    -- Whoever claimed the row works on it alone until then …
    lease_until timestamptz,
    -- … and may record the outcome only with the number of that claim.
    fence bigint not null default 0,
    created_at timestamptz not null default app_now()
);
create index outbox_key on outbox (key, outbox_id);
create index outbox_due on outbox (next_attempt_at);
