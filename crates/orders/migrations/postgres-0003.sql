-- `status`: 0 placed, 1 paid, 2 shipped, 3 delivered, 4 cancelled, 5 expired; 9 is a tombstone: an attempt that was
-- cut before its order was recorded, and must never be recorded later.
-- `pending_stock`: what products has not acknowledged yet: 1 release, 2 ship. Placing leaves nothing pending: a reservation
-- that was not confirmed is found from the other side.
-- `progress`: what happened to the order after it was placed, as JSON; nothing, as long as nothing has.
CREATE TABLE orders (
    id              uuid   PRIMARY KEY,
    user_id         uuid   NOT NULL,
    status          bigint NOT NULL,
    version         bigint NOT NULL,
    lines           text   NOT NULL,
    total           bigint NOT NULL,
    currency        text   NOT NULL,
    buyer           text,
    fingerprint     bytea  NOT NULL,
    pending_stock   bigint,
    created_at      bigint NOT NULL,
    updated_at      bigint NOT NULL,
    expires_at      bigint,
    progress        text
);
CREATE INDEX orders_by_user ON orders (user_id, created_at, id);
CREATE INDEX orders_by_creation ON orders (created_at, id);
CREATE INDEX orders_past_placed ON orders (status, created_at, id) WHERE status <> 0;
CREATE INDEX orders_pending_stock ON orders (updated_at) WHERE pending_stock IS NOT NULL;
CREATE INDEX orders_expiring ON orders (expires_at) WHERE status = 0 AND expires_at IS NOT NULL;
