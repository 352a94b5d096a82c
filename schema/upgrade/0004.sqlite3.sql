-- mod_nanomdm: from version 3 of its tables to 4, for SQLite 3.35 and later.
-- Load: sqlite3 -bail DATABASE < 0004.sqlite3.sql

-- renew_state is of the certificate that an enrollment uses: own where its
-- profile was served here, else other; NULL of all others. renew_uuid is
-- the command that renews it, renew_hashes the challenges that were last sent
-- with it.
ALTER TABLE nanomdm_scep_certs ADD COLUMN renew_state VARCHAR(7) NULL;

ALTER TABLE nanomdm_scep_certs ADD COLUMN renew_uuid VARCHAR(127) NULL;

ALTER TABLE nanomdm_scep_certs ADD COLUMN renew_hashes VARCHAR(129) NULL;

ALTER TABLE nanomdm_scep_certs ADD COLUMN renew_error VARCHAR(255) NULL;

-- Whose newest certificates are in use is not known before the next TokenUpdate,
-- so the newest of each enrollment is taken to be.
UPDATE nanomdm_scep_certs
   SET renew_state = 'other'
 WHERE enrollment_id IS NOT NULL
   AND revoked_at IS NULL
   AND NOT EXISTS (SELECT 1 FROM nanomdm_scep_certs n
                    WHERE n.enrollment_id = nanomdm_scep_certs.enrollment_id
                      AND n.revoked_at IS NULL
                      AND (n.created_at > nanomdm_scep_certs.created_at
                           OR (n.created_at = nanomdm_scep_certs.created_at
                               AND n.sha256 > nanomdm_scep_certs.sha256)));

CREATE INDEX idx_scep_cert_renewal
    ON nanomdm_scep_certs (renew_state, renew_asked_at, not_after);

INSERT INTO nanomdm_chores (name, next_at) VALUES ('renewal', 0);

-- Last of all: this row says that everything of ours is complete.
INSERT INTO nanomdm_schema (version) VALUES (4);
