-- mod_nanomdm: from version 3 of what it adds to 4, MySQL 8.0.19 and MariaDB
-- 10.6 and later.
-- Load: mysql --comments DATABASE < 0004.mysql.sql
-- May be repeated: neither server can take all of this in one transaction, so a
-- load that was cut off must be able to go on.

-- renew_state is of the certificate that an enrollment uses: own where its
-- profile was served here, else other; NULL of all others. renew_uuid is
-- the command that renews it, renew_hashes the challenges that were last sent
-- with it. MySQL has no ADD COLUMN IF NOT EXISTS.
SET @nanomdm_ddl = (
    SELECT IF(COUNT(*) > 0, 'DO 0',
              'ALTER TABLE nanomdm_scep_certs
                   ADD COLUMN renew_state  VARCHAR(7)   NULL,
                   ADD COLUMN renew_uuid   VARCHAR(127) NULL,
                   ADD COLUMN renew_hashes VARCHAR(129) NULL,
                   ADD COLUMN renew_error  VARCHAR(255) NULL')
      FROM information_schema.columns
     WHERE table_schema = DATABASE()
       AND table_name = 'nanomdm_scep_certs'
       AND column_name = 'renew_state');

PREPARE nanomdm_ddl FROM @nanomdm_ddl;

EXECUTE nanomdm_ddl;

-- Whose newest certificates are in use is not known before the next TokenUpdate,
-- so the newest of each enrollment is taken to be.
UPDATE nanomdm_scep_certs AS c
  LEFT JOIN nanomdm_scep_certs AS n
    ON n.enrollment_id = c.enrollment_id
   AND n.revoked_at IS NULL
   AND (n.created_at > c.created_at
        OR (n.created_at = c.created_at AND n.sha256 > c.sha256))
   SET c.renew_state = 'other'
 WHERE c.enrollment_id IS NOT NULL
   AND c.revoked_at IS NULL
   AND n.sha256 IS NULL;

SET @nanomdm_ddl = (
    SELECT IF(COUNT(*) > 0, 'DO 0',
              'CREATE INDEX idx_scep_cert_renewal
                   ON nanomdm_scep_certs
                      (renew_state, renew_asked_at, not_after)')
      FROM information_schema.statistics
     WHERE table_schema = DATABASE()
       AND table_name = 'nanomdm_scep_certs'
       AND index_name = 'idx_scep_cert_renewal');

PREPARE nanomdm_ddl FROM @nanomdm_ddl;

EXECUTE nanomdm_ddl;

DEALLOCATE PREPARE nanomdm_ddl;

INSERT IGNORE INTO nanomdm_chores (name, next_at) VALUES ('renewal', 0);

-- Last of all: this row says that everything of ours is complete.
INSERT IGNORE INTO nanomdm_schema (version) VALUES (4);
