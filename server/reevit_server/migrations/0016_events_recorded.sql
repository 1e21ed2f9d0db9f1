-- Events are kept by the world's time. `created_at` is the organization's, and a test clock may stand months from it.

ALTER TABLE events ADD COLUMN recorded_at timestamptz NOT NULL DEFAULT now();
DROP INDEX events_by_age;
CREATE INDEX events_by_age ON events USING brin (recorded_at);
