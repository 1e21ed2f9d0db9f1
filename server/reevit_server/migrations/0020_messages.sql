-- Who sends for a merchant; what was sent, or is to be, and how each attempt went; who is not written to any more.

CREATE TABLE integrations (
    org_id        text COLLATE "C" NOT NULL REFERENCES organizations,
    mode          text NOT NULL CHECK (mode IN ('test', 'live')),
    id            text COLLATE "C" NOT NULL,
    name          text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    channel       text NOT NULL CHECK (channel IN ('email', 'sms', 'notification', 'webhook')),
    provider      text NOT NULL,
    credentials   bytea,  -- sealed
    from_address  text,
    from_name     text,
    reply_to      text,
    enabled       boolean NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    deleted_at    timestamptz,  -- messages still say who sent them
    CHECK ((credentials IS NULL) = (deleted_at IS NOT NULL)),
    CHECK (deleted_at IS NULL OR NOT enabled),
    CHECK ((channel = 'email') = (from_address IS NOT NULL)),
    CHECK (channel = 'email' OR num_nonnulls(from_name, reply_to) = 0)
);

CREATE UNIQUE INDEX integrations_name_taken ON integrations (org_id, mode, name) WHERE deleted_at IS NULL;
-- The one that a channel takes when nobody names another: the oldest that is on.
CREATE INDEX integrations_of_channel ON integrations (org_id, mode, channel, created_at, id) WHERE enabled;
CREATE INDEX integrations_newest ON integrations (org_id, mode, created_at, id) WHERE deleted_at IS NULL;
ALTER TABLE integrations ADD PRIMARY KEY (org_id, mode, id);

CREATE TABLE messages (
    org_id           text COLLATE "C" NOT NULL REFERENCES organizations,
    mode             text NOT NULL CHECK (mode IN ('test', 'live')),
    id               text COLLATE "C" NOT NULL,
    channel          text NOT NULL CHECK (channel IN ('email', 'sms', 'notification', 'webhook')),
    purpose          text NOT NULL CHECK (purpose IN ('transactional', 'marketing', 'test')),
    status           text NOT NULL
                     CHECK (status IN ('scheduled', 'queued', 'sending', 'sent', 'outbox', 'suppressed', 'failed')),
    reason           text,         -- why it is in the outbox, suppressed or failed
    reason_message   text,
    integration_id   text COLLATE "C",
    customer_id      text COLLATE "C",
    event_id         text COLLATE "C",
    execution_id     text COLLATE "C",
    position         smallint,     -- of the execution's action that wrote it
    recipient        text,         -- a chat's and a webhook's are their integration's; of who was erased there is none
    subject          text,
    text             text,
    html             text,
    receipt_of       text COLLATE "C",  -- the payment whose receipt goes with it
    attempt_count    integer NOT NULL DEFAULT 0 CHECK (attempt_count >= 0),
    failure_count    integer NOT NULL DEFAULT 0 CHECK (failure_count BETWEEN 0 AND attempt_count),
    next_attempt_at  timestamptz,
    sending_until    timestamptz,
    provider_ref     text,
    forgotten        boolean NOT NULL DEFAULT false,  -- its person was erased
    created_at       timestamptz NOT NULL,
    finished_at      timestamptz,
    FOREIGN KEY (org_id, mode, customer_id) REFERENCES customers (org_id, mode, id),
    FOREIGN KEY (org_id, mode, integration_id) REFERENCES integrations (org_id, mode, id),
    CHECK ((execution_id IS NULL) = (position IS NULL)),
    CHECK (integration_id IS NOT NULL OR status NOT IN ('scheduled', 'queued', 'sending', 'sent')),
    CHECK ((status = 'scheduled') = (next_attempt_at IS NOT NULL)),
    CHECK ((status = 'sending') = (sending_until IS NOT NULL)),
    CHECK ((status IN ('scheduled', 'queued', 'sending')) = (finished_at IS NULL)),
    CHECK ((status IN ('outbox', 'suppressed', 'failed')) = (reason IS NOT NULL)),
    -- However often an execution is done, by whomever: one message for each of its actions.
    CONSTRAINT messages_once UNIQUE (org_id, mode, execution_id, position)
);

CREATE INDEX messages_newest ON messages (org_id, mode, created_at, id);
CREATE INDEX messages_by_channel ON messages (org_id, mode, channel, created_at, id);
CREATE INDEX messages_by_status ON messages (org_id, mode, status, created_at, id);
CREATE INDEX messages_of_customer ON messages (org_id, mode, customer_id, created_at, id);
CREATE INDEX messages_due ON messages (org_id, mode, integration_id, next_attempt_at, id) WHERE status = 'scheduled';
CREATE INDEX messages_under_way ON messages (org_id, mode, integration_id) WHERE status IN ('queued', 'sending');
CREATE INDEX messages_oldest ON messages (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX messages_waiting ON messages (created_at) WHERE finished_at IS NULL;
ALTER TABLE messages ADD PRIMARY KEY (org_id, mode, id);

CREATE TABLE message_attempts (
    org_id          text COLLATE "C" NOT NULL,
    mode            text NOT NULL,
    message_id      text COLLATE "C" NOT NULL,
    number          integer NOT NULL CHECK (number > 0),
    integration_id  text COLLATE "C" NOT NULL,
    provider        text NOT NULL,
    started_at      timestamptz NOT NULL,
    ended_at        timestamptz,
    outcome         text CHECK (outcome IN ('sent', 'later', 'never', 'interrupted')),
    code            text,
    message         text,
    latency_ms      integer,
    CHECK ((ended_at IS NULL) = (outcome IS NULL)),
    FOREIGN KEY (org_id, mode, message_id) REFERENCES messages (org_id, mode, id) ON DELETE CASCADE
);

ALTER TABLE message_attempts ADD PRIMARY KEY (org_id, mode, message_id, number);

-- An address is kept as a fingerprint: it stays suppressed when its person is forgotten, and names nobody.
CREATE TABLE suppressions (
    org_id       text COLLATE "C" NOT NULL REFERENCES organizations,
    mode         text NOT NULL CHECK (mode IN ('test', 'live')),
    id           text COLLATE "C" NOT NULL,
    channel      text NOT NULL CHECK (channel IN ('email', 'sms')),
    fingerprint  bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    hint         text NOT NULL,  -- a***@example.com
    covers       text NOT NULL CHECK (covers IN ('marketing', 'everything')),
    reason       text NOT NULL CHECK (reason IN ('unsubscribed', 'opted_out', 'bounced', 'manual')),
    created_at   timestamptz NOT NULL,
    -- Each reason stands by itself: to lift one takes back no other.
    CONSTRAINT suppressions_once UNIQUE (org_id, mode, channel, fingerprint, reason)
);

CREATE INDEX suppressions_newest ON suppressions (org_id, mode, created_at, id);
-- Last, and so preferred: 0003 says why.
ALTER TABLE suppressions ADD PRIMARY KEY (org_id, mode, id);
