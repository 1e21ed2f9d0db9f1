-- An e-mail address is found as a whole too, not by its words alone.

UPDATE customers
SET search = search || array_to_tsvector(ARRAY(
    SELECT org_id || '/' || mode || '/' || lower(address)
    FROM unnest(ARRAY[email, external_id]) AS address
    WHERE strpos(address, '@') > 1 AND address !~ '\s'
))
WHERE strpos(email, '@') > 1 OR strpos(external_id, '@') > 1;
