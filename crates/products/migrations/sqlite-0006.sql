-- How many units one customer may order, and what a reservation counts against such limits (JSON).
ALTER TABLE products ADD COLUMN limit_per_customer INTEGER;
ALTER TABLE reservations ADD COLUMN claimed TEXT;
