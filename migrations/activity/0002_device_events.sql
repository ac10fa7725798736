-- What devices sent, each event once: the inbox of the rules, and what they remember.
create table device_events (
    -- Made of the account and the event's own id, or the request's key and the
    -- event's place in it: a repeat meets itself here. Else made in order of time.
    event_id uuid primary key,
    account_id uuid not null,
    device_id text not null,
    -- In the one spelling where a rule knows it, else as it was sent.
    type text not null,
    -- When it happened, by the device.
    at timestamptz not null,
    -- The id that the client gave it; null: none.
    client_id text,
    -- `json`, not `jsonb`: answered as it was kept.
    details json not null,
    received_at timestamptz not null
);
-- Serves the rules' reading of a device, in order of event time.
create index device_event_history on device_events (account_id, device_id, at);
-- Rows lie in the order of their arrival: a few pages serve the sweep.
create index device_event_received on device_events using brin (received_at);
