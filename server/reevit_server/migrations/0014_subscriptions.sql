-- What customers pay for again and again: subscriptions, the invoice of each period, and when money is asked for once
-- more. And the clock of each organization's test mode, by which months pass in a moment.

CREATE TABLE sandbox_clocks (
    org_id      text COLLATE "C" NOT NULL REFERENCES organizations,
    mode        text NOT NULL CHECK (mode = 'test'),
    now         timestamptz,  -- what time it is in this organization's test mode; null: it has not been moved yet
    held_until  timestamptz,  -- in the world's time: who moves the clock and is not heard of until then is dead
    PRIMARY KEY (org_id, mode)
);

CREATE TABLE subscriptions (
    org_id                text COLLATE "C" NOT NULL,
    mode                  text NOT NULL CHECK (mode IN ('test', 'live')),
    id                    text COLLATE "C" NOT NULL,
    customer_id           text COLLATE "C" NOT NULL,
    plan_id               text COLLATE "C" CHECK (char_length(plan_id) BETWEEN 1 AND 255),
    amount                bigint NOT NULL CHECK (amount BETWEEN 1 AND 999999999999),
    currency              text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    method                text,
    interval              text NOT NULL CHECK (interval IN ('daily', 'weekly', 'monthly', 'yearly')),
    interval_count        integer NOT NULL CHECK (interval_count > 0),
    status                text NOT NULL CHECK (status IN ('trialing', 'active', 'past_due', 'paused', 'canceled')),
    metadata              jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
    start_at              timestamptz NOT NULL,
    trial_end_at          timestamptz CHECK (trial_end_at > start_at),
    anchor_at             timestamptz NOT NULL,  -- periods are counted from here, so that a month's end comes back
    period_number         integer NOT NULL CHECK (period_number >= 0),  -- which one is running; 0: none yet
    current_period_start  timestamptz NOT NULL,
    current_period_end    timestamptz NOT NULL CHECK (current_period_end > current_period_start),
    queue_at              timestamptz,           -- when the schedule next looks at it: at the period's end
    cancel_at_period_end  boolean NOT NULL DEFAULT false,
    pending_changes       jsonb,                 -- what is different from the next period on
    paused_at             timestamptz,
    canceled_at           timestamptz,
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    FOREIGN KEY (org_id, mode, customer_id) REFERENCES customers (org_id, mode, id),
    CHECK ((status = 'paused') = (paused_at IS NOT NULL)),
    CHECK ((status = 'canceled') = (canceled_at IS NOT NULL)),
    CHECK (queue_at IS NULL OR status IN ('trialing', 'active', 'past_due') OR cancel_at_period_end)
);

CREATE INDEX subscriptions_newest ON subscriptions (org_id, mode, created_at, id);
CREATE INDEX subscriptions_of_customer ON subscriptions (org_id, mode, customer_id, created_at, id);
CREATE INDEX subscriptions_by_plan ON subscriptions (org_id, mode, plan_id, created_at, id) WHERE plan_id IS NOT NULL;
CREATE INDEX subscriptions_by_status ON subscriptions (org_id, mode, status, created_at, id);
CREATE INDEX subscriptions_due ON subscriptions (queue_at) WHERE queue_at IS NOT NULL;
CREATE INDEX subscriptions_due_by_clock ON subscriptions (org_id, mode, queue_at, id) WHERE queue_at IS NOT NULL;
-- Last, and so preferred: 0003 says why.
ALTER TABLE subscriptions ADD PRIMARY KEY (org_id, mode, id);

-- The last number that an organization gave to an invoice. Taken in the transaction of the invoice: no number is lost.
CREATE TABLE invoice_numbers (
    org_id  text COLLATE "C" NOT NULL REFERENCES organizations,
    mode    text NOT NULL CHECK (mode IN ('test', 'live')),
    last    bigint NOT NULL CHECK (last > 0),
    PRIMARY KEY (org_id, mode)
);

CREATE TABLE invoices (
    org_id           text COLLATE "C" NOT NULL,
    mode             text NOT NULL CHECK (mode IN ('test', 'live')),
    id               text COLLATE "C" NOT NULL,
    number           bigint NOT NULL CHECK (number > 0),
    customer_id      text COLLATE "C" NOT NULL,
    subscription_id  text COLLATE "C" NOT NULL,
    plan_id          text COLLATE "C",
    description      text NOT NULL,
    amount           bigint NOT NULL CHECK (amount BETWEEN 1 AND 999999999999),
    currency         text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    method           text,
    status           text NOT NULL CHECK (status IN ('draft', 'due', 'paid', 'failed', 'canceled')),
    period_start     timestamptz NOT NULL,
    period_end       timestamptz NOT NULL CHECK (period_end > period_start),
    due_at           timestamptz NOT NULL,
    payment_id       text COLLATE "C",
    attempt_count    integer NOT NULL DEFAULT 0 CHECK (attempt_count >= 0),
    next_attempt_at  timestamptz,  -- when money is asked for (again); null while it is, and once that is over
    queue_at         timestamptz,  -- when the schedule next looks at it: at the next attempt
    failure_code     text,         -- why the latest attempt failed
    failure_message  text,
    metadata         jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
    paid_at          timestamptz,
    canceled_at      timestamptz,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    FOREIGN KEY (org_id, mode, customer_id) REFERENCES customers (org_id, mode, id),
    FOREIGN KEY (org_id, mode, subscription_id) REFERENCES subscriptions (org_id, mode, id),
    FOREIGN KEY (org_id, mode, payment_id) REFERENCES payments (org_id, mode, id),
    CONSTRAINT invoices_one_per_period UNIQUE (org_id, mode, subscription_id, period_start),
    CONSTRAINT invoices_number_taken UNIQUE (org_id, mode, number),
    CONSTRAINT invoices_payment_taken UNIQUE (org_id, mode, payment_id),
    CHECK ((status = 'paid') = (paid_at IS NOT NULL)),
    CHECK ((status = 'canceled') = (canceled_at IS NOT NULL)),
    CHECK (status <> 'paid' OR payment_id IS NOT NULL),
    CHECK (status IN ('draft', 'due') OR num_nonnulls(next_attempt_at, queue_at) = 0)
);

CREATE INDEX invoices_newest ON invoices (org_id, mode, created_at, id);
CREATE INDEX invoices_of_customer ON invoices (org_id, mode, customer_id, created_at, id);
CREATE INDEX invoices_open_of_customer ON invoices (org_id, mode, customer_id, created_at, id)
    WHERE status IN ('draft', 'due', 'failed');
CREATE INDEX invoices_unpaid ON invoices (org_id, mode, status, created_at, id) WHERE status <> 'paid';
CREATE INDEX invoices_due ON invoices (queue_at) WHERE queue_at IS NOT NULL;
CREATE INDEX invoices_due_by_clock ON invoices (org_id, mode, queue_at, id) WHERE queue_at IS NOT NULL;
ALTER TABLE invoices ADD PRIMARY KEY (org_id, mode, id);

-- When a failed charge is tried again: for a plan, or ('') for all that have no policy of their own.
CREATE TABLE retry_policies (
    org_id        text COLLATE "C" NOT NULL REFERENCES organizations,
    mode          text NOT NULL CHECK (mode IN ('test', 'live')),
    plan_id       text COLLATE "C" NOT NULL CHECK (char_length(plan_id) <= 255),
    delays        text[] NOT NULL CHECK (cardinality(delays) <= 15),
    max_retries   integer NOT NULL CHECK (max_retries BETWEEN 0 AND 15),
    on_exhausted  text NOT NULL CHECK (on_exhausted IN ('past_due', 'pause', 'cancel')),
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (org_id, mode, plan_id),
    CHECK (max_retries = 0 OR cardinality(delays) > 0)
);

-- A payment that is charged more than once: which attempt this is, so that a late answer to another counts for nothing.
ALTER TABLE payments ADD COLUMN attempt_count integer NOT NULL DEFAULT 1 CHECK (attempt_count > 0);
-- The test clock asks what of one organization is due.
CREATE INDEX payments_to_reconcile_by_clock ON payments (org_id, mode, reconcile_at, id) WHERE reconcile_at IS NOT NULL;
