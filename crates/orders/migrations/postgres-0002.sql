-- Kept answers are records of every service's (`idempotency_records`).
DROP TABLE orders_operations;
-- What products has not acknowledged yet, by its name: money can be owed as well.
DROP INDEX orders_owing;
ALTER TABLE orders RENAME COLUMN owed TO pending_stock;
CREATE INDEX orders_pending_stock ON orders (updated_at) WHERE pending_stock IS NOT NULL;
