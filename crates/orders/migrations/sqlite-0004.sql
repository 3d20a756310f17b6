-- Orders are found by their number, which is made of the second half of the id: so the ids stand in the order of that half. Under another
-- name, so that a process of the step before, which would look for ids in their old order, finds nothing to look in.
CREATE TABLE orders_numbers_ids (
    id  BLOB    PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO orders_numbers_ids SELECT holdfast_swapped(id), seq FROM orders ORDER BY 1;
DROP TABLE orders_ids;
DELETE FROM holdfast_id_indexes WHERE name = 'orders';

-- And by the buyer's address, in small letters, the newest first.
ALTER TABLE orders ADD COLUMN email TEXT
    GENERATED ALWAYS AS (CASE WHEN json_valid(buyer) THEN lower(json_extract(buyer, '$.email')) END) VIRTUAL;
CREATE TABLE orders_emails_ids (
    id  BLOB    PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO orders_emails_ids
    SELECT holdfast_place(email, created_at, seq), seq FROM orders WHERE email IS NOT NULL ORDER BY 1;

INSERT INTO holdfast_id_indexes (name, source, key, merged, merging)
    SELECT 'orders_numbers', 'orders', 'holdfast_swapped(id)', coalesce(max(seq), 0), coalesce(max(seq), 0) FROM orders;
INSERT INTO holdfast_id_indexes (name, source, key, merged, merging)
    SELECT 'orders_emails', 'orders', 'holdfast_place(email,created_at,seq)', coalesce(max(seq), 0), coalesce(max(seq), 0) FROM orders;
