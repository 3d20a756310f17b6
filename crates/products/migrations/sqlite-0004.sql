-- What was taken off sale is listed too, in the same orders.
CREATE INDEX products_archived_by_creation ON products (created_at, id) WHERE archived;
CREATE INDEX products_archived_by_name ON products (sort_name, id) WHERE archived;
CREATE INDEX products_archived_by_price ON products (price, id) WHERE archived;
CREATE INDEX products_archived_by_category ON products (category, created_at, id) WHERE archived;
