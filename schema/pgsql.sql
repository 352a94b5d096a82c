-- mod_nanomdm: all tables, for PostgreSQL 12 and later.
-- Load as the owner: psql -1 -v ON_ERROR_STOP=1 -f pgsql.sql DATABASE
-- Tables and columns are NanoMDM's, so that either program can serve the
-- database; ours are the queue's columns answered and expires_at, pushed_at of
-- the enrollments, and what begins with nanomdm_ or idx_.
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

-- Operators page through devices that sent Authenticate and no TokenUpdate yet.
CREATE INDEX idx_device_begun
    ON devices (id) WHERE token_update_at IS NULL;

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

-- Device and user channels together, from their first TokenUpdate on; pushed_at:
-- when APNs last took a push.
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
    pushed_at          TIMESTAMP    NULL,
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

-- And through those that are disabled.
CREATE INDEX idx_enrollment_disabled
    ON enrollments (id) WHERE enabled = FALSE;

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
-- is written before the device's row.
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

-- The database sets updated_at, for every writer.
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

-- answered follows the results by triggers, so that it is right for every writer
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
-- while another's lease holds; a try that fails after dies_at is the last.
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
    payload_size INTEGER      NOT NULL DEFAULT 0,
    PRIMARY KEY (seq)
);

CREATE INDEX idx_event_due
    ON nanomdm_events (is_dead, target, next_at, seq);

CREATE INDEX idx_event_device
    ON nanomdm_events (device_id, target, is_dead, seq);

-- The payload of a long event in base64: that of an event with a
-- payload_size, whose body has none. So no long text has to be in memory.
CREATE TABLE nanomdm_event_parts (
    seq     BIGINT  NOT NULL,
    part    INTEGER NOT NULL,
    content TEXT    NOT NULL,
    PRIMARY KEY (seq, part),
    FOREIGN KEY (seq) REFERENCES nanomdm_events (seq) ON DELETE CASCADE
);

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

-- Declarative management. Times are seconds since 1970 by the database's clock;
-- Identifiers and names of sets are compared byte for byte. No foreign keys to
-- enrollments: sets may be given to a device before it enrolls, and a database
-- of NanoMDM may compare IDs by another collation.
-- payload is canonical JSON, touch the nonce of the last touch.
CREATE TABLE nanomdm_dd_declarations (
    identifier   VARCHAR(255) COLLATE "C" NOT NULL,
    type         VARCHAR(255) COLLATE "C" NOT NULL,
    manifest     VARCHAR(15)  NOT NULL,
    payload      TEXT         NOT NULL,
    server_token VARCHAR(64)  NOT NULL,
    touch        VARCHAR(63)  NOT NULL DEFAULT '',
    flags        INTEGER      NOT NULL DEFAULT 0,
    created_at   BIGINT       NOT NULL,
    updated_at   BIGINT       NOT NULL,
    PRIMARY KEY (identifier)
);

CREATE INDEX idx_dd_declaration_type
    ON nanomdm_dd_declarations (type);

-- token is the digest of a set's declarations, '' while it has none; who changes
-- them has this row locked.
CREATE TABLE nanomdm_dd_sets (
    set_name VARCHAR(255) COLLATE "C" NOT NULL,
    token    VARCHAR(64)  NOT NULL DEFAULT '',
    PRIMARY KEY (set_name)
);

CREATE TABLE nanomdm_dd_set_declarations (
    set_name   VARCHAR(255) COLLATE "C" NOT NULL,
    identifier VARCHAR(255) COLLATE "C" NOT NULL,
    PRIMARY KEY (set_name, identifier),
    FOREIGN KEY (identifier) REFERENCES nanomdm_dd_declarations (identifier)
);

CREATE INDEX idx_dd_declaration_set
    ON nanomdm_dd_set_declarations (identifier, set_name);

CREATE TABLE nanomdm_dd_enrollment_sets (
    id       VARCHAR(255) NOT NULL,
    set_name VARCHAR(255) COLLATE "C" NOT NULL,
    PRIMARY KEY (id, set_name)
);

CREATE INDEX idx_dd_set_enrollment
    ON nanomdm_dd_enrollment_sets (set_name, id);

-- What an enrollment has been given: items_token with the last manifest,
-- data_token in the last command, which is delivered_uuid until it is put off.
-- repairs counts the commands of its own accord since it last followed.
CREATE TABLE nanomdm_dd_enrollments (
    id             VARCHAR(255) NOT NULL,
    items_token    VARCHAR(64)  NULL,
    items_at       BIGINT       NULL,
    data_token     VARCHAR(64)  NULL,
    delivered_uuid VARCHAR(127) NULL,
    status_at      BIGINT       NULL,
    engine_at      BIGINT       NULL,
    repair_at      BIGINT       NOT NULL DEFAULT 0,
    repairs        INTEGER      NOT NULL DEFAULT 0,
    value_token    VARCHAR(64)  NULL,
    PRIMARY KEY (id)
);

-- What devices report: the state of each declaration, the values of status
-- items, the newest errors and the newest reports.
CREATE TABLE nanomdm_dd_states (
    id           VARCHAR(255) NOT NULL,
    identifier   VARCHAR(255) COLLATE "C" NOT NULL,
    manifest     VARCHAR(15)  NOT NULL,
    active       BOOLEAN      NOT NULL,
    valid        VARCHAR(15)  NOT NULL,
    server_token VARCHAR(255) NOT NULL,
    reasons      TEXT         NULL,
    status_id    VARCHAR(31)  NOT NULL,
    reported_at  BIGINT       NOT NULL,
    PRIMARY KEY (id, identifier)
);

CREATE INDEX idx_dd_state_identifier
    ON nanomdm_dd_states (identifier, valid, active);

-- One row for each leaf; row_key is the digest of path, object and position.
CREATE TABLE nanomdm_dd_values (
    id          VARCHAR(255) NOT NULL,
    row_key     CHAR(64)     NOT NULL,
    path        VARCHAR(255) NOT NULL,
    object      VARCHAR(255) NOT NULL DEFAULT '',
    value       TEXT         NOT NULL,
    kind        VARCHAR(15)  NOT NULL,
    status_id   VARCHAR(31)  NOT NULL,
    reported_at BIGINT       NOT NULL,
    PRIMARY KEY (id, row_key)
);

CREATE INDEX idx_dd_value_path
    ON nanomdm_dd_values (id, path);

CREATE TABLE nanomdm_dd_errors (
    seq        BIGINT       GENERATED ALWAYS AS IDENTITY,
    id         VARCHAR(255) NOT NULL,
    status_id  VARCHAR(31)  NOT NULL,
    path       VARCHAR(255) NOT NULL,
    error      TEXT         NOT NULL,
    created_at BIGINT       NOT NULL,
    PRIMARY KEY (seq)
);

CREATE INDEX idx_dd_error
    ON nanomdm_dd_errors (id, seq);

CREATE TABLE nanomdm_dd_reports (
    seq        BIGINT       GENERATED ALWAYS AS IDENTITY,
    id         VARCHAR(255) NOT NULL,
    status_id  VARCHAR(31)  NOT NULL,
    raw        TEXT         NOT NULL,
    created_at BIGINT       NOT NULL,
    PRIMARY KEY (seq)
);

CREATE INDEX idx_dd_report
    ON nanomdm_dd_reports (id, seq);

-- Changes that enrollments are still to be notified of: all that have a set, or
-- one (set_name ''). revision counts the changes, run_revision is the one that
-- the run began with which has come as far as position.
CREATE TABLE nanomdm_dd_changes (
    seq          BIGINT       GENERATED ALWAYS AS IDENTITY,
    set_name     VARCHAR(255) COLLATE "C" NOT NULL,
    id           VARCHAR(255) NOT NULL,
    position     VARCHAR(255) NOT NULL DEFAULT '',
    revision     INTEGER      NOT NULL DEFAULT 1,
    run_revision INTEGER      NOT NULL DEFAULT 0,
    changed_at   BIGINT       NOT NULL,
    first_at     BIGINT       NOT NULL,
    PRIMARY KEY (seq),
    UNIQUE (set_name, id)
);

INSERT INTO nanomdm_chores (name, next_at) VALUES ('declarations', 0);

INSERT INTO nanomdm_chores (name, next_at) VALUES ('renewal', 0);

-- One-time challenges of SCEP and what they are bound to: hash is the SHA-256 of
-- the challenge, which is kept nowhere. key_sha256 and cert_sha256 are those of
-- the certificate that used it. Times are milliseconds since 1970.
CREATE TABLE nanomdm_scep_challenges (
    hash          CHAR(64)     NOT NULL,
    purpose       VARCHAR(15)  NOT NULL,
    udid          VARCHAR(255) NULL,
    serial_number VARCHAR(127) NULL,
    enrollment_id VARCHAR(255) NULL,
    user_name     VARCHAR(255) NULL,
    created_at    BIGINT       NOT NULL,
    expires_at    BIGINT       NOT NULL,
    used_at       BIGINT       NULL,
    key_sha256    CHAR(64)     NULL,
    cert_sha256   CHAR(64)     NULL,
    PRIMARY KEY (hash)
);

CREATE INDEX idx_challenge_expires ON nanomdm_scep_challenges (expires_at);

-- The certificates this server has issued, with the binding of the challenge
-- that each was issued for; enrollment_id is known from Authenticate on. sha256
-- is the value of cert_auth_associations.sha256.
-- renew_state is of the one that an enrollment uses: own where its profile was
-- served here, else other; NULL of all others. renew_uuid is the command
-- that renews it, renew_hashes the challenges that were last sent with it.
CREATE TABLE nanomdm_scep_certs (
    sha256         CHAR(64)      NOT NULL,
    serial         VARCHAR(40)   NOT NULL,
    issuer_sha256  CHAR(64)      NOT NULL,
    subject        VARCHAR(1023) NOT NULL,
    pem            TEXT          NOT NULL,
    not_after      BIGINT        NOT NULL,
    purpose        VARCHAR(15)   NOT NULL,
    udid           VARCHAR(255)  NULL,
    serial_number  VARCHAR(127)  NULL,
    enrollment_id  VARCHAR(255)  NULL,
    user_name      VARCHAR(255)  NULL,
    transaction_id VARCHAR(255)  NOT NULL,
    signer_sha256  CHAR(64)      NULL,
    profile        VARCHAR(1023) NULL,
    attested       BOOLEAN       NOT NULL DEFAULT FALSE,
    created_at     BIGINT        NOT NULL,
    revoked_at     BIGINT        NULL,
    renew_asked_at BIGINT        NULL,
    renew_tries    INTEGER       NOT NULL DEFAULT 0,
    renew_state    VARCHAR(7)    NULL,
    renew_uuid     VARCHAR(127)  NULL,
    renew_hashes   VARCHAR(129)  NULL,
    renew_error    VARCHAR(255)  NULL,
    PRIMARY KEY (sha256)
);

CREATE INDEX idx_scep_cert_end ON nanomdm_scep_certs (not_after);

CREATE INDEX idx_scep_cert_enrollment ON nanomdm_scep_certs (enrollment_id);

CREATE UNIQUE INDEX idx_scep_cert_serial
    ON nanomdm_scep_certs (issuer_sha256, serial);

CREATE INDEX idx_scep_cert_transaction ON nanomdm_scep_certs (transaction_id);

CREATE INDEX idx_scep_cert_renewal
    ON nanomdm_scep_certs (renew_state, renew_asked_at, not_after);

-- Enrollment links and other secrets that are good for a while: hash is the
-- SHA-256 of the secret.
CREATE TABLE nanomdm_scep_tokens (
    hash       CHAR(64)     NOT NULL,
    kind       VARCHAR(15)  NOT NULL,
    data       TEXT         NULL,
    user_name  VARCHAR(255) NULL,
    created_at BIGINT       NOT NULL,
    expires_at BIGINT       NOT NULL,
    used_at    BIGINT       NULL,
    PRIMARY KEY (hash)
);

CREATE INDEX idx_scep_token_expires ON nanomdm_scep_tokens (expires_at);

-- Last of all: this row says that everything of ours is complete.
CREATE TABLE nanomdm_schema (
    version INTEGER NOT NULL PRIMARY KEY
);

INSERT INTO nanomdm_schema (version) VALUES (7);
