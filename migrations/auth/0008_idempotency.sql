-- First answers to requests that carried an `Idempotency-Key`: a repeat gets the
-- same one. The same tables in every service that owns rows; their statements are
-- in chassis/src/idempotency/slots.rs.
create table idempotency (
    -- Keyed hash of who asks, the route and the key: two accounts never meet.
    slot bytea primary key,
    -- For people who look.
    route text not null,
    -- Keyed hash of the request, which may hold a password.
    body bytea not null,
    -- The durable run (a saga) that will answer: until then the request is in flight.
    -- Whoever gives the run up removes the row in the same statement.
    run_id uuid,
    -- JSON: what the use-case answered …
    answer text,
    -- … or the refusal, where it was a definite one.
    refusal text,
    -- 24 hours after the answer, by app_now().
    expires_at timestamptz not null,
    constraint idempotency_one_state check (num_nonnulls(run_id, answer, refusal) = 1)
);
create index idempotency_run on idempotency (run_id) where run_id is not null;
create index idempotency_expiry on idempotency (expires_at);

-- The key of those hashes: 244 random bits, made once, here.
create table idempotency_secret (
    only_row boolean primary key default true check (only_row),
    secret bytea not null
);
insert into idempotency_secret (secret)
    values (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
