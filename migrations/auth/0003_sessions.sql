-- A row is a live session until `expires_at`; no row, no session.
create table sessions (
    session_id uuid primary key,
    account_id uuid not null references accounts on delete cascade,
    -- As the client called itself at login; at most 256 characters.
    user_agent text not null default '',
    created_at timestamptz not null default app_now(),
    -- Written at most once a minute.
    last_seen_at timestamptz not null default app_now(),
    expires_at timestamptz not null
);
-- The list of an account's sessions, newest first.
create index sessions_account on sessions (account_id, created_at desc);
create index sessions_expired on sessions (expires_at);

-- Sessions that were ended before they expired, for those who hold sockets or
-- cached answers. Kept a day.
create table ended_sessions (
    session_id uuid primary key,
    ended_at timestamptz not null default app_now()
);
create index ended_sessions_recent on ended_sessions (ended_at);

-- Single-use WebSocket tickets.
create table tickets (
    -- SHA-256 of the ticket: reading this table opens no door.
    ticket_hash bytea primary key check (octet_length(ticket_hash) = 32),
    session_id uuid not null references sessions on delete cascade,
    expires_at timestamptz not null
);
create index tickets_session on tickets (session_id);
create index tickets_expired on tickets (expires_at);
