-- Everything that is to happen at a time: a row is one piece of due work, of
-- whatever kind. One table, so that one claim serves every kind in order.
create table due_work (
    work_id uuid primary key,
    -- Which handler; see the service's `handlers`.
    kind text not null,
    -- Whose it is, and goes with: null for a public timer or an event's reminder.
    account_id uuid,
    -- What it is about: the event of a reminder.
    subject uuid,
    -- Makes a repeated wish harmless, within an account and kind.
    dedupe text,
    -- What the handler needs.
    payload jsonb not null,
    -- Deliveries of one lane share a limit: a receiving host, or a service.
    lane text not null,
    -- open: to be delivered at `next_at`. The others are over.
    state text not null default 'open'
        constraint due_work_state_known check (state in ('open', 'done', 'failed', 'cancelled')),
    -- When it was meant to happen …
    due_at timestamptz not null,
    -- … and when somebody may claim it next: `due_at` at first, then the end of
    -- a lease, then the next attempt. So what is held is not in the way of a claim.
    next_at timestamptz not null,
    -- A claim takes the next number, and every write of its holder names it.
    fence bigint not null default 0,
    attempts integer not null default 0,
    -- Failed attempts of the present schedule; sending again starts anew.
    failures integer not null default 0,
    -- The HTTP status of the last attempt; 0: none, or it had no answer.
    last_status integer not null default 0,
    -- When it was claimed for the first time.
    fired_at timestamptz,
    created_at timestamptz not null,
    finished_at timestamptz
);
-- A claim reads its beginning.
create index due_work_next on due_work (next_at) where state = 'open';
-- An account's timers, newest first; and everything that goes with it.
create index due_work_account on due_work (account_id, kind, created_at desc, work_id desc)
    where account_id is not null;
-- Dead letters are few among many delivered ones.
create index due_work_failed on due_work (account_id, kind, created_at desc, work_id desc) where state = 'failed';
create unique index due_work_dedupe on due_work (account_id, kind, dedupe) where dedupe is not null;
create index due_work_subject on due_work (subject) where state = 'open' and subject is not null;
-- What the sweeper may forget.
create index due_work_finished on due_work (finished_at) where finished_at is not null;

-- The ledger of requests to webhooks, one row an attempt. No foreign key: it
-- would be checked at each of thousands of inserts a second, and rows here go
-- with their work anyway.
create table deliveries (
    work_id uuid not null,
    attempt integer not null,
    started_at timestamptz not null,
    duration_ms integer not null,
    -- The HTTP status; 0: there was no answer.
    status integer not null,
    -- Why it does not count as delivered; empty when it does.
    failure text not null,
    primary key (work_id, attempt)
);

-- The latest revision of an event's reminders that was heard of, so that an
-- older one is ignored, whatever the order of arrival.
create table event_revisions (
    event_id uuid primary key,
    revision bigint not null,
    changed_at timestamptz not null
);
create index event_revisions_changed on event_revisions (changed_at);
