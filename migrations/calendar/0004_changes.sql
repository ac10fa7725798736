-- The log: everything that happens in a calendar, in order. Sockets, resume and
-- REST `since` read it. No foreign key: each insert is one statement with the
-- update of its calendar's last_seq.
create table calendar_changes (
    calendar_id uuid not null,
    seq bigint not null,
    kind text not null constraint change_kind_known check (kind in (
        'event_created', 'event_updated', 'event_deleted',
        'member_joined', 'member_left', 'role_changed',
        'message', 'settings_changed', 'calendar_deleted'
    )),
    -- The username of who did it.
    by_name text not null,
    at timestamptz not null default app_now(),
    -- The account that a member change is about; null for all others.
    subject uuid,
    -- A JSON object: what the frame says beyond the columns.
    payload text not null,
    constraint change_key primary key (calendar_id, seq)
);
-- Messages are read newest first.
create index calendar_messages on calendar_changes (calendar_id, seq) where kind = 'message';
