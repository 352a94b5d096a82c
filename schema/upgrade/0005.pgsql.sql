-- mod_nanomdm: from version 4 of what it adds to 5, PostgreSQL 12 and later.
-- Load as the owner: psql -1 -v ON_ERROR_STOP=1 -f 0005.pgsql.sql DATABASE

-- When APNs last took a push to the enrollment; NULL never.
ALTER TABLE enrollments ADD COLUMN IF NOT EXISTS pushed_at TIMESTAMP NULL;

-- Last of all: this row says that everything of ours is complete.
INSERT INTO nanomdm_schema (version) VALUES (5) ON CONFLICT DO NOTHING;
