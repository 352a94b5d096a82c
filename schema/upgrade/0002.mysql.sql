-- mod_nanomdm: from version 1 of what it adds to 2, MySQL 8.0.19 and MariaDB
-- 10.6 and later.
-- Load: mysql --comments DATABASE < 0002.mysql.sql
-- May be repeated: neither server can take all of this in one transaction, so a
-- load that was cut off must be able to go on.

-- A command is not delivered after this; NULL is always.
SET @nanomdm_ddl = (
    SELECT IF(COUNT(*) > 0, 'DO 0',
              'ALTER TABLE enrollment_queue
                   ADD COLUMN expires_at TIMESTAMP(6) NULL')
      FROM information_schema.columns
     WHERE table_schema = DATABASE()
       AND table_name = 'enrollment_queue'
       AND column_name = 'expires_at');

PREPARE nanomdm_ddl FROM @nanomdm_ddl;

EXECUTE nanomdm_ddl;

DEALLOCATE PREPARE nanomdm_ddl;

-- Pushes whose device has not been heard of since; a refused one stays until the
-- device sends a new token. status is APNs' last answer, 0 while there is none;
-- next_at is when to push again, NULL never. No foreign key: a database of
-- NanoMDM may compare IDs by another collation.
CREATE TABLE IF NOT EXISTS nanomdm_pushes (
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

-- Operators look for user names and page through the users of one; they see the
-- newest results of an enrollment first.
SET @nanomdm_ddl = (
    SELECT IF(COUNT(*) > 0, 'DO 0',
              'CREATE INDEX idx_user_short_name
                   ON users (user_short_name, id)')
      FROM information_schema.statistics
     WHERE table_schema = DATABASE()
       AND table_name = 'users'
       AND index_name = 'idx_user_short_name');

PREPARE nanomdm_ddl FROM @nanomdm_ddl;

EXECUTE nanomdm_ddl;

DEALLOCATE PREPARE nanomdm_ddl;

SET @nanomdm_ddl = (
    SELECT IF(COUNT(*) > 0, 'DO 0',
              'CREATE INDEX idx_result_time
                   ON command_results (id, updated_at, command_uuid)')
      FROM information_schema.statistics
     WHERE table_schema = DATABASE()
       AND table_name = 'command_results'
       AND index_name = 'idx_result_time');

PREPARE nanomdm_ddl FROM @nanomdm_ddl;

EXECUTE nanomdm_ddl;

DEALLOCATE PREPARE nanomdm_ddl;

-- The outbox of durable webhooks: what no receiver has taken yet, one row for
-- each event and receiver, oldest first by seq. target names a receiver's URL.
-- Times are seconds since 1970 by the database's clock: not before next_at; not
-- while another's lease holds; a try that fails after dies_at is the last.
CREATE TABLE IF NOT EXISTS nanomdm_events (
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
CREATE TABLE IF NOT EXISTS nanomdm_renewals (
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
CREATE TABLE IF NOT EXISTS nanomdm_chores (
    name     VARCHAR(63)  NOT NULL,
    next_at  BIGINT       NOT NULL,
    position VARCHAR(255) NOT NULL DEFAULT '',
    PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

INSERT IGNORE INTO nanomdm_chores (name, next_at) VALUES ('retention', 0);

-- Last of all: this row says that everything of ours is complete.
INSERT IGNORE INTO nanomdm_schema (version) VALUES (2);
