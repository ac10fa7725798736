-- Ed25519 keys that sign access tokens. Every row is published; the one with
-- the latest `signs_from` that has come signs.
create table signing_keys (
    -- RFC 7638 thumbprint of the public key.
    kid text primary key,
    public_key bytea not null check (octet_length(public_key) = 32),
    -- PKCS #8, sealed with the key file: AES-256-GCM, nonce first, tag last, bound to the kid.
    sealed_private_key bytea not null,
    created_at timestamptz not null default app_now(),
    -- Five minutes after the key was published, so that verifiers know it by then.
    signs_from timestamptz not null
);
