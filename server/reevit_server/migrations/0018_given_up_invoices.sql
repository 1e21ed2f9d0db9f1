-- That an invoice was given up stays known while it is charged again by hand: it is `due` then.

ALTER TABLE invoices ADD COLUMN given_up boolean NOT NULL DEFAULT false;
UPDATE invoices SET given_up = true WHERE status = 'failed';
