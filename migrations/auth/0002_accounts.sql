-- Who may log in.
create table accounts (
    -- UUIDv7, made by the service.
    account_id uuid primary key,
    -- As it was spelt at registration; the check is for sanity, the rule is in the service.
    username text not null check (username ~ '^[A-Za-z0-9._-]{3,80}$'),
    -- Names keep their case and are unique without it. "C": the same letters on every server.
    username_key text not null generated always as (lower(username collate "C")) stored,
    -- PHC string: algorithm, cost and salt are part of it, so that the cost can grow.
    password_hash text not null,
    created_at timestamptz not null default app_now(),
    password_changed_at timestamptz not null default app_now(),
    constraint accounts_username_key unique (username_key)
);

-- The client addresses that an account logged in from: these are never slowed
-- by somebody else's guessing. The latest 32 an account, for 180 days.
create table known_clients (
    account_id uuid not null references accounts on delete cascade,
    -- IPv4 in full, IPv6 by /64.
    client text not null,
    -- Written at most once a day.
    last_login_at timestamptz not null default app_now(),
    primary key (account_id, client)
);
create index known_clients_stale on known_clients (last_login_at);

-- Failures by unknown clients, as a bucket that gets one try back every
-- window/burst (GCRA). Bounded: one row an account, and 65,536 rows for all
-- the names that nobody has.
--
-- Unlogged: a failure costs no flush, and after a crash of the server guessing
-- merely starts with full buckets.
create unlogged table login_guesses (
    -- The account, or a bucket of names that nobody has.
    subject uuid primary key,
    -- When the bucket will be full again.
    full_at timestamptz not null
);
