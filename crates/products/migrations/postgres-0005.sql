-- From when on a product may be ordered, and until when.
ALTER TABLE products ADD COLUMN opens_at bigint;
ALTER TABLE products ADD COLUMN closes_at bigint;
