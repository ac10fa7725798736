-- A calendar is a room: a name, a password, members, and one counter of changes.
create table calendars (
    calendar_id uuid primary key,
    -- As its owner spelt it: trimmed, NFC, 1 to 100 characters.
    calendar_name text not null,
    -- The name without case (folded by the service); what "taken" means.
    name_key text not null,
    -- argon2id, PHC string. Who knows the password joins as editor.
    password_hash text not null,
    -- IANA name; the default for the calendar's events.
    time_zone text not null,
    -- '#rrggbb', or empty.
    color text not null default '',
    -- Minutes before the start, for events that name none.
    default_reminders integer[] not null default '{}',
    -- The seq of the newest row of calendar_changes. Taking the next one locks
    -- this row to the commit: that is what makes seq gapless and in commit order.
    last_seq bigint not null default 0,
    created_at timestamptz not null default app_now(),
    -- Soft-deleted: gone for everybody, kept for 30 days, its name is free.
    deleted_at timestamptz
) with (fillfactor = 60); -- last_seq changes all the time: leave room for HOT updates

create unique index calendar_name_key on calendars (name_key) where deleted_at is null;
create index calendars_deleted on calendars (deleted_at) where deleted_at is not null;

-- Who is in. A row is the membership: leaving deletes it.
create table members (
    calendar_id uuid not null references calendars,
    account_id uuid not null,
    -- Usernames never change; kept here, because accounts live in another database.
    username text not null,
    username_key text not null,
    role text not null constraint member_role_known check (role in ('owner', 'editor', 'viewer')),
    -- The seq of the change that let them in: "longest in" is the smallest.
    joined_seq bigint not null,
    joined_at timestamptz not null default app_now(),
    constraint member_key primary key (calendar_id, account_id)
);
-- "My calendars", and the end of an account.
create index members_account on members (account_id);

-- Who was removed by an owner and may not rejoin by password.
create table barred_members (
    calendar_id uuid not null references calendars,
    account_id uuid not null,
    username text not null,
    username_key text not null,
    barred_at timestamptz not null default app_now(),
    constraint barred_member_key primary key (calendar_id, account_id)
);
create index barred_members_account on barred_members (account_id);

-- Tries at a calendar's password, counted before the hash: one row per account
-- and calendar, one per calendar (the nil account). A wrong try moves
-- `spent_until` on by one interval (GCRA); a right one gives it back.
create table password_tries (
    calendar_id uuid not null references calendars on delete cascade,
    account_id uuid not null,
    spent_until timestamptz not null,
    constraint password_try_key primary key (calendar_id, account_id)
);
create index password_tries_spent on password_tries (spent_until);
