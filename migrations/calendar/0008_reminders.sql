-- Reminders of events, per member.

-- Whether the event says which reminders it has, be it none (`[]`). Where it
-- does not, those of its calendar hold, whatever they are when it matters, and
-- `reminders` is empty. Derived from ical like the columns beside it.
alter table events add column names_reminders boolean not null default true;
update events set names_reminders = false where reminders = '{}';

-- Counts what notification-service must know of the event's reminders: its
-- time, and anybody's minutes. 0: it knows nothing of this event.
alter table events add column reminder_revision bigint not null default 0;

-- What a member chose for themselves instead; no row: as the event says.
create table own_reminders (
    event_id uuid not null references events on delete cascade,
    account_id uuid not null,
    -- Of the event; here for those who leave it.
    calendar_id uuid not null,
    -- Minutes before the start; none: not at all.
    minutes integer[] not null,
    -- The calendar's last_seq when it was chosen: a departure forgets what is older.
    chosen_seq bigint not null,
    constraint own_reminder_key primary key (event_id, account_id)
);
create index own_reminders_of_member on own_reminders (account_id, calendar_id);

-- Rows of one lane never wait for those of another: who is away delays only
-- what is for them. The order per key is kept within a lane.
alter table outbox add column lane text not null default 'accounts'
    constraint outbox_lane_known check (lane in ('accounts', 'reminders'));
create index outbox_lane_key on outbox (lane, key, outbox_id) where delivered_at is null;
create index outbox_lane_due on outbox (lane, next_attempt_at) where delivered_at is null;
drop index outbox_key;
drop index outbox_due;

-- The events that are there already: notification-service has not heard of any.
insert into outbox (lane, key, kind, payload)
select 'reminders', calendar_id, 'calendar_reminders', '{"all": true}'
from calendars where deleted_at is null;
