-- Events are read, newest first, by type and by customer, and deleted when they are old.

-- Ids sort by their birth: the primary key is the order of the list.
CREATE INDEX events_by_type ON events (org_id, mode, type, id);
DROP INDEX events_of_customer;
CREATE INDEX events_of_customer ON events (org_id, mode, customer_id, id) WHERE customer_id IS NOT NULL;
-- Rows come in the order of time, which a block range keeps in a few bytes.
CREATE INDEX events_by_age ON events USING brin (created_at);
