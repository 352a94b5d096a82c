-- mod_nanomdm: all tables, for MySQL 8.0.19 and MariaDB 10.6 and later.
-- Load with the server's own client: mysql --comments DATABASE < mysql.sql
-- Tables and columns are NanoMDM's, so that either program can serve the
-- database; ours are the queue's columns answered and expires_at, pushed_at of
-- the enrollments, and what begins with nanomdm_ or idx_.
-- The module's loader splits where a line ends in a semicolon and an empty line
-- follows.
-- The collation is the byte-exact one without padding, which has another name
-- on either server; a client that strips such comments gets a syntax error, not
-- a database in which 'a' equals 'A'.
-- Where the binary log is on, as it is by default on MySQL 8, triggers need the
-- SUPER privilege or log_bin_trust_function_creators = 1.

-- One row for each device channel.
CREATE TABLE devices (
    id                  VARCHAR(255) NOT NULL,
    identity_cert       TEXT         NULL,
    serial_number       VARCHAR(127) NULL,
    unlock_token        MEDIUMBLOB   NULL,
    unlock_token_at     TIMESTAMP(6) NULL,
    authenticate        LONGTEXT     NOT NULL,
    authenticate_at     TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    token_update        LONGTEXT     NULL,
    token_update_at     TIMESTAMP(6) NULL,
    bootstrap_token_b64 TEXT         NULL,
    bootstrap_token_at  TIMESTAMP(6) NULL,
    created_at          TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    updated_at          TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
                        ON UPDATE CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    INDEX idx_device_serial (serial_number),
    INDEX idx_device_begun (token_update_at, id),
    CHECK (SUBSTRING(identity_cert FROM 1 FOR 27) = '-----BEGIN CERTIFICATE-----'),
    CHECK (serial_number <> ''),
    CHECK (LENGTH(unlock_token) > 0),
    CHECK (authenticate <> ''),
    CHECK (bootstrap_token_b64 <> '')
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

-- One row for each user channel; id is the whole enrollment ID. Operators page
-- through the users of one name by idx_user_short_name.
CREATE TABLE users (
    id                          VARCHAR(255) NOT NULL,
    device_id                   VARCHAR(255) NOT NULL,
    user_short_name             VARCHAR(255) NULL,
    user_long_name              VARCHAR(255) NULL,
    token_update                LONGTEXT     NULL,
    token_update_at             TIMESTAMP(6) NULL,
    user_authenticate           LONGTEXT     NULL,
    user_authenticate_at        TIMESTAMP(6) NULL,
    user_authenticate_digest    LONGTEXT     NULL,
    user_authenticate_digest_at TIMESTAMP(6) NULL,
    created_at                  TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    updated_at                  TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
                                ON UPDATE CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id, device_id),
    INDEX idx_user_device (device_id),
    INDEX idx_user_short_name (user_short_name, id),
    FOREIGN KEY (device_id) REFERENCES devices (id)
        ON DELETE CASCADE ON UPDATE CASCADE,
    CHECK (user_short_name <> ''),
    CHECK (user_long_name <> '')
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

-- Device and user channels together, from their first TokenUpdate on; pushed_at:
-- when APNs last took a push.
-- Each index ends with the primary key: idx_enrollment_type gives the
-- enrollments of a type in the order of ids.
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
    last_seen_at       TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    pushed_at          TIMESTAMP(6) NULL,
    created_at         TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    updated_at         TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
                       ON UPDATE CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    UNIQUE INDEX idx_enrollment_user_id (user_id),
    INDEX idx_enrollment_user (user_id, device_id),
    INDEX idx_enrollment_device (device_id),
    INDEX idx_enrollment_type (type),
    INDEX idx_enrollment_disabled (enabled, id),
    FOREIGN KEY (device_id) REFERENCES devices (id)
        ON DELETE CASCADE ON UPDATE CASCADE,
    FOREIGN KEY (user_id, device_id) REFERENCES users (id, device_id)
        ON DELETE CASCADE ON UPDATE CASCADE,
    CHECK (id <> ''),
    CHECK (topic <> ''),
    CHECK (push_magic <> ''),
    CHECK (token_hex <> '')
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

-- Each command once, however many enrollments have it queued.
CREATE TABLE commands (
    command_uuid VARCHAR(127) NOT NULL,
    request_type VARCHAR(63)  NOT NULL,
    command      LONGTEXT     NOT NULL,
    created_at   TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    updated_at   TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
                 ON UPDATE CURRENT_TIMESTAMP(6),
    PRIMARY KEY (command_uuid),
    CHECK (command_uuid <> ''),
    CHECK (request_type <> ''),
    CHECK (SUBSTRING(command FROM 1 FOR 5) = '<?xml')
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

-- The last report of an enrollment about a command; NotNow is not final.
-- idx_result_command is for deleting a command: the cascade has its UUID alone.
-- Operators see the newest results of an enrollment first by idx_result_time.
CREATE TABLE command_results (
    id            VARCHAR(255) NOT NULL,
    command_uuid  VARCHAR(127) NOT NULL,
    status        VARCHAR(31)  NOT NULL,
    result        LONGTEXT     NOT NULL,
    not_now_at    TIMESTAMP(6) NULL,
    not_now_tally INTEGER      NOT NULL DEFAULT 0,
    created_at    TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    updated_at    TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
                  ON UPDATE CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id, command_uuid),
    INDEX idx_result_command (command_uuid),
    INDEX idx_result_status (status),
    INDEX idx_result_time (id, updated_at, command_uuid),
    FOREIGN KEY (id) REFERENCES enrollments (id)
        ON DELETE CASCADE ON UPDATE CASCADE,
    FOREIGN KEY (command_uuid) REFERENCES commands (command_uuid)
        ON DELETE CASCADE ON UPDATE CASCADE,
    CHECK (status <> ''),
    CHECK (SUBSTRING(result FROM 1 FOR 5) = '<?xml')
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

-- What is queued for whom. active FALSE: never to be delivered; answered TRUE:
-- a final report is stored; expires_at: not delivered after it.
-- The delivery query takes the first entry of idx_queue_pending: commands that
-- a device has answered cost it nothing. idx_queue_priority and idx_queue_lookup
-- are there for NanoMDM and view_queue.
CREATE TABLE enrollment_queue (
    id           VARCHAR(255) NOT NULL,
    command_uuid VARCHAR(127) NOT NULL,
    active       BOOLEAN      NOT NULL DEFAULT TRUE,
    priority     TINYINT      NOT NULL DEFAULT 0,
    created_at   TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    updated_at   TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
                 ON UPDATE CURRENT_TIMESTAMP(6),
    answered     BOOLEAN      NOT NULL DEFAULT FALSE,
    expires_at   TIMESTAMP(6) NULL,
    PRIMARY KEY (id, command_uuid),
    INDEX idx_queue_command (command_uuid),
    INDEX idx_queue_priority (priority DESC, created_at),
    INDEX idx_queue_lookup (id, active, priority DESC, created_at),
    INDEX idx_queue_pending (id, active, answered, priority DESC, created_at),
    FOREIGN KEY (id) REFERENCES enrollments (id)
        ON DELETE CASCADE ON UPDATE CASCADE,
    FOREIGN KEY (command_uuid) REFERENCES commands (command_uuid)
        ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

-- One push certificate for each topic; stale_token counts its renewals.
CREATE TABLE push_certs (
    topic       VARCHAR(255) NOT NULL,
    cert_pem    TEXT         NOT NULL,
    key_pem     TEXT         NOT NULL,
    stale_token INTEGER      NOT NULL,
    created_at  TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    updated_at  TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
                ON UPDATE CURRENT_TIMESTAMP(6),
    PRIMARY KEY (topic),
    CHECK (topic <> ''),
    CHECK (SUBSTRING(cert_pem FROM 1 FOR 27) = '-----BEGIN CERTIFICATE-----'),
    CHECK (SUBSTRING(key_pem FROM 1 FOR 5) = '-----')
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

-- The identity certificates a device has had. No foreign key: the association
-- is written before the device's row.
CREATE TABLE cert_auth_associations (
    id         VARCHAR(255) NOT NULL,
    sha256     CHAR(64)     NOT NULL,
    created_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    updated_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
               ON UPDATE CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id, sha256),
    INDEX idx_sha256 (sha256)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

-- The queue and what became of it, in the order of delivery; NanoMDM reads it
-- on PostgreSQL.
CREATE SQL SECURITY INVOKER VIEW view_queue AS
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

-- answered follows the results by triggers, so that it is right for every writer
-- them: this module, NanoMDM or a script.
CREATE TRIGGER nanomdm_result_inserted
AFTER INSERT ON command_results FOR EACH ROW
    UPDATE enrollment_queue
       SET answered = (NEW.status <> 'NotNow')
     WHERE id = NEW.id
       AND command_uuid = NEW.command_uuid
       AND answered <> (NEW.status <> 'NotNow');

CREATE TRIGGER nanomdm_result_updated
AFTER UPDATE ON command_results FOR EACH ROW
    UPDATE enrollment_queue
       SET answered = (NEW.status <> 'NotNow')
     WHERE id = NEW.id
       AND command_uuid = NEW.command_uuid
       AND answered <> (NEW.status <> 'NotNow');

-- Pushes whose device has not been heard of since; a refused one stays until the
-- device sends a new token. status is APNs' last answer, 0 while there is none;
-- next_at is when to push again, NULL never. No foreign key: a database of
-- NanoMDM may compare IDs by another collation.
CREATE TABLE nanomdm_pushes (
    id        VARCHAR(255) NOT NULL,
    status    INTEGER      NOT NULL DEFAULT 0,
    reason    VARCHAR(255) NULL,
    tries     INTEGER      NOT NULL DEFAULT 0,
    next_at   TIMESTAMP(6) NULL,
    pushed_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    INDEX idx_push_next (next_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

-- The outbox of durable webhooks: what no receiver has taken yet, one row for
-- each event and receiver, oldest first by seq. target names a receiver's URL.
-- Times are seconds since 1970 by the database's clock: not before next_at; not
-- while another's lease holds; a try that fails after dies_at is the last.
CREATE TABLE nanomdm_events (
    seq          BIGINT       NOT NULL AUTO_INCREMENT,
    device_id    VARCHAR(255) NOT NULL,
    target       VARCHAR(127) NOT NULL,
    event_id     VARCHAR(31)  NOT NULL,
    topic        VARCHAR(63)  NOT NULL,
    body         LONGTEXT     NOT NULL,
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
    PRIMARY KEY (seq),
    INDEX idx_event_due (is_dead, target, next_at, seq),
    INDEX idx_event_device (device_id, target, is_dead, seq)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

-- The payload of a long event in base64: that of an event with a
-- payload_size, whose body has none. So no long text has to be in memory.
CREATE TABLE nanomdm_event_parts (
    seq     BIGINT   NOT NULL,
    part    INTEGER  NOT NULL,
    content LONGTEXT NOT NULL,
    PRIMARY KEY (seq, part),
    FOREIGN KEY (seq) REFERENCES nanomdm_events (seq) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

-- Enrollments that are being renewed (NanoMDMReenroll keep): what Authenticate
-- said, until the TokenUpdate that follows. No foreign key, as above.
CREATE TABLE nanomdm_renewals (
    id            VARCHAR(255) NOT NULL,
    serial_number VARCHAR(127) NULL,
    identity_cert LONGTEXT     NULL,
    authenticate  LONGTEXT     NOT NULL,
    staged_at     TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

-- Work that one server at a time does: not before next_at, in seconds since 1970
-- by the database's clock; position is how far it has come.
CREATE TABLE nanomdm_chores (
    name     VARCHAR(63)  NOT NULL,
    next_at  BIGINT       NOT NULL,
    position VARCHAR(255) NOT NULL DEFAULT '',
    PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

INSERT INTO nanomdm_chores (name, next_at) VALUES ('retention', 0);

-- Declarative management. Times are seconds since 1970 by the database's clock;
-- Identifiers and names of sets are compared byte for byte. No foreign keys to
-- enrollments: sets may be given to a device before it enrolls, and a database
-- of NanoMDM may compare IDs by another collation.
-- payload is canonical JSON, touch the nonce of the last touch.
CREATE TABLE nanomdm_dd_declarations (
    identifier   VARCHAR(255) NOT NULL,
    type         VARCHAR(255) NOT NULL,
    manifest     VARCHAR(15)  NOT NULL,
    payload      LONGTEXT     NOT NULL,
    server_token VARCHAR(64)  NOT NULL,
    touch        VARCHAR(63)  NOT NULL DEFAULT '',
    flags        INTEGER      NOT NULL DEFAULT 0,
    created_at   BIGINT       NOT NULL,
    updated_at   BIGINT       NOT NULL,
    PRIMARY KEY (identifier),
    INDEX idx_dd_declaration_type (type)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

-- token is the digest of a set's declarations, '' while it has none; who changes
-- them has this row locked.
CREATE TABLE nanomdm_dd_sets (
    set_name VARCHAR(255) NOT NULL,
    token    VARCHAR(64)  NOT NULL DEFAULT '',
    PRIMARY KEY (set_name)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

CREATE TABLE nanomdm_dd_set_declarations (
    set_name   VARCHAR(255) NOT NULL,
    identifier VARCHAR(255) NOT NULL,
    PRIMARY KEY (set_name, identifier),
    INDEX idx_dd_declaration_set (identifier, set_name),
    FOREIGN KEY (identifier) REFERENCES nanomdm_dd_declarations (identifier)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

CREATE TABLE nanomdm_dd_enrollment_sets (
    id       VARCHAR(255) NOT NULL,
    set_name VARCHAR(255) NOT NULL,
    PRIMARY KEY (id, set_name),
    INDEX idx_dd_set_enrollment (set_name, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

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
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

-- What devices report: the state of each declaration, the values of status
-- items, the newest errors and the newest reports.
CREATE TABLE nanomdm_dd_states (
    id           VARCHAR(255) NOT NULL,
    identifier   VARCHAR(255) NOT NULL,
    manifest     VARCHAR(15)  NOT NULL,
    active       BOOLEAN      NOT NULL,
    valid        VARCHAR(15)  NOT NULL,
    server_token VARCHAR(255) NOT NULL,
    reasons      LONGTEXT     NULL,
    status_id    VARCHAR(31)  NOT NULL,
    reported_at  BIGINT       NOT NULL,
    PRIMARY KEY (id, identifier),
    INDEX idx_dd_state_identifier (identifier, valid, active)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

-- One row for each leaf; row_key is the digest of path, object and position.
CREATE TABLE nanomdm_dd_values (
    id          VARCHAR(255) NOT NULL,
    row_key     CHAR(64)     NOT NULL,
    path        VARCHAR(255) NOT NULL,
    object      VARCHAR(255) NOT NULL DEFAULT '',
    value       LONGTEXT     NOT NULL,
    kind        VARCHAR(15)  NOT NULL,
    status_id   VARCHAR(31)  NOT NULL,
    reported_at BIGINT       NOT NULL,
    PRIMARY KEY (id, row_key),
    INDEX idx_dd_value_path (id, path)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

CREATE TABLE nanomdm_dd_errors (
    seq        BIGINT       NOT NULL AUTO_INCREMENT,
    id         VARCHAR(255) NOT NULL,
    status_id  VARCHAR(31)  NOT NULL,
    path       VARCHAR(255) NOT NULL,
    error      LONGTEXT     NOT NULL,
    created_at BIGINT       NOT NULL,
    PRIMARY KEY (seq),
    INDEX idx_dd_error (id, seq)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

CREATE TABLE nanomdm_dd_reports (
    seq        BIGINT       NOT NULL AUTO_INCREMENT,
    id         VARCHAR(255) NOT NULL,
    status_id  VARCHAR(31)  NOT NULL,
    raw        LONGTEXT     NOT NULL,
    created_at BIGINT       NOT NULL,
    PRIMARY KEY (seq),
    INDEX idx_dd_report (id, seq)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

-- Changes that enrollments are still to be notified of: all that have a set, or
-- one (set_name ''). revision counts the changes, run_revision is the one that
-- the run began with which has come as far as position.
CREATE TABLE nanomdm_dd_changes (
    seq          BIGINT       NOT NULL AUTO_INCREMENT,
    set_name     VARCHAR(255) NOT NULL,
    id           VARCHAR(255) NOT NULL,
    position     VARCHAR(255) NOT NULL DEFAULT '',
    revision     INTEGER      NOT NULL DEFAULT 1,
    run_revision INTEGER      NOT NULL DEFAULT 0,
    changed_at   BIGINT       NOT NULL,
    first_at     BIGINT       NOT NULL,
    PRIMARY KEY (seq),
    UNIQUE (set_name, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

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
    PRIMARY KEY (hash),
    INDEX idx_challenge_expires (expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

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
    pem            LONGTEXT      NOT NULL,
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
    PRIMARY KEY (sha256),
    INDEX idx_scep_cert_end (not_after),
    INDEX idx_scep_cert_enrollment (enrollment_id),
    UNIQUE INDEX idx_scep_cert_serial (issuer_sha256, serial),
    INDEX idx_scep_cert_transaction (transaction_id),
    INDEX idx_scep_cert_renewal (renew_state, renew_asked_at, not_after)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

-- Enrollment links and other secrets that are good for a while: hash is the
-- SHA-256 of the secret.
CREATE TABLE nanomdm_scep_tokens (
    hash       CHAR(64)     NOT NULL,
    kind       VARCHAR(15)  NOT NULL,
    data       LONGTEXT     NULL,
    user_name  VARCHAR(255) NULL,
    created_at BIGINT       NOT NULL,
    expires_at BIGINT       NOT NULL,
    used_at    BIGINT       NULL,
    PRIMARY KEY (hash),
    INDEX idx_scep_token_expires (expires_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

-- Last of all: this row says that everything of ours is complete.
CREATE TABLE nanomdm_schema (
    version INTEGER NOT NULL PRIMARY KEY
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

INSERT INTO nanomdm_schema (version) VALUES (7);
