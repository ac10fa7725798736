-- What an account signs its webhooks with.
create table webhook_secrets (
    account_id uuid primary key,
    secret bytea not null check (octet_length(secret) = 32),
    -- The one before signs as well until then.
    previous bytea check (octet_length(previous) = 32),
    previous_until timestamptz
);

-- Where an account's notifications go besides its inbox; no row: nowhere.
create table webhook_urls (
    account_id uuid primary key,
    url text not null
);
