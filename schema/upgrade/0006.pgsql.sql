-- mod_nanomdm: from version 5 of what it adds to 6, PostgreSQL 12 and later.
-- Load as the owner: psql -1 -v ON_ERROR_STOP=1 -f 0006.pgsql.sql DATABASE

-- Operators page through devices that sent Authenticate and no TokenUpdate yet,
-- and through disabled enrollments: few among many.
CREATE INDEX IF NOT EXISTS idx_device_begun
    ON devices (id) WHERE token_update_at IS NULL;

CREATE INDEX IF NOT EXISTS idx_enrollment_disabled
    ON enrollments (id) WHERE enabled = FALSE;

-- Last of all: this row says that everything of ours is complete.
INSERT INTO nanomdm_schema (version) VALUES (6) ON CONFLICT DO NOTHING;
