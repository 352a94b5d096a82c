-- mod_nanomdm: from version 4 of its tables to 5, for SQLite 3.35 and later.
-- Load: sqlite3 -bail DATABASE < 0005.sqlite3.sql

-- When APNs last took a push to the enrollment; NULL never.
ALTER TABLE enrollments ADD COLUMN pushed_at TEXT NULL;

-- Last of all: this row says that everything of ours is complete.
INSERT INTO nanomdm_schema (version) VALUES (5);
