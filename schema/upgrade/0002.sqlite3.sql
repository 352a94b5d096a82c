-- mod_nanomdm: from version 1 of its tables to 2, for SQLite 3.35 and later.
-- Load: sqlite3 -bail DATABASE < 0002.sqlite3.sql

-- A command is not delivered after this; NULL is always.
ALTER TABLE enrollment_queue ADD COLUMN expires_at TEXT NULL;

-- Pushes whose device has not been heard of since; a refused one stays until the
-- device sends a new token. status is APNs' last answer, 0 while there is none;
-- next_at is when to push again, NULL never. No foreign key: a database of
-- NanoMDM may compare IDs by another collation.
CREATE TABLE nanomdm_pushes (
    id        VARCHAR(255) NOT NULL,
    status    INTEGER      NOT NULL DEFAULT 0,
    reason    VARCHAR(255) NULL,
    tries     INTEGER      NOT NULL DEFAULT 0,
    next_at   TEXT         NULL,
    pushed_at TEXT         NOT NULL
              DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    PRIMARY KEY (id)
);

CREATE INDEX idx_push_next ON nanomdm_pushes (next_at);

-- Operators page through the enrollments of one type and the users of one name;
-- they see the newest results of an enrollment first.
CREATE INDEX idx_enrollment_type_id ON enrollments (type, id);

CREATE INDEX idx_user_short_name ON users (user_short_name, id);

CREATE INDEX idx_result_time
    ON command_results (id, updated_at, command_uuid);

-- The outbox of durable webhooks: what no receiver has taken yet, one row for
-- each event and receiver, oldest first by seq. target names a receiver's URL.
-- Times are seconds since 1970 by the database's clock: not before next_at; not
-- while another's lease holds; a try that fails after dies_at is the last.
CREATE TABLE nanomdm_events (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id    VARCHAR(255) NOT NULL,
    target       VARCHAR(127) NOT NULL,
    event_id     VARCHAR(31)  NOT NULL,
    topic        VARCHAR(63)  NOT NULL,
    body         TEXT         NOT NULL,
    traceparent  VARCHAR(63)  NULL,
    is_dead      BOOLEAN      NOT NULL DEFAULT FALSE,
    tries        INTEGER      NOT NULL DEFAULT 0,
    next_at      BIGINT       NOT NULL,
    dies_at      BIGINT       NOT NULL,
    leased_until BIGINT       NOT NULL DEFAULT 0,
    lease        VARCHAR(31)  NULL,
    last_error   VARCHAR(255) NULL,
    created_at   BIGINT       NOT NULL
);

CREATE INDEX idx_event_due
    ON nanomdm_events (is_dead, target, next_at, seq);

CREATE INDEX idx_event_device
    ON nanomdm_events (device_id, target, is_dead, seq);

-- Enrollments that are being renewed (NanoMDMReenroll keep): what Authenticate
-- said, until the TokenUpdate that follows. No foreign key, as above.
CREATE TABLE nanomdm_renewals (
    id            VARCHAR(255) NOT NULL,
    serial_number VARCHAR(127) NULL,
    identity_cert TEXT         NULL,
    authenticate  TEXT         NOT NULL,
    staged_at     TEXT         NOT NULL
                  DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
    PRIMARY KEY (id)
);

-- Work that one server at a time does: not before next_at, in seconds since 1970
-- by the database's clock; position is how far it has come.
CREATE TABLE nanomdm_chores (
    name     VARCHAR(63)  NOT NULL,
    next_at  BIGINT       NOT NULL,
    position VARCHAR(255) NOT NULL DEFAULT '',
    PRIMARY KEY (name)
);

INSERT INTO nanomdm_chores (name, next_at) VALUES ('retention', 0);

-- Last of all: this row says that everything of ours is complete.
INSERT INTO nanomdm_schema (version) VALUES (2);
