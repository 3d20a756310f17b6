-- Kept answers are records of every service's (`idempotency_records`).
DROP TABLE products_operations;
