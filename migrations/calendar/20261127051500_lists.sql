-- With last_seq these say which state of a calendar's events somebody has seen.
alter table calendars
    -- Changes in the log that are messages: no list of events shows them.
    add column messages bigint not null default 0,
    -- How often a departed member's name was taken out of events after the departure itself, which alone is in the log.
    add column withdrawals bigint not null default 0;
