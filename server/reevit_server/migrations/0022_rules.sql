-- What follows from an event: rules, the notices that are built in, and what was done by either.

CREATE TABLE rules (
    org_id      text COLLATE "C" NOT NULL REFERENCES organizations,
    mode        text NOT NULL CHECK (mode IN ('test', 'live')),
    id          text COLLATE "C" NOT NULL,
    name        text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    enabled     boolean NOT NULL,
    trigger     text NOT NULL,
    conditions  jsonb NOT NULL CHECK (jsonb_typeof(conditions) = 'object'),
    actions     jsonb NOT NULL CHECK (jsonb_typeof(actions) = 'array' AND jsonb_array_length(actions) BETWEEN 1 AND 10),
    priority    integer NOT NULL CHECK (priority BETWEEN -1000 AND 1000),
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);

CREATE INDEX rules_on ON rules (org_id, mode, trigger) WHERE enabled;
CREATE INDEX rules_newest ON rules (org_id, mode, created_at, id);
ALTER TABLE rules ADD PRIMARY KEY (org_id, mode, id);

-- Without a row all are off.
CREATE TABLE notice_switches (
    org_id            text COLLATE "C" NOT NULL REFERENCES organizations,
    mode              text NOT NULL CHECK (mode IN ('test', 'live')),
    receipt_email     boolean NOT NULL,
    receipt_sms       boolean NOT NULL,
    payment_failed    boolean NOT NULL,
    renewal_upcoming  boolean NOT NULL,
    updated_at        timestamptz NOT NULL
);

ALTER TABLE notice_switches ADD PRIMARY KEY (org_id, mode);

CREATE TABLE executions (
    org_id          text COLLATE "C" NOT NULL,
    mode            text NOT NULL,
    id              text COLLATE "C" NOT NULL,
    workflow_id     text COLLATE "C" NOT NULL,  -- a rule, which may be deleted since, or a notice by its name
    workflow_name   text NOT NULL,
    event_id        text COLLATE "C" NOT NULL,
    event_type      text NOT NULL,
    root_event_id   text COLLATE "C" NOT NULL,  -- what set off the first workflow of the chain
    customer_id     text COLLATE "C",
    status          text NOT NULL CHECK (status IN ('queued', 'done', 'failed', 'skipped')),
    reason          text,
    reason_message  text,
    chain           text[] NOT NULL,  -- the workflows that led here, this one last
    created_at      timestamptz NOT NULL,
    finished_at     timestamptz,
    FOREIGN KEY (org_id, mode, event_id) REFERENCES events (org_id, mode, id) ON DELETE CASCADE,
    FOREIGN KEY (org_id, mode, customer_id) REFERENCES customers (org_id, mode, id),
    CHECK ((status = 'queued') = (finished_at IS NULL)),
    CHECK ((status = 'skipped') = (reason IS NOT NULL)),
    -- However often an event is told.
    CONSTRAINT executions_once UNIQUE (org_id, mode, event_id, workflow_id)
);

CREATE INDEX executions_newest ON executions (org_id, mode, created_at, id);
CREATE INDEX executions_of_root ON executions (org_id, mode, root_event_id);
CREATE INDEX executions_of_workflow ON executions (org_id, mode, workflow_id, created_at, id);
-- Of all, and not only of those that failed: a plan for any status could not use an index of some.
CREATE INDEX executions_by_status ON executions (org_id, mode, status, created_at, id);
CREATE INDEX executions_of_customer ON executions (org_id, mode, customer_id, created_at, id);
ALTER TABLE executions ADD PRIMARY KEY (org_id, mode, id);

CREATE TABLE execution_actions (
    org_id          text COLLATE "C" NOT NULL,
    mode            text NOT NULL,
    execution_id    text COLLATE "C" NOT NULL,
    position        smallint NOT NULL CHECK (position >= 0),
    action          jsonb NOT NULL,  -- as the rule had it when the event happened
    status          text NOT NULL CHECK (status IN ('queued', 'done', 'failed', 'skipped')),
    reason          text,
    reason_message  text,
    message_id      text COLLATE "C",
    finished_at     timestamptz,
    FOREIGN KEY (org_id, mode, execution_id) REFERENCES executions (org_id, mode, id) ON DELETE CASCADE,
    CHECK ((status = 'queued') = (finished_at IS NULL)),
    CHECK ((status IN ('failed', 'skipped')) = (reason IS NOT NULL))
);

-- Last, and so preferred: 0003 says why.
ALTER TABLE execution_actions ADD PRIMARY KEY (org_id, mode, execution_id, position);
