-- One profile per customer, and what each is worth in each currency.

CREATE TABLE customers (
    org_id                text COLLATE "C" NOT NULL REFERENCES organizations,
    mode                  text NOT NULL CHECK (mode IN ('test', 'live')),
    id                    text COLLATE "C" NOT NULL,
    external_id           text COLLATE "C" CHECK (char_length(external_id) BETWEEN 1 AND 255),
    email                 text CHECK (char_length(email) <= 254),
    phone                 text COLLATE "C" CHECK (phone ~ '^\+[1-9][0-9]{1,14}$'),
    name                  text CHECK (char_length(name) BETWEEN 1 AND 255),
    tags                  text[] NOT NULL DEFAULT '{}' CHECK (cardinality(tags) <= 50),
    metadata              jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
    search                tsvector NOT NULL DEFAULT '',  -- words of the profile, each marked with its scope
    subscription_status   text NOT NULL DEFAULT 'none'
                          CHECK (subscription_status IN ('none', 'active', 'past_due', 'paused', 'canceled')),
    active_subscriptions  integer NOT NULL DEFAULT 0 CHECK (active_subscriptions >= 0),
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    deleted_at            timestamptz,  -- the row stays for its payments; what it knew of the person is gone
    CONSTRAINT customers_external_id_taken UNIQUE (org_id, mode, external_id),
    CONSTRAINT customers_identified CHECK (deleted_at IS NOT NULL OR num_nonnulls(external_id, email, phone, name) > 0),
    CONSTRAINT customers_forgotten CHECK (
        deleted_at IS NULL
        OR num_nonnulls(external_id, email, phone, name) = 0 AND tags = '{}' AND metadata = '{}' AND search = ''
    )
);

CREATE INDEX customers_newest ON customers (org_id, mode, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX customers_email ON customers (org_id, mode, lower(email)) WHERE email IS NOT NULL;
CREATE INDEX customers_phone ON customers (org_id, mode, phone) WHERE phone IS NOT NULL;
CREATE INDEX customers_tags ON customers USING gin (tags);
CREATE INDEX customers_metadata ON customers USING gin (metadata jsonb_path_ops);
CREATE INDEX customers_search ON customers USING gin (search);
-- Last, and so preferred: while a table has no statistics, PostgreSQL finds every index that begins with
-- (org_id, mode) equally good for looking up an id, and takes the youngest.
ALTER TABLE customers ADD PRIMARY KEY (org_id, mode, id);

-- What a customer has paid, kept by every payment and refund in its own transaction.
-- One row per currency: currencies are never added together.
CREATE TABLE customer_totals (
    org_id            text COLLATE "C" NOT NULL,
    mode              text NOT NULL,
    customer_id       text COLLATE "C" NOT NULL,
    currency          text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    total_spent       numeric NOT NULL CHECK (total_spent >= 0),     -- all successful payments, minor units
    total_refunded    numeric NOT NULL CHECK (total_refunded >= 0),
    lifetime_value    numeric NOT NULL GENERATED ALWAYS AS (total_spent - total_refunded) STORED,
    payment_count     bigint NOT NULL CHECK (payment_count > 0),
    first_payment_at  timestamptz NOT NULL,
    last_payment_at   timestamptz NOT NULL,
    last_method       text,  -- how the latest payment was made
    FOREIGN KEY (org_id, mode, customer_id) REFERENCES customers (org_id, mode, id),
    CONSTRAINT customer_totals_refunded_at_most_spent CHECK (total_refunded <= total_spent),
    CHECK (first_payment_at <= last_payment_at)
);

CREATE INDEX customer_totals_by_lifetime_value
    ON customer_totals (org_id, mode, currency, lifetime_value DESC, customer_id DESC);
CREATE INDEX customer_totals_by_total_spent
    ON customer_totals (org_id, mode, currency, total_spent DESC, customer_id DESC);
CREATE INDEX customer_totals_by_payment_count
    ON customer_totals (org_id, mode, currency, payment_count DESC, customer_id DESC);
CREATE INDEX customer_totals_by_last_payment_at
    ON customer_totals (org_id, mode, currency, last_payment_at DESC, customer_id DESC);
ALTER TABLE customer_totals ADD PRIMARY KEY (org_id, mode, customer_id, currency);  -- last, as above

-- The same by UTC day of the payment or the refund, for rankings over a window.
CREATE TABLE customer_days (
    org_id         text COLLATE "C" NOT NULL,
    mode           text NOT NULL,
    currency       text NOT NULL,
    day            date NOT NULL,
    customer_id    text COLLATE "C" NOT NULL,
    spent          numeric NOT NULL CHECK (spent >= 0),
    refunded       numeric NOT NULL CHECK (refunded >= 0),
    payment_count  bigint NOT NULL CHECK (payment_count >= 0),
    PRIMARY KEY (org_id, mode, currency, day, customer_id),
    FOREIGN KEY (org_id, mode, customer_id) REFERENCES customers (org_id, mode, id)
);
