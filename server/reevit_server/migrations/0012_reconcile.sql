-- A payment that is processing is asked after at its provider, later and later.

ALTER TABLE payments
    ADD COLUMN reconcile_at timestamptz,
    ADD COLUMN reconcile_count integer NOT NULL DEFAULT 0;
UPDATE payments SET reconcile_at = updated_at + interval '1 minute' WHERE status = 'processing';
CREATE INDEX payments_to_reconcile ON payments (reconcile_at) WHERE reconcile_at IS NOT NULL;
