-- Orders are found by their number, which is made of the second half of the id: so the ids stand in the order of that half.
CREATE TABLE orders_ids_by_half (
    id  BLOB    PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO orders_ids_by_half SELECT holdfast_swapped(id), seq FROM orders ORDER BY 1;
DROP TABLE orders_ids;
ALTER TABLE orders_ids_by_half RENAME TO orders_ids;

-- And by the buyer's address, in small letters, the newest first.
ALTER TABLE orders ADD COLUMN email TEXT
    GENERATED ALWAYS AS (CASE WHEN json_valid(buyer) THEN lower(json_extract(buyer, '$.email')) END) VIRTUAL;
CREATE TABLE orders_emails_ids (
    id  BLOB    PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO orders_emails_ids
    SELECT holdfast_place(email, created_at, seq), seq FROM orders WHERE email IS NOT NULL ORDER BY 1;
INSERT INTO holdfast_id_indexes (name, source, key)
    VALUES ('orders_emails', 'orders', 'holdfast_place(email,created_at,seq)');

UPDATE holdfast_id_indexes SET key = 'holdfast_swapped(id)' WHERE name = 'orders';
UPDATE holdfast_id_indexes SET merged = last, merging = last, place = x'00000000000000000000000000000000'
    FROM (SELECT coalesce(max(seq), 0) AS last FROM orders) WHERE name IN ('orders', 'orders_emails');
