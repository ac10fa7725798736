-- auth-service's side of the create_event saga.

-- What is known of a saga: the memory that makes its steps idempotent.
create table participant_sagas (
    saga_id uuid primary key,
    event_id uuid not null,
    -- reserved: may still be undone; confirmed: stays; released: undone, the
    -- tombstone that refuses a late reserve.
    state text not null check (state in ('reserved', 'confirmed', 'released')),
    changed_at timestamptz not null default app_now()
);
-- What the sweeper may forget.
create index participant_sagas_settled on participant_sagas (changed_at) where state <> 'reserved';

-- One row per event and account that takes part in it.
create table participants (
    event_id uuid not null,
    -- Records vanish with the account.
    account_id uuid not null references accounts on delete cascade,
    -- The saga that reserved it; null once a later change set it.
    saga_id uuid,
    state text not null check (state in ('reserved', 'confirmed')),
    primary key (event_id, account_id)
);
create index participants_account on participants (account_id);

-- The latest revision of an event that was heard of, so that an older one is
-- ignored, whatever the order of arrival.
create table participant_revisions (
    event_id uuid primary key,
    revision bigint not null,
    -- The event is gone; the row stays behind for a while as its tombstone.
    gone boolean not null,
    changed_at timestamptz not null default app_now()
);
create index participant_revisions_gone on participant_revisions (changed_at) where gone;
