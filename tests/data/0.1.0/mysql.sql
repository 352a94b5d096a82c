-- mod_nanomdm: all tables, for MySQL 8.0.19 and MariaDB 10.6 and later.
-- Load with the server's own client: mysql --comments DATABASE < mysql.sql
-- Tables and columns are NanoMDM's, so that either program can serve the
-- database; ours are the queue's columns answered and expires_at, and what
-- begins with nanomdm_ or idx_.
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

-- Device and user channels together, from their first TokenUpdate on.
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
    created_at         TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    updated_at         TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
                       ON UPDATE CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    UNIQUE INDEX idx_enrollment_user_id (user_id),
    INDEX idx_enrollment_user (user_id, device_id),
    INDEX idx_enrollment_device (device_id),
    INDEX idx_enrollment_type (type),
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
-- comes before the device's row.
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

-- answered follows the results by triggers, so that it is right whoever writes
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
-- while somebody else's lease holds; a try that fails after dies_at is the last.
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
    PRIMARY KEY (seq),
    INDEX idx_event_due (is_dead, target, next_at, seq),
    INDEX idx_event_device (device_id, target, is_dead, seq)
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

-- Last of all: this row says that everything of ours is complete.
CREATE TABLE nanomdm_schema (
    version INTEGER NOT NULL PRIMARY KEY
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

INSERT INTO nanomdm_schema (version) VALUES (2);
