-- mod_nanomdm: from version 3 of what it adds to 4, PostgreSQL 12 and later.
-- Load as the owner: psql -1 -v ON_ERROR_STOP=1 -f 0004.pgsql.sql DATABASE

-- renew_state is of the certificate that an enrollment uses: own where its
-- profile was served here, else other; NULL of all others. renew_uuid is
-- the command that renews it, renew_hashes the challenges that were last sent
-- with it.
ALTER TABLE nanomdm_scep_certs
    ADD COLUMN IF NOT EXISTS renew_state  VARCHAR(7)   NULL,
    ADD COLUMN IF NOT EXISTS renew_uuid   VARCHAR(127) NULL,
    ADD COLUMN IF NOT EXISTS renew_hashes VARCHAR(129) NULL,
    ADD COLUMN IF NOT EXISTS renew_error  VARCHAR(255) NULL;

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

CREATE INDEX IF NOT EXISTS idx_scep_cert_renewal
    ON nanomdm_scep_certs (renew_state, renew_asked_at, not_after);

INSERT INTO nanomdm_chores (name, next_at) VALUES ('renewal', 0)
    ON CONFLICT DO NOTHING;

-- Last of all: this row says that everything of ours is complete.
INSERT INTO nanomdm_schema (version) VALUES (4) ON CONFLICT DO NOTHING;
