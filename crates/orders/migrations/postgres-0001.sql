-- `status`: 0 placed, 1 paid, 2 shipped, 3 delivered, 4 cancelled, 5 expired; 9 is a tombstone: an attempt that was
-- cut before its order was recorded, and must never be recorded later.
-- `owed`: what products has not acknowledged yet: 1 release, 2 ship. Placing owes nothing: a reservation that was not
-- confirmed is found from the other side.
-- `id` shards orders, their events and the answers about them.
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
    owed            bigint,
    created_at      bigint NOT NULL,
    updated_at      bigint NOT NULL,
    expires_at      bigint,
    paid_at         bigint,
    shipped_at      bigint,
    delivered_at    bigint,
    cancelled_at    bigint,
    expired_at      bigint,
    reference       text,
    carrier         text,
    tracking_number text
);
CREATE INDEX orders_by_user ON orders (user_id, created_at, id);
CREATE INDEX orders_by_creation ON orders (created_at, id);
CREATE INDEX orders_past_placed ON orders (status, created_at, id) WHERE status <> 0;
CREATE INDEX orders_owing ON orders (updated_at) WHERE owed IS NOT NULL;
CREATE INDEX orders_expiring ON orders (expires_at) WHERE status = 0 AND expires_at IS NOT NULL;

-- What happened after an order was placed; placing itself is the order row.
CREATE TABLE order_events (
    order_id uuid   NOT NULL,
    version  bigint NOT NULL,
    status   bigint NOT NULL,
    by_user  uuid,
    at       bigint NOT NULL,
    PRIMARY KEY (order_id, version)
);

CREATE TABLE orders_operations (
    id          uuid    PRIMARY KEY,
    fingerprint bytea   NOT NULL,
    status      integer NOT NULL,
    etag        text,
    body        bytea   NOT NULL,
    at          bigint  NOT NULL
);
CREATE INDEX orders_operations_by_time ON orders_operations (at);
