-- What concerns one person alone: reminders of events, notifications.

-- One order per account.
create table inboxes (
    account_id uuid primary key,
    -- The seq of the newest entry. Taking the next one locks this row to the
    -- commit: that is what makes seq gapless and in commit order.
    last_seq bigint not null default 0
) with (fillfactor = 60); -- leave room for HOT updates

create table inbox_entries (
    account_id uuid not null,
    seq bigint not null,
    kind text not null constraint inbox_kind_known check (kind in ('reminder', 'notification')),
    -- A JSON object: what the frame says beyond the columns.
    payload text not null,
    at timestamptz not null default app_now(),
    -- Who connects later than this is not handed it any more: the end of the
    -- event that a reminder is of. Null: it does not grow old.
    until timestamptz,
    -- When it was handed to the account's sockets; null: it waits for the next one.
    told_at timestamptz,
    -- When the person said so, and everything before it.
    seen_at timestamptz,
    constraint inbox_entry_key primary key (account_id, seq)
);
create index inbox_untold on inbox_entries (account_id, seq) where told_at is null;
create index inbox_seen on inbox_entries (seen_at) where seen_at is not null;

-- What was delivered to us: a repeat changes nothing.
create table deliveries (
    -- The id that the other service gave it, behind what kind of thing it is
    -- and, for notifications, whose.
    delivery_id text primary key,
    at timestamptz not null default app_now()
);
create index deliveries_at on deliveries (at);
