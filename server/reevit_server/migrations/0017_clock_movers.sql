-- Who moves a test clock, and where to: whoever asks again with the same key is on the same way.

ALTER TABLE sandbox_clocks
    ADD COLUMN holder text,
    ADD COLUMN moving_to timestamptz,
    ADD COLUMN moving_key text;
