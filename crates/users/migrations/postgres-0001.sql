-- `id` shards users.
CREATE TABLE users (
    id               uuid    PRIMARY KEY,
    username         text,
    password_hash    text    NOT NULL,
    password_changed boolean NOT NULL DEFAULT false,
    role             text    NOT NULL,
    email            text,
    name             text,
    disabled         boolean NOT NULL DEFAULT false,
    deleted          boolean NOT NULL DEFAULT false,
    version          bigint  NOT NULL,
    profile_version  bigint  NOT NULL,
    access_version   bigint  NOT NULL,
    epoch            bigint  NOT NULL DEFAULT 0,
    fingerprint      bytea   NOT NULL,
    created_at       bigint  NOT NULL,
    deleted_at       bigint
);
CREATE INDEX users_by_creation ON users (created_at, id) WHERE NOT deleted;
CREATE INDEX users_by_deletion ON users (deleted_at, id) WHERE deleted_at IS NOT NULL;
CREATE INDEX users_in_charge ON users (id) WHERE role = 'admin' AND NOT disabled AND NOT deleted;

-- Who has a name. A table of its own, since uniqueness that must survive sharding lives in the sharding key.
-- Names are folded by the program, so that every engine finds the same ones equal.
CREATE TABLE usernames (
    folded  text COLLATE "C" PRIMARY KEY,
    user_id uuid NOT NULL
);

-- One row per family of refresh tokens; only the hash of the newest is kept.
CREATE TABLE sessions (
    id         uuid   PRIMARY KEY,
    user_id    uuid   NOT NULL,
    token_hash bytea  NOT NULL,
    generation bigint NOT NULL DEFAULT 0,
    expires_at bigint NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- What other services must refuse while tokens that carry it may still be alive.
CREATE TABLE revocations (
    seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    uuid,
    epoch      bigint,
    session_id uuid,
    at         bigint NOT NULL
);
CREATE INDEX revocations_by_time ON revocations (at);

CREATE TABLE signing_keys (
    kid        text   PRIMARY KEY,
    pkcs8      bytea  NOT NULL,
    created_at bigint NOT NULL
);

CREATE TABLE password_resets (
    id         uuid    PRIMARY KEY,
    token_hash bytea   NOT NULL,
    user_id    uuid    NOT NULL,
    expires_at bigint  NOT NULL,
    used       boolean NOT NULL DEFAULT false
);
CREATE INDEX password_resets_by_token ON password_resets (token_hash);
CREATE INDEX password_resets_by_expiry ON password_resets (expires_at);

CREATE TABLE users_operations (
    id          uuid    PRIMARY KEY,
    fingerprint bytea   NOT NULL,
    status      integer NOT NULL,
    etag        text,
    body        bytea   NOT NULL,
    at          bigint  NOT NULL
);
CREATE INDEX users_operations_by_time ON users_operations (at);
