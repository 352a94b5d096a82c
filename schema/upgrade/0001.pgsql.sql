-- mod_nanomdm: what it adds to a database that NanoMDM made, PostgreSQL 12 and
-- later. NanoMDM can go on working beside it.
-- Load as the owner: psql -1 -v ON_ERROR_STOP=1 -f 0001.pgsql.sql DATABASE
-- May be repeated. The triggers come before the backfill, so that no report
-- falls between the two when this is loaded without a transaction.

ALTER TABLE enrollment_queue
    ADD COLUMN IF NOT EXISTS answered BOOLEAN NOT NULL DEFAULT FALSE;

-- answered follows the results by triggers, so that it is right for every writer
-- them: this module, NanoMDM or a script.
CREATE OR REPLACE FUNCTION nanomdm_result_stored()
RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    UPDATE enrollment_queue
       SET answered = (NEW.status <> 'NotNow')
     WHERE id = NEW.id
       AND command_uuid = NEW.command_uuid
       AND answered <> (NEW.status <> 'NotNow');
    RETURN NULL;
END;
$$;

DROP TRIGGER IF EXISTS nanomdm_result_stored ON command_results;

CREATE TRIGGER nanomdm_result_stored
    AFTER INSERT OR UPDATE OF status ON command_results
    FOR EACH ROW EXECUTE FUNCTION nanomdm_result_stored();

-- What was answered before.
UPDATE enrollment_queue AS q
   SET answered = TRUE
  FROM command_results AS r
 WHERE r.id = q.id
   AND r.command_uuid = q.command_uuid
   AND r.status <> 'NotNow'
   AND q.answered = FALSE;

-- The delivery query takes the first entry of this: commands that a device has
-- answered cost it nothing.
CREATE INDEX IF NOT EXISTS idx_queue_pending
    ON enrollment_queue (id, priority DESC, created_at)
    WHERE active = TRUE AND answered = FALSE;

-- For cascades and look-ups that NanoMDM leaves to sequential scans.
-- Two have id as well, so that a look-up by both keys reads one entry even where
-- the planner prefers them.
CREATE INDEX IF NOT EXISTS idx_device_serial ON devices (serial_number);

CREATE INDEX IF NOT EXISTS idx_user_device ON users (device_id);

CREATE INDEX IF NOT EXISTS idx_enrollment_device ON enrollments (device_id);

CREATE INDEX IF NOT EXISTS idx_enrollment_type ON enrollments (type);

CREATE INDEX IF NOT EXISTS idx_result_command
    ON command_results (command_uuid, id);

CREATE INDEX IF NOT EXISTS idx_result_status ON command_results (status);

CREATE INDEX IF NOT EXISTS idx_queue_command
    ON enrollment_queue (command_uuid, id);

CREATE INDEX IF NOT EXISTS idx_sha256 ON cert_auth_associations (sha256);

-- Last of all: this row says that everything of ours is complete.
CREATE TABLE IF NOT EXISTS nanomdm_schema (
    version INTEGER NOT NULL PRIMARY KEY
);

INSERT INTO nanomdm_schema (version) VALUES (1) ON CONFLICT DO NOTHING;
