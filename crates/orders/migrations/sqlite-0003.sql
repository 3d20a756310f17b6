-- `status`: 0 placed, 1 paid, 2 shipped, 3 delivered, 4 cancelled, 5 expired; 9 is a tombstone: an attempt that was
-- cut before its order was recorded, and must never be recorded later.
-- `pending_stock`: what products has not acknowledged yet: 1 release, 2 ship. Placing leaves nothing pending: a reservation
-- that was not confirmed is found from the other side.
-- `progress`: what happened to the order after it was placed, as JSON; nothing, as long as nothing has.
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
    pending_stock   INTEGER,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    expires_at      INTEGER,
    progress        TEXT
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
CREATE INDEX orders_pending_stock ON orders (updated_at) WHERE pending_stock IS NOT NULL;
CREATE INDEX orders_expiring ON orders (expires_at) WHERE status = 0 AND expires_at IS NOT NULL;
