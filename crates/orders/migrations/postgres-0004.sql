-- Orders are found by their number, which is made of the last 60 bits of the id, as the end of its text has them.
CREATE INDEX orders_by_number ON orders (right(id::text, 16));
-- And by the buyer's address, in small letters.
ALTER TABLE orders ADD COLUMN email text;
UPDATE orders SET email = lower((buyer::jsonb ->> 'email') COLLATE "C") WHERE buyer LIKE '%"email":%';
CREATE INDEX orders_by_email ON orders (email, created_at, id) WHERE email IS NOT NULL;
