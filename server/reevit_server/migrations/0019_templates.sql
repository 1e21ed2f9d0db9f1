-- What a merchant writes to customers, in Liquid: found good when it was saved.

CREATE TABLE templates (
    org_id      text COLLATE "C" NOT NULL REFERENCES organizations,
    mode        text NOT NULL CHECK (mode IN ('test', 'live')),
    id          text COLLATE "C" NOT NULL,
    name        text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    channel     text NOT NULL CHECK (channel IN ('email', 'sms', 'notification')),
    subject     text CHECK (char_length(subject) BETWEEN 1 AND 1000),
    text        text CHECK (char_length(text) BETWEEN 1 AND 50000),
    html        text CHECK (char_length(html) BETWEEN 1 AND 50000),
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    CHECK ((channel = 'email') = (subject IS NOT NULL)),
    CHECK (channel = 'email' OR html IS NULL),
    CHECK (num_nonnulls(text, html) > 0),
    CONSTRAINT templates_name_taken UNIQUE (org_id, mode, name)
);

CREATE INDEX templates_newest ON templates (org_id, mode, created_at, id);
-- Last, and so preferred: 0003 says why.
ALTER TABLE templates ADD PRIMARY KEY (org_id, mode, id);
