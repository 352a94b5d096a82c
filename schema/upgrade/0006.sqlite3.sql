-- mod_nanomdm: from version 5 of its tables to 6, for SQLite 3.35 and later.
-- Load: sqlite3 -bail DATABASE < 0006.sqlite3.sql

-- Operators page through devices that sent Authenticate and no TokenUpdate yet,
-- and through disabled enrollments: few among many.
CREATE INDEX IF NOT EXISTS idx_device_begun
    ON devices (id) WHERE token_update_at IS NULL;

CREATE INDEX IF NOT EXISTS idx_enrollment_disabled
    ON enrollments (id) WHERE enabled = FALSE;

-- Last of all: this row says that everything of ours is complete.
INSERT INTO nanomdm_schema (version) VALUES (6);
