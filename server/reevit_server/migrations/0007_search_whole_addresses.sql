-- An e-mail address is found as a whole too, not by its words alone: what the program does from now on for each
-- profile that it writes.

UPDATE customers
SET search = search || array_to_tsvector(ARRAY(
    SELECT org_id || '/' || mode || '/' || left(address, 255)
    FROM unnest(ARRAY[name, email, external_id]) AS text,
         regexp_split_to_table(
             regexp_replace(lower(normalize(text, NFKD)), '[\u0300-\u036f]', '', 'g'), '[\s<>()[\]{},;:"|/\\]+'
         ) AS piece,
         btrim(piece, '.''`!?*') AS address
    WHERE strpos(address, '@') > 1
))
WHERE strpos(concat_ws(' ', name, email, external_id), '@') > 0;
