-- Users are keyed by an integer and their id stands in an index: ids derived from a client's key are random, and
-- random primary keys cost half of the insert rate.
CREATE TABLE users (
    seq              INTEGER PRIMARY KEY,
    id               BLOB    NOT NULL UNIQUE,
    username         TEXT,
    username_folded  TEXT    UNIQUE,
    password_hash    TEXT    NOT NULL,
    password_changed INTEGER NOT NULL DEFAULT 0,
    role             TEXT    NOT NULL,
    email            TEXT,
    name             TEXT,
    disabled         INTEGER NOT NULL DEFAULT 0,
    deleted          INTEGER NOT NULL DEFAULT 0,
    version          INTEGER NOT NULL,
    profile_version  INTEGER NOT NULL,
    access_version   INTEGER NOT NULL,
    epoch            INTEGER NOT NULL DEFAULT 0,
    fingerprint      BLOB    NOT NULL,
    created_at       INTEGER NOT NULL,
    deleted_at       INTEGER
) STRICT;
CREATE INDEX users_by_creation ON users (created_at, id);
CREATE INDEX users_by_deletion ON users (deleted_at) WHERE deleted_at IS NOT NULL;

-- One row per family of refresh tokens; only the hash of the newest is kept.
CREATE TABLE sessions (
    id           BLOB    PRIMARY KEY,
    user_id      BLOB    NOT NULL,
    token_hash   BLOB    NOT NULL,
    generation   INTEGER NOT NULL DEFAULT 0,
    expires_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- What other services must refuse while tokens that carry it may still be alive.
CREATE TABLE revocations (
    seq        INTEGER PRIMARY KEY,
    user_id    BLOB,
    epoch      INTEGER,
    session_id BLOB,
    at         INTEGER NOT NULL
) STRICT;

CREATE TABLE signing_keys (
    kid        TEXT    PRIMARY KEY,
    pkcs8      BLOB    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE password_resets (
    id         BLOB    PRIMARY KEY,
    token_hash BLOB    NOT NULL UNIQUE,
    user_id    BLOB    NOT NULL,
    expires_at INTEGER NOT NULL,
    used       INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE users_operations (
    id          BLOB    NOT NULL UNIQUE,
    fingerprint BLOB    NOT NULL,
    status      INTEGER NOT NULL,
    etag        TEXT,
    body        BLOB    NOT NULL,
    at          INTEGER NOT NULL
) STRICT;
CREATE INDEX users_operations_by_time ON users_operations (at);
