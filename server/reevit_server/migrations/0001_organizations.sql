-- Who uses this installation, and with which keys.

CREATE TABLE organizations (
    id          text COLLATE "C" PRIMARY KEY,
    name        text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    currency    text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),  -- what rankings speak of when none is named
    created_at  timestamptz NOT NULL
);

CREATE TABLE api_keys (
    org_id         text COLLATE "C" NOT NULL REFERENCES organizations,
    id             text COLLATE "C" NOT NULL,
    mode           text NOT NULL CHECK (mode IN ('test', 'live')),
    public_id      text COLLATE "C" NOT NULL CHECK (char_length(public_id) = 12),  -- the readable part of the key
    secret_sha256  bytea NOT NULL CHECK (octet_length(secret_sha256) = 32),
    name           text CHECK (char_length(name) BETWEEN 1 AND 200),
    scopes         text[] NOT NULL CHECK (cardinality(scopes) > 0),
    created_at     timestamptz NOT NULL,
    revoked_at     timestamptz,
    PRIMARY KEY (org_id, id)
);

-- A request brings a key before anybody knows its organization.
CREATE UNIQUE INDEX api_keys_public_id ON api_keys (public_id);
