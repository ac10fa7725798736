-- create_event over two databases. A row is one run; whoever claims it goes on.
create table sagas (
    saga_id uuid primary key,
    -- running: T1 is done, T3 is not. aborting: being undone. confirming: T3 is
    -- done, the participants' confirmation is in the outbox. confirmed, aborted:
    -- over. needs_attention: its undo keeps failing; still tried, slowly.
    state text not null constraint saga_state_known check (state in
        ('running', 'aborting', 'needs_attention', 'confirming', 'confirmed', 'aborted')),
    event_id uuid not null,
    calendar_id uuid not null,
    -- Who asked; the saga outlives their request.
    account_id uuid not null,
    username text not null,
    participants uuid[] not null,
    -- Why it is being undone: a reason's code, empty while it is not.
    reason text not null default '',
    attempts integer not null default 0,
    -- For a running saga its deadline: past it T3 is refused and anybody may abort.
    next_attempt_at timestamptz not null,
    deadline timestamptz not null,
    -- Whose turn it is: a claim sets the lease and the next fencing token, and
    -- every write of a worker names the token it was given.
    lease_until timestamptz,
    fence bigint not null default 0,
    created_at timestamptz not null default app_now(),
    finished_at timestamptz
);
create index saga_due on sagas (next_attempt_at) where state in ('running', 'aborting', 'needs_attention');
create index saga_finished on sagas (finished_at) where finished_at is not null;
