-- mod_nanomdm: from version 5 of what it adds to 6, MySQL 8.0.19 and MariaDB
-- 10.6 and later.
-- Load: mysql --comments DATABASE < 0006.mysql.sql
-- May be repeated: neither server can take all of this in one transaction, so a
-- load that was cut off must be able to go on.

-- Operators page through devices that sent Authenticate and no TokenUpdate yet,
-- and through disabled enrollments: few among many. MySQL has no CREATE INDEX IF
-- NOT EXISTS.
SET @nanomdm_ddl = (
    SELECT IF(COUNT(*) > 0, 'DO 0',
              'CREATE INDEX idx_device_begun
                   ON devices (token_update_at, id)')
      FROM information_schema.statistics
     WHERE table_schema = DATABASE()
       AND table_name = 'devices'
       AND index_name = 'idx_device_begun');

PREPARE nanomdm_ddl FROM @nanomdm_ddl;

EXECUTE nanomdm_ddl;

DEALLOCATE PREPARE nanomdm_ddl;

SET @nanomdm_ddl = (
    SELECT IF(COUNT(*) > 0, 'DO 0',
              'CREATE INDEX idx_enrollment_disabled
                   ON enrollments (enabled, id)')
      FROM information_schema.statistics
     WHERE table_schema = DATABASE()
       AND table_name = 'enrollments'
       AND index_name = 'idx_enrollment_disabled');

PREPARE nanomdm_ddl FROM @nanomdm_ddl;

EXECUTE nanomdm_ddl;

DEALLOCATE PREPARE nanomdm_ddl;

-- Last of all: this row says that everything of ours is complete.
INSERT IGNORE INTO nanomdm_schema (version) VALUES (6);
