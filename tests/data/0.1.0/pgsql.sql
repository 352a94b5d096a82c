-- mod_nanomdm: all tables, for PostgreSQL 12 and later.
-- Load as the owner: psql -1 -v ON_ERROR_STOP=1 -f pgsql.sql DATABASE
-- Tables and columns are NanoMDM's, so that either program can serve the
-- database; ours are the queue's columns answered and expires_at, and what
-- begins with nanomdm_ or idx_.
-- The module's loader splits where a line ends in a semicolon and an empty line
-- follows.

-- One row for each device channel.
CREATE TABLE devices (
    id                  VARCHAR(255) NOT NULL,
    identity_cert       TEXT         NULL,
    serial_number       VARCHAR(127) NULL,
    unlock_token        BYTEA        NULL,
    unlock_token_at     TIMESTAMP    NULL,
    authenticate        TEXT         NOT NULL,
    authenticate_at     TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    token_update        TEXT         NULL,
    token_update_at     TIMESTAMP    NULL,
    bootstrap_token_b64 TEXT         NULL,
    bootstrap_token_at  TIMESTAMP    NULL,
    created_at          TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at          TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id),
    CHECK (SUBSTRING(identity_cert FROM 1 FOR 27) = '-----BEGIN CERTIFICATE-----'),
    CHECK (serial_number <> ''),
    CHECK (LENGTH(unlock_token) > 0),
    CHECK (authenticate <> ''),
    CHECK (bootstrap_token_b64 <> '')
);

CREATE INDEX idx_device_serial ON devices (serial_number);

-- One row for each user channel; id is the whole enrollment ID.
CREATE TABLE users (
    id                          VARCHAR(255) NOT NULL,
    device_id                   VARCHAR(255) NOT NULL,
    user_short_name             VARCHAR(255) NULL,
    user_long_name              VARCHAR(255) NULL,
    token_update                TEXT         NULL,
    token_update_at             TIMESTAMP    NULL,
    user_authenticate           TEXT         NULL,
    user_authenticate_at        TIMESTAMP    NULL,
    user_authenticate_digest    TEXT         NULL,
    user_authenticate_digest_at TIMESTAMP    NULL,
    created_at                  TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at                  TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id, device_id),
    UNIQUE (id),
    FOREIGN KEY (device_id) REFERENCES devices (id)
        ON DELETE CASCADE ON UPDATE CASCADE,
    CHECK (user_short_name <> ''),
    CHECK (user_long_name <> '')
);

CREATE INDEX idx_user_device ON users (device_id);

-- Operators look for user names and page through the users of one.
CREATE INDEX idx_user_short_name ON users (user_short_name, id);

-- Device and user channels together, from their first TokenUpdate on.
CREATE TABLE enrollments (
    id                 VARCHAR(255) NOT NULL,
    device_id          VARCHAR(255) NOT NULL,
    user_id            VARCHAR(255) NULL,
    type               VARCHAR(31)  NOT NULL,
    topic              VARCHAR(255) NOT NULL,
    push_magic         VARCHAR(127) NOT NULL,
    token_hex          VARCHAR(255) NOT NULL,
    enabled            BOOLEAN      NOT NULL DEFAULT TRUE,
    token_update_tally INTEGER      NOT NULL DEFAULT 1,
    last_seen_at       TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    created_at         TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at         TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id),
    UNIQUE (user_id),
    FOREIGN KEY (device_id) REFERENCES devices (id)
        ON DELETE CASCADE ON UPDATE CASCADE,
    FOREIGN KEY (user_id) REFERENCES users (id)
        ON DELETE CASCADE ON UPDATE CASCADE,
    CHECK (id <> ''),
    CHECK (topic <> ''),
    CHECK (push_magic <> ''),
    CHECK (token_hex <> '')
);

CREATE INDEX idx_enrollment_device ON enrollments (device_id);

CREATE INDEX idx_enrollment_type ON enrollments (type);

-- Operators page through the enrollments of one type.
CREATE INDEX idx_enrollment_type_id ON enrollments (type, id);

-- Each command once, however many enrollments have it queued.
CREATE TABLE commands (
    command_uuid VARCHAR(127) NOT NULL,
    request_type VARCHAR(63)  NOT NULL,
    command      TEXT         NOT NULL,
    created_at   TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at   TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (command_uuid),
    CHECK (command_uuid <> ''),
    CHECK (request_type <> ''),
    CHECK (SUBSTRING(command FROM 1 FOR 5) = '<?xml')
);

-- The last report of an enrollment about a command; NotNow is not final.
CREATE TABLE command_results (
    id            VARCHAR(255) NOT NULL,
    command_uuid  VARCHAR(127) NOT NULL,
    status        VARCHAR(31)  NOT NULL,
    result        TEXT         NOT NULL,
    not_now_at    TIMESTAMP    NULL,
    not_now_tally INTEGER      NOT NULL DEFAULT 0,
    created_at    TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at    TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id, command_uuid),
    FOREIGN KEY (id) REFERENCES enrollments (id)
        ON DELETE CASCADE ON UPDATE CASCADE,
    FOREIGN KEY (command_uuid) REFERENCES commands (command_uuid)
        ON DELETE CASCADE ON UPDATE CASCADE,
    CHECK (status <> ''),
    CHECK (SUBSTRING(result FROM 1 FOR 5) = '<?xml')
);

-- For deleting a command: the cascade has its UUID alone. With id, so that a
-- look-up by both keys reads one entry even where the planner prefers this one.
CREATE INDEX idx_result_command ON command_results (command_uuid, id);

CREATE INDEX idx_result_status ON command_results (status);

-- Operators see the newest results of an enrollment first.
CREATE INDEX idx_result_time ON command_results (id, updated_at, command_uuid);

-- What is queued for whom. active FALSE: never to be delivered; answered TRUE:
-- a final report is stored; expires_at: not delivered after it.
CREATE TABLE enrollment_queue (
    id           VARCHAR(255) NOT NULL,
    command_uuid VARCHAR(127) NOT NULL,
    active       BOOLEAN      NOT NULL DEFAULT TRUE,
    priority     SMALLINT     NOT NULL DEFAULT 0,
    created_at   TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at   TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    answered     BOOLEAN      NOT NULL DEFAULT FALSE,
    expires_at   TIMESTAMP    NULL,
    PRIMARY KEY (id, command_uuid),
    FOREIGN KEY (id) REFERENCES enrollments (id)
        ON DELETE CASCADE ON UPDATE CASCADE,
    FOREIGN KEY (command_uuid) REFERENCES commands (command_uuid)
        ON DELETE CASCADE ON UPDATE CASCADE
);

CREATE INDEX idx_queue_command ON enrollment_queue (command_uuid, id);

-- The delivery query takes the first entry of this: commands that a device has
-- answered cost it nothing.
CREATE INDEX idx_queue_pending
    ON enrollment_queue (id, priority DESC, created_at)
    WHERE active = TRUE AND answered = FALSE;

-- One push certificate for each topic; stale_token counts its renewals.
CREATE TABLE push_certs (
    topic       VARCHAR(255) NOT NULL,
    cert_pem    TEXT         NOT NULL,
    key_pem     TEXT         NOT NULL,
    stale_token INTEGER      NOT NULL,
    created_at  TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at  TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (topic),
    CHECK (topic <> ''),
    CHECK (SUBSTRING(cert_pem FROM 1 FOR 27) = '-----BEGIN CERTIFICATE-----'),
    CHECK (SUBSTRING(key_pem FROM 1 FOR 5) = '-----')
);

-- The identity certificates a device has had. No foreign key: the association
-- comes before the device's row.
CREATE TABLE cert_auth_associations (
    id         VARCHAR(255) NOT NULL,
    sha256     CHAR(64)     NOT NULL,
    created_at TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id, sha256)
);

CREATE INDEX idx_sha256 ON cert_auth_associations (sha256);

-- The queue and what became of it, in the order of delivery; NanoMDM reads it
-- on PostgreSQL.
CREATE VIEW view_queue AS
SELECT q.id,
       q.created_at,
       q.active,
       q.priority,
       c.command_uuid,
       c.request_type,
       c.command,
       r.updated_at AS result_updated_at,
       r.status,
       r.result
  FROM enrollment_queue AS q
  JOIN commands AS c
    ON c.command_uuid = q.command_uuid
  LEFT JOIN command_results AS r
    ON r.id = q.id AND r.command_uuid = q.command_uuid
 ORDER BY q.priority DESC, q.created_at;

-- updated_at is the database's business, whoever writes.
CREATE FUNCTION nanomdm_touch()
RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := CURRENT_TIMESTAMP;
    RETURN NEW;
END;
$$;

CREATE TRIGGER nanomdm_devices_touch
    BEFORE UPDATE ON devices
    FOR EACH ROW EXECUTE FUNCTION nanomdm_touch();

CREATE TRIGGER nanomdm_users_touch
    BEFORE UPDATE ON users
    FOR EACH ROW EXECUTE FUNCTION nanomdm_touch();

CREATE TRIGGER nanomdm_enrollments_touch
    BEFORE UPDATE ON enrollments
    FOR EACH ROW EXECUTE FUNCTION nanomdm_touch();

CREATE TRIGGER nanomdm_commands_touch
    BEFORE UPDATE ON commands
    FOR EACH ROW EXECUTE FUNCTION nanomdm_touch();

CREATE TRIGGER nanomdm_command_results_touch
    BEFORE UPDATE ON command_results
    FOR EACH ROW EXECUTE FUNCTION nanomdm_touch();

CREATE TRIGGER nanomdm_enrollment_queue_touch
    BEFORE UPDATE ON enrollment_queue
    FOR EACH ROW EXECUTE FUNCTION nanomdm_touch();

CREATE TRIGGER nanomdm_push_certs_touch
    BEFORE UPDATE ON push_certs
    FOR EACH ROW EXECUTE FUNCTION nanomdm_touch();

CREATE TRIGGER nanomdm_cert_auth_associations_touch
    BEFORE UPDATE ON cert_auth_associations
    FOR EACH ROW EXECUTE FUNCTION nanomdm_touch();

-- answered follows the results by triggers, so that it is right whoever writes
-- them: this module, NanoMDM or a script.
CREATE FUNCTION nanomdm_result_stored()
RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    UPDATE enrollment_queue
       SET answered = (NEW.status <> 'NotNow')
     WHERE id = NEW.id
       AND command_uuid = NEW.command_uuid
       AND answered <> (NEW.status <> 'NotNow');
    RETURN NULL;
END;
$$;

CREATE TRIGGER nanomdm_result_stored
    AFTER INSERT OR UPDATE OF status ON command_results
    FOR EACH ROW EXECUTE FUNCTION nanomdm_result_stored();

-- Pushes whose device has not been heard of since; a refused one stays until the
-- device sends a new token. status is APNs' last answer, 0 while there is none;
-- next_at is when to push again, NULL never. No foreign key: a database of
-- NanoMDM may compare IDs by another collation.
CREATE TABLE nanomdm_pushes (
    id        VARCHAR(255) NOT NULL,
    status    INTEGER      NOT NULL DEFAULT 0,
    reason    VARCHAR(255) NULL,
    tries     INTEGER      NOT NULL DEFAULT 0,
    next_at   TIMESTAMP    NULL,
    pushed_at TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (id)
);

CREATE INDEX idx_push_next ON nanomdm_pushes (next_at);

-- The outbox of durable webhooks: what no receiver has taken yet, one row for
-- each event and receiver, oldest first by seq. target names a receiver's URL.
-- Times are seconds since 1970 by the database's clock: not before next_at; not
-- while somebody else's lease holds; a try that fails after dies_at is the last.
CREATE TABLE nanomdm_events (
    seq          BIGINT       GENERATED ALWAYS AS IDENTITY,
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
    created_at   BIGINT       NOT NULL,
    PRIMARY KEY (seq)
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
    staged_at     TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
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
CREATE TABLE nanomdm_schema (
    version INTEGER NOT NULL PRIMARY KEY
);

INSERT INTO nanomdm_schema (version) VALUES (2);
