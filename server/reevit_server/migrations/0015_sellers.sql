-- Who sells, as invoices on paper say it.

ALTER TABLE organizations
    ADD COLUMN seller_name text CHECK (char_length(seller_name) BETWEEN 1 AND 200),  -- null: as the organization
    ADD COLUMN seller_address text NOT NULL DEFAULT '' CHECK (char_length(seller_address) <= 500),
    ADD COLUMN seller_logo bytea CHECK (
        octet_length(seller_logo) BETWEEN 1 AND 262144
        AND (substring(seller_logo FOR 8) = '\x89504e470d0a1a0a' OR substring(seller_logo FOR 3) = '\xffd8ff')
    ),
    ADD COLUMN tax_line text CHECK (char_length(tax_line) BETWEEN 1 AND 200),
    ADD COLUMN locale text NOT NULL DEFAULT 'en' CHECK (locale ~ '^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$');
