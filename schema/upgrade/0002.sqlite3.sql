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

-- Last of all: this row says that everything of ours is complete.
INSERT INTO nanomdm_schema (version) VALUES (2);
