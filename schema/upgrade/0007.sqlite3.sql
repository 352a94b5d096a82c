-- mod_nanomdm: from version 6 of its tables to 7, for SQLite 3.35 and later.
-- Load: sqlite3 -bail DATABASE < 0007.sqlite3.sql

-- A long event's payload in base64, in parts: payload_size characters, 0
-- where body is all of the event.
ALTER TABLE nanomdm_events ADD COLUMN payload_size INTEGER NOT NULL DEFAULT 0;

CREATE TABLE nanomdm_event_parts (
    seq     BIGINT  NOT NULL,
    part    INTEGER NOT NULL,
    content TEXT    NOT NULL,
    PRIMARY KEY (seq, part),
    FOREIGN KEY (seq) REFERENCES nanomdm_events (seq) ON DELETE CASCADE
);

-- Last of all: this row says that everything of ours is complete.
INSERT INTO nanomdm_schema (version) VALUES (7);
