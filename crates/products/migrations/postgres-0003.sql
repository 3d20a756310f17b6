-- Everything about a product stands under its id, so `product_id` shards products, stock and movements together.
-- Text is compared byte by byte, as on every engine.
CREATE TABLE products (
    id               uuid    PRIMARY KEY,
    sku              text    COLLATE "C",
    name             text    NOT NULL,
    sort_name        text    COLLATE "C" NOT NULL,
    description      text,
    category         text    COLLATE "C",
    images           text    NOT NULL,
    metadata         text    NOT NULL,
    price            bigint  NOT NULL,
    currency         text    COLLATE "C" NOT NULL,
    archived         boolean NOT NULL,
    seller_id        uuid    NOT NULL,
    version          bigint  NOT NULL,
    details_version  bigint  NOT NULL,
    quantity_version bigint  NOT NULL,
    fingerprint      bytea   NOT NULL,
    created_at       bigint  NOT NULL,
    updated_at       bigint  NOT NULL,
    -- The words are made by the program, so that every engine matches the same ones.
    words            tsvector NOT NULL
);
CREATE INDEX products_by_creation ON products (created_at, id) WHERE NOT archived;
CREATE INDEX products_by_name ON products (sort_name, id) WHERE NOT archived;
CREATE INDEX products_by_price ON products (price, id) WHERE NOT archived;
CREATE INDEX products_by_category ON products (category, created_at, id) WHERE NOT archived;
CREATE INDEX products_by_words ON products USING gin (words) WHERE NOT archived;

-- Who has a sku. A table of its own, since uniqueness that must survive sharding lives in the sharding key.
CREATE TABLE product_skus (
    sku        text COLLATE "C" PRIMARY KEY,
    product_id uuid NOT NULL
);

-- The row that everybody locks who changes a product. It is small and no index covers its numbers, so selling rewrites
-- it in place (heap-only tuples), for which half of each page is kept free.
-- `sequence` numbers the product's movements; it lives on the row that they change, so it has no gaps.
CREATE TABLE stock (
    product_id uuid   PRIMARY KEY,
    quantity   bigint NOT NULL CHECK (quantity BETWEEN 0 AND 1000000000),
    reserved   bigint NOT NULL CHECK (reserved BETWEEN 0 AND quantity),
    sequence   bigint NOT NULL
) WITH (fillfactor = 50);

-- The append-only journal.
CREATE TABLE movements (
    product_id     uuid   NOT NULL,
    sequence       bigint NOT NULL,
    kind           bigint NOT NULL,
    quantity_delta bigint NOT NULL,
    reserved_delta bigint NOT NULL,
    order_id       uuid,
    by_user        uuid,
    reason         text,
    at             bigint NOT NULL,
    PRIMARY KEY (product_id, sequence)
);

-- Rows stay for good: late and repeated calls find them and take nothing.
CREATE TABLE reservations (
    id          uuid   PRIMARY KEY,
    fingerprint bytea  NOT NULL,
    state       bigint NOT NULL,
    lines       text   NOT NULL,
    at          bigint NOT NULL
);

-- Batches of reservations of which nobody has said that their orders are recorded. A row per batch costs the hot path
-- nothing that counts.
CREATE TABLE unconfirmed_batches (
    id     uuid   PRIMARY KEY,
    orders uuid[] NOT NULL,
    at     bigint NOT NULL
);
CREATE INDEX unconfirmed_batches_by_time ON unconfirmed_batches (at);
