-- Answers that were given, so that a repeated request hears the same and does nothing.
-- No foreign key to organizations: a share lock on one row by every request would be the busiest row of all.

CREATE TABLE idempotency_keys (
    org_id       text COLLATE "C" NOT NULL,
    mode         text NOT NULL CHECK (mode IN ('test', 'live')),
    key          text COLLATE "C" NOT NULL CHECK (char_length(key) BETWEEN 1 AND 255),
    fingerprint  bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    status       smallint NOT NULL CHECK (status BETWEEN 200 AND 499),
    body         bytea,  -- null once erased, or when it held a secret that is shown once
    customer_id  text COLLATE "C",  -- whose personal data the body holds
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (org_id, mode, key)
);

CREATE INDEX idempotency_keys_of_customer ON idempotency_keys (org_id, mode, customer_id)
    WHERE customer_id IS NOT NULL AND body IS NOT NULL;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
