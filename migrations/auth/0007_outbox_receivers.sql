-- Who is to hear it: a row for each receiver, so that one that is away stops
-- none of the others. Rows of a version that knew one receiver only are its.
alter table outbox add column receiver text not null default 'calendar'
    check (receiver in ('calendar', 'notification', 'activity'));
-- The order is kept among rows of one key for one receiver.
create index outbox_lane on outbox (key, receiver, outbox_id);
drop index outbox_key;
