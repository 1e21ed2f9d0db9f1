-- Something known, sealed with the master key: who has another key than the first is told at the start.

CREATE TABLE master_key_proof (
    only_one  boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    sealed    bytea NOT NULL
);
