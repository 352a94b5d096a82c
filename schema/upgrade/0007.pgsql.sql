-- mod_nanomdm: from version 6 of what it adds to 7, PostgreSQL 12 and later.
-- Load as the owner: psql -1 -v ON_ERROR_STOP=1 -f 0007.pgsql.sql DATABASE

-- A long event's payload in base64, in parts: payload_size characters, 0
-- where body is all of the event.
ALTER TABLE nanomdm_events
    ADD COLUMN IF NOT EXISTS payload_size INTEGER NOT NULL DEFAULT 0;

CREATE TABLE IF NOT EXISTS nanomdm_event_parts (
    seq     BIGINT  NOT NULL,
    part    INTEGER NOT NULL,
    content TEXT    NOT NULL,
    PRIMARY KEY (seq, part),
    FOREIGN KEY (seq) REFERENCES nanomdm_events (seq) ON DELETE CASCADE
);

-- Last of all: this row says that everything of ours is complete.
INSERT INTO nanomdm_schema (version) VALUES (7) ON CONFLICT DO NOTHING;
