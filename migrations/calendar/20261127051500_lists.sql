-- With last_seq these say which state of a calendar's events somebody has seen.
alter table calendars
    -- Messages in the log, from now on: no list of events shows them.
    add column messages bigint not null default 0,
    -- How often names of departed members were taken out of events: for many events that is later than the departure,
    -- which alone is in the log.
    add column withdrawals bigint not null default 0;
