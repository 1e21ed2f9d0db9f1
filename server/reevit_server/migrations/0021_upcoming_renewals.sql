-- Which renewal a merchant was told of beforehand: the one at this instant, at which the period that was running ends.

ALTER TABLE subscriptions ADD COLUMN told_renewal_at timestamptz;

-- Whose renewal is still to be told of. `UPCOMING` in subscriptions/store.py says the same, or these are not used. That
-- it is not a column of its own, set when a period begins, spares the previous version's code having to know of it.
CREATE INDEX subscriptions_upcoming ON subscriptions (current_period_end)
    WHERE status IN ('trialing', 'active') AND NOT cancel_at_period_end
      AND current_period_end - current_period_start > interval '6 days'
      AND told_renewal_at IS DISTINCT FROM current_period_end;
CREATE INDEX subscriptions_upcoming_by_clock ON subscriptions (org_id, mode, current_period_end, id)
    WHERE status IN ('trialing', 'active') AND NOT cancel_at_period_end
      AND current_period_end - current_period_start > interval '6 days'
      AND told_renewal_at IS DISTINCT FROM current_period_end;
