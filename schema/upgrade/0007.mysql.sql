-- mod_nanomdm: from version 6 of what it adds to 7, MySQL 8.0.19 and MariaDB
-- 10.6 and later.
-- Load: mysql --comments DATABASE < 0007.mysql.sql
-- May be repeated: neither server can take all of this in one transaction, so a
-- load that was cut off must be able to go on.

-- A long event's payload in base64, in parts: payload_size characters, 0
-- where body is all of the event. MySQL has no ADD COLUMN IF NOT EXISTS.
SET @nanomdm_ddl = (
    SELECT IF(COUNT(*) > 0, 'DO 0',
              'ALTER TABLE nanomdm_events
                   ADD COLUMN payload_size INTEGER NOT NULL DEFAULT 0')
      FROM information_schema.columns
     WHERE table_schema = DATABASE()
       AND table_name = 'nanomdm_events'
       AND column_name = 'payload_size');

PREPARE nanomdm_ddl FROM @nanomdm_ddl;

EXECUTE nanomdm_ddl;

DEALLOCATE PREPARE nanomdm_ddl;

CREATE TABLE IF NOT EXISTS nanomdm_event_parts (
    seq     BIGINT   NOT NULL,
    part    INTEGER  NOT NULL,
    content LONGTEXT NOT NULL,
    PRIMARY KEY (seq, part),
    FOREIGN KEY (seq) REFERENCES nanomdm_events (seq) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4
  COLLATE = /*!80017 utf8mb4_0900_bin */ /*M!100600 utf8mb4_nopad_bin */;

-- Last of all: this row says that everything of ours is complete.
INSERT IGNORE INTO nanomdm_schema (version) VALUES (7);
