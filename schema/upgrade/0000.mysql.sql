-- mod_nanomdm: NanoMDM's own schema changes 1 to 11, for a database that an
-- older NanoMDM made, MySQL 8.0.19 and MariaDB 10.6 and later. Before 0001; an
-- older NanoMDM can go on working on it.
-- Load: mysql --comments DATABASE < 0000.mysql.sql
-- May be repeated, on a database with any of them: each statement is made only
-- where the database lacks what it does, column by column, since an administrator may have
-- added one of them by hand. The module shows what is missing by the same SET
-- statements.

SET @nanomdm_ddl = (
    SELECT IF(COUNT(*) = 2, 'DO 0', CONCAT(
              '/* NanoMDM''s schema change 1 */ ALTER TABLE devices ',
              CONCAT_WS(', ',
                  IF(SUM(column_name = 'bootstrap_token_b64'), NULL,
                     'ADD COLUMN bootstrap_token_b64 TEXT NULL'),
                  IF(SUM(column_name = 'bootstrap_token_at'), NULL,
                     'ADD COLUMN bootstrap_token_at TIMESTAMP NULL'))))
      FROM information_schema.columns
     WHERE table_schema = DATABASE()
       AND table_name = 'devices'
       AND column_name IN ('bootstrap_token_b64', 'bootstrap_token_at'));

PREPARE nanomdm_ddl FROM @nanomdm_ddl;

EXECUTE nanomdm_ddl;

SET @nanomdm_ddl = (
    SELECT IF(COUNT(*) = 4, 'DO 0', CONCAT(
              '/* NanoMDM''s schema change 2 */ ALTER TABLE users ',
              CONCAT_WS(', ',
                  IF(SUM(column_name = 'user_authenticate'), NULL,
                     'ADD COLUMN user_authenticate TEXT NULL'),
                  IF(SUM(column_name = 'user_authenticate_at'), NULL,
                     'ADD COLUMN user_authenticate_at TIMESTAMP NULL'),
                  IF(SUM(column_name = 'user_authenticate_digest'), NULL,
                     'ADD COLUMN user_authenticate_digest TEXT NULL'),
                  IF(SUM(column_name = 'user_authenticate_digest_at'), NULL,
                     'ADD COLUMN user_authenticate_digest_at TIMESTAMP NULL'))))
      FROM information_schema.columns
     WHERE table_schema = DATABASE()
       AND table_name = 'users'
       AND column_name IN ('user_authenticate', 'user_authenticate_at',
                           'user_authenticate_digest',
                           'user_authenticate_digest_at'));

PREPARE nanomdm_ddl FROM @nanomdm_ddl;

EXECUTE nanomdm_ddl;

SET @nanomdm_ddl = (
    SELECT IF(COUNT(*) > 0, 'DO 0',
              '/* NanoMDM''s schema change 3 */ ALTER TABLE enrollments
                   ADD COLUMN token_update_tally INTEGER NOT NULL DEFAULT 1')
      FROM information_schema.columns
     WHERE table_schema = DATABASE()
       AND table_name = 'enrollments'
       AND column_name IN ('token_update_tally'));

PREPARE nanomdm_ddl FROM @nanomdm_ddl;

EXECUTE nanomdm_ddl;

SET @nanomdm_ddl = (
    SELECT IF(COUNT(*) = 2, 'DO 0', CONCAT(
              '/* NanoMDM''s schema change 4 */ ALTER TABLE command_results ',
              CONCAT_WS(', ',
                  IF(SUM(column_name = 'not_now_at'), NULL,
                     'ADD COLUMN not_now_at TIMESTAMP NULL'),
                  IF(SUM(column_name = 'not_now_tally'), NULL,
                     'ADD COLUMN not_now_tally INTEGER NOT NULL DEFAULT 0'))))
      FROM information_schema.columns
     WHERE table_schema = DATABASE()
       AND table_name = 'command_results'
       AND column_name IN ('not_now_at', 'not_now_tally'));

PREPARE nanomdm_ddl FROM @nanomdm_ddl;

EXECUTE nanomdm_ddl;

SET @nanomdm_ddl = (
    SELECT IF(COUNT(*) = 0, 'DO 0',
              '/* NanoMDM''s schema change 5 */ ALTER TABLE command_results
                   MODIFY COLUMN result MEDIUMTEXT NOT NULL')
      FROM information_schema.columns
     WHERE table_schema = DATABASE()
       AND table_name = 'command_results'
       AND column_name = 'result'
       AND data_type IN ('tinytext', 'text'));

PREPARE nanomdm_ddl FROM @nanomdm_ddl;

EXECUTE nanomdm_ddl;

SET @nanomdm_ddl = (
    SELECT IF(COUNT(*) = 0, 'DO 0',
              '/* NanoMDM''s schema change 6 */ ALTER TABLE commands
                   MODIFY COLUMN command MEDIUMTEXT NOT NULL')
      FROM information_schema.columns
     WHERE table_schema = DATABASE()
       AND table_name = 'commands'
       AND column_name = 'command'
       AND data_type IN ('tinytext', 'text'));

PREPARE nanomdm_ddl FROM @nanomdm_ddl;

EXECUTE nanomdm_ddl;

SET @nanomdm_ddl = (
    SELECT IF(COUNT(*) = 2, 'DO 0', CONCAT(
              '/* NanoMDM''s schema change 7 */ ALTER TABLE push_certs ',
              CONCAT_WS(', ',
                  IF(SUM(column_name = 'created_at'), NULL,
                     'ADD COLUMN created_at TIMESTAMP NOT NULL
                          DEFAULT CURRENT_TIMESTAMP'),
                  IF(SUM(column_name = 'updated_at'), NULL,
                     'ADD COLUMN updated_at TIMESTAMP NOT NULL
                          DEFAULT CURRENT_TIMESTAMP
                          ON UPDATE CURRENT_TIMESTAMP'))))
      FROM information_schema.columns
     WHERE table_schema = DATABASE()
       AND table_name = 'push_certs'
       AND column_name IN ('created_at', 'updated_at'));

PREPARE nanomdm_ddl FROM @nanomdm_ddl;

EXECUTE nanomdm_ddl;

SET @nanomdm_ddl = (
    SELECT IF(COUNT(*) > 0, 'DO 0',
              '/* NanoMDM''s schema change 8 */ ALTER TABLE enrollments
                   ADD COLUMN last_seen_at TIMESTAMP NOT NULL
                       DEFAULT CURRENT_TIMESTAMP')
      FROM information_schema.columns
     WHERE table_schema = DATABASE()
       AND table_name = 'enrollments'
       AND column_name IN ('last_seen_at'));

PREPARE nanomdm_ddl FROM @nanomdm_ddl;

EXECUTE nanomdm_ddl;

SET @nanomdm_ddl = (
    SELECT IF(COUNT(*) > 0, 'DO 0',
              '/* NanoMDM''s schema change 9 */ CREATE INDEX idx_queue_priority
                   ON enrollment_queue (priority DESC, created_at)')
      FROM (SELECT index_name
              FROM information_schema.statistics
             WHERE table_schema = DATABASE()
               AND table_name = 'enrollment_queue'
             GROUP BY index_name
            HAVING GROUP_CONCAT(column_name ORDER BY seq_in_index)
                   = 'priority,created_at') AS found);

PREPARE nanomdm_ddl FROM @nanomdm_ddl;

EXECUTE nanomdm_ddl;

SET @nanomdm_ddl = (
    SELECT IF(COUNT(*) > 0, 'DO 0',
              '/* NanoMDM''s schema change 10 */ CREATE INDEX idx_queue_lookup
                   ON enrollment_queue (id, active, priority DESC, created_at)')
      FROM (SELECT index_name
              FROM information_schema.statistics
             WHERE table_schema = DATABASE()
               AND table_name = 'enrollment_queue'
             GROUP BY index_name
            HAVING GROUP_CONCAT(column_name ORDER BY seq_in_index)
                   = 'id,active,priority,created_at') AS found);

PREPARE nanomdm_ddl FROM @nanomdm_ddl;

EXECUTE nanomdm_ddl;

SET @nanomdm_ddl = (
    SELECT IF(COUNT(*) > 0, 'DO 0',
              '/* NanoMDM''s schema change 10 */ CREATE INDEX idx_sha256
                   ON cert_auth_associations (sha256)')
      FROM (SELECT index_name
              FROM information_schema.statistics
             WHERE table_schema = DATABASE()
               AND table_name = 'cert_auth_associations'
             GROUP BY index_name
            HAVING GROUP_CONCAT(column_name ORDER BY seq_in_index)
                   = 'sha256') AS found);

PREPARE nanomdm_ddl FROM @nanomdm_ddl;

EXECUTE nanomdm_ddl;

SET @nanomdm_ddl = (
    SELECT IF(COUNT(*) > 0, 'DO 0',
              '/* NanoMDM''s schema change 11 */ ALTER TABLE enrollments
                   ADD FOREIGN KEY (user_id, device_id)
                       REFERENCES users (id, device_id)
                       ON DELETE CASCADE ON UPDATE CASCADE')
      FROM information_schema.key_column_usage
     WHERE table_schema = DATABASE()
       AND table_name = 'enrollments'
       AND referenced_table_name = 'users'
       AND referenced_column_name = 'device_id');

PREPARE nanomdm_ddl FROM @nanomdm_ddl;

EXECUTE nanomdm_ddl;

SET @nanomdm_ddl = (
    SELECT COALESCE(CONCAT('/* NanoMDM''s schema change 11 */',
                           ' ALTER TABLE enrollments DROP FOREIGN KEY ',
                           MIN(found.constraint_name)), 'DO 0')
      FROM (SELECT constraint_name
              FROM information_schema.key_column_usage
             WHERE table_schema = DATABASE()
               AND table_name = 'enrollments'
               AND referenced_table_name = 'users'
             GROUP BY constraint_name
            HAVING COUNT(*) = 1) AS found);

PREPARE nanomdm_ddl FROM @nanomdm_ddl;

EXECUTE nanomdm_ddl;

DEALLOCATE PREPARE nanomdm_ddl;
