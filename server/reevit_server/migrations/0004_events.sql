-- What happened: one row per change, written in the transaction of the change, immutable but for erasure.

CREATE TABLE events (
    org_id       text COLLATE "C" NOT NULL,
    mode         text NOT NULL CHECK (mode IN ('test', 'live')),
    id           text COLLATE "C" NOT NULL,
    type         text NOT NULL CHECK (type ~ '^[a-z_]+\.[a-z_]+$'),
    subject_id   text COLLATE "C" NOT NULL,  -- the payment, customer … that changed
    customer_id  text COLLATE "C",           -- whose personal data the event holds
    data         jsonb NOT NULL,
    actor_id     text,                       -- X-Actor-Id and X-Reason of the request that did it
    reason       text,
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (org_id, mode, id)
);

CREATE INDEX events_of_customer ON events (org_id, mode, customer_id, created_at DESC, id DESC)
    WHERE customer_id IS NOT NULL;
