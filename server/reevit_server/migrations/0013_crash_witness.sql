-- Whether the database has crashed: PostgreSQL empties an unlogged table when it recovers from that. Then what was
-- committed without waiting for the disk may be undone, and jobs that were done by it stay in the queue.

CREATE UNLOGGED TABLE crash_witness (
    only_one  boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    id        uuid NOT NULL DEFAULT gen_random_uuid()  -- another one after each crash
);
