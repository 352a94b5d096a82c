-- mod_nanomdm: from version 4 of what it adds to 5, MySQL 8.0.19 and MariaDB
-- 10.6 and later.
-- Load: mysql --comments DATABASE < 0005.mysql.sql
-- May be repeated: neither server can take all of this in one transaction, so a
-- load that was cut off must be able to go on.

-- When APNs last took a push to the enrollment; NULL never. MySQL has no ADD
-- COLUMN IF NOT EXISTS.
SET @nanomdm_ddl = (
    SELECT IF(COUNT(*) > 0, 'DO 0',
              'ALTER TABLE enrollments ADD COLUMN pushed_at TIMESTAMP(6) NULL')
      FROM information_schema.columns
     WHERE table_schema = DATABASE()
       AND table_name = 'enrollments'
       AND column_name = 'pushed_at');

PREPARE nanomdm_ddl FROM @nanomdm_ddl;

EXECUTE nanomdm_ddl;

DEALLOCATE PREPARE nanomdm_ddl;

-- Last of all: this row says that everything of ours is complete.
INSERT IGNORE INTO nanomdm_schema (version) VALUES (5);
