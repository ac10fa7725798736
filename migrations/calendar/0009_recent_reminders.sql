-- Reminders of the socket command `scheduleEvent` that were delivered in the
-- last minutes: for those who were not connected then.
create table recent_reminders (
    delivery_id text primary key,
    name text not null,
    -- As clients see it: RFC 3339 UTC with milliseconds.
    time text not null,
    -- The room; null: for everybody, as BROADCAST_SCOPE says.
    calendar_id uuid,
    -- Who scheduled it.
    account_id uuid not null,
    -- Whether it came late already.
    late boolean not null,
    delivered_at timestamptz not null default app_now()
);
create index recent_reminders_at on recent_reminders (delivered_at);

-- The accounts that heard it.
create table heard_reminders (
    delivery_id text not null references recent_reminders on delete cascade,
    account_id uuid not null,
    constraint heard_reminder_key primary key (delivery_id, account_id)
);
