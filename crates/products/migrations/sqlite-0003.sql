-- The details and the numbers of a product stand apart: selling rewrites only the small row.
CREATE TABLE products (
    seq              INTEGER PRIMARY KEY,
    id               BLOB    NOT NULL UNIQUE,
    sku              TEXT    UNIQUE,
    name             TEXT    NOT NULL,
    sort_name        TEXT    NOT NULL,
    description      TEXT,
    category         TEXT,
    images           TEXT    NOT NULL,
    metadata         TEXT    NOT NULL,
    price            INTEGER NOT NULL,
    currency         TEXT    NOT NULL,
    archived         INTEGER NOT NULL DEFAULT 0,
    seller_id        BLOB    NOT NULL,
    version          INTEGER NOT NULL,
    details_version  INTEGER NOT NULL,
    quantity_version INTEGER NOT NULL,
    fingerprint      BLOB    NOT NULL,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL
) STRICT;
CREATE INDEX products_by_creation ON products (created_at, id) WHERE NOT archived;
CREATE INDEX products_by_name ON products (sort_name, id) WHERE NOT archived;
CREATE INDEX products_by_price ON products (price, id) WHERE NOT archived;
CREATE INDEX products_by_category ON products (category, created_at, id) WHERE NOT archived;

-- `sequence` numbers the product's movements; it lives on the row that they change, so it has no gaps.
CREATE TABLE stock (
    product  INTEGER PRIMARY KEY,
    quantity INTEGER NOT NULL CHECK (quantity BETWEEN 0 AND 1000000000),
    reserved INTEGER NOT NULL CHECK (reserved BETWEEN 0 AND quantity),
    sequence INTEGER NOT NULL
) STRICT;

-- The append-only journal, in the order of time: a batch of orders adds to its last pages, however many products it sells.
CREATE TABLE movements (
    seq            INTEGER PRIMARY KEY,
    product        INTEGER NOT NULL,
    sequence       INTEGER NOT NULL,
    kind           INTEGER NOT NULL,
    quantity_delta INTEGER NOT NULL,
    reserved_delta INTEGER NOT NULL,
    order_id       BLOB,
    by_user        BLOB,
    reason         TEXT,
    at             INTEGER NOT NULL
) STRICT;

-- Where they are by product and sequence, eight bytes each, but for the newest, which are in memory at first.
CREATE TABLE movements_ids (
    id  BLOB    PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO holdfast_id_indexes (name, key) VALUES ('movements', 'product, sequence');

-- Rows stay for good: late and repeated calls find them and take nothing.
CREATE TABLE reservations (
    seq         INTEGER PRIMARY KEY,
    id          BLOB    NOT NULL,
    fingerprint BLOB    NOT NULL,
    state       INTEGER NOT NULL DEFAULT 0,
    lines       TEXT    NOT NULL,
    at          INTEGER NOT NULL
) STRICT;

-- Their ids but for the newest, which are in memory at first.
CREATE TABLE reservations_ids (
    id  BLOB    PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO holdfast_id_indexes (name) VALUES ('reservations');

-- Batches of reservations of which nobody has said that their orders are recorded; `orders` are their ids, one after the
-- other. A row per batch costs the hot path nothing that counts.
CREATE TABLE unconfirmed_batches (
    id     BLOB    PRIMARY KEY,
    orders BLOB    NOT NULL,
    at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The words are made in Rust, so that every engine matches the same ones; here they are only split at spaces.
CREATE VIRTUAL TABLE product_words USING fts5 (
    words, content = '', contentless_delete = 1, prefix = '2 3',
    tokenize = "unicode61 remove_diacritics 0 categories 'L* N* M* Co'"
);
