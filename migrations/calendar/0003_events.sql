-- An event is an iCalendar object; the columns are its index.
create table events (
    event_id uuid primary key,
    calendar_id uuid not null references calendars,
    -- 'pending' is the saga's semantic lock: visible to nobody. Every read says 'confirmed'.
    state text not null constraint event_state_known check (state in ('pending', 'confirmed')),

    -- RFC 5545 text: the truth, with whatever a client sent that we do not model.
    ical text not null,

    -- === derived from ical by one function, in the same statement ===
    uid text not null,
    summary text not null,
    -- Instants; for all-day events the midnights of the first day and of the day
    -- after the last, in time_zone.
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    -- The zone that the user meant, IANA.
    time_zone text not null,
    all_day boolean not null,
    location text not null,
    description text not null,
    -- Minutes before the start.
    reminders integer[] not null,
    -- Account ids, and the usernames in the same order (read without a join).
    participants uuid[] not null,
    participant_names text[] not null,
    -- Until recurrence lands: always null.
    rrule text,
    recurrence_end timestamptz,
    -- iCalendar SEQUENCE and STATUS ('' when the object has none).
    sequence integer not null,
    status text not null,

    -- === ours ===
    created_by uuid not null,
    created_by_name text not null,
    -- Counts every change of the row; the etag is made of it.
    revision bigint not null default 1,
    -- The seq of the change that made this revision; 0 while pending.
    seq bigint not null default 0,
    created_at timestamptz not null default app_now(),
    updated_at timestamptz not null default app_now(),
    -- Longer than a week: windows look for these apart (see event_window).
    is_long boolean not null generated always as (ends_at - starts_at > interval '7 days') stored,
    constraint event_end_not_before_start check (ends_at >= starts_at)
);

-- Serves windows and their order. What is at most a week long and touches a
-- window starts within the week before it; what is longer has its own index.
create index event_window on events (calendar_id, starts_at, event_id) where state = 'confirmed';
create index event_window_long on events (calendar_id, ends_at) where state = 'confirmed' and is_long;
