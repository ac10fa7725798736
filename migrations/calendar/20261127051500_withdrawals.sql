-- How often a departed member's name was taken out of events after the departure itself, which alone is in the
-- log: with last_seq it says which state of the calendar somebody has seen.
alter table calendars add column withdrawals bigint not null default 0;
