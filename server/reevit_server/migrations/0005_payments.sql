-- Money that came in, and money that went back.

CREATE TABLE payments (
    org_id                text COLLATE "C" NOT NULL,
    mode                  text NOT NULL CHECK (mode IN ('test', 'live')),
    id                    text COLLATE "C" NOT NULL,
    customer_id           text COLLATE "C",
    amount                bigint NOT NULL CHECK (amount BETWEEN 0 AND 999999999999),
    amount_refunded       bigint NOT NULL DEFAULT 0,
    currency              text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    status                text NOT NULL CHECK (status IN (
                              'pending', 'requires_action', 'processing', 'failed', 'canceled',
                              'succeeded', 'partially_refunded', 'refunded')),
    method                text,
    country               text CHECK (country ~ '^[A-Z]{2}$'),
    reference             text COLLATE "C" CHECK (char_length(reference) BETWEEN 1 AND 255),
    description           text,
    metadata              jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
    provider              text NOT NULL,
    connection_id         text COLLATE "C",
    provider_ref_id       text,
    fee_amount            bigint CHECK (fee_amount BETWEEN 0 AND amount),
    failure_code          text,
    failure_message       text,
    source                text NOT NULL CHECK (source IN ('api', 'checkout', 'payment_link', 'subscription', 'import')),
    source_id             text COLLATE "C",
    client_secret_sha256  bytea,  -- intents only: of what /confirm-intent asks for
    next_action           jsonb,
    occurred_at           timestamptz NOT NULL,  -- when it happened in the world; import and outside payments: the past
    succeeded_at          timestamptz,           -- when the money was there; what totals and windows go by
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    FOREIGN KEY (org_id, mode, customer_id) REFERENCES customers (org_id, mode, id),
    CONSTRAINT payments_reference_taken UNIQUE (org_id, mode, reference),
    CONSTRAINT payments_refunded_at_most_captured CHECK (amount_refunded BETWEEN 0 AND amount),
    -- Free orders are real, but they are history: nobody is charged nothing.
    CHECK (amount > 0 OR source = 'import'),
    CONSTRAINT payments_succeeded_has_its_instant CHECK (
        (succeeded_at IS NOT NULL) = (status IN ('succeeded', 'partially_refunded', 'refunded'))
    ),
    CONSTRAINT payments_refund_status CHECK (
        CASE status
            WHEN 'succeeded' THEN amount_refunded = 0
            WHEN 'partially_refunded' THEN amount_refunded > 0 AND amount_refunded < amount
            WHEN 'refunded' THEN amount_refunded = amount
            ELSE amount_refunded = 0
        END
    )
);

CREATE INDEX payments_newest ON payments (org_id, mode, created_at DESC, id DESC);
CREATE INDEX payments_of_customer ON payments (org_id, mode, customer_id, occurred_at DESC, id DESC)
    WHERE customer_id IS NOT NULL;
CREATE INDEX payments_unusual ON payments (org_id, mode, status, created_at DESC, id DESC) WHERE status <> 'succeeded';
CREATE INDEX payments_by_currency ON payments (org_id, mode, currency, created_at DESC, id DESC);
-- The parts of a day at both ends of a window, which the day roll-ups are too coarse for.
CREATE INDEX payments_by_success ON payments (org_id, mode, currency, succeeded_at) WHERE customer_id IS NOT NULL;
-- Last, and so preferred: while a table has no statistics, PostgreSQL finds every index that begins with
-- (org_id, mode) equally good for looking up an id, and takes the youngest.
ALTER TABLE payments ADD PRIMARY KEY (org_id, mode, id);

CREATE TABLE refunds (
    org_id           text COLLATE "C" NOT NULL,
    mode             text NOT NULL,
    id               text COLLATE "C" NOT NULL,
    payment_id       text COLLATE "C" NOT NULL,
    customer_id      text COLLATE "C",
    amount           bigint NOT NULL CHECK (amount > 0),
    currency         text NOT NULL,
    status           text NOT NULL CHECK (status IN ('succeeded')),
    reason           text,
    provider_ref_id  text,
    occurred_at      timestamptz NOT NULL,
    created_at       timestamptz NOT NULL,
    PRIMARY KEY (org_id, mode, id),
    FOREIGN KEY (org_id, mode, payment_id) REFERENCES payments (org_id, mode, id),
    FOREIGN KEY (org_id, mode, customer_id) REFERENCES customers (org_id, mode, id)
);

CREATE INDEX refunds_of_payment ON refunds (org_id, mode, payment_id, created_at DESC, id DESC);
CREATE INDEX refunds_of_customer ON refunds (org_id, mode, customer_id, occurred_at DESC, id DESC)
    WHERE customer_id IS NOT NULL;
CREATE INDEX refunds_by_instant ON refunds (org_id, mode, currency, occurred_at) WHERE customer_id IS NOT NULL;
