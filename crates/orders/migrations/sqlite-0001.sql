-- `status`: 0 placed, 1 paid, 2 shipped, 3 delivered, 4 cancelled, 5 expired; 9 is a tombstone: an attempt that was
-- cut before its order was recorded, and must never be recorded later.
-- `owed`: what products has not acknowledged yet: 1 release, 2 ship. Placing owes nothing: a reservation that was not
-- confirmed is found from the other side.
CREATE TABLE orders (
    seq             INTEGER PRIMARY KEY,
    id              BLOB    NOT NULL,
    user_id         BLOB    NOT NULL,
    status          INTEGER NOT NULL,
    version         INTEGER NOT NULL,
    lines           TEXT    NOT NULL,
    total           INTEGER NOT NULL,
    currency        TEXT    NOT NULL,
    buyer           TEXT,
    fingerprint     BLOB    NOT NULL,
    owed            INTEGER,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    expires_at      INTEGER,
    paid_at         INTEGER,
    shipped_at      INTEGER,
    delivered_at    INTEGER,
    cancelled_at    INTEGER,
    expired_at      INTEGER,
    reference       TEXT,
    carrier         TEXT,
    tracking_number TEXT
) STRICT;
-- The ids but for the newest, which are in memory at first.
CREATE TABLE orders_ids (
    id  BLOB    PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO holdfast_id_indexes (name) VALUES ('orders');
CREATE INDEX orders_by_user ON orders (user_id, created_at, id);
CREATE INDEX orders_by_creation ON orders (created_at, id);
CREATE INDEX orders_past_placed ON orders (status, created_at, id) WHERE status <> 0;
CREATE INDEX orders_owing ON orders (updated_at) WHERE owed IS NOT NULL;
CREATE INDEX orders_expiring ON orders (expires_at) WHERE status = 0 AND expires_at IS NOT NULL;

-- What happened after an order was placed; placing itself is the order row.
CREATE TABLE order_events (
    order_id BLOB    NOT NULL,
    version  INTEGER NOT NULL,
    status   INTEGER NOT NULL,
    by_user  BLOB,
    at       INTEGER NOT NULL,
    PRIMARY KEY (order_id, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE orders_operations (
    id          BLOB    NOT NULL UNIQUE,
    fingerprint BLOB    NOT NULL,
    status      INTEGER NOT NULL,
    etag        TEXT,
    body        BLOB    NOT NULL,
    at          INTEGER NOT NULL
) STRICT;
CREATE INDEX orders_operations_by_time ON orders_operations (at);
