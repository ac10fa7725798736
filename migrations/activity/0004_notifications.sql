-- What rules want to be told: a deadline while it is not due, an outbox row after that.
create table notifications (
    -- Made of all that it is about: found out again, it is the same one.
    notification_id uuid primary key,
    account_id uuid not null,
    device_id text not null,
    -- Which rule, about what, and from when to when that went on.
    rule text not null,
    about text not null,
    from_at timestamptz not null,
    to_at timestamptz not null,
    message text not null,
    due_at timestamptz not null,
    attempts integer not null default 0,
    next_attempt_at timestamptz not null,
    lease_until timestamptz,
    fence bigint not null default 0,
    created_at timestamptz not null,
    -- How it ended; null: it waits.
    outcome text constraint notification_outcome_known check (outcome in ('delivered', 'cancelled')),
    ended_at timestamptz,
    constraint notification_ended check ((outcome is null) = (ended_at is null))
);
-- A device's line: one after the other, in the order in which they are due.
create index notification_line on notifications (account_id, device_id, due_at, notification_id) where outcome is null;
create index notification_due on notifications (next_attempt_at) where outcome is null;
-- Serves the comparison of what is wanted with what is there.
create index notification_subject on notifications (account_id, device_id, from_at);
create index notification_ended on notifications (ended_at) where ended_at is not null;
