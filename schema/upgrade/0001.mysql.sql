-- mod_nanomdm: what it adds to a database that NanoMDM made, MySQL 8.0.19 and
-- MariaDB 10.6 and later. NanoMDM can go on working beside it.
-- Load: mysql --comments DATABASE < 0001.mysql.sql
-- May be repeated: neither server can take all of this in one transaction, so a
-- load that was cut off must be able to go on. The triggers come before the
-- backfill, so that no report falls between the two.
-- Where the binary log is on, as it is by default on MySQL 8, triggers need the
-- SUPER privilege or log_bin_trust_function_creators = 1.

-- MySQL has no ADD COLUMN IF NOT EXISTS.
SET @nanomdm_ddl = (
    SELECT IF(COUNT(*) > 0, 'DO 0',
              'ALTER TABLE enrollment_queue
                   ADD COLUMN answered BOOLEAN NOT NULL DEFAULT FALSE')
      FROM information_schema.columns
     WHERE table_schema = DATABASE()
       AND table_name = 'enrollment_queue'
       AND column_name = 'answered');

PREPARE nanomdm_ddl FROM @nanomdm_ddl;

EXECUTE nanomdm_ddl;

-- answered follows the results by triggers, so that it is right for every writer
-- them: this module, NanoMDM or a script.
DROP TRIGGER IF EXISTS nanomdm_result_inserted;

CREATE TRIGGER nanomdm_result_inserted
AFTER INSERT ON command_results FOR EACH ROW
    UPDATE enrollment_queue
       SET answered = (NEW.status <> 'NotNow')
     WHERE id = NEW.id
       AND command_uuid = NEW.command_uuid
       AND answered <> (NEW.status <> 'NotNow');

DROP TRIGGER IF EXISTS nanomdm_result_updated;

CREATE TRIGGER nanomdm_result_updated
AFTER UPDATE ON command_results FOR EACH ROW
    UPDATE enrollment_queue
       SET answered = (NEW.status <> 'NotNow')
     WHERE id = NEW.id
       AND command_uuid = NEW.command_uuid
       AND answered <> (NEW.status <> 'NotNow');

-- What was answered before.
UPDATE enrollment_queue AS q
  JOIN command_results AS r
    ON r.id = q.id AND r.command_uuid = q.command_uuid
   SET q.answered = TRUE,
       q.updated_at = q.updated_at
 WHERE r.status <> 'NotNow'
   AND q.answered = FALSE;

-- The delivery query takes the first entry of this: commands that a device has
-- answered cost it nothing.
SET @nanomdm_ddl = (
    SELECT IF(COUNT(*) > 0, 'DO 0',
              'CREATE INDEX idx_queue_pending
                   ON enrollment_queue
                      (id, active, answered, priority DESC, created_at)')
      FROM information_schema.statistics
     WHERE table_schema = DATABASE()
       AND table_name = 'enrollment_queue'
       AND index_name = 'idx_queue_pending');

PREPARE nanomdm_ddl FROM @nanomdm_ddl;

EXECUTE nanomdm_ddl;

-- NanoMDM itself has this one since its schema change 10, after v0.9.0.
SET @nanomdm_ddl = (
    SELECT IF(COUNT(*) > 0, 'DO 0',
              'CREATE INDEX idx_sha256 ON cert_auth_associations (sha256)')
      FROM information_schema.statistics
     WHERE table_schema = DATABASE()
       AND table_name = 'cert_auth_associations'
       AND column_name = 'sha256'
       AND seq_in_index = 1);

PREPARE nanomdm_ddl FROM @nanomdm_ddl;

EXECUTE nanomdm_ddl;

DEALLOCATE PREPARE nanomdm_ddl;

-- Last of all: this row says that everything of ours is complete.
CREATE TABLE IF NOT EXISTS nanomdm_schema (
    version INTEGER NOT NULL PRIMARY KEY
) ENGINE = InnoDB;

-- Counted, because a client that goes on after errors would get here as well.
INSERT IGNORE INTO nanomdm_schema (version)
SELECT 1
  FROM information_schema.triggers
 WHERE trigger_schema = DATABASE()
   AND trigger_name IN ('nanomdm_result_inserted', 'nanomdm_result_updated')
HAVING COUNT(*) = 2;
