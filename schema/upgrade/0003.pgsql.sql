-- mod_nanomdm: from version 2 of what it adds to 3, PostgreSQL 12 and later.
-- Load as the owner: psql -1 -v ON_ERROR_STOP=1 -f 0003.pgsql.sql DATABASE

-- Declarative management. Times are seconds since 1970 by the database's clock;
-- Identifiers and names of sets are compared byte for byte. No foreign keys to
-- enrollments: sets may be given to a device before it enrolls, and a database
-- of NanoMDM may compare IDs by another collation.
-- payload is canonical JSON, touch the nonce of the last touch.
CREATE TABLE IF NOT EXISTS nanomdm_dd_declarations (
    identifier   VARCHAR(255) COLLATE "C" NOT NULL,
    type         VARCHAR(255) COLLATE "C" NOT NULL,
    manifest     VARCHAR(15)  NOT NULL,
    payload      TEXT         NOT NULL,
    server_token VARCHAR(64)  NOT NULL,
    touch        VARCHAR(63)  NOT NULL DEFAULT '',
    flags        INTEGER      NOT NULL DEFAULT 0,
    created_at   BIGINT       NOT NULL,
    updated_at   BIGINT       NOT NULL,
    PRIMARY KEY (identifier)
);

CREATE INDEX IF NOT EXISTS idx_dd_declaration_type
    ON nanomdm_dd_declarations (type);

-- token is the digest of a set's declarations, '' while it has none; who changes
-- them has this row locked.
CREATE TABLE IF NOT EXISTS nanomdm_dd_sets (
    set_name VARCHAR(255) COLLATE "C" NOT NULL,
    token    VARCHAR(64)  NOT NULL DEFAULT '',
    PRIMARY KEY (set_name)
);

CREATE TABLE IF NOT EXISTS nanomdm_dd_set_declarations (
    set_name   VARCHAR(255) COLLATE "C" NOT NULL,
    identifier VARCHAR(255) COLLATE "C" NOT NULL,
    PRIMARY KEY (set_name, identifier),
    FOREIGN KEY (identifier) REFERENCES nanomdm_dd_declarations (identifier)
);

CREATE INDEX IF NOT EXISTS idx_dd_declaration_set
    ON nanomdm_dd_set_declarations (identifier, set_name);

CREATE TABLE IF NOT EXISTS nanomdm_dd_enrollment_sets (
    id       VARCHAR(255) NOT NULL,
    set_name VARCHAR(255) COLLATE "C" NOT NULL,
    PRIMARY KEY (id, set_name)
);

CREATE INDEX IF NOT EXISTS idx_dd_set_enrollment
    ON nanomdm_dd_enrollment_sets (set_name, id);

-- What an enrollment has been given: items_token with the last manifest,
-- data_token in the last command, which is delivered_uuid until it is put off.
-- repairs counts the commands of its own accord since it last followed.
CREATE TABLE IF NOT EXISTS nanomdm_dd_enrollments (
    id             VARCHAR(255) NOT NULL,
    items_token    VARCHAR(64)  NULL,
    items_at       BIGINT       NULL,
    data_token     VARCHAR(64)  NULL,
    delivered_uuid VARCHAR(127) NULL,
    status_at      BIGINT       NULL,
    engine_at      BIGINT       NULL,
    repair_at      BIGINT       NOT NULL DEFAULT 0,
    repairs        INTEGER      NOT NULL DEFAULT 0,
    value_token    VARCHAR(64)  NULL,
    PRIMARY KEY (id)
);

-- What devices report: the state of each declaration, the values of status
-- items, the newest errors and the newest reports.
CREATE TABLE IF NOT EXISTS nanomdm_dd_states (
    id           VARCHAR(255) NOT NULL,
    identifier   VARCHAR(255) COLLATE "C" NOT NULL,
    manifest     VARCHAR(15)  NOT NULL,
    active       BOOLEAN      NOT NULL,
    valid        VARCHAR(15)  NOT NULL,
    server_token VARCHAR(255) NOT NULL,
    reasons      TEXT         NULL,
    status_id    VARCHAR(31)  NOT NULL,
    reported_at  BIGINT       NOT NULL,
    PRIMARY KEY (id, identifier)
);

CREATE INDEX IF NOT EXISTS idx_dd_state_identifier
    ON nanomdm_dd_states (identifier, valid, active);

-- One row for each leaf; row_key is the digest of path, object and position.
CREATE TABLE IF NOT EXISTS nanomdm_dd_values (
    id          VARCHAR(255) NOT NULL,
    row_key     CHAR(64)     NOT NULL,
    path        VARCHAR(255) NOT NULL,
    object      VARCHAR(255) NOT NULL DEFAULT '',
    value       TEXT         NOT NULL,
    kind        VARCHAR(15)  NOT NULL,
    status_id   VARCHAR(31)  NOT NULL,
    reported_at BIGINT       NOT NULL,
    PRIMARY KEY (id, row_key)
);

CREATE INDEX IF NOT EXISTS idx_dd_value_path
    ON nanomdm_dd_values (id, path);

CREATE TABLE IF NOT EXISTS nanomdm_dd_errors (
    seq        BIGINT       GENERATED ALWAYS AS IDENTITY,
    id         VARCHAR(255) NOT NULL,
    status_id  VARCHAR(31)  NOT NULL,
    path       VARCHAR(255) NOT NULL,
    error      TEXT         NOT NULL,
    created_at BIGINT       NOT NULL,
    PRIMARY KEY (seq)
);

CREATE INDEX IF NOT EXISTS idx_dd_error
    ON nanomdm_dd_errors (id, seq);

CREATE TABLE IF NOT EXISTS nanomdm_dd_reports (
    seq        BIGINT       GENERATED ALWAYS AS IDENTITY,
    id         VARCHAR(255) NOT NULL,
    status_id  VARCHAR(31)  NOT NULL,
    raw        TEXT         NOT NULL,
    created_at BIGINT       NOT NULL,
    PRIMARY KEY (seq)
);

CREATE INDEX IF NOT EXISTS idx_dd_report
    ON nanomdm_dd_reports (id, seq);

-- Changes that enrollments are still to be notified of: all that have a set, or
-- one (set_name ''). revision counts the changes, run_revision is the one that
-- the run began with which has come as far as position.
CREATE TABLE IF NOT EXISTS nanomdm_dd_changes (
    seq          BIGINT       GENERATED ALWAYS AS IDENTITY,
    set_name     VARCHAR(255) COLLATE "C" NOT NULL,
    id           VARCHAR(255) NOT NULL,
    position     VARCHAR(255) NOT NULL DEFAULT '',
    revision     INTEGER      NOT NULL DEFAULT 1,
    run_revision INTEGER      NOT NULL DEFAULT 0,
    changed_at   BIGINT       NOT NULL,
    first_at     BIGINT       NOT NULL,
    PRIMARY KEY (seq),
    UNIQUE (set_name, id)
);

INSERT INTO nanomdm_chores (name, next_at) VALUES ('declarations', 0)
    ON CONFLICT DO NOTHING;

-- One-time challenges of SCEP and what they are bound to: hash is the SHA-256 of
-- the challenge, which is kept nowhere. key_sha256 and cert_sha256 are those of
-- the certificate that used it. Times are milliseconds since 1970.
CREATE TABLE IF NOT EXISTS nanomdm_scep_challenges (
    hash          CHAR(64)     NOT NULL,
    purpose       VARCHAR(15)  NOT NULL,
    udid          VARCHAR(255) NULL,
    serial_number VARCHAR(127) NULL,
    enrollment_id VARCHAR(255) NULL,
    user_name     VARCHAR(255) NULL,
    created_at    BIGINT       NOT NULL,
    expires_at    BIGINT       NOT NULL,
    used_at       BIGINT       NULL,
    key_sha256    CHAR(64)     NULL,
    cert_sha256   CHAR(64)     NULL,
    PRIMARY KEY (hash)
);

CREATE INDEX IF NOT EXISTS idx_challenge_expires
    ON nanomdm_scep_challenges (expires_at);

-- The certificates this server has issued, with the binding of the challenge
-- that each was issued for; enrollment_id is known from Authenticate on. sha256
-- is the value of cert_auth_associations.sha256.
CREATE TABLE IF NOT EXISTS nanomdm_scep_certs (
    sha256         CHAR(64)      NOT NULL,
    serial         VARCHAR(40)   NOT NULL,
    issuer_sha256  CHAR(64)      NOT NULL,
    subject        VARCHAR(1023) NOT NULL,
    pem            TEXT          NOT NULL,
    not_after      BIGINT        NOT NULL,
    purpose        VARCHAR(15)   NOT NULL,
    udid           VARCHAR(255)  NULL,
    serial_number  VARCHAR(127)  NULL,
    enrollment_id  VARCHAR(255)  NULL,
    user_name      VARCHAR(255)  NULL,
    transaction_id VARCHAR(255)  NOT NULL,
    signer_sha256  CHAR(64)      NULL,
    profile        VARCHAR(1023) NULL,
    attested       BOOLEAN       NOT NULL DEFAULT FALSE,
    created_at     BIGINT        NOT NULL,
    revoked_at     BIGINT        NULL,
    renew_asked_at BIGINT        NULL,
    renew_tries    INTEGER       NOT NULL DEFAULT 0,
    PRIMARY KEY (sha256)
);

CREATE INDEX IF NOT EXISTS idx_scep_cert_end ON nanomdm_scep_certs (not_after);

CREATE INDEX IF NOT EXISTS idx_scep_cert_enrollment
    ON nanomdm_scep_certs (enrollment_id);

CREATE UNIQUE INDEX IF NOT EXISTS idx_scep_cert_serial
    ON nanomdm_scep_certs (issuer_sha256, serial);

CREATE INDEX IF NOT EXISTS idx_scep_cert_transaction
    ON nanomdm_scep_certs (transaction_id);

-- Enrollment links and other secrets that are good for a while: hash is the
-- SHA-256 of the secret.
CREATE TABLE IF NOT EXISTS nanomdm_scep_tokens (
    hash       CHAR(64)     NOT NULL,
    kind       VARCHAR(15)  NOT NULL,
    data       TEXT         NULL,
    user_name  VARCHAR(255) NULL,
    created_at BIGINT       NOT NULL,
    expires_at BIGINT       NOT NULL,
    used_at    BIGINT       NULL,
    PRIMARY KEY (hash)
);

CREATE INDEX IF NOT EXISTS idx_scep_token_expires
    ON nanomdm_scep_tokens (expires_at);

-- Last of all: this row says that everything of ours is complete.
INSERT INTO nanomdm_schema (version) VALUES (3) ON CONFLICT DO NOTHING;
