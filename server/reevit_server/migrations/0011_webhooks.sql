-- Who is told of events, each telling of one event to one of them, and every attempt at it.

CREATE TABLE webhook_endpoints (
    org_id                 text COLLATE "C" NOT NULL REFERENCES organizations,
    mode                   text NOT NULL CHECK (mode IN ('test', 'live')),
    id                     text COLLATE "C" NOT NULL,
    kind                   text NOT NULL CHECK (kind IN ('config', 'endpoint', 'listener')),
    url                    text CHECK (char_length(url) <= 2048),  -- a listener has none: it comes and asks
    description            text CHECK (char_length(description) <= 200),
    events                 text[] NOT NULL CHECK (cardinality(events) BETWEEN 1 AND 50),
    status                 text NOT NULL CHECK (status IN ('active', 'paused', 'disabled')),
    disabled_reason        text CHECK (disabled_reason IN ('turned_off', 'gone', 'failing')),
    secret                 bytea,        -- sealed with the master key
    previous_secret        bytea,        -- likewise; signs too until its time is over
    previous_secret_until  timestamptz,
    failing_since          timestamptz,  -- of its first failure after its last success
    seen_at                timestamptz,  -- when a listener asked last
    created_at             timestamptz NOT NULL,
    updated_at             timestamptz NOT NULL,
    deleted_at             timestamptz,  -- the row stays for its deliveries
    CHECK ((kind = 'listener') = (url IS NULL)),
    CHECK ((kind = 'listener') = (seen_at IS NOT NULL)),
    CHECK ((status = 'disabled') = (disabled_reason IS NOT NULL)),
    CHECK ((previous_secret IS NULL) = (previous_secret_until IS NULL)),
    CHECK (secret IS NOT NULL OR deleted_at IS NOT NULL)
);

CREATE UNIQUE INDEX webhook_endpoints_one_config ON webhook_endpoints (org_id, mode)
    WHERE kind = 'config' AND deleted_at IS NULL;
ALTER TABLE webhook_endpoints ADD PRIMARY KEY (org_id, mode, id);  -- last, and so preferred: 0003 says why

CREATE TABLE webhook_deliveries (
    org_id           text COLLATE "C" NOT NULL,
    mode             text NOT NULL,
    id               text COLLATE "C" NOT NULL,
    event_id         text COLLATE "C" NOT NULL,
    endpoint_id      text COLLATE "C" NOT NULL,
    status           text NOT NULL CHECK (status IN (
                         'queued',      -- a job will send it
                         'waiting',     -- for a place among those that its endpoint is sent at once
                         'scheduled',   -- for its next attempt
                         'sending',
                         'delivered', 'exhausted', 'disabled')),
    attempt_count    integer NOT NULL DEFAULT 0,
    failure_count    integer NOT NULL DEFAULT 0,  -- since it was created or last replayed
    next_attempt_at  timestamptz,
    sending_until    timestamptz,  -- whoever sends it has ended by then, one way or the other
    created_at       timestamptz NOT NULL,
    finished_at      timestamptz,
    CHECK (failure_count <= attempt_count),
    CHECK ((status = 'scheduled') = (next_attempt_at IS NOT NULL)),
    CHECK ((status = 'sending') = (sending_until IS NOT NULL)),
    CHECK ((status IN ('delivered', 'exhausted', 'disabled')) = (finished_at IS NOT NULL)),
    CONSTRAINT webhook_deliveries_one_per_event UNIQUE (org_id, mode, event_id, endpoint_id),
    FOREIGN KEY (org_id, mode, event_id) REFERENCES events (org_id, mode, id) ON DELETE CASCADE,
    FOREIGN KEY (org_id, mode, endpoint_id) REFERENCES webhook_endpoints (org_id, mode, id)
);

CREATE INDEX webhook_deliveries_of_endpoint ON webhook_deliveries (org_id, mode, endpoint_id, id);
-- Who waits for a place at an endpoint, and how many have one.
CREATE INDEX webhook_deliveries_unfinished ON webhook_deliveries (org_id, mode, endpoint_id, status, id)
    WHERE status IN ('queued', 'waiting', 'scheduled', 'sending');
CREATE INDEX webhook_deliveries_given_up ON webhook_deliveries (org_id, mode, status, id)
    WHERE status IN ('exhausted', 'disabled');
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at) WHERE status = 'scheduled';
ALTER TABLE webhook_deliveries ADD PRIMARY KEY (org_id, mode, id);  -- last, as above

CREATE TABLE webhook_attempts (
    org_id         text COLLATE "C" NOT NULL,
    mode           text NOT NULL,
    delivery_id    text COLLATE "C" NOT NULL,
    number         integer NOT NULL CHECK (number > 0),
    started_at     timestamptz NOT NULL,
    latency_ms     integer CHECK (latency_ms >= 0),
    status_code    integer,
    error          text,   -- why it failed, for programs; null while it runs, and when it succeeded
    error_message  text,   -- the same for people
    response_body  text CHECK (octet_length(response_body) <= 4096),  -- the first kilobyte, as text
    PRIMARY KEY (org_id, mode, delivery_id, number),
    FOREIGN KEY (org_id, mode, delivery_id) REFERENCES webhook_deliveries (org_id, mode, id) ON DELETE CASCADE
);
